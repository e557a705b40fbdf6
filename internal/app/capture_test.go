package app_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// days lets the account live for some days, a pass after each, and compares
// the copy at the end: births, changes, refunds, cancellations, deletes,
// settlements that no event tells of, events that come late.
func TestCapture(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			cfg := stripesim.Config{
				Seed: seed, Counts: stripesim.Counts{Charges: 300, Customers: 120, Subscriptions: 60, Prices: 20},
				Expand:     expansions,
				EventDelay: time.Duration(seed%2) * 30 * time.Second,
			}
			c := serve(t, cfg, nil)
			complete(t, c.pass(t))
			r := rand.New(rand.NewPCG(seed, 7))
			for range 5 {
				for range 1 + r.IntN(12) {
					live(t, c.sim, r)
				}
				c.sim.Advance(time.Duration(1+r.IntN(30)) * time.Hour)
				complete(t, c.pass(t))
			}
			c.sim.Advance(time.Minute) // late events
			complete(t, c.pass(t))
			report(t, differences(context.Background(), c.sim, c.dir))
			deleted(t, c)
		})
	}
}

// live does one thing that happens to accounts.
func live(t *testing.T, sim *stripesim.Sim, r *rand.Rand) {
	t.Helper()
	var err error
	pick := func(res stripesim.Resource) (id string) {
		n := r.IntN(max(sim.Count(res), 1))
		for truth := range sim.Oracle(res) {
			if id = truth.ID; n == 0 {
				break
			}
			n--
		}
		return id
	}
	switch r.IntN(7) {
	case 0:
		_, err = sim.Create(stripesim.Charges, stripesim.Draft{})
	case 1:
		_, err = sim.Create(stripesim.Customers, stripesim.Draft{})
	case 2:
		_, err = sim.Create(stripesim.Subscriptions, stripesim.Draft{})
	case 3:
		err = sim.Mutate(stripesim.Charges, pick(stripesim.Charges), func(o map[string]any) { o["description"] = fmt.Sprint("changed ", r.IntN(1000)) })
	case 4:
		err = sim.Mutate(stripesim.Customers, pick(stripesim.Customers), func(o map[string]any) { o["phone"] = fmt.Sprint(r.IntN(1000)) })
	case 5:
		err = sim.Do(stripesim.Step{Do: "delete", Resource: stripesim.Customers, Target: "random"})
	case 6:
		err = sim.Do(stripesim.Step{Do: "cancel", Resource: stripesim.Subscriptions, Target: "random"})
	}
	if err != nil {
		t.Log(err)
	}
}

// A charge never ends; one that Stripe tells of and then does not know is named.
func TestUnknown(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, stripesim.Config{
		Seed: 4, Counts: stripesim.Counts{Charges: 20, Customers: 5, Subscriptions: 2, Prices: 2}, Expand: expansions,
	}, func(sim *stripesim.Sim) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v1/charges/") {
				w.Header().Set("Request-Id", "req_1")
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"id","message":"No such charge"}}`)
				return
			}
			sim.ServeHTTP(w, r)
		})
	})
	complete(t, c.pass(t))
	var id string
	for truth := range c.sim.Oracle(stripesim.Charges) {
		id = truth.ID
	}
	if err := c.sim.Mutate(stripesim.Charges, id, func(o map[string]any) { o["description"] = "changed" }); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(time.Hour)
	r := complete(t, c.pass(t))
	if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "charges: 1 that events") || !strings.Contains(r.Notes[0], id) {
		t.Errorf("notes %q, want one about %s", r.Notes, id)
	}
}

// deleted checks that objects that are gone are gone from the views, and that
// their last state is kept.
func deleted(t *testing.T, c *copied) {
	t.Helper()
	r, err := app.OpenReader(context.Background(), c.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var gone []string
	for truth := range c.sim.Deleted(stripesim.Customers) {
		if truth.Listed {
			gone = append(gone, truth.ID)
		}
	}
	for _, id := range gone {
		rows, err := r.Query(context.Background(), `select (select count(*) from customers where id = '`+id+`'),
			(select count(*) from xdm.customers where _id = '`+id+`' and _deleted and _deleted_at is not null),
			(select count(*) from customers_history where id = '`+id+`' and op = 'delete'),
			(select count(*) from customers_history where id = '`+id+`' and op <> 'seen')`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var live, tombs, versions, all int64
			if err := rows.Scan(&live, &tombs, &versions, &all); err != nil {
				t.Fatal(err)
			}
			if all == 0 && len(c.sim.Versions(stripesim.Customers, id)) == 2 {
				continue // it came and went between two passes: nobody can have read it
			}
			if live != 0 || tombs != 1 || versions != 1 {
				t.Errorf("deleted customer %s: %d in the view, %d tombstones, %d delete versions", id, live, tombs, versions)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A pass over an account in which nothing happened costs three requests at
// most, for all six resources, and writes no row.
func TestIdle(t *testing.T) {
	t.Parallel()
	long(t)
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	c := serve(t, stripesim.Config{
		Seed: 3, Now: now, End: now.Add(-24 * time.Hour), Frozen: true, Expand: expansions,
		Counts: stripesim.Counts{Charges: 200, Customers: 80, Subscriptions: 30, Prices: 12},
	}, nil)
	complete(t, c.pass(t))
	before := tables(t, c.dir)
	for range 3 {
		c.sim.Advance(15 * time.Minute)
		report := complete(t, c.pass(t))
		if report.Budget.Requests > 3 {
			t.Errorf("%d requests", report.Budget.Requests)
		}
	}
	for i, d := range tables(t, c.dir) {
		if d.Rows != before[i].Rows || d.SnapshotID != before[i].SnapshotID {
			t.Errorf("%s changed: %+v, before %+v", d.Name, d, before[i])
		}
	}
}

// A copy that was left alone for longer than Stripe keeps events compares
// everything, finds the deletes, and says so.
func TestLostEvents(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, stripesim.Config{
		Seed: 4, Expand: expansions, Counts: stripesim.Counts{Charges: 200, Customers: 80, Subscriptions: 30, Prices: 12},
	}, nil)
	complete(t, c.pass(t))
	r := rand.New(rand.NewPCG(4, 4))
	for range 30 {
		live(t, c.sim, r)
	}
	c.sim.Advance(45 * 24 * time.Hour)
	got := complete(t, c.pass(t))
	if len(got.Notes) == 0 {
		t.Error("nothing was said of the lost events")
	}
	report(t, differences(t.Context(), c.sim, c.dir))
	deleted(t, c)
	for _, s := range got.Resources {
		if compared := s.Proof != nil; compared == (s.Resource == "balance_transactions") { // those have no events
			t.Errorf("%s: the proof is %s", s.Resource, marshal(s.Proof))
		} else if compared && !s.Proof.Equal {
			t.Errorf("%s: %s", s.Resource, marshal(s.Proof))
		}
	}
	unchanged(t, c)
}
