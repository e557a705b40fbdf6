package analysis_test

import (
	"math"
	"testing"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/analysis/trials"
	"github.com/tributary-data/tributary/internal/experiment"
)

// tail is the probability of k or more of n at a rate.
func tail(k, n int, p float64) float64 {
	sum := 0.0
	for i := k; i <= n; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return sum
}

// unlikely is the chance with which a method that keeps its promise fails here.
const unlikely = 1e-6

func atMost(t *testing.T, what string, r trials.Rate, p float64) {
	t.Helper()
	t.Logf("%s: %d of %d (%.1f %%)", what, r.K, r.N, 100*r.Share())
	if tail(r.K, r.N, p) < unlikely {
		t.Errorf("%s: %d of %d, more than a rate of %v", what, r.K, r.N, p)
	}
}

func about(t *testing.T, what string, r trials.Rate, p float64) {
	t.Helper()
	atMost(t, what, r, p)
	if tail(r.N-r.K, r.N, 1-p) < unlikely {
		t.Errorf("%s: %d of %d, less than a rate of %v", what, r.K, r.N, p)
	}
}

// Where there is no effect, one is found at the nominal rate, in all metrics; and
// at most so often by who looks daily, while the p-values for one look fail him.
func TestNoEffect(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	o := trials.Shop{Days: 28, PerDay: 80}.Run(1, 600)
	for name, r := range o.Plain {
		about(t, name, *r, 0.05)
		about(t, name+", adjusted", *o.Adjusted[name], 0.05)
	}
	atMost(t, "always valid, daily", o.Daily, 0.05)
	atMost(t, "mismatches", o.Mismatch, 0.001)
	if o.Naive.Share() < 0.15 {
		t.Errorf("looking daily at what is for one look errs in %v only: the test sees nothing", o.Naive)
	}
}

// A small group beside a large one does not find more than it may, though amounts
// are skewed: Welch's error alone finds something in 8 of 100, and in 12 who looks
// daily.
func TestNoEffectOnFew(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	o := trials.Shop{Days: 14, PerDay: 40, Share: 0.1, Metric: "revenue"}.Run(40_000, 600)
	for _, name := range []string{"revenue", "orderValue", "items"} {
		atMost(t, name, *o.Plain[name], 0.05)
		atMost(t, name+", adjusted", *o.Adjusted[name], 0.05)
	}
	atMost(t, "always valid, daily", o.Daily, 0.05)
}

// Where the order value is lifted by 5 %, intervals hold that at their level, and
// are narrower with what was known before.
func TestCoverage(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	o := trials.Shop{Lift: 0.05, Days: 14, PerDay: 150}.Run(10_000, 600)
	about(t, "held", o.Held, 0.95)
	about(t, "held, adjusted", o.HeldAdjusted, 0.95)
	atMost(t, "not held always", trials.Rate{K: o.HeldAlways.N - o.HeldAlways.K, N: o.HeldAlways.N}, 0.05)
	if o.Variance > 0.97 {
		t.Errorf("what was known before leaves %v of the variance", o.Variance)
	}
}

// As many units as are planned find the effect as often as was promised.
func TestPromise(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	for i, c := range []struct {
		name, metric string
		lift, share  float64
	}{
		{"a ratio", experiment.OrderValue, 0.1, 0.5},
		{"skewed amounts", experiment.Revenue, 0.15, 0.5},
		{"skewed amounts of a small group", experiment.Revenue, 0.15, 0.2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			need, err := analysis.Plan(trials.Shop{}.Baseline(c.metric), analysis.Wish{Lift: c.lift, Share: c.share})
			if err != nil {
				t.Fatal(err)
			}
			const days, trial = 4, 150
			shop := trials.Shop{Lift: c.lift, Share: c.share, Metric: c.metric, Days: days}
			first := uint64(20_000 + 1000*i) //nolint:gosec // small
			shop.PerDay = int(need.Once.Units) / days
			about(t, "found once", *shop.Run(first, trial).Adjusted[c.metric], 0.8)
			shop.PerDay = int(need.Always.Units) / days
			about(t, "found always, at the end", shop.Run(first+500, trial).End, 0.8)
		})
	}
}
