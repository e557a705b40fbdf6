package analysis

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/money"
	"github.com/tributary-data/tributary/internal/stats"
)

// decide says what the numbers allow to say. It goes by always-valid p-values of the
// one metric that decides, corrected for the number of variants (Holm), so it may be
// asked as often as one likes.
func (a *analysis) decide(r *Result) Decision {
	d := a.verdict(r)
	d.Caveats = a.caveats(r, d.Verdict)
	return d
}

func (a *analysis) verdict(r *Result) (d Decision) {
	m := r.Metrics[0]
	ready := int64(0)
	for _, v := range r.Variants {
		ready += v.Ready
	}
	switch {
	case r.Mismatch.Found:
		d.Verdict = Mismatched
		d.Text = fmt.Sprintf("No conclusion: the variants were not shown in the shares that they have (%s; by chance with a probability of %s). "+
			"Something keeps units of one variant from being counted, such as a redirect, an error or a bot filter, and those that are counted can't be compared. Find it, and begin a new phase.",
			a.shares(), small(float64(r.Mismatch.P)))
		return d
	case ready < stats.LeastUnits:
		d.Verdict = TooFew
		d.Text = fmt.Sprintf("Too early: the horizon of %d days is over for %s units, and nothing is said before %d.", a.measure.Days, count(ready), stats.LeastUnits)
		return d
	}
	p := make([]float64, len(m.Comparisons))
	for i, c := range m.Comparisons {
		p[i] = float64(c.Effect.Always.P)
	}
	d.Verdict = Undecided
	var said []string
	for i, holm := range stats.Holm(p) {
		c := m.Comparisons[i]
		switch {
		case holm > a.measure.Alpha:
			beside := ""
			if p[i] <= a.measure.Alpha { // and yet the interval does not have 0 in it
				beside = fmt.Sprintf(". By itself that would do; with %d variants it does not (corrected p = %s)", len(p), small(holm))
			}
			said = append(said, fmt.Sprintf("%s can't be told from %s: %s%s.", c.Variant, a.keys[0], a.tell(m, c.Effect), beside))
			continue
		case c.Effect.Value > 0:
			d.Verdict = Better
			said = append(said, fmt.Sprintf("%s does better than %s: %s.", c.Variant, a.keys[0], a.tell(m, c.Effect)))
		default:
			if d.Verdict == Undecided {
				d.Verdict = Worse
			}
			said = append(said, fmt.Sprintf("%s does worse than %s: %s.", c.Variant, a.keys[0], a.tell(m, c.Effect)))
		}
	}
	d.Text = strings.Join(said, " ")
	if d.Verdict == Undecided {
		d.Text += " Let it run on, or end it with the control."
	}
	return d
}

// tell says an effect in words.
func (a *analysis) tell(m Metric, e Effect) string {
	value, low, high := e.Value, e.Always.Low, e.Always.High
	show := func(v Float) string { return showChange(m.Kind, v, a.measure.Currency) }
	if l := e.Lift; !math.IsNaN(float64(l.Value)) {
		value, low, high, show = l.Value, l.Always.Low, l.Always.High, percent
	}
	way := "higher"
	if value < 0 {
		way, value = "lower", -value
	}
	text := fmt.Sprintf("%s is %s %s", Titles[m.Name], show(value), way)
	if math.IsInf(float64(low), 0) || math.IsInf(float64(high), 0) {
		return text + ", and how sure that is can't be said yet"
	}
	return fmt.Sprintf("%s (%s %% interval, valid at every look: %s to %s)", text, strconv.FormatFloat(a.level*100, 'g', 4, 64), show(low), show(high))
}

// Titles are words for metrics and guardrails.
var Titles = map[string]string{
	experiment.Revenue: "revenue per unit", experiment.Conversion: "conversion", experiment.OrderValue: "order value",
	experiment.Orders: "orders per unit", experiment.Items: "items per unit", RefundRate: "refund rate", DisputeRate: "dispute rate",
}

