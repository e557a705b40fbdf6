package stats

import (
	"cmp"
	"slices"
)

// Holm returns the p-values corrected for their number (Holm, 1979): whoever takes
// those below 0.05 errs in any of them with probability 0.05 at most, however
// they depend on each other.
func Holm(p []float64) []float64 {
	order := ranks(p)
	out := make([]float64, len(p))
	worst := 0.0
	for i, at := range order {
		worst = max(worst, min(1, float64(len(p)-i)*p[at]))
		out[at] = worst
	}
	return out
}

// BenjaminiHochberg returns the p-values corrected so that, of those taken, the
// expected share of errors is bounded (Benjamini and Hochberg, 1995), for p-values
// that are independent or depend positively.
func BenjaminiHochberg(p []float64) []float64 {
	order := ranks(p)
	out := make([]float64, len(p))
	best := 1.0
	for i, at := range slices.Backward(order) {
		best = min(best, p[at]*float64(len(p))/float64(i+1))
		out[at] = best
	}
	return out
}

// ranks returns the places of the values, least first.
func ranks(p []float64) []int {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return order
}
