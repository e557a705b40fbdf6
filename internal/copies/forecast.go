package copies

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/flow"
)

// A Forecast is what a schedule reads in 30 days, without its backfill and what
// webhooks bring about. Dataflows of one account that are due together share
// their passes.
type Forecast struct {
	ConnectionID string   `json:"connectionId"`
	Copy         string   `json:"copy"`
	Resources    []string `json:"resources"`
	Every        int64    `json:"everySeconds"` // 0 for a schedule that runs once
	Passes       int64    `json:"passes"`       // in 30 days
	Idle         Idle     `json:"idle"`
	// Measured is left out where no pass over the whole account was measured.
	Measured  *Measured `json:"measured,omitempty"`
	Used      int64     `json:"used"` // in the window so far
	Allowance int64     `json:"allowance"`
	WarnAt    int64     `json:"warnAt,omitzero"`
	// Fits says that the larger of the two numbers stays within the allowance.
	Fits bool `json:"fits"`
	// Share is the larger of the two numbers as a share of the allowance.
	Share float64 `json:"share"`
}

// An Idle is a forecast for an account in which nothing happens.
type Idle struct {
	Reads   int64  `json:"reads"`
	PerPass []Part `json:"perPass"`
	Daily   []Part `json:"daily"`
}

// A Part is one of the things that reads are spent on: clock, events,
// balance_transactions; permissions, lookback.
type Part struct {
	What  string `json:"what"`
	Reads int64  `json:"reads"`
}

// A Measured is a forecast by what passes over all six resources took.
type Measured struct {
	Reads   int64   `json:"reads"`
	Passes  int     `json:"passes"`  // that were measured, in 30 days
	PerPass int64   `json:"perPass"` // reads of one in which nothing happened
	Daily   float64 `json:"daily"`   // reads a day on top: look-backs, and what changed
}

// Forecast says what a schedule reads of the account of a base connection.
func (s *Service) Forecast(ctx context.Context, c access.Caller, connection string, resources []string, every time.Duration) (Forecast, error) {
	account, err := s.Flows.Account(ctx, c, connection)
	if err != nil {
		return Forecast{}, err
	}
	return s.forecast(ctx, c, connection, account, resources, every)
}

func (s *Service) forecast(ctx context.Context, c access.Caller, connection string, account flow.Account, resources []string, every time.Duration) (Forecast, error) {
	r := ref(c, s.Data.Name(account))
	f, err := s.Data.Forecast(ctx, r, resources, every)
	if err != nil {
		return f, err
	}
	b, err := s.Data.Budget(ctx, r)
	if err != nil {
		return f, err
	}
	f.ConnectionID, f.Copy, f.Resources, f.Every = connection, r.Copy, resources, int64(every.Seconds())
	f.Used, f.Allowance, f.WarnAt = b.Used, b.Allowance, b.WarnAt
	most := f.Idle.Reads
	if f.Measured != nil {
		most = max(most, f.Measured.Reads)
	}
	f.Fits, f.Share = most <= b.Allowance, float64(most)/float64(b.Allowance)
	return f, nil
}
