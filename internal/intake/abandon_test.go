package intake_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/intake"
)

// Batches that nobody completes are abandoned a week after the last that came
// of their files; what is completed, or still gets files, is not.
func TestAbandon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	create := func() string {
		b, err := w.Create(ctx, admin(), intake.Request{DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "json"}})
		check(t, err)
		return b.ID
	}
	put := func(batch, path string) error {
		_, _, err := w.Put(ctx, admin(), batch, w.dataset.ID, path, strings.NewReader(order(1)))
		return err
	}
	begin := func(batch string) error {
		_, err := w.Initialize(ctx, admin(), batch, w.dataset.ID, "large")
		return err
	}
	empty, filled, begun, young, done, late := create(), create(), create(), create(), create(), ""
	check(t, errors.Join(put(filled, "a"), begin(begun), put(young, "a"), put(done, "a")))
	_, err := w.Signal(ctx, admin(), done, "COMPLETE")
	check(t, err)
	w.until(ctx, t, done)
	const day = 24 * time.Hour
	statuses := func() map[string]catalog.Status {
		check(t, w.Abandon(ctx))
		all := map[string]catalog.Status{}
		for name, id := range map[string]string{"empty": empty, "filled": filled, "begun": begun, "young": young, "done": done, "late": late} {
			if id != "" {
				b, err := w.catalog.Batch(ctx, admin(), id)
				check(t, err)
				all[name] = b.Status
			}
		}
		return all
	}

	w.ahead.Store(int64(6 * day))
	want := map[string]catalog.Status{"empty": catalog.Loading, "filled": catalog.Loading, "begun": catalog.Loading, "young": catalog.Loading, "done": catalog.Success}
	if diff := cmp.Diff(want, statuses()); diff != "" {
		t.Error(diff)
	}
	check(t, put(young, "b"))
	late = create()

	w.ahead.Store(int64(7*day + time.Hour))
	want = map[string]catalog.Status{
		"empty": catalog.Abandoned, "filled": catalog.Abandoned, "begun": catalog.Abandoned, "young": catalog.Loading, "done": catalog.Success, "late": catalog.Loading,
	}
	if diff := cmp.Diff(want, statuses()); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{empty, filled, begun} {
		b := w.until(ctx, t, id)
		for len(b.Errors) == 0 { // its files are removed by Run
			b, err = w.catalog.Batch(ctx, admin(), id)
			check(t, err)
		}
		if !strings.Contains(b.Errors[0].Description, "no file came for 7 days") || b.Completed == 0 {
			t.Errorf("%+v", b)
		}
		if err := put(id, "c"); err == nil || !strings.Contains(err.Error(), "is abandoned: it takes no more files") {
			t.Errorf("%v", err)
		}
		if _, err := w.Signal(ctx, admin(), id, "COMPLETE"); err == nil {
			t.Error("it was completed")
		}
	}
	w.stop() // what was to be removed is
	left, err := filepath.Glob(filepath.Join(w.Dir, "staging", "*"))
	check(t, err)
	if len(left) != 1 || !strings.HasPrefix(filepath.Base(left[0]), young) {
		t.Errorf("staged: %v, want that of %s", left, young)
	}
	var notes int
	check(t, w.db.Do(ctx, func(tx *docstore.Tx) error {
		docs, err := tx.List(docstore.Scope{}, "intakeLoading", docstore.Page{})
		notes = len(docs)
		return err
	}))
	if notes != 2 { // young and late
		t.Errorf("%d notes of batches that take files", notes)
	}
	w.start(ctx) // begins with a look at what is too old
	w.ahead.Store(int64(20 * day))
	w.stop()
	w.start(ctx)
	for _, id := range []string{young, late} {
		if b := w.until(ctx, t, id); b.Status != catalog.Abandoned {
			t.Errorf("%s: %s", id, b.Status)
		}
	}
	if diff := cmp.Diff([]string{`{"_acme":{"amount":1,"id":"o1"}}`}, w.rows(t)); diff != "" {
		t.Error(diff)
	}
}

// A batch that could not be made leaves no note.
func TestAbandonNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := intake.Request{DatasetID: w.dataset.ID, ExternalID: "mine", Format: catalog.InputFormat{Format: "json"}}
	_, err := w.Create(t.Context(), admin(), ask)
	check(t, err)
	if _, err := w.Create(t.Context(), admin(), ask); !errors.Is(err, docstore.ErrTaken) {
		t.Errorf("%v", err)
	}
	var notes int
	check(t, w.db.Do(t.Context(), func(tx *docstore.Tx) error {
		docs, err := tx.List(docstore.Scope{}, "intakeLoading", docstore.Page{})
		notes = len(docs)
		return err
	}))
	if notes != 1 {
		t.Errorf("%d notes", notes)
	}
}
