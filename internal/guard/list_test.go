package guard_test

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
)

// A door is a service of lists behind a gateway that goes by them, behind a
// proxy: the test's own address is trusted.
type door struct {
	*gatewaytest.Server
	db *docstore.DB
}

func newDoor(t *testing.T) *door {
	t.Helper()
	db := docstoretest.Open(t, filepath.Join(t.TempDir(), "control.db"))
	s := service(t, db)
	g := gatewaytest.Gateway(t, s.HTTP())
	g.Check = s.Check
	return &door{gatewaytest.Serve(t, g.Handler()), db}
}

func service(t *testing.T, db *docstore.DB) *guard.Service {
	t.Helper()
	return &guard.Service{
		DB: db, Proxies: guard.Proxies{Trusted: prefixes(t, "127.0.0.0/8", "::1")}, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Egress: guard.Egress{Addresses: []string{"203.0.113.9"}, Destinations: []guard.Destination{{Host: "api.stripe.com", Port: 443, Purpose: "Stripe's API"}}},
	}
}

const lists = "/data/foundation/network/allow-lists/"

func list(cidrs ...string) map[string]any {
	entries := []any{}
	for _, c := range cidrs {
		entries = append(entries, map[string]any{"cidr": c})
	}
	return map[string]any{"entries": entries}
}

