package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/xdm"
)

// SuggestExtension returns a field group, as JSON, with the fields and values
// of a resource that were seen and the schema in force does not know. It is nil
// when there are none. Fields of which null alone was seen are left out; objects
// and lists are kept as their JSON text.
func SuggestExtension(ctx context.Context, dir, resource string) ([]byte, error) {
	if _, err := chosen([]string{resource}); err != nil {
		return nil, err
	}
	list, err := Drifts(ctx, dir)
	if err != nil {
		return nil, err
	}
	schema, err := readSchema(ctx, dir, resource)
	if err != nil {
		return nil, err
	}
	type seen struct{ types, values []string }
	byPath := map[string]*seen{}
	var paths []string
	for _, d := range list {
		if d.Resource != resource || d.Kind == mapping.DriftType {
			continue
		}
		s := byPath[d.Path]
		if s == nil {
			s = &seen{}
			byPath[d.Path] = s
			paths = append(paths, d.Path)
		}
		if d.Kind == mapping.DriftValue {
			s.values = append(s.values, d.Seen)
		} else {
			s.types = append(s.types, d.Seen)
		}
	}
	slices.Sort(paths)
	var fields []xdm.Suggestion
	for _, path := range paths {
		s := byPath[path]
		f := &xdm.Field{Title: title(path), Description: "Seen in Stripe's answers; not described yet"}
		if len(s.values) > 0 {
			f.Enum = slices.DeleteFunc(s.values, func(v string) bool { return v == mapping.OtherText })
			slices.Sort(f.Enum)
			if len(f.Enum) == 0 {
				continue
			}
		} else if !typeOf(f, s.types) {
			continue
		}
		fields = append(fields, xdm.Suggestion{Path: path, Field: f})
	}
	return schema.Suggest(fmt.Sprintf("Seen in %s", resource), fields)
}

// typeOf gives a field the type of values seen, if that can be told.
func typeOf(f *xdm.Field, seen []string) bool {
	has := func(only ...string) bool {
		return !slices.ContainsFunc(seen, func(t string) bool { return t != "null" && !slices.Contains(only, t) })
	}
	switch {
	case has():
		return false
	case has("string"):
		f.Kind = xdm.String
	case has("boolean"):
		f.Kind = xdm.Boolean
	case has("integer"):
		f.Kind = xdm.Long
	case has("integer", "number"):
		f.Kind = xdm.Double
	default:
		f.JSON = true
	}
	return true
}

// title makes a title of the last name of a path.
func title(path string) string {
	name := strings.TrimSuffix(path[strings.LastIndexByte(path, '.')+1:], "[]")
	name = strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
	if name == "" {
		return path
	}
	return strings.ToUpper(name[:1]) + name[1:]
}
