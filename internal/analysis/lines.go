package analysis

import (
	"cmp"
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/money"
)

// A line is one variant's number in one comparison, as files and terminals have it.
type line struct {
	part, name string // metric, guardrail or segment; which
	kind       Kind
	group      Group
	control    bool
	effect     Effect
	adjusted   bool
	corrected  Float // Holm's always-valid p-value; NaN where nothing is corrected
	mark       string
}

// lines are all numbers but those over time.
func (r *Result) lines() []line {
	var out []line
	nothing := Float(math.NaN())
	add := func(part, name string, kind Kind, groups []Group, comparisons []Comparison) {
		for i, g := range groups {
			l := line{part: part, name: name, kind: kind, group: g, control: i == 0, corrected: nothing}
			if i > 0 {
				c := comparisons[i-1]
				l.effect, l.adjusted = c.Effect, c.Adjust
				if c.Many != nil {
					l.corrected = c.Many.Holm
				}
			}
			out = append(out, l)
		}
	}
	for _, m := range r.Metrics {
		add("metric", m.Name, m.Kind, m.Groups, m.Comparisons)
	}
	for _, g := range r.Guardrails {
		for i, v := range g.Groups {
			l := line{part: "guardrail", name: g.Name, kind: Share, group: v, control: i == 0, corrected: nothing}
			if i > 0 {
				c := g.Comparisons[i-1]
				l.effect = c.Effect
				switch {
				case c.Few:
					l.mark = "too few"
				case c.Alarm:
					l.mark = "alarm"
				case c.Warning:
					l.mark = "warning"
				}
			}
			out = append(out, l)
		}
	}
	for _, s := range r.Segments {
		add("segment", s.By+" "+s.Segment, r.Metrics[0].Kind, s.Groups, s.Comparisons)
	}
	return out
}

var header = []string{
	"experiment", "phase", "as_of", "part", "name", "variant", "units", "value", "low", "high", "adjusted", "effect", "effect_low", "effect_high", "p",
	"always_low", "always_high", "always_p", "lift", "lift_low", "lift_high", "lift_always_low", "lift_always_high", "holm_p", "mark", "mismatch",
}

