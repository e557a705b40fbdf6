package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

const subscriptionsAPI = "/data/infrastructure/observability/alerts/subscriptions"

// subscriptions are those that there are.
func (w *world) subscriptions() []map[string]any { return items(w.api("GET", subscriptionsAPI, nil)) }

// Subscriptions are added, changed, switched, tried and deleted.
func TestAlerts(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/alerts"), "Nobody asked to be told yet", "/ui/alerts/new")
	holds(t, v.page("/ui/alerts/new"), `name="kinds" value="run-delay" checked`, `name="kinds" value="run-start">`, "!E-mail addresses")
	holds(t, v.page("/ui/alerts/new?channel=email"), "E-mail addresses", `name="delivery"`)

	status, _, body := v.post("/ui/alerts/new", url.Values{"channel": {"app"}, "name": {" "}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a form with nothing: %d", status)
	}
	holds(t, body, "Give the subscription a name", `href="#kinds"`)
	status, _, body = v.post("/ui/alerts/new", url.Values{"channel": {"email"}, "name": {"x"}, "kinds": {"drift"}, "to": {"ops@example.com"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "sends no mail") {
		t.Errorf("mail where there is none: %d %s", status, alerts(body))
	}
	holds(t, body, "ops@example.com</textarea>")

	body = v.page(v.must("/ui/alerts/new", url.Values{"channel": {"app"}, "name": {"Starts"}, "kinds": {"run-start", "drift", "nonsense"}, "flows": {"f-1"}}))
	holds(t, body, "The subscription was added", "Starts", "Sources Dataflow Run Start", "f-1")
	sub := w.subscriptions()[0]
	id, version := sub["id"].(string), sub["version"].(string)
	holds(t, v.page("/ui/alerts/"+id), `value="Starts"`, `value="run-start" checked`, `value="f-1" checked`)
	form := url.Values{"version": {version}, "name": {"Late"}, "kinds": {"run-delay"}}
	holds(t, v.page(v.must("/ui/alerts/"+id, form)), "Late", "Run Delay", "!Run Start", "!f-1")
	if status, _, _ := v.post("/ui/alerts/"+id, form); status != http.StatusUnprocessableEntity {
		t.Errorf("a change of what was changed meanwhile: %d", status)
	}
	holds(t, v.page(v.must("/ui/alerts/"+id+"/disable", nil)), "The subscription is off", "/enable")
	holds(t, v.page(v.must("/ui/alerts/"+id+"/enable", nil)), "The subscription is on")

	holds(t, v.page(v.must("/ui/alerts/"+id+"/test", nil)), "The test was delivered")
	notices := v.page("/ui/notifications")
	holds(t, notices, "Mark as read", ">Unread<")
	at := strings.Index(notices, `action="/ui/notifications/`) + len(`action="`)
	read := notices[at : at+strings.IndexByte(notices[at:], '"')]
	to := v.must(read, url.Values{"unread": {"true"}})
	if to != "/ui/notifications?unread=true" {
		t.Errorf("after reading: %s", to)
	}
	holds(t, v.page(to), "No notification is like that")
	holds(t, v.page("/ui/notifications?kind=test"), "Mark as unread")
	v.must(strings.TrimSuffix(read, "read")+"unread", nil)
	holds(t, v.page("/ui/notifications?unread=true"), "Mark as read")

	holds(t, v.page(v.must("/ui/alerts/"+id+"/delete", nil)), "The subscription was deleted", "Nobody asked")
	holds(t, v.page(v.must("/ui/alerts/"+id+"/delete", nil)), "The subscription was deleted") // twice

	client, secret := w.integration(access.ViewAlerts)
	v = w.signedIn(client, secret)
	holds(t, v.page("/ui/alerts"), "!/ui/alerts/new")
	if status, _, _ := v.get("/ui/alerts/new"); status != http.StatusForbidden {
		t.Errorf("with View Alerts only: %d", status)
	}
}

// Notices come in pages, newest first.
func TestNotices(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/notifications"), "Nothing happened that you should know")
	made, _ := w.api("POST", subscriptionsAPI, `{"name":"x","channel":"app"}`).(map[string]any)
	for range 30 {
		w.api("POST", subscriptionsAPI+"/"+made["id"].(string)+"/test", nil)
	}
	body := v.page("/ui/notifications")
	if n := strings.Count(body, "Mark as read"); n != 25 {
		t.Errorf("the first page has %d notices", n)
	}
	at := strings.Index(body, `rel="next" href="`) + len(`rel="next" href="`)
	body = v.page(strings.ReplaceAll(body[at:at+strings.IndexByte(body[at:], '"')], "&amp;", "&"))
	if n := strings.Count(body, "Mark as read"); n != 5 {
		t.Errorf("the second page has %d notices", n)
	}
	holds(t, body, "Newest", "!rel=\"next\"")
}
