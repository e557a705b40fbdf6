//go:build cgo

package duck

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// guardedDB is a guarded database over a copy without and one with a space, and
// the folder of its files.
func guardedDB(t testing.TB) (d *DB, dir string, mine, others File) {
	t.Helper()
	p := newParquet(t)
	row := `SELECT 'a' AS _id, 1::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at, {charges_data: {id: 'a', amount: 1::BIGINT}} AS _acme`
	mine, others = p.file(1, "", dataset, row), p.file(1, "", dataset, strings.Replace(row, "'a'", "'secret'", 2))
	h := p.history(`('a', 1, 'upsert', '{"id":"a","amount":1,"tip":{"a":1}}')`)
	r := charges([]File{mine}, nil, []File{h})
	records := Records{"ds_1", Table{Columns: dataset, Files: []File{mine}}}
	d, err := OpenGuarded(t.Context(), Catalog{
		Resources: []Resource{r}, Spaces: []Space{{"acct_1_live", []Resource{r}}}, Records: []Records{records}, Names: []Name{{"My charges", "ds_1"}},
	}, Limits{Memory: 128 << 20, Threads: 2, Temp: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, p.dir, mine, others
}

func TestSpaces(t *testing.T) {
	t.Parallel()
	d, _, _, _ := guardedDB(t)
	ask(t, d, []question{
		{"SELECT id, amount FROM acct_1_live.charges", `{"id":"a","amount":1}`},
		{"SELECT tip FROM acct_1_live.charges", `{"tip":{"a":1}}`},
		{"SELECT a.id, b.tip FROM charges a JOIN acct_1_live.charges b USING (id)", `{"id":"a","tip":{"a":1}}`},
		{"SELECT seq FROM acct_1_live.charges_history", `{"seq":1}`},
		{"SELECT _seq FROM acct_1_live_xdm.charges", `{"_seq":1}`},
		{"SELECT seq FROM acct_1_live_lake.charges", `{"seq":1}`},
		{`SELECT _id FROM "My charges"`, `{"_id":"a"}`},
		{"SELECT id FROM charges", `{"id":"a"}`},
		{"SELECT count(*) AS n FROM information_schema.columns WHERE table_name = 'ds_1' AND table_schema = 'main'", fmt.Sprintf(`{"n":%d}`, len(dataset))},
		{"WITH x AS (SELECT 1 AS a) SELECT a FROM x", `{"a":1}`},
	})
	views, err := d.Views(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range views {
		names = append(names, v.Schema+"."+v.Name)
	}
	want := []string{
		"acct_1_live.charges", "acct_1_live.charges_history", "acct_1_live_lake.charges", "acct_1_live_xdm.charges",
		"lake.charges", "main.My charges", "main.charges", "main.charges_history", "main.ds_1", "xdm.charges", "xdm.ds_1",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// A query over a space reads the history only where it has to.
func TestSpaceIsLight(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	f := p.file(1, "", dataset, `SELECT 'a' AS _id, 1::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at, {charges_data: {id: 'a', amount: 1::BIGINT}} AS _acme`)
	lost := File{Path: filepath.Join(p.dir, "broken.parquet"), Seq: 1, Rows: 1}
	if err := os.WriteFile(lost.Path, []byte("no parquet"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := OpenGuarded(t.Context(), Catalog{Spaces: []Space{{"s", []Resource{charges([]File{f}, nil, []File{lost})}}}}, Limits{Memory: 128 << 20, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 { // what stood in for the view is gone behind each query
		ask(t, d, []question{{"SELECT amount FROM s.charges", `{"amount":1}`}})
		if _, err := answer(t.Context(), d, "SELECT tip FROM s.charges", "json"); err == nil {
			t.Error("the history was not read")
		}
	}
}

// What gives the machine or other tables away is refused, however it is
// spelled, and a query beside it works.
func TestGuard(t *testing.T) {
	t.Parallel()
	d, dir, mine, others := guardedDB(t)
	link := filepath.Join(dir, "link.parquet")
	if err := os.Symlink(others.Path, link); err != nil {
		t.Fatal(err)
	}
	other, relative := literal(others.Path), literal(filepath.Join(filepath.Dir(mine.Path), "..", filepath.Base(dir), filepath.Base(others.Path)))
	for _, query := range []string{
		// files: of others, of the machine, of this very table
		"FROM read_parquet(" + other + ")", "FROM parquet_scan([" + other + "])", "FROM " + other, `FROM "` + others.Path + `"`, "FROM read_parquet(" + relative + ")",
		"FROM read_parquet(" + literal(link) + ")", "FROM " + literal(link), "FROM read_parquet(" + literal(mine.Path) + ")", "FROM 'file.parquet'", "FROM file.parquet", "FROM '../x.csv'",
		"FROM read_text(" + other + ")", "FROM read_blob(" + other + ")", "FROM read_csv(" + other + ")", "FROM read_json(" + other + ")", "FROM read_duckdb(" + other + ")",
		"FROM read_text('/etc/passwd')", "FROM read_blob('/etc/passwd')", "FROM read_csv('/etc/passwd')", "FROM read_csv_auto('/proc/self/environ')", "FROM '/etc/passwd'", "FROM glob('/*')",
		"FROM glob(" + literal(dir+"/*") + ")", "FROM sniff_csv('/etc/passwd')", "FROM parquet_metadata(" + literal(mine.Path) + ")", "FROM parquet_schema(" + other + ")",
		"FROM parquet_kv_metadata(" + other + ")", "FROM 'https://example.com/x.parquet'", "FROM read_parquet('http://127.0.0.1/x.parquet')", "FROM read_text('s3://bucket/x')",
		"SELECT (SELECT content FROM read_text('/etc/passwd'))", "FROM charges WHERE EXISTS (FROM read_text('/etc/passwd'))", "WITH x AS MATERIALIZED (FROM read_text('/etc/passwd')) FROM x",
		"FROM charges, LATERAL (FROM read_text('/etc/passwd'))", "DESCRIBE FROM read_csv('/etc/passwd')", "SUMMARIZE FROM read_csv('/etc/passwd')", "EXPLAIN FROM read_csv('/etc/passwd')",
		"FROM read_text/**/('/etc/passwd')", "FROM ReAd_TeXt('/etc/passwd')", `FROM "read_text"('/etc/passwd')`, "FROM main.read_text('/etc/passwd')", "FROM system.main.read_text('/etc/passwd')",
		"/* a */ FROM -- b\n read_text('/etc/passwd')",
		// what the database tells of itself
		"FROM duckdb_views", "FROM duckdb_views()", "FROM main.duckdb_views", "FROM system.main.duckdb_views", `FROM "DUCKDB_VIEWS"`, "SUMMARIZE duckdb_views", "SUMMARIZE FROM duckdb_views()",
		"DESCRIBE duckdb_views", "FROM duckdb_settings()", "FROM duckdb_settings", "FROM duckdb_secrets()", "FROM duckdb_databases()", "FROM duckdb_tables()", "FROM duckdb_logs", "FROM duckdb_temporary_files()",
		"FROM duckdb_external_file_cache()", "FROM duckdb_variables()", "FROM duckdb_extensions()", "FROM duckdb_functions()", "FROM pragma_database_list", "FROM pragma_database_list()",
		"FROM pragma_database_size()", "FROM pragma_show('charges')", "FROM pragma_table_info('charges')", "FROM pragma_storage_info('charges')", "FROM sqlite_master", "FROM sqlite_schema",
		"FROM pg_views", "FROM pg_catalog.pg_views", "FROM pg_settings", "FROM pg_class", "FROM information_schema.views", "FROM system.information_schema.tables",
		"SELECT current_setting('allowed_paths')", "SELECT 'temp_directory'.current_setting()", "SELECT main.current_setting('temp_directory')", `SELECT "CURRENT_SETTING"('temp_directory')`,
		"SELECT list_transform(['temp_directory'], lambda x: current_setting(x))", "SELECT getenv('HOME')", "SELECT pg_get_viewdef(1)", "SELECT json_serialize_plan('FROM charges')",
		"SELECT json_serialize_plan('FROM xdm.charges', optimize := true)", "FROM json_execute_serialized_sql(json_serialize_sql('FROM duckdb_views()'))", "FROM query('FROM duckdb_views()')",
		"FROM query_table('duckdb_views')", "FROM histogram('duckdb_views', sql)", "FROM histogram_values('duckdb_views', sql)", "FROM which_secret('s3://x', 's3')", "FROM sql_auto_complete('FROM ')",
		"SELECT getvariable('x')", "SELECT write_log('x')", "WITH x AS (FROM duckdb_views()) FROM x", "WITH duckdb_views AS (FROM duckdb_views) FROM duckdb_views",
		"SHOW temp_directory", "FROM test_all_types()", "FROM seq_scan('drift')", "FROM arrow_scan(1, 2, 3)", "FROM enable_logging()",
		// writing, settings, other statements
		"COPY (FROM charges) TO '/tmp/out'", "COPY drift FROM '/etc/passwd'", "ATTACH '/tmp/x.db'", "ATTACH " + other, "DETACH memory", "SET memory_limit = '10GB'", "SET VARIABLE x = 1",
		"SET enable_external_access = true", "SET GLOBAL allowed_directories = ['/']", "RESET allowed_paths", "RESET lock_configuration", "PRAGMA database_list", "PRAGMA show_tables", "PRAGMA temp_directory='/'",
		"PRAGMA enable_profiling", "INSTALL httpfs", "LOAD httpfs", "LOAD '/tmp/x.so'", "USE xdm", "CREATE TABLE x (a INT)", "CREATE OR REPLACE VIEW charges AS SELECT 1", "CREATE SECRET s (TYPE s3)",
		"CREATE MACRO m() AS TABLE FROM read_text('/etc/passwd')", "INSERT INTO drift (count) VALUES (1)", "DELETE FROM drift", "DROP VIEW charges", "EXPORT DATABASE '/tmp/x'", "CALL pragma_version()",
		"EXPLAIN ANALYZE FROM charges", "explain/**/analyze FROM charges", "EXPLAIN (FORMAT json, ANALYZE) FROM charges", "EXPLAIN (ANALYZE true) FROM charges",
		// EXPLAIN, where brackets and lines end for DuckDB and not for others
		"EXPLAIN (FORMAT json /* ) SELECT 1 -- */ ) SELECT current_setting('temp_directory')", "EXPLAIN (FORMAT json -- ) SELECT 1\n) SELECT current_setting('allowed_paths')",
		"EXPLAIN (FORMAT 'x) SELECT 1 -- ') SELECT current_setting('temp_directory')", "--\rSELECT (SELECT string_agg(sql) FROM duckdb_views()) AS\nEXPLAIN FROM range(1)",
		"EXPLAIN --\rSELECT current_setting('temp_directory'), b FROM\n(SELECT 1 b)", "/**/--\rSELECT (SELECT count(*) FROM enable_logging()) AS\nEXPLAIN FROM range(1)",
		"PREPARE p AS SELECT 1", "EXECUTE p", "BEGIN", "ROLLBACK", "CHECKPOINT", "EXPLAIN ANALYZE DELETE FROM drift", "EXPLAIN ANALYZE COPY drift TO '/tmp/out'",
		"SELECT 1; SELECT 2", "SELECT 1; DROP VIEW charges", "SELECT 1 /* ; */; SET threads = 9", "SELECT '--'; SET threads = 9 --", "SELECT $$;$$; SET threads = 9", "/* /* */ SELECT 1 */ ; SET threads = 9",
	} {
		got, err := answer(t.Context(), d, query, "json")
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v %.200s, want a problem of kind invalid", query, err, got)
		}
		if err != nil {
			tells(t, query, dir, strings.ReplaceAll(err.Error(), others.Path, ""))
		}
	}
	ask(t, d, []question{{"SELECT id FROM charges", `{"id":"a"}`}, {"SELECT id FROM acct_1_live.charges", `{"id":"a"}`}})
}

// tells fails for a text with the name of a folder that the query has not named.
func tells(t testing.TB, query, dir, text string) {
	t.Helper()
	for at := dir; len(at) > len("/tmp"); at = filepath.Dir(at) {
		if strings.Contains(text, at) && !strings.Contains(query, filepath.Base(dir)) {
			t.Errorf("%s tells %s: %s", query, at, text)
			return
		}
	}
	if strings.Contains(text, "tributary-query-") {
		t.Errorf("%s tells where files are spilled: %s", query, text)
	}
}

// All views and table functions that DuckDB brings are either refused or give no
// place away, the ones of later versions included.
func TestGuardAgainstAllThatDuckDBHas(t *testing.T) {
	t.Parallel()
	d, dir, _, _ := guardedDB(t)
	free := open(t, Catalog{})
	views, err := answer(t.Context(), free, "SELECT DISTINCT schema_name AS s, view_name AS n FROM duckdb_views() WHERE internal", "json")
	if err != nil {
		t.Fatal(err)
	}
	calls, err := answer(t.Context(), free, "SELECT DISTINCT function_name AS n FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro', 'pragma')", "json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ S, N string }
	for _, text := range []string{views, calls} {
		var some []struct{ S, N string }
		if err := json.Unmarshal([]byte(text), &some); err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	if len(all) < 100 {
		t.Fatalf("only %d", len(all))
	}
	worked := map[string]bool{}
	for _, v := range all {
		for _, query := range []string{
			"FROM " + v.N, "FROM " + v.S + "." + v.N, "FROM system." + v.S + "." + v.N, "SUMMARIZE " + v.N, "FROM " + v.N + "()", "FROM " + v.N + "('charges')", "SELECT " + v.N + "('charges')",
		} {
			got, err := answer(t.Context(), d, query, "json")
			if err == nil {
				worked[v.N] = true
			} else {
				got = err.Error()
			}
			tells(t, query, dir, got)
		}
	}
	for name := range worked {
		if !guardedFunctions[name] && !columnsOnly[name] && name != "histogram" { // an aggregate, too
			t.Errorf("%s works", name)
		}
	}
}

// Plans name no file.
func TestGuardedPlans(t *testing.T) {
	t.Parallel()
	d, dir, _, _ := guardedDB(t)
	for _, query := range []string{
		"EXPLAIN FROM charges", "EXPLAIN (FORMAT json) FROM charges", "EXPLAIN FROM xdm.charges", "EXPLAIN (FORMAT json) FROM acct_1_live.charges",
		"EXPLAIN (FORMAT html) FROM charges", "EXPLAIN (FORMAT graphviz) FROM charges", "EXPLAIN SELECT * FROM xdm.charges WHERE _id = 'b'",
	} {
		got, err := answer(t.Context(), d, query, "json")
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
		tells(t, query, dir, got)
	}
}

// A file that is gone, or is none, is told without its place.
func TestGuardedFaults(t *testing.T) {
	t.Parallel()
	d, dir, mine, _ := guardedDB(t)
	for _, spoiled := range []struct {
		name string
		do   func() error
	}{
		{"broken", func() error { return os.WriteFile(mine.Path, []byte("PAR1 nothing PAR1"), 0o600) }},
		{"gone", func() error { return os.Remove(mine.Path) }},
	} {
		if err := spoiled.do(); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"FROM xdm.charges", "SELECT count(amount) FROM charges", "FROM acct_1_live.charges"} {
			_, err := answer(t.Context(), d, query, "json")
			if err == nil {
				t.Errorf("%s, %s: no error", spoiled.name, query)
			}
			tells(t, query, dir, fmt.Sprint(err))
		}
	}
}

func TestGuardedMemory(t *testing.T) {
	t.Parallel()
	d, dir, _, _ := guardedDB(t)
	const query = "SELECT list(range) FROM range(1000000000)"
	_, err := answer(t.Context(), d, query, "json")
	if err == nil || !strings.Contains(err.Error(), "more memory") || strings.Contains(err.Error(), "SET ") {
		t.Errorf("%v", err)
	}
	tells(t, query, dir, fmt.Sprint(err))
}

func TestExact(t *testing.T) {
	t.Parallel()
	d, _, _, _ := guardedDB(t)
	for query, want := range map[string][2]string{
		"SELECT 9223372036854775807 AS a, 1.50 AS b, 'x\n' AS c, NULL AS d": {`[9223372036854775807,"1.50","x\n",null]`, "BIGINT DECIMAL VARCHAR INTEGER"},
		"SELECT 'NaN'::DOUBLE AS a, '-inf'::FLOAT AS b, 0.1 + 0.2e0 AS c":   {`["NaN","-Inf",0.30000000000000004]`, "DOUBLE FLOAT DOUBLE"},
		"SELECT [1.5, NULL] AS a, {b: 1.25} AS b, MAP {'k': 2.5} AS c":      {`[["1.5",null],{"b":"1.25"},{"k":"2.5"}]`, "DECIMAL[] STRUCT(b DECIMAL) MAP(VARCHAR, DECIMAL)"},
		`SELECT '{"a": [1e2]}'::JSON AS a, 'null'::JSON AS b`:               {`[{"a": [1e2]},null]`, "JSON JSON"},
		"SELECT TIMESTAMPTZ '2026-01-31 12:00:00.5+01' AS a, DATE '2026-01-31' AS b": {
			`["2026-01-31T11:00:00.5Z","2026-01-31"]`, "TIMESTAMP WITH TIME ZONE DATE",
		},
		"SELECT 170141183460469231731687303715884105727::HUGEINT AS a": {`[170141183460469231731687303715884105727]`, "HUGEINT"},
	} {
		rows, err := d.Query(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []byte
		for rows.Next() {
			got = rows.AppendRow(got)
		}
		var types []string
		for _, c := range rows.Types() {
			types = append(types, c.Type)
		}
		if err := rows.Err(); err != nil || string(got) != want[0] || strings.Join(types, " ") != want[1] || !json.Valid(got) {
			t.Errorf("%s: %s %s %v", query, got, types, err)
		}
		_ = rows.Close()
	}
}

// Nothing that passes the guard tells a place, whatever it is made of.
func FuzzGuard(f *testing.F) {
	d, dir, _, _ := guardedDB(f)
	for _, q := range []string{"SELECT 1", "FROM duckdb_views", "FROM read_text('x')", "SUMMARIZE charges", "SELECT current_setting('a')", "FROM (SHOW ALL TABLES)", "EXPLAIN FROM charges", "EXPLAIN (FORMAT json) FROM charges", "--\rSELECT 1 AS\nEXPLAIN FROM range(1)"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > 200 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := answer(ctx, d, query, "ndjson")
		if err != nil {
			got = err.Error()
		}
		tells(t, query, dir, got)
	})
}
