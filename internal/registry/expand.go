package registry

import (
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// An expander resolves $ref and allOf. Each field is built anew wherever it is
// referred to, so that what comes of it is bounded by the number of fields.
type expander struct {
	lib    *library
	fields int
	open   []string // references that are being resolved, to find those that lead back to themselves
}

// expand returns the whole of a resource: its fields and those of all that it
// refers to as one tree of properties.
func (l *library) expand(r *resource) (*jsondoc.Object, error) {
	e := &expander{lib: l}
	return e.enter(r.ID, func() (*jsondoc.Object, error) { return e.node(r, r.Doc, nil) })
}

// enter resolves something unless that is being done already.
func (e *expander) enter(name string, fn func() (*jsondoc.Object, error)) (*jsondoc.Object, error) {
	if slices.Contains(e.open, name) {
		return nil, refuse(invalidResource, "%s refers to itself, by way of %s", name, strings.Join(e.open, ", "))
	}
	e.open = append(e.open, name)
	defer func() { e.open = e.open[:len(e.open)-1] }()
	return fn()
}

// aside are the members that say something of a resource and nothing of its
// fields.
var aside = []string{"definitions", "meta:intendedToExtend", "meta:extends", "meta:immutableTags", "meta:tags", "meta:createdDate"}

// node resolves a node of a resource that stands at a path.
func (e *expander) node(owner *resource, n *jsondoc.Object, at []string) (*jsondoc.Object, error) {
	if n.Has("$ref") {
		return e.follow(owner, n, at)
	}
	out := &jsondoc.Object{}
	for name, v := range n.All() {
		switch name {
		case "allOf", "properties", "items", "additionalProperties", "required":
		default:
			if !slices.Contains(aside, name) {
				out.Set(name, v)
			}
		}
	}
	if n.Has("allOf") || n.Has("properties") {
		if err := e.properties(owner, n, out, at); err != nil {
			return nil, err
		}
	} else if required := n.List("required"); required != nil {
		out.Set("required", required)
	}
	for name, step := range map[string]string{"items": "[]", "additionalProperties": "*"} {
		child := n.Object(name)
		if child == nil {
			continue
		}
		c, err := e.node(owner, child, append(slices.Clip(at), step))
		if err != nil {
			return nil, err
		}
		out.Set(name, c)
	}
	return out, nil
}

// properties gives out the properties of n: those of all parts of allOf, and
// its own.
func (e *expander) properties(owner *resource, n, out *jsondoc.Object, at []string) error {
	all := jsondoc.Of("properties", &jsondoc.Object{})
	for _, p := range n.List("allOf") {
		part, err := e.node(owner, p.(*jsondoc.Object), at) // the checker has seen that it is one
		if err != nil {
			return err
		}
		if part.Text("meta:xdmType") != "object" {
			return bad(at, "only objects can be put together by allOf")
		}
		if err := merge(all, part, at); err != nil {
			return err
		}
	}
	mine := jsondoc.Of("properties", &jsondoc.Object{}, "required", n.List("required"))
	if props := n.Object("properties"); props != nil {
		for name, v := range props.All() {
			path := append(slices.Clip(at), name)
			if e.fields++; e.fields > maxFields {
				return bad(at, "there are more than %d fields, with those that are referred to", maxFields)
			}
			if depth(path) > maxDepth {
				return bad(path, "fields lie at most %d levels deep, with those that are referred to", maxDepth)
			}
			c, err := e.node(owner, v.(*jsondoc.Object), path)
			if err != nil {
				return err
			}
			mine.Object("properties").Set(name, c)
		}
	}
	if err := merge(all, mine, at); err != nil {
		return err
	}
	out.Set("properties", all.Object("properties"))
	if required := all.List("required"); len(required) > 0 {
		out.Set("required", required)
	}
	return nil
}

// depth counts the names in a path.
func depth(path []string) int {
	n := 0
	for _, s := range path {
		if s != "[]" && s != "*" {
			n++
		}
	}
	return n
}

// follow resolves a $ref. Title, description and the like beside it win.
func (e *expander) follow(owner *resource, n *jsondoc.Object, at []string) (*jsondoc.Object, error) {
	ref := n.Text("$ref")
	id, fragment, _ := strings.Cut(ref, "#")
	target := owner
	if id != "" {
		var err error
		target, err = e.lib.get(id)
		if isNotFound(err) {
			return nil, refuse(noReference, "%s refers to %s, which does not exist", place(owner, at), ref)
		}
		if err != nil {
			return nil, err
		}
	}
	node, err := pointed(target, fragment)
	if err != nil {
		return nil, refuse(noReference, "%s refers to %s: %v", place(owner, at), ref, err)
	}
	name := target.ID
	if fragment != "" {
		name += "#" + fragment
	}
	found, err := e.enter(name, func() (*jsondoc.Object, error) { return e.node(target, node, at) })
	if err != nil {
		return nil, err
	}
	for name, v := range n.All() {
		if name != "$ref" && name != "type" && name != "meta:xdmType" {
			found.Set(name, v)
		}
	}
	if id != "" && len(at) > 0 {
		found.Set("meta:referencedFrom", target.ID)
	}
	return found, nil
}

func place(r *resource, at []string) string {
	if len(at) == 0 {
		return r.ID
	}
	return strings.Join(at, ".")
}

// pointed returns the node of a resource that a fragment such as
// /definitions/customFields points to; the whole of it where there is none.
func pointed(r *resource, fragment string) (*jsondoc.Object, error) {
	node := r.Doc
	if fragment == "" {
		return node, nil
	}
	steps := []string{""}
	if fragment[0] == '/' {
		steps = jsondoc.Steps(fragment)
	}
	for _, step := range steps {
		next := node.Object(step)
		if next == nil {
			return nil, bad(nil, "%s has no %s", r.ID, fragment)
		}
		node = next
	}
	return node, nil
}

// merge adds the properties of b, and what is required of it, to a. Objects
// that both have are put together; anything else that both have must be alike.
func merge(a, b *jsondoc.Object, at []string) error {
	have := a.Object("properties")
	if props := b.Object("properties"); props != nil {
		if have == nil {
			have = &jsondoc.Object{}
			a.Set("properties", have)
		}
		for name, v := range props.All() {
			want := v.(*jsondoc.Object) // as are all properties of what was resolved
			old := have.Object(name)
			if old == nil {
				have.Set(name, want)
				continue
			}
			path := append(slices.Clip(at), name)
			if err := mergeField(old, want, path); err != nil {
				return err
			}
		}
	}
	required := a.List("required")
	seen := make(map[any]bool, len(required))
	for _, v := range required {
		seen[v] = true
	}
	for _, v := range b.List("required") {
		if !seen[v] {
			seen[v] = true
			required = append(slices.Clip(required), v)
		}
	}
	if len(required) > 0 {
		a.Set("required", required)
	}
	return nil
}

func mergeField(a, b *jsondoc.Object, at []string) error {
	x, y := a.Text("meta:xdmType"), b.Text("meta:xdmType")
	if x != y {
		return bad(at, "it is %s in one place and %s in another", x, y)
	}
	switch x {
	case "object":
		return merge(a, b, at)
	case "array":
		return mergeField(a.Object("items"), b.Object("items"), append(slices.Clip(at), "[]"))
	case "map":
		return mergeField(a.Object("additionalProperties"), b.Object("additionalProperties"), append(slices.Clip(at), "*"))
	}
	for _, name := range []string{"minimum", "maximum", "minLength", "maxLength", "pattern", "enum"} {
		if !jsondoc.Equal(a.Get(name), b.Get(name)) {
			return bad(at, "%s is not the same in the two places that define it", name)
		}
	}
	return nil
}
