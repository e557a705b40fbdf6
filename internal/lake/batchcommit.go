package lake

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/problem"
)

// batchAttempts bounds how often a change of a table of records is tried
// against those of other processes.
const batchAttempts = 30

// lostAttempts bounds how often that may be because a file was not there: then
// it is missing in the newest state, too.
const lostAttempts = 10

// A BatchCommit is one atomic change of a table of records.
type BatchCommit struct {
	Batch    string
	Files    Files    // rows of the batch
	Replaces []string // batches whose rows go; none where Files have keys
	// Props are set on the table in the same commit. Together they name the
	// batch: a table that has them has the batch. What has keys needs them,
	// because a batch may leave no row that would say that it is in.
	Props map[string]string
	// Was says what the table has of such properties, "" for one that is not
	// set, unless it has all of Props: else somebody else was faster, and the
	// commit is refused with a problem of kind Stale.
	Was map[string]string
}

// Changed is what a commit of a batch came to.
type Changed struct {
	Already  bool  // the batch was in: no row was put in
	Removed  int64 // rows of earlier commits that went; -1 where they were not counted
	Snapshot int64 // of the commit; 0 if there was none, or of properties alone
}

// CommitBatch adds the rows of a batch and sets properties; the rows of the
// batches that it replaces go, and those of its keys in earlier commits. All of
// it is one commit. A batch that is in is not put in again: its files are
// dropped. After an error they are gone as well, unless the outcome is unknown.
//
// Other processes may commit meanwhile. Where that makes the rows wrong, the
// error is a problem of kind Unavailable: they have to be written again, by a
// new writer, as Files are good for one call. That is so when the table was made anew, and when it had no keys
// as the writer was opened and has some now.
func (t *Table) CommitBatch(ctx context.Context, c BatchCommit) (Changed, error) {
	var done Changed
	err := c.check()
	if err == nil {
		err = t.contend(ctx, func() (err error) {
			done, err = t.tryBatch(ctx, &c)
			return err
		})
	}
	if err != nil && !errors.Is(err, errUncertain) {
		err = errors.Join(err, c.Files.remove(t.cat.disk))
	}
	return done, fault(err, "commit batch "+c.Batch+" to "+t.Name())
}

func (c *BatchCommit) check() error {
	switch {
	case c.Files.keys == nil:
		return nil
	case len(c.Replaces) > 0:
		return problem.Errorf(problem.Invalid, "batch %s has rows with keys: it can't replace other batches", c.Batch)
	case len(c.Props) == 0:
		return problem.Errorf(problem.Invalid, "batch %s has rows with keys and no property that names it", c.Batch)
	}
	return nil
}

// contend calls do with the present state of the table until no other process
// is faster.
func (t *Table) contend(ctx context.Context, do func() error) error {
	for attempt, lost := 0, 0; ; attempt++ {
		err := t.refresh(ctx)
		if err == nil {
			err = do()
		}
		if gone(err) {
			lost++
		}
		switch {
		case err == nil || !outrun(err) || errors.Is(err, errUncertain):
			return err
		case lost == lostAttempts:
			return err
		case attempt == batchAttempts || !pause(ctx, attempt):
			return &problem.Error{
				Kind: problem.Unavailable, Err: err,
				Detail: "table " + t.Name() + " was changed by others all the time",
				Advice: "Try again later",
			}
		}
	}
}

// tryBatch empties c.Files when it drops them.
func (t *Table) tryBatch(ctx context.Context, c *BatchCommit) (Changed, error) {
	have := t.tbl.Properties()
	drop := func() error {
		files := c.Files
		c.Files = Files{}
		return files.remove(t.cat.disk)
	}
	if len(c.Props) > 0 && contains(have, c.Props) {
		return Changed{Already: true}, drop()
	}
	for name, value := range c.Was {
		if have[name] != value {
			return Changed{}, &problem.Error{
				Kind:   problem.Stale,
				Detail: "table " + t.Name() + " was changed by another while batch " + c.Batch + " was made",
				Advice: "Run it again",
			}
		}
	}
	if was := c.Files.table; was != uuid.Nil && was != t.tbl.Metadata().TableUUID() {
		return Changed{}, again(t, "was made anew")
	}
	files, err := t.batchFiles(ctx, c.Batch) // HasBatch could take another state for t
	if err != nil {
		return Changed{}, err
	}
	in := len(files) > 0
	if k := c.Files.keys; k != nil {
		switch {
		case in:
			return Changed{}, problem.Errorf(problem.Conflict, "table %s has rows of batch %s and not its properties", t.Name(), c.Batch)
		case k.fresh && have[propKeyed] != "":
			return Changed{}, again(t, "got its first keys")
		}
	}
	if in {
		if err := drop(); err != nil {
			return Changed{}, err
		}
	}
	e := edit{rows: c.Files, props: c.Props, summary: map[string]string{summaryBatch: c.Batch}}
	e.gone = slices.DeleteFunc(slices.Clone(c.Replaces), func(b string) bool { return b == c.Batch })
	done, err := t.edit(ctx, e)
	done.Already = in
	return done, err
}

func contains(have, want map[string]string) bool {
	for name, value := range want {
		if got, ok := have[name]; !ok || got != value {
			return false
		}
	}
	return true
}

func again(t *Table, what string) error {
	return &problem.Error{
		Kind:   problem.Unavailable,
		Detail: "table " + t.Name() + " " + what + " while rows were written for it",
		Advice: "Begin again",
	}
}

// RemoveBatches removes the rows of batches in one commit and returns how many
// there were. What is not in is not missed. Rows that a batch replaced, of the
// same keys, do not come back.
func (t *Table) RemoveBatches(ctx context.Context, batches ...string) (removed int64, err error) {
	err = t.contend(ctx, func() error {
		done, err := t.edit(ctx, edit{gone: batches})
		removed = done.Removed
		return err
	})
	return removed, fault(err, "remove batches from "+t.Name())
}

