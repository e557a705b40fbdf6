package stripesim

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Resource is one of the six kinds of objects, named as in its path /v1/….
type Resource string

// The resources.
const (
	Charges             Resource = "charges"
	Subscriptions       Resource = "subscriptions"
	Refunds             Resource = "refunds"
	BalanceTransactions Resource = "balance_transactions"
	Customers           Resource = "customers"
	Prices              Resource = "prices"
)

// Resources returns the six in a fixed order.
func Resources() []Resource {
	return []Resource{Charges, Subscriptions, Refunds, BalanceTransactions, Customers, Prices}
}

// A Mode is Stripe's separation of real from play money. A key of one mode
// does not see the other's objects.
type Mode string

// The modes.
const (
	Test Mode = "test"
	Live Mode = "live"
)

// Config describes the simulated account. The same Config with Start, End and
// Seed set always makes the same objects, byte for byte.
type Config struct {
	Seed      uint64
	AccountID string // default acct_1M2JTkLkdIwHu7ix; its last ten characters recur in every id
	Mode      Mode   // of the data; default Test

	// Start and End bound `created` of the generated objects, both inclusive.
	// Default: the two years before End; End is the clock's present.
	Start, End time.Time
	// Now is where the virtual clock begins; from there it follows real time,
	// unless Frozen: then only Advance moves it. Default: End, else real time.
	Now    time.Time
	Frozen bool

	Counts Counts
	Shape  Shape

	// Keys are the accepted API keys. When empty, any sk_ or rk_ key of
	// either mode is accepted and may do everything.
	Keys map[string]Key
	// Platform lets every key name this account by Stripe-Account.
	Platform bool
	// APIVersion is the account's default version: of answers to requests
	// without Stripe-Version, and of events. Default 2025-02-24.acacia.
	APIVersion string

	Limits  Limits
	Latency Latency
	Gzip    bool // compress for clients that accept it; costs more than rendering does
	Plan    Plan

	// Expand names the expansions in the JSON that Oracle yields. Default:
	// tiers and currency_options.
	Expand []string
	// EventDelay is the longest time after which an event becomes visible in
	// /v1/events, with its older `created`. Default 0.
	EventDelay time.Duration
	// Twins is the share of events that are told twice, under two ids.
	Twins float64
	// Novelty sprinkles what a connector has never heard of over a thousandth
	// of the charges: a payment method, a type without its sub-object, unknown
	// fields and enum values.
	Novelty bool
	// Variety makes a fifth of the orders something rarer: by alma, billie,
	// scalapay or sunbit, or in jpy, kwd or bhd, whose decimals are none or
	// three; and disputes ten times as frequent.
	Variety bool
	// OddIDs gives some customers ids that a merchant chose: long ones, free
	// text, and pairs that differ in case only.
	OddIDs bool
	// Complements makes the baskets of the orders have articles that are bought
	// together, drawn from a known model; see BestAddOns. Else articles have
	// nothing to do with each other.
	Complements bool
	// Offer is asked at each checkout of a Shopping that has no Offer of its own.
	Offer Offer
	// Log is how many requests Sim.Log remembers. Default 10,000; negative: none.
	Log int
	// RealTime is the clock under the virtual one and under the limits.
	// Default time.Now.
	RealTime func() time.Time
}

// Counts says how many objects there are at the start. Refunds, balance
// transactions, payouts and inline prices follow from these.
type Counts struct {
	Charges, Customers, Subscriptions, Prices int
}

// Shape bends the distribution of `created`, which is otherwise a growing shop
// with days, nights, weekends and small bursts at month starts.
type Shape struct {
	Burst    int     // so many objects of each resource within one second (at most half of it)
	HeavyDay float64 // share of each resource that falls on one day
	Silences int     // stretches of a twelfth of the time without anything, at most four
}

// A Key says what an API key may do.
type Key struct {
	Mode        Mode     // default: the mode that the key's prefix names, else Config.Mode
	Permissions []string // as in error texts: "charge_read"; nil = all
	Expired     bool
	IPRefused   bool
	Status      int // HTTP status of this key's refusals, where Stripe's is not certain; default per cause
}

// Latency delays every answer: half before the page is rendered, half after.
// With Sigma it is lognormal around Median.
type Latency struct {
	Median time.Duration
	Sigma  float64 // standard deviation of the logarithm; 0 = always Median
}

// Demo returns a shop of two years whose backfill takes some seconds under the
// limits of a live account.
func Demo() Config {
	return Config{
		Seed:   1,
		Mode:   Live,
		Counts: Counts{Charges: 12000, Customers: 3000, Subscriptions: 1200, Prices: 60},
		Limits: Limits{Global: 100, Endpoint: 25},

		Complements: true,
	}
}

func (c *Config) complete() error {
	if c.RealTime == nil {
		c.RealTime = time.Now
	}
	if c.AccountID == "" {
		c.AccountID = "acct_1M2JTkLkdIwHu7ix"
	}
	if c.Mode == "" {
		c.Mode = Test
	}
	if c.APIVersion == "" {
		c.APIVersion = defaultVersion
	}
	if c.Expand == nil {
		c.Expand = []string{"tiers", "currency_options"}
	}
	if c.Log == 0 {
		c.Log = 10000
	}
	if c.Now.IsZero() {
		c.Now = c.End
	}
	if c.Now.IsZero() {
		c.Now = c.RealTime()
	}
	if c.End.IsZero() {
		c.End = c.Now
	}
	if c.Start.IsZero() {
		c.Start = c.End.AddDate(-2, 0, 0)
	}
	return c.check()
}

func (c *Config) check() error {
	n := c.Counts
	_, versionErr := checkVersion(c.APIVersion)
	switch {
	case c.Mode != Test && c.Mode != Live:
		return fmt.Errorf("mode %q: want test or live", c.Mode)
	case !strings.HasPrefix(c.AccountID, "acct_"):
		return fmt.Errorf("account %q: want acct_…", c.AccountID)
	case !c.Start.Before(c.End):
		return errors.New("start is not before end")
	case c.Now.Before(c.End):
		return errors.New("the clock begins before the newest object (now is before end)")
	case min(n.Charges, n.Customers, n.Subscriptions, n.Prices) < 0:
		return errors.New("a count is negative")
	case max(n.Charges, n.Customers, n.Subscriptions, n.Prices) > 1<<30:
		return errors.New("a count is above 2^30")
	case c.Twins < 0 || c.Twins > 1:
		return errors.New("twins: want a share between 0 and 1")
	case c.Shape.HeavyDay < 0 || c.Shape.HeavyDay > 0.9:
		return errors.New("heavy day: want a share between 0 and 0.9")
	case versionErr != nil:
		return fmt.Errorf("unknown API version %q", c.APIVersion)
	}
	return c.Plan.check()
}
