package flow

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/docstore"
)

func TestDeleteFlow(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		id := w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
		other := w.flow(`{}`)
		var runIDs []string
		for range 3 {
			w.finishAll()
			w.sleep(time.Minute)
		}
		jobs := w.due()
		if len(jobs) != 1 {
			t.Fatalf("%d jobs", len(jobs))
		}
		if ok, err := w.Take(t.Context(), jobs[0].Ref, jobs[0].Generation, "a"); err != nil || !ok {
			t.Fatal(ok, err)
		}
		runIDs = w.ids("/flows/" + id + "/runs")
		if len(runIDs) != 4 {
			t.Fatalf("%d runs", len(runIDs))
		}
		if r := w.server.Do("DELETE", base+"/flows/"+id, nil); r.Status != http.StatusNoContent {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		if diff := cmp.Diff([]Ref{jobs[0].Ref}, w.dropped); diff != "" {
			t.Error(diff)
		}
		for _, path := range []string{"/flows/" + id, "/flows/" + id + "/runs", "/runs/" + runIDs[0]} {
			w.refused("FLOW-1439-404", w.server.Do("GET", base+path, nil))
		}
		w.refused("FLOW-1439-404", w.server.Do("DELETE", base+"/flows/"+id, nil))
		if left := w.ids("/runs"); len(left) != 1 {
			t.Errorf("%d runs are left, one is of the other flow", len(left))
		}
		if ok, err := w.Renew(t.Context(), jobs[0].Ref, "a"); err != nil || ok {
			t.Errorf("renewed: %v %v", ok, err)
		}
		if err := w.Progress(t.Context(), jobs[0].Ref, "a", func(*Run) {}); err != ErrLost { //nolint:errorlint // it itself
			t.Error(err)
		}
		if err := w.Release(t.Context(), jobs[0].Ref, "a"); err != nil {
			t.Error(err)
		}
		w.sleep(time.Hour)
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
		w.one("/flows/" + other)
		w.do(func(tx *docstore.Tx) error {
			for _, kind := range []string{kindSchedule, kindLease} {
				docs, err := tx.List(docstore.Scope{}, kind, docstore.Page{})
				if err != nil || len(docs) != 0 {
					t.Errorf("%s: %d documents are left: %v", kind, len(docs), err)
				}
			}
			return nil
		})
	})
}

// finishAll does all that is due.
func (w *world) finishAll() {
	w.t.Helper()
	for _, j := range w.due() {
		w.finish(j, Success)
	}
}

// What a deletion left when it was cut short, Due removes.
func TestDeletionGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
	w.finishAll()
	w.do(func(tx *docstore.Tx) error {
		f, _, err := flows.get(tx, scope(w.caller), id)
		if err != nil {
			return err
		}
		if err := tx.Delete(scope(w.caller), kindFlow, id); err != nil {
			return err
		}
		return setTimetable(tx, f, func(tt *timetable) { tt.Gone = true })
	})
	if len(w.ids("/runs")) != 1 {
		t.Fatal("there is no run to remove")
	}
	w.due()
	if left := w.ids("/runs"); len(left) != 0 {
		t.Errorf("%d runs are left", len(left))
	}
	w.do(func(tx *docstore.Tx) error {
		docs, err := tx.List(docstore.Scope{}, kindSchedule, docstore.Page{})
		if len(docs) != 0 {
			t.Errorf("%d timetables are left", len(docs))
		}
		return err
	})
}
