package stripe

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A start is one request that the pacer let go.
type start struct {
	at       time.Time
	endpoint string
}

// A load keeps some lanes per endpoint busy with requests.
type load struct {
	lanes    map[string]int
	priority map[string]float64
	latency  func() time.Duration
	serve    func(endpoint string) (reason string) // nil accepts all; called when a request arrives
	travel   func() time.Duration                  // until it arrives; nil for at once

	mu      sync.Mutex
	starts  []start
	refused int
}

// run drives p for d and returns when all lanes have stopped.
func (l *load) run(t *testing.T, p *Pacer, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var wg sync.WaitGroup
	for endpoint, n := range l.lanes {
		for range n {
			wg.Go(func() {
				for {
					release, err := p.Acquire(ctx, endpoint, l.priority[endpoint])
					if err != nil {
						return
					}
					l.mu.Lock()
					l.starts = append(l.starts, start{time.Now(), endpoint})
					l.mu.Unlock()
					if l.travel != nil {
						time.Sleep(l.travel())
					}
					reason := ""
					if l.serve != nil {
						l.mu.Lock()
						if reason = l.serve(endpoint); reason != "" {
							l.refused++
						}
						l.mu.Unlock()
					}
					time.Sleep(l.latency())
					release(reason)
				}
			})
		}
	}
	wg.Wait()
}

// of returns the times of an endpoint's starts, or for "" of all.
func (l *load) of(endpoint string) []time.Time {
	var at []time.Time
	for _, s := range l.starts {
		if endpoint == "" || s.endpoint == endpoint {
			at = append(at, s.at)
		}
	}
	return at
}

// busiest returns the most starts in any one second.
func busiest(at []time.Time) int {
	most, from := 0, 0
	for i := range at {
		for at[i].Sub(at[from]) >= time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// between counts the starts from one offset to another.
func between(at []time.Time, zero time.Time, from, to time.Duration) int {
	n := 0
	for _, a := range at {
		if d := a.Sub(zero); d >= from && d < to {
			n++
		}
	}
	return n
}

func constant(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
