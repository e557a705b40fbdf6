package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

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
func (l *Lake) Records(ctx context.Context, name string, c *xdm.Composition) (*Table, error) {
	schema, err := recordsSchema(c)
	if err != nil {
		return nil, err
	}
	t, err := l.ensure(ctx, name, schema)
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Conflict {
		if t != nil && t.SnapshotID() == 0 && t.inBatches() {
			if err := l.Drop(ctx, name); err != nil {
				return nil, err
			}
			return l.create(ctx, name, schema)
		}
		p.Advice = "A schema whose dataset holds data can only be added to"
	}
	return t, err
}

// inBatches reports whether the rows of the table come and go in batches.
func (t *Table) inBatches() bool {
	f, ok := t.tbl.Schema().FindFieldByName(colBatch)
	return ok && f.Required
}

func recordsSchema(c *xdm.Composition) (*iceberg.Schema, error) {
	var n numbering
	fields := []iceberg.NestedField{n.required(colBatch, typeString, "id of the batch that brought the row")}
	if err := distinct("", c.Fields); err != nil {
		return nil, err
	}
	for _, f := range c.Fields {
		if f.Name == colBatch {
			return nil, problem.Errorf(problem.Invalid, "the schema %s has a field %s at its top, which is the name of our own column", c.ID, colBatch)
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

// A BatchCommit is one atomic change of a table of records.
type BatchCommit struct {
	Batch    string
	Files    Files    // rows of the batch
	Replaces []string // batches whose rows go
}

// CommitBatch adds the rows of a batch and removes those of the batches that
// it replaces, in one commit. A batch that is in is not put in again: its files
// are dropped. After an error they are gone as well, unless the outcome is
// unknown. Nobody else may commit to the table meanwhile.
func (t *Table) CommitBatch(ctx context.Context, c BatchCommit) error {
	was := t.tbl.Metadata().TableUUID()
	in, err := false, t.refresh(ctx)
	if err == nil && t.tbl.Metadata().TableUUID() != was {
		err = problem.Errorf(problem.Unavailable, "table %s was made anew while rows were written for it", t.Name())
	}
	if err == nil {
		in, err = t.HasBatch(ctx, c.Batch)
	}
	if err != nil {
		return errors.Join(err, c.Files.remove(t.cat.disk))
	}
	if in {
		if err := c.Files.remove(t.cat.disk); err != nil {
			return fault(err, "drop files of batch "+c.Batch)
		}
		c.Files = Files{}
	}
	gone := slices.DeleteFunc(slices.Clone(c.Replaces), func(b string) bool { return b == c.Batch })
	_, err = t.changeBatches(ctx, c.Files, gone, map[string]string{summaryBatch: c.Batch})
	return err
}

// RemoveBatches removes the rows of batches in one commit and returns how many
// there were. What is not in is not missed.
func (t *Table) RemoveBatches(ctx context.Context, batches ...string) (int64, error) {
	return t.changeBatches(ctx, Files{}, batches, nil)
}

func (t *Table) changeBatches(ctx context.Context, added Files, gone []string, summary map[string]string) (removed int64, err error) {
	defer func() {
		if err != nil && !errors.Is(err, errUncertain) {
			err = errors.Join(err, added.remove(t.cat.disk))
		}
		err = fault(err, "change the batches of "+t.Name())
	}()
	if err := t.refresh(ctx); err != nil {
		return 0, err
	}
	old, kept, removed, err := t.without(ctx, gone)
	if err != nil {
		return 0, err
	}
	came := added.Rows()
	added.data = append(slices.Clip(added.data), kept.data...)
	if len(old) == 0 {
		if added.Empty() {
			return 0, nil
		}
		return 0, t.Commit(ctx, Commit{Files: added, Summary: summary})
	}
	told := iceberg.Properties{summaryAdded: strconv.FormatInt(came, 10), summaryRemoved: strconv.FormatInt(removed, 10)}
	maps.Copy(told, summary)
	tx := t.tbl.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{propCommit: uuid.NewString()}); err != nil {
		return 0, err
	}
	if err := tx.ReplaceFiles(ctx, old, added.data, nil, told, table.WithoutAutoNameMapping()); err != nil {
		return 0, err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return 0, err
	}
	t.tbl = next
	t.cat.disk.release(added)
	for _, df := range old {
		_ = t.cat.disk.touch(df.FilePath()) // the commit has happened, whatever comes of this
	}
	_ = t.tidy(ctx)
	return removed, nil
}

// without returns the files that hold rows of the batches, and new ones with
// the other rows of these files.
func (t *Table) without(ctx context.Context, batches []string) (old []iceberg.DataFile, kept Files, removed int64, err error) {
	if len(batches) == 0 {
		return nil, Files{}, 0, nil
	}
	enc, err := newEncoding(t.tbl.Schema(), true)
	if err != nil {
		return nil, Files{}, 0, err
	}
	out := sink{tbl: t.tbl, out: t.cat.disk, enc: enc, target: targetBytes, at: everywhere()}
	m := maintenance{t: t}
	defer func() {
		if err == nil {
			err = out.roll()
		}
		kept = Files{data: out.done}
		if err != nil {
			err = errors.Join(err, out.abort(), kept.remove(t.cat.disk))
		}
	}()
	for e, err := range t.entries(ctx) {
		if err != nil {
			return nil, Files{}, 0, err
		}
		f := storedFile(e)
		if f.ContentType() != iceberg.EntryContentData {
			return nil, Files{}, 0, foreign(f.DataFile)
		}
		if !slices.ContainsFunc(batches, func(b string) bool { in, _ := t.spans(f.DataFile, b); return in }) {
			continue
		}
		n, err := t.markBatches(ctx, &f, batches)
		if err != nil {
			return nil, Files{}, 0, err
		}
		if n == 0 {
			continue
		}
		old = append(old, f.DataFile)
		removed += n
		if n == f.Count() {
			continue
		}
		if err := m.copyLive(ctx, &f, enc.arrow, out.write); err != nil {
			return nil, Files{}, 0, err
		}
	}
	return old, kept, removed, nil
}

// markBatches marks the rows of the batches as dead and returns their number.
func (t *Table) markBatches(ctx context.Context, f *stored, batches []string) (int64, error) {
	var row, n int64
	for batch, err := range t.batches(ctx, f.DataFile, []string{colBatch}) {
		if err != nil {
			return 0, err
		}
		col := batch.Column(0).(*array.String)
		for i := range col.Len() {
			if slices.Contains(batches, col.Value(i)) {
				if f.dead == nil {
					f.dead = make(bitmap, (f.Count()+63)/64)
				}
				f.dead.set(row)
				n++
			}
			row++
		}
	}
	return n, nil
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

// HasBatch says whether there are rows of the batch.
func (t *Table) HasBatch(ctx context.Context, batch string) (bool, error) {
	files, err := t.BatchFiles(ctx, batch)
	return len(files) > 0, err
}

// A BatchFile is a live data file with rows of a batch.
type BatchFile struct {
	Name  string // its name among the table's data files
	Bytes int64  // of the file
	Rows  int64  // of the batch in it
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
	var files []BatchFile
	for e, err := range t.entries(ctx) {
		if err != nil {
			return nil, err
		}
		f := storedFile(e)
		if f.ContentType() != iceberg.EntryContentData {
			continue
		}
		rows := f.Count()
		switch {
		case batch == "":
		case !t.batched():
			if strconv.FormatInt(e.SnapshotID(), 10) != batch {
				continue
			}
		default:
			may, only := t.spans(f.DataFile, batch)
			if !may {
				continue
			}
			if !only {
				if rows, err = t.markBatches(ctx, &f, []string{batch}); err != nil {
					return nil, err
				}
			}
		}
		if rows > 0 {
			files = append(files, BatchFile{Name: path.Base(f.FilePath()), Bytes: f.FileSizeBytes(), Rows: rows, Snapshot: e.SnapshotID()})
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
	Deleted int64 // rows; in a dataset, ids whose rows were replaced or went
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

// TidyBatches merges files if there are many.
func (t *Table) TidyBatches(ctx context.Context) error {
	if t.DataFiles() < manyFiles {
		return nil
	}
	_, err := t.Maintain(ctx, MaintainOptions{})
	return err
}
