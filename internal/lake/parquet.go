package lake

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

const (
	// zstdLevel is the fastest level of the encoder: on our rows the default
	// one needs half as much CPU again and its output is not smaller.
	zstdLevel = 1

	// Of a column before compression. A hundred columns and more may each have
	// a page in memory; its size is looked at once per pageRows.
	pageBytes = 64 << 10
	pageRows  = 256

	// Files in passing that hold whole objects: a page of 256 of them is half a
	// megabyte, and what waits for the end of a group grows by doubling.
	pageBytesPassing = 16 << 10
	pageRowsRaw      = 32
	groupBytesRaw    = 3 << 20

	// A row group ends at whichever comes first.
	groupRows  = 120 << 10
	groupBytes = 12 << 20 // compressed, all of it in memory
)

// An encoding says how a file's rows are turned into Parquet.
type encoding struct {
	schema *iceberg.Schema
	arrow  *arrow.Schema
	props  *parquet.WriterProperties
	delete []int // ids of the key columns of an equality delete file; nil for data
	every  int64 // rows between two looks at the size of a page
	group  int64 // bytes of a row group, compressed
}

// newEncoding returns the encoding of files with the given schema. Compact
// files have dictionaries, which readers like, and zstd; files in passing do
// without, which is a third of the CPU, and have Snappy, which is half as large
// again and a tenth of the CPU of a backfill.
func newEncoding(mem memory.Allocator, schema *iceberg.Schema, compact bool) (*encoding, error) {
	as, err := table.SchemaToArrowSchema(schema, nil, true, false)
	if err != nil {
		return nil, err
	}
	codec, page := compress.Codecs.Snappy, int64(pageBytesPassing)
	if compact {
		codec, page = compress.Codecs.Zstd, pageBytes
	}
	enc := &encoding{schema: schema, arrow: as, every: pageRows, group: groupBytes}
	if f, ok := schema.FindFieldByName("raw"); ok && f.Type.Equals(iceberg.PrimitiveTypes.String) && !compact {
		enc.every, enc.group = pageRowsRaw, groupBytesRaw
	}
	opts := []parquet.WriterProperty{
		parquet.WithAllocator(mem),
		parquet.WithCompression(codec),
		parquet.WithCompressionLevel(zstdLevel),
		parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithDataPageSize(page),
		parquet.WithBatchSize(enc.every),
		parquet.WithMaxRowGroupLength(groupRows),
		parquet.WithDictionaryDefault(compact),
		parquet.WithStats(false),
		parquet.WithCreatedBy("tributary"),
	}
	for _, f := range schema.Fields() {
		if measured(f) {
			opts = append(opts, parquet.WithStatsFor(f.Name, true))
		}
	}
	if compact {
		// A column whose values hardly repeat is better off without one.
		leaves, err := pqarrow.ToParquet(as, parquet.NewWriterProperties(opts...), pqarrow.DefaultWriterProps())
		if err != nil {
			return nil, err
		}
		for i := range leaves.NumColumns() {
			opts = append(opts, parquet.WithDictionaryCostFallbackFor(leaves.Column(i).Path(), true))
		}
	}
	enc.props = parquet.NewWriterProperties(opts...)
	return enc, nil
}

// A dataFile is a Parquet file of a table while it is written.
type dataFile struct {
	tbl *table.Table
	enc *encoding
	at  place
	out *disk
	uri string

	file iceio.FileWriter
	buf  *bufio.Writer
	pq   *pqarrow.FileWriter
}

func createFile(tbl *table.Table, out *disk, enc *encoding, at place) (*dataFile, error) {
	d := &dataFile{tbl: tbl, enc: enc, out: out, at: at}
	kind := "data"
	if enc.delete != nil {
		kind = "deletes"
	}
	d.uri = fmt.Sprintf("%s/data/%s-%s.parquet", tbl.Location(), kind, uuid.New())
	var err error
	if d.file, err = out.LocalFS.Create(d.uri); err != nil {
		return nil, err
	}
	out.hold(d.uri)
	d.buf = bufio.NewWriterSize(d.file, 256<<10)
	d.pq, err = pqarrow.NewFileWriter(enc.arrow, d.buf, enc.props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, errors.Join(err, d.abort())
	}
	return d, nil
}

// write adds the rows of batch and leaves it to the caller.
func (d *dataFile) write(batch arrow.RecordBatch) error {
	if d.pq.RowGroupTotalCompressedBytes() >= d.enc.group {
		if err := d.pq.NewBufferedRowGroupChecked(); err != nil {
			return err
		}
	}
	return d.pq.WriteBuffered(batch)
}

// size returns the bytes so far, after compression.
func (d *dataFile) size() int64 { return d.pq.TotalCompressedBytes() }

// close finishes the file, flushes it to the device, and describes it for a
// manifest. After an error the file is gone.
func (d *dataFile) close() (iceberg.DataFile, error) {
	df, err := d.finish()
	if err != nil {
		return nil, errors.Join(err, d.abort())
	}
	return df, nil
}

func (d *dataFile) finish() (iceberg.DataFile, error) {
	if err := d.pq.Close(); err != nil {
		return nil, err
	}
	if err := d.buf.Flush(); err != nil {
		return nil, err
	}
	if err := d.file.Close(); err != nil {
		return nil, err
	}
	if err := flush(localPath(d.uri)); err != nil {
		return nil, err
	}
	d.out.mark(d.uri)
	meta, err := d.pq.FileMetadata()
	if err != nil {
		return nil, err
	}
	args := table.DataFileArgs{
		Schema: d.enc.schema, Spec: d.at.spec, PartitionValues: d.at.values, Content: iceberg.EntryContentData,
		Format: iceberg.ParquetFile, FormatVersion: d.tbl.Metadata().Version(), Metadata: meta,
		FilePath: d.uri, FileSize: d.pq.TotalBytesWritten(), Properties: d.tbl.Properties(),
	}
	if d.enc.delete != nil {
		args.Content, args.EqualityFieldIDs = iceberg.EntryContentEqDeletes, d.enc.delete
	}
	return table.DataFileFromMetadata(args)
}

// abort closes and removes the file, finished or not.
func (d *dataFile) abort() error {
	err := d.file.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(err, d.out.removeData(d.uri))
}
