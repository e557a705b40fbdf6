package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// hiding leaves balance transactions out of every list; they can be read by id.
func hiding(hidden map[string]bool) func(*stripesim.Sim) http.Handler {
	return func(sim *stripesim.Sim) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/balance_transactions" {
				sim.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			sim.ServeHTTP(answer, r)
			var list struct {
				Object  string                       `json:"object"`
				Data    []map[string]json.RawMessage `json:"data"`
				HasMore bool                         `json:"has_more"`
				URL     string                       `json:"url"`
			}
			if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil {
				w.WriteHeader(answer.Code)
				return
			}
			kept := []map[string]json.RawMessage{}
			for i, o := range list.Data {
				last := i == len(list.Data)-1 // the place to go on from
				if last || !hidden[strings.Trim(string(o["id"]), `"`)] {
					kept = append(kept, o)
				}
			}
			list.Data = kept
			for name, v := range answer.Header() {
				if name != "Content-Length" {
					w.Header()[name] = v
				}
			}
			_ = json.NewEncoder(w).Encode(list)
		})
	}
}

func field(t *testing.T, truth stripesim.Truth, name string) string {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(truth.JSON, &o); err != nil {
		t.Fatal(err)
	}
	s, _ := o[name].(string)
	return s
}

// Every balance transaction that a charge or a refund names is in the copy, also
// one that no list shows: after a backfill, even one in pieces, and after that.
func TestNamedBalanceTransactions(t *testing.T) {
	t.Parallel()
	long(t)
	hidden := map[string]bool{}
	cfg := quiet(31)
	cfg.Counts.Charges = 700
	c := serve(t, cfg, hiding(hidden))
	n := 0
	for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Refunds} {
		for truth := range c.sim.Oracle(r) {
			if id := field(t, truth, "balance_transaction"); id != "" {
				if n++; n%9 == 0 {
					hidden[id] = true
				}
			}
		}
	}
	// Charges alone make nobody read balance transactions.
	s := c.pass(t)
	s.Resources = []string{"charges"}
	complete(t, s)
	if c.sim.Stats().Endpoints["GET /v1/balance_transactions/{id}"].Requests > 0 {
		t.Error("balance transactions were read in a pass about charges")
	}
	s = c.pass(t)
	s.Stop = app.Bound{Reads: int64(c.sim.Stats().Requests) + 22, Set: true}
	if got, err := s.Run(t.Context()); err != nil || !got.Budget.Halted {
		t.Fatal(err, marshal(got))
	}
	complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
	fetched := c.sim.Stats().Endpoints["GET /v1/balance_transactions/{id}"].Requests
	if fetched == 0 || fetched > len(hidden) {
		t.Errorf("%d were read by id, and %d are hidden", fetched, len(hidden))
	}
	// One that comes later.
	id, err := c.sim.Create(stripesim.Charges, stripesim.Draft{Status: "succeeded"})
	if err != nil {
		t.Fatal(err)
	}
	for truth := range c.sim.Oracle(stripesim.Charges) {
		if truth.ID == id {
			hidden[field(t, truth, "balance_transaction")] = true
		}
	}
	if _, err := c.sim.Create(stripesim.Charges, stripesim.Draft{Status: "succeeded"}); err != nil { // ends the list
		t.Fatal(err)
	}
	c.sim.Advance(15 * time.Minute)
	complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
	for range 2 { // and then nothing more is asked
		c.sim.Advance(15 * time.Minute)
		if got := complete(t, c.pass(t)); got.Budget.Requests > 3 {
			t.Errorf("%d requests in an idle pass", got.Budget.Requests)
		}
	}
}

