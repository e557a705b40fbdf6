package stats

import "math"

// Wilson returns the score interval of a proportion of k in n (Wilson, 1927). It
// stays inside of 0 and 1, and holds its level where n is small or k is 0.
func Wilson(k, n int64, level float64) Interval {
	if n == 0 {
		return Interval{0, 1}
	}
	z := NormalQuantile((1 + level) / 2)
	m, p := float64(n), float64(k)/float64(n)
	mid := (p + z*z/(2*m)) / (1 + z*z/m)
	h := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	low, high := max(0, mid-h), min(1, mid+h)
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return Interval{low, high}
}

// Newcombe returns the interval of p2−p1, of k1 in n1 and k2 in n2, by the score
// intervals of each (Newcombe, 1998, method 10).
func Newcombe(k1, n1, k2, n2 int64, level float64) Interval {
	if n1 == 0 || n2 == 0 {
		return Interval{-1, 1}
	}
	a, b := Wilson(k1, n1, level), Wilson(k2, n2, level)
	p1, p2 := float64(k1)/float64(n1), float64(k2)/float64(n2)
	d := p2 - p1
	return Interval{d - math.Hypot(p2-b.Low, a.High-p1), d + math.Hypot(b.High-p2, p1-a.Low)}
}

// ProportionP returns the two-sided p-value of two proportions being one, by the
// pooled z test, for one look.
func ProportionP(k1, n1, k2, n2 int64) float64 {
	if n1 == 0 || n2 == 0 {
		return 1
	}
	p := float64(k1+k2) / float64(n1+n2)
	se := math.Sqrt(p * (1 - p) * (1/float64(n1) + 1/float64(n2)))
	if se == 0 {
		return 1
	}
	return math.Erfc(math.Abs(float64(k2)/float64(n2)-float64(k1)/float64(n1)) / se / math.Sqrt2)
}

// Proportion is k in n as a sample of zeros and ones.
func Proportion(k, n int64) Sample {
	s := Sample{N: n}
	if n > 0 {
		s.Mean = float64(k) / float64(n)
	}
	if n > 1 {
		s.Var = s.Mean * (1 - s.Mean) * float64(n) / float64(n-1)
	}
	return s
}

// SRM tests whether units came to the groups in the shares that they were sent in
// (sample ratio mismatch): Pearson's chi-square with one less degree of freedom
// than groups. Weights need not add up to 1. The p-value is 1 without units.
func SRM(observed []int64, weights []float64) (chi2, p float64) {
	var n int64
	var sum float64
	for i, o := range observed {
		n += o
		sum += weights[i]
	}
	if n == 0 || len(observed) < 2 {
		return 0, 1
	}
	for i, o := range observed {
		e := float64(n) * weights[i] / sum
		chi2 += (float64(o) - e) * (float64(o) - e) / e
	}
	return chi2, ChiSquareTail(chi2, float64(len(observed)-1))
}
