package stripesim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fieldsOf loads the fields that Stripe's own fixtures of this version have.
func fieldsOf(t *testing.T) map[string]map[string]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/fields.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Objects map[string]map[string]string }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Objects
}

// optional fields are not in the fixtures, or not in every object.
var optional = map[string][]string{
	"refund":            {"description", "failure_reason", "failure_balance_transaction"},
	"price":             {"tiers", "currency_options"},
	"subscription":      {"plan", "quantity"},
	"subscription_item": {"quantity"},
}

func TestObjectsHaveStripesFields(t *testing.T) {
	t.Parallel()
	known := fieldsOf(t)
	for seed := range uint64(4) {
		cfg := small(seed)
		cfg.OddIDs = seed%2 == 0
		s := newSim(t, cfg)
		for _, r := range Resources() {
			for truth := range s.Oracle(r) {
				checkFields(t, known, decoded(t, truth.JSON))
			}
		}
		for truth := range s.InlinePrices() {
			checkFields(t, known, decoded(t, truth.JSON))
		}
	}
}

// checkFields compares an object, and those of Stripe's objects inside it,
// with the fixture of its kind.
func checkFields(t *testing.T, known map[string]map[string]string, o map[string]any) {
	t.Helper()
	kind, _ := o["object"].(string)
	fields := known[kind]
	for name, want := range fields {
		v, ok := o[name]
		if !ok && !slices.Contains(optional[kind], name) {
			t.Errorf("%s %v lacks %s", kind, o["id"], name)
		}
		if got := jsonType(v); ok && v != nil && want != "" && got != want {
			t.Errorf("%s %v: %s is %s, want %s", kind, o["id"], name, got, want)
		}
	}
	for name, v := range o {
		if _, ok := fields[name]; !ok && len(fields) > 0 && !slices.Contains(optional[kind], name) {
			t.Errorf("%s %v has a field that Stripe does not have: %s", kind, o["id"], name)
		}
		checkInside(t, known, v)
	}
}

func checkInside(t *testing.T, known map[string]map[string]string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		checkFields(t, known, v)
	case []any:
		for _, item := range v {
			checkInside(t, known, item)
		}
	}
}

