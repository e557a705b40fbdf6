package analysis_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/experiment"
)

var update = flag.Bool("update", false, "write the golden files anew")

// made is a study of units whose outcomes are drawn: offer lifts order values, and
// dear has refunds.
func made(seed uint64, perDay int, lift float64) analysis.Study {
	r := rand.New(rand.NewPCG(seed, 1))
	began := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	s := analysis.Study{
		Experiment: experiment.Experiment{
			ID: uuid.MustParse("7b5f7d2a-6f57-4a8b-9a53-0d6a3a1f0002"), Key: "cart-offer", Name: "An add-on before checkout", Hypothesis: "Baskets grow <b>by</b> an add-on.",
			State: experiment.Running, Variants: []experiment.Variant{{Key: "none"}, {Key: "offer"}, {Key: "dear"}},
		},
		Phase: experiment.Phase{
			Number: 1, Began: began,
			Weights: []experiment.Weight{{Variant: "none", Weight: 4000}, {Variant: "offer", Weight: 4000}, {Variant: "dear", Weight: 2000}},
			Measure: experiment.Measure{Metric: experiment.OrderValue, Currency: "eur", Days: 7, Before: 30, Items: "items"},
		},
		At: began.AddDate(0, 0, 20).Add(6 * time.Hour), Exposed: make([]int64, 3),
	}
	for d := range 21 {
		cells := map[[2]int]*analysis.Cell{}
		for range perDay {
			v := min(r.IntN(5)/2, 2)
			s.Exposed[v]++
			if d > 13 {
				continue
			}
			class := r.IntN(3)
			c := cells[[2]int{v, class}]
			if c == nil {
				name := []string{"bnpl", "card", "none"}[class]
				c = &analysis.Cell{Variant: v, Day: began.Unix()/86400 + int64(d) + 7, Last: name, First: name}
				cells[[2]int{v, class}] = c
			}
			taste := math.Exp(8 + 0.6*r.NormFloat64())
			var o analysis.Outcome
			if class < 2 {
				o.BeforeOrders, o.BeforeItems, o.BeforeRevenue = 1, 2, int64(taste*math.Exp(0.3*r.NormFloat64()))
			}
			if r.Float64() < 0.6 {
				o.Orders, o.Items = 1, 1+int64(r.IntN(3))
				o.Revenue = int64(taste * math.Exp(0.3*r.NormFloat64()) * (1 + lift*float64(v%2)))
				if r.Float64() < 0.05+0.1*float64(v/2) {
					o.Refunded, o.Revenue = 1, 0
				}
			}
			c.Sums.Add(o)
		}
		for v := range 3 {
			for class := range 3 {
				if c := cells[[2]int{v, class}]; c != nil {
					s.Cells = append(s.Cells, *c)
				}
			}
		}
	}
	return s
}

// What is printed of a study, in every format; nothing in it is taken for markup
// or moves a cursor.
func TestGolden(t *testing.T) {
	t.Parallel()
	study := made(3, 400, 0.25)
	study.Experiment.Name += "\x1b[2J"
	r := analysis.Analyse(study)
	r.Queries = []analysis.Query{{Name: "outcomes", Definition: "what <it> means", SQL: "select 1 < 2"}}
	for _, format := range []string{"table", "csv", "html"} {
		var got bytes.Buffer
		if err := r.Write(&got, format); err != nil {
			t.Fatal(err)
		}
		if format != "html" && strings.Contains(got.String(), "\x1b") && format == "table" || strings.Contains(got.String(), "<b>") {
			t.Errorf("%s lets through what it should not", format)
		}
		file := filepath.Join("testdata", "result."+format)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", format, d)
		}
		if format != "csv" {
			continue
		}
		lines, err := csv.NewReader(&got).ReadAll()
		if err != nil || len(lines) != 1+3*(5+2+6) {
			t.Errorf("%d lines, %v", len(lines), err)
		}
	}
	if err := r.Write(&bytes.Buffer{}, "pdf"); err == nil {
		t.Error("a format that there is not")
	}
	var back analysis.Result
	if err := json.Unmarshal([]byte(text(t, r)), &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text(t, r), text(t, &back)); d != "" {
		t.Errorf("read back: %s", d)
	}
}

// What is said follows from the numbers.
func TestDecision(t *testing.T) {
	t.Parallel()
	has := func(name string, r *analysis.Result, v analysis.Verdict, parts ...string) {
		t.Helper()
		if r.Decision.Verdict != v {
			t.Errorf("%s: %s: %s", name, r.Decision.Verdict, r.Decision.Text)
		}
		all := r.Decision.Text + "\n" + strings.Join(r.Decision.Caveats, "\n") + "\n" + strings.Join(r.Notes, "\n")
		for _, p := range parts {
			if !strings.Contains(all, p) {
				t.Errorf("%s says nothing of %q: %s", name, p, all)
			}
		}
	}
	better := analysis.Analyse(made(3, 400, 0.25))
	has("a lift", better, analysis.Better, "offer does better than none: order value is 19.43 % higher", "dear does worse than none", "valid at every look",
		"Alarm: the refund rate of dear is above that of none", "2,800 of 8,400 units are still being watched", "Orders without a customer")
	has("a loss", analysis.Analyse(made(3, 400, -0.25)), analysis.Worse, "offer does worse than none: order value is ")
	has("nothing", analysis.Analyse(made(4, 100, 0)), analysis.Undecided, "offer can't be told from none", "Let it run on")
	has("few", analysis.Analyse(made(4, 2, 0)), analysis.TooFew, "nothing is said before 100")
	lost := made(3, 400, 0.25)
	lost.Exposed[1] -= 300
	has("lost units", analysis.Analyse(lost), analysis.Mismatched, "No conclusion", "begin a new phase")
	none := made(3, 0, 0)
	has("nobody", analysis.Analyse(none), analysis.TooFew, "0 units")
}
