package stripesim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each change is told by what Stripe tells, and no more.
func TestEventsOfSteps(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		before  func(t *testing.T, s *Sim) // what must have happened
		step    Step
		events  []string
		changes map[Resource]int // objects that are new or different
	}{
		{"dispute", nil, Step{Do: "dispute"}, []string{"charge.dispute.created", "charge.dispute.funds_withdrawn"}, map[Resource]int{Charges: 1, BalanceTransactions: 1}},
		{"evidence", disputed, Step{Do: "evidence"}, []string{"charge.dispute.updated"}, nil},
		{"lost", disputed, Step{Do: "close"}, []string{"charge.dispute.closed"}, map[Resource]int{Charges: 1}},
		{"won", disputed, Step{Do: "close", Won: true}, []string{"charge.dispute.closed", "charge.dispute.funds_reinstated"}, map[Resource]int{Charges: 1, BalanceTransactions: 1}},
		{"review", nil, Step{Do: "review"}, []string{"review.opened"}, map[Resource]int{Charges: 1}},
		{"item", nil, Step{Do: "item"}, []string{"customer.subscription.updated"}, map[Resource]int{Subscriptions: 1}},
		{"renew", nil, Step{Do: "renew"}, []string{
			"charge.succeeded", "customer.subscription.updated", "invoice.created", "invoice.finalized", "invoice.paid", "invoice.payment_succeeded",
		}, map[Resource]int{Charges: 1, BalanceTransactions: 1, Subscriptions: 1, Customers: 1}},
		{"customer's discount", nil, Step{Do: "discount"}, []string{"customer.discount.created"}, map[Resource]int{Customers: 1}},
		{"subscription's discount", nil, Step{Do: "discount", Resource: Subscriptions}, []string{"customer.discount.created"}, map[Resource]int{Subscriptions: 1}},
		{"tax id", nil, Step{Do: "tax-id"}, []string{"customer.tax_id.created"}, map[Resource]int{Customers: 1}},
		{"source", nil, Step{Do: "source"}, []string{"customer.source.created"}, map[Resource]int{Customers: 1}},
		{"payout", nil, Step{Do: "payout"}, []string{"payout.created"}, map[Resource]int{BalanceTransactions: 1}},
		{"recurring price", nil, Step{Do: "delete", Resource: Prices, Target: "oldest"}, []string{"plan.deleted", "price.deleted"}, map[Resource]int{Prices: 1}},
		{"silent", nil, Step{Do: "update", Resource: Charges, Silent: true}, nil, map[Resource]int{Charges: 1}},
		{"stranger", nil, Step{Do: "event", Type: "v2.core.account.updated"}, []string{"v2.core.account.updated"}, nil},
		{"echo", nil, Step{Do: "event", Resource: Refunds, Type: "refund.updated"}, []string{"refund.updated"}, nil},
		{"settled refund", waiting, Step{Do: "settle"}, []string{"charge.refund.updated", "refund.updated"}, map[Resource]int{Refunds: 1, BalanceTransactions: 1}},
		{"failed refund", waiting, Step{Do: "fail", Target: "newest"}, []string{"charge.refund.updated", "charge.updated", "refund.failed"}, map[Resource]int{Refunds: 1, Charges: 1}},
		{"refund fails late", nil, Step{Do: "fail", Target: "oldest"}, []string{"charge.refund.updated", "charge.updated", "refund.failed"}, map[Resource]int{Refunds: 1, Charges: 1, BalanceTransactions: 1}},
		{"in the past", nil, Step{Do: "insert", Resource: Customers, Age: Duration(900 * time.Hour)}, []string{"customer.created"}, map[Resource]int{Customers: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := small(4)
			cfg.Now, cfg.Frozen = end, true
			s := newSim(t, cfg)
			if tt.before != nil {
				tt.before(t, s)
			}
			old := len(events(t, s, ""))
			was := map[Resource]map[string]string{}
			for _, r := range Resources() {
				was[r] = truths(s, r)
			}
			s.Advance(time.Second)
			check(t, s.Do(tt.step))
			told := events(t, s, fmt.Sprint("created[gte]=", s.clock.unix()))
			if diff := cmp.Diff(tt.events, types(told)); diff != "" || len(events(t, s, ""))-old != len(told) {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			for _, r := range Resources() {
				n := 0
				now := truths(s, r)
				for id, json := range now {
					if was[r][id] != json {
						n++
					}
				}
				for id := range was[r] {
					if now[id] == "" {
						n++
					}
				}
				if n != tt.changes[r] {
					t.Errorf("%s: %d changed, want %d", r, n, tt.changes[r])
				}
			}
		})
	}
}

func disputed(t *testing.T, s *Sim) {
	t.Helper()
	check(t, s.Do(Step{Do: "dispute"}))
}

