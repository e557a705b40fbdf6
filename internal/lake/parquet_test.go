package lake

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// parquetFile writes rows, a JSON array, as Parquet.
func parquetFile(t testing.TB, schema *arrow.Schema, rows string, opts ...parquet.WriterProperty) []byte {
	t.Helper()
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &b, parquet.NewWriterProperties(opts...), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(batch); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAllParquet(t testing.TB, file []byte) ([]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.parquet")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return parquetRowsOf(t, path)
}

func parquetRowsOf(t testing.TB, path string) ([]string, error) {
	t.Helper()
	var rows []string
	for row, err := range ReadParquet(t.Context(), path) {
		if err != nil {
			return rows, err
		}
		if !json.Valid(row) {
			t.Fatalf("no JSON: %s", row)
		}
		rows = append(rows, string(row))
	}
	return rows, nil
}

// everything has a column of each type that files from outside may have.
func everything() (*arrow.Schema, string, []string) {
	item := arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int32, Nullable: true}, arrow.Field{Name: "b", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "i8", Type: arrow.PrimitiveTypes.Int8, Nullable: true},
		{Name: "u32", Type: arrow.PrimitiveTypes.Uint32, Nullable: true},
		{Name: "u64", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
		{Name: "i64", Type: arrow.PrimitiveTypes.Int64},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "f64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "dec", Type: &arrow.Decimal128Type{Precision: 20, Scale: 2}, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "d", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "ms", Type: arrow.FixedWidthTypes.Timestamp_ms, Nullable: true},
		{Name: "us", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "l", Type: arrow.ListOf(item), Nullable: true},
		{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.ListOf(arrow.PrimitiveTypes.Int64)), Nullable: true},
		{Name: "o", Type: arrow.StructOf(arrow.Field{Name: "p", Type: arrow.StructOf(arrow.Field{Name: "q", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true}), Nullable: true},
	}, nil)
	rows := `[
	{"b":true,"i8":-128,"u32":4294967295,"u64":18446744073709551615,"i64":-9223372036854775808,"f32":0.5,"f64":0.1,"dec":"-12345678901234567.89","s":"<\"é","d":"1969-12-31",
	 "ms":"1969-12-31T23:59:59.999Z","us":"2026-01-31T10:00:00.000001Z","l":[{"a":1,"b":["x",null]},null,{"a":null,"b":[]}],"m":[{"key":"k","value":[1,null]},{"key":"e","value":null}],"o":{"p":{"q":"z"}}},
	{"i64":1},
	{"i64":2,"l":[],"m":[],"o":{"p":null}},
	{"i64":3,"o":{"p":{"q":null}}}
	]`
	return schema, rows, []string{
		`{"b":true,"i8":-128,"u32":4294967295,"u64":18446744073709551615,"i64":-9223372036854775808,"f32":0.5,"f64":0.1,"dec":-1234567890123456789e-2,"s":"\u003c\"é","d":"1969-12-31",` +
			`"ms":"1969-12-31T23:59:59.999Z","us":"2026-01-31T10:00:00.000001Z","l":[{"a":1,"b":["x",null]},null,{"b":[]}],"m":{"k":[1,null],"e":null},"o":{"p":{"q":"z"}}}`,
		`{"i64":1}`, `{"i64":2,"l":[],"m":{},"o":{}}`, `{"i64":3,"o":{"p":{}}}`,
	}
}

