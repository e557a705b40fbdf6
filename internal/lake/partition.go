package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// A Partitioning says how the rows of a dataset are spread over files.
// Histories are never partitioned: they are read in the order of seq.
type Partitioning string

// The ways to partition a dataset.
const (
	PartitionNone  Partitioning = "none"
	PartitionMonth Partitioning = "month" // in which the object was created, UTC
	// PartitionAuto, in MaintainOptions, is PartitionMonth for a dataset with
	// many rows, and for any other what it is.
	PartitionAuto Partitioning = "auto"
)

// monthRows is where PartitionAuto begins to partition: below it, files of a
// useful size would hold several months.
const monthRows = 5_000_000

// monthField names the partition field of PartitionMonth.
const monthField = "_created_month"

// Partition returns how t is partitioned: PartitionNone or PartitionMonth.
func (t *Table) Partition() Partitioning {
	if _, ok := byMonth(t.tbl); ok {
		return PartitionMonth
	}
	return PartitionNone
}

// byMonth returns the id of tbl's partition field if tbl is partitioned by
// month.
func byMonth(tbl *table.Table) (int, bool) {
	spec := tbl.Spec()
	for _, f := range spec.Fields() {
		return f.FieldID, spec.NumFields() == 1 && f.Name == monthField
	}
	return 0, false
}

// month returns the result of Iceberg's month transform: months since 1970.
func month(unix int64) int32 {
	t := time.Unix(unix, 0).UTC()
	return int32((t.Year()-1970)*12 + int(t.Month()) - 1)
}

// A place is a partition of a table, or all of a table that has none.
type place struct {
	spec   iceberg.PartitionSpec
	values map[int]any // by id of the partition field
}

// everywhere is the place of files without a partition. A delete file there
// concerns the files of all partitions.
func everywhere() place { return place{spec: *iceberg.UnpartitionedSpec} }

func monthOf(tbl *table.Table, field int, month int32) place {
	return place{tbl.Spec(), map[int]any{field: month}}
}

// indexByMonth returns the row numbers of batch by the month of _created.
func indexByMonth(batch arrow.RecordBatch) (map[int32][]int32, error) {
	at := batch.Schema().FieldIndices(colCreated)
	if len(at) != 1 {
		return nil, errors.New("rows of a partitioned table need a column " + colCreated)
	}
	created := batch.Column(at[0]).(*array.Timestamp)
	rows := map[int32][]int32{}
	for i := range created.Len() {
		if created.IsNull(i) {
			return nil, errors.New("rows of a partitioned table need a value in " + colCreated)
		}
		m := month(time.UnixMicro(int64(created.Value(i))).Unix())
		rows[m] = append(rows[m], int32(i))
	}
	return rows, nil
}

// sizeOf returns the bytes of memory that batch takes.
func sizeOf(batch arrow.RecordBatch) int64 {
	var n uint64
	for _, col := range batch.Columns() {
		n += col.Data().SizeInBytes()
	}
	return int64(n)
}

// take returns the rows of batch with the given numbers, copied.
func take(ctx context.Context, batch arrow.RecordBatch, rows []int32) (arrow.RecordBatch, error) {
	b := array.NewInt32Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(rows, nil)
	index := b.NewInt32Array()
	defer index.Release()
	from, at := compute.NewDatum(batch), compute.NewDatum(index)
	defer from.Release()
	defer at.Release()
	out, err := compute.Take(ctx, *compute.DefaultTakeOptions(), from, at)
	if err != nil {
		return nil, err
	}
	return out.(*compute.RecordDatum).Value, nil
}

// heldBytes bounds the rows that a fanout has in memory.
const heldBytes = 16 << 20

// A fanout spreads batches over the files of a table's partitions, with one
// file open at a time: rows of several months wait in memory, until there are
// too many of them, and are written month by month. With a spill, they all
// wait on disk instead, so that there is no more than one file of a month, but
// for its size.
type fanout struct {
	sink
	field   int  // of the partition
	monthly bool // there are partitions
	month   int32
	spill   *spill
	limit   int64
	held    []arrow.RecordBatch
	bytes   int64
}

func newFanout(s sink) fanout {
	f := fanout{sink: s, limit: heldBytes}
	f.field, f.monthly = byMonth(s.tbl)
	f.at = everywhere()
	return f
}

