package lake

import (
	"context"
	"errors"
	"math/bits"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"
)

// markIDs bounds how many deleted ids are in memory at once; with more, the id
// columns are read several times.
const markIDs = 500_000

// A bitmap has a bit per row of a file.
type bitmap []uint64

func (b bitmap) set(i int64)      { b[i>>6] |= 1 << (i & 63) }
func (b bitmap) has(i int64) bool { return b != nil && b[i>>6]&(1<<(i&63)) != 0 }

func (b bitmap) count() int64 {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return int64(n)
}

// mark finds the rows that the delete files hide: those whose id was deleted
// with a higher sequence number than their file's, in the same partition or in
// none.
func (m *maintenance) mark(ctx context.Context) error {
	var total, newest int64
	for _, d := range m.deletes {
		total += d.Count()
		newest = max(newest, d.seq)
	}
	if !slices.ContainsFunc(m.data, func(f *stored) bool { return f.seq < newest }) {
		return nil
	}
	passes := uint64((total + m.ids - 1) / m.ids)
	for pass := range passes {
		ids, err := m.deleted(ctx, func(h xxh3.Uint128) bool { return h.Lo%passes == pass })
		if err != nil {
			return err
		}
		for _, f := range m.data {
			if f.seq >= newest {
				continue
			}
			if err := m.markFile(ctx, f, ids); err != nil {
				return err
			}
		}
	}
	return nil
}

// A tomb is an id that was deleted in a partition. Ids are told apart by a
// hash of 128 bits: two of a billion meet with a chance below 1e-20.
type tomb struct {
	id   xxh3.Uint128
	part string
}

// deleted reads the delete files and returns the highest sequence number at
// which each id was deleted, for the ids that pick accepts.
func (m *maintenance) deleted(ctx context.Context, pick func(xxh3.Uint128) bool) (map[tomb]int64, error) {
	ids := map[tomb]int64{}
	for _, d := range m.deletes {
		err := m.eachID(ctx, d, func(_ int64, h xxh3.Uint128) {
			if key := (tomb{h, d.part}); pick(h) && ids[key] < d.seq {
				ids[key] = d.seq
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (m *maintenance) markFile(ctx context.Context, f *stored, ids map[tomb]int64) error {
	return m.eachID(ctx, f, func(row int64, h xxh3.Uint128) {
		gone := ids[tomb{id: h}]
		if f.part != "" {
			gone = max(gone, ids[tomb{h, f.part}])
		}
		if gone <= f.seq {
			return
		}
		if f.dead == nil {
			f.dead = make(bitmap, (f.Count()+63)/64)
		}
		f.dead.set(row)
		m.report.RowsRemoved++
	})
}

// eachID calls do with the number and the hashed id of each row of a file that
// has one.
func (m *maintenance) eachID(ctx context.Context, f *stored, do func(row int64, h xxh3.Uint128)) error {
	key, ok := m.t.key()
	if !ok {
		return nil
	}
	row := int64(0)
	for batch, err := range m.t.batches(ctx, f.DataFile, []string{key.Name}) {
		if errors.Is(err, errNoColumn) && !key.Required {
			return nil // none of its rows has one
		}
		if err != nil {
			return err
		}
		col := batch.Column(0).(*array.String)
		for i := range col.Len() {
			if col.IsValid(i) {
				do(row, xxh3.HashString128(col.Value(i)))
			}
			row++
		}
	}
	return nil
}

// rewrite replaces groups of files by files with their live rows, in the same
// order, in one commit. The new files get a higher sequence number than any
// delete file, so none applies to them, and what was dropped here stays dropped.
func (m *maintenance) rewrite(ctx context.Context, groups [][]*stored) error {
	enc, err := newEncoding(m.t.cat.mem, m.t.tbl.Schema(), true)
	if err != nil {
		return err
	}
	out := sink{tbl: m.t.tbl, out: m.t.cat.disk, enc: enc, target: m.target}
	for _, group := range groups {
		out.at = everywhere()
		if values := group[0].Partition(); len(values) > 0 {
			out.at = place{m.t.tbl.Spec(), values}
		}
		if err = m.copyAll(ctx, group, enc.arrow, out.write); err == nil {
			err = out.roll()
		}
		if err != nil {
			break
		}
	}
	added := Files{data: out.done}
	if err == nil {
		err = m.replace(ctx, slices.Concat(groups...), added)
	}
	if err != nil && !errors.Is(err, errUncertain) {
		err = errors.Join(err, out.abort(), added.remove(out.out))
	}
	return err
}

// copyAll hands the live rows of files to write, in their order and with the
// table's present schema.
func (m *maintenance) copyAll(ctx context.Context, files []*stored, schema *arrow.Schema, write func(arrow.RecordBatch) error) error {
	for _, f := range files {
		if err := m.copyLive(ctx, f, schema, write); err != nil {
			return err
		}
	}
	return nil
}

func (m *maintenance) copyLive(ctx context.Context, f *stored, schema *arrow.Schema, write func(arrow.RecordBatch) error) error {
	row := int64(0)
	for batch, err := range m.t.batches(ctx, f.DataFile, nil) {
		if err != nil {
			return err
		}
		first := row
		row += batch.NumRows()
		if err := copyBatch(ctx, batch, f.dead, first, schema, write); err != nil {
			return err
		}
	}
	return nil
}

// copyBatch hands on the rows of batch whose bit, counted from first, is not
// set.
func copyBatch(ctx context.Context, batch arrow.RecordBatch, dead bitmap, first int64, schema *arrow.Schema, write func(arrow.RecordBatch) error) error {
	batch, err := project(batch, schema)
	if err != nil {
		return err
	}
	defer batch.Release()
	if dead == nil {
		return write(batch)
	}
	mask := array.NewBooleanBuilder(memory.DefaultAllocator)
	defer mask.Release()
	for i := range batch.NumRows() {
		mask.Append(!dead.has(first + i))
	}
	keep := mask.NewBooleanArray()
	defer keep.Release()
	live, err := compute.FilterRecordBatch(ctx, batch, keep, compute.DefaultFilterOptions())
	if err != nil {
		return err
	}
	defer live.Release()
	return write(live)
}
