package webui_test

import (
	"testing"
)

// The pages of access and of alerts, as a browser has them.
func TestBrowserAccess(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	p := b.Page(t)
	p.Allow("422") // forms that are shown again
	signIn(p, w, w.id, w.secret)

	p.Open(w.url + "/ui/access/allow-list")
	p.WaitFor("#cidr-sandbox")
	p.Fill("#cidr-sandbox", "203.0.113.0/24")
	p.Click("form[action$='/allow-list/sandbox'] button[type=submit]")
	p.WaitFor("[data-error-summary]")
	seen(t, p, "allow-list")
	w.api("PUT", "/data/foundation/network/allow-lists/sandbox", `{"entries":[{"cidr":"127.0.0.0/8","description":"here"},{"cidr":"203.0.113.0/24","description":"office"}]}`)
	p.Open(w.url + "/ui/access/allow-list")
	p.WaitFor("table form")
	seen(t, p, "allow-list-ranges")

	p.Open(w.url + "/ui/access/audit")
	p.WaitFor("#list table")
	seen(t, p, "audit")

	p.Open(w.url + "/ui/access/roles")
	p.WaitFor("main table")
	seen(t, p, "roles")
	p.Open(w.url + "/ui/access/roles/new")
	p.WaitFor("#name")
	p.Fill("#name", "Watchers")
	p.Click("input[value=view-sources]")
	p.Click("main form.form button[type=submit]")
	p.WaitFor("#subject")
	seen(t, p, "role")

	p.Open(w.url + "/ui/alerts/new?channel=email")
	p.WaitFor("#to")
	seen(t, p, "alert")
	w.api("POST", subscriptionsAPI, `{"name":"Starts of all","channel":"app","kinds":["run-start","drift"]}`)
	p.Open(w.url + "/ui/alerts")
	p.WaitFor("#list table")
	seen(t, p, "alerts")
	id, _ := w.subscriptions()[0]["id"].(string)
	w.api("POST", subscriptionsAPI+"/"+id+"/test", nil)
	p.Open(w.url + "/ui/notifications")
	p.WaitFor("#list form button")
	seen(t, p, "notifications")
	p.Click("#list form button")
	p.WaitText("#list", "Mark as unread")
}
