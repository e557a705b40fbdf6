package lake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
)

// Bounds of the rows that wait for the encoder.
const (
	recordRows  = streamRows
	recordBytes = 8 << 20 // of JSON
)

// A RecordWriter encodes records of one batch into data files. It commits
// nothing. Close or Abort must be called, once.
type RecordWriter struct {
	out    *Writer
	build  *array.RecordBuilder
	batch  string
	id     *array.StringBuilder
	object *array.StringBuilder // nil in a table from before there were keys
	keys   *keys                // nil until there is one
	table  *Table
	root   *cell
	n      int
	size   int
}

// NewRecords returns a writer of records for a table made by Lake.Records. Its
// files are removed if ctx ends before Close.
func (t *Table) NewRecords(ctx context.Context, batch string) *RecordWriter {
	w := &RecordWriter{out: t.NewWriter(ctx), batch: batch, table: &Table{cat: t.cat, tbl: t.tbl}}
	r := newRows(t.cat.mem, t.ArrowSchema())
	w.build = r.builder
	w.id = r.fields[colBatch].(*array.StringBuilder)
	w.object, _ = r.fields[colObject].(*array.StringBuilder)
	w.root = &cell{at: map[string]int{}}
	for i, f := range r.builder.Schema().Fields() {
		if f.Name == colBatch || f.Name == colObject {
			continue
		}
		w.root.at[f.Name] = len(w.root.kids)
		w.root.kids = append(w.root.kids, newCell(r.builder.Field(i)))
	}
	w.root.seen = make([]bool, len(w.root.kids))
	return w
}

// Append adds a record: a JSON object in the table's types, integers without
// a fraction, dates as 2026-01-31 and instants in RFC 3339. After an error the
// writer is good for Abort alone.
func (w *RecordWriter) Append(record []byte) error {
	if w.object != nil {
		w.object.AppendNull()
	}
	return w.append(record)
}

// append adds a record whose key is in already.
func (w *RecordWriter) append(record []byte) error {
	i := rawjson.SkipSpace(record, 0)
	if i >= len(record) || record[i] != '{' {
		return errors.New("a record is no JSON object")
	}
	end, err := w.root.members(record, i)
	if err != nil {
		return fmt.Errorf("table %s: %w", name(w.out.tbl), err)
	}
	if rawjson.SkipSpace(record, end) != len(record) {
		return errors.New("something follows a record's JSON object")
	}
	w.id.Append(w.batch)
	w.n++
	w.size += len(record)
	if w.n < recordRows && w.size < recordBytes {
		return nil
	}
	return w.flush()
}

func (w *RecordWriter) flush() error {
	if w.n == 0 {
		return nil
	}
	w.n, w.size = 0, 0
	return w.out.Write(w.build.NewRecordBatch())
}

// Close waits for the encoder and returns the files. After an error there are
// none.
func (w *RecordWriter) Close() (Files, error) {
	defer w.build.Release()
	err := w.flush()
	if err == nil {
		err = w.keys.close()
	}
	if err != nil {
		w.out.Abort()
		w.keys.abort()
		return Files{}, fault(err, "write rows of "+w.table.Name())
	}
	files, err := w.out.Close()
	if err != nil {
		w.keys.abort()
		return Files{}, err
	}
	files.keys, files.table = w.keys, w.table.tbl.Metadata().TableUUID()
	return files, nil
}

// Abort drops what was written.
func (w *RecordWriter) Abort() {
	w.build.Release()
	w.out.Abort()
	w.keys.abort()
}

// A cell appends a JSON value to an Arrow builder, with all that is in it.
type cell struct {
	b    array.Builder
	kids []*cell        // fields of a struct; the element of a list; the value of a map
	at   map[string]int // of a struct: kids by name
	seen []bool
	tmp  []byte
}

func newCell(b array.Builder) *cell {
	c := &cell{b: b}
	switch b := b.(type) {
	case *array.StructBuilder:
		t := b.Type().(*arrow.StructType)
		c.at = make(map[string]int, t.NumFields())
		for i := range t.NumFields() {
			c.at[t.Field(i).Name] = i
			c.kids = append(c.kids, newCell(b.FieldBuilder(i)))
		}
		c.seen = make([]bool, len(c.kids))
	case *array.MapBuilder: // before ListBuilder, which it contains
		c.kids = []*cell{newCell(b.ItemBuilder())}
	case *array.ListBuilder:
		c.kids = []*cell{newCell(b.ValueBuilder())}
	}
	return c
}

// misplaced is an error of a value that is not what Check lets pass.
func misplaced(b array.Builder, what string) error {
	return problem.Errorf(problem.Stale, "%s does not fit a column of %s: the table and the schema have parted", what, b.Type())
}

