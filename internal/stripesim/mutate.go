package stripesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// updated names the event that tells of a changed object; balance transactions
// have none.
var updated = map[Resource]string{
	Charges: "charge.updated", Subscriptions: "customer.subscription.updated", Refunds: "refund.updated",
	Customers: "customer.updated", Prices: "price.updated",
}

// Mutate changes the object with that id: change gets it as encoding/json
// decodes it (numbers are json.Number), with all expansions and all items, and
// changes it in place. The event that Stripe would send is recorded; Quiet
// changes have none.
func (s *Sim) Mutate(r Resource, id string, change func(map[string]any)) error {
	defer s.begin()()
	return s.mutate(r, id, change, updated[r])
}

// Quiet is Mutate without an event, as when a discount of a customer or the
// dispute of a charge changes.
func (s *Sim) Quiet(r Resource, id string, change func(map[string]any)) error {
	defer s.begin()()
	return s.mutate(r, id, change, "")
}

func (s *Sim) mutate(r Resource, id string, change func(map[string]any), event string) error {
	sh, o, old, err := s.existing(r, id)
	if err != nil {
		return err
	}
	fields, ok := old.plain().(map[string]any)
	if !ok {
		return fmt.Errorf("%s %s is not an object", r.noun(), id)
	}
	change(fields)
	now, err := nodeOf(fields, old)
	if err != nil {
		return fmt.Errorf("change %s %s: %w", r.noun(), id, err)
	}
	if difference(old, now) == nil {
		return nil
	}
	s.replace(sh, o, id, now)
	if event != "" {
		s.emit(event, r, now, old)
	}
	return nil
}

// existing returns an object that is not gone, whole.
func (s *Sim) existing(r Resource, id string) (*shelf, object, *node, error) {
	sh := s.shelves[r]
	if sh == nil {
		return nil, object{}, nil, fmt.Errorf("no resource %q", r)
	}
	o, ok := sh.get(id)
	if !ok || sh.gone(o) {
		return nil, object{}, nil, fmt.Errorf("no such %s: %s", r.noun(), id)
	}
	tree, err := s.tree(sh, o)
	if err != nil {
		return nil, object{}, nil, fmt.Errorf("%s %s: %w", r.noun(), id, err)
	}
	return sh, o, tree, nil
}

// replace puts a new state in the place of the old one.
func (s *Sim) replace(sh *shelf, o object, id string, tree *node) {
	s.put(sh, &record{id: id, created: sh.createdAt(o), tree: tree, pos: o.pos})
}

// set changes one field of an object quietly and returns the whole new state.
func (s *Sim) set(r Resource, id string, fields map[string]*node) (old, now *node, err error) {
	sh, o, old, err := s.existing(r, id)
	if err != nil {
		return nil, nil, err
	}
	now = old
	for _, k := range old.keys {
		if v, ok := fields[k]; ok {
			now = now.with(k, v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if old.at(k) == nil {
			now = now.with(k, fields[k])
		}
	}
	s.replace(sh, o, id, now)
	return old, now, nil
}

// Put serves raw, one JSON object, byte for byte as an object of the resource:
// in the place of the object with its id, if there is one, else where its
// `created` puts it, or now. It may be wrong in any way but its syntax.
func (s *Sim) Put(r Resource, raw []byte) error {
	if !json.Valid(raw) {
		return errors.New("not valid JSON")
	}
	tree, err := parse(raw)
	if err != nil {
		return err
	}
	defer s.begin()()
	sh := s.shelves[r]
	if sh == nil {
		return fmt.Errorf("no resource %q", r)
	}
	rec := &record{id: tree.at("id").value(), tree: tree, raw: raw, pos: -1, created: s.clock.unix()}
	if t, ok := tree.at("created").integer(); ok {
		rec.created = t
	}
	if o, ok := sh.get(rec.id); ok {
		rec.pos = o.pos
	}
	if rec.id == "" || tree.at("id").kind != '"' { // cannot be asked for
		rec.id = fmt.Sprintf("\x00%d", s.nextKey)
		s.nextKey++
	}
	s.put(sh, rec)
	return nil
}

// Delete removes an object: a customer or a price as its owner deletes it, with
// the events and what follows from it; anything else as when test data is
// wiped, without a word.
func (s *Sim) Delete(r Resource, id string) error {
	defer s.begin()()
	return s.delete(r, id)
}

func (s *Sim) delete(r Resource, id string) error {
	sh, o, tree, err := s.existing(r, id)
	if err != nil {
		return err
	}
	s.put(sh, &record{id: id, created: sh.createdAt(o), tree: tree, pos: o.pos, removed: true})
	switch r {
	case Customers:
		s.emit("customer.deleted", Customers, tree, nil)
		return s.endSubscriptions(id)
	case Prices:
		s.emit("price.deleted", Prices, tree, nil)
	}
	return nil
}

// endSubscriptions cancels what a deleted customer was subscribed to.
func (s *Sim) endSubscriptions(customer string) error {
	sh := s.shelves[Subscriptions]
	var ids []string
	s.walk(Subscriptions, func(o object) bool {
		if s.matches(sh, o, []filter{equals("customer", customer), statusFilter("")}) {
			ids = append(ids, sh.id(o))
		}
		return true
	})
	for _, id := range ids {
		if err := s.cancel(id); err != nil {
			return err
		}
	}
	return nil
}

// CancelSubscription ends a subscription now.
func (s *Sim) CancelSubscription(id string) error {
	defer s.begin()()
	return s.cancel(id)
}

func (s *Sim) cancel(id string) error {
	sh, o, old, err := s.existing(Subscriptions, id)
	if err != nil {
		return err
	}
	now := s.clock.unix()
	tree := old.with("status", stringNode("canceled")).with("ended_at", intNode(now)).
		with("canceled_at", intNode(now)).with("cancel_at_period_end", boolNode(false))
	if details := old.at("cancellation_details"); details != nil && details.kind == '{' {
		tree = tree.with("cancellation_details", details.with("reason", stringNode("cancellation_requested")))
	}
	s.replace(sh, o, id, tree)
	s.emit("customer.subscription.deleted", Subscriptions, tree, nil)
	return nil
}
