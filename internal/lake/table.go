package lake

import (
	"context"
	"errors"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Table is one Iceberg table as it was when loaded, or after the last commit
// through this value. It belongs to one goroutine; its writers' files may be
// encoded meanwhile.
type Table struct {
	cat *catalog
	tbl *table.Table
}

// tableProperties are set when a table is created. They bind other engines as
// well; what our own writer does is in parquet.go.
func tableProperties() iceberg.Properties {
	return iceberg.Properties{
		table.PropertyFormatVersion: "2",

		table.ParquetCompressionKey:      "zstd",
		table.ParquetCompressionLevelKey: strconv.Itoa(zstdLevel),

		// Bounds of top-level columns prune files; those of the record's
		// many leaves would only swell the manifests.
		table.DefaultWriteMetricsModeKey: "none",

		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.MetadataPreviousVersionsMaxKey:      "20",
		table.ManifestTargetSizeBytesKey:          strconv.Itoa(manifestBytes),

		// One writer per table: an append never conflicts with an upsert.
		table.WriteDeleteIsolationLevelKey: string(table.IsolationSnapshot),
	}
}

// ensure creates the table or loads and, where needed, evolves it. Other
// processes may do the same.
func (l *Lake) ensure(ctx context.Context, name string, schema *iceberg.Schema) (*Table, error) {
	for attempt := 0; ; attempt++ {
		t, err := l.tryEnsure(ctx, name, schema)
		if !outrun(err) || attempt == commitAttempts || !pause(ctx, attempt) {
			return t, fault(err, "make table "+name)
		}
	}
}

func (l *Lake) tryEnsure(ctx context.Context, name string, schema *iceberg.Schema) (*Table, error) {
	t, err := l.Load(ctx, name)
	if problem.KindOf(err) == problem.NotFound {
		if t, err = l.create(ctx, name, schema); err == nil {
			return t, nil
		}
		if _, there := l.Load(ctx, name); there == nil {
			err = errors.Join(table.ErrCommitFailed, err)
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	more, err := grown(t.tbl.Schema(), schema)
	if p, ok := errors.AsType[*problem.Error](err); ok {
		p.Detail = "table " + name + ": " + p.Detail
	}
	if err != nil || !more {
		return t, err
	}
	tx := t.tbl.NewTransaction()
	if err := tx.UpdateSchema(true, false).UnionByNameWith(schema).Commit(); err != nil {
		return t, err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return t, err
	}
	t.tbl = next
	return t, nil
}

func (l *Lake) create(ctx context.Context, name string, schema *iceberg.Schema) (*Table, error) {
	props := tableProperties()
	for _, f := range schema.Fields() {
		switch {
		case f.Name == colBatch && f.Required:
			props[table.MetricsModeColumnConfPrefix+"."+f.Name] = "full" // a bound cut short names no batch
		case measured(f):
			props[table.MetricsModeColumnConfPrefix+"."+f.Name] = table.DefaultWriteMetricsModeDefault
		}
	}
	tbl, err := l.cat.create(ctx, name, schema, props)
	if err != nil {
		return nil, fault(err, "create table "+name)
	}
	return &Table{cat: l.cat, tbl: tbl}, nil
}

// measured reports whether a top-level column gets statistics: all but nested
// ones and long or random text.
func measured(f iceberg.NestedField) bool {
	_, primitive := f.Type.(iceberg.PrimitiveType)
	return primitive && f.Name != "raw" && f.Name != "hash" && f.Name != colHash
}

// Name returns the name of the table, for example charges_history.
func (t *Table) Name() string {
	ident := t.tbl.Identifier()
	return ident[len(ident)-1]
}

// Property returns the value of a table property, "" if it is not set.
func (t *Table) Property(key string) string { return t.tbl.Properties()[key] }

// ArrowSchema returns the schema of the batches that a Writer takes. Fields
// carry their Iceberg ids, and their order is the table's.
func (t *Table) ArrowSchema() *arrow.Schema {
	s, err := table.SchemaToArrowSchema(t.tbl.Schema(), nil, true, false)
	if err != nil {
		// Every type that historySchema and datasetSchema use has an Arrow type.
		panic("lake: " + t.Name() + ": " + err.Error())
	}
	return s
}

// Rows returns the number of live rows. While there are delete files it may be
// an estimate: of a dataset, each deleted id is taken to have had one row; of a
// table of records it is exact unless a commit had too much to count, and then
// it is a lower bound.
func (t *Table) Rows() int64 {
	if n, known := t.live(); known {
		return n
	}
	return max(0, t.total("total-records")-t.total("total-equality-deletes"))
}

// Bytes returns the size of all data and delete files of the current snapshot.
func (t *Table) Bytes() int64 { return t.total("total-files-size") }

// DataFiles returns the number of data files of the current snapshot.
func (t *Table) DataFiles() int64 { return t.total("total-data-files") }

// DeleteFiles returns the number of delete files that readers must apply.
// Maintain brings it to zero.
func (t *Table) DeleteFiles() int64 { return t.total("total-delete-files") }

func (t *Table) total(key string) int64 {
	s := t.tbl.CurrentSnapshot()
	if s == nil || s.Summary == nil {
		return 0
	}
	n, err := strconv.ParseInt(s.Summary.Properties[key], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// SnapshotID returns the id of the current snapshot, 0 for an empty table.
func (t *Table) SnapshotID() int64 {
	if s := t.tbl.CurrentSnapshot(); s != nil {
		return s.SnapshotID
	}
	return 0
}

// MetadataLocation returns the URI of the current metadata file, which is what
// other engines open.
func (t *Table) MetadataLocation() string { return t.tbl.MetadataLocation() }

// FormatVersion returns the version of Iceberg's format that the table has.
func (t *Table) FormatVersion() int { return t.tbl.Metadata().Version() }

// Location returns the URI of the table's directory.
func (t *Table) Location() string { return t.tbl.Location() }

// UUID tells the table from all others, those of its name that came before it
// included.
func (t *Table) UUID() string { return t.tbl.Metadata().TableUUID().String() }
