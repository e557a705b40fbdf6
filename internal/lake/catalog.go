package lake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/tributary-data/tributary/internal/problem"
)

const (
	catalogFile = "catalog.db"
	catalogName = "tributary"
	namespace   = "stripe"
)

// The tables of Iceberg's SQL catalog, version 1.
const catalogTables = `
CREATE TABLE IF NOT EXISTS iceberg_tables (
	catalog_name VARCHAR NOT NULL,
	table_namespace VARCHAR NOT NULL,
	table_name VARCHAR NOT NULL,
	iceberg_type VARCHAR,
	metadata_location VARCHAR,
	previous_metadata_location VARCHAR,
	PRIMARY KEY (catalog_name, table_namespace, table_name));
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
	catalog_name VARCHAR NOT NULL,
	namespace VARCHAR NOT NULL,
	property_key VARCHAR NOT NULL,
	property_value VARCHAR,
	PRIMARY KEY (catalog_name, namespace, property_key));
INSERT OR IGNORE INTO iceberg_namespace_properties VALUES ('` + catalogName + `', '` + namespace + `', 'exists', 'true')`

// stay is the advice where a directory is not where it was created.
const stay = "A lake holds absolute paths: move the directory back to where it was created"

// errUncertain marks a commit of which we cannot tell whether it happened.
var errUncertain = errors.New("the outcome of the commit is unknown")

// A catalog maps table names to their current metadata files. It implements
// table.CatalogIO: a commit is a compare-and-swap of the file's location.
//
// It stands in for iceberg-go's SQL catalog because that one reads and parses
// metadata.json twice per commit, does not flush files, and does not mark a
// lost race as one.
type catalog struct {
	db   *sql.DB
	disk *disk
	mem  *recycler // of rows on their way to files

	mu   sync.Mutex
	last map[string]version // by table name: what was read or written last

	// exec runs the statement of a commit: db's, or that of a test.
	exec func(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// A version is one state of a table. Metadata is immutable.
type version struct {
	location string
	meta     table.Metadata
}

func identifier(name string) table.Identifier { return table.Identifier{namespace, name} }

func openCatalog(ctx context.Context, root string) (*catalog, error) {
	c, err := connect(root, "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if _, err := c.db.ExecContext(ctx, catalogTables); err != nil {
		return nil, errors.Join(err, c.db.Close())
	}
	return c, nil
}

// openCatalogReadOnly falls back to the immutable mode where SQLite cannot
// create its shared-memory file, as on a read-only mount: nobody writes there.
func openCatalogReadOnly(ctx context.Context, root string) (*catalog, error) {
	var errs error
	for _, mode := range []string{"mode=ro", "mode=ro&immutable=1"} {
		c, err := connect(root, mode)
		if err != nil {
			return nil, err
		}
		if _, err = c.names(ctx); err == nil {
			return c, nil
		}
		errs = errors.Join(errs, err, c.db.Close())
		if _, err := os.Stat(filepath.Join(root, catalogFile+"-wal")); err == nil {
			break
		}
	}
	return nil, errs
}

func connect(root, query string) (*catalog, error) {
	dsn := url.URL{
		Scheme: "file", OmitHost: true, Path: filepath.Join(root, catalogFile),
		RawQuery: "_pragma=busy_timeout(10000)&" + query,
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &catalog{db: db, disk: newDisk(root), mem: &recycler{}, last: map[string]version{}, exec: db.ExecContext}, nil
}

func (c *catalog) close() error {
	c.disk.releaseAll()
	return c.db.Close()
}

func (c *catalog) names(ctx context.Context) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT table_name FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND metadata_location IS NOT NULL ORDER BY 1`, catalogName, namespace)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// locations returns the current metadata file of every table.
func (c *catalog) locations(ctx context.Context) (map[string]string, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT table_name, metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND metadata_location IS NOT NULL`, catalogName, namespace)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, location string
		if err := rows.Scan(&name, &location); err != nil {
			return nil, err
		}
		all[name] = location
	}
	return all, rows.Err()
}

// location returns the current metadata file of a table, "" if there is none.
func (c *catalog) location(ctx context.Context, name string) (string, error) {
	var loc sql.NullString
	err := c.db.QueryRowContext(ctx, `SELECT metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`, catalogName, namespace, name).Scan(&loc)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	return loc.String, nil
}

// LoadTable implements table.CatalogIO.
func (c *catalog) LoadTable(ctx context.Context, ident table.Identifier) (*table.Table, error) {
	v, err := c.load(ctx, ident[len(ident)-1])
	if err != nil {
		return nil, err
	}
	return c.table(ident, v), nil
}

func (c *catalog) table(ident table.Identifier, v version) *table.Table {
	return table.New(ident, v.meta, v.location, c.files, c)
}

func (c *catalog) files(context.Context) (iceio.IO, error) { return c.disk, nil }

