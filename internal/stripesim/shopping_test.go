package stripesim

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func shop(seed uint64) Config {
	return Config{Seed: seed, Counts: Counts{Charges: 10, Customers: 2000, Subscriptions: 2, Prices: 5}, End: end, Frozen: true}
}

func everybody(variant string, addOns ...string) Offer {
	return func(string, []string, time.Time) (string, []string) { return variant, addOns }
}

func month(seed uint64) Shopping {
	return Shopping{
		Seed: seed, From: end.AddDate(0, 0, -30), To: end, Rate: 0.1, Currency: "eur",
		Effects: map[string]Effect{
			"lift": {Lift: 0.05}, "take": {Take: 0.3}, "convert": {Conversion: 0.1}, "refund": {Refunds: 0.1},
		},
	}
}

// What an offer does on average is what was planted, and who isn't shown it, and
// what it doesn't concern, is the same in both worlds.
func TestEffects(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSim(t, shop(1))
	type sums struct{ visits, paid, value, amount, items, refunded float64 }
	world := func(o Offer) (out sums) {
		for seed := range uint64(2) {
			sh := month(seed)
			sh.Offer = o
			for _, v := range must[[]Visit](t)(s.Visits(sh)) {
				out.visits++
				if v.Paid.IsZero() || v.Failed {
					continue
				}
				out.paid++
				out.value += float64(v.Value)
				out.amount += float64(v.Amount)
				out.items += float64(v.Items - len(v.Cart))
				if !v.Refunded.IsZero() {
					out.refunded++
				}
			}
		}
		return out
	}
	near := func(what string, got, want, by float64) {
		t.Helper()
		t.Logf("%s: %.4f, planted %.4f", what, got, want)
		if math.Abs(got-want) > by {
			t.Errorf("%s: %.4f, want %.4f", what, got, want)
		}
	}
	none, unknown := world(nil), world(everybody("nobody knows it", "express"))
	if diff := cmp.Diff(none, unknown, cmp.AllowUnexported(sums{})); diff != "" || none.amount != none.value {
		t.Errorf("an offer without effect has one: %s", diff)
	}
	lift := world(everybody("lift"))
	near("lift", lift.amount/none.amount-1, 0.05, 0.004)
	near("conversion of lift", lift.paid, none.paid, 0)
	take := world(everybody("take", "yoga-bag", "care-kit"))
	near("items taken", take.items/take.paid, 0.6, 0.02)
	near("conversion", (world(everybody("convert")).paid-none.paid)/none.visits, 0.1*(1-0.08), 0.015)
	near("refunds", (world(everybody("refund")).refunded-none.refunded)/none.paid, 0.1, 0.015)
}

// A customer buys like he bought before, whatever the seed: that's what CUPED
// needs.
func TestHabits(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSim(t, shop(1))
	sum := func(seed uint64) map[string]float64 {
		out := map[string]float64{}
		for _, v := range must[[]Visit](t)(s.Visits(month(seed))) {
			out[v.Customer] += float64(v.Amount)
		}
		return out
	}
	a, b := sum(1), sum(2)
	var n, sx, sy, sxx, syy, sxy float64
	for c := range a {
		x, y := a[c], b[c]
		n, sx, sy, sxx, syy, sxy = n+1, sx+x, sy+y, sxx+x*x, syy+y*y, sxy+x*y
	}
	r := (sxy - sx*sy/n) / math.Sqrt((sxx-sx*sx/n)*(syy-sy*sy/n))
	t.Logf("correlation %.2f", r)
	if r < 0.3 {
		t.Errorf("correlation %.2f of two months", r)
	}
}

