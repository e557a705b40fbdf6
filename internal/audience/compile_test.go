package audience

import (
	"encoding/json"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var present = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// lived makes an account that lived for a while.
func lived(charges int) func(testing.TB) *stripesim.Sim {
	return func(t testing.TB) *stripesim.Sim {
		t.Helper()
		sim, err := stripesim.New(stripesim.Config{
			Seed: 3, Now: present, Frozen: true, Variety: true,
			Counts: stripesim.Counts{Charges: charges, Customers: charges / 5, Subscriptions: charges / 10, Prices: 20},
		})
		if err != nil {
			t.Fatal(err)
		}
		life, err := sim.Live(3, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			if _, err := life.Day(); err != nil {
				t.Fatal(err)
			}
		}
		copytest.CaptureLess(t, sim, 4, 1500)
		return sim
	}
}

// little is an account that several tests read.
var little = copytest.Shared{Account: lived(40)}

// The account as plain objects, and what a plain evaluation makes of them. It
// shares nothing with the SQL.
type truth struct {
	customers map[string]*shopper
	strangers int // charges of customers that are not there
	prices    []string
}

type shopper struct {
	Created           int64
	Address, Shipping *struct {
		Country *string
		Address *struct{ Country *string }
	}
	Metadata map[string]string

	charges []*payment
	subs    []*contract
}

type payment struct {
	ID, Currency, Status string
	Customer             *string
	Created              int64
	Captured, Disputed   bool
	Amount               int64                    `json:"amount_captured"`
	Billing              struct{ Address place }  `json:"billing_details"`
	Ship                 *struct{ Address place } `json:"shipping"`
	Details              struct {
		Type   string
		Klarna *struct {
			Category *string                  `json:"payment_method_category"`
			Payer    *struct{ Address place } `json:"payer_details"`
		}
		Card *struct {
			Country      *string
			Installments *struct{ Plan *struct{ Count int } }
		}
	} `json:"payment_method_details"`

	paid                   int64
	method, class, country string
	refunded               bool
}

type place struct{ Country *string }

type contract struct {
	Customer, Status string
	Items            struct {
		Data []struct{ Price struct{ ID string } }
	}
}

func each[T any](t *testing.T, sim *stripesim.Sim, r stripesim.Resource, do func(id string, v *T)) {
	t.Helper()
	for o := range sim.Oracle(r) {
		v := new(T)
		if err := json.Unmarshal(o.JSON, v); err != nil {
			t.Fatalf("%s: %v", o.ID, err)
		}
		do(o.ID, v)
	}
}

func truthOf(t *testing.T, sim *stripesim.Sim) *truth {
	t.Helper()
	w := &truth{customers: map[string]*shopper{}}
	each(t, sim, stripesim.Customers, func(id string, s *shopper) { w.customers[id] = s })
	byID := map[string]*payment{}
	each(t, sim, stripesim.Charges, func(id string, p *payment) {
		p.classify()
		byID[id] = p
		if p.Customer == nil {
			return
		}
		if s := w.customers[*p.Customer]; s != nil {
			s.charges = append(s.charges, p)
		} else {
			w.strangers++
		}
	})
	letGo := map[string]bool{}
	each(t, sim, stripesim.BalanceTransactions, func(id string, b *struct {
		Category string `json:"reporting_category"`
	},
	) {
		letGo[id] = b.Category == "partial_capture_reversal"
	})
	each(t, sim, stripesim.Refunds, func(_ string, r *struct {
		Charge, Status string
		Amount         int64
		Row            *string `json:"balance_transaction"`
	},
	) {
		if p := byID[r.Charge]; p != nil && (r.Row == nil || !letGo[*r.Row]) && (r.Status == "succeeded" || r.Status == "pending") && r.Amount > 0 {
			p.refunded = true
		}
	})
	each(t, sim, stripesim.Subscriptions, func(_ string, c *contract) {
		if s := w.customers[c.Customer]; s != nil {
			s.subs = append(s.subs, c)
		}
		for _, i := range c.Items.Data {
			w.prices = append(w.prices, i.Price.ID)
		}
	})
	return w
}

func (p *payment) classify() {
	if p.Status == "succeeded" && p.Captured {
		p.paid = p.Amount
	}
	d := p.Details
	p.method, p.class = d.Type, "other"
	switch {
	case d.Type == "klarna":
		category := ""
		if d.Klarna != nil && d.Klarna.Category != nil {
			category = *d.Klarna.Category
		}
		switch category {
		case "pay_now":
			p.method = "klarna_pay_now"
		case "pay_later", "pay_in_installments", "pay_with_financing":
			p.class = "bnpl"
		default:
			p.class = "bnpl_unknown"
		}
	case d.Type == "card":
		p.class = "card"
		if d.Card != nil && d.Card.Installments != nil && d.Card.Installments.Plan != nil {
			p.method = "card_installments"
		}
	case slices.Contains([]string{"affirm", "afterpay_clearpay", "alma", "billie", "capchase_pay", "kriya", "mondu", "scalapay", "sequra", "sunbit", "zip"}, d.Type):
		p.class = "bnpl"
	}
	places := []*string{p.Billing.Address.Country}
	if p.Ship != nil {
		places = append(places, p.Ship.Address.Country)
	}
	if d.Klarna != nil && d.Klarna.Payer != nil {
		places = append(places, d.Klarna.Payer.Address.Country)
	}
	if d.Card != nil {
		places = append(places, d.Card.Country)
	}
	p.country = first(places...)
}

func first(all ...*string) string {
	for _, s := range all {
		if s != nil {
			return *s
		}
	}
	return "??"
}

func (w *truth) members(p *Predicate, now int64) []string {
	out := []string{}
	for id, s := range w.customers {
		if s.in(p, now) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (s *shopper) in(p *Predicate, now int64) bool {
	some := func(q Predicate) bool { return s.in(&q, now) }
	switch {
	case p.All != nil:
		return !slices.ContainsFunc(p.All, func(q Predicate) bool { return !some(q) })
	case p.Any != nil:
		return slices.ContainsFunc(p.Any, some)
	case p.Not != nil:
		return !s.in(p.Not, now)
	case p.Charges != nil:
		return s.pays(p.Charges, now)
	case p.Customer != nil:
		return s.is(p.Customer, now)
	}
	return slices.ContainsFunc(s.subs, func(c *contract) bool {
		q := p.Subscription
		has := len(q.Prices) == 0
		for _, i := range c.Items.Data {
			has = has || slices.Contains(q.Prices, i.Price.ID)
		}
		return has && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, c.Status))
	})
}

func (s *shopper) pays(q *Charges, now int64) bool {
	var n, sum int64
	for _, p := range s.charges {
		state := p.paid > 0
		switch q.State {
		case "attempted":
			state = true
		case "failed":
			state = p.Status == "failed"
		case "refunded":
			state = state && p.refunded
		case "disputed":
			state = state && p.Disputed
		}
		one := func(all []string, v string) bool { return len(all) == 0 || slices.Contains(all, v) }
		if state && p.Created <= now && one(q.Methods, p.method) && one(q.Classes, p.class) && one(q.Countries, p.country) &&
			(q.Currency == "" || q.Currency == p.Currency) && (q.Within == 0 || p.Created >= now-int64(q.Within)*86_400) {
			n++
			sum += p.paid
		}
	}
	if q.Count == nil && q.Sum == nil && q.Average == nil {
		return n > 0
	}
	return q.Count.holds(big.NewRat(n, 1)) && q.Sum.holds(big.NewRat(sum, 1)) &&
		(q.Average == nil || n > 0 && q.Average.holds(big.NewRat(sum, max(n, 1))))
}

func (b *Bounds) holds(v *big.Rat) bool {
	if b == nil {
		return true
	}
	than := func(n *int64, ok func(int) bool) bool { return n == nil || ok(v.Cmp(big.NewRat(*n, 1))) }
	return than(b.AtLeast, func(c int) bool { return c >= 0 }) && than(b.AtMost, func(c int) bool { return c <= 0 }) &&
		than(b.Above, func(c int) bool { return c > 0 }) && than(b.Below, func(c int) bool { return c < 0 })
}

func (s *shopper) is(q *Customer, now int64) bool {
	if s.Created > now || q.CreatedWithin > 0 && s.Created < now-int64(q.CreatedWithin)*86_400 ||
		q.CreatedBefore > 0 && s.Created >= now-int64(q.CreatedBefore)*86_400 {
		return false
	}
	var places []*string
	if s.Address != nil {
		places = append(places, s.Address.Country)
	}
	if s.Shipping != nil && s.Shipping.Address != nil {
		places = append(places, s.Shipping.Address.Country)
	}
	if len(q.Countries) > 0 && !slices.Contains(q.Countries, first(places...)) {
		return false
	}
	if q.Metadata == nil {
		return true
	}
	v, ok := s.Metadata[q.Metadata.Key]
	return ok && (len(q.Metadata.Values) == 0 || slices.Contains(q.Metadata.Values, v))
}

// drawn draws predicates that an account has members of and others of, hostile
// texts among them.
func drawn(w *truth) *rapid.Generator[Predicate] {
	keys, values := []string{"no such key", `a'b"/~$.*`}, []string{"'; drop table charges --", "$1", `\"`}
	for _, s := range w.customers {
		for k, v := range s.Metadata {
			keys, values = append(keys, k), append(values, v)
		}
	}
	slices.Sort(keys)
	slices.Sort(values)
	bounds := func(most int64) *rapid.Generator[*Bounds] {
		return rapid.Custom(func(t *rapid.T) *Bounds {
			n := rapid.Int64Range(0, most).Draw(t, "n")
			return []*Bounds{{AtLeast: &n}, {AtMost: &n}, {Above: &n}, {Below: &n}}[rapid.IntRange(0, 3).Draw(t, "op")]
		})
	}
	some := func(t *rapid.T, name string, of ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(of), 0, 3).Draw(t, name)
	}
	maybe := func(t *rapid.T, g *rapid.Generator[*Bounds]) *Bounds {
		if rapid.Bool().Draw(t, "bounded") {
			return g.Draw(t, "bounds")
		}
		return nil
	}
	charges := rapid.Custom(func(t *rapid.T) Predicate {
		q := &Charges{
			State: rapid.SampledFrom(append([]string{""}, States...)).Draw(t, "state"), Methods: some(t, "methods", "klarna", "card", "affirm", "klarna_pay_now", "zip", "card_installments"),
			Classes: some(t, "classes", Classes...), Countries: some(t, "countries", "US", "DE", "SE", "??"),
			Currency: rapid.SampledFrom([]string{"", "eur", "usd", "jpy", "kwd"}).Draw(t, "currency"), Within: rapid.SampledFrom([]int{0, 1, 7, 30, 90, 400}).Draw(t, "within"),
		}
		q.Count = maybe(t, bounds(6))
		if q.Currency != "" && q.State != "attempted" && q.State != "failed" {
			q.Sum, q.Average = maybe(t, bounds(40_000)), maybe(t, bounds(20_000))
		}
		return Predicate{Charges: q}
	})
	customer := rapid.Custom(func(t *rapid.T) Predicate {
		q := &Customer{
			CreatedWithin: rapid.SampledFrom([]int{0, 30, 300}).Draw(t, "within"), CreatedBefore: rapid.SampledFrom([]int{0, 30, 300}).Draw(t, "before"),
			Countries: some(t, "countries", "US", "DE", "SE", "??"),
		}
		if rapid.Bool().Draw(t, "metadata") || q.CreatedWithin == 0 && q.CreatedBefore == 0 && len(q.Countries) == 0 {
			q.Metadata = &Metadata{Key: rapid.SampledFrom(keys).Draw(t, "key"), Values: some(t, "values", values...)}
		}
		return Predicate{Customer: q}
	})
	subscription := rapid.Custom(func(t *rapid.T) Predicate {
		return Predicate{Subscription: &Subscription{Statuses: some(t, "statuses", "active", "canceled", "past_due", "trialing"), Prices: some(t, "prices", w.prices...)}}
	})
	leaf := rapid.OneOf(charges, charges, customer, subscription)
	return rapid.Custom(func(t *rapid.T) Predicate {
		var tree func(depth int) Predicate
		tree = func(depth int) Predicate {
			switch k := rapid.IntRange(0, 5).Draw(t, "kind"); {
			case depth == 0 || k < 2:
				return leaf.Draw(t, "leaf")
			case k == 2:
				inner := tree(depth - 1)
				return Predicate{Not: &inner}
			default:
				list := []Predicate{}
				for range rapid.IntRange(1, 3).Draw(t, "n") {
					list = append(list, tree(depth-1))
				}
				if k == 3 {
					return Predicate{Any: list}
				}
				return Predicate{All: list}
			}
		}
		return tree(2)
	})
}

