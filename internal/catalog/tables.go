package catalog

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"time"

	"github.com/tributary-data/tributary/internal/xdm"
)

// Tables are where the rows of datasets are. A table that is not there is
// problem.NotFound, but to Drop, which has nothing to do then.
type Tables interface {
	// Ensure creates the table, or adds the fields that it lacks; anything
	// else is problem.Conflict.
	Ensure(ctx context.Context, table string, c *xdm.Composition) error
	// Drop removes the table and its rows.
	Drop(ctx context.Context, table string) error
	// Stats tells how much is in the table now.
	Stats(ctx context.Context, table string) (Stats, error)
	// Append adds the rows of a batch in one commit. A batch that is in is not
	// put in again. The rows of the batches that it replaces go in the same
	// commit.
	Append(ctx context.Context, table, batch string, replaces []string, rows iter.Seq2[json.RawMessage, error]) (Appended, error)
	// Revert takes the rows of a batch out and returns how many they were.
	Revert(ctx context.Context, table, batch string) (rows int64, err error)
	// Files lists the live data files with rows of the batch, of all batches
	// where it is empty.
	Files(ctx context.Context, table, batch string) ([]File, error)
	// Open opens a file that Files has listed, by its path.
	Open(ctx context.Context, table, path string) (io.ReadSeekCloser, error)
	// Preview returns up to n rows.
	Preview(ctx context.Context, table string, n int) ([]json.RawMessage, error)
	// Commits lists the snapshots that the table has, oldest first.
	Commits(ctx context.Context, table string) ([]Commit, error)
}

// Stats are sums over the live files of a table.
type Stats struct {
	Rows       int64 // live rows
	Bytes      int64
	Files      int64
	SnapshotID int64  // 0 for a table without any
	Location   string // URI of the table's folder
}

// Appended is what a batch came to.
type Appended struct {
	Rows       int64 // of the batch
	Bytes      int64 // of the files with rows of it
	Files      int64
	SnapshotID int64 // of its commit; 0 where that brought and took no row
	// Already says that the batch was in before. Then rows of it may have been
	// replaced since, and what it removed is not known.
	Already bool
	// Gone is how many objects went without a new row, as far as they had one.
	Gone int64
	// Removed is how many rows of earlier commits went, replaced ones and gone
	// ones; -1 where they were too many to count.
	Removed int64
}

// A File is one live file. Its path is relative, with slashes, and safe: it
// leads to nothing outside its table.
type File struct {
	Path     string
	Bytes    int64
	Rows     int64
	Snapshot int64 // of the commit that brought it; 0 where that is not known
}

// A Commit is one snapshot of a table.
type Commit struct {
	SnapshotID int64
	Parent     int64 // the snapshot before it, also when that has expired; 0 for the first
	Time       time.Time
	// Added and Deleted count rows; their difference is what the live rows grew
	// by. A new state of a row counts in both. Rows that only move to other
	// files, as in compaction, count in neither.
	Added, Deleted int64
	Files          int64 // data files that it brought
	Bytes          int64 // of those
}
