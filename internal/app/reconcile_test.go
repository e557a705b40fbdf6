package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripesim"
)

func small(seed uint64) stripesim.Config {
	return stripesim.Config{
		Seed: seed, Expand: expansions, Counts: stripesim.Counts{Charges: 400, Customers: 150, Subscriptions: 60, Prices: 30},
	}
}

// reconciling is a pass that compares everything.
func (c *copied) reconciling(t *testing.T) app.Sync {
	t.Helper()
	s := c.pass(t)
	s.Reconcile = true
	return s
}

func proofs(r *app.Report) map[string]app.Proof {
	all := map[string]app.Proof{}
	for _, s := range r.Resources {
		if s.Proof != nil {
			all[s.Resource] = *s.Proof
		}
	}
	return all
}

// first returns the ids of the n oldest objects.
func first(sim *stripesim.Sim, r stripesim.Resource, n int) (ids []string) {
	for o := range sim.Oracle(r) {
		if len(ids) == n {
			break
		}
		ids = append(ids, o.ID)
	}
	return ids
}

// lonely returns the customers that have no subscription, which would end with
// them.
func lonely(sim *stripesim.Sim) (ids []string) {
	var subscriptions strings.Builder
	for o := range sim.Oracle(stripesim.Subscriptions) {
		subscriptions.Write(o.JSON)
	}
	for o := range sim.Oracle(stripesim.Customers) {
		if !strings.Contains(subscriptions.String(), o.ID) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// What no event tells of is found by a reconcile, which says how much it was.
func TestReconcile(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, small(41), nil)
	complete(t, c.pass(t))
	old := stripesim.Draft{Created: c.sim.Now().Add(-20 * 24 * time.Hour)}
	for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Subscriptions} {
		for _, id := range first(c.sim, r, 3) {
			if err := c.sim.Quiet(r, id, func(o map[string]any) { o["description"] = "changed without a word" }); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.sim.Silently(func() error { _, err := c.sim.Create(r, old); return err }); err != nil {
			t.Fatal(err)
		}
	}
	// Of more than ten and one in a hundred, too, if Stripe says that they were
	// deleted.
	for _, id := range lonely(c.sim)[4:24] {
		if err := c.sim.Silently(func() error { return c.sim.Delete(stripesim.Customers, id) }); err != nil {
			t.Fatal(err)
		}
	}
	c.sim.Advance(time.Hour)
	complete(t, c.pass(t))
	if len(differences(t.Context(), c.sim, c.dir)) == 0 {
		t.Fatal("the changes were found without a reconcile")
	}

	got := complete(t, c.reconciling(t))
	report(t, differences(t.Context(), c.sim, c.dir))
	found := proofs(got)
	for r, want := range map[string]app.Proof{
		"charges":       {Missing: 1, Stale: 3, Repaired: 4},
		"customers":     {Missing: 1, Stale: 3, Extra: 20, Repaired: 24},
		"subscriptions": {Missing: 1, Stale: 3, Repaired: 4},
		"refunds":       {},
	} {
		p := found[r]
		have := app.Proof{Missing: p.Missing, Stale: p.Stale, Extra: p.Extra, Repaired: p.Repaired, Held: p.Held}
		if d := cmp.Diff(want, have, cmp.AllowUnexported(app.Proof{})); d != "" {
			t.Errorf("%s: %s", r, d)
		}
	}
	if len(found) != 6 {
		t.Errorf("%d proofs", len(found))
	}
	for r, p := range found {
		var n int64
		for range c.sim.Oracle(stripesim.Resource(r)) {
			n++
		}
		if r != "prices" && p.Stripe != n || !p.Equal || p.Lake != p.Stripe {
			t.Errorf("%s: %d objects: %s", r, n, marshal(p))
		}
	}
	if len(found["charges"].Sums) == 0 || len(found["balance_transactions"].Sums) == 0 {
		t.Error("nothing was added up")
	}
	// What is too young to be compared is not counted on either side.
	if _, err := c.sim.Create(stripesim.Charges, stripesim.Draft{}); err != nil {
		t.Fatal(err)
	}
	complete(t, c.pass(t))
	// The next one finds nothing and writes nothing.
	before := tables(t, c.dir)
	for r, p := range proofs(complete(t, c.reconciling(t))) {
		if p.Repaired != 0 || !p.Equal {
			t.Errorf("%s, again: %s", r, marshal(p))
		}
	}
	for i, d := range tables(t, c.dir) {
		if d.Rows != before[i].Rows {
			t.Errorf("%s: %d rows, before %d", d.Name, d.Rows, before[i].Rows)
		}
	}
	left, err := filepath.Glob(filepath.Join(c.dir, "reconcile", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left on disk: %v %v", left, err)
	}
}

// Where the lake's side of one proof can't be read, that is said, and the others
// are what they are.
func TestReconcileUnread(t *testing.T) {
	t.Parallel()
	c := serve(t, small(47), nil)
	complete(t, c.pass(t))
	at := c.sim.Now().Add(-time.Hour).Unix()
	for _, id := range []string{"ch_huge1", "ch_huge2"} { // their sum takes more than 64 bits
		raw := fmt.Sprintf(`{"id":%q,"object":"charge","created":%d,"amount":9223372036854775807,"currency":"eur","livemode":false}`, id, at)
		if err := c.sim.Put(stripesim.Charges, []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	c.sim.Advance(time.Hour)
	got := complete(t, c.reconciling(t))
	for r, p := range proofs(got) {
		if unread := r == "charges"; p.Equal == unread || (p.Unread != "") != unread {
			t.Errorf("%s: %s", r, marshal(p))
		}
	}
	if !strings.Contains(strings.Join(got.Notes, "\n"), "the proof of charges: ") {
		t.Errorf("not said: %q", got.Notes)
	}
}

// A reconcile with an account that was emptied stops and asks.
func TestReconcileEmptied(t *testing.T) {
	t.Parallel()
	long(t)
	var empty atomic.Bool
	var bare *stripesim.Sim
	c := serve(t, small(42), func(sim *stripesim.Sim) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if empty.Load() {
				bare.ServeHTTP(w, r)
				return
			}
			sim.ServeHTTP(w, r)
		})
	})
	cfg := small(42)
	cfg.Counts, cfg.Now = stripesim.Counts{}, c.sim.Now()
	var err error
	if bare, err = stripesim.New(cfg); err != nil {
		t.Fatal(err)
	}
	complete(t, c.pass(t))
	c.sim.Advance(time.Hour)
	bare.Advance(time.Hour)
	before := tables(t, c.dir)
	empty.Store(true)
	got, err := c.reconciling(t).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.ExitStatus() == app.ExitComplete {
		t.Errorf("the pass is %s", got.Status)
	}
	for _, s := range got.Resources {
		if s.Error == nil || !strings.Contains(s.Error.Message, "--accept-deletes") || s.Proof != nil {
			t.Errorf("%s: %s", s.Resource, marshal(s))
		}
	}
	for i, d := range tables(t, c.dir) {
		if d.Rows != before[i].Rows {
			t.Errorf("%s: %d rows, before %d", d.Name, d.Rows, before[i].Rows)
		}
	}
	// What was asked is answered: the account is there again, or it is not.
	empty.Store(false)
	for r, p := range proofs(complete(t, c.pass(t))) {
		if !p.Equal || p.Extra != 0 {
			t.Errorf("%s: %s", r, marshal(p))
		}
	}
	report(t, differences(t.Context(), c.sim, c.dir))
	empty.Store(true)
	s := c.reconciling(t)
	s.AcceptDeletes = true
	for r, p := range proofs(complete(t, s)) {
		if !p.Equal || p.Lake != 0 || p.Extra == 0 || p.Repaired != p.Extra {
			t.Errorf("%s: %s", r, marshal(p))
		}
	}
}

// A few charges that Stripe does not know any more stay, and it is said.
func TestReconcileHolds(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, small(43), nil)
	complete(t, c.pass(t))
	wiped := first(c.sim, stripesim.Charges, 2)
	for _, id := range wiped {
		if err := c.sim.Delete(stripesim.Charges, id); err != nil {
			t.Fatal(err)
		}
	}
	c.sim.Advance(time.Hour)
	got := complete(t, c.reconciling(t))
	p := proofs(got)["charges"]
	if p.Extra != 2 || p.Held != 2 || p.Repaired != 0 || p.Equal || !strings.Contains(strings.Join(got.Notes, "\n"), "charges: 2 in the lake") {
		t.Errorf("%s\n%v", marshal(p), got.Notes)
	}
	s := c.reconciling(t)
	s.AcceptDeletes = true
	if p := proofs(complete(t, s))["charges"]; p.Extra != 2 || p.Held != 0 || p.Repaired != 2 || !p.Equal {
		t.Error(marshal(p))
	}
}

