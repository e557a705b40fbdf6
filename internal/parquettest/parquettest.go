// Package parquettest decodes Parquet files for tests: all of a file, whatever
// table it belongs to, or belonged to.
package parquettest

import (
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

// Texts calls visit with every value of every column of the file that holds
// bytes, and returns how many values all columns have.
func Texts(path string, visit func(column, value string)) (values int64, err error) {
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	for g := range f.NumRowGroups() {
		group := f.RowGroup(g)
		for c := range f.MetaData().Schema.NumColumns() {
			name := f.MetaData().Schema.Column(c).Path()
			col, err := group.Column(c)
			if err != nil {
				return values, fmt.Errorf("%s: column %s: %w", path, name, err)
			}
			n, err := column(col, func(v string) { visit(name, v) })
			values += n
			if err != nil {
				return values, fmt.Errorf("%s: column %s: %w", path, name, err)
			}
		}
	}
	return values, nil
}

func column(col file.ColumnChunkReader, visit func(string)) (values int64, err error) {
	texts, ok := col.(*file.ByteArrayColumnChunkReader)
	if !ok {
		return 0, nil // numbers and booleans
	}
	const rows = 256
	batch := make([]parquet.ByteArray, rows)
	defs, reps := make([]int16, rows), make([]int16, rows)
	for texts.HasNext() {
		_, n, err := texts.ReadBatch(rows, batch, defs, reps)
		if err != nil {
			return values, err
		}
		for _, v := range batch[:n] {
			visit(string(v))
		}
		values += int64(n)
	}
	return values, texts.Err()
}
