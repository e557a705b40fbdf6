package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tributary-data/tributary/internal/stats"
)

// within fails unless k of n is what a probability p makes likely: four standard
// deviations, so that a right method fails in one of 16,000 sets of seeds, and the
// seeds are fixed.
func within(t *testing.T, what string, k, n int, p float64) {
	t.Helper()
	if sd := math.Sqrt(p * (1 - p) / float64(n)); math.Abs(float64(k)/float64(n)-p) > 4*sd {
		t.Errorf("%s: %d of %d, at a rate of %.3f", what, k, n, p)
	}
}

func atMost(t *testing.T, what string, k, n int, p float64) {
	t.Helper()
	if sd := math.Sqrt(p * (1 - p) / float64(n)); float64(k)/float64(n) > p+4*sd {
		t.Errorf("%s: %d of %d, more than a rate of %.3f", what, k, n, p)
	}
}

// shopper draws what a customer spent before and during an experiment: orders of
// log-normal value, whose mean is the customer's own, or nothing.
func shopper(r *rand.Rand, lift float64) (before, during float64) {
	taste := math.Exp(3.5 + 0.6*r.NormFloat64())
	if r.Float64() < 0.6 {
		before = taste * math.Exp(0.4*r.NormFloat64())
	}
	if r.Float64() < 0.3 {
		during = (1 + lift) * taste * math.Exp(0.4*r.NormFloat64())
	}
	return before, during
}

func world(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2026)) } //nolint:gosec // the same each time

// In an A/A test that is looked at every day, the always-valid interval holds its
// level over all looks together, and the fixed one does not: so the test sees it.
func TestLookingDaily(t *testing.T) {
	t.Parallel()
	const tests, days, perDay = 600, 28, 100
	always, fixed, adjusted := 0, 0, 0
	for seed := range uint64(tests) {
		r := world(seed)
		var g [2]stats.Moments
		var hit, fixedHit, adjustedHit bool
		for range days {
			for i := range g {
				for range perDay {
					g[i].Add(shopper(r, 0))
				}
			}
			a, b := g[0].Pair(), g[1].Pair()
			n, planned := a.N+b.N, int64(2*days*perDay)
			d := stats.Difference(stats.Mean(a.Y()), stats.Mean(b.Y()))
			seen := stats.Always(d, n, planned, 0.95)
			if seen.Interval.Has(0) == (seen.P <= 0.05) && math.Abs(seen.P-0.05) > 1e-9 {
				t.Fatalf("the interval %v and p %v differ", seen.Interval, seen.P)
			}
			hit = hit || seen.P <= 0.05
			fixedHit = fixedHit || d.P() <= 0.05
			_, s := stats.CUPED([]stats.Pair{a, b})
			adjustedHit = adjustedHit || stats.Always(stats.Difference(stats.Mean(s[0]), stats.Mean(s[1])), n, planned, 0.95).P <= 0.05
		}
		always += count(hit)
		fixed += count(fixedHit)
		adjusted += count(adjustedHit)
	}
	t.Logf("found something that is not: always-valid %d, with CUPED %d, fixed %d of %d", always, adjusted, fixed, tests)
	atMost(t, "always-valid", always, tests, 0.05)
	atMost(t, "always-valid with CUPED", adjusted, tests, 0.05)
	if float64(fixed) < 0.1*tests {
		t.Errorf("looking daily at the fixed interval errs in %d of %d only", fixed, tests)
	}
}

