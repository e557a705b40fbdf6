// Package tables keeps the rows of datasets in the lake's tables, and says
// which records fit a schema.
package tables

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"sync"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Tables implements catalog.Tables over a lake that is open for writing. The
// tables that passes of sync write are read here and never written. Several
// processes may each have Tables over one lake: whoever commits second does so
// on top of the first.
type Tables struct {
	lake *lake.Lake

	mu    sync.Mutex
	lanes map[string]*lane // by table, while somebody is in them
}

// New returns the tables of a lake.
func New(l *lake.Lake) *Tables { return &Tables{lake: l, lanes: map[string]*lane{}} }

var _ catalog.Tables = (*Tables)(nil)

// A lane lets one after the other commit to a table.
type lane struct {
	turn chan struct{} // holds a token while somebody commits
	n    int           // who is in it or waits
}

// enter waits for the turn to commit to a table and returns what ends it.
func (t *Tables) enter(ctx context.Context, table string) (leave func(), err error) {
	t.mu.Lock()
	l := t.lanes[table]
	if l == nil {
		l = &lane{turn: make(chan struct{}, 1)}
		t.lanes[table] = l
	}
	l.n++
	t.mu.Unlock()
	gone := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if l.n--; l.n == 0 {
			delete(t.lanes, table)
		}
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, context.Cause(ctx)
	}
}

// Ensure creates the table, or adds the fields that it lacks; anything else is
// problem.Conflict.
func (t *Tables) Ensure(ctx context.Context, table string, c *xdm.Composition) error {
	leave, err := t.enter(ctx, table)
	if err != nil {
		return err
	}
	defer leave()
	_, err = t.lake.Records(ctx, table, c)
	return err
}

// Drop removes the table and its rows; one that is not there is not missed.
func (t *Tables) Drop(ctx context.Context, table string) error {
	leave, err := t.enter(ctx, table)
	if err != nil {
		return err
	}
	defer leave()
	return t.lake.Drop(ctx, table)
}

// Stats tells how much is in the table now. With delete files, rows are an
// estimate.
func (t *Tables) Stats(ctx context.Context, table string) (catalog.Stats, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return catalog.Stats{}, err
	}
	return catalog.Stats{
		Rows: tbl.Rows(), Bytes: tbl.Bytes(), Files: tbl.DataFiles(), SnapshotID: tbl.SnapshotID(), Location: tbl.Location(),
	}, nil
}

// Append adds the rows of a batch in one commit, without those of the batches
// that it replaces. Rows are records that a Checker returned. They are all
// asked for, also where the batch is in already and is not put in again; an
// error among them leaves the table as it was. The rows are written while
// others may commit, and schemas grow; memory does not grow with their number.
func (t *Tables) Append(ctx context.Context, table, batch string, replaces []string, rows iter.Seq2[json.RawMessage, error]) (catalog.Appended, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return catalog.Appended{}, err
	}
	in, err := tbl.HasBatch(ctx, batch)
	if err != nil {
		return catalog.Appended{}, err
	}
	w := tbl.NewRecords(ctx, batch)
	for row, err := range rows {
		if err == nil && !in {
			err = w.Append(row)
		}
		if err != nil {
			w.Abort()
			return catalog.Appended{}, err
		}
	}
	files, err := w.Close()
	if err != nil {
		return catalog.Appended{}, err
	}
	leave, err := t.enter(ctx, table)
	if err != nil {
		return catalog.Appended{}, errors.Join(err, tbl.Discard(files))
	}
	defer leave()
	change, err := tbl.CommitBatch(ctx, lake.BatchCommit{Batch: batch, Files: files, Replaces: replaces})
	if err != nil {
		return catalog.Appended{}, err
	}
	done, err := present(ctx, tbl, batch)
	done.Already, done.Removed = change.Already, change.Removed
	if err != nil {
		return catalog.Appended{}, err
	}
	_ = tbl.TidyBatches(ctx) // what it leaves undone is done after the next commit
	return done, nil
}

// present returns what the table has of a batch.
func present(ctx context.Context, tbl *lake.Table, batch string) (catalog.Appended, error) {
	done := catalog.Appended{SnapshotID: tbl.SnapshotID(), Removed: -1}
	have, err := tbl.BatchFiles(ctx, batch)
	for _, f := range have {
		done.Rows += f.Rows
		done.Bytes += f.Bytes
		done.Files++
		done.SnapshotID = f.Snapshot
	}
	return done, err
}

// Revert takes the rows of a batch out and returns how many they were. Rows
// that it replaced by their keys do not come back.
func (t *Tables) Revert(ctx context.Context, table, batch string) (int64, error) {
	leave, err := t.enter(ctx, table)
	if err != nil {
		return 0, err
	}
	defer leave()
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return 0, err
	}
	return tbl.RemoveBatches(ctx, batch)
}

// Maintain compacts a table that batches go into; see lake.Table.Maintain.
func (t *Tables) Maintain(ctx context.Context, table string, o lake.MaintainOptions) (lake.MaintainReport, error) {
	leave, err := t.enter(ctx, table)
	if err != nil {
		return lake.MaintainReport{}, err
	}
	defer leave()
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return lake.MaintainReport{}, err
	}
	return tbl.Maintain(ctx, o)
}

// Purge removes all that a table had before, from the disk: every snapshot but the
// newest, and every file that it does not use.
func (t *Tables) Purge(ctx context.Context, table string) error {
	leave, err := t.enter(ctx, table)
	if err != nil {
		return err
	}
	defer leave()
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return err
	}
	return tbl.Purge(ctx)
}

// Files lists the live data files with rows of the batch, of all batches where
// it is empty. After a compaction a file may have rows of others as well; Rows
// counts the batch's. In a copy of Stripe a batch is the number of a snapshot.
func (t *Tables) Files(ctx context.Context, table, batch string) ([]catalog.File, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return nil, err
	}
	have, err := tbl.BatchFiles(ctx, batch)
	if err != nil {
		return nil, err
	}
	files := make([]catalog.File, len(have))
	for i, f := range have {
		files[i] = catalog.File{Path: f.Name, Bytes: f.Bytes, Rows: f.Rows, Snapshot: f.Snapshot}
	}
	return files, nil
}

// Open opens a file that Files has listed, by its path.
func (t *Tables) Open(ctx context.Context, table, path string) (io.ReadSeekCloser, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return nil, err
	}
	f, err := tbl.OpenFile(path)
	if err != nil {
		return nil, err // not f, which would be no nil interface
	}
	return f, nil
}

// Preview returns up to n records, without our own columns.
func (t *Tables) Preview(ctx context.Context, table string, n int) ([]json.RawMessage, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return nil, err
	}
	return tbl.Preview(ctx, n)
}

// Commits lists the snapshots that the table still has, oldest first. What only
// moved rows to other files counts none.
func (t *Tables) Commits(ctx context.Context, table string) ([]catalog.Commit, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return nil, err
	}
	var commits []catalog.Commit
	for _, s := range tbl.Snapshots() {
		commits = append(commits, catalog.Commit{SnapshotID: s.ID, Parent: s.Parent, Time: s.Time, Added: s.Added, Deleted: s.Deleted, Files: s.Files, Bytes: s.Bytes})
	}
	return commits, nil
}
