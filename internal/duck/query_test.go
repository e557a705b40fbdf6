//go:build cgo

package duck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// small is a database with one table of two rows, one with a history.
func small(t *testing.T) (*DB, *parquet, File) {
	t.Helper()
	p := newParquet(t)
	f := p.file(1, "", dataset, `SELECT 'a' AS _id, 1::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at, {charges_data: {id: 'a', amount: 1::BIGINT}} AS _acme
		UNION ALL SELECT 'b', 2, false, NULL, {charges_data: {id: 'b', amount: 2}}`)
	h := p.history(`('a', 1, 'upsert', '{"id":"a","amount":1,"tip":{"a":1}}')`, `('b', 2, 'upsert', '{"id":"b","amount":2,"tip":{"a":2}}')`)
	return open(t, Catalog{
		Resources: []Resource{charges([]File{f}, nil, []File{h})},
		Quarantine: quarantined(
			Quarantined{"charges", "ch_1", "amount", "is a string", "{\"amount\":\"x\x00\xff\"}", "req_1", "run_1", time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)},
			Quarantined{Resource: "refunds", SeenAt: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)},
		),
		Drift: []Drift{{"charges", "news", "unknown_field", "object", 7, time.Unix(0, 0), time.Unix(1, 0), "ch_1"}},
	}), p, f
}

func quarantined(rows ...Quarantined) iter.Seq2[Quarantined, error] {
	return func(yield func(Quarantined, error) bool) {
		for _, q := range rows {
			if !yield(q, nil) {
				return
			}
		}
	}
}

// The quarantine can be long: it is read when a query is about it, and once.
func TestQuarantineIsReadOnDemand(t *testing.T) {
	t.Parallel()
	const rows = 2*rowsAtOnce + 5
	calls, broken := 0, errors.New("broken")
	d := open(t, Catalog{Quarantine: func(yield func(Quarantined, error) bool) {
		calls++
		for i := range rows {
			if calls == 1 && i == rows-1 {
				yield(Quarantined{}, broken)
				return
			}
			if !yield(Quarantined{ID: fmt.Sprint(i)}, nil) {
				return
			}
		}
	}})
	ask(t, d, []question{{"SELECT 1 AS a", `{"a":1}`}})
	if calls != 0 {
		t.Error("it was read for a query about something else")
	}
	if _, err := answer(t.Context(), d, "FROM quarantine", "json"); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	for range 2 {
		ask(t, d, []question{{`SELECT count(*) AS n, count(DISTINCT id) AS ids FROM "Quarantine"`, `{"n":205,"ids":205}`}})
	}
	if calls != 2 {
		t.Errorf("it was read %d times", calls)
	}
}

