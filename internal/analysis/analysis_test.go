package analysis_test

import (
	"encoding/json"
	"iter"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var present = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// account is what the tests read.
var account = copytest.Shared{Account: func(t testing.TB) *stripesim.Sim {
	t.Helper()
	return lived(t, 4)
}}

// copied returns the account and its copy; the test holds it.
func copied(t testing.TB) (sim *stripesim.Sim, r *app.Reader, fresh time.Time) {
	t.Helper()
	sim, dir := account.Copy(t)
	return sim, copytest.Open(t, dir), copytest.Fresh(t, dir)
}

// lived is an account that lived for a while: with refunds that fail, and disputes.
func lived(t testing.TB, seed uint64) *stripesim.Sim {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{
		Seed: seed, Now: present, Frozen: true, Variety: true,
		Counts: stripesim.Counts{Charges: 4000, Customers: 700, Subscriptions: 60, Prices: 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	life, err := sim.Live(seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := life.Day(); err != nil {
			t.Fatal(err)
		}
	}
	copytest.CaptureLess(t, sim, 9, 1500)
	return sim
}

// The account's charges, as the simulator has them.
type charge struct {
	ID, Currency, Status string
	Customer             *string
	Created              int64
	Captured, Disputed   bool
	Amount               int64 `json:"amount_captured"`
	Metadata             map[string]string
	Details              struct {
		Type   string
		Klarna *struct {
			Category *string `json:"payment_method_category"`
		}
	} `json:"payment_method_details"`

	refunds []refund
}

type refund struct {
	Charge, Status  string
	Amount, Created int64
	Row             *string `json:"balance_transaction"`
}

func (c *charge) class() string {
	switch c.Details.Type {
	case "card":
		return "card"
	case "affirm", "afterpay_clearpay", "alma", "billie", "scalapay", "sunbit", "zip":
		return "bnpl"
	case "klarna":
		if k := c.Details.Klarna; k != nil && k.Category != nil && slices.Contains([]string{"pay_later", "pay_in_installments", "pay_with_financing"}, *k.Category) {
			return "bnpl"
		}
	}
	return "other"
}

func (c *charge) unit(key string) string {
	if key != "" {
		return c.Metadata[key]
	}
	if c.Customer == nil {
		return ""
	}
	return *c.Customer
}

func charges(t testing.TB, sim *stripesim.Sim) []*charge {
	t.Helper()
	var all []*charge
	by := map[string]*charge{}
	for o := range sim.Oracle(stripesim.Charges) {
		c := &charge{}
		if err := json.Unmarshal(o.JSON, c); err != nil {
			t.Fatal(err)
		}
		all, by[c.ID] = append(all, c), c
	}
	letGo := map[string]bool{}
	for o := range sim.Oracle(stripesim.BalanceTransactions) {
		var b struct {
			Category string `json:"reporting_category"`
		}
		if err := json.Unmarshal(o.JSON, &b); err != nil {
			t.Fatal(err)
		}
		letGo[o.ID] = b.Category == "partial_capture_reversal"
	}
	for o := range sim.Oracle(stripesim.Refunds) {
		var r refund
		if err := json.Unmarshal(o.JSON, &r); err != nil {
			t.Fatal(err)
		}
		if c := by[r.Charge]; c != nil && (r.Row == nil || !letGo[*r.Row]) {
			c.refunds = append(c.refunds, r)
		}
	}
	slices.SortFunc(all, func(a, b *charge) int {
		if a.Created != b.Created {
			return int(a.Created - b.Created)
		}
		return map[bool]int{true: -1, false: 1}[a.ID < b.ID]
	})
	return all
}

// An outcome is what a plain calculation says of a unit.
type outcome struct {
	variant, last, first                       string
	day                                        int64
	revenue, orders, items, refunded, disputed float64
	bRevenue, bOrders, bItems                  float64
	later                                      int64
	others, unread                             int64
}

// plain goes through the charges of each unit, one after the other.
func plain(all []*charge, e experiment.Experiment, phase experiment.Phase, shown []exposure.Exposure, at time.Time) []outcome {
	var out []outcome
	m := phase.Measure
	number := regexp.MustCompile(`^[0-9]{1,9}$`)
	for _, x := range shown {
		since := x.At.Unix()
		until := since + int64(m.Days)*86400
		if x.Experiment != e.ID || x.Phase != phase.Number || until > at.Unix() {
			continue
		}
		o := outcome{variant: x.Variant, last: "none", first: "none", day: until / 86400}
		for _, c := range all {
			if c.unit(e.Unit.Metadata) != x.Unit || c.Status != "succeeded" || !c.Captured || c.Amount == 0 || c.Created >= until {
				continue
			}
			before := c.Created < since
			if before {
				if o.last = c.class(); o.first == "none" {
					o.first = c.class()
				}
			}
			if c.Currency != m.Currency {
				if !before {
					o.others++
				}
				continue
			}
			end := until
			if before {
				end = since
			}
			var back, later int64
			for _, r := range c.refunds {
				switch {
				case r.Status != "succeeded" && r.Status != "pending":
				case r.Created < end:
					back += r.Amount
				case r.Created < at.Unix():
					later += r.Amount
				}
			}
			n, read := 0.0, number.MatchString(c.Metadata[m.Items])
			if read {
				n, _ = strconv.ParseFloat(c.Metadata[m.Items], 64)
			}
			if before {
				if c.Created >= since-int64(m.Before)*86400 {
					o.bRevenue, o.bOrders, o.bItems = o.bRevenue+float64(c.Amount-back), o.bOrders+1, o.bItems+n
				}
				continue
			}
			o.revenue, o.orders, o.items, o.later = o.revenue+float64(c.Amount-back), o.orders+1, o.items+n, o.later+later
			if !read {
				o.unread++
			}
			if back > 0 {
				o.refunded++
			}
			if c.Disputed {
				o.disputed++
			}
		}
		out = append(out, o)
	}
	return out
}

// An experiment of a time that the account has lived through, and who was shown it.
func study(t testing.TB, all []*charge, seed uint64, unit experiment.Unit, m experiment.Measure) (experiment.Experiment, []exposure.Exposure) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	e := experiment.Experiment{
		ID: uuid.MustParse("7b5f7d2a-6f57-4a8b-9a53-0d6a3a1f0001"), Key: "cart-add-on", Name: "Add-on in the cart", State: experiment.Stopped, Unit: unit,
		Range: experiment.Whole, Measure: m,
		Variants: []experiment.Variant{{Key: "none", Weight: 4000}, {Key: "offer", Weight: 4000, Value: []byte(`{}`)}, {Key: "bundle", Weight: 2000, Value: []byte(`{}`)}},
	}
	began := present.AddDate(0, 0, -200)
	phase := experiment.Phase{
		Number: 2, Salt: "salt", Began: began, Range: e.Range, Measure: m,
		Weights: []experiment.Weight{{Variant: "none", Weight: 4000}, {Variant: "offer", Weight: 4000}, {Variant: "bundle", Weight: 2000}},
	}
	first := phase
	first.Number, first.Measure.Days, first.Measure.Currency = 1, 1, "jpy"
	e.Phases = []experiment.Phase{first, phase}
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	var shown []exposure.Exposure
	seen := map[string]bool{}
	for _, c := range all {
		u := c.unit(unit.Metadata)
		if u == "" || seen[u] {
			continue
		}
		seen[u] = true
		v := []string{"none", "none", "offer", "offer", "bundle"}[r.IntN(5)]
		at := began.Add(time.Duration(r.Int64N(int64(200 * 24 * time.Hour)))).Truncate(time.Millisecond)
		if len(seen)%5 == 0 { // shown in the very second of a charge of his, for the sake of the edges
			if k := slices.IndexFunc(all, func(o *charge) bool { return o.unit(unit.Metadata) == u && o.Created > began.Unix() }); k >= 0 {
				at = time.Unix(all[k].Created, 0).Add(time.Duration(r.IntN(1000)) * time.Millisecond).UTC()
			}
		}
		if len(seen)%7 == 0 {
			if k := slices.IndexFunc(all, func(o *charge) bool {
				return o.unit(unit.Metadata) == u && o.Created > began.Unix()+int64(m.Days)*86400
			}); k >= 0 {
				at = time.Unix(all[k].Created-int64(m.Days)*86400, 0).UTC()
			}
		}
		shown = append(shown, exposure.Exposure{Experiment: e.ID, Phase: 2, Variant: v, Unit: u, At: at})
		if len(seen)%50 == 0 { // of another phase, and of another experiment
			shown = append(shown, exposure.Exposure{Experiment: e.ID, Phase: 1, Variant: v, Unit: u, At: at.Add(-time.Hour)},
				exposure.Exposure{Experiment: uuid.New(), Phase: 2, Variant: v, Unit: u, At: at})
		}
	}
	for i := range 40 { // who never bought anything
		shown = append(shown, exposure.Exposure{Experiment: e.ID, Phase: 2, Variant: "offer", Unit: "cus_never" + strconv.Itoa(i), At: began})
	}
	return e, shown
}

func each(shown []exposure.Exposure) iter.Seq2[exposure.Exposure, error] {
	return func(yield func(exposure.Exposure, error) bool) {
		for _, e := range shown {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func alike(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || a == b || math.Abs(a-b) <= 1e-8*max(math.Abs(a), math.Abs(b), 1e-6)
}

func run(t testing.TB, s analysis.Source, q analysis.Question) *analysis.Result {
	t.Helper()
	r, err := analysis.Run(t.Context(), s, q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
