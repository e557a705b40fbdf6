package stripesim

import (
	"sync"
	"time"
)

// Limits are Stripe's brakes; zero means none. Stripe's own figures are
// Global 100 (live) or 25 (test) and Endpoint 25.
type Limits struct {
	Global, Endpoint float64 // requests per second; an endpoint is a method and a path template
	// Burst is how many requests may come at once after a pause, as seconds of
	// the rate. Default 0.25.
	Burst float64

	GlobalConcurrency, EndpointConcurrency int
}

// A bucket holds the tokens of one limit.
type bucket struct {
	tokens, size, rate float64
	filled             time.Time
}

func newBucket(rate, burst float64, now time.Time) *bucket {
	size := max(rate*burst, 1)
	return &bucket{tokens: size, size: size, rate: rate, filled: now}
}

// has fills the bucket up to now and says whether it holds a token.
func (b *bucket) has(now time.Time) bool {
	b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*b.rate, b.size)
	b.filled = now
	return b.tokens >= 1
}

type limiter struct {
	limits Limits
	now    func() time.Time

	mu        sync.Mutex
	global    *bucket
	endpoints map[string]*bucket
	running   map[string]int
	total     int
}

func (l *limiter) init(limits Limits, now func() time.Time) {
	if limits.Burst == 0 {
		limits.Burst = 0.25
	}
	l.limits, l.now = limits, now
	l.global = newBucket(limits.Global, limits.Burst, now())
	l.endpoints = map[string]*bucket{}
	l.running = map[string]int{}
}

// enter admits a request, which must leave, or says why not. A refused request
// uses no tokens.
func (l *limiter) enter(endpoint string) (reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.endpoints[endpoint]
	if b == nil {
		b = newBucket(l.limits.Endpoint, l.limits.Burst, now)
		l.endpoints[endpoint] = b
	}
	globalFree, endpointFree := l.global.has(now), b.has(now)
	switch lim := l.limits; {
	case lim.Global > 0 && !globalFree:
		return "global-rate"
	case lim.Endpoint > 0 && !endpointFree:
		return "endpoint-rate"
	case lim.GlobalConcurrency > 0 && l.total >= lim.GlobalConcurrency:
		return "global-concurrency"
	case lim.EndpointConcurrency > 0 && l.running[endpoint] >= lim.EndpointConcurrency:
		return "endpoint-concurrency"
	}
	l.global.tokens--
	b.tokens--
	l.running[endpoint]++
	l.total++
	return ""
}

func (l *limiter) leave(endpoint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[endpoint]--
	l.total--
}
