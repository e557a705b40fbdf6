package duck

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Formats are the names that Write knows.
var Formats = []string{"table", "json", "ndjson", "csv"}

// Write prints rows in one of Formats and returns their number. It holds few
// rows in memory.
//
//	table   aligned for a terminal; long values are cut, NULL is left empty
//	json    one array of objects
//	ndjson  one object per line
//	csv     RFC 4180 with a header; NULL is empty, an empty text is ""
//
// JSON columns are embedded in json and ndjson as they are, integers and
// decimals with all their digits; times are RFC 3339 in UTC. Of columns with
// the same name, the later get a number.
func Write(w io.Writer, rows *Rows, format string) (n int, err error) {
	return write(w, rows, format)
}

// source is what printing needs of Rows.
type source interface {
	describe() []column
	Next() bool
	Values() []any
	Err() error
}

type printer interface {
	begin(columns []column)
	row(values []any)
	end(n int)
}

func write(w io.Writer, rows source, format string) (n int, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	var p printer
	switch format {
	case "table":
		p = &tablePrinter{out: out}
	case "json":
		p = &jsonPrinter{out: out, array: true}
	case "ndjson":
		p = &jsonPrinter{out: out}
	case "csv":
		p = &csvPrinter{out: out}
	default:
		return 0, invalid(fmt.Sprintf("there is no format %q", format), "The formats are "+strings.Join(Formats, ", "))
	}
	p.begin(rows.describe())
	for rows.Next() {
		p.row(rows.Values())
		n++
		// The first error to write stays with out; no use to go on.
		if _, err := out.Write(nil); err != nil {
			return n, err
		}
	}
	if err := rows.Err(); err != nil {
		_ = out.Flush() // the rows before it
		return n, err
	}
	p.end(n)
	return n, out.Flush()
}

type jsonPrinter struct {
	out   *bufio.Writer
	array bool
	names [][]byte // quoted, with the colon
	n     int
	buf   []byte
}

func (p *jsonPrinter) begin(columns []column) {
	for _, name := range unique(columns) {
		p.names = append(p.names, append(appendText(nil, name), ':'))
	}
	if p.array {
		_, _ = p.out.WriteString("[")
	}
}

// unique numbers names that occur again: a, b, a_1.
func unique(columns []column) []string {
	seen := map[string]bool{}
	for _, c := range columns {
		seen[c.name] = false
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		name := c.name
		for n := 1; seen[name]; n++ {
			if next := fmt.Sprintf("%s_%d", c.name, n); !has(seen, next) {
				name = next
			}
		}
		seen[name] = true
		names[i] = name
	}
	return names
}

func has(m map[string]bool, key string) bool {
	_, ok := m[key]
	return ok
}

func (p *jsonPrinter) row(values []any) {
	b := p.buf[:0]
	if p.array {
		if p.n > 0 {
			b = append(b, ',')
		}
		b = append(b, '\n')
	}
	p.n++
	b = append(b, '{')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(append(b, p.names[i]...), v)
	}
	b = append(b, '}')
	if !p.array {
		b = append(b, '\n')
	}
	_, _ = p.out.Write(b)
	p.buf = b
}

func (p *jsonPrinter) end(int) {
	if p.array {
		if p.n > 0 {
			_ = p.out.WriteByte('\n')
		}
		_, _ = p.out.WriteString("]\n")
	}
}

type csvPrinter struct{ out *bufio.Writer }

func (p *csvPrinter) begin(columns []column) {
	for i, c := range columns {
		p.field(i, c.name, len(columns))
	}
}

func (p *csvPrinter) row(values []any) {
	for i, v := range values {
		if v == nil {
			p.separate(i, len(values))
			continue
		}
		p.field(i, text(v), len(values))
	}
}

func (p *csvPrinter) field(i int, s string, n int) {
	if s == "" || strings.ContainsAny(s, "\",\r\n") {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	_, _ = p.out.WriteString(s)
	p.separate(i, n)
}

func (p *csvPrinter) separate(i, n int) {
	if i < n-1 {
		_ = p.out.WriteByte(',')
		return
	}
	_, _ = p.out.WriteString("\r\n")
}

func (p *csvPrinter) end(int) {}
