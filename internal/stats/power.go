package stats

import "math"

// MaxUnits stands for as many units as nobody has.
const MaxUnits = 1_000_000_000_000

// A Plan is what an experiment of two groups is to be able to show.
type Plan struct {
	Effect float64 // absolute difference that is to be found, not 0
	Alpha  float64 // two-sided; 0.05 if 0
	Power  float64 // 0.8 if 0
	Share  float64 // of all units that the treatment gets; 0.5 if 0
	// Explained is the share of the variance that CUPED takes out.
	Explained float64
}

func (p Plan) filled() Plan {
	if p.Alpha == 0 {
		p.Alpha = 0.05
	}
	if p.Power == 0 {
		p.Power = 0.8
	}
	if p.Share == 0 {
		p.Share = 0.5
	}
	return p
}

// UnitsForMean returns how many units both groups need together, if the number of
// one has the standard deviation sd. The two-sided z test; the lesser tail is left
// out, as is usual.
func (p Plan) UnitsForMean(sd float64) int64 {
	p = p.filled()
	return p.units(sd*sd*(1-p.Explained), sd*sd*(1-p.Explained))
}

// UnitsForProportion returns how many units both groups need together, if base is
// the proportion without the effect.
func (p Plan) UnitsForProportion(base float64) int64 {
	p = p.filled()
	with := base + p.Effect
	left := 1 - p.Explained
	return p.units(base*(1-base)*left, with*(1-with)*left)
}

func (p Plan) units(varA, varB float64) int64 {
	z := NormalQuantile(1-p.Alpha/2) + NormalQuantile(p.Power)
	v := max(varA/(1-p.Share)+varB/p.Share, ((1-p.Share)*varA+p.Share*varB)/(p.Share*(1-p.Share))) // as Difference has it
	n := math.Ceil(z * z * v / (p.Effect * p.Effect))
	if !(n < MaxUnits) { // NaN, too
		return MaxUnits
	}
	return int64(n)
}

// PowerOf returns with what probability n units of both groups together show the
// effect.
func (p Plan) PowerOf(n int64, sd float64) float64 {
	p = p.filled()
	v := sd * sd * (1 - p.Explained) / (p.Share * (1 - p.Share) * float64(n))
	shift := math.Abs(p.Effect) / math.Sqrt(v)
	z := NormalQuantile(1 - p.Alpha/2)
	return NormalCDF(shift-z) + NormalCDF(-shift-z)
}

// Detectable returns the least effect that n units of both groups together show
// with the plan's power.
func (p Plan) Detectable(n int64, sd float64) float64 {
	p = p.filled()
	z := NormalQuantile(1-p.Alpha/2) + NormalQuantile(p.Power)
	return z * math.Sqrt(sd*sd*(1-p.Explained)/(p.Share*(1-p.Share)*float64(n)))
}

// Days returns how long it takes until units that come at a rate are enough and
// each was watched for the horizon.
func Days(units int64, perDay float64, horizon int) int {
	return int(min(math.Ceil(float64(units)/perDay), MaxUnits)) + horizon
}
