package intake

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
)

// A csvSyntax says how the text of a CSV file is cut into cells.
type csvSyntax struct {
	delimiter, quote, escape rune
	header                   bool
	null                     string
}

// csvFormat reads the parameters of a format, with their defaults.
func csvFormat(f *catalog.InputFormat) (csvSyntax, error) {
	s := csvSyntax{header: f.Header == nil || *f.Header, null: f.NullMarker}
	for _, p := range []struct {
		name, text string
		to         *rune
		otherwise  rune
	}{{"delimiter", f.Delimiter, &s.delimiter, ','}, {"quote", f.Quote, &s.quote, '"'}, {"escape", f.Escape, &s.escape, '\\'}} {
		*p.to = p.otherwise
		if p.text == "" {
			continue
		}
		if p.text == `\t` {
			p.text = "\t"
		}
		r, n := utf8.DecodeRuneInString(p.text)
		if n != len(p.text) || r == utf8.RuneError || r == '\n' || r == '\r' {
			return s, problem.Errorf(problem.Invalid, "inputFormat.%s is %q: it must be one character", p.name, p.text)
		}
		*p.to = r
	}
	if s.delimiter == s.quote || s.delimiter == s.escape {
		return s, problem.Errorf(problem.Invalid, "inputFormat.delimiter %q is the quote or the escape as well", string(s.delimiter))
	}
	if c := strings.ToUpper(strings.ReplaceAll(f.Charset, "-", "")); c != "" && c != "UTF8" && c != "USASCII" {
		return s, problem.Errorf(problem.Invalid, "inputFormat.charset is %q: files must be in UTF-8", f.Charset)
	}
	return s, nil
}

// csv reads a file of rows of cells.
func (r *reader) csv(in *bufio.Reader, do func(item) error) error {
	syntax, err := csvFormat(&r.format)
	if err != nil {
		return err
	}
	p := &csvParser{csvSyntax: syntax, in: in}
	var names []string
	if syntax.header {
		cells, why, err := p.row()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		empty := true
		for _, c := range cells {
			name := ""
			if c != nil {
				name = *c
			}
			empty = empty && strings.TrimSpace(name) == ""
			names = append(names, name)
		}
		switch {
		case why != "":
			return &fileError{codeCorrupt, "its header: " + why + "."}
		case empty:
			return &fileError{codeNoHeader, "its header is empty."}
		}
	}
	var flat *tables.Flat
	if r.check != nil {
		if names == nil {
			names = r.check.Columns()
		}
		if flat, err = r.check.Flat(names); err != nil {
			return &fileError{codeCorrupt, err.Error() + "."}
		}
	}
	for {
		cells, why, err := p.row()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if why == "" && names != nil && len(cells) != len(names) {
			why = fmt.Sprintf("it has %d cells and the header %d", len(cells), len(names))
		}
		if err := do(p.item(flat, names, cells, why)); err != nil {
			return err
		}
	}
}

func (p *csvParser) item(flat *tables.Flat, names []string, cells []*string, why string) item {
	if why != "" {
		return corruptRow(p.raw, why)
	}
	text := cellsJSON(names, cells)
	if flat == nil {
		return item{text: text, record: text}
	}
	i := item{text: text}
	i.record, i.violations, i.warnings = flat.Record(cells)
	return i
}

// cellsJSON shows the cells of a row as an object.
func cellsJSON(names []string, cells []*string) []byte {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range cells {
		if c == nil {
			continue
		}
		name := fmt.Sprintf("_c%d", i)
		if i < len(names) {
			name = names[i]
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, _ := json.Marshal(name) // a text always has a JSON form
		v, _ := json.Marshal(*c)
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return []byte(b.String())
}

// A csvParser cuts a text into rows of cells.
type csvParser struct {
	csvSyntax
	in  *bufio.Reader
	raw []byte // the row's text, as far as it is shown
	n   int    // bytes of the row
	bad string // why the row is none
}

// read returns the next character of a row.
func (p *csvParser) read() (rune, error) {
	r, n, err := p.in.ReadRune()
	if err != nil {
		return 0, err
	}
	if r == utf8.RuneError && n == 1 {
		p.bad = "it is not UTF-8"
	}
	if p.n += n; len(p.raw) < maxShown {
		p.raw = utf8.AppendRune(p.raw, r)
	}
	return r, nil
}

// row returns the cells of the next row that is not blank, nil for null, or
// why it is none. At the end it is io.EOF.
func (p *csvParser) row() (cells []*string, why string, err error) {
	for {
		p.raw, p.n, p.bad = p.raw[:0], 0, ""
		cells, why, err = p.cells()
		if err != nil || why != "" || len(cells) != 1 || cells[0] != nil || p.n > 2 {
			return cells, why, err
		}
	}
}

func (p *csvParser) cells() (cells []*string, why string, err error) {
	var cell strings.Builder
	quoted := false
	end := func() {
		text := cell.String()
		cell.Reset()
		if !quoted && (text == p.null || text == "") {
			cells = append(cells, nil)
		} else {
			cells = append(cells, &text)
		}
		quoted = false
	}
	for {
		r, err := p.read()
		if errors.Is(err, io.EOF) {
			if p.n == 0 {
				return nil, "", io.EOF
			}
			end()
			return cells, p.bad, nil
		}
		if err != nil {
			return nil, "", err
		}
		switch {
		case p.n > maxRow:
			return nil, fmt.Sprintf("it has more than %d bytes", maxRow), p.skipLine()
		case r == '\n':
			end()
			return cells, p.bad, nil
		case r == '\r' && p.next() == '\n':
		case r == p.delimiter:
			end()
		case r == p.quote && cell.Len() == 0 && !quoted:
			quoted = true
			if err := p.quoted(&cell); err != nil {
				return nil, "", err
			}
		case quoted:
			p.bad = "something follows a closing quote"
		default:
			cell.WriteRune(r)
		}
	}
}

// quoted reads the rest of a cell in quotes, and the closing quote.
func (p *csvParser) quoted(cell *strings.Builder) error {
	for {
		r, err := p.read()
		switch {
		case errors.Is(err, io.EOF):
			p.bad = "a quote is not closed"
			return nil
		case err != nil:
			return err
		case p.n > maxRow:
			p.bad = "a quote is not closed"
			return nil
		case r == p.quote && p.next() == p.quote, r == p.escape && (p.next() == p.quote || p.next() == p.escape):
			next, _ := p.read() // it is there
			cell.WriteRune(next)
		case r == p.quote:
			return nil
		default:
			cell.WriteRune(r)
		}
	}
}

// next returns the character that comes, 0 at the end.
func (p *csvParser) next() rune {
	for n := 1; n <= utf8.UTFMax; n++ {
		b, err := p.in.Peek(n)
		if utf8.FullRune(b) || err != nil && len(b) > 0 {
			r, _ := utf8.DecodeRune(b)
			return r
		}
		if err != nil {
			return 0
		}
	}
	return utf8.RuneError
}

// skipLine goes to the end of the line.
func (p *csvParser) skipLine() error {
	for {
		_, err := p.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
}
