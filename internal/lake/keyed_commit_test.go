//go:build cgo

package lake

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// A table from before there were keys is read and written as ever, and takes
// keys once it was looked at again.
func TestRecordsFromBeforeKeys(t *testing.T) {
	t.Parallel()
	l := openLake(t, t.TempDir())
	old := withoutKeys(t, l)
	push(t, old, "b1", nil, visit("b1", 0), visit("b1", 1))
	push(t, old, "b2", []string{"b1"}, visit("b2", 0))
	if _, err := old.Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	w := old.NewRecords(t.Context(), "b3")
	if err := w.AppendKeyed("k", []byte(visit("k", 0))); problem.KindOf(err) != problem.Stale {
		t.Errorf("a key in a table without keys: %v", err)
	}
	w.Abort()
	late := old.NewRecords(t.Context(), "b4") // opened before the column comes
	if err := late.Append([]byte(visit("b4", 0))); err != nil {
		t.Fatal(err)
	}
	ids := columnIDs("", columns(old.tbl.Schema().Fields()))
	tbl := openRecords(t, l, visits())
	for path, id := range ids {
		if now := columnIDs("", columns(tbl.tbl.Schema().Fields()))[path]; now != id {
			t.Errorf("column %s had the id %d and has %d", path, id, now)
		}
	}
	files, err := late.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.CommitBatch(t.Context(), BatchCommit{Batch: "b4", Files: files}); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		upsert(t, tbl, n, "k")
	}
	want := []string{visit("b2", 0), visit("b4", 0), visit("k", 1)}
	for range 2 {
		if diff := cmp.Diff(want, records(t, tbl)); diff != "" {
			t.Error(diff)
		}
		if n := len(duckRows(t, tbl)); n != 3 {
			t.Errorf("DuckDB finds %d rows", n)
		}
		if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
			t.Fatal(err)
		}
	}
}

// keyedFiles are files with a row of key, whose count is n.
func keyedFiles(t *testing.T, tbl *Table, batch string, n int, key string) Files {
	t.Helper()
	w := tbl.NewRecords(t.Context(), batch)
	if err := w.AppendKeyed(key, []byte(visit(key, n))); err != nil {
		t.Fatal(err)
	}
	files, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func upsert(t *testing.T, tbl *Table, n int, key string) {
	t.Helper()
	batch := fmt.Sprint("u", n)
	if _, err := tbl.CommitBatch(t.Context(), BatchCommit{Batch: batch, Files: keyedFiles(t, tbl, batch, n, key), Props: flowMark(n)}); err != nil {
		t.Fatal(err)
	}
}

// Rows are not written against keys that nobody has; should there be some at
// last, they are written again.
func TestFirstKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openRecords(t, openLake(t, dir), visits())
	push(t, tbl, "b", nil, visit("b", 0))
	early := keyedFiles(t, tbl, "early", 7, "k")
	upsert(t, tbl, 1, "k")
	if n := tbl.DeleteFiles(); n != 0 {
		t.Errorf("%d delete files of keys that had no row", n)
	}
	_, err := tbl.CommitBatch(t.Context(), BatchCommit{Batch: "early", Files: early, Props: flowMark(2)})
	if problem.KindOf(err) != problem.Unavailable {
		t.Errorf("error %v, want one that says to begin again", err)
	}
	upsert(t, tbl, 2, "k")
	if n := tbl.DeleteFiles(); n != 1 {
		t.Errorf("%d delete files", n)
	}
	if diff := cmp.Diff([]string{visit("b", 0), visit("k", 2)}, records(t, tbl)); diff != "" {
		t.Error(diff)
	}
	if n := len(onDisk(t, dir, ".parquet")); n != 4 {
		t.Errorf("%d Parquet files on disk, want those of three commits", n)
	}
}

func TestKeyedCommitRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openRecords(t, openLake(t, dir), visits())
	push(t, tbl, "b", nil, visit("b", 0))
	upsert(t, tbl, 1, "k")
	before := len(onDisk(t, dir, ".parquet"))
	for _, test := range []struct {
		name   string
		commit BatchCommit
		want   problem.Kind
	}{
		{"beside a replacement", BatchCommit{Batch: "u2", Replaces: []string{"b"}, Props: flowMark(2)}, problem.Invalid},
		{"without a name", BatchCommit{Batch: "u2"}, problem.Invalid},
		{"a batch that is in by another name", BatchCommit{Batch: "u1", Props: flowMark(2)}, problem.Conflict},
		{"too late", BatchCommit{Batch: "u2", Props: flowMark(2), Was: map[string]string{"flow.1": ""}}, problem.Stale},
	} {
		test.commit.Files = keyedFiles(t, tbl, test.commit.Batch, 2, "k")
		if _, err := tbl.CommitBatch(t.Context(), test.commit); problem.KindOf(err) != test.want {
			t.Errorf("%s: %v, want a problem of kind %s", test.name, err, test.want)
		}
	}
	w := tbl.NewRecords(t.Context(), "u2")
	if err := w.Gone(""); err == nil {
		t.Error("an object without a key went")
	}
	if err := w.Gone("k"); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if diff := cmp.Diff([]string{visit("b", 0), visit("k", 1)}, records(t, tbl)); diff != "" {
		t.Error(diff)
	}
	if n := len(onDisk(t, dir, ".parquet")); n != before {
		t.Errorf("%d Parquet files on disk, want %d", n, before)
	}
}

// A batch of any number of keys is committed with few in memory, in files of
// several batches of keys.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	tbl := openRecords(t, openLake(t, t.TempDir()), visits())
	const n = 3*keyRows + 5
	for round := range 2 {
		batch := fmt.Sprint("u", round)
		w := tbl.NewRecords(t.Context(), batch)
		for i := range n {
			key := fmt.Sprint("k", i)
			var err error
			if i%3 == 2 && round == 1 {
				err = w.Gone(key)
			} else {
				err = w.AppendKeyed(key, []byte(visit(key, round)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		files, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		done, err := tbl.CommitBatch(t.Context(), BatchCommit{Batch: batch, Files: files, Props: flowMark(round)})
		if err != nil || done.Removed != int64(round*n) {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	if want := int64(n - n/3); tbl.Rows() != want || len(duckRows(t, tbl)) != int(want) {
		t.Errorf("%d rows, want %d", tbl.Rows(), want)
	}
}
