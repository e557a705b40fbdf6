// Package chart draws numbers as SVG that needs no script, no style of its own
// and no font: colours are the classes s1 to s6 of whatever page it stands on.
package chart

import (
	"cmp"
	"html/template"
	"maps"
	"slices"
)

// Kind is what a chart looks like.
type Kind string

// The kinds, with the members of a Chart that each has.
const (
	Stacked   Kind = "stacked"   // shares of 1 above each other: Labels, Series
	Lines     Kind = "lines"     // shares of 1 along labels: Labels, Series
	Intervals Kind = "intervals" // medians and averages: Currency, Decimals, Values
	Flow      Kind = "flow"      // how many went from where to where: Moves
)

// A Chart is the numbers of a picture.
type Chart struct {
	Kind     Kind     `json:"kind"`
	Title    string   `json:"title"`
	Section  string   `json:"section"`            // of the report, whose numbers they are
	Currency string   `json:"currency,omitempty"` // small letters
	Decimals int      `json:"decimals,omitempty"` // of amounts of the currency
	Labels   []string `json:"labels,omitempty"`   // along the axis
	Series   []Series `json:"series,omitempty"`
	Values   []Value  `json:"values,omitempty"`
	Moves    []Move   `json:"moves,omitempty"`
}

// A Series has a value for each label; nil where there is none.
type Series struct {
	Name   string     `json:"name"` // translated by Say
	Hue    int        `json:"hue"`  // 1 to 6
	Values []*float64 `json:"values"`
}

// A Value is what is typical of something, with intervals of 95 % where there
// are enough observations for them.
type Value struct {
	Name            string      `json:"name"`
	Note            string      `json:"note,omitempty"` // beside the name; translated by Say
	Hue             int         `json:"hue"`
	Median          float64     `json:"median"`
	MedianInterval  *[2]float64 `json:"medianInterval,omitempty"`
	Average         float64     `json:"average"`
	AverageInterval *[2]float64 `json:"averageInterval,omitempty"`
}

// A Move is how many went from one to another.
type Move struct {
	From Place `json:"from"`
	To   Place `json:"to"`
	N    int64 `json:"n"`
}

// A Place is an end of a move.
type Place struct {
	Name string `json:"name,omitempty"`
	Note string `json:"note,omitempty"` // beside the name, or in its place; translated by Say
	Hue  int    `json:"hue"`
}

// Say writes a text of Texts, or a name of a series or a note, with its arguments,
// in the language of the page.
type Say func(format string, args ...any) string

// Texts are what charts say themselves.
var Texts = []string{medianText, averageText, medianAlone, averageAlone, moveText, placeText, notedText}

const (
	medianText   = "%s: median %s, 95 %% from %s to %s"
	averageText  = "%s: average %s, 95 %% from %s to %s"
	medianAlone  = "%s: median %s"
	averageAlone = "%s: average %s"
	moveText     = "%s, then %s: %d"
	placeText    = "%s: %d"
	notedText    = "%s, %s"
)

// An Entry of a legend.
type Entry struct {
	Hue  int
	Text string
}

// Legend returns what the hues of series mean; those without any value are left
// out.
func (c *Chart) Legend(say Say) []Entry {
	var all []Entry
	for _, s := range c.Series {
		if slices.ContainsFunc(s.Values, func(v *float64) bool { return v != nil && *v != 0 }) {
			all = append(all, Entry{s.Hue, say(s.Name)})
		}
	}
	return all
}

// SVG draws the chart; title is its name for those who do not see it.
func (c *Chart) SVG(title string, say Say) template.HTML {
	switch c.Kind {
	case Stacked:
		return c.stacked(say).end(title)
	case Lines:
		return c.lines(say).end(title)
	case Intervals:
		return c.intervals(say).end(title)
	case Flow:
		return c.flow(say).end(title)
	}
	return ""
}

func percent(say Say, v float64) string { return say("%.1f", v*100) + " %" }

func (c *Chart) stacked(say Say) *drawing {
	d := newDrawing(236)
	d.percents()
	step := d.width() / float64(max(len(c.Labels), 1))
	for i, label := range c.Labels {
		y := d.bottom()
		for _, s := range c.Series {
			v := s.Values[i]
			if v == nil || *v == 0 {
				continue
			}
			high := *v * d.height()
			y -= high
			d.rect(d.left()+float64(i)*step+step*0.1, y, step*0.8, high, s.Hue, label+", "+say(s.Name)+": "+percent(say, *v))
		}
	}
	d.labels(c.Labels)
	return d
}

