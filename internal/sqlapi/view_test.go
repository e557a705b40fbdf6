package sqlapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/duck"
)

func TestIdentifier(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Charges (EU) – data": "charges_eu_data", "charges": "charges_data", "Charges History": "charges_history_data", "order": "order_data", "  ": "dataset",
		"2026 sales": "dataset_2026_sales", "결제": "결제", "ds_65": "ds_65_data", "pg_views": "pg_views_data", "xdm": "xdm_data", "a\"b; DROP": "a_b_drop", "_x_": "x",
		"quarantine": "quarantine_data",
	} {
		if got := identifier(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := SpaceOf("key-0a1b-live"); got != "key_0a1b_live" {
		t.Error(got)
	}
}

// No two datasets have one name, whatever they are called, and a dataset's does
// not change when another one comes.
func TestFriendly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []catalog.Dataset
		names := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom([]string{"a", "A", "a 2", "a_2_2", "a!", "charges", "charges data"}), rapid.String()), 1, 12).Draw(t, "names")
		for i, name := range names {
			all = append(all, catalog.Dataset{ID: strings.Repeat("x", i+1), Name: name})
		}
		got, before := friendly(all), friendly(all[:len(all)-1])
		seen := map[string]bool{}
		for _, d := range all {
			name := got[d.ID]
			if name == "" || seen[strings.ToLower(name)] || taken(name) || strings.ContainsAny(name, "\"'. ;\x00") {
				t.Fatalf("%q: %q", d.Name, name)
			}
			seen[strings.ToLower(name)] = true
			if was, ok := before[d.ID]; ok && was != name {
				t.Fatalf("%q was %q and is %q", d.Name, was, name)
			}
		}
	})
}

func TestPreviewSQL(t *testing.T) {
	t.Parallel()
	columns := []duck.Column{
		{ID: 1, Name: "_acme", Type: "struct", Fields: []duck.Column{{Name: "a\"b", Type: "string"}, {Name: "l", Type: "list"}, {Name: "o", Type: "struct", Fields: []duck.Column{{Name: "x", Type: "long"}}}}},
		{ID: 2, Name: "_id", Type: "string"},
		{ID: 3, Name: "_batch", Type: "string"},
	}
	const record = `"_acme"."a""b" AS "_acme.a""b", "_acme"."l" AS "_acme.l", "_acme"."o"."x" AS "_acme.o.x"`
	for _, c := range []struct {
		d    catalog.Dataset
		want string
	}{
		{catalog.Dataset{Table: "ds_1"}, `SELECT ` + record + `, "_id" AS "_id" FROM xdm."ds_1"`},
		{catalog.Dataset{Table: "charges", Mirror: true}, `SELECT ` + record + `, "_batch" AS "_batch" FROM xdm."charges" WHERE NOT "_deleted"`},
	} {
		if diff := cmp.Diff(c.want, previewSQL(c.d, duck.Table{Columns: columns})); diff != "" {
			t.Error(diff)
		}
	}
}
