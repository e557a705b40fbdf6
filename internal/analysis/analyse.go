package analysis

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/stats"
)

// A Study is what a result is made of.
type Study struct {
	Experiment experiment.Experiment
	Phase      experiment.Phase
	At         time.Time // everything is as of then
	Exposed    []int64   // units, by the place of their variant among the phase's weights
	Cells      []Cell    // of units whose horizon was over
}

// DefaultPlanned is for how many units always-valid intervals are made narrowest
// where the experiment does not say. It must be fixed before data is seen, so it is
// the same for all.
const DefaultPlanned = 10_000

// DefaultAlpha is the rate of false alarms where the experiment names none.
const DefaultAlpha = 0.05

// Analyse makes a result of sums. It depends on nothing else.
func Analyse(s Study) *Result {
	s.Phase.Measure.Alpha = cmp.Or(s.Phase.Measure.Alpha, DefaultAlpha)
	s.Phase.Measure.Planned = cmp.Or(s.Phase.Measure.Planned, DefaultPlanned)
	a := analysis{Study: s, measure: s.Phase.Measure, level: 1 - s.Phase.Measure.Alpha}
	for _, w := range s.Phase.Weights {
		a.keys = append(a.keys, w.Variant)
	}
	all := a.groups(func(*Cell) bool { return true })
	e := s.Experiment
	r := &Result{
		Experiment: Subject{e.ID, e.Key, e.Name, e.Hypothesis, e.State, e.Killed, e.Unit},
		Phase:      s.Phase.Number, Began: s.Phase.Began, Ended: s.Phase.Ended, AsOf: s.At, Measure: a.measure,
		Metrics: []Metric{}, Guardrails: []Guardrail{}, Segments: []Segment{}, Series: []Series{}, Notes: []string{}, Queries: []Query{},
	}
	for i, w := range s.Phase.Weights {
		v, _ := e.Variant(w.Variant)
		r.Variants = append(r.Variants, Variant{w.Variant, v.Name, w.Weight, s.Exposed[i], all[i].N})
	}
	r.Mismatch = a.mismatch()
	r.Metrics = a.metrics(all)
	for _, m := range guards {
		r.Guardrails = append(r.Guardrails, a.guardrail(m, all))
	}
	r.Segments = a.segments()
	r.Series = a.series()
	r.Notes = a.notes(all)
	r.Decision = a.decide(r)
	return r
}

type analysis struct {
	Study
	measure experiment.Measure // filled in
	level   float64
	keys    []string // of the variants
}

// groups adds up the cells that are taken, by variant.
func (a *analysis) groups(take func(*Cell) bool) []*Sums {
	all := make([]*Sums, len(a.keys))
	for i := range all {
		all[i] = &Sums{}
	}
	for i := range a.Cells {
		if c := &a.Cells[i]; take(c) {
			all[c.Variant].Merge(&c.Sums)
		}
	}
	return all
}

func (a *analysis) mismatch() Mismatch {
	weights := make([]float64, len(a.keys))
	for i, w := range a.Phase.Weights {
		weights[i] = float64(w.Weight)
	}
	chi2, p := stats.SRM(a.Exposed, weights)
	return Mismatch{Float(chi2), Float(p), p < mismatchBelow}
}

// primary is the metric that decides. Which there are is checked when an
// experiment is made.
func (a *analysis) primary() metric {
	m, known := metricOf(a.measure.Metric)
	if !known {
		m = metrics[0]
	}
	return m
}

// metrics compares by the one that decides, then by all others that are known.
func (a *analysis) metrics(all []*Sums) []Metric {
	first := a.primary()
	out := []Metric{a.metric(first, all)}
	out[0].Decides = true
	var many []*Comparison
	for _, m := range metrics {
		if m.name == first.name || m.name == experiment.Items && a.measure.Items == "" {
			continue
		}
		out = append(out, a.metric(m, all))
	}
	for i := range out[1:] {
		for k := range out[i+1].Comparisons {
			many = append(many, &out[i+1].Comparisons[k])
		}
	}
	a.correct(many)
	return out
}

func (a *analysis) metric(m metric, groups []*Sums) Metric {
	out := Metric{Name: m.name, Kind: m.kind, Explained: Float(math.NaN()), Groups: a.values(m, groups)}
	out.Comparisons, out.Explained = a.compare(m, groups)
	return out
}

func (a *analysis) values(m metric, groups []*Sums) []Group {
	out := make([]Group, len(groups))
	for i, g := range groups {
		in := m.interval(g, a.level)
		out[i] = Group{a.keys[i], g.N, Float(m.estimate(g).Value), Float(in.Low), Float(in.High)}
	}
	return out
}

