package flow

import (
	"encoding/json"

	"github.com/tributary-data/tributary/internal/gateway"
)

// A Data says in what form data is. Schema and Properties are kept as they came.
type Data struct {
	Format     string          `json:"format"`
	Schema     *SchemaRef      `json:"schema,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

// A SchemaRef names a schema; its version is a media type, of which the number
// before the dot counts.
type SchemaRef struct {
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`
}

// A Source is a source connection: which data of a base connection. Its JSON is
// how it is stored.
type Source struct {
	Item
	BaseConnectionID string `json:"baseConnectionId"`
	Spec             Spec   `json:"connectionSpec"`
	Data             Data   `json:"data"`
	// Params hold resourcePath, one of the six, and what the client added.
	Params        map[string]json.RawMessage `json:"params"`
	ProviderRefID string                     `json:"providerRefId,omitempty"`
	Base          Spec                       `json:"base"` // the base connection's spec
}

// Resource is what is read.
func (s *Source) Resource() string {
	var path string
	_ = json.Unmarshal(s.Params["resourcePath"], &path) // it was checked when it was stored
	return path
}

var sources = &kind[Source]{
	name: kindSource, collection: "sourceConnections", one: "source connection",
	fields: append([]string{"baseConnectionId", "connectionSpec", "data", "params", "providerRefId", "inheritedAttributes"}, common...),
	view: func(s *Source) any {
		type base struct {
			ID   string `json:"id"`
			Spec Spec   `json:"connectionSpec"`
		}
		type shown struct {
			Source
			Base      any `json:"base,omitempty"`
			Inherited any `json:"inheritedAttributes"`
		}
		return shown{Source: *s, Inherited: map[string]any{"baseConnection": base{s.BaseConnectionID, s.Base}}}
	},
	item: func(s *Source) *Item { return &s.Item },
}

func (s *Service) sourceRoutes() []gateway.Route { return reads(s, sources) }
