package stripesim

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// An Offer decides what a customer is shown at a checkout: the variant of an
// experiment and the articles that are recommended with it, by sku. Empty: the
// shop as it is.
type Offer func(customer string, cart []string, at time.Time) (variant string, addOns []string)

// An Effect is what a variant truly does to those who are shown it.
type Effect struct {
	// Lift is by which share add-ons raise the value of an order: each shopper buys
	// so many of one add-on (of those shown, else of the shop's own) that it holds
	// on average, for every cart: with an expected order value of v without the
	// offer it is exactly (1 + Lift)·v with it.
	Lift float64 `json:"lift,omitempty"`
	// Take is the probability that a shopper buys one of each add-on shown to him.
	Take float64 `json:"take,omitempty"`
	// Conversion is added to the probability that a checkout is paid.
	Conversion float64 `json:"conversion,omitempty"`
	// Refunds is added to the probability that an order is paid back.
	Refunds float64 `json:"refunds,omitempty"`
}

// A Shopping is what the account's customers do from one time to another: they
// fill carts from the model of BestAddOns, come to checkouts, are shown offers
// and pay or don't. Those of Config.Counts take part, each from when he is there.
//
// When a customer comes and with what is drawn from his id, the day and Seed, and
// how he reacts to what he is shown, too. What he is shown changes nothing else.
// So two Shoppings that differ in their Offer alone are two worlds of the same
// people, and the difference of a customer's visits in them is the effect on him;
// and a Shopping may be cut into two at any midnight (UTC). How often and how much
// a customer buys depends on him, and not on Seed: who bought much before will
// buy much.
type Shopping struct {
	Seed     uint64    `json:"seed"`
	From, To time.Time `json:"-"` // checkouts at From or later and before To
	// Rate is how often an average customer comes to a checkout in a day.
	Rate float64 `json:"rate"`
	// Paid is the probability that a checkout is paid without an offer; 0.7 if 0.
	Paid float64 `json:"paid,omitempty"`
	// Currency is what all pay in (ISO 4217, lower case); empty: that of their country.
	Currency string `json:"currency,omitempty"`

	Offer   Offer             `json:"-"`
	Effects map[string]Effect `json:"effects,omitempty"` // by variant
}

// A Visit is a customer at a checkout, and what became of it.
type Visit struct {
	Customer string    `json:"customer"`
	At       time.Time `json:"at"`
	Cart     []string  `json:"cart"`  // by sku
	Value    int64     `json:"value"` // of the cart, minor units
	Currency string    `json:"currency"`

	Variant string   `json:"variant"`
	AddOns  []string `json:"addOns"` // shown

	Paid   time.Time `json:"paid,omitzero"` // the time of the charge; zero where the checkout was left
	Failed bool      `json:"failed"`        // the charge failed
	Amount int64     `json:"amount"`        // of the charge: the cart and the add-ons bought
	Items  int       `json:"items"`         // of the charge

	Refunded time.Time `json:"refunded,omitzero"` // when all of it was paid back; zero: never

	Charge string `json:"charge,omitempty"` // id; empty unless it was placed in the account
}

// Revenue is what the visit brought until a time: what was paid less what was
// paid back, in minor units.
func (v *Visit) Revenue(until time.Time) int64 {
	switch {
	case v.Paid.IsZero() || v.Failed || v.Paid.After(until):
		return 0
	case !v.Refunded.IsZero() && !v.Refunded.After(until):
		return 0
	}
	return v.Amount
}

// A shopper is a visit before it is decided what is shown.
type shopper struct {
	Visit
	key      int
	person   person
	method   *method
	currency *currency
	size     float64
	lines    []line
	draws    visitDraws
}

// visitDraws are the same whatever is shown.
type visitDraws struct {
	pay, fail, refund, which, more float64
	wait                           int64 // seconds until the charge
	back                           float64
	take                           [8]float64
}

// Visits returns what happens in a Shopping, in the order of the checkouts. It
// changes nothing in the account.
func (s *Sim) Visits(sh Shopping) ([]Visit, error) {
	shoppers, err := s.shoppers(sh)
	if err != nil {
		return nil, err
	}
	out := make([]Visit, len(shoppers))
	for i := range shoppers {
		sh.decide(&shoppers[i])
		out[i] = shoppers[i].Visit
	}
	return out, nil
}

// Shop lets a Shopping happen in the account: with charges, refunds and their
// balance transactions. What lies before the account's present is placed there as
// if it had always been, without events; for what lies after, the clock is moved,
// and it is told of. Refunds that are due after To happen in the next Shop.
func (s *Sim) Shop(ctx context.Context, sh Shopping) ([]Visit, error) {
	if sh.Offer == nil {
		sh.Offer = s.cfg.Offer
	}
	shoppers, err := s.shoppers(sh)
	if err != nil {
		return nil, err
	}
	var out []Visit
	for i := range shoppers {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		p := &shoppers[i]
		if err := s.payBack(p.At); err != nil {
			return out, err
		}
		if p.At.After(s.Now()) {
			s.until(p.At)
		}
		sh.decide(p)
		if err := s.placeOrder(p); err != nil {
			return out, fmt.Errorf("checkout of %s: %w", p.Customer, err)
		}
		out = append(out, p.Visit)
	}
	return out, s.payBack(sh.To)
}