// caveats are what to think of before acting upon a result.
func (a *analysis) caveats(r *Result, v Verdict) []string {
	out := []string{}
	for _, g := range r.Guardrails {
		for _, c := range g.Comparisons {
			switch {
			case c.Alarm:
				out = append(out, fmt.Sprintf("Alarm: the %s of %s is above that of %s: %s.", Titles[g.Name], c.Variant, a.keys[0], a.rates(g, c.Variant)))
			case c.Warning:
				out = append(out, fmt.Sprintf("The %s of %s looks higher than that of %s (%s; one-sided p = %s, for one look): keep an eye on it.",
					Titles[g.Name], c.Variant, a.keys[0], a.rates(g, c.Variant), small(float64(c.P))))
			}
		}
	}
	var exposed, ready int64
	for _, v := range r.Variants {
		exposed, ready = exposed+v.Exposed, ready+v.Ready
	}
	if waiting := exposed - ready; waiting > 0 {
		out = append(out, fmt.Sprintf("%s of %s units are still being watched: their %d days are not over, and they do not count yet.", count(waiting), count(exposed), a.measure.Days))
	}
	if len(r.Series) > 0 && len(r.Series[0].Looks) > 0 && len(r.Series[0].Looks) < 7 {
		out = append(out, "The units came within less than a week: who buys at weekends may be missing.")
	}
	if a.measure.Metric == experiment.OrderValue {
		out = append(out, "Order value compares those who bought. If a variant also changes who buys, look at revenue per unit, which compares all.")
	}
	found := slices.ContainsFunc(r.Segments, func(s Segment) bool {
		return slices.ContainsFunc(s.Comparisons, func(c Comparison) bool { return c.Many.Found })
	})
	if found && v == Undecided {
		out = append(out, "A segment differs by itself: take it for an idea for the next experiment.")
	}
	return append(out, "The p-values and intervals for one look hold if this is the only time that anyone looks; those that are valid at every look always do.")
}

// notes are about what does not count.
func (a *analysis) notes(all []*Sums) []string {
	var sum Sums
	for _, g := range all {
		sum.Merge(g)
	}
	out := []string{}
	if a.Experiment.Unit.Metadata == "" {
		out = append(out, "Orders without a customer belong to no unit.")
	}
	if n := sum.total(otherOrders); n > 0 {
		out = append(out, fmt.Sprintf("%s orders in other currencies than %s do not count.", count(n), strings.ToUpper(a.measure.Currency)))
	}
	if n := sum.total(refundedLater); n > 0 {
		out = append(out, fmt.Sprintf("%s was refunded after the horizon of its order's unit, and is not taken off.", a.show(Money, Float(n))))
	}
	if n := sum.total(unread); n > 0 && a.measure.Items != "" {
		out = append(out, fmt.Sprintf("%s orders do not say their items by %q, and count with none.", count(n), a.measure.Items))
	}
	out = append(out, "Captures and disputes are those that the copy knows; refunds count by their own time.")
	if a.measure.Planned == DefaultPlanned {
		out = append(out, fmt.Sprintf("Always-valid intervals are narrowest near %s units.", count(a.measure.Planned)))
	}
	return out
}

func (a *analysis) shares() string {
	var said []string
	for i, k := range a.keys {
		said = append(said, k+" "+count(a.Exposed[i]))
	}
	return strings.Join(said, ", ")
}

func (a *analysis) rates(g Guardrail, variant string) string {
	i := slices.IndexFunc(g.Groups, func(v Group) bool { return v.Variant == variant })
	return percent(g.Groups[i].Value) + " against " + percent(g.Groups[0].Value)
}

// show prints a value of a kind.
func (a *analysis) show(k Kind, v Float) string { return Show(k, v, a.measure.Currency) }

// Show prints a value of a kind for people; "–" where there is none.
func Show(k Kind, v Float, currency string) string {
	switch {
	case math.IsNaN(float64(v)) || math.IsInf(float64(v), 0):
		return "–"
	case k == Share:
		return percent(v)
	case k == Money:
		exponent, _ := money.Exponent(currency)
		return strconv.FormatFloat(float64(v)/math.Pow10(exponent), 'f', exponent, 64) + " " + strings.ToUpper(currency)
	}
	return strconv.FormatFloat(float64(v), 'f', 3, 64)
}

// showChange prints a difference of values of a kind. That of shares is in
// percentage points, so that nobody takes it for a share of the value.
func showChange(k Kind, v Float, currency string) string {
	text := Show(k, v, currency)
	if k == Share {
		return strings.Replace(text, "%", "pp", 1)
	}
	return text
}

func percent(v Float) string { return strconv.FormatFloat(float64(v)*100, 'f', 2, 64) + " %" }

// small prints a p-value.
func small(p float64) string {
	if p < 0.0001 {
		return "less than 0.0001"
	}
	return strconv.FormatFloat(p, 'f', 4, 64)
}

// count groups the digits of a number.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
