package analysis

import (
	"cmp"
	"math"

	"github.com/tributary-data/tributary/internal/stats"
)

// An arrival says how new units come: as they came day by day, and from then on so
// many a day.
type arrival struct {
	came  []int64
	after float64
	part  float64 // of them that take part
}

// leastCame is how many days a baseline must have before it tells more than how many
// units came in a day.
const leastCame = 14

// arrivalOf goes by what a wish says, or else by what the baseline has seen. Beyond
// its days units come as in the last third of them: by then most customers who come
// have come before.
func arrivalOf(b *Baseline, w Wish) arrival {
	if w.UnitsPerDay > 0 || len(b.Came) < leastCame {
		return arrival{after: cmp.Or(w.UnitsPerDay, float64(b.PerDay)), part: cmp.Or(w.Part, 1)}
	}
	a := arrival{came: b.Came, part: cmp.Or(w.Part, 1)}
	whole := b.Came[:len(b.Came)-1] // the last is a part of a day
	late := whole[len(whole)*2/3:]
	for _, n := range late {
		a.after += float64(n) / float64(len(late))
	}
	return a
}

// days is when so many units that take part have come and were watched for a horizon,
// in days; 0 where that is never.
func (a arrival) days(units int64, horizon int) int {
	units = int64(math.Ceil(min(float64(units)/a.part, stats.MaxUnits)))
	for i, n := range a.came {
		if units -= n; units <= 0 {
			return i + 1 + horizon
		}
	}
	if a.after <= 0 {
		return 0
	}
	return len(a.came) + stats.Days(units, a.after, horizon)
}

// within is how many units that take part come in so many days.
func (a arrival) within(days int) int64 {
	var sum int64
	for i := range min(days, len(a.came)) {
		sum += a.came[i]
	}
	return int64(a.part * (float64(sum) + max(0, a.after*float64(days-len(a.came)))))
}
