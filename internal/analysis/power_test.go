package analysis_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/problem"
)

// The numbers of a plan, against tables (Fleiss, Statistical Methods for Rates and
// Proportions, without correction for continuity; and the usual 16 sd²/d² of a mean).
func TestPlan(t *testing.T) {
	t.Parallel()
	n, err := analysis.Plan(&analysis.Baseline{Kind: analysis.Share, Value: 0.5, SD: 0.5}, analysis.Wish{Effect: 0.1, Days: 14, UnitsPerDay: 100})
	if err != nil {
		t.Fatal(err)
	}
	if n.Once.Units < 2*384 || n.Once.Units > 2*389 || n.Once.Days != 14+8 || n.Lift != 0.2 || n.Once.Variant*2 != n.Once.Units {
		t.Errorf("%+v", n)
	}
	if r := float64(n.Always.Units) / float64(n.Once.Units); r < 1.5 || r > 2.5 {
		t.Errorf("always valid takes %v times as many", r)
	}
	n, err = analysis.Plan(&analysis.Baseline{Kind: analysis.Number, Value: 100, SD: 40, Explained: 0.5}, analysis.Wish{Lift: 0.05, Share: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	want := 7.849 * 0.5 * 1600 / 25 * (1.05*1.05/0.2 + 1/0.8)
	if math.Abs(float64(n.Once.Units)-want) > want*0.002 || math.Abs(float64(n.Plain.Units)/float64(n.Once.Units)-2) > 0.01 || n.Once.Days != 0 || n.Reach != nil {
		t.Errorf("%+v, want %v", n, want)
	}
	for name, w := range map[string]analysis.Wish{
		"nothing": {}, "both": {Lift: 1, Effect: 1}, "alpha": {Lift: 0.1, Alpha: 0.7}, "power": {Lift: 0.1, Power: 1}, "share": {Lift: 0.1, Share: 1},
		"NaN": {Lift: math.NaN()}, "days": {Lift: 0.1, Days: 400}, "units": {Lift: 0.1, UnitsPerDay: -1}, "too much": {Effect: 0.6},
	} {
		if _, err := analysis.Plan(&analysis.Baseline{Kind: analysis.Share, Value: 0.5, SD: 0.5}, w); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A baseline of a copy is that of a plain calculation: whoever tried to pay is
// watched from then on.
func TestBaseline(t *testing.T) {
	account.Hold(t)
	t.Parallel()
	sim, source, fresh := copied(t)
	all := charges(t, sim)
	m := experiment.Measure{Metric: "orderValue", Currency: "usd", Days: 21, Before: 120, Items: "items_count"}
	got, err := analysis.BaselineOf(t.Context(), source, experiment.Unit{}, m, 200, fresh)
	if err != nil {
		t.Fatal(err)
	}
	at := fresh.Truncate(time.Second)
	to := at.Unix() - 21*86400
	e := experiment.Experiment{}
	var shown []exposure.Exposure
	seen := map[string]bool{}
	for _, c := range all { // the oldest first
		if u := c.unit(""); u != "" && c.Created >= to-200*86400 && c.Created < to && !seen[u] {
			seen[u] = true
			shown = append(shown, exposure.Exposure{Phase: 1, Variant: "all", Unit: u, At: time.Unix(c.Created, 0)})
		}
	}
	phase := experiment.Phase{Number: 1, Measure: m}
	out := plain(all, e, phase, shown, at)
	v := of("orderValue", []string{"all"}, out)
	flat := v[0].flat()
	_, share := adjust(v)
	if got.Units != int64(len(out)) || len(out) < 100 || !alike(float64(got.Value), mean(flat)) || !alike(float64(got.SD), math.Sqrt(covariance(flat, flat))) || !alike(float64(got.Explained), share) {
		t.Errorf("%+v, want %d units, %v ± %v, %v", got, len(out), mean(flat), math.Sqrt(covariance(flat, flat)), share)
	}
	if _, err := analysis.BaselineOf(t.Context(), source, experiment.Unit{}, experiment.Measure{Metric: "revenue", Currency: "xxx", Days: 21}, 0, fresh); problem.KindOf(err) != problem.Conflict {
		t.Errorf("a currency that nobody pays in: %v", err)
	}
}

// What is printed of a plan.
func TestWriteNeed(t *testing.T) {
	t.Parallel()
	n, err := analysis.Plan(&analysis.Baseline{Metric: "orderValue", Kind: analysis.Money, Currency: "eur", Value: 6412, SD: 5100, Explained: 0.3}, analysis.Wish{Lift: 0.05, Days: 14, UnitsPerDay: 200})
	if err != nil {
		t.Fatal(err)
	}
	for format, parts := range map[string][]string{
		"table": {"64.12 EUR of order value", "30.00 % of the variance is known before", "looking at any time", "after a week", "3.21 EUR"},
		"csv":   {"how,units,variant_units,days,effect,lift\r\nlooking once,", "\r\nafter 12 weeks,16800,8400,98,"},
		"json":  {`"once": {`, `"reach": [`},
	} {
		var b strings.Builder
		if err := n.Write(&b, format); err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			if !strings.Contains(b.String(), p) {
				t.Errorf("%s has no %q:\n%s", format, p, b.String())
			}
		}
	}
}
