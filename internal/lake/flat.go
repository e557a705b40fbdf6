package lake

import (
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// WriteParquet writes rows as a Parquet file that belongs to no table. Columns have
// a name and one of the types string, long and timestamptz; a row has a string,
// int64 or time.Time for each, and is not kept.
func WriteParquet(w io.Writer, columns []Column, rows iter.Seq[[]any]) error {
	var fields []arrow.Field
	for _, c := range columns {
		kind, ok := map[string]arrow.DataType{
			"string": arrow.BinaryTypes.String, "long": arrow.PrimitiveTypes.Int64,
			"timestamptz": &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"},
		}[c.Type]
		if !ok {
			return fmt.Errorf("column %s: there is no flat column of type %q", c.Name, c.Type)
		}
		fields = append(fields, arrow.Field{Name: c.Name, Type: kind})
	}
	schema := arrow.NewSchema(fields, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(zstdLevel), parquet.WithCreatedBy("tributary"))
	out, err := pqarrow.NewFileWriter(schema, w, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	flush := func() error {
		batch := b.NewRecordBatch()
		defer batch.Release()
		return out.WriteBuffered(batch)
	}
	n := 0
	for row := range rows {
		for i, v := range row {
			if err := appendFlat(b.Field(i), v); err != nil {
				return fmt.Errorf("column %s: %w", columns[i].Name, err)
			}
		}
		if n++; n%streamRows == 0 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Close()
}

func appendFlat(to array.Builder, v any) error {
	switch to := to.(type) {
	case *array.StringBuilder:
		if s, ok := v.(string); ok {
			to.Append(s)
			return nil
		}
	case *array.Int64Builder:
		if n, ok := v.(int64); ok {
			to.Append(n)
			return nil
		}
	case *array.TimestampBuilder:
		if t, ok := v.(time.Time); ok {
			to.Append(arrow.Timestamp(t.UnixMicro()))
			return nil
		}
	}
	return fmt.Errorf("a value of type %T", v)
}
