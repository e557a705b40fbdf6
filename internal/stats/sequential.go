package stats

import "math"

// LeastUnits is how many units, of both groups together, there must be before
// Always says anything: its normal approximation, unlike a theorem about
// infinitely many units, needs some. Of groups that differ in size it takes more
// (Enough).
const LeastUnits = 100

// Enough says whether groups of these sizes are as many as LeastUnits: as of groups
// of one size, by the error that a difference has.
func Enough(a, b int64) bool { return 4*float64(a)*float64(b) >= LeastUnits*float64(a+b) }

// An Anytime is what may be said at every look at once: with probability level
// all of its intervals, of all times, hold the true value, and the p-value falls
// to 1−level at any time with probability 1−level at most. Who stops as soon as
// he likes what he sees errs no more often than that.
type Anytime struct {
	Interval Interval
	P        float64
}

// Always returns the always-valid interval and p-value of an estimate that n
// units made. It is the normal mixture: Robbins, 1970; as a test of experiments
// Johari, Pekelis and Walsh, 2017 (mSPRT); with an estimated variance the
// asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and
// Ramdas, 2021, eq. 6. The mixture is made narrowest near n = planned. Planned must
// be fixed before the data is seen; any choice is valid, a poor one is wide.
func Always(e Estimate, n, planned int64, level float64) Anytime {
	none := Anytime{Interval{math.Inf(-1), math.Inf(1)}, 1}
	if !e.known() || n < LeastUnits {
		return none
	}
	alpha := 1 - level
	if e.SE == 0 {
		return none // without any variance seen there is nothing to go by
	}
	l := -2 * math.Log(alpha)
	rho2 := (l + math.Log(l+1)) / float64(max(planned, LeastUnits)) // ibid., appendix B.2: optimal at planned
	t := float64(n)
	k := t*rho2 + 1
	// h = σ·sqrt(2(tρ²+1)/(t²ρ²)·log(sqrt(tρ²+1)/α)) with σ²/t = SE².
	h := e.SE * math.Sqrt(2*k/(t*rho2)*math.Log(math.Sqrt(k)/alpha))
	z := e.Value / e.SE
	// 1/Λ of the mixture; the level at which the interval just touches 0.
	p := math.Sqrt(k) * math.Exp(-z*z*t*rho2/(2*k))
	return Anytime{Interval{e.Value - h, e.Value + h}, min(1, p)}
}