// An edit is a change of a table of records, to be tried once.
type edit struct {
	rows    Files
	gone    []string // batches
	props   map[string]string
	summary map[string]string
}

// edit commits e to the table as it is in t. After an error the files of e are
// still there.
func (t *Table) edit(ctx context.Context, e edit) (done Changed, err error) {
	old, kept, removed, err := t.without(ctx, e.gone)
	if err != nil {
		return done, err
	}
	defer func() {
		if err != nil && !errors.Is(err, errUncertain) {
			err = errors.Join(err, kept.remove(t.cat.disk))
		}
	}()
	if e.rows.Empty() && len(old) == 0 && len(e.props) == 0 {
		return done, nil
	}
	props, summary := iceberg.Properties{}, iceberg.Properties{}
	maps.Copy(props, e.props)
	maps.Copy(summary, e.summary)
	if k := e.rows.keys; k != nil && k.rows > 0 {
		props[propKeyed] = "true"
	}
	deletes := e.rows.deletes()
	if removed, err = t.count(ctx, e.rows, removed, props); err != nil {
		return done, err
	}
	if removed >= 0 && (len(old) > 0 || len(deletes) > 0) {
		summary[summaryAdded], summary[summaryRemoved] = strconv.FormatInt(e.rows.Rows(), 10), strconv.FormatInt(removed, 10)
	}
	tx := t.tbl.NewTransaction()
	if err := tx.SetProperties(props); err != nil {
		return done, err
	}
	rows := slices.Concat(e.rows.data, kept.data)
	switch {
	case len(old) > 0: // and no keys, which would not reach the rows that are kept
		err = tx.ReplaceFiles(ctx, old, rows, nil, summary, table.WithoutAutoNameMapping())
	case len(deletes) > 0:
		err = tx.NewRowDelta(summary).AddRows(rows...).AddDeletes(deletes...).Commit(ctx)
	case len(rows) > 0:
		err = tx.AddDataFiles(ctx, rows, summary, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	}
	if err != nil {
		return done, err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return done, err
	}
	t.tbl = next
	done.Removed = removed
	if len(old)+len(deletes)+len(rows) > 0 {
		done.Snapshot = t.SnapshotID()
	}
	t.cat.disk.release(e.rows)
	t.cat.disk.release(kept)
	for _, df := range old {
		_ = t.cat.disk.touch(df.FilePath()) // the commit has happened, whatever comes of this
	}
	// What housekeeping leaves undone is done after the next commit.
	_ = t.tidy(ctx)
	return done, nil
}

// count notes in props how many rows are live after a commit, if there are
// delete files then, and returns how many go.
func (t *Table) count(ctx context.Context, rows Files, removed int64, props iceberg.Properties) (int64, error) {
	deletes := rows.deletes()
	if len(deletes) == 0 && t.DeleteFiles() == 0 {
		return removed, nil
	}
	before, known := t.live()
	left := before - removed
	if len(deletes) > 0 {
		var counted bool
		var err error
		if left, counted, err = t.after(ctx, deletes); err != nil {
			return 0, err
		}
		if removed = before - left; !known || !counted {
			removed = -1
		}
		known = counted
	}
	props[propRows] = ""
	if known {
		props[propRows] = strconv.FormatInt(left+rows.Rows(), 10)
	}
	return removed, nil
}

// without returns the files that hold live rows of the batches, and new ones
// with the other live rows of these files. The new ones get a higher sequence
// number than any delete file, and need none.
func (t *Table) without(ctx context.Context, batches []string) (old []iceberg.DataFile, kept Files, removed int64, err error) {
	if len(batches) == 0 {
		return nil, Files{}, 0, nil
	}
	enc, err := newEncoding(t.cat.mem, t.tbl.Schema(), true)
	if err != nil {
		return nil, Files{}, 0, err
	}
	m := maintenance{t: t, ids: markIDs}
	if err := m.list(ctx); err != nil {
		return nil, Files{}, 0, err
	}
	m.data = slices.DeleteFunc(m.data, func(f *stored) bool {
		return !slices.ContainsFunc(batches, func(b string) bool { may, _ := t.spans(f.DataFile, b); return may })
	})
	if err := m.mark(ctx); err != nil {
		return nil, Files{}, 0, err
	}
	out := sink{tbl: t.tbl, out: t.cat.disk, enc: enc, target: targetBytes, at: everywhere()}
	defer func() {
		if err == nil {
			err = out.roll()
		}
		kept = Files{data: out.done}
		if err != nil {
			err = errors.Join(err, out.abort(), kept.remove(t.cat.disk))
		}
	}()
	for _, f := range m.data {
		n, err := t.markBatches(ctx, f, batches)
		if err != nil {
			return nil, Files{}, 0, err
		}
		if n == 0 {
			continue
		}
		old = append(old, f.DataFile)
		removed += n
		if f.dead.count() == f.Count() {
			continue
		}
		if err := m.copyLive(ctx, f, enc.arrow, out.write); err != nil {
			return nil, Files{}, 0, err
		}
	}
	return old, kept, removed, nil
}

// markBatches marks the live rows of the batches as dead and returns their
// number.
func (t *Table) markBatches(ctx context.Context, f *stored, batches []string) (int64, error) {
	var row, n int64
	for batch, err := range t.batches(ctx, f.DataFile, []string{colBatch}) {
		if err != nil {
			return 0, err
		}
		col := batch.Column(0).(*array.String)
		for i := range col.Len() {
			if !f.dead.has(row) && slices.Contains(batches, col.Value(i)) {
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
