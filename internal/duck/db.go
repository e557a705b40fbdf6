//go:build cgo

package duck

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go-bindings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A DB is an in-memory DuckDB over one snapshot of each table. Queries may run
// side by side.
type DB struct {
	db    duckdb.Database
	setup duckdb.Connection
	views []view
	files []string // that the views read
	temp  string   // where queries put what does not fit in memory
}

// memoryLimit bounds what all queries together hold in memory; what does not
// fit goes to disk. A small machine gives half of what DuckDB would take.
const memoryLimit = 1 << 30

// Open prepares the views of c and locks everything else away.
func Open(ctx context.Context, c Catalog) (_ *DB, err error) {
	d := &DB{}
	defer func() {
		if err != nil {
			_ = d.Close()
			err = fmt.Errorf("prepare the tables for queries: %w", err)
		}
	}()
	if d.temp, err = os.MkdirTemp("", "tributary-query-"); err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		return nil, err
	}
	for _, r := range c.Resources {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := makeView(r)
		if err != nil {
			return nil, err
		}
		if err := d.create(v); err != nil {
			return nil, err
		}
		d.views = append(d.views, v)
		d.files = append(d.files, r.Dataset.paths()...)
		if r.History != nil {
			d.files = append(d.files, r.History.paths()...)
		}
	}
	if err := d.fill(c); err != nil {
		return nil, err
	}
	return d, d.lock()
}

func (t *Table) paths() []string {
	var paths []string
	for _, f := range slices.Concat(t.Files, t.Deletes) {
		paths = append(paths, f.Path)
	}
	return paths
}

func (d *DB) start() error {
	var config duckdb.Config
	if duckdb.CreateConfig(&config) == duckdb.StateError {
		return fmt.Errorf("duckdb: no configuration")
	}
	defer duckdb.DestroyConfig(&config)
	var message string
	if duckdb.OpenExt("", &d.db, config, &message) == duckdb.StateError {
		return fmt.Errorf("duckdb: %s", message)
	}
	if duckdb.Connect(d.db, &d.setup) == duckdb.StateError {
		return fmt.Errorf("duckdb: no connection")
	}
	for _, s := range []string{
		"SET GLOBAL TimeZone = 'UTC'",
		"SET GLOBAL autoinstall_known_extensions = false",
		"SET GLOBAL autoload_known_extensions = false",
		// A query is planned twice, and a view may read a file for two tables.
		"SET GLOBAL parquet_metadata_cache = true",
		"SET GLOBAL temp_directory = " + literal(d.temp),
		"CREATE SCHEMA xdm",
		"CREATE SCHEMA lake",
	} {
		if err := d.exec(s); err != nil {
			return err
		}
	}
	return d.limit()
}

// limit lowers DuckDB's own limits, which are most of the machine.
func (d *DB) limit() error {
	s, err := prepare(d.setup, "SELECT current_setting('memory_limit')")
	if err != nil {
		return err
	}
	defer s.close()
	rows, err := s.run(context.Background(), d.setup)
	if err != nil {
		return err
	}
	defer rows.finish()
	limit := int64(memoryLimit)
	if rows.Next() {
		text, _ := rows.Values()[0].(string)
		if own := parseSize(text); own > 0 {
			limit = min(limit, own/2)
		}
	}
	// A thread that takes long JSON apart needs some 200 MB.
	threads := min(runtime.GOMAXPROCS(0), int(max(1, limit>>28)))
	return d.exec(fmt.Sprintf("SET GLOBAL memory_limit = '%dMiB'; SET GLOBAL threads = %d", limit>>20, threads))
}

