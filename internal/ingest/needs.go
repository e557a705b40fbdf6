package ingest

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/mapping"
)

// A Table is the pair of tables that one resource lands in. It has one writer.
type Table interface {
	// Append adds a version to the batch in hand; v.Seq is set by the table.
	// replaces says that the dataset holds an older state of the object.
	Append(r *dataset.Record, v *dataset.Version, replaces bool) error
	// Commit makes the batch and the checkpoint durable together. After an
	// error the table must be opened anew.
	Commit(ctx context.Context, checkpoint string) error
	// Last hands the objects of the versions with those seqs to each, in the
	// order of seq; nil for all of them when the table keeps no history. To ask
	// for many at once costs little more than to ask for one.
	Last(ctx context.Context, seqs []int64, each func(seq int64, raw []byte) error) error
	// Drop removes the object's row, which says that it was created then, with
	// the next commit: what is done for a deleted object where no history is
	// kept.
	Drop(id string, created int64)
}

// An Index knows which version of an object is stored. It learns of versions
// after their commit.
type Index interface {
	Get(id []byte) (idindex.Entry, bool, error)
	Apply(seq int64, puts []idindex.Put) error
}

// A Store keeps what is not a row: it is written before the commit that moves
// the checkpoint past the objects it speaks of, and writing twice does no harm.
type Store interface {
	Quarantine(ctx context.Context, rejected []dataset.Rejected) error
	// Settle removes what stands in quarantine of objects that landed since.
	Settle(ctx context.Context, resource string, ids []string) error
	NoteDrift(ctx context.Context, resource string, seen map[mapping.Drift]mapping.Noted, at time.Time) error
	// SetDue keeps when objects are to be read again; a Due of 0 forgets one.
	SetDue(ctx context.Context, resource string, due []Due) error
	// Want asks for an object to be read by id: one that another resource,
	// cause, refers to, or for cause resource itself one that is known and must
	// be read once more.
	Want(ctx context.Context, resource string, ids []string, cause string) error
}

// A Register keeps what lists showed while a copy is compared with its account.
type Register interface {
	// Note keeps an object that was created at that time, in unix seconds, -1 if
	// unknown; r is nil for one that was rejected.
	Note(id []byte, created int64, r *dataset.Record) error
	// Pass notes an object of which nothing may be kept, under a name that tells
	// nothing of it.
	Pass(name []byte, created int64) error
	// Sync makes what was noted durable. It is called before the commit that
	// moves the checkpoint past it.
	Sync() error
}

// A Forgetting knows of what nothing may be kept: customers who are to be
// forgotten, and what is theirs.
type Forgetting interface {
	// Judge says what may be kept of an object's JSON. What it learned is durable
	// when it returns. The answer is good until the next call.
	Judge(ctx context.Context, resource string, id, raw []byte) (Verdict, error)
}

// A Verdict says what may be kept of an object.
type Verdict struct {
	Gone bool   // nothing
	Raw  []byte // else this text
	Name []byte // of what is gone, in words that tell nothing
}

// A Due is an object that will change without an event.
type Due struct {
	ID      string
	Created int64 // unix seconds
	At      int64 // when it is expected to have changed, unix seconds; 0: not any more
}
