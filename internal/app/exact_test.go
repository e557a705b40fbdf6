package app_test

import (
	"context"
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

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var (
	exactRuns = flag.Int("exact.runs", 12, "how many accounts TestExact copies; in short mode a quarter")
	exactSeed = flag.Uint64("exact.seed", 0, "the one account that TestExact copies; 0: those from 1 on")
)

// expansions are those that the copy asks for.
var expansions = []string{"tiers", "currency_options", "currency_options.tiers"}

// A copied account: what a test reads, and where to.
type copied struct {
	sim *stripesim.Sim
	url string
	dir string

	batchRows int
	batchAge  time.Duration
}

// serve makes an account and serves it through wrap, which may be nil.
func serve(t *testing.T, cfg stripesim.Config, wrap func(*stripesim.Sim) http.Handler) *copied {
	t.Helper()
	if cfg.Now.IsZero() { // balance transactions change at midnight
		cfg.Now = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	}
	sim, err := stripesim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = sim
	if wrap != nil {
		h = wrap(sim)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &copied{sim: sim, url: server.URL, dir: t.TempDir()}
}

// pass prepares one pass without limits that does not wait long.
func (c *copied) pass(t *testing.T) app.Sync {
	t.Helper()
	key, err := stripe.ParseKey(c.sim.Key())
	if err != nil {
		t.Fatal(err)
	}
	return app.Sync{
		Dir: c.dir, Key: key, URL: c.url, Share: 1, Limits: &stripe.Limits{},
		Retry:     stripe.Retry{Base: time.Millisecond, Cap: 4 * time.Millisecond},
		BatchRows: c.batchRows, BatchAge: c.batchAge,
		// Most of a small pass is compaction: the tests of tables, and the long
		// lives here, have enough of it.
		Hooks: app.Hooks{Untidy: true},
	}
}

// complete runs a pass that must succeed.
func complete(t *testing.T, s app.Sync) *app.Report {
	t.Helper()
	report, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Status != app.Complete || report.ExitStatus() != app.ExitComplete {
		t.Fatalf("the pass is not complete: %s", marshal(report))
	}
	return report
}

func marshal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// report says at most a few of the differences.
func report(t *testing.T, said []string) {
	t.Helper()
	for i, s := range said {
		if i == 12 {
			t.Errorf("and %d more", len(said)-i)
			return
		}
		t.Error(s)
	}
}

// A scenario is an account and what goes wrong while it is copied, drawn from
// a seed.
type scenario struct {
	Config    stripesim.Config
	Plan      stripesim.Plan
	BatchRows int
	BatchAge  time.Duration
	Meddle    float64 // chance of a change behind the copy's back at each list request
}

func drawScenario(seed uint64) scenario {
	r := rand.New(rand.NewPCG(seed, 17))
	some := func(p float64) bool { return r.Float64() < p }
	s := scenario{
		Config: stripesim.Config{
			Seed:    seed,
			Counts:  stripesim.Counts{Charges: 120 + r.IntN(300), Customers: 60 + r.IntN(150), Subscriptions: 20 + r.IntN(100), Prices: 10 + r.IntN(140)},
			Shape:   stripesim.Shape{Silences: r.IntN(5)},
			Gzip:    some(0.5),
			Novelty: some(0.5), OddIDs: some(0.5),
			Expand: expansions, EventDelay: time.Duration(r.IntN(2)*r.IntN(30)) * time.Second,
		},
		BatchRows: []int{100, 300, 700, 0}[r.IntN(4)],
		BatchAge:  []time.Duration{50 * time.Millisecond, 0}[r.IntN(2)],
	}
	if some(0.15) {
		s.Config.Counts.Charges = 1000 + r.IntN(500)
		s.Config.Shape.Burst = 500
	}
	if some(0.4) {
		s.Config.Shape.HeavyDay = 0.3
	}
	if some(0.5) {
		s.Meddle = 0.3
	}
	if some(0.3) {
		s.Config.Limits.EndpointConcurrency = 1 + r.IntN(3)
	}
	if some(0.2) {
		s.Config.Limits.Global, s.Config.Limits.Endpoint = 300, 100
	}
	s.Plan = drawPlan(r)
	return s
}

// answers is what stands in for Stripe between it and us.
var answers = []stripesim.Rule{
	{Status: 200, Body: "<html>please log in</html>", Headers: map[string]string{"Content-Type": "text/html"}},
	{Status: 200},
	{Status: 409, Body: `{"error":{"type":"idempotency_error","message":"conflict"}}`},
	{Status: 424, Body: `{"error":{"type":"api_error","message":"a dependency failed"}}`},
	{Status: 429, Body: "slow down"},
	{Status: 404, Body: "<html>no such page</html>"},
	{Status: 500, Body: `{"error":{"type":"api_error","message":"sorry"}}`, Headers: map[string]string{"Stripe-Should-Retry": "true"}},
	{Status: 504, Body: "<html>504</html>"},
}

// drawPlan draws faults of every kind, rare enough for some passes to get
// somewhere.
func drawPlan(r *rand.Rand) stripesim.Plan {
	p := stripesim.Plan{Seed: r.Uint64()}
	places := []string{
		"", "", "", "events", "charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices",
		"GET /v1/subscription_items", "GET /v1/prices/{id}",
	}
	add := func(rule stripesim.Rule, most float64) {
		rule.Endpoint = places[r.IntN(len(places))]
		switch r.IntN(3) {
		case 0:
			rule.Probability = r.Float64() * most
		case 1:
			rule.Every = int(1/most) + r.IntN(20)
		default:
			rule.Nth = 1 + r.IntN(20)
		}
		p.Rules = append(p.Rules, rule)
	}
	for _, action := range []stripesim.Action{
		"global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific",
		stripesim.LockTimeout, stripesim.InternalError, stripesim.BadGateway, stripesim.Unavailable, stripesim.UnavailableEnd,
		stripesim.Reset, stripesim.Cut, stripesim.Truncate, stripesim.Stall, stripesim.StallBody,
		stripesim.Repeat, stripesim.ShortPage, stripesim.EmptyLast, stripesim.Respond,
	} {
		if r.IntN(3) == 0 {
			continue
		}
		rule := stripesim.Rule{Action: action}
		most := 0.1
		switch action {
		case stripesim.Stall, stripesim.StallBody:
			rule.Delay = stripesim.Duration(r.IntN(20)+1) * stripesim.Duration(time.Millisecond)
		case stripesim.UnavailableEnd:
			rule.Times = 3
		case stripesim.Respond:
			rule = answers[r.IntN(len(answers))]
			rule.Action, rule.Times = action, 3
		case stripesim.ShortPage, stripesim.EmptyLast:
			most = 0.5
		}
		add(rule, most)
	}
	born := []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Subscriptions, stripesim.Prices}
	wiped := []stripesim.Resource{stripesim.Charges, stripesim.Subscriptions, stripesim.Refunds, stripesim.BalanceTransactions, stripesim.Prices}
	for range 2 + r.IntN(3) {
		rule := stripesim.Rule{Times: 10, Then: []stripesim.Step{{
			Do: "insert", Resource: born[r.IntN(len(born))], Count: 1 + r.IntN(5), Age: stripesim.Duration(r.IntN(2)*r.IntN(500)) * stripesim.Duration(time.Second),
		}}}
		add(rule, 0.3)
	}
	for range 2 + r.IntN(3) {
		rule := stripesim.Rule{Times: 5, Then: []stripesim.Step{{
			Do: "delete", Resource: wiped[r.IntN(len(wiped))], Target: []string{"random", "newest"}[r.IntN(2)],
		}}}
		add(rule, 0.3)
	}
	for range 1 + r.IntN(3) { // the object that marks the place in a list
		where := wiped[r.IntN(len(wiped))]
		p.Rules = append(p.Rules, stripesim.Rule{
			Endpoint: string(where), Probability: 0.2 + r.Float64()/2, Times: 1 + r.IntN(6),
			Then: []stripesim.Step{{Do: "delete", Resource: where, Target: "cursor"}},
		})
	}
	if r.IntN(3) == 0 {
		add(stripesim.Rule{Times: 4, Then: []stripesim.Step{{Do: "advance", Age: stripesim.Duration(r.IntN(60)) * stripesim.Duration(time.Second)}}}, 0.1)
	}
	return p
}

// A meddler changes objects between requests, as a shop does.
type meddler struct {
	sim *stripesim.Sim

	mu   sync.Mutex
	rand *rand.Rand
	odds float64
	ids  map[stripesim.Resource][]string // of what there was at the start
}

func newMeddler(sim *stripesim.Sim, seed uint64, odds float64) *meddler {
	m := &meddler{sim: sim, rand: rand.New(rand.NewPCG(seed, 23)), odds: odds, ids: present(sim)}
	// A subscription shows its prices, and no event tells of that.
	used := map[string]bool{}
	for t := range sim.Oracle(stripesim.Subscriptions) {
		for _, id := range pricesOf(t.JSON) {
			used[id] = true
		}
	}
	m.ids[stripesim.Prices] = slices.DeleteFunc(m.ids[stripesim.Prices], func(id string) bool { return used[id] })
	return m
}

// present returns the ids of all objects as of now.
func present(sim *stripesim.Sim) map[stripesim.Resource][]string {
	ids := map[stripesim.Resource][]string{}
	for _, r := range stripesim.Resources() {
		for t := range sim.Oracle(r) {
			ids[r] = append(ids[r], t.ID)
		}
	}
	for t := range sim.InlinePrices() {
		ids[stripesim.Prices] = append(ids[stripesim.Prices], t.ID)
	}
	return ids
}

func (m *meddler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.change()
	m.sim.ServeHTTP(w, r)
}

func (m *meddler) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.odds = 0
}

