package webui_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
)

const offersAPI = "/data/tributary/offers"

// sold copies the account, whose orders name what was bought.
func (w *world) sold(t *testing.T) {
	t.Helper()
	key, err := stripe.ParseKey("sk_test_0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	s := app.Sync{Dir: w.dir, Key: key, URL: w.account, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{Untidy: true}}
	if r, err := s.Run(t.Context()); err != nil || r.Status != app.Complete {
		t.Fatal(r, err)
	}
}

func offerForm(more url.Values) url.Values {
	form := url.Values{
		"key": {"wrap"}, "name": {"Gift wrapping"}, "active": {"true"}, "item": {"gift-wrap", "", "ribbon"}, "item-name": {"Wrapping", "", ""},
		"item-price": {"", "", ""}, "item-amount": {"4.50", "", "3"}, "item-currency": {"EUR", "", "eur"}, "minimum": {"30"}, "currency": {"eur"},
		"contains": {"24-MB01\n\n 24-UG06 "}, "countries": {"de, kr"}, "until": {"2031-01-02"},
	}
	maps.Copy(form, more)
	return form
}

// Offers are added, changed, switched and deleted; what goes together is worked
// out, and a cart is tried.
func TestOfferPages(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.sold(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/offers"), "There are no offers yet", "/ui/offers/new", `href="/ui/offers" aria-current="page"`)
	holds(t, v.page("/ui/offers/try"), "Nothing is recommended yet")
	status, _, body := v.post("/ui/offers/new", url.Values{"item": {"x"}, "item-amount": {"4.505"}, "item-currency": {"eur"}, "minimum": {"3"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a form with little: %d", status)
	}
	holds(t, body, "Give the offer a key", "Give the offer a name", "is no amount of EUR, such as 12.50.", `href="#item-0"`, `id="item-0-error"`, "An amount needs a currency", `value="4.505"`)

	holds(t, v.page(v.must("/ui/offers/new", offerForm(nil))), "The offer was added", "Gift wrapping", "4.50 EUR", "3.00 EUR", "From 30.00 EUR", "With 24-MB01", "DE, KR", "2031-01-02")
	o := items(w.api("GET", offersAPI, nil))[0]
	id := o["id"].(string)
	if second := o["items"].([]any)[1].(map[string]any); fmt.Sprint(second) != "map[amount:300 currency:eur item:ribbon]" {
		t.Errorf("%v", second)
	}
	yen := offerForm(url.Values{"key": {"yen"}, "item": {"ribbon"}, "item-amount": {"300"}, "item-currency": {"jpy"}})
	status, _, body = v.post("/ui/offers/new", yen)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a price that no cart has: %d", status)
	}
	holds(t, body, "conditions.currency is eur: no cart has both")
	yen.Set("currency", "JPY")
	yen.Set("minimum", "5000")
	holds(t, v.page(v.must("/ui/offers/new", yen)), "300 JPY", "From 5,000 JPY")
	w.api("DELETE", offersAPI+"/"+items(w.api("GET", offersAPI, nil))[0]["id"].(string), nil)
	w.api("PATCH", offersAPI+"/"+id, map[string]any{"conditions": map[string]any{
		"currency": "eur", "minimumCart": 3000, "contains": []string{"24-MB01", "24-UG06"}, "countries": []string{"DE", "KR"}, "from": "2026-01-05T06:30:00Z", "until": "2031-01-02T18:00:00Z",
	}})
	holds(t, v.page("/ui/offers/"+id), `value="4.50"`, `value="30.00"`, "24-MB01\n24-UG06</textarea>", `value="2031-01-02"`, "Item 4")
	form := offerForm(url.Values{"version": {"2"}, "from": {"2026-01-06"}, "name": {"Wrapping in paper"}, "minimum": {""}})
	holds(t, v.page(v.must("/ui/offers/"+id, form)), "The offer was changed", "Wrapping in paper", "Carts in eur", "!30.00")
	if c := items(w.api("GET", offersAPI, nil))[0]["conditions"].(map[string]any); c["from"] != "2026-01-06T00:00:00Z" || c["until"] != "2031-01-02T18:00:00Z" {
		t.Errorf("days that were changed and left: %v", c)
	}
	if status, _, body := v.post("/ui/offers/"+id, form); status != http.StatusUnprocessableEntity || !strings.Contains(body, "by now") {
		t.Errorf("a change of what was changed meanwhile: %d", status)
	}
	holds(t, v.page(v.must("/ui/offers/"+id+"/off", nil)), "The offer is off", "/on")
	holds(t, v.page(v.must("/ui/offers/"+id+"/on", nil)), "The offer is on.")

	status, _, body = v.post("/ui/offers/model", url.Values{"metadata": {"nothing"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a model of nothing: %d", status)
	}
	holds(t, body, "no item stands in", `value="nothing"`)
	holds(t, v.page(v.must("/ui/offers/model", url.Values{"metadata": {"items"}, "subscriptions": {"true"}})), "The model was made", "Make it again", `name="subscriptions" value="true" checked`)
	status, _, body = v.post("/ui/offers/try", url.Values{"cart": {"24-MB01"}, "value": {"12"}, "currency": {"eur"}, "country": {"se"}, "customer": {"cus_tried"}})
	if status != http.StatusOK {
		t.Errorf("a cart: %d", status)
	}
	holds(t, body, "bought together with 24-MB01", "It is for other countries", "24-MB01</textarea>", `value="cus_tried"`, "For example: ", "!the best sellers")
	_, _, body = v.post("/ui/offers/try", url.Values{"cart": {"nothing known"}})
	holds(t, body, "so these are the best sellers", "Say the currency of the cart", "!another currency", `name="customer"`)
	_, _, body = v.post("/ui/offers/try", url.Values{"cart": {"24-MB01"}, "currency": {"eur"}, "value": {"12"}})
	holds(t, body, "Say the country")
	status, _, body = v.post("/ui/offers/try", url.Values{"value": {"12"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a worth without a currency: %d", status)
	}
	holds(t, body, `href="#currency">An amount needs a currency`)

	// What an experiment gives is not changed while it runs.
	const trials = "/data/tributary/experiments"
	made := w.api("POST", trials, map[string]any{
		"key": "cart", "name": "Wrapping or not", "measure": map[string]any{"metric": "revenue", "currency": "eur", "days": 14},
		"variants": []any{map[string]any{"key": "a", "weight": 5000}, map[string]any{"key": "b", "weight": 5000, "value": map[string]any{}, "offer": id}},
	}).(map[string]any)
	trial := trials + "/" + made["id"].(string)
	w.api("POST", trial+"/start", nil)
	if status, _, body = v.post("/ui/offers/"+id, offerForm(url.Values{"version": {"5"}, "item-amount": {"4.60", "", "3"}})); status != http.StatusUnprocessableEntity {
		t.Errorf("another price: %d", status)
	}
	holds(t, body, "the experiment &#34;Wrapping or not&#34;, which runs", "begin a new phase", `value="4.60"`)
	if status, _, body = v.post("/ui/offers/"+id+"/off", nil); status != http.StatusConflict || !strings.Contains(body, "switch the experiment off") {
		t.Errorf("off: %d", status)
	}
	w.api("POST", trial+"/stop", nil)

	client, secret := w.integration(access.ViewDatasets)
	viewer := w.signedIn(client, secret)
	holds(t, viewer.page("/ui/offers"), "!/ui/offers/new", "Wrapping in paper", "!/ui/offers/"+id)
	holds(t, viewer.page("/ui/offers/model"), "!Make it again")
	if status, _, _ := viewer.get("/ui/offers/" + id); status != http.StatusForbidden {
		t.Errorf("who may only look changes: %d", status)
	}
	holds(t, v.page(v.must("/ui/offers/"+id+"/delete", nil)), "The offer was deleted", "There are no offers yet")
	if logged := w.log.String(); strings.Contains(logged, "24-MB01") {
		t.Error("a cart stands in the log")
	}
}

// The way from an offer to what goes with a cart, as a browser goes it.
func TestBrowserOffers(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	w.sold(t)
	p := b.Page(t)
	p.Allow("422") // forms that are shown again
	signIn(p, w, w.id, w.secret)

	p.Open(w.url + "/ui/offers/new")
	p.WaitFor("#key")
	p.Fill("#key", "wrap")
	p.Fill("#name", "Gift wrapping")
	p.Click("main form.form button[type=submit]")
	p.WaitFor("[data-error-summary]")
	seen(t, p, "offer")
	p.Fill("#item-0", "gift-wrap")
	p.Fill("#item-0-amount", "4.50")
	p.Fill("#item-0-currency", "eur")
	p.Click("main form.form button[type=submit]")
	p.WaitText("#list", "4.50 EUR")

	p.Open(w.url + "/ui/offers/model")
	p.WaitFor("#metadata")
	p.Click("main form.form button[type=submit]")
	p.WaitFor(".tiles")
	seen(t, p, "offers-model")
	p.Open(w.url + "/ui/offers/try")
	p.WaitFor("#cart")
	p.Fill("#cart", "24-MG04")
	p.Click("main form.form button[type=submit]")
	p.WaitFor("#recommended table")
	seen(t, p, "offers-try")
}
