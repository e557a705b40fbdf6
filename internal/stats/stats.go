// Package stats compares groups by summaries of them: counts, means, variances.
// All is float64 and pure. Where a method has an author, its comment names him.
//
// The few distributions that are needed are computed here (dist.go): a library of
// them would be a dependency for two functions.
package stats

import "math"

// A Sample is a group of independent units, one number of each.
type Sample struct {
	N    int64
	Mean float64
	Var  float64 // unbiased, by n−1
}

// A Pair is a group of units of which two numbers each are known.
type Pair struct {
	N            int64
	MeanX, MeanY float64
	VarX, VarY   float64 // unbiased
	Cov          float64 // unbiased
}

// Y is what is known of the second number alone.
func (p Pair) Y() Sample { return Sample{p.N, p.MeanY, p.VarY} }

// X is what is known of the first number alone.
func (p Pair) X() Sample { return Sample{p.N, p.MeanX, p.VarX} }

// An Interval is closed.
type Interval struct {
	Low, High float64
}

// Has says whether v lies inside.
func (i Interval) Has(v float64) bool { return i.Low <= v && v <= i.High }

// An Estimate is a number with its standard error. Value and SE are NaN where the
// data says nothing.
type Estimate struct {
	Value, SE float64
	DF        float64 // degrees of freedom of SE; +Inf where it counts as known
}

var unknown = Estimate{math.NaN(), math.NaN(), math.NaN()}

// known says whether there is a value with an error.
func (e Estimate) known() bool {
	return !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0) && !math.IsNaN(e.SE) && !math.IsInf(e.SE, 0)
}

// Interval returns Student's confidence interval at a level such as 0.95: valid
// if the data is looked at once, at a time fixed before.
func (e Estimate) Interval(level float64) Interval {
	if !e.known() || !(e.DF > 0) {
		return Interval{math.Inf(-1), math.Inf(1)}
	}
	h := StudentQuantile((1+level)/2, e.DF) * e.SE
	return Interval{e.Value - h, e.Value + h}
}

// P returns the two-sided p-value of the value being 0, for one look. It is 1
// where nothing is known.
func (e Estimate) P() float64 {
	switch {
	case !e.known() || !(e.DF > 0) || e.SE == 0 && e.Value == 0:
		return 1
	case e.SE == 0:
		return 0
	}
	return min(1, 2*StudentCDF(-math.Abs(e.Value/e.SE), e.DF))
}

// Mean estimates the mean that a sample is drawn from.
func Mean(s Sample) Estimate {
	if s.N < 2 {
		return Estimate{s.Mean, math.NaN(), math.NaN()}
	}
	return Estimate{s.Mean, math.Sqrt(max(0, s.Var) / float64(s.N)), float64(s.N - 1)}
}

// Ratio estimates mean(Y)/mean(X), such as revenue per order where units have
// many orders or none, by the delta method (Deng, Knoblich, Lu: Applying the Delta
// Method in Metric Analytics, 2018).
func Ratio(p Pair) Estimate {
	if p.N < 2 || p.MeanX == 0 {
		return unknown
	}
	r := p.MeanY / p.MeanX
	v := (p.VarY - 2*r*p.Cov + r*r*p.VarX) / (float64(p.N) * p.MeanX * p.MeanX)
	return Estimate{r, math.Sqrt(max(0, v)), float64(p.N - 1)}
}

// Difference estimates b−a of independent groups. Its error is the larger one of
// Welch's, of groups that vary each in its way, and Student's, of groups that vary
// alike; of groups of one size they are the same. Welch's alone is too small where a
// small group stands beside a large one and numbers are skewed, as amounts are: a
// small group that lacks the few large amounts has a low mean and a low variance
// at once (Algina, Oshima and Lin: Type I error rates for Welch's test and James's
// second-order test under nonnormality and inequality of variance when there are
// two groups, 1994). Student's alone is too small where the small group varies more.
// Degrees of freedom are those of the error that is taken (Satterthwaite's of
// Welch's).
func Difference(a, b Estimate) Estimate {
	return combine(b.Value-a.Value, a.SE*a.SE, a.DF, b.SE*b.SE, b.DF)
}

// Lift estimates b/a−1 of independent groups by the delta method. It is unknown
// where a is not clearly above 0: a quotient by it has no useful error.
func Lift(a, b Estimate) Estimate {
	if !a.known() || !b.known() || a.Value <= 2*a.SE {
		return unknown
	}
	r := b.Value / a.Value
	q := 1 / a.Value
	return combine(r-1, r*r*q*q*a.SE*a.SE, a.DF, q*q*b.SE*b.SE, b.DF)
}

func combine(value, va, dfa, vb, dfb float64) Estimate {
	v := va + vb
	if v == 0 {
		return Estimate{value, 0, dfa + dfb}
	}
	na, nb := dfa+1, dfb+1
	if alike := (dfa*va*na + dfb*vb*nb) / (dfa + dfb) * (1/na + 1/nb); alike > v && !math.IsInf(alike, 0) {
		return Estimate{value, math.Sqrt(alike), dfa + dfb}
	}
	return Estimate{value, math.Sqrt(v), v * v / (va*va/dfa + vb*vb/dfb)}
}

// Moments gathers a Pair one unit after the other, without the loss of digits
// that sums of squares have (Welford; merged as by Chan, Golub and LeVeque).
type Moments struct {
	n                     int64
	mx, my, sxx, syy, sxy float64
}

// Add takes in a unit.
func (m *Moments) Add(x, y float64) { m.Merge(Moments{n: 1, mx: x, my: y}) }

// Zeros takes in n units that have nothing of both.
func (m *Moments) Zeros(n int64) { m.Merge(Moments{n: n}) }

// Merge takes in another group.
func (m *Moments) Merge(o Moments) {
	if o.n == 0 {
		return
	}
	n := float64(m.n + o.n)
	dx, dy := o.mx-m.mx, o.my-m.my
	w := float64(m.n) * float64(o.n) / n
	m.sxx += o.sxx + dx*dx*w
	m.syy += o.syy + dy*dy*w
	m.sxy += o.sxy + dx*dy*w
	m.mx += dx * float64(o.n) / n
	m.my += dy * float64(o.n) / n
	m.n += o.n
}

// N is how many units were taken in.
func (m *Moments) N() int64 { return m.n }

// Pair returns what was gathered.
func (m *Moments) Pair() Pair {
	p := Pair{N: m.n, MeanX: m.mx, MeanY: m.my}
	if m.n > 1 {
		d := float64(m.n - 1)
		p.VarX, p.VarY, p.Cov = m.sxx/d, m.syy/d, m.sxy/d
	}
	return p
}
