package dataprep

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// registry has the six Stripe schemas, named by their resource, and one that
// is made for these tests, in every sandbox of Org.
type registry struct{}

func (registry) Composition(_ context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	name := last(id)
	if c.Org != gatewaytest.Org || strings.HasPrefix(id, "https:") && !strings.HasPrefix(id, "https://ns.adobe.com/acme/schemas/") {
		return nil, problem.Errorf(problem.NotFound, "no schema")
	}
	full := "https://ns.adobe.com/acme/schemas/" + name
	if s, err := xdm.Stripe(name, "acme"); err == nil {
		group := &xdm.Field{Name: s.Group, Kind: xdm.Object, Fields: s.Fields}
		return &xdm.Composition{ID: full, Title: s.Title, Version: "1.0", Fields: []*xdm.Field{{Name: "_acme", Kind: xdm.Object, Fields: []*xdm.Field{group}}}}, nil
	}
	if name != "persons" {
		return nil, problem.Errorf(problem.NotFound, "no schema")
	}
	return &xdm.Composition{ID: full, Title: "Persons", Version: "1.0", Fields: []*xdm.Field{
		{Name: "_id", Kind: xdm.String},
		{Name: "person", Kind: xdm.Object, Fields: []*xdm.Field{
			{Name: "age", Kind: xdm.Long},
			{Name: "at", Kind: xdm.DateTime},
			{Name: "name", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "firstName", Kind: xdm.String, Required: true}, {Name: "lastName", Kind: xdm.String}}},
			{Name: "tags", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.String}},
			{Name: "notes", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.String}},
			{Name: "score", Kind: xdm.Double},
			{Name: "day", Kind: xdm.Date},
			{Name: "ok", Kind: xdm.Boolean},
		}},
	}}, nil
}

var start = time.Date(2024, 3, 8, 1, 10, 57, 7e6, time.UTC)

func newService(t testing.TB) *Service {
	t.Helper()
	var ticks atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(ticks.Add(1)-1) * time.Second) }
	db, err := docstore.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &Service{DB: db, Schemas: registry{}, Now: now}
}

type server struct {
	*gatewaytest.Server
	t testing.TB
}

func serve(t testing.TB) server {
	t.Helper()
	return server{gatewaytest.New(t, newService(t).HTTP()), t}
}

// do sends a request, wants a status, and returns what was answered.
func (s server) do(status int, call string, body any) any {
	s.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	r := s.Do(method, base+path, body)
	if r.Status != status {
		s.t.Fatalf("%s: %d, want %d: %s", call, r.Status, status, r.Body)
	}
	return r.JSON(s.t)
}

func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no %q in %v", p, v)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("no %d in %v", p, v)
			}
			v = l[p]
		}
	}
	return v
}

const legacy = `{
  "version": 0, "xdmSchema": "https://ns.adobe.com/{TENANT}/schemas/charges", "xdmVersion": "1.0", "id": null,
  "mappings": [
    {"destinationXdmPath": "_{TENANT}.charges_data.id", "sourceAttribute": "data.id", "identity": false, "version": 0},
    {"destinationXdmPath": "_{ORG_ID}.charges_data.customer", "sourceAttribute": "data.customer", "identity": true, "identityGroup": "g", "namespaceCode": "n", "version": 0},
    {"destinationXdmPath": "_acme.charges_data.currency", "sourceAttribute": "upper(data.currency)"}
  ]
}`

const current = `{
  "name": "prices", "outputSchema": {"schemaRef": {"id": "https://ns.adobe.com/acme/schemas/prices", "contentType": "application/vnd.adobe.xed-full+json;version=1"}},
  "mappings": [
    {"sourceType": "ATTRIBUTE", "source": "data.id", "destination": "_acme.prices_data.id", "name": "id", "description": "Identifier"},
    {"sourceType": "expression", "source": "upper(data.currency)", "destination": "_acme.prices_data.currency"},
    {"sourceType": "STATIC", "source": "recurring", "destination": "_acme.prices_data.type"},
    {"sourceType": "text/x.aep-xl", "source": "data.active", "destination": "_acme.prices_data.active"},
    {"sourceType": "text/x.schema-path", "sourceAttribute": "data.nowhere", "destinationXdmPath": "_acme.prices_data.nowhere"}
  ], "tags": [{"name": "a", "values": ["b"]}], "strictMapping": true
}`

var hexID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// masked replaces ids that are made by chance, wanted ones counted.
func masked(t testing.TB, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok && (k == "id" || k == "sampleId") && !strings.Contains(s, "/") {
				if !hexID.MatchString(s) {
					t.Errorf("%s: %q is no id", k, s)
				}
				v[k] = "ID"
				continue
			}
			v[k] = masked(t, x)
		}
	case []any:
		for i, x := range v {
			v[i] = masked(t, x)
		}
	}
	return v
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	return gatewaytest.Reply{Body: []byte(text)}.JSON(t)
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everywhere is the registry for all organisations.
type everywhere struct{ registry }

func (e everywhere) Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	c.Org = gatewaytest.Org
	return e.registry.Composition(ctx, c, id)
}