// A balance transaction that is named and that Stripe does not have is said, once.
func TestUnknownBalanceTransaction(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, quiet(32), nil)
	complete(t, c.pass(t))
	id := ""
	for truth := range c.sim.Oracle(stripesim.Charges) {
		id = truth.ID
	}
	if err := c.sim.Mutate(stripesim.Charges, id, func(o map[string]any) { o["failure_balance_transaction"] = "txn_nowhere" }); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(time.Hour)
	if got := complete(t, c.pass(t)); len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "txn_nowhere") {
		t.Errorf("notes: %q", got.Notes)
	}
	c.sim.Advance(time.Hour)
	if got := complete(t, c.pass(t)); len(got.Notes) != 0 || got.Budget.Requests > 3 {
		t.Errorf("%d requests, notes: %q", got.Budget.Requests, got.Notes)
	}
}

// What changes without an event is found within a day: refunds of the last 35
// days, charges that wait for their balance transaction, and everything of the
// last two days.
func TestLookBack(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, quiet(33), nil)
	ago := func(days int) time.Time { return c.sim.Now().AddDate(0, 0, -days) }
	create := func(r stripesim.Resource, d stripesim.Draft) string {
		t.Helper()
		id, err := c.sim.Create(r, d)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	quietly := func(r stripesim.Resource, id, field string, v any) {
		t.Helper()
		if err := c.sim.Quiet(r, id, func(o map[string]any) { o[field] = v }); err != nil {
			t.Fatal(err)
		}
	}
	paid := create(stripesim.Charges, stripesim.Draft{Created: ago(33), Status: "succeeded", Amount: 5000, Method: "card"})
	refund := create(stripesim.Refunds, stripesim.Draft{Charge: paid, Created: ago(32), Amount: 100, Status: "pending"})
	async := create(stripesim.Charges, stripesim.Draft{Created: ago(30), Status: "succeeded", Async: true})
	pending := create(stripesim.Charges, stripesim.Draft{Created: ago(12), Status: "pending"})
	customer := create(stripesim.Customers, stripesim.Draft{Created: ago(1)})
	row := func() string {
		for truth := range c.sim.Oracle(stripesim.Charges) {
			if truth.ID == paid {
				return field(t, truth, "balance_transaction")
			}
		}
		return ""
	}()
	complete(t, c.pass(t))
	quietly(stripesim.Refunds, refund, "failure_reason", "lost_or_stolen_card")
	quietly(stripesim.Charges, async, "balance_transaction", row)
	quietly(stripesim.Charges, pending, "balance_transaction", row)
	quietly(stripesim.Customers, customer, "phone", "1")
	c.sim.Advance(24*time.Hour + time.Minute)
	c.sim.ResetStats()
	got := complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
	// The probe is by the host's clock: one page each for six lists, the events,
	// and for Stripe's time.
	if got.Budget.Requests > 12 {
		t.Errorf("%d requests: %+v", got.Budget.Requests, c.sim.Stats().Endpoints)
	}
	c.sim.Advance(15 * time.Minute)
	if got := complete(t, c.pass(t)); got.Budget.Requests > 3 {
		t.Errorf("%d requests in an idle pass", got.Budget.Requests)
	}
}

// A balance transaction that stays pending beyond its day does not cost a
// request in every pass.
func TestStuckPending(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, quiet(34), nil)
	row := `{"id":"txn_stuck","object":"balance_transaction","amount":1,"available_on":` + unix(c.sim.Now().Add(-time.Hour)) +
		`,"created":` + unix(c.sim.Now().AddDate(0, 0, -3)) + `,"currency":"usd","fee":0,"fee_details":[],"net":1,"status":"pending","type":"charge"}`
	if err := c.sim.Put(stripesim.BalanceTransactions, []byte(row)); err != nil {
		t.Fatal(err)
	}
	complete(t, c.pass(t))
	extra := 0
	for range 12 {
		c.sim.Advance(15 * time.Minute)
		if complete(t, c.pass(t)).Budget.Requests > 3 {
			extra++
		}
	}
	if extra != 1 {
		t.Errorf("%d of 12 passes asked for it again", extra)
	}
	if err := c.sim.Put(stripesim.BalanceTransactions, []byte(strings.Replace(row, `"pending"`, `"available"`, 1))); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(6 * time.Hour)
	complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
}

func unix(at time.Time) string {
	text, _ := json.Marshal(at.Unix())
	return string(text)
}
