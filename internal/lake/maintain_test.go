package lake

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go/table"

	"github.com/tributary-data/tributary/internal/problem"
)

// What was replaced stays for readers in flight, and what was left behind is
// removed once it is old.
func TestMaintainKeepsYoungFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	a, b := order("or_1", 1, 1), order("or_1", 2, 2)
	commit(t, tbl, Commit{Files: write(t, tbl, a)})
	commit(t, tbl, Commit{Files: write(t, tbl, b), DeleteIDs: []string{"or_1"}})
	planned, err := tbl.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-24 * time.Hour)
	litter := filepath.Join(dir, "lake/stripe/orders/data/litter.parquet")
	if err := os.WriteFile(litter, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range onDisk(t, dir, ".parquet") {
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	uncommitted := write(t, tbl, order("or_9", 9, 9))
	for _, df := range uncommitted.data {
		if err := os.Chtimes(localPath(df.FilePath()), long, long); err != nil {
			t.Fatal(err)
		}
	}

	if _, err := tbl.Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, f := range planned.Files {
		if _, err := os.Stat(f.Path); err != nil {
			t.Errorf("a reader lost %v", err)
		}
	}
	for _, f := range planned.Deletes {
		if _, err := os.Stat(f.Path); err != nil {
			t.Errorf("a reader lost %v", err)
		}
	}
	if _, err := os.Stat(litter); err == nil {
		t.Error("an old file that no snapshot uses is still there")
	}
	commit(t, tbl, Commit{Files: uncommitted})
	same(t, contents(t, tbl), b, order("or_9", 9, 9))

	report, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1})
	if err != nil {
		t.Fatal(err)
	}
	if report.FilesRemoved == 0 || report.BytesRemoved == 0 || report.SnapshotsRemoved == 0 {
		t.Errorf("report %+v", report)
	}
	if n := len(onDisk(t, dir, ".parquet")); n != int(tbl.DataFiles()) {
		t.Errorf("%d Parquet files on disk, %d in the table", n, tbl.DataFiles())
	}
	if p := tbl.Property("schema.name-mapping.default"); p != "" {
		t.Errorf("a name mapping was added: %s", p)
	}
}

func TestMaintainNothing(t *testing.T) {
	t.Parallel()
	tbl := openOrders(t, openLake(t, t.TempDir()))
	if report, err := tbl.Maintain(t.Context(), MaintainOptions{}); err != nil || report != (MaintainReport{}) {
		t.Errorf("an empty table: %+v, %v", report, err)
	}
	a := order("or_1", 1, 1)
	commit(t, tbl, Commit{Files: write(t, tbl, a)})
	commit(t, tbl, Commit{DeleteIDs: []string{"or_1"}})
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	if tbl.DataFiles() != 0 || tbl.DeleteFiles() != 0 || tbl.Rows() != 0 {
		t.Errorf("%d data files, %d delete files, %d rows", tbl.DataFiles(), tbl.DeleteFiles(), tbl.Rows())
	}
	same(t, contents(t, tbl))
	commit(t, tbl, Commit{Files: write(t, tbl, a)})
	same(t, contents(t, tbl), a)
}

// A commit that comes in between, of another program, is not overwritten.
func TestMaintainLosesRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	for i := range 6 {
		commit(t, tbl, Commit{Files: write(t, tbl, order("or_"+string(rune('a'+i)), int64(i), i))})
	}
	commit(t, tbl, Commit{DeleteIDs: []string{"or_a"}})
	m := maintenance{t: tbl, target: targetBytes, ids: markIDs, spill: spillBytes}
	if err := m.list(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.mark(t.Context()); err != nil {
		t.Fatal(err)
	}

	other := openOrders(t, openLake(t, dir))
	commit(t, other, Commit{DeleteIDs: []string{"or_b", "or_c", "or_d", "or_e"}})
	err := fault(m.rewrite(t.Context(), m.groups()[:1]), "maintain")
	if problem.KindOf(err) != problem.Stale {
		t.Errorf("error %v, want a stale one", err)
	}
	same(t, contents(t, other), order("or_f", 5, 5))
	if n := len(onDisk(t, dir, ".parquet")); n != 8 {
		t.Errorf("%d Parquet files, want the 8 of the commits", n)
	}
}

// Delete files that Commit does not write are refused, not misread.
func TestForeignDeletes(t *testing.T) {
	t.Parallel()
	tbl := openOrders(t, openLake(t, t.TempDir()))
	commit(t, tbl, Commit{Files: write(t, tbl, order("or_1", 1, 1))})
	seq, _ := tbl.tbl.Schema().FindFieldByName(colSeq)
	schema, err := tbl.tbl.Schema().Select(true, colSeq)
	if err != nil {
		t.Fatal(err)
	}
	as, err := table.SchemaToArrowSchema(schema, nil, true, false)
	if err != nil {
		t.Fatal(err)
	}
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, as, strings.NewReader(`[{"_seq": 1}]`))
	if err != nil {
		t.Fatal(err)
	}
	tx := tbl.tbl.NewTransaction()
	err = tx.CommitEqualityDeletes(t.Context(), []int{seq.ID}, func(yield func(arrow.RecordBatch, error) bool) { yield(batch, nil) }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if tbl.tbl, err = tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.Scan(t.Context()); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("Scan: %v", err)
	}
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("Maintain: %v", err)
	}
}

// Rows are found in files of many batches and row groups, too.
func TestMaintainLongFiles(t *testing.T) {
	t.Parallel()
	tbl := openOrders(t, openLake(t, t.TempDir()))
	var want []row
	var gone []string
	for file := range 2 {
		var rows []row
		for i := range 2*readRows + 100 {
			r := order(fmt.Sprint("or_", file, "_", i), int64(i), i%50)
			rows = append(rows, r)
			if i%7 == 3 || i > readRows+50 && i < readRows+1500 {
				gone = append(gone, r["_id"].(string))
			} else {
				want = append(want, r)
			}
		}
		commit(t, tbl, Commit{Files: write(t, tbl, rows...)})
	}
	commit(t, tbl, Commit{DeleteIDs: gone})
	report, err := tbl.Maintain(t.Context(), MaintainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.RowsRemoved != int64(len(gone)) {
		t.Errorf("%d rows removed, want %d", report.RowsRemoved, len(gone))
	}
	same(t, contents(t, tbl), want...)
}
