package analysis

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"time"

	"github.com/tributary-data/tributary/internal/chart"
)

//go:embed result.tmpl
var page string

//go:embed result.css
var style string

type picture struct {
	Title string
	SVG   template.HTML
}

// charts are pictures of the metric that decides: the effect of each variant over
// time, and in segments.
func (r *Result) charts() []picture {
	var all []picture
	show := func(v float64) string { return fmt.Sprintf("%.1f %%", v*100) }
	for i, s := range r.Series {
		var points []chart.Point
		for _, l := range s.Looks {
			e := l.Effect.Lift
			points = append(points, chart.Point{
				At: l.At, Value: float64(e.Value), Low: float64(e.Always.Low), High: float64(e.Always.High), Hue: i + 1,
				Title: fmt.Sprintf("%s, %s units: %s, %s to %s", l.At.Format(time.DateOnly), count(l.Units), percentOr(e.Value), percentOr(e.Always.Low), percentOr(e.Always.High)),
			})
		}
		title := fmt.Sprintf("Lift of %s by %s, with the interval that is valid at every look", Titles[r.Measure.Metric], s.Variant)
		all = append(all, picture{title, chart.Over(points, title, show, func(t time.Time) string { return t.Format("01-02") })})
	}
	var rows []chart.Point
	for _, l := range r.lines() {
		if l.control || l.part == "guardrail" || math.IsNaN(float64(l.effect.Lift.Value)) {
			continue
		}
		name := Titles[l.name]
		if l.part == "segment" {
			name = "paid " + l.name
		}
		e := l.effect.Lift
		rows = append(rows, chart.Point{
			Name: name + ", " + l.group.Variant, Hue: 1, Value: float64(e.Value), Low: float64(e.Always.Low), High: float64(e.Always.High),
			Title: fmt.Sprintf("%s, %s: %s, %s to %s", name, l.group.Variant, percentOr(e.Value), percentOr(e.Always.Low), percentOr(e.Always.High)),
		})
	}
	title := "Lift by metric and segment, with intervals that are valid at every look"
	all = append(all, picture{title, chart.Rows(rows, title, show)})
	out := all[:0]
	for _, p := range all {
		if p.SVG != "" {
			out = append(out, p)
		}
	}
	return out
}

// html writes one page with everything in it.
func (r *Result) html(w io.Writer) error {
	t, err := template.New("result").Funcs(template.FuncMap{
		"count": count, "percent": percentOr, "p": func(v Float) string { return small(float64(v)) }, "moment": moment,
		"weight": func(n int) string { return percent(Float(n) / 10_000) },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	type part struct {
		Title string
		Rows  [][]string
	}
	titles := map[string]string{"metric": "Metrics", "guardrail": "Guardrails", "segment": "Segments, by the payment before the exposure"}
	var parts []part
	last := ""
	for _, l := range r.lines() {
		if l.part != last {
			last = l.part
			parts = append(parts, part{Title: titles[last]})
		}
		p := &parts[len(parts)-1]
		p.Rows = append(p.Rows, l.cells(r.Measure.Currency))
	}
	return t.Execute(w, map[string]any{
		"R": r, "Style": template.CSS(style), "Charts": r.charts(), "Parts": parts, "Metric": Titles[r.Measure.Metric], //nolint:gosec // our own
		"Level": fmt.Sprintf("%.4g %%", (1-r.Measure.Alpha)*100),
	})
}
