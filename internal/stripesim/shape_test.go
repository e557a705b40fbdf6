package stripesim

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// has says whether an object has something at a path; arrays are entered at
// their first element.
func has(v any, path ...string) bool {
	for _, k := range path {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if v, ok = m[k]; !ok {
			return false
		}
	}
	return true
}

func TestShapes(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	check(t, s.Discount(Customers, s.shelves[Customers].id(object{pos: 3})))
	ids := map[Resource]string{}
	for _, r := range Resources() {
		ids[r] = s.shelves[r].id(object{pos: 3})
	}
	paths := []struct {
		r    Resource
		path []string
		in   string // of 2020-08-27, 2023-10-16, 2024-06-20, acacia, basil, basil in May, clover, dahlia: where it is
	}{
		{Charges, []string{"invoice"}, "yyyynnnn"},
		{Charges, []string{"refunds", "data"}, "ynnnnnnn"},
		{Subscriptions, []string{"current_period_end"}, "yyyynnnn"},
		{Subscriptions, []string{"discount"}, "yyyynnnn"},
		{Subscriptions, []string{"discounts"}, "nnyyyyyy"},
		{Subscriptions, []string{"billing_thresholds"}, "yyyynyyy"},
		{Subscriptions, []string{"invoice_settings"}, "nnyyyyyy"},
		{Subscriptions, []string{"billing_mode"}, "nnnnnnyy"},
		{Subscriptions, []string{"customer_account"}, "nnnnnnny"},
		{Subscriptions, []string{"items", "data", "current_period_end"}, "nnnnyyyy"},
		{Subscriptions, []string{"items", "data", "billing_thresholds"}, "yyyynyyy"},
		{Subscriptions, []string{"items", "data", "price", "recurring", "aggregate_usage"}, "yyyynnnn"},
		{Subscriptions, []string{"items", "data", "plan", "aggregate_usage"}, "yyyynnnn"},
		{Refunds, []string{"destination_details"}, "nnyyyyyy"},
		{Refunds, []string{"customer"}, "nnnnnnny"},
		{BalanceTransactions, []string{"balance_type"}, "nnnnnyyy"},
		{Customers, []string{"discount", "coupon"}, "yyyyyynn"},
		{Customers, []string{"discount", "source", "coupon"}, "nnnnnnyy"},
	}
	versions := []string{"2020-08-27", "2023-10-16", "2024-06-20", defaultVersion, "2025-03-31.basil", "2025-05-28.basil", "2025-09-30.clover", "2026-08-26.dahlia"}
	for _, tt := range paths {
		t.Run(fmt.Sprint(tt.r, tt.path), func(t *testing.T) {
			t.Parallel()
			for i, version := range versions {
				header := map[string]string{"Stripe-Version": version}
				one := decoded(t, request(s, fmt.Sprintf("/v1/%s/%s", tt.r, ids[tt.r]), header).Body.Bytes())
				if got, want := has(one, tt.path...), tt.in[i] == 'y'; got != want {
					t.Errorf("%s: %v, want %v", version, got, want)
				}
				if !cmp.Equal(listed(t, s, tt.r, ids[tt.r], header), one) {
					t.Errorf("%s: the list shows another shape", version)
				}
			}
		})
	}
}

// listed returns an object as its list shows it.
func listed(t *testing.T, s *Sim, r Resource, id string, header map[string]string) map[string]any {
	t.Helper()
	o, _ := s.shelves[r].get(id)
	path := fmt.Sprintf("/v1/%s?limit=100&created=%d", r, s.shelves[r].createdAt(o))
	switch r {
	case Subscriptions:
		path += "&status=all"
	case Prices:
		path += "&active=" + fmt.Sprint(s.world.prices[o.pos].active)
	}
	w := request(s, path, header)
	var l listJSON
	check(t, json.Unmarshal(w.Body.Bytes(), &l))
	for _, raw := range l.Data {
		if head(raw).ID == id {
			return decoded(t, raw)
		}
	}
	return nil
}

// The account's version renders its events; what is asked for by name does not
// change.
func TestSetAPIVersion(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	pinned := map[string]string{"Stripe-Version": defaultVersion}
	sub := s.shelves[Subscriptions].id(object{pos: 3})
	one := func(h map[string]string) map[string]any {
		return decoded(t, request(s, "/v1/subscriptions/"+sub, h).Body.Bytes())
	}
	before := one(pinned)
	check(t, s.Mutate(Subscriptions, sub, func(o map[string]any) { o["current_period_end"] = 2000000000 }))
	check(t, s.SetAPIVersion("2026-08-26.dahlia"))
	check(t, s.Mutate(Subscriptions, sub, func(o map[string]any) { o["current_period_end"] = before["current_period_end"] }))
	if diff := cmp.Diff(before, one(pinned)); diff != "" {
		t.Errorf("asked for by name (-before +after):\n%s", diff)
	}
	if w := request(s, "/v1/charges", nil); w.Header().Get("Stripe-Version") != "2026-08-26.dahlia" || !has(one(nil), "billing_mode") {
		t.Errorf("default version %s", w.Header().Get("Stripe-Version"))
	}
	told := events(t, s, "type=customer.subscription.updated")
	slices.SortFunc(told, func(a, b eventJSON) int { return order(a.APIVersion < b.APIVersion, a.APIVersion > b.APIVersion) })
	if len(told) != 2 || told[0].APIVersion != defaultVersion || told[1].APIVersion != "2026-08-26.dahlia" {
		t.Fatalf("events %v", told)
	}
	if p := told[0].Data.Previous; len(p) != 1 || !has(p, "current_period_end") {
		t.Errorf("acacia says that %v was different", p)
	}
	if p := told[1].Data.Previous; len(p) != 1 || !has(p, "items", "data", "current_period_end") || has(told[1].Data.Object, "current_period_end") {
		t.Errorf("dahlia says that %v was different", p)
	}
	// Events keep the version that they were rendered in.
	w := request(s, "/v1/events/"+told[0].ID, map[string]string{"Stripe-Version": "2026-08-26.dahlia"})
	if !has(decoded(t, w.Body.Bytes()), "data", "object", "current_period_end") {
		t.Error("an event changed its shape")
	}
}

func TestRefundListOfOldVersions(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	charge := must[string](t)(s.Create(Charges, Draft{Status: "succeeded", Method: "card", Amount: 900}))
	refund := must[string](t)(s.Create(Refunds, Draft{Charge: charge, Amount: 100}))
	o := decoded(t, request(s, "/v1/charges/"+charge, map[string]string{"Stripe-Version": "2020-08-27"}).Body.Bytes())
	list := o["refunds"].(map[string]any)["data"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != refund {
		t.Errorf("refunds %v", list)
	}
}
