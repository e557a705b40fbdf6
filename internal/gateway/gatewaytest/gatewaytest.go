// Package gatewaytest serves services to tests, behind a gateway whose tokens
// are principals written down.
package gatewaytest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// Organisations and the tenant of each; every one has the sandboxes prod (the
// default) and dev.
const (
	Org         = "0123456789ABCDEF01234567@AdobeOrg"
	OtherOrg    = "76543210FEDCBA9876543210@AdobeOrg"
	Tenant      = "acme"
	OtherTenant = "other"
)

// Sandbox returns a sandbox by its name, as the gateway's doors do.
func Sandbox(org, name string) access.Sandbox {
	id := map[string]string{"prod": "11111111-1111-4111-8111-111111111111", "dev": "22222222-2222-4222-8222-222222222222"}[name]
	if org == OtherOrg {
		id = strings.Replace(id, "-4", "-5", 1)
	}
	return access.Sandbox{ID: id, Name: name, Title: name, Type: "production", State: "active", Default: name == "prod"}
}

// Admin returns a caller who may do everything, in a sandbox of Org.
func Admin(sandbox string) access.Caller {
	return access.Caller{
		Principal: access.Principal{Org: Org, Client: "client", User: "client@techacct.adobe.com", Admin: true},
		Tenant:    Tenant, Sandbox: Sandbox(Org, sandbox), RequestID: "test",
	}
}

type doors struct{}

// Principal takes the JSON of a principal for a token.
func (doors) Principal(_ context.Context, token string) (*access.Principal, error) {
	var p access.Principal
	if json.Unmarshal([]byte(token), &p) != nil {
		return nil, problem.Errorf(problem.Unauthenticated, "the token is not valid")
	}
	return &p, nil
}

func (doors) Tenant(_ context.Context, org string) (string, error) {
	if org == OtherOrg {
		return OtherTenant, nil
	}
	return Tenant, nil
}

func (doors) Sandbox(_ context.Context, org, name, id string) (access.Sandbox, error) {
	for _, sb := range []access.Sandbox{Sandbox(org, "prod"), Sandbox(org, "dev")} {
		if name == sb.Name || name == "" && id == sb.ID || name == "" && id == "" && sb.Default {
			return sb, nil
		}
	}
	return access.Sandbox{}, problem.Errorf(problem.NotFound, "no sandbox %q", name+id)
}

// A Server serves services.
type Server struct {
	t   testing.TB
	URL string
}

// New starts a server for as long as the test runs.
func New(t testing.TB, services ...*gateway.Service) *Server {
	t.Helper()
	return Serve(t, Gateway(t, services...).Handler())
}

// Gateway returns a gateway whose tokens are principals.
func Gateway(t testing.TB, services ...*gateway.Service) *gateway.Gateway {
	return &gateway.Gateway{Doors: doors{}, Services: services, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// Serve starts a server of what a gateway is a part of.
func Serve(t testing.TB, h http.Handler) *Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &Server{t, s.URL}
}

// With returns the same server for another test, such as a case of a fuzz test.
func (s *Server) With(t testing.TB) *Server { return &Server{t, s.URL} }

// A Reply is what a server answered.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body.
func (r Reply) JSON(t testing.TB) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("answer %d %q: %v", r.Status, r.Body, err)
	}
	return v
}

// Do sends a request as an administrator of Org in prod. Pairs of header
// names and values come behind the body and win; a body that is neither nil,
// string nor []byte is sent as JSON.
func (s *Server) Do(method, path string, body any, header ...string) Reply {
	s.t.Helper()
	return s.As(Admin("prod").Principal, method, path, body, header...)
}

// As sends a request as a principal.
func (s *Server) As(p access.Principal, method, path string, body any, header ...string) Reply {
	s.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, r)
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := json.Marshal(p)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(token))
	req.Header.Set("X-Api-Key", p.Client)
	req.Header.Set("X-Gw-Ims-Org-Id", p.Org)
	req.Header.Set("X-Sandbox-Name", "prod")
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return Reply{resp.StatusCode, resp.Header, b}
}
