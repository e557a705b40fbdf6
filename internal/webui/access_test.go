package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// holds checks that a page says some texts, and does not say others, which
// begin with "!".
func holds(t *testing.T, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		bad, not := strings.CutPrefix(text, "!")
		if not == strings.Contains(body, bad) {
			t.Errorf("wanted %q of the page: %s", text, alerts(body))
		}
	}
}

// Ranges are added and removed; what would lock its author out is asked back.
func TestAllowList(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	const page, list = "/ui/access/allow-list", "/ui/access/allow-list/sandbox"
	_, _, body := v.get(page)
	holds(t, body, "can be called from everywhere", "Where this server calls from", "!would lock you out")
	status, _, body := v.post(list, url.Values{"cidr": {"203.0.113.0/24"}, "description": {"office"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a list without whoever makes it: %d", status)
	}
	holds(t, body, "This would lock you out", `name="force" value="true"`, `value="203.0.113.0/24"`)
	if status, _, body = v.post(list, url.Values{"cidr": {"all"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("no range: %d", status)
	}
	holds(t, body, "This is no address and no range", `aria-invalid="true"`, `href="#cidr-sandbox"`, "!would lock you out")
	v.must(list, url.Values{"cidr": {"127.0.0.0/8"}, "description": {"here"}})
	_, _, body = v.get(v.must(list, url.Values{"cidr": {"203.0.113.0/24"}, "description": {"office"}}))
	holds(t, body, "127.0.0.0/8", "203.0.113.0/24", "office", "The range was added")
	if status, _, body = v.post(list+"/remove", url.Values{"cidr": {"127.0.0.0/8"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("the range of whoever removes it: %d", status)
	}
	holds(t, body, "This would lock you out")
	_, _, body = v.get(v.must(list+"/remove", url.Values{"cidr": {"203.0.113.0/24"}}))
	holds(t, body, "127.0.0.0/8", "!office", "The range was removed")
	_, _, body = v.get(v.must(list+"/remove", url.Values{"cidr": {"127.0.0.0/8"}}))
	holds(t, body, "The list is gone", "!127.0.0.0/8")

	id, secret := w.integration(access.ViewSources)
	v = w.signedIn(id, secret)
	_, _, body = v.get(page)
	holds(t, body, "Where this server calls from", "!<form class=\"stack tight\"", "!/ui/access/audit")
	if status, _, _ := v.post(list, url.Values{"cidr": {"127.0.0.0/8"}}); status != http.StatusForbidden {
		t.Errorf("somebody who is no administrator adds a range: %d", status)
	}
}

// Who is forced out stays out.
func TestAllowListForced(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	v.must("/ui/access/allow-list/organization", url.Values{"cidr": {"203.0.113.0/24"}, "force": {"true"}})
	if status, _, body := v.get("/ui/access/allow-list"); status != http.StatusForbidden || !strings.Contains(body, "127.0.0.1") {
		t.Errorf("after being locked out: %d %s", status, body)
	}
}

// The log is filtered, paged, and the organisation's for administrators alone.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	const page = "/ui/access/audit"
	_, _, body := v.get(page)
	holds(t, body, "Nothing was changed here yet")
	for range 60 {
		w.api("POST", "/data/infrastructure/observability/alerts/subscriptions", `{"name":"x","channel":"app"}`)
	}
	w.api("PUT", "/data/foundation/network/allow-lists/sandbox", `{"entries":[{"cidr":"127.0.0.0/8"}]}`)
	_, _, body = v.get(page)
	holds(t, body, "1–50 of 61", "AllowList", `rel="next"`, "!rel=\"prev\"", "127.0.0.1")
	at := strings.Index(body, `rel="next" href="`) + len(`rel="next" href="`)
	next := strings.ReplaceAll(body[at:at+strings.IndexByte(body[at:], '"')], "&amp;", "&")
	w.api("POST", "/data/infrastructure/observability/alerts/subscriptions", `{"name":"x","channel":"app"}`) // does not move the pages
	_, _, body = v.get(page + next)
	holds(t, body, "51–61 of 61", `rel="prev"`, "!rel=\"next\"")
	_, _, body = v.get(page + "?asset=allow")
	holds(t, body, "1–1 of 1", "AllowList", "!>subscriptions")
	_, _, body = v.get(page + "?action=Delete")
	holds(t, body, "Nothing in the log is like that")
	_, _, body = v.get(page + "?to=2001-01-01&outcome=Done")
	holds(t, body, "Nothing in the log is like that")
	status, _, body := v.get(page + "?from=soon")
	holds(t, body, "This is no day")
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a day that is none: %d", status)
	}
	id, secret := w.integration(access.ViewAudit)
	v = w.signedIn(id, secret)
	_, h, _ := v.get("/ui/access")
	body = v.page(h.Get("Location"))
	holds(t, body, "AllowList", "!All sandboxes of the organisation", "!/ui/access/allow-list")
}
