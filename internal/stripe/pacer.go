package stripe

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Limits are those of one account in one mode.
type Limits struct {
	Global   float64 // requests per second of all endpoints together; 0 for no limit
	Endpoint float64 // requests per second of each endpoint; 0 for no limit

	InFlight         int // requests at the same time; 0 means 64
	EndpointInFlight int // of one endpoint; 0 means 16
}

// DefaultLimits returns Stripe's documented limits; where the mode is not
// known, the lower ones.
func DefaultLimits(m Mode) Limits {
	if m == Live {
		return Limits{Global: 100, Endpoint: 25}
	}
	return Limits{Global: 25, Endpoint: 25}
}

// A Pacer lets requests start so that an account's limits are never reached,
// globally and per endpoint, and slows down when Stripe refuses one all the
// same. It is safe for concurrent use, and to be shared by all clients of an
// account.
type Pacer struct {
	now   func() time.Time
	limit Limits
	share float64

	mu      sync.Mutex
	global  lane
	lanes   map[string]*lane // by endpoint
	waiting []*waiter        // in order of arrival
	timer   *time.Timer      // calls dispatch; nil before the first wait
}

// A lane is what one limit applies to.
type lane struct {
	bucket bucket
	gate   gate
}

// A waiter is one Acquire that has not been served.
type waiter struct {
	lane     *lane
	priority float64
	since    time.Time
	ready    chan struct{} // closed when served
	started  time.Time     // when that was
}

// patience is how long a waiter lets others with more work go first.
const patience = 5 * time.Second

// NewPacer returns a pacer that uses at most share of the limits; a share
// outside (0, 1] means all of them.
func NewPacer(limits Limits, share float64, now func() time.Time) *Pacer {
	if !(share > 0 && share <= 1) {
		share = 1
	}
	if limits.InFlight <= 0 {
		limits.InFlight = 64
	}
	if limits.EndpointInFlight <= 0 {
		limits.EndpointInFlight = 16
	}
	return &Pacer{
		now: now, limit: limits, share: share,
		global: newLane(limits.Global, share, limits.InFlight),
		lanes:  map[string]*lane{},
	}
}

func newLane(limit, share float64, inFlight int) lane {
	return lane{
		bucket: newBucket(limit, share),
		gate:   gate{max: float64(inFlight), limit: float64(inFlight)},
	}
}

// Acquire waits until a request to endpoint may start. Of those whose endpoint
// allows it, the one with the highest priority starts first, the one that came
// first among equals, and whoever has waited five seconds before all of them.
// When the request has ended, release must be called once, with the
// Stripe-Rate-Limited-Reason if it was refused by a limit (Unstated if Stripe
// gave none), else with "". The error is ctx's.
func (p *Pacer) Acquire(ctx context.Context, endpoint string, priority float64) (release func(reason string), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	w := &waiter{lane: p.lane(endpoint), priority: priority, since: p.now(), ready: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	p.dispatch()
	p.mu.Unlock()
	select {
	case <-w.ready:
		return func(reason string) { p.release(w, reason) }, nil
	case <-ctx.Done():
		p.leave(w)
		return nil, ctx.Err()
	}
}

// Unstated is the reason of a refusal by a rate limit that Stripe gave none for.
const Unstated = "unstated"

// Rate returns the requests per second that an endpoint, or for "" the
// account, is allowed now; +Inf for no limit.
func (p *Pacer) Rate(endpoint string) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.global
	if endpoint != "" {
		l = p.lane(endpoint)
	}
	l.bucket.grow(p.now())
	return l.bucket.rate
}

// A Pace is how fast an account is read. Rates are requests per second, 0 for no
// limit.
type Pace struct {
	Limit   float64 // of the account's all endpoints together
	Each    float64 // limit of each endpoint
	Share   float64 // of the limits that is used, above 0 to 1
	Allowed float64 // of all endpoints together now: less after Stripe refused some
	Used    float64 // in about the last second
	Busy    int     // requests under way
	Waiting int     // that wait for their turn
}

// Pace says how fast the account is read now.
func (p *Pacer) Pace() Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	b := &p.global.bucket
	b.grow(now)
	pace := Pace{Limit: p.limit.Global, Each: p.limit.Endpoint, Share: p.share, Used: b.meter.rate(now, 0), Busy: p.global.gate.busy, Waiting: len(p.waiting)}
	if !math.IsInf(b.rate, 1) {
		pace.Allowed = b.rate
	}
	return pace
}

func (p *Pacer) lane(endpoint string) *lane {
	l, ok := p.lanes[endpoint]
	if !ok {
		fresh := newLane(p.limit.Endpoint, p.share, p.limit.EndpointInFlight)
		l = &fresh
		p.lanes[endpoint] = l
	}
	return l
}

// dispatch starts whoever may start now and arranges to be called when the
// next one may. The lock is held. Both buckets are taken from at the moment of
// the start: one who waits for its endpoint uses up no global rate, and one
// who waits for the global rate saves up no burst of its endpoint's.
func (p *Pacer) dispatch() {
	now := p.now()
	for {
		i, wait := p.next(now)
		if i < 0 {
			p.wake(wait)
			return
		}
		w := p.waiting[i]
		p.waiting = slices.Delete(p.waiting, i, i+1)
		for _, l := range []*lane{w.lane, &p.global} {
			l.bucket.take(now)
			l.gate.busy++
		}
		w.started = now
		close(w.ready)
	}
}

// next returns which waiter may start now, or -1 and the time until one may,
// or until it is worth asking again; 0 when a request has to end first.
func (p *Pacer) next(now time.Time) (int, time.Duration) {
	if len(p.waiting) == 0 || p.global.gate.full(now) {
		return -1, 0
	}
	if d := p.global.bucket.until(now); d > 0 {
		return -1, d
	}
	best, soonest := -1, time.Duration(0)
	for i, w := range p.waiting {
		if w.lane.gate.full(now) {
			continue
		}
		if d := w.lane.bucket.until(now); d > 0 {
			if soonest == 0 || d < soonest {
				soonest = d
			}
			continue
		}
		if now.Sub(w.since) >= patience {
			return i, 0
		}
		if best < 0 || w.priority > p.waiting[best].priority {
			best = i
		}
	}
	return best, soonest
}

func (p *Pacer) wake(after time.Duration) {
	switch {
	case p.timer == nil && after > 0:
		p.timer = time.AfterFunc(after, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.dispatch()
		})
	case p.timer == nil:
	case after > 0:
		p.timer.Reset(after)
	default:
		p.timer.Stop()
	}
}

func (p *Pacer) release(w *waiter, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	switch reason {
	case "":
	case "endpoint-rate", "resource-specific":
		w.lane.bucket.halve(w.started, now)
	case "endpoint-concurrency":
		w.lane.gate.halve(w.started, now)
	case "global-concurrency":
		p.global.gate.halve(w.started, now)
	default: // global-rate, none given, or one that is new: spare the whole account
		p.global.bucket.halve(w.started, now)
	}
	w.lane.gate.busy--
	p.global.gate.busy--
	p.dispatch()
}

// leave takes back a waiter that gave up.
func (p *Pacer) leave(w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, w); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	} else { // started at the same moment
		w.lane.gate.busy--
		p.global.gate.busy--
	}
	p.dispatch()
}
