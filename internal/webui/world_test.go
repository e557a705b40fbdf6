package webui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// A world is a simulated account at Stripe, and the whole server that may read
// it, with its pages, on loopback.
type world struct {
	*control.Plane
	t   testing.TB
	url string
	dir string
	sim *stripesim.Sim
	log *logtest.Buffer
	// valve, if there is one, holds the pages behind the first of Stripe's charges
	// until it is closed.
	valve atomic.Pointer[chan struct{}]
	// account is where the simulated Stripe answers.
	account string
	// end tells the server to end, and returns when its work has; what is being
	// answered goes on.
	end func()
	// Of the integration that administers.
	id, secret, token, org string
}

// open is raced for tests that the race detector need not see: it makes pages
// many times slower, and most of them have nothing at once.
func open(t testing.TB) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
	return raced(t)
}

// raced serves a new installation with an account of 150 charges.
func raced(t testing.TB) *world {
	t.Helper()
	return opened(t, stripesim.Config{
		Seed: 7, Now: time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC), Expand: []string{"tiers", "currency_options", "currency_options.tiers"},
		Counts: stripesim.Counts{Charges: 150, Customers: 50, Subscriptions: 15, Prices: 8},
	}, nil)
}

// opened serves a new installation with an account of that kind. What happened
// before, if anything, happens to it while nothing is served.
func opened(t testing.TB, account stripesim.Config, before func(*control.Control, *stripesim.Sim)) *world {
	t.Helper()
	account.Keys = map[string]stripesim.Key{"sk_test_0123456789abcdef": {}}
	sim, err := stripesim.New(account)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: t.TempDir(), sim: sim, log: new(logtest.Buffer)}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if valve := w.valve.Load(); valve != nil && r.URL.Path == "/v1/charges" && r.URL.Query().Has("starting_after") {
			select {
			case <-*valve:
			case <-r.Context().Done():
			}
		}
		sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.account = server.URL
	c, err := control.Open(t.Context(), control.Config{Dir: w.dir, Seal: secret.Place{Dir: w.dir}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if before != nil {
		before(c, sim)
	}
	w.Plane, err = c.Serve(t.Context(), control.Options{
		Version: "test", Log: slog.New(slog.NewTextHandler(w.log, nil)), AnyAccept: true,
		Stripe: app.Sync{URL: w.account, Share: 1, Limits: &stripe.Limits{}, Retry: stripe.Retry{Base: time.Millisecond, Cap: 4 * time.Millisecond}, Hooks: app.Hooks{Untidy: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := w.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	w.url = srv.URL
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	w.end = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(func() {
		srv.Close()
		w.end()
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := access.ReadBootstrap(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	w.id, w.secret, w.org = b.ClientID, b.ClientSecret, b.Org
	got, err := w.Access.Token(t.Context(), w.id, w.secret)
	if err != nil {
		t.Fatal(err)
	}
	w.token = got.AccessToken
	return w
}

// shut holds runs at their second page of charges, until release is called.
func (w *world) shut() (release func()) {
	valve := make(chan struct{})
	w.valve.Store(&valve)
	release = sync.OnceFunc(func() { close(valve) })
	w.t.Cleanup(release)
	return release
}

// integration returns the id and secret of one that has these permissions in
// the default sandbox.
func (w *world) integration(permissions ...access.Permission) (id, secret string) {
	w.t.Helper()
	admin, err := w.Access.Operator(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	i, secret, err := w.Access.CreateIntegration(w.t.Context(), admin, "some", permissions, []string{admin.Sandbox.Name})
	if err != nil {
		w.t.Fatal(err)
	}
	return i.ClientID, secret
}

// api calls the API as the administrator, and returns the decoded answer; the
// status must be below 400. A body is sent as JSON, or as it is if it is a text.
func (w *world) api(method, path string, body any) any {
	w.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(b)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(text))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + w.token}, "X-Api-Key": {w.id}, "X-Gw-Ims-Org-Id": {w.org},
		"Content-Type": {"application/json"}, "Accept": {"application/json"},
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		w.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
	}
	var v any
	if len(b) > 0 {
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			w.t.Fatal(err)
		}
	}
	return v
}

// A visitor has cookies and no scripts.
type visitor struct {
	world  *world
	client *http.Client
}

// visitor returns somebody who is not signed in.
func (w *world) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &visitor{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn returns somebody who is.
func (w *world) signedIn(id, secret string) *visitor {
	w.t.Helper()
	v := w.visitor()
	status, h, body := v.post("/ui/signin", url.Values{"client_id": {id}, "client_secret": {secret}})
	if status != http.StatusSeeOther {
		w.t.Fatalf("signing in: %d %v %s", status, h, body)
	}
	return v
}

func (v *visitor) get(path string, header ...string) (int, http.Header, string) {
	v.world.t.Helper()
	return v.do(http.MethodGet, path, nil, header...)
}

func (v *visitor) post(path string, form url.Values, header ...string) (int, http.Header, string) {
	v.world.t.Helper()
	return v.do(http.MethodPost, path, form, header...)
}

func (v *visitor) do(method, path string, form url.Values, header ...string) (int, http.Header, string) {
	t := v.world.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, v.world.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := v.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}
