package webui

import (
	"math"
	"strings"
	"time"

	"golang.org/x/text/number"

	"github.com/tributary-data/tributary/internal/money"
)

// resultAnswer is a result as the API has it; what is nil has no number.
type resultAnswer struct {
	Phase   int       `json:"phase"`
	AsOf    time.Time `json:"asOf"`
	Fresh   time.Time `json:"freshUntil"`
	Measure struct {
		Metric   string  `json:"metric"`
		Currency string  `json:"currency"`
		Days     int     `json:"days"`
		Before   int     `json:"before"`
		Alpha    float64 `json:"alpha"`
	} `json:"measure"`
	Variants []struct {
		Key     string `json:"key"`
		Name    string `json:"name"`
		Weight  int    `json:"weight"`
		Exposed int64  `json:"exposed"`
		Ready   int64  `json:"ready"`
	} `json:"variants"`
	Mismatch struct {
		P     float64 `json:"p"`
		Found bool    `json:"found"`
	} `json:"mismatch"`
	Decision struct {
		Verdict string `json:"verdict"`
	} `json:"decision"`
	Metrics []struct {
		Name        string             `json:"name"`
		Kind        string             `json:"kind"`
		Explained   *float64           `json:"explained"`
		Groups      []resultGroup      `json:"groups"`
		Comparisons []resultComparison `json:"comparisons"`
	} `json:"metrics"`
	Guardrails []struct {
		Name        string             `json:"name"`
		Groups      []resultGroup      `json:"groups"`
		Comparisons []resultComparison `json:"comparisons"`
	} `json:"guardrails"`
	Segments []struct {
		By          string             `json:"by"`
		Segment     string             `json:"segment"`
		Groups      []resultGroup      `json:"groups"`
		Comparisons []resultComparison `json:"comparisons"`
	} `json:"segments"`
	Series []struct {
		Variant string `json:"variant"`
		Looks   []struct {
			At     time.Time    `json:"at"`
			Effect resultEffect `json:"effect"`
		} `json:"looks"`
	} `json:"series"`
	Notes   []string `json:"notes"`
	Queries []struct {
		Name       string `json:"name"`
		Definition string `json:"definition"`
		SQL        string `json:"sql"`
	} `json:"queries"`
}

type resultGroup struct {
	Variant string   `json:"variant"`
	Units   int64    `json:"units"`
	Value   *float64 `json:"value"`
}

// A resultComparison is one of a metric or segment, or a check of a guardrail.
type resultComparison struct {
	Variant  string       `json:"variant"`
	Effect   resultEffect `json:"effect"`
	Adjusted bool         `json:"adjusted"`
	Many     *struct {
		Holm float64 `json:"holm"`
	} `json:"corrected"`
	Warning bool `json:"warning"`
	Alarm   bool `json:"alarm"`
	Few     bool `json:"few"`
}

type resultEffect struct {
	Value  *float64     `json:"value"`
	Low    *float64     `json:"low"`
	High   *float64     `json:"high"`
	P      *float64     `json:"p"`
	Always resultAlways `json:"always"`
	Lift   struct {
		Value  *float64     `json:"value"`
		Low    *float64     `json:"low"`
		High   *float64     `json:"high"`
		Always resultAlways `json:"always"`
	} `json:"lift"`
}

