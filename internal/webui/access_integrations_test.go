package webui_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

var secretShown = regexp.MustCompile(`tribsec_[A-Za-z0-9_-]{43}`)

// An integration is made, gets in by the secret that was shown once, gets another
// secret, loses the first, and is deleted.
func TestIntegrations(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/access/integrations"), w.id, "Of the first start", "!"+w.secret)
	status, _, body := v.post("/ui/access/integrations/new", url.Values{"name": {"Loader"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("an integration without permissions: %d", status)
	}
	holds(t, body, "Choose at least one permission", "Choose at least one sandbox", `value="Loader"`)
	status, _, body = v.post("/ui/access/integrations/new", url.Values{"name": {"Loader"}, "permissions": {"view-sources"}, "sandboxes": {"prod"}})
	first := secretShown.FindString(body)
	at := regexp.MustCompile(`/ui(/access/integrations/([0-9a-f]{32}))`).FindStringSubmatch(body)
	if status != http.StatusOK || first == "" || at == nil {
		t.Fatalf("%d %s", status, body)
	}
	page, id := "/ui"+at[1], at[2]
	holds(t, v.page(page), "Loader", "View Sources", "prod", "!"+first)
	if status, _, _ := w.signedIn(id, first).get("/ui/sources"); status != http.StatusOK {
		t.Errorf("the new integration gets %d", status)
	}
	old := regexp.MustCompile(`name="secret" value="([0-9a-f]{8})"`).FindStringSubmatch(v.page(page))[1]
	_, _, body = v.post(page+"/secrets", nil)
	second := secretShown.FindString(body)
	if second == "" || second == first {
		t.Fatalf("another secret: %s", body)
	}
	loader := w.signedIn(id, first)
	holds(t, v.page(v.must(page+"/secrets/remove", url.Values{"secret": {old}})), "The secret was removed")
	if status, h, _ := loader.get("/ui/sources"); status != http.StatusSeeOther || !strings.Contains(h.Get("Location"), "signin") {
		t.Errorf("a session of a removed secret gets %d", status)
	}
	if status, _, _ := w.signedIn(id, second).get("/ui/access/integrations"); status != http.StatusForbidden {
		t.Errorf("somebody who is no administrator sees integrations: %d", status)
	}
	holds(t, v.page(v.must(page+"/delete", nil)), "The integration was deleted", "!Loader")
}

// Users are those to whom a role was given by id.
func TestUsers(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/access/users"), "Nobody was given a role by id")
	at, _, _ := strings.Cut(v.must("/ui/access/roles/new", url.Values{"name": {"Watchers"}, "permissions": {string(access.ViewSources)}, "sandboxes": {"prod"}}), "?")
	v.must(at+"/subjects", url.Values{"type": {"user"}, "subject": {"jane@AdobeID"}})
	holds(t, v.page("/ui/access/users"), "jane@AdobeID", at, "Watchers")
}
