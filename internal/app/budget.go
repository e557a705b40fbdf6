package app

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Budget is the account's read allocation
// (https://docs.stripe.com/rate-limits): at least 10,000 GETs in 30 days, and
// 500 for each transaction. Transactions are taken to be the successful charges
// that are stored; the window goes by whole UTC days, rounded so that no read is
// left out and no charge counted too many.
type Budget struct {
	Requests     int64 `json:"requests"`     // of this pass
	Used         int64 `json:"used_30_days"` // by this directory
	Allowance    int64 `json:"allowance_30_days"`
	Floor        int64 `json:"floor_30_days"`
	Transactions int64 `json:"transactions_30_days"`
	Remaining    int64 `json:"remaining"`
	// Forecast is what 30 days of passes are expected to take, every Every; 0
	// when too little was observed. Backfills are not in it.
	Forecast int64 `json:"forecast_30_days"`
	Every    int64 `json:"every_seconds,omitempty"`
	// Stop is the number of reads that a pass may not exceed, 0 for none; Halted
	// that the pass ended because of it, Resumes the day from which on reads are
	// free again.
	Stop     int64    `json:"stop_at,omitempty"`
	Halted   bool     `json:"halted,omitempty"`
	Resumes  string   `json:"resumes_on,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

const (
	// budgetFloor is what every account may read in 30 days.
	budgetFloor = 10_000
	// readsPerTransaction is what each transaction adds.
	readsPerTransaction = 500
	// readWindow is that of Stripe's read allocation.
	readWindow = 30 * 24 * time.Hour
)

func allowance(transactions int64) int64 { return max(budgetFloor, readsPerTransaction*transactions) }

// budget says where the account stands after the pass.
func (m *meter) budget() Budget {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := newBudget(m.used, m.transactions)
	b.Requests = m.taken
	if m.limit < math.MaxInt64 {
		b.Stop = m.limit
	}
	if m.halted {
		b.Halted, b.Resumes = true, m.resumes()
	}
	return b
}

func newBudget(used, transactions int64) Budget {
	b := Budget{Used: used, Transactions: transactions, Allowance: allowance(transactions), Floor: budgetFloor}
	b.Remaining = max(b.Allowance-b.Used, 0)
	return b
}

// resumes returns the day on which enough reads have left the window for
// another one.
func (m *meter) resumes() string {
	now := m.now()
	byDay := map[string]int64{sqlstore.Day(now): m.taken - m.counted}
	for _, r := range m.before {
		byDay[r.Day] += r.Count
	}
	used := m.used
	for ahead := 1; ; ahead++ {
		day := now.AddDate(0, 0, ahead)
		used -= byDay[sqlstore.Day(day.Add(-readWindow).AddDate(0, 0, -1))]
		if used < m.limit {
			return sqlstore.Day(day)
		}
		if day.Sub(now) > readWindow+24*time.Hour {
			return "" // the bound is below 1
		}
	}
}

// What a cycle takes while nothing is known of the account's.
const (
	idleReads  = 3  // one object for Stripe's time, the events, the balance transactions
	dailyReads = 15 // the look-backs, and what the key may read
)

// forecast is the number of reads that passes take in 30 days, one every
// interval, by what earlier ones took: what they cost when nothing happens, and
// by day what comes on top: the daily look-backs and what changed, neither of
// which depends on the interval.
func forecast(costs []sqlstore.Cost, every time.Duration) int64 {
	if every <= 0 {
		return 0
	}
	_, base, daily := measure(costs)
	return over(base, daily, every)
}

// over is what 30 days take.
func over(base int64, daily float64, every time.Duration) int64 {
	return int64(math.Ceil(float64(base)*float64(readWindow)/float64(every) + daily*readWindow.Hours()/24))
}

// measure says what passes took, how many there were, by what is usual where
// there were none: backfills are left out.
func measure(costs []sqlstore.Cost) (passes int, base int64, daily float64) {
	var idle []int64
	followed := slices.DeleteFunc(slices.Clone(costs), func(c sqlstore.Cost) bool { return c.Backfill })
	for _, c := range followed {
		if c.Changed == 0 {
			idle = append(idle, c.Requests)
		}
	}
	base = idleReads
	if len(idle) > 0 {
		slices.Sort(idle)
		base = idle[(len(idle)-1)/2]
	}
	var extra int64
	for _, c := range followed {
		extra += max(c.Requests-base, 0)
	}
	daily = float64(max(extra, dailyReads))
	if n := len(followed); n > 0 {
		if days := followed[n-1].At.Sub(followed[0].At).Hours() / 24; days >= 1 {
			daily = float64(extra) / days
		}
	}
	return len(followed), base, daily
}

// cadence is the usual time between two passes, 0 when it can't be told: two
// passes in a row, by hand, are no schedule.
func cadence(costs []sqlstore.Cost) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(costs); i++ {
		gaps = append(gaps, costs[i].At.Sub(costs[i-1].At))
	}
	if len(gaps) == 0 {
		return 0
	}
	slices.Sort(gaps)
	if usual := gaps[len(gaps)/2]; usual >= LeastEvery {
		return usual
	}
	return 0
}

// foresee adds the forecast to the budget, and warns when that or what was used
// passes a share of the allowance.
func (b *Budget) foresee(costs []sqlstore.Cost, every time.Duration, warn float64) {
	b.Every = int64(every.Seconds())
	b.Forecast = forecast(costs, every)
	most := int64(warn * float64(b.Allowance))
	if warn <= 0 {
		return
	}
	if b.Used > most {
		b.Warnings = append(b.Warnings, fmt.Sprintf("%d of the %d reads that Stripe allows this account in 30 days are used", b.Used, b.Allowance))
	}
	if b.Forecast > most {
		b.Warnings = append(b.Warnings, fmt.Sprintf("a pass every %s takes about %d reads in 30 days, and Stripe allows this account %d: run it less often", every.Round(time.Second), b.Forecast, b.Allowance))
	}
}

// spend writes down what the pass took and puts the budget into the report.
func (p *pass) spend(ctx context.Context, lanes []*lane) error {
	if err := p.countTraffic(ctx, lanes); err != nil {
		return err
	}
	if err := p.meter.close(ctx); err != nil {
		return err
	}
	now := p.meter.now()
	cost := sqlstore.Cost{RunID: p.report.RunID, At: now, Requests: p.meter.budget().Requests}
	for i, r := range p.report.Resources {
		cost.Changed += r.Inserted + r.Updated + r.Deleted
		cost.Backfill = cost.Backfill || lanes[i] != nil && (lanes[i].backfills || lanes[i].register != nil)
	}
	if len(p.resources) == len(stripe.Resources) && !p.report.Stopped && !p.meter.budget().Halted {
		if err := p.home.store.AddCost(ctx, cost, now.Add(-readWindow)); err != nil {
			return err
		}
	}
	costs, err := p.home.store.Costs(ctx, now.Add(-readWindow))
	if err != nil {
		return err
	}
	p.report.Budget = p.meter.budget()
	p.report.Budget.foresee(costs, cadence(costs), p.Warn)
	return nil
}

// halt says in the report that the pass stopped at the bound of its reads.
func (p *pass) halt() {
	b := &p.report.Budget
	if !b.Halted {
		return
	}
	from := "never: the bound is too low"
	if b.Resumes != "" {
		from = "from " + b.Resumes + " (UTC) on"
	}
	p.note("stopped at the %d reads in 30 days that --budget-stop allows; what was read is kept, and the next sync goes on from there. Reads are free again %s", b.Stop, from)
}
