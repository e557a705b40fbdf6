package lake

import (
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Columns that a dataset has beside the XDM record.
const (
	colID         = "_id" // the Stripe object's id; what equality deletes match
	colSeq        = "_seq"
	colHash       = "_hash"
	colCreated    = "_created"
	colReadAt     = "_read_at"
	colAccount    = "_account"
	colLivemode   = "_livemode"
	colAPIVersion = "_api_version"
	colDeleted    = "_deleted"
	colDeletedAt  = "_deleted_at"
)

// A column appends one slot, with everything below it, to an Arrow builder.
type column struct {
	slot int // in its frame; -1 for a field that the mapping does not know
	size int // of an element's frame
	kind xdm.Kind

	str  *array.StringBuilder
	i64  *array.Int64Builder
	f64  *array.Float64Builder
	flag *array.BooleanBuilder
	obj  *array.StructBuilder
	list *array.ListBuilder
	dict *array.MapBuilder
	any  array.Builder // whichever of them it is

	kids []column // fields of obj; the element of list; the value of dict
	keys *array.StringBuilder

	text int // bytes of str's values in the batch before

	// nulls are rows that are null and not in the builder yet. Most columns of
	// a wide record are null most of the time; they go in together.
	nulls int
}

// newColumn pairs node with its builder. A nil node makes a column of nulls:
// the table has a field that the mapping does not fill.
func newColumn(b array.Builder, node *dataset.Node) column {
	c := column{any: b, slot: -1}
	if node != nil {
		c.slot, c.kind = node.Slot, node.Field.Kind
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		c.str = b
	case *array.Int64Builder:
		c.i64 = b
	case *array.Float64Builder:
		c.f64 = b
	case *array.BooleanBuilder:
		c.flag = b
	case *array.StructBuilder:
		c.obj = b
		if node != nil {
			c.kids = newColumns(b, node.Children)
		}
	case *array.MapBuilder:
		c.dict = b
		if node != nil {
			c.size = node.Elem.Size
			c.keys = b.KeyBuilder().(*array.StringBuilder)
			c.kids = []column{newColumn(b.ItemBuilder(), node.Elem.Nodes[0])}
		}
	case *array.ListBuilder:
		c.list = b
		if node != nil {
			c.size = node.Elem.Size
			c.kids = []column{newColumn(b.ValueBuilder(), node.Elem.Nodes[0])}
		}
	}
	return c
}

// newColumns pairs the fields of a struct with nodes of the same name: the
// table may have its columns in another order, and more of them.
func newColumns(b *array.StructBuilder, nodes []*dataset.Node) []column {
	t := b.Type().(*arrow.StructType)
	cols := make([]column, t.NumFields())
	for i := range cols {
		var node *dataset.Node
		for _, n := range nodes {
			if n.Field.Name == t.Field(i).Name {
				node = n
			}
		}
		cols[i] = newColumn(b.FieldBuilder(i), node)
	}
	return cols
}

// scratch is where a value is built that is not a span of the record's text.
type scratch []byte

func (c *column) append(r *dataset.Record, frame []dataset.Slot, tmp *scratch) {
	if c.slot < 0 {
		c.nulls++
		return
	}
	s := frame[c.slot]
	if s.Kind == dataset.Absent || s.Kind == dataset.Null || s.Kind == dataset.Invalid {
		c.nulls++
		return
	}
	if c.nulls > 0 {
		c.settle()
	}
	switch s.Kind {
	case dataset.Absent, dataset.Null, dataset.Invalid:
	case dataset.String:
		text := r.Text(s)
		if s.Escaped {
			*tmp = rawjson.Unquote((*tmp)[:0], text)
			text = *tmp
		}
		c.str.BinaryBuilder.Append(text)
	case dataset.JSON:
		c.str.BinaryBuilder.Append(r.Text(s))
	case dataset.Number:
		if c.i64 != nil {
			v, _ := rawjson.Int(r.Text(s))
			c.i64.Append(v)
			return
		}
		v, _ := strconv.ParseFloat(string(r.Text(s)), 64)
		c.f64.Append(v)
	case dataset.True, dataset.False:
		c.flag.Append(s.Kind == dataset.True)
	case dataset.Object:
		c.obj.Append(true)
		for i := range c.kids {
			c.kids[i].append(r, frame, tmp)
		}
	case dataset.List:
		if c.dict != nil {
			c.dict.Append(true)
		} else {
			c.list.Append(true)
		}
		at := s.Start
		for range s.End {
			f := r.Frame(at, c.size)
			if c.dict != nil {
				*tmp = r.Value((*tmp)[:0], f[dataset.KeySlot])
				c.keys.BinaryBuilder.Append(*tmp)
			}
			c.kids[0].append(r, f, tmp)
			at = dataset.NextFrame(f)
		}
	}
}

// settle puts the nulls so far into the builder.
func (c *column) settle() {
	n := c.nulls
	c.nulls = 0
	if c.obj == nil || c.slot < 0 {
		c.any.AppendNulls(n)
		return
	}
	// AppendNulls would go down to every field; here they only count.
	c.obj.AppendValues(make([]bool, n))
	for i := range c.kids {
		c.kids[i].nulls += n
	}
}

// flush brings the builder, and those below it, up to date.
func (c *column) flush() {
	if c.nulls > 0 {
		c.settle()
	}
	if c.str != nil {
		c.text = c.str.DataLen()
	}
	for i := range c.kids {
		c.kids[i].flush()
	}
}

// reserve makes room for the next batch, which is like the one before: growing
// step by step would allocate and copy as much again.
func (c *column) reserve() {
	if c.str != nil && c.text > 0 {
		c.str.Reserve(streamRows)
		c.str.ReserveData(c.text + c.text/16)
	}
	for i := range c.kids {
		c.kids[i].reserve()
	}
}

// rows collects rows of one table until they are taken as a record batch.
type rows struct {
	builder *array.RecordBuilder
	fields  map[string]array.Builder
	n       int
	tmp     scratch
}

func newRows(mem memory.Allocator, schema *arrow.Schema) *rows {
	r := &rows{builder: array.NewRecordBuilder(mem, schema), fields: map[string]array.Builder{}}
	for i, f := range schema.Fields() {
		r.fields[f.Name] = r.builder.Field(i)
	}
	return r
}

func (r *rows) count() int { return r.n }

// take returns the rows so far and starts anew.
func (r *rows) take() arrow.RecordBatch {
	r.n = 0
	return r.builder.NewRecordBatch()
}

// datasetRows appends records of one resource to the columns of its dataset.
type datasetRows struct {
	*rows
	body   column
	groups []*array.StructBuilder // _<tenant> and, in it, <resource>_data

	id, hash                *array.StringBuilder
	account, version        *array.StringBuilder
	seq                     *array.Int64Builder
	created, read, deletedT *array.TimestampBuilder
	livemode, deleted       *array.BooleanBuilder
}

func newDatasetRows(mem memory.Allocator, schema *arrow.Schema, layout *dataset.Layout, tenant string) *datasetRows {
	r := newRows(mem, schema)
	d := &datasetRows{
		rows:     r,
		id:       r.fields[colID].(*array.StringBuilder),
		hash:     r.fields[colHash].(*array.StringBuilder),
		seq:      r.fields[colSeq].(*array.Int64Builder),
		created:  r.fields[colCreated].(*array.TimestampBuilder),
		read:     r.fields[colReadAt].(*array.TimestampBuilder),
		account:  r.fields[colAccount].(*array.StringBuilder),
		livemode: r.fields[colLivemode].(*array.BooleanBuilder),
		version:  r.fields[colAPIVersion].(*array.StringBuilder),
		deleted:  r.fields[colDeleted].(*array.BooleanBuilder),
		deletedT: r.fields[colDeletedAt].(*array.TimestampBuilder),
	}
	outer := r.fields["_"+tenant].(*array.StructBuilder)
	inner := outer.FieldBuilder(0).(*array.StructBuilder)
	d.groups = []*array.StructBuilder{outer, inner}
	d.body = column{kids: newColumns(inner, layout.Nodes)}
	return d
}

func micros(t time.Time) arrow.Timestamp { return arrow.Timestamp(t.UnixMicro()) }

// take returns the rows so far and starts anew.
func (d *datasetRows) take() arrow.RecordBatch {
	d.body.flush()
	batch := d.rows.take()
	d.body.reserve()
	return batch
}

func (d *datasetRows) append(r *dataset.Record, v *dataset.Version) {
	d.id.BinaryBuilder.Append(r.ID)
	d.seq.Append(v.Seq)
	d.tmp = appendHex(d.tmp[:0], r.Hash)
	d.hash.BinaryBuilder.Append(d.tmp)
	d.created.Append(arrow.Timestamp(r.Created * 1e6))
	d.read.Append(micros(v.SeenAt))
	d.account.Append(v.Account)
	d.livemode.Append(v.Livemode)
	d.version.Append(v.APIVersion)
	d.deleted.Append(v.Op == dataset.OpDelete)
	if v.Op == dataset.OpDelete {
		d.deletedT.Append(micros(v.SeenAt))
	} else {
		d.deletedT.AppendNull()
	}
	for _, g := range d.groups {
		g.Append(true)
	}
	for i := range d.body.kids {
		d.body.kids[i].append(r, r.Slots, &d.tmp)
	}
	d.n++
}

// take returns the rows so far and starts anew.
func (h *historyRows) take() arrow.RecordBatch {
	text := h.raw.DataLen()
	batch := h.rows.take()
	h.raw.ReserveData(text + text/16)
	return batch
}

// historyRows appends versions of one resource to its history.
type historyRows struct {
	*rows
	id, op, source, run, account, version, hash, raw *array.StringBuilder
	seq, created                                     *array.Int64Builder
	seen                                             *array.TimestampBuilder
	livemode                                         *array.BooleanBuilder
}

func newHistoryRows(mem memory.Allocator, schema *arrow.Schema) *historyRows {
	r := newRows(mem, schema)
	str := func(name string) *array.StringBuilder { return r.fields[name].(*array.StringBuilder) }
	return &historyRows{
		rows: r,
		id:   str("id"), op: str("op"), source: str("source"), run: str("run_id"), account: str("account"),
		version: str("api_version"), hash: str("hash"), raw: str("raw"),
		seq:      r.fields["seq"].(*array.Int64Builder),
		created:  r.fields["created"].(*array.Int64Builder),
		seen:     r.fields["seen_at"].(*array.TimestampBuilder),
		livemode: r.fields["livemode"].(*array.BooleanBuilder),
	}
}

func appendHex(dst scratch, hash [16]byte) scratch {
	const digits = "0123456789abcdef"
	for _, b := range hash {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

func (h *historyRows) append(r *dataset.Record, v *dataset.Version) {
	h.id.BinaryBuilder.Append(r.ID)
	h.seq.Append(v.Seq)
	h.op.Append(v.Op)
	h.seen.Append(micros(v.SeenAt))
	h.source.Append(v.Source)
	h.run.Append(v.RunID)
	h.account.Append(v.Account)
	h.livemode.Append(v.Livemode)
	h.version.Append(v.APIVersion)
	h.tmp = appendHex(h.tmp[:0], r.Hash)
	h.hash.BinaryBuilder.Append(h.tmp)
	h.created.Append(r.Created)
	h.raw.BinaryBuilder.Append(r.Raw)
	h.n++
}
