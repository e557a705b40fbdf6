package stats

import "math"

// NormalCDF is the standard normal distribution.
func NormalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// NormalQuantile is its inverse.
func NormalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }

// StudentCDF is Student's t distribution with df degrees of freedom (DLMF 8.17;
// Abramowitz and Stegun 26.5.27).
func StudentCDF(t, df float64) float64 {
	if math.IsInf(df, 1) || df > 1e8 {
		return NormalCDF(t)
	}
	tail := betaInc(df/2, 0.5, df/(df+t*t)) / 2
	if t > 0 {
		return 1 - tail
	}
	return tail
}

// StudentQuantile is its inverse, by Newton's steps from the first term of its
// expansion around the normal one (Abramowitz and Stegun 26.7.5), kept between
// what is known to be too low and too high.
func StudentQuantile(p, df float64) float64 {
	t := NormalQuantile(p)
	if math.IsInf(df, 1) || df > 1e8 || t == 0 || math.IsInf(t, 0) || math.IsNaN(t) {
		return t
	}
	if p > 0.5 {
		return -StudentQuantile(1-p, df)
	}
	scale := math.Exp(lgamma((df+1)/2)-lgamma(df/2)) / math.Sqrt(df*math.Pi)
	low, high := math.Inf(-1), 0.0
	t += t * (t*t + 1) / (4 * df)
	for range 200 {
		over := StudentCDF(t, df) - p
		if over > 0 {
			high = t
		} else {
			low = t
		}
		next := t - over/(scale*math.Exp(-(df+1)/2*math.Log1p(t*t/df)))
		switch {
		case low < next && next < high:
		case math.IsInf(low, -1):
			next = 2 * t
		default:
			next = (low + high) / 2
		}
		if math.Abs(next-t) <= 4e-16*math.Abs(t) {
			return next
		}
		t = next
	}
	return t
}

// ChiSquareTail is the probability of more than x with df degrees of freedom
// (DLMF 8.7.1, 8.9.2).
func ChiSquareTail(x, df float64) float64 {
	if x <= 0 {
		return 1
	}
	a, y := df/2, x/2
	scale := math.Exp(-y + a*math.Log(y) - lgamma(a))
	if y < a+1 {
		sum, term := 1/a, 1/a
		for n := 1.0; math.Abs(term) > math.Abs(sum)*1e-17; n++ {
			term *= y / (a + n)
			sum += term
		}
		return 1 - sum*scale
	}
	return scale * fraction(y+1-a, func(i float64) (float64, float64) { return -i * (i - a), y + 1 - a + 2*i })
}

// betaInc is the regularised incomplete beta function (DLMF 8.17.22).
func betaInc(a, b, x float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - betaInc(b, a, 1-x)
	}
	front := math.Exp(lgamma(a+b)-lgamma(a)-lgamma(b)+a*math.Log(x)+b*math.Log1p(-x)) / a
	return front * fraction(1, func(i float64) (float64, float64) {
		m := math.Floor(i / 2)
		if int(i)%2 == 0 {
			return m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)), 1
		}
		return -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)), 1
	})
}

// fraction is 1/(b0 + a1/(b1 + a2/(b2 + …))) by the method of Lentz; step
// returns a and b of a place.
func fraction(b0 float64, step func(i float64) (a, b float64)) float64 {
	const tiny, most = 1e-300, 100_000
	f := b0
	if f == 0 {
		f = tiny
	}
	c, d := f, 0.0
	for i := 1.0; i < most; i++ {
		a, b := step(i)
		if d = b + a*d; d == 0 {
			d = tiny
		}
		if c = b + a/c; c == 0 {
			c = tiny
		}
		d = 1 / d
		f *= c * d
		if math.Abs(c*d-1) < 1e-16 {
			break
		}
	}
	return 1 / f
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}
