package stats_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/stats"
)

// near compares with a value that was computed elsewhere (SciPy 1.17.1 and NumPy,
// unless a test names another source).
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) && (want == 0 || math.Abs(got/want-1) > 1e-8) {
		t.Errorf("%s: %.17g, want %.17g", what, got, want)
	}
}

func TestDistributions(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]float64{
		{-2.1, 3.5, 0.05676291261039907},
		{1.3, 10, 0.8886170913965777},
		{-8, 40, 3.952542055052269e-10},
		{0.2, 1, 0.562832958189001},
		{-3, 1e6, 0.0013499312707109},
	} {
		near(t, "t", stats.StudentCDF(c[0], c[1]), c[2])
	}
	for _, c := range [][3]float64{
		{0.975, 3.5, 2.9400886379827282},
		{0.975, 30, 2.0422724563012378},
		{0.995, 7.25, 3.4587559624438082},
		{0.01, 1, -31.82051595377396},
		{0.999, 1e5, 3.0903138094272378},
		{0.975, 1, 12.706204736432095},
		{0.975, 2, 4.302652729911275},
	} {
		near(t, "t's quantile", stats.StudentQuantile(c[0], c[1]), c[2])
	}
	for _, c := range [][3]float64{
		{3.84, 1, 0.05004352124870519},
		{0.5, 2, 0.7788007830714049},
		{20, 3, 0.00016974243555282632},
		{100, 90, 0.22104023262544467},
		{60, 1, 9.485737571073857e-15},
	} {
		near(t, "chi-square", stats.ChiSquareTail(c[0], c[1]), c[2])
	}
	for _, c := range [][2]float64{{0.975, 1.959963984540054}, {0.8, 0.8416212335729143}, {1e-10, -6.361340902404056}} {
		near(t, "normal quantile", stats.NormalQuantile(c[0]), c[1])
	}
}

// Student's quantile is where its distribution reaches the probability, far out and
// of few degrees of freedom, too.
func TestStudentQuantile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := math.Pow(10, rapid.Float64Range(-12, -0.31).Draw(t, "exponent"))
		df := math.Pow(10, rapid.Float64Range(0, 7.9).Draw(t, "degrees"))
		q := stats.StudentQuantile(p, df)
		// The logarithms of the gamma function leave fewer digits the more degrees there are.
		enough := 1e-8 + 4e-15*df
		if back := stats.StudentCDF(q, df); math.Abs(back/p-1) > enough {
			t.Errorf("at %v with %v degrees of freedom there is %v, not %v", q, df, back, p)
		}
		if up := stats.StudentQuantile(1-p, df); p > 1e-4 && math.Abs(up/q+1) > enough {
			t.Errorf("%v and %v differ", q, up)
		}
	})
}

func TestMeans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		a, b             stats.Sample
		p, df, low, high float64
	}{
		{"the small one varies more", stats.Sample{N: 12, Mean: 10, Var: 9}, stats.Sample{N: 15, Mean: 11.5, Var: 4}, 0.15379180087921077, 18.38651094141051, -0.6151699277229232, 3.6151699277229232},
		{"the small one varies less", stats.Sample{N: 12, Mean: 10, Var: 4}, stats.Sample{N: 15, Mean: 11.5, Var: 9}, 0.1499868450598349, 25, -0.5800319784279013, 3.5800319784279013},
		{"many", stats.Sample{N: 4000, Mean: 52.3, Var: 930.1}, stats.Sample{N: 4100, Mean: 54.1, Var: 812.25}, 0.00610249169189698, 8029.632885151579, 0.5136234949666225, 3.0863765050333862},
	} {
		d := stats.Difference(stats.Mean(c.a), stats.Mean(c.b))
		near(t, c.name+" p", d.P(), c.p)
		near(t, c.name+" df", d.DF, c.df)
		i := d.Interval(0.95)
		near(t, c.name+" low", i.Low, c.low)
		near(t, c.name+" high", i.High, c.high)
	}
	lift := stats.Lift(stats.Estimate{Value: 10, SE: 0.2, DF: 99}, stats.Estimate{Value: 11, SE: 0.3, DF: 99})
	near(t, "lift", lift.Value, 0.1)
	near(t, "its error", lift.SE, 0.037202150475476546)
	if l := stats.Lift(stats.Estimate{Value: 0.1, SE: 0.2, DF: 99}, stats.Estimate{Value: 11, SE: 0.3, DF: 99}); !math.IsNaN(l.Value) {
		t.Errorf("a lift over a base that may be 0: %v", l)
	}
	for _, e := range []stats.Estimate{stats.Mean(stats.Sample{}), stats.Mean(stats.Sample{N: 1, Mean: 3}), stats.Ratio(stats.Pair{N: 5})} {
		if i := e.Interval(0.95); !math.IsInf(i.Low, -1) || !math.IsInf(i.High, 1) || e.P() != 1 {
			t.Errorf("%v says something: %v, %v", e, i, e.P())
		}
	}
}

