package lake

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// repartition writes all live rows anew under another partition spec and, in
// one commit, sets the spec and puts the new files in the place of everything
// there was, delete files included. A change of the spec alone would not do:
// a delete file reaches the files of its own spec, and those of no other.
//
// Before the commit the table is as it was, and what a crash leaves on disk is
// none of its files. Nobody else may have committed since list.
func (m *maintenance) repartition(ctx context.Context, to Partitioning) error {
	tx := m.t.tbl.NewTransaction()
	if err := respec(tx, m.t.tbl, to); err != nil {
		return err
	}
	if len(m.data)+len(m.deletes) == 0 {
		return m.settle(ctx, tx, nil, Files{})
	}
	staged, err := tx.StagedTable()
	if err != nil {
		return err
	}
	enc, err := newEncoding(m.t.cat.mem, staged.Schema(), true)
	if err != nil {
		return err
	}
	out := newFanout(sink{tbl: staged.Table, out: m.t.cat.disk, enc: enc, target: m.target})
	if err = out.sort(m.spill); err == nil {
		err = m.copyAll(ctx, m.data, enc.arrow, func(b arrow.RecordBatch) error { return out.write(ctx, b) })
	}
	if err == nil {
		err = out.roll(ctx)
	}
	added := Files{data: out.done}
	if err == nil && m.beforeCommit != nil {
		err = m.beforeCommit()
	}
	if err == nil {
		err = m.exchange(ctx, tx, slices.Concat(m.data, m.deletes), added)
	}
	if err != nil && !errors.Is(err, errUncertain) {
		err = errors.Join(err, out.abort(), added.remove(out.out))
	}
	return err
}

// respec stages the change of the partition spec.
func respec(tx *table.Transaction, tbl *table.Table, to Partitioning) error {
	update := tx.UpdateSpec(true)
	spec := tbl.Spec()
	for _, f := range spec.Fields() {
		update.RemoveField(f.Name)
	}
	if to == PartitionMonth {
		update.AddField(colCreated, iceberg.MonthTransform{}, monthField)
	}
	return update.Commit()
}

// spillBytes is how much of a table is in memory while its rows are sorted by
// month, twice.
const spillBytes = 24 << 20

// A spill is a temporary file that holds rows by month: record batches of one
// month each, in Arrow's file format. Rows of all months are in all files of a
// table, and there may be hundreds of months: a part at a time is sorted by
// month and put aside, and then each month is gathered.
type spill struct {
	out    *disk
	path   string
	schema *arrow.Schema

	file  *os.File
	buf   *bufio.Writer
	ipc   *ipc.FileWriter
	n     int             // batches in the file
	index map[int32][]int // their numbers by month

	limit int64
	held  []arrow.RecordBatch
	bytes int64
}

func newSpill(out *disk, location string, schema *arrow.Schema, limit int64) (*spill, error) {
	s := &spill{out: out, schema: schema, limit: limit, index: map[int32][]int{}}
	s.path = filepath.Join(localPath(location), "data", "spill-"+uuid.NewString()+".arrow")
	// A table without rows has no such directory yet.
	err := os.MkdirAll(filepath.Dir(s.path), 0o755)
	if err != nil {
		return nil, err
	}
	if s.file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, err
	}
	out.hold(s.path)
	s.buf = bufio.NewWriterSize(s.file, 256<<10)
	if s.ipc, err = ipc.NewFileWriter(s.buf, ipc.WithSchema(schema), ipc.WithZstd()); err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// add takes part of batch and leaves it to the caller.
func (s *spill) add(ctx context.Context, batch arrow.RecordBatch) error {
	batch.Retain()
	s.held = append(s.held, batch)
	s.bytes += sizeOf(batch)
	if s.bytes < s.limit {
		return nil
	}
	return s.flush(ctx)
}

// flush writes the rows in memory month by month.
func (s *spill) flush(ctx context.Context) error {
	if len(s.held) == 0 {
		return nil
	}
	batch, err := concat(s.schema, s.held)
	s.drop()
	if err != nil {
		return err
	}
	defer batch.Release()
	rows, err := indexByMonth(batch)
	if err != nil {
		return err
	}
	for _, month := range slices.Sorted(maps.Keys(rows)) {
		some, err := take(ctx, batch, rows[month])
		if err != nil {
			return err
		}
		err = s.ipc.Write(some)
		some.Release()
		if err != nil {
			return err
		}
		s.index[month] = append(s.index[month], s.n)
		s.n++
	}
	return context.Cause(ctx)
}

func (s *spill) finish(ctx context.Context) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := s.ipc.Close(); err != nil {
		return err
	}
	return s.buf.Flush()
}

// month yields the rows of a month, in the order of add. The caller releases
// the batches.
func (s *spill) month(ctx context.Context, month int32) func(yield func(arrow.RecordBatch, error) bool) {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			yield(nil, err)
			return
		}
		r, err := ipc.NewFileReader(s.file)
		if err != nil {
			yield(nil, fmt.Errorf("file %s: %w", s.path, err))
			return
		}
		for _, n := range s.index[month] {
			if err := context.Cause(ctx); err != nil {
				yield(nil, err)
				return
			}
			batch, err := r.RecordBatchAt(n)
			if err != nil {
				yield(nil, fmt.Errorf("file %s: %w", s.path, err))
				return
			}
			if !yield(batch, nil) {
				return
			}
		}
	}
}

func (s *spill) drop() {
	for _, b := range s.held {
		b.Release()
	}
	s.held, s.bytes = nil, 0
}

// remove ends the spill.
func (s *spill) remove() error {
	s.drop()
	return errors.Join(s.file.Close(), s.out.removeData(s.path))
}

// concat returns the rows of batches as one batch.
func concat(schema *arrow.Schema, batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, schema.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	var rows int64
	for _, b := range batches {
		rows += b.NumRows()
	}
	parts := make([]arrow.Array, len(batches))
	for i := range cols {
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		var err error
		if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(schema, cols, rows), nil
}
