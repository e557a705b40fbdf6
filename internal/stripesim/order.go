package stripesim

import (
	"slices"
	"time"
)

// An owed refund is one that is due later.
type owed struct {
	at     time.Time
	charge string
}

// placeOrder makes the charge of a shopper who paid or tried to.
func (s *Sim) placeOrder(p *shopper) error {
	if p.Paid.IsZero() {
		return nil
	}
	return s.then(p.Paid, func() error {
		key := s.nextKey
		s.nextKey++
		c := charge{
			key: key, created: p.Paid.Unix(), customer: p.key, person: p.person, sub: -1, method: p.method, currency: p.currency,
			amount: p.Amount, status: "succeeded", captured: true, ledger: true, lines: p.lines, rng: s.world.rng(idCharge, key),
		}
		if p.method == klarna {
			r := s.world.rng(idMethod, key)
			c.category = klarnaCategories[r.pick(klarnaShares)]
		}
		if p.Failed {
			c.status, c.captured, c.ledger, c.failure = "failed", false, false, &laterFailures[0]
			if p.method == card {
				c.failure = &cardFailures[0]
			}
		}
		e := &enc{}
		s.world.charge(e, &c)
		tree, err := parse(e.b)
		if err != nil {
			return err
		}
		if c.ledger {
			if _, err := s.postCharge(&c); err != nil {
				return err
			}
		}
		p.Charge = s.addTree(Charges, tree, "charge."+c.status)
		if !p.Refunded.IsZero() {
			o := owed{p.Refunded, p.Charge}
			i, _ := slices.BinarySearchFunc(s.owed, o, func(a, b owed) int { return a.at.Compare(b.at) })
			s.owed = slices.Insert(s.owed, i, o)
		}
		return nil
	})
}

// payBack makes the refunds that are due before a time.
func (s *Sim) payBack(until time.Time) error {
	for {
		s.mu.RLock()
		due := len(s.owed) > 0 && s.owed[0].at.Before(until)
		var o owed
		if due {
			o = s.owed[0]
		}
		s.mu.RUnlock()
		if !due {
			return nil
		}
		err := s.then(o.at, func() error {
			s.owed = s.owed[1:]
			if _, _, tree, err := s.existing(Charges, o.charge); err != nil || tree.at("amount_refunded").value() != "0" {
				return nil //nolint:nilerr // wiped or paid back meanwhile by somebody else
			}
			_, err := s.create(Refunds, Draft{Charge: o.charge, Created: o.at, Status: "succeeded"})
			return err
		})
		if err != nil {
			return err
		}
	}
}

// then does something at a time. Of what lies in the past nothing tells.
func (s *Sim) then(at time.Time, do func() error) error {
	if at.After(s.Now()) {
		s.until(at)
	} else {
		s.muted.Store(true)
		defer s.muted.Store(false)
	}
	defer s.begin()()
	return do()
}