func (c *Chart) lines(say Say) *drawing {
	d := newDrawing(236)
	d.percents()
	step := d.width() / float64(max(len(c.Labels), 1))
	for _, s := range c.Series {
		var points [][2]float64
		for i, label := range c.Labels {
			v := s.Values[i]
			if v == nil { // where nothing is known, no line leads
				d.polyline(points, s.Hue)
				points = nil
				continue
			}
			x, y := d.left()+(float64(i)+0.5)*step, d.bottom()-*v*d.height()
			points = append(points, [2]float64{x, y})
			d.dot(x, y, s.Hue, label+", "+say(s.Name)+": "+percent(say, *v))
		}
		d.polyline(points, s.Hue)
	}
	d.labels(c.Labels)
	return d
}

// noted is a name with its note beside it.
func noted(say Say, name, note string) string {
	switch {
	case note == "":
		return name
	case name == "":
		return say(note)
	}
	return say(notedText, name, say(note))
}

func (c *Chart) intervals(say Say) *drawing {
	const line = 30
	top := 0.0
	for _, v := range c.Values {
		top = max(top, v.Median, v.Average)
		if v.MedianInterval != nil {
			top = max(top, v.MedianInterval[1])
		}
	}
	if top *= 1.1; top <= 0 {
		top = 1
	}
	d := newDrawing(float64(len(c.Values))*line + 50)
	d.margin = 180
	d.across(top, c.Currency, say)
	at := func(v float64) float64 { return d.left() + min(max(v/top, 0), 1)*d.width() }
	amount := func(v float64) string { return say("%.[2]*[1]f", v, c.Decimals) }
	for i, v := range c.Values {
		y := d.top() + (float64(i)+0.5)*line
		name := noted(say, v.Name, v.Note)
		d.text(d.left()-8, y+4, "end", name)
		title := say(averageAlone, name, amount(v.Average))
		if in := v.AverageInterval; in != nil {
			title = say(averageText, name, amount(v.Average), amount(in[0]), amount(in[1]))
			d.line(at(in[0]), y+6, at(in[1]), y+6, v.Hue, title)
		}
		d.ring(at(v.Average), y+6, v.Hue, title)
		title = say(medianAlone, name, amount(v.Median))
		if in := v.MedianInterval; in != nil {
			title = say(medianText, name, amount(v.Median), amount(in[0]), amount(in[1]))
			d.line(at(in[0]), y-5, at(in[1]), y-5, v.Hue, title)
		}
		d.dot(at(v.Median), y-5, v.Hue, title)
	}
	return d
}

// flow has the places that moves begin at on the left, those that they end at on
// the right, and bands as wide as the moves are many.
func (c *Chart) flow(say Say) *drawing {
	left, right := map[Place]float64{}, map[Place]float64{}
	var total float64
	for _, m := range c.Moves {
		left[m.From] += float64(m.N)
		right[m.To] += float64(m.N)
		total += float64(m.N)
	}
	most := func(sums map[Place]float64) []Place {
		return slices.SortedFunc(maps.Keys(sums), func(a, b Place) int {
			return cmp.Or(cmp.Compare(a.Hue, b.Hue), cmp.Compare(sums[b], sums[a]), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Note, b.Note))
		})
	}
	froms, tos := most(left), most(right)
	const gap = 16
	rows := max(len(froms), len(tos))
	d := newDrawing(max(320, float64(rows)*36))
	d.margin = 190
	unit := (d.height() - gap*float64(rows-1)) / max(total, 1)
	x0, x1 := d.left(), d.left()+d.width()-d.margin+10
	place := func(names []Place, sums map[Place]float64, x, label float64, anchor string) map[Place]float64 {
		at, y := map[Place]float64{}, d.top()
		for _, n := range names {
			high := sums[n] * unit
			text := say(placeText, noted(say, n.Name, n.Note), int64(sums[n]))
			d.rect(x-4, y, 8, max(high, 1), n.Hue, text)
			d.text(label, y+high/2+4, anchor, text)
			at[n] = y
			y += high + gap
		}
		return at
	}
	from := place(froms, left, x0, x0-10, "end")
	to := place(tos, right, x1, x1+10, "start")
	moves := slices.Clone(c.Moves)
	slices.SortStableFunc(moves, func(a, b Move) int {
		return cmp.Or(cmp.Compare(slices.Index(froms, a.From), slices.Index(froms, b.From)), cmp.Compare(slices.Index(tos, a.To), slices.Index(tos, b.To)))
	})
	for _, m := range moves {
		high := float64(m.N) * unit
		title := say(moveText, noted(say, m.From.Name, m.From.Note), noted(say, m.To.Name, m.To.Note), m.N)
		d.band(x0+4, from[m.From], x1-4, to[m.To], high, m.From.Hue, title)
		from[m.From] += high
		to[m.To] += high
	}
	return d
}
