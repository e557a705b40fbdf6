// Package trials runs experiments whose truth is known, by the way of computation
// that results take, to see whether these hold what they promise: how often
// something is found that is not, how often intervals hold the truth, and whether
// as many units as are planned find the effect.
package trials

import (
	"cmp"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/experiment"
)

// A Shop is where units buy. Order values are log-normal around each unit's own
// taste, so that what it bought before tells something: the largest orders are
// hundreds of times the smallest.
type Shop struct {
	Lift   float64 // of the order value by the variant
	Days   int     // on which units come
	PerDay int     // units, of both variants
	Metric string  // that decides; the order value if it is ""
	Share  float64 // of the units that the variant gets, in steps of 0.0001; a half if it is 0
}

// began is when units begin to come.
var began = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

const horizon = 14 // days

// Study draws what happens.
func (s Shop) Study(seed uint64) analysis.Study {
	r := rand.New(rand.NewPCG(seed, 20261123)) //nolint:gosec // the same each time
	metric := s.Metric
	if metric == "" {
		metric = experiment.OrderValue
	}
	m := experiment.Measure{Metric: metric, Currency: "eur", Days: horizon, Before: 60, Items: "items", Planned: int64(s.Days * s.PerDay)}
	weight := int(math.Round(cmp.Or(s.Share, 0.5) * experiment.Slots))
	e := experiment.Experiment{
		ID: uuid.UUID{15: 1}, Key: "trial", Name: "Trial", State: experiment.Running, Range: experiment.Whole, Measure: m,
		Variants: []experiment.Variant{{Key: "control", Weight: experiment.Slots - weight}, {Key: "variant", Weight: weight}},
	}
	study := analysis.Study{
		Experiment: e, At: began.AddDate(0, 0, s.Days+horizon), Exposed: make([]int64, 2),
		Phase: experiment.Phase{
			Number: 1, Began: began, Range: experiment.Whole, Measure: m,
			Weights: []experiment.Weight{{Variant: "control", Weight: experiment.Slots - weight}, {Variant: "variant", Weight: weight}},
		},
	}
	for d := range s.Days {
		cells := make([]analysis.Cell, 2)
		for i := range cells {
			cells[i] = analysis.Cell{Variant: i, Day: began.Unix()/86400 + int64(d+horizon), Last: "card", First: "card"}
		}
		for range s.PerDay {
			v := 0
			if r.IntN(experiment.Slots) < weight {
				v = 1
			}
			study.Exposed[v]++
			cells[v].Sums.Add(outcome(r, s.Lift*float64(v)))
		}
		study.Cells = append(study.Cells, cells...)
	}
	return study
}

// outcome draws a unit.
func outcome(r *rand.Rand, lift float64) (o analysis.Outcome) {
	taste := math.Exp(8.3 + 0.7*r.NormFloat64())
	orders := func(rate float64) (n int64) {
		for r.Float64() < rate && n < 8 {
			n++
		}
		return n
	}
	value := func() int64 { return int64(math.Round(taste * math.Exp(0.45*r.NormFloat64()))) }
	o.BeforeOrders = orders(0.55)
	for range o.BeforeOrders {
		o.BeforeItems += 1 + int64(r.IntN(4))
		o.BeforeRevenue += value()
	}
	o.Orders = orders(0.4)
	for range o.Orders {
		o.Items += 1 + int64(r.IntN(4))
		paid := int64(math.Round(float64(value()) * (1 + lift)))
		if r.Float64() < 0.04 {
			o.Refunded++
			continue
		}
		o.Revenue += paid
	}
	return o
}

// A Rate is how many of some trials came out so.
type Rate struct{ K, N int }

func (r *Rate) add(is bool) {
	r.N++
	if is {
		r.K++
	}
}

// Share is K of N.
func (r Rate) Share() float64 { return float64(r.K) / float64(r.N) }

// Outcomes are what trials came to; all rates are over trials.
type Outcomes struct {
	// Something was found, where all is looked at once at the end: by metric, without
	// and with what was known before.
	Plain, Adjusted map[string]*Rate
	// Something was found in the metric that decides: at any daily look, by the
	// always-valid p-value and, as one must not, by that for one look; or at the end.
	Daily, Naive, End Rate
	// The interval held the true lift: at the end without and with what was known
	// before, and the always-valid one at all looks.
	Held, HeldAdjusted, HeldAlways Rate
	Mismatch                       Rate
	// Variance is what is left of the variance of the effect, on average.
	Variance float64
}

// Run runs trials with the seeds from first on.
func (s Shop) Run(first uint64, n int) *Outcomes {
	all := make([]*analysis.Result, n)
	var wait sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := w; i < n; i += runtime.GOMAXPROCS(0) {
				all[i] = analysis.Analyse(s.Study(first + uint64(i))) //nolint:gosec // small
			}
		})
	}
	wait.Wait()
	out := &Outcomes{Plain: map[string]*Rate{}, Adjusted: map[string]*Rate{}}
	for _, r := range all {
		out.take(r, s.Lift)
	}
	out.Variance /= float64(n)
	return out
}

const alpha = 0.05

func (o *Outcomes) take(r *analysis.Result, lift float64) {
	for _, m := range r.Metrics {
		if o.Plain[m.Name] == nil {
			o.Plain[m.Name], o.Adjusted[m.Name] = &Rate{}, &Rate{}
		}
		o.Plain[m.Name].add(m.Comparisons[0].Plain.P <= alpha)
		o.Adjusted[m.Name].add(m.Comparisons[0].Effect.P <= alpha)
	}
	var daily, naive bool
	held := true
	for _, l := range r.Series[0].Looks {
		daily = daily || l.Effect.Always.P <= alpha
		naive = naive || l.Effect.P <= alpha
		a := l.Effect.Lift.Always
		held = held && !(float64(a.Low) > lift || float64(a.High) < lift)
	}
	c := r.Metrics[0].Comparisons[0]
	o.Daily.add(daily)
	o.Naive.add(naive)
	o.End.add(c.Effect.Always.P <= alpha)
	in := func(l analysis.Lift) bool { return float64(l.Low) <= lift && lift <= float64(l.High) }
	o.Held.add(in(c.Plain.Lift))
	o.HeldAdjusted.add(in(c.Effect.Lift))
	o.HeldAlways.add(held)
	o.Mismatch.add(r.Mismatch.Found)
	wide := float64(c.Effect.High-c.Effect.Low) / float64(c.Plain.High-c.Plain.Low)
	o.Variance += wide * wide
}

// Baseline measures the shop without an effect, by very many units.
func (s Shop) Baseline(metric string) *analysis.Baseline {
	s.Lift, s.PerDay, s.Days, s.Metric = 0, 20_000, 10, metric
	r := analysis.Analyse(s.Study(99_999))
	m := r.Metrics[0]
	g := m.Groups[0]
	half := float64(g.High-g.Low) / 2
	sd := half / 1.959963984540054 * math.Sqrt(float64(g.Units))
	return &analysis.Baseline{Metric: metric, Kind: m.Kind, Currency: "eur", Value: g.Value, SD: analysis.Float(sd), Explained: m.Explained}
}
