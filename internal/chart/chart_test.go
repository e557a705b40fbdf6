package chart_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/chart"
)

// Charts are well-formed, escape what comes from outside, have no style of their
// own, and say what they show in the words of the page.
func TestSVG(t *testing.T) {
	t.Parallel()
	half, none := 0.5, 0.0
	const evil = `<b onload="x">&`
	charts := map[string]struct {
		chart chart.Chart
		has   []string
	}{
		"stacked": {chart.Chart{
			Kind: chart.Stacked, Labels: []string{"2026-01-01", "2026-02-01"},
			Series: []chart.Series{{Name: "cards", Hue: 1, Values: []*float64{&half, nil}}, {Name: "no orders", Hue: 2, Values: []*float64{&none, nil}}},
		}, []string{"2026-01-01, CARDS: 50.0 %", `class="s1 bar"`, ">2026-02<"}},
		"lines": {chart.Chart{
			Kind: chart.Lines, Labels: []string{"a", "b", "c"}, Series: []chart.Series{{Name: "x", Hue: 7, Values: []*float64{&half, &none, nil}}},
		}, []string{`class="s6 line"`, "b, X: 0.0 %"}},
		"intervals": {chart.Chart{
			Kind: chart.Intervals, Currency: "kwd", Decimals: 3,
			Values: []chart.Value{{Name: evil, Note: "unknown", Median: 1.5, Average: 2, AverageInterval: &[2]float64{-1, 1e9}}, {Name: "b"}},
		}, []string{"&lt;b onload=&#34;x&#34;&gt;&amp;, UNKNOWN: MEDIAN 1.500", "95 % FROM -1.000 TO 1000000000.000", ">KWD<"}},
		"flow": {chart.Chart{
			Kind: chart.Flow, Moves: []chart.Move{{From: chart.Place{Name: evil, Hue: 1}, To: chart.Place{Note: "none"}, N: 3}, {From: chart.Place{Name: "b"}, To: chart.Place{Name: "b"}, N: 1}},
		}, []string{"THEN NONE: 3", `class="s1 band"`, "NONE: 3<"}},
		"zeros": {chart.Chart{Kind: chart.Intervals, Currency: "jpy", Values: []chart.Value{{Name: "a"}}}, []string{"a: MEDIAN 0"}},
		"empty": {chart.Chart{Kind: chart.Flow}, nil},
	}
	say := func(format string, args ...any) string { // as in another language
		if slices.Contains([]string{"%.1f", "%.[2]*[1]f"}, format) {
			return fmt.Sprintf(format, args...)
		}
		return fmt.Sprintf(strings.NewReplacer("%S", "%s", "%D", "%d").Replace(strings.ToUpper(format)), args...)
	}
	for name, c := range charts {
		got := string(c.chart.SVG("The "+evil, say))
		d := xml.NewDecoder(strings.NewReader(got))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, got)
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			for _, a := range start.Attr {
				if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s: %s=%q", name, a.Name.Local, a.Value)
				}
			}
		}
		for _, want := range append(c.has, `aria-label="The &lt;b onload`) {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %q: %s", name, want, got)
			}
		}
	}
	stacked := charts["stacked"].chart
	if legend := stacked.Legend(say); len(legend) != 1 || legend[0].Text != "CARDS" {
		t.Errorf("%v", legend)
	}
}
