package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

var (
	longRuns = flag.Int("long.runs", 2, "lives of an account that are copied; in short mode one")
	longDays = flag.Int("long.days", 60, "virtual days of each; in short mode a fifth")
	longSeed = flag.Uint64("long.seed", 1, "of the first")
)

// An era is the life of an account over many days, its copy, and what goes
// wrong meanwhile.
type era struct {
	*copied
	rand *rand.Rand

	mu   sync.Mutex // of what follows: a killed process may still have a request in flight
	life *stripesim.Life
	odds *rand.Rand
	live float64 // chance that something happens at a request

	passes, kills, partial int
}

// newEra makes an account with a frozen clock and a life, served through wrap,
// which may be nil.
func newEra(t *testing.T, seed uint64, wrap func(http.Handler) http.Handler) *era {
	t.Helper()
	e := &era{rand: rand.New(rand.NewPCG(seed, 60)), odds: rand.New(rand.NewPCG(seed, 61))}
	cfg := stripesim.Config{
		Seed: seed, Expand: expansions, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Frozen: true, Twins: 0.1, OddIDs: seed%2 == 0,
		Counts: stripesim.Counts{Charges: 150, Customers: 60, Subscriptions: 40, Prices: 25},
	}
	e.copied = serve(t, cfg, func(sim *stripesim.Sim) http.Handler {
		life, err := sim.Live(seed, nil)
		if err != nil {
			t.Fatal(err)
		}
		e.life = life
		var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.happen(t)
			sim.ServeHTTP(w, r)
		})
		if wrap != nil {
			h = wrap(h)
		}
		return h
	})
	e.batchRows = 50
	return e
}

// happen lets something happen now and then, while the copy is read.
func (e *era) happen(t *testing.T) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.odds.Float64() >= e.live {
		return
	}
	if _, err := e.life.Step(); err != nil {
		t.Error(err)
	}
}

func (e *era) chance(live float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live = live
}

// day lets the rest of a day pass.
func (e *era) day(t *testing.T) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.life.Day(); err != nil {
		t.Fatal(err)
	}
}

// run lives through that many days, with a pass on most of them: quiet ones,
// some with faults, some that are killed.
func (e *era) run(t *testing.T, days int) {
	t.Helper()
	e.chance(0.3) // also during the backfill
	for day := range days {
		if day == days/2 {
			if err := e.sim.SetAPIVersion("2025-09-30.clover"); err != nil {
				t.Fatal(err)
			}
		}
		if day > days/3 {
			e.sim.SetNovelty(day%2 == 0)
		}
		switch n := e.rand.IntN(20); {
		case day > 0 && n < 8: // nobody looks
		case n < 11:
			e.kill(t)
		case n < 15:
			if err := e.sim.SetPlan(troubles(e.rand)); err != nil {
				t.Fatal(err)
			}
			e.try(t)
		default:
			e.try(t)
		}
		if err := e.sim.SetPlan(stripesim.Plan{}); err != nil {
			t.Fatal(err)
		}
		e.day(t)
	}
	e.chance(0)
	e.sim.Advance(10 * time.Minute) // so that all events show
}

// troubles are faults that a pass may or may not overcome.
func troubles(r *rand.Rand) stripesim.Plan {
	p := stripesim.Plan{Seed: r.Uint64()}
	for range 1 + r.IntN(4) {
		rule := answers[r.IntN(len(answers))]
		rule.Action = stripesim.Respond
		rule.Endpoint = []string{"", "events", "balance_transactions", "charges", "GET /v1/charges/{id}", "GET /v1/subscriptions/{id}"}[r.IntN(6)]
		rule.Probability, rule.Times = 0.1+r.Float64()/2, 1+r.IntN(60)
		p.Rules = append(p.Rules, rule)
	}
	return p
}

// try makes a pass that may fail.
func (e *era) try(t *testing.T) {
	t.Helper()
	e.passes++
	s := e.pass(t)
	s.Hooks.Untidy = e.passes%4 != 0
	report, err := s.Run(t.Context())
	if err != nil || report.Status != app.Complete {
		e.partial++
	}
}

