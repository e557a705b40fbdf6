package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/source"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const account = "acct_1M2JTkLkdIwHu7ix"

func start(t *testing.T, c stripesim.Config) (*source.Stripe, *stripesim.Sim) {
	t.Helper()
	sim, err := stripesim.New(c)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	return &source.Stripe{
		URL: srv.URL, Now: time.Now, Limits: &stripe.Limits{}, HTTP: srv.Client(),
		Retry: stripe.Retry{Base: time.Millisecond, Cap: time.Millisecond, ConnectTries: 1},
	}, sim
}

func credentials(t *testing.T, key, account string) flow.Credentials {
	t.Helper()
	k, err := stripe.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return flow.Credentials{Key: k, Account: account}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s, sim := start(t, stripesim.Config{Mode: stripesim.Live, Platform: true, Counts: stripesim.Counts{Charges: 3, Customers: 2, Prices: 2}, Keys: map[string]stripesim.Key{
		"sk_live_good00001234": {}, "rk_live_some00001234": {Permissions: []string{"charge_read", "refund_read", "connected_account_read"}}, "rk_live_none00001234": {Permissions: []string{}},
		"token-of-an-app": {Mode: stripesim.Live},
	}})
	for name, c := range map[string]struct {
		key     string
		refused []string
	}{
		"all":                {"sk_live_good00001234", nil},
		"an app's":           {"token-of-an-app", nil},
		"some":               {"rk_live_some00001234", []string{"balance_transactions", "customers", "events", "prices", "subscriptions"}},
		"nothing, but known": {"rk_live_none00001234", []string{"balance_transactions", "charges", "customers", "events", "prices", "refunds", "subscriptions"}},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := credentials(t, c.key, "")
			v, err := s.Verify(t.Context(), c2)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(flow.Account{ID: account, Livemode: true, Fingerprint: c2.Fingerprint()}, v.Account); diff != "" {
				t.Error(diff)
			}
			if len(v.Refused) != len(c.refused) {
				t.Errorf("%v", v.Refused)
			}
			for _, r := range c.refused {
				if text := v.Refused[r]; !strings.Contains(text, "the key lacks a permission: ") || !strings.Contains(text, "HTTP 403") || strings.Contains(text, c.key) {
					t.Errorf("%s: %q", r, text)
				}
			}
		})
	}
	for key, words := range map[string]string{"sk_live_wrong0001234": "did not accept the key", "sk_test_good00001234": "did not accept the key"} {
		if _, err := s.Verify(t.Context(), credentials(t, key, "")); err == nil || !strings.Contains(err.Error(), words) || problem.KindOf(err) != problem.Unauthenticated {
			t.Errorf("%v", err)
		}
	}
	if _, err := s.Verify(t.Context(), credentials(t, "sk_live_good00001234", "acct_1Other")); problem.KindOf(err) != problem.Forbidden {
		t.Errorf("%v", err)
	}
	if err := sim.SetPlan(stripesim.Plan{Rules: []stripesim.Rule{{Endpoint: "GET /v1/account", Action: stripesim.UnavailableEnd}}}); err != nil {
		t.Fatal(err)
	}
	// Who could not be asked is not taken for one that may not be seen.
	if v, err := s.Verify(t.Context(), credentials(t, "sk_live_good00001234", "")); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("%v %v", v, err)
	}
}

// The newest objects come, from all lists of a resource, none above the bound.
func TestSample(t *testing.T) {
	t.Parallel()
	s, sim := start(t, stripesim.Config{Counts: stripesim.Counts{Charges: 130, Customers: 20, Prices: 30, Subscriptions: 12}})
	c := credentials(t, "sk_test_good00001234", "")
	for _, r := range stripe.Resources {
		rows, err := s.Sample(t.Context(), c, r.Name, 25)
		if err != nil {
			t.Fatal(err)
		}
		listed := 0
		for truth := range sim.Oracle(stripesim.Resource(r.Name)) {
			if truth.Listed {
				listed++
			}
		}
		if len(rows) != min(25, listed) {
			t.Errorf("%s: %d rows of %d", r.Name, len(rows), listed)
		}
		last := int64(1 << 60)
		for i, row := range rows {
			var o struct {
				Object  string
				Created int64
			}
			if err := json.Unmarshal(row, &o); err != nil || o.Object != r.Object || o.Created > last {
				t.Errorf("%s: row %d is %+v, after %d: %v", r.Name, i, o, last, err)
			}
			last = o.Created
		}
	}
	inactive := false
	rows, err := s.Sample(t.Context(), c, "prices", 100)
	for _, row := range rows {
		inactive = inactive || strings.Contains(string(row), `"active": false`) || strings.Contains(string(row), `"active":false`)
	}
	if err != nil || !inactive {
		t.Errorf("no inactive price among %d: %v", len(rows), err)
	}
	if _, err := s.Sample(t.Context(), c, "payouts", 1); problem.KindOf(err) != problem.Invalid {
		t.Errorf("%v", err)
	}
	if canceled, err := s.Sample(t.Context(), c, "subscriptions", 100); err != nil || len(canceled) == 0 {
		t.Errorf("%v", err)
	}
	asked := false
	for _, e := range sim.Log() {
		asked = asked || strings.Contains(e.URI, "status=all")
	}
	if !asked {
		t.Error("canceled subscriptions were not asked for")
	}
}

// All who read an account share a pacer, whatever key they have; what Stripe
// never took leaves nothing behind.
func TestPacers(t *testing.T) {
	t.Parallel()
	s, _ := start(t, stripesim.Config{Counts: stripesim.Counts{Charges: 1}, Keys: map[string]stripesim.Key{"sk_test_one000001234": {}, "sk_test_two000001234": {}}})
	one, two := credentials(t, "sk_test_one000001234", ""), credentials(t, "sk_test_two000001234", "")
	for _, c := range []flow.Credentials{one, two, credentials(t, "sk_test_wrong0001234", "")} {
		_, err := s.Verify(t.Context(), c)
		if bad := c != one && c != two; (err != nil) != bad {
			t.Fatal(err)
		}
	}
	if s.Pacer(one) != s.Pacer(two) || s.Client(one).Pacer != s.Pacer(one) {
		t.Error("two keys of an account have two pacers")
	}
	other := credentials(t, "sk_test_other0001234", "")
	if first := s.Pacer(other); first == s.Pacer(one) || first != s.Pacer(other) {
		t.Error("accounts share a pacer, or one has several")
	}
	// The pacer of one who was asked for by fingerprint is found again.
	third, _ := start(t, stripesim.Config{Counts: stripesim.Counts{Charges: 1}})
	before := third.Pacer(one)
	if _, err := third.Sample(t.Context(), one, "charges", 1); err != nil || third.Pacer(one) != before {
		t.Errorf("%v", err)
	}
	if _, err := third.Verify(t.Context(), one); err != nil || third.Pacer(one) != before {
		t.Errorf("after the account is known: %v", err)
	}
}

// Who waits does not wait for ever.
func TestSlow(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(srv.Close)
	s := &source.Stripe{URL: srv.URL, HTTP: srv.Client(), Now: time.Now}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Verify(ctx, credentials(t, "sk_test_good00001234", "")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := s.Sample(ctx, credentials(t, "sk_test_good00001234", ""), "charges", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
