package stripesim

import "sort"

// A refund gives back all or a part of a charge.
type refund struct {
	key     uint64 // of its charge, shifted by two, and its number
	created int64
	amount  int64
	status  string // succeeded, pending, failed, canceled
	reason  string
}

// refundRef is a row of the index of refunds in time order.
type refundRef struct {
	created int64
	key     uint64
}

// refundsOf sets plan to the refunds that c has had until the world's end and
// returns how many they are.
func (w *world) refundsOf(c *charge, plan *[2]refund) int {
	if !c.ledger || c.disputed {
		return 0
	}
	r := w.rng(idRefund, c.key)
	if !r.chance(c.method.refunds) {
		return 0
	}
	n := 1
	first := c.amount
	if r.chance(0.3) {
		first = c.partial(&r)
		if r.chance(0.4) && first < c.amount {
			n = 2
		}
	}
	created := c.created
	left := c.amount
	for i := range n {
		created += 3600 + int64(r.below(int(c.method.days)*5*daySeconds))
		if created > w.end {
			return i
		}
		f := &plan[i]
		*f = refund{key: c.key<<2 | uint64(i), created: created, amount: min(first, left)}
		if i == 1 {
			f.amount = left
		}
		f.status = w.refundStatus(c, created, &r)
		f.reason = []string{"", "requested_by_customer", "requested_by_customer", "duplicate", "fraudulent"}[r.below(5)]
		left -= f.amount
	}
	return n
}

// partial returns a share of the amount that the currency can express.
func (c *charge) partial(r *rng) int64 {
	part := c.amount * int64(10+r.below(70)) / 100
	if c.currency.exponent == 3 {
		part = part / 10 * 10
	}
	return max(part, 1)
}

func (w *world) refundStatus(c *charge, created int64, r *rng) string {
	switch u := r.unit(); {
	case c.method.id == "py_" && created > w.end-4*daySeconds:
		return "pending"
	case u < 0.012:
		return "failed"
	case u < 0.015:
		return "canceled"
	}
	return "succeeded"
}

// refundAt returns the refund with that key, and its charge; ok is false if
// there is none.
func (w *world) refundAt(key uint64) (f refund, c charge, ok bool) {
	pos := key >> 2
	if pos >= uint64(len(w.charges)) {
		return f, c, false
	}
	c = w.chargeAt(int(pos))
	var plan [2]refund
	if n := w.refundsOf(&c, &plan); key&3 >= uint64(n) {
		return f, c, false
	}
	return plan[key&3], c, true
}

func (w *world) findRefund(id string) (int, bool) {
	key, ok := w.key(idRefund, id)
	if !ok {
		return 0, false
	}
	f, c, ok := w.refundAt(key)
	if !ok || string(w.long(nil, idRefund, c.method.refund, key)) != id {
		return 0, false
	}
	pos := sort.Search(len(w.refunds), func(i int) bool { return !w.refunds[i].less(refundRef{f.created, key}) })
	return pos, true
}

// less orders by time; ties by something that is neither the id nor the order
// of the charges.
func (a refundRef) less(b refundRef) bool {
	if a.created != b.created {
		return a.created < b.created
	}
	return mix(a.key) < mix(b.key)
}

// refund renders f, a refund of c.
func (w *world) refund(e *enc, f *refund, c *charge) {
	r := w.rng(idRefund, f.key)
	e.open('{')
	e.long("id", &w.ids, idRefund, c.method.refund, f.key)
	e.str("object", "refund")
	e.int("amount", f.amount)
	if f.status == "succeeded" || f.status == "failed" {
		e.long("balance_transaction", &w.ids, idBalance, "txn_", balanceOfRefund|f.key)
	} else {
		e.null("balance_transaction")
	}
	e.long("charge", &w.ids, idCharge, c.method.id, c.key)
	e.int("created", f.created)
	e.str("currency", c.currency.code)
	if c.method != card {
		e.str("description", "REFUND FOR PAYMENT ("+c.method.name+")")
	}
	refundDestination(e, f, c, &r)
	if f.status == "failed" {
		e.long("failure_balance_transaction", &w.ids, idBalance, "txn_", balanceOfFailure|f.key)
		e.str("failure_reason", []string{"expired_or_canceled_card", "lost_or_stolen_card", "unknown"}[r.below(3)])
	}
	if f.status == "canceled" {
		e.str("failure_reason", "merchant_request")
	}
	w.refundTail(e, f, c.key, &r)
}

func (w *world) refundTail(e *enc, f *refund, chargeKey uint64, r *rng) {
	switch r.below(20) {
	case 0:
		e.null("metadata")
	case 1, 2, 3:
		e.obj("metadata")
		e.digits("rma", r, 7)
		e.str("agent", "zoë@support 💬")
		e.close('}')
	default:
		e.obj("metadata")
		e.close('}')
	}
	e.long("payment_intent", &w.ids, idIntent, "pi_", chargeKey)
	e.strOrNull("reason", f.reason)
	e.nulls("receipt_number", "source_transfer_reversal")
	e.str("status", f.status)
	e.null("transfer_reversal")
	e.close('}')
}

func refundDestination(e *enc, f *refund, c *charge, r *rng) {
	e.obj("destination_details")
	e.obj(c.method.name)
	if c.method == card {
		if f.status == "succeeded" {
			e.digits("reference", r, 12)
			e.str("reference_status", "available")
		} else {
			e.str("reference_status", "pending")
		}
		e.str("reference_type", "acquirer_reference_number")
		e.str("type", "refund")
	}
	e.close('}')
	e.str("type", c.method.name)
	e.close('}')
}