// sort makes f write few files, of a table that is partitioned. The rows on
// disk come in parts of limit bytes.
func (f *fanout) sort(limit int64) (err error) {
	if f.monthly {
		f.spill, err = newSpill(f.out, f.tbl.Location(), f.enc.arrow, limit)
	}
	return err
}

// write takes part of batch and leaves it to the caller.
func (f *fanout) write(ctx context.Context, batch arrow.RecordBatch) error {
	if !f.monthly {
		return f.sink.write(batch)
	}
	if f.spill != nil {
		return f.spill.add(ctx, batch)
	}
	batch.Retain()
	f.held = append(f.held, batch)
	f.bytes += sizeOf(batch)
	if f.bytes < f.limit {
		return nil
	}
	return f.spread(ctx)
}

// spread writes the rows that wait.
func (f *fanout) spread(ctx context.Context) error {
	defer f.drop()
	index := make([]map[int32][]int32, len(f.held))
	months := map[int32]bool{}
	for i, batch := range f.held {
		var err error
		if index[i], err = indexByMonth(batch); err != nil {
			return err
		}
		for m := range index[i] {
			months[m] = true
		}
	}
	// The open file first: most of the time, what is new is of one month.
	order := slices.SortedFunc(maps.Keys(months), func(a, b int32) int {
		if f.open != nil && a != b && (a == f.month || b == f.month) {
			if a == f.month {
				return -1
			}
			return 1
		}
		return cmp.Compare(a, b)
	})
	for _, m := range order {
		if err := f.turn(m); err != nil {
			return err
		}
		for i, batch := range f.held {
			if err := f.pick(ctx, batch, index[i][m]); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn makes month the partition in hand.
func (f *fanout) turn(month int32) error {
	if f.open != nil && f.month == month {
		return nil
	}
	f.month, f.at = month, monthOf(f.tbl, f.field, month)
	return f.sink.roll()
}

// gather writes the rows that wait on disk.
func (f *fanout) gather(ctx context.Context) error {
	if err := f.spill.finish(ctx); err != nil {
		return err
	}
	for _, month := range slices.Sorted(maps.Keys(f.spill.index)) {
		if err := f.turn(month); err != nil {
			return err
		}
		for batch, err := range f.spill.month(ctx, month) {
			if err != nil {
				return err
			}
			err = f.sink.write(batch)
			batch.Release()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// pick writes the rows of batch with the given numbers.
func (f *fanout) pick(ctx context.Context, batch arrow.RecordBatch, rows []int32) error {
	if len(rows) == 0 {
		return nil
	}
	if len(rows) == int(batch.NumRows()) {
		return f.sink.write(batch)
	}
	some, err := take(ctx, batch, rows)
	if err != nil {
		return err
	}
	defer some.Release()
	return f.sink.write(some)
}

// roll writes the rows that wait and finishes the file in hand. It ends the
// spill.
func (f *fanout) roll(ctx context.Context) error {
	if f.spill != nil {
		err := errors.Join(f.gather(ctx), f.spill.remove())
		if f.spill = nil; err != nil {
			return err
		}
	}
	if err := f.spread(ctx); err != nil {
		return err
	}
	return f.sink.roll()
}

func (f *fanout) drop() {
	for _, batch := range f.held {
		batch.Release()
	}
	f.held, f.bytes = nil, 0
}

// abort drops the rows that wait and the file in hand.
func (f *fanout) abort() error {
	f.drop()
	err := f.sink.abort()
	if f.spill != nil {
		err = errors.Join(err, f.spill.remove())
		f.spill = nil
	}
	return err
}

// wanted returns what a table is to be partitioned by, its present way if that
// is to stay.
func (o MaintainOptions) wanted(t *Table, rows int64) (Partitioning, error) {
	have := t.Partition()
	if _, dataset := t.tbl.Schema().FindFieldByName(colCreated); !dataset || t.batched() {
		return have, nil
	}
	switch o.Partition {
	case "":
		return have, nil
	case PartitionNone, PartitionMonth:
		return o.Partition, nil
	case PartitionAuto:
		if rows > cmp.Or(o.MonthRows, monthRows) {
			return PartitionMonth, nil
		}
		return have, nil
	}
	return have, fmt.Errorf("no way to partition is called %q", o.Partition)
}
