package webui

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// A timeChart is bars over time, drawn here, with the same numbers as a table.
type timeChart struct {
	Title  string
	Says   string // what it comes to, for whoever does not see it
	Series []chartSeries
	Points []chartPoint
	Empty  bool // nothing but zeros
	SVG    template.HTML

	format func(int64) string
}

// A chartSeries is a part of each bar.
type chartSeries struct {
	Name  string
	Class string // of its colour: s1 to s6
}

// A chartPoint is a bar: a value for each series.
type chartPoint struct {
	At     time.Time
	Label  string // of the time, as UTC
	Values []int64
}

// Texts are the values as a table shows them.
func (c *timeChart) Texts(p chartPoint) []string {
	texts := make([]string, len(p.Values))
	for i, v := range p.Values {
		texts[i] = c.format(v)
	}
	return texts
}

// Legend says whether the series need names.
func (c *timeChart) Legend() bool { return len(c.Series) > 1 }

// Measures of a drawing, in its own units: about pixels on a phone.
const (
	chartWide, chartHigh        = 400, 180
	chartLeft, chartTop         = 52, 10
	chartRight, chartBottom     = 396, 156
	chartLabelsAt               = 172
	chartBar                    = 40 // of a bar, at most
	chartLabels                 = 5  // along the time, at most
	timeOfHour, timeOfDay       = "15:04", "01-02"
	fullTimeOfHour, fullTimeDay = "2006-01-02 15:04", "2006-01-02"
)

// draw fills in the picture. Times below are written by layout.
func (c *timeChart) draw(layout string) {
	var most int64
	for _, p := range c.Points {
		var sum int64
		for _, v := range p.Values {
			sum += v
		}
		most = max(most, sum)
	}
	c.Empty = most == 0
	if c.Empty {
		return
	}
	top := roundUp(most)
	y := func(v int64) float64 { return chartBottom - float64(v)/float64(top)*(chartBottom-chartTop) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWide, chartHigh, html.EscapeString(c.Title+". "+c.Says))
	for _, v := range []int64{0, top / 2, top} {
		class := "grid"
		if v == 0 {
			class = "axis"
		}
		fmt.Fprintf(&b, `<line class="%s" x1="%d" y1="%s" x2="%d" y2="%[3]s"/>`, class, chartLeft, place(y(v)), chartRight)
		fmt.Fprintf(&b, `<text x="%d" y="%s" text-anchor="end">%s</text>`, chartLeft-6, place(y(v)+4), html.EscapeString(c.format(v)))
	}
	step := float64(chartRight-chartLeft) / float64(len(c.Points))
	wide := min(step*0.8, chartBar)
	every := (len(c.Points) + chartLabels - 1) / chartLabels
	for i, p := range c.Points {
		x := chartLeft + float64(i)*step
		var sum int64
		for s, v := range p.Values {
			if v == 0 {
				continue
			}
			sum += v
			high := max(y(sum-v)-y(sum), 1) // what is there is seen
			title := p.Label + " UTC: " + c.format(v)
			if c.Legend() {
				title += " " + c.Series[s].Name
			}
			fmt.Fprintf(&b, `<rect class="bar %s" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`,
				c.Series[s].Class, place(x+(step-wide)/2), place(y(sum-v)-high), place(wide), place(high), html.EscapeString(title))
		}
		if i%every == 0 {
			fmt.Fprintf(&b, `<text x="%s" y="%d" text-anchor="middle">%s</text>`, place(x+step/2), chartLabelsAt, p.At.UTC().Format(layout))
		}
	}
	b.WriteString(`</svg>`)
	c.SVG = template.HTML(b.String()) //nolint:gosec // made of numbers, and of texts that were escaped
}

func place(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// roundUp returns the next number of an axis whose half is one, too: 2, 4, 10 or 20
// times a power of ten.
func roundUp(v int64) int64 {
	for unit := int64(1); ; unit *= 10 {
		for _, n := range []int64{2, 4, 10} {
			if v <= n*unit || unit > math.MaxInt64/100 {
				return n * unit
			}
		}
	}
}

// number writes a whole number in the request's language.
func (r *request) number(v int64) string {
	s, _ := formatInteger(r.print(), v) // an int64 always is one
	return s
}

// lasted writes milliseconds in the request's language.
func (r *request) lasted(ms int64) string {
	s, _ := formatDuration(r.t, ms) // an int64 always is one
	return s
}

// countChart draws counts of a series of the monitor.
func (r *request) countChart(title, says string, hourly bool, all []seriesPoint, series []chartSeries, of func(runCounts) []int64) *timeChart {
	c := &timeChart{Title: title, Says: says, Series: series, format: r.number}
	layout, full := timeOfDay, fullTimeDay
	if hourly {
		layout, full = timeOfHour, fullTimeOfHour
	}
	for _, p := range all {
		at := time.UnixMilli(p.At).UTC()
		c.Points = append(c.Points, chartPoint{at, at.Format(full), of(p.runCounts)})
	}
	c.draw(layout)
	return c
}
