package lake

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// A Forget says which rows of a table go for ever.
type Forget struct {
	// Column is the text that is looked at, by the name of a column; "" for every
	// text of a row, however deep it stands.
	Column string
	// Is says of a text whether its row goes. It must not keep the text.
	Is func(text string) bool
	// Alone says that no other process has the lake open: files that nobody has
	// committed go, too.
	Alone bool
	// Whole does the work also where no live row goes: an earlier try may have
	// come that far, and old snapshots, delete files or manifests may tell of
	// what went.
	Whole bool
	// Props, if set, returns what may stay of a property of the table that is not
	// this package's.
	Props func(name, value string) string
}

// Forget removes rows from the table, and from its disk all that told of them:
// data files, delete files, bounds in manifests, snapshots, old metadata. It
// returns how many live rows went. Rows that stay are as they were. Readers that
// planned before lose their files. It may be repeated; other processes may commit
// meanwhile, but what they bring of such rows stays.
func (t *Table) Forget(ctx context.Context, f Forget) (rows int64, err error) {
	for attempt := 0; ; attempt++ {
		var n int64
		n, err = t.tryForget(ctx, f)
		rows += n
		if err == nil || !outrun(err) || attempt == maintainAttempts || !pause(ctx, attempt) {
			return rows, fault(err, "forget rows of "+t.Name())
		}
	}
}

func (t *Table) tryForget(ctx context.Context, f Forget) (rows int64, err error) {
	if err := t.refresh(ctx); err != nil {
		return 0, err
	}
	before, err := t.used(ctx, true)
	if err != nil {
		return 0, err
	}
	cut, err := t.cutProps(ctx, f.Props)
	if err != nil {
		return 0, err
	}
	if t.SnapshotID() == 0 {
		if !cut && !f.Whole {
			return 0, nil
		}
		return 0, t.leave(ctx, before, f.Alone)
	}
	m := maintenance{t: t, target: targetBytes, ids: markIDs, spill: spillBytes}
	if t.Bytes() <= smallBytes {
		m.target = smallTarget
	}
	if err := m.list(ctx); err != nil {
		return 0, err
	}
	if err := m.mark(ctx); err != nil {
		return 0, err
	}
	for _, file := range m.data {
		n, err := m.markTexts(ctx, file, f)
		if err != nil {
			return 0, err
		}
		rows += n
	}
	if rows == 0 && !cut && !f.Whole {
		return 0, nil
	}
	if err := m.arrange(ctx); err != nil {
		return 0, err
	}
	if err := t.freshManifests(ctx); err != nil {
		return rows, err
	}
	return rows, t.leave(ctx, before, f.Alone)
}

// cutProps cuts what may not stay from the properties of the table.
func (t *Table) cutProps(ctx context.Context, props func(name, value string) string) (cut bool, err error) {
	if props == nil {
		return false, nil
	}
	next := iceberg.Properties{}
	for name, value := range t.tbl.Properties() {
		if now := props(name, value); now != value {
			next[name] = now
		}
	}
	if len(next) == 0 {
		return false, nil
	}
	tx := t.tbl.NewTransaction()
	if err := tx.SetProperties(next); err != nil {
		return false, err
	}
	now, err := tx.Commit(ctx)
	if err != nil {
		return false, err
	}
	t.tbl = now
	return true, nil
}

// markTexts marks the live rows of a file that go, and returns their number.
func (m *maintenance) markTexts(ctx context.Context, file *stored, f Forget) (rows int64, err error) {
	var columns []string
	if f.Column != "" {
		columns = []string{f.Column}
	}
	row := int64(0)
	for batch, err := range m.t.batches(ctx, file.DataFile, columns) {
		if errors.Is(err, errNoColumn) {
			return 0, nil
		}
		if err != nil {
			return rows, err
		}
		for i := range int(batch.NumRows()) {
			if !file.dead.has(row) && saysAny(batch, i, f.Is) {
				if file.dead == nil {
					file.dead = make(bitmap, (file.Count()+63)/64)
				}
				file.dead.set(row)
				rows++
			}
			row++
		}
	}
	return rows, nil
}

func saysAny(batch arrow.RecordBatch, i int, is func(string) bool) bool {
	for _, column := range batch.Columns() {
		if says(column, i, is) {
			return true
		}
	}
	return false
}

// says reports whether a text at place i of an array, or below it, is one of
// those.
func says(a arrow.Array, i int, is func(string) bool) bool {
	if a.IsNull(i) {
		return false
	}
	switch a := a.(type) {
	case *array.String:
		return is(a.Value(i))
	case *array.LargeString:
		return is(a.Value(i))
	case *array.Struct:
		for n := range a.NumField() {
			if says(a.Field(n), i, is) {
				return true
			}
		}
	case *array.Map:
		from, to := a.ValueOffsets(i)
		for k := int(from); k < int(to); k++ {
			if says(a.Keys(), k, is) || says(a.Items(), k, is) {
				return true
			}
		}
	case *array.List:
		from, to := a.ValueOffsets(i)
		for k := int(from); k < int(to); k++ {
			if says(a.ListValues(), k, is) {
				return true
			}
		}
	}
	return false
}

// freshManifests writes all manifests anew: they have bounds of files that are
// not in the table any more.
func (t *Table) freshManifests(ctx context.Context) error {
	tx := t.tbl.NewTransaction()
	one := table.WithRewriteManifestClusterBy(func(iceberg.DataFile) any { return 0 })
	if done, err := tx.RewriteManifests(ctx, one); err != nil || done.IsNoOp() {
		return err
	}
	next, err := tx.Commit(ctx)
	if err == nil {
		t.tbl = next
	}
	return err
}

// leave removes all snapshots but the newest, and from the disk what the table
// used before and does not use now, its old metadata included.
func (t *Table) leave(ctx context.Context, before map[string]bool, alone bool) error {
	// Snapshots that came on the way here have manifests of their own, which still
	// tell the bounds of the files that they took out.
	between, err := t.used(ctx, true)
	if err != nil {
		return err
	}
	maps.Copy(before, between)
	if err := t.forgetSnapshots(ctx); err != nil {
		return err
	}
	now, err := t.used(ctx, true)
	if err != nil {
		return err
	}
	for old := range t.tbl.Metadata().PreviousFiles() {
		// The library removes them itself one day, and complains of one that is gone.
		path := localPath(old.MetadataFile)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
			return err
		}
	}
	for path := range before {
		if now[path] {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if alone {
		_, err = t.sweep(ctx, "", anyAge)
		return err
	}
	_, err = t.sweep(ctx, "", tidyAge)
	return err
}
