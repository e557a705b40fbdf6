package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// Bytes returns the body, whole.
func (c *Call) Bytes() ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(nil, c.HTTP.Body, c.max))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return b, nil
}

// JSON decodes the body, one JSON document, into v. Numbers that land in an
// any become json.Number. What is wrong is told with line and column.
func (c *Call) JSON(v any) error {
	b, err := c.Bytes()
	if err != nil {
		return err
	}
	return DecodeJSON(b, v)
}

// DecodeJSON decodes one JSON document as Call.JSON does.
func DecodeJSON(b []byte, v any) error {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if len(bytes.TrimSpace(b)) == 0 {
		return Fail(http.StatusBadRequest, "", "Bad request", "the body is empty: a JSON document is expected")
	}
	if !utf8.Valid(b) {
		return Fail(http.StatusBadRequest, "", "Bad request", "the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err := d.Decode(v)
	if err == nil {
		var more any
		if err = d.Decode(&more); errors.Is(err, io.EOF) {
			return nil
		}
		return malformed(b, d.InputOffset(), "the document has ended here, but the body goes on")
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return malformed(b, syntax.Offset-1, hint(b, syntax.Offset-1, syntax.Error()))
	case errors.As(err, &kind):
		at := kind.Field
		if at == "" {
			at = "the document"
		}
		return malformed(b, kind.Offset-1, fmt.Sprintf("%s: %s is not what is expected here", at, kind.Value))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed(b, int64(len(b)), "the document ends too early: a bracket or a quote is not closed")
	}
	return Fail(http.StatusBadRequest, "", "Bad request", "the body is not what is expected: %v", err)
}

// malformed says where in a body something is wrong. Columns count characters.
func malformed(b []byte, offset int64, what string) *Failure {
	offset = min(max(offset, 0), int64(len(b)))
	before := b[:offset]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	f := Fail(http.StatusBadRequest, "", "Bad request", "the body is not valid: line %d, column %d: %s", line, column, what)
	f.Report = map[string]any{"line": line, "column": column}
	return f
}

// hint adds the likely slip to what the parser says.
func hint(b []byte, offset int64, said string) string {
	if offset < 0 || offset >= int64(len(b)) {
		return said
	}
	switch rest := b[offset:]; {
	case bytes.HasPrefix(rest, []byte("“")), bytes.HasPrefix(rest, []byte("”")), bytes.HasPrefix(rest, []byte("’")):
		return said + ": a typographic quote stands here, a straight one is needed"
	case rest[0] == '}' || rest[0] == ']':
		if before := bytes.TrimRight(b[:offset], " \t\r\n"); bytes.HasSuffix(before, []byte(",")) {
			return said + ": the comma before it is one too many"
		}
	case rest[0] == '\'':
		return said + ": names and texts stand in double quotes"
	}
	return said
}
