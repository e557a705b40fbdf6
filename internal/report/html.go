package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.tmpl
var page string

// Style is what the charts and tables of a page need of CSS.
//
//go:embed report.css
var Style string

type htmlCell struct {
	Text  string
	Right bool
}

type htmlTable struct {
	*Section
	Head  []htmlCell
	Lines [][]htmlCell
}

// html writes one page with everything in it.
func (r *Report) html(w io.Writer) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	var tables []htmlTable
	for _, s := range r.Sections {
		table := htmlTable{Section: s}
		for _, c := range s.Columns {
			table.Head = append(table.Head, htmlCell{strings.ReplaceAll(c.Name, "_", " "), c.Kind != Text})
		}
		for _, row := range s.Rows {
			var line []htmlCell
			for i, c := range s.Columns {
				line = append(line, htmlCell{human(c.Kind, row[i], s.text(row, s.currency)), c.Kind != Text})
			}
			table.Lines = append(table.Lines, line)
		}
		tables = append(tables, table)
	}
	return t.Execute(w, map[string]any{
		"Report": r, "Span": r.span(), "Filters": r.filters(), "Charts": r.Charts(), "Tables": tables,
		"Style": template.CSS(Style), //nolint:gosec // our own
	})
}
