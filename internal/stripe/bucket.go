package stripe

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	grain    = 20               // tokens per request, so that a burst can be a fraction of a request
	heal     = 30 * time.Second // from nothing to the ceiling
	lull     = time.Second      // refusals within this time of a cut report the same overload
	headroom = 0.98             // of the share of a limit that is used at most
)

// A bucket spaces requests evenly at a rate that is halved when Stripe refuses
// one, and that grows back steadily. It never lets more requests into any
// second than its share of the limit.
type bucket struct {
	ceiling float64 // requests per second; +Inf for none
	top     float64 // what the rate grows back to before it snaps to the ceiling
	rate    float64 // requests per second now
	tokens  *rate.Limiter
	cut     time.Time // of the last halving
	grown   time.Time // when the rate was last raised
	meter   meter
}

// newBucket returns a bucket for a share of limit requests per second, 0 for
// no limit.
func newBucket(limit, share float64) bucket {
	if limit <= 0 {
		return bucket{ceiling: math.Inf(1), top: math.Inf(1), rate: math.Inf(1)}
	}
	allowed := limit * share
	ceiling := headroom * allowed
	// A server that counts by the second sees one request more when one is
	// late: stay half a request below small limits.
	if limit >= 10 {
		ceiling = min(ceiling, limit-0.5)
	}
	return bucket{ceiling: ceiling, top: ceiling, rate: ceiling, tokens: newTokens(ceiling, allowed)}
}

// newTokens returns tokens for rate r, of which no second ever gets as many as
// allowed + 1: what lies between r and allowed makes up for late starts.
func newTokens(r, allowed float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(r*grain), int(max(1, allowed-r+0.95)*grain))
}

// until returns how long after now the next request may start; 0 for now.
func (b *bucket) until(now time.Time) time.Duration {
	b.grow(now)
	if b.tokens == nil {
		return 0
	}
	missing := grain - b.tokens.TokensAt(now)
	if missing < 1e-6 {
		return 0
	}
	return max(time.Microsecond, time.Duration(math.Ceil(missing/grain/b.rate*float64(time.Second))))
}

// take counts a request that starts now.
func (b *bucket) take(now time.Time) {
	b.meter.add(now)
	if b.tokens != nil {
		b.tokens.ReserveN(now, grain)
	}
}

// halve answers a refusal, at now, of a request that was sent at sent. What
// counts is the rate that was used, not the one that was allowed.
func (b *bucket) halve(sent, now time.Time) {
	if !sent.After(b.cut) || now.Sub(b.cut) < lull {
		return
	}
	used := min(b.rate, b.meter.rate(now, b.rate))
	if b.tokens == nil {
		b.top = max(used, 1)
		b.tokens = newTokens(b.top, b.top)
	}
	b.rate = max(used/2, min(b.top, max(b.top/32, 0.5)))
	b.cut, b.grown = now, now
	b.tokens.SetLimitAt(now, rate.Limit(b.rate*grain))
}

func (b *bucket) grow(now time.Time) {
	past := now.Sub(b.grown)
	if b.rate >= b.ceiling || past < 50*time.Millisecond {
		return
	}
	b.rate += b.top * past.Seconds() / heal.Seconds()
	b.grown = now
	if b.rate >= b.top {
		b.rate = b.ceiling
	}
	if math.IsInf(b.rate, 1) {
		b.tokens = nil
		return
	}
	b.tokens.SetLimitAt(now, rate.Limit(b.rate*grain))
}

// A meter knows about how many requests started in the last second.
type meter struct {
	first, second time.Time // of all; start of the second that is being counted
	before, count float64   // in the second before it; in it
}

func (m *meter) add(now time.Time) {
	m.roll(now)
	m.count++
}

func (m *meter) roll(now time.Time) {
	if m.first.IsZero() {
		m.first, m.second = now, now
	}
	for n := 0; now.Sub(m.second) >= time.Second; n++ {
		m.before, m.count = m.count, 0
		m.second = m.second.Add(time.Second)
		if n == 2 {
			m.second = now
		}
	}
}

// rate returns requests per second; unknown before a second has passed, unless
// that is infinite.
func (m *meter) rate(now time.Time, unknown float64) float64 {
	m.roll(now)
	if age := now.Sub(m.first); age < time.Second {
		if math.IsInf(unknown, 1) {
			return m.count / max(age.Seconds(), 0.1)
		}
		return unknown
	}
	part := now.Sub(m.second).Seconds()
	return m.before*(1-part) + m.count
}

// A gate bounds the requests in flight. Like a bucket it is halved by a
// refusal and grows back.
type gate struct {
	max, limit float64
	busy       int
	cut, grown time.Time
}

func (g *gate) full(now time.Time) bool {
	if past := now.Sub(g.grown); g.limit < g.max && past > 0 {
		g.limit = min(g.max, g.limit+g.max*past.Seconds()/heal.Seconds())
		g.grown = now
	}
	return g.busy >= int(g.limit)
}

func (g *gate) halve(sent, now time.Time) {
	if !sent.After(g.cut) || now.Sub(g.cut) < lull {
		return
	}
	g.limit = max(1, min(g.limit, float64(g.busy))/2)
	g.cut, g.grown = now, now
}