// kill makes a pass in a process that ends in the middle.
func (e *era) kill(t *testing.T) {
	t.Helper()
	l := life{URL: e.url, Key: e.sim.Key(), Dir: e.dir, BatchRows: e.batchRows, End: atCall, Nth: 1 + e.rand.IntN(25)}
	if e.rand.IntN(2) == 0 {
		l.End, l.Nth, l.Only = between, 1+e.rand.IntN(2), xdm.Resources[e.rand.IntN(len(xdm.Resources))]
	}
	out, err := childtest.Command(t, l).CombinedOutput()
	switch {
	case childtest.Killed(err):
		e.kills++
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
}

// end makes the last cycle, and compares.
func (e *era) end(t *testing.T) []string {
	t.Helper()
	complete(t, e.pass(t))
	return differences(t.Context(), e.sim, e.dir)
}

// Sixty days of a shop, copied on most of them, whatever happens: updates during
// the backfill, objects from the past, events that come late and twice, a new
// API version of the account, refunds, disputes, deletes, settlements that no
// event tells of, faults, kills. The copy is exact after the last cycle.
func TestLong(t *testing.T) {
	t.Parallel()
	runs, days := *longRuns, *longDays
	if testing.Short() {
		runs, days = 1, days/5
	}
	for seed := *longSeed; seed < *longSeed+uint64(runs); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			e := newEra(t, seed, nil)
			e.run(t, days)
			report(t, e.end(t))
			deleted(t, e.copied)
			for r, p := range proofs(complete(t, e.reconciling(t))) {
				// What only a reconcile finds is not in this life.
				if p.Repaired != 0 || p.Held != 0 || !p.Equal {
					t.Errorf("%s: %s", r, marshal(p))
				}
			}
			if !testing.Short() && (e.kills == 0 || e.partial == 0) {
				t.Errorf("%d kills and %d passes with errors: too easy", e.kills, e.partial)
			}
			t.Logf("%d days, %d passes, %d of them with errors, %d kills", days, e.passes, e.partial, e.kills)
		})
	}
}

// A broken copy is not exact after such a life.
func TestLongBroken(t *testing.T) {
	t.Parallel()
	long(t)
	for _, tt := range []struct {
		name string
		bend func(e *era, w *httptest.ResponseRecorder, r *http.Request) // what the copy gets to see of an answer
		want string                                                      // part of a difference; "" for none at all
	}{
		{"nothing", func(*era, *httptest.ResponseRecorder, *http.Request) {}, ""},
		{"event types that nobody listens to", deaf("charge.refunded", "charge.updated", "charge.refund.updated", "refund.created", "refund.updated"), "charges "},
		{"no tombstones", deaf("customer.deleted"), "is deleted and not marked so"},
		{"no second look at pending money", blind, "balance_transactions "},
		{"older overwrites newer", (&rerun{}).answer, "customers "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var e *era
			e = newEra(t, 7, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					answer := httptest.NewRecorder()
					next.ServeHTTP(answer, r)
					if e.passes > 0 { // after the backfill
						tt.bend(e, answer, r)
					}
					for k, v := range answer.Header() {
						if k != "Content-Length" {
							w.Header()[k] = v
						}
					}
					w.WriteHeader(answer.Code)
					_, _ = w.Write(answer.Body.Bytes())
				})
			})
			for range 5 {
				e.try(t)
				e.day(t)
			}
			e.sim.Advance(10 * time.Minute)
			said := e.end(t)
			if tt.want == "" {
				report(t, said)
			} else if !slices.ContainsFunc(said, func(d string) bool { return strings.Contains(d, tt.want) }) {
				t.Errorf("not found out: %v", said)
			}
		})
	}
}

// deaf gives events other types, as if theirs were missing from our table.
func deaf(types ...string) func(*era, *httptest.ResponseRecorder, *http.Request) {
	return func(_ *era, w *httptest.ResponseRecorder, r *http.Request) {
		if r.URL.Path != "/v1/events" {
			return
		}
		body := w.Body.Bytes()
		for _, kind := range types {
			body = bytes.ReplaceAll(body, []byte(`"`+kind+`"`), []byte(`"nothing.of.ours"`))
		}
		w.Body = bytes.NewBuffer(body)
	}
}

// blind shows balance transactions of more than an hour ago as they were then.
func blind(e *era, w *httptest.ResponseRecorder, r *http.Request) {
	if r.URL.Path != "/v1/balance_transactions" || w.Code != http.StatusOK {
		return
	}
	var list map[string]any
	d := json.NewDecoder(w.Body)
	d.UseNumber()
	if d.Decode(&list) != nil {
		return
	}
	for _, o := range list["data"].([]any) {
		o := o.(map[string]any)
		if at, err := o["created"].(json.Number).Int64(); err == nil && at < e.sim.Now().Unix()-3600 {
			o["status"] = "pending"
		}
	}
	w.Body = bytes.NewBufferString(marshal(list))
}

// A rerun answers with the state of an object that was asked for first.
type rerun struct {
	mu   sync.Mutex
	seen map[string]string // by path
}

func (c *rerun) answer(_ *era, w *httptest.ResponseRecorder, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/v1/customers/") || w.Code != http.StatusOK {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.seen[r.URL.Path]; old != "" {
		w.Body = bytes.NewBufferString(old)
		return
	}
	if c.seen == nil {
		c.seen = map[string]string{}
	}
	c.seen[r.URL.Path] = w.Body.String()
}
