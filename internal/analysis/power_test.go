package analysis_test

import (
	"math"
	"slices"
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
		"too small": {Effect: 1e-300}, "hardly smaller": {Effect: 1e-9}, "too many": {Lift: 0.1, UnitsPerDay: 1e300},
		"NaN": {Lift: math.NaN()}, "part": {Lift: 0.1, Part: 1.5}, "days": {Lift: 0.1, Days: 400}, "units": {Lift: 0.1, UnitsPerDay: -1}, "too much": {Effect: 0.6},
	} {
		if _, err := analysis.Plan(&analysis.Baseline{Kind: analysis.Share, Value: 0.5, SD: 0.5}, w); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No plan has fewer units than an analysis says anything of, whose always-valid
// intervals of groups of unlike size need more.
func TestPlanLeast(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64]int64{0.5: 100, 0.2: 157, 0.01: 2526} {
		n, err := analysis.Plan(&analysis.Baseline{Kind: analysis.Number, Value: 10, SD: 1}, analysis.Wish{Effect: 100, Share: share, Days: 7, UnitsPerDay: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if n.Once.Units != want || n.Always.Units < want || n.Plain.Units != want {
			t.Errorf("share %v: %d once, %d always, %d plain; want %d", share, n.Once.Units, n.Always.Units, n.Plain.Units, want)
		}
	}
}

// New units grow fewer as customers come back, so days go by the days on which
// they came, and beyond these by the last of them; what somebody says goes first.
func TestPlanDays(t *testing.T) {
	t.Parallel()
	came := make([]int64, 90)
	var sum int64
	for i := range came {
		came[i] = int64(max(10, 100-5*i))
		sum += came[i]
	}
	for name, c := range map[string]struct {
		b    analysis.Baseline
		w    analysis.Wish
		want func(units int64) int
	}{
		"inside": {analysis.Baseline{Came: came, PerDay: 20}, analysis.Wish{Effect: 22}, func(units int64) int {
			for i, n := range came {
				if units -= n; units <= 0 {
					return i + 1
				}
			}
			return -1
		}},
		"beyond":   {analysis.Baseline{Came: came, PerDay: 20}, analysis.Wish{Effect: 5}, func(units int64) int { return 90 + int(math.Ceil(float64(units-sum)/10)) }},
		"never":    {analysis.Baseline{Came: append([]int64{100}, make([]int64, 30)...), PerDay: 3}, analysis.Wish{Effect: 5}, func(int64) int { return -14 }},
		"said":     {analysis.Baseline{Came: came, PerDay: 20}, analysis.Wish{Effect: 5, UnitsPerDay: 50}, func(units int64) int { return int(math.Ceil(float64(units) / 50)) }},
		"a half":   {analysis.Baseline{Came: came, PerDay: 20}, analysis.Wish{Effect: 5, Part: 0.5}, func(units int64) int { return 90 + int(math.Ceil(float64(2*units-sum)/10)) }},
		"few days": {analysis.Baseline{Came: came[:5], PerDay: 90}, analysis.Wish{Effect: 5}, func(units int64) int { return int(math.Ceil(float64(units) / 90)) }},
	} {
		c.b.Kind, c.b.Value, c.b.SD, c.w.Days = analysis.Number, 100, 100, 14
		n, err := analysis.Plan(&c.b, c.w)
		if err != nil {
			t.Fatal(err)
		}
		if want := c.want(n.Once.Units) + 14; n.Once.Days != want {
			t.Errorf("%s: %d units in %d days, want %d", name, n.Once.Units, n.Once.Days, want)
		}
		for _, s := range n.Reach {
			if name == "a half" && s.Weeks == 2 && s.Units != (14*100-5*13*14/2)/2 {
				t.Errorf("%+v", s)
			}
			if name == "inside" && s.Weeks == 2 && (s.Units != 14*100-5*13*14/2 || s.Days != 28) {
				t.Errorf("%+v", s)
			}
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
	var came []int64
	for _, s := range shown {
		d := int(s.At.Unix()/86400 - shown[0].At.Unix()/86400)
		came = append(came, make([]int64, d+1-min(d+1, len(came)))...)
		came[d]++
	}
	if came = append(came, make([]int64, int(to/86400-shown[0].At.Unix()/86400)+1-len(came))...); !slices.Equal(got.Came, came) {
		t.Errorf("units came as %d, want %d", got.Came, came)
	}
	if _, err := analysis.BaselineOf(t.Context(), source, experiment.Unit{}, m, 100_000, fresh); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a baseline of 100,000 days: %v", err)
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
