package stripesim

import "sort"

// world is the shop as it stood at Config.End: everything that was generated,
// before any change. It is immutable. It keeps the times of creation and what
// cannot be drawn again cheaply; the rest of an object is drawn from its
// position whenever it is rendered.
type world struct {
	ids
	account    string
	live       bool
	start, end int64
	novelty    bool
	variety    bool
	oddIDs     bool
	together   bool

	customers, charges, subs []int64 // created, ascending; the index is the object's position and key

	prices     []price
	recurring  map[*currency][]int // positions of the recurring prices in each currency
	refunds    []refundRef
	balance    []balanceRef
	payouts    []payout
	fees       []payout // Stripe's own monthly invoices
	lastCharge []int32  // of each subscription; -1 without one
}

func newWorld(c *Config) *world {
	w := &world{
		ids:      ids{seed: mix(c.Seed), run: accountRun(c.AccountID)},
		account:  c.AccountID,
		live:     c.Mode == Live,
		start:    c.Start.Unix(),
		end:      c.End.Unix(),
		novelty:  c.Novelty,
		variety:  c.Variety,
		oddIDs:   c.OddIDs,
		together: c.Complements,
	}
	quiet := silences(c.Shape.Silences, w.start, w.end)
	line := func(kind idKind, n int) []int64 {
		return timeline(w.rng(idTimeline, uint64(kind)), n, w.start, w.end, c.Shape, quiet)
	}
	w.customers = line(idCustomer, c.Counts.Customers)
	w.charges = line(idCharge, c.Counts.Charges)
	w.subs = line(idSubscription, c.Counts.Subscriptions)
	w.makePrices(line(idPrice, c.Counts.Prices))
	w.makeLedger()
	return w
}

// accountRun returns the ten characters that an account's ids share.
func accountRun(account string) string {
	const pad = "LkdIwHu7ix"
	tail := account[len("acct_"):]
	for _, c := range []byte(tail) {
		if c >= 0x80 || c < '0' {
			return pad
		}
	}
	if len(tail) < len(pad) {
		return pad[:len(pad)-len(tail)] + tail
	}
	return tail[len(tail)-len(pad):]
}

// before returns how many of the times are at or before t.
func before(times []int64, t int64) int {
	return sort.Search(len(times), func(i int) bool { return times[i] > t })
}
