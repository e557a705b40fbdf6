package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/problem"
)

// propMade names, on a dataset, what its rows were made with by the last
// rebuild. Rows that landed since were made with what was in force then.
const propMade = "tributary.made-with"

// A Rebuild says how a dataset is made anew from its history.
type Rebuild struct {
	// Latest returns the seq of the newest upsert or delete of an object in the
	// history. It is asked once for each version, so that nobody has to hold
	// all ids in memory.
	Latest func(id string) (seq int64, ok bool, err error)
	// Scan takes an object apart along the lane's layout, or says why it can't
	// be a record.
	Scan func(raw []byte, r *dataset.Record) *dataset.Rejected
	// Reject keeps objects that Scan refused, durably: they will have no row.
	// The same ones come again when a rebuild is repeated.
	Reject func(ctx context.Context, rejected []dataset.Rejected) error
	// Made names the schema and mapping; see Lane.Made.
	Made string
}

// Rebuilt is what a rebuild came to, in rows: tombstones count.
type Rebuilt struct {
	Before   int64 // at least: a deleted id is taken to have had a row
	After    int64
	Rejected int64 // objects that have no row now
}

// rejectedRows bounds the objects that wait to be handed to Rebuild.Reject.
const rejectedRows = 500

// Rebuild makes the dataset anew from the newest version of each object in the
// history, which may have been replaced since the lane was opened, in the
// lane's present schema. One commit replaces all files: until then readers see
// the old rows, and a crash leaves them, with litter for Maintain. It holds a
// few batches of rows in memory, and must not be called with a batch in hand.
//
// A lane without history is refused, and so is a rebuild that would lose
// objects that the history does not have.
func (l *Lane) Rebuild(ctx context.Context, how Rebuild) (Rebuilt, error) {
	if l.history == nil {
		return Rebuilt{}, &problem.Error{
			Kind:   problem.Conflict,
			Detail: l.data.Name() + " has no history to be rebuilt from",
			Advice: "The copy was made with --no-history; only a new one, in another directory, can keep it",
		}
	}
	for _, t := range []*Table{l.history, l.data} {
		if err := t.refresh(ctx); err != nil {
			return Rebuilt{}, err
		}
	}
	var err error
	if l.seq, err = l.history.number(propSeq); err != nil {
		return Rebuilt{}, err
	}
	done := Rebuilt{Before: l.data.Rows()}
	files, err := l.remake(ctx, how, &done)
	if err != nil {
		return done, err
	}
	if have := done.After + done.Rejected; have < done.Before {
		err = &problem.Error{
			Kind:   problem.Conflict,
			Detail: fmt.Sprintf("the history of %s knows %d objects and the dataset has %d: a rebuild would lose some", l.data.Name(), have, done.Before),
			Advice: "The dataset was left as it is",
		}
		return done, errors.Join(err, files.remove(l.data.cat.disk))
	}
	if l.Between != nil {
		l.Between()
	}
	return done, l.data.Replace(ctx, files, l.stamped(map[string]string{
		propApplied: strconv.FormatInt(l.seq, 10), propMade: how.Made,
	}))
}

// Made returns what Rebuild.Made said at the last rebuild, "" if there was none.
func (l *Lane) Made() string { return l.data.Property(propMade) }

// remake writes the rows of the newest versions.
func (l *Lane) remake(ctx context.Context, how Rebuild, done *Rebuilt) (Files, error) {
	out := l.data.newWriter(ctx, true)
	var rec dataset.Record
	var rejected []dataset.Rejected
	reject := func() error {
		defer func() { rejected = rejected[:0] }()
		if len(rejected) == 0 {
			return nil
		}
		return how.Reject(ctx, rejected)
	}
	each := func(row *HistoryRow) error {
		if row.Op == dataset.OpSeen {
			return nil
		}
		switch newest, ok, err := how.Latest(row.ID); {
		case err != nil:
			return err
		case !ok:
			return fmt.Errorf("%s, seq %d: the index does not know its object", l.history.Name(), row.Seq)
		case newest != row.Seq:
			return nil
		}
		if bad := how.Scan([]byte(row.Raw), &rec); bad != nil {
			done.Rejected++
			bad.Resource, bad.ID, bad.Raw = l.data.Name(), strings.Clone(row.ID), []byte(row.Raw)
			bad.RunID, bad.SeenAt = strings.Clone(row.RunID), row.SeenAt
			if rejected = append(rejected, *bad); len(rejected) < rejectedRows {
				return nil
			}
			return reject()
		}
		v := row.Version()
		l.rows.append(&rec, &v)
		done.After++
		if l.rows.n < streamRows {
			return nil
		}
		return out.Write(l.rows.take())
	}
	run := func() error {
		for row, err := range l.history.ReadHistory(ctx, 0) {
			if err != nil {
				return err
			}
			if err := each(&row); err != nil {
				return err
			}
		}
		if l.rows.n > 0 {
			if err := out.Write(l.rows.take()); err != nil {
				return err
			}
		}
		return reject()
	}
	if err := run(); err != nil {
		l.rows.take().Release()
		out.Abort()
		return Files{}, fmt.Errorf("rebuild %s: %w", l.data.Name(), err)
	}
	return out.Close()
}

// Replace commits files in the place of all data and delete files that the
// table has, together with properties. Nobody else may have committed since the
// table was loaded. The old files stay for readers that use them, as long as
// Maintain leaves them. After an error the new ones are gone.
func (t *Table) Replace(ctx context.Context, files Files, props map[string]string) error {
	err := t.tryReplace(ctx, files, props)
	if err != nil && !errors.Is(err, errUncertain) {
		err = errors.Join(err, files.remove(t.cat.disk))
	}
	return fault(err, "replace the rows of "+t.Name())
}

func (t *Table) tryReplace(ctx context.Context, files Files, props map[string]string) error {
	var data, deletes []iceberg.DataFile
	for e, err := range t.entries(ctx) {
		if err != nil {
			return err
		}
		switch df := e.DataFile(); {
		case df.ContentType() == iceberg.EntryContentData:
			data = append(data, df)
		case t.ours(df):
			deletes = append(deletes, df)
		default:
			return foreign(df)
		}
	}
	set := iceberg.Properties{}
	maps.Copy(set, props)
	tx := t.tbl.NewTransaction()
	if err := tx.SetProperties(set); err != nil {
		return err
	}
	if err := tx.ReplaceFiles(ctx, data, files.data, deletes, nil, table.WithoutAutoNameMapping()); err != nil {
		return err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return err
	}
	t.tbl = next
	t.cat.disk.release(files)
	for _, df := range append(data, deletes...) {
		_ = t.cat.disk.touch(df.FilePath()) // the commit has happened, whatever comes of this
	}
	return nil
}
