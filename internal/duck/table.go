package duck

import (
	"bufio"
	"fmt"
	"strings"
	"unicode"
)

// heldRows are read before a table's columns get their widths; what comes
// after is aligned as far as these widths allow.
const heldRows = 1000

// maxWidth is where a text in a table is cut.
const maxWidth = 60

type tablePrinter struct {
	out     *bufio.Writer
	columns []column
	widths  []int
	held    [][]string
	open    bool // the header is out
}

func (p *tablePrinter) begin(columns []column) {
	p.columns = columns
	p.widths = make([]int, len(columns))
	for i, c := range columns {
		p.widths[i] = width(printable(c.name))
	}
}

func (p *tablePrinter) row(values []any) {
	cells := make([]string, len(values))
	for i, v := range values {
		cells[i] = printable(text(v))
		if !p.columns[i].numeric {
			cells[i] = cut(cells[i], maxWidth)
		}
	}
	if p.open {
		p.line(cells)
		return
	}
	p.held = append(p.held, cells)
	if len(p.held) == heldRows {
		p.flush()
	}
}

func (p *tablePrinter) flush() {
	for _, cells := range p.held {
		for i, c := range cells {
			p.widths[i] = max(p.widths[i], width(c))
		}
	}
	names, rule := make([]string, len(p.columns)), make([]string, len(p.columns))
	for i, c := range p.columns {
		names[i], rule[i] = printable(c.name), strings.Repeat("─", p.widths[i])
	}
	p.line(names)
	p.line(rule)
	for _, cells := range p.held {
		p.line(cells)
	}
	p.held, p.open = nil, true
}

func (p *tablePrinter) line(cells []string) {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		pad := strings.Repeat(" ", max(0, p.widths[i]-width(c)))
		if p.columns[i].numeric {
			b.WriteString(pad + c)
		} else {
			b.WriteString(c + pad)
		}
	}
	_, _ = p.out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
}

func (p *tablePrinter) end(n int) {
	if !p.open {
		p.flush()
	}
	rows := "rows"
	if n == 1 {
		rows = "row"
	}
	fmt.Fprintf(p.out, "(%d %s)\n", n, rows)
}

// printable makes text safe for a terminal: what could move its cursor, change
// its colours or reverse its direction is written as an escape.
func printable(s string) string {
	if !strings.ContainsFunc(s, unsafeRune) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unsafeRune(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unsafeRune(r rune) bool {
	const zwnj, zwj = 0x200c, 0x200d // parts of words and of emoji
	return unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || unicode.Is(unicode.Cf, r) && r != zwnj && r != zwj
}

// cut shortens text to n cells.
func cut(s string, n int) string {
	if width(s) <= n {
		return s
	}
	w := 0
	for i, r := range s {
		if w += runeWidth(r); w >= n {
			return s[:i] + "…"
		}
	}
	return s
}

func width(s string) int {
	w := 0
	for _, r := range s {
		w += runeWidth(r)
	}
	return w
}

// wide are the scripts and symbols that take two cells
// (https://www.unicode.org/reports/tr11/), in blocks.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1},
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1},
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97f, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1},
		{Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1},
		{Lo: 0x1f900, Hi: 0x1faff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}
