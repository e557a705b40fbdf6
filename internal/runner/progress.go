package runner

import (
	"context"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/flow"
)

// showEvery is how often a run puts down how far it is, where it got further.
const showEvery = 2 * time.Second

// shown is how far a run is, for others to see while it goes on.
type shown struct {
	mu      sync.Mutex
	changed bool
	now     standing
}

type standing struct {
	read, left int64     // objects read for the copy, and pages of them that are left, about
	promotes   time.Time // when the copy was up to date; zero before
	records    flow.Records
}

func (s *shown) set(fn func(*standing)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.now
	fn(&s.now)
	s.changed = s.changed || s.now != was
}

// take returns how far it is, if that has changed.
func (s *shown) take() (now standing, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed, s.changed = s.changed, false
	return s.now, changed
}

// pass returns what is told of the pass over the account.
func (s *shown) pass(resource string) func(app.Progress) {
	return func(p app.Progress) {
		for _, one := range p.Resources {
			if one.Resource == resource {
				s.set(func(now *standing) { now.read, now.left = one.Counts.Read, int64(one.PagesLeft+0.5) })
			}
		}
	}
}

func (s *shown) copied(at time.Time) { s.set(func(now *standing) { now.promotes, now.left = at, 0 }) }

func (s *shown) mapped(r flow.Records) { s.set(func(now *standing) { now.records = r }) }

// show puts down how far the run is, every so often, until hide is called. A failure
// to do so is none of the run's: who lost the lease learns that elsewhere.
func (j *job) show(ctx context.Context) (hide func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(showEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if now, changed := j.shown.take(); changed {
				_ = j.Flows.Progress(ctx, j.ref, j.holder, func(run *flow.Run) { j.progress(run, now) })
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// progress fills in how far a run is.
func (j *job) progress(run *flow.Run, now standing) {
	copying := j.copyActivity(flow.InProgress)
	copying.Records, copying.Updated = flow.Records{Input: now.read, Output: now.read}, j.Now().UnixMilli()
	if now.left > 0 {
		copying.Status.Extensions["pagesLeft"] = now.left
	}
	run.Activities = []flow.Activity{copying}
	run.Metrics.Records = now.records
	if now.promotes.IsZero() {
		return
	}
	run.Activities[0].Status.Status, run.Activities[0].Duration.Completed = flow.Success, now.promotes.UnixMilli()
	promotion := j.promotionActivity(now.promotes)
	promotion.Records, promotion.Updated = now.records, copying.Updated
	run.Activities = append(run.Activities, promotion)
}
