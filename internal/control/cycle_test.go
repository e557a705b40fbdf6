package control_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/flow"
)

// Six flows of one account on one schedule cost what one would, whatever their
// number: an idle cycle is one pass.
func TestIdleCycle(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		var offset atomic.Int64
		offset.Store(-int64(10 * time.Minute))
		s := openShop(t, database, func(s *shop) {
			s.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		})
		// Once the clock is set right, a slot passed two minutes ago.
		quarterly := map[string]any{"startTime": fmt.Sprint(s.now().Add(-7 * time.Minute).Unix()), "frequency": "minute", "interval": "15"}
		for _, resource := range inOrder() {
			s.flow(t, resource, quarterly)
		}
		for resource, id := range s.flows {
			if run := s.ended(t, id, 1); status(run) != "success" || count(run, "output") != len(s.truth(t, resource)) {
				t.Fatalf("%s: %v\n%s", resource, run, s.said())
			}
		}
		s.exact(t)
		s.sim.ResetStats()
		offset.Store(0)
		s.plane.Runner.Nudge(t.Context(), flow.Ref{})
		for resource, id := range s.flows {
			if run := s.ended(t, id, 2); status(run) != "success" || count(run, "input") != 0 || count(run, "output") != 0 {
				t.Errorf("%s: %v", resource, run)
			}
		}
		if n := s.sim.Stats().Requests; n < 1 || n > 3 {
			t.Errorf("%d requests: %v", n, s.sim.Stats().Endpoints)
		}
		for _, dataset := range s.datasets {
			if batches := s.must(200, "GET", "/data/foundation/catalog/batches?dataSet="+dataset, nil).json(t); len(batches) != 1 {
				t.Errorf("batches %v", batches)
			}
		}
	})
}

// Two flows of one resource read it once, and each has all of it.
func TestTwoFlowsOfAResource(t *testing.T) {
	t.Parallel()
	s := openShop(t, "")
	s.ended(t, s.flow(t, "charges", daily()), 1)
	first := s.datasets["charges"]
	s.sim.ResetStats()
	s.ended(t, s.flow(t, "charges", daily()), 1)
	if n := s.sim.Stats().Requests; n > 3 { // what is new is asked for, and no charge is read again
		t.Errorf("%d requests: %v", n, s.sim.Stats().Endpoints)
	}
	s.exact(t)
	s.datasets["charges"] = first
	s.exact(t)
}
