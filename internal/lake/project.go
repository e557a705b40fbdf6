package lake

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// project returns batch, as read from a file, with the table's schema: fields
// are matched by id at every depth, and those that the file lacks are null.
// The values are shared, not copied.
func project(batch arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	have := batch.Schema().Fields()
	kids := make([]arrow.ArrayData, len(have))
	for i, col := range batch.Columns() {
		kids[i] = col.Data()
	}
	data, err := projectFields(have, kids, want.Fields(), int(batch.NumRows()))
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(data))
	for i, d := range data {
		cols[i] = array.MakeFromData(d)
		d.Release()
	}
	out := array.NewRecordBatch(want, cols, batch.NumRows())
	for _, c := range cols {
		c.Release()
	}
	return out, nil
}

func projectFields(have []arrow.Field, kids []arrow.ArrayData, want []arrow.Field, rows int) ([]arrow.ArrayData, error) {
	at := make(map[string]int, len(have))
	for i, f := range have {
		at[fieldID(f)] = i
	}
	out := make([]arrow.ArrayData, len(want))
	for i, w := range want {
		j, ok := at[fieldID(w)]
		if !ok {
			nulls := array.MakeArrayOfNull(memory.DefaultAllocator, w.Type, rows)
			out[i] = nulls.Data()
			continue
		}
		var err error
		if out[i], err = projectData(kids[j], w.Type); err != nil {
			return nil, fmt.Errorf("field %s: %w", w.Name, err)
		}
	}
	return out, nil
}

func projectData(d arrow.ArrayData, want arrow.DataType) (arrow.ArrayData, error) {
	have := d.DataType()
	if have.ID() != want.ID() {
		return nil, fmt.Errorf("is %s in the file and %s in the table", have, want)
	}
	var kids []arrow.ArrayData
	var err error
	switch w := want.(type) {
	case *arrow.StructType:
		// An offset of the struct holds for its children as well.
		kids, err = projectFields(have.(*arrow.StructType).Fields(), d.Children(), w.Fields(), d.Offset()+d.Len())
	case *arrow.MapType:
		kids, err = projectOne(d.Children()[0], w.Elem())
	case *arrow.ListType:
		kids, err = projectOne(d.Children()[0], w.Elem())
	}
	if err != nil {
		return nil, err
	}
	out := array.NewData(want, d.Len(), d.Buffers(), kids, d.NullN(), d.Offset())
	for _, k := range kids {
		k.Release()
	}
	return out, nil
}

func projectOne(d arrow.ArrayData, want arrow.DataType) ([]arrow.ArrayData, error) {
	out, err := projectData(d, want)
	return []arrow.ArrayData{out}, err
}

// fieldID returns the Iceberg id that a field of an Arrow schema carries.
func fieldID(f arrow.Field) string {
	id, _ := f.Metadata.GetValue("PARQUET:field_id")
	return id
}
