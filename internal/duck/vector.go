//go:build cgo

package duck

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"time"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// A dataType is what decoding a column needs to know of its type.
type dataType struct {
	kind     duckdb.Type
	json     bool
	scale    int         // of a decimal
	storage  duckdb.Type // of a decimal or enum
	size     uint64      // of an array
	names    []string    // of a struct's fields, a union's members, an enum's values
	children []*dataType
	unknown  string // the type's name, if it can't be decoded
}

func typeOf(l duckdb.LogicalType) *dataType {
	t := &dataType{kind: duckdb.GetTypeId(l), json: duckdb.LogicalTypeGetAlias(l) == "JSON"}
	child := func(c duckdb.LogicalType) {
		t.children = append(t.children, typeOf(c))
		duckdb.DestroyLogicalType(&c)
	}
	switch t.kind {
	case duckdb.TypeDecimal:
		t.scale, t.storage = int(duckdb.DecimalScale(l)), duckdb.DecimalInternalType(l)
	case duckdb.TypeEnum:
		t.storage = duckdb.EnumInternalType(l)
		for i := range duckdb.EnumDictionarySize(l) {
			t.names = append(t.names, duckdb.EnumDictionaryValue(l, duckdb.IdxT(i)))
		}
	case duckdb.TypeList:
		child(duckdb.ListTypeChildType(l))
	case duckdb.TypeArray:
		t.size = uint64(duckdb.ArrayTypeArraySize(l))
		child(duckdb.ArrayTypeChildType(l))
	case duckdb.TypeMap:
		child(duckdb.MapTypeKeyType(l))
		child(duckdb.MapTypeValueType(l))
	case duckdb.TypeStruct:
		for i := range duckdb.StructTypeChildCount(l) {
			t.names = append(t.names, duckdb.StructTypeChildName(l, i))
			child(duckdb.StructTypeChildType(l, i))
		}
	case duckdb.TypeUnion:
		for i := range duckdb.UnionTypeMemberCount(l) {
			t.names = append(t.names, duckdb.UnionTypeMemberName(l, i))
			child(duckdb.UnionTypeMemberType(l, i))
		}
	default:
		if !t.plain() {
			t.unknown = rare[t.kind]
			if t.unknown == "" {
				t.unknown = "another one"
			}
		}
	}
	for _, c := range t.children {
		if c.unknown != "" {
			t.unknown = c.unknown
		}
	}
	return t
}

// rare are the types that are not decoded.
var rare = map[duckdb.Type]string{
	duckdb.TypeBit: "BIT", duckdb.TypeTimeTZ: "TIME WITH TIME ZONE", duckdb.TypeTimeNS: "TIME_NS",
	duckdb.TypeBigNum: "BIGNUM", duckdb.TypeGeometry: "GEOMETRY", duckdb.TypeVariant: "VARIANT",
}

// plain says whether values of the type stand for themselves.
func (t *dataType) plain() bool {
	switch t.kind {
	case duckdb.TypeBoolean, duckdb.TypeTinyInt, duckdb.TypeSmallInt, duckdb.TypeInteger, duckdb.TypeBigInt,
		duckdb.TypeUTinyInt, duckdb.TypeUSmallInt, duckdb.TypeUInteger, duckdb.TypeUBigInt, duckdb.TypeHugeInt, duckdb.TypeUHugeInt,
		duckdb.TypeFloat, duckdb.TypeDouble, duckdb.TypeVarchar, duckdb.TypeBlob, duckdb.TypeUUID, duckdb.TypeSQLNull,
		duckdb.TypeTimestamp, duckdb.TypeTimestampTZ, duckdb.TypeTimestampS, duckdb.TypeTimestampMS, duckdb.TypeTimestampNS,
		duckdb.TypeDate, duckdb.TypeTime, duckdb.TypeInterval:
		return true
	}
	return false
}

func (t *dataType) numeric() bool {
	switch t.kind {
	case duckdb.TypeTinyInt, duckdb.TypeSmallInt, duckdb.TypeInteger, duckdb.TypeBigInt,
		duckdb.TypeUTinyInt, duckdb.TypeUSmallInt, duckdb.TypeUInteger, duckdb.TypeUBigInt, duckdb.TypeHugeInt, duckdb.TypeUHugeInt,
		duckdb.TypeFloat, duckdb.TypeDouble, duckdb.TypeDecimal:
		return true
	}
	return false
}

