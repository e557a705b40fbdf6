package dataprep

import (
	"context"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
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
