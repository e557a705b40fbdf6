package stripesim

import (
	"math"
	"slices"
	"time"
)

const (
	daySeconds  = 86400
	hourSeconds = 3600
)

// A silence is a stretch [from, to) without objects.
type silence struct{ from, to int64 }

// timeline returns n times of creation in ascending order within [start, end]:
// the shop's growth, its days and weekends, and the moments that hurt.
func timeline(r rng, n int, start, end int64, shape Shape, quiet []silence) []int64 {
	times := make([]int64, 0, n)
	add := func(t int64) {
		if len(times) < n {
			times = append(times, min(max(t, start), end))
		}
	}
	add(start)
	add(end)
	heavyDay, burstAt := moments(start, end)
	for range min(shape.Burst, n/2) {
		add(burstAt)
	}
	for range int(float64(n) * shape.HeavyDay) {
		add(heavyDay + int64(r.below(daySeconds)))
	}
	boundaries(&r, n/150, start, end, quiet, add)
	return fill(&r, times, n, start, end, quiet)
}

// moments returns the day (its first second) and the second at which the
// shape's excesses happen: the same for all resources.
func moments(start, end int64) (day, second int64) {
	day = (start + (end-start)*3/5) / daySeconds * daySeconds
	second = (start + (end-start)*2/5) / hourSeconds * hourSeconds
	return max(day, start), max(second, start)
}

// boundaries adds objects on the exact first second of days and months, where
// windows begin and end, and small bursts when subscriptions renew.
func boundaries(r *rng, n int, start, end int64, quiet []silence, add func(int64)) {
	days := int((end - start) / daySeconds)
	if days < 1 {
		return
	}
	for range n {
		t := (start/daySeconds + 1 + int64(r.below(days))) * daySeconds
		if r.chance(0.5) {
			d := time.Unix(t, 0).UTC()
			t = time.Date(d.Year(), d.Month(), 1, 0, 0, 0, 0, time.UTC).Unix() + int64(r.below(2))
		}
		if t >= start && t <= end && !silent(quiet, t) {
			add(t)
		}
	}
}

// fill adds objects at the shop's own rate until there are n, and sorts.
func fill(r *rng, times []int64, n int, start, end int64, quiet []silence) []int64 {
	step := min(max((end-start)/20000, 1), hourSeconds)
	buckets := int((end-start)/step) + 1
	weights := make([]float64, buckets)
	var sum float64
	for k := range weights {
		t := start + int64(k)*step
		if !silent(quiet, t) && !silent(quiet, t+step) {
			sum += rate(t, float64(k)/float64(buckets)) * (0.7 + 0.6*r.unit())
		}
		weights[k] = sum
	}
	left := float64(n - len(times))
	done := 0
	for k := range weights {
		upTo := int(math.Round(weights[k] / sum * left))
		for ; done < upTo; done++ {
			times = append(times, min(start+int64(k)*step+int64(r.below(int(step))), end))
		}
	}
	slices.Sort(times)
	return times
}

// rate is the shop's relative business at a moment: more with age, less on
// weekends and at night. age runs from 0 to 1.
func rate(t int64, age float64) float64 {
	hour := float64(t%daySeconds) / hourSeconds
	weekday := (t/daySeconds + 4) % 7 // 1970-01-01 was a Thursday
	w := (1 + 1.3*age) * (1.05 + math.Sin((hour-9)*math.Pi/12))
	if weekday == 0 || weekday == 6 {
		w *= 0.7
	}
	return w
}

func silent(quiet []silence, t int64) bool {
	for _, q := range quiet {
		if t >= q.from && t < q.to {
			return true
		}
	}
	return false
}

// silences places n stretches of a twelfth of the time, away from the heavy day.
func silences(n int, start, end int64) []silence {
	span := (end - start) / 12
	var out []silence
	for _, twelfth := range []int64{2, 9, 5, 1}[:min(n, 4)] {
		out = append(out, silence{start + twelfth*span, start + (twelfth+1)*span})
	}
	return out
}
