package app_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/hook"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const hookSecret = "whsec_the_secret_of_these_tests"

// A kept copy is one that a Keeper holds, and the address of its webhooks.
type kept struct {
	*copied
	keeper *app.Keeper
	hooks  http.Handler
	told   map[string]bool // events that a test knows
}

// keep makes an account, its copy, and the keeper of that.
func keep(t *testing.T, cfg stripesim.Config, wrap func(*stripesim.Sim) http.Handler) *kept {
	t.Helper()
	k := &kept{copied: serve(t, cfg, wrap), told: map[string]bool{}}
	complete(t, k.pass(t))
	secret, err := stripe.ParseSecret(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := (app.Webhooks{Dir: k.dir}).Add("", secret, false); err != nil {
		t.Fatal(err)
	}
	k.reopen(t)
	return k
}

// reopen starts a new keeper, which knows Stripe's time from a pass of its own.
func (k *kept) reopen(t *testing.T) {
	t.Helper()
	k.hold(t)
	k.turn(t)
}

func (k *kept) hold(t *testing.T) {
	t.Helper()
	keeper, err := k.pass(t).Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keeper.Close(); err != nil {
			t.Error(err)
		}
	})
	k.keeper, k.hooks = keeper, keeper.Handler()
}

// turn does a pass over the account.
func (k *kept) turn(t *testing.T) *app.Report {
	t.Helper()
	report, err := k.keeper.Pass(t.Context())
	if err != nil || report.Status != app.Complete {
		t.Fatalf("%v %s", err, marshal(report))
	}
	return report
}

// capture takes in everything that waits.
func (k *kept) capture(t *testing.T) {
	t.Helper()
	if left, err := k.keeper.Capture(t.Context()); left || err != nil {
		t.Fatalf("something is left: %v %v", left, err)
	}
}

// news are the events that were not asked for before, as Stripe lists them.
func (k *kept) news(t *testing.T) []string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/events?limit=100", nil)
	r.Header.Set("Authorization", "Bearer "+k.sim.Key())
	w := httptest.NewRecorder()
	k.sim.ServeHTTP(w, r)
	var list struct{ Data []json.RawMessage }
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var fresh []string
	for _, raw := range list.Data {
		var body bytes.Buffer
		if err := json.Compact(&body, raw); err != nil {
			t.Fatal(err)
		}
		if !k.told[body.String()] {
			k.told[body.String()] = true
			fresh = append(fresh, body.String())
		}
	}
	if len(fresh) == 0 {
		t.Fatal("nothing happened")
	}
	return fresh
}

// now is Stripe's time.
func (k *kept) now(t *testing.T) int64 {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sim/stats", nil)
	w := httptest.NewRecorder()
	k.sim.ServeHTTP(w, r)
	at, err := http.ParseTime(w.Header().Get("Date"))
	if err != nil {
		t.Fatal(err)
	}
	return at.Unix()
}

// send sends a body as Stripe does, signed with the secret at a time of Stripe,
// and returns the status.
func (k *kept) send(t *testing.T, body, secret string, at int64) int {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at, body)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook.Path, strings.NewReader(body))
	r.Header.Set(stripe.SignatureHeader, fmt.Sprintf("t=%d,v1=%s", at, hex.EncodeToString(mac.Sum(nil))))
	w := httptest.NewRecorder()
	k.hooks.ServeHTTP(w, r)
	return w.Code
}

// happened sends what happened since it was called.
func (k *kept) happened(t *testing.T) {
	t.Helper()
	for _, event := range k.news(t) {
		k.arrives(t, event)
	}
}

