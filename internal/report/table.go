package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/money"
)

// shown are the columns of each section that a terminal has room for, and what
// stands above them; sections that are not here are too long for one.
var shown = map[string][][2]string{
	"methods": {
		{"currency", ""},
		{"class", ""},
		{"method", ""},
		{"attempts", ""},
		{"success_rate", "success"},
		{"orders", ""},
		{"share_orders", "share"},
		{"gross", ""},
		{"refunded", ""},
		{"net", ""},
		{"average", ""},
		{"average_low", "95 % from"},
		{"average_high", "to"},
		{"median", ""},
		{"median_low", "95 % from"},
		{"median_high", "to"},
		{"refund_rate", "refunds"},
		{"dispute_rate", "disputes"},
	},
	"converted": {{"currency", ""}, {"class", ""}, {"method", ""}, {"attempts", ""}, {"orders", ""}, {"gross", ""}, {"refunded", ""}, {"net", ""}, {"share_gross", "share"}},
	"failures":  {{"currency", ""}, {"method", ""}, {"failure_code", "failure"}, {"reason", ""}, {"failed", ""}, {"share", "of failures"}, {"rate", "of attempts"}},
	"fees":      {{"currency", ""}, {"settlement_currency", "settled in"}, {"class", ""}, {"method", ""}, {"charges", ""}, {"settled", ""}, {"fee", ""}, {"net", ""}, {"fee_rate", "fee"}},
	"repeat":    {{"class", ""}, {"method", ""}, {"customers", ""}, {"repeated", ""}, {"repeat_rate", "repeat"}, {"days_median", "days, median"}, {"days_average", "average"}, {"repeat_90", "in 90 days"}},
	"migration": {{"from_method", "first"}, {"to_method", "next"}, {"customers", ""}, {"share", ""}},
	"lift": {
		{"currency", ""},
		{"method", ""},
		{"orders", ""},
		{"matched", ""},
		{"strata", ""},
		{"average", ""},
		{"card_average", "cards"},
		{"lift", ""},
		{"lift_low", "95 % from"},
		{"lift_high", "to"},
		{"raw_lift", "unmatched"},
	},
	"subscriptions": {{"currency", ""}, {"status", ""}, {"subscriptions", ""}, {"customers", ""}},
	"mrr":           {{"currency", ""}, {"mrr", "MRR"}, {"year", "a year"}, {"items", ""}, {"left_out", "left out"}},
	"settlement":    {{"settlement_currency", "settled in"}, {"category", ""}, {"transactions", ""}, {"amount", ""}, {"fee", ""}, {"net", ""}, {"found_net", "net in the report"}},
}

// table prints for a terminal.
func (r *Report) table(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "Buy now, pay later beside other methods, %s (%s)\n", r.span(), r.Params.Zone)
	if f := r.filters(); f != "" {
		fmt.Fprintf(out, "Only %s.\n", f)
	}
	for _, s := range r.Sections {
		if shown[s.Name] == nil && r.Params.Section == "" {
			continue
		}
		fmt.Fprintf(out, "\n%s\n", s.Title)
		s.table(out)
	}
	if r.Reconciliation != nil {
		fmt.Fprintf(out, "\n%s\n", r.Reconciliation.Statement)
	}
	if r.Params.Section == "" {
		fmt.Fprintln(out)
		for _, n := range r.Notes {
			fmt.Fprintln(out, "- "+n)
		}
		fmt.Fprintln(out, "\n--section NAME shows one by itself: periods, countries, customers, cohorts and misfits are long and not above.\n--format json has all of it with its queries and what each number means, --format html with charts.")
	}
	return out.Flush()
}

// span says what time the report is about, in its zone.
func (r *Report) span() string {
	zone, err := time.LoadLocation(r.Params.Zone)
	if err != nil {
		zone = time.UTC
	}
	from, to := r.Params.From.In(zone), r.Params.To.In(zone).Add(-time.Second)
	return from.Format(time.DateOnly) + " to " + to.Format(time.DateOnly)
}

func (r *Report) filters() string {
	var parts []string
	p := r.Params
	if p.Currency != "" {
		parts = append(parts, strings.ToUpper(p.Currency))
	}
	if p.Country != "" {
		parts = append(parts, "buyers in "+p.Country)
	}
	if p.Customer != "" {
		parts = append(parts, "customers of the kind "+p.Customer)
	}
	return strings.Join(parts, ", ")
}

// table prints the columns that are shown, aligned. What the row before says, a
// row does not repeat.
func (s *Section) table(out io.Writer) {
	columns := shown[s.Name]
	if columns == nil {
		for _, c := range s.Columns {
			columns = append(columns, [2]string{c.Name, ""})
		}
	}
	if len(s.Rows) == 0 {
		fmt.Fprintln(out, "  none")
		return
	}
	lines := [][]string{nil}
	var right []bool
	for _, c := range columns {
		title := c[1]
		if title == "" {
			title = strings.ReplaceAll(c[0], "_", " ")
		}
		lines[0] = append(lines[0], title)
		right = append(right, s.Columns[s.index(c[0])].Kind != Text)
	}
	before := ""
	for _, r := range s.Rows {
		var line []string
		for _, c := range columns {
			i := s.index(c[0])
			line = append(line, human(s.Columns[i].Kind, r[i], s.text(r, s.currency)))
		}
		if first := line[0]; !right[0] && first == before && s.Name != "misfits" {
			line[0] = ""
		} else {
			before = first
		}
		lines = append(lines, line)
	}
	align(out, lines, right)
}

func align(out io.Writer, lines [][]string, right []bool) {
	widths := make([]int, len(right))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for n, line := range lines {
		var b strings.Builder
		for i, text := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if right[i] {
				text = pad + text
			} else {
				text += pad
			}
			b.WriteString("  " + text)
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
		if n == 0 {
			total := 0
			for _, width := range widths {
				total += width + 2
			}
			fmt.Fprintln(out, "  "+strings.Repeat("─", total-2))
		}
	}
}

// human is a value for people; "–" where there is none.
func human(kind Kind, v any, currency string) string {
	switch v := rounded(v).(type) {
	case string:
		return v
	case int64:
		if kind == Money {
			return grouped(amount(v, currency))
		}
		return thousands(v)
	case float64:
		if kind == Mean {
			exponent, _ := money.Exponent(currency)
			return grouped(strconv.FormatFloat(v/math.Pow10(exponent), 'f', exponent, 64))
		}
		if kind == Share {
			return strconv.FormatFloat(v*100, 'f', 1, 64) + " %"
		}
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return "–"
}

func thousands(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

// grouped puts commas between groups of three digits before the point.
func grouped(text string) string {
	whole, rest, found := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		whole += "." + rest
	}
	return sign + whole
}
