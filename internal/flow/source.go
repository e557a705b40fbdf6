package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// A Data says in what form data is. Schema and Properties are kept as they came.
type Data struct {
	Format     string          `json:"format"`
	Schema     *SchemaRef      `json:"schema,omitempty"`
	Properties json.RawMessage `json:"properties,omitempty"`
}

// A SchemaRef names a schema; its version is a media type, of which the number
// before the dot counts. What else a client wrote there is kept.
type SchemaRef struct {
	ID      string `json:"id"`
	Version string `json:"version,omitempty"`

	text json.RawMessage // as it came
}

// UnmarshalJSON reads an object.
func (r *SchemaRef) UnmarshalJSON(text []byte) error {
	type plain SchemaRef
	if err := json.Unmarshal(text, (*plain)(r)); err != nil {
		return err
	}
	r.text = bytes.Clone(text)
	return nil
}

// MarshalJSON writes what came.
func (r SchemaRef) MarshalJSON() ([]byte, error) {
	if r.text != nil {
		return r.text, nil
	}
	type plain SchemaRef
	return json.Marshal(plain(r))
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
		inherited := map[string]any{}
		if s.BaseConnectionID != "" {
			inherited["baseConnection"] = base{s.BaseConnectionID, s.Base}
		}
		return shown{Source: *s, Inherited: inherited}
	},
	item: func(s *Source) *Item { return &s.Item },
}

// A SourceInput describes a source connection, as clients write it.
type SourceInput struct {
	Name        string                     `json:"name"`
	Description string                     `json:"description,omitempty"`
	Labels      []string                   `json:"labels,omitempty"`
	BaseID      string                     `json:"baseConnectionId,omitempty"`
	Spec        *Spec                      `json:"connectionSpec,omitempty"`
	Data        *Data                      `json:"data,omitempty"`
	Params      map[string]json.RawMessage `json:"params,omitempty"`
}

// settle checks what a client wrote by itself, and puts it in order. A draft may
// lack all but its name.
func (in *SourceInput) settle(draft bool) error {
	switch {
	case strings.TrimSpace(in.Name) == "":
		return lacking("name")
	case in.Spec == nil && !draft:
		return lacking("connectionSpec")
	case in.Data == nil && !draft:
		return lacking("data")
	case in.BaseID == "" && !draft:
		return mandatory("baseConnectionId")
	}
	if in.Spec != nil {
		d, err := connectionSpecs.settle(in.Spec)
		if err != nil {
			return err
		}
		if len(d.Auth) == 0 {
			return invalid("FLOW-1413-400", "connectionSpec", "The connection spec %s is that of a target, not of a source", d.ID)
		}
	}
	if in.Data != nil && in.Data.Format != "json" {
		return invalid("CONNECTOR-1327-400", "data.format", "The source format %q is not supported: json is expected", in.Data.Format)
	}
	if err := noSecret(in.Params); err != nil || draft && in.Params["resourcePath"] == nil {
		return err
	}
	name, err := resource(in.Params["resourcePath"])
	if err != nil {
		return err
	}
	in.Params["resourcePath"], err = json.Marshal(name)
	return err
}

// onto checks a source connection against its base connection and fills in the
// rest.
func (in *SourceInput) onto(t *docstore.Tx, sc docstore.Scope, v *Source, draft bool) error {
	v.Name, v.Description, v.Labels, v.Params = in.Name, in.Description, in.Labels, in.Params
	if v.Params == nil {
		v.Params = map[string]json.RawMessage{}
	}
	v.Spec, v.Data, v.Base, v.BaseConnectionID = Spec{}, Data{}, Spec{}, in.BaseID
	if in.Spec != nil {
		v.Spec = *in.Spec
	}
	if in.Data != nil {
		v.Data = *in.Data
	}
	if in.BaseID == "" {
		return nil
	}
	b, _, err := connections.get(t, sc, in.BaseID)
	if err != nil {
		return err
	}
	if b.State == Draft && !draft {
		return invalid("FLOW-1416-400", "baseConnectionId", "The connection %s is a draft: publish it first", b.ID)
	}
	if in.Spec != nil && b.Spec.ID != "" && b.Spec.ID != in.Spec.ID {
		return invalid("FLOW-1413-400", "connectionSpec", "The connection spec %s is not that of the connection %s, which is %s", in.Spec.ID, b.ID, b.Spec.ID)
	}
	v.Base = b.Spec
	return nil
}

func (s *Source) input() *SourceInput {
	in := &SourceInput{Name: s.Name, Description: s.Description, Labels: s.Labels, BaseID: s.BaseConnectionID, Params: s.Params}
	if s.Spec.ID != "" {
		spec := s.Spec
		in.Spec = &spec
	}
	if s.Data.Format != "" {
		data := s.Data
		in.Data = &data
	}
	return in
}

// CreateSource keeps a new source connection.
func (s *Service) CreateSource(ctx context.Context, c access.Caller, in SourceInput, draft bool) (*Source, error) {
	if err := in.settle(draft); err != nil {
		return nil, err
	}
	v := &Source{Item: Item{State: Enabled}}
	if draft {
		v.State = Draft
	}
	err := keep(ctx, s, sources, c, v, func(t *docstore.Tx) error { return in.onto(t, scope(c), v, draft) })
	return v, err
}

func (s *Service) sourceRoutes() []gateway.Route {
	return append(
		reads(s, sources),
		posts(sources, s.CreateSource),
		gateway.Route{Method: "PATCH", Path: "/sourceConnections/{id}", Handle: s.patchSource},
		publishes(s, sources, func(ctx context.Context, c access.Caller, v *Source) error {
			in := v.input()
			if err := in.settle(false); err != nil {
				return err
			}
			return s.DB.Do(ctx, func(t *docstore.Tx) error { return in.onto(t, scope(c), v, false) })
		}),
		deletes(s, sources, "FLOW-1447-400", func(f *Flow, id string) bool { return slices.Contains(f.SourceIDs, id) }),
	)
}

func (s *Service) patchSource(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	ops, err := readPatch(call, "name", "description", "labels", "baseConnectionId", "connectionSpec", "data", "params")
	if err != nil {
		return nil, err
	}
	given, err := ifMatch(call, true)
	if err != nil {
		return nil, err
	}
	return change(ctx, s, sources, call, given, func(t *docstore.Tx, v *Source) error {
		var in SourceInput
		if err := patched(v.input(), ops, &in); err != nil {
			return err
		}
		draft := v.State == Draft
		if err := in.settle(draft); err != nil {
			return err
		}
		return in.onto(t, scope(call.Caller), v, draft)
	})
}
