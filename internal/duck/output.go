package duck

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Formats are the names that Write knows.
var Formats = []string{"table", "json", "ndjson", "csv"}

// Write prints rows in one of Formats and returns their number. json is one
// array, ndjson one document a line; both embed JSON columns as they are and
// write times as RFC 3339 in UTC.
func Write(w io.Writer, rows *sql.Rows, format string) (n int, err error) {
	out := bufio.NewWriter(w)
	names, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	var p printer
	switch format {
	case "json":
		p = &jsonPrinter{out: out, names: names, types: types, array: true}
	case "ndjson":
		p = &jsonPrinter{out: out, names: names, types: types}
	case "csv":
		p = &csvPrinter{out: csv.NewWriter(out), names: names, types: types}
	case "table":
		p = &tablePrinter{out: out, names: names, types: types}
	default:
		return 0, fmt.Errorf("there is no format %q", format)
	}
	p.begin()
	values := make([]any, len(names))
	targets := make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return n, err
		}
		p.row(values)
		n++
	}
	if err := rows.Err(); err != nil {
		return n, refusal(err)
	}
	p.end()
	return n, out.Flush()
}

type printer interface {
	begin()
	row(values []any)
	end()
}

// encode writes a value as JSON.
func encode(b *bytes.Buffer, v any, isJSON bool) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case string:
		if isJSON && json.Valid([]byte(v)) {
			b.WriteString(v)
			return
		}
		encodeText(b, v)
	case []byte:
		encodeText(b, string(v))
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case float64:
		encodeFloat(b, v, 64)
	case float32:
		encodeFloat(b, float64(v), 32)
	case *big.Int:
		b.WriteString(v.String())
	case time.Time:
		encodeText(b, v.UTC().Format(time.RFC3339Nano))
	case interface{ Float64() float64 }: // DuckDB's decimal
		b.WriteString(v.(fmt.Stringer).String())
	case map[string]any:
		encodeStruct(b, v)
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			encode(b, e, isJSON)
		}
		b.WriteByte(']')
	default:
		encodeOther(b, v, isJSON)
	}
}

func encodeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if e.Encode(s) == nil {
		b.Truncate(b.Len() - 1) // the line feed
	}
}

func encodeFloat(b *bytes.Buffer, v float64, bits int) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		b.WriteString("null") // JSON has no such number
		return
	}
	b.WriteString(strconv.FormatFloat(v, 'g', -1, bits))
}

func encodeStruct(b *bytes.Buffer, m map[string]any) {
	b.WriteByte('{')
	for i, k := range sortedKeys(m) {
		if i > 0 {
			b.WriteByte(',')
		}
		encodeText(b, k)
		b.WriteByte(':')
		encode(b, m[k], false)
	}
	b.WriteByte('}')
}

// encodeOther handles integers, DuckDB's maps and whatever else can print
// itself.
func encodeOther(b *bytes.Buffer, v any, isJSON bool) {
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		b.WriteString(strconv.FormatInt(r.Int(), 10))
	case r.CanUint():
		b.WriteString(strconv.FormatUint(r.Uint(), 10))
	case r.Kind() == reflect.Map:
		m := map[string]any{}
		for _, k := range r.MapKeys() {
			m[fmt.Sprint(k.Interface())] = r.MapIndex(k).Interface()
		}
		encodeStruct(b, m)
	case isJSON: // already decoded by the driver
		raw, err := json.Marshal(v)
		if err != nil {
			encodeText(b, fmt.Sprint(v))
			return
		}
		b.Write(raw)
	default:
		encodeText(b, fmt.Sprint(v))
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func isJSON(t *sql.ColumnType) bool { return t.DatabaseTypeName() == "JSON" }

type jsonPrinter struct {
	out   *bufio.Writer
	names []string
	types []*sql.ColumnType
	array bool
	n     int
	buf   bytes.Buffer
}

func (p *jsonPrinter) begin() {
	if p.array {
		p.out.WriteString("[")
	}
}

func (p *jsonPrinter) row(values []any) {
	p.buf.Reset()
	switch {
	case p.array && p.n > 0:
		p.buf.WriteString(",\n ")
	case p.array:
		p.buf.WriteString("\n ")
	}
	p.n++
	p.buf.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			p.buf.WriteByte(',')
		}
		encodeText(&p.buf, p.names[i])
		p.buf.WriteByte(':')
		encode(&p.buf, v, isJSON(p.types[i]))
	}
	p.buf.WriteByte('}')
	if !p.array {
		p.buf.WriteByte('\n')
	}
	p.out.Write(p.buf.Bytes())
}

