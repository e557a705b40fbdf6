package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"
)

// A Point is a value with an interval, of which both ends may be infinite or NaN
// where there is none.
type Point struct {
	At               time.Time // where a point has a time
	Name             string    // where it has a row
	Value, Low, High float64
	Hue              int // 1 to 6
	Title            string
}

func finite(v ...float64) bool {
	for _, x := range v {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// A plane is a picture of values with a scale that is being made.
type plane struct {
	b                        strings.Builder
	left, top, right, bottom float64
	low, high                float64 // of the values
}

func (d *plane) end(height float64, label string) template.HTML {
	//nolint:gosec // made of numbers, and of texts that were escaped
	return template.HTML(fmt.Sprintf(`<svg class="chart" viewBox="0 0 %d %s" role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg">%s</svg>`,
		wide, number(height), html.EscapeString(label), d.b.String()))
}

func (d *plane) add(element, class, title string, attributes ...any) {
	fmt.Fprintf(&d.b, `<%s class="%s"`, element, class)
	for i := 0; i < len(attributes); i += 2 {
		v, is := attributes[i+1].(string)
		if !is {
			f, _ := attributes[i+1].(float64)
			v = number(f)
		}
		fmt.Fprintf(&d.b, ` %s="%s"`, attributes[i], v)
	}
	if title == "" {
		d.b.WriteString("/>")
		return
	}
	fmt.Fprintf(&d.b, "><title>%s</title></%s>", html.EscapeString(title), element)
}

func (d *plane) text(x, y float64, anchor, text string) {
	fmt.Fprintf(&d.b, `<text x="%s" y="%s" text-anchor="%s">%s</text>`, number(x), number(y), anchor, html.EscapeString(text))
}

// scale finds the values from lowest to highest that are shown, zero among them.
// Intervals much wider than the values are are cut.
func (d *plane) scale(points []Point) {
	var most float64
	var ends []float64
	for _, p := range points {
		if !finite(p.Value) {
			continue
		}
		most = max(most, math.Abs(p.Value))
		d.low, d.high = min(d.low, p.Value), max(d.high, p.Value)
		if finite(p.Low, p.High) {
			ends = append(ends, p.Low, p.High)
		}
	}
	// What the narrower half of the intervals needs, and a bit more, is enough.
	limit := math.Inf(1)
	if len(ends) > 8 {
		last := points[len(points)-1]
		if finite(last.Low, last.High) {
			limit = 4 * max(most, math.Abs(last.Low), math.Abs(last.High))
		}
	}
	for _, v := range ends {
		if math.Abs(v) <= limit {
			d.low, d.high = min(d.low, v), max(d.high, v)
		}
	}
	if d.low == d.high {
		d.low, d.high = -1, 1
	}
	d.low, d.high = d.low-(d.high-d.low)*0.05, d.high+(d.high-d.low)*0.05
}

// steps are round values inside the scale.
func (d *plane) steps(most int) (all []float64) {
	span := d.high - d.low
	step := math.Pow(10, math.Floor(math.Log10(span/float64(most))))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if span/(step*m) <= float64(most) {
			step *= m
			break
		}
	}
	for i := math.Ceil(d.low / step); i*step <= d.high; i++ {
		all = append(all, i*step)
	}
	return all
}

func (d *plane) y(v float64) float64 {
	return d.bottom - (min(max(v, d.low), d.high)-d.low)/(d.high-d.low)*(d.bottom-d.top)
}

func (d *plane) x(v float64) float64 {
	return d.left + (min(max(v, d.low), d.high)-d.low)/(d.high-d.low)*(d.right-d.left)
}

// Over draws how a value came about over time, with its intervals as a band. show
// prints a value, day a time; label says what the picture is. It is empty without
// points.
func Over(points []Point, label string, show func(float64) string, day func(time.Time) string) template.HTML {
	var all []Point
	for _, p := range points {
		if finite(p.Value) {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return ""
	}
	const height = 280
	d := &plane{left: 70, top: 12, right: wide - 12, bottom: height - 30}
	d.scale(all)
	for _, v := range d.steps(6) {
		class := "grid"
		if math.Abs(v) < (d.high-d.low)*1e-9 {
			class = "threshold"
		}
		d.add("line", class, "", "x1", d.left, "x2", d.right, "y1", d.y(v), "y2", d.y(v))
		d.text(d.left-8, d.y(v)+4, "end", show(v))
	}
	first, last := all[0].At, all[len(all)-1].At
	span := max(last.Sub(first).Seconds(), 1)
	x := func(t time.Time) float64 {
		if len(all) == 1 {
			return (d.left + d.right) / 2
		}
		return d.left + 8 + t.Sub(first).Seconds()/span*(d.right-d.left-16)
	}
	var upper, lower, line []string
	for _, p := range all {
		at := number(x(p.At))
		line = append(line, at+","+number(d.y(p.Value)))
		if finite(p.Low, p.High) {
			upper, lower = append(upper, at+","+number(d.y(p.High))), append([]string{at + "," + number(d.y(p.Low))}, lower...)
		}
	}
	colour := hue(all[0].Hue)
	if len(upper) > 1 {
		d.add("polygon", colour+" area", "", "points", strings.Join(append(upper, lower...), " "))
	}
	d.add("polyline", colour+" line", "", "points", strings.Join(line, " "))
	for _, p := range all {
		d.add("circle", colour+" dot", p.Title, "cx", x(p.At), "cy", d.y(p.Value), "r", 3.0)
	}
	every := (len(all) + 6) / 7
	for i := 0; i < len(all); i += max(every, 1) {
		anchor := "middle"
		if i == 0 && len(all) > 1 {
			anchor = "start"
		}
		d.text(x(all[i].At), d.bottom+18, anchor, day(all[i].At))
	}
	return d.end(height, label)
}

// Rows draws values with their intervals, one below the other.
func Rows(points []Point, label string, show func(float64) string) template.HTML {
	if len(points) == 0 {
		return ""
	}
	const line = 30
	height := float64(len(points))*line + 44
	d := &plane{left: 320, top: 8, right: wide - 20, bottom: height - 30}
	d.scale(points)
	for _, v := range d.steps(7) {
		class := "grid"
		if math.Abs(v) < (d.high-d.low)*1e-9 {
			class = "threshold"
		}
		d.add("line", class, "", "x1", d.x(v), "x2", d.x(v), "y1", d.top, "y2", d.bottom)
		d.text(d.x(v), d.bottom+18, "middle", show(v))
	}
	for i, p := range points {
		y := d.top + (float64(i)+0.5)*line
		d.text(d.left-10, y+4, "end", short(p.Name))
		if !finite(p.Value) {
			continue
		}
		if finite(p.Low, p.High) {
			d.add("line", hue(p.Hue)+" whisker", p.Title, "x1", d.x(p.Low), "x2", d.x(p.High), "y1", y, "y2", y)
		}
		d.add("circle", hue(p.Hue)+" dot", p.Title, "cx", d.x(p.Value), "cy", y, "r", 4.5)
	}
	return d.end(height, label)
}

// short cuts a name to what has room.
func short(name string) string {
	r := []rune(name)
	if len(r) <= 40 {
		return name
	}
	return string(r[:39]) + "…"
}
