//go:build cgo

package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/tributary-data/tributary/internal/problem"
)

// A DB is an in-memory DuckDB over one snapshot of each table.
type DB struct {
	db   *sql.DB
	conn *sql.Conn
}

// memoryLimit is how much DuckDB may use before it spills or gives up.
const memoryLimit = "1GB"

// Open prepares the views of c and locks everything else away.
func Open(ctx context.Context, c Catalog) (*DB, error) {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, err
	}
	d := &DB{db: sql.OpenDB(connector)}
	d.db.SetMaxOpenConns(1)
	if d.conn, err = d.db.Conn(ctx); err != nil {
		d.db.Close()
		return nil, err
	}
	if err := d.prepare(ctx, c); err != nil {
		d.Close()
		return nil, fmt.Errorf("prepare the views: %w", err)
	}
	return d, nil
}

// Close gives the memory back.
func (d *DB) Close() error { return errors.Join(d.conn.Close(), d.db.Close()) }

func (d *DB) prepare(ctx context.Context, c Catalog) error {
	statements := []string{
		"SET TimeZone = 'UTC'",
		"SET memory_limit = '" + memoryLimit + "'",
		fmt.Sprintf("SET threads = %d", max(1, runtime.GOMAXPROCS(0))),
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET preserve_insertion_order = false",
		"CREATE SCHEMA xdm",
		"CREATE SCHEMA lake",
		"CREATE TABLE quarantine (resource VARCHAR, id VARCHAR, path VARCHAR, reason VARCHAR, raw VARCHAR, request_id VARCHAR, run_id VARCHAR, seen_at TIMESTAMPTZ)",
		"CREATE TABLE drift (resource VARCHAR, path VARCHAR, kind VARCHAR, seen VARCHAR, count BIGINT, first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ)",
	}
	for i := range c.Resources {
		r := &c.Resources[i]
		v := r.views()
		if r.History != nil { // the live view stands on the history's
			v = []string{v[0], v[2], v[1], v[3]}
		}
		statements = append(statements, v...)
	}
	for _, s := range statements {
		if _, err := d.conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%w in %s", err, clip(s))
		}
	}
	if err := d.fill(ctx, c); err != nil {
		return err
	}
	for _, s := range []string{
		"SET allowed_directories = [" + literal(c.Root) + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if _, err := d.conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%w in %s", err, s)
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// fill loads the small tables.
func (d *DB) fill(ctx context.Context, c Catalog) error {
	return d.conn.Raw(func(conn any) error {
		for table, rows := range map[string]func(*duckdb.Appender) error{
			"quarantine": func(a *duckdb.Appender) error {
				for _, q := range c.Quarantine {
					if err := a.AppendRow(q.Resource, q.ID, q.Path, q.Reason, q.Raw, q.RequestID, q.RunID, q.SeenAt); err != nil {
						return err
					}
				}
				return nil
			},
			"drift": func(a *duckdb.Appender) error {
				for _, x := range c.Drift {
					if err := a.AppendRow(x.Resource, x.Path, x.Kind, x.Seen, x.Count, x.FirstSeen, x.LastSeen); err != nil {
						return err
					}
				}
				return nil
			},
		} {
			a, err := duckdb.NewAppenderFromConn(conn.(driver.Conn), "main", table)
			if err != nil {
				return err
			}
			if err := errors.Join(rows(a), a.Close()); err != nil {
				return fmt.Errorf("fill %s: %w", table, err)
			}
		}
		return nil
	})
}

// Query runs one statement that reads. Any other is a problem.Invalid.
func (d *DB) Query(ctx context.Context, query string) (*sql.Rows, error) {
	if err := d.check(query); err != nil {
		return nil, err
	}
	rows, err := d.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, refusal(err)
	}
	return rows, nil
}

// check lets one statement through that DuckDB itself says is a query. The
// driver runs all statements of a text but asks about the last.
func (d *DB) check(query string) error {
	if !single(query) {
		return &problem.Error{Kind: problem.Invalid, Detail: "more than one statement was given", Advice: "Write one SELECT"}
	}
	return d.conn.Raw(func(conn any) error {
		stmt, err := conn.(*duckdb.Conn).PrepareContext(context.Background(), query)
		if err != nil {
			return refusal(err)
		}
		defer stmt.Close()
		kind, err := stmt.(*duckdb.Stmt).StatementType()
		if err != nil {
			return refusal(err)
		}
		switch kind {
		case duckdb.STATEMENT_TYPE_SELECT, duckdb.STATEMENT_TYPE_EXPLAIN:
			return nil
		}
		return &problem.Error{Kind: problem.Invalid, Detail: "only statements that read are allowed", Advice: "Write one SELECT"}
	})
}

// refusal makes DuckDB's complaint about a query the user's.
func refusal(err error) error {
	var e *duckdb.Error
	if !errors.As(err, &e) {
		return err
	}
	return &problem.Error{Kind: problem.Invalid, Detail: "the query can't be run: " + strings.TrimSpace(e.Msg)}
}
