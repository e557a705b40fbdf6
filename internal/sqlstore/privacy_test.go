package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/problem"
)

func TestPrivacy(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	want := func(want Privacy) {
		t.Helper()
		got, err := s.Privacy(ctx)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	want(Privacy{})
	must(t, s.SetPrivacy(ctx, "one", ""))
	want(Privacy{Version: 1, Rules: "one"})
	must(t, s.PrivacyDone(ctx, 1))
	must(t, s.SetPrivacy(ctx, "two", "id"))
	want(Privacy{Version: 2, Done: 1, Rules: "two", KeyID: "id"})
}

// A reader of a database from before there were rules finds none.
func TestPrivacyOfOldDatabase(t *testing.T) {
	t.Parallel()
	s, path := openT(t)
	_, err := s.db.ExecContext(t.Context(), "drop table privacy")
	must(t, err)
	must(t, s.Close())
	r, err := OpenReadOnly(t.Context(), path)
	must(t, err)
	defer r.Close()
	if p, err := r.Privacy(t.Context()); err != nil || p != (Privacy{}) {
		t.Errorf("%+v, %v", p, err)
	}
}

func held(n int, raw string) dataset.Rejected {
	return dataset.Rejected{
		Resource: "charges", ID: fmt.Sprint("ch_", n), Path: "amount", Reason: "is wrong", Raw: []byte(raw), RequestID: "req", RunID: "run", SeenAt: noon,
	}
}

func TestRewriteQuarantine(t *testing.T) {
	t.Parallel()
	s, path := openT(t)
	ctx := t.Context()
	long := strings.Repeat("secret ", 3000)
	var objects []dataset.Rejected
	for i := range 3*rewriteRows + 5 {
		objects = append(objects, held(i, fmt.Sprintf(`{"mail":"secret-%d","long":%q}`, i, long)))
	}
	objects = append(objects, held(0, `{"mail":"secret-other"}`), held(1, "secret and no JSON"), held(2, `{"plain":1}`), held(3, `secret twin 1`), held(3, `secret twin 2`))
	must(t, s.Quarantine(ctx, objects))
	change := func(r *dataset.Rejected) {
		switch raw := string(r.Raw); {
		case strings.Contains(raw, "no JSON"):
			r.Raw, r.Reason = nil, r.Reason+"; withheld"
		case strings.Contains(raw, "twin"):
			r.Raw = []byte("twin")
		default:
			r.Raw = []byte(strings.ReplaceAll(raw, "secret", "***"))
		}
	}
	n, err := s.RewriteQuarantine(ctx, change)
	must(t, err)
	if int(n) != len(objects)-1 {
		t.Errorf("%d changed, want %d", n, len(objects)-1)
	}
	must(t, s.Erase(ctx))
	for _, name := range []string{path, path + "-wal"} {
		text, err := os.ReadFile(name)
		must(t, err)
		if bytes.Contains(text, []byte("secret")) {
			t.Errorf("%s has what was rewritten", name)
		}
	}
	got, err := quarantined(ctx, s)
	must(t, err)
	if len(got) != len(objects)-1 { // the twins are one now
		t.Errorf("%d objects, want %d", len(got), len(objects)-1)
	}
	for _, r := range got {
		if bytes.Contains(r.Raw, []byte("secret")) || len(r.Raw) == 0 && r.Reason != "is wrong; withheld" || r.RequestID != "req" || !r.SeenAt.Equal(noon) {
			t.Errorf("%+v", r)
		}
	}
	if n, err := s.RewriteQuarantine(ctx, change); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

// Objects without a text are told from each other by why they stand there.
func TestQuarantineWithoutText(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	a, b := held(1, ""), held(1, "")
	a.ID, b.ID, b.Reason = "", "", "is worse"
	a.Raw, b.Raw = nil, nil
	must(t, s.Quarantine(t.Context(), []dataset.Rejected{a, b, a}))
	if got, err := quarantined(t.Context(), s); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}

// What a reader holds on to can't be erased, which is said.
func TestEraseBesideReader(t *testing.T) {
	t.Parallel()
	s, path := openT(t)
	ctx := t.Context()
	must(t, s.Quarantine(ctx, []dataset.Rejected{held(1, "x")}))
	_, err := s.db.ExecContext(ctx, "pragma busy_timeout = 10")
	must(t, err)
	r, err := OpenReadOnly(ctx, path)
	must(t, err)
	defer r.Close()
	rows, err := r.db.QueryContext(ctx, "select id from quarantine")
	must(t, err)
	defer rows.Close()
	rows.Next()
	if err := s.Erase(ctx); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("got %v", err)
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
	must(t, s.Erase(ctx))
}