// change does something now and then. What finds nothing to change any more is
// let be.
func (m *meddler) change() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rand.Float64() >= m.odds {
		return
	}
	resource := stripesim.Resources()[m.rand.IntN(6)]
	if resource == stripesim.BalanceTransactions || len(m.ids[resource]) == 0 { // those never change so
		return
	}
	id := m.ids[resource][m.rand.IntN(len(m.ids[resource]))]
	switch {
	case resource == stripesim.Charges && m.rand.IntN(2) == 0:
		_, _ = m.sim.Create(stripesim.Refunds, stripesim.Draft{Charge: id})
	case resource == stripesim.Subscriptions && m.rand.IntN(2) == 0:
		_ = m.sim.CancelSubscription(id)
	case resource == stripesim.Customers && m.rand.IntN(4) == 0:
		_ = m.sim.Delete(resource, id)
	default:
		n := m.rand.IntN(1000)
		_ = m.sim.Mutate(resource, id, func(o map[string]any) { o["description"] = fmt.Sprintf("changed %d", n) })
	}
}

const passesMax = 15

func TestExact(t *testing.T) {
	t.Parallel()
	seeds := []uint64{*exactSeed}
	if *exactSeed == 0 {
		seeds = nil
		runs := *exactRuns
		if testing.Short() {
			runs /= 4
		}
		for i := range runs {
			seeds = append(seeds, uint64(i)+1)
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := drawScenario(seed)
			defer func() {
				if t.Failed() {
					t.Logf("again: go test ./internal/app -run TestExact -exact.seed=%d\n%+v", seed, s)
				}
			}()
			s.exact(t)
		})
	}
}

