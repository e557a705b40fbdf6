package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// compose returns the fields of a schema's records.
func (l *library) compose(r *resource) (*xdm.Composition, error) {
	whole, err := l.expand(r)
	if err != nil {
		return nil, err
	}
	fields, err := fieldsOf(whole, nil)
	if err != nil {
		return nil, err
	}
	for _, ref := range references(r.Doc) {
		group, err := l.get(ref)
		if err != nil {
			return nil, err
		}
		if group.Template != "" {
			if err := l.mark(fields, group.Template); err != nil {
				return nil, err
			}
		}
	}
	return &xdm.Composition{ID: r.ID, Title: r.Doc.Text("title"), Version: r.version(), Fields: fields}, nil
}

// mark gives the fields of a Stripe resource the marks that XDM has no word
// for: which of them are money, ids and JSON text. They are those of the
// release, and no client sees or loses them. That Stripe always sends a field
// is no mark: a record that a client maps may lack it.
func (l *library) mark(fields []*xdm.Field, stripe string) error {
	s, err := xdm.Stripe(stripe, l.caller.Tenant)
	if err != nil {
		return err
	}
	for _, name := range []string{"_" + s.Tenant, s.Group} {
		f := named(fields, name)
		if f == nil {
			return nil
		}
		fields = f.Fields
	}
	marks(fields, s.Fields)
	return nil
}

func named(fields []*xdm.Field, name string) *xdm.Field {
	if i := slices.IndexFunc(fields, func(f *xdm.Field) bool { return f.Name == name }); i >= 0 {
		return fields[i]
	}
	return nil
}

func marks(fields, from []*xdm.Field) {
	by := make(map[string]*xdm.Field, len(from))
	for _, f := range from {
		by[f.Name] = f
	}
	for _, f := range fields {
		if m := by[f.Name]; m != nil {
			markField(f, m)
		}
	}
}

func markField(f, from *xdm.Field) {
	if f.Kind != from.Kind {
		return
	}
	f.Money, f.Identifier, f.JSON = from.Money, from.Identifier, from.JSON
	marks(f.Fields, from.Fields)
	if f.Elem != nil {
		markField(f.Elem, from.Elem)
	}
}

// fieldsOf turns the properties of a resolved object into fields. Objects
// without any field, which no table can have, are left out.
func fieldsOf(n *jsondoc.Object, at []string) ([]*xdm.Field, error) {
	required := make(map[string]bool)
	for _, name := range n.Texts("required") {
		required[name] = true
	}
	var fields []*xdm.Field
	lower := make(map[string]string)
	props := n.Object("properties")
	if props == nil {
		props = &jsondoc.Object{}
	}
	for name, v := range props.All() {
		path := append(slices.Clip(at), name)
		if other, ok := lower[strings.ToLower(name)]; ok {
			return nil, bad(path, "it differs in case only from %s, which SQL can't tell apart", other)
		}
		lower[strings.ToLower(name)] = name
		f, err := fieldOf(name, v.(*jsondoc.Object), path)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		f.Required = required[name]
		fields = append(fields, f)
	}
	for name := range required {
		if !props.Has(name) {
			return nil, bad(at, "%q is required, but is no property", name)
		}
	}
	return fields, nil
}

// fieldOf turns a resolved node into a field; nil for an object without any.
func fieldOf(name string, n *jsondoc.Object, at []string) (*xdm.Field, error) {
	kind, err := kindOf(n)
	if err != nil {
		return nil, bad(at, "%v", err)
	}
	f := &xdm.Field{Name: name, Title: n.Text("title"), Description: n.Text("description"), Kind: kind}
	if f.Limits, err = limits(n, kind); err != nil {
		return nil, bad(at, "%v", err)
	}
	if known := n.Object("meta:enum"); known != nil && kind == xdm.String {
		for value := range known.All() {
			f.Enum = append(f.Enum, value)
		}
		slices.Sort(f.Enum)
	}
	switch kind {
	case xdm.Object:
		if f.Fields, err = fieldsOf(n, at); err != nil || len(f.Fields) == 0 {
			return nil, err
		}
	case xdm.Array, xdm.Map:
		elem := n.Object("items")
		if kind == xdm.Map {
			elem = n.Object("additionalProperties")
		}
		if f.Elem, err = fieldOf("", elem, append(slices.Clip(at), "[]")); err != nil || f.Elem == nil {
			return nil, err
		}
	default:
	}
	return f, nil
}

// A narrowing is the first thing that keeps values of a schema from fitting
// the one that it became.
type narrowing struct {
	path []string
	what string
}

func (n *narrowing) String() string { return strings.Join(n.path, ".") + " " + n.what }

// narrowed compares what a schema was and is: nil if all that it had is there
// and takes at least the values that it took.
func narrowed(at []string, was, is []*xdm.Field) *narrowing {
	now := make(map[string]*xdm.Field, len(is))
	for _, f := range is {
		now[f.Name] = f
	}
	for _, f := range was {
		path := append(slices.Clip(at), f.Name)
		g := now[f.Name]
		if g == nil {
			return &narrowing{path, "is gone: deprecate it instead of removing, renaming or moving it"}
		}
		if n := narrowedField(path, f, g); n != nil {
			return n
		}
	}
	return nil
}

func narrowedField(path []string, was, is *xdm.Field) *narrowing {
	if was.Kind != is.Kind {
		return &narrowing{path, "was " + was.Kind.String() + " and would be " + is.Kind.String()}
	}
	if is.Required && !was.Required {
		return &narrowing{path, "was optional and would be required"}
	}
	if what := tighter(was.Limits, is.Limits); what != "" {
		return &narrowing{path, what}
	}
	if was.Elem != nil {
		return narrowedField(append(slices.Clip(path), "[]"), was.Elem, is.Elem)
	}
	return narrowed(path, was.Fields, is.Fields)
}

// tighter says which limit keeps out values that were let in.
func tighter(was, is *xdm.Limits) string {
	if is == nil {
		return ""
	}
	if was == nil {
		was = &xdm.Limits{}
	}
	switch {
	case raised(was.Min, is.Min):
		return "would have a higher minimum"
	case lowered(was.Max, is.Max):
		return "would have a lower maximum"
	case raised(was.MinLength, is.MinLength):
		return "would have a higher minLength"
	case lowered(was.MaxLength, is.MaxLength):
		return "would have a lower maxLength"
	case is.Pattern != "" && is.Pattern != was.Pattern:
		return "would have another pattern"
	case is.Values != nil && was.Values == nil:
		return "would have an enum"
	}
	for _, v := range was.Values {
		if is.Values != nil && !slices.Contains(is.Values, v) {
			return "would lose the enum value " + v
		}
	}
	return ""
}

// raised says whether a lower bound goes up; none is the lowest.
func raised[T cmp.Ordered](was, is *T) bool {
	return is != nil && (was == nil || *is > *was)
}

// lowered says whether an upper bound goes down; none is the highest.
func lowered[T cmp.Ordered](was, is *T) bool {
	return is != nil && (was == nil || *is < *was)
}
