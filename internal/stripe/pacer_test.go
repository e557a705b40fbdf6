package stripe

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var six = map[string]int{"a": 10, "b": 10, "c": 10, "d": 10, "e": 10, "f": 10}

func TestPacerHoldsItsShare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name             string
		limits           Limits
		share            float64
		lanes            map[string]int
		global, endpoint float64 // most starts per second
		least            float64 // starts per second on average, all together
	}{
		{"live, all", DefaultLimits(Live), 1, six, 100, 25, 97},
		{"live, 60 %", DefaultLimits(Live), 0.6, six, 60, 15, 58},
		{"live, 60 %, one endpoint", DefaultLimits(Live), 0.6, map[string]int{"a": 16}, 60, 15, 14.5},
		{"live, one endpoint", DefaultLimits(Live), 1, map[string]int{"a": 16}, 100, 25, 23.9},
		{"live, four endpoints", DefaultLimits(Live), 1, map[string]int{"a": 8, "b": 8, "c": 8, "d": 8}, 100, 25, 95},
		{"test", DefaultLimits(Test), 1, six, 25, 25, 23.9},
		{"unknown", DefaultLimits(Unknown), 1, six, 25, 25, 23.9},
		{"test, 60 %", DefaultLimits(Test), 0.6, six, 15, 15, 14.5},
		{"agreed", Limits{Global: 300, Endpoint: 60}, 1, six, 300, 60, 285},
		{"tiny", Limits{Global: 1, Endpoint: 1}, 0.5, six, 1, 1, 0.45},
		{"endpoints only", Limits{Endpoint: 10}, 1, six, 60, 10, 53},
		{"global only", Limits{Global: 50}, 1, six, 50, 50, 48},
		{"no such share", DefaultLimits(Test), 0, six, 25, 25, 23.9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &load{lanes: tt.lanes, latency: func() time.Duration {
					return 100*time.Millisecond + rand.N(100*time.Millisecond)
				}}
				const d = 60 * time.Second
				l.run(t, NewPacer(tt.limits, tt.share, time.Now), d)
				if n := busiest(l.of("")); float64(n) > tt.global {
					t.Errorf("%d starts in one second, limit %v", n, tt.global)
				}
				for endpoint := range tt.lanes {
					if n := busiest(l.of(endpoint)); float64(n) > tt.endpoint {
						t.Errorf("%d starts of %s in one second, limit %v", n, endpoint, tt.endpoint)
					}
				}
				if got := float64(len(l.starts)) / d.Seconds(); got < tt.least || got > tt.global {
					t.Errorf("%.1f starts per second, want %v to %v", got, tt.least, tt.global)
				}
			})
		})
	}
}

// Requests are evenly spaced, not sent in bursts at the start of a second.
func TestPacerSpacesEvenly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &load{lanes: map[string]int{"a": 16}, latency: constant(150 * time.Millisecond)}
		l.run(t, NewPacer(DefaultLimits(Live), 1, time.Now), 20*time.Second)
		at := l.of("")
		for i := 2; i < len(at); i++ {
			if gap := at[i].Sub(at[i-1]); gap < 40800*time.Microsecond || gap > 40900*time.Microsecond {
				t.Fatalf("start %d came %v after the one before", i, gap)
			}
		}
	})
}

// A server that counts by the calendar second, at the end of a road whose
// length varies, refuses almost nothing, and the whole limit is used.
func TestPacerAgainstCountingServer(t *testing.T) {
	t.Parallel()
	for _, jitter := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond} {
		t.Run(jitter.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(rand.N(time.Second))
				counts := map[string]int{}
				second := int64(0)
				l := &load{
					lanes: six, latency: constant(150 * time.Millisecond),
					travel: func() time.Duration { return rand.N(jitter) },
				}
				l.serve = func(endpoint string) string {
					if now := time.Now().Unix(); now != second {
						second = now
						clear(counts)
					}
					switch {
					case counts[""] >= 100:
						return "global-rate"
					case counts[endpoint] >= 25:
						return "endpoint-rate"
					}
					counts[""]++
					counts[endpoint]++
					return ""
				}
				l.run(t, NewPacer(DefaultLimits(Live), 1, time.Now), 60*time.Second)
				if l.refused*200 > len(l.starts) {
					t.Errorf("%d of %d refused", l.refused, len(l.starts))
				}
				if rate := float64(len(l.starts)) / 60; rate < 90 {
					t.Errorf("%.1f per second", rate)
				}
			})
		})
	}
}

// Who has more work goes first, and who came first among equals.
func TestPacerServesByPriority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer(Limits{Global: 25}, 1, time.Now)
		release, err := p.Acquire(t.Context(), "first", 0) // uses up what may start at once
		if err != nil {
			t.Fatal(err)
		}
		release("")
		var mu sync.Mutex
		var got []float64
		var wg sync.WaitGroup
		for i, priority := range []float64{1, 9, 1, 5, 9, 5} {
			wg.Go(func() {
				release, err := p.Acquire(t.Context(), "x", priority)
				if err != nil {
					t.Error(err)
					return
				}
				release("")
				mu.Lock()
				defer mu.Unlock()
				got = append(got, priority*10+float64(i))
			})
			synctest.Wait() // the order of arrival
		}
		wg.Wait()
		if want := []float64{91, 94, 53, 55, 10, 12}; !slices.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

