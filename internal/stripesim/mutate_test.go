package stripesim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMutateKeepsTheRest(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	for _, r := range Resources() {
		id := s.shelves[r].id(object{pos: 20})
		before := truths(s, r)
		check(t, s.Mutate(r, id, func(map[string]any) {}))
		if diff := cmp.Diff(before, truths(s, r)); diff != "" {
			t.Errorf("%s: a change of nothing (-before +after):\n%s", r, diff)
		}
		check(t, s.Mutate(r, id, func(o map[string]any) { o["description"] = "geändert \"🙂\"\n" }))
		after := truths(s, r)
		changed := after[id]
		after[id] = before[id]
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s: other objects changed:\n%s", r, diff)
		}
		if !strings.Contains(changed, `"description": "geändert \"🙂\"\n"`) || !json.Valid([]byte(changed)) {
			t.Errorf("%s: not changed: %s", r, changed)
		}
		// Field order and formatting stay those of Stripe.
		var old, now []string
		for line := range strings.Lines(before[id]) {
			if !strings.HasPrefix(line, `  "description"`) {
				old = append(old, strings.TrimRight(line, ",\n"))
			}
		}
		for line := range strings.Lines(changed) {
			if !strings.HasPrefix(line, `  "description"`) {
				now = append(now, strings.TrimRight(line, ",\n"))
			}
		}
		if diff := cmp.Diff(old, now); diff != "" {
			t.Errorf("%s: lines changed:\n%s", r, diff)
		}
	}
}

type eventJSON struct {
	ID         string
	Type       string
	Created    int64
	APIVersion string `json:"api_version"`
	Data       struct {
		Object   map[string]any
		Previous map[string]any `json:"previous_attributes"`
	}
}

func events(t *testing.T, s *Sim, query string) []eventJSON {
	t.Helper()
	var l struct{ Data []eventJSON }
	w := request(s, "/v1/events?limit=100&"+query, nil)
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != 200 {
		t.Fatalf("%d %v %s", w.Code, err, w.Body)
	}
	return l.Data
}

func types(list []eventJSON) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, e.Type)
	}
	return slices.Sorted(slices.Values(out))
}

