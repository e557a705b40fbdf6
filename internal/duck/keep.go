//go:build cgo

package duck

import (
	"cmp"
	"context"
	"strings"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// Keep makes a table that has the rows of a query, which must be one that Query
// takes, so that several queries need not work them out again. Every query of
// this DB sees it, until drop is called.
func (d *DB) Keep(ctx context.Context, name, query string) (drop func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if strings.IndexByte(query, 0) >= 0 {
		return nil, invalid("the query has a NUL character", "")
	}
	var conn duckdb.Connection
	if duckdb.Connect(d.db, &conn) == duckdb.StateError {
		return nil, invalid("no more queries can be run at once", "Close others before")
	}
	defer duckdb.Disconnect(&conn)
	stop := interrupt(ctx, conn)
	defer func() {
		stop()
		if err != nil {
			err = d.discreet(cmp.Or(ctx.Err(), d.lost(), err))
		}
	}()
	if err := check(conn, query, d.guard); err != nil {
		return nil, err
	}
	if strings.Contains(strings.ToLower(query), "quarantine") {
		if err := d.fillQuarantine(); err != nil {
			return nil, err
		}
	}
	if err := d.lighten(conn, query, nil, false); err != nil {
		return nil, err
	}
	if err := exec(conn, "CREATE TABLE "+quote(name)+" AS "+query); err != nil {
		return nil, err
	}
	return func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.exec("DROP TABLE " + quote(name))
	}, nil
}
