package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// visits has a field of every kind.
func visits(more ...*xdm.Field) *xdm.Composition {
	return &xdm.Composition{ID: "https://ns.adobe.com/acme/schemas/1", Title: "Visits", Version: "1.0", Fields: []*xdm.Field{
		{Name: "_id", Kind: xdm.String},
		{Name: "timestamp", Kind: xdm.DateTime},
		{Name: "_acme", Kind: xdm.Object, Fields: append([]*xdm.Field{
			{Name: "count", Kind: xdm.Long},
			{Name: "size", Kind: xdm.Int},
			{Name: "age", Kind: xdm.Byte},
			{Name: "year", Kind: xdm.Short},
			{Name: "share", Kind: xdm.Double},
			{Name: "paid", Kind: xdm.Boolean},
			{Name: "day", Kind: xdm.Date},
			{Name: "days", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Date}},
			{Name: "times", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.DateTime}},
			{Name: "items", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Object, Fields: []*xdm.Field{
				{Name: "sku", Kind: xdm.String}, {Name: "tags", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.String}},
			}}},
			{Name: "empty", Kind: xdm.Object},
		}, more...)},
	}}
}

const fullVisit = `{"_acme":{"age":-128,"count":9223372036854775807,"day":"2026-01-31","days":["1969-12-31",null,"2026-02-28"],` +
	`"items":[{"sku":"a\"b","tags":[]},null,{"tags":["x",null]}],"paid":true,"share":0.1,"size":-2147483648,"times":{"a":"2026-01-31T10:00:00.123Z","b":null},"year":32767},` +
	`"_id":"v","timestamp":"1969-12-31T23:59:59.999Z"}`

