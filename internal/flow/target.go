package flow

import (
	"encoding/json"

	"github.com/tributary-data/tributary/internal/gateway"
)

// A Target is a target connection: which dataset. Its JSON is how it is stored.
type Target struct {
	Item
	Spec Spec `json:"connectionSpec"`
	Data Data `json:"data"`
	// Params hold dataSetId, and what the client added.
	Params map[string]json.RawMessage `json:"params"`
}

// DatasetID is where the data goes.
func (t *Target) DatasetID() string {
	var id string
	_ = json.Unmarshal(t.Params["dataSetId"], &id) // it was checked when it was stored
	return id
}

var targets = &kind[Target]{
	name: kindTarget, collection: "targetConnections", one: "target connection",
	fields: append([]string{"connectionSpec", "data", "params", "inheritedAttributes"}, common...),
	view: func(t *Target) any {
		type shown struct {
			Target
			Inherited struct{} `json:"inheritedAttributes"`
		}
		return shown{Target: *t}
	},
	item: func(t *Target) *Item { return &t.Item },
}

func (s *Service) targetRoutes() []gateway.Route { return reads(s, targets) }
