package stripesim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A verb is what a step can do.
type verb struct {
	to    []Resource // what it can be done to; the first, when the step names none
	alone bool       // concerns no object
}

var verbs = map[string]verb{
	"insert":   {to: Resources()},
	"update":   {to: Resources()},
	"delete":   {to: Resources()},
	"refund":   {to: []Resource{Charges}},
	"dispute":  {to: []Resource{Charges}},
	"evidence": {to: []Resource{Charges}},
	"close":    {to: []Resource{Charges}},
	"review":   {to: []Resource{Charges}},
	"cancel":   {to: []Resource{Subscriptions}},
	"item":     {to: []Resource{Subscriptions}},
	"renew":    {to: []Resource{Subscriptions}},
	"discount": {to: []Resource{Customers, Subscriptions}},
	"tax-id":   {to: []Resource{Customers}},
	"source":   {to: []Resource{Customers}},
	"settle":   {to: []Resource{Refunds, Charges}},
	"fail":     {to: []Resource{Refunds}},
	"event":    {to: Resources(), alone: true},
	"payout":   {alone: true},
	"advance":  {alone: true},
	"wipe":     {alone: true},
}

func (step *Step) check() error {
	v, ok := verbs[step.Do]
	switch {
	case !ok:
		return fmt.Errorf("unknown step %q", step.Do)
	case v.to == nil:
		return nil
	case step.Resource == "" && (v.alone || len(v.to) < len(Resources())):
		return nil
	case step.Do == "refund" || step.Do == "cancel": // they are about what they say
		if !slices.Contains(Resources(), step.Resource) {
			return fmt.Errorf("step %s: unknown resource %q", step.Do, step.Resource)
		}
	case !slices.Contains(v.to, step.Resource):
		return fmt.Errorf("step %s: unknown resource %q", step.Do, step.Resource)
	}
	return nil
}

// Do takes one step, as a rule of a plan does between two requests.
func (s *Sim) Do(step Step) error {
	r := Rule{Then: []Step{step}}
	if err := r.check(); err != nil {
		return err
	}
	defer s.begin()()
	return s.do(step, "")
}

// do takes a step; cursor is the id of the last object of the page just
// rendered.
func (s *Sim) do(step Step, cursor string) error {
	switch step.Do {
	case "advance":
		s.clock.advance(time.Duration(step.Age))
		return nil
	case "wipe":
		s.wipe()
		return nil
	}
	s.late = int64(time.Duration(step.Late).Seconds())
	defer func() { s.late = 0 }()
	var errs []error
	for range max(step.Count, 1) {
		s.op++
		errs = append(errs, s.once(step, cursor))
	}
	return errors.Join(errs...)
}

func (s *Sim) once(step Step, cursor string) error {
	switch {
	case step.Do == "insert" && step.Resource != Refunds:
		_, err := s.create(step.Resource, Draft{Created: s.clock.now().Add(-time.Duration(step.Age))})
		return err
	case step.Do == "payout":
		return s.payout(123400)
	case step.Do == "event" && step.Resource == "":
		s.announce(notice{kind: step.kind(), now: s.stranger(), created: s.clock.unix() - int64(time.Duration(step.Age).Seconds())})
		return nil
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
	case "update":
		return s.touch(step.Resource, id, step.Silent)
	case "event":
		_, _, tree, err := s.existing(step.Resource, id)
		if err == nil {
			created := s.clock.unix() - int64(time.Duration(step.Age).Seconds())
			s.announce(notice{kind: step.kind(), now: s.shown(step.Resource, tree, view{}), created: created})
		}
		return err
	}
	return s.happen(step, id)
}

// happen takes the steps that are about one object.
func (s *Sim) happen(step Step, id string) error {
	switch step.Do {
	case "cancel":
		return s.cancel(id)
	case "dispute":
		return s.dispute(id)
	case "evidence":
		return s.updateDispute(id)
	case "close":
		return s.closeDispute(id, step.Won)
	case "review":
		return s.review(id)
	case "item":
		return s.changeSomeItem(id, s.draw())
	case "renew":
		return s.renew(id, true)
	case "discount":
		return s.discount(step.of(), id)
	case "tax-id":
		return s.taxID(id)
	case "source":
		return s.source(id)
	case "settle":
		if step.of() == Charges {
			return s.settleCharge(id)
		}
		return s.settleRefund(id, true)
	case "fail":
		_, _, tree, err := s.existing(Refunds, id)
		if err == nil && tree.at("status").value() == "pending" {
			return s.settleRefund(id, false)
		}
		return s.returnRefund(id)
	}
	return fmt.Errorf("unknown step %q", step.Do)
}

