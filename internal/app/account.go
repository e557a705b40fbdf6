package app

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
)

// An Account is what Stripe allows an account to be read, and what this copy
// took of it.
type Account struct {
	Budget

	// Endpoints are those that were asked, the most often first.
	Endpoints []EndpointReads `json:"endpoints"`
	// Days are the days of the window, oldest first.
	Days []DayReads `json:"days"`
}

// An EndpointReads counts the requests to one endpoint in 30 days.
type EndpointReads struct {
	Endpoint string `json:"endpoint"`
	Count    int64  `json:"requests"`
	Refused  int64  `json:"refused"` // answered 429
}

// A DayReads counts the requests of one UTC day. They leave the window on Free.
type DayReads struct {
	Day   string `json:"day"`
	Count int64  `json:"requests"`
	Free  string `json:"leaves_on"`
}

// WindowDays are the days of Stripe's read allocation.
const WindowDays = int(readWindow / (24 * time.Hour))

// NewAccount is an account of which nothing was read.
func NewAccount() *Account { return &Account{Budget: newBudget(0, 0)} }

// ReadBudget says where the account of the copy in dir stands, without asking
// Stripe, and foresees what a pass every so often takes; 0 stands for the usual
// time between the passes that were seen. warn is the share of the allowance at
// which it warns, 0 for never.
func ReadBudget(ctx context.Context, dir string, every time.Duration, warn float64) (*Account, error) {
	l, db, err := openReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer db.Close()
	s := &store{db}
	clock, err := s.marked(ctx, markClock, 1)
	if err != nil {
		return nil, err
	}
	since := time.Now().Add(time.Duration(clock[0]) * time.Millisecond).Add(-readWindow)
	reads, err := s.Reads(ctx, since)
	if err != nil {
		return nil, err
	}
	transactions, err := s.Traffic(ctx, since)
	if err != nil {
		return nil, err
	}
	costs, err := s.Costs(ctx, since)
	if err != nil {
		return nil, err
	}
	if every == 0 {
		every = cadence(costs)
	}
	a := &Account{Budget: newBudget(total(reads), transactions), Endpoints: []EndpointReads{}, Days: []DayReads{}}
	a.foresee(costs, every, warn)
	a.sum(reads)
	return a, nil
}

// sum adds up the reads by endpoint and by day.
func (a *Account) sum(reads []sqlstore.Read) {
	at := map[string]int{}
	for _, r := range reads {
		i, ok := at[r.Endpoint]
		if !ok {
			i = len(a.Endpoints)
			at[r.Endpoint] = i
			a.Endpoints = append(a.Endpoints, EndpointReads{Endpoint: r.Endpoint})
		}
		a.Endpoints[i].Count += r.Count
		a.Endpoints[i].Refused += r.Refused
		if n := len(a.Days); n == 0 || a.Days[n-1].Day != r.Day {
			a.Days = append(a.Days, DayReads{Day: r.Day, Free: leaves(r.Day)})
		}
		a.Days[len(a.Days)-1].Count += r.Count
	}
	slices.SortStableFunc(a.Endpoints, func(x, y EndpointReads) int { return cmp.Compare(y.Count, x.Count) })
}

// leaves returns the day on which the reads of a day have left the window.
func leaves(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return sqlstore.Day(t.Add(readWindow).AddDate(0, 0, 1))
}
