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
//
//	table  for a terminal
//	json   a Result; money in minor units, shares of 1
//	csv    a line for each variant of each metric, guardrail and segment; money with its decimals
//	html   one file with charts that needs nothing else
func (r *Result) Write(w io.Writer, format string) error {
	switch format {
	case "table":
		return r.table(w)
	case "csv":
		return r.csv(w)
	case "html":
		return r.html(w)
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
