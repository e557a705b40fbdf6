package lake

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
)

// A FieldRow is a row of a dataset with some of the object's fields. Its text
// shares the memory of the whole batch.
type FieldRow struct {
	ID      string
	Seq     int64
	Created int64    // unix seconds
	Fields  []string // "" for null
}

// Fields yields the rows of the dataset with a seq above after of objects
// created at since (unix seconds) or later, with the named top-level fields of
// the object, which must be strings. Rows that a delete file hides come too: the
// index says which seq an object has now. One batch is in memory at a time.
func (l *Lane) Fields(ctx context.Context, after, since int64, names ...string) iter.Seq2[FieldRow, error] {
	return func(yield func(FieldRow, error) bool) {
		t := l.data
		group := "_" + l.tenant + "." + l.group
		cols := []string{colID, colSeq, colCreated}
		for _, n := range names {
			cols = append(cols, group+"."+n)
		}
		for e, err := range t.entries(ctx) {
			if err != nil {
				yield(FieldRow{}, err)
				return
			}
			df := e.DataFile()
			if df.ContentType() != iceberg.EntryContentData || t.seqBound(df.UpperBoundValues(), after+1) <= after ||
				t.newest(df) < since {
				continue
			}
			for batch, err := range t.batches(ctx, df, cols) {
				if err != nil {
					yield(FieldRow{}, err)
					return
				}
				if ok, err := eachField(batch, names, after, since, yield); err != nil || !ok {
					if err != nil {
						yield(FieldRow{}, fmt.Errorf("file %s: %w", df.FilePath(), err))
					}
					return
				}
			}
		}
	}
}

// newest is the upper bound of created in a file, in unix seconds.
func (t *Table) newest(df iceberg.DataFile) int64 {
	f, ok := t.tbl.Schema().FindFieldByName(colCreated)
	if b := df.UpperBoundValues()[f.ID]; ok && len(b) == 8 {
		return int64(binary.LittleEndian.Uint64(b)) / 1e6 //nolint:gosec // the bits of an int64
	}
	return math.MaxInt64
}

// eachField yields the rows of a batch. It reports whether to go on.
func eachField(batch arrow.RecordBatch, names []string, after, since int64, yield func(FieldRow, error) bool) (bool, error) {
	row := FieldRow{Fields: make([]string, len(names))}
	var id *array.String
	var seq *array.Int64
	var created *array.Timestamp
	fields := make([]*array.String, len(names))
	for i, f := range batch.Schema().Fields() {
		switch col := batch.Column(i).(type) {
		case *array.String:
			id = col
		case *array.Int64:
			seq = col
		case *array.Timestamp:
			created = col
		case *array.Struct:
			group, ok := col.Field(0).(*array.Struct)
			if !ok {
				return false, fmt.Errorf("column %s holds no object", f.Name)
			}
			for j, name := range names {
				k, found := group.DataType().(*arrow.StructType).FieldIdx(name)
				if !found {
					return false, fmt.Errorf("no field %s", name)
				}
				if fields[j], ok = group.Field(k).(*array.String); !ok {
					return false, fmt.Errorf("field %s is no string", name)
				}
			}
		}
	}
	for i := range int(batch.NumRows()) {
		row.ID, row.Seq, row.Created = id.Value(i), seq.Value(i), int64(created.Value(i))/1e6
		if row.Seq <= after || row.Created < since {
			continue
		}
		for j, f := range fields {
			row.Fields[j] = ""
			if f.IsValid(i) {
				row.Fields[j] = f.Value(i)
			}
		}
		if !yield(row, nil) {
			return false, nil
		}
	}
	return true, nil
}
