package app_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/stripesim"
)

func tiny(seed uint64) stripesim.Config {
	return stripesim.Config{Seed: seed, Expand: expansions, Counts: stripesim.Counts{Charges: 60, Customers: 20, Subscriptions: 10, Prices: 10}}
}

// A change that is read with a time before that of the state it follows, as
// when a clock was set, is not lost: the object is read once more.
func TestClockStepsBack(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, tiny(31), nil)
	if _, err := c.sim.Create(stripesim.Charges, stripesim.Draft{}); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(5 * time.Second)
	complete(t, c.pass(t))
	// Balance transactions have no events: the young ones are listed again.
	var id string
	for o := range c.sim.Oracle(stripesim.BalanceTransactions) {
		id = o.ID
	}
	err := c.sim.Mutate(stripesim.BalanceTransactions, id, func(o map[string]any) { o["description"] = "new" })
	if err != nil {
		t.Fatal(err)
	}
	again := false
	s := c.pass(t)
	s.Hooks.Page = func(_ string, p *extract.Page) {
		again = true
		p.Start = p.Start.Add(-time.Hour)
	}
	complete(t, s)
	if !again {
		t.Error("nothing was listed")
	}
	report(t, differences(t.Context(), c.sim, c.dir))
	unchanged(t, c)
}

// A change that comes right after the state before it was read is not taken for
// read, though clocks agree to a second or two only.
func TestChangeAtOnce(t *testing.T) {
	t.Parallel()
	c := serve(t, tiny(33), nil)
	id, err := c.sim.Create(stripesim.Charges, stripesim.Draft{})
	if err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(5 * time.Second)
	complete(t, c.pass(t))
	for n := range 5 {
		err = c.sim.Mutate(stripesim.Charges, id, func(o map[string]any) { o["description"] = fmt.Sprint("new ", n) })
		if err != nil {
			t.Fatal(err)
		}
		s := c.pass(t)
		complete(t, s)
		report(t, differences(t.Context(), c.sim, c.dir))
	}
}

// An event may show later than one that is younger.
func TestLateEvents(t *testing.T) {
	t.Parallel()
	long(t)
	cfg := tiny(35)
	cfg.EventDelay = 30 * time.Second
	c := serve(t, cfg, nil)
	complete(t, c.pass(t))
	for n, id := range present(c.sim)[stripesim.Customers] {
		err := c.sim.Mutate(stripesim.Customers, id, func(o map[string]any) { o["description"] = fmt.Sprint("new ", n) })
		if err != nil {
			t.Fatal(err)
		}
	}
	c.sim.Advance(5 * time.Second)
	complete(t, c.pass(t))
	if len(differences(t.Context(), c.sim, c.dir)) == 0 {
		t.Error("no event was late")
	}
	c.sim.Advance(30 * time.Second)
	complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
	unchanged(t, c)
}

// What happens to one resource is not lost because a pass that knew of it was
// about another.
func TestOneResourceAtATime(t *testing.T) {
	t.Parallel()
	c := serve(t, tiny(34), nil)
	complete(t, c.pass(t))
	id := present(c.sim)[stripesim.Customers][0]
	err := c.sim.Mutate(stripesim.Customers, id, func(o map[string]any) { o["description"] = "new" })
	if err != nil {
		t.Fatal(err)
	}
	s := c.pass(t)
	s.Resources = []string{"charges", "prices"}
	complete(t, s)
	complete(t, c.pass(t))
	report(t, differences(t.Context(), c.sim, c.dir))
}

// Of two states of an object in one pass the later one decides whether it
// stands in quarantine.
func TestBadAndGoodInOnePass(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		states      func(good, bad rawjson.Item) []rawjson.Item
		quarantined bool
	}{
		{"mended", func(good, bad rawjson.Item) []rawjson.Item { return []rawjson.Item{bad, good} }, false},
		{"spoilt", func(good, bad rawjson.Item) []rawjson.Item { return []rawjson.Item{good, bad} }, true},
		{"mended and spoilt", func(good, bad rawjson.Item) []rawjson.Item { return []rawjson.Item{bad, good, bad} }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tiny(32), nil)
			s := c.pass(t)
			s.Hooks.Page = onCharge(func(p *extract.Page) {
				good := p.Items[0]
				bad := good
				bad.Raw = bytes.Replace(good.Raw, []byte(`"charge"`), []byte(`"change"`), 1)
				p.Items = append(tt.states(good, bad), p.Items[1:]...)
			})
			if _, err := s.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			said := differences(t.Context(), c.sim, c.dir)
			held := slices.DeleteFunc(slices.Clone(said), func(s string) bool { return !strings.Contains(s, "is in quarantine") })
			if len(said) != len(held) || len(held) > 0 != tt.quarantined {
				t.Errorf("%q, want it in quarantine: %t", said, tt.quarantined)
			}
		})
	}
}
