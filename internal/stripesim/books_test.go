package stripesim

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// story is a list of versions without their JSON.
func story(s *Sim, r Resource, id string) []string {
	var out []string
	for _, v := range s.Versions(r, id) {
		out = append(out, fmt.Sprint(v.Change, v.Events))
	}
	return out
}

func TestVersions(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Now, cfg.Frozen = end, true
	s := newSim(t, cfg)
	customer := must[string](t)(s.Create(Customers, Draft{}))
	charge := must[string](t)(s.Create(Charges, Draft{Customer: customer, Method: "klarna", Amount: 5000, Status: "succeeded"}))
	refund := must[string](t)(s.Create(Refunds, Draft{Charge: charge, Amount: 2000}))
	s.Advance(time.Hour)
	check(t, s.SettleRefund(refund, false))
	check(t, s.Quiet(Customers, customer, func(o map[string]any) { o["balance"] = -100 }))
	check(t, s.Delete(Customers, customer))
	old := s.shelves[Customers].id(object{pos: 9})
	check(t, s.Mutate(Customers, old, func(o map[string]any) { o["phone"] = "1" }))
	check(t, s.Do(Step{Do: "event", Resource: Customers, Target: old, Type: "customer.updated"})) // of no change
	price := s.shelves[Prices].id(object{pos: 11})
	row := decoded(t, request(s, "/v1/charges/"+charge, nil).Body.Bytes())["balance_transaction"].(string)
	check(t, s.FailRefund(s.shelves[Refunds].id(object{pos: 0})))
	rows := s.Changed(BalanceTransactions)
	atOnce := rows[len(rows)-1] // as the rows of refunds are
	s.Advance(10 * 24 * time.Hour)

	want := map[string][]string{
		"charges/" + charge:              {"created[charge.succeeded]", "changed[charge.refunded]", "changed[charge.updated]"},
		"refunds/" + refund:              {"created[refund.created]", "changed[refund.failed charge.refund.updated]"},
		"customers/" + customer:          {"created[customer.created]", "changed[]", "deleted[customer.deleted]"},
		"customers/" + old:               {"began[]", "changed[customer.updated]"},
		"prices/" + price:                {"began[]"},
		"balance_transactions/" + row:    {"created[]", "changed[]"},
		"balance_transactions/" + atOnce: {"created[]"},
		"charges/ch_nope":                nil,
		"pets/" + customer:               nil,
	}
	got := map[string][]string{}
	for name := range want {
		var r, id string
		for i := range name {
			if name[i] == '/' {
				r, id = name[:i], name[i+1:]
				break
			}
		}
		got[name] = story(s, Resource(r), id)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	versions := s.Versions(Customers, customer)
	if v := versions[2]; v.At != end.Add(time.Hour).Unix() || v.Order <= versions[1].Order || decoded(t, v.JSON)["balance"] != -100.0 {
		t.Errorf("deleted: %+v", v)
	}
	settled := s.Versions(BalanceTransactions, row)
	if a, b := head(settled[0].JSON).Status, head(settled[1].JSON).Status; a != "pending" || b != "available" || settled[1].At <= settled[0].At {
		t.Errorf("balance transaction %s, then %s", a, b)
	}
	if diff := cmp.Diff([]string{customer, old}, s.Changed(Customers)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

// Versions know of changes that come from somewhere else.
func TestVersionsOfSubscriptionsShowPrices(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	id := s.shelves[Subscriptions].id(object{pos: 60})
	before := truths(s, Subscriptions)[id]
	item := decoded(t, []byte(before))["items"].(map[string]any)["data"].([]any)[0].(map[string]any)
	price := item["price"].(map[string]any)["id"].(string)
	rename := func(to string) {
		t.Helper()
		check(t, s.Mutate(Prices, price, func(o map[string]any) { o["nickname"] = to }))
	}
	rename("a")
	a := truths(s, Subscriptions)[id]
	check(t, s.Mutate(Subscriptions, id, func(o map[string]any) { o["description"] = "mine" }))
	mine := truths(s, Subscriptions)[id]
	rename("b")
	b := truths(s, Subscriptions)[id]
	check(t, s.Mutate(Prices, price, func(o map[string]any) { o["currency_options"] = nil })) // not shown in items
	var got []string
	for _, v := range s.Versions(Subscriptions, id) {
		got = append(got, string(v.JSON))
	}
	if diff := cmp.Diff([]string{before, a, mine, b}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	want := []string{"began[]", "changed[]", "changed[customer.subscription.updated]", "changed[]"}
	if diff := cmp.Diff(want, story(s, Subscriptions, id)); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
}

// Whatever is watched of the oracle while an account lives is what the books
// say afterwards.
func TestVersionsTellWhatWasSeen(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			cfg := Config{Seed: seed, Counts: Counts{Charges: 60, Customers: 30, Subscriptions: 15, Prices: 20}, Now: end, End: end, Frozen: true}
			s := newSim(t, cfg)
			rates := Lifelike()
			rates["silent"], rates["silent-price"], rates["silent-delete"] = 3, 1, 0.3
			life := must[*Life](t)(s.Live(seed, rates))
			seen := map[subject][]string{}
			look := func() {
				for _, r := range Resources() {
					for id, json := range truths(s, r) {
						who := subject{r, id}
						if list := seen[who]; len(list) == 0 || list[len(list)-1] != json {
							seen[who] = append(list, json)
						}
					}
				}
			}
			look()
			for range 150 {
				must[Happening](t)(life.Step())
				look()
			}
			now := map[subject]bool{}
			for _, r := range Resources() {
				for id := range truths(s, r) {
					now[subject{r, id}] = true
				}
			}
			changed := map[subject]bool{}
			for _, r := range Resources() {
				for _, id := range s.Changed(r) {
					changed[subject{r, id}] = true
				}
			}
			for who, list := range seen {
				compareStory(t, s, who, list, now[who])
				if len(list) > 1 && who.resource != BalanceTransactions && who.resource != Subscriptions && !changed[who] {
					t.Errorf("%v is not among the changed", who)
				}
			}
			if len(seen) < 200 {
				t.Errorf("only %d objects were seen", len(seen))
			}
		})
	}
}

func compareStory(t *testing.T, s *Sim, who subject, seen []string, there bool) {
	t.Helper()
	var told []string
	versions := s.Versions(who.resource, who.id)
	for i, v := range versions {
		if i > 0 && (v.At < versions[i-1].At || v.Order < versions[i-1].Order) {
			if versions[i-1].Change != Began {
				t.Errorf("%v: version %d is older than the one before", who, i)
			}
		}
		if v.Change != Deleted && (len(told) == 0 || told[len(told)-1] != string(v.JSON)) {
			told = append(told, string(v.JSON))
		}
	}
	if gone := versions[len(versions)-1].Change == Deleted; gone == there {
		t.Errorf("%v: deleted %v, in the oracle %v", who, gone, there)
	}
	if diff := cmp.Diff(seen, told); diff != "" {
		t.Errorf("%v (-seen +told):\n%s", who, diff)
	}
}

func TestLifeRepeats(t *testing.T) {
	t.Parallel()
	long(t)
	live := func(seed uint64) (map[string]string, []string) {
		cfg := small(2)
		cfg.Now, cfg.Frozen, cfg.EventDelay, cfg.Twins = end, true, 30*time.Second, 0.1
		s := newSim(t, cfg)
		life := must[*Life](t)(s.Live(seed, nil))
		for range 6 {
			must[[]Happening](t)(life.Day())
		}
		all := map[string]string{}
		for _, r := range Resources() {
			maps.Copy(all, truths(s, r))
		}
		if s.Now() != end.Add(6*24*time.Hour) {
			t.Errorf("six days later it is %v", s.Now())
		}
		var ids []string
		for _, raw := range walkAll(t, s, "/v1/events", nil, hundred) {
			ids = append(ids, head(raw).ID)
		}
		return all, ids
	}
	a, aEvents := live(5)
	b, bEvents := live(5)
	if diff := cmp.Diff(a, b); diff != "" || !slices.Equal(aEvents, bEvents) {
		t.Errorf("two lives of one seed differ: %s", diff)
	}
	if c, _ := live(6); maps.Equal(a, c) {
		t.Error("another seed makes the same life")
	}
}

// Over two months everything that can happen does, and the account stays sound.
func TestLifeIsSound(t *testing.T) {
	t.Parallel()
	long(t)
	cfg := small(3)
	cfg.Now, cfg.Frozen = end, true
	s := newSim(t, cfg)
	rates := Lifelike()
	rates["silent"], rates["silent-price"], rates["silent-delete"] = 0.5, 0.2, 0.1
	life := must[*Life](t)(s.Live(1, rates))
	counts := map[string]int{}
	late := 0
	for range 60 {
		for _, h := range must[[]Happening](t)(life.Day()) {
			counts[h.What]++
			if h.Late {
				late++
			}
		}
	}
	for name := range rates {
		if counts[name] == 0 {
			t.Errorf("%s never happened", name)
		}
	}
	if late == 0 {
		t.Error("nothing was late")
	}
	rows, refunded := truths(s, BalanceTransactions), map[string]float64{}
	for id, raw := range truths(s, Refunds) {
		o := decoded(t, []byte(raw))
		if o["status"] == "succeeded" || o["status"] == "pending" {
			refunded[o["charge"].(string)] += o["amount"].(float64)
		}
		for _, k := range []string{"balance_transaction", "failure_balance_transaction"} {
			if row, ok := o[k].(string); ok && rows[row] == "" {
				t.Errorf("refund %s: %s %s is not in the account", id, k, row)
			}
		}
	}
	for id, raw := range truths(s, Charges) {
		o := decoded(t, []byte(raw))
		if o["amount_refunded"] != refunded[id] || o["refunded"] != (refunded[id] == o["amount"]) && refunded[id] > 0 {
			t.Errorf("charge %s: %v refunded, its refunds sum up to %v", id, o["amount_refunded"], refunded[id])
		}
		if row, ok := o["balance_transaction"].(string); ok && rows[row] == "" {
			t.Errorf("charge %s: balance transaction %s is not in the account", id, row)
		}
	}
	subs := truths(s, Subscriptions)
	for id, raw := range subs {
		items := decoded(t, []byte(raw))["items"].(map[string]any)
		if n := len(items["data"].([]any)); n == 0 || float64(n) != items["total_count"] {
			t.Errorf("subscription %s: %d items, total_count %v", id, n, items["total_count"])
		}
	}
}

// A day takes a day, whether anything happens on it or not.
func TestQuietDays(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 0.2, 1, 40} {
		s := frozen(t)
		life := must[*Life](t)(s.Live(9, Rates{"customer": rate}))
		for range 5 {
			before := s.Now()
			must[[]Happening](t)(life.Day())
			if d := s.Now().Sub(before); d != 24*time.Hour {
				t.Errorf("at %v a day, a day takes %v", rate, d)
			}
		}
	}
}

func TestLiveRefuses(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	for name, rates := range map[string]Rates{"unknown": {"comets": 1}, "negative": {"charge": -1}} {
		if _, err := s.Live(1, rates); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
