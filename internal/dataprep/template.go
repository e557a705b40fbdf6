package dataprep

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Template returns the set that copies all of a Stripe resource's objects, not
// kept: every field of data to the field of the same name in a schema that has
// the resource's field group. Of a schema whose group has fewer fields it maps
// those.
func (s *Service) Template(ctx context.Context, c access.Caller, resource, schemaID string) (Set, error) {
	stripe, err := xdm.Stripe(resource, c.Tenant)
	if err != nil {
		return Set{}, problem.Errorf(problem.NotFound, "%v", err)
	}
	composition, err := s.composition(ctx, c, schemaID)
	if err != nil {
		return Set{}, err
	}
	set := Set{Name: stripe.Title, SchemaID: composition.ID}
	all := mapping.Copy(stripe)
	_, faults := mapping.Assemble(composition, all)
	for i, m := range all {
		if !slices.ContainsFunc(faults, func(f mapping.Fault) bool { return f.Mapping == i }) {
			set.Mappings = append(set.Mappings, Mapping{Type: "ATTRIBUTE", Source: m.Source, To: m.Destination, Score: 1})
		}
	}
	if len(set.Mappings) == 0 {
		return Set{}, problem.Errorf(problem.Invalid, "the schema %q does not have the field group %q", composition.Title, stripe.Title)
	}
	return set, nil
}

func (s *Service) suggest(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var b struct {
		setBody

		Data json.RawMessage `json:"data"`
	}
	if err := call.JSON(&b); err != nil {
		return nil, err
	}
	b.Mappings = nil
	asked, err := b.set(call.Caller)
	if err != nil {
		return nil, err
	}
	samples, _, err := records(b.Data)
	if err != nil {
		return nil, err
	}
	set, unmatched, err := s.Suggest(ctx, call.Caller, asked.SchemaID, samples)
	if err != nil {
		return nil, err
	}
	set.Content, set.XDM = asked.Content, asked.XDM
	if unmatched == nil {
		unmatched = []string{}
	}
	return gateway.OK(struct {
		draft
		Unmatched []string `json:"unmatchedSources"`
	}{set.draft(), unmatched}), nil
}

func (s *Service) template(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	id := call.HTTP.URL.Query().Get("schema")
	if id == "" {
		return nil, invalid("schema=… is missing: the $id of the schema that the set should map to")
	}
	set, err := s.Template(ctx, call.Caller, call.Var("resource"), ownSchema(call.Caller, id))
	if err != nil {
		return nil, err
	}
	set.Content, set.XDM = "application/vnd.adobe.xed-full+json;version=1", "1.0"
	return gateway.OK(set.draft()), nil
}

// A draft is a set that is not kept, as a client may send it.
type draft struct {
	Name         string         `json:"name,omitempty"`
	OutputSchema outputSchema   `json:"outputSchema"`
	Mappings     []draftMapping `json:"mappings"`
}

type draftMapping struct {
	SourceType  string  `json:"sourceType"`
	Source      string  `json:"source"`
	Destination string  `json:"destination"`
	MatchScore  float64 `json:"matchScore"`
}

func (set Set) draft() draft {
	d := draft{Name: set.Name, OutputSchema: outputSchema{SchemaRef: reference{set.SchemaID, set.Content}}, Mappings: []draftMapping{}}
	for _, m := range set.Mappings {
		d.Mappings = append(d.Mappings, draftMapping{m.Type, m.Source, m.To, m.Score})
	}
	return d
}
