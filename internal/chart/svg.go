package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// A drawing is an SVG 760 units wide that is being made. What is drawn has a
// title, which browsers show under the pointer.
type drawing struct {
	b      strings.Builder
	high   float64
	margin float64 // on the left
}

const wide = 760

func newDrawing(high float64) *drawing { return &drawing{high: high, margin: 48} }

func (d *drawing) left() float64   { return d.margin }
func (d *drawing) top() float64    { return 12 }
func (d *drawing) bottom() float64 { return d.high - 26 }
func (d *drawing) width() float64  { return wide - d.margin - 12 }
func (d *drawing) height() float64 { return d.bottom() - d.top() }

func (d *drawing) end(title string) template.HTML {
	//nolint:gosec // made of numbers, and of texts that were escaped
	return template.HTML(fmt.Sprintf(`<svg class="chart" viewBox="0 0 %d %s" role="img" aria-label="%s" xmlns="http://www.w3.org/2000/svg">%s</svg>`,
		wide, number(d.high), html.EscapeString(title), d.b.String()))
}

func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// add writes an element with its title.
func (d *drawing) add(element, attributes, title string) {
	fmt.Fprintf(&d.b, "<%s %s><title>%s</title></%s>", element, attributes, html.EscapeString(title), element)
}

// hue is the class of a colour; what has none is grey.
func hue(n int) string {
	if n < 1 || n > 6 {
		return "s6"
	}
	return "s" + strconv.Itoa(n)
}

func (d *drawing) rect(x, y, w, h float64, colour int, title string) {
	d.add("rect", fmt.Sprintf(`class="%s bar" x="%s" y="%s" width="%s" height="%s"`, hue(colour), number(x), number(y), number(max(w, 0.5)), number(h)), title)
}

func (d *drawing) dot(x, y float64, colour int, title string) {
	d.add("circle", fmt.Sprintf(`class="%s dot" cx="%s" cy="%s" r="4"`, hue(colour), number(x), number(y)), title)
}

func (d *drawing) ring(x, y float64, colour int, title string) {
	d.add("circle", fmt.Sprintf(`class="%s ring" cx="%s" cy="%s" r="3.5"`, hue(colour), number(x), number(y)), title)
}

func (d *drawing) line(x0, y0, x1, y1 float64, colour int, title string) {
	d.add("line", fmt.Sprintf(`class="%s whisker" x1="%s" y1="%s" x2="%s" y2="%s"`, hue(colour), number(x0), number(y0), number(x1), number(y1)), title)
}

func (d *drawing) polyline(points [][2]float64, colour int) {
	if len(points) < 2 {
		return
	}
	texts := make([]string, len(points))
	for i, p := range points {
		texts[i] = number(p[0]) + "," + number(p[1])
	}
	fmt.Fprintf(&d.b, `<polyline class="%s line" points="%s"/>`, hue(colour), strings.Join(texts, " "))
}

// band is a curve of one width from one column to another.
func (d *drawing) band(x0, y0, x1, y1, width float64, colour int, title string) {
	m := (x0 + x1) / 2
	path := fmt.Sprintf("M%[1]s %[2]sC%[3]s %[2]s %[3]s %[4]s %[5]s %[4]sL%[5]s %[6]sC%[3]s %[6]s %[3]s %[7]s %[1]s %[7]sZ",
		number(x0), number(y0), number(m), number(y1), number(x1), number(y1+width), number(y0+width))
	d.add("path", fmt.Sprintf(`class="%s band" d="%s"`, hue(colour), path), title)
}

func (d *drawing) text(x, y float64, anchor, text string) {
	fmt.Fprintf(&d.b, `<text x="%s" y="%s" text-anchor="%s">%s</text>`, number(x), number(y), anchor, html.EscapeString(text))
}

// percents draws an axis of shares.
func (d *drawing) percents() {
	for i := range 5 {
		y := d.bottom() - float64(i)/4*d.height()
		fmt.Fprintf(&d.b, `<line class="grid" x1="%s" y1="%s" x2="%s" y2="%[2]s"/>`, number(d.left()), number(y), number(d.left()+d.width()))
		d.text(d.left()-6, y+4, "end", strconv.Itoa(i*25)+" %")
	}
}

// across draws an axis of money at the bottom.
func (d *drawing) across(top float64, currency string, say Say) {
	step := math.Pow(10, math.Floor(math.Log10(max(top, 1e-9)/2)))
	for top/step > 8 {
		step *= 2.5
	}
	for v := 0.0; v <= top; v += step {
		x := d.left() + v/top*d.width()
		fmt.Fprintf(&d.b, `<line class="grid" x1="%s" y1="%s" x2="%[1]s" y2="%s"/>`, number(x), number(d.top()), number(d.bottom()))
		label := say("%.[2]*[1]f", v, decimals(v))
		if v == 0 {
			label = strings.ToUpper(currency)
		}
		d.text(x, d.bottom()+20, "middle", label)
	}
}

// decimals is how many of a number differ from zero, three at most.
func decimals(v float64) int {
	text := strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
	_, after, _ := strings.Cut(text, ".")
	return len(after)
}

// labels writes some of the names under as many equal steps.
func (d *drawing) labels(names []string) {
	months := true
	for _, name := range names {
		months = months && strings.HasSuffix(name, "-01")
	}
	every := (len(names) + 7) / 8
	for i := 0; i < len(names); i += max(every, 1) {
		name := names[i]
		if months {
			name = strings.TrimSuffix(name, "-01")
		}
		d.text(d.left()+(float64(i)+0.5)*d.width()/float64(len(names)), d.bottom()+20, "middle", name)
	}
}