// What was placed in the account is what was planned, in charges and refunds; cut
// into two it is the same.
func TestShop(t *testing.T) {
	t.Parallel()
	whole, halves := newSim(t, shop(1)), newSim(t, shop(1))
	sh := month(7)
	sh.Offer = everybody("take", "care-kit")
	sh.From, sh.To = end.Truncate(24*time.Hour).AddDate(0, 0, -6), end.Truncate(24*time.Hour).AddDate(0, 0, 6)
	sh.Rate = 0.03
	planned := must[[]Visit](t)(whole.Visits(sh))
	placed := must[[]Visit](t)(whole.Shop(context.Background(), sh))
	a, b := sh, sh
	a.To, b.From = end.Truncate(24*time.Hour), end.Truncate(24*time.Hour)
	again := append(must[[]Visit](t)(halves.Shop(context.Background(), a)), must[[]Visit](t)(halves.Shop(context.Background(), b))...)
	if diff := cmp.Diff(placed, again); diff != "" {
		t.Errorf("cut into two (-whole +halves):\n%s", diff)
	}
	charges, refunds := truths(whole, Charges), 0
	if diff := cmp.Diff(charges, truths(halves, Charges)); diff != "" {
		t.Errorf("charges of the halves (-whole +halves):\n%s", diff)
	}
	var told int
	for i, v := range placed {
		if v.Charge == "" {
			if !v.Paid.IsZero() {
				t.Fatalf("visit %d has no charge", i)
			}
			continue
		}
		var c struct {
			Amount, Created int64
			AmountRefunded  int64 `json:"amount_refunded"`
			Customer        string
			Currency        string
			Status          string
			Metadata        struct{ Items string }
		}
		check(t, json.Unmarshal([]byte(charges[v.Charge]), &c))
		var lines []struct {
			SKU   string
			Qty   int64
			Price int64
		}
		check(t, json.Unmarshal([]byte(c.Metadata.Items), &lines))
		var sum int64
		for _, l := range lines {
			sum += l.Qty * l.Price
		}
		back := !v.Refunded.IsZero() && v.Refunded.Before(sh.To)
		if back {
			refunds++
		}
		if c.Amount != v.Amount || sum != v.Amount || c.Customer != v.Customer || c.Currency != "eur" || c.Created != v.Paid.Unix() ||
			(c.Status == "failed") != v.Failed || (c.AmountRefunded > 0) != back {
			t.Fatalf("charge %s of visit %+v", charges[v.Charge], v)
		}
		if v.Paid.After(end) {
			told++
		}
		v.Charge = ""
		if diff := cmp.Diff(planned[i], v); diff != "" {
			t.Fatalf("visit %d (-planned +placed):\n%s", i, diff)
		}
	}
	charged := slices.DeleteFunc(events(t, whole, "limit=100"), func(e eventJSON) bool { return e.Type != "charge.succeeded" && e.Type != "charge.failed" })
	t.Logf("%d visits, %d charges, %d refunds, %d told of", len(placed), len(charges), refunds, told)
	if refunds == 0 || told == 0 || len(charged) == 0 {
		t.Error("nothing was paid back or told of")
	}
}

// The probabilities of the model are those of the baskets that are drawn.
func TestBestAddOns(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSim(t, shop(1))
	customer := string(s.world.appendCustomerID(nil, 5))
	a, b := s.world.likes(5)
	r := rng{1}
	const n = 50_000
	pairs, first := map[[2]int]float64{}, map[int]float64{}
	for range n {
		basket := s.world.basket(5, &r)
		first[basket[0]]++
		if len(basket) == 2 {
			slices.Sort(basket)
			pairs[[2]int(basket)]++
		}
	}
	seen := 0
	for pair, times := range pairs {
		p := tastes.probability(pair[:], a, b)
		if sd := math.Sqrt(n * p * (1 - p)); times > 30 {
			seen++
			if math.Abs(times-n*p) > 5*sd {
				t.Errorf("%v: %v times, want %.0f ± %.0f", pair, times, n*p, sd)
			}
		}
	}
	var sum float64
	for i := range catalogue {
		sum += tastes.anchor(i, a, b)
		if want := n * tastes.anchor(i, a, b); math.Abs(first[i]-want) > 5*math.Sqrt(want) {
			t.Errorf("anchor %d: %v times, want %.0f", i, first[i], want)
		}
	}
	if seen < 12 || math.Abs(sum-1) > 1e-9 {
		t.Errorf("%d pairs, anchors sum up to %v", seen, sum)
	}
	best := s.BestAddOns(customer, []string{"yoga-bag", "no such thing"}, 3)
	t.Log(best)
	if len(best) != 3 || best[0].P < best[1].P || best[0].P < 0.05 {
		t.Errorf("best %v", best)
	}
}

// Orders of a shop with complements list baskets of the model; all else is as it
// is without.
func TestComplements(t *testing.T) {
	t.Parallel()
	cfg := small(3)
	plain := newSim(t, cfg)
	cfg.Complements = true
	s := newSim(t, cfg)
	orders := 0
	was := truths(plain, Charges)
	for id, raw := range truths(s, Charges) {
		c, old := decoded(t, []byte(raw)), decoded(t, []byte(was[id]))
		if text, ok := c["metadata"].(map[string]any)["items"].(string); ok {
			var lines []struct{ SKU string }
			check(t, json.Unmarshal([]byte(text), &lines))
			for _, l := range lines {
				if _, ok := tastes.index[l.SKU]; !ok {
					t.Fatalf("%s has %q", id, l.SKU)
				}
			}
			orders++
		}
		for _, k := range []string{"amount", "created", "customer", "currency", "status", "amount_refunded"} {
			if c[k] != old[k] {
				t.Fatalf("%s: %s differs", id, k)
			}
		}
	}
	if orders < 400 {
		t.Errorf("%d orders", orders)
	}
}
