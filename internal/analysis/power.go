package analysis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stats"
)

// A Wish is what an experiment of two variants is to be able to show.
type Wish struct {
	Lift   float64 // effect as a share of the baseline; or
	Effect float64 // absolute, in the metric's unit
	Alpha  float64 // two-sided; 0 for 0.05
	Power  float64 // 0 for 0.8
	Share  float64 // of the units that the variant gets; 0 for a half
	// Days is the horizon, UnitsPerDay how many new units come; 0 for those of the
	// baseline, and where that does not know it either, no days are said.
	Days        int
	UnitsPerDay float64
	// Part is the share of the units that come which are in the two variants, where
	// an audience, a layer, a holdout or other variants take some; 0 for all.
	Part float64
}

// A Baseline is what units do without the experiment.
type Baseline struct {
	Metric   string `json:"metric,omitempty"`
	Kind     Kind   `json:"kind"`
	Currency string `json:"currency,omitempty"`
	Value    Float  `json:"value"`
	SD       Float  `json:"sd"` // of one unit's number; of a ratio, of its linear form
	Units    int64  `json:"units,omitempty"`
	PerDay   Float  `json:"unitsPerDay"`
	// Came are the units by the day on which they came for the first time, from the
	// first day on which any did: who comes back is no new unit, so they grow fewer.
	Came []int64   `json:"cameByDay,omitempty"`
	From time.Time `json:"from,omitzero"` // units that tried to pay from then on
	To   time.Time `json:"to,omitzero"`   // and before then
	// Explained is the share of the variance that what units did before explains.
	Explained Float   `json:"explained"`
	Queries   []Query `json:"queries,omitempty"`
}

// A Need is how large an experiment has to be.
type Need struct {
	Baseline Baseline `json:"baseline"`
	Effect   Float    `json:"effect"`
	Lift     Float    `json:"lift"`
	Alpha    float64  `json:"alpha"`
	Power    float64  `json:"power"`
	Share    float64  `json:"share"`
	Horizon  int      `json:"days"`
	// UnitsPerDay is what was wished for; 0 where the days go by the baseline. Part of
	// the units that come take part.
	UnitsPerDay float64 `json:"unitsPerDay,omitempty"`
	Part        float64 `json:"part"`
	// Once is what it takes if one looks once, at its end. Always is what it takes to
	// find the effect by the end while one looks as often as one likes; mostly it is
	// found earlier. Plain is Once without what was known before.
	Once   Size   `json:"once"`
	Always Size   `json:"always"`
	Plain  Size   `json:"plain"`
	Reach  []Size `json:"reach,omitempty"` // what can be found after so many weeks, looking once
}

// A Size is one of an experiment.
type Size struct {
	Units   int64 `json:"units"`           // of both variants; as many as an analysis needs at least
	Variant int64 `json:"variantUnits"`    // of the variant
	Days    int   `json:"days,omitempty"`  // until all were watched; 0 where nobody knows, or so many don't come
	Weeks   int   `json:"weeks,omitempty"` // in which units come
	Effect  Float `json:"effect"`          // that is found with the power
	Lift    Float `json:"lift"`
}

// baselineDays is how many days a baseline is taken of if nobody says: as many as
// units come for in most experiments. A baseline of more days tells less of what was
// known before: its units are those who come for the first time in them, so most have
// bought nothing for long.
const baselineDays = 28

// mostDays is how many days a baseline may be of.
const mostDays = 3660

