package webui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/access/oidctest"
)

// openWithIssuer serves an installation whose people sign in at a provider.
func openWithIssuer(t *testing.T) (*world, *oidctest.Provider) {
	t.Helper()
	w, p := open(t), oidctest.New(t, time.Now)
	p.Groups = []string{"admins"}
	w.Access.OIDC = &access.OIDC{
		Issuer: p.URL, Audience: oidctest.Audience, RoleClaim: "groups", Roles: map[string]string{"admins": access.Administrators}, Client: p.Client(),
		SignIn: access.SignIn{Client: oidctest.Client, Secret: oidctest.Secret, Redirect: w.url + "/ui/signin/callback"},
	}
	if err := w.Access.OIDC.Check(); err != nil {
		t.Fatal(err)
	}
	return w, p
}

// confirmed goes to the provider and returns the path that it sends the browser
// back to.
func (v *visitor) confirmed(p *oidctest.Provider, to string) string {
	v.world.t.Helper()
	status, h, body := v.get("/ui/signin/issuer?to=" + to)
	if status != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), p.URL+"/auth?") {
		v.world.t.Fatalf("to the issuer: %d %v %s", status, h, body)
	}
	req, err := http.NewRequestWithContext(v.world.t.Context(), http.MethodGet, h.Get("Location"), nil)
	if err != nil {
		v.world.t.Fatal(err)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.world.t.Fatal(err)
	}
	defer resp.Body.Close()
	back, ok := strings.CutPrefix(resp.Header.Get("Location"), v.world.url)
	if !ok {
		v.world.t.Fatalf("the provider answers %d %v", resp.StatusCode, resp.Header)
	}
	return back
}

// People sign in at the issuer, come to where they wanted to go, and may do what
// its tokens say.
func TestSignInAtIssuer(t *testing.T) {
	t.Parallel()
	w, p := openWithIssuer(t)
	v := w.visitor()
	holds(t, v.page("/ui/signin?to=%2Faccess%2Froles"), "Sign in with "+strings.TrimPrefix(p.URL, "http://"), "/ui/signin/issuer?to=%2faccess%2froles")
	back := v.confirmed(p, "%2Faccess%2Froles")
	status, h, body := v.get(back)
	if status != http.StatusSeeOther || h.Get("Location") != "/ui/access/roles" {
		t.Fatalf("back from the issuer: %d %v %s", status, h, body)
	}
	holds(t, v.page("/ui/access/roles"), "Administrators")
	if text := w.log.String(); strings.Contains(text, back) || strings.Contains(text, "code=") {
		t.Error("the log has a code")
	}
}

// An issuer whose access tokens are for others signs in by the id token, where
// that is for this server.
func TestSignInByIDToken(t *testing.T) {
	t.Parallel()
	w, p := openWithIssuer(t)
	p.Opaque = true
	v := w.visitor()
	if status, _, body := v.get(v.confirmed(p, "")); status != http.StatusUnauthorized || !strings.Contains(body, "was not confirmed") {
		t.Errorf("no token for this server: %d %s", status, body)
	}
	p.Change = func(claims map[string]any) {
		claims["aud"], claims["groups"] = []string{oidctest.Client, oidctest.Audience}, []string{"admins"}
	}
	if status, h, body := v.get(v.confirmed(p, "")); status != http.StatusSeeOther || h.Get("Location") != "/ui/" {
		t.Errorf("by the id token: %d %v %s", status, h, body)
	}
	holds(t, v.page("/ui/access/roles"), "Administrators")
}

// Nobody gets a session from an answer that is not to what this browser asked.
func TestSignInRefused(t *testing.T) {
	t.Parallel()
	w, p := openWithIssuer(t)
	refused := func(name string, v *visitor, back string) {
		t.Helper()
		if status, h, body := v.get(back); status != http.StatusUnauthorized || strings.Contains(strings.Join(h.Values("Set-Cookie"), " "), "tributary_session") {
			t.Errorf("%s: %d %v %s", name, status, h, body)
		}
		if status, _, _ := v.get("/ui/sources"); status != http.StatusSeeOther {
			t.Errorf("%s: there is a session", name)
		}
	}
	v := w.visitor()
	back := v.confirmed(p, "")
	refused("another browser", w.visitor(), back)
	refused("another state", v, strings.Replace(back, "state=", "state=x", 1))
	refused("the cookie is used up", v, back)
	v.confirmed(p, "")
	refused("another's code", v, v.world.visitor().confirmed(p, ""))
	v.confirmed(p, "")
	refused("the user said no", v, "/ui/signin/callback?error=access_denied&state=x")
	for name, change := range map[string]func(map[string]any){
		"another nonce":    func(c map[string]any) { c["nonce"] = "x" },
		"another audience": func(c map[string]any) { c["aud"] = "x" },
		"another subject":  func(c map[string]any) { c["sub"] = "x" },
		"expired":          func(c map[string]any) { c["exp"] = 1 },
	} {
		p.Change = change
		refused(name, v, v.confirmed(p, ""))
	}
	if status, h, _ := v.get("/ui/signin/issuer?to=https:%2F%2Felsewhere.example"); status != http.StatusSeeOther || !strings.HasPrefix(h.Get("Location"), p.URL) {
		t.Errorf("to another site: %d %v", status, h)
	}
}

// Without an issuer nothing is offered, and nothing happens.
func TestSignInWithoutIssuer(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.visitor()
	holds(t, v.page("/ui/signin"), "!/ui/signin/issuer")
	if status, _, _ := v.get("/ui/signin/issuer"); status < 400 {
		t.Errorf("to no issuer: %d", status)
	}
	if status, _, _ := v.get("/ui/signin/callback?code=x&state="); status != http.StatusUnauthorized {
		t.Errorf("back from no issuer: %d", status)
	}
}
