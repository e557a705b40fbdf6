package registry_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/xdm"
)

const (
	base       = "/data/foundation/schemaregistry"
	record     = "https://ns.adobe.com/xdm/data/record"
	timeSeries = "https://ns.adobe.com/xdm/data/time-series"
)

// A clock goes on by a second with each look at it, so that the order in time
// is that of what happened.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Second)
	return c.at
}

// empty returns a service without any resources.
func empty(t testing.TB) *registry.Service {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "documents.db"))
}

// open returns a service on a database.
func open(t testing.TB, name string) *registry.Service {
	t.Helper()
	c := &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	db, err := docstore.Open(t.Context(), name, c.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &registry.Service{DB: db, Now: c.now}
}

func seed(t testing.TB, s *registry.Service, c access.Caller) {
	t.Helper()
	err := s.DB.Do(t.Context(), func(tx *docstore.Tx) error {
		return registry.Seed(tx, docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID}, c.Org, c.Tenant, s.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// other returns a caller of the other organisation.
func other(sandbox string) access.Caller {
	c := gatewaytest.Admin(sandbox)
	c.Org, c.Tenant, c.Sandbox = gatewaytest.OtherOrg, gatewaytest.OtherTenant, gatewaytest.Sandbox(gatewaytest.OtherOrg, sandbox)
	return c
}

// seeded is what a schema of the six comes to: the fields of the release, of
// which none is required.
func seeded(t testing.TB, resource, tenant string) []*xdm.Field {
	t.Helper()
	s, err := xdm.Stripe(resource, tenant)
	if err != nil {
		t.Fatal(err)
	}
	s.Walk(func(_ []string, f *xdm.Field) { f.Required = false })
	return s.Fields
}

func field(t testing.TB, fields []*xdm.Field, name string) *xdm.Field {
	t.Helper()
	for _, f := range fields {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// What a new sandbox has are the six Stripe schemas, field by field those of
// the release, under ids that follow from the tenant.
func TestSeed(t *testing.T) {
	t.Parallel()
	s := empty(t)
	c := gatewaytest.Admin("prod")
	seed(t, s, c)
	seed(t, s, gatewaytest.Admin("dev"))
	seed(t, s, other("prod"))
	schemas, err := s.Summaries(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	for _, sum := range schemas {
		titles = append(titles, sum.Title)
		if sum.ClassTitle != "Stripe object" || sum.Version != "1.0" {
			t.Errorf("%+v", sum)
		}
		comp, err := s.Composition(t.Context(), c, sum.ID)
		if err != nil {
			t.Fatal(err)
		}
		got := field(t, field(t, comp.Fields, "_acme").Fields, sum.Resource+"_data")
		if diff := cmp.Diff(seeded(t, sum.Resource, "acme"), got.Fields); diff != "" {
			t.Errorf("%s: %s", sum.Resource, diff)
		}
		if comp.ID != sum.ID || comp.Title != sum.Title || comp.Version != "1.0" || len(comp.Fields) != 2 {
			t.Errorf("%+v", comp)
		}
	}
	if diff := cmp.Diff([]string{"Stripe Charges", "Stripe Subscriptions", "Stripe Refunds", "Stripe Balance Transactions", "Stripe Customers", "Stripe Prices"}, titles); diff != "" {
		t.Error(diff)
	}
	dev, err := s.Summaries(t.Context(), gatewaytest.Admin("dev"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := s.Summaries(t.Context(), other("prod"))
	if err != nil {
		t.Fatal(err)
	}
	for i, sum := range schemas {
		if dev[i].ID != sum.ID {
			t.Errorf("%s has another id in the other sandbox", sum.Title)
		}
		if hex := sum.ID[strings.LastIndex(sum.ID, "/")+1:]; len(hex) != 48 || strings.HasSuffix(foreign[i].ID, hex) || !strings.HasPrefix(foreign[i].ID, "https://ns.adobe.com/other/schemas/") {
			t.Errorf("ids %s and %s", sum.ID, foreign[i].ID)
		}
	}
}

// No mark of ours is seen by clients.
func TestMarksAreNotShown(t *testing.T) {
	t.Parallel()
	s := empty(t)
	c := gatewaytest.Admin("prod")
	seed(t, s, c)
	sums, err := s.Summaries(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"xed", "xed-full"} {
		doc, err := s.Lookup(t.Context(), c, registry.Tenant, registry.Schemas, sums[0].AltID, format)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(doc); strings.Contains(text, "tributary\":") || strings.Contains(text, `"required"`) {
			t.Errorf("%s: %.2000s", format, text)
		}
	}
	var doc struct {
		Properties map[string]struct {
			Properties map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	full, err := s.Lookup(t.Context(), c, registry.Tenant, registry.Schemas, sums[0].ID, "xed-full")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(full, &doc); err != nil {
		t.Fatal(err)
	}
	if n := len(doc.Properties["_acme"].Properties["charges_data"].Properties); n != len(seeded(t, "charges", "acme")) {
		t.Errorf("%d properties", n)
	}
}
