package lake

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A row is a dataset's row as JSON.
type row = map[string]any

// orders is a schema with every kind of field.
func orders(more ...*xdm.Field) *xdm.Schema {
	return &xdm.Schema{
		Title: "Orders", Resource: "orders", Tenant: "acme", Group: "orders_data",
		Fields: append([]*xdm.Field{
			{Name: "amount", Kind: xdm.Long},
			{Name: "rate", Kind: xdm.Double},
			{Name: "note", Kind: xdm.String, Description: "free text"},
			{Name: "paid", Kind: xdm.Boolean},
			{Name: "address", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "city", Kind: xdm.String}}},
			{Name: "items", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Object, Fields: []*xdm.Field{
				{Name: "sku", Kind: xdm.String}, {Name: "tags", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.String}},
			}}},
			{Name: "metadata", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.String}},
		}, more...),
	}
}

// order returns a row of orders; n varies what is in it and what is null.
func order(id string, seq int64, n int) row {
	data := row{"amount": n, "note": strings.Repeat("n", n%5), "paid": n%2 == 0}
	if n%3 != 0 {
		data["address"] = row{"city": fmt.Sprint("city ", n)}
		data["rate"] = float64(n) / 4
	}
	if n%4 != 0 {
		items := []any{}
		for i := range n % 3 {
			items = append(items, row{"sku": fmt.Sprint("sku ", i), "tags": []any{"a", fmt.Sprint(n)}})
		}
		data["items"] = items
		data["metadata"] = []any{row{"key": "k", "value": fmt.Sprint(n)}}
	}
	created := time.Unix(born(id), 0).UTC().Format(time.RFC3339)
	return row{
		"_id": id, "_seq": seq, "_hash": fmt.Sprint("hash ", n), "_created": created, "_deleted": false, "_acme": row{"orders_data": data},
	}
}

// born returns when an order was created, around the turn of one of five months.
func born(id string) int64 {
	return time.Date(2026, time.Month(id[len(id)-1]%5), 1, 0, 0, int(id[0])%3-1, 0, time.UTC).Unix()
}

