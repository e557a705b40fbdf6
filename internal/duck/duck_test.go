//go:build cgo

package duck

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duckdb/duckdb-go/v2"
)

// writer makes Parquet files to stand for the lake's.
type writer struct {
	t   testing.TB
	db  *sql.DB
	dir string
	n   int
}

func newWriter(t testing.TB) *writer {
	c, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{t: t, db: sql.OpenDB(c), dir: t.TempDir()}
	t.Cleanup(func() { w.db.Close() })
	return w
}

// file writes the rows of a query.
func (w *writer) file(seq int64, query string) File {
	w.t.Helper()
	w.n++
	path := filepath.Join(w.dir, strings.Repeat("x", w.n%3)+string(rune('a'+w.n%26))+string(rune('a'+w.n/26))+".parquet")
	if _, err := w.db.Exec("COPY (" + query + ") TO " + literal(path) + " (FORMAT parquet)"); err != nil {
		w.t.Fatal(err)
	}
	return File{Path: path, Seq: seq}
}

const bodyType = "STRUCT(charges_data STRUCT(id VARCHAR, amount BIGINT, status VARCHAR, tip STRUCT(a BIGINT, b VARCHAR)))"

func catalog(w *writer, data, deletes, history []File) Catalog {
	r := Resource{
		Name: "charges", Body: []string{"_acme", "charges_data"},
		Fields: []Field{{Name: "id", Kind: Varchar}, {Name: "amount", Kind: BigInt}, {Name: "status", Kind: Varchar}, {Name: "tip", Kind: JSON}, {Name: "news", Kind: Varchar, RawOnly: true}},
		Dataset: Table{
			Columns: []Column{{"_id", "VARCHAR"}, {"_seq", "BIGINT"}, {"_deleted", "BOOLEAN"}, {"_acme", bodyType}},
			Files:   data, Deletes: deletes,
		},
	}
	if history != nil {
		r.History = &Table{Columns: []Column{{"id", "VARCHAR"}, {"seq", "BIGINT"}, {"op", "VARCHAR"}, {"raw", "VARCHAR"}}, Files: history}
	}
	return Catalog{Root: w.dir, Resources: []Resource{r}}
}

func ask(t testing.TB, c Catalog, query, format string) string {
	t.Helper()
	d, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rows, err := d.Query(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	if _, err := Write(&b, rows, format); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestViews(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	old := w.file(1, `select 'a' as _id, 1::bigint as _seq, false as _deleted, {charges_data: {id: 'a', amount: 1::bigint, status: 'ok', tip: {a: 1::bigint}}} as _acme
		union all select 'b', 2, false, {charges_data: {id: 'b', amount: 2, status: 'ok', tip: {a: 2}}}`)
	upd := w.file(2, `select 'a' as _id, 3::bigint as _seq, false as _deleted, {charges_data: {id: 'a', amount: 10::bigint, status: 'new', tip: {a: 1::bigint, b: 'x'}}} as _acme`)
	gone := w.file(3, `select 'b' as _id, 4::bigint as _seq, true as _deleted, {charges_data: {id: 'b', amount: 2::bigint, status: 'ok', tip: {a: 2::bigint, b: null::varchar}}} as _acme`)
	d1, d2 := w.file(2, `select 'a' as _id`), w.file(3, `select 'b' as _id`)
	hist := w.file(1, `select * from (values
		('a', 1::bigint, 'upsert', '{"id":"a","amount":1,"status":"ok","tip":{"a":1}}'),
		('b', 2, 'upsert', '{"id":"b","amount":2,"tip":null}'),
		('a', 3, 'upsert', '{"id":"a","amount":10,"status":"new","tip":{"a":1,"b":"x","new":[1]},"news":"hi"}'),
		('b', 4, 'delete', '{"broken \ud800')) t(id, seq, op, raw)`)
	c := catalog(w, []File{old, upd, gone}, []File{d1, d2}, []File{hist})
	tests := []struct{ query, want string }{
		{"select * from charges", `{"id":"a","amount":10,"status":"new","tip":{"a":1,"b":"x","new":[1]},"news":"hi"}`},
		{"select _id, _seq, _deleted from xdm.charges order by 1", `{"_id":"a","_seq":3,"_deleted":false}` + "\n" + `{"_id":"b","_seq":4,"_deleted":true}`},
		{"select seq, amount, status, tip from charges_history order by seq", `{"seq":1,"amount":1,"status":"ok","tip":{"a":1}}` + "\n" +
			`{"seq":2,"amount":2,"status":null,"tip":null}` + "\n" + `{"seq":3,"amount":10,"status":"new","tip":{"a":1,"b":"x","new":[1]}}` + "\n" + `{"seq":4,"amount":null,"status":null,"tip":null}`},
		{"select sum(amount) as s, 1.50::decimal(9,2) as d from charges", `{"s":10,"d":1.5}`},
		{"from charges select count(*) as n", `{"n":1}`},
	}
	for _, tt := range tests {
		if got := strings.TrimSpace(ask(t, c, tt.query, "ndjson")); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.query, got, tt.want)
		}
	}
	c = catalog(w, nil, nil, []File{})
	if got := strings.TrimSpace(ask(t, c, "select count(*) as n, sum(amount) as s from charges", "ndjson")); got != `{"n":0,"s":null}` {
		t.Errorf("empty: %s", got)
	}
}

func TestLockedDown(t *testing.T) {
	t.Parallel()
	w := newWriter(t)
	d, err := Open(context.Background(), catalog(w, nil, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, query := range []string{
		"select * from read_csv('/etc/passwd')",
		"select * from read_text('/etc/passwd')",
		"select * from '/etc/passwd'",
		"select * from glob('/etc/*')",
		"copy (select 1) to '/tmp/x.csv'",
		"attach '/tmp/x.db' as x",
		"install httpfs",
		"load httpfs",
		"set memory_limit='10GB'",
		"set enable_external_access=true",
		"create table x (a int)",
		"insert into quarantine select null, null, null, null, null, null, null, null",
		"delete from quarantine",
		"drop view charges",
		"select 1; select 2",
		"drop view charges; select 1",
		"select 'a;b'; drop view charges; select 1",
		"select 1; drop view charges",
		"call pragma_version()",
		"export database '/tmp/x'",
		"",
	} {
		rows, err := d.Query(context.Background(), query)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		if err == nil {
			t.Errorf("allowed: %s", query)
		}
	}
}

func TestSingle(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"select 1":                            true,
		"select 1;":                           true,
		"select 1 ; \n -- the end; really\n":  true,
		"select ';'":                          true,
		`select 1 as ";"`:                     true,
		"select $$;$$":                        true,
		"select $x$;$$;$x$":                   true,
		"select /* ; /* ; */ ; */ 1":          true,
		"select 'it''s;'":                     true,
		"select 1; select 2":                  false,
		"select ''; select 2":                 false,
		"select 1 -- x\n; select 2":           false,
		"select E'\\'; drop view charges --'": false,
		"/* */; select 1":                     false,
	} {
		if got := single(query); got != want {
			t.Errorf("%s: %v", query, got)
		}
	}
}
