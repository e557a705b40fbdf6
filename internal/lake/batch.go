package lake

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// colBatch names, in a table whose rows come in batches, the batch of a row.
// It is what says that a batch is in: whatever snapshots are kept, and
// whatever bookkeeping a crash cut short, it stands with the rows.
const colBatch = "_batch"

// summaryBatch names, in a snapshot's summary, the batch that it added.
const summaryBatch = "tributary.batch"

// Where a commit takes rows out of files, these say in its summary how many
// rows came and went: other rows of the files only moved.
const (
	summaryAdded   = "tributary.added-rows"
	summaryRemoved = "tributary.removed-rows"
)

// Records creates or loads a table for whole records of c, which come and go
// in batches. Where c has fields that the table lacks, they are added in place:
// older rows read null. Any other difference is a problem of kind Conflict,
// but for a table that nothing was ever committed to: it is made anew.
// An object of which no field is known has no column until it has one.
//
// Beside those of c there are the columns _batch and _object: the batch of a
// row, and the Stripe object that it is of, null for a row that a client pushed.
// A table from before there was _object gets it here.
func (l *Lake) Records(ctx context.Context, name string, c *xdm.Composition) (*Table, error) {
	schema, err := recordsSchema(c)
	if err != nil {
		return nil, err
	}
	for {
		t, err := l.ensure(ctx, name, schema)
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != problem.Conflict {
			return t, err
		}
		if t == nil || t.SnapshotID() != 0 || !t.batched() {
			p.Advice = "A schema whose dataset holds data can only be added to"
			return t, err
		}
		// Whoever commits to it until then keeps it.
		if err := l.cat.dropAt(ctx, name, t.MetadataLocation()); err != nil && !outrun(err) {
			return nil, fault(err, "make table "+name+" anew")
		}
	}
}

func recordsSchema(c *xdm.Composition) (*iceberg.Schema, error) {
	var n numbering
	fields := []iceberg.NestedField{
		n.required(colBatch, typeString, "id of the batch that brought the row"),
		n.optional(colObject, typeString, "id of the Stripe object that the row is of"),
	}
	if err := distinct("", c.Fields); err != nil {
		return nil, err
	}
	for _, f := range c.Fields {
		if f.Name == colBatch || f.Name == colObject {
			return nil, problem.Errorf(problem.Invalid, "the schema %s has a field %s at its top, which is the name of our own column", c.ID, f.Name)
		}
		f := filled(f)
		if f == nil {
			continue
		}
		t, err := n.typeOf(f)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", c.ID, err)
		}
		fields = append(fields, n.optional(f.Name, t, f.Description))
	}
	return iceberg.NewSchema(0, fields...), nil
}

// distinct refuses names that SQL could not tell apart.
func distinct(at string, fields []*xdm.Field) error {
	seen := map[string]string{}
	for _, f := range fields {
		key := strings.ToLower(f.Name)
		if other, ok := seen[key]; ok {
			return problem.Errorf(problem.Invalid, "the fields %s%s and %s%s differ in nothing but the case of letters: a table can't have both", at, other, at, f.Name)
		}
		seen[key] = f.Name
		name := f.Name
		for e := f; e != nil; e = e.Elem {
			if err := distinct(at+name+".", e.Fields); err != nil {
				return err
			}
		}
	}
	return nil
}

// filled returns f without the objects that have no fields, nil if nothing is
// left.
func filled(f *xdm.Field) *xdm.Field {
	out := *f
	switch f.Kind {
	case xdm.Object:
		out.Fields = nil
		for _, kid := range f.Fields {
			if k := filled(kid); k != nil {
				out.Fields = append(out.Fields, k)
			}
		}
		if len(out.Fields) == 0 {
			return nil
		}
	case xdm.Array, xdm.Map:
		if f.Elem == nil {
			return nil
		}
		if out.Elem = filled(f.Elem); out.Elem == nil {
			return nil
		}
	default:
	}
	return &out
}

// batched says whether the table's rows come in batches.
func (t *Table) batched() bool {
	f, ok := t.tbl.Schema().FindFieldByName(colBatch)
	return ok && f.Required
}

// spans reports whether a file may have rows of the batch, and whether it has
// no others.
func (t *Table) spans(df iceberg.DataFile, batch string) (may, only bool) {
	f, ok := t.tbl.Schema().FindFieldByName(colBatch)
	if !ok {
		return false, false
	}
	low, high := df.LowerBoundValues()[f.ID], df.UpperBoundValues()[f.ID]
	if low == nil || high == nil {
		return true, false
	}
	return string(low) <= batch && batch <= string(high), string(low) == batch && string(high) == batch
}

