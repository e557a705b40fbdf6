package webui_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// What the catalog offers depends on what there is, and on who looks.
func TestCatalog(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	_, _, body := v.get("/ui/sources")
	for _, want := range []string{"Stripe", "Payments", "Beta", "Set up", "0 accounts", "0 dataflows"} {
		if !strings.Contains(body, want) {
			t.Errorf("the catalog lacks %q", want)
		}
	}
	if _, _, body := v.get("/ui/sources?q=zzz"); strings.Contains(body, "Set up") || !strings.Contains(body, "No source is called that") {
		t.Errorf("a search for nothing: %s", body)
	}
	w.api("POST", "/data/foundation/flowservice/connections", `{"name":"Shop","connectionSpec":{"id":"cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3","version":"1.0"},
		"auth":{"specName":"OAuth2 Refresh Code","params":{"accessToken":"sk_test_0123456789abcdef"}}}`)
	if _, _, body = v.get("/ui/sources"); !strings.Contains(body, "Add data") || strings.Contains(body, "Set up") || !strings.Contains(body, "1 account<") {
		t.Errorf("with an account: %s", body)
	}
	id, secret := w.integration(access.ViewSources)
	if status, _, body := w.signedIn(id, secret).get("/ui/sources"); status != http.StatusOK || strings.Contains(body, "Add data") || strings.Contains(body, "/ui/workflow") {
		t.Errorf("with View Sources only: %d %s", status, body)
	}
}
