package lake_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A writer is a lane of a resource with nothing but an amount.
type writer struct {
	*testing.T
	lake *lake.Lake
	lane *lake.Lane
	plan *mapping.Plan
}

func newWriter(t *testing.T) *writer {
	t.Helper()
	w := &writer{T: t}
	schema := &xdm.Schema{Title: "Fees", Resource: "fees", Tenant: "acme", Group: "fees_data", Fields: []*xdm.Field{
		{Name: "id", Kind: xdm.String}, {Name: "object", Kind: xdm.String}, {Name: "created", Kind: xdm.Long}, {Name: "amount", Kind: xdm.Long},
	}}
	var err error
	w.plan, err = mapping.Compile(mapping.Default(schema), schema, "fee")
	w.must(err)
	w.lake, err = lake.Open(t.Context(), t.TempDir())
	w.must(err)
	t.Cleanup(func() { w.lake.Close() })
	w.lane, err = w.lake.Lane(t.Context(), schema, w.plan.Layout(), true)
	w.must(err)
	return w
}

func (w *writer) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// put commits fees from to below to.
func (w *writer) put(from, to int, replaces bool) {
	w.Helper()
	for i := from; i < to; i++ {
		var rec dataset.Record
		raw := fmt.Sprintf(`{"id": "fee_%d", "object": "fee", "created": %d, "amount": %d}`, i, 1_600_000_000+i*86400, i)
		if bad := w.plan.Scan([]byte(raw), &rec); bad != nil {
			w.Fatal(bad)
		}
		v := dataset.Version{Op: dataset.OpUpsert, SeenAt: time.Unix(1, 0), Source: dataset.SourceBackfill, RunID: "run_1"}
		w.must(w.lane.Append(&rec, &v, replaces))
	}
	w.must(w.lane.Commit(w.Context(), "x"))
}

// tidy ends a pass, and returns the dataset after it.
func (w *writer) tidy() *lake.Table {
	w.Helper()
	w.must(w.lane.Tidy(w.Context()))
	t, err := w.lake.Load(w.Context(), "fees")
	w.must(err)
	return t
}

// A small table has no delete file after a pass, and a pass without changes
// leaves it alone.
func TestTidySmallTable(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	w.put(0, 100, false)
	first := w.tidy()
	w.put(3, 4, true)
	second := w.tidy()
	if first.SnapshotID() == second.SnapshotID() || second.DeleteFiles() != 0 || second.Rows() != 100 {
		t.Errorf("after a change: %d delete files, %d rows", second.DeleteFiles(), second.Rows())
	}
	if third := w.tidy(); third.MetadataLocation() != second.MetadataLocation() {
		t.Error("an idle pass wrote to the table")
	}
}

// A table that is changed all the time is not rewritten all the time.
func TestTidyLittered(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	w.put(0, 100, false)
	location, err := url.Parse(w.tidy().Location())
	w.must(err)
	// As if so much had been replaced in the last hour; sparse.
	litter := filepath.Join(location.Path, "data", "old.parquet")
	w.must(os.WriteFile(litter, nil, 0o600))
	w.must(os.Truncate(litter, 300<<20))
	for i := range 31 {
		w.put(i, i+1, true)
		if n := w.tidy().DeleteFiles(); n != int64(i+1) {
			t.Fatalf("%d delete files after %d changes", n, i+1)
		}
	}
	w.put(50, 51, true)
	if n := w.tidy().DeleteFiles(); n != 0 {
		t.Errorf("%d delete files, which is too many for any reader", n)
	}
	w.must(os.Remove(litter))
	w.put(51, 52, true)
	if n := w.tidy().DeleteFiles(); n != 0 {
		t.Errorf("%d delete files in a small table", n)
	}
}
