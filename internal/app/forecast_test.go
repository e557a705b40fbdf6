package app

import (
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

func TestForecast(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	// passes are one after the other, quarter of an hour between two.
	passes := func(requests ...int64) (out []sqlstore.Cost) {
		for i, n := range requests {
			c := sqlstore.Cost{At: start.Add(time.Duration(i) * 15 * time.Minute), Requests: n}
			if n > 4 {
				c.Changed = n - 3
			}
			out = append(out, c)
		}
		return out
	}
	twoDays := passes()
	for i := range 193 { // of 15 minutes
		c := sqlstore.Cost{At: start.Add(time.Duration(i) * 15 * time.Minute), Requests: 3}
		if i%96 == 0 {
			c.Requests = 10
		}
		if i == 50 {
			c.Requests, c.Changed = 22, 20
		}
		twoDays = append(twoDays, c)
	}
	for _, tt := range []struct {
		name  string
		costs []sqlstore.Cost
		every time.Duration
		want  int64
	}{
		{"nothing known", nil, 15 * time.Minute, 3*2880 + 15*30},
		{"no schedule", passes(3, 3), 0, 0},
		{"quiet for less than a day", passes(3, 3, 3), 15 * time.Minute, 3*2880 + 15*30},
		{"cheaper cycles", passes(2, 2, 2), time.Hour, 2*720 + 15*30},
		{"a backfill counts for nothing", append([]sqlstore.Cost{{At: start.AddDate(0, 0, -9), Requests: 5000, Backfill: true}}, passes(3, 3)...), time.Hour, 3*720 + 15*30},
		{"two days: look-backs and changes", twoDays, 15 * time.Minute, 3*2880 + (3*7+19)*15},
		{"the same, once a day", twoDays, 24 * time.Hour, 3*30 + (3*7+19)*15},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := forecast(tt.costs, tt.every); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
	if got := cadence(append(passes(3, 3, 3, 3), sqlstore.Cost{At: start.AddDate(0, 0, 5)})); got != 15*time.Minute {
		t.Errorf("cadence %s", got)
	}
	byHand := []sqlstore.Cost{{At: start}, {At: start.Add(2 * time.Second)}, {At: start.Add(5 * time.Second)}}
	if got := cadence(byHand); got != 0 {
		t.Errorf("passes by hand have a cadence of %s", got)
	}
}

func TestAllowance(t *testing.T) {
	t.Parallel()
	for transactions, want := range map[int64]int64{0: 10_000, 20: 10_000, 21: 10_500, 1000: 500_000} {
		if got := allowance(transactions); got != want {
			t.Errorf("%d transactions: %d, want %d", transactions, got, want)
		}
	}
}

// The meter stops before its bound and knows the day on which a read leaves the
// window: a day counts until it lies wholly outside.
func TestMeterStop(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC)
	read := func(day string, n int64) sqlstore.Read {
		return sqlstore.Read{Day: day, Endpoint: "/v1/charges", Count: n}
	}
	for _, tt := range []struct {
		name    string
		before  []sqlstore.Read
		stop    Bound
		take    int // succeed
		resumes string
	}{
		{"today alone", nil, Bound{Reads: 3, Set: true}, 3, "2026-07-01"},
		{"the oldest day", []sqlstore.Read{read("2026-05-02", 1), read("2026-05-20", 5)}, Bound{Reads: 8, Set: true}, 2, "2026-06-02"},
		{"lowered below what is used", []sqlstore.Read{read("2026-05-02", 1), read("2026-05-20", 9)}, Bound{Reads: 5, Set: true}, 0, "2026-06-20"},
		{"a share of the floor", []sqlstore.Read{read("2026-05-20", 4995)}, Bound{Share: 0.5, Set: true}, 5, "2026-06-20"},
		{"nothing is allowed", nil, Bound{Set: true}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMeter(&stripe.Client{Now: func() time.Time { return now }}, tt.stop)
			m.before, m.used = tt.before, total(tt.before)
			n := 0
			for range tt.take + 3 {
				if m.take("/v1/charges") == nil {
					n++
				}
			}
			b := m.budget()
			if n != tt.take || !b.Halted || b.Requests != int64(n) || b.Resumes != tt.resumes {
				t.Errorf("%d were let go, %+v", n, b)
			}
		})
	}
}