func TestAllowList(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	from := func(address string) []string { return []string{"X-Forwarded-For", "192.0.2.99, " + address} }
	put := func(level, query string, want int, l map[string]any, header ...string) {
		t.Helper()
		if got := d.Do("PUT", lists+level+query, l, append(from("198.51.100.1"), header...)...); got.Status != want {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	status := func(want int, address string, header ...string) {
		t.Helper()
		if got := d.Do("GET", "/data/foundation/network/egress", nil, append(from(address), header...)...); got.Status != want {
			t.Errorf("from %s %v: %d %s", address, header, got.Status, got.Body)
		}
	}
	status(200, "203.0.113.1")
	put("organization", "", 200, list("198.51.100.0/24", "2001:db8::/32"))
	status(200, "198.51.100.200")
	status(200, "::ffff:198.51.100.200")
	status(200, "[2001:db8::5]:4711")
	status(403, "203.0.113.1")
	status(403, "unknown")                                                     // what a proxy does not say is on no list
	status(403, "203.0.113.1", "X-Forwarded-For", "198.51.100.1, 203.0.113.1") // only the right-most hop is the proxy's word
	put("organization", "", 200, list("198.51.100.0/24", "2001:db8::/32", "127.0.0.0/8"))
	status(403, "unknown") // nor is he who hides behind the proxy's own address
	status(200, "", "X-Forwarded-For", "127.0.0.1")
	put("organization", "", 200, list("198.51.100.0/24", "2001:db8::/32"))
	if got := d.As(access.Principal{Org: gatewaytest.OtherOrg, Client: "c", Admin: true}, "GET", "/data/foundation/network/egress", nil, from("203.0.113.1")...); got.Status != 200 {
		t.Errorf("another organisation: %d", got.Status)
	}

	put("sandbox", "", 200, list("198.51.100.1"), "X-Sandbox-Name", "dev")
	status(200, "198.51.100.1", "X-Sandbox-Name", "dev")
	status(403, "198.51.100.2", "X-Sandbox-Name", "dev")
	status(200, "198.51.100.2") // prod
	put("sandbox", "?force=true", 200, list("203.0.113.1"), "X-Sandbox-Name", "dev")
	status(403, "203.0.113.1", "X-Sandbox-Name", "dev") // on the sandbox's, not on the organisation's
	status(403, "198.51.100.1", "X-Sandbox-Name", "dev")

	got := d.Do("GET", lists+"organization", nil, from("198.51.100.1")...)
	want := any(map[string]any{"level": "organization", "entries": []any{map[string]any{"cidr": "198.51.100.0/24"}, map[string]any{"cidr": "2001:db8::/32"}}, "updatedBy": "client@techacct.adobe.com"})
	if diff := cmp.Diff(want, got.JSON(t)); diff != "" || got.Status != 200 {
		t.Error(got.Status, diff)
	}
	if got := d.Do("DELETE", lists+"organization", nil, from("198.51.100.1")...); got.Status != 204 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	status(200, "203.0.113.1")
	status(200, "203.0.113.1", "X-Sandbox-Name", "dev")
	for _, method := range []string{"GET", "DELETE"} {
		if got := d.Do(method, lists+"organization", nil); got.Status != 404 {
			t.Errorf("%s of none: %d %s", method, got.Status, got.Body)
		}
	}
}

func TestAllowListRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	long := map[string]any{"entries": []any{map[string]any{"cidr": "198.51.100.1", "description": strings.Repeat("x", 201)}}}
	var many []string
	for range 1001 {
		many = append(many, "198.51.100.1")
	}
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		words        string
	}{
		"locks out":            {"PUT", "organization", list("203.0.113.0/24"), 409, "lacks 198.51.100.1"},
		"empty":                {"PUT", "organization", list(), 400, "lock everybody out"},
		"no entries":           {"PUT", "organization?force=true", "{}", 400, "lock everybody out"},
		"host bits":            {"PUT", "organization", list("198.51.100.1/24"), 400, "entries[0].cidr: \\\"198.51.100.1/24\\\" is no range of addresses: it names an address inside the range 198.51.100.0/24"},
		"twice":                {"PUT", "organization", list("198.51.100.1", "198.51.100.1/32"), 400, "entries[1].cidr: entries[0] says the same"},
		"garbage":              {"PUT", "sandbox", list("198.51.100.1", "<x>"), 400, "entries[1].cidr"},
		"too many":             {"PUT", "sandbox", list(many...), 400, "1001"},
		"a long description":   {"PUT", "sandbox", long, 400, "entries[0].description"},
		"not JSON":             {"PUT", "sandbox", "{,}", 400, "line 1, column 2"},
		"too large":            {"PUT", "sandbox", strings.Repeat(" ", 2<<20), 413, "larger"},
		"force is what":        {"PUT", "sandbox?force=perhaps", list("198.51.100.1"), 400, "force"},
		"no such level":        {"PUT", "planet", list("198.51.100.1"), 404, "/allow-lists/sandbox"},
		"no such level to get": {"GET", "planet", nil, 404, "/allow-lists/sandbox"},
		"method":               {"POST", "sandbox", nil, 405, "DELETE, GET, PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := d.Do(c.method, lists+c.path, c.body, "X-Forwarded-For", "198.51.100.1")
			if got.Status != c.status || !strings.Contains(string(got.Body), c.words) {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
	t.Run("unknown address", func(t *testing.T) {
		t.Parallel()
		if got := d.Do("PUT", lists+"sandbox", list("0.0.0.0/0"), "X-Forwarded-For", "what"); got.Status != 409 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})
	t.Run("no administrator", func(t *testing.T) {
		t.Parallel()
		p := access.Principal{Org: gatewaytest.Org, Client: "c", Grants: map[string][]access.Permission{"prod": access.Permissions}}
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if got := d.As(p, method, lists+"sandbox", "{"); got.Status != 403 {
				t.Errorf("%s: %d", method, got.Status)
			}
		}
		if got := d.As(p, "GET", "/data/foundation/network/egress", nil); got.Status != 200 {
			t.Errorf("egress: %d", got.Status)
		}
	})
}

// Another server's list counts here after a moment; a database that does not
// answer lets nobody in.
func TestListOfOthers(t *testing.T) {
	t.Parallel()
	db := docstoretest.Open(t, filepath.Join(t.TempDir(), "control.db"))
	here, there := service(t, db), service(t, db)
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	here.Now = func() time.Time { return now }
	g := gatewaytest.Gateway(t, here.HTTP())
	g.Check = here.Check
	d := gatewaytest.Serve(t, g.Handler())
	status := func() int {
		return d.Do("GET", "/data/foundation/network/egress", nil, "X-Forwarded-For", "198.51.100.1").Status
	}
	if got := status(); got != 200 {
		t.Fatal(got)
	}
	entries := []guard.Entry{{CIDR: "203.0.113.0/24"}}
	if _, err := there.SetList(t.Context(), gatewaytest.Admin("prod"), guard.Sandbox, entries, prefixes(t, "203.0.113.1")[0].Addr(), false); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * time.Second)
	if got := status(); got != 403 {
		t.Errorf("another's list: %d", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * time.Second)
	if got := status(); got != 503 {
		t.Errorf("without a database: %d", got)
	}
}

func TestEgress(t *testing.T) {
	t.Parallel()
	want := any(map[string]any{"egressAddresses": []any{"203.0.113.9"}, "destinations": []any{map[string]any{"host": "api.stripe.com", "port": float64(443), "purpose": "Stripe's API"}}})
	got := newDoor(t).Do("GET", "/data/foundation/network/egress", nil)
	if diff := cmp.Diff(want, normal(t, got)); diff != "" {
		t.Error(diff)
	}
}

func normal(t *testing.T, r gatewaytest.Reply) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(r.Body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func FuzzList(f *testing.F) {
	f.Add("198.51.100.0/24", "office")
	f.Fuzz(func(t *testing.T, cidr, description string) {
		db := &guard.Service{} // what is refused reaches no database
		caller := gatewaytest.Admin("prod")
		entries := []guard.Entry{{CIDR: cidr, Description: description}, {CIDR: cidr}}
		if _, err := db.SetList(t.Context(), caller, guard.Sandbox, entries, netip.Addr{}, true); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q %q: %v", cidr, description, err)
		}
	})
}
