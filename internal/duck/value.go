package duck

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A column describes a column of the rows of a query.
type column struct {
	name    string
	numeric bool
}

// A Document is JSON text.
type Document string

// A Decimal is the exact text of a decimal number: -12.50.
type Decimal string

// A Struct has named values in the order of its type.
type Struct struct {
	Names  []string
	Values []any
}

// A Map has its entries in the order in which they are stored.
type Map []Pair

// A Pair is an entry of a Map.
type Pair struct{ Key, Value any }

// newDecimal puts the point into an integer's text.
func newDecimal(digits string, scale int) Decimal {
	if scale == 0 {
		return Decimal(digits)
	}
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - scale
	return Decimal(sign + digits[:point] + "." + digits[point:])
}

// interval writes the parts that are not zero: 1 months 3 days 04:00:00.
func interval(months, days int32, micros int64) string {
	var parts []string
	if months != 0 {
		parts = append(parts, fmt.Sprint(months, " months"))
	}
	if days != 0 {
		parts = append(parts, fmt.Sprint(days, " days"))
	}
	if micros != 0 || len(parts) == 0 {
		sign, n := "", uint64(micros)
		if micros < 0 {
			sign, n = "-", -n
		}
		clock := fmt.Sprintf("%s%02d:%02d:%02d", sign, n/3_600_000_000, n/60_000_000%60, n/1_000_000%60)
		if f := n % 1_000_000; f != 0 {
			clock += strings.TrimRight(fmt.Sprintf(".%06d", f), "0")
		}
		parts = append(parts, clock)
	}
	return strings.Join(parts, " ")
}

// appendJSON writes a value as JSON without line feeds. What JSON cannot say
// (NaN, infinity) is null.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case *big.Int:
		return v.Append(b, 10)
	case Decimal:
		return append(b, v...)
	case float32:
		return appendFloat(b, float64(v), 32)
	case float64:
		return appendFloat(b, v, 64)
	case string:
		return appendText(b, v)
	case []byte:
		return appendText(b, base64.StdEncoding.EncodeToString(v))
	case time.Time:
		return appendText(b, v.Format(time.RFC3339Nano))
	case Document:
		return appendDocument(b, v)
	}
	return appendNested(b, v, appendJSON)
}

// appendExact is appendJSON without loss: what JSON's readers would round, or
// JSON can't say, is text.
func appendExact(b []byte, v any) []byte {
	switch v := v.(type) {
	case Decimal:
		return appendText(b, string(v))
	case float32:
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return appendExact(b, f)
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return appendText(b, strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
		}
	case Document: // DuckDB takes NaN in one
		if !json.Valid([]byte(v)) {
			return appendText(b, string(v))
		}
	case []any, Struct, Map:
		return appendNested(b, v, appendExact)
	}
	return appendJSON(b, v)
}

// appendNested writes what has parts, each by one.
func appendNested(b []byte, v any, one func([]byte, any) []byte) []byte {
	switch v := v.(type) {
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = one(b, e)
		}
		return append(b, ']')
	case Struct:
		b = append(b, '{')
		for i, e := range v.Values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, v.Names[i])
			b = append(b, ':')
			b = one(b, e)
		}
		return append(b, '}')
	case Map:
		b = append(b, '{')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, text(e.Key))
			b = append(b, ':')
			b = one(b, e.Value)
		}
		return append(b, '}')
	}
	return appendText(b, fmt.Sprint(v))
}

// appendDocument embeds JSON text as it is, on one line.
func appendDocument(b []byte, d Document) []byte {
	if !strings.ContainsAny(string(d), "\n\r") {
		return append(b, d...)
	}
	out := bytes.NewBuffer(b)
	if err := json.Compact(out, []byte(d)); err != nil {
		return appendText(b, string(d))
	}
	return out.Bytes()
}

func appendFloat(b []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, bits)
}

const hex = "0123456789abcdef"

// appendText quotes text.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			if c >= ' ' && c != '"' && c != '\\' {
				continue
			}
			b = append(b, s[from:i-1]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(append(b, s[from:i]...), "\ufffd"...)
			from = i + 1
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

// text is a value as a cell of CSV or of a table: text as it is, numbers that
// JSON lacks by name, what is nested as JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case Document:
		return string(v)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return string(appendJSON(nil, v))
}

// parseSize reads a size as DuckDB writes it, "12.3 GiB"; 0 when it can't.
func parseSize(text string) int64 {
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(number, 64)
	shift, ok := map[string]int{"bytes": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}[unit]
	if err != nil || !ok {
		return 0
	}
	return int64(n * float64(int64(1)<<shift))
}
