package xdm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *Schema {
	return &Schema{Fields: []*Field{
		{Name: "id"},
		{Name: "metadata", Kind: Map, Elem: &Field{}},
		{Name: "items", Kind: Object, Fields: []*Field{
			{Name: "data", Kind: Array, Elem: &Field{Kind: Object, Fields: []*Field{{Name: "tags", Kind: Array, Elem: &Field{}}}}},
			{Name: "url"},
		}},
	}}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	var kept [][]string
	var got []string
	sample().Walk(func(path []string, f *Field) {
		kept = append(kept, path)
		got = append(got, strings.Join(path, ".")+" "+f.Kind.String())
	})
	want := []string{
		"id string", "metadata map", "metadata.[] string", "items object", "items.data array", "items.data.[] object",
		"items.data.[].tags array", "items.data.[].tags.[] string", "items.url string",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, path := range kept {
		if p := strings.Join(path, "."); !strings.HasPrefix(got[i], p+" ") {
			t.Errorf("path %q changed to %q after the visit", got[i], p)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	s := sample()
	items := s.Fields[2]
	data := items.Fields[0]
	for _, tt := range []struct {
		path string
		want *Field
	}{
		{"id", s.Fields[0]},
		{"items", items},
		{"items.data", data},
		{"items.data[]", data.Elem},
		{"items.data[*].tags", data.Elem.Fields[0]},
		{"items.data[0].tags[12]", data.Elem.Fields[0].Elem},
		{"metadata", s.Fields[1]},
		{"metadata[]", s.Fields[1].Elem},
		{"metadata.order", s.Fields[1].Elem},
		{"metadata.order.id", s.Fields[1].Elem},
		{"", nil},
		{"nothing", nil},
		{"items.nothing", nil},
		{"items.", nil},
		{"id.more", nil},
		{"id[]", nil},
		{"items[]", nil},
		{"items.data.tags", nil},
		{"items.data[", nil},
	} {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			got, ok := s.Lookup(tt.path)
			if got != tt.want || ok != (tt.want != nil) {
				t.Errorf("got %+v, %t", got, ok)
			}
		})
	}
}
