package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
)

// A Plan is what a reader needs to read one snapshot of a table: a row counts
// unless a delete file of its partition, or of the empty partition, holds its
// key and has a higher Seq than the row's file.
type Plan struct {
	SnapshotID int64
	Columns    []Column
	Files      []File
	Deletes    []DeleteFile // each has one column, Key
	// Key is the column that says which row is whose. A row without a value in
	// it is hidden by no delete file.
	Key string
}

// A File is a live data file.
type File struct {
	Path      string // local path, or the URI of an object store
	Seq       int64  // data sequence number
	Rows      int64
	Bytes     int64
	Partition string // equal for files of one partition; "" if the table has none
}

// A DeleteFile lists keys whose rows in files with a lower Seq are gone.
type DeleteFile struct {
	Path      string
	Seq       int64
	Rows      int64
	Partition string
}

// A Column is a field of the table. Readers match it with the files' fields by
// ID: older files lack the younger columns.
type Column struct {
	ID       int
	Name     string // "element" in a list; "key" and "value" in a map
	Type     string // string, long, double, boolean, timestamptz, struct, list, map
	Required bool
	Fields   []Column // of a struct, list or map
}

// Scan plans to read the table as it is in t.
func (t *Table) Scan(ctx context.Context) (Plan, error) {
	for attempt := 0; ; attempt++ {
		p, err := t.plan(ctx)
		// A reader can lose a manifest to a writer that tidies up: look again.
		if !gone(err) || attempt == 3 {
			return p, fault(err, "plan a read of "+t.Name())
		}
		if err := t.refresh(ctx); err != nil {
			return Plan{}, err
		}
	}
}

// gone says whether a file was not there.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func (t *Table) refresh(ctx context.Context) error {
	cur, err := t.cat.LoadTable(ctx, t.tbl.Identifier())
	if err != nil {
		return fault(err, "load table "+t.Name())
	}
	t.tbl = cur
	return nil
}

func (t *Table) plan(ctx context.Context) (Plan, error) {
	key, _ := t.key()
	p := Plan{SnapshotID: t.SnapshotID(), Columns: columns(t.tbl.Schema().Fields()), Key: key.Name}
	for e, err := range t.entries(ctx) {
		if err != nil {
			return Plan{}, err
		}
		df := e.DataFile()
		part := partition(df)
		if df.ContentType() == iceberg.EntryContentData {
			p.Files = append(p.Files, File{localPath(df.FilePath()), e.SequenceNum(), df.Count(), df.FileSizeBytes(), part})
			continue
		}
		if !t.ours(df) {
			return Plan{}, foreign(df)
		}
		p.Deletes = append(p.Deletes, DeleteFile{localPath(df.FilePath()), e.SequenceNum(), df.Count(), part})
	}
	return p, nil
}

// entries yields the live files of the current snapshot.
func (t *Table) entries(ctx context.Context) iter.Seq2[iceberg.ManifestEntry, error] {
	return func(yield func(iceberg.ManifestEntry, error) bool) {
		snap := t.tbl.CurrentSnapshot()
		if snap == nil {
			return
		}
		manifests, err := snap.Manifests(t.cat.disk)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, m := range manifests {
			if err := context.Cause(ctx); err != nil {
				yield(nil, err)
				return
			}
			for e, err := range m.Entries(t.cat.disk, true) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// ours reports whether a delete file is one that Commit writes.
func (t *Table) ours(df iceberg.DataFile) bool {
	id, ok := t.key()
	return ok && df.ContentType() == iceberg.EntryContentEqDeletes && slices.Equal(df.EqualityFieldIDs(), []int{id.ID})
}

func foreign(df iceberg.DataFile) error {
	return fmt.Errorf("delete file %s was written by another program and is not one of ids", df.FilePath())
}

// partition names the partition that a file belongs to.
func partition(df iceberg.DataFile) string {
	values := df.Partition()
	if len(values) == 0 {
		return ""
	}
	ids := make([]int, 0, len(values))
	for id := range values {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var b strings.Builder
	fmt.Fprintf(&b, "%d", df.SpecID())
	for _, id := range ids {
		fmt.Fprintf(&b, "/%d=%v", id, values[id])
	}
	return b.String()
}

func columns(fields []iceberg.NestedField) []Column {
	cols := make([]Column, len(fields))
	for i, f := range fields {
		cols[i] = Column{ID: f.ID, Name: f.Name, Type: f.Type.Type(), Required: f.Required}
		if nested, ok := f.Type.(iceberg.NestedType); ok {
			cols[i].Fields = columns(nested.Fields())
		}
	}
	return cols
}
