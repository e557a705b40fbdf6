package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Reader reads a directory, also while another process writes to it. It
// shows the tables as they were when it was opened.
type Reader struct {
	db    *duck.DB
	store *sqlstore.Store // of the quarantine, which is read on demand
}

// recordsPrefix begins the names of the tables that clients push into.
const recordsPrefix = "ds_"

// OpenReader prepares to query the copy in dir.
func OpenReader(ctx context.Context, dir string) (_ *Reader, err error) {
	l, store, err := openReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	r := &Reader{store: store}
	defer func() {
		if err != nil {
			_ = store.Close() // what failed first is the reason
		}
	}()
	c := duck.Catalog{Quarantine: r.quarantine(ctx)}
	drifts, err := store.Drifts(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range drifts {
		c.Drift = append(c.Drift, duck.Drift(d))
	}
	tables, err := l.Tables(ctx)
	if err != nil {
		return nil, err
	}
	if c.Resources, err = resourceViews(ctx, l, store, tables, drifts); err != nil {
		return nil, err
	}
	for _, name := range tables {
		if !strings.HasPrefix(name, recordsPrefix) {
			continue
		}
		t, err := tableView(ctx, l, tables, name)
		if problem.KindOf(err) == problem.NotFound {
			continue // it was dropped meanwhile
		}
		if err != nil {
			return nil, err
		}
		c.Records = append(c.Records, duck.Records{Name: name, Table: t})
	}
	if r.db, err = duck.Open(ctx, c); err != nil {
		return nil, err
	}
	return r, nil
}

// quarantine yields the rows of the table quarantine.
func (r *Reader) quarantine(ctx context.Context) iter.Seq2[duck.Quarantined, error] {
	return func(yield func(duck.Quarantined, error) bool) {
		for q, err := range r.store.Quarantined(ctx) {
			row := duck.Quarantined{
				Resource: q.Resource, ID: q.ID, Path: q.Path, Reason: q.Reason, Raw: string(q.Raw), RequestID: q.RequestID, RunID: q.RunID, SeenAt: q.SeenAt,
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Query runs one statement that reads.
func (r *Reader) Query(ctx context.Context, query string) (*duck.Rows, error) {
	return r.db.Query(ctx, query)
}

// QueryWith is Query with values for the parameters in it; see duck.DB.
func (r *Reader) QueryWith(ctx context.Context, query string, args ...any) (*duck.Rows, error) {
	return r.db.QueryWith(ctx, query, args...)
}

// Keep makes a table with the rows of a query that this reader's queries see,
// until drop is called.
func (r *Reader) Keep(ctx context.Context, name, query string) (drop func() error, err error) {
	return r.db.Keep(ctx, name, query)
}

// Load makes a table of rows that this reader's queries see, until drop is called.
func (r *Reader) Load(ctx context.Context, name string, columns []duck.Loaded, rows iter.Seq2[[]any, error]) (drop func() error, err error) {
	return r.db.Load(ctx, name, columns, rows)
}

// Close ends the reader.
func (r *Reader) Close() error { return errors.Join(r.db.Close(), r.store.Close()) }

func openReadOnly(ctx context.Context, dir string) (*lake.Lake, *sqlstore.Store, error) {
	if !exists(dir) {
		return nil, nil, &problem.Error{
			Kind: problem.NotFound, Detail: fmt.Sprintf("there is no copy in %s", dir),
			Advice: `Run "tributary sync" first, or name its directory with --dir`,
		}
	}
	l, err := lake.OpenReadOnly(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, store, nil
}

// resourceViews says how the tables of all resources are read.
func resourceViews(ctx context.Context, l *lake.Lake, store *sqlstore.Store, tables []string, drifts []sqlstore.Drift) ([]duck.Resource, error) {
	var all []duck.Resource
	for _, name := range xdm.Resources {
		schema, err := schemaOf(ctx, store, name)
		if err != nil {
			return nil, err
		}
		view, err := resourceView(ctx, l, tables, schema, drifts)
		if err != nil {
			return nil, err
		}
		all = append(all, view)
	}
	return all, nil
}

// resourceView says how the tables of a resource are read. A resource that was
// never synced has empty ones.
func resourceView(ctx context.Context, l *lake.Lake, tables []string, schema *xdm.Schema, drifts []sqlstore.Drift) (duck.Resource, error) {
	name := schema.Resource
	r := duck.Resource{Name: name, Body: []string{"_" + schema.Tenant, schema.Group}}
	for _, f := range schema.Fields {
		r.Fields = append(r.Fields, duck.Field{Name: f.Name, Kind: kindOf(f)})
	}
	for _, d := range drifts {
		if d.Resource == name && d.Kind == mapping.DriftField && !strings.Contains(d.Path, ".") {
			f := duck.Field{Name: d.Path, Kind: duck.JSON}
			if !slices.ContainsFunc(r.Fields, func(o duck.Field) bool { return strings.EqualFold(o.Name, f.Name) }) {
				r.Fields = append(r.Fields, f)
			}
		}
	}
	var err error
	if r.Dataset, err = tableView(ctx, l, tables, name); err != nil {
		return r, err
	}
	if slices.Contains(tables, name+"_history") || !slices.Contains(tables, name) {
		h, err := tableView(ctx, l, tables, name+"_history")
		if err != nil {
			return r, err
		}
		r.History = &h
	}
	return r, nil
}

func tableView(ctx context.Context, l *lake.Lake, tables []string, name string) (duck.Table, error) {
	var t duck.Table
	if !slices.Contains(tables, name) {
		return t, nil
	}
	table, err := l.Load(ctx, name)
	if err != nil {
		return t, err
	}
	return planned(ctx, table)
}

// planned says how a table is read as it is now.
func planned(ctx context.Context, table *lake.Table) (t duck.Table, err error) {
	plan, err := table.Scan(ctx)
	if err != nil {
		return t, err
	}
	for _, f := range plan.Files {
		t.Files = append(t.Files, duck.File{Path: f.Path, Seq: f.Seq, Partition: f.Partition, Rows: f.Rows})
	}
	for _, f := range plan.Deletes {
		t.Deletes = append(t.Deletes, duck.File{Path: f.Path, Seq: f.Seq, Partition: f.Partition, Rows: f.Rows})
	}
	t.Columns, t.Key = columns(plan.Columns), plan.Key
	return t, nil
}

func columns(of []lake.Column) []duck.Column {
	var out []duck.Column
	for _, c := range of {
		out = append(out, duck.Column{ID: c.ID, Name: c.Name, Type: c.Type, Fields: columns(c.Fields)})
	}
	return out
}

func kindOf(f *xdm.Field) duck.Kind {
	switch f.Kind {
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		return duck.BigInt
	case xdm.Double:
		return duck.Double
	case xdm.Boolean:
		return duck.Boolean
	case xdm.Object, xdm.Array, xdm.Map:
		return duck.JSON
	case xdm.String, xdm.Date, xdm.DateTime:
	}
	if f.JSON {
		return duck.JSON
	}
	return duck.Varchar
}

// A Dataset is what is known of one table of the lake.
type Dataset struct {
	Name             string `json:"name"`
	MetadataLocation string `json:"metadata_location"`
	Rows             int64  `json:"rows"`
	Bytes            int64  `json:"bytes"`
	DataFiles        int64  `json:"data_files"`
	DeleteFiles      int64  `json:"delete_files"`
	Partition        string `json:"partition"` // "month" or "none"
	SnapshotID       int64  `json:"snapshot_id"`
	Location         string `json:"location"`
}

// Datasets lists the tables in dir. Rows of a table with delete files are
// counted by reading it.
func Datasets(ctx context.Context, dir string) ([]Dataset, error) {
	l, store, err := openReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer store.Close()
	names, err := l.Tables(ctx)
	if err != nil {
		return nil, err
	}
	out := []Dataset{}
	var reader *Reader
	for _, name := range names {
		t, err := l.Load(ctx, name)
		if err != nil {
			return nil, err
		}
		d := Dataset{
			Name: name, MetadataLocation: t.MetadataLocation(), Rows: t.Rows(), Bytes: t.Bytes(), DataFiles: t.DataFiles(),
			DeleteFiles: t.DeleteFiles(), Partition: string(t.Partition()), SnapshotID: t.SnapshotID(), Location: t.Location(),
		}
		if d.DeleteFiles > 0 {
			if reader == nil {
				if reader, err = OpenReader(ctx, dir); err != nil {
					return nil, err
				}
				defer reader.Close()
			}
			if d.Rows, err = reader.count(ctx, name); err != nil {
				return nil, err
			}
		}
		out = append(out, d)
	}
	return out, nil
}

func (r *Reader) count(ctx context.Context, dataset string) (n int64, err error) {
	rows, err := r.Query(ctx, `select count(*) from xdm."`+dataset+`"`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

// Maintenance is what Maintain did to one table.
type Maintenance struct {
	Name string `json:"name"`
	lake.MaintainReport
}

// Maintain compacts every table in dir, applies its deletes, expires old
// snapshots and removes what crashes left. No file that a reader may still
// use is removed. Datasets are rewritten to be partitioned as partition says:
// "month", "none", or "auto", which is by month above five million rows.
func Maintain(ctx context.Context, dir, partition string, done func(Maintenance)) error {
	if !exists(dir) {
		return &problem.Error{Kind: problem.NotFound, Detail: fmt.Sprintf("there is no copy in %s", dir), Advice: "Name its directory with --dir"}
	}
	unlock, err := sqlstore.AcquireLock(dir)
	if err != nil {
		return unusable(dir, err)
	}
	defer unlock()
	l, err := lake.Open(ctx, dir)
	if err != nil {
		return unusable(dir, err)
	}
	defer l.Close()
	names, err := l.Tables(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		t, err := l.Load(ctx, name)
		if err != nil {
			return err
		}
		report, err := t.Maintain(ctx, lake.MaintainOptions{Partition: lake.Partitioning(partition)})
		if err != nil {
			return err
		}
		done(Maintenance{name, report})
	}
	return nil
}
