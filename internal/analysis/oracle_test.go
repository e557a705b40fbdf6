package analysis_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/stats"
)

// What a result must be, unit by unit: each has a number, and for adjusted effects
// one from before. Of the package stats only distributions are used.

type values struct{ y, per, x, xper []float64 } // per and xper are nil where the metric is a mean

type estimate struct{ value, se, df float64 }

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func covariance(a, b []float64) float64 {
	ma, mb, sum := mean(a), mean(b), 0.0
	for i := range a {
		sum += (a[i] - ma) * (b[i] - mb)
	}
	return sum / float64(len(a)-1)
}

// flat is the metric as one number of each unit, whose mean is the metric.
func (v values) flat() []float64 {
	if v.per == nil {
		return v.y
	}
	r, per := mean(v.y)/mean(v.per), mean(v.per)
	out := make([]float64, len(v.y))
	for i := range out {
		out[i] = r + (v.y[i]-r*v.per[i])/per
	}
	return out
}

func estimated(v []float64) estimate {
	n := float64(len(v))
	if n < 2 {
		return estimate{mean(v), math.NaN(), math.NaN()}
	}
	return estimate{mean(v), math.Sqrt(covariance(v, v) / n), n - 1}
}

// adjust takes out of each unit's number what its past explains, by one slope.
func adjust(groups []values) (out [][]float64, explained float64) {
	var past, pastPer []float64
	for _, g := range groups {
		past, pastPer = append(past, g.x...), append(pastPer, g.xper...)
	}
	xs := make([][]float64, len(groups))
	var every []float64
	for i, g := range groups {
		xs[i] = slices.Clone(g.x)
		for k := range g.xper {
			xs[i][k] -= mean(past) / mean(pastPer) * g.xper[k]
		}
		every = append(every, xs[i]...)
	}
	var xy, xx, yy float64
	for i, g := range groups {
		w, f := float64(len(g.y)-1), g.flat()
		xy, xx, yy = xy+w*covariance(xs[i], f), xx+w*covariance(xs[i], xs[i]), yy+w*covariance(f, f)
	}
	for i, g := range groups {
		f := slices.Clone(g.flat())
		for k := range f {
			f[k] -= xy / xx * (xs[i][k] - mean(every))
		}
		out = append(out, f)
	}
	return out, xy * xy / (xx * yy)
}

func combined(value, a, dfa, b, dfb float64) estimate {
	v := a + b
	if v == 0 {
		return estimate{value, 0, dfa + dfb}
	}
	one, two := dfa+1, dfb+1
	if s := (a*one*dfa + b*two*dfb) / (dfa + dfb); s/one+s/two > v {
		return estimate{value, math.Sqrt(s/one + s/two), dfa + dfb}
	}
	return estimate{value, math.Sqrt(v), v * v / (a*a/dfa + b*b/dfb)}
}

func difference(a, b estimate) estimate {
	return combined(b.value-a.value, a.se*a.se, a.df, b.se*b.se, b.df)
}

func lift(a, b estimate) estimate {
	if math.IsNaN(a.se) || math.IsNaN(b.se) || a.value <= 2*a.se {
		return estimate{math.NaN(), math.NaN(), math.NaN()}
	}
	r := b.value / a.value
	return combined(r-1, math.Pow(r*a.se/a.value, 2), a.df, math.Pow(b.se/a.value, 2), b.df)
}

// told is how many units two groups have, 0 where they are too few.
func told(a, b values) int {
	n := len(a.y) + len(b.y)
	if 4*len(a.y)*len(b.y) < 100*n {
		return 0
	}
	return n
}

// A checker gathers what differs.
type checker struct {
	t     testing.TB
	m     experiment.Measure
	said  []string
	count int
}

func (c *checker) is(what string, got analysis.Float, want float64) {
	c.count++
	if !alike(float64(got), want) {
		c.said = append(c.said, fmt.Sprintf("%s is %v, want %v", what, got, want))
	}
}

