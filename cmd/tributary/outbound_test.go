package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A host is a server that counts what reaches it.
type host struct {
	*httptest.Server
	requests, connections atomic.Int64
}

func newHost(t *testing.T, answer http.HandlerFunc) *host {
	t.Helper()
	h := &host{}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.requests.Add(1)
		answer(w, r)
	}))
	h.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			h.connections.Add(1)
		}
	}
	t.Cleanup(h.Close)
	return h
}

// named returns the server's URL under a name that resolves to its address.
func (h *host) named(t *testing.T, name string) string {
	t.Helper()
	u, err := url.Parse(h.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = name + ":" + u.Port()
	return u.String()
}

// reader returns a client as serve has one, for a Stripe whose name resolves
// to this machine.
func reader(t *testing.T, stripeURL string, private ...string) (*stripe.Client, *http.Transport) {
	t.Helper()
	c := serveCmd{}
	c.StripeURL, c.Private = stripeURL, private
	out, err := c.outbound()
	if err != nil {
		t.Fatal(err)
	}
	out.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	key, err := stripe.ParseKey("sk_test_outbound1234567890")
	if err != nil {
		t.Fatal(err)
	}
	base := stripe.NewTransport()
	return &stripe.Client{BaseURL: stripeURL, Key: key, Now: time.Now, HTTP: &http.Client{Transport: out.Over(base)}, Retry: stripe.Retry{Base: time.Millisecond}}, base
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"object":"list"}`)) }

// What calls itself Stripe and lies in a private network is not connected to,
// unless the network was named.
func TestStripeInAPrivateNetwork(t *testing.T) {
	t.Parallel()
	h := newHost(t, hello)
	h.Start()
	at := h.named(t, "stripe.example")
	var tries int
	c, _ := reader(t, at)
	c.OnCall = func(stripe.Call) { tries++ }
	_, err := c.Get(t.Context(), "/v1/account", "/v1/account", nil, 0)
	if problem.KindOf(err) != problem.Forbidden || tries != 1 || h.connections.Load() != 0 {
		t.Errorf("%v after %d tries, %d connections", err, tries, h.connections.Load())
	}
	for _, words := range []string{"stripe.example resolves to 127.0.0.1, which is not a public address", "--private-networks"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v: lacks %s", err, words)
		}
	}
	if fail, ok := errors.AsType[*stripe.Error](err); !ok || !fail.Global() {
		t.Errorf("%v would be asked for each resource", err)
	}

	c, _ = reader(t, at, "127.0.0.0/8")
	for range 5 {
		r, err := c.Get(t.Context(), "/v1/account", "/v1/account", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.Release()
	}
	if h.requests.Load() != 5 || h.connections.Load() != 1 {
		t.Errorf("%d requests on %d connections", h.requests.Load(), h.connections.Load())
	}
}

func TestStripeElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := newHost(t, hello)
	elsewhere.Start()
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	h.Start()
	c, _ := reader(t, h.named(t, "stripe.example"), "127.0.0.0/8")
	_, err := c.Get(t.Context(), "/v1/account", "/v1/account", nil, 0)
	if err == nil || !strings.Contains(err.Error(), "redirects elsewhere, which is not followed") {
		t.Errorf("%v", err)
	}
	c.BaseURL = elsewhere.URL
	c = &stripe.Client{BaseURL: elsewhere.URL, Key: c.Key, Now: time.Now, HTTP: c.HTTP}
	if _, err := c.Get(t.Context(), "/v1/account", "/v1/account", nil, 0); problem.KindOf(err) != problem.Forbidden || !strings.Contains(err.Error(), "not among the destinations") {
		t.Errorf("%v", err)
	}
	if n := elsewhere.connections.Load(); n != 0 || h.requests.Load() == 0 {
		t.Errorf("%d connections to what was not named", n)
	}
}

// The client's connections are those that it had: HTTP/2, where there is TLS.
func TestStripeByHTTP2(t *testing.T) {
	t.Parallel()
	var proto atomic.Int64
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		proto.Store(int64(r.ProtoMajor))
		hello(w, r)
	})
	h.EnableHTTP2 = true
	h.StartTLS()
	c, base := reader(t, h.named(t, "example.com"), "127.0.0.0/8")
	roots := h.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if _, err := c.Get(t.Context(), "/v1/account", "/v1/account", nil, 0); err != nil || proto.Load() != 2 {
		t.Errorf("HTTP/%d: %v", proto.Load(), err)
	}
}

// What the API says of the way out is where it leads.
func TestEgress(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	to := func(host string, port uint16, purpose string) guard.Destination {
		return guard.Destination{Host: host, Port: port, Purpose: purpose}
	}
	for name, tt := range map[string]struct {
		change func(*serveCmd)
		want   []guard.Destination
	}{
		"Stripe":         {func(*serveCmd) {}, []guard.Destination{to("api.stripe.com", 443, "Stripe's API")}},
		"another Stripe": {func(c *serveCmd) { c.StripeURL = "http://127.0.0.1:12111" }, []guard.Destination{to("127.0.0.1", 12111, "Stripe's API")}},
		"issuer of tokens": {func(c *serveCmd) { c.StripeURL, c.Issuer = "http://127.0.0.1:12111", "https://login.example/realm" }, []guard.Destination{
			to("127.0.0.1", 12111, "Stripe's API"), to("login.example", 443, "issuer of tokens"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var c serveCmd
			tt.change(&c)
			out, err := c.outbound()
			if err != nil {
				t.Fatal(err)
			}
			out.Proxy = func(r *http.Request) (*url.URL, error) {
				if r.URL.Hostname() != "api.stripe.com" {
					return nil, nil
				}
				return url.Parse("http://user:hunter2@proxy.example:3128")
			}
			e, err := c.egress(out)
			if diff := cmp.Diff(tt.want, e.Destinations); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
			if want := map[bool]string{true: "http://proxy.example:3128"}[name == "Stripe"]; e.Proxy != want {
				t.Errorf("proxy %q", e.Proxy)
			}
		})
	}
}

// The rates that the help tells are those that are tested.
func TestDefaultRates(t *testing.T) {
	t.Parallel()
	var c cli
	parser, err := kong.New(&c, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	r, err := c.Serve.rates()
	if diff := cmp.Diff(guard.DefaultRates, r); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

// alone starts `serve` without a Stripe key.
func alone(t *testing.T, dir string, args ...string) *served {
	t.Helper()
	v := lasting(t, append([]string{"serve", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	v.url = v.says(t, `msg=listening url=(\S+)`)
	return v
}

// lasting starts a command that goes on until the end of the test.
func lasting(t *testing.T, args ...string) *served {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := command{args: args}.prepare(context.WithoutCancel(t.Context())) // Cleanup ends it
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v := &served{running: &running{pid: cmd.Process.Pid, signal: cmd.Process.Signal, wait: cmd.Wait}, log: log.Name()}
	t.Cleanup(func() {
		if err := errors.Join(v.signal(syscall.SIGTERM), v.wait()); err != nil {
			t.Errorf("stop: %v: %s", err, v.text(t))
		}
	})
	return v
}

// get asks for a path of the API with a token of `tributary token`.
func (v *served) get(t *testing.T, by printedToken, path string) (status int, body map[string]any) {
	t.Helper()
	return v.call(t, by, http.MethodGet, path, "")
}

func (v *served) call(t *testing.T, by printedToken, method, path, text string) (status int, body map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, v.url+path, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"Authorization": "Bearer " + by.AccessToken, "x-api-key": by.APIKey, "x-gw-ims-org-id": by.Org, "x-sandbox-name": by.Sandbox} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// A server says whom it may connect to, and nobody else; its rates are the flags'.
func TestServeAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "copy")
	v := alone(t, dir, "--calls-per-client", "0.001/1", "--stripe-url", "http://127.0.0.1:12111")
	by := printed[printedToken](t, command{args: []string{"token", "--dir", dir}}.run(t))
	status, body := v.get(t, by, "/data/foundation/network/egress")
	if diff := cmp.Diff(map[string]any{"egressAddresses": []any{}, "destinations": []any{
		map[string]any{"host": "127.0.0.1", "port": 12111.0, "purpose": "Stripe's API"},
	}}, body); diff != "" || status != http.StatusOK {
		t.Errorf("%d %s", status, diff)
	}
	if status, body := v.get(t, by, "/data/foundation/network/egress"); status != http.StatusTooManyRequests {
		t.Errorf("%d %v", status, body)
	}
	for _, args := range [][]string{{"--calls-per-client", "50"}, {"--private-networks", "10.0.0.0/33"}} {
		o := command{args: append([]string{"serve", "--dir", filepath.Join(dir, "none")}, args...)}.run(t)
		o.sentence(t, app.ExitUsage, args...)
	}
}