func (k *kept) arrives(t *testing.T, event string) {
	t.Helper()
	if status := k.send(t, event, hookSecret, k.now(t)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
}

// one asks the copy for one number.
func (k *kept) one(t *testing.T, query string) (n int64) {
	t.Helper()
	r, err := app.OpenReader(context.Background(), k.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, err := r.Query(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func (k *kept) do(t *testing.T, do string, r stripesim.Resource, target string) {
	t.Helper()
	if err := k.sim.Do(stripesim.Step{Do: do, Resource: r, Target: target}); err != nil {
		t.Fatal(err)
	}
}

func hookedAccount(seed uint64) stripesim.Config {
	return stripesim.Config{
		Seed: seed, Expand: expansions,
		Counts: stripesim.Counts{Charges: 120, Customers: 40, Subscriptions: 12, Prices: 6},
	}
}

// What a webhook names is read, one request for each object, and nothing else
// is asked of Stripe; the next pass over the account knows.
func TestWebhookToRow(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(1), nil)
	k.do(t, "update", stripesim.Charges, "newest")
	k.do(t, "update", stripesim.Charges, "newest") // the same object twice
	k.do(t, "delete", stripesim.Customers, "oldest")
	k.do(t, "cancel", stripesim.Subscriptions, "random")
	k.do(t, "insert", stripesim.Charges, "")
	k.happened(t)
	k.sim.ResetStats()
	k.capture(t)
	if n := k.sim.Stats().Requests; n > 5 { // an object each, and perhaps a price
		t.Errorf("%d requests: %s", n, marshal(k.sim.Stats().Endpoints))
	}
	for query, want := range map[string]int64{
		"select count(*) from charges_history where source = 'webhook'":                                      2,
		"select count(*) from customers_history where source = 'webhook' and op = 'delete'":                  1,
		"select (count(*) > 0)::bigint from subscriptions_history where source = 'webhook'":                  1,
		"select count(*) from charges where id in (select id from charges_history where source = 'webhook')": 2,
	} {
		if n := k.one(t, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	before := tables(t, k.dir)
	k.sim.ResetStats()
	k.turn(t)
	if n := k.sim.Stats().Requests; n > 2 { // events, balance transactions
		t.Errorf("the next pass makes %d requests: %s", n, marshal(k.sim.Stats().Endpoints))
	}
	for i, d := range tables(t, k.dir) {
		if strings.HasPrefix(d.Name, "balance") { // the new charge's
			continue
		}
		if diff := cmp.Diff(before[i].Rows, d.Rows); diff != "" {
			t.Errorf("%s: %s", d.Name, diff)
		}
	}
	report(t, differences(t.Context(), k.sim, k.dir))
}

// Webhooks are a hint: what none tells of, the next pass over the account finds.
func TestLostWebhook(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(2), nil)
	k.do(t, "update", stripesim.Charges, "newest")
	k.do(t, "delete", stripesim.Customers, "oldest")
	k.do(t, "cancel", stripesim.Subscriptions, "random")
	k.do(t, "refund", stripesim.Refunds, "")
	k.arrives(t, k.news(t)[0]) // of four or more, one
	k.capture(t)
	if len(differences(t.Context(), k.sim, k.dir)) == 0 {
		t.Error("the lost webhooks are missed by nobody")
	}
	k.turn(t)
	report(t, differences(t.Context(), k.sim, k.dir))
}

// What Stripe did not send to this copy changes nothing and asks Stripe for
// nothing.
func TestRefusedWebhooks(t *testing.T) {
	t.Parallel()
	long(t)
	k := keep(t, hookedAccount(3), nil)
	k.do(t, "update", stripesim.Charges, "newest")
	known := k.news(t)[0]
	k.arrives(t, known)
	k.capture(t)
	k.do(t, "update", stripesim.Customers, "newest")
	event := k.news(t)[0]
	now := k.now(t)
	before := tables(t, k.dir)
	k.sim.ResetStats()
	tests := []struct {
		name   string
		body   string
		secret string
		at     int64
		status int
	}{
		{name: "forged", body: event, secret: "whsec_of_somebody_else", at: now, status: 400},
		{name: "stale", body: event, secret: hookSecret, at: now - 600, status: 400},
		{name: "from the future", body: event, secret: hookSecret, at: now + 600, status: 400},
		{name: "replayed", body: known, secret: hookSecret, at: now, status: 200},
		{name: "another account's", body: strings.Replace(event, `"data"`, `"account":"acct_somebody","data"`, 1), secret: hookSecret, at: now, status: 200},
		{name: "of the other mode", body: strings.Replace(event, `"livemode":false`, `"livemode":true`, -1), secret: hookSecret, at: now, status: 200},
		{name: "thin", body: strings.Replace(event, `"object":"event"`, `"object":"v2.core.event"`, 1), secret: hookSecret, at: now, status: 200},
	}
	for i, tt := range tests {
		if i > 3 && tt.body == event {
			t.Fatalf("%s: the event was not changed: %s", tt.name, event)
		}
		if status := k.send(t, tt.body, tt.secret, tt.at); status != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, status, tt.status)
		}
		if n, err := k.keeper.Waiting(t.Context()); len(n) != 0 || err != nil {
			t.Errorf("%s: %v wait, %v", tt.name, n, err)
		}
		k.capture(t)
	}
	if n := k.sim.Stats().Requests; n != 0 {
		t.Errorf("%d requests to Stripe", n)
	}
	if diff := cmp.Diff(before, tables(t, k.dir)); diff != "" {
		t.Error(diff)
	}
}

// Stripe's own sender: what is forged, late, broken or somebody else's changes
// nothing; what is genuine lands, whatever the order and however often it comes,
// also while its secret is being replaced.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(10), noEvents)
	server := httptest.NewServer(k.hooks)
	defer server.Close()
	id, text, err := k.sim.AddEndpoint(server.URL + hook.Path)
	if err != nil {
		t.Fatal(err)
	}
	add := func(text string) {
		t.Helper()
		secret, err := stripe.ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := (app.Webhooks{Dir: k.dir}).Add(id, secret, false); err != nil {
			t.Fatal(err)
		}
	}
	add(text)
	k.do(t, "update", stripesim.Charges, "newest")
	k.do(t, "update", stripesim.Charges, "oldest")
	k.do(t, "insert", stripesim.Charges, "")
	k.do(t, "cancel", stripesim.Subscriptions, "random")
	k.do(t, "delete", stripesim.Customers, "oldest")
	k.do(t, "refund", stripesim.Refunds, "")
	before := tables(t, k.dir)
	k.sim.ResetStats()
	bad := []stripesim.Sending{
		stripesim.Forged, stripesim.Unsigned, stripesim.Stale, stripesim.Future, stripesim.Tampered, stripesim.Downgraded,
		stripesim.Broken, stripesim.ForeignAccount, stripesim.OtherMode, stripesim.Thin,
	}
	for _, as := range bad {
		got, err := k.sim.Deliver(t.Context(), stripesim.DeliverOptions{As: []stripesim.Sending{as}})
		if err != nil || len(got) == 0 {
			t.Fatalf("%s: %v %v", as, got, err)
		}
		signed := as == stripesim.ForeignAccount || as == stripesim.OtherMode || as == stripesim.Thin
		if got[0].OK() != signed || got[0].Status >= 500 {
			t.Errorf("%s: %+v", as, got[0])
		}
		k.capture(t)
	}
	if n := k.sim.Stats().Requests; n != 0 {
		t.Errorf("%d requests to Stripe", n)
	}
	if diff := cmp.Diff(before, tables(t, k.dir)); diff != "" {
		t.Error(diff)
	}
	if text, err = k.sim.RollSecret(id); err != nil {
		t.Fatal(err)
	}
	add(text)
	got, err := k.sim.Deliver(t.Context(), stripesim.DeliverOptions{Shuffle: 1, Twice: true, Parallel: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range got {
		if !d.OK() {
			t.Errorf("%+v", d)
		}
	}
	k.capture(t)
	k.turn(t) // balance transactions have no webhooks
	report(t, differences(t.Context(), k.sim, k.dir))
}

// An event that waits twice, or comes while it is being captured, is one.
func TestDuplicateWebhooks(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(4), nil)
	k.do(t, "update", stripesim.Charges, "newest")
	event := k.news(t)[0]
	k.arrives(t, event)
	k.arrives(t, event)
	if n, err := k.keeper.Waiting(t.Context()); len(n) != 1 || err != nil {
		t.Fatalf("%v wait, %v", n, err)
	}
	k.sim.ResetStats()
	k.capture(t)
	k.arrives(t, event)
	k.capture(t)
	if n := k.sim.Stats().Endpoints["GET /v1/charges/{id}"].Requests; n != 1 {
		t.Errorf("%d requests", n)
	}
}

// noEvents hides what happened: only webhooks tell of it.
func noEvents(sim *stripesim.Sim) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/events" {
			r.URL.RawQuery = "created[gte]=99999999999&limit=1"
		}
		sim.ServeHTTP(w, r)
	})
}