// A vector is one column of a chunk, or a part of one. It refers to DuckDB's
// memory and is valid as long as the chunk; the values it returns are copies.
type vector struct {
	*dataType
	data     unsafe.Pointer
	validity unsafe.Pointer // a bit per row, set for values that are not null; nil when none is
	children []vector
}

func (t *dataType) open(v duckdb.Vector) vector {
	out := vector{dataType: t, data: duckdb.VectorGetData(v), validity: duckdb.VectorGetValidity(v)}
	switch t.kind {
	case duckdb.TypeList:
		out.children = []vector{t.children[0].open(duckdb.ListVectorGetChild(v))}
	case duckdb.TypeArray:
		out.children = []vector{t.children[0].open(duckdb.ArrayVectorGetChild(v))}
	case duckdb.TypeMap: // a list of structs
		entries := duckdb.ListVectorGetChild(v)
		for i, c := range t.children {
			out.children = append(out.children, c.open(duckdb.StructVectorGetChild(entries, duckdb.IdxT(i))))
		}
	case duckdb.TypeStruct:
		for i, c := range t.children {
			out.children = append(out.children, c.open(duckdb.StructVectorGetChild(v, duckdb.IdxT(i))))
		}
	case duckdb.TypeUnion: // a struct of the tag and the members
		tag := (&dataType{kind: duckdb.TypeUTinyInt}).open(duckdb.StructVectorGetChild(v, 0))
		out.children = []vector{tag}
		for i, c := range t.children {
			out.children = append(out.children, c.open(duckdb.StructVectorGetChild(v, duckdb.IdxT(i+1))))
		}
	}
	return out
}

func at[T any](data unsafe.Pointer, row uint64) T {
	var zero T
	return *(*T)(unsafe.Add(data, uintptr(row)*unsafe.Sizeof(zero)))
}

func (v *vector) value(row uint64) any {
	if v.validity != nil && at[uint64](v.validity, row/64)&(1<<(row%64)) == 0 {
		return nil
	}
	switch v.kind {
	case duckdb.TypeSQLNull:
		return nil
	case duckdb.TypeBoolean:
		return at[bool](v.data, row)
	case duckdb.TypeTinyInt, duckdb.TypeSmallInt, duckdb.TypeInteger, duckdb.TypeBigInt:
		return v.signed(v.kind, row)
	case duckdb.TypeUTinyInt, duckdb.TypeUSmallInt, duckdb.TypeUInteger, duckdb.TypeUBigInt:
		return v.unsigned(v.kind, row)
	case duckdb.TypeHugeInt:
		return v.huge(row)
	case duckdb.TypeUHugeInt:
		return unsignedHuge(at[[2]uint64](v.data, row))
	case duckdb.TypeFloat:
		return at[float32](v.data, row)
	case duckdb.TypeDouble:
		return at[float64](v.data, row)
	case duckdb.TypeVarchar:
		if v.json {
			return Document(v.text(row))
		}
		return v.text(row)
	case duckdb.TypeBlob:
		return []byte(v.text(row))
	case duckdb.TypeUUID:
		return v.uuid(row)
	case duckdb.TypeDecimal:
		return v.decimal(row)
	case duckdb.TypeEnum:
		return v.names[v.unsigned(v.storage, row)]
	case duckdb.TypeList, duckdb.TypeArray, duckdb.TypeMap, duckdb.TypeStruct, duckdb.TypeUnion:
		return v.nested(row)
	}
	return v.time(row)
}

func (v *vector) signed(kind duckdb.Type, row uint64) int64 {
	switch kind {
	case duckdb.TypeTinyInt:
		return int64(at[int8](v.data, row))
	case duckdb.TypeSmallInt:
		return int64(at[int16](v.data, row))
	case duckdb.TypeInteger:
		return int64(at[int32](v.data, row))
	}
	return at[int64](v.data, row)
}