func waiting(t *testing.T, s *Sim) {
	t.Helper()
	charge := must[string](t)(s.Create(Charges, Draft{Method: "zip", Status: "succeeded", Amount: 700}))
	must[string](t)(s.Create(Refunds, Draft{Charge: charge, Amount: 200}))
}

// What happens to a part names the whole: else nothing could be found.
func TestEventsNameTheWhole(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	for _, step := range []Step{
		{Do: "dispute"},
		{Do: "evidence"},
		{Do: "close", Won: true},
		{Do: "review"},
		{Do: "discount"},
		{Do: "discount", Resource: Subscriptions},
		{Do: "tax-id"},
		{Do: "source"},
		{Do: "renew"},
		{Do: "refund"},
	} {
		check(t, s.Do(step))
	}
	known := map[string]Resource{"charge": Charges, "customer": Customers, "subscription": Subscriptions}
	named := map[string]bool{}
	for _, e := range events(t, s, "") {
		for field, r := range known {
			id, ok := e.Data.Object[field].(string)
			if !ok {
				continue
			}
			if w := request(s, fmt.Sprintf("/v1/%s/%s", r, id), nil); w.Code != 200 {
				t.Errorf("%s names %s %s: %d", e.Type, field, id, w.Code)
			}
			named[e.Type+" "+field] = true
		}
	}
	for _, want := range []string{
		"charge.dispute.created charge", "charge.dispute.updated charge", "charge.dispute.closed charge", "review.opened charge",
		"customer.discount.created customer", "customer.discount.created subscription", "customer.tax_id.created customer",
		"customer.source.created customer", "invoice.paid charge", "invoice.paid customer", "invoice.paid subscription", "refund.created charge",
	} {
		if !named[want] {
			t.Errorf("no %s", want)
		}
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	sub := must[string](t)(s.Create(Subscriptions, Draft{Items: 1, Status: "active"}))
	items := func() []any {
		return decoded(t, request(s, "/v1/subscriptions/"+sub, nil).Body.Bytes())["items"].(map[string]any)["data"].([]any)
	}
	first := items()[0].(map[string]any)["id"].(string)
	if _, err := s.ChangeItem(sub, ItemChange{Item: first, Remove: true}); err == nil {
		t.Error("the last item was removed")
	}
	inline := must[string](t)(s.ChangeItem(sub, ItemChange{Quantity: 7}))
	price := items()[1].(map[string]any)["price"].(map[string]any)["id"].(string)
	if w := request(s, "/v1/prices/"+price, nil); w.Code != 200 {
		t.Errorf("the new item's price: %d", w.Code)
	}
	for _, id := range []string{first, inline} {
		if w := request(s, "/v1/subscription_items/"+id, nil); w.Code != 200 || head(w.Body.Bytes()).ID != id {
			t.Errorf("item %s: %d", id, w.Code)
		}
	}
	for range 12 {
		must[string](t)(s.ChangeItem(sub, ItemChange{}))
	}
	if got := decoded(t, request(s, "/v1/subscriptions/"+sub, nil).Body.Bytes())["items"].(map[string]any); len(got["data"].([]any)) != 10 || got["has_more"] != true || got["total_count"] != 14.0 {
		t.Errorf("%d shown, %v more, %v in all", len(got["data"].([]any)), got["has_more"], got["total_count"])
	}
	must[string](t)(s.ChangeItem(sub, ItemChange{Item: first, Remove: true}))
	if w := request(s, "/v1/subscription_items/"+first, nil); w.Code != 404 {
		t.Errorf("the removed item: %d", w.Code)
	}
	for name, c := range map[string]ItemChange{"item": {Item: "si_nope"}, "price": {Price: "price_nope"}, "nothing": {Remove: true}} {
		if _, err := s.ChangeItem(sub, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSignalsRefuse(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	failed := must[string](t)(s.Create(Charges, Draft{Status: "failed"}))
	good := must[string](t)(s.Create(Charges, Draft{Status: "succeeded", Method: "card"}))
	check(t, s.Dispute(good))
	ended := must[string](t)(s.Create(Subscriptions, Draft{Status: "canceled"}))
	_, tell := s.Tell(Event{})
	_, version := s.Tell(Event{Type: "a.b", APIVersion: "2099-01-01"})
	_, object := s.Tell(Event{Type: "a.b", Object: []byte("{")})
	for name, err := range map[string]error{
		"failed charge": s.Dispute(failed), "twice": s.Dispute(good), "no dispute": s.CloseDispute(failed, true), "evidence": s.UpdateDispute(failed),
		"ended": s.Renew(ended, true), "discount": s.Discount(Charges, good), "review": s.Review("ch_nope"), "tax id": s.TaxID("cus_nope"),
		"source": s.Source("cus_nope"), "refund": s.FailRefund("re_nope"), "event": tell, "version": version, "object": object,
		"default version": s.SetAPIVersion("yesterday"), "step": s.Do(Step{Do: "tax-id", Resource: Charges}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTell(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Now, cfg.Frozen = end, true
	s := newSim(t, cfg)
	old := must[string](t)(s.Tell(Event{Type: "nimbus.bent", Created: end.Add(-20 * time.Minute)}))
	later := must[string](t)(s.Tell(Event{Type: "charge.updated", Object: []byte(`{"id":"ch_x","object":"charge"}`), Visible: end.Add(time.Hour), APIVersion: "2022-11-15"}))
	must[string](t)(s.Tell(Event{Type: "charge.updated", Account: "acct_1Other"}))
	must[string](t)(s.Tell(Event{Type: "charge.updated", OtherMode: true}))
	if got := events(t, s, ""); len(got) != 1 || got[0].ID != old || got[0].Created != end.Unix()-1200 {
		t.Errorf("events %+v", got)
	}
	s.Advance(2 * time.Hour)
	if got := events(t, s, ""); len(got) != 2 || got[0].ID != later || got[0].APIVersion != "2022-11-15" {
		t.Errorf("events %+v", got)
	}
	check(t, s.Do(Step{Do: "update", Resource: Charges, Late: Duration(5 * time.Minute)}))
	if got := len(events(t, s, "")); got != 2 {
		t.Errorf("%d events, one of them too early", got)
	}
	s.Advance(5 * time.Minute)
	if got := len(events(t, s, "")); got != 3 {
		t.Errorf("%d events after five minutes", got)
	}
}

// Twins are two events, with ids of their own, of one change.
func TestTwins(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Twins = 1
	s := newSim(t, cfg)
	must[string](t)(s.Create(Customers, Draft{}))
	got := events(t, s, "")
	if len(got) != 2 || got[0].ID == got[1].ID || !cmp.Equal(got[0].Data.Object, got[1].Data.Object) {
		t.Errorf("%d events", len(got))
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	charge := must[string](t)(s.Create(Charges, Draft{Status: "succeeded"}))
	sub := must[string](t)(s.Create(Subscriptions, Draft{Items: 3}))
	_, err := s.ChangeItem(sub, ItemChange{})
	check(t, err)
	var paths []string
	for _, r := range Resources() {
		paths = append(paths, fmt.Sprintf("/v1/%s/%s", r, s.shelves[r].id(object{pos: 5})))
	}
	customer := must[string](t)(s.Create(Customers, Draft{})) // a deleted one would leave a stub
	paths = append(paths, "/v1/customers/"+customer, "/v1/charges/"+charge, "/v1/events/"+events(t, s, "")[0].ID)
	for p := range s.InlinePrices() {
		paths = append(paths, "/v1/prices/"+p.ID)
	}
	for _, path := range paths {
		if w := request(s, path, nil); w.Code != 200 {
			t.Fatalf("before: %s: %d", path, w.Code)
		}
	}
	account, _ := s.Account()
	check(t, s.Do(Step{Do: "wipe"}))
	for _, path := range paths {
		if w := request(s, path, nil); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, name := range []string{"charges", "refunds", "subscriptions?status=all", "balance_transactions", "customers", "prices", "prices?active=false", "events"} {
		if l := list(t, s, "/v1/"+name); len(l.Data) != 0 || l.HasMore {
			t.Errorf("%s: %d objects", name, len(l.Data))
		}
	}
	if got := head(request(s, "/v1/account", nil).Body.Bytes()).ID; got != account {
		t.Errorf("account %s", got)
	}
	if v := s.Versions(Charges, charge); len(v) != 2 || v[1].Change != Deleted || v[1].Events != nil {
		t.Errorf("versions of the wiped charge: %v", story(s, Charges, charge))
	}
	if got := story(s, Customers, s.shelves[Customers].id(object{pos: 5})); !slices.Equal(got, []string{"began[]", "deleted[]"}) {
		t.Errorf("versions of a wiped customer: %v", got)
	}
	must[string](t)(s.Create(Customers, Draft{}))
	if n := s.Count(Customers); n != 1 || len(events(t, s, "")) != 1 {
		t.Errorf("%d customers after the wipe", n)
	}
}

func TestSetNovelty(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	make9 := func() (raw string) {
		for range 9 {
			id := must[string](t)(s.Create(Charges, Draft{}))
			raw += request(s, "/v1/charges/"+id, nil).Body.String()
		}
		return raw
	}
	if raw := make9(); strings.Contains(raw, "nimbus") {
		t.Error("novelty before the switch")
	}
	s.SetNovelty(true)
	raw := make9()
	if strings.Count(raw, `"provenance"`) != 9 || !strings.Contains(raw, `"type": "nimbus_split"`) {
		t.Errorf("no novelty: %.2000s", raw)
	}
	customer := must[string](t)(s.Create(Customers, Draft{}))
	if !strings.Contains(truths(s, Customers)[customer], `"channel": "nimbus"`) {
		t.Error("no novelty of customers")
	}
	s.SetNovelty(false)
	if raw := make9(); strings.Contains(raw, "nimbus") {
		t.Error("novelty after the switch")
	}
}
