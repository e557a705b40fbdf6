package app_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var all = []string{"charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"}

// advanced brings a copy to a moment and says how many requests that took, and
// whether there was a pass.
func advanced(t *testing.T, k *app.Keeper, sim *stripesim.Sim, resources []string, at time.Time) (requests int64, passed bool) {
	t.Helper()
	sim.ResetStats()
	report, err := k.Advance(t.Context(), resources, at, nil)
	if err != nil || report != nil && report.Status != app.Complete {
		t.Fatalf("%v %s", err, marshal(report))
	}
	return int64(sim.Stats().Requests), report != nil
}

// However many ask for the account as it was at a moment, it is read once.
func TestAdvanceOnce(t *testing.T) {
	t.Parallel()
	c := serve(t, hookedAccount(3), nil)
	k, err := c.pass(t).Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	if _, passed := advanced(t, k, c.sim, all, at); !passed {
		t.Fatal("there was no first pass")
	}
	for _, r := range all {
		if n, passed := advanced(t, k, c.sim, []string{r}, at); n != 0 || passed {
			t.Errorf("%s: %d requests, another pass: %v", r, n, passed)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if k, err = c.pass(t).Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if n, passed := advanced(t, k, c.sim, all, at); n != 0 || passed {
		t.Errorf("in another process: %d requests, another pass: %v", n, passed)
	}
	if n, passed := advanced(t, k, c.sim, all, time.Now()); n > 3 || !passed {
		t.Errorf("later: %d requests, another pass: %v", n, passed)
	}
	other, err := c.pass(t).Keep(t.Context())
	if !app.Busy(err) {
		t.Errorf("two have the copy: %v %v", other, err)
	}
}

// Whoever follows the story of a resource, in steps or from the beginning, has
// what Stripe has.
func TestStory(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, hookedAccount(4), nil)
	r := rand.New(rand.NewPCG(4, 5))
	k, err := c.pass(t).Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		history string
		seq     int64
		objects map[string]string
	}
	followed := map[string]*place{}
	for step := range 4 {
		advanced(t, k, c.sim, all, time.Now())
		for _, resource := range all {
			p := followed[resource]
			if p == nil {
				p = &place{objects: map[string]string{}}
				followed[resource] = p
			}
			before := len(p.objects)
			n := follow(t, k, resource, p.history, p.seq, p.objects)
			if step > 0 && n > before/2 {
				t.Errorf("%s, step %d: %d changes of %d objects", resource, step, n, before)
			}
			story, err := k.Story(t.Context(), resource, p.history, p.seq)
			if err != nil {
				t.Fatal(err)
			}
			p.history, p.seq = story.History, story.Seq
			fresh := map[string]string{}
			follow(t, k, resource, "another history", p.seq, fresh)
			if diff := cmp.Diff(truths(c.sim, resource), fresh); diff != "" {
				t.Fatalf("%s, step %d, from the beginning: %s", resource, step, diff)
			}
			if diff := cmp.Diff(fresh, p.objects); diff != "" {
				t.Fatalf("%s, step %d: %s", resource, step, diff)
			}
		}
		for range 6 {
			live(t, c.sim, r)
		}
		c.sim.Advance(time.Hour)
		if step == 2 {
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			if k, err = c.pass(t).Keep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}

// follow brings objects up to date by a story and counts the changes.
func follow(t *testing.T, k *app.Keeper, resource, history string, after int64, objects map[string]string) (n int) {
	t.Helper()
	story, err := k.Story(t.Context(), resource, history, after)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for c, err := range story.Changes {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(told, c.ID) {
			t.Errorf("%s: %s is told twice", resource, c.ID)
		}
		told = append(told, c.ID)
		delete(objects, c.ID)
		if !c.Deleted {
			objects[c.ID] = inOrder(t, c.Raw)
		}
	}
	return len(told)
}

func truths(sim *stripesim.Sim, resource string) map[string]string {
	want, _ := expected(sim, stripesim.Resource(resource))
	out := map[string]string{}
	for id, w := range want {
		out[id] = inOrder(nil, w.json)
	}
	return out
}

// inOrder returns JSON with its members in order, without what changes by
// itself.
func inOrder(t *testing.T, text string) string {
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		if t != nil {
			t.Fatal(err)
		}
		return err.Error()
	}
	delete(v, "receipt_url")
	return marshal(v)
}
