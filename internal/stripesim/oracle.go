package stripesim

import (
	"iter"
	"slices"
)

// A Truth is an object as Stripe would return it now by its id.
type Truth struct {
	ID      string
	Created int64
	// JSON is printed as by Stripe, with the expansions of Config.Expand and,
	// for subscriptions, every item in items.data and has_more false.
	JSON []byte
	// Verbatim objects were placed by Put: they may be wrong on purpose.
	Verbatim bool
	// Listed is false for objects that were deleted before the account was
	// ever read: nothing can have seen them.
	Listed bool
}

// Oracle yields every object of a resource that an exact copy must hold, oldest
// first: canceled subscriptions, inactive prices and all, but neither deleted
// customers nor inline prices. JSON is valid until the next step.
// Changes of the account wait for the loop to end, so it must not make any.
func (s *Sim) Oracle(r Resource) iter.Seq[Truth] {
	return func(yield func(Truth) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		sh, v := s.shelves[r], s.copyView()
		e := &enc{}
		s.walk(r, func(o object) bool {
			e.b = e.b[:0]
			s.object(e, sh, o, v)
			return yield(Truth{
				ID: sh.id(o), Created: sh.createdAt(o), JSON: e.b, Listed: true,
				Verbatim: o.rec != nil && o.rec.raw != nil,
			})
		})
	}
}

// copyView shows what an exact copy holds.
func (s *Sim) copyView() view {
	has := func(name string) bool { return slices.Contains(s.cfg.Expand, name) }
	return view{
		tiers: has("tiers"), options: has("currency_options"), optionTiers: has("currency_options.tiers"),
		allItems: true,
	}
}

// Deleted yields the deleted objects of a resource with their last state,
// oldest first. JSON is valid until the next step.
func (s *Sim) Deleted(r Resource) iter.Seq[Truth] {
	return func(yield func(Truth) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		sh, v := s.shelves[r], s.copyView()
		e := &enc{}
		for o, p, ok := sh.newer(place{}); ok; o, p, ok = sh.newer(p) {
			if !sh.gone(o) {
				continue
			}
			e.b = e.b[:0]
			s.object(e, sh, o, v)
			if !yield(Truth{ID: sh.id(o), Created: sh.createdAt(o), JSON: e.b, Listed: o.rec != nil || sh.hidden == nil || !sh.hidden(o.pos)}) {
				return
			}
		}
	}
}

// InlinePrices yields the prices that no list shows but subscriptions use, in
// no particular order. JSON is valid until the next step.
func (s *Sim) InlinePrices() iter.Seq[Truth] {
	return func(yield func(Truth) bool) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		e, v := &enc{}, s.copyView()
		seen := map[string]bool{}
		s.walk(Subscriptions, func(o object) bool {
			for _, id := range s.inlineIDs(o) {
				e.b = e.b[:0]
				if seen[id] || !s.inlinePrice(e, id, v) {
					continue
				}
				seen[id] = true
				created, _ := s.inlineCreated(id)
				if !yield(Truth{ID: id, Created: created, JSON: e.b, Listed: true}) {
					return false
				}
			}
			return true
		})
	}
}

// inlineIDs returns the ids of a subscription's prices that may be inline.
func (s *Sim) inlineIDs(o object) []string {
	if o.rec != nil {
		return o.rec.tree.values([]string{"items", "data", "price", "id"})
	}
	var ids []string
	sub := s.world.subscriptionAt(o.pos)
	for n := range sub.items {
		if it := s.world.item(&sub, n); it.listed < 0 {
			ids = append(ids, string(s.world.appendPriceID(nil, idInlinePrice, it.price.key)))
		}
	}
	return ids
}

func (s *Sim) inlineCreated(id string) (int64, bool) {
	if r, ok := s.inline[id]; ok {
		return r.created, true
	}
	p, ok := s.world.inline(id)
	return p.created, ok
}