// With more work than the account's limit allows, the endpoint with the most
// work gets its whole rate, and still nobody waits much longer than patience.
func TestPacerStarvesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &load{
			lanes:    map[string]int{"big": 16, "b": 8, "c": 8, "d": 8, "e": 8, "small": 1},
			priority: map[string]float64{"big": 1000, "b": 100, "c": 100, "d": 100, "e": 100, "small": 1},
			latency:  constant(150 * time.Millisecond),
		}
		zero := time.Now()
		l.run(t, NewPacer(DefaultLimits(Live), 1, time.Now), 60*time.Second)
		if n := between(l.of("big"), zero, 0, 60*time.Second); n < 1400 {
			t.Errorf("%d starts of the endpoint with the most work in a minute", n)
		}
		small := l.of("small")
		for i := 1; i < len(small); i++ {
			if gap := small[i].Sub(small[i-1]); gap > patience+time.Second {
				t.Errorf("waited %v", gap)
			}
		}
		if len(small) < 9 {
			t.Errorf("%d starts of the endpoint with the least work in a minute", len(small))
		}
	})
}

// Lanes that wait for their endpoint take nothing from the others, and those
// that wait for the account save up no burst of their endpoint's.
func TestPacerWastesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &load{
			lanes:    map[string]int{"crowd": 200, "b": 10, "c": 10, "d": 10},
			priority: map[string]float64{"crowd": 10},
			latency:  constant(50 * time.Millisecond),
		}
		l.run(t, NewPacer(DefaultLimits(Live), 1, time.Now), 60*time.Second)
		for _, endpoint := range []string{"crowd", "b", "c", "d"} {
			if n := len(l.of(endpoint)); n < 1420 {
				t.Errorf("%d starts of %s in a minute", n, endpoint)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := &load{ // low waits while high lasts, then must not exceed its own limit
			lanes:    map[string]int{"low": 16, "h1": 8, "h2": 8, "h3": 8, "h4": 8, "h5": 8},
			priority: map[string]float64{"h1": 9, "h2": 9, "h3": 9, "h4": 9, "h5": 9},
			latency:  constant(50 * time.Millisecond),
		}
		p := NewPacer(DefaultLimits(Live), 1, time.Now)
		l.run(t, p, 10*time.Second)
		l.lanes = map[string]int{"low": 16}
		l.run(t, p, 10*time.Second)
		if n := busiest(l.of("low")); n > 25 {
			t.Errorf("%d starts of low in one second", n)
		}
	})
}

func TestPacerCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPacer(Limits{Global: 25, Endpoint: 25, InFlight: 4}, 1, time.Now)
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := p.Acquire(ended, "a", 0); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		// Waves of impatient waiters, some of whom give up at the very moment
		// of their turn, leave nothing behind.
		for wave := range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(wave)*time.Second/240)
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if release, err := p.Acquire(ctx, "a", 0); err == nil {
						release("")
					} else if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			cancel()
		}
		if len(p.waiting) != 0 || p.global.gate.busy != 0 || p.lanes["a"].gate.busy != 0 {
			t.Errorf("left behind: %d waiting, %d and %d in flight", len(p.waiting), p.global.gate.busy, p.lanes["a"].gate.busy)
		}
		l := &load{lanes: map[string]int{"a": 4}, latency: constant(10 * time.Millisecond)}
		l.run(t, p, 10*time.Second)
		if n := len(l.of("a")); n < 239 {
			t.Errorf("%d starts in ten seconds afterwards", n)
		}
	})
}

// Without limits nothing is paced until Stripe refuses something.
func TestPacerWithoutLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zero := time.Now()
		l := &load{lanes: map[string]int{"a": 16, "b": 16}, latency: constant(20 * time.Millisecond)}
		l.serve = func(endpoint string) string {
			if d := time.Since(zero); endpoint == "a" && d >= 10*time.Second && d < 10100*time.Millisecond {
				return "endpoint-rate"
			}
			return ""
		}
		p := NewPacer(Limits{}, 1, time.Now)
		if r := p.Rate(""); !math.IsInf(r, 1) {
			t.Errorf("rate %v", r)
		}
		l.run(t, p, 50*time.Second)
		full := 800 // 16 in flight for 20 ms each
		a, b := l.of("a"), l.of("b")
		if n := between(a, zero, 5*time.Second, 6*time.Second); n != full {
			t.Errorf("a: %d starts per second, want %d", n, full)
		}
		if n := between(a, zero, 10050*time.Millisecond, 11050*time.Millisecond); n > full*6/10 || n < full*4/10 {
			t.Errorf("a: %d starts in the second after the refusal, want half of %d", n, full)
		}
		if n := between(b, zero, 10050*time.Millisecond, 11050*time.Millisecond); n != full {
			t.Errorf("b: %d starts in that second, want %d", n, full)
		}
		if n := between(a, zero, 45*time.Second, 46*time.Second); n != full {
			t.Errorf("a: %d starts per second in the end, want %d", n, full)
		}
		if r := p.Rate("a"); !math.IsInf(r, 1) {
			t.Errorf("rate %v in the end", r)
		}
	})
}
