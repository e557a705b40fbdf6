package app

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// errSpent bars a request that would exceed --budget-stop.
var errSpent = errors.New("the reads that --budget-stop allows are used up")

// A meter counts the requests of a pass before they go out, and in the store
// before they go out, so that a process that is killed has counted them.
type meter struct {
	client *stripe.Client
	stop   Bound

	mu      sync.Mutex
	ahead   time.Duration   // Stripe's clock before the host's, when a pass last saw it
	before  []sqlstore.Read // in the store
	counted int64           // of taken, those that are among before
	used    int64           // in the window
	limit   int64           // of used
	taken   int64           // requests of this pass
	stored  int64           // of taken, those that are in the store
	pending map[string]*sqlstore.Read
	halted  bool

	transactions int64 // of the account, in the window

	writing sync.Mutex
	store   *store // nil until the directory is open
}

// A Bound is a number of reads, or a share of what Stripe allows. The zero
// Bound is none.
type Bound struct {
	Reads int64   // used when Share is 0
	Share float64 // of the allowance, above 0
	Set   bool
}

// Of returns the bound as a number of reads.
func (b Bound) Of(allowance int64) int64 {
	switch {
	case !b.Set:
		return math.MaxInt64
	case b.Share > 0:
		return int64(b.Share * float64(allowance))
	}
	return b.Reads
}

func newMeter(client *stripe.Client, stop Bound) *meter {
	return &meter{client: client, stop: stop, limit: stop.Of(budgetFloor), pending: map[string]*sqlstore.Read{}}
}

// Names of marks.
const markClock = "clock" // how far Stripe's clock is ahead of the host's, milliseconds

// attach lets the meter go on from what earlier passes counted.
func (m *meter) attach(ctx context.Context, s *store) error {
	clock, err := s.marked(ctx, markClock, 1)
	if err != nil {
		return err
	}
	m.ahead = time.Duration(clock[0]) * time.Millisecond
	m.store = s
	if err := m.load(ctx); err != nil {
		return err
	}
	return m.write(math.MaxInt64) // what made out that the key fits
}

func total(reads []sqlstore.Read) (n int64) {
	for _, r := range reads {
		n += r.Count
	}
	return n
}

// now is Stripe's time: before its first answer, by what an earlier pass knew.
func (m *meter) now() time.Time {
	if m.client.KnowsTime() {
		return m.client.StripeNow()
	}
	return m.client.StripeNow().Add(m.ahead)
}

// take counts one request that is about to go out. Its error is errSpent, or
// the store's.
func (m *meter) take(endpoint string) error {
	m.mu.Lock()
	if m.used >= m.limit {
		m.halted = true
		m.mu.Unlock()
		return errSpent
	}
	m.used++
	m.taken++
	mine := m.taken
	m.entry(endpoint).Count++
	m.mu.Unlock()
	return m.write(mine)
}

func (m *meter) refused(endpoint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entry(endpoint).Refused++
}

func (m *meter) entry(endpoint string) *sqlstore.Read {
	r := m.pending[endpoint]
	if r == nil {
		r = &sqlstore.Read{Endpoint: endpoint}
		m.pending[endpoint] = r
	}
	return r
}

// write brings the store up to the number-th request of the pass. Requests that
// come while others are being written are written together.
func (m *meter) write(number int64) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.mu.Lock()
	if m.store == nil || m.stored >= number {
		m.mu.Unlock()
		return nil
	}
	day := sqlstore.Day(m.now())
	var reads []sqlstore.Read
	for _, r := range m.pending {
		r.Day = day
		reads = append(reads, *r)
	}
	upto := m.taken
	clear(m.pending)
	m.mu.Unlock()
	slices.SortFunc(reads, func(a, b sqlstore.Read) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	// What is counted here has not gone out: nothing may stop the counting.
	if err := m.store.AddReads(context.Background(), reads); err != nil {
		return err
	}
	m.mu.Lock()
	m.stored = upto
	m.mu.Unlock()
	return nil
}

// close writes what is left, and the clock.
func (m *meter) close(ctx context.Context) error {
	if err := m.write(math.MaxInt64); err != nil {
		return err
	}
	if ahead := m.client.Offset(); m.client.KnowsTime() && (ahead-m.ahead).Abs() > time.Minute {
		if err := m.store.mark(ctx, markClock, ahead.Milliseconds()); err != nil {
			return err
		}
	}
	return m.load(ctx)
}

// load reads what the store has of the window.
func (m *meter) load(ctx context.Context) error {
	since := m.now().Add(-readWindow)
	reads, err := m.store.Reads(ctx, since)
	if err != nil {
		return err
	}
	transactions, err := m.store.Traffic(ctx, since)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before, m.counted, m.transactions = reads, m.stored, transactions
	m.used = total(reads) + m.taken - m.stored
	m.limit = m.stop.Of(allowance(transactions))
	return nil
}