// load reads a table's metadata unless it is the one seen last. A reader can
// lose its file to a writer that trims old metadata: it looks again.
func (c *catalog) load(ctx context.Context, name string) (version, error) {
	for attempt := 0; ; attempt++ {
		loc, err := c.location(ctx, name)
		if err != nil {
			return version{}, err
		}
		if loc == "" {
			return version{}, &problem.Error{Kind: problem.NotFound, Detail: "there is no table " + name}
		}
		c.mu.Lock()
		v := c.last[name]
		c.mu.Unlock()
		if v.location == loc {
			return v, nil
		}
		if err := c.disk.contains(loc); err != nil {
			return version{}, err
		}
		data, err := c.disk.ReadFile(loc)
		if errors.Is(err, fs.ErrNotExist) && attempt < 3 {
			continue
		}
		if errors.Is(err, fs.ErrNotExist) {
			return version{}, &problem.Error{
				Kind: problem.Conflict, Err: err,
				Detail: "the metadata of table " + name + " is not where the catalog says",
				Advice: stay,
			}
		}
		if err != nil {
			return version{}, err
		}
		meta, err := table.ParseMetadataBytes(data)
		if err != nil {
			return version{}, fmt.Errorf("metadata %s: %w", loc, err)
		}
		return c.remember(name, version{loc, meta}), nil
	}
}

func (c *catalog) remember(name string, v version) version {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[name] = v
	return v
}

// create adds a table with its first metadata file.
func (c *catalog) create(ctx context.Context, name string, schema *iceberg.Schema, props iceberg.Properties) (*table.Table, error) {
	if err := c.finishDrop(ctx, name); err != nil {
		return nil, err
	}
	loc := uri(filepath.Join(c.disk.root, namespace, name))
	meta, err := table.NewMetadata(schema, iceberg.UnpartitionedSpec, table.UnsortedSortOrder, loc, props)
	if err != nil {
		return nil, err
	}
	v := version{metadataFile(loc, 0), meta}
	if err := c.write(v); err != nil {
		return nil, err
	}
	// As in swap: a row whose metadata file is removed would block the table for
	// ever, and a statement that ctx interrupts may have done its work.
	ctx = context.WithoutCancel(ctx)
	_, err = c.db.ExecContext(ctx, `INSERT INTO iceberg_tables VALUES (?, ?, ?, 'TABLE', ?, NULL)`,
		catalogName, namespace, name, v.location)
	if err != nil {
		loc, lookErr := c.location(ctx, name)
		switch {
		case lookErr != nil:
			return nil, errors.Join(err, lookErr)
		case loc != v.location:
			return nil, errors.Join(err, c.disk.Remove(v.location))
		}
	}
	return c.table(identifier(name), c.remember(name, v)), nil
}

// CommitTable implements table.CatalogIO. Somebody else's commit in between is
// a table.ErrCommitFailed.
func (c *catalog) CommitTable(ctx context.Context, ident table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	name := ident[len(ident)-1]
	cur, err := c.load(ctx, name)
	if err != nil {
		return nil, "", err
	}
	for _, r := range reqs {
		if err := r.Validate(cur.meta); err != nil {
			return nil, "", fmt.Errorf("%w: %w", table.ErrCommitFailed, err)
		}
	}
	meta, err := table.UpdateTableMetadata(cur.meta, updates, cur.location)
	if err != nil {
		return nil, "", err
	}
	v := version{metadataFile(meta.Location(), versionOf(cur.location)+1), meta}
	if err := c.write(v); err != nil {
		return nil, "", errors.Join(err, c.discard(v))
	}
	if err := c.swap(ctx, name, cur, v); err != nil {
		if !errors.Is(err, errUncertain) {
			err = errors.Join(err, c.discard(v))
		}
		return nil, "", err
	}
	c.remember(name, v)
	return v.meta, v.location, nil
}

// write writes v's metadata file and makes it and everything written before it
// for the table durable.
func (c *catalog) write(v version) error {
	data, err := json.Marshal(v.meta)
	if err != nil {
		return err
	}
	if err := c.disk.WriteFile(v.location, data); err != nil {
		return err
	}
	return c.disk.sync(localPath(v.meta.Location()))
}

func (c *catalog) discard(v version) error {
	if err := c.disk.Remove(v.location); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// swap points the table to next if it still points to cur. The statement is
// not interrupted by ctx, and after an error the catalog is asked what it has:
// a commit that happened is never reported as failed, and the other way round.
func (c *catalog) swap(ctx context.Context, name string, cur, next version) error {
	ctx = context.WithoutCancel(ctx)
	_, err := c.exec(ctx, `UPDATE iceberg_tables
		SET metadata_location = ?, previous_metadata_location = ?, iceberg_type = 'TABLE'
		WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`,
		next.location, cur.location, catalogName, namespace, name, cur.location)
	loc, lookErr := c.location(ctx, name)
	switch {
	case lookErr != nil:
		return errors.Join(errUncertain, err, lookErr)
	case loc == next.location:
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("%w: table %s was changed by another writer", table.ErrCommitFailed, name)
	}
}

// metadataFile names a table's n-th metadata file.
func metadataFile(tableLocation string, n int) string {
	return fmt.Sprintf("%s/metadata/%05d-%s.metadata.json", tableLocation, n, uuid.New())
}

func versionOf(metadataFile string) int {
	digits, _, _ := strings.Cut(path.Base(metadataFile), "-")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}
