//go:build cgo

package duck

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A parquet makes files to stand for the lake's.
type parquet struct {
	tb  testing.TB
	db  *DB
	dir string
	n   int
}

func newParquet(tb testing.TB) *parquet {
	tb.Helper()
	p := &parquet{tb: tb, db: &DB{temp: tb.TempDir()}, dir: filepath.Join(tb.TempDir(), "it's [a] *dir?")}
	if err := p.db.start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.db.Close() })
	p.exec("CREATE TABLE made AS SELECT 1") // so that the connection is known to work
	return p
}

func (p *parquet) exec(statement string) {
	p.tb.Helper()
	if err := p.db.exec(statement); err != nil {
		p.tb.Fatal(err)
	}
}

// file writes the rows of a query, whose columns have the ids of columns.
func (p *parquet) file(seq int64, partition string, columns []Column, query string) File {
	p.tb.Helper()
	if p.n++; p.n == 1 {
		mkdir(p.tb, p.dir)
	}
	ids := make([]string, len(columns))
	for i, c := range columns {
		ids[i] = quote(c.Name) + ": " + fmt.Sprint(c.ID)
		if len(c.Fields) > 0 {
			ids[i] = fmt.Sprintf("%s: {__duckdb_field_id: %d}", quote(c.Name), c.ID)
		}
	}
	path := filepath.Join(p.dir, fmt.Sprintf("month=%d.parquet", p.n)) // looks like a Hive partition
	p.exec("COPY (" + query + ") TO " + literal(path) + " (FORMAT parquet, FIELD_IDS {" + strings.Join(ids, ", ") + "})")
	return File{Path: path, Seq: seq, Partition: partition, Rows: p.rows(path)}
}

func (p *parquet) rows(path string) (n int64) {
	p.tb.Helper()
	s, err := prepare(p.db.setup, "SELECT count(*) FROM read_parquet("+literal(path)+")")
	if err != nil {
		p.tb.Fatal(err)
	}
	defer s.close()
	rows, err := s.run(p.tb.Context(), p.db.setup)
	if err != nil || !rows.Next() || rows.Scan(&n) != nil {
		p.tb.Fatal(err)
	}
	rows.finish()
	return n
}

var (
	tip     = Column{14, "tip", "struct", []Column{{15, "a", "long", nil}, {16, "b", "string", nil}}}
	lines   = Column{17, "lines", "list", []Column{{18, "element", "struct", []Column{{19, "q", "long", nil}, {20, "new", "string", nil}}}}}
	tags    = Column{21, "tags", "map", []Column{{22, "key", "string", nil}, {23, "value", "string", nil}}}
	body    = []Column{{11, "id", "string", nil}, {12, "amount", "long", nil}, {13, "status", "string", nil}, tip, lines, tags, {24, "late", "boolean", nil}, {25, "rate", "double", nil}}
	dataset = []Column{
		{1, "_id", "string", nil},
		{2, "_seq", "long", nil},
		{3, "_deleted", "boolean", nil},
		{4, "_read_at", "timestamptz", nil},
		{5, "_acme", "struct", []Column{{6, "charges_data", "struct", body}}},
	}
	ids    = dataset[:1]
	fields = []Field{
		{"id", Varchar},
		{"amount", BigInt},
		{"status", Varchar},
		{"tip", JSON},
		{"lines", JSON},
		{"tags", JSON},
		{"late", Boolean},
		{"rate", Double},
		{"news", JSON},
		{"count", BigInt},
		{"odd \"name\"/~.*", Varchar},
		{"Amount", Varchar},
	}
)

func charges(data, deletes, history []File) Resource {
	r := Resource{
		Name: "charges", Body: []string{"_acme", "charges_data"}, Fields: fields,
		Dataset: Table{Columns: dataset, Files: data, Deletes: deletes},
	}
	if history != nil {
		r.History = &Table{Columns: noHistory, Files: history}
	}
	return r
}

func (p *parquet) history(rows ...string) File {
	p.tb.Helper()
	return p.file(1, "", noHistory, `SELECT id, seq::BIGINT AS seq, op, TIMESTAMPTZ '2026-01-31 12:00:00.5+00' AS seen_at, 'backfill' AS source, 'run_1' AS run_id, 'acct_1' AS account,
		false AS livemode, '2025-02-24.acacia' AS api_version, 'h' AS hash, 1767225600::BIGINT AS created, raw FROM (VALUES `+strings.Join(rows, ", ")+`) t(id, seq, op, raw)`)
}

