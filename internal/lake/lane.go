package lake

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Table properties. They are set in the Iceberg commit that they speak of, so
// they outlive snapshots.
const (
	propCheckpoint = "tributary.checkpoint"  // extract.Checkpoint as JSON, as of the newest commit
	propSeq        = "tributary.seq"         // highest seq in the table
	propApplied    = "tributary.applied-seq" // of a dataset: versions up to it are in
)

// streamRows is how many rows go to the Parquet encoder at once.
const streamRows = 1250

// A Lane is the one writer of a resource: its history and its dataset. A
// version goes to the history with the checkpoint first, then to the dataset;
// what a crash leaves between the two is applied by Recover.
type Lane struct {
	// Between, if set, is called after the history's commit and before the
	// dataset's, and before that of a rebuild: tests stop there.
	Between func()
	// Rules, if set, is the version of the privacy rules that objects went
	// through before Append. Every commit says so on its table.
	Rules string

	history *Table // nil: the dataset is kept alone and carries the checkpoint
	data    *Table
	layout  *dataset.Layout
	tenant  string
	group   string

	old      *historyRows
	rows     *datasetRows
	oldFile  *Writer
	rowsFile *Writer
	replaced []Gone
	seq      int64
	wrote    bool // there were commits with rows
	told     bool // the batch has versions that the dataset only passes over
}

// Lane opens the tables of schema's resource, creating what is missing, for
// records of the given layout. Without history, versions are not kept, and the
// dataset can't be rebuilt.
func (l *Lake) Lane(ctx context.Context, schema *xdm.Schema, layout *dataset.Layout, history bool) (*Lane, error) {
	data, err := l.Dataset(ctx, schema)
	if err != nil {
		return nil, err
	}
	lane := &Lane{data: data, layout: layout, tenant: schema.Tenant, group: schema.Group}
	lane.rows = newDatasetRows(l.cat.mem, data.ArrowSchema(), layout, schema.Tenant)
	if history {
		if lane.history, err = l.History(ctx, schema.Resource); err != nil {
			return nil, err
		}
		lane.old = newHistoryRows(l.cat.mem, lane.history.ArrowSchema())
	}
	if lane.seq, err = lane.redo().number(propSeq); err != nil {
		return nil, err
	}
	return lane, nil
}

// redo is the table that carries the checkpoint.
func (l *Lane) redo() *Table {
	if l.history != nil {
		return l.history
	}
	return l.data
}

func (t *Table) number(property string) (int64, error) {
	text := t.Property(property)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("table %s: property %s: %w", t.Name(), property, err)
	}
	return n, nil
}

// Checkpoint returns the text given to the last Commit, "" before the first.
func (l *Lane) Checkpoint() string { return l.redo().Property(propCheckpoint) }

// Seq returns the highest seq given to a version so far.
func (l *Lane) Seq() int64 { return l.seq }

// Append adds a version to the batch in hand and numbers it. replaces says
// that the dataset holds an older state of the object.
func (l *Lane) Append(r *dataset.Record, v *dataset.Version, replaces bool) error {
	l.seq++
	v.Seq = l.seq
	if l.history != nil {
		l.old.append(r, v)
		if l.old.n >= streamRows {
			if err := l.stream(&l.oldFile, l.history, l.old); err != nil {
				return err
			}
		}
	}
	if v.Op == dataset.OpSeen {
		l.told = true
		return nil
	}
	return l.put(r, v, replaces)
}

// put adds a version to the dataset's half of the batch.
func (l *Lane) put(r *dataset.Record, v *dataset.Version, replaces bool) error {
	if replaces {
		// Stripe never changes the created of an object; who knows better
		// calls Drop as well.
		l.replaced = append(l.replaced, Gone{string(r.ID), r.Created})
	}
	l.rows.append(r, v)
	if l.rows.n < streamRows {
		return nil
	}
	return l.stream(&l.rowsFile, l.data, l.rows)
}

// A batcher collects rows.
type batcher interface {
	count() int
	take() arrow.RecordBatch
}

// stream hands the rows so far to the encoder.
func (l *Lane) stream(w **Writer, t *Table, r batcher) error {
	if r.count() == 0 {
		return nil
	}
	if *w == nil {
		// The file outlives the call, so it can't hang on the caller's context.
		*w = t.NewWriter(context.Background())
	}
	return (*w).Write(r.take())
}

