package webui_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// variantForm is the form of two variants, as it is sent.
func variantForm(more url.Values) url.Values {
	form := url.Values{
		"name": {"An add-on before checkout"}, "key": {"cart-offer"}, "units": {"customer"}, "from": {"0"}, "to": {"100"},
		"variant": {"none", "wrap", "", ""}, "variant-name": {"", "Gift wrap", "", ""}, "share": {"50", "50", "", ""}, "value": {"", `{"show": true}`, "", ""},
		"offer": {"", "", "", ""}, "recommend": {"", "", "", ""}, "metric": {"revenue"}, "currency": {"EUR"}, "days": {"14"}, "before": {"30"}, "planned": {""},
	}
	maps.Copy(form, more)
	return form
}

// The life of an experiment, by its pages.
func TestExperiments(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/experiments"), "Nothing is compared yet", "/ui/experiments/new")
	holds(t, v.page("/ui/experiments/new"), `value="control"`, `id="variant-3"`, `value="customer" checked`)

	for want, wrong := range map[string]url.Values{
		"Give the experiment a name":        {"name": {" "}},
		"Give the experiment a key":         {"key": {""}},
		"A share is a number":               {"to": {"100.001"}},
		"its share is a number":             {"share": {"50", "half", "", ""}},
		"its value is not JSON":             {"value": {"", "{", "", ""}},
		"the visitor&#39;s id":              {"units": {"visitor"}, "metadata": {""}},
		"A whole number is expected":        {"days": {"soon"}},
		"their weights are 9000 together":   {"share": {"50", "40", "", ""}},
		`href="#variant-1">variants[1].off`: {"offer": {"", "nothing", "", ""}},
		`href="#variant-1">variants[1].val`: {"value": {"false", `"x"`, "", ""}},
		`href="#audience">audience: there`:  {"audience": {"nothing"}},
		`href="#days">measure.days: 0 is`:   {"days": {"0"}},
	} {
		status, _, body := v.post("/ui/experiments/new", variantForm(wrong))
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%v: %d, want %q: %s", wrong, status, want, alerts(body))
		}
		holds(t, body, "Gift wrap", "data-error-summary")
	}

	w.refersByName(t, v)
	to := v.must("/ui/experiments/new", variantForm(nil))
	holds(t, v.page(to), "The experiment was made", ">Draft<", `{&#34;show&#34;:true}`, "Gift wrap", "50%", "Revenue for each unit, EUR", "/start", "!/kill", "!/stop", "Once it is started, a shop asks")
	id := regexp.MustCompile(`/ui/experiments/([0-9a-f-]{36})`).FindStringSubmatch(to)[1]
	page := "/ui/experiments/" + id
	to = v.must(page+"/edit", variantForm(url.Values{"version": {"1"}, "hypothesis": {"More in the cart"}, "share": {"33.34", "66.66", "", ""}, "layer": {"checkout"}, "to": {"50"}}))
	holds(t, v.page(to), "The experiment was changed", "More in the cart", "33.3%", "checkout, 0 to 50 % of it")
	if status, _, body := v.post(page+"/edit", variantForm(url.Values{"version": {"1"}})); status != http.StatusUnprocessableEntity || !strings.Contains(body, "has version 2 by now") {
		t.Errorf("a change of what was changed meanwhile: %d", status)
	}
	holds(t, v.page(v.must(page+"/start", url.Values{"version": {"2"}})), "The experiment runs", ">Running<", "/kill", "/stop", "!/delete", "/phase", w.url+"/ofrep/v1/evaluate/flags/cart-offer \\", "&#34;currency&#34;: &#34;eur&#34;")
	holds(t, v.page(page+"/edit"), "It runs", "!variant-0")
	holds(t, v.page(v.must(page+"/edit", url.Values{"name": {"Another name"}, "hypothesis": {""}})), "Another name", "!More in the cart")
	holds(t, v.page(page+"/phase"), "Units are mixed anew", "variant-0", `value="33.34"`, `!id="units"`)
	holds(t, v.page(v.must(page+"/phase", variantForm(url.Values{"share": {"10", "90", "", ""}}))), "A new phase began", "wrap 90%", "wrap 66.7%")
	holds(t, v.page(v.must(page+"/kill", nil)), "Switched off", "/unkill")
	holds(t, v.page("/ui/experiments"), "Another name", ">Switched off<", "cart-offer")
	holds(t, v.page(v.must(page+"/unkill", nil)), "switched on again")
	holds(t, v.page(v.must(page+"/stop", url.Values{"ship": {"wrap"}})), "The experiment was stopped", "Everybody gets", "/delete")
	if status, _, body := v.post(page+"/stop", nil); status != http.StatusUnprocessableEntity || !strings.Contains(body, "run: it is stopped") {
		t.Errorf("a second stop: %d %s", status, alerts(body))
	}
	holds(t, v.page(v.must(page+"/delete", nil)), "The experiment was deleted", "Nothing is compared yet")

	// Who may look may not change, and is not offered to.
	other := w.signedIn(w.integration(access.ViewDatasets))
	holds(t, other.page("/ui/experiments"), "!/ui/experiments/new")
	if status, _, _ := other.post("/ui/experiments/new", variantForm(nil)); status != http.StatusForbidden {
		t.Errorf("a form of who may only look: %d", status)
	}
}