func open(tb testing.TB, c Catalog) *DB {
	tb.Helper()
	d, err := Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// answer runs a query and prints its rows.
func answer(ctx context.Context, d *DB, query, format string) (string, error) {
	rows, err := d.Query(ctx, query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b bytes.Buffer
	_, err = Write(&b, rows, format)
	return b.String(), err
}

type question struct{ query, want string }

func ask(tb testing.TB, d *DB, questions []question) {
	tb.Helper()
	for _, q := range questions {
		got, err := answer(tb.Context(), d, q.query, "ndjson")
		if err != nil {
			tb.Errorf("%s: %v", q.query, err)
			continue
		}
		if diff := cmp.Diff(strings.TrimSpace(q.want), strings.TrimSpace(got)); diff != "" {
			tb.Errorf("%s: (-want +got)\n%s", q.query, diff)
		}
	}
}

func TestViews(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	// Files of three generations of the schema: fields come at every depth.
	old := p.file(1, "", dataset, `SELECT 'a' AS _id, 1::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at,
			{charges_data: {id: 'a', amount: 1::BIGINT, tip: {a: 1::BIGINT}, lines: [{q: 1::BIGINT}]}} AS _acme
		UNION ALL SELECT 'b', 2, false, NULL, {charges_data: {id: 'b', amount: 2, tip: {a: 2}, lines: NULL}}`)
	upd := p.file(2, "", dataset, `SELECT 'a' AS _id, 3::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at,
			{charges_data: {id: 'a', amount: 10::BIGINT, status: 'new', tip: {a: 1::BIGINT, b: 'x'}, lines: [{q: 1::BIGINT, new: 'n'}], tags: MAP{'k': 'v'}, late: true, rate: 0.1::DOUBLE}} AS _acme`)
	gone := p.file(3, "", dataset[:3], `SELECT 'b' AS _id, 4::BIGINT AS _seq, true AS _deleted`)
	deletes := []File{p.file(2, "", ids, `SELECT 'a' AS _id`), p.file(3, "", ids, `SELECT 'b' AS _id`)}
	more := p.file(3, "", dataset, `SELECT 'c' AS _id, 5::BIGINT AS _seq, false AS _deleted, TIMESTAMPTZ '2026-01-31 13:00:00+01' AS _read_at, {charges_data: {id: 'c'}} AS _acme`)
	history := p.history(
		`('a', 1, 'upsert', '{"id":"a","amount":1,"tip":{"a":1}}')`,
		`('b', 2, 'upsert', '{"id":"b","amount":2,"tip":null}')`,
		`('a', 3, 'upsert', '{"id":"a","amount":10,"status":"new","tip":{"b":"x","a":1,"new":[1e2, 12345678901234567890]},"lines":[{"q":1}],"tags":{"k":"v"},"late":true,"rate":0.1,"news":{"x":1},"count":7,"odd \"name\"/~.*":"found"}')`,
		`('b', 4, 'delete', '{"id":"b","amount":2,"tip":null}')`,
		`('c', 5, 'upsert', '{"id":"c"}')`,
	)
	d := open(t, Catalog{Resources: []Resource{charges([]File{old, upd, gone, more}, deletes, []File{history})}})
	ask(t, d, []question{
		{
			"SELECT * FROM charges ORDER BY id",
			`{"id":"a","amount":10,"status":"new","tip":{"b":"x","a":1,"new":[100.0,12345678901234567890]},"lines":[{"q":1}],"tags":{"k":"v"},"late":true,"rate":0.1,"news":{"x":1},"count":7,"odd \"name\"/~.*":"found"}
{"id":"c","amount":null,"status":null,"tip":null,"lines":null,"tags":null,"late":null,"rate":null,"news":null,"count":null,"odd \"name\"/~.*":null}`,
		},
		{
			"SELECT * FROM xdm.charges ORDER BY _id",
			`{"_id":"a","_seq":3,"_deleted":false,"_read_at":null,"_acme":{"charges_data":{"id":"a","amount":10,"status":"new","tip":{"a":1,"b":"x"},"lines":[{"q":1,"new":"n"}],"tags":{"k":"v"},"late":true,"rate":0.1}}}
{"_id":"b","_seq":4,"_deleted":true,"_read_at":null,"_acme":null}
{"_id":"c","_seq":5,"_deleted":false,"_read_at":"2026-01-31T12:00:00Z","_acme":{"charges_data":{"id":"c","amount":null,"status":null,"tip":null,"lines":null,"tags":null,"late":null,"rate":null}}}`,
		},
		{
			"SELECT * FROM charges_history WHERE seq = 2",
			`{"id":"b","seq":2,"op":"upsert","seen_at":"2026-01-31T12:00:00.5Z","source":"backfill","run_id":"run_1","account":"acct_1","livemode":false,"api_version":"2025-02-24.acacia","hash":"h","created":1767225600,` +
				`"raw":"{\"id\":\"b\",\"amount\":2,\"tip\":null}","amount":2,"status":null,"tip":null,"lines":null,"tags":null,"late":null,"rate":null,"news":null,"count":null,"odd \"name\"/~.*":null}`,
		},
		{"SELECT amount, late, rate, count FROM charges_history WHERE seq = 3", `{"amount":10,"late":true,"rate":0.1,"count":7}`},
		{"SELECT tip->>'b' AS b, tip->'$.new[1]' AS n FROM charges WHERE tip IS NOT NULL", `{"b":"x","n":12345678901234567890}`},
		{"SELECT id, seq, op, seen_at, raw FROM lake.charges WHERE seq = 5", `{"id":"c","seq":5,"op":"upsert","seen_at":"2026-01-31T12:00:00.5Z","raw":"{\"id\":\"c\"}"}`},
		{"FROM charges SELECT count(*) AS n, sum(amount) AS s", `{"n":2,"s":10}`},
		{"SELECT DISTINCT typeof(seen_at) AS h, typeof(tip) AS j FROM charges_history", `{"h":"TIMESTAMP","j":"JSON"}`},
		{"SELECT column_name || ' ' || column_type AS c FROM (DESCRIBE charges)", `{"c":"id VARCHAR"}
{"c":"amount BIGINT"}
{"c":"status VARCHAR"}
{"c":"tip JSON"}
{"c":"lines JSON"}
{"c":"tags JSON"}
{"c":"late BOOLEAN"}
{"c":"rate DOUBLE"}
{"c":"news JSON"}
{"c":"count BIGINT"}
{"c":"odd \"name\"/~.* VARCHAR"}`},
	})
}

// The same data without a history: JSON is made of the dataset.
func TestWithoutHistory(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	f := p.file(1, "", dataset, `SELECT 'a' AS _id, 1::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at,
		{charges_data: {id: 'a', amount: 1::BIGINT, tip: {a: 1::BIGINT, b: 'x'}, tags: MAP{'k': 'v'}}} AS _acme`)
	d := open(t, Catalog{Resources: []Resource{charges([]File{f}, nil, nil)}})
	ask(t, d, []question{{
		"SELECT * FROM charges",
		`{"id":"a","amount":1,"status":null,"tip":{"a":1,"b":"x"},"lines":null,"tags":{"k":"v"},"late":null,"rate":null,"news":null,"count":null,"odd \"name\"/~.*":null}`,
	}})
	if _, err := answer(t.Context(), d, "SELECT * FROM charges_history", "json"); err == nil {
		t.Error("there is a history")
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		resource Resource
	}{
		{"no rows yet", charges(nil, nil, []File{})},
		{"no tables yet", Resource{Name: "charges", Body: []string{"_acme", "charges_data"}, Fields: fields, History: &Table{}}},
		{"no history", charges(nil, nil, nil)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, Catalog{Resources: []Resource{tc.resource}})
			ask(t, d, []question{
				{"SELECT count(*) AS n, sum(amount) AS s, min(tip) AS j, min(typeof(tip)) AS t FROM charges", `{"n":0,"s":null,"j":null,"t":null}`},
				{"SELECT count(*) AS n, max(_seq) AS s FROM xdm.charges WHERE NOT _deleted", `{"n":0,"s":null}`},
				{"SELECT count(*) AS n FROM quarantine", `{"n":0}`},
				{"SELECT count(*) AS n FROM drift", `{"n":0}`},
				{"SELECT column_type AS t FROM (DESCRIBE charges) WHERE column_name IN ('amount', 'tip', 'late')", "{\"t\":\"BIGINT\"}\n{\"t\":\"JSON\"}\n{\"t\":\"BOOLEAN\"}"},
			})
			if tc.resource.History != nil {
				ask(t, d, []question{{"SELECT count(raw) AS n, max(seen_at) AS s, sum(amount) AS a FROM charges_history", `{"n":0,"s":null,"a":null}`}})
			}
		})
	}
}

