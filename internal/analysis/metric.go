package analysis

import (
	"math"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/stats"
)

// A Kind is what the values of a metric are.
type Kind string

// The kinds.
const (
	Money  Kind = "money"  // minor units of the experiment's currency
	Share  Kind = "share"  // 1 is all
	Number Kind = "number" // of orders or items
)

// A metric says which of a unit's quantities it compares.
type metric struct {
	name  string
	kind  Kind
	value quantity
	// per makes it a ratio of the groups' sums: value per per.
	per   quantity
	ratio bool
	// before is the same of the time before; for a ratio beforePer, too.
	before, beforePer quantity
	known             bool // there is such a quantity
}

var metrics = []metric{
	{name: experiment.Revenue, kind: Money, value: revenue, before: beforeRevenue, known: true},
	{name: experiment.Conversion, kind: Share, value: converted, before: beforeConverted, known: true},
	{name: experiment.OrderValue, kind: Money, value: revenue, per: orders, ratio: true, before: beforeRevenue, beforePer: beforeOrders, known: true},
	{name: experiment.Orders, kind: Number, value: orders, before: beforeOrders, known: true},
	{name: experiment.Items, kind: Number, value: items, before: beforeItems, known: true},
}

// Names of the guardrails: of orders, the share that was refunded or disputed.
const (
	RefundRate  = "refundRate"
	DisputeRate = "disputeRate"
)

var guards = []metric{
	{name: RefundRate, kind: Share, value: refunded, per: orders, ratio: true},
	{name: DisputeRate, kind: Share, value: disputed, per: orders, ratio: true},
}

func metricOf(name string) (metric, bool) {
	for _, m := range metrics {
		if m.name == name {
			return m, true
		}
	}
	return metric{}, false
}

// estimate is the metric of a group.
func (m metric) estimate(s *Sums) stats.Estimate {
	switch {
	case s.N == 0:
		return stats.Estimate{Value: math.NaN(), SE: math.NaN(), DF: math.NaN()}
	case m.ratio:
		return stats.Ratio(s.pair(m.per, m.value))
	}
	return stats.Mean(m.sample(s))
}

// sample is a metric that is no ratio as a sample of units.
func (m metric) sample(s *Sums) stats.Sample {
	return stats.Sample{N: s.N, Mean: s.mean(m.value), Var: s.covariance(m.value, m.value)}
}

// interval is that of a group's own value.
func (m metric) interval(s *Sums, level float64) stats.Interval {
	if m.value == converted {
		return stats.Wilson(s.total(converted), s.N, level)
	}
	return m.estimate(s).Interval(level)
}

// adjusted are the metric of groups without what the time before explains of it,
// and the share of the variance that this takes out. A ratio is replaced by its
// linear form around its value, which has the same error (the delta method): for
// each unit value − ratio·per, over the mean of per; and so is what it is compared
// with from before, by the one ratio that all groups had.
func (m metric) adjusted(groups []*Sums) (adjusted []stats.Estimate, explained float64, ok bool) {
	pairs := make([]stats.Pair, len(groups))
	all := &Sums{}
	for _, g := range groups {
		if g.N < 2 {
			return nil, 0, false
		}
		all.Merge(g)
	}
	for i, g := range groups {
		if !m.ratio {
			pairs[i] = g.pair(m.before, m.value)
			continue
		}
		if g.mean(m.per) == 0 || all.mean(m.beforePer) == 0 {
			return nil, 0, false
		}
		pairs[i] = m.linear(g, all.mean(m.before)/all.mean(m.beforePer))
	}
	theta, samples := stats.CUPED(pairs)
	if theta == 0 {
		return nil, 0, false
	}
	for _, s := range samples {
		adjusted = append(adjusted, stats.Mean(s))
	}
	return adjusted, stats.Explained(pairs), true
}

// linear is the linear form of a ratio (Y) and of its ratio from before (X), which
// all groups together have. The mean of Y is the ratio itself.
func (m metric) linear(g *Sums, before float64) stats.Pair {
	per := g.mean(m.per)
	r := g.mean(m.value) / per
	c := g.covariance
	return stats.Pair{
		N: g.N, MeanY: r, MeanX: g.mean(m.before) - before*g.mean(m.beforePer),
		VarY: max(0, c(m.value, m.value)-2*r*c(m.value, m.per)+r*r*c(m.per, m.per)) / (per * per),
		VarX: max(0, c(m.before, m.before)-2*before*c(m.before, m.beforePer)+before*before*c(m.beforePer, m.beforePer)),
		Cov:  (c(m.value, m.before) - before*c(m.value, m.beforePer) - r*c(m.per, m.before) + r*before*c(m.per, m.beforePer)) / per,
	}
}
