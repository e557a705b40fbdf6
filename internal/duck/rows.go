//go:build cgo

package duck

import (
	"context"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// Rows are the rows of a query, one at a time. They are not safe for use by
// several goroutines.
type Rows struct {
	ctx     context.Context // of the query: when it ends, so do the rows
	conn    duckdb.Connection
	result  duckdb.Result
	release func()
	// discreet words an error for who may read it; nil for as it is.
	discreet func(error) error
	columns  []column
	types    []*dataType

	chunk   duckdb.DataChunk
	vectors []vector
	size    uint64
	at      uint64 // of the next row in the chunk
	values  []any
	err     error
	done    bool
}

func (r *Rows) open() {
	n := int(duckdb.ColumnCount(&r.result))
	r.values = make([]any, n)
	r.vectors = make([]vector, n)
	for i := range n {
		logical := duckdb.ColumnLogicalType(&r.result, duckdb.IdxT(i))
		t := typeOf(logical)
		duckdb.DestroyLogicalType(&logical)
		r.types = append(r.types, t)
		r.columns = append(r.columns, column{name: duckdb.ColumnName(&r.result, duckdb.IdxT(i)), numeric: t.numeric()})
		if t.unknown != "" && r.err == nil {
			r.err = invalid("column "+r.columns[i].name+" has a type that can't be shown ("+t.unknown+")", "Cast it to VARCHAR")
		}
	}
}

func (r *Rows) describe() []column { return r.columns }

// Columns returns the names of the columns. The error is always nil; it is
// there for the likeness to database/sql.
func (r *Rows) Columns() ([]string, error) {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = c.name
	}
	return names, nil
}

// A ColumnType is what a query says of a column.
type ColumnType struct {
	Name string `json:"name"`
	Type string `json:"type"` // as DuckDB writes it: BIGINT, VARCHAR, JSON, STRUCT(a BIGINT)
}

// Types returns the columns with their types.
func (r *Rows) Types() []ColumnType {
	all := make([]ColumnType, len(r.columns))
	for i, c := range r.columns {
		all[i] = ColumnType{c.name, r.types[i].String()}
	}
	return all
}

// AppendRow appends the row that Next went to as a JSON array, exactly:
// decimals, and numbers that JSON lacks (NaN, Infinity), are texts.
func (r *Rows) AppendRow(b []byte) []byte {
	return appendExact(b, r.values)
}

// Next goes to the next row. It returns false after the last one, and when
// something went wrong: Err tells.
func (r *Rows) Next() bool {
	if r.err != nil || r.done {
		return false
	}
	for r.at == r.size {
		duckdb.DestroyDataChunk(&r.chunk)
		r.chunk = duckdb.FetchChunk(r.result)
		if r.chunk.Ptr == nil {
			r.end()
			return false
		}
		r.at, r.size = 0, uint64(duckdb.DataChunkGetSize(r.chunk))
		if r.size == 0 {
			r.end()
			return false
		}
		for i := range r.vectors {
			r.vectors[i] = r.types[i].open(duckdb.DataChunkGetVector(r.chunk, duckdb.IdxT(i)))
		}
	}
	for i := range r.vectors {
		r.values[i] = r.vectors[i].value(r.at)
	}
	r.at++
	return true
}

func (r *Rows) end() {
	r.done = true
	if message := duckdb.ResultError(&r.result); message != "" {
		r.err = failure(duckdb.ResultErrorType(&r.result), message)
		if err := r.ctx.Err(); err != nil {
			r.err = err
		}
		if r.discreet != nil {
			r.err = r.discreet(r.err)
		}
	}
}

// Values returns the row that Next went to, until the next call of Next: nil,
// bool, int64, uint64, *big.Int, float32, float64, Decimal, string, []byte,
// time.Time, Document, []any, Struct or Map. Dates, times of day, intervals,
// UUIDs and infinite timestamps are strings.
func (r *Rows) Values() []any { return r.values }

// Scan copies the row that Next went to into a *string, *int64, *bool,
// *float64 or *time.Time for each column, a pointer to one of these pointers
// where NULL may be, or an *any.
func (r *Rows) Scan(into ...any) error { return scanRow(r.values, into) }

// Err returns what ended the rows early, if anything.
func (r *Rows) Err() error { return r.err }

// finish gives the result back.
func (r *Rows) finish() {
	duckdb.DestroyDataChunk(&r.chunk)
	duckdb.DestroyResult(&r.result)
}

// Close ends the query. It may be called twice.
func (r *Rows) Close() error {
	if r.release != nil {
		r.finish()
		r.release()
		r.release = nil
		r.done = true
	}
	return nil
}
