package tables

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/lake"
)

// A Change is the state of an object, or that the object is gone.
type Change struct {
	Key    string          // the object's id; once in a batch
	Record json.RawMessage // the object's row, in the types of the table; nil where the object is gone
}

// A Mark is a property of a table that says how far a writer of changes is. It
// is set in the commit of the changes.
type Mark struct {
	Name  string // flow.<id>
	Value string // names the batch, too, so that no other batch has it
	// Late, if set, says the value in the place of Value once all changes were
	// asked for: it may count them. Whether the batch is in is then the caller's
	// to see.
	Late func() (string, error)
	Was  *string // what the changes go on from, "" for the beginning; nil for what it is when Upsert begins
}

// Upsert puts the rows of objects in the place of those that they have in the
// table, in one commit with the mark. A table that has the mark has the batch:
// nothing is asked for and nothing done. Memory does not grow with the number
// of changes; they are written while others may commit.
//
// An error leaves the table as it was. A problem of kind Stale says that the
// mark was moved by somebody else, or that the table lacks columns that Ensure
// adds; one of kind Unavailable, that the changes have to be read and written
// again.
func (t *Tables) Upsert(ctx context.Context, table, batch string, mark Mark, changes iter.Seq2[Change, error]) (catalog.Appended, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return catalog.Appended{}, err
	}
	was := tbl.Property(mark.Name)
	if mark.Late == nil && was == mark.Value {
		done, err := present(ctx, tbl, batch)
		done.Already = true
		return done, err
	}
	if mark.Was != nil {
		was = *mark.Was
	}
	w := tbl.NewRecords(ctx, batch)
	done := catalog.Appended{}
	for c, err := range changes {
		switch {
		case err != nil:
		case c.Record == nil:
			err = w.Gone(c.Key)
			done.Gone++
		default:
			err = w.AppendKeyed(c.Key, c.Record)
		}
		if err != nil {
			w.Abort()
			return catalog.Appended{}, err
		}
	}
	if mark.Late != nil {
		if mark.Value, err = mark.Late(); err != nil {
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
	change, err := tbl.CommitBatch(ctx, lake.BatchCommit{
		Batch: batch, Files: files, Props: map[string]string{mark.Name: mark.Value}, Was: map[string]string{mark.Name: was},
	})
	if err != nil {
		return catalog.Appended{}, err
	}
	if change.Already {
		done, err := present(ctx, tbl, batch)
		done.Already = true
		return done, err
	}
	done.Rows, done.Bytes, done.Files = files.Rows(), files.Bytes(), files.Count()
	done.Removed, done.SnapshotID = change.Removed, change.Snapshot
	_ = tbl.TidyBatches(ctx) // what it leaves undone is done after the next commit
	return done, nil
}

// Mark returns what a mark of the table is, "" if it was never set.
func (t *Tables) Mark(ctx context.Context, table, name string) (string, error) {
	tbl, err := t.lake.Load(ctx, table)
	if err != nil {
		return "", err
	}
	return tbl.Property(name), nil
}
