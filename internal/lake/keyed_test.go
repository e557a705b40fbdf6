//go:build cgo

package lake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Whatever is pushed, upserted by key, made to go, tried again, replaced,
// reverted, compacted, grown and reopened, in any order: the table reads like a
// map of batches beside a map of objects.
func TestKeyedRecordsAreAMap(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	passed := 0
	rapid.Check(t, func(rt *rapid.T) {
		if testing.Short() && passed == 5 { // enough for the race detector
			return
		}
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &ledger{T: rt, dir: dir, pushed: map[string][]string{}, objects: map[string]object{}, seen: map[int64]bool{}}
		if m.old = rapid.Bool().Draw(rt, "from before keys"); m.old {
			m.before()
		}
		m.reopen()
		steps := map[string]func(){
			"push": m.push, "upsert": m.upsert, "upsert more": m.upsert, "again": m.again, "late": m.late,
			"upsert too": m.upsert, "revert": m.revert, "revert more": m.revert, "tidy": m.tidy, "maintain": m.maintain, "reopen": m.reopen, "grow": m.grow,
		}
		for range rapid.IntRange(4, 14).Draw(rt, "steps") {
			steps[rapid.SampledFrom(slices.Sorted(maps.Keys(steps))).Draw(rt, "step")]()
			m.check()
		}
		m.query()
		m.maintain()
		m.check()
		m.query()
		m.must(m.lake.Close())
		passed++
	})
}

// An object is a row that has a key, as JSON, and the batch that brought it.
type object struct{ batch, row string }

type ledger struct {
	*rapid.T
	dir     string
	old     bool // it was made when there were no keys
	lake    *Lake
	tbl     *Table
	more    []*xdm.Field
	pushed  map[string][]string // rows without a key, by batch
	objects map[string]object
	n       int // upserts so far
	rows    int64
	seen    map[int64]bool // snapshots
	told    int64          // rows that the snapshots seen add up to
}

func (m *ledger) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func anyKey() *rapid.Generator[string] { return rapid.StringMatching(`[a-c][0-2]`) }

// row returns a row; its _id is anybody's.
func (m *ledger) row() string {
	r := map[string]any{"_id": anyKey().Draw(m.T, "_id"), "_acme": map[string]any{"count": rapid.IntRange(0, 9).Draw(m.T, "count")}}
	for _, f := range m.more {
		r["_acme"].(map[string]any)[f.Name] = f.Name
	}
	text, err := json.Marshal(r)
	m.must(err)
	return string(text)
}

// before makes the table as it was when there were no keys.
func (m *ledger) before() {
	l, err := Open(m.Context(), m.dir)
	m.must(err)
	m.tbl = withoutKeys(m.T, l)
	rows := []string{m.row(), m.row()}
	push(m.T, m.tbl, "01OLD", nil, rows...)
	m.pushed["01OLD"], m.rows, m.told = rows, 2, 2
	m.seen[m.tbl.SnapshotID()] = true
	m.must(l.Close())
}

