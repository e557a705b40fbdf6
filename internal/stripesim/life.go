package stripesim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Rates say how often something happens on a virtual day, on average, by its
// name; see Lifelike for the names.
type Rates map[string]float64

// Lifelike returns the rates of a small shop.
func Lifelike() Rates {
	return Rates{
		"charge":          12,  // of all methods; some are asynchronous, fail or wait
		"bnpl":            4,   // klarna, afterpay_clearpay, affirm, zip
		"customer":        4,   //
		"subscription":    2,   //
		"price":           1,   //
		"backdated":       1,   // a charge, customer or subscription created hours to months ago
		"refund":          2,   // full or in part
		"settle":          4,   // a pending refund (some fail), or a charge without balance transaction
		"refund-failure":  0.3, // of one that had succeeded
		"dispute":         0.5, // opened
		"evidence":        0.3, //
		"dispute-close":   0.4, //
		"review":          0.5, // opened or closed
		"cancel":          0.7, //
		"item":            1.5, // of a subscription: added, changed, removed
		"renew":           3,   // with an invoice; some are not paid
		"discount":        1,   // of a customer or a subscription, given or taken
		"tax-id":          0.3, //
		"source":          0.5, //
		"update":          5,   // of charges, refunds, customers, subscriptions
		"price-update":    0.5, // of a price in no subscription
		"customer-delete": 0.5, // with what it was subscribed to
		"price-delete":    0.2, // of a price in no subscription
		"payout":          0.5, //
		"stranger":        1,   // an event of a type, and about an object, that nobody knows
		"echo":            0.5, // an event about an object that did not change
		// What no event tells of; only a full comparison finds it.
		"silent":        0, // any change
		"silent-price":  0, // a price that subscriptions show: price.updated, and nothing of them
		"silent-delete": 0, // a customer goes, as with a test clock
	}
}

// A Happening is one thing that happened.
type Happening struct {
	At   int64 // Unix seconds of the account's clock
	What string
	ID   string // of the object that it was about, where there is one
	Late bool   // its events are listed up to five minutes later
}

// A Life lets things happen in the account, day by day. The same Sim, seed and
// rates make the same life, if nothing else changes the account and its clock
// is frozen. A Life is for one goroutine; others may read the account meanwhile.
type Life struct {
	// Late is the share of what happens whose events are listed late. Default
	// (set by Live) 0.1.
	Late float64

	sim     *Sim
	rates   Rates
	r       rng
	agenda  []string // what is still to happen today
	ends    time.Time
	unpaid  []string // charges without a balance transaction
	refunds []string // pending refunds
}

// errNothing says that there was no object to do it to.
var errNothing = errors.New("nothing to do it to")

// Live makes a life. Rates that are not named are zero; nil are Lifelike.
func (s *Sim) Live(seed uint64, rates Rates) (*Life, error) {
	if rates == nil {
		rates = Lifelike()
	}
	for name, rate := range rates {
		if acts[name] == nil || rate < 0 || rate > 1e5 {
			return nil, fmt.Errorf("rate %q: %v", name, rate)
		}
	}
	return &Life{Late: 0.1, sim: s, rates: maps.Clone(rates), r: rng{mix(seed + 0x11fe)}, ends: s.Now()}, nil
}

// Day lets the rest of the day pass, or a whole one, and returns what happened.
func (l *Life) Day() ([]Happening, error) {
	var out []Happening
	for first := true; first || len(l.agenda) > 0; first = false {
		h, err := l.Step()
		if err != nil {
			return out, err
		}
		if h.What != "" {
			out = append(out, h)
		}
	}
	l.sim.until(l.ends)
	return out, nil
}

// Step lets time pass up to the next thing that happens, and it happen. The
// result is empty when it could not: a refund where nothing is to be refunded.
func (l *Life) Step() (Happening, error) {
	if len(l.agenda) == 0 {
		l.sim.until(l.ends)
		l.plan()
	}
	if len(l.agenda) == 0 { // a day without anything
		l.sim.until(l.ends)
		return Happening{}, nil
	}
	if left := l.ends.Sub(l.sim.Now()); left > 0 {
		share := int64(left) / int64(len(l.agenda)+1)
		l.sim.Advance(time.Duration(l.r.between(0, 2*share)).Truncate(time.Second))
	}
	what := l.agenda[0]
	l.agenda = l.agenda[1:]
	s := l.sim
	defer s.begin()()
	h := Happening{What: what, Late: l.r.chance(l.Late)}
	if h.Late {
		s.late = l.r.between(1, 300)
		defer func() { s.late = 0 }()
	}
	var err error
	h.ID, err = acts[what](l)
	h.At = s.clock.unix()
	if errors.Is(err, errNothing) {
		return Happening{}, nil
	}
	if err != nil {
		return Happening{}, fmt.Errorf("%s %s: %w", what, h.ID, err)
	}
	return h, nil
}

// plan draws what happens on the next day.
func (l *Life) plan() {
	l.ends = l.sim.Now().Add(24 * time.Hour)
	for _, name := range slices.Sorted(maps.Keys(l.rates)) {
		for range l.r.count(l.rates[name]) {
			l.agenda = append(l.agenda, name)
		}
	}
	for i := len(l.agenda) - 1; i > 0; i-- {
		k := l.r.below(i + 1)
		l.agenda[i], l.agenda[k] = l.agenda[k], l.agenda[i]
	}
}

// until moves the clock forward to t, if that lies ahead.
func (s *Sim) until(t time.Time) {
	if d := t.Sub(s.Now()); d > 0 {
		s.Advance(d)
	}
}