func (sh *Shopping) check() error {
	switch {
	case sh.Rate < 0 || sh.Rate > 100 || math.IsNaN(sh.Rate):
		return fmt.Errorf("rate %v: want 0 to 100 checkouts a day", sh.Rate)
	case sh.Paid < 0 || sh.Paid > 1:
		return fmt.Errorf("paid %v: want a share between 0 and 1", sh.Paid)
	case sh.Currency != "" && currencyOf(sh.Currency) == nil:
		return fmt.Errorf("no prices in %q", sh.Currency)
	case sh.To.Before(sh.From):
		return fmt.Errorf("to %v is before from %v", sh.To, sh.From)
	}
	return nil
}

// shoppers draws who comes when, with what.
func (s *Sim) shoppers(sh Shopping) ([]shopper, error) {
	if err := sh.check(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []shopper
	from, to := sh.From.Unix(), sh.To.Unix()
	for key := range s.world.customers {
		since := max(from, s.world.customers[key]+1)
		if since >= to || s.shelves[Customers].gone(object{key, s.shelves[Customers].changed[key]}) {
			continue
		}
		habits := s.world.rng(idTaste, uint64(key)|1<<44)
		often, size := math.Exp(0.8*habits.bell()-0.32), math.Exp(0.5*habits.bell())
		for day := since / daySeconds; day*daySeconds < to; day++ {
			r := rng{mix(s.world.seed ^ mix(uint64(idVisit)<<56^uint64(key)) + mix(sh.Seed+0x5109)*3 + mix(uint64(day)))} //nolint:gosec // any bits do
			for range r.count(sh.Rate * often) {
				at, own := day*daySeconds+int64(r.below(daySeconds)), rng{r.next()}
				if at >= since && at < to {
					out = append(out, s.shopper(&sh, key, at, size, own))
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b shopper) int { return a.At.Compare(b.At) })
	return out, nil
}

// shopper draws a visit of a customer.
func (s *Sim) shopper(sh *Shopping, key int, at int64, size float64, r rng) shopper {
	w := s.world
	p := shopper{key: key, person: w.personAt(uint64(key)), size: size}
	p.method, p.currency = p.person.prefers, p.person.country.currency
	if shares := p.person.country.shares; r.chance(0.28) {
		p.method = p.person.country.methods[r.pick(shares)]
	}
	if sh.Currency != "" {
		p.currency = currencyOf(sh.Currency)
	}
	d := &p.draws
	d.pay, d.fail, d.refund, d.which, d.more, d.back = r.unit(), r.unit(), r.unit(), r.unit(), r.unit(), r.unit()
	d.wait = 5 + int64(r.below(55))
	for i := range d.take {
		d.take[i] = r.unit()
	}
	p.Customer, p.At, p.Currency = string(w.appendCustomerID(nil, uint64(key))), time.Unix(at, 0).UTC(), p.currency.code
	for _, i := range w.basket(key, &r) {
		price, _ := tastes.price(tastes.items[i].sku, p.currency, size)
		p.lines = append(p.lines, line{tastes.items[i].sku, 1, price})
		p.Cart = append(p.Cart, tastes.items[i].sku)
		p.Value += price
	}
	return p
}

// decide asks what a shopper is shown, and lets him react to it.
func (sh *Shopping) decide(p *shopper) {
	if sh.Offer != nil {
		p.Variant, p.AddOns = sh.Offer(p.Customer, slices.Clone(p.Cart), p.At)
	}
	effect, d := sh.Effects[p.Variant], &p.draws
	if d.pay >= cmp.Or(sh.Paid, 0.7)+effect.Conversion {
		return
	}
	p.buyAddOns(effect)
	for _, l := range p.lines {
		p.Amount += l.price * int64(l.qty)
	}
	p.Items = quantity(p.lines)
	p.Paid, p.Failed = p.At.Add(time.Duration(d.wait)*time.Second), d.fail < p.method.fails
	if !p.Failed && d.refund < p.method.refunds+effect.Refunds {
		p.Refunded = p.Paid.Add(time.Hour + time.Duration(d.back*float64(p.method.days)*5*24*float64(time.Hour))).Truncate(time.Second)
	}
}

func (p *shopper) buyAddOns(effect Effect) {
	if effect.Lift > 0 {
		shown := p.AddOns
		if len(shown) == 0 {
			shown = addOns
		}
		sku := shown[int(p.draws.which*float64(len(shown)))]
		price, _ := tastes.price(sku, p.currency, 1)
		want := effect.Lift * float64(p.Value) / float64(price)
		n := int(want)
		if p.draws.more < want-float64(n) {
			n++
		}
		if n > 0 {
			p.lines = append(p.lines, line{sku, n, price})
		}
	}
	for i, sku := range p.AddOns {
		if i < len(p.draws.take) && p.draws.take[i] < effect.Take {
			price, _ := tastes.price(sku, p.currency, 1)
			p.lines = append(p.lines, line{sku, 1, price})
		}
	}
}
