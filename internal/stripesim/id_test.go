package stripesim

import (
	"testing"

	"pgregory.net/rapid"
)

func TestKeysComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := ids{seed: rapid.Uint64().Draw(t, "seed"), run: "LkdIwHu7ix"}
		kind := idKind(rapid.Uint64Range(1, 20).Draw(t, "kind"))
		key := rapid.Uint64Range(0, idSpace-1).Draw(t, "key")
		for _, id := range [][]byte{g.long(nil, kind, "x_", key), g.short(nil, kind, "x_", key)} {
			if got, ok := g.key(kind, string(id)); !ok || got != key {
				t.Fatalf("%s: key %d, want %d", id, got, key)
			}
		}
	})
}

func TestForeignIDs(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	for _, sh := range s.shelves {
		for _, id := range []string{"", "x", "cus_", "ch_3MmlLrLkdIwHu7ix0snN0B15", "cus_\x00\x00\x00\x00\x00\x00\x00\x00", "price_1MoBy5LkdIwHu7ixZhnattbh"} {
			if _, ok := sh.get(id); ok {
				t.Errorf("%s: found %q", sh.resource, id)
			}
		}
		for pos := range sh.n {
			id := sh.id(object{pos: pos})
			if o, ok := sh.get(id); !ok || o.pos != pos {
				t.Fatalf("%s: %s at %d is found at %d, %v", sh.resource, id, pos, o.pos, ok)
			}
			if _, ok := sh.get(id + "x"); ok {
				t.Errorf("%s: found %sx", sh.resource, id)
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"mode":    {Mode: "dream"},
		"account": {AccountID: "1234"},
		"order":   {Start: end, End: end},
		"clock":   {End: end, Now: end.AddDate(0, 0, -1)},
		"count":   {Counts: Counts{Charges: -1}},
		"heavy":   {Shape: Shape{HeavyDay: 2}},
		"version": {APIVersion: "2099-01-01"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, cfg := range map[string]Config{
		"empty":     {},
		"one":       {Counts: Counts{1, 1, 1, 1}},
		"no buyers": {Counts: Counts{Charges: 50, Subscriptions: 50}},
		"an hour":   {Start: end.Add(-1e9 * 3600), End: end, Counts: Counts{50, 50, 50, 50}},
		"a second":  {Start: end.Add(-1e9), End: end, Counts: Counts{50, 50, 50, 50}, Shape: Shape{Burst: 9, Silences: 4}},
		"account":   {AccountID: "acct_1", Counts: Counts{5, 5, 5, 5}},
	} {
		s := newSim(t, cfg)
		for _, r := range Resources() {
			n := 0
			for truth := range s.Oracle(r) {
				decoded(t, truth.JSON)
				n++
			}
			if n != s.Count(r) {
				t.Errorf("%s: %d %s, Count %d", name, n, r, s.Count(r))
			}
		}
	}
}
