package offer

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Use is what gives an offer to customers; the zero Use is nothing.
type Use struct {
	Experiment string // its name
	// Running says that the experiment compares the offer with others. One that was
	// stopped compares nothing any more, and gives all customers what it ships.
	Running bool
}

// mayBecome refuses another state of an offer that a running experiment gives: its
// results would be about two offers as if these were one. Decisions tell an offer
// as a whole, names and all, so any of it may make the difference. A later end
// takes nothing from what was given, as long as the end has not come.
func (s *Service) mayBecome(t *docstore.Tx, scope docstore.Scope, before, after Offer) error {
	if end := before.Conditions.Until; s.Now().Before(end) && (after.Conditions.Until.IsZero() || end.Before(after.Conditions.Until)) {
		after.Conditions.Until = end
	}
	if s.InUse == nil || reflect.DeepEqual(before.clone(), after.clone()) {
		return nil
	}
	use, err := s.InUse(t, scope, before.ID.String())
	if err != nil || !use.Running {
		return err
	}
	return &problem.Error{
		Kind:   problem.Conflict,
		Detail: fmt.Sprintf("the offer %q is given by the experiment %q, which runs, and this would change what it compares", before.Key, use.Experiment),
		Advice: "Make another offer and begin a new phase with it, or stop the experiment. To withdraw the offer at once, switch the experiment off",
	}
}

// mayGo refuses to remove an offer in use: its customers would get nothing, and
// others what they get.
func (s *Service) mayGo(t *docstore.Tx, scope docstore.Scope, o Offer) error {
	if s.InUse == nil {
		return nil
	}
	use, err := s.InUse(t, scope, o.ID.String())
	if err != nil || use == (Use{}) {
		return err
	}
	refused := &problem.Error{
		Kind: problem.Conflict, Detail: fmt.Sprintf("the offer %q is given by the experiment %q, which was stopped and ships it", o.Key, use.Experiment),
		Advice: "Let the experiment ship something else, or make the offer inactive",
	}
	if use.Running {
		refused.Detail = fmt.Sprintf("the offer %q is given by the experiment %q, which runs", o.Key, use.Experiment)
		refused.Advice = "Stop the experiment without this variant. To withdraw the offer at once, switch the experiment off"
	}
	return refused
}

// For returns the offers of a sandbox that are for an audience alone.
func For(t *docstore.Tx, scope docstore.Scope, audience string) ([]Kept, error) {
	all, err := list(t, scope)
	return slices.DeleteFunc(all, func(k Kept) bool { return k.Conditions.Audience != audience }), err
}

// clone shares nothing with o that a change writes into. Empty lists are nil, and
// times in UTC, so that equal offers are so for reflect.DeepEqual, too.
func (o *Offer) clone() Offer {
	c := *o
	c.Items = append([]Item(nil), o.Items...)
	for i, it := range c.Items {
		if it.Amount != nil {
			amount := *it.Amount
			c.Items[i].Amount = &amount
		}
	}
	for _, list := range []*[]string{&c.Conditions.Contains, &c.Conditions.Excludes, &c.Conditions.Countries} {
		*list = append([]string(nil), *list...)
	}
	for _, at := range []*time.Time{&c.Conditions.From, &c.Conditions.Until} {
		*at = at.UTC()
	}
	return c
}
