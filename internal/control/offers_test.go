package control_test

import (
	"encoding/json"
	"iter"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/offer"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// basketShop is a simulated account whose orders have things that go together, and what
// copies it.
func basketShop(t *testing.T, dir string) (*stripesim.Sim, app.Sync) {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{
		Seed: 1, Complements: true, Frozen: true, End: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		Counts: stripesim.Counts{Charges: 1500, Customers: 200, Subscriptions: 30, Prices: 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	key, err := stripe.ParseKey(sim.Key())
	if err != nil {
		t.Fatal(err)
	}
	return sim, app.Sync{Dir: dir, Key: key, URL: server.URL, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{Untidy: true}}
}

func pass(t *testing.T, s app.Sync) {
	t.Helper()
	if r, err := s.Run(t.Context()); err != nil || r.Status != app.Complete {
		t.Fatal(r, err)
	}
}

// A catalog of offers, checked against the prices of the copy, and a model of its
// orders: tried, asked as decisions ask, made again when the copy changes, and
// forgotten.
func TestOffers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	dir := t.TempDir()
	sim, copying := basketShop(t, dir)
	pass(t, copying)
	p := start(t, dir, "")
	c := p.admin(t)
	const base = "/data/tributary/offers"
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sandbox := operator.Sandbox.ID

	var active, retired string
	var amount float64
	type priced struct {
		Active   bool
		Currency string
		Options  map[string]struct {
			Amount *float64 `json:"unit_amount"`
		} `json:"currency_options"`
	}
	options := 0
	prices := map[string]priced{}
	for _, all := range []iter.Seq[stripesim.Truth]{sim.Oracle(stripesim.Prices), sim.InlinePrices()} {
		for truth := range all {
			var one priced
			if err := json.Unmarshal(truth.JSON, &one); err != nil {
				t.Fatal(err)
			}
			prices[truth.ID] = one
		}
	}
	for truth := range sim.Oracle(stripesim.Prices) {
		var price map[string]any
		if err := json.Unmarshal(truth.JSON, &price); err != nil {
			t.Fatal(err)
		}
		unit, plain := price["unit_amount"].(float64)
		switch {
		case price["active"] == false && plain:
			retired = truth.ID
		case plain && active == "":
			active, amount = truth.ID, unit
		}
	}
	draft := func(price string) map[string]any {
		return map[string]any{
			"key": "wrap", "name": "Gift wrapping", "active": true, "items": []any{map[string]any{"item": "gift-wrap", "price": price}},
			"conditions": map[string]any{"currency": "eur", "minimumCart": 3000, "contains": []string{"yoga-bag"}},
		}
	}
	for price, says := range map[string]string{"price_none": "no price", retired: "not active"} {
		if r := c.do("POST", base, draft(price)); r.status != 400 || !strings.Contains(string(r.body), says) {
			t.Errorf("%s: %d %s", price, r.status, r.body)
		}
	}
	for id, price := range prices {
		for currency, option := range price.Options {
			if !price.Active || currency == price.Currency || option.Amount == nil {
				continue
			}
			item := map[string]any{"item": "gift-wrap", "price": id, "currency": currency, "amount": 1}
			o := map[string]any{"key": "option", "name": "x", "active": true, "items": []any{item}}
			if item["currency"] = "xxx"; c.do("POST", base, o).status != 400 {
				t.Errorf("%s is sold in xxx", id)
			}
			item["currency"] = currency
			kept := c.must(201, "POST", base, o).json(t)
			if got := kept["items"].([]any)[0].(map[string]any); got["amount"] != *option.Amount || got["currency"] != currency {
				t.Errorf("%v, want %v %s", got, *option.Amount, currency)
			}
			c.must(204, "DELETE", base+"/"+kept["id"].(string), nil)
			options++
		}
	}
	if options == 0 {
		t.Error("no price has several currencies")
	}
	made := c.must(201, "POST", base, draft(active))
	id, tag := made.json(t)["id"].(string), made.header.Get("Etag")
	if item := made.json(t)["items"].([]any)[0].(map[string]any); item["amount"] != amount {
		t.Errorf("%v, want the price's %v", item, amount)
	}
	if r := c.do("POST", base, draft(active)); r.status != 409 {
		t.Errorf("the same key: %d %s", r.status, r.body)
	}
	if r := c.must(200, "PATCH", base+"/"+id, map[string]any{"name": "Wrapping"}, "If-Match", tag); r.header.Get("Etag") == tag {
		t.Error("the ETag is still the same")
	}
	if r := c.do("PATCH", base+"/"+id, map[string]any{"name": "x"}, "If-Match", tag); r.status != 412 {
		t.Errorf("an old ETag: %d", r.status)
	}
	if v := c.must(200, "GET", base+"/"+id+"/versions", nil).json(t)["items"].([]any); len(v) != 2 {
		t.Errorf("%d versions", len(v))
	}

	c.must(404, "GET", base+"/model", nil)
	c.must(404, "GET", base+"/recommendations?cart=yoga-bag", nil)
	if r := c.do("POST", base+"/model", map[string]any{"metadata": "no such key"}); r.status != 400 {
		t.Errorf("of nothing: %d %s", r.status, r.body)
	}
	model := c.must(200, "POST", base+"/model", map[string]any{"metadata": "items"}).json(t)
	if model["items"] != 72.0 || model["orders"].(float64) < 900 || model["cutShort"] != 0.0 {
		t.Errorf("model %v", model)
	}
	tried := c.must(200, "POST", base+"/recommendations", map[string]any{"customer": "cus_1", "cart": []string{"yoga-bag"}, "n": 3, "value": 2000, "currency": "eur"})
	var got struct {
		Recommendations []struct {
			Item   string
			Reason struct {
				With       string
				Lift       float64
				Confidence float64
			}
		}
		Offers []struct {
			Fits bool
			Why  string
		}
	}
	if err := json.Unmarshal(tried.body, &got); err != nil {
		t.Fatal(err)
	}
	best := sim.BestAddOns("", []string{"yoga-bag"}, 1)[0].SKU
	if len(got.Recommendations) != 3 || got.Recommendations[0].Item != best || got.Recommendations[0].Reason.With != "yoga-bag" || got.Recommendations[0].Reason.Lift < 2 {
		t.Errorf("want %s first: %s", best, tried.body)
	}
	if len(got.Offers) != 1 || got.Offers[0].Fits || got.Offers[0].Why != "minimumCart" {
		t.Errorf("%s", tried.body)
	}
	if r := c.do("GET", base+"/recommendations?customer=cus_1", nil); r.status != 400 {
		t.Errorf("a customer in an address: %d", r.status)
	}

	// As decisions ask; from the file, too.
	again := &offer.Service{DB: p.DB, Dir: dir, Open: p.Offers.Open, Operator: p.Offers.Operator, Now: time.Now, Log: p.Offers.Log}
	for _, s := range []*offer.Service{p.Offers, again} {
		visit := offer.Visit{Customer: "cus_1", Cart: offer.Cart{Items: []string{"yoga-bag"}, Value: 3000, Currency: "eur"}}
		text, why, err := s.Give(t.Context(), sandbox, id, visit)
		if err != nil || why != "" || !strings.Contains(string(text), `"name":"Wrapping"`) {
			t.Errorf("%s %q %v", text, why, err)
		}
		recommended, err := s.Recommend(t.Context(), sandbox, visit, 2)
		if err != nil || len(recommended) != 2 || recommended[0].Item != best {
			t.Errorf("%v %v", recommended, err)
		}
	}
	variant := func(key string) map[string]any {
		return map[string]any{"key": key, "weight": 5000, "value": map[string]any{"show": true}, "offer": id, "recommend": 2}
	}
	trial := c.must(201, "POST", "/data/tributary/experiments", map[string]any{
		"key": "cart", "name": "cart", "variants": []any{variant("a"), variant("b")}, "measure": map[string]any{"metric": "revenue", "currency": "eur", "days": 14},
	}).json(t)["id"].(string)
	c.must(200, "POST", "/data/tributary/experiments/"+trial+"/start", nil)
	key := c.must(201, "POST", "/data/tributary/experiments/keys", map[string]any{"name": "The shop"}).json(t)["key"].(string)
	if status, said := p.decide(t, key, "/cart", `{"context": {"targetingKey": "cus_2", "cart": ["yoga-bag"], "cartValue": 2999, "currency": "eur"}}`); status != 200 ||
		!strings.Contains(said, `"offer":null`) || !strings.Contains(said, `"withheld":"minimumCart"`) || strings.Contains(said, "Wrapping") {
		t.Errorf("a cart that is worth less: %d %s", status, said)
	}
	if r := c.do("DELETE", base+"/"+id, nil); r.status != 409 {
		t.Errorf("an offer that an experiment gives was deleted: %d %s", r.status, r.body)
	}
	status, said := p.decide(t, key, "/cart", `{"context": {"targetingKey": "cus_1", "cart": ["yoga-bag"], "cartValue": 3000, "currency": "EUR"}}`)
	if status != 200 || !strings.Contains(said, `"name":"Wrapping"`) || !strings.Contains(said, `"recommendations":[{"item":"`+best+`"`) {
		t.Errorf("a decision: %d %s", status, said)
	}
	for _, change := range []map[string]any{{"active": false}, {"conditions": map[string]any{}}} {
		if r := c.do("PATCH", base+"/"+id, change); r.status != 409 || !strings.Contains(string(r.body), "begin a new phase") {
			t.Errorf("an offer that an experiment gives was changed by %v: %d %s", change, r.status, r.body)
		}
	}
	c.must(200, "POST", "/data/tributary/experiments/"+trial+"/stop", map[string]any{"ship": "a"})
	if r := c.do("DELETE", base+"/"+id, nil); r.status != 409 {
		t.Errorf("an offer that all are given was deleted: %d %s", r.status, r.body)
	}
	c.must(200, "PATCH", base+"/"+id, map[string]any{"active": false})
	if text, why, err := p.Offers.Give(t.Context(), sandbox, id, offer.Visit{}); text != nil || why != "active" || err != nil {
		t.Errorf("one that is not active: %s %q %v", text, why, err)
	}

	// Prices of subscriptions are recommended where they can be bought.
	c.must(200, "POST", base+"/model", map[string]any{"subscriptions": true, "options": map[string]any{"minSupport": 1}})
	recommended := 0
	for cart := range prices {
		for _, currency := range []string{"", "usd", "eur"} {
			all, err := p.Offers.Recommend(t.Context(), sandbox, offer.Visit{Cart: offer.Cart{Items: []string{cart}, Currency: currency}}, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				_, option := prices[r.Item].Options[currency]
				if !prices[r.Item].Active || currency != "" && prices[r.Item].Currency != currency && !option {
					t.Errorf("in %q: %s, %+v", currency, r.Item, prices[r.Item])
				}
			}
			recommended += len(all)
		}
	}
	if recommended == 0 {
		t.Error("no price is recommended")
	}
	c.must(200, "POST", base+"/model", map[string]any{"metadata": "items"})

	// The copy changes: the model follows. Nothing names a customer.
	before := file(t, dir, sandbox)
	if err := p.Offers.Refresh(t.Context()); err != nil || file(t, dir, sandbox) != before {
		t.Errorf("the same copy made another model: %v", err)
	}
	now := sim.Now()
	c.must(200, "PATCH", base+"/"+id, map[string]any{"active": true})
	if err := sim.Mutate(stripesim.Prices, active, func(price map[string]any) { price["active"] = false }); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Shop(t.Context(), stripesim.Shopping{Seed: 1, From: now, To: now.AddDate(0, 0, 10), Rate: 0.05}); err != nil {
		t.Fatal(err)
	}
	p.stop()
	pass(t, copying)
	p = start(t, dir, "")
	if err := p.Offers.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	fits := offer.Visit{Cart: offer.Cart{Items: []string{"yoga-bag"}, Value: 3000, Currency: "eur"}}
	if text, why, err := p.Offers.Give(t.Context(), sandbox, id, fits); text != nil || why != "price" || err != nil {
		t.Errorf("one whose price is not sold any more: %s %q %v", text, why, err)
	}
	after := file(t, dir, sandbox)
	if after == before {
		t.Error("the model is that of before")
	}
	text, err := os.ReadFile(after)
	if err != nil || strings.Contains(string(text), "cus_") {
		t.Errorf("the model names customers: %v", err)
	}
	if _, err := p.Offers.Forget(t.Context(), operator.Scope(), "cus_1"); err != nil || file(t, dir, sandbox) == after {
		t.Errorf("forgetting made no other model: %v", err)
	}
	c = p.admin(t)
	c.must(204, "DELETE", base+"/model", nil)
	if names, _ := filepath.Glob(filepath.Join(dir, "offers", sandbox, "*")); len(names) != 0 {
		t.Errorf("left: %v", names)
	}
	c.must(204, "DELETE", "/data/tributary/experiments/"+trial, nil)
	c.must(204, "DELETE", base+"/"+id, nil)
	c.must(404, "GET", base+"/"+id, nil)
}

// file returns the name of the one model that there is.
func file(t *testing.T, dir, sandbox string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "offers", sandbox, "*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("models %v %v", names, err)
	}
	return names[0]
}
