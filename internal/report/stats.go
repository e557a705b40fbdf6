package report

import "math"

// leastOrders is how many orders an interval of their average needs: as many as
// that of their median, and with less the distribution of the average of
// such skewed amounts is nothing like normal.
const leastOrders = 8

// intervals puts the interval of 95 % of each average in the place of the
// standard deviation.
func intervals(s *Section) error {
	at := s.index("deviation")
	for i, r := range s.Rows {
		var low, high any
		average, ok := s.float(r, "average")
		deviation, known := s.float(r, "deviation")
		if n := s.integer(r, "orders"); ok && known && n >= leastOrders {
			half := quantileT(0.975, float64(n-1)) * deviation / math.Sqrt(float64(n))
			low, high = average-half, average+half
		}
		s.Rows[i] = append(append(append(Row{}, r[:at]...), low, high), r[at+1:]...)
	}
	s.Columns = concat(s.Columns[:at], means("average_low", "average_high"), s.Columns[at+1:])
	return nil
}

// quantileT returns the t below which a share p of Student's distribution with
// that many degrees of freedom lies; p is above one half.
func quantileT(p, freedom float64) float64 {
	low, high := 0.0, 1.0
	for cumulativeT(high, freedom) < p {
		high *= 2
	}
	for range 200 {
		middle := (low + high) / 2
		if middle == low || middle == high {
			break
		}
		if cumulativeT(middle, freedom) < p {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// cumulativeT is Student's distribution function for t at or above zero.
func cumulativeT(t, freedom float64) float64 {
	return 1 - incompleteBeta(freedom/(freedom+t*t), freedom/2, 0.5)/2
}

// incompleteBeta is the regularised incomplete beta function, by its continued
// fraction (Lentz's method).
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	if x > (a+1)/(a+b+2) {
		return 1 - incompleteBeta(1-x, b, a)
	}
	front := math.Exp(lgamma(a+b) - lgamma(a) - lgamma(b) + a*math.Log(x) + b*math.Log1p(-x))
	const tiny = 1e-300
	f, c, d := 1.0, 1.0, 0.0
	for i := range 500 {
		m := float64(i / 2)
		var step float64
		switch {
		case i == 0:
			step = 1
		case i%2 == 0:
			step = m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		default:
			step = -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		}
		d = 1 + step*d
		if math.Abs(d) < tiny {
			d = tiny
		}
		d = 1 / d
		c = 1 + step/c
		if math.Abs(c) < tiny {
			c = tiny
		}
		f *= c * d
		if math.Abs(c*d-1) < 1e-15 {
			break
		}
	}
	return front * (f - 1) / a
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}
