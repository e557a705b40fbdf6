package lake

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// leafRows is how many values of a column are decoded at once.
const leafRows = 256

// A parquetLeaf goes through the values of one column of a file.
type parquetLeaf struct {
	maxDef, maxRep int16
	physical       parquet.Type
	show           func(dst []byte, l *parquetLeaf, i int) ([]byte, error)

	col        file.ColumnChunkReader
	defs, reps []int16
	levels     int  // in hand
	values     int  // in hand
	at         int  // level
	value      int  // that belongs to it, if it has one
	more       bool // there is something at at

	ints32  []int32
	ints64  []int64
	ints96  []parquet.Int96
	floats  []float32
	doubles []float64
	flags   []bool
	texts   []parquet.ByteArray
	fixed   []parquet.FixedLenByteArray
}

func newParquetLeaf(p *schema.PrimitiveNode, def, rep int16) (*parquetLeaf, error) {
	l := &parquetLeaf{maxDef: def, maxRep: rep, physical: p.PhysicalType(), defs: make([]int16, leafRows), reps: make([]int16, leafRows)}
	switch l.physical {
	case parquet.Types.Boolean:
		l.flags = make([]bool, leafRows)
	case parquet.Types.Int32:
		l.ints32 = make([]int32, leafRows)
	case parquet.Types.Int64:
		l.ints64 = make([]int64, leafRows)
	case parquet.Types.Int96:
		l.ints96 = make([]parquet.Int96, leafRows)
	case parquet.Types.Float:
		l.floats = make([]float32, leafRows)
	case parquet.Types.Double:
		l.doubles = make([]float64, leafRows)
	case parquet.Types.ByteArray:
		l.texts = make([]parquet.ByteArray, leafRows)
	case parquet.Types.FixedLenByteArray:
		l.fixed = make([]parquet.FixedLenByteArray, leafRows)
	default:
		return nil, fmt.Errorf("its column %s is of a type that is not known", p.Name())
	}
	l.show = shower(p)
	return l, nil
}

func (l *parquetLeaf) begin(col file.ColumnChunkReader) error {
	if col == nil || col.Type() != l.physical {
		return errors.New("a column of it is not of the type that its schema says")
	}
	l.col, l.levels, l.values, l.at, l.value, l.more = col, 0, 0, 0, 0, true
	return nil
}

func (l *parquetLeaf) def() int16 {
	if l.maxDef == 0 {
		return 0
	}
	return l.defs[l.at]
}

func (l *parquetLeaf) rep() int16 {
	if l.maxRep == 0 {
		return 0
	}
	return l.reps[l.at]
}

// fill decodes more values where none is in hand. At the column's end more is
// false.
func (l *parquetLeaf) fill() error {
	if !l.more || l.at < l.levels {
		return nil
	}
	if !l.col.HasNext() {
		l.more = false
		return l.col.Err()
	}
	var levels int64
	var values int
	var err error
	switch col := l.col.(type) {
	case *file.BooleanColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.flags, l.defs, l.reps)
	case *file.Int32ColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.ints32, l.defs, l.reps)
	case *file.Int64ColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.ints64, l.defs, l.reps)
	case *file.Int96ColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.ints96, l.defs, l.reps)
	case *file.Float32ColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.floats, l.defs, l.reps)
	case *file.Float64ColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.doubles, l.defs, l.reps)
	case *file.ByteArrayColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.texts, l.defs, l.reps)
	case *file.FixedLenByteArrayColumnChunkReader:
		levels, values, err = col.ReadBatchInPage(leafRows, l.fixed, l.defs, l.reps)
	default:
		err = errors.New("a column of it is of a type that is not known")
	}
	if err != nil {
		return err
	}
	if levels <= 0 || levels > leafRows {
		return errors.New("a page of it has fewer values than it says")
	}
	l.levels, l.values, l.at, l.value = int(levels), values, 0, 0
	for i := range l.levels {
		if l.maxDef > 0 && (l.defs[i] < 0 || l.defs[i] > l.maxDef) || l.maxRep > 0 && (l.reps[i] < 0 || l.reps[i] > l.maxRep) {
			return errors.New("a page of it has levels that its schema does not")
		}
	}
	return nil
}

// append adds the value in hand, or null, and goes on.
func (l *parquetLeaf) append(dst []byte) ([]byte, error) {
	if l.def() < l.maxDef {
		return append(dst, "null"...), l.next()
	}
	if l.value >= l.values {
		return dst, errors.New("a page of it has fewer values than it says")
	}
	dst, err := l.show(dst, l, l.value)
	if err != nil {
		return dst, err
	}
	l.value++
	return dst, l.next()
}

func (l *parquetLeaf) next() error {
	l.at++
	return l.fill()
}

