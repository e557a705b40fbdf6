package lake

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/problem"
)

// propCommit names the last set of files that was committed.
const propCommit = "tributary.commit"

// commitAttempts bounds how often a commit is tried against other writers.
const commitAttempts = 10

// Housekeeping in the writer's lane: when a table has this many snapshots, its
// small manifests are merged and only the last few snapshots are kept.
const (
	snapshotsMax  = 32
	snapshotsKept = 8
	manifestBytes = 1 << 20
	tidyAge       = time.Minute // of unused metadata, lest another program is about to use it
)

// A Commit is one atomic change of a table.
type Commit struct {
	// Files hold the new rows. In a dataset they hold no id twice.
	Files Files
	// DeleteIDs name the objects whose rows of earlier commits disappear, in
	// whatever partition they are.
	// Rows of this commit are not affected, so naming the ids of Files makes
	// an upsert.
	DeleteIDs []string
	// Gone names objects whose rows disappear like those of DeleteIDs, where it
	// is known when they were created: in a partitioned table it concerns the
	// files of that month alone.
	Gone []Gone
	// Properties are set on the table together with the rows, also where
	// there is nothing else.
	Properties map[string]string
	// Summary is recorded in the snapshot, and lost when it expires.
	Summary map[string]string
}

// A Gone is an object whose row disappears. Created, in Unix seconds, is what
// that row says.
type Gone struct {
	ID      string
	Created int64
}

// Commit applies c as one Iceberg commit: all of it, or nothing. Files that
// are already in the table are not added again, so a call that failed may be
// repeated. Afterwards t is the new state.
func (t *Table) Commit(ctx context.Context, c Commit) error {
	if c.Files.Empty() && len(c.DeleteIDs) == 0 && len(c.Gone) == 0 && len(c.Properties) == 0 {
		return nil
	}
	deletes, err := t.writeDeletes(c)
	if err != nil {
		return fault(err, "write deletes of "+t.Name())
	}
	for attempt := range commitAttempts {
		if err = t.try(ctx, c, deletes); err == nil {
			t.cat.disk.release(c.Files)
			t.cat.disk.release(deletes)
			// What housekeeping leaves undone is done after the next commit.
			_ = t.tidy(ctx)
			return nil
		}
		if !errors.Is(err, table.ErrCommitFailed) || !pause(ctx, attempt) {
			break
		}
	}
	if !errors.Is(err, errUncertain) {
		err = errors.Join(err, deletes.remove(t.cat.disk))
	}
	return fault(err, "commit to "+t.Name())
}

// outrun says whether err is that another process was faster: it committed, or
// it removed files of a state that is past.
func outrun(err error) bool {
	if _, told := errors.AsType[*problem.Error](err); told {
		return errors.Is(err, table.ErrCommitFailed)
	}
	return errors.Is(err, table.ErrCommitFailed) || gone(err)
}

// pause backs off after a lost race, for about a second at most; it reports whether
// to try again.
func pause(ctx context.Context, attempt int) bool {
	base := 5 * time.Millisecond << min(attempt, 7)
	select {
	case <-time.After(base + rand.N(base)):
		return true
	case <-ctx.Done():
		return false
	}
}

// try stages c on the table's present state and commits it.
func (t *Table) try(ctx context.Context, c Commit, deletes Files) error {
	cur, err := t.cat.LoadTable(ctx, t.tbl.Identifier())
	if err != nil {
		return err
	}
	if cur.Metadata().DefaultPartitionSpec() != t.tbl.Metadata().DefaultPartitionSpec() {
		return &problem.Error{
			Kind:   problem.Stale,
			Detail: "table " + t.Name() + " was partitioned anew by another program while rows for it were written",
			Advice: "Run it again",
		}
	}
	props := iceberg.Properties{}
	maps.Copy(props, c.Properties)
	if key := c.Files.key; key != "" {
		if cur.Properties()[propCommit] == key {
			t.tbl = cur
			return deletes.remove(t.cat.disk)
		}
		props[propCommit] = key
	}
	tx := cur.NewTransaction()
	if err := tx.SetProperties(props); err != nil {
		return err
	}
	summary := iceberg.Properties(maps.Clone(c.Summary))
	switch {
	case !deletes.Empty():
		err = tx.NewRowDelta(summary).AddRows(c.Files.data...).AddDeletes(deletes.data...).Commit(ctx)
	case !c.Files.Empty():
		err = tx.AddDataFiles(ctx, c.Files.data, summary, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	}
	if err != nil {
		return err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return err
	}
	t.tbl = next
	return nil
}

// writeDeletes writes the equality delete files of c: one for each month of
// Gone if the table is partitioned, and one for all files.
func (t *Table) writeDeletes(c Commit) (Files, error) {
	all := slices.Clone(c.DeleteIDs)
	months := map[int32][]string{}
	field, monthly := byMonth(t.tbl)
	for _, g := range c.Gone {
		if !monthly {
			all = append(all, g.ID)
			continue
		}
		m := month(g.Created)
		months[m] = append(months[m], g.ID)
	}
	files := Files{key: uuid.NewString()}
	add := func(ids []string, at place) error {
		df, err := t.writeDelete(ids, at)
		if err == nil {
			files.data = append(files.data, df)
		}
		return err
	}
	var err error
	if len(all) > 0 {
		err = add(all, everywhere())
	}
	for _, m := range slices.Sorted(maps.Keys(months)) {
		if err == nil {
			err = add(months[m], monthOf(t.tbl, field, m))
		}
	}
	if err != nil {
		return Files{}, errors.Join(err, files.remove(t.cat.disk))
	}
	return files, nil
}

// writeDelete writes one equality delete file with the ids, each once.
func (t *Table) writeDelete(ids []string, at place) (iceberg.DataFile, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)

	enc, err := t.keyEncoding()
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, enc.arrow)
	b.Field(0).(*array.StringBuilder).AppendValues(ids, nil)
	batch := b.NewRecordBatch()
	defer batch.Release()

	f, err := createFile(t.tbl, t.cat.disk, enc, at)
	if err != nil {
		return nil, err
	}
	if err := f.write(batch); err != nil {
		return nil, errors.Join(err, f.abort())
	}
	return f.close()
}

// tidy keeps the metadata of a busy table small. Readers that planned on an
// expired snapshot keep their data files: those are Maintain's to remove.
func (t *Table) tidy(ctx context.Context) error {
	if len(t.tbl.Metadata().Snapshots()) < snapshotsMax {
		return nil
	}
	if err := t.expire(ctx, snapshotsKept, 0); err != nil {
		return err
	}
	_, err := t.sweep(ctx, "metadata", tidyAge)
	return err
}

// expire merges small manifests and forgets snapshots older than age, except
// for the last few. No file is removed.
func (t *Table) expire(ctx context.Context, keep int, age time.Duration) error {
	tx := t.tbl.NewTransaction()
	small := func(m iceberg.ManifestFile) bool { return m.Length() < manifestBytes/2 }
	if _, err := tx.RewriteManifests(ctx, table.WithRewriteManifestPredicate(small)); err != nil {
		return err
	}
	err := tx.ExpireSnapshots(table.WithRetainLast(keep), table.WithOlderThan(age), table.WithPostCommit(false))
	if err != nil {
		return err
	}
	next, err := tx.Commit(ctx)
	if err != nil {
		return err
	}
	t.tbl = next
	return nil
}
