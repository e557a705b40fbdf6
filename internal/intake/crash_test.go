package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/intake"
)

// TestMain runs the process that a test of crashes kills when it is one.
func TestMain(m *testing.M) { childtest.Main(m, life.live) }

// A life is a process that gives a signal for a batch, unless it was given,
// and works until the batch has ended or the point is reached.
type life struct {
	Dir, Batch, Action string
	End                intake.Point
	Upload             string // how it uploads, if that is what it is for
}

type loud struct{}

func (loud) Helper()           {}
func (loud) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (l life) live() {
	ctx := context.Background()
	w := open(ctx, loud{}, l.Dir, io.Discard)
	w.At = func(p intake.Point) {
		if p == l.End {
			childtest.Die()
		}
	}
	if l.Upload != "" {
		l.upload(ctx, w)
		return
	}
	if _, err := w.Signal(ctx, admin(), l.Batch, l.Action); err != nil && !strings.Contains(err.Error(), "the batch") {
		panic(err)
	}
	w.start(ctx).until(ctx, loud{}, l.Batch)
	for left := 1; left > 0; { // the batch says how it ended before its files go
		dirs, err := filepath.Glob(filepath.Join(l.Dir, "staging", "*"))
		check(loud{}, err)
		left = len(dirs)
	}
	w.close(loud{})
}

// run runs the life and says whether it was killed.
func (l life) run(t *testing.T) bool {
	t.Helper()
	out, err := childtest.Command(t, l).CombinedOutput()
	if childtest.Killed(err) {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// Killed at any point of its promotion, a batch is in once: as a whole, with
// true counts and its diagnostics, and without the batch that it replaces.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, point := range []intake.Point{
		intake.AtClosed, intake.AtLoaded, intake.AtStaging, intake.AtRows, intake.AtActive, intake.AtCommitted, intake.AtDiagnosed, intake.AtDone,
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := open(t.Context(), t, dir, t.Output()).start(t.Context())
			old := w.push(t, intake.Request{}, order(1), order(2))
			w.until(t.Context(), t, old.ID)
			twenty := 20
			b := w.load(t, intake.Request{PartialPercent: &twenty, Replay: &catalog.Replay{Predecessors: []string{old.ID}}}, order(3), order(4), order(5), order(6), `{"bad":1}`)
			w.close(t)

			l := life{Dir: dir, Batch: b.ID, Action: "COMPLETE", End: point}
			if !l.run(t) {
				t.Fatalf("%s was never reached", point)
			}
			l.End = ""
			l.run(t)

			w = open(t.Context(), t, dir, t.Output())
			defer w.close(t)
			got, err := w.catalog.Batch(t.Context(), admin(), b.ID)
			check(t, err)
			m := *got.Metrics
			m.OutputByteSize, m.DeletedRecordCount = 0, 0
			want := catalog.Metrics{InputByteSize: got.Metrics.InputByteSize, InputFileCount: 1, InputRecordCount: 5, OutputRecordCount: 4, FailedRecordCount: 1, OutputFileCount: 1, PartitionCount: 1}
			if diff := cmp.Diff(want, m); diff != "" || got.Status != catalog.Success || got.Metrics.InputByteSize == 0 {
				t.Errorf("%s %v: %s", got.Status, got.Errors, diff)
			}
			if diff := cmp.Diff([]string{
				`{"_acme":{"amount":3,"id":"o3"}}`, `{"_acme":{"amount":4,"id":"o4"}}`, `{"_acme":{"amount":5,"id":"o5"}}`, `{"_acme":{"amount":6,"id":"o6"}}`,
			}, w.rows(t)); diff != "" {
				t.Error(diff)
			}
			if was, err := w.catalog.Batch(t.Context(), admin(), old.ID); err != nil || was.Status != catalog.Inactive {
				t.Errorf("the batch that was replaced is %s, %v", was.Status, err)
			}
			f, err := w.Open(t.Context(), admin(), b.ID, "row_errors/conversion_errors_0.json")
			check(t, err)
			text, err := io.ReadAll(f)
			check(t, err)
			if n := bytes.Count(text, []byte("\n")); n != 1 || !strings.Contains(string(text), `"bad":1,"_errors":[{"code":"INGEST-1555-400","column":"bad"`) {
				t.Errorf("%d rows in the diagnostics: %s", n, text)
			}
			check(t, f.Close())
			if left, _ := filepath.Glob(filepath.Join(dir, "staging", "*")); len(left) > 0 {
				t.Errorf("staged files are left: %v", left)
			}
		})
	}
}

func TestKilledInRevert(t *testing.T) {
	t.Parallel()
	for _, point := range []intake.Point{intake.AtClosed, intake.AtReverted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := open(t.Context(), t, dir, t.Output()).start(t.Context())
			keep := w.push(t, intake.Request{}, order(1))
			w.until(t.Context(), t, keep.ID)
			b := w.push(t, intake.Request{}, order(2))
			w.until(t.Context(), t, b.ID)
			w.close(t)
			l := life{Dir: dir, Batch: b.ID, Action: "REVERT", End: point}
			if !l.run(t) {
				t.Fatalf("%s was never reached", point)
			}
			w = open(t.Context(), t, dir, t.Output()).start(t.Context())
			defer w.close(t)
			for got := (catalog.Batch{}); got.Status != catalog.Deleted; {
				var err error
				got, err = w.catalog.Batch(t.Context(), admin(), b.ID)
				check(t, err)
			}
			if diff := cmp.Diff([]string{`{"_acme":{"amount":1,"id":"o1"}}`}, w.rows(t)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
