package flow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
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
func (t *Target) DatasetID() string { return datasetID(t.Params) }

func datasetID(params map[string]json.RawMessage) string {
	var id string
	_ = json.Unmarshal(params["dataSetId"], &id) // it was checked when it was stored
	return strings.TrimSpace(id)
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

// A TargetInput describes a target connection, as clients write it.
type TargetInput struct {
	Name        string                     `json:"name"`
	Description string                     `json:"description,omitempty"`
	Labels      []string                   `json:"labels,omitempty"`
	Spec        *Spec                      `json:"connectionSpec,omitempty"`
	Data        *Data                      `json:"data,omitempty"`
	Params      map[string]json.RawMessage `json:"params,omitempty"`
}

// settle checks what a client wrote by itself, and puts it in order. A draft may
// lack all but its name.
func (in *TargetInput) settle(draft bool) error {
	switch {
	case strings.TrimSpace(in.Name) == "":
		return lacking("name")
	case in.Spec == nil && !draft:
		return lacking("connectionSpec")
	case in.Data == nil && !draft:
		return lacking("data")
	}
	if in.Spec != nil {
		if in.Spec.ID != DataLakeSpec {
			return invalid("CONNECTOR-1307-400", "connectionSpec", "The target connection spec %q is not the data lake's, which is %s", in.Spec.ID, DataLakeSpec)
		}
		if _, err := connectionSpecs.settle(in.Spec); err != nil {
			return err
		}
	}
	if in.Data != nil && in.Data.Format != "parquet_xdm" {
		return invalid("CONNECTOR-1327-400", "data.format", "The target format %q is not supported: parquet_xdm is expected", in.Data.Format)
	}
	if err := noSecret(in.Params); err != nil || draft && in.Params["dataSetId"] == nil {
		return err
	}
	if blank(in.Params["dataSetId"]) {
		return invalid("CONNECTOR-1325-400", "params.dataSetId", "The dataset id is missing in the target connection: params.dataSetId is expected")
	}
	if why := (schema{Type: "string"}).refuses(in.Params["dataSetId"]); why != "" {
		return invalid("CONNECTOR-1312-400", "params.dataSetId", "The value of \"dataSetId\" is not valid: %s", why)
	}
	return nil
}

// writable checks that flows may write into a dataset; FLOW-2200-400.
func (s *Service) writable(ctx context.Context, c access.Caller, id string) error {
	if id == "" {
		return nil // a draft
	}
	d, err := s.Datasets.Dataset(ctx, c, id)
	switch {
	case problem.KindOf(err) == problem.NotFound:
		return invalid("FLOW-2200-400", "params.dataSetId", "There is no dataset %q in this sandbox", id)
	case err != nil:
		return err
	case d.Mirror:
		return invalid("FLOW-2200-400", "params.dataSetId", "The dataset %s is a copy of Stripe that nothing else writes into: make a dataset of your own on its schema", id)
	}
	return nil
}

func (in *TargetInput) onto(v *Target) {
	v.Name, v.Description, v.Labels, v.Params = in.Name, in.Description, in.Labels, in.Params
	if v.Params == nil {
		v.Params = map[string]json.RawMessage{}
	}
	v.Spec, v.Data = Spec{}, Data{}
	if in.Spec != nil {
		v.Spec = *in.Spec
	}
	if in.Data != nil {
		v.Data = *in.Data
	}
}

func (t *Target) input() *TargetInput {
	in := &TargetInput{Name: t.Name, Description: t.Description, Labels: t.Labels, Params: t.Params}
	if t.Spec.ID != "" {
		spec := t.Spec
		in.Spec = &spec
	}
	if t.Data.Format != "" {
		data := t.Data
		in.Data = &data
	}
	return in
}

// CreateTarget keeps a new target connection.
func (s *Service) CreateTarget(ctx context.Context, c access.Caller, in TargetInput, draft bool) (*Target, error) {
	if err := in.settle(draft); err != nil {
		return nil, err
	}
	if err := s.writable(ctx, c, datasetID(in.Params)); err != nil {
		return nil, err
	}
	v := &Target{Item: Item{State: Enabled}}
	if draft {
		v.State = Draft
	}
	in.onto(v)
	return v, keep(ctx, s, targets, c, v, func(*docstore.Tx) error { return nil })
}

func (s *Service) targetRoutes() []gateway.Route {
	return append(
		reads(s, targets),
		posts(targets, s.CreateTarget),
		gateway.Route{Method: "PATCH", Path: "/targetConnections/{id}", Handle: s.patchTarget},
		publishes(s, targets, func(ctx context.Context, c access.Caller, v *Target) error {
			if err := v.input().settle(false); err != nil {
				return err
			}
			return s.writable(ctx, c, v.DatasetID())
		}),
		deletes(s, targets, "FLOW-1447-400", func(f *Flow, id string) bool { return slices.Contains(f.TargetIDs, id) }),
	)
}

// patchTarget looks at the dataset before the change: the catalog has
// transactions of its own.
func (s *Service) patchTarget(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	ops, err := readPatch(call, "name", "description", "labels", "connectionSpec", "data", "params")
	if err != nil {
		return nil, err
	}
	given, err := ifMatch(call, true)
	if err != nil {
		return nil, err
	}
	after := func(v *Target) (*TargetInput, error) {
		in := &TargetInput{}
		if err := patched(v.input(), ops, in); err != nil {
			return nil, err
		}
		return in, in.settle(v.State == Draft)
	}
	v, err := load(ctx, s, targets, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	if err := current(given, &v.Item); err != nil {
		return nil, err
	}
	in, err := after(v)
	if err != nil {
		return nil, err
	}
	if id := datasetID(in.Params); id != v.DatasetID() {
		if err := s.writable(ctx, call.Caller, id); err != nil {
			return nil, err
		}
	}
	return change(ctx, s, targets, call, v.Etag, func(_ *docstore.Tx, now *Target) error {
		in.onto(now)
		return nil
	})
}
