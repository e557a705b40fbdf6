package report

import (
	"math"
	"math/big"
	"testing"
)

// The median's interval covers with 95 % or more, whatever the number of orders: the
// chance that fewer than k of n fall on one side of the median.
func TestMedianInterval(t *testing.T) {
	t.Parallel()
	choose := big.NewInt(1)
	for n := int64(1); n <= 1500; n++ {
		k := int64(math.Floor((float64(n) - 1.96*math.Sqrt(float64(n))) / 2))
		if k < 1 {
			if n >= 8 {
				t.Errorf("no interval of %d", n)
			}
			continue
		}
		// Missed is 2 P(B <= k-1) for B binomial with a half.
		sum := new(big.Int)
		choose.SetInt64(1)
		for i := range k {
			sum.Add(sum, choose)
			choose.Mul(choose, big.NewInt(n-i)).Quo(choose, big.NewInt(i+1))
		}
		missed, _ := new(big.Rat).SetFrac(sum.Lsh(sum, 1), new(big.Int).Lsh(big.NewInt(1), uint(n))).Float64()
		if missed > 0.05 {
			t.Errorf("%d orders: missed %.4f", n, missed)
		}
	}
}