func jsonType(v any) string {
	switch v.(type) {
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	digest := func(seed uint64) string {
		s := newSim(t, small(seed))
		if _, err := s.Create(Charges, Draft{}); err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for _, r := range Resources() {
			for truth := range s.Oracle(r) {
				h.Write(truth.JSON)
			}
		}
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	first := digest(1)
	if again := digest(1); again != first {
		t.Error("one seed made two accounts")
	}
	if first == digest(2) {
		t.Error("two seeds made one account")
	}
}

func TestSizeOfCharges(t *testing.T) {
	t.Parallel()
	s := newSim(t, Config{Seed: 1, Counts: Counts{Charges: 3000, Customers: 800, Subscriptions: 100, Prices: 20}})
	var n, size int
	for truth := range s.Oracle(Charges) {
		n++
		size += len(truth.JSON)
	}
	if mean := size / n; mean < 2300 || mean > 2700 {
		t.Errorf("a charge has %d bytes on average, want about 2,500", mean)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(5))
	shapes := map[Resource]string{
		Charges:             `^(ch|py)_[123][0-9A-Za-z]{5}LkdIwHu7ix[0-9A-Za-z]{8}$`,
		Refunds:             `^(re|pyr)_[123][0-9A-Za-z]{5}LkdIwHu7ix[0-9A-Za-z]{8}$`,
		BalanceTransactions: `^txn_[123][0-9A-Za-z]{5}LkdIwHu7ix[0-9A-Za-z]{8}$`,
		Subscriptions:       `^sub_[123][0-9A-Za-z]{5}LkdIwHu7ix[0-9A-Za-z]{8}$`,
		Prices:              `^price_[123][0-9A-Za-z]{5}LkdIwHu7ix[0-9A-Za-z]{8}$`,
		Customers:           `^cus_[0-9A-Za-z]{14}$`,
	}
	for r, shape := range shapes {
		var ids []string
		for truth := range s.Oracle(r) {
			ids = append(ids, truth.ID)
			if !regexp.MustCompile(shape).MatchString(truth.ID) {
				t.Fatalf("%s: id %s", r, truth.ID)
			}
		}
		if slices.IsSorted(ids) {
			t.Errorf("ids of %s sort by time", r)
		}
		slices.Sort(ids)
		if len(slices.Compact(slices.Clone(ids))) != len(ids) {
			t.Errorf("an id of %s occurs twice", r)
		}
	}
}

func TestOddIDs(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.OddIDs = true
	s := newSim(t, cfg)
	ids := map[string]bool{}
	var long, text, twins int
	for truth := range s.Oracle(Customers) {
		ids[truth.ID] = true
		if w := request(s, "/v1/customers/"+urlPath(truth.ID), nil); w.Code != 200 || head(w.Body.Bytes()).ID != truth.ID {
			t.Errorf("customer %q cannot be read: %d", truth.ID, w.Code)
		}
	}
	for id := range ids {
		flipped := []byte(id)
		flipCase(flipped[min(4, len(id)):])
		switch {
		case len(id) > 200:
			long++
		case strings.Contains(id, " "):
			text++
		case ids[string(flipped)]:
			twins++
		}
	}
	if long == 0 || text == 0 || twins < 2 {
		t.Errorf("%d long ids, %d free texts, %d that differ in case only", long, text, twins)
	}
}

func urlPath(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// Even a small shop has what a connector stumbles over.
func TestVariety(t *testing.T) {
	t.Parallel()
	cfg := Config{Seed: 1, Novelty: true, Counts: Counts{Charges: 5000, Customers: 1000, Subscriptions: 500, Prices: 60}}
	s := newSim(t, cfg)
	seen := map[string]int{}
	for truth := range s.Oracle(Charges) {
		o := decoded(t, truth.JSON)
		details := o["payment_method_details"].(map[string]any)
		kind := details["type"].(string)
		seen[kind]++
		seen["charge "+o["status"].(string)]++
		seen["currency "+o["currency"].(string)]++
		if k, ok := details["klarna"].(map[string]any); ok {
			seen[fmt.Sprint("klarna ", k["payment_method_category"])]++
		}
	}
	for truth := range s.Oracle(Subscriptions) {
		o := decoded(t, truth.JSON)
		seen["subscription "+o["status"].(string)]++
		seen[fmt.Sprint("items ", len(o["items"].(map[string]any)["data"].([]any)))]++
	}
	for truth := range s.Oracle(Prices) {
		p := decoded(t, truth.JSON)
		seen[fmt.Sprint("price active ", p["active"])]++
		seen[fmt.Sprint("price ", p["type"], " ", p["billing_scheme"], " ", p["unit_amount_decimal"])]++
		if strings.Contains(string(truth.JSON), `"up_to": null`) {
			seen["endless tier"]++
		}
	}
	for truth := range s.Oracle(BalanceTransactions) {
		b := decoded(t, truth.JSON)
		seen[fmt.Sprint("row ", b["type"])]++
		seen[fmt.Sprint("row ", b["status"])]++
	}
	for range s.InlinePrices() {
		seen["inline price"]++
	}
	want := []string{
		"card", "klarna", "afterpay_clearpay", "affirm", "zip", "paypal", "link", "ideal", "nimbus_split",
		"klarna pay_later", "klarna pay_now", "klarna pay_in_installments", "klarna pay_with_financing", "klarna <nil>",
		"charge succeeded", "charge failed", "charge pending", "charge partially_settled",
		"currency usd", "currency eur", "currency gbp", "currency jpy", "currency krw", "currency sek", "currency aud", "currency kwd",
		"items 1", "items 10", "items 11", "items 25", "price active false", "price recurring per_unit 0.05", "endless tier",
		"row charge", "row payment", "row refund", "row payment_refund", "row refund_failure", "row payout", "row stripe_fee",
		"row adjustment", "row pending", "row available", "inline price",
	}
	for _, state := range subscriptionStatuses {
		want = append(want, "subscription "+state)
	}
	for _, k := range want {
		if seen[k] == 0 {
			t.Errorf("no %s", k)
		}
	}
	if share := float64(seen["subscription canceled"]) / 500; share < 0.25 || share > 0.37 {
		t.Errorf("%.0f %% of the subscriptions are canceled", 100*share)
	}
}

// With variety there are orders by rarer methods, and in currencies without
// decimals and with three, settled and refunded like all others.
func TestRarer(t *testing.T) {
	t.Parallel()
	count := func(variety bool) map[string]int {
		s := newSim(t, Config{Seed: 1, Variety: variety, Counts: Counts{Charges: 3000, Customers: 500}})
		n := map[string]int{}
		for pos := range s.world.charges {
			c := s.world.chargeAt(pos)
			n[c.method.name]++
			n[c.currency.code]++
			if c.disputed {
				n["disputed"]++
			}
			if c.currency.exponent == 3 && c.amount%10 != 0 {
				t.Errorf("%d %s: the last of three digits is not 0", c.amount, c.currency.code)
			}
		}
		return n
	}
	with, without := count(true), count(false)
	for _, name := range []string{"alma", "billie", "scalapay", "sunbit", "bhd"} {
		if with[name] < 30 || without[name] > 0 {
			t.Errorf("%s: %d, without variety %d", name, with[name], without[name])
		}
	}
	if with["jpy"] <= without["jpy"] || with["kwd"] <= without["kwd"] || with["disputed"] < 3*without["disputed"] {
		t.Errorf("with %v, without %v", with, without)
	}
}