// BaselineOf measures a baseline in a copy: of the units that tried to pay in the
// last days (0 for 28) whose horizon was over at a time.
func BaselineOf(ctx context.Context, s Source, u experiment.Unit, m experiment.Measure, last int, at time.Time) (*Baseline, error) {
	metric, known := metricOf(m.Metric)
	if !known {
		return nil, problem.Errorf(problem.Invalid, "metric: %q is none of %q", m.Metric, experiment.Metrics)
	}
	if last = cmp.Or(last, baselineDays); last < 1 || last > mostDays {
		return nil, problem.Errorf(problem.Invalid, "last: %d is not 1 to %d days", last, mostDays)
	}
	to := at.Truncate(time.Second).UTC().AddDate(0, 0, -m.Days)
	from := to.AddDate(0, 0, -last)
	v := unitValues(u, m, at)
	v["from"], v["to"] = strconv.FormatInt(from.Unix(), 10), strconv.FormatInt(to.Unix(), 10)
	query, err := outcomes("tried", "sums", v)
	if err != nil {
		return nil, err
	}
	cells, err := read(ctx, s, query)
	if err != nil {
		return nil, err
	}
	var all Sums
	came := make([]int64, last+2) // both ends are parts of a day
	for i := range cells {
		all.Merge(&cells[i].Sums)
		if d := cells[i].Day - (from.Unix()/day + int64(m.Days)); d >= 0 && d < int64(len(came)) {
			came[d] += cells[i].Sums.N
		}
	}
	e := metric.estimate(&all)
	if !(e.SE > 0) {
		return nil, &problem.Error{
			Kind:   problem.Conflict,
			Detail: fmt.Sprintf("there is no baseline: %s units tried to pay from %s to %s, and their %s does not vary", count(all.N), moment(from), moment(to), Titles[m.Metric]),
			Advice: "Take more days, another currency, or give the mean and the standard deviation",
		}
	}
	b := &Baseline{
		Metric: m.Metric, Kind: metric.kind, Currency: m.Currency, Value: Float(e.Value), SD: Float(e.SE * math.Sqrt(float64(all.N))),
		Units: all.N, From: from, To: to,
		Queries: []Query{{Name: "baseline", Definition: definition("tried") + "\n\n" + definition("outcomes") + "\n\n" + definition("sums"), SQL: query}},
	}
	b.Came = slices.Clone(came[slices.IndexFunc(came, func(n int64) bool { return n > 0 }) : 1+(to.Unix()-1)/day-from.Unix()/day])
	b.PerDay = Float(float64(all.N) / float64(min(last, len(b.Came))))
	if m.Before > 0 {
		if _, share, ok := metric.adjusted([]*Sums{&all}); ok {
			b.Explained = Float(share)
		}
	}
	return b, nil
}

// check refuses what no experiment can be planned for.
func (w *Wish) check(b *Baseline) error {
	bad := func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
	proportion := b.Kind == Share
	switch {
	case bad(w.Lift) || bad(w.Effect) || (w.Lift == 0) == (w.Effect == 0):
		return problem.Errorf(problem.Invalid, "one of lift and effect must be given, and not be 0")
	case bad(w.Alpha) || w.Alpha < 0 || w.Alpha > 0.5:
		return problem.Errorf(problem.Invalid, "alpha: %v is not between 0 and 0.5", w.Alpha)
	case bad(w.Power) || w.Power < 0 || w.Power >= 1:
		return problem.Errorf(problem.Invalid, "power: %v is not between 0 and 1", w.Power)
	case bad(w.Share) || w.Share < 0 || w.Share >= 1:
		return problem.Errorf(problem.Invalid, "share: %v is not between 0 and 1", w.Share)
	case bad(w.Part) || w.Part < 0 || w.Part > 1:
		return problem.Errorf(problem.Invalid, "part: %v is not between 0 and 1", w.Part)
	case w.Days < 0 || w.Days > experiment.MaxDays:
		return problem.Errorf(problem.Invalid, "days: %d is not 0 to %d", w.Days, experiment.MaxDays)
	case bad(w.UnitsPerDay) || w.UnitsPerDay < 0 || w.UnitsPerDay > stats.MaxUnits:
		return problem.Errorf(problem.Invalid, "unitsPerDay: %v is not from 0 to %d", w.UnitsPerDay, stats.MaxUnits)
	case bad(float64(b.Value)) || bad(float64(b.SD)) || !proportion && b.SD <= 0:
		return problem.Errorf(problem.Invalid, "the standard deviation must be above 0")
	case proportion && (b.Value <= 0 || b.Value >= 1):
		return problem.Errorf(problem.Invalid, "proportion: %v is not between 0 and 1", float64(b.Value))
	case w.Lift != 0 && b.Value == 0:
		return problem.Errorf(problem.Invalid, "a lift of 0 is 0: give the effect")
	case bad(float64(b.Explained)) || b.Explained < 0 || b.Explained >= 1:
		return problem.Errorf(problem.Invalid, "explained: %v is not between 0 and 1", float64(b.Explained))
	}
	return nil
}