func (c *checker) always(what string, got analysis.Always, e estimate, n int) {
	low, high, p := math.Inf(-1), math.Inf(1), 1.0
	if !math.IsNaN(e.se) && e.se > 0 && n >= 100 {
		alpha := c.m.Alpha
		rho2 := (-2*math.Log(alpha) + math.Log(-2*math.Log(alpha)+1)) / float64(c.m.Planned)
		k := float64(n)*rho2 + 1
		h := e.se * math.Sqrt(2*k/(float64(n)*rho2)*math.Log(math.Sqrt(k)/alpha))
		low, high = e.value-h, e.value+h
		p = min(1, math.Sqrt(k)*math.Exp(-e.value*e.value/(e.se*e.se)*float64(n)*rho2/(2*k)))
	}
	c.is(what+".low", got.Low, low)
	c.is(what+".high", got.High, high)
	c.is(what+".p", got.P, p)
}

func (c *checker) effect(what string, got analysis.Effect, a, b estimate, n int) {
	c.once(what, got.Value, got.Low, got.High, difference(a, b))
	c.rest(what, got, a, b, n)
	p := 1.0
	if d := difference(a, b); !math.IsNaN(d.se) && d.se > 0 {
		p = 2 * stats.StudentCDF(-math.Abs(d.value/d.se), d.df)
	}
	c.is(what+".p", got.P, p)
}

func (c *checker) rest(what string, got analysis.Effect, a, b estimate, n int) {
	c.always(what+".always", got.Always, difference(a, b), n)
	c.once(what+".lift", got.Lift.Value, got.Lift.Low, got.Lift.High, lift(a, b))
	c.always(what+".lift.always", got.Lift.Always, lift(a, b), n)
}

func (c *checker) once(what string, value, low, high analysis.Float, e estimate) {
	c.is(what, value, e.value)
	l, h := math.Inf(-1), math.Inf(1)
	if !math.IsNaN(e.se) && e.df > 0 {
		half := stats.StudentQuantile(1-c.m.Alpha/2, e.df) * e.se
		l, h = e.value-half, e.value+half
	}
	c.is(what+".low", low, l)
	c.is(what+".high", high, h)
}

// of returns the numbers of a metric, by variant.
func of(name string, variants []string, all []outcome) []values {
	out := make([]values, len(variants))
	one := func(n float64) float64 { return min(n, 1) }
	for _, o := range all {
		g := &out[slices.Index(variants, o.variant)]
		put := func(y, x float64) { g.y, g.x = append(g.y, y), append(g.x, x) }
		switch name {
		case "revenue":
			put(o.revenue, o.bRevenue)
		case "conversion":
			put(one(o.orders), one(o.bOrders))
		case "orders":
			put(o.orders, o.bOrders)
		case "items":
			put(o.items, o.bItems)
		case "orderValue":
			put(o.revenue, o.bRevenue)
			g.per, g.xper = append(g.per, o.orders), append(g.xper, o.bOrders)
		case "refundRate":
			put(o.refunded, 0)
			g.per = append(g.per, o.orders)
		case "disputeRate":
			put(o.disputed, 0)
			g.per = append(g.per, o.orders)
		}
	}
	return out
}

// compared checks the comparisons of one metric among some units.
func (c *checker) compared(what, name string, variants []string, all []outcome, groups []analysis.Group, comparisons []analysis.Comparison, explained analysis.Float) {
	vs := of(name, variants, all)
	n := func(i int) int { return told(vs[0], vs[i]) }
	var plain []estimate
	for i, v := range vs {
		e := estimated(v.flat())
		plain = append(plain, e)
		what := what + "." + variants[i]
		if groups[i].Variant != variants[i] || groups[i].Units != int64(len(v.y)) {
			c.said = append(c.said, what+" has other units")
		}
		if name == "conversion" {
			c.is(what, groups[i].Value, e.value)
			continue // Wilson's interval has its own test
		}
		c.once(what, groups[i].Value, groups[i].Low, groups[i].High, e)
	}
	for i, got := range comparisons {
		what := what + "." + got.Variant
		if name != "conversion" {
			c.effect(what, got.Plain, plain[0], plain[i+1], n(i+1))
		} else {
			c.is(what, got.Plain.Value, plain[i+1].value-plain[0].value)
			c.rest(what, got.Plain, plain[0], plain[i+1], n(i+1))
		}
		if !got.Adjust {
			if c.m.Before > 0 && len(vs[0].y) > 20 && len(vs[i+1].y) > 20 && mean(vs[0].x) > 0 && mean(vs[0].y) > 0 {
				c.said = append(c.said, what+" is not adjusted")
			}
			continue
		}
		flat, share := adjust(vs)
		if !math.IsNaN(float64(explained)) {
			c.is(what+" explained", explained, share)
		}
		c.effect(what+" adjusted", got.Effect, estimated(flat[0]), estimated(flat[i+1]), n(i+1))
	}
}

