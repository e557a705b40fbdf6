package stripesim

import (
	"errors"
	"fmt"
	"time"
)

// Do takes one step, as a rule of a plan does between two requests.
func (s *Sim) Do(step Step) error {
	r := Rule{Then: []Step{step}}
	if err := r.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.do(step, "")
}

// do takes a step; cursor is the id of the last object of the page just
// rendered.
func (s *Sim) do(step Step, cursor string) error {
	if step.Do == "advance" {
		s.clock.advance(time.Duration(step.Age))
		return nil
	}
	var errs []error
	for range max(step.Count, 1) {
		errs = append(errs, s.once(step, cursor))
	}
	return errors.Join(errs...)
}

func (s *Sim) once(step Step, cursor string) error {
	if step.Do == "insert" && step.Resource != Refunds {
		_, err := s.create(step.Resource, Draft{Created: s.clock.now().Add(-time.Duration(step.Age))})
		return err
	}
	id, ok := s.target(step, cursor)
	if !ok {
		return fmt.Errorf("%s: nothing to %s", step.Resource, step.Do)
	}
	switch step.Do {
	case "insert", "refund":
		_, err := s.create(Refunds, Draft{Charge: id})
		return err
	case "delete":
		return s.delete(step.Resource, id)
	case "cancel":
		return s.cancel(id)
	}
	n := s.nextKey
	s.nextKey++
	return s.mutate(step.Resource, id, func(o map[string]any) {
		meta, ok := o["metadata"].(map[string]any)
		if !ok {
			meta = map[string]any{}
		}
		if step.Resource == BalanceTransactions { // they have no metadata
			o["description"] = fmt.Sprintf("changed %d", n-addedKey)
			return
		}
		meta["changed"] = fmt.Sprint(n - addedKey)
		o["metadata"] = meta
	}, updated[step.Resource])
}

// target returns the id of the object that a step is about.
func (s *Sim) target(step Step, cursor string) (string, bool) {
	r := step.Resource
	fits := func(object) bool { return true }
	switch {
	case step.Do == "refund" || step.Do == "insert":
		r, fits = Charges, s.refundable
	case step.Do == "cancel":
		r = Subscriptions
		fits = func(o object) bool { return s.matches(s.shelves[r], o, []filter{statusFilter("")}) }
	}
	sh := s.shelves[r]
	switch step.Target {
	case "cursor":
		o, ok := sh.get(cursor)
		return cursor, ok && !sh.gone(o)
	case "newest":
		return sh.first(place{sh.n, len(sh.added)}, sh.older, fits)
	case "oldest":
		return sh.first(place{}, sh.newer, fits)
	case "", "random":
		return s.random(sh, fits)
	}
	return step.Target, true
}

func (s *shelf) first(p place, step func(place) (object, place, bool), fits func(object) bool) (string, bool) {
	for o, next, ok := step(p); ok; o, next, ok = step(next) {
		if !s.gone(o) && fits(o) {
			return s.id(o), true
		}
	}
	return "", false
}

// random draws a place and takes the next object that fits, looking in both
// directions.
func (s *Sim) random(sh *shelf, fits func(object) bool) (string, bool) {
	r := rng{mix(s.world.seed ^ s.nextKey)}
	s.nextKey++
	var p place
	if sh.n > 0 {
		p.base = r.below(sh.n)
		_, p = sh.around(object{p.base, sh.changed[p.base]})
	} else if len(sh.added) > 0 {
		_, p = sh.around(object{-1, sh.added[r.below(len(sh.added))]})
	}
	if id, ok := sh.first(p, sh.older, fits); ok {
		return id, true
	}
	return sh.first(p, sh.newer, fits)
}

func (s *Sim) refundable(o object) bool {
	n, err := s.tree(s.shelves[Charges], o)
	if err != nil || n.at("status").value() != "succeeded" || n.at("balance_transaction").value() == "" {
		return false
	}
	total, _ := n.at("amount").integer()
	back, _ := n.at("amount_refunded").integer()
	return back < total
}
