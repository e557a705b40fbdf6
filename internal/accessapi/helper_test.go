package accessapi_test

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/accessapi"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/openapitest"
)

// plain seals nothing; what is sealed is access's own matter.
type plain struct{}

func (plain) Seal(text []byte, _ string) ([]byte, error) { return text, nil }
func (plain) Open(text []byte, _ string) ([]byte, error) { return text, nil }

// A server serves access control behind a real gateway.
type server struct {
	*access.Service
	url   string
	admin client
	log   *strings.Builder
}

// A client is who calls.
type client struct{ org, id, secret, token, account string }

func newServer(t testing.TB) *server {
	t.Helper()
	dir := t.TempDir()
	db := docstoretest.Open(t, filepath.Join(dir, "control.db"))
	s := &server{Service: &access.Service{DB: db, Sealer: plain{}, FirstTenant: "tributary", Now: time.Now}, log: &strings.Builder{}}
	if err := s.Bootstrap(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	b, err := access.ReadBootstrap(dir)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	g := &gateway.Gateway{Doors: s.Service, Services: []*gateway.Service{accessapi.AccessControl(s.Service), accessapi.Sandboxes(s.Service), accessapi.Members(s.Service)}, Log: log}
	mux := http.NewServeMux()
	mux.Handle("/", g.Handler())
	mux.Handle("/ims/", accessapi.IMS(s.Service, log))
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	s.url = web.URL
	s.admin = s.client(t, b.Org, b.ClientID, b.ClientSecret)
	return s
}

func (s *server) client(t testing.TB, org, id, secret string) client {
	t.Helper()
	token, err := s.Token(t.Context(), id, secret)
	if err != nil {
		t.Fatal(err)
	}
	return client{org, id, secret, token.AccessToken, token.Integration.Account}
}

// integration makes one.
func (s *server) integration(t testing.TB, permissions []access.Permission, sandboxes ...string) client {
	t.Helper()
	c, err := s.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i, secret, err := s.CreateIntegration(t.Context(), c, "loader", permissions, sandboxes)
	if err != nil {
		t.Fatal(err)
	}
	return s.client(t, i.Org, i.ClientID, secret)
}

// A reply is what a server answered.
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

// do sends a request as a client, in the sandbox prod unless the path begins
// with another one and a colon.
func (s *server) do(t testing.TB, c client, method, path, body string) reply {
	t.Helper()
	sandbox, rest, ok := strings.Cut(path, ":")
	if !ok || strings.Contains(sandbox, "/") {
		sandbox, rest = "prod", path
	}
	if !strings.HasPrefix(rest, "/data/") {
		rest = "/data/foundation" + rest
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+rest, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("X-Api-Key", c.id)
	req.Header.Set("X-Gw-Ims-Org-Id", c.org)
	req.Header.Set("X-Sandbox-Name", sandbox)
	req.Header.Set("X-Request-Id", "r")
	return send(t, req)
}

func send(t testing.TB, req *http.Request) reply {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b}
}

// dates are times as the guides show them. The descriptions say that they are
// of the format date-time, which the guides' are not: the guides win.
var dates = regexp.MustCompile(`"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)"`)

// want checks the status, and that the published description of the service, if
// there is one, allows the answer.
func (r reply) want(t testing.TB, status int, doc *openapitest.Document, method, path string) map[string]any {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if doc != nil && path != "" {
		if err := doc.Check(method, path, r.status, dates.ReplaceAll(r.body, []byte(`"${1}T${2}Z"`))); err != nil {
			t.Error(err)
		}
	}
	if len(r.body) == 0 {
		return nil
	}
	return r.json(t)
}
