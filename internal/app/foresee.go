package app

import (
	"context"
	"math"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Forecast is what passes over some resources take in 30 days, one every so
// often. Backfills and what webhooks bring about are not in it.
type Forecast struct {
	Passes int64 // in 30 days; 0 without a schedule
	// PerPass and Daily are what is read of an account in which nothing happens:
	// with each pass, and once a day.
	PerPass, Daily []Part
	Idle           int64 // reads in 30 days of such an account
	// Measured is by what passes of before took, nil where none is known.
	Measured *Measured
}

// A Part is one of the things that reads are spent on.
type Part struct {
	What  string // clock, events, balance_transactions, permissions, lookback
	Reads int64
}

// A Measured is a forecast by what passes over the whole account took.
type Measured struct {
	Passes  int     // that are known
	PerPass int64   // reads of one in which nothing happened
	Daily   float64 // reads a day that came on top
	Reads   int64   // in 30 days
}

// Foresee says what passes over the resources take, one every so often, with what
// is known of the copy in dir, which need not exist.
func Foresee(ctx context.Context, dir string, resources []string, every time.Duration) (*Forecast, error) {
	of, err := chosen(resources)
	if err != nil {
		return nil, err
	}
	f := &Forecast{}
	f.parts(of)
	if every <= 0 {
		return f, nil
	}
	f.Passes = int64(math.Ceil(float64(readWindow) / float64(every)))
	days := int64(readWindow.Hours() / 24)
	f.Idle = f.Passes*sum(f.PerPass) + days*sum(f.Daily)
	if !exists(dir) {
		return f, nil
	}
	db, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	s := &store{db}
	clock, err := s.marked(ctx, markClock, 1)
	if err != nil {
		return nil, err
	}
	costs, err := s.Costs(ctx, time.Now().Add(time.Duration(clock[0])*time.Millisecond).Add(-readWindow))
	if err != nil {
		return nil, err
	}
	if n, base, daily := measure(costs); n > 0 {
		f.Measured = &Measured{Passes: n, PerPass: base, Daily: daily, Reads: over(base, daily, every)}
	}
	return f, nil
}

// parts says what is read of an idle account.
func (f *Forecast) parts(of []stripe.Resource) {
	f.PerPass = []Part{{"clock", 1}}
	var events, balances, lists int64
	for _, r := range of {
		lists += int64(len(r.Variants))
		if r.NoEvents() {
			balances = 1
		} else {
			events = 1
		}
	}
	if events > 0 {
		f.PerPass = append(f.PerPass, Part{"events", events})
	}
	if balances > 0 {
		f.PerPass = append(f.PerPass, Part{"balance_transactions", balances})
	}
	f.Daily = []Part{{"permissions", int64(len(of)) + 2}, {"lookback", lists}}
}

func sum(parts []Part) (n int64) {
	for _, p := range parts {
		n += p.Reads
	}
	return n
}
