package xdm

import (
	"encoding/json"
	"slices"
)

// Lacking returns the field group of an extension to s with the fields of want
// that s lacks: want are fields below the group, as another description of the
// same objects has them. It returns nil where nothing is lacking. Smaller
// integers become long, days and instants strings: what Stripe sends is kept
// as it is sent.
func (s *Schema) Lacking(title string, want []*Field) ([]byte, error) {
	fields := lacking(s.Fields, want)
	if len(fields) == 0 {
		return nil, nil
	}
	object := func(properties map[string]any) map[string]any {
		return map[string]any{"type": "object", "meta:xdmType": "object", "properties": properties}
	}
	return json.Marshal(map[string]any{
		"title": title, "type": "object",
		"definitions": map[string]any{"customFields": object(map[string]any{tenantPlaceholder: object(map[string]any{s.Group: object(writtenAll(fields))})})},
	})
}

// lacking returns the fields of want that have lacks or has otherwise, with
// the way to them.
func lacking(have, want []*Field) []*Field {
	var out []*Field
	for _, w := range want {
		i := slices.IndexFunc(have, func(h *Field) bool { return h.Name == w.Name })
		if i < 0 {
			out = append(out, w)
			continue
		}
		if inner := within(have[i], w); inner != nil {
			out = append(out, inner)
		}
	}
	return out
}

// within returns w with what h lacks of it, nil for nothing.
func within(h, w *Field) *Field {
	if h.JSON {
		return nil // whatever stands there is kept whole
	}
	if landed(w.Kind) != h.Kind {
		return w
	}
	out := *w
	switch h.Kind {
	case Object:
		if out.Fields = lacking(h.Fields, w.Fields); len(out.Fields) == 0 {
			return nil
		}
	case Array, Map:
		if out.Elem = within(h.Elem, w.Elem); out.Elem == nil {
			return nil
		}
	case String, Long, Double, Boolean, Int, Short, Byte, Date, DateTime:
		return nil
	}
	return &out
}

// landed returns the kind that a field of a Stripe object is stored in.
func landed(k Kind) Kind {
	switch k {
	case Int, Short, Byte:
		return Long
	case Date, DateTime:
		return String
	case String, Long, Double, Boolean, Object, Array, Map:
	}
	return k
}

// written returns a field as JSON Schema.
func written(f *Field) map[string]any {
	kind := landed(f.Kind)
	n := kind.JSONSchema()
	if f.Title != "" {
		n["title"] = f.Title
	}
	if f.Description != "" {
		n["description"] = f.Description
	}
	switch kind {
	case Long:
		n["minimum"], n["maximum"] = -maxLong, maxLong
	case Object:
		n["properties"] = writtenAll(f.Fields)
	case Array:
		n["items"] = written(f.Elem)
	case Map:
		n["additionalProperties"] = written(f.Elem)
	default:
	}
	return n
}

func writtenAll(fields []*Field) map[string]any {
	out := make(map[string]any, len(fields))
	for _, f := range fields {
		out[f.Name] = written(f)
	}
	return out
}