func TestEventsOfChanges(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	customer := must[string](t)(s.Create(Customers, Draft{}))
	sub := must[string](t)(s.Create(Subscriptions, Draft{Customer: customer, Items: 12, Status: "active"}))
	charge := must[string](t)(s.Create(Charges, Draft{Customer: customer, Method: "klarna", Amount: 5000, Status: "succeeded"}))
	refund := must[string](t)(s.Create(Refunds, Draft{Charge: charge, Amount: 2000}))
	check(t, s.SettleRefund(refund, true))
	check(t, s.Mutate(Customers, customer, func(o map[string]any) {
		o["metadata"] = map[string]any{"a": "b"}
		o["preferred_locales"] = []any{"tlh"}
	}))
	check(t, s.Quiet(Customers, customer, func(o map[string]any) { o["balance"] = -100 }))
	check(t, s.Delete(Customers, customer))

	want := []string{
		"charge.refund.updated", "charge.refunded", "charge.succeeded", "customer.created", "customer.deleted", "customer.subscription.created",
		"customer.subscription.deleted", "customer.updated", "refund.created", "refund.updated",
	}
	all := events(t, s, "")
	if diff := cmp.Diff(want, types(all)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, e := range all {
		switch e.Type {
		case "customer.updated":
			if _, ok := e.Data.Previous["preferred_locales"].([]any); !ok || len(e.Data.Previous) != 2 {
				t.Errorf("previous attributes %v", e.Data.Previous)
			}
		case "charge.refunded":
			if e.Data.Previous["amount_refunded"] != 0.0 || e.Data.Object["amount_refunded"] != 2000.0 {
				t.Errorf("refunded charge %v", e.Data.Previous)
			}
		case "customer.subscription.created":
			items := e.Data.Object["items"].(map[string]any)
			if len(items["data"].([]any)) != 10 || items["has_more"] != true {
				t.Error("the event shows more than the first items")
			}
		case "customer.deleted":
			if e.Data.Object["balance"] != -100.0 || e.Data.Object["deleted"] != nil {
				t.Errorf("deleted customer %v", e.Data.Object)
			}
		}
		if e.APIVersion != defaultVersion || e.Created != end.Unix() {
			t.Errorf("event %+v", e)
		}
	}
	if got := head(request(s, "/v1/subscriptions/"+sub, nil).Body.Bytes()).Status; got != "canceled" {
		t.Errorf("the subscription of the deleted customer is %s", got)
	}
	row := decoded(t, request(s, "/v1/refunds/"+refund, nil).Body.Bytes())["balance_transaction"]
	if w := request(s, fmt.Sprint("/v1/balance_transactions/", row), nil); w.Code != 200 || decoded(t, w.Body.Bytes())["source"] != refund {
		t.Errorf("the refund's balance transaction %v: %s", row, w.Body)
	}
}

func TestEventLists(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	for range 30 {
		must[string](t)(s.Create(Customers, Draft{}))
		s.Advance(time.Minute)
	}
	must[string](t)(s.Create(Prices, Draft{}))
	old := events(t, s, "limit=100")[30]
	if n := len(events(t, s, "types[]=customer.created&types[]=price.created")); n != 31 {
		t.Errorf("%d of two types", n)
	}
	if n := len(events(t, s, "type=price.*")); n != 1 {
		t.Errorf("%d prices", n)
	}
	if n := len(events(t, s, fmt.Sprint("created[gte]=", end.Unix()+300))); n != 26 {
		t.Errorf("%d from the fifth minute on", n)
	}
	if w := request(s, "/v1/events/"+old.ID, nil); w.Code != 200 || head(w.Body.Bytes()).ID != old.ID {
		t.Errorf("one event: %d %s", w.Code, w.Body)
	}
	if w := request(s, "/v1/events?"+strings.Repeat("types[]=a&", 21), nil); w.Code != 400 {
		t.Errorf("21 types: %d", w.Code)
	}
	s.Advance(30*24*time.Hour - 15*time.Minute)
	if n := len(events(t, s, "")); n != 15 {
		t.Errorf("%d events younger than 30 days", n)
	}
	if w := request(s, "/v1/events?ending_before="+old.ID, nil); w.Code != 400 || !strings.Contains(w.Body.String(), "aged out of our retention policy") {
		t.Errorf("an aged-out cursor: %d %s", w.Code, w.Body)
	}
}

func TestEventDelay(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.EventDelay = 30 * time.Second
	s := newSim(t, cfg)
	for range 40 {
		must[string](t)(s.Create(Customers, Draft{}))
	}
	now := len(events(t, s, ""))
	s.Advance(30 * time.Second)
	later := events(t, s, "")
	if now > 10 || len(later) != 40 || later[0].Created != end.Unix() {
		t.Errorf("%d events at once, %d after 30 s", now, len(later))
	}
}

func TestCreateFailures(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	failed := must[string](t)(s.Create(Charges, Draft{Status: "failed"}))
	good := must[string](t)(s.Create(Charges, Draft{Status: "succeeded", Method: "card", Amount: 100}))
	errs := map[string]error{}
	_, errs["no charge"] = s.Create(Refunds, Draft{Charge: "ch_nope"})
	_, errs["failed charge"] = s.Create(Refunds, Draft{Charge: failed})
	_, errs["too much"] = s.Create(Refunds, Draft{Charge: good, Amount: 101})
	_, errs["row"] = s.Create(BalanceTransactions, Draft{})
	_, errs["method"] = s.Create(Charges, Draft{Method: "shells"})
	_, errs["status"] = s.Create(Charges, Draft{Status: "lost"})
	errs["delete"] = s.Delete(Customers, "cus_nope")
	errs["mutate"] = s.Mutate(Prices, "price_nope", func(map[string]any) {})
	errs["settle"] = s.SettleCharge(good)
	errs["put"] = s.Put(Charges, []byte("{"))
	errs["value"] = s.Mutate(Charges, good, func(o map[string]any) { o["amount"] = func() {} })
	for name, err := range errs {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	id := must[string](t)(s.Create(Charges, Draft{Status: "succeeded", Method: "card", Amount: 900, Async: true}))
	rows := s.Count(BalanceTransactions)
	if c := decoded(t, request(s, "/v1/charges/"+id, nil).Body.Bytes()); c["balance_transaction"] != nil {
		t.Errorf("captured at once: %v", c["balance_transaction"])
	}
	check(t, s.SettleCharge(id))
	if c := decoded(t, request(s, "/v1/charges/"+id, nil).Body.Bytes()); c["balance_transaction"] == nil || s.Count(BalanceTransactions) != rows+1 {
		t.Error("not captured")
	}
	later := must[string](t)(s.Create(Charges, Draft{Status: "succeeded", Method: "affirm", Amount: 900}))
	refund := must[string](t)(s.Create(Refunds, Draft{Charge: later}))
	if c := decoded(t, request(s, "/v1/charges/"+later, nil).Body.Bytes()); c["refunded"] != true {
		t.Errorf("refunded: %v", c["refunded"])
	}
	check(t, s.SettleRefund(refund, false))
	if c := decoded(t, request(s, "/v1/charges/"+later, nil).Body.Bytes()); c["refunded"] != false || c["amount_refunded"] != 0.0 {
		t.Errorf("after the refund failed: %v", c["amount_refunded"])
	}
}

// Money becomes available by itself, without an event.
func TestPendingBecomesAvailable(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	must[string](t)(s.Create(Charges, Draft{Status: "succeeded"}))
	pending := func() (n int) {
		for truth := range s.Oracle(BalanceTransactions) {
			if head(truth.JSON).Status == "pending" {
				n++
			}
		}
		return n
	}
	before := len(events(t, s, ""))
	if pending() < 2 {
		t.Error("nothing is pending")
	}
	s.Advance(10 * 24 * time.Hour)
	if pending() != 0 || len(events(t, s, "")) != before {
		t.Errorf("%d are pending after ten days", pending())
	}
}

// Subscriptions show their prices as they are now.
func TestPricesAreLive(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	added := must[string](t)(s.Create(Subscriptions, Draft{Items: 25}))
	check(t, s.Mutate(Subscriptions, s.shelves[Subscriptions].id(object{pos: 50}), func(o map[string]any) { o["description"] = "x" }))
	for _, id := range slices.Collect(func(yield func(string) bool) {
		for pos := range s.world.prices {
			if !yield(s.shelves[Prices].id(object{pos: pos})) {
				return
			}
		}
	}) {
		check(t, s.Mutate(Prices, id, func(o map[string]any) { o["nickname"] = "new " + id; o["tiers"] = nil }))
	}
	listed := 0
	for truth := range s.Oracle(Subscriptions) {
		items := decoded(t, truth.JSON)["items"].(map[string]any)["data"].([]any)
		if truth.ID == added && len(items) != 25 {
			t.Errorf("%d items", len(items))
		}
		for _, item := range items {
			for _, k := range []string{"price", "plan"} {
				p := item.(map[string]any)[k].(map[string]any)
				if _, inline := s.world.inline(p["id"].(string)); inline || s.inline[p["id"].(string)] != nil {
					continue
				}
				listed++
				if p["nickname"] != "new "+p["id"].(string) || p["tiers"] != nil {
					t.Fatalf("%s of %s: %v", k, truth.ID, p)
				}
			}
		}
	}
	if listed == 0 {
		t.Error("no subscription has a listed price")
	}
}

func TestPutServesVerbatim(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	victim := s.shelves[Charges].id(object{pos: 30})
	n := s.Count(Charges)
	bad := []string{
		`{"id":"ch_text","object":"charge","amount":"12","created":` + fmt.Sprint(end.Unix()) + `}`,
		`{"id": null, "object":"charge","amount":1,   "created":1}`,
		`{"id":17,"object":"charge"}`,
		`{"id":"` + victim + `","object":"charge","note":"\ud800 \u0000","note":"twice","created":"yesterday"}`,
		`[1,2]`,
		`null`,
	}
	for _, raw := range bad {
		check(t, s.Put(Charges, []byte(raw)))
	}
	if got := s.Count(Charges); got != n+5 {
		t.Errorf("%d charges, want %d", got, n+5)
	}
	found := map[string]bool{}
	for _, raw := range walkAllRaw(t, s) {
		found[raw] = true
	}
	for _, raw := range bad {
		if !found[raw] {
			t.Errorf("not served as it is: %s", raw)
		}
	}
	if w := request(s, "/v1/charges/"+victim, nil); w.Body.String() != bad[3]+"\n" && w.Body.String() != bad[3] {
		t.Errorf("by id: %s", w.Body)
	}
	marked := 0
	for truth := range s.Oracle(Charges) {
		if truth.Verbatim {
			marked++
		}
	}
	if marked != len(bad) {
		t.Errorf("the oracle marks %d objects", marked)
	}
}

// walkAllRaw walks the charges, whose cursors need not be strings, by time.
func walkAllRaw(t *testing.T, s *Sim) []string {
	t.Helper()
	var out []string
	times := map[int64]bool{}
	for truth := range s.Oracle(Charges) {
		times[truth.Created] = true
	}
	for at := range times {
		for _, raw := range list(t, s, fmt.Sprint("/v1/charges?limit=100&created=", at)).Data {
			out = append(out, string(raw))
		}
	}
	return out
}

func TestDeleted(t *testing.T) {
	t.Parallel()
	s := newSim(t, Config{Seed: 1, Counts: Counts{Customers: 1000, Charges: 10}})
	id := s.shelves[Customers].id(object{pos: 3})
	n := s.Count(Customers)
	check(t, s.Delete(Customers, id))
	charge := s.shelves[Charges].id(object{pos: 3})
	check(t, s.Delete(Charges, charge))
	var now, never int
	for truth := range s.Deleted(Customers) {
		if truth.Listed {
			now++
			if truth.ID != id || head(truth.JSON).Object != "customer" {
				t.Errorf("deleted %s", truth.JSON)
			}
		} else {
			never++
		}
	}
	if now != 1 || never == 0 || s.Count(Customers) != n-1 {
		t.Errorf("%d deleted, %d before the start", now, never)
	}
	if _, ok := truths(s, Customers)[id]; ok {
		t.Error("the oracle has the deleted customer")
	}
	if w := request(s, "/v1/charges/"+charge, nil); w.Code != 404 {
		t.Errorf("wiped charge: %d", w.Code)
	}
}
