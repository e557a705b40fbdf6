package mapping

import (
	"cmp"
	"slices"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Wrapper is the member of a source record that holds the object of Stripe's:
// {"data": {…}}.
const Wrapper = "data"

// Copy returns the mappings that copy every field of a Stripe schema from the
// wrapped object's field of the same name.
func Copy(s *xdm.Schema) []Mapping {
	all := make([]Mapping, len(s.Fields))
	for i, f := range s.Fields {
		all[i] = Mapping{Source: expr.Path{{Name: Wrapper}, {Name: f.Name}}.String(), Destination: prefix(s) + f.Name}
	}
	return all
}

// PureCopy says whether mappings into records of c do nothing but copy whole
// fields of a Stripe object to the fields of the same name of the Stripe
// schema s, which c is made of. If so, a Plan compiled from the set returned
// makes the same records as their Program, many times as fast.
func PureCopy(c *xdm.Composition, s *xdm.Schema, mappings []Mapping) (Set, bool) {
	group := within(within(c.Fields, "_"+s.Tenant), s.Group)
	p, faults := Assemble(c, mappings)
	if group == nil || len(p.rules) == 0 || slices.ContainsFunc(faults, func(f Fault) bool { return f.Kind != FaultOverridden }) {
		return Set{}, false
	}
	whole := map[string]bool{}  // fields that are copied, as a whole
	for _, r := range p.rules { // parents first
		name, ok := r.copies(s)
		if !ok || !whole[name] && len(r.to) != 3 {
			return Set{}, false
		}
		whole[name] = true
	}
	if demands(c.Fields, "_"+s.Tenant) || demands(within(c.Fields, "_"+s.Tenant), s.Group) {
		return Set{}, false
	}
	for _, f := range group {
		i := slices.IndexFunc(s.Fields, func(o *xdm.Field) bool { return o.Name == f.Name })
		if i < 0 && f.Required || i >= 0 && f.Required != s.Fields[i].Required || whole[f.Name] && (i < 0 || !alike(f, s.Fields[i])) {
			return Set{}, false
		}
	}
	var set Set
	for _, f := range s.Fields {
		if whole[f.Name] {
			set.Rules = append(set.Rules, Rule{Source: f.Name, Destination: prefix(s) + f.Name})
		} else if f.Required {
			return Set{}, false // each record would be refused, in other words
		}
	}
	return set, true
}

// within returns the fields of the object of that name.
func within(fields []*xdm.Field, name string) []*xdm.Field {
	for _, f := range fields {
		if f.Name == name && f.Kind == xdm.Object {
			return f.Fields
		}
	}
	return nil
}

// demands says whether there is a required field beside the one of that name.
func demands(fields []*xdm.Field, name string) bool {
	return slices.ContainsFunc(fields, func(f *xdm.Field) bool { return f.Required && f.Name != name })
}

// copies says whether the rule copies a value to the same place below the
// schema's group, and returns the field at the top that this is part of.
func (r *rule) copies(s *xdm.Schema) (field string, ok bool) {
	if r.source.Type != Attribute || len(r.to) < 3 || r.to[0].field.Name != "_"+s.Tenant || r.to[1].field.Name != s.Group {
		return "", false
	}
	from, ok := r.from.Path()
	if !ok || len(from) != len(r.to)-1 || from[0].Name != Wrapper {
		return "", false
	}
	for i, step := range from[1:] {
		to := r.to[i+2]
		if to.kind > stepKey || step.Name == "" || step.Name != cmp.Or(to.key, to.field.Name) {
			return "", false
		}
	}
	return from[1].Name, true
}

// alike says whether two fields take the same values the same way.
func alike(a, b *xdm.Field) bool {
	if a.Name != b.Name || a.Kind != b.Kind || a.Required != b.Required || a.Money != b.Money || a.Identifier != b.Identifier ||
		a.Added != b.Added || a.JSON != b.JSON || a.Limits != nil || b.Limits != nil || (a.Elem == nil) != (b.Elem == nil) {
		return false
	}
	return slices.EqualFunc(a.Fields, b.Fields, alike) && (a.Elem == nil || alike(a.Elem, b.Elem))
}