func TestSmallTables(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	ask(t, d, []question{
		{"FROM quarantine ORDER BY resource", `{"resource":"charges","id":"ch_1","path":"amount","reason":"is a string","raw":"{\"amount\":\"x\u0000` + "\ufffd" + `\"}","request_id":"req_1","run_id":"run_1","seen_at":"2026-01-31T12:00:00.123456Z"}
{"resource":"refunds","id":"","path":"","reason":"","raw":"","request_id":"","run_id":"","seen_at":"1969-01-01T00:00:00Z"}`},
		{"FROM drift", `{"resource":"charges","path":"news","kind":"unknown_field","seen":"object","count":7,"first_seen":"1970-01-01T00:00:00Z","last_seen":"1970-01-01T00:00:01Z","example":"ch_1"}`},
	})
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	for _, query := range []string{
		"select 1", "SELECT 1;", " /* a /* nested */ comment */ -- and\n select 1 -- ; drop table x", "with x as (select 1) select * from x",
		"from charges", "values (1)", "(select 1)", "table charges", "describe charges", "show tables", "show charges", "summarize charges", "show all tables",
		"explain select * from charges", "EXPLAIN ANALYZE select count(*) from charges", "explain (format json) select 1", "explain (select 1)", "explain analyze (select 1)",
		"select * from range(3)", "select * from (values (1)) t(x), unnest([1, 2]) u(y)", "select unnest([1])", "select * from json_each('[1]')",
		"select * from information_schema.columns limit 1", "select ';' as \"a;b\"", "select 'drop table x'", "pivot (select 1 as a, 2 as b) on a in (1) using sum(b)",
	} {
		if _, err := answer(t.Context(), d, query, "json"); err != nil && !strings.HasPrefix(query, "pivot") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	d, p, f := small(t)
	before, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	file := literal(f.Path)
	out := literal(filepath.Join(p.dir, "out"))
	for _, query := range []string{
		// reading elsewhere
		"select * from read_csv('/etc/passwd')", "select * from read_text('/etc/passwd')", "select * from read_blob('/etc/passwd')", "select * from '/etc/passwd'",
		"select * from glob('/*')", "select * from parquet_metadata(" + file + ")", "select * from read_parquet(" + file + ")", "select * from " + file, "from " + quote(f.Path),
		"select * from parquet_scan(" + file + ")", "select * from query('select 1')", "select * from query_table('charges')", "select (select count(*) from read_csv('/etc/passwd'))",
		"with x as (from read_csv('/etc/passwd')) from x", "select * from charges where id in (select content from read_text('/etc/passwd'))",
		"explain analyze select * from read_csv('/etc/passwd')", "describe select * from read_csv('/etc/passwd')", "summarize select * from read_csv('/etc/passwd')",
		"select * from 'https://example.com/x.parquet'", "select * from sniff_csv('/etc/passwd')", "select * from duckdb_secrets()",
		// writing
		"copy (select 1) to " + out, "copy charges to " + file, "explain analyze copy (select 1) to " + file, "explain copy (select 1) to " + out, "explain (analyze) copy (select 1) to " + file,
		"export database " + out, "import database " + out, "attach " + out, "attach ':memory:' as x", "detach memory", "use xdm",
		"create table x (a int)", "create temp table x as select 1", "create or replace view charges as select 1", "create macro m() as 1", "insert into quarantine (id) values ('x')",
		"delete from quarantine", "update quarantine set id = 'x'", "drop view charges", "drop table quarantine", "alter table drift rename to d", "truncate drift",
		"with x as (select 1) insert into drift (count) select * from x", "begin", "commit", "checkpoint", "vacuum", "analyze",
		"explain analyze delete from quarantine", "explain analyze create table x (a int)",
		// settings and code
		"set memory_limit = '10GB'", "set enable_external_access = true", "set lock_configuration = false", "reset memory_limit", "pragma memory_limit = '1GB'", "pragma database_list",
		"call pragma_version()", "call enable_logging()", "select * from enable_logging('QueryLog', storage := 'file', storage_config := {'path': " + out + "})", "select * from enable_profiling()",
		"install httpfs", "load httpfs", "load '/tmp/x.so'", "prepare p as select 1", "execute p", "select * from json_execute_serialized_sql('x')",
		// several statements
		"select 1; select 2", "select 1; drop view charges", "drop view charges; select 1", "; drop view charges", "select 'a;b'; delete from quarantine; select 1", "select E'\\'; drop view charges --'; drop view charges",
		// no statement
		"", " ", ";", "-- nothing", "/* */", "explain", "explain analyze", "selec 1", "select", "select * from nothing", "select nothing from charges", "select 1/", "select $1", "select ?",
		"select \x00 1", "select '\xff'", "select 1 \x00; drop view charges",
	} {
		_, err := answer(t.Context(), d, query, "json")
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: %v, want a problem of kind invalid", query, err)
		}
	}
	after, err := os.ReadFile(f.Path)
	if err != nil || string(before) != string(after) {
		t.Errorf("a file of the table has changed (%v)", err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(p.dir), "*", "out*"))
	if len(files) > 0 || err != nil {
		t.Errorf("files were written: %v, %v", files, err)
	}
	ask(t, d, []question{{"SELECT (SELECT count(*) FROM charges) AS c, (SELECT count(*) FROM quarantine) AS q", `{"c":2,"q":2}`}})
}

