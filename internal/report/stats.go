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
