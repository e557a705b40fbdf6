package stripesim

import (
	"fmt"
	"slices"
	"time"
)

// acts are what can happen in a Life. They run under the account's lock and
// return the id of the object that they were about.
var acts = map[string]func(*Life) (string, error){
	"charge":       (*Life).charge,
	"bnpl":         (*Life).bnpl,
	"customer":     func(l *Life) (string, error) { return l.sim.create(Customers, Draft{}) },
	"subscription": func(l *Life) (string, error) { return l.sim.create(Subscriptions, Draft{Customer: l.customer()}) },
	"price":        func(l *Life) (string, error) { return l.sim.create(Prices, Draft{}) },
	"backdated":    (*Life).backdated,

	"refund":         (*Life).refund,
	"settle":         (*Life).settle,
	"refund-failure": (*Life).refundFailure,
	"dispute":        func(l *Life) (string, error) { return l.about(Charges, "dispute", l.sim.dispute) },
	"evidence":       func(l *Life) (string, error) { return l.disputed(l.sim.updateDispute) },
	"dispute-close": func(l *Life) (string, error) {
		won := l.r.chance(0.4)
		return l.disputed(func(id string) error { return l.sim.closeDispute(id, won) })
	},
	"review": func(l *Life) (string, error) { return l.about(Charges, "review", l.sim.review) },

	"cancel": func(l *Life) (string, error) { return l.about(Subscriptions, "cancel", l.sim.cancel) },
	"item":   (*Life).item,
	"renew": func(l *Life) (string, error) {
		paid := l.r.chance(0.9)
		return l.about(Subscriptions, "renew", func(id string) error { return l.sim.renew(id, paid) })
	},
	"discount": func(l *Life) (string, error) {
		r := []Resource{Customers, Subscriptions}[l.r.below(2)]
		return l.about(r, "discount", func(id string) error { return l.sim.discount(r, id) })
	},
	"tax-id": func(l *Life) (string, error) { return l.about(Customers, "tax-id", l.sim.taxID) },
	"source": func(l *Life) (string, error) { return l.about(Customers, "source", l.sim.source) },

	"update": func(l *Life) (string, error) {
		r := []Resource{Charges, Refunds, Customers, Subscriptions}[l.r.below(4)]
		return l.about(r, "update", func(id string) error { return l.sim.touch(r, id, false) })
	},
	"price-update": func(l *Life) (string, error) {
		return l.freePrice(func(id string) error { return l.sim.touch(Prices, id, false) })
	},
	"customer-delete": func(l *Life) (string, error) {
		return l.about(Customers, "delete", func(id string) error { return l.sim.delete(Customers, id) })
	},
	"price-delete": func(l *Life) (string, error) {
		return l.freePrice(func(id string) error { return l.sim.delete(Prices, id) })
	},

	"payout": func(l *Life) (string, error) { return "", l.sim.payout(l.r.between(1000, 900000)) },
	"stranger": func(l *Life) (string, error) {
		kinds := []string{"nimbus.drifted", "v2.core.account.updated", "charge.nimbus.bent", "customer.nimbus.created", "entitlements.active_entitlement_summary.updated"}
		l.sim.announce(notice{kind: kinds[l.r.below(len(kinds))], now: l.sim.stranger()})
		return "", nil
	},
	"echo": (*Life).echo,

	"silent": func(l *Life) (string, error) {
		r := Resources()[l.r.below(len(Resources()))]
		return l.about(r, "silent", func(id string) error { return l.sim.touch(r, id, true) })
	},
	"silent-price": func(l *Life) (string, error) {
		return l.about(Prices, "update", func(id string) error { return l.sim.touch(Prices, id, false) })
	},
	"silent-delete": func(l *Life) (string, error) { return l.about(Customers, "delete", l.sim.vanish) },
}

// about picks an object that fits and does it.
func (l *Life) about(r Resource, do string, act func(id string) error) (string, error) {
	id, ok := l.sim.pick(l.sim.shelves[r], &l.r, l.sim.fitting(do, r))
	if !ok {
		return "", errNothing
	}
	return id, act(id)
}

func (l *Life) item() (string, error) {
	return l.about(Subscriptions, "item", func(id string) error {
		_, _, tree, err := l.sim.existing(Subscriptions, id)
		if err != nil {
			return err
		}
		if l.r.chance(0.3) { // one more, of the price list
			fits := []filter{equals("active", "true"), equals("type", "recurring"), equals("currency", tree.at("currency").value())}
			sh := l.sim.shelves[Prices]
			if price, ok := l.sim.pick(sh, &l.r, func(o object) bool { return l.sim.matches(sh, o, fits) }); ok {
				_, err := l.sim.changeItem(id, ItemChange{Price: price, Quantity: l.r.between(1, 9)})
				return err
			}
		}
		return l.sim.changeSomeItem(id, rng{l.r.next()})
	})
}

// customer picks a live customer; there may be none.
func (l *Life) customer() string {
	id, _ := l.sim.pick(l.sim.shelves[Customers], &l.r, func(object) bool { return true })
	return id
}

func (l *Life) charge() (string, error) {
	d := Draft{Async: l.r.chance(0.25)}
	if l.r.chance(0.85) {
		d.Customer = l.customer()
	}
	id, err := l.sim.create(Charges, d)
	l.remember(id, err)
	return id, err
}

