package stripesim

import (
	"math"
	"sort"
	"strconv"
)

// The key of a balance transaction says what it is about: the kind in the
// upper bits, the key of the charge, refund or payout below.
const (
	balanceOfCharge  = 0 << 44
	balanceOfRefund  = 1 << 44
	balanceOfFailure = 2 << 44 // gives a failed refund back
	balanceOfDispute = 3 << 44 // key of the charge
	balanceOfPayout  = 4 << 44 // index into world.payouts
	balanceOfFee     = 5 << 44 // index into world.fees
	balanceOfReturn  = 6 << 44 // of a dispute that was won; key of the charge

	balanceKind = 7 << 44
)

type balanceRef struct {
	created int64
	key     uint64
}

func (a balanceRef) less(b balanceRef) bool {
	if a.created != b.created {
		return a.created < b.created
	}
	return mix(a.key) < mix(b.key)
}

// A payout moves a week's net to the bank; with the same fields, Stripe's
// monthly invoice takes its fees.
type payout struct {
	created  int64
	currency *currency
	amount   int64
}

// A balance is a row of the ledger.
type balance struct {
	key         uint64
	created     int64
	available   int64
	amount, fee int64
	currency    *currency
	rate        float64 // of conversion; 0 = none
	kind        string  // type
	category    string  // reporting_category
	description string
	source      sourceRef
}

// sourceRef names the object behind a row; without a prefix there is none.
type sourceRef struct {
	kind   idKind
	prefix string
	key    uint64
}

// settle converts an amount of a charge's currency into that of the balance it
// falls into.
func settle(amount int64, from *currency, at int64) (int64, *currency, float64) {
	if from.settles {
		return amount, from, 0
	}
	day := float64(at / daySeconds)
	rate := from.usd * (1 + 0.02*math.Sin(day/30))
	rate = math.Round(rate*1e7) / 1e7
	return int64(math.Round(float64(amount) / from.factor() * rate * 100)), usd, rate
}

func (w *world) balanceAt(ref balanceRef) balance {
	b := balance{key: ref.key, created: ref.created, available: ref.created}
	low := ref.key &^ balanceKind
	switch ref.key & balanceKind {
	case balanceOfCharge:
		c := w.chargeAt(int(low))
		balanceCharge(&b, &c)
	case balanceOfDispute:
		c := w.chargeAt(int(low))
		b.amount, b.currency, b.rate = settle(-c.amount, c.currency, c.created)
		b.fee, b.kind, b.category = 1500, "adjustment", "dispute"
		b.description = "Chargeback withdrawal"
		b.source = sourceRef{idDispute, "dp_", low}
	case balanceOfRefund, balanceOfFailure:
		f, c, _ := w.refundAt(low)
		balanceRefund(&b, &f, &c, ref.key&balanceKind == balanceOfFailure)
	case balanceOfPayout:
		p := w.payouts[low]
		b.amount, b.currency, b.kind, b.category = -p.amount, p.currency, "payout", "payout"
		b.description = "STRIPE PAYOUT"
		b.available = p.created/daySeconds*daySeconds + 2*daySeconds
		b.source = sourceRef{idPayout, "po_", low}
	case balanceOfFee:
		p := w.fees[low]
		b.amount, b.currency, b.kind, b.category = -p.amount, p.currency, "stripe_fee", "fee"
		b.description = "Billing - Usage Fee"
	}
	return b
}

// balanceCharge fills in the row that a successful charge makes.
func balanceCharge(b *balance, c *charge) {
	b.amount, b.currency, b.rate = settle(c.amount, c.currency, c.created)
	b.fee = int64(math.Round(float64(b.amount*c.method.feeBP)/10000)) + c.method.feeFix
	b.kind, b.category = "payment", "charge"
	if c.method == card {
		b.kind = "charge"
	}
	if c.sub >= 0 {
		b.description = "Subscription update"
	}
	b.available = c.created/daySeconds*daySeconds + c.method.days*daySeconds
	b.source = sourceRef{idCharge, c.method.id, c.key}
}