// of is the resource that a step is about.
func (step *Step) of() Resource {
	switch to := verbs[step.Do].to; {
	case step.Do == "refund", step.Do == "cancel":
		return to[0]
	case step.Do == "insert" && step.Resource == Refunds:
		return Charges
	case step.Resource == "":
		return to[0]
	}
	return step.Resource
}

func (step *Step) kind() string {
	if step.Type == "" {
		return "nimbus.drifted"
	}
	return step.Type
}

// touch changes a text of an object.
func (s *Sim) touch(r Resource, id string, silent bool) error {
	n := s.nextKey
	s.nextKey++
	event := updated[r]
	if silent {
		event = ""
	}
	return s.mutate(r, id, func(o map[string]any) {
		meta, ok := o["metadata"].(map[string]any)
		if !ok {
			meta = map[string]any{}
		}
		if r == BalanceTransactions { // they have no metadata
			o["description"] = fmt.Sprintf("changed %d", n-addedKey)
			return
		}
		meta["changed"] = fmt.Sprint(n - addedKey)
		o["metadata"] = meta
	}, event)
}

// changeSomeItem adds an item to a subscription, or changes or removes one.
func (s *Sim) changeSomeItem(id string, r rng) error {
	_, _, tree, err := s.existing(Subscriptions, id)
	if err != nil {
		return err
	}
	ids := tree.values([]string{"items", "data", "id"})
	change := ItemChange{}
	switch kind := r.below(3); {
	case kind == 1 && len(ids) > 0:
		change = ItemChange{Item: ids[r.below(len(ids))], Quantity: 2 + int64(r.below(90))}
	case kind == 2 && len(ids) > 1:
		change = ItemChange{Item: ids[r.below(len(ids))], Remove: true}
	}
	_, err = s.changeItem(id, change)
	return err
}

// draw returns random numbers for a single use.
func (s *Sim) draw() rng {
	s.nextKey++
	return rng{mix(s.world.seed ^ (s.nextKey - 1))}
}

// target returns the id of the object that a step is about.
func (s *Sim) target(step Step, cursor string) (string, bool) {
	r := step.of()
	sh := s.shelves[r]
	fits := s.fitting(step.Do, r)
	switch step.Target {
	case "cursor":
		o, ok := sh.get(cursor)
		return cursor, ok && !sh.gone(o)
	case "newest":
		return sh.first(place{sh.n, len(sh.added)}, sh.older, fits)
	case "oldest":
		return sh.first(place{}, sh.newer, fits)
	case "", "random":
		draw := s.draw()
		if open := s.disputes.open; step.Do == "evidence" || step.Do == "close" {
			if len(open) == 0 {
				return "", false
			}
			return open[draw.below(len(open))], true
		}
		return s.pick(sh, &draw, fits)
	}
	return step.Target, true
}

// fitting returns what an object must be for a step.
func (s *Sim) fitting(do string, r Resource) func(object) bool {
	is := func(filters ...filter) func(object) bool {
		return func(o object) bool { return s.matches(s.shelves[r], o, filters) }
	}
	switch do {
	case "refund", "insert":
		if r == Charges {
			return s.refundable
		}
	case "dispute":
		return func(o object) bool { return s.refundable(o) && is(equals("disputed", "false"))(o) }
	case "evidence", "close":
		return func(o object) bool { return slices.Contains(s.disputes.open, s.shelves[Charges].id(o)) }
	case "cancel", "item":
		return is(statusFilter(""))
	case "renew":
		return func(o object) bool { return is(statusFilter(""))(o) && s.owned(o) }
	case "settle":
		if r == Charges {
			return is(equals("balance_transaction", ""), equals("status", "succeeded", "pending"), equals("captured", "true"))
		}
		return is(equals("status", "pending"))
	case "fail":
		return is(equals("status", "pending", "succeeded"))
	}
	return func(object) bool { return true }
}

// owned says whether the customer of a subscription is there.
func (s *Sim) owned(o object) bool {
	tree, err := s.tree(s.shelves[Subscriptions], o)
	if err != nil {
		return false
	}
	_, _, _, err = s.existing(Customers, tree.at("customer").value())
	return err == nil
}

func (s *shelf) first(p place, step func(place) (object, place, bool), fits func(object) bool) (string, bool) {
	for o, next, ok := step(p); ok; o, next, ok = step(next) {
		if !s.gone(o) && fits(o) {
			return s.id(o), true
		}
	}
	return "", false
}

// pick draws a place and takes the next object that fits, looking in both
// directions.
func (s *Sim) pick(sh *shelf, r *rng, fits func(object) bool) (string, bool) {
	var p place
	switch n := sh.n + len(sh.added); {
	case n == 0:
		return "", false
	default:
		i := r.below(n)
		o := object{i, sh.changed[i]}
		if i >= sh.n {
			o = object{-1, sh.added[i-sh.n]}
		}
		_, p = sh.around(o)
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
