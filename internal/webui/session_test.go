package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	w := raced(t)
	v := w.visitor()
	if status, h, _ := v.get("/"); status != http.StatusSeeOther || h.Get("Location") != "/ui/" {
		t.Errorf("the root answers %d %v", status, h)
	}
	status, h, _ := v.get("/ui/monitoring?x=1")
	if status != http.StatusSeeOther || h.Get("Location") != "/ui/signin?to=%2Fmonitoring%3Fx%3D1" {
		t.Fatalf("a page without a session: %d %v", status, h)
	}
	if status, _, body := v.get("/ui/signin"); status != http.StatusOK || !strings.Contains(body, "Client secret") {
		t.Errorf("the page to sign in: %d %s", status, body)
	}
	for name, form := range map[string]url.Values{
		"wrong secret": {"client_id": {w.id}, "client_secret": {"s8-wrong"}},
		"nothing":      {},
		"wrong token":  {"token": {"eyJ.wrong"}},
	} {
		if status, h, body := v.post("/ui/signin", form); status != http.StatusUnauthorized || !strings.Contains(body, `role="alert"`) || h.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %v %s", name, status, h, body)
		}
	}
	status, h, _ = v.post("/ui/signin", url.Values{"client_id": {w.id}, "client_secret": {w.secret}, "to": {"/monitoring?x=1"}})
	if status != http.StatusSeeOther || h.Get("Location") != "/ui/monitoring?x=1" {
		t.Fatalf("signing in: %d %v", status, h)
	}
	if c := h.Get("Set-Cookie"); !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") {
		t.Errorf("the cookie is %s", c)
	}
	for header, value := range map[string]string{"X-Forwarded-Proto": "https", "Forwarded": "for=198.51.100.1;proto=https"} {
		_, h, _ = w.visitor().post("/ui/signin", url.Values{"client_id": {w.id}, "client_secret": {w.secret}}, header, value)
		if c := h.Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-") || !strings.Contains(c, "Secure") {
			t.Errorf("behind a proxy that speaks TLS (%s) the cookie is %s", header, c)
		}
	}
	if status, _, _ := v.get("/ui/nowhere"); status != http.StatusNotFound {
		t.Errorf("a page that is not there: %d", status)
	}
	if status, _, _ := v.post("/ui/signout", nil, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("signing out from another site: %d", status)
	}
	if status, _, _ := v.post("/ui/signout", nil, "Origin", "https://elsewhere.example"); status != http.StatusForbidden {
		t.Errorf("signing out from another origin: %d", status)
	}
	if status, h, _ := v.post("/ui/signout", nil); status != http.StatusSeeOther || h.Get("Location") != "/ui/signin" {
		t.Errorf("signing out: %d %v", status, h)
	}
	if status, h, _ := v.get("/ui/"); status != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/ui/signin") {
		t.Errorf("after signing out: %d %v", status, h)
	}
}

// Whose session has ended in the middle of something comes back to that page.
func TestBackToThePage(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.visitor()
	for _, c := range []struct {
		name, header, value, want string
	}{
		{"a form", "Referer", w.url + "/ui/workflow/x/data?resource=charges", "/ui/signin?to=%2Fworkflow%2Fx%2Fdata%3Fresource%3Dcharges"},
		{"a button of htmx", "HX-Current-URL", w.url + "/ui/monitoring", "/ui/signin?to=%2Fmonitoring"},
		{"a page elsewhere", "Referer", "https://evil.example/monitoring", "/ui/signin"},
		{"another host", "Referer", "https://evil.example//ui/x", "/ui/signin"},
		{"nothing", "Referer", "", "/ui/signin"},
	} {
		if status, h, _ := v.post("/ui/workflow/x/data", nil, c.header, c.value); status != http.StatusSeeOther || h.Get("Location") != c.want {
			t.Errorf("%s: %d %s, want %s", c.name, status, h.Get("Location"), c.want)
		}
	}
}

// A session ends with the right of who has it.
func TestSignedInNoMore(t *testing.T) {
	t.Parallel()
	w := raced(t)
	id, secret := w.integration(access.ViewSources)
	v := w.signedIn(id, secret)
	if status, _, _ := v.get("/ui/nowhere"); status != http.StatusNotFound {
		t.Fatalf("signed in: %d", status)
	}
	admin, err := w.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Access.DeleteIntegration(t.Context(), admin, id); err != nil {
		t.Fatal(err)
	}
	if status, h, _ := v.get("/ui/nowhere"); status != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), "/ui/signin") {
		t.Errorf("the integration is gone: %d %v", status, h)
	}
}

func TestGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, to := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "evil", "/\t/evil.example"} {
		_, h, _ := w.visitor().post("/ui/signin", url.Values{"client_id": {w.id}, "client_secret": {w.secret}, "to": {to}})
		if got := h.Get("Location"); got != "/ui/" {
			t.Errorf("after signing in with to=%q one is sent to %q", to, got)
		}
	}
}

// Everybody begins on a page that he may see.
func TestStart(t *testing.T) {
	t.Parallel()
	w := open(t)
	for want, permissions := range map[string][]access.Permission{
		"/ui/sources":    {access.ViewDatasets, access.ViewSources},
		"/ui/datasets":   {access.ViewDatasets},
		"/ui/monitoring": {access.ViewMonitoring},
		"/ui/alerts":     {access.ViewAlerts, access.ViewIdentityNamespaces},
	} {
		v := w.signedIn(w.integration(permissions...))
		if _, h, _ := v.get("/ui/"); h.Get("Location") != want {
			t.Errorf("with %v one begins at %q, want %s", permissions, h.Get("Location"), want)
		}
		v.page(want)
	}
	status, _, body := w.signedIn(w.integration(access.ViewIdentityNamespaces)).get("/ui/")
	if status != http.StatusForbidden {
		t.Errorf("with nothing to see: %d", status)
	}
	holds(t, body, "Ask an administrator of your organisation for a role", "!/ui/sources")
}

// Who went to another sandbox in another tab does nothing there with the page of this one.
func TestPageOfAnotherSandbox(t *testing.T) {
	t.Parallel()
	w := open(t)
	admin, err := w.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Access.CreateSandbox(t.Context(), admin, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/alerts/new"), `data-sandbox="`+admin.Sandbox.ID+`"`)
	form := url.Values{"channel": {"app"}, "name": {"Starts"}, "kinds": {"run-start"}, "of-sandbox": {admin.Sandbox.ID}}
	v.must("/ui/sandbox", url.Values{"sandbox": {"dev"}})
	for name, send := range map[string]func() (int, http.Header, string){
		"form": func() (int, http.Header, string) { return v.post("/ui/alerts/new", form) },
		"part": func() (int, http.Header, string) {
			return v.get("/ui/alerts", "X-Of-Sandbox", admin.Sandbox.ID, "HX-Request", "true")
		},
		"stream": func() (int, http.Header, string) { return v.get("/ui/monitoring/live?of-sandbox=" + admin.Sandbox.ID) },
	} {
		if status, _, body := send(); status != http.StatusConflict || !strings.Contains(body, "another sandbox than Development") {
			t.Errorf("%s: %d %s", name, status, alerts(body))
		}
	}
	v.must("/ui/sandbox", url.Values{"sandbox": {admin.Sandbox.Name}})
	v.must("/ui/alerts/new", form)
	if n := len(w.subscriptions()); n != 1 {
		t.Errorf("%d subscriptions", n)
	}
}
