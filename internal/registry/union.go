package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// unionSuffix makes the $id of a class that of its union.
const unionSuffix = "__union"

// mayEnable says whether a schema may take part in the union of its class: it
// needs a primary identity.
func (l *library) mayEnable(r *resource) error {
	all, err := l.descriptors(r.ID)
	if err != nil {
		return err
	}
	return l.keepsIdentity(r, all)
}

// keepsIdentity checks that a schema that is enabled for a union has a primary
// identity among its descriptors.
func (l *library) keepsIdentity(r *resource, all []*descriptor) error {
	if !r.union() || slices.ContainsFunc(all, (*descriptor).isPrimary) {
		return nil
	}
	return refuse(invalidResource, "a schema that is enabled for the union of its class needs a primary identity: %s has none", r.ID)
}

// unions returns the classes that have a union, each with the schemas that are
// enabled for it, oldest first.
func (l *library) unions() (classes []*resource, members map[string][]*resource, err error) {
	all, err := l.all(Schemas)
	if err != nil {
		return nil, nil, err
	}
	members = make(map[string][]*resource)
	for _, r := range all {
		if !r.union() {
			continue
		}
		class, err := l.classOf(r)
		if err != nil {
			return nil, nil, err
		}
		if class == nil {
			continue
		}
		if len(members[class.ID]) == 0 {
			classes = append(classes, class)
		}
		members[class.ID] = append(members[class.ID], r)
	}
	return classes, members, nil
}

// unionOf returns the union of a class as a resource of its own.
func (l *library) unionOf(class *resource, members []*resource) (*resource, error) {
	doc := jsondoc.Of("title", class.Doc.Text("title"), "type", "object", "description", class.Doc.Text("description"))
	parts := []any{part(class.ID)}
	seen := map[string]bool{class.ID: true}
	modified := int64(0)
	for _, r := range members {
		made, err := l.parts(r)
		if err != nil {
			return nil, err
		}
		for _, p := range made {
			if !seen[p.ID] {
				seen[p.ID] = true
				parts = append(parts, part(p.ID))
			}
		}
		modified = max(modified, r.Modified)
	}
	doc.Set("allOf", parts)
	doc.Set("meta:xdmType", "object")
	return &resource{ID: class.ID + unionSuffix, stored: stored{Type: Unions, Doc: doc, Modified: modified}}, nil
}

func part(id string) *jsondoc.Object {
	return jsondoc.Of("$ref", id, "type", "object", "meta:xdmType", "object")
}

// checkUnion checks that a schema goes together with all others of its union.
func (l *library) checkUnion(r *resource) error {
	class, err := l.classOf(r)
	if err != nil || class == nil {
		return err
	}
	_, members, err := l.unions()
	if err != nil {
		return err
	}
	union, err := l.unionOf(class, members[class.ID])
	if err != nil {
		return err
	}
	whole, err := l.expand(union)
	if err != nil {
		return err
	}
	_, err = fieldsOf(whole, nil)
	return err
}

// findUnion returns a union by its id or meta:altId.
func (l *library) findUnion(id string) (*resource, []*resource, error) {
	full := canonical(&l.caller, "", id)
	classID, ok := strings.CutSuffix(full, unionSuffix)
	if !ok {
		return nil, nil, missing(id)
	}
	classes, members, err := l.unions()
	if err != nil {
		return nil, nil, err
	}
	for _, class := range classes {
		if class.ID == classID {
			u, err := l.unionOf(class, members[class.ID])
			return u, members[class.ID], err
		}
	}
	return nil, nil, missing(id)
}

// listUnions returns all unions, the one that was changed last at the end.
func (l *library) listUnions() ([]*resource, error) {
	classes, members, err := l.unions()
	if err != nil {
		return nil, err
	}
	var all []*resource
	for _, class := range classes {
		u, err := l.unionOf(class, members[class.ID])
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	slices.SortStableFunc(all, func(a, b *resource) int { return cmp.Compare(a.Modified, b.Modified) })
	return all, nil
}