func (l *Life) bnpl() (string, error) {
	d := Draft{Customer: l.customer(), Method: []*method{klarna, afterpay, affirm, zipPay}[l.r.below(4)].name}
	d.Status = []string{"", "", "", "pending", "failed"}[l.r.below(5)]
	id, err := l.sim.create(Charges, d)
	l.remember(id, err)
	return id, err
}

// remember notes a charge that is to be settled.
func (l *Life) remember(id string, err error) {
	if err != nil {
		return
	}
	o, _ := l.sim.shelves[Charges].get(id)
	if l.sim.fitting("settle", Charges)(o) {
		l.unpaid = append(l.unpaid, id)
	}
}

func (l *Life) backdated() (string, error) {
	age := time.Duration(l.r.between(3600, 86400)) * time.Second
	if l.r.chance(0.5) {
		age *= time.Duration(1 + l.r.below(60))
	}
	r := []Resource{Charges, Charges, Customers, Subscriptions}[l.r.below(4)]
	return l.sim.create(r, Draft{Created: l.sim.clock.now().Add(-age), Customer: l.customer()})
}

func (l *Life) refund() (string, error) {
	charge, ok := l.sim.pick(l.sim.shelves[Charges], &l.r, l.sim.refundable)
	if !ok {
		return "", errNothing
	}
	_, _, tree, err := l.sim.existing(Charges, charge)
	if err != nil {
		return charge, err
	}
	total, _ := tree.at("amount").integer()
	back, _ := tree.at("amount_refunded").integer()
	d := Draft{Charge: charge}
	if l.r.chance(0.5) {
		d.Amount = l.r.between(1, total-back)
	}
	id, err := l.sim.create(Refunds, d)
	if err == nil {
		if o, _ := l.sim.shelves[Refunds].get(id); l.sim.fitting("settle", Refunds)(o) {
			l.refunds = append(l.refunds, id)
		}
	}
	return id, err
}

// settle ends what waits: the oldest charge or refund.
func (l *Life) settle() (string, error) {
	switch {
	case len(l.refunds) > 0 && (len(l.unpaid) == 0 || l.r.chance(0.4)):
		id := l.refunds[0]
		l.refunds = l.refunds[1:]
		return l.there(Refunds, id, func() error { return l.sim.settleRefund(id, l.r.chance(0.85)) })
	case len(l.unpaid) > 0:
		id := l.unpaid[0]
		l.unpaid = l.unpaid[1:]
		return l.there(Charges, id, func() error { return l.sim.settleCharge(id) })
	}
	return "", errNothing
}

// there does something to an object that may be wiped meanwhile.
func (l *Life) there(r Resource, id string, act func() error) (string, error) {
	if _, _, _, err := l.sim.existing(r, id); err != nil {
		return "", errNothing
	}
	return id, act()
}

func (l *Life) refundFailure() (string, error) {
	fits := func(o object) bool {
		return l.sim.matches(l.sim.shelves[Refunds], o, []filter{equals("status", "succeeded")})
	}
	id, ok := l.sim.pick(l.sim.shelves[Refunds], &l.r, fits)
	if !ok {
		return "", errNothing
	}
	return id, l.sim.returnRefund(id)
}

func (l *Life) disputed(act func(charge string) error) (string, error) {
	open := l.sim.disputes.open
	if len(open) == 0 {
		return "", errNothing
	}
	id := open[l.r.below(len(open))]
	return l.there(Charges, id, func() error { return act(id) })
}

// freePrice does something to a price made since the start that no
// subscription shows.
func (l *Life) freePrice(act func(id string) error) (string, error) {
	sh := l.sim.shelves[Prices]
	var free []string
	for _, r := range sh.added {
		if !r.removed && !l.sim.inUse(r.id) {
			free = append(free, r.id)
		}
	}
	if len(free) == 0 {
		return "", errNothing
	}
	id := free[l.r.below(len(free))]
	return id, act(id)
}

// inUse says whether a subscription shows a price made since the start.
func (s *Sim) inUse(price string) bool {
	sh := s.shelves[Subscriptions]
	shows := func(r *record) bool {
		return !r.removed && slices.Contains(r.tree.values([]string{"items", "data", "price", "id"}), price)
	}
	for _, r := range sh.changed {
		if shows(r) {
			return true
		}
	}
	return slices.ContainsFunc(sh.added, shows)
}

// echo tells again of an object that did not change.
func (l *Life) echo() (string, error) {
	kinds := []struct {
		r    Resource
		kind string
	}{{Charges, "charge.updated"}, {Customers, "customer.updated"}, {Subscriptions, "customer.subscription.trial_will_end"}, {Refunds, "refund.updated"}, {Prices, "price.updated"}}
	k := kinds[l.r.below(len(kinds))]
	return l.about(k.r, "echo", func(id string) error {
		_, _, tree, err := l.sim.existing(k.r, id)
		if err != nil {
			return fmt.Errorf("echo: %w", err)
		}
		l.sim.announce(notice{kind: k.kind, now: l.sim.shown(k.r, tree, view{})})
		return nil
	})
}

// vanish takes a customer away without an event.
func (s *Sim) vanish(customer string) error {
	sh, o, tree, err := s.existing(Customers, customer)
	if err != nil {
		return err
	}
	s.put(sh, &record{id: customer, created: sh.createdAt(o), tree: tree, pos: o.pos, removed: true})
	return nil
}