// shower returns what writes a value of the column as JSON.
func shower(p *schema.PrimitiveNode) func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
	switch p.PhysicalType() {
	case parquet.Types.Boolean:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			return strconv.AppendBool(dst, l.flags[i]), nil
		}
	case parquet.Types.Float:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			return appendFloat(dst, float64(l.floats[i]), 32), nil
		}
	case parquet.Types.Double:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			return appendFloat(dst, l.doubles[i], 64), nil
		}
	case parquet.Types.Int96:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			return appendInstant(dst, l.ints96[i].ToTime())
		}
	case parquet.Types.Int32, parquet.Types.Int64:
		show := showInt(p)
		if p.PhysicalType() == parquet.Types.Int32 {
			return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) { return show(dst, int64(l.ints32[i])) }
		}
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) { return show(dst, l.ints64[i]) }
	case parquet.Types.ByteArray:
		if d, ok := p.LogicalType().(schema.DecimalLogicalType); ok {
			return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
				return appendDecimal(dst, bigEndian(l.texts[i]), d.Scale())
			}
		}
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) { return appendText(dst, l.texts[i]) }
	default:
	}
	switch t := p.LogicalType().(type) {
	case schema.DecimalLogicalType:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			return appendDecimal(dst, bigEndian(l.fixed[i]), t.Scale())
		}
	case schema.UUIDLogicalType:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			b := l.fixed[i]
			if len(b) != 16 {
				return dst, errors.New("a UUID in it has not 16 bytes")
			}
			h := hex.EncodeToString(b)
			return append(dst, `"`+h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:]+`"`...), nil
		}
	case schema.Float16LogicalType:
		return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) {
			if len(l.fixed[i]) != 2 {
				return dst, errors.New("a half float in it has not 2 bytes")
			}
			return appendFloat(dst, float64(float16.FromLEBytes(l.fixed[i]).Float32()), 32), nil
		}
	}
	return func(dst []byte, l *parquetLeaf, i int) ([]byte, error) { return appendText(dst, l.fixed[i]) }
}

func showInt(p *schema.PrimitiveNode) func(dst []byte, v int64) ([]byte, error) {
	switch t := p.LogicalType().(type) {
	case schema.DateLogicalType:
		return func(dst []byte, v int64) ([]byte, error) {
			day := time.Unix(v*86400, 0).UTC()
			if y := day.Year(); y < 0 || y > 9999 {
				return strconv.AppendInt(dst, v, 10), nil // no date: who checks types refuses it
			}
			return day.AppendFormat(dst, `"`+time.DateOnly+`"`), nil
		}
	case schema.TimestampLogicalType:
		switch t.TimeUnit() {
		case schema.TimeUnitMillis:
			return func(dst []byte, v int64) ([]byte, error) { return appendInstant(dst, time.UnixMilli(v)) }
		case schema.TimeUnitMicros:
			return func(dst []byte, v int64) ([]byte, error) { return appendInstant(dst, time.UnixMicro(v)) }
		default:
			return func(dst []byte, v int64) ([]byte, error) {
				return appendInstant(dst, time.Unix(floor(v, 1e9), v-floor(v, 1e9)*1e9))
			}
		}
	case schema.DecimalLogicalType:
		return func(dst []byte, v int64) ([]byte, error) { return appendDecimal(dst, big.NewInt(v), t.Scale()) }
	case schema.IntLogicalType:
		if !t.IsSigned() {
			mask := uint64(math.MaxUint64)
			if t.BitWidth() < 64 {
				mask = 1<<t.BitWidth() - 1
			}
			return func(dst []byte, v int64) ([]byte, error) {
				return strconv.AppendUint(dst, uint64(v)&mask, 10), nil //nolint:gosec // the same bits
			}
		}
	}
	return func(dst []byte, v int64) ([]byte, error) { return strconv.AppendInt(dst, v, 10), nil }
}

func floor(v, by int64) int64 {
	q := v / by
	if v%by < 0 {
		q--
	}
	return q
}

// appendInstant adds a time in RFC 3339; one that can't be written so comes as
// its number of milliseconds, which is no time to who checks types.
func appendInstant(dst []byte, t time.Time) ([]byte, error) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		return strconv.AppendInt(dst, t.UnixMilli(), 10), nil
	}
	return t.AppendFormat(dst, `"`+time.RFC3339Nano+`"`), nil
}

// appendFloat adds a number; what JSON has no number for comes as its name.
func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 0):
		return append(dst, `"Infinity"`...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits)
}

func bigEndian(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	return v
}

func appendDecimal(dst []byte, v *big.Int, scale int32) ([]byte, error) {
	if scale < 0 || scale > 1000 || v.BitLen() > 4096 {
		return dst, errors.New("it has a decimal number out of all bounds")
	}
	dst = v.Append(dst, 10)
	if scale > 0 {
		dst = append(dst, 'e', '-')
		dst = strconv.AppendInt(dst, int64(scale), 10)
	}
	return dst, nil
}

// appendText adds a text; bytes that are none come as an array of numbers,
// which no text field takes.
func appendText(dst, b []byte) ([]byte, error) {
	if len(b) > parquetRow {
		return dst, errParquetRow
	}
	if !utf8.Valid(b) {
		return append(dst, `["bytes that are no UTF-8"]`...), nil
	}
	text, err := json.Marshal(string(b))
	return append(dst, text...), err
}
