package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/tributary-data/tributary/internal/chart"
)

//go:embed report.tmpl
var page string

//go:embed report.css
var style string

type htmlCell struct {
	Text  string
	Right bool
}

type htmlTable struct {
	*Section
	Head  []htmlCell
	Lines [][]htmlCell
}

// A htmlChart is a chart as the page has it.
type htmlChart struct {
	Title, Section string
	SVG            template.HTML
	Legend         []chart.Entry
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
	var charts []htmlChart
	for _, c := range r.Charts() {
		charts = append(charts, htmlChart{c.Title, c.Section, c.SVG(c.Title, fmt.Sprintf), c.Legend(fmt.Sprintf)})
	}
	return t.Execute(w, map[string]any{
		"Report": r, "Span": r.span(), "Filters": r.filters(), "Charts": charts, "Tables": tables,
		"Style": template.CSS(style), //nolint:gosec // our own
	})
}