// A notice that was stored, and not captured before the process ended, is
// taken up by the next one.
func TestWaitingWebhook(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(5), noEvents)
	k.do(t, "update", stripesim.Charges, "newest")
	k.happened(t)
	if err := k.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	k.hold(t)
	k.run(t, func() bool {
		return k.one(t, "select count(*) from charges_history where source in ('webhook', 'event')") > 0
	})
	report(t, differences(t.Context(), k.sim, k.dir))
}

// run lets the keeper work by itself until done says so.
func (k *kept) run(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- k.keeper.Run(ctx, time.Hour) }()
	for !done() {
		select {
		case err := <-ended:
			t.Fatalf("ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("the test ran out of time")
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The keeper by itself: a pass at once, webhooks as they come.
func TestKeeper(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(6), noEvents)
	sent := 0
	k.run(t, func() bool { // what comes during the first pass may be a part of it
		n, err := k.keeper.Waiting(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(n) > 0 {
			return false
		}
		if sent >= 5 && k.one(t, "select count(*) from charges_history where source = 'webhook'") > 0 {
			return true
		}
		k.do(t, "update", stripesim.Charges, "newest")
		k.happened(t)
		sent++
		return false
	})
	report(t, differences(t.Context(), k.sim, k.dir))
}

// A webhook whose object can't be read waits until it can.
func TestUnreadableWebhook(t *testing.T) {
	t.Parallel()
	k := keep(t, hookedAccount(7), nil)
	k.do(t, "update", stripesim.Charges, "newest")
	k.happened(t)
	broken := stripesim.Plan{Rules: []stripesim.Rule{{Endpoint: "GET /v1/charges/{id}", Action: stripesim.UnavailableEnd}}}
	if err := k.sim.SetPlan(broken); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if left, err := k.keeper.Capture(t.Context()); !left || err != nil {
			t.Fatalf("nothing is left: %v", err)
		}
	}
	if err := k.sim.SetPlan(stripesim.Plan{}); err != nil {
		t.Fatal(err)
	}
	k.capture(t)
	report(t, differences(t.Context(), k.sim, k.dir))
}

// A key that may not read a resource does not keep webhooks about it waiting,
// and is not asked again what it may read.
func TestWebhookWithoutPermission(t *testing.T) {
	t.Parallel()
	cfg := hookedAccount(8)
	const key = "rk_test_without_customers"
	all := []string{"charge_read", "refund_read", "subscription_read", "balance_transaction_source_read", "plan_read", "event_read", "connected_account_read"}
	cfg.Keys = map[string]stripesim.Key{key: {Permissions: all}, "sk_test_everything": {}}
	k := &kept{copied: serve(t, cfg, nil), told: map[string]bool{}}
	s := k.pass(t)
	var err error
	if s.Key, err = stripe.ParseKey(key); err != nil {
		t.Fatal(err)
	}
	if k.keeper, err = s.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer k.keeper.Close()
	k.hooks = k.keeper.Handler()
	if r, err := k.keeper.Pass(t.Context()); err != nil || r.Status != app.Partial {
		t.Fatalf("%v %s", err, marshal(r))
	}
	secret, err := stripe.ParseSecret(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := (app.Webhooks{Dir: k.dir}).Add("", secret, false); err != nil {
		t.Fatal(err)
	}
	k.do(t, "update", stripesim.Customers, "newest")
	k.happened(t)
	k.do(t, "update", stripesim.Charges, "newest")
	k.happened(t)
	k.sim.ResetStats()
	k.capture(t)
	if n := k.sim.Stats().Requests; n != 1 {
		t.Errorf("%d requests: %s", n, marshal(k.sim.Stats().Endpoints))
	}
}

// Whether the copy is kept up to date is what the last pass says.
func TestReady(t *testing.T) {
	t.Parallel()
	c := serve(t, hookedAccount(9), nil)
	k := &kept{copied: c}
	k.hold(t)
	if err := k.keeper.Ready(t.Context()); err == nil {
		t.Error("ready before the copy exists")
	}
	if status := k.send(t, `{}`, hookSecret, k.now(t)); status != 400 {
		t.Errorf("a webhook without any secret: %d", status)
	}
	k.turn(t)
	if err := k.keeper.Ready(t.Context()); err != nil {
		t.Errorf("after a pass: %v", err)
	}
	if err := k.sim.SetPlan(stripesim.Plan{Rules: []stripesim.Rule{{Action: stripesim.UnavailableEnd}}}); err != nil {
		t.Fatal(err)
	}
	if r, err := k.keeper.Pass(t.Context()); err == nil && r.Status != app.Failed {
		t.Fatalf("%v %s", err, marshal(r))
	}
	if err := k.keeper.Ready(t.Context()); err == nil {
		t.Error("ready after a failed pass")
	}
}