func (d *DB) create(v view) error {
	statements := []string{
		"CREATE VIEW xdm." + quote(v.name) + " AS " + v.dataset,
		"CREATE VIEW main." + quote(v.name) + " AS " + v.full,
	}
	if v.history != "" {
		statements = append(statements,
			"CREATE VIEW lake."+quote(v.name)+" AS "+v.versions,
			"CREATE VIEW main."+quote(v.name+"_history")+" AS "+v.history)
	}
	for _, s := range statements {
		if err := d.exec(s); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

// lock leaves nothing to read but files, and nothing to set.
func (d *DB) lock() error {
	for _, s := range []string{
		"SET GLOBAL allowed_paths = " + list(len(d.files), func(i int) string { return literal(d.files[i]) }),
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL lock_configuration = true",
	} {
		if err := d.exec(s); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the memory back. Every Rows must be closed before.
func (d *DB) Close() error {
	if d.setup.Ptr != nil {
		duckdb.Disconnect(&d.setup)
	}
	if d.db.Ptr != nil {
		duckdb.Close(&d.db)
	}
	return os.RemoveAll(d.temp)
}

// exec runs a statement of ours.
func (d *DB) exec(statement string) error { return exec(d.setup, statement) }

func exec(conn duckdb.Connection, statement string) error {
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.Query(conn, statement, &res) == duckdb.StateError {
		return failure(duckdb.ResultErrorType(&res), duckdb.ResultError(&res))
	}
	return nil
}

// fill loads the small tables.
func (d *DB) fill(c Catalog) error {
	const timestamp = "make_timestamp(CAST(? AS BIGINT))" // of microseconds
	var rejected, drift [][]any
	for _, q := range c.Quarantine {
		rejected = append(rejected, []any{q.Resource, q.ID, q.Path, q.Reason, q.Raw, q.RequestID, q.RunID, q.SeenAt})
	}
	for _, x := range c.Drift {
		drift = append(drift, []any{x.Resource, x.Path, x.Kind, x.Seen, x.Count, x.FirstSeen, x.LastSeen, x.Example})
	}
	for _, t := range []struct {
		table, columns, values string
		rows                   [][]any
	}{
		{
			"quarantine",
			"resource VARCHAR, id VARCHAR, path VARCHAR, reason VARCHAR, raw VARCHAR, request_id VARCHAR, run_id VARCHAR, seen_at TIMESTAMP",
			"?, ?, ?, ?, ?, ?, ?, " + timestamp, rejected,
		},
		{
			"drift",
			"resource VARCHAR, path VARCHAR, kind VARCHAR, seen VARCHAR, count BIGINT, first_seen TIMESTAMP, last_seen TIMESTAMP, example VARCHAR",
			"?, ?, ?, ?, ?, " + timestamp + ", " + timestamp + ", ?", drift,
		},
	} {
		if err := d.exec("CREATE TABLE " + t.table + " (" + t.columns + ")"); err != nil {
			return err
		}
		if err := d.insert("INSERT INTO "+t.table+" VALUES ("+t.values+")", t.rows); err != nil {
			return fmt.Errorf("table %s: %w", t.table, err)
		}
	}
	return nil
}

func (d *DB) insert(statement string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	s, err := prepare(d.setup, statement)
	if err != nil {
		return err
	}
	defer s.close()
	if err := d.exec("BEGIN"); err != nil {
		return err
	}
	for _, row := range rows {
		for i, v := range row {
			s.bind(i+1, v)
		}
		var res duckdb.Result
		state := duckdb.ExecutePrepared(s.stmt, &res)
		kind, message := duckdb.ResultErrorType(&res), duckdb.ResultError(&res)
		duckdb.DestroyResult(&res)
		if state == duckdb.StateError {
			return failure(kind, message)
		}
	}
	return d.exec("COMMIT")
}

// bind sets the n-th parameter, from 1.
func (s *statement) bind(n int, v any) {
	at := duckdb.IdxT(n)
	switch v := v.(type) {
	case int64:
		duckdb.BindInt64(s.stmt, at, v)
	case time.Time:
		duckdb.BindInt64(s.stmt, at, v.UnixMicro())
	case string:
		duckdb.BindVarchar(s.stmt, at, strings.ToValidUTF8(v, "\ufffd"))
	}
}

// failure turns an error of DuckDB's into one of ours. What is wrong with a
// query, its writer reads.
func failure(kind duckdb.ErrorType, message string) error {
	switch kind {
	case duckdb.ErrorTypeErrorIO:
		return unreadable(message)
	case duckdb.ErrorTypeOutOfMemory:
		return invalid("the query needs more memory than it may have: "+message, "Select less, or aggregate")
	case duckdb.ErrorTypeInternal, duckdb.ErrorTypeFatal:
		return fmt.Errorf("duckdb: %s", message)
	}
	return invalid("the query can't be run: "+message, "")
}

func unreadable(what string) error {
	return &problem.Error{
		Kind:   problem.Unavailable,
		Detail: "a file of the tables can't be read: " + what,
		Advice: "Try again: the tables may have been tidied up meanwhile",
	}
}

// lost returns an error if a file is gone, which DuckDB does not tell apart
// from a wrong query while it plans one.
func (d *DB) lost() error {
	for _, f := range d.files {
		if _, err := os.Stat(f); err != nil {
			return unreadable(err.Error())
		}
	}
	return nil
}
