package lake

import (
	"context"
	"errors"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"

	"github.com/tributary-data/tributary/internal/problem"
)

// colObject names, in a table of records, the Stripe object that a row is of. A
// row that a client pushed has none. An object has one row at most.
const colObject = "_object"

const (
	propKeyed = "tributary.keyed" // of a table of records: rows with keys were committed, so that keys may have rows
	propRows  = "tributary.rows"  // of one with delete files: its live rows; "" where they were not counted
)

// keyRows is how many keys go to the encoder at once.
const keyRows = 10_000

// countRows bounds the rows of a table in which a commit counts what goes:
// that reads the keys of all of them.
const countRows = 5_000_000

// key returns the column that delete files are about: of a dataset its ids, of
// a table of records its objects. A history has none, and neither has a table
// of records from before there were keys.
func (t *Table) key() (iceberg.NestedField, bool) {
	if t.batched() {
		return t.tbl.Schema().FindFieldByName(colObject)
	}
	return t.tbl.Schema().FindFieldByName(colID)
}

// keyEncoding is that of delete files.
func (t *Table) keyEncoding() (*encoding, error) {
	key, ok := t.key()
	if !ok {
		return nil, errors.New("table " + t.Name() + " has no column of keys")
	}
	schema, err := t.tbl.Schema().Select(true, key.Name)
	if err != nil {
		return nil, err
	}
	enc, err := newEncoding(t.cat.mem, schema, false)
	if err != nil {
		return nil, err
	}
	enc.delete = []int{key.ID}
	return enc, nil
}

// AppendKeyed adds the record of an object. Its row of earlier commits goes in
// the commit that brings this one. The caller sees to it that a key comes once
// in a batch, here or in Gone: a delete file does not reach the rows of its own
// commit, so there would be two.
func (w *RecordWriter) AppendKeyed(key string, record []byte) error {
	if err := w.replace(key); err != nil {
		return err
	}
	w.keys.rows++
	w.object.Append(key)
	return w.append(record)
}

// Gone says that an object's row of earlier commits goes and no new one comes.
// What is not there is not missed.
func (w *RecordWriter) Gone(key string) error {
	if err := w.replace(key); err != nil {
		return err
	}
	w.keys.gone++
	return nil
}

func (w *RecordWriter) replace(key string) error {
	switch {
	case key == "":
		return errors.New("an object has no key")
	case w.object == nil:
		return &problem.Error{
			Kind:   problem.Stale,
			Detail: "table " + w.table.Name() + " is from before rows had keys, and was not brought up to date",
			Advice: "Run it again",
		}
	}
	if w.keys == nil {
		w.keys = &keys{fresh: w.table.Property(propKeyed) == "", disk: w.table.cat.disk}
	}
	return fault(w.keys.add(w.table, key), "write deletes of "+w.table.Name())
}

// keys are what a batch says of objects, and the delete files with their keys.
// A nil one has none.
type keys struct {
	// fresh says that no object had a row when the writer was opened, so there
	// are no files.
	fresh bool
	rows  int64 // with a key
	gone  int64 // keys without a row
	files []iceberg.DataFile

	disk  *disk
	out   *sink // nil until there is a key to write
	build *array.RecordBuilder
}

// add writes a key to the delete files.
func (k *keys) add(t *Table, key string) error {
	if k.fresh {
		return nil
	}
	if k.out == nil {
		enc, err := t.keyEncoding()
		if err != nil {
			return err
		}
		k.out = &sink{tbl: t.tbl, out: k.disk, enc: enc, target: targetBytes, at: everywhere()}
		k.build = array.NewRecordBuilder(memory.DefaultAllocator, enc.arrow)
	}
	col := k.build.Field(0).(*array.StringBuilder)
	if col.Append(key); col.Len() < keyRows {
		return nil
	}
	return k.flush()
}

func (k *keys) flush() error {
	batch := k.build.NewRecordBatch()
	defer batch.Release()
	return k.out.write(batch)
}

// close finishes the files.
func (k *keys) close() error {
	if k == nil || k.out == nil {
		return nil
	}
	if err := k.flush(); err != nil {
		return err
	}
	k.build.Release()
	err := k.out.roll()
	k.files = k.out.done
	k.build, k.out = nil, nil
	return err
}

// abort drops what was written. What can't be removed is found by Maintain.
func (k *keys) abort() {
	if k == nil {
		return
	}
	if k.out != nil {
		k.build.Release()
		_ = k.out.abort()
		k.files = k.out.done
		k.build, k.out = nil, nil
	}
	_ = Files{keys: k}.remove(k.disk)
	k.files = nil
}

// live returns the number of live rows, if it is known.
func (t *Table) live() (rows int64, known bool) {
	if t.DeleteFiles() == 0 {
		return t.total("total-records"), true
	}
	if !t.batched() {
		return 0, false
	}
	n, err := strconv.ParseInt(t.Property(propRows), 10, 64)
	return n, err == nil
}

// after returns how many of the present rows are live once the delete files
// are committed. Of a large table, or with many keys, that is not counted.
func (t *Table) after(ctx context.Context, deletes []iceberg.DataFile) (rows int64, known bool, err error) {
	m := maintenance{t: t, ids: markIDs}
	if err := m.list(ctx); err != nil {
		return 0, false, err
	}
	for _, df := range deletes {
		m.deletes = append(m.deletes, &stored{DataFile: df, seq: t.tbl.Metadata().LastSequenceNumber() + 1})
	}
	var ids int64
	for _, f := range m.deletes {
		ids += f.Count()
	}
	for _, f := range m.data {
		rows += f.Count()
	}
	if rows > countRows || ids > markIDs {
		return 0, false, nil
	}
	err = m.mark(ctx)
	return rows - m.report.RowsRemoved, true, err
}
