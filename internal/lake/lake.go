// Package lake keeps tables in a local Apache Iceberg warehouse: it creates
// and evolves them, writes Parquet files, commits them exactly once together
// with table properties, plans reads, and keeps the files few and small. It is
// the only package that knows Iceberg and Arrow.
//
// A directory holds
//
//	lake/catalog.db                  SQLite: table name → current metadata file
//	lake/stripe/TABLE/metadata/…     metadata.json, manifest lists, manifests
//	lake/stripe/TABLE/data/…         Parquet: rows, and ids of replaced rows
//
// in the layout of Iceberg's SQL catalog (named "tributary", namespace
// "stripe"), so other engines open it without us. Metadata records absolute
// file URIs: a warehouse cannot be moved.
//
// # Durability
//
// A commit writes its data, its manifests and a new metadata.json, flushes all
// of them and their directories to the device, and only then swaps the pointer
// in the catalog, whose own commit is flushed as well. A crash at any point
// leaves the table as before or as after; what it leaves behind is unreferenced
// and removed by [Table.Maintain].
//
// # Several processes
//
// Tables of records may be written by several processes at once: a commit that
// comes second is staged anew on top of the first. A data file that waits for
// its commit is locked by its process, so that others do not take it for litter.
// A [Lane] has its tables for itself.
package lake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Lake is an open warehouse. Its methods may be called concurrently; one
// Table belongs to one goroutine at a time.
type Lake struct {
	cat *catalog
}

// Open opens the warehouse under dir for writing and creates what is missing.
// Other processes may have it open as well; the caller makes sure that a
// resource has one Lane.
func Open(ctx context.Context, dir string) (*Lake, error) {
	root, err := warehouse(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, fault(err, "create the lake")
	}
	cat, err := openCatalog(ctx, root)
	if err != nil {
		return nil, fault(err, "open the lake's catalog")
	}
	if err := cat.finishDrops(ctx); err != nil {
		return nil, errors.Join(fault(err, "remove the files of dropped tables"), cat.close())
	}
	return &Lake{cat: cat}, nil
}

// OpenReadOnly opens the warehouse under dir for reading, beside a process
// that writes to it. It creates and changes nothing: where there is no lake
// the error is a problem of kind NotFound.
func OpenReadOnly(ctx context.Context, dir string) (*Lake, error) {
	root, err := warehouse(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, catalogFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, &problem.Error{
			Kind:   problem.NotFound,
			Detail: "there is no lake in " + dir,
			Advice: "Run `tributary sync` first, or name the directory with --dir",
		}
	}
	cat, err := openCatalogReadOnly(ctx, root)
	if err != nil {
		return nil, fault(err, "open the lake's catalog")
	}
	return &Lake{cat: cat}, nil
}

func warehouse(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault(err, "find the lake")
	}
	return filepath.Join(abs, "lake"), nil
}

// Close releases the catalog. Tables of the lake must not be used afterwards.
func (l *Lake) Close() error { return l.cat.close() }

// Tables returns the names of all tables in alphabetical order.
func (l *Lake) Tables(ctx context.Context) ([]string, error) {
	names, err := l.cat.names(ctx)
	if err != nil {
		return nil, fault(err, "list the tables")
	}
	return names, nil
}

// Versions returns the URI of the current metadata file of every table: another
// one with every commit.
func (l *Lake) Versions(ctx context.Context) (map[string]string, error) {
	all, err := l.cat.locations(ctx)
	if err != nil {
		return nil, fault(err, "list the tables")
	}
	return all, nil
}

// Load returns the table as of now. An unknown name is a problem of kind
// NotFound.
func (l *Lake) Load(ctx context.Context, name string) (*Table, error) {
	tbl, err := l.cat.LoadTable(ctx, identifier(name))
	if err != nil {
		return nil, fault(err, "load table "+name)
	}
	return &Table{cat: l.cat, tbl: tbl}, nil
}

// History creates or loads the table <resource>_history: every version of
// every object, in the order of landing.
func (l *Lake) History(ctx context.Context, resource string) (*Table, error) {
	return l.ensure(ctx, resource+"_history", historySchema())
}

// Dataset creates or loads the table of the latest state of s's resource. When
// s has fields that the table lacks, they are added in place: older rows read
// null. Any other difference is a problem of kind Conflict.
func (l *Lake) Dataset(ctx context.Context, s *xdm.Schema) (*Table, error) {
	schema, err := datasetSchema(s)
	if err != nil {
		return nil, err
	}
	return l.ensure(ctx, s.Resource, schema)
}