// A reconcile that is cut short goes on where it was, and knows at its end what
// it saw at its beginning.
func TestReconcileResumes(t *testing.T) {
	t.Parallel()
	long(t)
	for _, tt := range []struct {
		name string
		lose bool // the register
	}{{"kept", false}, {"lost", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := small(44)
			cfg.Counts.Customers = 2500
			c := serve(t, cfg, nil)
			c.batchRows = 100
			complete(t, c.pass(t))
			for _, id := range first(c.sim, stripesim.Customers, 5) {
				if err := c.sim.Silently(func() error { return c.sim.Delete(stripesim.Customers, id) }); err != nil {
					t.Fatal(err)
				}
			}
			c.sim.Advance(time.Hour)
			ctx, cancel := context.WithCancel(t.Context())
			s := c.reconciling(t)
			s.Resources = []string{"customers"}
			pages := 0
			s.Hooks.Page = func(string, *extract.Page) {
				if pages++; pages == 12 {
					cancel()
				}
			}
			cut, err := s.Run(ctx)
			if err != nil || !cut.Stopped || cut.Resources[0].Proof != nil {
				t.Fatalf("not cut short: %s %v", marshal(cut), err)
			}
			if tt.lose {
				if err := os.RemoveAll(filepath.Join(c.dir, "reconcile")); err != nil {
					t.Fatal(err)
				}
			}
			s = c.pass(t) // nobody has to ask again
			s.Resources = []string{"customers"}
			got := complete(t, s)
			p := proofs(got)["customers"]
			if p.Extra != 5 || p.Repaired != 5 || p.Missing != 0 || p.Stale != 0 || !p.Equal {
				t.Error(marshal(p))
			}
			if again := got.Resources[0].Read >= int64(c.sim.Count(stripesim.Customers)); again != tt.lose {
				t.Errorf("%d objects were read after the register was %s", got.Resources[0].Read, tt.name)
			}
		})
	}
}

// A reconcile that is due is done without being asked for.
func TestReconcileEvery(t *testing.T) {
	t.Parallel()
	long(t)
	cfg := small(45)
	cfg.Now, cfg.Frozen = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC), true
	c := serve(t, cfg, nil)
	complete(t, c.pass(t))
	due := 0
	for range 10 {
		c.sim.Advance(24 * time.Hour)
		s := c.pass(t)
		s.ReconcileEvery = 3*24*time.Hour - time.Hour // a pass takes some seconds
		if p := proofs(complete(t, s)); len(p) == 6 {
			due++
		} else if len(p) != 0 {
			t.Errorf("%d of six", len(p))
		}
	}
	if due != 3 {
		t.Errorf("%d times in ten days", due)
	}
}
