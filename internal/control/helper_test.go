package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/telemetry"
)

// A plane is a control plane that is served.
type plane struct {
	*control.Plane
	url    string
	dir    string
	log    *logtest.Buffer
	stop   func()
	traces *traces
}

// account serves an account at Stripe that has nothing, to any key but those
// that say wrong.
func account(t testing.TB) string {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.Header.Get("Authorization"); strings.Contains(key, "wrong") {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: `+strings.TrimPrefix(key, "Bearer ")+`"}}`)
			return
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// traces are what was sent to OpenTelemetry.
type traces struct{ logtest.Buffer }

// RoundTrip takes what is sent anywhere.
func (s *traces) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, err = s.Write(body)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-protobuf"}}, Body: http.NoBody, Request: r}, err
}

// start serves the control plane of a directory, with its documents in a
// database: "" for the one in the directory.
func start(t testing.TB, dir, database string) *plane {
	t.Helper()
	return startWith(t, dir, database, app.Sync{URL: account(t), Share: 1})
}

// startWith says how accounts are read, too.
func startWith(t testing.TB, dir, database string, stripe app.Sync) *plane {
	t.Helper()
	return startBy(t, dir, database, control.Options{Stripe: stripe}, time.Now)
}

// startBy says whatever can be said.
func startBy(t testing.TB, dir, database string, o control.Options, now func() time.Time) *plane {
	t.Helper()
	c, err := control.Open(t.Context(), control.Config{Dir: dir, Database: database, Seal: secret.Place{Dir: dir}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	log, sent := new(logtest.Buffer), new(traces)
	spans, err := telemetry.Exporter(t.Context(), &http.Client{Transport: sent})
	if err != nil {
		t.Fatal(err)
	}
	o.Version, o.Log, o.Spans = "test", slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), spans
	p, err := c.Serve(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h, err := p.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	s := &plane{Plane: p, url: srv.URL, dir: dir, log: log, traces: sent}
	s.stop = sync.OnceFunc(func() {
		srv.Close()
		cancel()
		wg.Wait()
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// A client calls as an integration, in a sandbox.
type client struct {
	t       testing.TB
	plane   *plane
	token   string
	secret  string
	key     string
	org     string
	sandbox string
}

// admin returns the integration of bootstrap.json.
func (p *plane) admin(t testing.TB) client {
	t.Helper()
	b, err := access.ReadBootstrap(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	return p.client(t, b.Org, b.ClientID, b.ClientSecret, b.Sandbox)
}

func (p *plane) client(t testing.TB, org, id, secret, sandbox string) client {
	t.Helper()
	resp, err := http.PostForm(p.url+"/ims/token/v3", map[string][]string{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var token struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || token.Token == "" {
		t.Fatalf("no token: %d %v", resp.StatusCode, err)
	}
	return client{t: t, plane: p, token: token.Token, secret: secret, key: id, org: org, sandbox: sandbox}
}

// integration returns a new integration of the organisation that has the
// permissions in the sandbox.
func (p *plane) integration(t testing.TB, c access.Caller, permissions ...access.Permission) client {
	t.Helper()
	i, secret, err := p.Access.CreateIntegration(t.Context(), c, "some", permissions, []string{c.Sandbox.Name})
	if err != nil {
		t.Fatal(err)
	}
	return p.client(t, c.Org, i.ClientID, secret, c.Sandbox.Name)
}

// A reply is what was answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("answer %d %q: %v", r.status, r.body, err)
	}
	return v
}

// do calls. A body that is neither nil nor text is sent as JSON. Pairs of
// header names and values come last.
func (c client) do(method, path string, body any, header ...string) reply {
	c.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.plane.url+path, r)
	if err != nil {
		c.t.Fatal(err)
	}
	for k, v := range map[string]string{
		"Authorization": "Bearer " + c.token, "X-Api-Key": c.key, "X-Gw-Ims-Org-Id": c.org, "X-Sandbox-Name": c.sandbox,
		"Content-Type": "application/json", "Accept": "*/*",
	} {
		req.Header.Set(k, v)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, text}
}

// must calls and fails the test unless the status is the one wanted.
func (c client) must(status int, method, path string, body any, header ...string) reply {
	c.t.Helper()
	r := c.do(method, path, body, header...)
	if r.status != status {
		c.t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
	}
	return r
}