// check compares a result with what the units did.
func (c *checker) check(r *analysis.Result, all []outcome) {
	var variants []string
	for _, v := range r.Variants {
		variants = append(variants, v.Key)
	}
	c.m = r.Measure
	for _, m := range r.Metrics {
		c.compared(m.Name, m.Name, variants, all, m.Groups, m.Comparisons, m.Explained)
	}
	for _, g := range r.Guardrails {
		vs := of(g.Name, variants, all)
		for i, got := range g.Comparisons {
			c.effect(g.Name+"."+got.Variant, got.Effect, estimated(vs[0].flat()), estimated(vs[i+1].flat()), told(vs[0], vs[i+1]))
		}
	}
	for _, s := range r.Segments {
		var some []outcome
		for _, o := range all {
			if s.By == "last" && o.last == s.Segment || s.By == "first" && o.first == s.Segment {
				some = append(some, o)
			}
		}
		c.compared(s.By+" "+s.Segment, r.Metrics[0].Name, variants, some, s.Groups, s.Comparisons, analysis.Float(math.NaN()))
	}
	c.corrections(r)
	for i, s := range r.Series {
		for _, l := range s.Looks {
			var some []outcome
			for _, o := range all {
				if o.day*86400 < l.At.Unix() {
					some = append(some, o)
				}
			}
			vs := of(r.Metrics[0].Name, variants, some)
			if l.Units != int64(len(vs[0].y)+len(vs[i+1].y)) {
				c.said = append(c.said, fmt.Sprintf("at %s there are %d units", l.At, l.Units))
			}
			flat := [][]float64{vs[0].flat(), vs[1].flat(), vs[2].flat()}
			if adjusted, share := adjust(vs); c.m.Before > 0 && share > 0 && l.Units > 100 {
				flat = adjusted
			} else if c.m.Before > 0 {
				continue
			}
			c.effect(fmt.Sprintf("%s at %s", s.Variant, l.At), l.Effect, estimated(flat[0]), estimated(flat[i+1]), told(vs[0], vs[i+1]))
		}
	}
}

// corrections of p-values, by their definitions.
func (c *checker) corrections(r *analysis.Result) {
	var secondary, segments []analysis.Comparison
	for _, m := range r.Metrics[1:] {
		secondary = append(secondary, m.Comparisons...)
	}
	for _, s := range r.Segments {
		segments = append(segments, s.Comparisons...)
	}
	for name, all := range map[string][]analysis.Comparison{"secondary": secondary, "segments": segments} {
		slices.SortStableFunc(all, func(a, b analysis.Comparison) int {
			return map[bool]int{true: -1, false: 1}[a.Effect.P < b.Effect.P]
		})
		worst := 0.0
		for i, x := range all {
			worst = max(worst, min(1, float64(x.Effect.P)*float64(len(all)-i)))
			c.is(fmt.Sprintf("%s: Holm's of %s, %d", name, x.Variant, i), x.Many.HolmOnce, worst)
		}
		best := 1.0
		for i, x := range slices.Backward(all) {
			best = min(best, float64(x.Effect.P)*float64(len(all))/float64(i+1))
			c.is(fmt.Sprintf("%s: BH's of %s, %d", name, x.Variant, i), x.Many.BHOnce, best)
		}
	}
}
