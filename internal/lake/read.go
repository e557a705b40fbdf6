package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
)

// readRows is how many rows of a file are in memory at once.
const readRows = 1024

// errNoColumn is about a file that is older than the column.
var errNoColumn = errors.New("there is no column")

// batches yields the rows of a file in their order, with the named top-level
// columns or, without names, all that the file has. A batch is valid until the
// next one.
func (t *Table) batches(ctx context.Context, df iceberg.DataFile, names []string) iter.Seq2[arrow.RecordBatch, error] {
	return t.batchesOf(ctx, df, names, nil)
}

// batchesOf is batches of the row groups that pick takes; nil takes all.
func (t *Table) batchesOf(ctx context.Context, df iceberg.DataFile, names []string, pick func(*metadata.RowGroupMetaData) bool) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		stopped := false
		err := t.eachBatch(ctx, df, names, pick, func(batch arrow.RecordBatch) bool {
			stopped = !yield(batch, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, fmt.Errorf("file %s: %w", df.FilePath(), err))
		}
	}
}

func (t *Table) eachBatch(
	ctx context.Context, df iceberg.DataFile, names []string, pick func(*metadata.RowGroupMetaData) bool, yield func(arrow.RecordBatch) bool,
) (err error) {
	f, err := t.cat.disk.Open(df.FilePath())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()

	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled = true // pages as they are needed, not whole columns
	props.BufferSize = 64 << 10
	pf, err := file.NewParquetReader(f, file.WithReadProps(props))
	if err != nil {
		return err
	}
	pr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: readRows}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	var leaves []int
	for _, name := range names {
		i := pf.MetaData().Schema.ColumnIndexByName(name)
		if i < 0 {
			return fmt.Errorf("%w %s", errNoColumn, name)
		}
		leaves = append(leaves, i)
	}
	var groups []int
	for i := range pf.NumRowGroups() {
		if pick == nil || pick(pf.MetaData().RowGroup(i)) {
			groups = append(groups, i)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	rr, err := pr.GetRecordReader(ctx, leaves, groups)
	if err != nil {
		return err
	}
	defer rr.Release()
	for {
		batch, err := rr.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !yield(batch) {
			return nil
		}
	}
}