// Commit makes the batch and the checkpoint durable together, in the history,
// and then applies the batch to the dataset. After an error the lane is of no
// more use.
func (l *Lane) Commit(ctx context.Context, checkpoint string) error {
	var oldFiles, newFiles Files
	var g errgroup.Group
	g.Go(func() (err error) {
		if l.history != nil {
			oldFiles, err = l.finish(&l.oldFile, l.history, l.old)
		}
		return err
	})
	g.Go(func() (err error) {
		newFiles, err = l.finish(&l.rowsFile, l.data, l.rows)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	l.wrote = l.wrote || !oldFiles.Empty() || !newFiles.Empty()
	seq := strconv.FormatInt(l.seq, 10)
	props := map[string]string{propCheckpoint: checkpoint, propSeq: seq}
	if l.history == nil {
		props[propApplied] = seq
		return l.commitData(ctx, Commit{Files: newFiles, Properties: props})
	}
	// Invariant 2: rows and checkpoint commit together or not at all.
	if err := l.history.Commit(ctx, Commit{Files: oldFiles, Properties: l.stamped(props)}); err != nil {
		return err
	}
	if l.Between != nil {
		l.Between()
	}
	if newFiles.Empty() && !l.told {
		return nil
	}
	return l.commitData(ctx, Commit{Files: newFiles, Properties: map[string]string{propApplied: seq}})
}

// commitData commits c to the dataset, without the rows that it replaces.
func (l *Lane) commitData(ctx context.Context, c Commit) error {
	c.Gone, c.Properties = l.replaced, l.stamped(c.Properties)
	err := l.data.Commit(ctx, c)
	l.replaced = l.replaced[:0]
	l.told = false
	return err
}

func (l *Lane) finish(w **Writer, t *Table, r batcher) (Files, error) {
	if err := l.stream(w, t, r); err != nil {
		return Files{}, err
	}
	if *w == nil {
		return Files{}, nil
	}
	files, err := (*w).Close()
	*w = nil
	return files, err
}

// Drop removes the row of an object from the dataset with the next commit.
// created, in Unix seconds, is what that row says.
func (l *Lane) Drop(id string, created int64) { l.replaced = append(l.replaced, Gone{id, created}) }

// Limits of Tidy: readers open every file, and apply every delete file to all
// the rows of its partition before it.
const (
	manyDeletes      = 32
	manyDeletesMonth = 4 * manyDeletes // where each concerns one month
	manyFiles        = 500

	// A dataset as small as this has no delete file for long, because some
	// engines read none, or wrongly. Its files stay so small that a changed row
	// costs little, and rewriting stops for a while when what was replaced,
	// which stays on disk for an hour, is worth more than litterBytes.
	smallBytes  = 64 << 20
	smallTarget = 4 << 20
	litterBytes = 4 * smallBytes
)

// Tidy maintains the tables of the lane that have many small files, and a small
// dataset that has any delete file, and gives memory back. It must not be called
// with a batch in hand.
func (l *Lane) Tidy(ctx context.Context) error {
	l.data.cat.mem.drop()
	for _, t := range []*Table{l.history, l.data} {
		if t == nil {
			continue
		}
		opts, act, err := t.untidy(l.wrote)
		if err != nil {
			return err
		}
		if !act {
			continue
		}
		if _, err := t.Maintain(ctx, opts); err != nil {
			return err
		}
	}
	return nil
}

// untidy reports whether and how Tidy maintains t. Without new rows there are
// no more files than the last time.
func (t *Table) untidy(wrote bool) (MaintainOptions, bool, error) {
	deletes, limit := t.DeleteFiles(), int64(manyDeletes)
	if t.Partition() == PartitionMonth {
		limit = manyDeletesMonth
	}
	switch {
	case deletes > 0 && t.Bytes() <= smallBytes:
		litter, err := t.litter()
		return MaintainOptions{TargetBytes: smallTarget}, litter <= litterBytes || deletes >= limit, err
	case deletes >= limit, wrote && t.DataFiles() >= manyFiles:
		return MaintainOptions{}, true, nil
	}
	return MaintainOptions{}, false, nil
}

// litter returns the bytes on disk of files that were replaced.
func (t *Table) litter() (int64, error) {
	files, err := os.ReadDir(filepath.Join(localPath(t.Location()), "data"))
	if err != nil {
		return 0, fault(err, "tidy "+t.Name())
	}
	bytes := -t.Bytes()
	for _, f := range files {
		if info, err := f.Info(); err == nil { // else it is gone
			bytes += info.Size()
		}
	}
	return bytes, nil
}

// Abort drops the batch in hand and its files.
func (l *Lane) Abort() {
	for _, w := range []*Writer{l.oldFile, l.rowsFile} {
		if w != nil {
			w.Abort()
		}
	}
	l.oldFile, l.rowsFile = nil, nil
}

// Recover applies the versions that are in the history and not yet in the
// dataset. scan takes an object apart along the lane's layout.
func (l *Lane) Recover(ctx context.Context, scan func(raw []byte, r *dataset.Record) error) error {
	if l.history == nil {
		return nil
	}
	applied, err := l.data.number(propApplied)
	if err != nil || applied >= l.seq {
		return err
	}
	// One commit at most was lost, and a batch holds no id twice. Should an old
	// row say of its creation what the new one does not, it is found by a delete
	// file for all partitions; but ClickHouse 26.7 passes those over.
	var old []string
	var rec dataset.Record
	for row, err := range l.history.ReadHistory(ctx, applied) {
		if err != nil {
			return err
		}
		if row.Op == dataset.OpSeen {
			continue
		}
		if err := scan([]byte(row.Raw), &rec); err != nil {
			return fmt.Errorf("%s, seq %d: %w", l.history.Name(), row.Seq, err)
		}
		v := row.Version()
		old = append(old, strings.Clone(row.ID))
		if err := l.put(&rec, &v, true); err != nil {
			return err
		}
	}
	files, err := l.finish(&l.rowsFile, l.data, l.rows)
	if err != nil {
		return err
	}
	return l.commitData(ctx, Commit{Files: files, DeleteIDs: old, Properties: map[string]string{propApplied: strconv.FormatInt(l.seq, 10)}})
}