func (v *vector) unsigned(kind duckdb.Type, row uint64) uint64 {
	switch kind {
	case duckdb.TypeUTinyInt:
		return uint64(at[uint8](v.data, row))
	case duckdb.TypeUSmallInt:
		return uint64(at[uint16](v.data, row))
	case duckdb.TypeUInteger:
		return uint64(at[uint32](v.data, row))
	}
	return at[uint64](v.data, row)
}

// huge reads a 128-bit integer: the lower half, then the upper.
func (v *vector) huge(row uint64) *big.Int {
	half := at[[2]uint64](v.data, row)
	n := new(big.Int).Lsh(big.NewInt(int64(half[1])), 64)
	return n.Add(n, new(big.Int).SetUint64(half[0]))
}

func unsignedHuge(half [2]uint64) *big.Int {
	n := new(big.Int).Lsh(new(big.Int).SetUint64(half[1]), 64)
	return n.Add(n, new(big.Int).SetUint64(half[0]))
}

// text copies a string: its length, then up to 12 bytes in place, or 4 of
// them and a pointer to all.
func (v *vector) text(row uint64) string {
	p := unsafe.Add(v.data, row*16)
	n := int(*(*uint32)(p))
	b := unsafe.Add(p, 4)
	if n > 12 {
		b = *(*unsafe.Pointer)(unsafe.Add(p, 8))
	}
	return string(unsafe.Slice((*byte)(b), n))
}

func (v *vector) uuid(row uint64) string {
	half := at[[2]uint64](v.data, row)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], half[1]^1<<63) // stored so that it sorts as a signed number
	binary.BigEndian.PutUint64(b[8:], half[0])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (v *vector) decimal(row uint64) Decimal {
	if v.storage == duckdb.TypeHugeInt {
		return newDecimal(v.huge(row).String(), v.scale)
	}
	return newDecimal(fmt.Sprint(v.signed(v.storage, row)), v.scale)
}

func (v *vector) nested(row uint64) any {
	switch v.kind {
	case duckdb.TypeStruct:
		s := Struct{Names: v.names, Values: make([]any, len(v.children))}
		for i := range v.children {
			s.Values[i] = v.children[i].value(row)
		}
		return s
	case duckdb.TypeUnion:
		tag, ok := v.children[0].value(row).(uint64)
		if !ok {
			return nil
		}
		return v.children[tag+1].value(row)
	}
	from, n := row*v.size, v.size
	if v.kind != duckdb.TypeArray {
		entry := at[[2]uint64](v.data, row)
		from, n = entry[0], entry[1]
	}
	if v.kind == duckdb.TypeMap {
		m := make(Map, n)
		for i := range n {
			m[i] = Pair{v.children[0].value(from + i), v.children[1].value(from + i)}
		}
		return m
	}
	l := make([]any, n)
	for i := range n {
		l[i] = v.children[0].value(from + i)
	}
	return l
}

// time decodes what has to do with it. The largest values stand for infinity.
func (v *vector) time(row uint64) any {
	switch v.kind {
	case duckdb.TypeDate:
		days := at[int32](v.data, row)
		if days == 1<<31-1 || days == -(1<<31-1) {
			return infinity(int64(days))
		}
		return time.Unix(int64(days)*86400, 0).UTC().Format(time.DateOnly)
	case duckdb.TypeTime:
		return time.UnixMicro(at[int64](v.data, row)).UTC().Format("15:04:05.999999")
	case duckdb.TypeInterval:
		parts := at[struct {
			months, days int32
			micros       int64
		}](v.data, row)
		return interval(parts.months, parts.days, parts.micros)
	}
	n := at[int64](v.data, row)
	if n == 1<<63-1 || n == -(1<<63-1) {
		return infinity(n)
	}
	switch v.kind {
	case duckdb.TypeTimestampS:
		return time.Unix(n, 0).UTC()
	case duckdb.TypeTimestampMS:
		return time.UnixMilli(n).UTC()
	case duckdb.TypeTimestampNS:
		return time.Unix(n/1e9, n%1e9).UTC()
	}
	return time.UnixMicro(n).UTC()
}

func infinity(n int64) string {
	if n < 0 {
		return "-infinity"
	}
	return "infinity"
}
