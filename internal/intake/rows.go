package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
)

// Bounds of rows, in bytes.
const (
	maxRow   = 16 << 20 // of a row's text
	maxShown = 64 << 10 // of a row that can't be read, in the diagnostics
)

// A reader goes through the rows of one file. What it holds in memory is a row.
type reader struct {
	ctx    context.Context //nolint:containedctx // a reader lives as long as the call that made it
	format catalog.InputFormat
	check  *tables.Checker // nil: rows are not checked
	path   string
}

// each calls do with every row. A fileError says that the file is no good.
func (r *reader) each(do func(item) error) error {
	if r.format.Format == "parquet" {
		return r.parquet(do)
	}
	f, err := os.Open(r.path)
	if err != nil {
		return diskFault(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	in := bufio.NewReaderSize(watched{r.ctx, f}, 256<<10)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // they are there
	}
	rows := 0
	count := func(i item) error { rows++; return do(i) }
	switch {
	case r.format.Format == "csv":
		return r.csv(in, do) // a header alone is a file with no rows, not an empty one
	case r.format.IsMultiLineJSON:
		err = r.documents(in, count)
	default:
		err = r.lines(in, count)
	}
	if err == nil && rows == 0 {
		err = &fileError{codeEmpty, "it has no rows."}
	}
	return err
}

// watched reads until its context ends.
type watched struct {
	ctx context.Context //nolint:containedctx // as in reader
	r   io.Reader
}

func (w watched) Read(b []byte) (int, error) {
	if err := context.Cause(w.ctx); err != nil {
		return 0, err
	}
	return w.r.Read(b)
}

func (r *reader) parquet(do func(item) error) error {
	for row, err := range lake.ReadParquet(r.ctx, r.path) {
		if problem.KindOf(err) == problem.Invalid && err != nil {
			return &fileError{codeCorrupt, err.Error()}
		}
		if err != nil {
			return err
		}
		if err := do(r.record(row)); err != nil {
			return err
		}
	}
	return nil
}

// record checks a row that is JSON.
func (r *reader) record(text []byte) item {
	if r.check == nil {
		return item{text: text, record: text}
	}
	record, violations := r.check.Record(text)
	if len(violations) > 0 && violations[0].Keyword == tables.Corrupt {
		return corruptRow(text, violations[0].Message)
	}
	return item{text: text, record: record, violations: violations}
}

// lines reads one JSON object a line.
func (r *reader) lines(in *bufio.Reader, do func(item) error) error {
	var line []byte
	for {
		var long bool
		var err error
		line, long, err = readLine(in, line[:0])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		text := bytes.TrimSpace(line)
		switch {
		case long:
			if e := do(corruptRow(text, fmt.Sprintf("a line has more than %d bytes", maxRow))); e != nil {
				return e
			}
		case len(text) > 0:
			if e := do(r.record(text)); e != nil {
				return e
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// readLine appends a line to dst. Of one that is too long it keeps the
// beginning.
func readLine(in *bufio.Reader, dst []byte) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(dst)+len(part) > maxRow {
			long = true
			part = part[:min(len(part), max(0, maxShown-len(dst)))]
		}
		dst = append(dst, part...)
		if long && len(dst) > maxShown {
			dst = dst[:maxShown]
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return dst, long, err
		}
	}
}

// documents reads one JSON array of objects, or objects one after the other,
// over any number of lines.
func (r *reader) documents(in *bufio.Reader, do func(item) error) error {
	s := scanner{in: in}
	c, err := s.skip()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	list := c == '['
	if list {
		s.take()
	}
	for n := 0; ; n++ {
		c, err := s.skip()
		switch {
		case errors.Is(err, io.EOF) && !list:
			return nil
		case errors.Is(err, io.EOF):
			return &fileError{codeCorrupt, fmt.Sprintf("line %d: the array is not closed.", s.line+1)}
		case err != nil:
			return err
		case list && c == ']' && n == 0, list && c == ']' && s.after:
			s.take()
			if _, err := s.skip(); !errors.Is(err, io.EOF) {
				return s.broken("something follows the array")
			}
			return nil
		case list && n > 0 && c != ',':
			return s.broken("a comma or the end of the array is expected")
		case list && n > 0:
			s.take()
			if c, err = s.skip(); err != nil || c == ']' {
				return s.broken("an object is expected")
			}
		}
		row, err := s.value()
		if err != nil {
			if f, ok := errors.AsType[*fileError](err); ok {
				return f
			}
			if errors.Is(err, io.EOF) {
				return s.broken("the file ends inside of an object")
			}
			return err
		}
		if s.after = true; len(row) == 0 {
			return s.broken("an object is expected")
		}
		if err := do(r.record(row)); err != nil {
			return err
		}
	}
}

// A scanner finds where JSON values begin and end, without understanding them.
type scanner struct {
	in    *bufio.Reader
	line  int
	after bool // there was a value
	buf   []byte
}

func (s *scanner) broken(why string) error {
	return &fileError{codeCorrupt, fmt.Sprintf("line %d: %s.", s.line+1, why)}
}

// skip returns the next byte that is no space, and leaves it there.
func (s *scanner) skip() (byte, error) {
	for {
		b, err := s.in.Peek(1)
		if err != nil {
			return 0, err
		}
		switch b[0] {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			return b[0], nil
		}
		s.take()
	}
}

func (s *scanner) take() { _, _ = s.in.Discard(1) } // it was peeked at

// value returns the text of the value that begins here, valid until the next
// call. It is an object, an array, or what stands until the next space, comma
// or bracket.
func (s *scanner) value() ([]byte, error) {
	s.buf = s.buf[:0]
	depth, text := 0, false
	for {
		c, err := s.in.ReadByte()
		if errors.Is(err, io.EOF) && depth == 0 && !text && len(s.buf) > 0 {
			return s.buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(s.buf) == maxRow {
			return nil, s.broken(fmt.Sprintf("an object has more than %d bytes", maxRow))
		}
		if c == '\n' {
			s.line++
		}
		switch {
		case text:
			text = c != '"' || wasEscape(s.buf)
		case c == '"':
			text = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return s.buf, s.in.UnreadByte()
			}
			if depth == 0 {
				return append(s.buf, c), nil
			}
		case depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			return s.buf, s.in.UnreadByte()
		}
		s.buf = append(s.buf, c)
	}
}

// wasEscape says whether the backslash at the end of b escapes what follows.
func wasEscape(b []byte) bool {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// shown makes the text of a row fit for a JSON document.
func shown(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return string(bytes.ToValidUTF8(text, []byte("\ufffd")))
}