// csv writes all lines. Money is decimal, in the experiment's currency.
func (r *Result) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(header); err != nil {
		return err
	}
	number := func(v Float) string {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return ""
		}
		return strconv.FormatFloat(float64(v), 'g', 10, 64)
	}
	for _, l := range r.lines() {
		value := func(v Float) string {
			if l.kind == Money {
				exponent, _ := money.Exponent(r.Measure.Currency)
				v /= Float(math.Pow10(exponent))
			}
			return number(v)
		}
		row := []string{
			r.Experiment.Key, strconv.Itoa(int(r.Phase)), r.AsOf.Format("2006-01-02T15:04:05Z"), l.part, l.name, l.group.Variant, strconv.FormatInt(l.group.Units, 10),
			value(l.group.Value), value(l.group.Low), value(l.group.High),
		}
		if l.control {
			row = append(row, make([]string, len(header)-len(row)-1)...)
		} else {
			e := l.effect
			row = append(row, strconv.FormatBool(l.adjusted), value(e.Value), value(e.Low), value(e.High), number(e.P), value(e.Always.Low), value(e.Always.High), number(e.Always.P),
				number(e.Lift.Value), number(e.Lift.Low), number(e.Lift.High), number(e.Lift.Always.Low), number(e.Lift.Always.High), number(l.corrected), l.mark)
		}
		if err := c.Write(append(row, map[bool]string{true: "mismatch"}[r.Mismatch.Found])); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// table prints for a terminal: all of it, or what matters most.
func (r *Result) table(w io.Writer, brief bool) error {
	var b strings.Builder
	name := cmp.Or(r.Experiment.Name, r.Experiment.Key)
	b.WriteString(printable(name) + ", phase " + strconv.Itoa(int(r.Phase)) + ", as of " + moment(r.AsOf) + "\n")
	b.WriteString("Decides: " + Titles[r.Measure.Metric] + " in " + strings.ToUpper(r.Measure.Currency) + " within " + strconv.Itoa(r.Measure.Days) + " days of the first exposure.\n\n")
	if r.Mismatch.Found {
		b.WriteString("!!! THE GROUPS DON'T HAVE THE SIZES THAT THEY WERE GIVEN. No number below means anything.\n")
	}
	b.WriteString(strings.ToUpper(string(r.Decision.Verdict)) + ". " + r.Decision.Text + "\n\n")
	units := [][]string{{"variant", "weight", "shown to", "watched"}}
	for _, v := range r.Variants {
		units = append(units, []string{v.Key, percent(Float(v.Weight) / 10_000), count(v.Exposed), count(v.Ready)})
	}
	align(&b, units, 1)
	b.WriteString("Sizes as given: p = " + small(float64(r.Mismatch.P)) + "\n")
	titles := map[string]string{"metric": "Metrics", "guardrail": "Guardrails", "segment": "Segments, by the payment before the exposure"}
	part := ""
	var rows [][]string
	for _, l := range r.lines() {
		if brief && l.part == "segment" {
			continue
		}
		if l.part != part {
			align(&b, rows, 3)
			part = l.part
			b.WriteString("\n" + titles[part] + "\n")
			rows = [][]string{{"", "variant", "", "units", "value", "effect", "lift", "95 % from", "to", "always from", "to", "p", "always p", "corrected"}}
			level := strconv.FormatFloat((1-r.Measure.Alpha)*100, 'g', 4, 64) + " % from"
			rows[0][7] = level
		}
		rows = append(rows, l.cells(r.Measure.Currency))
	}
	align(&b, rows, 3)
	b.WriteString("\nIntervals are of the lift, or of the effect where there is none. \"always\" holds however often one looks; * is adjusted by what units did before; pp are percentage points.\n")
	said := [][]string{r.Decision.Caveats, r.Notes}
	if brief {
		said = nil
	}
	for _, text := range said {
		b.WriteString("\n")
		for _, t := range text {
			b.WriteString("- " + t + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cells are a line of the table.
func (l line) cells(currency string) []string {
	title := Titles[l.name]
	if title == "" {
		title = l.name
	}
	out := []string{title, l.group.Variant, l.mark, count(l.group.Units), Show(l.kind, l.group.Value, currency)}
	if l.control {
		return append(out, "", "", "", "", "", "", "", "", "")
	}
	e := l.effect
	low, high, always := e.Lift.Low, e.Lift.High, e.Lift.Always
	show := percentOr
	if math.IsNaN(float64(e.Lift.Value)) {
		low, high, always = e.Low, e.High, e.Always
		show = func(v Float) string { return showChange(l.kind, v, currency) }
	}
	star := ""
	if l.adjusted {
		star = "*"
	}
	corrected := ""
	if !math.IsNaN(float64(l.corrected)) {
		corrected = brief(l.corrected)
	}
	return append(out, showChange(l.kind, e.Value, currency)+star, percentOr(e.Lift.Value), show(low), show(high), show(always.Low), show(always.High),
		brief(e.P), brief(e.Always.P), corrected)
}

// brief is a p-value for a table.
func brief(p Float) string { return strings.Replace(small(float64(p)), "less than ", "<", 1) }

func percentOr(v Float) string { return Show(Share, v, "") }

// align writes rows in columns; those from a place on are numbers.
func align(b *strings.Builder, rows [][]string, numbers int) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			if widths[i] == 0 {
				continue
			}
			pad := strings.Repeat(" ", widths[i]-len([]rune(c)))
			if i >= numbers {
				c = pad + c
			} else {
				c += pad
			}
			line.WriteString(c + "  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// printable replaces what could move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200e && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, s)
}
