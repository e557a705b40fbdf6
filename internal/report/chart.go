package report

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/chart"
	"github.com/tributary-data/tributary/internal/money"
)

// chartedCurrencies is how many currencies have charts of their own: those with
// the most orders.
const chartedCurrencies = 3

// Charts returns pictures of the sections that the report has: shares over time,
// order values by method, customers who come back, flows between methods.
func (r *Report) Charts() []chart.Chart {
	all := []chart.Chart{}
	for _, currency := range r.largest() {
		all = append(all, r.shareChart(currency), r.valueChart(currency))
	}
	all = append(all, r.repeatChart(), r.flowChart())
	return slices.DeleteFunc(all, func(c chart.Chart) bool { return c.Kind == "" })
}

// largest returns the currencies with the most orders.
func (r *Report) largest() []string {
	orders := map[string]int64{}
	for _, name := range []string{"methods", "periods"} {
		if s := r.section(name); s != nil {
			clear(orders)
			for _, row := range s.Rows {
				if s.text(row, "class") == "all" {
					orders[s.text(row, "currency")] += s.integer(row, "orders")
				}
			}
		}
	}
	maps.DeleteFunc(orders, func(_ string, n int64) bool { return n == 0 })
	names := slices.SortedFunc(maps.Keys(orders), func(a, b string) int { return cmp.Or(cmp.Compare(orders[b], orders[a]), cmp.Compare(a, b)) })
	return names[:min(len(names), chartedCurrencies)]
}

// first returns the report with n rows of each section at most: those of the
// currencies that have charts come before the others.
func (r *Report) first(n int) *Report {
	charted := r.largest()
	cut := *r
	cut.Sections = nil
	for _, s := range r.Sections {
		rank := func(row Row) int {
			currency, ok := s.value(row, "currency").(string)
			if !ok {
				currency = s.text(row, s.currency)
			}
			if i := slices.Index(charted, currency); i >= 0 {
				return i
			}
			return len(charted)
		}
		one := *s
		one.Rows = slices.Clone(s.Rows)
		slices.SortStableFunc(one.Rows, func(a, b Row) int { return rank(a) - rank(b) })
		if len(one.Rows) > n {
			one.Rows, one.total = one.Rows[:n], len(one.Rows)
		}
		cut.Sections = append(cut.Sections, &one)
	}
	return &cut
}

// classes in the order in which they are stacked; their hues are their places,
// from 1.
var classes = []string{"bnpl", "bnpl_unknown", "card", "other"}

// named are words for classes.
var named = map[string]string{"bnpl": "buy now, pay later", "bnpl_unknown": "Klarna, unknown which", "card": "cards", "other": "other methods"}

// hueOf is the hue of a class; of what has none, 6.
func hueOf(class string) int {
	if i := slices.Index(classes, class); i >= 0 {
		return i + 1
	}
	return 6
}

// noteOf is what stands beside the name of a method.
func noteOf(class string) string {
	if class == "bnpl_unknown" {
		return "unknown which"
	}
	return ""
}

// series has one of each class, over labels.
func series(labels []string, of func(class, label string) (float64, bool)) []chart.Series {
	var all []chart.Series
	for _, class := range classes {
		one := chart.Series{Name: named[class], Hue: hueOf(class), Values: make([]*float64, len(labels))}
		for i, label := range labels {
			if v, ok := of(class, label); ok {
				v = math.Round(v*1e6) / 1e6
				one.Values[i] = &v
			}
		}
		all = append(all, one)
	}
	return all
}