// A table may lack a field of the schema: it was written by an older program.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	columns := []Column{dataset[0], dataset[1], dataset[2], {5, "_acme", "struct", []Column{{6, "charges_data", "struct", body[:2]}}}}
	f := p.file(1, "", columns, `SELECT 'a' AS _id, 1::BIGINT AS _seq, false AS _deleted, {charges_data: {id: 'a', amount: 1::BIGINT}} AS _acme`)
	r := charges([]File{f}, nil, []File{p.history(`('a', 1, 'upsert', '{"id":"a","amount":1,"status":"s","late":true,"tip":{"a":1}}')`)})
	r.Dataset.Columns = columns
	d := open(t, Catalog{Resources: []Resource{r}})
	ask(t, d, []question{{"SELECT id, amount, status, late, tip FROM charges", `{"id":"a","amount":1,"status":"s","late":true,"tip":{"a":1}}`}})
}

// One odd text must not disturb the rows beside it, nor be taken for more
// than it is.
func TestOddText(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	raws := []string{
		`{"id":"0","status":"fine","tip":{"a":1}}`,
		`{"id":"1","status":"\ud83d\ude00 \ud800 \\ud800 \uDC00.","tip":{"a":"\ud800"}}`,
		`{"id":"2","status":"a\u0000b","tip":{"a":"\u0000"}}`,
		`{"id":"3","status":"x","tip":` + deep + `}`,
		`not JSON \ud800`,
		``,
		`{"id":"6","status":"x","status":"y","tip":{"a":1,"a":2}}`,
		`{"id":"7","status":{"s":1},"amount":"12","count":1.5,"rate":"x","late":"yes","news":"text"}`,
		`{"id":"8","status":5,"amount":92233720368547758070,"count":-7,"rate":1e400,"late":0}`,
		`[1]`, `"s"`, `null`,
	}
	var rows, values []string
	for i, raw := range raws {
		rows = append(rows, fmt.Sprintf("('%d', %d, 'upsert', %s)", i, i, literal(raw)))
		values = append(values, fmt.Sprintf("('%d', %d)", i, i))
	}
	data := p.file(1, "", dataset, `SELECT _id, _seq::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at, {charges_data: {id: _id}} AS _acme FROM (VALUES `+strings.Join(values, ", ")+`) t(_id, _seq)`)
	d := open(t, Catalog{Resources: []Resource{charges([]File{data}, nil, []File{p.history(rows...)})}})
	ask(t, d, []question{
		{"SELECT id, CASE WHEN length(tip::VARCHAR) < 100 THEN tip END AS tip FROM charges ORDER BY id::INT", `{"id":"0","tip":{"a":1}}
{"id":"1","tip":{"a":"` + "\ufffd" + `"}}
{"id":"2","tip":{"a":"\u0000"}}
{"id":"3","tip":null}
{"id":"4","tip":null}
{"id":"5","tip":null}
{"id":"6","tip":{"a":1,"a":2}}
{"id":"7","tip":null}
{"id":"8","tip":null}
{"id":"9","tip":null}
{"id":"10","tip":null}
{"id":"11","tip":null}`},
		{"SELECT length(tip::VARCHAR) AS n FROM charges WHERE id = '3'", `{"n":200000}`},
		{"SELECT seq, status, amount, count, rate, late, news FROM charges_history ORDER BY seq", `{"seq":0,"status":"fine","amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":1,"status":"😀 ` + "\ufffd" + ` \\ud800 ` + "\ufffd" + `.","amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":2,"status":"a\u0000b","amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":3,"status":"x","amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":4,"status":null,"amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":5,"status":null,"amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":6,"status":"x","amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":7,"status":"{\"s\":1}","amount":12,"count":null,"rate":null,"late":null,"news":"text"}
{"seq":8,"status":"5","amount":null,"count":-7,"rate":null,"late":null,"news":null}
{"seq":9,"status":null,"amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":10,"status":null,"amount":null,"count":null,"rate":null,"late":null,"news":null}
{"seq":11,"status":null,"amount":null,"count":null,"rate":null,"late":null,"news":null}`},
		{`SELECT raw AS r FROM charges_history WHERE seq = 1`, string(append(appendText([]byte(`{"r":`), raws[1]), '}'))},
	})
}

// Datasets that clients push into are listed, and read by their table's name.
func TestRecords(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	columns := []Column{{1, "_acme", "struct", []Column{{2, "id", "string", nil}}}, {3, "_batch", "string", nil}}
	f := p.file(1, "", columns, `SELECT {id: 'a'} AS _acme, 'b' AS _batch`)
	d := open(t, Catalog{
		Resources: []Resource{charges(nil, nil, []File{})},
		Records:   []Records{{"ds_0123", Table{Columns: columns, Files: []File{f}}}, {"ds_4567", Table{Columns: columns}}},
	})
	ask(t, d, []question{
		{"SHOW TABLES", `{"name":"charges"}
{"name":"charges_history"}
{"name":"drift"}
{"name":"ds_0123"}
{"name":"ds_4567"}
{"name":"quarantine"}`},
		{"SELECT _acme.id AS id, _batch FROM ds_0123", `{"id":"a","_batch":"b"}`},
		{"SELECT _acme.id AS id, _batch FROM xdm.ds_0123", `{"id":"a","_batch":"b"}`},
		{"SELECT count(*) AS n FROM ds_4567", `{"n":0}`},
	})
}
