//go:build cgo

package tables_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/parquettest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

const table = "ds_65e622315f78042c9e8166e8"

func openTables(t *testing.T) (*tables.Tables, *lake.Lake) {
	t.Helper()
	l, err := lake.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return tables.New(l), l
}

func rowsOf(rows ...string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for _, r := range rows {
			if !yield(json.RawMessage(r), nil) {
				return
			}
		}
	}
}

// query asks DuckDB about the table as the lake has it now, and returns the
// rows as text.
func query(t *testing.T, l *lake.Lake, sql string) []string {
	t.Helper()
	tbl, err := l.Load(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := tbl.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from := duck.Table{Columns: duckColumns(plan.Columns), Key: plan.Key}
	for _, f := range plan.Files {
		from.Files = append(from.Files, duck.File{Path: f.Path, Seq: f.Seq, Rows: f.Rows})
	}
	for _, f := range plan.Deletes {
		from.Deletes = append(from.Deletes, duck.File{Path: f.Path, Seq: f.Seq, Rows: f.Rows})
	}
	db, err := duck.Open(t.Context(), duck.Catalog{Records: []duck.Records{{Name: "r", Table: from}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text []string
		for _, v := range rows.Values() {
			text = append(text, fmt.Sprint(v))
		}
		out = append(out, strings.Join(text, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func duckColumns(of []lake.Column) []duck.Column {
	var out []duck.Column
	for _, c := range of {
		out = append(out, duck.Column{ID: c.ID, Name: c.Name, Type: c.Type, Fields: duckColumns(c.Fields)})
	}
	return out
}

func TestDuckDBReadsEveryKind(t *testing.T) {
	t.Parallel()
	tb, l := openTables(t)
	c := form()
	if err := tb.Ensure(t.Context(), table, c); err != nil {
		t.Fatal(err)
	}
	k, err := tables.NewChecker(c)
	if err != nil {
		t.Fatal(err)
	}
	row, bad := k.Record([]byte(`{"s":"é€","ll":-9223372036854775808,"i":-2147483648,"h":32767,"y":-128,"n":0.1,"b":true,"d":"1969-12-31","t":"1969-12-31T23:59:59.999Z","o":{"r":"x"},"a":[{"k":1},null],"m":{"x":2}}`))
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	done, err := tb.Append(t.Context(), table, "b1", nil, rowsOf(string(row), `{}`))
	if err != nil || done.Rows != 2 || done.Files != 1 || done.Bytes == 0 || done.SnapshotID == 0 {
		t.Fatalf("%+v %v", done, err)
	}
	got := query(t, l, `select typeof(s), typeof(ll), typeof(i), typeof(h), typeof(y), typeof(n), typeof(b), typeof(d), typeof(t), typeof(o), typeof(a), typeof(m),
		s, ll, i, h, y, n, b, d::varchar, epoch_ms(t), o.r, a[1].k, a[2] is null, m['x'], _batch from xdm.r where s is not null`)
	want := `VARCHAR|BIGINT|INTEGER|INTEGER|INTEGER|DOUBLE|BOOLEAN|DATE|TIMESTAMP WITH TIME ZONE|STRUCT(r VARCHAR, q BIGINT)|STRUCT(k INTEGER)[]|MAP(VARCHAR, BIGINT)|` +
		`é€|-9223372036854775808|-2147483648|32767|-128|0.1|true|1969-12-31|-1|x|1|true|2|b1`
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Error(diff)
	}
	files, err := tb.Files(t.Context(), table, "b1")
	if err != nil || len(files) != 1 || files[0].Rows != 2 {
		t.Fatal(files, err)
	}
	f, err := tb.Open(t.Context(), table, files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Seek(0, io.SeekEnd); err != nil || n != files[0].Bytes {
		t.Errorf("%d bytes, %v", n, err)
	}
	var texts []string
	st, err := tb.Stats(t.Context(), table)
	if err != nil || st.Rows != 2 || st.Files != 1 {
		t.Fatal(st, err)
	}
	path := strings.TrimPrefix(st.Location, "file://") + "/data/" + files[0].Path
	if _, err := parquettest.Texts(path, func(column, value string) { texts = append(texts, column+"="+value) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"_batch=b1", "_batch=b1", "s=é€", "o.r=x", "m.key_value.key=x"}, texts); diff != "" {
		t.Error(diff)
	}
}

// While batches come in and others read, the schema grows: every reader sees
// whole batches, and null where rows are older than a field.
func TestGrowsWhileWrittenAndRead(t *testing.T) {
	t.Parallel()
	tb, l := openTables(t)
	schema := func(fields int) *xdm.Composition {
		c := &xdm.Composition{Fields: []*xdm.Field{{Name: "n", Kind: xdm.Long}, {Name: "o", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "f0", Kind: xdm.Long}}}}}
		for i := range fields {
			c.Fields = append(c.Fields, &xdm.Field{Name: fmt.Sprint("f", i), Kind: xdm.DateTime})
			c.Fields[1].Fields = append(c.Fields[1].Fields, &xdm.Field{Name: fmt.Sprint("f", i+1), Kind: xdm.Int})
		}
		return c
	}
	if err := tb.Ensure(t.Context(), table, schema(0)); err != nil {
		t.Fatal(err)
	}
	const batches, size, growths = 12, 30, 8
	var wg sync.WaitGroup
	for b := range batches {
		wg.Go(func() {
			var rows []string
			for i := range size {
				rows = append(rows, fmt.Sprintf(`{"n":%d,"o":{"f0":1}}`, b*size+i))
			}
			if _, err := tb.Append(t.Context(), table, fmt.Sprint("b", b), nil, rowsOf(rows...)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		for i := range growths {
			if err := tb.Ensure(t.Context(), table, schema(i+1)); err != nil {
				t.Error(err)
			}
			row := fmt.Sprintf(`{"n":%d,"f%d":"2026-01-01T00:00:00Z","o":{"f%d":7}}`, -i-1, i, i+1)
			if _, err := tb.Append(t.Context(), table, fmt.Sprint("grown", i), nil, rowsOf(row)); err != nil {
				t.Error(err)
			}
			if _, err := tb.Maintain(t.Context(), table, lake.MaintainOptions{TargetBytes: 10_000}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 10 {
			if got := query(t, l, `select distinct count(*) from xdm.r where n >= 0 group by _batch`); len(got) > 1 || len(got) == 1 && got[0] != fmt.Sprint(size) {
				t.Errorf("batches of %v rows were seen", got)
			}
		}
	})
	wg.Wait()
	got := query(t, l, `select count(*), count(distinct n), sum(o.f0), count(f0), count(f7), count(o.f8), min(o.f8) from xdm.r`)
	want := fmt.Sprintf("%d|%d|%d|1|1|1|7", batches*size+growths, batches*size+growths, batches*size)
	if diff := cmp.Diff([]string{want}, got); diff != "" {
		t.Error(diff)
	}
}

// Two who bring the same batch at once bring it once.
func TestSameBatchAtOnce(t *testing.T) {
	t.Parallel()
	tb, l := openTables(t)
	if err := tb.Ensure(t.Context(), table, form()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			done, err := tb.Append(t.Context(), table, "b", nil, rowsOf(`{"ll":1}`, `{"ll":2}`))
			if err != nil || done.Rows != 2 {
				t.Errorf("%+v %v", done, err)
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([]string{"2"}, query(t, l, `select count(*) from xdm.r`)); diff != "" {
		t.Error(diff)
	}
	n, err := tb.Revert(t.Context(), table, "b")
	if err != nil || n != 2 {
		t.Errorf("%d %v", n, err)
	}
	commits, err := tb.Commits(t.Context(), table)
	if err != nil || len(commits) != 2 || commits[0].Added != 2 || commits[1].Deleted != 2 {
		t.Errorf("%+v %v", commits, err)
	}
}

func TestAppendUndone(t *testing.T) {
	t.Parallel()
	tb, l := openTables(t)
	if err := tb.Ensure(t.Context(), table, form()); err != nil {
		t.Fatal(err)
	}
	no := errors.New("no more")
	_, err := tb.Append(t.Context(), table, "b", nil, func(yield func(json.RawMessage, error) bool) {
		if yield(json.RawMessage(`{"ll":1}`), nil) {
			yield(nil, no)
		}
	})
	if !errors.Is(err, no) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = tb.Append(ctx, table, "b", nil, func(yield func(json.RawMessage, error) bool) {
		yield(json.RawMessage(`{"ll":1}`), nil)
		cancel()
	})
	if err == nil {
		t.Error("a call that was given up put rows in")
	}
	if diff := cmp.Diff([]string{"0"}, query(t, l, `select count(*) from xdm.r`)); diff != "" {
		t.Error(diff)
	}
}

func TestMissingTables(t *testing.T) {
	t.Parallel()
	tb, _ := openTables(t)
	for name, do := range map[string]func() error{
		"stats":   func() error { _, err := tb.Stats(t.Context(), table); return err },
		"append":  func() error { _, err := tb.Append(t.Context(), table, "b", nil, rowsOf()); return err },
		"revert":  func() error { _, err := tb.Revert(t.Context(), table, "b"); return err },
		"files":   func() error { _, err := tb.Files(t.Context(), table, ""); return err },
		"open":    func() error { _, err := tb.Open(t.Context(), table, "x"); return err },
		"preview": func() error { _, err := tb.Preview(t.Context(), table, 1); return err },
		"commits": func() error { _, err := tb.Commits(t.Context(), table); return err },
		"mark":    func() error { _, err := tb.Mark(t.Context(), table, "flow.1"); return err },
		"upsert": func() error {
			_, err := tb.Upsert(t.Context(), table, "b", tables.Mark{Name: "flow.1", Value: "1 b"}, changes())
			return err
		},
	} {
		if err := do(); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := tb.Drop(t.Context(), table); err != nil {
		t.Error(err)
	}
	var _ catalog.Tables = tb
}
