package app_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// quiet is an account that nothing happens in.
func quiet(seed uint64) stripesim.Config {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	return stripesim.Config{
		Seed: seed, Now: now, End: now.AddDate(0, 0, -60), Frozen: true, Expand: expansions,
		Counts: stripesim.Counts{Charges: 60, Customers: 30, Subscriptions: 12, Prices: 8},
	}
}

// metered checks that the meter has what Stripe counted.
func metered(t *testing.T, c *copied, used int64) {
	t.Helper()
	if sent := int64(c.sim.Stats().Requests); used != sent {
		t.Errorf("the meter says %d, the account counted %d", used, sent)
	}
}

// The meter agrees with Stripe's count: in a backfill, in passes after it, and
// when requests fail in every way and are tried again.
func TestMeter(t *testing.T) {
	t.Parallel()
	plans := map[string]stripesim.Plan{
		"no faults": {},
		"refusals": {Seed: 1, Rules: []stripesim.Rule{
			{Action: "global-rate", Every: 9}, {Action: "endpoint-concurrency", Every: 13}, {Action: stripesim.LockTimeout, Every: 17},
		}},
		"errors": {Seed: 2, Rules: []stripesim.Rule{
			{Action: stripesim.InternalError, Every: 7}, {Action: stripesim.Truncate, Every: 11}, {Action: stripesim.Cut, Every: 19},
		}},
		"connections that break": {Seed: 3, Rules: []stripesim.Rule{{Action: stripesim.Reset, Every: 5}}},
	}
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet(21)
			cfg.Counts.Charges, cfg.Counts.Subscriptions, cfg.Plan = 900, 80, plan
			c := serve(t, cfg, nil)
			for range 4 {
				report := complete(t, c.pass(t))
				metered(t, c, report.Budget.Used)
				c.sim.Advance(9 * time.Hour)
			}
			got, err := app.ReadBudget(t.Context(), c.dir, 15*time.Minute, 0)
			if err != nil {
				t.Fatal(err)
			}
			metered(t, c, got.Used)
			var listed int64
			for _, e := range got.Endpoints {
				stats := c.sim.Stats().Endpoints["GET "+e.Endpoint]
				if e.Count != int64(stats.Requests) {
					t.Errorf("%s: the meter says %d, the account counted %d", e.Endpoint, e.Count, stats.Requests)
				}
				listed += e.Count
			}
			metered(t, c, listed)
		})
	}
}

// What a pass that is killed has asked for is counted, each request before it
// goes out: of those that were about to, none is missing.
func TestMeterOfTheKilled(t *testing.T) {
	t.Parallel()
	long(t)
	m := newMortal(t, stripesim.Config{
		Seed: 9, Expand: expansions, Counts: stripesim.Counts{Charges: 2500, Customers: 400, Subscriptions: 100, Prices: 20},
	}, 0, "charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices")
	m.batchRows = 200
	kills := 0
	for n := 9; n < 60; n += 12 {
		if m.live(t, atCall, n, "") {
			kills++
		}
	}
	if kills < 3 {
		t.Fatalf("%d passes were killed", kills)
	}
	got, err := app.ReadBudget(t.Context(), m.dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	const flying = 6 * 16
	if sent := int64(m.sim.Stats().Requests); got.Used < sent || got.Used > sent+int64(kills)*flying {
		t.Errorf("the meter says %d, the account counted %d", got.Used, sent)
	}
}

// A pass every quarter of an hour on an account in which nothing happens leaves
// room in what Stripe allows every account. Each day costs the same, so a few
// stand for thirty.
func TestQuietMonth(t *testing.T) {
	t.Parallel()
	long(t)
	const passes, days = 96, 2
	c := serve(t, quiet(22), nil)
	complete(t, c.pass(t))
	var perDay [days]int
	var last *app.Report
	for day := range days {
		c.sim.ResetStats()
		for range passes {
			c.sim.Advance(15 * time.Minute)
			last = complete(t, c.pass(t))
		}
		perDay[day] = c.sim.Stats().Requests
	}
	most := slices.Max(perDay[:])
	// What the key may read is asked anew every day of the host's clock, which
	// stands still here: eight requests.
	if (most+8)*30 > 9500 {
		t.Errorf("%v requests a day: %d in 30 days", perDay, most*30)
	}
	t.Logf("%v requests a day", perDay)
	if most <= 3*passes {
		t.Errorf("%v requests a day: nothing was looked back for", perDay)
	}
	// What is foreseen comes close to what happens.
	if f := last.Budget.Forecast; f < int64(most)*30*97/100 || f > int64(most)*30*103/100 {
		t.Errorf("foreseen are %d, and it will be %d", f, most*30)
	}
	if len(last.Budget.Warnings) != 0 {
		t.Errorf("warnings that nobody asked for: %v", last.Budget.Warnings)
	}
}

// Changes cost little more than one request for each object.
func TestChangesCost(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, stripesim.Config{
		Seed: 23, Expand: expansions, Counts: stripesim.Counts{Charges: 400, Customers: 300, Subscriptions: 150, Prices: 30},
	}, nil)
	complete(t, c.pass(t))
	for _, n := range []int{30, 120} {
		changed := 0
		for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Subscriptions} {
			var ids []string
			for truth := range c.sim.Oracle(r) {
				ids = append(ids, truth.ID)
			}
			for _, id := range ids[:n] {
				field, value := "description", any(fmt.Sprint("changed ", n))
				if err := c.sim.Mutate(r, id, func(o map[string]any) { o[field] = value }); err != nil {
					t.Fatal(err)
				}
				changed++
			}
		}
		c.sim.Advance(15 * time.Minute)
		c.sim.ResetStats()
		complete(t, c.pass(t))
		if sent := c.sim.Stats().Requests; float64(sent) > 1.2*float64(changed) {
			t.Errorf("%d changed objects took %d requests", changed, sent)
		}
	}
	report(t, differences(t.Context(), c.sim, c.dir))
}