// The lock holds without the check of the statement, too.
func TestLockedWithoutCheck(t *testing.T) {
	t.Parallel()
	d, p, f := small(t)
	for _, statement := range []string{
		"SELECT * FROM read_text('/etc/passwd')", "COPY (SELECT 1) TO " + literal(filepath.Join(p.dir, "out")), "ATTACH " + literal(filepath.Join(p.dir, "x.db")),
		"INSTALL httpfs", "LOAD httpfs", "SET memory_limit = '10GB'", "SET GLOBAL enable_external_access = true", "SELECT * FROM glob(" + literal(p.dir+"/*") + ")",
	} {
		if err := d.exec(statement); err == nil {
			t.Errorf("allowed: %s", statement)
		}
	}
	if err := d.exec("SELECT * FROM read_parquet(" + literal(f.Path) + ")"); err != nil {
		t.Errorf("the table's own file: %v", err)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	for query, want := range map[string]string{
		"selec 1":                   `syntax error at or near "selec"`,
		"select nope from charges":  `Referenced column "nope" not found`,
		"select * from chargse":     `Did you mean "charges`,
		"drop table x":              "only a query can be run here",
		"select 1; select 2":        "more than one statement",
		"":                          "there is no query",
		"select * from glob('*')":   "the function glob can't be used here",
		"select cast('x' as int)":   "Could not convert string 'x' to INT32",
		"select 1::BIT as b":        "column b has a type that can't be shown (BIT)",
		"select * from 'a.parquet'": "there is no table a.parquet",
	} {
		_, err := answer(t.Context(), d, query, "json")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
}

// A query that needs no JSON column does not touch the history.
func TestLight(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	v := d.views[0]
	plan := func(query string) string {
		t.Helper()
		rows, err := d.Query(t.Context(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		s, err := prepare(rows.conn, "EXPLAIN (FORMAT json) "+query)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		text, err := s.text(rows.conn)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	tests := []struct {
		query  string
		joined bool
	}{
		{"SELECT count(*) FROM charges", false},
		{"SELECT amount FROM charges WHERE id = 'a'", false},
		{"SELECT a.amount FROM charges a JOIN charges b USING (id)", false},
		{"SELECT * EXCLUDE (tip, lines, tags, news, count, \"odd \"\"name\"\"/~.*\") FROM charges", false},
		{"SELECT amount FROM main.charges", false},
		{"SELECT amount FROM memory.main.charges", true}, // nothing can stand in for this
		{"SELECT tip FROM charges", true},
		{"SELECT * FROM charges", true},
		{"FROM charges", true},
		{"SELECT charges FROM charges", true},
		{"SELECT COLUMNS('t.p') FROM charges", true},
		{"SELECT count(*) FROM charges WHERE tip->>'a' = '1'", true},
		{"SELECT count(tip) FROM charges", true},
		{"SELECT count(*) FROM charges WHERE tip IS NULL", true},
		{"SELECT count(*) FROM (SELECT DISTINCT * FROM charges)", true},
		{"SELECT amount FROM charges ORDER BY tip", true},
		{"SELECT a.amount FROM charges a NATURAL JOIN charges b", true},
	}
	for _, tc := range tests {
		if got := strings.Contains(plan(tc.query), v.joined); got != tc.joined {
			t.Errorf("%s: reads the history: %v, want %v", tc.query, got, tc.joined)
		}
	}
	ask(t, d, []question{
		{"SELECT count(tip) AS n, count(*) AS c FROM charges", `{"n":2,"c":2}`},
		{"SELECT count(*) AS n FROM charges WHERE tip IS NULL", `{"n":0}`},
		{"SELECT id, amount FROM charges ORDER BY id", "{\"id\":\"a\",\"amount\":1}\n{\"id\":\"b\",\"amount\":2}"},
	})
}

func TestValues(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	huge, _ := new(big.Int).SetString("-170141183460469231731687303715884105728", 10)
	uhuge, _ := new(big.Int).SetString("340282366920938463463374607431768211455", 10)
	tests := []struct {
		expr string
		want any
	}{
		{"NULL", nil},
		{"true", true},
		{"(-128)::TINYINT", int64(-128)},
		{"(-32768)::SMALLINT", int64(-32768)},
		{"(-2147483648)::INTEGER", int64(-2147483648)},
		{"(-9223372036854775808)::BIGINT", int64(-9223372036854775808)},
		{"255::UTINYINT", uint64(255)},
		{"65535::USMALLINT", uint64(65535)},
		{"4294967295::UINTEGER", uint64(4294967295)},
		{"18446744073709551615::UBIGINT", uint64(18446744073709551615)},
		{"(-170141183460469231731687303715884105727 - 1)::HUGEINT", huge},
		{"340282366920938463463374607431768211455::UHUGEINT", uhuge},
		{"(-1)::HUGEINT", big.NewInt(-1)},
		{"sum(9223372036854775807) FROM range(3)", new(big.Int).Mul(big.NewInt(9223372036854775807), big.NewInt(3))},
		{"0.1::FLOAT", float32(0.1)},
		{"0.1::DOUBLE", 0.1},
		{"-0.05::DECIMAL(4,2)", Decimal("-0.05")},
		{"12.50::DECIMAL(9,2)", Decimal("12.50")},
		{"123456789012.345678::DECIMAL(18,6)", Decimal("123456789012.345678")},
		{"-1234567890123456789012345678.0123456789::DECIMAL(38,10)", Decimal("-1234567890123456789012345678.0123456789")},
		{"7::DECIMAL(38,0)", Decimal("7")},
		{"''", ""},
		{"'twelve bytes'", "twelve bytes"},
		{"'thirteen byte'", "thirteen byte"},
		{"'é\u0000😀'", nil}, // refused: see below
		{"'é' || chr(0) || '😀'", "é\x00😀"},
		{"'\\x00\\xff'::BLOB", []byte{0, 255}},
		{"'{\"a\": 1}'::JSON", Document(`{"a": 1}`)},
		{"DATE '2024-02-29'", "2024-02-29"},
		{"DATE '-0044-03-15'", "-0044-03-15"},
		{"DATE '1969-12-31'", "1969-12-31"},
		{"'infinity'::DATE", "infinity"},
		{"TIME '23:59:59.123456'", "23:59:59.123456"},
		{"TIME '01:02:03'", "01:02:03"},
		{"TIMESTAMP '1969-12-31 23:59:59.999999'", time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)},
		{"TIMESTAMPTZ '2024-01-01 00:00:00+02'", time.Date(2023, 12, 31, 22, 0, 0, 0, time.UTC)},
		{"TIMESTAMP_S '2024-01-01 00:00:01'", time.Date(2024, 1, 1, 0, 0, 1, 0, time.UTC)},
		{"TIMESTAMP_MS '2024-01-01 00:00:01.5'", time.Date(2024, 1, 1, 0, 0, 1, 5e8, time.UTC)},
		{"TIMESTAMP_NS '2024-01-01 00:00:01.000000001'", time.Date(2024, 1, 1, 0, 0, 1, 1, time.UTC)},
		{"'-infinity'::TIMESTAMPTZ", "-infinity"},
		{"INTERVAL '14 months 3 days 04:05:06.5'", "14 months 3 days 04:05:06.5"},
		{"INTERVAL '-1 hours'", "-01:00:00"},
		{"INTERVAL '0 days'", "00:00:00"},
		{"'00112233-4455-6677-8899-aabbccddeeff'::UUID", "00112233-4455-6677-8899-aabbccddeeff"},
		{"'b'::ENUM('a', 'b')", "b"},
		{"[1, NULL, 3]", []any{int64(1), nil, int64(3)}},
		{"[]::INT[]", []any{}},
		{"[['a'], []]", []any{[]any{"a"}, []any{}}},
		{"array_value('a', NULL)", []any{"a", nil}},
		{"{'b': 1, 'a': NULL, 'c': {'x': ['y']}}", Struct{[]string{"b", "a", "c"}, []any{int64(1), nil, Struct{[]string{"x"}, []any{[]any{"y"}}}}}},
		{"MAP{'k': 1, 'a': NULL}", Map{{"k", int64(1)}, {"a", nil}}},
		{"MAP{}", Map{}},
		{"union_value(num := 2)", int64(2)},
		{"['{}'::JSON]", []any{Document("{}")}},
	}
	for _, tc := range tests {
		rows, err := d.Query(t.Context(), "SELECT "+tc.expr)
		if strings.Contains(tc.expr, "\x00") {
			if err == nil {
				t.Errorf("%q: accepted", tc.expr)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.expr, err)
			continue
		}
		if !rows.Next() {
			t.Errorf("%s: no row: %v", tc.expr, rows.Err())
		} else if diff := cmp.Diff(tc.want, rows.Values()[0], cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Errorf("%s: %s", tc.expr, diff)
		}
		if rows.Next() || rows.Err() != nil {
			t.Errorf("%s: more: %v", tc.expr, rows.Err())
		}
		_ = rows.Close()
	}
}

// Values of many rows, over several chunks, with nulls and nested offsets.
func TestManyRows(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	rows, err := d.Query(t.Context(), `SELECT i, CASE WHEN i % 3 > 0 THEN 'a long enough text ' || i END AS s, [x FOR x IN range(i % 4)] AS l,
		{a: i, b: CASE WHEN i % 5 > 0 THEN [{c: i}] END} AS n, MAP{i: 's' || i} AS m, 'constant' AS k FROM range(10000) t(i)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := int64(0)
	for ; rows.Next(); n++ {
		want := []any{n, nil, []any{}, nil, Map{{n, fmt.Sprint("s", n)}}, "constant"}
		if n%3 > 0 {
			want[1] = fmt.Sprint("a long enough text ", n)
		}
		for x := range n % 4 {
			want[2] = append(want[2].([]any), x)
		}
		nested := Struct{[]string{"a", "b"}, []any{n, nil}}
		if n%5 > 0 {
			nested.Values[1] = []any{Struct{[]string{"c"}, []any{n}}}
		}
		want[3] = nested
		if diff := cmp.Diff(want, rows.Values()); diff != "" {
			t.Fatalf("row %d: %s", n, diff)
		}
	}
	if n != 10000 || rows.Err() != nil {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
}

// A result larger than the memory allowed arrives as it is computed.
func TestStreaming(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	rows, err := d.Query(t.Context(), "SELECT i, repeat('x', 1000) FROM range(1000000000000) t(i)")
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(100_000) {
		if !rows.Next() || rows.Values()[0] != i {
			t.Fatalf("row %d: %v, %v", i, rows.Values(), rows.Err())
		}
	}
	if err := errors.Join(rows.Close(), rows.Close()); err != nil {
		t.Error(err)
	}
	if rows.Next() {
		t.Error("a row after Close")
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Query(canceled, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled before: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	rows, err := d.Query(ctx, "SELECT i FROM range(1000000000000) t(i)")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; rows.Next(); n++ {
		if n == 5000 {
			cancel()
		}
	}
	if !errors.Is(rows.Err(), context.Canceled) {
		t.Errorf("canceled between rows: %v", rows.Err())
	}
	_ = rows.Close()

	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// It would take days, before its first row.
	rows, err = d.Query(ctx, "SELECT count(*) FROM range(10000000) a(i), range(10000000) b(j) WHERE (i * j) % 7 = 3")
	if err == nil {
		for rows.Next() {
		}
		err = rows.Err()
		_ = rows.Close()
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("canceled while it computes: %v", err)
	}
	ask(t, d, []question{{"SELECT count(*) AS n FROM charges", `{"n":2}`}})
}

func TestSideBySide(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				ask(t, d, []question{
					{"SELECT sum(amount) AS s FROM charges", `{"s":3}`},
					{"SELECT sum((tip->>'a')::INT) AS s FROM charges", `{"s":3}`},
				})
			}
		})
	}
	wg.Wait()
}

func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	_, err := answer(t.Context(), d, "SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(4000)", "json")
	if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "memory") {
		t.Errorf("%v", err)
	}
	ask(t, d, []question{{"SELECT current_setting('memory_limit') IN ('1.0 GiB', '1024.0 MiB') AS b", `{"b":true}`}})
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	d, _, f := small(t)
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	_, err := answer(t.Context(), d, "SELECT * FROM charges", "json")
	if problem.KindOf(err) != problem.Unavailable {
		t.Errorf("%v, want a problem of kind unavailable", err)
	}
}

func TestObjectStore(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Catalog{Resources: []Resource{charges([]File{{Path: "s3://lake/x.parquet"}}, nil, nil)}})
	if problem.KindOf(err) != problem.Invalid {
		t.Errorf("%v", err)
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	rows, err := d.Query(t.Context(), `SELECT 'x', 7::BIGINT, true, 0.5::DOUBLE, TIMESTAMP '2026-01-31 12:00:00', NULL, 'y', NULL, '{"a":1}'::JSON AS j, sum(1)`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || len(names) != 10 || names[8] != "j" {
		t.Errorf("columns %q, %v", names, err)
	}
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	var (
		s, y, j  string
		n        int64
		b        bool
		f        float64
		at       time.Time
		null, ok *string
		none     *int64
		sum      any
	)
	if err := rows.Scan(&s, &n, &b, &f, &at, &null, &ok, &none, &j, &sum); err != nil {
		t.Fatal(err)
	}
	if ok != nil {
		y = *ok
	}
	got := []any{s, n, b, f, at, null == nil, y, none == nil, j, fmt.Sprint(sum)}
	want := []any{"x", int64(7), true, 0.5, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), true, "y", true, `{"a":1}`, "1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range [][]any{{&s}, {&n, &n, &b, &f, &at, &null, &ok, &none, &j, &sum}, {&s, &n, &b, &f, &at, &s, &ok, &none, &j, &sum}, {s, &n, &b, &f, &at, &null, &ok, &none, &j, &sum}} {
		if err := rows.Scan(wrong...); err == nil {
			t.Errorf("scanned into %T", wrong[0])
		}
	}
}
