package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// removed asks for the removal of a customer, waits for its end, and returns the
// page.
func (w *world) removed(v *visitor, form url.Values) (path string) {
	w.t.Helper()
	path = v.must("/ui/access/privacy", form)
	for range 1500 {
		one := w.api("GET", "/data/tributary/privacy/requests/"+strings.TrimPrefix(path, "/ui/access/privacy/"), nil).(map[string]any)
		if one["state"] == "complete" {
			return path
		}
		if one["state"] == "failed" {
			w.t.Fatalf("%v", one)
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatal("the removal does not end")
	return ""
}

// Who files a privacy request says that he knows what it means, sees how it goes and
// what was removed; the customer's id stands on no page afterwards.
func TestPrivacyPages(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/access/privacy"), "Nobody asked to be removed yet", "What this does", `name="mode" value="keepBooks" checked`, `href="/ui/access/privacy" aria-current="page"`)
	for name, tt := range map[string]struct {
		form url.Values
		says []string
	}{
		"nothing":  {url.Values{}, []string{"Name one customer", "can&#39;t be undone", `id="customer-error"`, `id="sure-error"`}},
		"not sure": {url.Values{"customer": {"cus_Some4711"}, "mode": {"everything"}}, []string{"can&#39;t be undone", `value="cus_Some4711"`, `value="everything" checked`, "!customer-error"}},
		"two":      {url.Values{"customer": {"cus_1 cus_2"}, "sure": {"yes"}}, []string{"Name one customer"}},
		"no copy":  {url.Values{"customer": {"cus_Some4711"}, "sure": {"yes"}, "copy": {"acct_9-test"}}, []string{"there is no copy"}},
		"no mode":  {url.Values{"customer": {"cus_Some4711"}, "sure": {"yes"}, "mode": {"some"}}, []string{"mode"}},
	} {
		status, _, body := v.post("/ui/access/privacy", tt.form)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, status)
		}
		holds(t, body, tt.says...)
	}
	if n := len(items(w.api("GET", "/data/tributary/privacy/requests", nil))); n != 0 {
		t.Errorf("%d requests were filed by forms that were refused", n)
	}
	path := w.removed(v, url.Values{"customer": {"cus_Some4711"}, "mode": {"everything"}, "sure": {"yes"}})
	holds(t, v.page(path), "cus_…11", "Complete", "balance transactions too", "Names, messages and samples", "Uploads and diagnostics", "!cus_Some4711", "!hx-trigger", "!progress")
	holds(t, v.page("/ui/access/privacy"), "cus_…11", path, "!cus_Some4711", "!Nobody asked", "!hx-trigger")
	status, _, part := v.get(path, "Hx-Request", "true")
	if status != http.StatusOK {
		t.Errorf("a part: %d", status)
	}
	holds(t, part, `id="request"`, "!<html")
	if status, _, _ := v.get("/ui/access/privacy/none"); status != http.StatusNotFound {
		t.Errorf("no request: %d", status)
	}

	client, secret := w.integration(access.ViewDatasets, access.ViewAudit)
	other := w.signedIn(client, secret)
	for _, path := range []string{"/ui/access/privacy", path} {
		if status, _, _ := other.get(path); status != http.StatusForbidden {
			t.Errorf("%s without the permission: %d", path, status)
		}
	}
	if status, _, _ := other.post("/ui/access/privacy", url.Values{"customer": {"cus_Some4711"}, "sure": {"yes"}}); status != http.StatusForbidden {
		t.Errorf("a request without the permission: %d", status)
	}
	holds(t, other.page("/ui/access/audit"), "!/ui/access/privacy")
	client, secret = w.integration(access.ManageDatasets)
	holds(t, w.signedIn(client, secret).page("/ui/access/privacy"), "cus_…11", "Remove the data")
}