func openRecords(t *testing.T, l *Lake, c *xdm.Composition) *Table {
	t.Helper()
	tbl, err := l.Records(t.Context(), "ds_1", c)
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

func push(t rapid.TB, tbl *Table, batch string, replaces []string, rows ...string) {
	t.Helper()
	w := tbl.NewRecords(context.Background(), batch)
	for _, r := range rows {
		if err := w.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.CommitBatch(context.Background(), BatchCommit{Batch: batch, Files: files, Replaces: replaces}); err != nil {
		t.Fatal(err)
	}
}

func records(t rapid.TB, tbl *Table) []string {
	t.Helper()
	rows, err := tbl.Preview(context.Background(), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, r := range rows {
		out = append(out, inOrder(t, r))
	}
	slices.Sort(out)
	return out
}

// inOrder returns JSON with the members of objects in the order of their keys.
func inOrder(t rapid.TB, text []byte) string {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	tbl := openRecords(t, openLake(t, t.TempDir()), visits())
	push(t, tbl, "b1", nil, fullVisit, `{}`, `{"_acme":null,"_id":"x"}`, `{"_acme":{"items":[],"times":{},"days":null}}`)
	want := []string{fullVisit, `{}`, `{"_id":"x"}`, `{"_acme":{"items":[],"times":{}}}`}
	slices.Sort(want)
	if diff := cmp.Diff(want, records(t, tbl)); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprint(tbl.Rows()); got != "4" {
		t.Errorf("%s rows", got)
	}
}

func TestRecordWriterRefuses(t *testing.T) {
	t.Parallel()
	tbl := openRecords(t, openLake(t, t.TempDir()), visits())
	for _, row := range []string{
		``, `[]`, `{`, `{}{}`, `{"other":1}`, `{"_id":1}`, `{"_acme":{"count":1.5}}`, `{"_acme":{"size":2147483648}}`, `{"timestamp":"yesterday"}`,
		`{"_acme":{"day":"2026-02-30"}}`, `{"_id":"a","_id":"b"}`, `{"_acme":[]}`, `{"_acme":{"items":{}}}`, `{"_acme":{"paid":1}}`, `{"_batch":"b2"}`, `{"_object":"k"}`, `{"_id"}`, `{"_id":"a",}`,
	} {
		w := tbl.NewRecords(t.Context(), "b")
		if err := w.Append([]byte(row)); err == nil {
			t.Errorf("%s was taken", row)
		}
		w.Abort()
	}
}

func TestRecordsGrow(t *testing.T) {
	t.Parallel()
	l := openLake(t, t.TempDir())
	tbl := openRecords(t, l, visits())
	before := tbl.NewRecords(t.Context(), "b1") // a writer that began before the growth
	if err := before.Append([]byte(`{"_id":"old"}`)); err != nil {
		t.Fatal(err)
	}
	ids := columnIDs("", columns(tbl.tbl.Schema().Fields()))
	grownVisits := visits(&xdm.Field{Name: "note", Kind: xdm.String})
	grownVisits.Fields[2].Fields[10].Fields = []*xdm.Field{{Name: "full", Kind: xdm.Boolean}}
	items := grownVisits.Fields[2].Fields[9].Elem
	items.Fields = append(items.Fields, &xdm.Field{Name: "price", Kind: xdm.Int})
	grownVisits.Fields = append(grownVisits.Fields, &xdm.Field{Name: "end", Kind: xdm.DateTime})
	young := openRecords(t, l, grownVisits)
	files, err := before.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.CommitBatch(t.Context(), BatchCommit{Batch: "b1", Files: files}); err != nil {
		t.Fatal(err)
	}
	push(t, young, "b2", nil, `{"_acme":{"note":"n","empty":{"full":true},"items":[{"price":3}]},"end":"2026-01-01T00:00:00Z"}`)
	for path, id := range ids {
		if now := columnIDs("", columns(young.tbl.Schema().Fields()))[path]; now != id {
			t.Errorf("column %s had the id %d and has %d", path, id, now)
		}
	}
	for range 2 {
		want := []string{`{"_acme":{"empty":{"full":true},"items":[{"price":3}],"note":"n"},"end":"2026-01-01T00:00:00Z"}`, `{"_id":"old"}`}
		if diff := cmp.Diff(want, records(t, young)); diff != "" {
			t.Error(diff)
		}
		if _, err := young.Maintain(t.Context(), MaintainOptions{TargetBytes: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]*xdm.Composition{
		"less":      visits(),
		"other":     visits(&xdm.Field{Name: "note", Kind: xdm.Long}),
		"own name":  {Fields: []*xdm.Field{{Name: "_batch", Kind: xdm.String}}},
		"our key":   {Fields: []*xdm.Field{{Name: "_object", Kind: xdm.String}}},
		"same name": visits(&xdm.Field{Name: "note", Kind: xdm.String}, &xdm.Field{Name: "Note", Kind: xdm.String}),
	} {
		_, err := l.Records(t.Context(), "ds_1", c)
		if k := problem.KindOf(err); k != problem.Conflict && k != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A table that nothing was committed to takes any change of its schema; one
// that holds rows, or did, does not.
func TestRecordsMadeAnew(t *testing.T) {
	t.Parallel()
	l := openLake(t, t.TempDir())
	of := func(kind xdm.Kind) *xdm.Composition {
		return &xdm.Composition{ID: "s", Fields: []*xdm.Field{{Name: "note", Kind: kind}}}
	}
	late := openRecords(t, l, of(xdm.String))
	w := late.NewRecords(t.Context(), "b0")
	if err := w.Append([]byte(`{"note":"n"}`)); err != nil {
		t.Fatal(err)
	}
	files, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	tbl := openRecords(t, l, of(xdm.Long))
	if _, err := late.CommitBatch(t.Context(), BatchCommit{Batch: "b0", Files: files}); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("rows of the schema before: %v", err)
	}
	push(t, tbl, "b1", nil, `{"note":1}`)
	if diff := cmp.Diff([]string{`{"note":1}`}, records(t, tbl)); diff != "" {
		t.Error(diff)
	}
	if _, err := tbl.RemoveBatches(t.Context(), "b1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Records(t.Context(), "ds_1", of(xdm.String)); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
}

func columnIDs(at string, cols []Column) map[string]int {
	ids := map[string]int{}
	for _, c := range cols {
		ids[at+c.Name] = c.ID
		maps.Copy(ids, columnIDs(at+c.Name+".", c.Fields))
	}
	return ids
}

// A row of batch b with the number i.
func visit(b string, i int) string { return fmt.Sprintf(`{"_acme":{"count":%d},"_id":"%s"}`, i, b) }

// Whatever is pushed, pushed again, replaced, reverted, compacted and
// reopened, in any order: the table reads like a map of batches.
func TestBatchesAreAMap(t *testing.T) {
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
		l, err := Open(t.Context(), dir)
		if err != nil {
			rt.Fatal(err)
		}
		tbl, err := l.Records(t.Context(), "ds_1", visits())
		if err != nil {
			rt.Fatal(err)
		}
		model := map[string]int{}
		names := rapid.SampledFrom([]string{"01HRF0000000000000000000A1", "01HRF0000000000000000000A2", "01HRF0000000000000000000B1", "x", "y"})
		for range rapid.IntRange(3, 12).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0, 1, 2:
				b, n := names.Draw(rt, "batch"), rapid.IntRange(0, 4).Draw(rt, "rows")
				replaces := rapid.SliceOfNDistinct(names, 0, 2, rapid.ID[string]).Draw(rt, "replaces")
				var rows []string
				for i := range n {
					rows = append(rows, visit(b, i))
				}
				push(rt, tbl, b, replaces, rows...)
				for _, r := range replaces {
					if r != b {
						delete(model, r)
					}
				}
				if model[b] == 0 && n > 0 {
					model[b] = n
				}
			case 3:
				b := names.Draw(rt, "batch")
				n, err := tbl.RemoveBatches(t.Context(), b)
				if err != nil || int(n) != model[b] {
					rt.Fatalf("revert of %s: %d rows, %v, want %d", b, n, err, model[b])
				}
				delete(model, b)
			case 4:
				if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1, TargetBytes: 1000, Partition: PartitionAuto, MonthRows: 1}); err != nil {
					rt.Fatal(err)
				}
			case 5:
				if err := l.Close(); err != nil {
					rt.Fatal(err)
				}
				if l, err = Open(t.Context(), dir); err != nil {
					rt.Fatal(err)
				}
				if tbl, err = l.Load(t.Context(), "ds_1"); err != nil {
					rt.Fatal(err)
				}
			}
			want, total := []string{}, 0
			for b, n := range model {
				for i := range n {
					want = append(want, visit(b, i))
				}
				files, err := tbl.BatchFiles(t.Context(), b)
				if err != nil {
					rt.Fatal(err)
				}
				var rows int64
				for _, f := range files {
					rows += f.Rows
				}
				if int(rows) != n {
					rt.Fatalf("the files of %s have %d rows, want %d", b, rows, n)
				}
				total += n
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, records(rt, tbl)); diff != "" {
				rt.Fatal(diff)
			}
			if int(tbl.Rows()) != total {
				rt.Fatalf("%d rows, want %d", tbl.Rows(), total)
			}
		}
		if err := l.Close(); err != nil {
			rt.Fatal(err)
		}
		passed++
	})
}

func TestSnapshotsCountBatches(t *testing.T) {
	t.Parallel()
	tbl := openRecords(t, openLake(t, t.TempDir()), visits())
	push(t, tbl, "a", nil, visit("a", 0), visit("a", 1))
	push(t, tbl, "b", nil, visit("b", 0))
	for range 3 {
		push(t, tbl, "z", nil, visit("z", 0))
		push(t, tbl, "z2", []string{"z"}, visit("z", 0))
		if _, err := tbl.RemoveBatches(t.Context(), "z2"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{TargetBytes: 1}); err != nil {
		t.Fatal(err)
	}
	push(t, tbl, "c", []string{"a"}, visit("c", 0), visit("c", 1), visit("c", 2))
	var live int64
	for _, s := range tbl.Snapshots() {
		live += s.Added - s.Deleted
	}
	all := tbl.Snapshots()
	if len(all) < 2 || all[len(all)-1].Parent != all[len(all)-2].ID || all[len(all)-1].ID != tbl.SnapshotID() {
		t.Errorf("no chain: %+v", all)
	}
	last := all[len(all)-1]
	last.ID, last.Parent, last.Time, last.Bytes, last.Files = 0, 0, time.Time{}, 0, 0
	if diff := cmp.Diff(Snapshot{Batch: "c", Added: 3, Deleted: 2}, last); diff != "" || live != 4 {
		t.Errorf("%d live rows by the snapshots, want 4; the last: %s", live, diff)
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLake(t, dir)
	push(t, openRecords(t, l, visits()), "a", nil, visit("a", 0))
	table := filepath.Join(dir, "lake", "stripe", "ds_1")
	for range 2 {
		if err := l.Drop(t.Context(), "ds_1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(table); !os.IsNotExist(err) {
		t.Errorf("the files are still there: %v", err)
	}
	if _, err := l.Load(t.Context(), "ds_1"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("error %v", err)
	}
	push(t, openRecords(t, l, visits()), "b", nil, visit("b", 0))

	// A crash between the catalog and the files.
	if _, err := l.cat.db.ExecContext(t.Context(), `INSERT INTO iceberg_namespace_properties VALUES (?, ?, ?, 'x')`, catalogName, namespace, dropProperty+"ds_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.cat.db.ExecContext(t.Context(), `DELETE FROM iceberg_tables`); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openLake(t, dir)
	if _, err := os.Stat(table); !os.IsNotExist(err) {
		t.Errorf("the files are still there after a crash: %v", err)
	}
	if got := records(t, openRecords(t, l, visits())); len(got) != 0 {
		t.Errorf("rows %v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openLake(t, dir)
	if _, err := l.Load(t.Context(), "ds_1"); err != nil {
		t.Errorf("the table made anew is gone: %v", err)
	}
	if err := l.Drop(t.Context(), "../../x"); err != nil {
		t.Error(err)
	}
}

func TestOpenFile(t *testing.T) {
	t.Parallel()
	tbl := openRecords(t, openLake(t, t.TempDir()), visits())
	push(t, tbl, "a", nil, visit("a", 0))
	files, err := tbl.BatchFiles(t.Context(), "a")
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	f, err := tbl.OpenFile(files[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"", "..", "../metadata/x", strings.ReplaceAll(files[0].Name, "-", "/"), "data-00000000-0000-0000-0000-000000000000.parquet"} {
		if _, err := tbl.OpenFile(name); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}
