//go:build !cgo

package duck

import (
	"context"
	"database/sql"

	"github.com/tributary-data/tributary/internal/problem"
)

// A DB can't be had without cgo.
type DB struct{}

// ErrMissing says what is missing.
var ErrMissing = &problem.Error{
	Kind:   problem.Invalid,
	Detail: "this Tributary was built without a C++ compiler, so DuckDB is missing from it",
	Advice: "Install one (apt-get install g++) and build again, with CGO_ENABLED=1",
}

// Open returns ErrMissing.
func Open(context.Context, Catalog) (*DB, error) { return nil, ErrMissing }

// Close does nothing.
func (*DB) Close() error { return nil }

// Query returns ErrMissing.
func (*DB) Query(context.Context, string) (*sql.Rows, error) { return nil, ErrMissing }
