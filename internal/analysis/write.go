package analysis

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/tributary-data/tributary/internal/problem"
)

// Formats are the names that Write knows.
var Formats = []string{"table", "json", "csv", "html"}

// Write prints a result in one of Formats.
func (r *Result) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(r); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	}
	return problem.Errorf(problem.Invalid, "there is no format %q: table, json, csv or html", format)
}