// The members of any predicate are those that a plain evaluation over the
// account's objects finds; and a preview's facts are what it counts.
func TestMembersAreThoseOfTheObjects(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	sim := lived(600)(t)
	w, source := truthOf(t, sim), copytest.Of(t, sim)
	if w.strangers == 0 {
		t.Fatal("no charge is of a customer that was deleted")
	}
	// What was held and let go, and nothing else, is no refund.
	refunded := []string{}
	p, err := Parse([]byte(`{"charges": {"state": "refunded", "count": {"atLeast": 1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := members(t.Context(), source, &p, present, func(id string) error { refunded = append(refunded, id); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.members(&p, present.Unix()), refunded); diff != "" || len(refunded) == 0 {
		t.Fatal(diff)
	}
	predicates, passed, empty, whole := drawn(w), 0, 0, 0
	rapid.Check(t, func(r *rapid.T) {
		if passed == 40 { // each costs a quarter of a second
			return
		}
		p := predicates.Draw(r, "predicate")
		text, err := json.Marshal(p)
		if err != nil {
			r.Fatal(err)
		}
		if p, err = Parse(text); err != nil {
			r.Fatalf("%s: %v", text, err)
		}
		now := present.AddDate(0, 0, rapid.IntRange(-200, 30).Draw(r, "days"))
		got := []string{}
		customers, err := members(t.Context(), source, &p, now, func(id string) error { got = append(got, id); return nil })
		if err != nil {
			r.Fatalf("%s: %v", text, err)
		}
		want := w.members(&p, now.Unix())
		if diff := cmp.Diff(want, got); diff != "" || customers != int64(len(w.customers)) {
			r.Fatalf("%s at %s, of %d customers: %s", text, now, customers, diff)
		}
		passed++
		if len(want) == 0 {
			empty++
		}
		if len(want) == len(w.customers) {
			whole++
		}
		if rapid.IntRange(0, 4).Draw(r, "preview") > 0 {
			return
		}
		seen, err := Try(t.Context(), source, &p, now, 5)
		if err != nil || seen.Size != int64(len(want)) || len(seen.Sample) != min(5, len(want)) {
			r.Fatalf("%s: %v, %d of %d in the preview", text, err, seen.Size, len(want))
		}
		for _, m := range seen.Sample {
			if !slices.Contains(want, m.Customer) {
				r.Fatalf("%s is in the sample and no member", m.Customer)
			}
		}
	})
	if t.Failed() {
		return
	}
	if empty > 34 || whole > 30 {
		t.Errorf("%d predicates have no members and %d have all: they tell little", empty, whole)
	}
}

// Without customers, those that charges name are the ones there are; without
// charges, nothing can be said of them.
func TestPartialCopies(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	sim, _ := little.Copy(t)
	parts := func(resource string) *app.Reader {
		dir := t.TempDir()
		copytest.Into(t, dir, sim, resource)
		return copytest.Open(t, dir)
	}
	source, everybody := parts("charges"), Predicate{Not: &Predicate{Customer: &Customer{CreatedWithin: 1}}}
	seen, err := Try(t.Context(), source, &everybody, present, 3)
	if err != nil || seen.Size == 0 || seen.Size != seen.Customers || !slices.Equal(seen.Missing, []string{"customers"}) {
		t.Errorf("%+v, %v", seen, err)
	}
	source = parts("customers")
	if seen, err = Try(t.Context(), source, &everybody, present, 3); err != nil || seen.Size == 0 || seen.Missing != nil {
		t.Errorf("%+v, %v", seen, err)
	}
	if _, err := Try(t.Context(), source, &Predicate{Charges: &Charges{}}, present, 3); problem.KindOf(err) != problem.NotFound {
		t.Errorf("without charges: %v", err)
	}
}