type resultAlways struct {
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
	P    *float64 `json:"p"`
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// signed prints a change as a share, with its sign.
func (r *request) signed(v float64) string {
	text := r.print().Sprint(number.Percent(v, number.Scale(1)))
	if v > 0 {
		return "+" + text
	}
	return text
}

func (r *request) signedOr(v *float64) string {
	if v == nil {
		return "–"
	}
	return r.signed(*v)
}

// quantity prints a value of a kind: money, share or number.
func (r *request) quantity(kind, currency string, v *float64) string {
	if v == nil {
		return "–"
	}
	p := r.print()
	switch kind {
	case "money":
		exponent, _ := money.Exponent(currency)
		return p.Sprint(number.Decimal(*v/math.Pow10(exponent), number.Scale(exponent))) + " " + strings.ToUpper(currency)
	case "share":
		return p.Sprint(number.Percent(*v, number.Scale(2)))
	}
	return p.Sprint(number.Decimal(*v, number.Scale(3)))
}

func (r *request) probability(v *float64) string {
	switch {
	case v == nil:
		return "–"
	case *v < 0.0001:
		return "< " + r.print().Sprint(number.Decimal(0.0001, number.Scale(4)))
	}
	return r.print().Sprint(number.Decimal(*v, number.Scale(4)))
}

// shownEffect is the lift and how it is printed; where there is none, the
// difference.
func (r *request) shownEffect(kind, currency string, e resultEffect) (value, low, high *float64, show func(float64) string) {
	if e.Lift.Value != nil {
		return e.Lift.Value, e.Lift.Always.Low, e.Lift.Always.High, r.signed
	}
	return e.Value, e.Always.Low, e.Always.High, func(v float64) string { return r.quantity(kind, currency, &v) }
}

func (r *request) segmentTitle(by, segment string) string {
	class := map[string]string{"bnpl": "buy now, pay later", "card": "card", "other": "another method", "none": "nothing yet"}[segment]
	if by == "first" {
		return r.t("First paid before: %s", r.t(class))
	}
	return r.t("Last paid before: %s", r.t(class))
}

// resultParts are the tables.
func (r *request) resultParts(a *resultAnswer) []resultPart {
	metrics := resultPart{ID: "metrics", Title: r.t("Metrics"), Help: r.t("The first one decides; effects are relative to the value of the control. The p-values of the others are corrected for how many there are.")}
	for _, m := range a.Metrics {
		rows := r.resultRows(r.t(resultTitles[m.Name]), m.Kind, a.Measure.Currency, m.Groups, m.Comparisons)
		for i := range rows {
			if i > 0 && m.Comparisons[i-1].Adjusted && m.Explained != nil {
				rows[i].Mark = r.t("Adjusted: %s was known before", r.quantity("share", "", m.Explained))
			}
		}
		metrics.Rows = append(metrics.Rows, rows...)
	}
	guards := resultPart{ID: "guardrails", Title: r.t("Guardrails"), Help: r.t("Shares of orders that should not rise. An alarm goes off without a reason at the accepted rate at most, however often one looks.")}
	for _, g := range a.Guardrails {
		guards.Rows = append(guards.Rows, r.resultRows(r.t(resultTitles[g.Name]), "share", "", g.Groups, g.Comparisons)...)
	}
	segments := resultPart{ID: "segments", Title: r.t("Segments"), Help: r.t("By the method of payment before the exposure. The p-values are corrected for how many segments there are; take what is found for an idea.")}
	for _, s := range a.Segments {
		segments.Rows = append(segments.Rows, r.resultRows(r.segmentTitle(s.By, s.Segment), a.Metrics[0].Kind, a.Measure.Currency, s.Groups, s.Comparisons)...)
	}
	return []resultPart{metrics, guards, segments}
}

func (r *request) resultRows(name, kind, currency string, groups []resultGroup, comparisons []resultComparison) (out []resultRow) {
	p := r.print()
	for i, g := range groups {
		row := resultRow{Name: name, Variant: g.Variant, Units: p.Sprint(number.Decimal(g.Units)), Value: r.quantity(kind, currency, g.Value), Control: i == 0}
		if i > 0 && i <= len(comparisons) {
			r.compared(&row, kind, currency, &comparisons[i-1])
		}
		out = append(out, row)
	}
	return out
}

func (r *request) compared(row *resultRow, kind, currency string, c *resultComparison) {
	e := c.Effect
	low, high, show := e.Lift.Low, e.Lift.High, r.signedOr
	alwaysLow, alwaysHigh := e.Lift.Always.Low, e.Lift.Always.High
	row.Effect = r.signedOr(e.Lift.Value)
	if e.Lift.Value == nil {
		low, high, alwaysLow, alwaysHigh = e.Low, e.High, e.Always.Low, e.Always.High
		show = func(v *float64) string { return r.quantity(kind, currency, v) }
		row.Effect = show(e.Value)
	}
	if e.Value == nil { // then no bound or probability says anything
		e.P, e.Always.P, low, alwaysLow = nil, nil, nil, nil
	}
	between := func(low, high *float64) string {
		if low == nil || high == nil {
			return "–"
		}
		return r.t("%s to %s", show(low), show(high))
	}
	row.Once, row.Always, row.P, row.AlwaysP = between(low, high), between(alwaysLow, alwaysHigh), r.probability(e.P), r.probability(e.Always.P)
	if c.Many != nil && e.Value != nil {
		row.Corrected = r.probability(&c.Many.Holm)
	}
	switch {
	case c.Alarm:
		row.Mark, row.Tone = r.t("Alarm"), "negative"
	case c.Warning:
		row.Mark, row.Tone = r.t("Looks higher"), "warning"
	case c.Few:
		row.Mark = r.t("Too few")
	}
}