func TestReadParquet(t *testing.T) {
	t.Parallel()
	schema, rows, want := everything()
	for name, opts := range map[string][]parquet.WriterProperty{
		"plain":  {parquet.WithDictionaryDefault(false)},
		"snappy": {parquet.WithCompression(compress.Codecs.Snappy)},
		"gzip":   {parquet.WithCompression(compress.Codecs.Gzip), parquet.WithDataPageVersion(parquet.DataPageV2)},
		"zstd":   {parquet.WithCompression(compress.Codecs.Zstd), parquet.WithMaxRowGroupLength(2), parquet.WithDataPageSize(1)},
	} {
		got, err := readAllParquet(t, parquetFile(t, schema, rows, opts...))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// Many rows: values and levels of several pages and batches stay together.
func TestReadParquetOfManyRows(t *testing.T) {
	t.Parallel()
	schema, _, _ := everything()
	var rows strings.Builder
	var want []string
	for i := range 3000 {
		if i > 0 {
			rows.WriteByte(',')
		}
		list, out := "", ""
		for j := range i % 4 {
			list += `,{"a":` + string(rune('0'+j)) + `}`
			out += `,{"a":` + string(rune('0'+j)) + `}`
		}
		row := `{"i64":7,"s":"` + strings.Repeat("s", i%50) + `","l":[`
		rows.WriteString(row + strings.TrimPrefix(list, ",") + `]}`)
		want = append(want, row+strings.TrimPrefix(out, ",")+`]}`)
	}
	got, err := readAllParquet(t, parquetFile(t, schema, "["+rows.String()+"]", parquet.WithDataPageSize(500), parquet.WithMaxRowGroupLength(700)))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestReadParquetRefuses(t *testing.T) {
	t.Parallel()
	schema, rows, _ := everything()
	good := parquetFile(t, schema, rows)
	cut := good[:len(good)/2]
	huge := bytes.Clone(good)
	copy(huge[len(huge)-8:], "\xff\xff\xff\x7f")
	// A chain of groups, each with one child.
	deep := []byte{0x15, 0x02, 0x19, 0xfc, 0xa0, 0x8d, 0x06} // version, then a list of 100000 structs
	for range 100_000 {
		deep = append(deep, 0x55, 0x02, 0x00) // field 5, num_children, is 1
	}
	deep = append(deep, 0)
	for name, file := range map[string][]byte{
		"nothing": nil, "text": []byte("id,amount\na,1\nand so on"), "cut": cut, "no footer": huge,
		"deep":  framed(deep),
		"lists": framed([]byte{0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00}),
	} {
		if _, err := readAllParquet(t, file); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// framed returns a file with the given footer.
func framed(footer []byte) []byte {
	f := append([]byte("PAR1"), footer...)
	n := len(footer)
	return append(append(f, byte(n), byte(n>>8), byte(n>>16), byte(n>>24)), "PAR1"...)
}

func TestReadParquetOfBrokenFiles(t *testing.T) {
	t.Parallel()
	schema, rows, _ := everything()
	seeds := [][]byte{
		parquetFile(t, schema, rows),
		parquetFile(t, schema, rows, parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false)),
		parquetFile(t, schema, rows, parquet.WithCompression(compress.Codecs.Gzip), parquet.WithDataPageVersion(parquet.DataPageV2)),
	}
	path := filepath.Join(t.TempDir(), "f.parquet")
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		file := bytes.Clone(seeds[r.IntN(len(seeds))])
		for range 1 + r.IntN(4) {
			file[r.IntN(len(file))] = []byte{byte(r.IntN(256)), 0xff, 0, 0x7f, 0x80}[r.IntN(5)]
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := parquetRowsOf(t, path); err != nil && problem.KindOf(err) != problem.Invalid {
			t.Errorf("%v", err)
		}
	}
}

// Whatever bytes are changed, reading ends with rows or a problem, and takes
// no memory to speak of.
func FuzzReadParquet(f *testing.F) {
	schema, rows, _ := everything()
	f.Add(parquetFile(f, schema, rows))
	f.Add(parquetFile(f, schema, rows, parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(false)))
	f.Add(framed([]byte{0x15, 0x02, 0x19, 0x0c, 0}))
	f.Fuzz(func(t *testing.T, file []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readAllParquet(t, file)
		runtime.ReadMemStats(&after)
		if err != nil && problem.KindOf(err) != problem.Invalid {
			t.Errorf("%v", err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<30 {
			t.Errorf("%d bytes for a file of %d", took, len(file))
		}
	})
}
