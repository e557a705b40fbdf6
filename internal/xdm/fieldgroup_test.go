package xdm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// group wraps the properties of one object as a field group does.
func group(properties string) []byte {
	return []byte(`{"definitions": {"customFields": {"type": "object", "meta:xdmType": "object", "properties": {"_{TENANT}": {"properties": {
		"data": {"type": "object", "meta:xdmType": "object", "properties": ` + properties + `}}}}}}}`)
}

const long = `"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991, "meta:xdmType": "long"`

func TestParse(t *testing.T) {
	t.Parallel()
	g, err := parse(group(`{
		"z": {"title": "Zet", "description": "Last letter", "type": "string", "meta:xdmType": "string", "meta:tributary": ["required", "identifier"]},
		"amount": {` + long + `, "meta:tributary": ["money"]},
		"rate": {"type": "number", "meta:xdmType": "number"},
		"live": {"type": "boolean", "meta:xdmType": "boolean"},
		"options": {"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string", "meta:xdmType": "string", "meta:tributary": ["json"]}},
		"list": {"type": "array", "meta:xdmType": "array", "items": {"type": "object", "meta:xdmType": "object", "properties": {"a": {` + long + `}}}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.custom()
	if err != nil {
		t.Fatal(err)
	}
	want := &Field{Name: "data", Kind: Object, Fields: []*Field{
		{Name: "z", Title: "Zet", Description: "Last letter", Required: true, Identifier: true},
		{Name: "amount", Kind: Long, Money: true},
		{Name: "rate", Kind: Double},
		{Name: "live", Kind: Boolean},
		{Name: "options", Kind: Map, Elem: &Field{JSON: true}},
		{Name: "list", Kind: Array, Elem: &Field{Kind: Object, Fields: []*Field{{Name: "a", Kind: Long}}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, properties, want string }{
		{"unknown member", `{"a": {"type": "string", "meta:xdmType": "string", "titel": "A"}}`, `unknown field "titel"`},
		{"name twice", `{"a": {"type": "boolean", "meta:xdmType": "boolean"}, "a": {"type": "boolean", "meta:xdmType": "boolean"}}`, "a stands twice"},
		{"types at odds", `{"a": {"type": "string", "meta:xdmType": "long"}}`, "data.a: no such type"},
		{"integer without bounds", `{"a": {"type": "integer", "meta:xdmType": "long"}}`, "data.a: the bounds"},
		{"object without fields", `{"a": {"type": "object", "meta:xdmType": "object"}}`, "data.a: properties, items or additionalProperties do not go with object"},
		{"map with fields", `{"a": {"type": "object", "meta:xdmType": "map", "properties": {"b": {` + long + `}}}}`, "data.a: properties, items"},
		{"array without items", `{"a": {"type": "array", "meta:xdmType": "array"}}`, "data.a: properties, items"},
		{"scalar with items", `{"a": {"type": "string", "meta:xdmType": "string", "items": {` + long + `}}}`, "data.a: properties, items"},
		{"bad items", `{"a": {"type": "array", "meta:xdmType": "array", "items": {"type": "null"}}}`, "data.a[]: no such type"},
		{"unknown marker", `{"a": {"type": "string", "meta:xdmType": "string", "meta:tributary": ["monney"]}}`, `unknown marker "monney"`},
		{"money that is text", `{"a": {"type": "string", "meta:xdmType": "string", "meta:tributary": ["money"]}}`, "a string marked money"},
		{"JSON that is a number", `{"a": {` + long + `, "meta:tributary": ["json"]}}`, "a long marked json"},
		{"identifier that is a number", `{"a": {` + long + `, "meta:tributary": ["identifier"]}}`, "a long marked identifier"},
		{"properties in an array", `[]`, "properties are not an object"},
		{"broken", `{"a": `, "invalid character"},
		{"two objects", `{"a": {` + long + `}}}, "other": {"properties": {}`, "not one object under _{TENANT}"},
		{"two namespaces", `{"a": {` + long + `}}}}}, "_acme": {"properties": {"data": {}`, "not one object under _{TENANT}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, err := parse(group(tt.properties))
			if err == nil {
				_, err = g.custom()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want %q in it", err, tt.want)
			}
		})
	}
}
