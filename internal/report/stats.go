package report

import (
	"math"

	"github.com/tributary-data/tributary/internal/stats"
)

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
			half := stats.StudentQuantile(0.975, float64(n-1)) * deviation / math.Sqrt(float64(n))
			low, high = average-half, average+half
		}
		s.Rows[i] = append(append(append(Row{}, r[:at]...), low, high), r[at+1:]...)
	}
	s.Columns = concat(s.Columns[:at], means("average_low", "average_high"), s.Columns[at+1:])
	return nil
}

// likely puts the interval of 95 % of each lift in the place of the spread of its
// logarithm and of the degrees of freedom.
func likely(s *Section) error {
	at := s.index("spread")
	for i, r := range s.Rows {
		var low, high any
		lift, ok := s.float(r, "lift")
		spread, known := s.float(r, "spread")
		freedom, _ := s.float(r, "freedom") // none where all orders are alike
		if ok && known && min(s.integer(r, "matched"), s.integer(r, "card_orders")) >= leastOrders {
			half := 0.0
			if spread > 0 {
				half = stats.StudentQuantile(0.975, freedom) * spread
			}
			low, high = (1+lift)*math.Exp(-half)-1, (1+lift)*math.Exp(half)-1
		}
		s.Rows[i] = append(append(append(Row{}, r[:at]...), low, high), r[at+2:]...)
	}
	s.Columns = concat(s.Columns[:at], shares("lift_low", "lift_high"), s.Columns[at+2:])
	return nil
}
