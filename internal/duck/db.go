//go:build cgo

package duck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
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
	guard *guard   // nil for queries of who has the machine

	mu         sync.Mutex                    // of what follows, and of setup once the DB is open
	quarantine iter.Seq2[Quarantined, error] // that is not in its table yet
}

// memoryLimit bounds what all queries together hold in memory; what does not
// fit goes to disk. A small machine gives half of what DuckDB would take.
const memoryLimit = 1 << 30

// Open prepares the views of c and locks everything else away.
func Open(ctx context.Context, c Catalog) (*DB, error) { return openWith(ctx, c, nil) }

func openWith(ctx context.Context, c Catalog, g *guard) (_ *DB, err error) {
	d := &DB{guard: g}
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
	if err := d.copies(ctx, c); err != nil {
		return nil, err
	}
	if err := d.records(c); err != nil {
		return nil, err
	}
	if err := d.fill(c); err != nil {
		return nil, err
	}
	if err := d.guarded(); err != nil {
		return nil, err
	}
	return d, d.lock()
}

// copies makes the views of resources.
func (d *DB) copies(ctx context.Context, c Catalog) error {
	for _, s := range slices.Concat([]Space{{Resources: c.Resources}}, c.Spaces) {
		in := ownSpace
		if s.Name != "" {
			in = spaceOf(s.Name)
			for _, name := range []string{in.main, in.xdm, in.lake} {
				if err := d.exec("CREATE SCHEMA " + quote(name)); err != nil {
					return err
				}
			}
		}
		for _, r := range s.Resources {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := makeView(in, r)
			if err != nil {
				return err
			}
			if err := d.create(v); err != nil {
				return err
			}
			d.views = append(d.views, v)
			d.files = append(d.files, r.Dataset.paths()...)
			if r.History != nil {
				d.files = append(d.files, r.History.paths()...)
			}
		}
	}
	return nil
}

// records makes the views of tables as stored.
func (d *DB) records(c Catalog) error {
	for _, r := range c.Records {
		rows, err := scan(r.Table)
		if err == nil {
			err = d.exec("CREATE VIEW xdm." + quote(r.Name) + " AS " + rows)
		}
		if err == nil { // SHOW TABLES lists what stands in main
			err = d.exec("CREATE VIEW main." + quote(r.Name) + " AS SELECT * FROM xdm." + quote(r.Name))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		d.files = append(d.files, r.Table.paths()...)
	}
	for _, n := range c.Names {
		if err := d.exec("CREATE VIEW main." + quote(n.View) + " AS SELECT * FROM xdm." + quote(n.Table)); err != nil {
			return fmt.Errorf("%s: %w", n.View, err)
		}
	}
	return nil
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
		"CREATE VIEW " + quote(v.space.xdm) + "." + quote(v.name) + " AS " + v.dataset,
		"CREATE VIEW " + quote(v.space.main) + "." + quote(v.name) + " AS " + v.full,
	}
	if v.history != "" {
		statements = append(statements,
			"CREATE VIEW "+quote(v.space.lake)+"."+quote(v.name)+" AS "+v.versions,
			"CREATE VIEW "+quote(v.space.main)+"."+quote(v.name+"_history")+" AS "+v.history)
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

// timestamp stands for a parameter that is a time: microseconds.
const timestamp = "make_timestamp(CAST(? AS BIGINT))"

// fill makes the small tables.
func (d *DB) fill(c Catalog) error {
	if d.guard != nil { // they are about a whole directory
		return nil
	}
	for _, s := range []string{
		"CREATE TABLE quarantine (resource VARCHAR, id VARCHAR, path VARCHAR, reason VARCHAR, raw VARCHAR, request_id VARCHAR, run_id VARCHAR, seen_at TIMESTAMP)",
		"CREATE TABLE drift (resource VARCHAR, path VARCHAR, kind VARCHAR, seen VARCHAR, count BIGINT, first_seen TIMESTAMP, last_seen TIMESTAMP, example VARCHAR)",
	} {
		if err := d.exec(s); err != nil {
			return err
		}
	}
	d.quarantine = c.Quarantine
	return d.insert("drift", "(?, ?, ?, ?, ?, "+timestamp+", "+timestamp+", ?)", func(yield func([]any, error) bool) {
		for _, x := range c.Drift {
			if !yield([]any{x.Resource, x.Path, x.Kind, x.Seen, x.Count, x.FirstSeen, x.LastSeen, x.Example}, nil) {
				return
			}
		}
	})
}

// fillQuarantine fills the table quarantine, once.
func (d *DB) fillQuarantine() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.quarantine == nil {
		return nil
	}
	err := d.insert("quarantine", "(?, ?, ?, ?, ?, ?, ?, "+timestamp+")", func(yield func([]any, error) bool) {
		for q, err := range d.quarantine {
			if !yield([]any{q.Resource, q.ID, q.Path, q.Reason, q.Raw, q.RequestID, q.RunID, q.SeenAt}, err) {
				return
			}
		}
	})
	if err == nil {
		d.quarantine = nil
	}
	return err
}

// rowsAtOnce are inserted by one statement: each costs as much as a hundred rows.
const rowsAtOnce = 100

// insert puts all rows into a table, or none. tuple has a parameter for each
// value of a row.
func (d *DB) insert(table, tuple string, rows iter.Seq2[[]any, error]) (err error) {
	if err := d.exec("BEGIN"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("table %s: %w", table, err), d.exec("ROLLBACK"))
		}
	}()
	var args []any
	n := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		args = append(args, row...)
		if n++; n == rowsAtOnce {
			if err := d.insertRows(table, tuple, n, args); err != nil {
				return err
			}
			n, args = 0, args[:0]
		}
	}
	if n > 0 {
		if err := d.insertRows(table, tuple, n, args); err != nil {
			return err
		}
	}
	return d.exec("COMMIT")
}

func (d *DB) insertRows(table, tuple string, n int, args []any) error {
	s, err := prepare(d.setup, "INSERT INTO "+table+" VALUES "+strings.Repeat(tuple+", ", n-1)+tuple)
	if err != nil {
		return err
	}
	defer s.close()
	for i, v := range args {
		s.bind(i+1, v)
	}
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.ExecutePrepared(s.stmt, &res) == duckdb.StateError {
		return failure(duckdb.ResultErrorType(&res), duckdb.ResultError(&res))
	}
	return nil
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
