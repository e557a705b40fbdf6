package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/tributary-data/tributary/internal/dataset"
)

// propPrivacy names, on both tables, the version of the privacy rules that all
// rows went through; it is missing where there never were any.
const propPrivacy = "tributary.privacy"

// Privacy returns the version of the privacy rules that the rows of t went
// through, "" for none.
func (t *Table) Privacy() string { return t.Property(propPrivacy) }

// stamped adds the version of the privacy rules to the properties of a commit.
func (l *Lane) stamped(props map[string]string) map[string]string {
	if l.Rules == "" {
		return props
	}
	props = maps.Clone(props)
	props[propPrivacy] = l.Rules
	return props
}

// RewriteHistory writes every version anew, in the order of seq: change sets
// Raw and Hash of the record, and nothing else of a version changes. One commit
// replaces all files and says that the rows went through Rules. It holds a few
// batches of rows in memory, and must not be called with a batch in hand. The
// dataset stays as it is, for Rebuild.
func (l *Lane) RewriteHistory(ctx context.Context, change func(*HistoryRow, *dataset.Record) error) (versions int64, err error) {
	if err := l.history.refresh(ctx); err != nil {
		return 0, err
	}
	if l.history.SnapshotID() == 0 {
		return 0, l.history.Commit(ctx, Commit{Properties: l.stamped(map[string]string{})})
	}
	out := l.history.newWriter(ctx, true)
	var rec dataset.Record
	run := func() error {
		for row, err := range l.history.ReadHistory(ctx, 0) {
			if err != nil {
				return err
			}
			if err := change(&row, &rec); err != nil {
				return fmt.Errorf("seq %d: %w", row.Seq, err)
			}
			rec.ID, rec.Created = append(rec.ID[:0], row.ID...), row.Created
			v := row.Version()
			l.old.append(&rec, &v)
			versions++
			if l.old.n < streamRows {
				continue
			}
			if err := out.Write(l.old.take()); err != nil {
				return err
			}
		}
		if l.old.n > 0 {
			if err := out.Write(l.old.take()); err != nil {
				return err
			}
		}
		if have := l.history.total("total-records"); versions != have {
			return fmt.Errorf("%d versions were read and the table has %d", versions, have)
		}
		return nil
	}
	if err := run(); err != nil {
		l.old.take().Release()
		out.Abort()
		return 0, fmt.Errorf("rewrite %s: %w", l.history.Name(), err)
	}
	files, err := out.Close()
	if err != nil {
		return 0, err
	}
	return versions, l.history.Replace(ctx, files, l.stamped(map[string]string{}))
}

// Purge removes every snapshot but the newest, tags and branches of other
// programs included, and every file that it does not use, however young: what
// rows looked like before a rewrite is nowhere. Readers that planned before
// lose their files.
func (l *Lane) Purge(ctx context.Context) error {
	for _, t := range []*Table{l.history, l.data} {
		if t == nil {
			continue
		}
		if err := t.purge(ctx); err != nil {
			return fault(err, "purge "+t.Name())
		}
	}
	return nil
}

// Purge removes every snapshot of a table of records but the newest, and every file
// that it does not use, however young, as Lane.Purge does. What another process
// is writing meanwhile stays.
func (t *Table) Purge(ctx context.Context) error {
	return fault(t.contend(ctx, func() error { return t.purge(ctx) }), "purge "+t.Name())
}

// anyAge makes sweep take files from the future too: clocks are set back now
// and then.
const anyAge = -100 * 365 * 24 * time.Hour

func (t *Table) purge(ctx context.Context) error {
	if err := t.refresh(ctx); err != nil {
		return err
	}
	if err := t.forgetSnapshots(ctx); err != nil {
		return err
	}
	if _, err := t.sweep(ctx, "", anyAge); err != nil {
		return err
	}
	root := localPath(t.Location())
	return errors.Join(flush(filepath.Join(root, "data")), flush(filepath.Join(root, "metadata")))
}

// forgetSnapshots removes every snapshot but the newest from the metadata.
func (t *Table) forgetSnapshots(ctx context.Context) error {
	var old []int64
	for _, s := range t.tbl.Metadata().Snapshots() {
		if s.SnapshotID != t.SnapshotID() {
			old = append(old, s.SnapshotID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	// Not by age, as expire does: that spares what is as old as the newest.
	reqs := []table.Requirement{table.AssertTableUUID(t.tbl.Metadata().TableUUID())}
	_, _, err := t.cat.CommitTable(ctx, t.tbl.Identifier(), reqs, []table.Update{table.NewRemoveSnapshotsUpdate(old, false)})
	if err != nil {
		return err
	}
	return t.refresh(ctx)
}