// exact copies the account while it changes and fails, then once in peace, and
// compares; then once more, which must not add anything.
func (s scenario) exact(t *testing.T) {
	t.Helper()
	var m *meddler
	c := serve(t, s.Config, func(sim *stripesim.Sim) http.Handler {
		m = newMeddler(sim, s.Config.Seed, s.Meddle)
		return m
	})
	c.batchRows, c.batchAge = s.BatchRows, s.BatchAge
	if err := c.sim.SetPlan(s.Plan); err != nil {
		t.Fatal(err)
	}
	done := false
	for n := 0; n < passesMax && !done; n++ {
		before := m.ids
		if s.Config.EventDelay == 0 { // else what is new may show later
			before = present(c.sim)
		}
		report, err := c.pass(t).Run(t.Context())
		if err != nil {
			continue
		}
		done = report.Status == app.Complete
		for _, said := range dishonest(t.Context(), c, report, before) {
			t.Error(said)
		}
	}
	if !done {
		t.Errorf("not complete after %d passes", passesMax)
	}
	m.stop()
	if err := c.sim.SetPlan(stripesim.Plan{}); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(40 * time.Second) // so that all events show
	complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
	if !t.Failed() {
		unchanged(t, c)
	}
}

// dishonest names what is missing of the resources that a pass called
// complete: the objects that were there before it began, and still are.
func dishonest(ctx context.Context, c *copied, report *app.Report, before map[stripesim.Resource][]string) []string {
	var said []string
	after := map[string]bool{}
	for _, ids := range present(c.sim) {
		for _, id := range ids {
			after[id] = true
		}
	}
	l, err := lake.OpenReadOnly(ctx, c.dir)
	if err != nil {
		return []string{err.Error()}
	}
	defer l.Close()
	for _, rr := range report.Resources {
		if rr.Status != app.Complete {
			if rr.Error == nil && rr.Quarantined == 0 {
				said = append(said, fmt.Sprintf("%s is %s without a reason", rr.Resource, rr.Status))
			}
			continue
		}
		history, err := l.Load(ctx, rr.Resource+"_history")
		if err != nil {
			return append(said, err.Error())
		}
		have := map[string]bool{}
		for row, err := range history.ReadKeys(ctx, 0) {
			if err != nil {
				return append(said, err.Error())
			}
			have[strings.Clone(row.ID)] = true
		}
		for _, id := range before[stripesim.Resource(rr.Resource)] {
			if after[id] && !have[id] && !referred(c.sim, rr.Resource, id, report) {
				said = append(said, fmt.Sprintf("%s is called complete and lacks %s", rr.Resource, id))
			}
		}
	}
	return said
}

