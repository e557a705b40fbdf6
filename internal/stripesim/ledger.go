package stripesim

import "slices"

const (
	disputeDelay = 21 * daySeconds
	failureDelay = 6 * daySeconds
)

// makeLedger lists the refunds and the balance transactions in time order, and
// finds each subscription's last charge: one walk over the charges.
func (w *world) makeLedger() {
	w.lastCharge = make([]int32, len(w.subs))
	for i := range w.lastCharge {
		w.lastCharge[i] = -1
	}
	weeks := int((w.end-w.start)/(7*daySeconds)) + 1
	net := make([][3]int64, weeks) // by week and settlement currency
	w.balance = make([]balanceRef, 0, len(w.charges)+len(w.charges)/16)
	post := func(created int64, key uint64, amount int64, cur *currency) {
		w.balance = append(w.balance, balanceRef{created, key})
		net[(created-w.start)/(7*daySeconds)][slices.Index(settlements, cur)] += amount
	}
	for i := range w.charges {
		c := w.chargeAt(i)
		if c.sub >= 0 {
			w.lastCharge[c.sub] = int32(i)
		}
		if c.ledger {
			w.postCharge(&c, post)
		}
	}
	w.payAndBill(net)
	slices.SortFunc(w.refunds, func(a, b refundRef) int { return order(a.less(b), b.less(a)) })
	slices.SortFunc(w.balance, func(a, b balanceRef) int { return order(a.less(b), b.less(a)) })
}

func order(less, greater bool) int {
	switch {
	case less:
		return -1
	case greater:
		return 1
	}
	return 0
}

func (w *world) postCharge(c *charge, post func(int64, uint64, int64, *currency)) {
	var b balance
	balanceCharge(&b, c)
	post(c.created, balanceOfCharge|c.key, b.amount-b.fee, b.currency)
	if c.disputed {
		amount, cur, _ := settle(-c.amount, c.currency, c.created)
		post(c.created+disputeDelay, balanceOfDispute|c.key, amount-1500, cur)
	}
	var plan [2]refund
	for i := range w.refundsOf(c, &plan) {
		f := &plan[i]
		w.refunds = append(w.refunds, refundRef{f.created, f.key})
		if f.status == "succeeded" || f.status == "failed" {
			amount, cur, _ := settle(-f.amount, c.currency, f.created)
			post(f.created, balanceOfRefund|f.key, amount, cur)
			if f.status == "failed" {
				post(min(f.created+failureDelay, w.end), balanceOfFailure|f.key, -amount, cur)
			}
		}
	}
}

// payAndBill pays out each week's net on the next Monday and takes a monthly fee.
func (w *world) payAndBill(net [][3]int64) {
	for week, sums := range net {
		created := (w.start+int64(week+1)*7*daySeconds)/daySeconds*daySeconds + 900
		if created+60 > w.end {
			break
		}
		for k, sum := range sums {
			if sum > 0 {
				w.balance = append(w.balance, balanceRef{created, balanceOfPayout | uint64(len(w.payouts))})
				w.payouts = append(w.payouts, payout{created, settlements[k], sum})
			}
		}
		if week%4 == 3 && sums[0] > 0 {
			w.balance = append(w.balance, balanceRef{created + 60, balanceOfFee | uint64(len(w.fees))})
			w.fees = append(w.fees, payout{created + 60, usd, 1000 + sums[0]/500})
		}
	}
}
