package xdm

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// An Extension is a field group that a user adds to the schema of a Stripe
// resource: fields that Stripe sends and no release knows yet, or not at all.
type Extension struct {
	Title  string
	Fields []*Field // below the group, as far as the way to what is new
}

// Bounds of an extension.
const (
	extensionFields = 1000
	extensionDepth  = 20
	nameLength      = 128
)

// fieldName is what engines and views take for the name of a column without
// more ado.
var fieldName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]*$`)

// ParseExtension reads the field group of an extension to s. It is written as
// the field groups of the resources are, below _{TENANT}.<group> or below the
// schema's own namespace, and has a title. What is wrong with it is a
// problem.Invalid.
func ParseExtension(data []byte, s *Schema) (*Extension, error) {
	e, err := parseExtension(data, s)
	if err != nil {
		return nil, &problem.Error{
			Kind: problem.Invalid, Detail: "the field group can't be used: " + err.Error(),
			Advice: fmt.Sprintf(`"tributary drift --suggest %s" prints one to begin with`, s.Resource),
		}
	}
	return e, nil
}

// ExtensionOf returns the resource that the field group of an extension is for:
// that of the object under the tenant namespace.
func ExtensionOf(data []byte) (resource string, err error) {
	invalid := func(why string) error {
		return &problem.Error{
			Kind: problem.Invalid, Detail: "the field group can't be used: " + why,
			Advice: `"tributary drift --suggest RESOURCE" prints one to begin with`,
		}
	}
	g, err := parse(data)
	if err != nil {
		return "", invalid(err.Error())
	}
	tenants := g.Definitions.CustomFields.Properties
	if len(tenants) != 1 || len(tenants[0].node.Properties) != 1 {
		return "", invalid("not one object under " + tenantPlaceholder)
	}
	resource, ok := strings.CutSuffix(tenants[0].node.Properties[0].name, "_data")
	if !ok || !slices.Contains(Resources, resource) {
		return "", invalid("the object under the tenant namespace is " + tenants[0].node.Properties[0].name + ", and not that of a resource, such as charges_data")
	}
	return resource, nil
}

func parseExtension(data []byte, s *Schema) (*Extension, error) {
	g, err := parse(data)
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) { // parse reads one value and stops
		return nil, errors.New("it has text after its end")
	}
	if strings.TrimSpace(g.Title) == "" {
		return nil, errors.New("it has no title")
	}
	custom, err := g.custom(s.Tenant)
	if err != nil {
		return nil, err
	}
	if custom.Name != s.Group || custom.Kind != Object {
		return nil, fmt.Errorf("the object under the tenant namespace is %s, not %s", custom.Name, s.Group)
	}
	e := &Extension{Title: strings.TrimSpace(g.Title), Fields: custom.Fields}
	n := 0
	var bad error
	walk(nil, e.Fields, func(path []string, f *Field) {
		f.Added = true
		n++
		at := dotted(path)
		switch {
		case bad != nil:
		case f.Required:
			bad = fmt.Errorf("%s: an added field can't be required: older objects lack it", at)
		case (f.Name != "" || path[len(path)-1] != elements) && (!fieldName.MatchString(f.Name) || len(f.Name) > nameLength):
			bad = fmt.Errorf("%s: the name is not made of letters, digits, _ and -", at)
		case len(path) > extensionDepth:
			bad = fmt.Errorf("%s: is deeper than %d levels", at, extensionDepth)
		case n > extensionFields:
			bad = fmt.Errorf("it has more than %d fields", extensionFields)
		}
	})
	return e, bad
}

// dotted writes a path of Walk as Lookup takes it: items.data[].price; or, for
// a value of an enum, with it: status = done.
func dotted(path []string) string {
	return strings.NewReplacer("."+elements, elements, ".= ", " = ").Replace(strings.Join(path, "."))
}

// Extend returns s with the fields of e and the paths of those that are new;
// values that join an enum are told as "status = done".
// A field that s has in another type is a problem.Conflict: rows are stored in
// it. So is one whose name differs from another in case only, which SQL could
// not tell apart.
func (s *Schema) Extend(e *Extension) (extended *Schema, added []string, err error) {
	var clash error
	fields := merge(nil, s.Fields, e.Fields, func(path []string, have, want *Field) {
		if clash == nil && have != nil {
			clash = unlike(dotted(path), have, want)
		}
		if have == nil {
			added = append(added, dotted(path))
		}
	})
	if clash != nil {
		return nil, nil, clash
	}
	out := *s
	out.Fields = fields
	return &out, added, nil
}

// With returns s with the fields of an extension that was taken into use. Where
// a later release has a field of the same name and another type, the extension's
// stays: there are rows with it.
func (s *Schema) With(e *Extension) *Schema {
	out := *s
	out.Fields = merge(nil, s.Fields, e.Fields, func([]string, *Field, *Field) {})
	return &out
}

func unlike(path string, have, want *Field) error {
	conflict := func(format string, args ...any) error {
		return &problem.Error{
			Kind: problem.Conflict, Detail: fmt.Sprintf(format, args...),
			Advice: "An extension only adds fields: leave this one out, or give it the type that it has",
		}
	}
	if have.Name != want.Name {
		return conflict("%s differs in case only from %s, which the schema has", path, have.Name)
	}
	return conflict("%s is %s in the schema and %s in the field group", path, have.Type(), want.Type())
}

// Type says what a field holds, in a word or two: string, long, double,
// boolean, json (text of it), object, string[], map of string.
func (f *Field) Type() string {
	switch {
	case f.JSON:
		return "json"
	case f.Kind == Array:
		return f.Elem.Type() + elements
	case f.Kind == Map:
		return "map of " + f.Elem.Type()
	}
	return f.Kind.String()
}

// merge returns the fields of both, those of have first. It tells of every
// field of want that have lacks, once for what is below it, and of every one
// that have has in another type, which takes its place, or in another case.
func merge(parent []string, have, want []*Field, tell func(path []string, have, want *Field)) []*Field {
	out := slices.Clone(have)
	for _, w := range want {
		path := append(slices.Clip(parent), w.Name)
		if i := slices.IndexFunc(out, func(h *Field) bool { return h.Name == w.Name }); i >= 0 {
			out[i] = mergeOne(path, out[i], w, tell)
			continue
		}
		var like *Field
		if i := slices.IndexFunc(out, func(h *Field) bool { return strings.EqualFold(h.Name, w.Name) }); i >= 0 {
			like = out[i]
		}
		tell(path, like, w)
		out = append(out, w)
	}
	return out
}

func mergeOne(path []string, have, want *Field, tell func(path []string, have, want *Field)) *Field {
	if have.Kind != want.Kind || have.JSON != want.JSON {
		tell(path, have, want)
		return want
	}
	both := *have
	switch have.Kind {
	case Object:
		both.Fields = merge(path, have.Fields, want.Fields, tell)
	case Array, Map:
		both.Elem = mergeOne(append(slices.Clip(path), elements), have.Elem, want.Elem, tell)
	case String:
		both.Enum = slices.Clone(have.Enum)
		for _, v := range want.Enum {
			if !slices.Contains(have.Enum, v) {
				tell(append(slices.Clip(path), "= "+v), nil, want)
				both.Enum = append(both.Enum, v)
			}
		}
		slices.Sort(both.Enum)
	case Long, Double, Boolean, Int, Short, Byte, Date, DateTime:
	}
	return &both
}
