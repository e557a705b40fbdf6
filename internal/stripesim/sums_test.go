package stripesim

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// The parts of the account agree with each other: sums, and links both ways.
func TestSums(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSim(t, Config{Seed: 1, Counts: Counts{Charges: 2500, Customers: 500, Subscriptions: 100, Prices: 40}})
	mix := newSim(t, small(4)) // the same after changes
	for range 40 {
		for _, step := range []Step{{Do: "insert", Resource: Charges}, {Do: "refund", Resource: Charges}} {
			if err := mix.Do(step); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sim := range []*Sim{s, mix} {
		refunds := checkRefunds(t, sim)
		rows := checkRows(t, sim)
		for truth := range sim.Oracle(Charges) {
			checkCharge(t, sim, decoded(t, truth.JSON), refunds, rows)
		}
	}
}

func checkRefunds(t *testing.T, s *Sim) map[string]float64 {
	t.Helper()
	sum := map[string]float64{}
	for truth := range s.Oracle(Refunds) {
		f := decoded(t, truth.JSON)
		if f["status"] == "succeeded" || f["status"] == "pending" {
			sum[f["charge"].(string)] += f["amount"].(float64)
		}
		if request(s, "/v1/charges/"+f["charge"].(string), nil).Code != 200 {
			t.Errorf("refund %s of no charge", truth.ID)
		}
	}
	return sum
}

// checkRows returns the rows of the ledger by id.
func checkRows(t *testing.T, s *Sim) map[string]map[string]any {
	t.Helper()
	rows := map[string]map[string]any{}
	for truth := range s.Oracle(BalanceTransactions) {
		b := decoded(t, truth.JSON)
		rows[truth.ID] = b
		var fees float64
		for _, f := range b["fee_details"].([]any) {
			fees += f.(map[string]any)["amount"].(float64)
		}
		if b["net"] != b["amount"].(float64)-b["fee"].(float64) || fees != b["fee"] {
			t.Errorf("row %s: amount %v, fee %v (%v), net %v", truth.ID, b["amount"], b["fee"], fees, b["net"])
		}
		if (b["status"] == "available") != (b["available_on"].(float64) <= float64(s.Now().Unix())) {
			t.Errorf("row %s: %v, available on %v", truth.ID, b["status"], b["available_on"])
		}
	}
	return rows
}

func checkCharge(t *testing.T, s *Sim, c map[string]any, refunds map[string]float64, rows map[string]map[string]any) {
	t.Helper()
	id := c["id"].(string)
	if c["amount"].(float64) < refunds[id] || c["amount_refunded"] != refunds[id] || c["refunded"] != (refunds[id] > 0 && refunds[id] == c["amount"]) {
		t.Errorf("charge %s: amount_refunded %v, refunded %v; its refunds are %v of %v", id, c["amount_refunded"], c["refunded"], refunds[id], c["amount"])
	}
	if txn, ok := c["balance_transaction"].(string); ok {
		row := rows[txn]
		if row == nil || row["source"] != id {
			t.Errorf("charge %s: its balance transaction %s is %v", id, txn, row)
		}
		if row != nil && row["exchange_rate"] == nil && row["amount"] != c["amount"] {
			t.Errorf("charge %s of %v makes a row of %v", id, c["amount"], row["amount"])
		}
	}
	if c["currency"] == "kwd" && int64(c["amount"].(float64))%10 != 0 {
		t.Errorf("charge %s: %v kwd", id, c["amount"])
	}
	if customer, ok := c["customer"].(string); ok && request(s, "/v1/customers/"+customer, nil).Code != 200 {
		t.Errorf("charge %s of no customer %s", id, customer)
	}
	meta := c["metadata"].(map[string]any)
	if text, ok := meta["items"].(string); ok {
		var lines []struct{ Price int64 }
		if err := json.Unmarshal([]byte(text), &lines); err != nil {
			t.Fatalf("charge %s: order lines: %v", id, err)
		}
		var sum int64
		for _, l := range lines {
			sum += l.Price
		}
		if float64(sum) != c["amount"] || fmt.Sprint(len(lines)) != meta["items_count"] {
			t.Errorf("charge %s of %v has lines for %d", id, c["amount"], sum)
		}
	}
}

// A subscription's last invoice is that of its last charge.
func TestInvoices(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSim(t, Config{Seed: 2, Counts: Counts{Charges: 2000, Customers: 300, Subscriptions: 100, Prices: 20}})
	last := map[string]string{} // invoice by customer and time is not in the charge: match by invoice
	for truth := range s.Oracle(Charges) {
		c := decoded(t, truth.JSON)
		if in, ok := c["invoice"].(string); ok {
			last[in] = c["customer"].(string)
		}
	}
	linked := 0
	for truth := range s.Oracle(Subscriptions) {
		sub := decoded(t, truth.JSON)
		if customer, ok := last[sub["latest_invoice"].(string)]; ok {
			linked++
			if customer != sub["customer"] {
				t.Errorf("subscription %s of %v: its last charge is paid by %s", truth.ID, sub["customer"], customer)
			}
		}
	}
	if linked < 30 {
		t.Errorf("%d of 100 subscriptions are linked to a charge", linked)
	}
}

// Ways to pay differ in basket, failures, refunds and buyers who come back.
func TestMethodsDiffer(t *testing.T) {
	t.Parallel()
	long(t)
	s := newSim(t, Config{Seed: 1, Counts: Counts{Charges: 40000, Customers: 8000}})
	type tally struct{ n, failed, refunded, dollars, customers float64 }
	by := map[*method]*tally{}
	seen := map[string]bool{}
	for pos := range s.world.charges {
		c := s.world.chargeAt(pos)
		x := by[c.method]
		if x == nil {
			x = &tally{}
			by[c.method] = x
		}
		x.n++
		x.dollars += float64(c.amount) / c.currency.factor() * c.currency.usd
		if c.status == "failed" {
			x.failed++
		}
		if c.refunded > 0 {
			x.refunded++
		}
		if key := fmt.Sprint(c.method.name, c.customer); c.customer >= 0 && !seen[key] {
			seen[key] = true
			x.customers++
		}
	}
	basket := func(m *method) float64 { return by[m].dollars / by[m].n }
	if basket(affirm) < 3*basket(card) || basket(klarna) < 1.2*basket(card) {
		t.Errorf("baskets: affirm %.0f, klarna %.0f, card %.0f", basket(affirm), basket(klarna), basket(card))
	}
	if by[affirm].failed/by[affirm].n < 2*by[paypal].failed/by[paypal].n {
		t.Error("affirm does not fail more often than paypal")
	}
	if by[klarna].refunded/by[klarna].n < 1.7*by[card].refunded/by[card].n {
		t.Error("klarna is not refunded more often than card")
	}
	if orders := func(m *method) float64 { return by[m].n / by[m].customers }; orders(afterpay) < 1.1*orders(affirm) {
		t.Errorf("afterpay's buyers pay %.2f times, affirm's %.2f", orders(afterpay), orders(affirm))
	}
}

func TestShape(t *testing.T) {
	t.Parallel()
	s := newSim(t, Config{
		Seed: 1, Counts: Counts{Charges: 5000, Customers: 1000, Subscriptions: 1000, Prices: 20},
		Shape: Shape{Burst: 500, HeavyDay: 0.3, Silences: 2},
	})
	day, second := moments(s.world.start, s.world.end)
	for r, n := range map[Resource]int{Charges: 5000, Customers: 1000, Subscriptions: 1000} {
		times := make([]int64, n)
		for pos := range times {
			times[pos] = s.shelves[r].created(pos)
		}
		within := func(from, to int64) int { return before(times, to-1) - before(times, from-1) }
		if got := within(second, second+1); got < 500 {
			t.Errorf("%s: %d in the second of the burst", r, got)
		}
		if got := within(day, day+daySeconds); got < n*3/10 {
			t.Errorf("%s: %d on the heavy day", r, got)
		}
		for _, q := range silences(2, s.world.start, s.world.end) {
			if got := within(q.from, q.to); got > 0 {
				t.Errorf("%s: %d in a silence", r, got)
			}
		}
		if times[0] != s.world.start || times[n-1] != s.world.end {
			t.Errorf("%s: nothing on the first and the last second", r)
		}
	}
	midnight := 0
	for _, at := range s.world.charges {
		if at%daySeconds == 0 {
			midnight++
		}
	}
	if midnight < 5 {
		t.Errorf("%d charges on the first second of a day", midnight)
	}
}

// Lists and retrieval say what the oracle says.
func TestOracleAgreesWithTheAPI(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(7))
	for range 10 {
		for _, step := range []Step{
			{Do: "insert", Resource: Charges},
			{Do: "insert", Resource: Subscriptions},
			{Do: "insert", Resource: Prices},
			{Do: "update", Resource: Prices},
			{Do: "update", Resource: Subscriptions},
			{Do: "update", Resource: BalanceTransactions},
			{Do: "delete", Resource: Customers},
			{Do: "refund", Resource: Charges},
			{Do: "cancel", Resource: Subscriptions},
		} {
			if err := s.Do(step); err != nil {
				t.Fatal(err)
			}
		}
	}
	expand := url.Values{"expand[]": {"data.tiers", "data.currency_options"}}
	for _, r := range Resources() {
		want := truths(s, r)
		queries := []url.Values{{}}
		switch r {
		case Subscriptions:
			queries = []url.Values{{"status": {"all"}}}
		case Prices:
			queries = []url.Values{{"active": {"true"}, "expand[]": expand["expand[]"]}, {"active": {"false"}, "expand[]": expand["expand[]"]}}
		}
		got := 0
		for _, q := range queries {
			for _, raw := range walkAll(t, s, "/v1/"+string(r), q, hundred) {
				got++
				compareWithTruth(t, s, r, raw, want)
			}
		}
		if got != len(want) || got != s.Count(r) {
			t.Errorf("%s: lists show %d, the oracle %d, Count %d", r, got, len(want), s.Count(r))
		}
	}
}

func compareWithTruth(t *testing.T, s *Sim, r Resource, raw json.RawMessage, want map[string]string) {
	t.Helper()
	id := head(raw).ID
	listed := decoded(t, raw)
	if r == Subscriptions {
		completeItems(t, s, listed)
	}
	query := ""
	if r == Prices {
		query = "?expand[]=tiers&expand[]=currency_options"
	}
	single := decoded(t, request(s, "/v1/"+string(r)+"/"+id+query, nil).Body.Bytes())
	if r == Subscriptions {
		completeItems(t, s, single)
	}
	truth := fmt.Sprint(decoded(t, []byte(want[id])))
	if fmt.Sprint(listed) != truth || fmt.Sprint(single) != truth {
		t.Errorf("%s %s\nlist: %v\nget:  %v\ntrue: %v", r, id, listed, single, truth)
	}
}

// completeItems pages the items of a subscription that shows only ten.
func completeItems(t *testing.T, s *Sim, sub map[string]any) {
	t.Helper()
	items := sub["items"].(map[string]any)
	data := items["data"].([]any)
	if items["has_more"] == true && len(data) != shownItems || items["has_more"] == false && len(data) > shownItems {
		t.Errorf("subscription %v shows %d items, has_more %v", sub["id"], len(data), items["has_more"])
	}
	if items["has_more"] == false {
		return
	}
	var all []any
	for _, raw := range walkAll(t, s, "/v1/subscription_items", url.Values{"subscription": {sub["id"].(string)}}, func() int { return 7 }) {
		item := decoded(t, raw)
		all = append(all, item)
		if w := request(s, "/v1/subscription_items/"+item["id"].(string), nil); strings.TrimSpace(w.Body.String()) == "" || w.Code != 200 {
			t.Errorf("item %v cannot be read: %d", item["id"], w.Code)
		}
	}
	items["data"], items["has_more"] = all, false
}
