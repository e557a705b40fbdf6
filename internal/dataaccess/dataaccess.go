// Package dataaccess hands out the files of batches and datasets: those with
// the rows, and those that say what went wrong.
package dataaccess

import (
	"context"
	"encoding/json"
	"io"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
)

// Catalog is where batches and datasets are found; problem.NotFound.
type Catalog interface {
	// Batch takes the id, or $ and the external id.
	Batch(ctx context.Context, c access.Caller, id string) (catalog.Batch, error)
	Dataset(ctx context.Context, c access.Caller, id string) (catalog.Dataset, error)
	// BatchFiles returns a batch, its dataset and the live files with rows of it.
	BatchFiles(ctx context.Context, c access.Caller, id string) (catalog.Batch, catalog.Dataset, []catalog.File, error)
}

// Tables is the part of catalog.Tables that is read here.
type Tables interface {
	Open(ctx context.Context, table, path string) (io.ReadSeekCloser, error)
	Preview(ctx context.Context, table string, n int) ([]json.RawMessage, error)
}

// Diagnostics are the files that ingestion keeps about a batch. Their names
// are relative, with slashes:
//
//	row_errors/NAME         rows that failed, JSON lines
//	input_files             the files that came in: JSON lines {"path":"F1.json"}
//	row_error_samples.json  some of the rows that failed
//	failed/NAME             the files of a batch that failed
type Diagnostics interface {
	// List returns the files of a folder, "row_errors" or "failed", and those
	// outside of them for "". Paths are within the folder. A folder without
	// files is empty.
	List(ctx context.Context, c access.Caller, batch, folder string) ([]catalog.File, error)
	// Open opens a file by its whole name; problem.NotFound.
	Open(ctx context.Context, c access.Caller, batch, name string) (io.ReadSeekCloser, error)
}

// A Service hands out files.
type Service struct {
	Catalog     Catalog
	Tables      Tables
	Diagnostics Diagnostics // may be nil: then there are none
}