// HasBatch says whether there are live rows of the batch. One whose rows all
// came under a key may have none any more.
func (t *Table) HasBatch(ctx context.Context, batch string) (bool, error) {
	files, err := t.BatchFiles(ctx, batch)
	return len(files) > 0, err
}

// A BatchFile is a live data file with rows of a batch.
type BatchFile struct {
	Name  string // its name among the table's data files
	Bytes int64  // of the file
	Rows  int64  // of the batch in it, without those that a delete file hides
	// Snapshot is the number of the commit that added the file.
	Snapshot int64
}

// BatchFiles returns the files with rows of a batch, those of all batches if
// it is empty. A table whose rows do not come in batches takes the number of a
// snapshot for one: the files that it added and that are still there.
func (t *Table) BatchFiles(ctx context.Context, batch string) ([]BatchFile, error) {
	for attempt := 0; ; attempt++ {
		files, err := t.batchFiles(ctx, batch)
		if !gone(err) || attempt == 3 {
			return files, fault(err, "list the files of "+t.Name())
		}
		if err := t.refresh(ctx); err != nil {
			return nil, err
		}
	}
}

func (t *Table) batchFiles(ctx context.Context, batch string) ([]BatchFile, error) {
	m := maintenance{t: t, ids: markIDs}
	if err := m.list(ctx); err != nil {
		return nil, err
	}
	if t.batched() {
		if batch != "" {
			m.data = slices.DeleteFunc(m.data, func(f *stored) bool { may, _ := t.spans(f.DataFile, batch); return !may })
		}
		if err := m.mark(ctx); err != nil {
			return nil, err
		}
	}
	var files []BatchFile
	for _, f := range m.data {
		rows := f.Count() - f.dead.count()
		switch {
		case batch == "":
		case !t.batched():
			if strconv.FormatInt(f.snapshot, 10) != batch {
				continue
			}
		default:
			if _, only := t.spans(f.DataFile, batch); only {
				break
			}
			var err error
			if rows, err = t.markBatches(ctx, f, []string{batch}); err != nil {
				return nil, err
			}
		}
		if rows > 0 {
			files = append(files, BatchFile{Name: path.Base(f.FilePath()), Bytes: f.FileSizeBytes(), Rows: rows, Snapshot: f.snapshot})
		}
	}
	return files, nil
}

// A Snapshot is a commit of rows.
type Snapshot struct {
	ID      int64
	Parent  int64  // the one before it, also when that is not known any more; 0 for the first
	Batch   string // that it added; "" if none
	Time    time.Time
	Added   int64 // rows
	Deleted int64 // rows; in a dataset, ids whose rows were replaced or went; keys, where rows were too many to count
	Files   int64 // data files that it added
	Bytes   int64 // of the files that it added
}

// Snapshots returns the commits of rows, oldest first, as far as they are still
// known. One that only rewrote files has no rows.
func (t *Table) Snapshots() []Snapshot {
	var out []Snapshot
	for _, s := range t.tbl.Metadata().Snapshots() {
		snap := Snapshot{ID: s.SnapshotID, Time: time.UnixMilli(s.TimestampMs).UTC()}
		if s.ParentSnapshotID != nil {
			snap.Parent = *s.ParentSnapshotID
		}
		if s.Summary == nil || s.Summary.Operation == table.OpReplace {
			out = append(out, snap)
			continue
		}
		number := func(key string) int64 {
			n, err := strconv.ParseInt(s.Summary.Properties[key], 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
		snap.Batch, snap.Added = s.Summary.Properties[summaryBatch], number("added-records")
		snap.Deleted = number("deleted-records") + number("added-equality-deletes") - number("removed-equality-deletes")
		snap.Files, snap.Bytes = number("added-data-files"), number("added-files-size")
		if s.Summary.Properties[summaryRemoved] != "" {
			snap.Added, snap.Deleted = number(summaryAdded), number(summaryRemoved)
		}
		out = append(out, snap)
	}
	return out
}

// Discard removes files that no commit will hold.
func (t *Table) Discard(f Files) error { return fault(f.remove(t.cat.disk), "drop files of "+t.Name()) }

// TidyBatches merges files if there are many, and leaves no delete file in a
// small table, or if there are many. Where another process commits all the
// time it leaves that to the next call.
func (t *Table) TidyBatches(ctx context.Context) error {
	opts, act, err := t.untidy(true)
	if err != nil || !act {
		return err
	}
	_, err = t.Maintain(ctx, opts)
	if problem.KindOf(err) == problem.Stale {
		return nil
	}
	return err
}
