package stripesim

import "math"

// A charge as far as others depend on it; what only its JSON shows is drawn
// while rendering.
type charge struct {
	key      uint64
	created  int64
	customer int // key of the customer; -1 = guest
	person   person
	sub      int // position of the subscription it renews; -1 = none
	method   *method
	category string // klarna's payment_method_category
	currency *currency
	amount   int64
	status   string // succeeded, pending, failed
	captured bool
	failure  *failure
	disputed bool
	refunded int64  // amount of succeeded and pending refunds
	ledger   bool   // has a balance transaction
	novel    int    // which unheard-of thing it shows; 0 = none
	lines    []line // of an order whose articles are known; else nil
	rng      rng
}

// chargeAt returns the charge at a position, with what was refunded of it.
func (w *world) chargeAt(pos int) charge {
	c := w.drawCharge(uint64(pos), w.charges[pos])
	if c.ledger {
		var plan [2]refund
		for i := range w.refundsOf(&c, &plan) {
			if f := &plan[i]; f.status == "succeeded" || f.status == "pending" {
				c.refunded += f.amount
			}
		}
	}
	return c
}

// drawCharge draws the charge with that key, created then.
func (w *world) drawCharge(key uint64, created int64) charge {
	r := w.rng(idCharge, key)
	c := charge{key: key, created: created, customer: -1, sub: -1, status: "succeeded", captured: true}
	if !w.renewal(&c, &r) {
		w.order(&c, &r)
	}
	w.outcome(&c, &r)
	c.rng = r
	return c
}

// renewal makes the charge a payment of a subscription's invoice.
func (w *world) renewal(c *charge, r *rng) bool {
	n := before(w.subs, c.created)
	if n == 0 || !r.chance(0.14) {
		return false
	}
	s := w.subscriptionAt(r.below(n))
	if s.customer < 0 || !s.charges(c.created) {
		return false
	}
	c.sub, c.customer, c.person = s.pos, s.customer, s.person
	c.method, c.currency = card, s.currency
	c.amount = w.subscriptionTotal(&s)
	return true
}

// order makes the charge the payment of a basket.
func (w *world) order(c *charge, r *rng) {
	if n := before(w.customers, c.created); n > 0 && !r.chance(0.08) {
		c.customer, c.person = w.buyer(n, r)
	} else {
		c.person = w.personAt(uint64(idSpace - 1 - int64(c.key)))
	}
	where := c.person.country
	c.method = c.person.prefers
	if r.chance(0.28) {
		c.method = where.methods[r.pick(where.shares)]
	}
	if w.novelty && c.key%1000 == 500 {
		c.method = novel
	}
	c.currency = where.currency
	if r.chance(0.03) {
		c.currency = usd // shops in the other store view
	}
	if w.variety {
		c.vary()
	}
	dollars := c.method.basket * math.Exp(c.method.spread*r.bell())
	c.amount = c.currency.minor(dollars, r)
}

// buyer draws one of the first n customers: the later a method's buyers come
// back, the rarer they are drawn again.
func (w *world) buyer(n int, r *rng) (int, person) {
	for try := 0; ; try++ {
		key := r.below(n)
		p := w.personAt(uint64(key))
		if try == 4 || r.chance(p.prefers.returns) {
			return key, p
		}
	}
}

// outcome decides how the attempt ends.
func (w *world) outcome(c *charge, r *rng) {
	c.ledger = true
	if c.method == klarna {
		c.category = klarnaCategories[r.pick(klarnaShares)]
	}
	switch {
	case r.chance(c.method.fails):
		c.status, c.captured, c.ledger = "failed", false, false
		if c.method == card {
			c.failure = &cardFailures[r.pick([]float64{45, 30, 8, 9, 8})]
		} else {
			c.failure = &laterFailures[r.pick([]float64{60, 30, 10})]
		}
	case c.method.id == "py_" && r.chance(0.003), c.method == sepa && c.created > w.end-6*daySeconds:
		c.status, c.ledger = "pending", false
	case c.method == card && r.chance(0.006):
		c.captured, c.ledger = false, false
	case r.chance(0.002), w.variety && r.chance(0.018):
		c.disputed = c.sub < 0 && c.created+40*daySeconds < w.end
	}
	if w.novelty && c.key%1000 >= 500 && c.key%1000 < 504 {
		c.novel = int(c.key%1000) - 499
	}
}

func (c *charge) capturedAmount() int64 {
	if c.captured && c.status == "succeeded" {
		return c.amount
	}
	return 0
}

// invoiceKey is the key of the invoice that a renewal pays.
func (c *charge) invoiceKey() uint64 { return c.key }

func (w *world) appendChargeID(b []byte, c *charge) []byte {
	return w.long(b, idCharge, c.method.id, c.key)
}

func (w *world) findCharge(id string) (int, bool) {
	key, ok := w.key(idCharge, id)
	if !ok || key >= uint64(len(w.charges)) {
		return 0, false
	}
	c := w.chargeAt(int(key))
	return int(key), string(w.appendChargeID(nil, &c)) == id
}
