package sqlstore

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
)

func TestFieldGroups(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	want := []FieldGroup{
		{"charges", "B", 1, "{}", noon}, {"charges", "A", 1, "{}", noon.Add(time.Second)}, {"charges", "B", 2, `{"x":1}`, noon.Add(time.Minute)},
	}
	for _, g := range append([]FieldGroup{{"refunds", "B", 1, "{}", noon}}, want...) {
		v, err := s.AddFieldGroup(ctx, g.Resource, g.Title, g.Document, g.Created)
		must(t, err)
		if v != g.Version {
			t.Errorf("%s %s has version %d, want %d", g.Resource, g.Title, v, g.Version)
		}
	}
	got, err := s.FieldGroups(ctx, "charges")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A database that no newer writer has touched is read as it is.
func TestReadOlderDatabase(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "tributary.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	text, err := os.ReadFile("migrations/0001.sql")
	must(t, err)
	_, err = db.ExecContext(ctx, string(text)+`;
		insert into drift values ('charges', 'news', 'unknown_field', 'object', 7, 0, 1000);
		pragma user_version = 1`)
	must(t, err)
	must(t, db.Close())
	s, err := OpenReadOnly(ctx, path)
	must(t, err)
	defer s.Close()
	if groups, err := s.FieldGroups(ctx, "charges"); len(groups) > 0 || err != nil {
		t.Errorf("field groups %v, %v", groups, err)
	}
	got, err := s.Drifts(ctx)
	must(t, err)
	want := []Drift{{"charges", "news", "unknown_field", "object", 7, time.Unix(0, 0).UTC(), time.Unix(1, 0).UTC(), ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	must(t, s.Quarantine(ctx, []dataset.Rejected{
		{Resource: "charges", ID: "ch_2", Raw: []byte("late"), SeenAt: noon.Add(time.Hour)},
		{Resource: "charges", ID: "ch_2", Raw: []byte("early"), SeenAt: noon},
		{Resource: "charges", ID: "ch_1", Raw: []byte("one"), SeenAt: noon},
		{Resource: "charges", ID: "ch_3", Raw: []byte("three"), SeenAt: noon},
		{Resource: "charges", ID: "", Raw: []byte("none"), SeenAt: noon},
		{Resource: "refunds", ID: "ch_2", Raw: []byte("early"), SeenAt: noon},
	}))
	var ids []string
	for after := ""; ; {
		page, err := s.HeldAfter(ctx, "charges", after, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		ids, after = append(ids, page...), page[len(page)-1]
	}
	if diff := cmp.Diff([]string{"ch_1", "ch_2", "ch_3"}, ids); diff != "" {
		t.Error(diff)
	}
	texts, err := s.HeldTexts(ctx, "charges", "ch_2")
	must(t, err)
	if len(texts) != 2 || string(texts[0].Raw) != "early" || string(texts[1].Raw) != "late" || !texts[1].SeenAt.Equal(noon.Add(time.Hour)) {
		t.Fatalf("%+v", texts)
	}
	must(t, s.RefusedAgain(ctx, "charges", "ch_2", texts[1].Digest, &dataset.Rejected{Path: "p", Reason: "r"}))
	must(t, s.Release(ctx, "charges", "ch_2", texts[0].Digest))
	var left []string
	all, err := quarantined(ctx, s)
	must(t, err)
	for _, q := range all {
		left = append(left, q.Resource+" "+q.ID+" "+string(q.Raw)+q.Path+q.Reason)
	}
	want := []string{"charges  none", "charges ch_1 one", "charges ch_3 three", "refunds ch_2 early", "charges ch_2 latepr"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
}