// refersByName makes an experiment with an audience and an offer: forms offer them,
// and pages tell them, by their names; what is gone stays named.
func (w *world) refersByName(t *testing.T, v *visitor) {
	t.Helper()
	made := func(path string, body any) string { return w.api("POST", path, body).(map[string]any)["id"].(string) }
	audience := made("/data/tributary/audiences", map[string]any{"name": "Regulars", "predicate": map[string]any{"charges": map[string]any{}}})
	offer := made(offersAPI, map[string]any{"key": "ribbon", "name": "A ribbon", "active": true, "items": []any{map[string]any{"item": "ribbon", "amount": 100, "currency": "eur"}}})
	holds(t, v.page("/ui/experiments/new"), `<option value="`+audience+`">Regulars</option>`, `<option value="`+offer+`">A ribbon (ribbon)</option>`)
	holds(t, v.page("/ui/offers/new"), `<option value="`+audience+`">Regulars</option>`)
	page := v.must("/ui/experiments/new", variantForm(url.Values{"key": {"by-name"}, "audience": {audience}, "offer": {"", offer, "", ""}}))
	page, _, _ = strings.Cut(page, "?")
	holds(t, v.page(page), `<a href="/ui/audiences/`+audience+`">Regulars</a>`, `<a href="/ui/offers/`+offer+`">A ribbon (ribbon)</a>`)
	v.must("/ui/offers/"+offer+"/delete", nil)
	holds(t, v.page(page), offer+" (deleted)", "!A ribbon")
	holds(t, v.page(page+"/edit"), `<option value="`+offer+`" selected>`+offer+` (deleted)</option>`, `<option value="`+audience+`" selected>`)
	v.must(page+"/delete", nil)
}

// A key is shown once; the holdout is a share.
func TestDecisionKeys(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/experiments/keys"), "No shop can ask yet")
	if status, _, body := v.post("/ui/experiments/keys", url.Values{"name": {" "}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Give the key a name") {
		t.Errorf("a key without a name: %d", status)
	}
	status, _, body := v.post("/ui/experiments/keys", url.Values{"name": {"The shop"}})
	secret := regexp.MustCompile(`tdk_[0-9a-f]{48}`).FindString(body)
	if status != http.StatusOK || secret == "" {
		t.Fatalf("a new key: %d", status)
	}
	list := v.page("/ui/experiments/keys")
	holds(t, list, "The shop", "tdk_…"+secret[48:], "Never", "!"+secret)
	revoke := regexp.MustCompile(`/ui(/experiments/keys/[0-9a-f-]{36}/revoke)`).FindStringSubmatch(list)[0]
	holds(t, v.page(v.must(revoke, nil)), "The key was revoked", "No shop can ask yet")
	if status, _, body := v.post("/ui/experiments/keys", url.Values{"name": {"The page"}, "origins": {"https://*"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "no origin of web pages") || !strings.Contains(body, "https://*</textarea>") {
		t.Errorf("a key for all pages: %d", status)
	}
	if status, _, body := v.post("/ui/experiments/keys", url.Values{"name": {"The page"}, "origins": {"https://shop.example\nhttps://b.example/"}}); status != http.StatusOK || !strings.Contains(body, "Give it to the shop&#39;s pages") {
		t.Errorf("a key for pages: %d", status)
	}
	holds(t, v.page("/ui/experiments/keys"), "https://shop.example<br>https://b.example<br>", "All experiments")
	if status, _, body := v.post("/ui/experiments/keys", url.Values{"name": {"The page"}, "experiments": {"crat"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "no experiment with the key") || !strings.Contains(body, "crat</textarea>") {
		t.Errorf("a key for an experiment that isn't there: %d", status)
	}
	v.must("/ui/experiments/new", variantForm(nil))
	if status, _, _ := v.post("/ui/experiments/keys", url.Values{"name": {"The cart"}, "experiments": {"cart-offer\n"}}); status != http.StatusOK {
		t.Errorf("a key for an experiment: %d", status)
	}
	holds(t, v.page("/ui/experiments/keys"), "cart-offer<br>")

	holds(t, v.page("/ui/experiments/holdout"), `value="0"`)
	if status, _, _ := v.post("/ui/experiments/holdout", url.Values{"share": {"some"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("no share: %d", status)
	}
	holds(t, v.page(v.must("/ui/experiments/holdout", url.Values{"share": {"2.5"}})), "The holdout was changed", `value="2.5"`, "2.5%")
}
