package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of what reading a Parquet file from outside may take.
const (
	parquetPage   = 64 << 20  // bytes of a page, uncompressed
	parquetPacked = 16 << 20  // bytes of a page, compressed
	parquetMemory = 512 << 20 // all pages in hand, one of each column
	parquetRow    = 32 << 20  // bytes of a row's JSON
	parquetRows   = 1 << 30   // of a file: a few bytes can claim any number

	parquetColumns = 10_000
	parquetBuffers = 80 << 20 // between file and pages, of all columns
)

// ReadParquet yields the rows of a Parquet file as JSON objects: groups are
// objects, lists arrays, maps objects, dates and instants texts; what is null
// is left out. A row is valid until the next step. A file that is no good,
// whatever it claims, ends the rows with a problem of kind Invalid.
//
// It reads by levels, on one goroutine: the library's readers of whole records
// start goroutines of their own, whose panics nobody could catch.
func ReadParquet(ctx context.Context, path string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		stopped := false
		err := readParquet(ctx, path, func(row []byte) bool {
			stopped = !yield(row, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

func readParquet(ctx context.Context, path string, yield func([]byte) bool) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return fault(err, "read a Parquet file")
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return fault(err, "read a Parquet file")
	}
	if err := checkFooter(f, info.Size()); err != nil {
		return err
	}
	calling := false // the panic would be of who takes the rows
	defer func() {
		if p := recover(); p != nil {
			if calling {
				panic(p)
			}
			err = unreadableParquet(fmt.Sprint(p))
		}
	}()
	err = parquetRecords(ctx, f, func(row []byte) bool {
		calling = true
		more := yield(row)
		calling = false
		return more
	})
	if err == nil || errors.Is(err, errStop) {
		return nil
	}
	if c := context.Cause(ctx); c != nil {
		return c
	}
	if problem.KindOf(err) == problem.Invalid {
		return err
	}
	return unreadableParquet(err.Error())
}

// errStop says that who takes the rows wants no more.
var errStop = errors.New("no more rows are wanted")

func parquetRecords(ctx context.Context, f *os.File, yield func([]byte) bool) error {
	props := parquet.NewReaderProperties(&bounded{limit: parquetMemory, Allocator: memory.DefaultAllocator})
	props.BufferedStreamEnabled = true
	props.BufferSize = parquetBuffers / parquetColumns
	props.MaxUncompressedPageSize, props.MaxCompressedPageSize = parquetPage, parquetPacked
	// The reader closes what it is given, if it can; f is closed elsewhere.
	pf, err := file.NewParquetReader(struct {
		io.ReadSeeker
		io.ReaderAt
	}{f, f}, file.WithReadProps(props))
	if err != nil {
		return err
	}
	tree, leaves, err := parquetTree(pf.MetaData().Schema)
	if err != nil {
		return err
	}
	var total int64
	for g := range pf.NumRowGroups() {
		group := pf.RowGroup(g)
		rows := group.NumRows()
		if total += rows; rows < 0 || total > parquetRows {
			return fmt.Errorf("it claims more than %d rows", parquetRows)
		}
		for i, leaf := range leaves {
			col, err := group.Column(i)
			if err != nil {
				return err
			}
			if err := leaf.begin(col); err != nil {
				return err
			}
		}
		if err := parquetGroup(ctx, tree, leaves, rows, yield); err != nil {
			return err
		}
	}
	return nil
}

func parquetGroup(ctx context.Context, tree *parquetNode, leaves []*parquetLeaf, rows int64, yield func([]byte) bool) error {
	var row []byte
	for n := range rows {
		if n%256 == 0 {
			if err := context.Cause(ctx); err != nil {
				return err
			}
		}
		for _, leaf := range leaves {
			if err := leaf.fill(); err != nil {
				return err
			}
			if !leaf.more || leaf.rep() != 0 {
				return errors.New("its columns do not have the same rows")
			}
		}
		var err error
		if row, err = tree.members(row[:0], 0); err != nil {
			return err
		}
		if !yield(row) {
			return errStop
		}
	}
	for _, leaf := range leaves {
		if err := leaf.fill(); err != nil {
			return err
		}
		if leaf.more {
			return errors.New("its columns have more values than it has rows")
		}
	}
	return nil
}

// A bounded allocator panics where more would be in use than it allows.
type bounded struct {
	memory.Allocator
	limit int64
	used  atomic.Int64
}

func (b *bounded) grow(n int) {
	if b.used.Add(int64(n)) > b.limit {
		panic(fmt.Sprintf("it takes more than %d bytes of memory to read", b.limit))
	}
}

// Allocate implements memory.Allocator.
func (b *bounded) Allocate(size int) []byte {
	b.grow(size)
	return b.Allocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (b *bounded) Reallocate(size int, old []byte) []byte {
	b.grow(size - len(old))
	return b.Allocator.Reallocate(size, old)
}

// Free implements memory.Allocator.
func (b *bounded) Free(old []byte) {
	b.used.Add(-int64(len(old)))
	b.Allocator.Free(old)
}

// A parquetNode is a node of a file's schema with what its levels mean.
type parquetNode struct {
	name   []byte // as the key of a JSON object, with its colon
	def    int16  // definition level from which on it is there
	rep    int16  // of a repeated node: the repetition level of its next element
	kind   parquetKind
	kids   []*parquetNode // of an object; the element of an array; key and value of a map
	leaf   *parquetLeaf   // of a scalar
	leaves []*parquetLeaf // below it
}

type parquetKind uint8

const (
	parquetScalar parquetKind = iota
	parquetObject
	parquetArray
	parquetMap
)

func parquetTree(s *schema.Schema) (*parquetNode, []*parquetLeaf, error) {
	if s.NumColumns() > parquetColumns {
		return nil, nil, fmt.Errorf("it has more than %d columns", parquetColumns)
	}
	b := &parquetBuild{schema: s}
	root, err := b.object(s.Root(), 0, 0)
	if err == nil && len(b.leaves) != s.NumColumns() {
		err = errors.New("its schema is no tree")
	}
	return root, b.leaves, err
}

type parquetBuild struct {
	schema *schema.Schema
	leaves []*parquetLeaf
}

// object makes the node of a group, whose own levels are given.
func (b *parquetBuild) object(g *schema.GroupNode, def, rep int16) (*parquetNode, error) {
	n := &parquetNode{kind: parquetObject, def: def}
	for i := range g.NumFields() {
		kid, err := b.node(g.Field(i), def, rep)
		if err != nil {
			return nil, err
		}
		if kid.name, err = json.Marshal(g.Field(i).Name()); err != nil {
			return nil, err
		}
		kid.name = append(kid.name, ':')
		n.kids = append(n.kids, kid)
		n.leaves = append(n.leaves, kid.leaves...)
	}
	if len(n.leaves) == 0 {
		return nil, errors.New("it has a group without columns")
	}
	return n, nil
}

// node makes the node of a field below def and rep.
func (b *parquetBuild) node(f schema.Node, def, rep int16) (*parquetNode, error) {
	switch f.RepetitionType() {
	case parquet.Repetitions.Optional:
		def++
	case parquet.Repetitions.Repeated:
		// Without a list around it, as Parquet wrote them once.
		n := &parquetNode{kind: parquetArray, def: def, rep: rep + 1}
		return n.hold(b.inner(f, def+1, rep+1))
	default:
	}
	g, ok := f.(*schema.GroupNode)
	if !ok {
		return b.inner(f, def, rep)
	}
	switch {
	case isMap(g):
		entries := g.Field(0).(*schema.GroupNode)
		n := &parquetNode{kind: parquetMap, def: def, rep: rep + 1}
		for i := range 2 {
			if _, err := n.hold(b.node(entries.Field(i), def+1, rep+1)); err != nil {
				return nil, err
			}
		}
		if n.kids[0].kind != parquetScalar {
			return nil, errors.New("it has a map whose keys are no scalars")
		}
		return n, nil
	case isList(g):
		elements := g.Field(0)
		n := &parquetNode{kind: parquetArray, def: def, rep: rep + 1}
		if inner, ok := elements.(*schema.GroupNode); ok && inner.NumFields() == 1 && inner.Name() != "array" && inner.Name() != g.Name()+"_tuple" {
			return n.hold(b.node(inner.Field(0), def+1, rep+1))
		}
		return n.hold(b.inner(elements, def+1, rep+1))
	}
	return b.object(g, def, rep)
}

// inner makes the node of a field whose own repetition is accounted for.
func (b *parquetBuild) inner(f schema.Node, def, rep int16) (*parquetNode, error) {
	if g, ok := f.(*schema.GroupNode); ok {
		return b.object(g, def, rep)
	}
	p, ok := f.(*schema.PrimitiveNode)
	if !ok {
		return nil, errors.New("it has a column of no kind that is known")
	}
	column := b.schema.Column(len(b.leaves))
	if column.MaxDefinitionLevel() != def || column.MaxRepetitionLevel() != rep || column.SchemaNode() != f {
		return nil, errors.New("its schema is no tree")
	}
	leaf, err := newParquetLeaf(p, def, rep)
	if err != nil {
		return nil, err
	}
	b.leaves = append(b.leaves, leaf)
	return &parquetNode{kind: parquetScalar, def: def, leaf: leaf, leaves: []*parquetLeaf{leaf}}, nil
}

func (n *parquetNode) hold(kid *parquetNode, err error) (*parquetNode, error) {
	if err != nil {
		return nil, err
	}
	n.kids = append(n.kids, kid)
	n.leaves = append(n.leaves, kid.leaves...)
	return n, nil
}

func repeatedGroup(g *schema.GroupNode, fields int) bool {
	if g.NumFields() != 1 || g.Field(0).RepetitionType() != parquet.Repetitions.Repeated {
		return false
	}
	inner, ok := g.Field(0).(*schema.GroupNode)
	return ok && inner.NumFields() == fields
}

func isMap(g *schema.GroupNode) bool {
	_, logical := g.LogicalType().(schema.MapLogicalType)
	c := g.ConvertedType()
	return (logical || c == schema.ConvertedTypes.Map || c == schema.ConvertedTypes.MapKeyValue) && repeatedGroup(g, 2)
}

func isList(g *schema.GroupNode) bool {
	_, logical := g.LogicalType().(schema.ListLogicalType)
	return (logical || g.ConvertedType() == schema.ConvertedTypes.List) && g.NumFields() == 1 &&
		g.Field(0).RepetitionType() == parquet.Repetitions.Repeated
}

var errParquetRow = fmt.Errorf("a row of it has more than %d bytes", parquetRow)

// append adds the value in hand to dst and moves all leaves below n behind it.
func (n *parquetNode) append(dst []byte, depth int) ([]byte, error) {
	if len(dst) > parquetRow {
		return dst, errParquetRow
	}
	switch n.kind {
	case parquetScalar:
		return n.leaf.append(dst)
	case parquetObject:
		return n.members(dst, depth)
	case parquetArray, parquetMap:
	}
	opening, closing := byte('['), byte(']')
	if n.kind == parquetMap {
		opening, closing = '{', '}'
	}
	dst = append(dst, opening)
	first := n.leaves[0]
	if first.def() <= n.def { // empty
		return append(dst, closing), n.pass()
	}
	for i := 0; ; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if n.kind == parquetMap {
			dst, err = n.entry(dst, depth)
		} else {
			dst, err = n.kids[0].value(dst, depth+1)
		}
		if err != nil {
			return dst, err
		}
		if err := first.fill(); err != nil {
			return dst, err
		}
		again := first.more && first.rep() == n.rep
		for _, leaf := range n.leaves[1:] {
			if err := leaf.fill(); err != nil {
				return dst, err
			}
			if (leaf.more && leaf.rep() == n.rep) != again {
				return dst, errors.New("columns of a list in it do not have the same elements")
			}
		}
		if !again {
			return append(dst, closing), nil
		}
	}
}

// value appends the value or null.
func (n *parquetNode) value(dst []byte, depth int) ([]byte, error) {
	if n.absent() {
		return append(dst, "null"...), n.pass()
	}
	return n.append(dst, depth)
}

func (n *parquetNode) absent() bool { return n.leaves[0].def() < n.def }

// pass moves the leaves below n on by one place, where there is nothing.
func (n *parquetNode) pass() error {
	for _, leaf := range n.leaves {
		if leaf.def() >= leaf.maxDef && leaf.maxDef > 0 {
			return errors.New("its columns do not agree on what is null")
		}
		if err := leaf.next(); err != nil {
			return err
		}
	}
	return nil
}

func (n *parquetNode) entry(dst []byte, depth int) ([]byte, error) {
	if n.kids[0].absent() {
		return dst, errors.New("a map in it has a key that is null")
	}
	at := len(dst)
	dst, err := n.kids[0].append(dst, depth+1)
	if err != nil {
		return dst, err
	}
	if dst[at] != '"' {
		key := append([]byte{'"'}, dst[at:]...)
		dst = append(append(dst[:at], key...), '"')
	}
	return n.kids[1].value(append(dst, ':'), depth+1)
}

// members appends an object with the members that are not null.
func (n *parquetNode) members(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for _, kid := range n.kids {
		if err := kid.fill(); err != nil {
			return dst, err
		}
		if kid.absent() {
			if err := kid.pass(); err != nil {
				return dst, err
			}
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		if dst, err = kid.append(append(dst, kid.name...), depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func (n *parquetNode) fill() error {
	for _, leaf := range n.leaves {
		if err := leaf.fill(); err != nil {
			return err
		}
		if !leaf.more {
			return errors.New("a column of it ends too early")
		}
	}
	return nil
}
