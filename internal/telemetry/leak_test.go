package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/audit"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/server"
	"github.com/tributary-data/tributary/internal/telemetry"
)

// connections is a service that is given tokens and keeps them.
func connections(db *docstore.DB, keys *secret.Keys) *gateway.Service {
	type stored struct {
		Name  string        `json:"name"`
		Token secret.Sealed `json:"token"`
	}
	const kind = "connection"
	scope := func(c *gateway.Call) docstore.Scope { return docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID} }
	about := func(c *gateway.Call, id string) string { return c.Org + "/" + c.Sandbox.ID + "/connection/" + id }
	return &gateway.Service{
		Name: "connections", Base: "/data/connections",
		Shape: func(f *gateway.Failure, id string) any { return map[string]any{"detail": f.Detail, "request": id} },
		Routes: []gateway.Route{
			{Method: "PUT", Path: "/connections/{id}", Need: access.AnyOf(access.ManageSources), MaxBody: 1000, Handle: func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
				var body struct{ Name, Token string }
				if err := c.JSON(&body); err != nil {
					return nil, err
				}
				sealed, err := keys.Put([]byte(body.Token), about(c, c.Var("id")))
				if err != nil {
					return nil, err
				}
				text, err := json.Marshal(stored{body.Name, sealed})
				if err != nil {
					return nil, err
				}
				return gateway.OK(map[string]string{"name": body.Name}), db.Do(ctx, func(t *docstore.Tx) error {
					d, err := t.Get(scope(c), kind, c.Var("id"))
					if err != nil {
						d = docstore.Doc{Kind: kind, ID: c.Var("id")}
					}
					d.Body = text
					_, err = t.Put(scope(c), d)
					return err
				})
			}},
			{Method: "GET", Path: "/connections/{id}/test", Need: access.AnyOf(access.ViewSources), Handle: func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
				var s stored
				err := db.Do(ctx, func(t *docstore.Tx) error {
					d, err := t.Get(scope(c), kind, c.Var("id"))
					if err != nil {
						return err
					}
					return json.Unmarshal(d.Body, &s)
				})
				if err != nil {
					return nil, err
				}
				plain, err := keys.Open(s.Token.Text, about(c, c.Var("id")))
				if err != nil {
					return nil, err
				}
				return gateway.OK(map[string]any{"name": s.Name, "length": len(plain)}), nil
			}},
		},
	}
}