// referred says whether a price can have been out of reach, because the
// subscriptions that alone refer to it were not all read.
func referred(sim *stripesim.Sim, resource, id string, report *app.Report) bool {
	if resource != "prices" {
		return false
	}
	for t := range sim.InlinePrices() {
		if t.ID == id {
			return slices.ContainsFunc(report.Resources, func(rr app.ResourceReport) bool {
				return rr.Resource == "subscriptions" && rr.Status != app.Complete
			})
		}
	}
	return false
}

// The host's clock may be months off: what is new is read all the same.
func TestForeignClock(t *testing.T) {
	t.Parallel()
	long(t)
	for name, off := range map[string]time.Duration{"behind": 4 * 30 * 24 * time.Hour, "ahead": -4 * 30 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, stripesim.Config{
				Seed: 3, Now: time.Now().Add(off), Expand: expansions,
				Counts: stripesim.Counts{Charges: 30, Customers: 20, Subscriptions: 10, Prices: 10},
			}, nil)
			complete(t, c.pass(t))
			for range 3 {
				c.sim.Advance(time.Hour)
				for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Subscriptions, stripesim.Prices} {
					if _, err := c.sim.Create(r, stripesim.Draft{}); err != nil {
						t.Fatal(err)
					}
				}
				c.sim.Advance(5 * time.Second)
				complete(t, c.pass(t))
				report(t, differences(t.Context(), c.sim, c.dir))
			}
			unchanged(t, c)
		})
	}
}

// unchanged runs a pass that must find nothing to do.
func unchanged(t *testing.T, c *copied) {
	t.Helper()
	before := tables(t, c.dir)
	young := map[string]int64{}
	since := c.sim.Now().Add(-(extract.Overlap + 2*extract.Lag) * time.Second).Unix()
	for _, r := range stripesim.Resources() {
		for o := range c.sim.Oracle(r) {
			if o.Created >= since {
				young[string(r)]++
			}
		}
	}
	again := complete(t, c.pass(t))
	for _, r := range again.Resources {
		if r.Inserted+r.Updated+r.Deleted != 0 || r.Read > young[r.Resource] {
			t.Errorf("a pass over an unchanged account: %s; %d objects are young", marshal(r), young[r.Resource])
		}
	}
	if d := cmp.Diff(before, tables(t, c.dir)); d != "" {
		t.Errorf("a pass over an unchanged account changed tables: %s", d)
	}
}

// A shape is what a commit of rows changes in a table.
type shape struct {
	Name                                     string
	SnapshotID, Rows, DataFiles, DeleteFiles int64
}

// tables lists the tables.
func tables(t *testing.T, dir string) []shape {
	t.Helper()
	l, err := lake.OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names, err := l.Tables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []shape
	for _, name := range names {
		table, err := l.Load(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, shape{name, table.SnapshotID(), table.Rows(), table.DataFiles(), table.DeleteFiles()})
	}
	return all
}
