package stripesim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A delivery is an event on its way to an endpoint.
type delivery struct {
	to       *endpoint
	event    string
	kind     string
	body     []byte // as it is sent: rendered once
	queued   int64
	attempts int
}

// subscribed returns the endpoints that want an event.
func (s *Sim) subscribed(n *notice) []*endpoint {
	var to []*endpoint
	for _, ep := range s.endpoints {
		if ep.mode == s.cfg.Mode && slices.ContainsFunc(ep.types, func(t string) bool { return t == "*" || t == n.kind }) {
			to = append(to, ep)
		}
	}
	return to
}

// enqueue makes an event wait for Deliver.
func (s *Sim) enqueue(id string, n *notice, to []*endpoint) {
	now := s.clock.unix()
	s.pending = slices.DeleteFunc(s.pending, func(d *delivery) bool { return d.queued < now-giveUpTime })
	for _, ep := range to {
		version := ep.version
		if version == "" || n.version != "" {
			version = n.version
		}
		if version == "" {
			version = s.apiVersion()
		}
		e := &enc{}
		e.node(s.event(id, n, version, len(to)))
		s.pending = append(s.pending, &delivery{to: ep, event: id, kind: n.kind, body: e.b, queued: now})
	}
	if len(to) == 0 {
		return
	}
	select {
	case s.news <- struct{}{}:
	default: // somebody was told already
	}
}

// DeliverOptions say how pending deliveries are made.
type DeliverOptions struct {
	// As is how the deliveries go, taken in turn; empty: all genuine. What is not
	// sent as Genuine stays pending, unless it is Lost: it is somebody else's, or
	// an accident, and Stripe's own is still to come.
	As      []Sending `json:"as,omitempty"`
	Max     int       `json:"max,omitempty"`     // at most so many; 0: all that wait
	Shuffle uint64    `json:"shuffle,omitempty"` // seed of their order; 0: oldest first
	Twice   bool      `json:"twice,omitempty"`   // each is sent again, byte for byte
	// Parallel is how many are under way at once. Default 1, in order.
	Parallel int `json:"parallel,omitempty"`
	// Client sends; default: ten seconds' time, no redirects. It is kept to
	// loopback addresses by the simulator, not by itself.
	Client *http.Client `json:"-"`
}

// Delivered is what became of one delivery.
type Delivered struct {
	Event    string  `json:"event"`
	Type     string  `json:"type"`
	Endpoint string  `json:"endpoint"`
	As       Sending `json:"as"`
	Attempt  int     `json:"attempt"`         // from 1
	Status   int     `json:"status"`          // of the answer; 0: none
	Error    string  `json:"error,omitempty"` // why there was none
}

// OK says whether the endpoint took it.
func (d Delivered) OK() bool { return d.Status >= 200 && d.Status < 300 }

// Deliver sends the events that wait for webhook endpoints, signed at the
// account's time, and returns what became of each. What is answered by 2xx is
// done; the rest waits for the next call, for three days. Nothing is sent but
// to loopback addresses. It fails when ctx ends.
func (s *Sim) Deliver(ctx context.Context, o DeliverOptions) ([]Delivered, error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	for i, as := range o.As {
		if !as.known() {
			return nil, fmt.Errorf("delivery %d: unknown way to send %q", i, as)
		}
	}
	jobs := s.due(o)
	results := make([]Delivered, len(jobs))
	client := o.Client
	if client == nil {
		client = newSender()
		defer client.CloseIdleConnections()
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(o.Parallel, 1), max(len(jobs), 1)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(jobs)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				results[i] = s.send1(ctx, client, jobs[i], o.as(int(i)), o.Twice)
			}
		})
	}
	wg.Wait()
	s.settleDeliveries(jobs, results)
	if err := ctx.Err(); err != nil {
		return slices.DeleteFunc(results, func(d Delivered) bool { return d.Event == "" }), err
	}
	return results, nil
}

func (o *DeliverOptions) as(i int) Sending {
	if len(o.As) == 0 || o.As[i%len(o.As)] == "" {
		return Genuine
	}
	return o.As[i%len(o.As)]
}

// due returns the deliveries to make, in their order.
func (s *Sim) due(o DeliverOptions) []*delivery {
	s.mu.RLock()
	jobs := slices.Clone(s.pending)
	s.mu.RUnlock()
	if o.Shuffle != 0 {
		r := rand.New(rand.NewPCG(o.Shuffle, 1))
		r.Shuffle(len(jobs), func(i, k int) { jobs[i], jobs[k] = jobs[k], jobs[i] })
	}
	if o.Max > 0 && len(jobs) > o.Max {
		jobs = jobs[:o.Max]
	}
	return jobs
}

// settleDeliveries takes away what is done.
func (s *Sim) settleDeliveries(jobs []*delivery, results []Delivered) {
	done := map[*delivery]bool{}
	for i, r := range results {
		if r.As == Lost || r.As == Genuine && r.OK() {
			done[jobs[i]] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = slices.DeleteFunc(s.pending, func(d *delivery) bool { return done[d] })
}

// Pending returns how many deliveries wait.
func (s *Sim) Pending() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.pending)
}

// KeepDelivering delivers events as they happen, until ctx is done. What was
// refused is tried again after a second at the soonest.
func (s *Sim) KeepDelivering(ctx context.Context, o DeliverOptions) error {
	for {
		results, err := s.Deliver(ctx, o)
		if err != nil && ctx.Err() == nil {
			return err
		}
		var again <-chan time.Time
		if slices.ContainsFunc(results, func(d Delivered) bool { return !d.OK() && d.As != Lost }) {
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.news:
		case <-again:
		}
	}
}