func openLake(t *testing.T, dir string) *Lake {
	t.Helper()
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func openOrders(t *testing.T, l *Lake, more ...*xdm.Field) *Table {
	t.Helper()
	tbl, err := l.Dataset(t.Context(), orders(more...))
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// write encodes rows into files that are not committed.
func write[R any](t testing.TB, tbl *Table, rows ...R) Files {
	t.Helper()
	w := tbl.NewWriter(context.Background())
	if err := w.Write(rowsBatch(t, tbl, rows...)); err != nil {
		t.Fatal(err)
	}
	files, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func rowsBatch[R any](t testing.TB, tbl *Table, rows ...R) arrow.RecordBatch {
	t.Helper()
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, tbl.ArrowSchema(), strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func commit(t testing.TB, tbl *Table, c Commit) {
	t.Helper()
	if err := tbl.Commit(context.Background(), c); err != nil {
		t.Fatal(err)
	}
}

// contents reads the table the way iceberg-go does.
func contents(t rapid.TB, tbl *Table) []row {
	t.Helper()
	_, batches, err := tbl.tbl.Scan().ToArrowRecords(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	rows := []row{}
	for batch, err := range batches {
		if err != nil {
			t.Fatal(err)
		}
		text, err := batch.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var part []row
		if err := json.Unmarshal(text, &part); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, part...)
	}
	return rows
}

// byID returns rows by id without their nulls, as JSON has them after a round
// trip, and fails on an id that is there twice.
func byID(t testing.TB, rows []row) map[string]row {
	t.Helper()
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	rows = nil
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	m := map[string]row{}
	for _, r := range rows {
		id := r["_id"].(string)
		if m[id] != nil {
			t.Fatalf("id %s is there twice", id)
		}
		m[id] = withoutNulls(r).(row)
	}
	return m
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case row:
		for k, f := range v {
			if f == nil {
				delete(v, k)
				continue
			}
			withoutNulls(f)
		}
	case []any:
		for _, e := range v {
			withoutNulls(e)
		}
	}
	return v
}

func same(t testing.TB, got []row, want ...row) {
	t.Helper()
	if diff := cmp.Diff(byID(t, want), byID(t, got)); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

func TestCreateAndLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLake(t, dir)
	tbl := openOrders(t, l)
	if _, err := l.History(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	a, b := order("or_1", 1, 5), order("or_2", 2, 6)
	commit(t, tbl, Commit{Files: write(t, tbl, a, b)})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	l = openLake(t, dir)
	names, err := l.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"orders", "orders_history"}, names); diff != "" {
		t.Error(diff)
	}
	tbl = openOrders(t, l)
	same(t, contents(t, tbl), a, b)
	if got := tbl.Rows(); got != 2 {
		t.Errorf("Rows() = %d, want 2", got)
	}
	if tbl.Name() != "orders" || tbl.SnapshotID() == 0 || tbl.Bytes() == 0 {
		t.Errorf("name %q, snapshot %d, %d bytes", tbl.Name(), tbl.SnapshotID(), tbl.Bytes())
	}
	if _, err := os.Stat(localPath(tbl.MetadataLocation())); err != nil {
		t.Error(err)
	}
	if _, err := l.Load(t.Context(), "nothing"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("loading an unknown table: %v", err)
	}
}

func TestDirectoryNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space", "per%20cent", "hash#question?", "ümlaut", "plus+and&=", "colon:x"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), name)
			l := openLake(t, dir)
			tbl := openOrders(t, l)
			a, b := order("or_1", 1, 5), order("or_1", 2, 6)
			commit(t, tbl, Commit{Files: write(t, tbl, a)})
			commit(t, tbl, Commit{Files: write(t, tbl, b), DeleteIDs: []string{"or_1"}})
			if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
				t.Fatal(err)
			}
			p, err := tbl.Scan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range p.Files {
				if _, err := os.Stat(f.Path); err != nil || !strings.HasPrefix(f.Path, dir) {
					t.Errorf("path %s: %v", f.Path, err)
				}
			}
			same(t, contents(t, tbl), b)
		})
	}
}

func TestEvolve(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	old := order("or_1", 1, 5)
	commit(t, tbl, Commit{Files: write(t, tbl, old), Properties: map[string]string{"k": "v"}})

	grown := orders(&xdm.Field{Name: "klarna", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "locale", Kind: xdm.String}}})
	for _, f := range grown.Fields {
		switch f.Name {
		case "address":
			f.Fields = append([]*xdm.Field{{Name: "country", Kind: xdm.String}}, f.Fields...)
		case "items":
			f.Elem.Fields = append(f.Elem.Fields, &xdm.Field{Name: "qty", Kind: xdm.Long})
		}
	}
	l := openLake(t, dir)
	tbl, err := l.Dataset(t.Context(), grown)
	if err != nil {
		t.Fatal(err)
	}
	same(t, contents(t, tbl), old)

	young := order("or_2", 2, 5)
	data := young["_acme"].(row)["orders_data"].(row)
	data["klarna"] = row{"locale": "de"}
	data["address"].(row)["country"] = "DE"
	data["items"].([]any)[0].(row)["qty"] = 3
	commit(t, tbl, Commit{Files: write(t, tbl, young)})
	same(t, contents(t, tbl), old, young)
	if got := tbl.Property("k"); got != "v" {
		t.Errorf("property is %q after the evolution", got)
	}

	gone := order("or_3", 3, 5)
	commit(t, tbl, Commit{Files: write(t, tbl, gone)})
	commit(t, tbl, Commit{DeleteIDs: []string{"or_3"}})
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
		t.Fatal(err)
	}
	same(t, contents(t, tbl), old, young)

	again, err := l.Dataset(t.Context(), grown)
	if err != nil {
		t.Fatal(err)
	}
	if again.MetadataLocation() != tbl.MetadataLocation() {
		t.Error("loading with the same schema wrote new metadata")
	}
}