// A token that was stored is nowhere to be found: not in a page of the database
// or its log, in no line of any log, no answer, no trace, no metric. A value
// that was planted beside it is found by the same search.
func TestNoTokenAnywhere(t *testing.T) {
	t.Parallel()
	const (
		token   = "sk_test_51Qx9TheTokenThatNobodyMaySee"
		control = "control-value-4711-to-be-found"
	)
	ctx := t.Context()
	dir := t.TempDir()
	db, err := docstore.Open(ctx, filepath.Join(dir, "control.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := secret.Ensure(secret.Place{Dir: dir}, func() (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	file, err := audit.OpenFile(filepath.Join(dir, audit.FileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	said := &logtest.Buffer{}
	logger := slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	proxies := guard.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	address := func(r *http.Request) string {
		a, _ := proxies.Address(r)
		return a.String()
	}
	spans := kept{tracetest.NewInMemoryExporter()}
	watch, err := telemetry.New(ctx, telemetry.Options{Version: "1", Log: logger, Now: time.Now, Address: address, Spans: spans})
	if err != nil {
		t.Fatal(err)
	}
	network := &guard.Service{DB: db, Proxies: proxies, Now: time.Now, Log: logger}
	trail := &audit.Log{DB: db, File: file, Now: time.Now, Log: logger, Address: address}
	limiter := guard.NewLimiter(proxies, guard.DefaultRates, time.Now)
	g := gatewaytest.Gateway(t, connections(db, keys), network.HTTP(), trail.HTTP())
	g.Log = logger
	g.Check = func(r *http.Request, c *access.Caller) error {
		if err := limiter.Check(r, c); err != nil {
			return err
		}
		return network.Check(r, c)
	}
	g.Observe = func(ctx context.Context, o gateway.Observation) {
		watch.Observe(ctx, o)
		trail.Observe(ctx, o)
	}
	s := &server.Server{Handler: watch.Middleware(limiter.Middleware(g.Handler())), Log: logger}
	stop := serve(t, s)
	answers := &bytes.Buffer{}
	call := func(want int, method, path, body string, header ...string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, s.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		principal, err := json.Marshal(gatewaytest.Admin("prod").Principal)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Authorization": "Bearer " + string(principal), "X-Api-Key": "client", "X-Gw-Ims-Org-Id": gatewaytest.Org, "X-Forwarded-For": "198.51.100.7", "Content-Type": "application/json",
		} {
			r.Header.Set(name, value)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(answers, resp.Header, string(b))
		if resp.StatusCode != want {
			t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, b)
		}
	}
	const body = `{"name":"` + control + `","token":"` + token + `"}`
	const path = "/data/connections/connections/" + control
	call(200, "PUT", path, body)
	call(200, "PUT", path, body) // an old state of a page is overwritten
	call(200, "GET", path+"/test", "")
	call(400, "PUT", path, body[:len(body)-1])
	call(400, "PUT", path, `{"name":"`+token+`}`)
	call(400, "PUT", path, `{"token":{"`+token+`":1}}`)
	call(413, "PUT", path, body+strings.Repeat(" ", 2000))
	call(200, "PUT", path+"?token="+token, body)
	call(200, "PUT", path, body, "X-Request-Id", "request-"+control)
	call(200, "PUT", "/data/connections/connections/other", body, "X-Request-Id", token[:20]+" "+token[20:], "Cookie", token, "User-Agent", token)
	call(401, "PUT", path, body, "Authorization", "Bearer "+token)
	call(403, "PUT", path, body, "X-Api-Key", token)
	call(404, "GET", "/data/connections/"+token, "")
	call(409, "PUT", "/data/foundation/network/allow-lists/sandbox", `{"entries":[{"cidr":"192.0.2.0/24"}]}`)
	call(400, "PUT", "/data/foundation/network/allow-lists/sandbox", `{"entries":[{"cidr":"192.0.2.0/99"}]}`)
	call(200, "GET", "/data/foundation/audit/events?scope=organization", "")

	if _, err := keys.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	count := 0
	err = db.Rewrite(ctx, func(_ docstore.Scope, d *docstore.Doc) error {
		r, err := keys.Reseal(d.Body)
		count += r.Count
		d.Body = r.Document
		return err
	})
	if err != nil || count != 2 {
		t.Errorf("sealed anew %d: %v", count, err)
	}
	if n, _, err := keys.Prune(time.Now().Add(2*secret.Linger), nil); n != 1 || err != nil {
		t.Errorf("dropped %d keys: %v", n, err)
	}
	call(200, "GET", path+"/test", "")
	if !strings.Contains(answers.String(), fmt.Sprintf(`"length":%d`, len(token))) {
		t.Error("the token does not open")
	}
	if err := watch.Close(ctx); err != nil {
		t.Fatal(err)
	}

	metrics := &responseBuffer{header: http.Header{}}
	watch.Metrics().ServeHTTP(metrics, &http.Request{Header: http.Header{}})
	scan := func(needles ...string) []leaktest.Find {
		return leaktest.Scan(t, leaktest.Places{Dir: dir, Texts: map[string]string{
			"answers": answers.String(), "log": string(said.Bytes()), "spans": fmt.Sprintf("%+v", spans.GetSpans()), "metrics": metrics.String(),
		}}, needles...)
	}
	parts := []string{token, token[8:], token[:20]} // whole, without its prefix, cut off
	for _, f := range scan(parts...) {              // what a killed process leaves
		t.Errorf("%+v", f)
	}
	for _, name := range []string{"answers", "log", "spans", "control.db-wal", "control.db: doc", "audit.log"} {
		if found := leaktest.In(scan(control)); !slices.Contains(found, name) {
			t.Errorf("the control value is not found in %s, only in %v", name, found)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range scan(parts...) { // and what one leaves that was stopped: all is in the pages
		t.Errorf("%+v", f)
	}
	if found := leaktest.In(scan(control)); !slices.Contains(found, "control.db") {
		t.Errorf("the control value is not found in the pages, only in %v", found)
	}
	if key, err := os.ReadFile(filepath.Join(dir, "seal.key")); metrics.Len() == 0 || len(key) == 0 {
		t.Errorf("%d bytes of metrics, %d of keys to search: %v", metrics.Len(), len(key), err)
	}
}

// serve runs a server; stop ends it.
func serve(t *testing.T, s *server.Server) (stop func() error) {
	t.Helper()
	s.Address, s.Now = "127.0.0.1:0", time.Now
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		return <-done
	}
}

type responseBuffer struct {
	bytes.Buffer
	header http.Header
}

func (r *responseBuffer) Header() http.Header { return r.header }
func (r *responseBuffer) WriteHeader(int)     {}