// Plan says how large an experiment has to be.
func Plan(b *Baseline, w Wish) (*Need, error) {
	if err := w.check(b); err != nil {
		return nil, err
	}
	plan := stats.Plan{Effect: cmp.Or(w.Effect, w.Lift*float64(b.Value)), Alpha: cmp.Or(w.Alpha, DefaultAlpha), Power: cmp.Or(w.Power, 0.8), Share: cmp.Or(w.Share, 0.5)}
	with := float64(b.Value) + plan.Effect
	if b.Kind == Share && (with <= 0 || with >= 1) {
		return nil, problem.Errorf(problem.Invalid, "the effect makes a share of %v, which is not between 0 and 1", with)
	}
	comes := arrivalOf(b, w)
	least := int64(math.Ceil(stats.LeastUnits / (4 * plan.Share * (1 - plan.Share)))) // stats.Enough
	size := func(units int64) Size {
		units = max(least, units)
		return Size{
			Units: units, Variant: int64(math.Round(float64(units) * plan.Share)), Days: comes.days(units, w.Days),
			Effect: Float(plan.Effect), Lift: Float(plan.Effect / float64(b.Value)),
		}
	}
	sd := float64(b.SD) * spread(b, plan)
	units := func(p stats.Plan) int64 {
		if b.Kind == Share {
			return p.UnitsForProportion(float64(b.Value))
		}
		return p.UnitsForMean(sd)
	}
	n := &Need{Baseline: *b, Effect: Float(plan.Effect), Lift: Float(plan.Effect / float64(b.Value)), Alpha: plan.Alpha, Power: plan.Power, Share: plan.Share, Horizon: w.Days, UnitsPerDay: w.UnitsPerDay, Part: comes.part}
	n.Plain = size(units(plan))
	if n.Plain.Units == stats.MaxUnits {
		return nil, problem.Errorf(problem.Invalid, "the effect is so small beside the deviation of %v that it takes more units than there are people", float64(b.SD))
	}
	plan.Explained = float64(b.Explained)
	n.Once = size(units(plan))
	n.Always = size(int64(math.Ceil(float64(units(plan)) * inflation(plan))))
	for _, weeks := range []int{1, 2, 4, 8, 12} {
		come := comes.within(7 * weeks)
		if come < least {
			continue // nothing is said of so few
		}
		found := plan.Detectable(come, sd)
		s := size(come)
		s.Weeks, s.Days, s.Effect, s.Lift = weeks, 7*weeks+w.Days, Float(found), Float(found/float64(b.Value))
		n.Reach = append(n.Reach, s)
	}
	return n, nil
}

// spread is by how much the deviation of both groups together is larger than the
// baseline's: who buys for 10 % more differs by 10 % more, too. A proportion's
// deviation follows from itself.
func spread(b *Baseline, p stats.Plan) float64 {
	if b.Kind == Share || b.Value <= 0 {
		return 1
	}
	with := max(1, 1+p.Effect/float64(b.Value))
	own := (1/(1-p.Share) + with*with/p.Share) / (1/(1-p.Share) + 1/p.Share)
	return math.Sqrt(max(own, (1-p.Share)+with*with*p.Share)) // as stats.Difference has it
}

// inflation is how many times as many units an always-valid interval needs that is
// made narrowest for their number, at its end: where it has the plan's power by
// then, of those who look at its end alone.
func inflation(p stats.Plan) float64 {
	const many = 1 << 40 // the width in standard errors does not depend on it
	wide := stats.Always(stats.Estimate{SE: 1, DF: math.Inf(1)}, many, many, 1-p.Alpha).Interval.High
	z := stats.NormalQuantile(p.Power)
	return math.Pow((wide+z)/(stats.NormalQuantile(1-p.Alpha/2)+z), 2)
}

// deviation is that of a proportion's zeros and ones.
func deviation(share float64) Float { return Float(math.Sqrt(max(0, share*(1-share)))) }
