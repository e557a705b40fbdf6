package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/xdm"
)

// scanned scans objects of a kind and returns the values of the last one.
func scanned(t *testing.T, p *Plan, objects ...string) (map[string]any, dataset.Record) {
	t.Helper()
	var r dataset.Record
	for _, o := range objects {
		if bad := p.Scan([]byte(o), &r); bad != nil {
			t.Fatalf("%s: %s %s", o, bad.Path, bad.Reason)
		}
	}
	return values(&r, p.Layout().Nodes, r.Slots), r
}

// A value that an enum does not list lands and is reported, and nothing that
// could be about a person is.
func TestUnknownValues(t *testing.T) {
	t.Parallel()
	schema := &xdm.Schema{Tenant: "acme", Group: "data", Fields: []*xdm.Field{
		{Name: "id"},
		{Name: "object"},
		{Name: "created", Kind: xdm.Long},
		{Name: "status", Enum: []string{"done", "open"}},
		{Name: "list", Kind: xdm.Array, Elem: &xdm.Field{Enum: []string{"a"}}},
	}}
	p, err := Compile(Default(schema), schema, "box")
	if err != nil {
		t.Fatal(err)
	}
	box := func(id, status string) string {
		return fmt.Sprintf(`{"id":%q,"object":"box","created":1,"status":%s,"list":["a","b"]}`, id, status)
	}
	got, _ := scanned(t, p, box("1", `"done"`), box("2", `"open"`), box("3", `"open"`), box("4", `"lost"`), box("5", `"lost"`),
		box("6", `null`), box("7", `"Jo Doe"`), box("8", `"jo@example.com"`), box("9", `"\u006fpen"`), box("10", `""`),
		box("11", `"`+strings.Repeat("x", 65)+`"`), box("12", `"4242"`), box("13", `"half_done"`))
	if got["status"] != "half_done" {
		t.Errorf("the value did not land: %v", got)
	}
	want := map[Drift]Noted{
		{"list[]", DriftValue, "b"}:         {13, "1"},
		{"status", DriftValue, "lost"}:      {2, "4"},
		{"status", DriftValue, "(text)"}:    {5, "7"},
		{"status", DriftValue, "half_done"}: {1, "13"},
	}
	if diff := cmp.Diff(want, p.Drift()); diff != "" {
		t.Error(diff)
	}
	scanned(t, p, box("14", `"lost"`))
	if diff := cmp.Diff(Noted{1, "14"}, p.Drift()[Drift{"status", DriftValue, "lost"}]); diff != "" {
		t.Errorf("after a call of Drift: %s", diff)
	}
}

func TestDriftTellsIntegers(t *testing.T) {
	t.Parallel()
	p := plan(t, "charges", "charge")
	scanned(t, p, edit(t, "a", "1"), edit(t, "a", "1.5"), edit(t, "a", "1e3"), edit(t, "a", "-7"))
	want := map[Drift]Noted{{"a", DriftField, "integer"}: {2, "ch_1"}, {"a", DriftField, "number"}: {2, "ch_1"}}
	if diff := cmp.Diff(want, p.Drift()); diff != "" {
		t.Error(diff)
	}
}

// Whatever stands where a user's extension has a field, the object becomes the
// record that it was without, with the same hash.
func TestAddedFieldsRefuseNothing(t *testing.T) {
	t.Parallel()
	added := func(f xdm.Field) *xdm.Field {
		f.Added = true
		if f.Elem != nil {
			f.Elem.Added = true
		}
		for _, c := range f.Fields {
			c.Added = true
		}
		return &f
	}
	s, err := xdm.Stripe("charges", "acme")
	if err != nil {
		t.Fatal(err)
	}
	s = s.With(&xdm.Extension{Fields: []*xdm.Field{
		added(xdm.Field{Name: "new_text"}),
		added(xdm.Field{Name: "new_id", Identifier: true}),
		added(xdm.Field{Name: "new_money", Kind: xdm.Long, Money: true}),
		added(xdm.Field{Name: "new_object", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "id", Identifier: true}, {Name: "n", Kind: xdm.Long}}}),
		added(xdm.Field{Name: "new_list", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Long}}),
		added(xdm.Field{Name: "new_map", Kind: xdm.Map, Elem: &xdm.Field{}}),
	}})
	extended, err := Compile(Default(s), s, "charge")
	if err != nil {
		t.Fatal(err)
	}
	bare := plan(t, "charges", "charge")
	for _, tt := range []struct {
		field, value string
		want         any // nil: null
		warnings     int
	}{
		{"new_text", `"x"`, "x", 0},
		{"new_text", `5`, nil, 1},
		{"new_text", `{"a":[1]}`, nil, 1},
		{"new_text", `[1]`, nil, 1},
		{"new_text", `null`, nil, 0},
		{"new_money", `99999999999999999999`, nil, 1},
		{"new_money", `1.5`, nil, 1},
		{"new_object", `"x"`, nil, 1},
		{"new_object", `[{"n":1}]`, nil, 1},
		{"new_object", `{"id":{"id":"x_1"}}`, map[string]any{"id": "x_1"}, 0},
		{"new_object", `{"id":{"no":"id"}}`, map[string]any{}, 1},
		{"new_object", `{"n":"x"}`, map[string]any{}, 1},
		{"new_list", `{"a":1}`, nil, 1},
		{"new_list", `[1,"x"]`, []any{int64(1), nil}, 1},
		{"new_map", `["a"]`, nil, 1},
		{"new_map", `{"a":"1","a":"2"}`, map[string]any{"a": "1"}, 1},
		{"new_text", `"x","new_text":"y"`, "x", 1},
		{"new_id", `{"id":"x_1"}`, nil, 1},
	} {
		t.Run(tt.field+" "+tt.value, func(t *testing.T) {
			obj := strings.Replace(charge, `"id": "ch_1",`, fmt.Sprintf(`"id": "ch_1", %q: %s,`, tt.field, tt.value), 1)
			_, without := scanned(t, bare, obj)
			got, r := scanned(t, extended, obj)
			if r.Hash != without.Hash || string(r.Raw) != string(without.Raw) {
				t.Error("the extension changes the hash or the text")
			}
			text := fmt.Sprint(got[tt.field])
			if want := fmt.Sprint(tt.want); text != want || r.Warnings != tt.warnings {
				t.Errorf("got %s with %d warnings, want %s with %d", text, r.Warnings, want, tt.warnings)
			}
		})
	}
}
