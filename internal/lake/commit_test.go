package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go/table"
	"github.com/google/go-cmp/cmp"
)

func TestUpsert(t *testing.T) {
	t.Parallel()
	tbl := openOrders(t, openLake(t, t.TempDir()))
	one, two, three := order("or_1", 1, 1), order("or_2", 2, 2), order("or_3", 3, 3)
	commit(t, tbl, Commit{Files: write(t, tbl, one, two, three)})
	newer := order("or_2", 4, 7)
	commit(t, tbl, Commit{
		Files: write(t, tbl, newer), DeleteIDs: []string{"or_2", "or_2"},
		Properties: map[string]string{"applied": "4"}, Summary: map[string]string{"run": "r1"},
	})
	same(t, contents(t, tbl), one, newer, three)
	if got := tbl.Rows(); got != 3 {
		t.Errorf("Rows() = %d, want 3", got)
	}
	if tbl.Property("applied") != "4" || tbl.tbl.CurrentSnapshot().Summary.Properties["run"] != "r1" {
		t.Error("properties or summary are missing")
	}

	commit(t, tbl, Commit{DeleteIDs: []string{"or_1"}})
	same(t, contents(t, tbl), newer, three)
	again := order("or_1", 5, 8)
	commit(t, tbl, Commit{Files: write(t, tbl, again)})
	same(t, contents(t, tbl), again, newer, three)
	if got := tbl.DeleteFiles(); got != 2 {
		t.Errorf("%d delete files, want 2", got)
	}

	report, err := tbl.Maintain(t.Context(), MaintainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.RowsRemoved != 2 || report.DeleteFiles != 2 || tbl.DeleteFiles() != 0 || tbl.Rows() != 3 {
		t.Errorf("report %+v; then %d delete files and %d rows", report, tbl.DeleteFiles(), tbl.Rows())
	}
	same(t, contents(t, tbl), again, newer, three)
}

func TestCommitOfPropertiesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	commit(t, tbl, Commit{})
	if tbl.Property("cursor") != "" {
		t.Error("a new table has a cursor")
	}
	commit(t, tbl, Commit{Properties: map[string]string{"cursor": "a"}})
	commit(t, tbl, Commit{Properties: map[string]string{"cursor": "b", "other": "c"}})
	tbl = openOrders(t, openLake(t, dir))
	if tbl.Property("cursor") != "b" || tbl.Property("other") != "c" || tbl.SnapshotID() != 0 {
		t.Errorf("cursor %q, other %q, snapshot %d", tbl.Property("cursor"), tbl.Property("other"), tbl.SnapshotID())
	}
}

// A commit that fails between the writing of its files and the swap of the
// catalog's pointer is applied once, whoever repeats it.
func TestCommitAfterFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	type exec = func(context.Context, string, ...any) (sql.Result, error)
	tests := []struct {
		name  string
		wrap  func(c *catalog, next exec) exec
		fails bool // the first call
	}{
		{"before the swap", func(_ *catalog, next exec) exec {
			return func(context.Context, string, ...any) (sql.Result, error) { return nil, broken }
		}, true},
		{"after the swap", func(_ *catalog, next exec) exec {
			return func(ctx context.Context, q string, args ...any) (sql.Result, error) {
				_, err := next(ctx, q, args...)
				return nil, errors.Join(broken, err)
			}
		}, false},
		{"after the swap, catalog gone", func(c *catalog, next exec) exec {
			return func(ctx context.Context, q string, args ...any) (sql.Result, error) {
				_, err := next(ctx, q, args...)
				return nil, errors.Join(broken, err, c.db.Close())
			}
		}, true},
		{"lost race", func(c *catalog, next exec) exec {
			return func(context.Context, string, ...any) (sql.Result, error) {
				c.exec = next
				return nil, fmt.Errorf("%w: somebody was faster", table.ErrCommitFailed)
			}
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := openLake(t, dir)
			tbl := openOrders(t, l)
			old := order("or_1", 1, 1)
			commit(t, tbl, Commit{Files: write(t, tbl, old), Properties: map[string]string{"seq": "1"}})

			good := l.cat.exec
			l.cat.exec = tt.wrap(l.cat, good)
			a, b := order("or_1", 2, 2), order("or_2", 3, 3)
			c := Commit{Files: write(t, tbl, a, b), DeleteIDs: []string{"or_1"}, Properties: map[string]string{"seq": "3"}}
			err := tbl.Commit(t.Context(), c)
			if (err != nil) != tt.fails {
				t.Fatalf("the first call: %v", err)
			}

			// The caller, or the process, begins anew.
			l = openLake(t, dir)
			tbl = openOrders(t, l)
			if tbl.Property("seq") == "1" {
				same(t, contents(t, tbl), old)
			}
			for range 2 {
				commit(t, tbl, c)
				same(t, contents(t, tbl), a, b)
				if tbl.Property("seq") != "3" {
					t.Errorf("seq is %q", tbl.Property("seq"))
				}
			}
			if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
				t.Fatal(err)
			}
			same(t, contents(t, tbl), a, b)
			if n := len(onDisk(t, dir, ".parquet")); n != 1 {
				t.Errorf("%d Parquet files are left, want 1", n)
			}
		})
	}
}

func TestTwoWritersOfOneTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := openOrders(t, openLake(t, dir)), openOrders(t, openLake(t, dir))
	var want []row
	for i := range 10 {
		r := order(fmt.Sprint("or_", i), int64(i), i)
		want = append(want, r)
		tbl := []*Table{a, b}[i%2]
		commit(t, tbl, Commit{Files: write(t, tbl, r)})
		same(t, contents(t, tbl), want...)
	}
}

func TestWriterAbort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, tbl.ArrowSchema(),
		strings.NewReader(`[{"_id": "or_1", "_seq": 1, "_hash": "", "_deleted": false}]`))
	if err != nil {
		t.Fatal(err)
	}
	w := tbl.NewWriter(t.Context())
	batch.Retain()
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	w.Abort()

	ctx, cancel := context.WithCancel(t.Context())
	w = tbl.NewWriter(ctx)
	cancel()
	<-w.done
	if err := w.Write(batch); !errors.Is(err, context.Canceled) {
		t.Errorf("Write after the context's end: %v", err)
	}
	if files, err := w.Close(); !errors.Is(err, context.Canceled) || !files.Empty() {
		t.Errorf("Close after the context's end: %v, %d rows", err, files.Rows())
	}
	if left := onDisk(t, dir, ".parquet"); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	if files, err := tbl.NewWriter(t.Context()).Close(); err != nil || !files.Empty() {
		t.Errorf("a writer of nothing: %v, %d rows", err, files.Rows())
	}
}

// The metadata of a table with many commits stays small.
func TestManyCommits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	commits := 200
	if testing.Short() {
		commits = 3 * snapshotsMax
	}
	for i := range commits {
		c := Commit{
			Files:      write(t, tbl, order(fmt.Sprint("or_", i%60), int64(i), i)),
			Properties: map[string]string{"seq": strconv.Itoa(i)},
		}
		if i >= 60 {
			c.DeleteIDs = []string{fmt.Sprint("or_", i%60)}
		}
		commit(t, tbl, c)
	}
	if got := len(byID(t, contents(t, tbl))); got != 60 {
		t.Errorf("%d rows, want 60", got)
	}
	if tbl.Property("seq") != strconv.Itoa(commits-1) {
		t.Errorf("seq is %s", tbl.Property("seq"))
	}
	meta := tbl.tbl.Metadata()
	if n := len(meta.Snapshots()); n > snapshotsMax {
		t.Errorf("%d snapshots", n)
	}
	if n := len(onDisk(t, dir, ".metadata.json")); n > 25 {
		t.Errorf("%d metadata files", n)
	}
	info, err := os.Stat(localPath(tbl.MetadataLocation()))
	if err != nil || info.Size() > 150_000 {
		t.Errorf("metadata has %d bytes, error %v", info.Size(), err)
	}
	manifests, err := tbl.tbl.CurrentSnapshot().Manifests(tbl.cat.disk)
	if err != nil {
		t.Fatal(err)
	}
	data := 0
	for _, m := range manifests {
		if m.ManifestContent() == 0 {
			data++
		}
	}
	if data > snapshotsMax {
		t.Errorf("%d data manifests", data)
	}
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
		t.Fatal(err)
	}
	if got := len(byID(t, contents(t, tbl))); got != 60 {
		t.Errorf("%d rows after Maintain, want 60", got)
	}
	want := map[string]int{".parquet": 1, ".metadata.json": 21}
	got := map[string]int{}
	for suffix := range want {
		got[suffix] = len(onDisk(t, dir, suffix))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files after Maintain: %s", diff)
	}
	if n := len(onDisk(t, dir, ".avro")); n > 4 {
		t.Errorf("%d Avro files after Maintain", n)
	}
}

// onDisk lists the files below dir whose names end so.
func onDisk(t testing.TB, dir, suffix string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
