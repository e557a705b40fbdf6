package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/money"
)

// A Chart is a picture of numbers of a section, as SVG that needs no script. Its
// colours are the classes c0 to c9 and the variables of Style.
type Chart struct {
	Title, Section string
	SVG            template.HTML
}

// chartedCurrencies is how many currencies have charts of their own: those with
// the most orders.
const chartedCurrencies = 3

// Charts returns pictures of the sections that the report has: shares over time,
// order values by method, customers who come back, flows between methods.
func (r *Report) Charts() []Chart {
	var all []Chart
	for _, currency := range r.largest() {
		all = append(all, r.shareChart(currency), r.valueChart(currency))
	}
	all = append(all, r.repeatChart(), r.flowChart())
	return slices.DeleteFunc(all, func(c Chart) bool { return c.SVG == "" })
}

// largest returns the currencies with the most orders.
func (r *Report) largest() []string {
	orders := map[string]int64{}
	for _, name := range []string{"methods", "periods"} {
		if s := r.section(name); s != nil {
			clear(orders)
			for _, row := range s.Rows {
				if s.text(row, "class") == "all" {
					orders[s.text(row, "currency")] += s.integer(row, "orders")
				}
			}
		}
	}
	maps.DeleteFunc(orders, func(_ string, n int64) bool { return n == 0 })
	names := slices.SortedFunc(maps.Keys(orders), func(a, b string) int { return cmp.Or(cmp.Compare(orders[b], orders[a]), cmp.Compare(a, b)) })
	return names[:min(len(names), chartedCurrencies)]
}

// classes in the order in which they are stacked, with the numbers of their
// colours.
var classes = []string{"bnpl", "bnpl_unknown", "card", "other"}

// named are words for classes.
var named = map[string]string{"bnpl": "buy now, pay later", "bnpl_unknown": "Klarna, unknown which", "card": "cards", "other": "other methods", "all": "all", "none": "no next order"}

func (r *Report) shareChart(currency string) Chart {
	s := r.section("periods")
	if s == nil {
		return Chart{}
	}
	shares := map[string]map[string]float64{}
	for _, row := range s.Rows {
		if s.text(row, "currency") != currency || s.text(row, "method") != "all" || s.text(row, "class") == "all" {
			continue
		}
		period := s.text(row, "period")
		if shares[period] == nil {
			shares[period] = map[string]float64{}
		}
		if v, ok := s.float(row, "share_orders"); ok {
			shares[period][s.text(row, "class")] = v
		}
	}
	periods := slices.Sorted(maps.Keys(shares))
	d := newDrawing(240)
	d.percents(1)
	step := d.width() / float64(max(len(periods), 1))
	for i, period := range periods {
		y := d.bottom()
		for k, class := range classes {
			v := shares[period][class]
			if v == 0 {
				continue
			}
			high := v * d.height()
			y -= high
			d.rect(d.left()+float64(i)*step+step*0.1, y, step*0.8, high, k, fmt.Sprintf("%s, %s: %.1f %%", period, named[class], v*100))
		}
	}
	d.labels(periods)
	d.legend(classes)
	return Chart{"Share of orders over time, " + strings.ToUpper(currency), "periods", d.end()}
}

// valueChart shows medians and averages with their intervals.
func (r *Report) valueChart(currency string) Chart {
	s := r.section("methods")
	if s == nil {
		return Chart{}
	}
	type value struct {
		name                       string
		class                      int
		median, low, high          float64
		average, meanLow, meanHigh float64
		interval, hasMeanInterval  bool
	}
	var values []value
	top := 0.0
	exponent, _ := money.Exponent(currency)
	scale := 1.0
	for range exponent {
		scale *= 10
	}
	for _, row := range s.Rows {
		median, ok := s.float(row, "median")
		if s.text(row, "currency") != currency || s.text(row, "method") == "all" || !ok {
			continue
		}
		v := value{name: s.text(row, "method"), class: slices.Index(classes, s.text(row, "class")), median: median / scale}
		if v.class == 1 {
			v.name += ", unknown"
		}
		v.average, _ = s.float(row, "average")
		v.average /= scale
		if low, ok := s.value(row, "median_low").(int64); ok {
			v.interval, v.low, v.high = true, float64(low)/scale, float64(s.integer(row, "median_high"))/scale
		}
		if low, ok := s.float(row, "average_low"); ok {
			high, _ := s.float(row, "average_high")
			v.hasMeanInterval, v.meanLow, v.meanHigh = true, max(low/scale, 0), high/scale
		}
		top = max(top, v.median, v.high, v.average)
		values = append(values, v)
	}
	if len(values) == 0 {
		return Chart{}
	}
	const line = 30
	d := newDrawing(float64(len(values))*line + 46)
	d.margin = 150
	d.across(top*1.1, strings.ToUpper(currency))
	at := func(v float64) float64 { return d.left() + min(v/(top*1.1), 1)*d.width() }
	for i, v := range values {
		y := d.top() + (float64(i)+0.5)*line
		d.text(d.left()-8, y+4, "end", v.name)
		if v.hasMeanInterval {
			d.line(at(v.meanLow), y+6, at(v.meanHigh), y+6, v.class, fmt.Sprintf("%s, average %.2f, 95 %% from %.2f to %.2f", v.name, v.average, v.meanLow, v.meanHigh))
		}
		d.ring(at(v.average), y+6, v.class, fmt.Sprintf("%s, average %.2f", v.name, v.average))
		if v.interval {
			d.line(at(v.low), y-5, at(v.high), y-5, v.class, fmt.Sprintf("%s, median %.2f, 95 %% from %.2f to %.2f", v.name, v.median, v.low, v.high))
		}
		d.dot(at(v.median), y-5, v.class, fmt.Sprintf("%s, median %.2f", v.name, v.median))
	}
	return Chart{"Order value by method, " + strings.ToUpper(currency) + ": median (dot) and average (ring) with intervals of 95 %", "methods", d.end()}
}