func withoutKeys(t rapid.TB, l *Lake) *Table {
	t.Helper()
	s, err := recordsSchema(visits())
	if err != nil {
		t.Fatal(err)
	}
	fields := slices.DeleteFunc(slices.Clone(s.Fields()), func(f iceberg.NestedField) bool { return f.Name == colObject })
	tbl, err := l.ensure(context.Background(), "ds_1", iceberg.NewSchema(0, fields...))
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// change looks at what a commit says that it did.
func (m *ledger) change(done Changed, err error, rows int64, removed int64) {
	m.Helper()
	m.must(err)
	if done.Removed != removed || done.Already {
		m.Fatalf("%+v, want %d rows to be removed", done, removed)
	}
	m.rows += rows - removed
}

func (m *ledger) batches() []string {
	all := map[string]bool{"none": true, "01U001": true}
	for b := range m.pushed {
		all[b] = true
	}
	for _, o := range m.objects {
		all[o.batch] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// remove takes the rows of a batch out of the model.
func (m *ledger) remove(batch string) int64 {
	n := int64(len(m.pushed[batch]))
	delete(m.pushed, batch)
	for key, o := range m.objects {
		if o.batch == batch {
			delete(m.objects, key)
			n++
		}
	}
	return n
}

func (m *ledger) push() {
	m.n++
	batch := fmt.Sprintf("01P%03d", m.n)
	replaces := rapid.SliceOfNDistinct(rapid.SampledFrom(m.batches()), 0, 1, rapid.ID[string]).Draw(m.T, "replaces")
	w := m.tbl.NewRecords(m.Context(), batch)
	var rows []string
	for range rapid.IntRange(0, 4).Draw(m.T, "rows") {
		rows = append(rows, m.row())
		m.must(w.Append([]byte(rows[len(rows)-1])))
	}
	files, err := w.Close()
	m.must(err)
	done, err := m.tbl.CommitBatch(m.Context(), BatchCommit{Batch: batch, Files: files, Replaces: replaces})
	var removed int64
	for _, b := range replaces {
		removed += m.remove(b)
	}
	if m.change(done, err, int64(len(rows)), removed); len(rows) > 0 {
		m.pushed[batch] = rows
	}
}

func flowMark(n int) map[string]string { return map[string]string{"flow.1": fmt.Sprint(n, " 01U")} }

func (m *ledger) upsert() {
	was := m.tbl.Property("flow.1")
	m.n++
	batch := fmt.Sprintf("01U%03d", m.n)
	w := m.tbl.NewRecords(m.Context(), batch)
	var rows, removed int64
	for _, key := range rapid.SliceOfNDistinct(anyKey(), 0, 8, rapid.ID[string]).Draw(m.T, "keys") {
		if _, ok := m.objects[key]; ok {
			removed++
		}
		if rapid.IntRange(0, 3).Draw(m.T, "gone") == 0 {
			m.must(w.Gone(key))
			delete(m.objects, key)
			continue
		}
		o := object{batch, m.row()}
		m.must(w.AppendKeyed(key, []byte(o.row)))
		m.objects[key] = o
		rows++
	}
	files, err := w.Close()
	m.must(err)
	done, err := m.tbl.CommitBatch(m.Context(), BatchCommit{Batch: batch, Files: files, Props: flowMark(m.n), Was: map[string]string{"flow.1": was}})
	m.change(done, err, rows, removed)
	if got := m.tbl.Property("flow.1"); got != flowMark(m.n)["flow.1"] {
		m.Fatalf("the mark is %q after commit %d", got, m.n)
	}
}

// written returns files of a batch with any rows.
func (m *ledger) written(batch string) Files {
	w := m.tbl.NewRecords(m.Context(), batch)
	m.must(w.AppendKeyed("a1", []byte(m.row())))
	m.must(w.Gone("b1"))
	files, err := w.Close()
	m.must(err)
	return files
}

// again tries the last commit again, as a process does that was killed after it.
func (m *ledger) again() {
	var n int
	if _, err := fmt.Sscan(m.tbl.Property("flow.1"), &n); err != nil {
		return // there was none
	}
	done, err := m.tbl.CommitBatch(m.Context(), BatchCommit{Batch: fmt.Sprintf("01U%03d", n), Files: m.written("01U"), Props: flowMark(n), Was: map[string]string{"flow.1": "x"}})
	if m.must(err); !done.Already {
		m.Fatal("the last batch was put in again")
	}
}

// late commits what goes on from a state that is past.
func (m *ledger) late() {
	_, err := m.tbl.CommitBatch(m.Context(), BatchCommit{Batch: "01L", Files: m.written("01L"), Props: flowMark(-1), Was: map[string]string{"flow.1": "x"}})
	if problem.KindOf(err) != problem.Stale {
		m.Fatalf("error %v, want a stale one", err)
	}
}

func (m *ledger) revert() {
	batch := rapid.SampledFrom(m.batches()).Draw(m.T, "batch")
	n, err := m.tbl.RemoveBatches(m.Context(), batch)
	m.must(err)
	if want := m.remove(batch); n != want {
		m.Fatalf("revert of %s: %d rows, want %d", batch, n, want)
	}
	m.rows -= n
}

func (m *ledger) tidy() {
	m.must(m.tbl.TidyBatches(m.Context()))
	if n := m.tbl.DeleteFiles(); n != 0 {
		m.Fatalf("%d delete files", n)
	}
}

func (m *ledger) maintain() {
	_, err := m.tbl.Maintain(m.Context(), MaintainOptions{
		KeepFor: time.Duration(rapid.IntRange(-1, 0).Draw(m.T, "keep")), TargetBytes: rapid.SampledFrom([]int64{1, 5000, 0}).Draw(m.T, "target"),
	})
	m.must(err)
	if n := m.tbl.DeleteFiles(); n != 0 {
		m.Fatalf("%d delete files", n)
	}
}

func (m *ledger) reopen() {
	if m.lake != nil {
		m.must(m.lake.Close())
	}
	var err error
	m.lake, err = Open(m.Context(), m.dir)
	m.must(err)
	m.grown()
}

func (m *ledger) grown() {
	var err error
	m.tbl, err = m.lake.Records(m.Context(), "ds_1", visits(m.more...))
	m.must(err)
}

func (m *ledger) grow() {
	if len(m.more) == 3 {
		return
	}
	m.more = append(m.more, &xdm.Field{Name: fmt.Sprint("note", len(m.more)), Kind: xdm.String})
	m.grown()
}

func (m *ledger) check() {
	m.Helper()
	want, byBatch := []string{}, map[string]int64{}
	for b, rows := range m.pushed {
		want = append(want, rows...)
		byBatch[b] += int64(len(rows))
	}
	for _, o := range m.objects {
		want = append(want, o.row)
		byBatch[o.batch]++
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, records(m.T, m.tbl)); diff != "" {
		m.Fatalf("Preview (-want +got):\n%s", diff)
	}
	if m.tbl.Rows() != int64(len(want)) || m.rows != int64(len(want)) {
		m.Fatalf("%d rows by the table, %d by its commits, want %d", m.tbl.Rows(), m.rows, len(want))
	}
	live := map[string]int64{}
	for _, b := range m.batches() {
		files, err := m.tbl.BatchFiles(m.Context(), b)
		m.must(err)
		for _, f := range files {
			live[b] += f.Rows
		}
		if has, err := m.tbl.HasBatch(m.Context(), b); err != nil || has != (byBatch[b] > 0) {
			m.Fatalf("batch %s is in: %v, %v, want %d rows", b, has, err, byBatch[b])
		}
	}
	if diff := cmp.Diff(byBatch, live); diff != "" {
		m.Fatalf("rows by batch (-want +got):\n%s", diff)
	}
	var sum int64
	files, err := m.tbl.BatchFiles(m.Context(), "")
	m.must(err)
	for _, f := range files {
		sum += f.Rows
	}
	if sum != int64(len(want)) {
		m.Fatalf("all files have %d rows, want %d", sum, len(want))
	}
	m.snapshots()
}

// snapshots adds up what new snapshots say.
func (m *ledger) snapshots() {
	m.Helper()
	for _, s := range m.tbl.Snapshots() {
		if m.seen[s.ID] {
			continue
		}
		m.seen[s.ID] = true
		m.told += s.Added - s.Deleted
	}
	if m.told != m.rows {
		m.Fatalf("%d rows by the snapshots, want %d", m.told, m.rows)
	}
}

// query reads the table by DuckDB and by iceberg-go.
func (m *ledger) query() {
	m.Helper()
	var want []string
	for b, rows := range m.pushed {
		for _, r := range rows {
			want = append(want, b+"  "+r)
		}
	}
	for key, o := range m.objects {
		want = append(want, o.batch+" "+key+" "+o.row)
	}
	var got []string
	for _, r := range duckRows(m.T, m.tbl) {
		key, _ := r["_object"].(string)
		batch := r["_batch"].(string)
		delete(r, "_batch")
		delete(r, "_object")
		text, err := json.Marshal(withoutNulls(r))
		m.must(err)
		got = append(got, batch+" "+key+" "+string(text))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		m.Fatalf("DuckDB (-want +got):\n%s", diff)
	}
	if m.old && m.tbl.DeleteFiles() > 0 {
		return // iceberg-go refuses delete files over files without the column
	}
	var read []string
	for _, r := range contents(m.T, m.tbl) {
		key, _ := r["_object"].(string)
		read = append(read, r["_batch"].(string)+" "+key)
	}
	for i, w := range want {
		want[i], _, _ = strings.Cut(w, " {")
	}
	slices.Sort(want)
	slices.Sort(read)
	if diff := cmp.Diff(want, read); diff != "" {
		m.Fatalf("iceberg-go (-want +got):\n%s", diff)
	}
}

// duckRows reads a table of records through DuckDB's view.
func duckRows(t rapid.TB, tbl *Table) []row {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	plan, err := tbl.Scan(context.Background())
	must(err)
	from := duck.Table{Columns: duckColumns(plan.Columns), Key: plan.Key}
	for _, f := range plan.Files {
		from.Files = append(from.Files, duck.File{Path: f.Path, Seq: f.Seq, Rows: f.Rows, Partition: f.Partition})
	}
	for _, f := range plan.Deletes {
		from.Deletes = append(from.Deletes, duck.File{Path: f.Path, Seq: f.Seq, Rows: f.Rows, Partition: f.Partition})
	}
	db, err := duck.Open(context.Background(), duck.Catalog{Records: []duck.Records{{Name: "r", Table: from}}})
	must(err)
	defer db.Close()
	rows, err := db.Query(context.Background(), `select to_json(r)::varchar from xdm.r r`)
	must(err)
	defer rows.Close()
	var all []row
	for rows.Next() {
		var r row
		must(json.Unmarshal([]byte(fmt.Sprint(rows.Values()[0])), &r))
		all = append(all, r)
	}
	must(rows.Err())
	return all
}

func duckColumns(of []Column) []duck.Column {
	var out []duck.Column
	for _, c := range of {
		out = append(out, duck.Column{ID: c.ID, Name: c.Name, Type: c.Type, Fields: duckColumns(c.Fields)})
	}
	return out
}