// balanceRefund fills in the row that a refund, or its failure, makes.
func balanceRefund(b *balance, f *refund, c *charge, failure bool) {
	b.amount, b.currency, b.rate = settle(-f.amount, c.currency, f.created)
	b.kind, b.category = "payment_refund", "refund"
	if c.method == card {
		b.kind = "refund"
	}
	b.description = "REFUND FOR CHARGE"
	if failure {
		b.amount, b.kind, b.category, b.description = -b.amount, "refund_failure", "refund_failure", "REFUND FAILURE"
	}
	b.source = sourceRef{idRefund, c.method.refund, f.key}
}

func (w *world) findBalance(id string) (int, bool) {
	key, ok := w.key(idBalance, id)
	if !ok || string(w.long(nil, idBalance, "txn_", key)) != id {
		return 0, false
	}
	created, ok := w.balanceCreated(key)
	if !ok {
		return 0, false
	}
	want := balanceRef{created, key}
	pos := sort.Search(len(w.balance), func(i int) bool { return !w.balance[i].less(want) })
	return pos, pos < len(w.balance) && w.balance[pos] == want
}

// balanceCreated returns the time of the row with that key, if the key can be one.
func (w *world) balanceCreated(key uint64) (int64, bool) {
	low := key &^ balanceKind
	switch key & balanceKind {
	case balanceOfCharge:
		return at(w.charges, low)
	case balanceOfDispute:
		t, ok := at(w.charges, low)
		return t + disputeDelay, ok
	case balanceOfRefund:
		f, _, ok := w.refundAt(low)
		return f.created, ok
	case balanceOfFailure:
		f, _, ok := w.refundAt(low)
		return min(f.created+failureDelay, w.end), ok
	case balanceOfPayout:
		if low < uint64(len(w.payouts)) {
			return w.payouts[low].created, true
		}
	case balanceOfFee:
		if low < uint64(len(w.fees)) {
			return w.fees[low].created, true
		}
	}
	return 0, false
}

func at(times []int64, pos uint64) (int64, bool) {
	if pos >= uint64(len(times)) {
		return 0, false
	}
	return times[pos], true
}

// balanceRow renders b as it is at now: money becomes available silently.
func (w *world) balanceRow(e *enc, b *balance, now int64) {
	e.open('{')
	e.long("id", &w.ids, idBalance, "txn_", b.key)
	e.str("object", "balance_transaction")
	e.int("amount", b.amount)
	e.int("available_on", b.available)
	e.int("created", b.created)
	e.str("currency", b.currency.code)
	e.strOrNull("description", b.description)
	if b.rate == 0 {
		e.null("exchange_rate")
	} else {
		e.key("exchange_rate")
		e.b = strconv.AppendFloat(e.b, b.rate, 'f', -1, 64)
	}
	e.int("fee", b.fee)
	e.arr("fee_details")
	if b.fee != 0 {
		b.feeDetails(e)
	}
	e.close(']')
	e.int("net", b.amount-b.fee)
	e.str("reporting_category", b.category)
	if b.source.prefix == "" {
		e.null("source")
	} else {
		e.long("source", &w.ids, b.source.kind, b.source.prefix, b.source.key)
	}
	e.str("status", availability(b.available, now))
	e.str("type", b.kind)
	e.close('}')
}

func availability(on, now int64) string {
	if on <= now {
		return "available"
	}
	return "pending"
}

// feeDetails splits the fee; in some currencies a tenth of it is tax.
func (b *balance) feeDetails(e *enc) {
	tax := int64(0)
	if b.currency == gbp && b.fee > 10 {
		tax = b.fee / 10
	}
	fee := func(amount int64, kind, description string) {
		e.line()
		e.open('{')
		e.int("amount", amount)
		e.null("application")
		e.str("currency", b.currency.code)
		e.str("description", description)
		e.str("type", kind)
		e.close('}')
	}
	if b.kind == "adjustment" {
		fee(b.fee, "stripe_fee", "Dispute fee")
		return
	}
	fee(b.fee-tax, "stripe_fee", "Stripe processing fees")
	if tax > 0 {
		fee(tax, "tax", "VAT")
	}
}
