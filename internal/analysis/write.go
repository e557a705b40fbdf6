package analysis

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Formats are the names that Write knows.
var Formats = []string{"table", "json", "csv", "html"}

// Write prints a result in one of Formats.
//
//	table  for a terminal
//	brief  the same without segments and notes
//	json   a Result; money in minor units, shares of 1
//	csv    a line for each variant of each metric, guardrail and segment; money with its decimals
//	html   one file with charts that needs nothing else
func (r *Result) Write(w io.Writer, format string) error {
	switch format {
	case "table":
		return r.table(w, false)
	case "brief":
		return r.table(w, true)
	case "csv":
		return r.csv(w)
	case "html":
		return r.html(w)
	case "json":
		return encode(w, r)
	}
	return problem.Errorf(problem.Invalid, "there is no format %q: table, json, csv or html", format)
}

// Write prints what an experiment needs: as a table, json or csv.
func (n *Need) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return encode(w, n)
	case "csv":
		return n.csv(w)
	case "table":
		return n.table(w)
	}
	return problem.Errorf(problem.Invalid, "there is no format %q: table, json or csv", format)
}

func encode(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// rows are the sizes of a need, with what they are.
func (n *Need) rows() (names []string, sizes []Size) {
	names, sizes = []string{"looking once", "looking at any time"}, []Size{n.Once, n.Always}
	if n.Plain.Units != n.Once.Units {
		names, sizes = append(names, "looking once, without what was before"), append(sizes, n.Plain)
	}
	for _, s := range n.Reach {
		weeks := "after " + strconv.Itoa(s.Weeks) + " weeks"
		if s.Weeks == 1 {
			weeks = "after a week"
		}
		names, sizes = append(names, weeks), append(sizes, s)
	}
	return names, sizes
}

func (n *Need) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	_ = c.Write([]string{"how", "units", "variant_units", "days", "effect", "lift"}) // c keeps its first error
	names, sizes := n.rows()
	for i, s := range sizes {
		_ = c.Write([]string{
			names[i], strconv.FormatInt(s.Units, 10), strconv.FormatInt(s.Variant, 10), strconv.Itoa(s.Days),
			strconv.FormatFloat(float64(s.Effect), 'g', 8, 64), strconv.FormatFloat(float64(s.Lift), 'g', 8, 64),
		})
	}
	c.Flush()
	return c.Error()
}

func (n *Need) table(w io.Writer) error {
	var b strings.Builder
	base := n.Baseline
	show := func(v Float) string { return Show(base.Kind, v, base.Currency) }
	change := func(v Float) string { return showChange(base.Kind, v, base.Currency) }
	fmt.Fprintf(&b, "Baseline: %s", show(base.Value))
	if title := Titles[base.Metric]; title != "" {
		fmt.Fprintf(&b, " of %s", title)
	}
	if base.Kind != Share {
		fmt.Fprintf(&b, ", standard deviation %s", show(base.SD))
	}
	if base.Units > 0 {
		fmt.Fprintf(&b, "; %s units from %s to %s, %.1f new ones a day", count(base.Units), moment(base.From), moment(base.To), float64(base.PerDay))
	}
	if base.Explained > 0 {
		fmt.Fprintf(&b, "; %s of the variance is known before", percent(base.Explained))
	}
	fmt.Fprintf(&b, ".\nTo find %s (%s) with a power of %s, at a rate of false alarms of %s:\n\n", change(n.Effect), percentOr(n.Lift), percent(Float(n.Power)), percent(Float(n.Alpha)))
	rows := [][]string{{"", "units", "variant", "days", "finds", "lift"}}
	names, sizes := n.rows()
	for i, s := range sizes {
		days := "–"
		if s.Days > 0 {
			days = strconv.Itoa(s.Days)
		}
		rows = append(rows, []string{names[i], count(s.Units), count(s.Variant), days, change(s.Effect), percentOr(s.Lift)})
	}
	align(&b, rows, 1)
	fmt.Fprintf(&b, "\nLooking at any time (always-valid intervals) takes more until its end, and mostly ends earlier; plan the experiment with that many units (measure.planned: %d).\n", n.Always.Units)
	if n.Part < 1 {
		fmt.Fprintf(&b, "%s of the units that come take part.\n", percent(Float(n.Part)))
	}
	if a := arrivalOf(&base, Wish{UnitsPerDay: n.UnitsPerDay}); len(a.came) > 0 {
		fmt.Fprintf(&b, "Days go by how new units came in the baseline's %d days; for later ones, %.1f come a day, as in the last third: who comes back is none.\n", len(a.came), a.after)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
