//go:build cgo

package duck

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// Query runs one statement that reads. Anything else, and a query that is
// wrong, is a problem of kind Invalid. When ctx ends, so does the query. The
// rows must be closed.
func (d *DB) Query(ctx context.Context, query string) (*Rows, error) {
	return d.QueryWith(ctx, query)
}

// QueryWith is Query with values for the parameters of a statement, $1, $2 and so on:
// int64 or string. They never become a part of the SQL.
func (d *DB) QueryWith(ctx context.Context, query string, args ...any) (_ *Rows, err error) {
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
	stop := interrupt(ctx, conn)
	defer func() {
		if err != nil {
			stop()
			duckdb.Disconnect(&conn)
			err = d.discreet(cmp.Or(ctx.Err(), d.lost(), err))
		}
	}()
	inner, head, explain := explained(query)
	if err := check(conn, inner, d.guard); err != nil {
		return nil, err
	}
	if err := d.guard.checkExplain(head); err != nil {
		return nil, err
	}
	query = head + inner
	if strings.Contains(strings.ToLower(query), "quarantine") {
		if err := d.fillQuarantine(); err != nil {
			return nil, err
		}
	}
	if !explain {
		if err := d.lighten(conn, query, args, true); err != nil {
			return nil, err
		}
	}
	s, err := prepare(conn, query)
	if err != nil {
		return nil, err
	}
	kind := duckdb.StatementTypeSelect
	if explain {
		kind = duckdb.StatementTypeExplain
	}
	if duckdb.PreparedStatementType(s.stmt) != kind {
		s.close()
		return nil, errNotQuery
	}
	if err := s.take(args); err != nil {
		s.close()
		return nil, err
	}
	rows, err := s.run(ctx, conn)
	if err != nil {
		s.close()
		return nil, err
	}
	rows.discreet = d.discreet
	rows.release = func() {
		stop()
		s.close()
		duckdb.Disconnect(&conn)
	}
	return rows, nil
}

// interrupt breaks off whatever conn does when ctx ends, until stop is called.
func interrupt(ctx context.Context, conn duckdb.Connection) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		// Again and again: the statement may be between two steps.
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			duckdb.Interrupt(conn)
			select {
			case <-done:
				return
			case <-again.C:
			}
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}

// check lets only a query pass.
func check(conn duckdb.Connection, query string, g *guard) error {
	s, err := prepare(conn, "SELECT json_serialize_sql(?::VARCHAR)::VARCHAR")
	if err != nil {
		return err
	}
	defer s.close()
	duckdb.BindVarchar(s.stmt, 1, query)
	tree, err := s.text(conn)
	if err != nil {
		return err
	}
	if err := checkTree([]byte(tree), g); err != errSyntax { //nolint:errorlint // returned as is
		return err
	}
	s2, err := prepare(conn, query)
	if err != nil {
		return err
	}
	s2.close()
	return errNotQuery
}

// lighten makes conn read those tables without their history of which query
// uses no JSON column. The plan of the query tells: it names the text of the
// history wherever that is read. Tables of spaces stay as they are for a conn that
// is to write: they take a transaction that is never committed.
func (d *DB) lighten(conn duckdb.Connection, query string, args []any, spaces bool) error {
	s, err := prepare(conn, "EXPLAIN (FORMAT json) "+query)
	if err != nil {
		return nil // SHOW and the like have no plan; what else is wrong, running it tells
	}
	defer s.close()
	if err := s.take(args); err != nil {
		return err
	}
	plan, err := s.text(conn)
	if err != nil {
		return err
	}
	began := false
	for _, v := range d.views {
		if v.light == "" || !spaces && v.space != ownSpace || !strings.Contains(plan, v.joined) || strings.Contains(plan, v.used) {
			continue
		}
		// A temporary view hides the lasting one from this connection.
		instead := "CREATE TEMP VIEW " + quote(v.name) + " AS " + v.light
		if v.space != ownSpace {
			// Only one without a schema can be hidden so. The others are replaced in a
			// transaction that is never committed; another query may be about to do the
			// same.
			if instead = "CREATE OR REPLACE VIEW " + quote(v.space.main) + "." + quote(v.name) + " AS " + v.light; !began {
				instead, began = "BEGIN; "+instead, true
			}
		}
		if err := exec(conn, instead); err != nil {
			if v.space != ownSpace {
				return exec(conn, "ROLLBACK")
			}
			return err
		}
	}
	return nil
}

// A statement is a prepared statement.
type statement struct{ stmt duckdb.PreparedStatement }

func prepare(conn duckdb.Connection, text string) (*statement, error) {
	s := &statement{}
	if duckdb.Prepare(conn, text, &s.stmt) == duckdb.StateError {
		message := duckdb.PrepareError(s.stmt)
		s.close()
		return nil, failure(duckdb.ErrorTypeInvalid, message)
	}
	return s, nil
}

// take gives the parameters their values.
func (s *statement) take(args []any) error {
	if n := duckdb.NParams(s.stmt); int(n) != len(args) { //nolint:gosec // few
		return invalid(fmt.Sprintf("the query has %d parameters, and there are %d values", n, len(args)), "")
	}
	for i, v := range args {
		switch v := v.(type) {
		case int64:
		case string:
			if strings.IndexByte(v, 0) >= 0 {
				return invalid("a value has a NUL character", "")
			}
		default:
			return fmt.Errorf("parameter %d is a %T, and no int64 or string", i+1, v)
		}
		s.bind(i+1, v)
	}
	return nil
}

func (s *statement) close() { duckdb.DestroyPrepare(&s.stmt) }

// run begins to execute the statement. Rows arrive as they are computed.
func (s *statement) run(ctx context.Context, conn duckdb.Connection) (*Rows, error) {
	var pending duckdb.PendingResult
	defer duckdb.DestroyPending(&pending)
	// Deprecated or not: it is the C interface's only way to a result that is
	// not held in memory whole.
	if duckdb.PendingPreparedStreaming(s.stmt, &pending) == duckdb.StateError {
		return nil, failure(duckdb.ErrorTypeInvalid, duckdb.PendingError(pending))
	}
	r := &Rows{ctx: ctx, conn: conn}
	if duckdb.ExecutePending(pending, &r.result) == duckdb.StateError {
		err := failure(duckdb.ResultErrorType(&r.result), duckdb.ResultError(&r.result))
		duckdb.DestroyResult(&r.result)
		return nil, err
	}
	r.open()
	return r, nil
}

// text runs a statement that answers with text, of one row or several, in the
// last column.
func (s *statement) text(conn duckdb.Connection) (string, error) {
	rows, err := s.run(context.Background(), conn)
	if err != nil {
		return "", err
	}
	defer rows.finish()
	var b strings.Builder
	for rows.Next() {
		values := rows.Values()
		if t, ok := values[len(values)-1].(string); ok {
			b.WriteString(t)
		}
	}
	return b.String(), rows.Err()
}