func (p *jsonPrinter) end() {
	if p.array && p.n > 0 {
		p.out.WriteString("\n")
	}
	if p.array {
		p.out.WriteString("]\n")
	}
}

// text is a value for people: strings as they are, the rest as JSON.
func text(v any, t *sql.ColumnType) string {
	switch v := v.(type) {
	case string:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	var b bytes.Buffer
	encode(&b, v, isJSON(t))
	return b.String()
}

type csvPrinter struct {
	out   *csv.Writer
	names []string
	types []*sql.ColumnType
}

func (p *csvPrinter) begin() { p.out.Write(p.names) }

func (p *csvPrinter) row(values []any) {
	record := make([]string, len(values))
	for i, v := range values {
		if v != nil {
			record[i] = text(v, p.types[i])
		}
	}
	p.out.Write(record)
}

func (p *csvPrinter) end() { p.out.Flush() }

// maxTable bounds what the table format holds to align it; what follows is
// aligned as far as the widths found so far allow.
const maxTable = 10_000

// maxWidth bounds a column of a table.
const maxWidth = 60

type tablePrinter struct {
	out    *bufio.Writer
	names  []string
	types  []*sql.ColumnType
	right  []bool
	widths []int
	held   [][]string
	open   bool // the header is out
	n      int
}

func (p *tablePrinter) begin() {
	p.right = make([]bool, len(p.names))
	p.widths = make([]int, len(p.names))
	for i, t := range p.types {
		p.widths[i] = utf8.RuneCountInString(p.names[i])
		switch name := t.DatabaseTypeName(); {
		case strings.HasSuffix(name, "INT"), strings.HasSuffix(name, "INTEGER"), name == "DOUBLE", name == "FLOAT", strings.HasPrefix(name, "DECIMAL"):
			p.right[i] = true
		}
	}
}

func (p *tablePrinter) row(values []any) {
	p.n++
	cells := make([]string, len(values))
	for i, v := range values {
		if v != nil {
			cells[i] = cell(text(v, p.types[i]))
		}
		p.widths[i] = max(p.widths[i], utf8.RuneCountInString(cells[i]))
	}
	if p.open {
		p.line(cells)
		return
	}
	p.held = append(p.held, cells)
	if len(p.held) >= maxTable {
		p.flush()
	}
}

// cell makes text safe for a terminal and not too wide for it.
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if utf8.RuneCountInString(s) > maxWidth {
		return string([]rune(s)[:maxWidth-1]) + "…"
	}
	return s
}

func (p *tablePrinter) flush() {
	p.open = true
	p.line(p.names)
	rule := make([]string, len(p.names))
	for i, w := range p.widths {
		rule[i] = strings.Repeat("─", w)
	}
	p.line(rule)
	for _, cells := range p.held {
		p.line(cells)
	}
	p.held = nil
}

func (p *tablePrinter) line(cells []string) {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", max(0, p.widths[i]-utf8.RuneCountInString(c)))
		if p.right[i] {
			b.WriteString(pad + c)
		} else {
			b.WriteString(c + pad)
		}
	}
	p.out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
}

func (p *tablePrinter) end() {
	if !p.open {
		p.flush()
	}
	noun := "rows"
	if p.n == 1 {
		noun = "row"
	}
	fmt.Fprintf(p.out, "(%d %s)\n", p.n, noun)
}
