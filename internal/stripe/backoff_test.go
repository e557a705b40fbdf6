package stripe

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPacerBacksOffByReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason   string
		a, other float64 // what remains in the second after the refusals, of what was used before
	}{
		{"endpoint-rate", 0.5, 1},
		{"resource-specific", 0.5, 1},
		{"global-rate", 0.5, 0.5},
		{Unstated, 0.5, 0.5},
		{"something-new", 0.5, 0.5},
	}
	for _, tt := range tests {
		t.Run(tt.reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				zero := time.Now()
				// Only two endpoints: the account's limit is far away, and still
				// a global refusal must slow them down.
				l := &load{lanes: map[string]int{"a": 12, "b": 12}, latency: constant(150 * time.Millisecond)}
				// All requests that arrive in a quarter of a second report the same overload.
				l.serve = func(endpoint string) string {
					if d := time.Since(zero); endpoint == "a" && d >= 10*time.Second && d < 10250*time.Millisecond {
						return tt.reason
					}
					return ""
				}
				p := NewPacer(DefaultLimits(Live), 1, time.Now)
				l.run(t, p, 60*time.Second)
				if l.refused < 5 {
					t.Fatalf("only %d refused", l.refused)
				}
				for endpoint, want := range map[string]float64{"a": tt.a, "b": tt.other} {
					at := l.of(endpoint)
					// The first refusal is known at 10.15 s; what is left of the burst may follow.
					got := float64(between(at, zero, 10200*time.Millisecond, 11200*time.Millisecond)) / 24
					if got > want+0.1 || got < want-0.1 {
						t.Errorf("%s: %.2f of its rate in the second after the refusal, want %.2f", endpoint, got, want)
					}
					if n := between(at, zero, 41*time.Second, 51*time.Second); n < 235 {
						t.Errorf("%s: %d starts in ten seconds, 30 s after the refusal", endpoint, n)
					}
				}
			})
		})
	}
}

// Requests that were sent before a halving do not halve again, however late
// they come back.
func TestPacerHalvesOncePerOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer(DefaultLimits(Live), 1, time.Now)
		warm := &load{lanes: map[string]int{"a": 12}, latency: constant(150 * time.Millisecond)}
		warm.run(t, p, 5*time.Second)
		var held []func(string)
		for range 12 {
			release, err := p.Acquire(t.Context(), "a", 0)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, release)
		}
		for _, release := range held {
			release("endpoint-rate")
			time.Sleep(1100 * time.Millisecond)
		}
		if r := p.Rate("a"); r < 20 {
			t.Errorf("%.1f per second after one halving and 13 s", r)
		}
		release, err := p.Acquire(t.Context(), "a", 0)
		if err != nil {
			t.Fatal(err)
		}
		before := p.Rate("a")
		release("endpoint-rate")
		if r := p.Rate("a"); r > before/2 {
			t.Errorf("%.1f per second after the next overload, %.1f before it", r, before)
		}
	})
}

// While the shop keeps using up the account's limit, the pacer goes down to a
// trickle, and it comes back when the shop is quiet.
func TestPacerYieldsToTheShop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zero := time.Now()
		l := &load{lanes: six, latency: constant(150 * time.Millisecond)}
		l.serve = func(string) string {
			if d := time.Since(zero); d >= 10*time.Second && d < 30*time.Second {
				return "global-rate"
			}
			return ""
		}
		l.run(t, NewPacer(DefaultLimits(Live), 1, time.Now), 90*time.Second)
		at := l.of("")
		if n := between(at, zero, 20*time.Second, 30*time.Second); n > 100 || n < 10 {
			t.Errorf("%d starts in ten seconds of refusals", n)
		}
		if n := between(at, zero, 62*time.Second, 72*time.Second); n < 960 {
			t.Errorf("%d starts in ten seconds, 32 s after the last refusal", n)
		}
	})
}

func TestPacerGates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, reason string
		limits       Limits
		before       int // most in flight of a, and of b
		a, all       int // after the refusal of one of a; 0 for any
	}{
		{"nothing refused", "", Limits{}, 16, 16, 32},
		{"endpoint", "endpoint-concurrency", Limits{}, 16, 8, 24},
		{"global", "global-concurrency", Limits{}, 16, 0, 16},
		{"one at a time", "endpoint-concurrency", Limits{EndpointInFlight: 1}, 1, 1, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := NewPacer(tt.limits, 1, time.Now)
				held := fill(t, p)
				if len(held["a"]) != tt.before || len(held["b"]) != tt.before {
					t.Fatalf("in flight: %d and %d, want %d each", len(held["a"]), len(held["b"]), tt.before)
				}
				held["a"][0](tt.reason)
				held["a"] = held["a"][1:]
				empty(held)
				held = fill(t, p)
				if a, all := len(held["a"]), len(held["a"])+len(held["b"]); all != tt.all || tt.a != 0 && a != tt.a {
					t.Errorf("in flight after the refusal: %d of a and %d in all, want %d and %d", a, all, tt.a, tt.all)
				}
				empty(held)
				time.Sleep(heal)
				held = fill(t, p)
				if len(held["a"]) != tt.before || len(held["b"]) != tt.before {
					t.Errorf("in flight in the end: %d and %d, want %d each", len(held["a"]), len(held["b"]), tt.before)
				}
				empty(held)
			})
		})
	}
}

// fill starts as many requests to a and b as may be in flight at once.
func fill(t *testing.T, p *Pacer) map[string][]func(string) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := map[string][]func(string){}
	var mu sync.Mutex
	for i := range 60 {
		go func() {
			endpoint := []string{"a", "b"}[i%2]
			if release, err := p.Acquire(ctx, endpoint, 0); err == nil {
				mu.Lock()
				defer mu.Unlock()
				held[endpoint] = append(held[endpoint], release)
			}
		}()
	}
	synctest.Wait()
	cancel()
	synctest.Wait()
	return held
}

func empty(held map[string][]func(string)) {
	for _, releases := range held {
		for _, release := range releases {
			release("")
		}
	}
}