// With a planted lift of 5 % in the value of an order, the intervals hold the
// truth at their levels, and CUPED's are narrower.
func TestCoverage(t *testing.T) {
	t.Parallel()
	const tests, units, lift = 1000, 1500, 0.05
	var fixed, adjusted, ratio, relative, always int
	var adjustedWidth, plainWidth float64
	truth := lift * 0.3 * math.Exp(3.5+(0.36+0.16)/2)
	for seed := range uint64(tests) {
		r := world(seed + 1e6)
		var g, orders [2]stats.Moments
		for i := range g {
			for range units {
				before, during := shopper(r, lift*float64(i))
				g[i].Add(before, during)
				orders[i].Add(float64(count(during > 0)), during)
			}
		}
		a, b := g[0].Pair(), g[1].Pair()
		d := stats.Difference(stats.Mean(a.Y()), stats.Mean(b.Y()))
		_, s := stats.CUPED([]stats.Pair{a, b})
		c := stats.Difference(stats.Mean(s[0]), stats.Mean(s[1]))
		fixed += count(d.Interval(0.95).Has(truth))
		adjusted += count(c.Interval(0.95).Has(truth))
		adjustedWidth += c.SE
		plainWidth += d.SE
		value := stats.Difference(stats.Ratio(orders[0].Pair()), stats.Ratio(orders[1].Pair()))
		ratio += count(value.Interval(0.95).Has(truth / 0.3))
		relative += count(stats.Lift(stats.Ratio(orders[0].Pair()), stats.Ratio(orders[1].Pair())).Interval(0.95).Has(lift))
		always += count(stats.Always(d, a.N+b.N, 2*units, 0.95).Interval.Has(truth))
	}
	within(t, "difference of means", fixed, tests, 0.95)
	within(t, "with CUPED", adjusted, tests, 0.95)
	within(t, "order value", ratio, tests, 0.95)
	within(t, "lift of order value", relative, tests, 0.95)
	atMost(t, "misses of the always-valid interval", tests-always, tests, 0.05)
	if adjustedWidth >= plainWidth {
		t.Errorf("CUPED widens: %v against %v", adjustedWidth, plainWidth)
	}
}

// As many units as the calculator names find the effect with the power that it
// promises, with CUPED too, and no more often than alpha where there is none.
func TestPromise(t *testing.T) {
	t.Parallel()
	const tests, rho, sd, effect = 800, 0.7, 10, 1.5
	p := stats.Plan{Effect: effect, Explained: rho * rho}
	n := p.UnitsForMean(sd)
	if full := (stats.Plan{Effect: effect}).UnitsForMean(sd); float64(n) > 0.52*float64(full) {
		t.Errorf("CUPED with a correlation of %v leaves %d of %d units", rho, n, full)
	}
	found, none, simple := 0, 0, 0
	for seed := range uint64(tests) {
		r := world(seed + 2e6)
		draw := func(lift float64, n int64) stats.Pair {
			var m stats.Moments
			for range n {
				x := r.NormFloat64()
				m.Add(x, 50+lift+sd*(rho*x+math.Sqrt(1-rho*rho)*r.NormFloat64()))
			}
			return m.Pair()
		}
		test := func(lift float64) bool {
			_, s := stats.CUPED([]stats.Pair{draw(0, n/2), draw(lift, n-n/2)})
			return stats.Difference(stats.Mean(s[0]), stats.Mean(s[1])).P() < 0.05
		}
		found += count(test(effect))
		none += count(test(0))
		full := (stats.Plan{Effect: effect}).UnitsForMean(sd)
		simple += count(stats.Difference(stats.Mean(draw(0, full/2).Y()), stats.Mean(draw(effect, full-full/2).Y())).P() < 0.05)
	}
	within(t, "effects found", found, tests, 0.8)
	within(t, "effects found without CUPED", simple, tests, 0.8)
	within(t, "effects found that are not", none, tests, 0.05)
}

// Proportions: coverage of Newcombe's interval, the calculator's promise, and the
// rate of false alarms of the check of ratios.
func TestProportionRates(t *testing.T) {
	t.Parallel()
	const tests, base, lift = 1500, 0.08, 0.02
	n := (stats.Plan{Effect: lift}).UnitsForProportion(base)
	covered, found, alarms := 0, 0, 0
	for seed := range uint64(tests) {
		r := world(seed + 3e6)
		draw := func(p float64, n int64) (k int64) {
			for range n {
				k += int64(count(r.Float64() < p))
			}
			return k
		}
		k1, k2 := draw(base, n/2), draw(base+lift, n/2)
		covered += count(stats.Newcombe(k1, n/2, k2, n/2, 0.95).Has(lift))
		found += count(stats.ProportionP(k1, n/2, k2, n/2) < 0.05)
		left := draw(0.3, n)
		_, p := stats.SRM([]int64{left, n - left}, []float64{3, 7})
		alarms += count(p < 0.01)
	}
	within(t, "Newcombe", covered, tests, 0.95)
	within(t, "found", found, tests, 0.8)
	within(t, "false alarms", alarms, tests, 0.01)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