// shareChart is the share of orders of each class over time.
func (r *Report) shareChart(currency string) chart.Chart {
	s := r.section("periods")
	if s == nil {
		return chart.Chart{}
	}
	shares := map[[2]string]float64{}
	periods := map[string]bool{}
	for _, row := range s.Rows {
		if s.text(row, "currency") != currency || s.text(row, "method") != "all" || s.text(row, "class") == "all" {
			continue
		}
		period := s.text(row, "period")
		periods[period] = true
		if v, ok := s.float(row, "share_orders"); ok {
			shares[[2]string{s.text(row, "class"), period}] = v
		}
	}
	labels := slices.Sorted(maps.Keys(periods))
	return chart.Chart{
		Kind: chart.Stacked, Title: "Share of orders over time, " + strings.ToUpper(currency), Section: "periods", Currency: currency, Labels: labels,
		Series: series(labels, func(class, period string) (float64, bool) {
			v, ok := shares[[2]string{class, period}]
			return v, ok
		}),
	}
}

// valueChart is the median and the average of each method, with their intervals.
func (r *Report) valueChart(currency string) chart.Chart {
	s := r.section("methods")
	if s == nil {
		return chart.Chart{}
	}
	c := chart.Chart{
		Kind: chart.Intervals, Title: "Order value by method, " + strings.ToUpper(currency) + ": median (dot) and average (ring) with intervals of 95 %",
		Section: "methods", Currency: currency,
	}
	c.Decimals, _ = money.Exponent(currency)
	units := func(minor float64) float64 { return math.Round(minor/math.Pow10(c.Decimals)*1e6) / 1e6 }
	for _, row := range s.Rows {
		median, ok := s.float(row, "median")
		if s.text(row, "currency") != currency || s.text(row, "method") == "all" || !ok {
			continue
		}
		class := s.text(row, "class")
		v := chart.Value{Name: s.text(row, "method"), Note: noteOf(class), Hue: hueOf(class), Median: units(median)}
		average, _ := s.float(row, "average")
		v.Average = units(average)
		if low, ok := s.value(row, "median_low").(int64); ok {
			v.MedianInterval = &[2]float64{units(float64(low)), units(float64(s.integer(row, "median_high")))}
		}
		if low, ok := s.float(row, "average_low"); ok {
			high, _ := s.float(row, "average_high")
			v.AverageInterval = &[2]float64{units(low), units(high)}
		}
		c.Values = append(c.Values, v)
	}
	if len(c.Values) == 0 {
		return chart.Chart{}
	}
	return c
}

// repeatChart is the share of each cohort that ordered again.
func (r *Report) repeatChart() chart.Chart {
	s := r.section("cohorts")
	if s == nil {
		return chart.Chart{}
	}
	var periods []string
	rates := map[[2]string]float64{}
	for _, row := range s.Rows {
		period, class := s.text(row, "period"), s.text(row, "class")
		if class == "all" {
			periods = append(periods, period)
			continue
		}
		if v, ok := s.float(row, "rate_90"); ok && class != "bnpl_unknown" { // that is hardly anybody, and so no line
			rates[[2]string{class, period}] = v
		}
	}
	if len(rates) == 0 {
		return chart.Chart{}
	}
	return chart.Chart{
		Kind: chart.Lines, Title: "Customers who ordered again within 90 days, by the period of their first order", Section: "cohorts", Labels: periods,
		Series: series(periods, func(class, period string) (float64, bool) {
			v, ok := rates[[2]string{class, period}]
			return v, ok
		}),
	}
}

// flowChart is how many customers came from which first method to which next one.
func (r *Report) flowChart() chart.Chart {
	s := r.section("migration")
	if s == nil || len(s.Rows) == 0 {
		return chart.Chart{}
	}
	place := func(row Row, side string) chart.Place {
		name, class := s.text(row, side+"_method"), s.text(row, side+"_class")
		if class == "none" {
			return chart.Place{Note: "no next order", Hue: hueOf(class)}
		}
		return chart.Place{Name: name, Note: noteOf(class), Hue: hueOf(class)}
	}
	c := chart.Chart{Kind: chart.Flow, Title: "From the first method (left) to that of the next order (right), customers", Section: "migration"}
	for _, row := range s.Rows {
		c.Moves = append(c.Moves, chart.Move{From: place(row, "from"), To: place(row, "to"), N: s.integer(row, "customers")})
	}
	return c
}
