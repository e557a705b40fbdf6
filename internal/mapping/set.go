// Package mapping turns Stripe objects into XDM records along a mapping set.
// A set is compiled once per run; applying it is one pass over the object's
// bytes that finds the mapped values, checks their types, hashes the content,
// removes white space and notices what the schema does not know.
package mapping

import (
	"strings"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Rule copies the value at Source, a dotted path in the Stripe object, to
// Destination, a dotted XDM path that begins with the tenant namespace. An
// object is copied with all the fields that its destination has.
type Rule struct {
	Source      string
	Destination string
}

// A Set is an ordered list of rules for one resource (Data Prep, "mapping
// set").
type Set struct {
	Rules []Rule
}

// Default returns the set that copies every field of the schema from the
// field of the same name.
func Default(s *xdm.Schema) Set {
	var set Set
	for _, f := range s.Fields {
		set.Rules = append(set.Rules, Rule{Source: f.Name, Destination: prefix(s) + f.Name})
	}
	return set
}

func prefix(s *xdm.Schema) string { return "_" + s.Tenant + "." + s.Group + "." }

// Compile prepares set for objects of the given kind ("charge") and records
// of schema s. volatile names top-level fields that change by themselves and
// are left out of the content hash. The error names the rule at fault.
func Compile(set Set, s *xdm.Schema, object string, volatile ...string) (*Plan, error) {
	p := &Plan{object: object, layout: dataset.NewLayout(s.Fields), root: &node{}}
	for _, r := range set.Rules {
		rest, ok := strings.CutPrefix(r.Destination, prefix(s))
		dst := find(p.layout.Nodes, rest)
		if !ok || dst == nil {
			return nil, problemf("mapping to %s: the schema %q has no such field", r.Destination, s.Title)
		}
		n := p.root
		for name := range strings.SplitSeq(r.Source, ".") {
			if n.dst != nil {
				return nil, problemf("mapping %s to %s: %s is mapped as a whole already", r.Source, r.Destination, n.path)
			}
			n = n.kid(name)
		}
		if n.dst != nil || len(n.kids) > 0 {
			return nil, problemf("mapping %s to %s: the source is mapped already", r.Source, r.Destination)
		}
		n.attach(dst)
	}
	for _, f := range s.Fields { // known, if not mapped: no drift
		p.root.kid(f.Name)
	}
	for name, role := range map[string]role{"id": roleID, "object": roleObject, "created": roleCreated} {
		p.root.kid(name).role = role
	}
	for _, name := range volatile {
		p.root.kid(name).volatile = true
	}
	for _, n := range p.layout.Nodes {
		if n.Field.Required {
			p.required = append(p.required, n)
		}
	}
	p.root.seal()
	return p, nil
}

func problemf(format string, args ...any) error {
	return problem.Errorf(problem.Invalid, format, args...)
}

func find(nodes []*dataset.Node, path string) *dataset.Node {
	name, rest, more := strings.Cut(path, ".")
	for _, n := range nodes {
		if n.Field.Name != name {
			continue
		}
		if !more {
			return n
		}
		return find(n.Children, rest)
	}
	return nil
}