// A pass stops before the bound of its reads, wherever it is, keeps what it has
// and says when reads are free again; the next ones go on from there.
func TestBudgetStop(t *testing.T) {
	t.Parallel()
	long(t)
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprint("faults ", faults), func(t *testing.T) {
			t.Parallel()
			cfg := quiet(24)
			cfg.Counts = stripesim.Counts{Charges: 1500, Customers: 300, Subscriptions: 40, Prices: 20}
			if faults {
				cfg.Plan = stripesim.Plan{Rules: []stripesim.Rule{{Action: stripesim.InternalError, Every: 3}, {Action: stripesim.Reset, Every: 7}}}
			}
			c := serve(t, cfg, nil)
			c.batchRows = 300
			var rows int64
			halts := 0
			more := int64(12)
			if faults {
				more = 40 // every other request is tried again, and what is in flight at the end is lost
			}
			for stop := int64(20); ; stop += more {
				s := c.pass(t)
				s.Stop = app.Bound{Reads: stop, Set: true}
				got, err := s.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got.Budget.Used > stop || int64(c.sim.Stats().Requests) > stop {
					t.Fatalf("%d requests, %d counted, and %d are allowed", c.sim.Stats().Requests, got.Budget.Used, stop)
				}
				if !got.Budget.Halted {
					if got.Status != app.Complete {
						t.Fatal(marshal(got))
					}
					break
				}
				halts++
				if got.Status != app.Partial || got.ExitStatus() != app.ExitPartial || got.Budget.Resumes != "2026-06-06" || len(got.Notes) == 0 || got.Budget.Used != stop {
					t.Errorf("a pass that stopped says %s", marshal(got))
				}
				for _, r := range got.Resources {
					if r.Error != nil || r.Status == app.Failed {
						t.Errorf("%s: %s", r.Resource, marshal(r))
					}
				}
				if halts == 60 {
					t.Fatalf("%d passes, and still not done", halts)
				}
				if _, err := app.Datasets(t.Context(), c.dir); err == nil {
					var n int64
					for _, d := range tables(t, c.dir) {
						n += d.Rows
					}
					if n < rows {
						t.Errorf("%d rows, and there were %d", n, rows)
					}
					rows = n
				}
			}
			if halts < 3 {
				t.Errorf("stopped %d times only", halts)
			}
			report(t, differences(t.Context(), c.sim, c.dir))
			// 31 days later the reads have left the window.
			c.sim.Advance(31 * 24 * time.Hour)
			// No clock jumps like that: until the first answer, the old time holds.
			unanswered := int64(1)
			if faults {
				unanswered = 8 // what is cut off is tried again
			}
			if got := complete(t, c.pass(t)).Budget; got.Used > got.Requests || got.Used < got.Requests-unanswered {
				t.Errorf("%s", marshal(got))
			}
		})
	}
}

// The allowance grows with the charges that succeeded in 30 days, counted from
// the copy, each once however often it changed.
func TestTransactions(t *testing.T) {
	t.Parallel()
	long(t)
	cfg := quiet(25)
	c := serve(t, cfg, nil)
	if got := complete(t, c.pass(t)).Budget; got.Transactions != 0 || got.Allowance != 10_000 {
		t.Errorf("an account that was quiet for 60 days: %+v", got)
	}
	var last string
	for i := range 120 {
		d := stripesim.Draft{Status: "succeeded", Created: c.sim.Now().AddDate(0, 0, -i/5)}
		if i%4 == 3 {
			d.Status = "failed"
		}
		id, err := c.sim.Create(stripesim.Charges, d)
		if err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			last = id
		}
	}
	c.sim.Advance(25 * time.Hour)
	complete(t, c.pass(t))
	if err := c.sim.Mutate(stripesim.Charges, last, func(o map[string]any) { o["description"] = "changed" }); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(25 * time.Hour)
	s := c.pass(t)
	s.Warn = 0.001
	got := complete(t, s).Budget
	if got.Transactions != 90 || got.Allowance != 45_000 || got.Remaining != 45_000-got.Used || len(got.Warnings) != 2 {
		t.Errorf("90 charges succeeded: %s", marshal(got))
	}
	c.sim.Advance(20 * 24 * time.Hour)
	if got := complete(t, c.pass(t)).Budget; got.Transactions >= 60 || got.Transactions < 10 {
		t.Errorf("most of them are older than 30 days: %s", marshal(got))
	}
}
