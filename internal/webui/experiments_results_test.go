package webui_test

import (
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// finished serves an installation in which an experiment ran: half of the customers
// of a simulated shop were shown an add-on, which made their orders larger.
func finished(t testing.TB) (w *world, id string) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
	now := time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)
	ended := now.AddDate(0, 0, -16)
	began := ended.AddDate(0, 0, -28)
	e := experiment.Experiment{
		Key: "cart-add-on", Name: "An add-on in the cart",
		Variants: []experiment.Variant{{Key: "none", Weight: 5000}, {Key: "add-on", Weight: 5000, Value: []byte(`{"show": true}`)}},
		Measure:  experiment.Measure{Metric: experiment.Revenue, Currency: "eur", Days: 14, Before: 30, Items: "items_count", Planned: 400},
	}
	w = opened(t, stripesim.Config{
		Seed: 7, Now: now, Start: now.AddDate(-1, 0, 0), End: began.AddDate(0, 0, -30), Frozen: true, Counts: stripesim.Counts{Charges: 60, Customers: 500, Subscriptions: 1, Prices: 2},
	}, func(c *control.Control, sim *stripesim.Sim) {
		by, err := c.Access.Operator(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		id, err = c.Lived(t.Context(), by, e, began, ended, func(assign func(string) string) ([]control.Shown, error) {
			var shown []control.Shown
			campaign := &stripesim.Campaign{From: began, To: ended, Assign: assign, Shown: func(customer, variant string, at time.Time) {
				shown = append(shown, control.Shown{Unit: customer, Variant: variant, At: at})
			}}
			_, err := sim.Shop(t.Context(), stripesim.Shopping{
				Seed: 1, From: began.AddDate(0, 0, -30), To: now, Rate: 0.05, Currency: "eur", Effects: map[string]stripesim.Effect{"add-on": {Lift: 0.4}}, Offer: campaign.Offer,
			})
			return shown, err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	operator, err := w.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.copyAt(filepath.Join(runner.SandboxDir(w.dir, operator.Sandbox.ID), "acct_a-test"))
	return w, id
}

// A shownEffect is an effect in the API's answer.
type shownEffect struct {
	Value, Low, High, P *float64
	Always              struct{ Low, High, P *float64 }
	Lift                struct {
		Value, Low, High *float64
		Always           struct{ Low, High *float64 }
	}
}

// A shownPart is a metric, guardrail or segment of it.
type shownPart struct {
	Kind   string
	Groups []struct {
		Variant string
		Units   int64
		Value   *float64
	}
	Comparisons []struct {
		Effect    shownEffect
		Corrected *struct{ Holm float64 }
	}
}

// cells are the numbers that a row of the page has to show for a group, by the
// columns: as they are printed in figures, without signs of money and groups of digits.
func (p *shownPart) cells(i int) []string {
	written := func(v *float64, scale, factor float64) string {
		if v == nil {
			return "–"
		}
		return strconv.FormatFloat(*v*factor, 'f', int(scale), 64)
	}
	value := func(v *float64) string {
		switch p.Kind {
		case "money":
			return written(v, 2, 0.01) // of euros
		case "number":
			return written(v, 3, 1)
		}
		return written(v, 2, 100)
	}
	g := p.Groups[i]
	out := []string{g.Variant, fmt.Sprint(g.Units), value(g.Value), "", "", "", "", "", ""}
	if i == 0 {
		return out
	}
	c := p.Comparisons[i-1]
	effect, low, high, always := c.Effect.Lift.Value, c.Effect.Lift.Low, c.Effect.Lift.High, c.Effect.Lift.Always
	show := func(v *float64) string { return written(v, 1, 100) }
	if effect == nil {
		effect, low, high, show = c.Effect.Value, c.Effect.Low, c.Effect.High, value
		always.Low, always.High = c.Effect.Always.Low, c.Effect.Always.High
	}
	between := func(low, high *float64) string {
		if low == nil || high == nil {
			return "–"
		}
		return show(low) + " to " + show(high)
	}
	chance := func(v *float64) string {
		if v != nil && *v < 0.0001 {
			return "< 0.0001"
		}
		return written(v, 4, 1)
	}
	out[3], out[4], out[5], out[6], out[7] = show(effect), between(low, high), between(always.Low, always.High), chance(c.Effect.P), chance(c.Effect.Always.P)
	if c.Corrected != nil {
		out[8] = chance(&c.Corrected.Holm)
	}
	return out
}

// alikeFigures compares texts whose numbers may differ by one in the last digit, as
// a half is rounded up or to even.
func alikeFigures(got, want string) bool {
	g, w := strings.Fields(got), strings.Fields(want)
	if len(g) != len(w) {
		return false
	}
	for i := range g {
		a, errA := strconv.ParseFloat(g[i], 64)
		b, errB := strconv.ParseFloat(w[i], 64)
		if g[i] == w[i] {
			continue
		}
		_, digits, _ := strings.Cut(w[i], ".")
		if errA != nil || errB != nil || math.Abs(a-b) > 1.01*math.Pow10(-len(digits)) || len(g[i]) != len(w[i]) {
			return false
		}
	}
	return true
}

var (
	resultTableRow  = regexp.MustCompile(`(?s)<tr><th scope="row"[^>]*>(.*?)</th>(.*?)</tr>`)
	resultTableCell = regexp.MustCompile(`(?s)<td[^>]*>(.*?)</td>`)
	printedSigns    = strings.NewReplacer(",", "", " EUR", "", "%", "", "+", "", "\u00a0", " ", "−", "-")
)

var queryLink = regexp.MustCompile(`href="(/ui/sql\?[^"]*report=experiment[^"]*)"`)

// asked follows the links to the queries of a result, and asks them as its readers do:
// they have as many units of each variant as the result.
func asked(t *testing.T, w *world, v *visitor, body string, control, variant int64) {
	t.Helper()
	links := map[string]int{}
	for _, m := range queryLink.FindAllStringSubmatch(body, -1) {
		links[html.UnescapeString(m[1])]++
	}
	if len(links) != 2 {
		t.Errorf("links %v", links)
	}
	seen := 0
	for link, n := range links {
		made := strings.Contains(link, "query=outcomes")
		if made {
			seen += n
		}
		_, query, _ := strings.Cut(v.page(link), "<textarea")
		_, query, _ = strings.Cut(query, ">")
		query, _, _ = strings.Cut(query, "</textarea>")
		holds(t, query, "from acct_a_test_xdm.charges", "join acct_a_test.refunds", "from experiments.exposures") // whatever other copies there are
		got := w.api("POST", "/data/tributary/sql", map[string]any{"query": html.UnescapeString(query), "limit": 10_000}).(map[string]any)
		columns, rows := got["columns"].([]any), got["rows"].([]any)
		units := map[string]float64{}
		for _, r := range rows {
			row := map[string]any{}
			for i, c := range columns {
				row[c.(map[string]any)["name"].(string)] = r.([]any)[i]
			}
			one := 1.0
			if made {
				one, _ = row["units"].(json.Number).Float64()
			}
			units[fmt.Sprint(row["variant"])] += one
		}
		if units["0"] != float64(control) || units["1"] != float64(variant) || len(units) != 2 {
			t.Errorf("%s has units %v, want %d and %d", link, units, control, variant)
		}
	}
	if seen < 3+2 { // of the parts and charts
		t.Errorf("%d links to the query that made the numbers", seen)
	}
	holds(t, v.page("/ui/sql/tables"), "experiments.exposures", "shown_at")
}

// What an experiment came to: each figure of the page is that of the API, whose
// numbers have tests of their own against what the simulator did.
func TestExperimentResults(t *testing.T) {
	t.Parallel()
	w, id := finished(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/experiments/"+id), "Stopped", "/ui/experiments/size?before=30&amp;currency=eur&amp;days=14&amp;items=items_count&amp;metric=revenue&amp;part=100&amp;share=50\"", "/ui/experiments/"+id+"/results")
	holds(t, v.page("/ui/experiments/"+id+"/results"), "An add-on in the cart", `hx-get="/ui/experiments/`+id+`/results/report?copy=acct_a-test"`, `<noscript><a href="/ui/experiments/`+id+`/results/report?copy=acct_a-test"`)
	body := v.page("/ui/experiments/" + id + "/results/report?copy=acct_a-test")

	var result struct {
		Variants []struct {
			Key            string
			Exposed, Ready int64
		}
		Decision                      struct{ Verdict string }
		Mismatch                      struct{ Found bool }
		Metrics, Guardrails, Segments []shownPart
	}
	text, err := json.Marshal(w.api("GET", "/data/tributary/analysis/experiments/"+id, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &result); err != nil {
		t.Fatal(err)
	}
	// Who gets which variant is drawn anew each time.
	verdict := map[string]string{"better": "A variant does better", "worse": "A variant does worse", "undecided": "No difference can be told yet"}[result.Decision.Verdict]
	if verdict == "" || result.Mismatch.Found || len(result.Variants) != 2 || result.Variants[1].Ready < 100 {
		t.Fatalf("the experiment came to something else: %.400s", text)
	}
	holds(t, body, verdict, "An add-on in the cart", "<svg", "What the numbers mean", "! style=", "!<script>", "!%!", "!NaN", "!Inf")
	holds(t, body, "The groups have the sizes that they were given (p = ", "Adjusted: ", "were still being watched when the phase ended")
	for _, x := range result.Variants {
		holds(t, body, fmt.Sprintf(`<span class="label">%s</span><span class="value">%d</span><span class="note">watched, of %d that`, x.Key, x.Ready, x.Exposed))
	}
	var want [][]string
	for name, parts := range map[string][]shownPart{"metrics": result.Metrics, "guardrails": result.Guardrails, "segments": result.Segments} {
		var of [][]string
		for _, p := range parts {
			switch {
			case name == "guardrails":
				p.Kind = "share"
			case name == "segments":
				p.Kind = result.Metrics[0].Kind
			}
			for i := range p.Groups {
				of = append(of, p.cells(i))
			}
		}
		want = append(want, of...)
		_, section, _ := strings.Cut(body, `id="`+name+`"`)
		section, _, _ = strings.Cut(section, "</section>")
		rows := resultTableRow.FindAllStringSubmatch(section, -1)
		if len(rows) != len(of) {
			t.Fatalf("%s: %d rows, want %d", name, len(rows), len(of))
		}
		for i, row := range rows {
			for k, cell := range resultTableCell.FindAllStringSubmatch(row[2], -1)[:9] {
				got := strings.TrimSpace(printedSigns.Replace(html.UnescapeString(cell[1])))
				if k == 0 {
					got = html.UnescapeString(cell[1])
				}
				if !alikeFigures(got, of[i][k]) {
					t.Errorf("%s, %s of %s, column %d: the page has %q, the API %q", name, row[1], of[i][0], k, got, of[i][k])
				}
			}
		}
	}
	if len(want) < 2*(5+2+4) {
		t.Errorf("%d rows", len(want))
	}
	asked(t, w, v, body, result.Variants[0].Ready, result.Variants[1].Ready)
	status, h, file := v.get("/ui/experiments/" + id + "/results/csv?copy=acct_a-test")
	if status != http.StatusOK || !strings.HasPrefix(file, "experiment,phase,as_of,part") || !strings.Contains(h.Get("Content-Disposition"), "experiment.csv") || strings.Count(file, "\n") != len(want)+1 {
		t.Errorf("the file: %d %v %.80s", status, h, file)
	}
	// One that nobody was shown has no numbers, and says what to do.
	started, _, _ := strings.Cut(v.must("/ui/experiments/new", variantForm(nil)), "?")
	v.must(started+"/start", nil)
	holds(t, v.page(started+"/results/report?copy=acct_a-test"), "Nobody was shown a variant by then", started+"#ask", "What the numbers mean", "!<table", "!1.0000")
	for query, want := range map[string]string{"phase=7": "has no phase 7", "asOf=soon": "neither a time", "copy=acct_b-test": "there is no such copy"} {
		_, _, body := v.get("/ui/experiments/"+id+"/results/report?"+query, "HX-Request", "true")
		holds(t, body, want, "!<html")
	}
}
