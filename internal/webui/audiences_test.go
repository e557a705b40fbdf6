package webui_test

import (
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
)

// copied brings a copy of the world's account into the default sandbox.
func (w *world) copied() {
	w.t.Helper()
	operator, err := w.Access.Operator(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(w.sim)
	defer server.Close()
	key, err := stripe.ParseKey("sk_test_0123456789abcdef")
	if err != nil {
		w.t.Fatal(err)
	}
	s := app.Sync{
		Dir: filepath.Join(w.dir, "copies", operator.Sandbox.ID, "acct_1-test"), Key: key, URL: server.URL, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{Untidy: true},
	}
	if done, err := s.Run(w.t.Context()); err != nil || done.Status != app.Complete {
		w.t.Fatal(done, err)
	}
}

// An audience is built from conditions, tried, saved, changed and deleted, and its
// members are shown and exported.
func TestAudiences(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/audiences"), "There is no audience yet", "/ui/audiences/new")
	status, _, body := v.post("/ui/audiences/new", url.Values{"do": {"preview"}, "c0.kind": {"charges"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a preview without a copy: %d", status)
	}
	holds(t, body, "There is no preview", "there is no copy of a Stripe account")
	w.copied()

	holds(t, v.page("/ui/audiences/new"), `name="c0.methods"`, `value="klarna"`, `name="c0.within"`, `value="90"`)
	form := url.Values{"match": {"all"}, "name": {"Payers"}, "c0.kind": {"charges"}, "c0.state": {"paid"}, "c0.count-op": {"atLeast"}, "c0.count": {"1"}}
	with := func(pairs ...string) url.Values {
		f := maps.Clone(form)
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	_, _, body = v.post("/ui/audiences/new", with("do", "add-customer"))
	holds(t, body, `name="c1.createdWithin"`, "Condition 2: the customer", `value="Payers"`)
	_, _, body = v.post("/ui/audiences/new", with("do", "remove-0", "c1.kind", "subscription", "c1.statuses", "active"))
	holds(t, body, "Condition 1: subscriptions", `value="active"`, "!Condition 2")
	_, _, body = v.post("/ui/audiences/new", with("do", "preview", "c0.currency", "usd", "c0.average-op", "above", "c0.average", "0.01"))
	holds(t, body, " customers</span>", "cus_", "average", `value="0.01"`)
	_, _, body = v.post("/ui/audiences/new", with("do", "json", "c0.currency", "usd", "c0.average-op", "above", "c0.average", "0.01"))
	holds(t, body, `value="Payers"`, `name="json"`, "&#34;above&#34;: 1", "!c0.kind")
	_, _, body = v.post("/ui/audiences/new", url.Values{"do": {"conditions"}, "mode": {"json"}, "name": {"Payers"}, "json": {`{"any":[{"not":{"customer":{"countries":["DE"]}}}]}`}})
	holds(t, body, `value="Payers"`, `value="DE"`, `name="c0.not" value="true" checked`, `value="any" selected`, `!name="json"`)
	for _, other := range []string{`{"all":[{"any":[{"charges":{}},{"customer":{}}]}]}`, `{"charges":{"metods":["card"]}}`, `{"all":`} {
		status, _, body = v.post("/ui/audiences/new", url.Values{"do": {"conditions"}, "mode": {"json"}, "name": {"Payers"}, "json": {other}})
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s as conditions: %d", other, status)
		}
		holds(t, body, `value="Payers"`, html.EscapeString(other), "!c0.kind")
	}
	status, _, body = v.post("/ui/audiences/new", with("do", "json", "c0.within", "soon"))
	if status != http.StatusUnprocessableEntity {
		t.Errorf("conditions with a fault as JSON: %d", status)
	}
	holds(t, body, "A number of days is expected", `value="soon"`)
	status, _, body = v.post("/ui/audiences/new", with("do", "save", "name", "", "c0.average", "many", "c0.within", "-1"))
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a form with nothing: %d", status)
	}
	holds(t, body, "Give the audience a name", "A number is expected", "A number of days is expected", "An amount needs a currency", `href="#c0.within"`)

	at := v.must("/ui/audiences/new", with("do", "save", "c1.kind", "customer", "c1.key", "no such key", "c1.not", "true"))
	path, _, _ := strings.Cut(at, "?")
	holds(t, v.page(at), "The audience was added", "Charges that were paid", "at least 1", "This does not hold", "no such key")
	holds(t, v.page(v.must(path+"/materialise", nil)), "The members were worked out", "Up to date", "/members", "Version 1")
	holds(t, v.page("/ui/audiences"), "Payers", "Up to date")
	members := v.page(path + "/members")
	holds(t, members, "cus_", "Member since")
	status, h, body := v.get(path + "/export?format=csv")
	if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") || !strings.HasPrefix(body, "customer,joined_at\r\ncus_") {
		t.Errorf("%d %v %.60s", status, h, body)
	}

	edit := v.page(path + "/edit")
	holds(t, edit, `value="Payers"`, `name="c1.not" value="true" checked`, `value="no such key"`)
	text := v.page(path + "/edit?mode=json")
	holds(t, text, "&#34;atLeast&#34;: 1")
	etag := text[strings.Index(text, `name="etag" value="`)+len(`name="etag" value="`):]
	etag = strings.ReplaceAll(etag[:strings.IndexByte(etag, '>')-1], "&#34;", `"`)
	nested := `{"any":[{"all":[{"charges":{}},{"subscription":{}}]},{"customer":{"createdBefore":3}}]}`
	change := url.Values{"do": {"save"}, "name": {"Others"}, "mode": {"json"}, "json": {nested}, "etag": {etag}}
	holds(t, v.page(v.must(path+"/edit", change)), "The audience was changed", "Others", "created more than 3 days ago", "Version 2")
	if status, _, _ := v.post(path+"/edit", change); status != http.StatusUnprocessableEntity {
		t.Errorf("a change of what was changed meanwhile: %d", status)
	}
	holds(t, v.page(path+"/edit"), `name="json"`, "!c0.kind") // it does not fit into rows
	holds(t, v.page(v.must(path+"/delete", nil)), "The audience was deleted", "There is no audience yet")

	client, secret := w.integration(access.ViewDatasets)
	v = w.signedIn(client, secret)
	holds(t, v.page("/ui/audiences"), "!/ui/audiences/new")
	if status, _, _ := v.get("/ui/audiences/new"); status != http.StatusForbidden {
		t.Errorf("with View Datasets only: %d", status)
	}
}

// The pages of audiences, as a browser has them.
func TestBrowserAudiences(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	w.copied()
	p := b.Page(t)
	signIn(p, w, w.id, w.secret)

	p.Open(w.url + "/ui/audiences")
	p.WaitFor("main .empty")
	seen(t, p, "audiences-empty")
	p.Open(w.url + "/ui/audiences/new")
	p.WaitFor("#add")
	p.Click("button[value=add-customer]")
	p.WaitFor("input[name='c1.key']")
	p.Fill("input[name='c0.methods']", "")
	p.Fill("input[name='c0.within']", "")
	p.Fill("input[name='c1.createdBefore']", "1")
	p.Fill("#name", "Came back")
	p.Click(".form-actions button[value=preview]")
	p.WaitFor("#preview table")
	seen(t, p, "audience-form")
	p.Click(".form-actions button[value=save]")
	p.WaitFor("main .timeline")
	p.Click("form[action$='/materialise'] button")
	p.WaitFor("a[href$='/members']")
	seen(t, p, "audience")
	p.Click("a[href$='/members']")
	p.WaitFor("main table")
	seen(t, p, "audience-members")
	p.Open(w.url + "/ui/audiences")
	p.WaitFor("#list table")
	seen(t, p, "audiences")
}
