package extract

import "math"

// Stripe opened its doors in 2010: below that there is nothing to look for,
// though a range that begins at 0 still asks.
const oldest = 1262304000

// minSplit is the least number of pages that must be left of a range for a
// split to be worth the request that it may waste: each range ends with a
// page that is not full.
const minSplit = 3

// split cuts off parts of r while fewer ranges are open than requests can be
// in flight. The cut is by time; where the objects lie unevenly, the heavier
// part is cut again later.
func (w *Walk) split(r *reading) []Range {
	free := w.lanes() - len(w.ranges)
	if free <= 0 {
		return nil
	}
	var most float64
	for _, c := range w.ranges {
		most = max(most, c.left())
	}
	if r.From == 0 {
		// Nobody knows where the objects begin. Two pages say that it is worth
		// looking; cuts at growing ages find the beginning in one round.
		if r.pages < 2 {
			return nil
		}
		return w.cutAges(r, free)
	}
	left := r.left()
	if left < minSplit || left < most/2 || r.AfterAt-r.From < 2 {
		return nil
	}
	return []Range{w.cut(r, r.From+(r.AfterAt-r.From)/2)}
}

// cut takes [From, at) off r.
func (w *Walk) cut(r *reading, at int64) Range {
	w.nextID++
	lower := Range{ID: w.nextID, Variant: r.Variant, From: r.From, To: at}
	r.From = at
	w.ranges = append(w.ranges, newReading(lower))
	return lower
}

// cutAges cuts r, which begins at 0, into n more ranges whose ages grow by a
// constant factor, from four times the age read so far to the oldest possible.
func (w *Walk) cutAges(r *reading, n int) []Range {
	now := float64(r.top)
	first := 4 * (now - float64(r.AfterAt) + 1)
	last := now - oldest
	if first >= last || r.AfterAt <= oldest {
		return nil
	}
	factor := math.Pow(last/first, 1/float64(n))
	var out []Range
	at := make([]int64, n)
	for i := range n {
		at[i] = int64(now - first*math.Pow(factor, float64(i)))
	}
	// From the oldest up, so that each cut takes the lowest part off r.
	for i := n - 1; i >= 0; i-- {
		if at[i] > r.From && at[i] <= r.AfterAt {
			out = append(out, w.cut(r, at[i]))
		}
	}
	return out
}
