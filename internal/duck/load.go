//go:build cgo

package duck

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// Load makes a table of rows, until their first error. Its name may begin with that
// of a schema and a dot. Every query of this DB sees
// it, until drop is called. A row has a value for each column, and need not stay
// as it is after its step. A million rows take about a second.
func (d *DB) Load(ctx context.Context, name string, columns []Loaded, rows iter.Seq2[[]any, error]) (drop func() error, err error) {
	var conn duckdb.Connection
	if duckdb.Connect(d.db, &conn) == duckdb.StateError {
		return nil, invalid("no more queries can be run at once", "Close others before")
	}
	defer duckdb.Disconnect(&conn)
	schema, table, of := strings.Cut(name, ".")
	if !of {
		schema, table = "", name
	}
	full := quote(table)
	if of {
		full = quote(schema) + "." + full
		if err := exec(conn, "CREATE SCHEMA IF NOT EXISTS "+quote(schema)); err != nil {
			return nil, err
		}
	}
	var parts []string
	for _, c := range columns {
		parts = append(parts, quote(c.Name)+" "+c.sql())
	}
	if err := exec(conn, "CREATE TABLE "+full+" ("+strings.Join(parts, ", ")+")"); err != nil {
		return nil, err
	}
	drop = func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.exec("DROP TABLE " + full)
	}
	l := &loader{columns: columns}
	if err := cmp.Or(l.open(conn, schema, table), l.fill(ctx, rows)); err != nil {
		l.close()
		_ = drop() // what failed first is the reason
		return nil, fmt.Errorf("load the table %s: %w", name, err)
	}
	l.close()
	return drop, nil
}

func (c Loaded) sql() string {
	if c.Text {
		return "VARCHAR"
	}
	return "BIGINT"
}

// A loader gathers rows in a chunk and appends it when it is full.
type loader struct {
	columns  []Loaded
	appender duckdb.Appender
	chunk    duckdb.DataChunk
	vectors  []duckdb.Vector
	numbers  [][]int64 // the memory of those vectors that are BIGINT
	n, most  int
}

func (l *loader) open(conn duckdb.Connection, schema, table string) error {
	if duckdb.AppenderCreateExt(conn, "", schema, table, &l.appender) == duckdb.StateError {
		return fmt.Errorf("duckdb: %s", duckdb.AppenderError(l.appender))
	}
	var types []duckdb.LogicalType
	for _, c := range l.columns {
		t := duckdb.TypeBigInt
		if c.Text {
			t = duckdb.TypeVarchar
		}
		types = append(types, duckdb.CreateLogicalType(t))
	}
	l.chunk = duckdb.CreateDataChunk(types)
	for i := range types {
		duckdb.DestroyLogicalType(&types[i])
	}
	l.most = int(duckdb.VectorSize())
	l.vectors, l.numbers = make([]duckdb.Vector, len(l.columns)), make([][]int64, len(l.columns))
	l.begin()
	return nil
}

// begin finds the memory of an empty chunk.
func (l *loader) begin() {
	duckdb.DataChunkReset(l.chunk)
	l.n = 0
	for i, c := range l.columns {
		l.vectors[i] = duckdb.DataChunkGetVector(l.chunk, duckdb.IdxT(i))
		if !c.Text {
			l.numbers[i] = unsafe.Slice((*int64)(duckdb.VectorGetData(l.vectors[i])), l.most)
		}
	}
}

func (l *loader) fill(ctx context.Context, rows iter.Seq2[[]any, error]) error {
	for row, err := range rows {
		if err != nil {
			return err
		}
		if err := l.add(row); err != nil {
			return err
		}
		if l.n < l.most {
			continue
		}
		if err := cmp.Or(ctx.Err(), l.flush()); err != nil {
			return err
		}
	}
	if err := cmp.Or(ctx.Err(), l.flush()); err != nil {
		return err
	}
	if duckdb.AppenderClose(l.appender) == duckdb.StateError {
		return fmt.Errorf("duckdb: %s", duckdb.AppenderError(l.appender))
	}
	return nil
}

func (l *loader) add(row []any) error {
	if len(row) != len(l.columns) {
		return fmt.Errorf("%d values for %d columns", len(row), len(l.columns))
	}
	for i, v := range row {
		switch v := v.(type) {
		case string:
			if !l.columns[i].Text {
				return fmt.Errorf("a text for the number %s", l.columns[i].Name)
			}
			duckdb.VectorAssignStringElement(l.vectors[i], duckdb.IdxT(l.n), strings.ToValidUTF8(v, "\ufffd"))
		case int64:
			if l.columns[i].Text {
				return fmt.Errorf("a number for the text %s", l.columns[i].Name)
			}
			l.numbers[i][l.n] = v
		default:
			return fmt.Errorf("a %T for %s", v, l.columns[i].Name)
		}
	}
	l.n++
	return nil
}

func (l *loader) flush() error {
	if l.n == 0 {
		return nil
	}
	duckdb.DataChunkSetSize(l.chunk, duckdb.IdxT(l.n))
	if duckdb.AppendDataChunk(l.appender, l.chunk) == duckdb.StateError {
		return fmt.Errorf("duckdb: %s", duckdb.AppenderError(l.appender))
	}
	l.begin()
	return nil
}

func (l *loader) close() {
	duckdb.AppenderDestroy(&l.appender)
	duckdb.DestroyDataChunk(&l.chunk)
}
