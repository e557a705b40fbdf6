//go:build !cgo

package duck

import (
	"context"
	"iter"

	"github.com/tributary-data/tributary/internal/problem"
)

var errMissing = &problem.Error{
	Kind:   problem.Invalid,
	Detail: "a C++ compiler (g++) is needed to build Tributary, because DuckDB is linked in, and this one was built without",
	Advice: "Install it (apt-get install g++) and build again with CGO_ENABLED=1",
}

// A DB can't be had without cgo.
type DB struct{}

// Open returns an error that says what is missing.
func Open(context.Context, Catalog) (*DB, error) { return nil, errMissing }

// OpenGuarded returns the same error as Open.
func OpenGuarded(context.Context, Catalog, Limits) (*DB, error) { return nil, errMissing }

// A Shown is a view that can be queried.
type Shown struct {
	Schema  string       `json:"schema"`
	Name    string       `json:"name"`
	Columns []ColumnType `json:"columns"`
}

// Views returns the same error as Open.
func (*DB) Views(context.Context) ([]Shown, error) { return nil, errMissing }

// Query returns the same error as Open.
func (*DB) Query(context.Context, string) (*Rows, error) { return nil, errMissing }

// QueryWith returns the same error as Open.
func (*DB) QueryWith(context.Context, string, ...any) (*Rows, error) { return nil, errMissing }

// Keep returns the same error as Open.
func (*DB) Keep(context.Context, string, string) (func() error, error) { return nil, errMissing }

// Load returns the same error as Open.
func (*DB) Load(context.Context, string, []Loaded, iter.Seq2[[]any, error]) (func() error, error) {
	return nil, errMissing
}

// Close does nothing.
func (*DB) Close() error { return nil }

// Rows can't be had without cgo.
type Rows struct{}

func (*Rows) describe() []column { return nil }

// Columns returns the same error as Open.
func (*Rows) Columns() ([]string, error) { return nil, errMissing }

// A ColumnType is what a query says of a column.
type ColumnType struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Types returns no columns.
func (*Rows) Types() []ColumnType { return nil }

// AppendRow appends nothing.
func (*Rows) AppendRow(b []byte) []byte { return b }

// Next returns false.
func (*Rows) Next() bool { return false }

// Values returns no values.
func (*Rows) Values() []any { return nil }

// Scan returns the same error as Open.
func (*Rows) Scan(...any) error { return errMissing }

// Err returns the same error as Open.
func (*Rows) Err() error { return errMissing }

// Close does nothing.
func (*Rows) Close() error { return nil }