var (
	firstX  = []float64{3, 0, 5, 2, 8, 1, 0, 4}
	firstY  = []float64{4, 1, 7, 2, 9, 3, 0, 6}
	secondX = []float64{2, 6, 1, 0, 7}
	secondY = []float64{5, 8, 2, 1, 11}
)

func gather(x, y []float64) stats.Pair {
	var m stats.Moments
	for i := range x {
		m.Add(x[i], y[i])
	}
	return m.Pair()
}

func TestRatioAndCUPED(t *testing.T) {
	t.Parallel()
	a, b := gather(firstX, firstY), gather(secondX, secondY)
	r := stats.Ratio(a)
	near(t, "ratio", r.Value, 1.391304347826087)
	near(t, "its error", r.SE, 0.13913278303505036)
	theta, adjusted := stats.CUPED([]stats.Pair{a, b})
	near(t, "theta", theta, 1.1846195800381782)
	for i, want := range []stats.Sample{{N: 8, Mean: 4.148077447504773, Var: 0.6835516272308677}, {N: 5, Mean: 5.163076083992364, Var: 0.9413630543094395}} {
		near(t, "mean", adjusted[i].Mean, want.Mean)
		near(t, "variance", adjusted[i].Var, want.Var)
	}
	if theta, adjusted := stats.CUPED([]stats.Pair{{N: 9, MeanY: 3, VarY: 2}}); theta != 0 || adjusted[0] != (stats.Sample{N: 9, Mean: 3, Var: 2}) {
		t.Errorf("X that does not vary changes Y: %v %v", theta, adjusted)
	}
}

func TestProportions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		k, n      int64
		low, high float64
	}{
		{0, 20, 0, 0.16112515805281935}, {15, 148, 0.06238639953073629, 0.16048724172330803}, {48, 50, 0.8653990931249297, 0.9889611156723802}, {20, 20, 0.8388748419471808, 1},
	} {
		i := stats.Wilson(c.k, c.n, 0.95)
		near(t, "low", i.Low, c.low)
		near(t, "high", i.High, c.high)
	}
	// Newcombe's paper, table II, example (a): 56/70 − 48/80 = 0.2, 0.0524 to 0.3339.
	i := stats.Newcombe(48, 80, 56, 70, 0.95)
	if math.Abs(i.Low-0.0524) > 5e-5 || math.Abs(i.High-0.3339) > 5e-5 {
		t.Errorf("Newcombe: %v", i)
	}
	near(t, "p", stats.ProportionP(120, 1000, 150, 1010), 0.06086874662683877)
	chi2, p := stats.SRM([]int64{5120, 4880}, []float64{1, 1})
	near(t, "chi-square", chi2, 5.76)
	near(t, "its p", p, 0.01639507184919225)
	_, p = stats.SRM([]int64{100, 210, 290}, []float64{1, 2, 3})
	near(t, "of three", p, 0.6592406302004439)
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	p := []float64{0.01, 0.04, 0.03, 0.005}
	near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })
	if d := cmp.Diff([]float64{0.03, 0.06, 0.06, 0.02}, stats.Holm(p), near); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]float64{0.02, 0.04, 0.04, 0.02}, stats.BenjaminiHochberg(p), near); d != "" {
		t.Error(d)
	}
}

func TestPower(t *testing.T) {
	t.Parallel()
	p := stats.Plan{Effect: 0.8}
	if n := p.UnitsForMean(12.5); n != 7665 {
		t.Errorf("for a mean: %d", n)
	}
	if n := (stats.Plan{Effect: 0.02}).UnitsForProportion(0.1); n != 7677 {
		t.Errorf("for a proportion: %d", n)
	}
	if n := (stats.Plan{Effect: 0.8, Share: 0.3, Explained: 0.4}).UnitsForMean(12.5); n != 5475 {
		t.Errorf("with CUPED, unequal: %d", n)
	}
	near(t, "power", p.PowerOf(5000, 12.5), 0.618982435649737)
	near(t, "detectable", p.Detectable(7665, 12.5), 0.8*math.Sqrt(7664.921615575279/7665))
	if d := stats.Days(1000, 300, 7); d != 11 {
		t.Errorf("days: %d", d)
	}
}

// Moments are those of all units, however they come in.
func TestMoments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 2, 40).Draw(t, "values")
		zeros := rapid.Int64Range(0, 30).Draw(t, "zeros")
		cut := rapid.IntRange(0, len(values)).Draw(t, "cut")
		var all, a, b stats.Moments
		for i, v := range values {
			all.Add(v, v/2)
			if i < cut {
				a.Add(v, v/2)
			} else {
				b.Add(v, v/2)
			}
		}
		for range zeros {
			all.Add(0, 0)
		}
		a.Merge(b)
		a.Zeros(zeros)
		near := cmp.Comparer(func(x, y float64) bool {
			return math.Abs(x-y) <= 1e-9*(1e-3+math.Abs(x)+math.Abs(y)) || math.Abs(x-y) < 1e-3
		})
		if d := cmp.Diff(all.Pair(), a.Pair(), near); d != "" {
			t.Fatal(d)
		}
	})
}