// append adds the value at src[i] and returns the offset behind it.
func (c *cell) append(src []byte, i int) (int, error) {
	i = rawjson.SkipSpace(src, i)
	if i >= len(src) {
		return i, rawjson.ErrCut
	}
	switch src[i] {
	case 'n':
		c.b.AppendNull()
		return rawjson.Literal(src, i)
	case '{':
		switch b := c.b.(type) {
		case *array.StructBuilder:
			b.Append(true)
			return c.members(src, i)
		case *array.MapBuilder:
			b.Append(true)
			return c.entries(b.KeyBuilder().(*array.StringBuilder), src, i)
		}
		return i, misplaced(c.b, "an object")
	case '[':
		b, ok := c.b.(*array.ListBuilder)
		if !ok {
			return i, misplaced(c.b, "an array")
		}
		b.Append(true)
		return each(src, i, ']', c.kids[0].append)
	case '"':
		end, err := c.text(src, i)
		return end, err
	case 't', 'f':
		b, ok := c.b.(*array.BooleanBuilder)
		if !ok {
			return i, misplaced(c.b, "a boolean")
		}
		b.Append(src[i] == 't')
		return rawjson.Literal(src, i)
	}
	end, _, err := rawjson.Number(src, i)
	if err != nil {
		return i, err
	}
	return end, c.number(string(src[i:end]))
}

func (c *cell) number(text string) error {
	switch b := c.b.(type) {
	case *array.Int64Builder:
		v, err := strconv.ParseInt(text, 10, 64)
		b.Append(v)
		return err
	case *array.Int32Builder:
		v, err := strconv.ParseInt(text, 10, 32)
		b.Append(int32(v)) //nolint:gosec // 32 bits were asked for
		return err
	case *array.Float64Builder:
		v, err := strconv.ParseFloat(text, 64)
		b.Append(v)
		return err
	}
	return misplaced(c.b, "a number")
}

func (c *cell) text(src []byte, i int) (int, error) {
	end, flags, err := rawjson.String(src, i)
	if err != nil {
		return i, err
	}
	text := src[i+1 : end-1]
	if flags&rawjson.Escaped != 0 {
		c.tmp = rawjson.Unquote(c.tmp[:0], text)
		text = c.tmp
	}
	switch b := c.b.(type) {
	case *array.StringBuilder:
		b.BinaryBuilder.Append(text)
	case *array.Date32Builder:
		t, err := time.Parse(time.DateOnly, string(text))
		if err != nil {
			return i, misplaced(c.b, "a text that is no date")
		}
		b.Append(arrow.Date32FromTime(t))
	case *array.TimestampBuilder:
		t, err := time.Parse(time.RFC3339Nano, string(text))
		if err != nil {
			return i, misplaced(c.b, "a text that is no time")
		}
		b.Append(arrow.Timestamp(t.UnixMilli() * 1000))
	default:
		return i, misplaced(c.b, "a text")
	}
	return end, nil
}

// members appends the members of the object at src[i] to the fields, null to
// those that it lacks.
func (c *cell) members(src []byte, i int) (int, error) {
	clear(c.seen)
	end, err := each(src, i, '}', func(src []byte, i int) (int, error) {
		key, i, err := c.key(src, i)
		if err != nil {
			return i, err
		}
		k, ok := c.at[string(key)]
		switch {
		case !ok:
			return i, problem.Errorf(problem.Stale, "there is no column for the field %q: the table and the schema have parted", key)
		case c.seen[k]:
			return i, fmt.Errorf("the field %q stands twice", key)
		}
		c.seen[k] = true
		return c.kids[k].append(src, i)
	})
	if err != nil {
		return end, err
	}
	for k, seen := range c.seen {
		if !seen {
			c.kids[k].b.AppendNull()
		}
	}
	return end, nil
}

func (c *cell) entries(keys *array.StringBuilder, src []byte, i int) (int, error) {
	return each(src, i, '}', func(src []byte, i int) (int, error) {
		key, i, err := c.key(src, i)
		if err != nil {
			return i, err
		}
		keys.BinaryBuilder.Append(key)
		return c.kids[0].append(src, i)
	})
}

// key returns the key of the member at src[i] and the offset of its value.
func (c *cell) key(src []byte, i int) ([]byte, int, error) {
	if src[i] != '"' {
		return nil, i, &rawjson.SyntaxError{Offset: i, Want: "a key"}
	}
	end, flags, err := rawjson.String(src, i)
	if err != nil {
		return nil, i, err
	}
	key := src[i+1 : end-1]
	if flags&rawjson.Escaped != 0 {
		c.tmp = rawjson.Unquote(c.tmp[:0], key)
		key = c.tmp
	}
	end = rawjson.SkipSpace(src, end)
	if end >= len(src) || src[end] != ':' {
		return nil, i, &rawjson.SyntaxError{Offset: end, Want: "a colon"}
	}
	return key, end + 1, nil
}

// each calls do for everything in the array or object at src[i], which ends
// with the bracket closing. do returns the offset behind what it took.
func each(src []byte, i int, closing byte, do func(src []byte, i int) (int, error)) (int, error) {
	i = rawjson.SkipSpace(src, i+1)
	for first := true; ; first = false {
		switch {
		case i >= len(src):
			return i, rawjson.ErrCut
		case src[i] == closing:
			return i + 1, nil
		case first:
		case src[i] == ',':
			if i = rawjson.SkipSpace(src, i+1); i >= len(src) {
				return i, rawjson.ErrCut
			}
		default:
			return i, &rawjson.SyntaxError{Offset: i, Want: "a comma"}
		}
		end, err := do(src, i)
		if err != nil {
			return i, err
		}
		i = rawjson.SkipSpace(src, end)
	}
}