func TestEvolveRefusesOtherChanges(t *testing.T) {
	t.Parallel()
	l := openLake(t, t.TempDir())
	openOrders(t, l)
	tests := []struct {
		name   string
		change func(*xdm.Schema)
		field  string
	}{
		{"another type", func(s *xdm.Schema) { s.Fields[0].Kind = xdm.String }, "_acme.orders_data.amount"},
		{"a scalar for an object", func(s *xdm.Schema) { s.Fields[4].Kind = xdm.String }, "_acme.orders_data.address"},
		{"another type in a list", func(s *xdm.Schema) { s.Fields[5].Elem.Fields[0].Kind = xdm.Long }, "_acme.orders_data.items[].sku"},
		{"another type in a map", func(s *xdm.Schema) { s.Fields[6].Elem.Kind = xdm.Long }, "_acme.orders_data.metadata{}"},
		{"a field less", func(s *xdm.Schema) { s.Fields = s.Fields[1:] }, "_acme.orders_data.amount"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := orders()
			tt.change(s)
			_, err := l.Dataset(t.Context(), s)
			if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "field "+tt.field+" ") {
				t.Errorf("error %v, want a conflict about %s", err, tt.field)
			}
		})
	}
}

func TestOpenReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := OpenReadOnly(t.Context(), dir); problem.KindOf(err) != problem.NotFound {
		t.Errorf("opening an empty directory: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("opening an empty directory left %v", left)
	}

	l := openLake(t, dir)
	tbl := openOrders(t, l)
	a, b := order("or_1", 1, 5), order("or_2", 2, 6)
	commit(t, tbl, Commit{Files: write(t, tbl, a)})

	ro, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	read := func() []row {
		t.Helper()
		tbl, err := ro.Load(t.Context(), "orders")
		if err != nil {
			t.Fatal(err)
		}
		return contents(t, tbl)
	}
	same(t, read(), a)
	commit(t, tbl, Commit{Files: write(t, tbl, b)})
	same(t, read(), a, b)
	if _, err := ro.History(t.Context(), "new"); err == nil {
		t.Error("a reader created a table")
	}

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, read(), a, b)
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}

	before := onDisk(t, dir, "")
	alone, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if names, err := alone.Tables(t.Context()); err != nil || len(names) != 1 {
		t.Errorf("tables %v, error %v, with no writer", names, err)
	}
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, onDisk(t, dir, "")); diff != "" {
		t.Errorf("reading changed the directory: %s", diff)
	}
}

func TestMovedDirectory(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	l := openLake(t, filepath.Join(root, "old"))
	openOrders(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(root, "old"), filepath.Join(root, "new")); err != nil {
		t.Fatal(err)
	}
	_, err := openLake(t, filepath.Join(root, "new")).Load(t.Context(), "orders")
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "move the directory back") {
		t.Errorf("error %v, want a conflict with advice", err)
	}
}

// A copy beside its original would write into the original's files, and sweep
// them.
func TestCopiedDirectory(t *testing.T) {
	t.Parallel()
	original, other := filepath.Join(t.TempDir(), "original"), filepath.Join(t.TempDir(), "copy")
	l := openLake(t, original)
	tbl := openOrders(t, l)
	commit(t, tbl, Commit{Files: write(t, tbl, order("or_1", 1, 1))})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(other, os.DirFS(original)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(original, link); err != nil {
		t.Fatal(err)
	}
	for _, open := range []func(context.Context, string) (*Lake, error){Open, OpenReadOnly} {
		for dir, want := range map[string]problem.Kind{other: problem.Conflict, link: problem.Internal} {
			l, err := open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			tbl, err := l.Load(t.Context(), "orders")
			if problem.KindOf(err) != want || (err == nil) != (dir == link) {
				t.Errorf("%s: %v", dir, err)
			}
			if err == nil {
				same(t, contents(t, tbl), order("or_1", 1, 1))
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
