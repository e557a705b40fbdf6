package xdm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// extension is a field group of an extension to small.
func extension(properties string) []byte {
	return []byte(`{"title": "Mine", "definitions": {"customFields": {"type": "object", "meta:xdmType": "object", "properties": {"_{TENANT}": {"properties": {
		"data": {"type": "object", "meta:xdmType": "object", "properties": ` + properties + `}}}}}}}`)
}

func small() *Schema {
	return &Schema{Resource: "charges", Tenant: "acme", Group: "data", Fields: []*Field{
		{Name: "id", Required: true},
		{Name: "status", Enum: []string{"failed", "succeeded"}},
		{Name: "details", Kind: Object, Fields: []*Field{{Name: "card", JSON: true}, {Name: "n", Kind: Long}}},
		{Name: "items", Kind: Array, Elem: &Field{Kind: Object, Fields: []*Field{{Name: "sku"}}}},
		{Name: "metadata", Kind: Map, Elem: &Field{}},
	}}
}

const text = `{"type": "string", "meta:xdmType": "string"}`

func TestExtend(t *testing.T) {
	t.Parallel()
	s := small()
	e, err := ParseExtension(extension(`{
		"id": `+text+`,
		"note": {"title": "Note", "type": "string", "meta:xdmType": "string", "meta:enum": {"a": "A"}},
		"status": {"type": "string", "meta:xdmType": "string", "meta:enum": {"disputed": "Disputed", "failed": "Failed"}},
		"details": {"type": "object", "meta:xdmType": "object", "properties": {"zipzap": {"type": "object", "meta:xdmType": "object", "properties": {"plan": `+text+`}}}},
		"items": {"type": "array", "meta:xdmType": "array", "items": {"type": "object", "meta:xdmType": "object", "properties": {"size": {`+long+`}}}}
	}`), s)
	if err != nil {
		t.Fatal(err)
	}
	got, added, err := s.Extend(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"note", "status = disputed", "details.zipzap", "items[].size"}, added); diff != "" {
		t.Error(diff)
	}
	want := []*Field{
		{Name: "id", Required: true},
		{Name: "status", Enum: []string{"disputed", "failed", "succeeded"}},
		{Name: "details", Kind: Object, Fields: []*Field{
			{Name: "card", JSON: true},
			{Name: "n", Kind: Long},
			{Name: "zipzap", Kind: Object, Added: true, Fields: []*Field{{Name: "plan", Added: true}}},
		}},
		{Name: "items", Kind: Array, Elem: &Field{Kind: Object, Fields: []*Field{{Name: "sku"}, {Name: "size", Kind: Long, Added: true}}}},
		{Name: "metadata", Kind: Map, Elem: &Field{}},
		{Name: "note", Title: "Note", Enum: []string{"a"}, Added: true},
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, s.With(e).Fields); diff != "" {
		t.Errorf("With: %s", diff)
	}
	if diff := cmp.Diff(small(), s); diff != "" {
		t.Errorf("the schema itself was changed: %s", diff)
	}
	if _, again, err := got.Extend(e); err != nil || len(again) > 0 {
		t.Errorf("extended again: %v, %v", again, err)
	}
}

func TestExtendRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, group string
		kind        problem.Kind
		want        string
	}{
		{"another type", string(extension(`{"details": {"type": "object", "meta:xdmType": "object", "properties": {"n": ` + text + `}}}`)), problem.Conflict, "details.n is long in the schema and string in the field group"},
		{"text for JSON", string(extension(`{"details": {"type": "object", "meta:xdmType": "object", "properties": {"card": ` + text + `}}}`)), problem.Conflict, "details.card is json"},
		{"another element", string(extension(`{"items": {"type": "array", "meta:xdmType": "array", "items": ` + text + `}}`)), problem.Conflict, "items[] is object in the schema and string"},
		{"another value of a map", string(extension(`{"metadata": {"type": "object", "meta:xdmType": "map", "additionalProperties": {` + long + `}}}`)), problem.Conflict, "metadata[] is string"},
		{"case", string(extension(`{"Status": ` + text + `}`)), problem.Conflict, "Status differs in case only from status"},
		{"case among themselves", string(extension(`{"new": ` + text + `, "New": ` + text + `}`)), problem.Conflict, "New differs in case only from new"},
		{"required", string(extension(`{"new": {"type": "string", "meta:xdmType": "string", "meta:tributary": ["required"]}}`)), problem.Invalid, "new: an added field can't be required"},
		{"odd name", string(extension(`{"a.b": ` + text + `}`)), problem.Invalid, "the name is not made of"},
		{"empty name", string(extension(`{"": ` + text + `}`)), problem.Invalid, "the name is not made of"},
		{"long name", string(extension(`{"` + strings.Repeat("n", 129) + `": ` + text + `}`)), problem.Invalid, "the name is not made of"},
		{"enum of numbers", string(extension(`{"new": {` + long + `, "meta:enum": {"1": "One"}}}`)), problem.Invalid, "a long with meta:enum"},
		{"another group", strings.Replace(string(extension(`{"new": `+text+`}`)), `"data"`, `"other"`, 1), problem.Invalid, "is other, not data"},
		{"another tenant", strings.Replace(string(extension(`{"new": `+text+`}`)), `_{TENANT}`, `_else`, 1), problem.Invalid, "not one object under _{TENANT}"},
		{"no title", strings.Replace(string(extension(`{"new": `+text+`}`)), `Mine`, ` `, 1), problem.Invalid, "it has no title"},
		{"no JSON", `{`, problem.Invalid, "unexpected EOF"},
		{"more than one document", string(extension(`{"new": `+text+`}`)) + "{}", problem.Invalid, "has text after its end"},
		{"too many fields", string(extension(`{"new": ` + many(1000) + `}`)), problem.Invalid, "more than 1000 fields"},
		{"too deep", string(extension(`{"new": ` + strings.Repeat(`{"type": "object", "meta:xdmType": "object", "properties": {"a": `, 20) + text + strings.Repeat(`}}`, 20) + `}`)), problem.Invalid, "deeper than 20 levels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := ParseExtension([]byte(tt.group), small())
			if err == nil {
				_, _, err = small().Extend(e)
			}
			if problem.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// many is an object with n fields.
func many(n int) string {
	var b strings.Builder
	b.WriteString(`{"type": "object", "meta:xdmType": "object", "properties": {`)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(`"f` + strings.Repeat("x", i%100) + string(rune('a'+i/100)) + `": ` + text)
	}
	return b.String() + "}}"
}

// An extension that was taken into use wins over a later release: its rows are
// stored.
func TestWithLaterRelease(t *testing.T) {
	t.Parallel()
	e := &Extension{Fields: []*Field{{Name: "risk", Kind: Long, Added: true}, {Name: "Tag", Added: true}}}
	later := &Schema{Fields: []*Field{{Name: "risk", Kind: Object, Fields: []*Field{{Name: "score", Kind: Long}}}, {Name: "tag"}}}
	want := []*Field{{Name: "risk", Kind: Long, Added: true}, {Name: "tag"}, {Name: "Tag", Added: true}}
	if diff := cmp.Diff(want, later.With(e).Fields); diff != "" {
		t.Error(diff)
	}
}