// compare compares all groups with the first.
func (a *analysis) compare(m metric, groups []*Sums) (out []Comparison, explained Float) {
	var adjusted []stats.Estimate
	is := false
	explained = Float(math.NaN())
	if a.measure.Before > 0 {
		var share float64
		if adjusted, share, is = m.adjusted(groups); is {
			explained = Float(share)
		}
	}
	control := groups[0]
	for i, g := range groups[1:] {
		c := Comparison{Variant: a.keys[i+1], Adjust: is, Plain: a.effect(m.estimate(control), m.estimate(g), control.N, g.N)}
		if m.value == converted {
			k1, n1, k2, n2 := control.total(converted), control.N, g.total(converted), g.N
			in := stats.Newcombe(k1, n1, k2, n2, a.level)
			c.Plain.Low, c.Plain.High, c.Plain.P = Float(in.Low), Float(in.High), Float(stats.ProportionP(k1, n1, k2, n2))
		}
		c.Effect = c.Plain
		if is {
			c.Effect = a.effect(adjusted[0], adjusted[i+1], control.N, g.N)
		}
		out = append(out, c)
	}
	return out, explained
}

// effect compares two estimates that so many units made.
func (a *analysis) effect(from, to stats.Estimate, nFrom, nTo int64) Effect {
	n := nFrom + nTo
	if !stats.Enough(nFrom, nTo) {
		n = 0 // nothing is said at any time
	}
	d, lift := stats.Difference(from, to), stats.Lift(from, to)
	in := d.Interval(a.level)
	out := Effect{Value: Float(d.Value), Low: Float(in.Low), High: Float(in.High), P: Float(d.P()), Always: a.always(d, n), estimate: d}
	in = lift.Interval(a.level)
	out.Lift = Lift{Float(lift.Value), Float(in.Low), Float(in.High), a.always(lift, n)}
	return out
}

func (a *analysis) always(e stats.Estimate, n int64) Always {
	v := stats.Always(e, n, a.measure.Planned, a.level)
	return Always{Float(v.Interval.Low), Float(v.Interval.High), Float(v.P)}
}

// correct corrects the p-values of comparisons that are looked at together.
func (a *analysis) correct(all []*Comparison) {
	var always, once []float64
	for _, c := range all {
		always, once = append(always, float64(c.Effect.Always.P)), append(once, float64(c.Effect.P))
	}
	holm, holmOnce, bh := stats.Holm(always), stats.Holm(once), stats.BenjaminiHochberg(once)
	for i, c := range all {
		c.Many = &Looked{Float(holm[i]), Float(holmOnce[i]), Float(bh[i]), holm[i] <= a.measure.Alpha}
	}
}

func (a *analysis) guardrail(m metric, groups []*Sums) Guardrail {
	out := Guardrail{Name: m.name, Groups: a.values(m, groups)}
	control := groups[0]
	for i, g := range groups[1:] {
		e := a.effect(m.estimate(control), m.estimate(g), control.N, g.N)
		c := GuardCheck{Variant: a.keys[i+1], Effect: e, P: 1, Few: control.total(m.value)+g.total(m.value) < fewEvents}
		if t := e.estimate; !c.Few && t.SE > 0 {
			c.P = Float(stats.StudentCDF(-t.Value/t.SE, t.DF))
			c.Warning, c.Alarm = float64(c.P) < a.measure.Alpha, e.Always.Low > 0
		}
		out.Comparisons = append(out.Comparisons, c)
	}
	return out
}

// Classes of payment from before the exposure, in the order in which they are shown.
var classes = []string{"bnpl", "card", "other", "none"}

func (a *analysis) segments() []Segment {
	m := a.primary()
	out := []Segment{}
	for _, by := range []string{"last", "first"} {
		for _, class := range classes {
			groups := a.groups(func(c *Cell) bool { return by == "last" && c.Last == class || by == "first" && c.First == class })
			if !slices.ContainsFunc(groups, func(g *Sums) bool { return g.N > 0 }) {
				continue
			}
			s := Segment{By: by, Segment: class, Groups: a.values(m, groups)}
			s.Comparisons, _ = a.compare(m, groups)
			out = append(out, s)
		}
	}
	var all []*Comparison
	for i := range out {
		for k := range out[i].Comparisons {
			all = append(all, &out[i].Comparisons[k])
		}
	}
	a.correct(all)
	return out
}

// series looks at the end of each day on which horizons ended.
func (a *analysis) series() []Series {
	out := make([]Series, len(a.keys)-1)
	for i := range out {
		out[i] = Series{Variant: a.keys[i+1], Looks: []Look{}}
	}
	byDay := map[int64][]*Cell{}
	var days []int64
	for i := range a.Cells {
		c := &a.Cells[i]
		if byDay[c.Day] == nil {
			days = append(days, c.Day)
		}
		byDay[c.Day] = append(byDay[c.Day], c)
	}
	slices.Sort(days)
	groups, m := a.groups(func(*Cell) bool { return false }), a.primary()
	for _, d := range days {
		for _, c := range byDay[d] {
			groups[c.Variant].Merge(&c.Sums)
		}
		at := time.Unix((d+1)*day, 0).UTC()
		if at.After(a.At) {
			at = a.At
		}
		comparisons, _ := a.compare(m, groups)
		for i, c := range comparisons {
			out[i].Looks = append(out[i].Looks, Look{At: at, Units: groups[0].N + groups[i+1].N, Effect: c.Effect})
		}
	}
	return out
}
