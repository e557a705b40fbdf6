package access_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// A provider is an OpenID provider with keys that can change.
type provider struct {
	*httptest.Server
	keys atomic.Pointer[jose.JSONWebKeySet]
	down atomic.Bool
	read atomic.Int64 // how often the keys were read
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		if p.down.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		p.read.Add(1)
		answer(w, p.keys.Load())
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p *provider) use(kid string, key *rsa.PrivateKey) {
	p.keys.Store(&jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"}}})
}

// Users of the external issuer are who its tokens say, if it signed them, for
// us, and they are in force.
func TestOIDC(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newProvider(t)
	key, stranger := rsaKey(t), rsaKey(t)
	p.use("one", key)
	w.OIDC = &access.OIDC{
		Issuer: p.URL, Audience: "tributary-api", RoleClaim: "realm.roles", Client: p.Client(),
		Roles: map[string]string{"analysts": "Default Production All Access", "admins": access.Administrators, "lost": "No such role"},
	}
	if err := w.OIDC.Check(); err != nil {
		t.Fatal(err)
	}
	role, err := w.CreateRole(t.Context(), w.admin, access.Role{Name: "Viewers", Permissions: []access.Permission{access.ViewSources}, Sandboxes: []string{"prod"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.ChangeSubjects(t.Context(), w.admin, role.ID, []access.Subject{{Type: access.UserSubject, ID: "viewer@AdobeID"}}, nil); err != nil {
		t.Fatal(err)
	}
	claims := func(change map[string]any) map[string]any {
		now := w.clock.now()
		m := map[string]any{"iss": p.URL, "aud": []string{"x", "tributary-api"}, "sub": "jo", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "azp": "web"}
		maps.Copy(m, change)
		return m
	}
	kid := map[jose.HeaderKey]any{"kid": "one"}
	signed := func(change map[string]any) string { return sign(t, jose.RS256, key, kid, claims(change)) }
	roles := func(names ...string) map[string]any {
		return map[string]any{"realm": map[string]any{"roles": names}}
	}
	none := func() string {
		text, err := json.Marshal(claims(nil))
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"one"}`)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
	}
	user := func(name string) *access.Principal {
		return &access.Principal{Org: w.admin.Org, Client: "web", User: name + "@AdobeID", Grants: map[string][]access.Permission{}}
	}
	admin := user("jo")
	admin.Admin = true
	viewer := user("viewer")
	viewer.Grants = map[string][]access.Permission{"prod": {access.ViewSources}}
	for name, c := range map[string]struct {
		token string
		want  *access.Principal // nil: refused
	}{
		"no role":            {signed(nil), user("jo")},
		"unknown role":       {signed(roles("others", "lost")), user("jo")},
		"administrator":      {signed(roles("others", "admins")), admin},
		"role in one text":   {signed(map[string]any{"realm": map[string]any{"roles": "admins"}}), admin},
		"claim with dots":    {signed(map[string]any{"realm.roles": []any{"admins", 7}}), admin},
		"roles of no kind":   {signed(map[string]any{"realm": []any{"admins"}}), user("jo")},
		"role given here":    {signed(map[string]any{"sub": "viewer"}), viewer},
		"posing as a client": {signed(map[string]any{"sub": "x@techacct.adobe.com"}), user("x@techacct.adobe.com")},
		"no subject":         {signed(map[string]any{"sub": ""}), nil},
		"another audience":   {signed(map[string]any{"aud": "x"}), nil},
		"no audience":        {signed(map[string]any{"aud": nil}), nil},
		"expired":            {signed(map[string]any{"exp": w.clock.now().Add(-time.Second).Unix()}), nil},
		"no expiry":          {signed(map[string]any{"exp": nil}), nil},
		"another issuer":     {signed(map[string]any{"iss": "https://example.com"}), nil},
		"our name":           {signed(map[string]any{"iss": "tributary"}), nil},
		"another key":        {sign(t, jose.RS256, stranger, kid, claims(nil)), nil},
		"unknown key":        {sign(t, jose.RS256, stranger, map[jose.HeaderKey]any{"kid": "two"}, claims(nil)), nil},
		"alg none":           {none(), nil},
		"shared secret":      {sign(t, jose.HS256, key.PublicKey.N.Bytes(), kid, claims(nil)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := w.Principal(t.Context(), c.token)
			if c.want == nil {
				kind(t, name, err, problem.Unauthenticated)
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

// New keys of the issuer are taken up; tokens that somebody makes up do not
// become a request each; an issuer that is down is no reason to call a token
// bad.
func TestOIDCKeys(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newProvider(t)
	one, two := rsaKey(t), rsaKey(t)
	p.use("one", one)
	w.OIDC = &access.OIDC{Issuer: p.URL, Audience: "us", Client: p.Client()}
	token := func(kid string, key *rsa.PrivateKey) string {
		return sign(t, jose.RS256, key, map[jose.HeaderKey]any{"kid": kid}, map[string]any{
			"iss": p.URL, "aud": "us", "sub": "jo", "exp": w.clock.now().Add(time.Hour).Unix(),
		})
	}
	asked := func(token string) error {
		_, err := w.Principal(t.Context(), token)
		return err
	}
	p.down.Store(true)
	kind(t, "before the issuer was ever there", asked(token("one", one)), problem.Unavailable)
	p.down.Store(false)
	kind(t, "at once after that", asked(token("one", one)), problem.Unavailable)
	w.clock.move(time.Minute)
	if err := asked(token("one", one)); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		kind(t, "made up", asked(token(fmt.Sprint(n), two)), problem.Unauthenticated)
	}
	if n := p.read.Load(); n != 1 {
		t.Errorf("the keys were read %d times", n)
	}
	p.use("two", two)
	w.clock.move(time.Minute)
	if err := asked(token("two", two)); err != nil {
		t.Error(err)
	}
	kind(t, "a key that is gone", asked(token("one", one)), problem.Unauthenticated)
	w.clock.move(time.Minute)
	p.down.Store(true)
	if err := asked(token("two", two)); err != nil {
		t.Errorf("a known key while the issuer is down: %v", err)
	}
	kind(t, "an unknown key while the issuer is down", asked(token("three", two)), problem.Unavailable)
	i, _, ours := w.integration(t, w.admin, []access.Permission{access.ViewSources}, "prod")
	if got, err := w.Principal(t.Context(), ours); err != nil || got.Client != i.ClientID {
		t.Errorf("a token of ours: %v", err)
	}
}

func TestOIDCCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		oidc access.OIDC
		says string // empty: it is good
	}{
		"good":          {access.OIDC{Issuer: "https://id.example.com/realms/x", Audience: "us"}, ""},
		"this machine":  {access.OIDC{Issuer: "http://127.0.0.1:8080", Audience: "us"}, ""},
		"not encrypted": {access.OIDC{Issuer: "http://id.example.com", Audience: "us"}, "https"},
		"our name":      {access.OIDC{Issuer: "tributary", Audience: "us"}, "not a URL"},
		"query":         {access.OIDC{Issuer: "https://id.example.com?x=1", Audience: "us"}, "not a URL"},
		"no audience":   {access.OIDC{Issuer: "https://id.example.com"}, "audience"},
		"no claim":      {access.OIDC{Issuer: "https://id.example.com", Audience: "us", Roles: map[string]string{"a": "b"}}, "claim"},
	} {
		err := c.oidc.Check()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing that comes in as a token breaks anything.
func FuzzPrincipal(f *testing.F) {
	w := newWorld(f)
	i, _, token := w.integration(f, w.admin, []access.Permission{access.ViewSources}, "prod")
	w.OIDC = &access.OIDC{Issuer: "https://id.invalid", Audience: "us", Client: &http.Client{Transport: unreachable{}}}
	for _, seed := range []string{token, "", "a.b.c", strings.TrimRight(token, "."), token + ".x", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := w.Principal(t.Context(), text)
		if err == nil && p.Client != i.ClientID {
			t.Errorf("%q is accepted as %+v", text, p)
		}
		if err != nil && problem.KindOf(err) != problem.Unauthenticated && problem.KindOf(err) != problem.Unavailable {
			t.Error(err)
		}
	})
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no way") }