func (r *Report) repeatChart() Chart {
	s := r.section("cohorts")
	if s == nil {
		return Chart{}
	}
	var periods []string
	rates := map[string]map[string]float64{}
	for _, row := range s.Rows {
		period, class := s.text(row, "period"), s.text(row, "class")
		if class == "all" {
			periods = append(periods, period)
			continue
		}
		if v, ok := s.float(row, "rate_90"); ok {
			if rates[class] == nil {
				rates[class] = map[string]float64{}
			}
			rates[class][period] = v
		}
	}
	if len(rates) == 0 {
		return Chart{}
	}
	d := newDrawing(240)
	d.percents(1)
	step := d.width() / float64(len(periods))
	shown := slices.Clone(classes)
	shown[1] = "" // hardly anybody, and so no line
	for k, class := range shown {
		var points [][2]float64
		for i, period := range periods {
			if v, ok := rates[class][period]; ok {
				x, y := d.left()+(float64(i)+0.5)*step, d.bottom()-v*d.height()
				points = append(points, [2]float64{x, y})
				d.dot(x, y, k, fmt.Sprintf("first order in %s by %s: %.1f %% back within 90 days", period, named[class], v*100))
			}
		}
		d.polyline(points, k)
	}
	d.labels(periods)
	d.legend(shown)
	return Chart{"Customers who ordered again within 90 days, by the period of their first order", "cohorts", d.end()}
}

// flowChart has the methods of first orders on the left, of next ones on the
// right, and bands as wide as the customers between them are many.
func (r *Report) flowChart() Chart {
	s := r.section("migration")
	if s == nil || len(s.Rows) == 0 {
		return Chart{}
	}
	type flow struct {
		from, to string
		n        float64
	}
	var flows []flow
	left, right, class := map[string]float64{}, map[string]float64{}, map[string]int{}
	var total float64
	name := func(row Row, side string) string {
		n, c := s.text(row, side+"_method"), s.text(row, side+"_class")
		if c == "bnpl_unknown" {
			n += ", unknown"
		}
		class[n] = slices.Index(classes, c)
		return n
	}
	for _, row := range s.Rows {
		f := flow{name(row, "from"), name(row, "to"), float64(s.integer(row, "customers"))}
		left[f.from] += f.n
		right[f.to] += f.n
		total += f.n
		flows = append(flows, f)
	}
	most := func(sums map[string]float64) []string {
		return slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
			return cmp.Or(cmp.Compare(last(class[a]), last(class[b])), cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
		})
	}
	froms, tos := most(left), most(right)
	const gap = 12
	d := newDrawing(max(300, float64(max(len(froms), len(tos)))*30))
	d.margin = 150
	unit := (d.height() - gap*float64(max(len(froms), len(tos))-1)) / total
	x0, x1 := d.left(), d.left()+d.width()-d.margin+20
	place := func(names []string, sums map[string]float64, x, label float64, anchor string) map[string]float64 {
		at, y := map[string]float64{}, d.top()
		for _, n := range names {
			high := sums[n] * unit
			d.rect(x-4, y, 8, max(high, 1), class[n], fmt.Sprintf("%s: %.0f customers", n, sums[n]))
			d.text(label, y+high/2+4, anchor, fmt.Sprintf("%s %.0f", cmp.Or(map[string]string{"none": named["none"]}[n], n), sums[n]))
			at[n] = y
			y += high + gap
		}
		return at
	}
	from := place(froms, left, x0, x0-10, "end")
	to := place(tos, right, x1, x1+10, "start")
	slices.SortStableFunc(flows, func(a, b flow) int {
		return cmp.Or(cmp.Compare(slices.Index(froms, a.from), slices.Index(froms, b.from)), cmp.Compare(slices.Index(tos, a.to), slices.Index(tos, b.to)))
	})
	for _, f := range flows {
		high := f.n * unit
		d.band(x0+4, from[f.from], x1-4, to[f.to], high, class[f.from], fmt.Sprintf("%s, then %s: %.0f customers", f.from, cmp.Or(map[string]string{"none": named["none"]}[f.to], f.to), f.n))
		from[f.from] += high
		to[f.to] += high
	}
	return Chart{"From the first method (left) to that of the next order (right), customers", "migration", d.end()}
}

// last puts what has no class behind all classes.
func last(class int) int {
	if class < 0 {
		return len(classes)
	}
	return class
}
