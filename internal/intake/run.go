package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Run does what signals ask for, a bounded number of batches at once, until
// ctx ends. It begins with what was left over. Work that is cut short by ctx is
// taken up by the next Run.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan string)
	running := map[string]bool{}
	bell := s.bell()
	sweep := time.NewTicker(sweepTime)
	defer sweep.Stop()
	s.tidy(ctx)
	for {
		tasks, err := s.tasks(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the list of batches to take in can't be read", "error", err)
		}
		pause := maxPause
		if err != nil {
			pause = cmp.Or(s.Retry, time.Second)
		}
		for _, id := range tasks {
			if running[id] {
				continue
			}
			if wait := s.pause(id); wait > 0 {
				pause = min(pause, wait)
				continue
			}
			if len(running) == cmp.Or(s.Workers, 2) {
				break
			}
			running[id] = true
			wg.Go(func() {
				s.work(ctx, id)
				select {
				case ended <- id:
				case <-ctx.Done():
				}
			})
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case id := <-ended:
			delete(running, id)
		case <-bell:
		case <-sweep.C:
			s.tidy(ctx)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tidy ends what nobody ends, and removes what is too old to be kept.
func (s *Service) tidy(ctx context.Context) {
	if err := s.Sweep(ctx); err != nil {
		s.Log.ErrorContext(ctx, "old diagnostics can't be removed", "error", err)
	}
	if err := s.Abandon(ctx); err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "batches that nobody completed can't be abandoned", "error", err)
	}
}

// tasks returns the ids of the tasks, oldest first.
func (s *Service) tasks(ctx context.Context) ([]string, error) {
	var ids []string
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		ids = nil
		docs, err := t.List(docstore.Scope{}, kindTask, docstore.Page{})
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
		return err
	})
	return ids, err
}

// pause returns how long a task that failed is to be left alone.
func (s *Service) pause(id string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notAgain[id].Sub(s.Now())
}

// later sets when a task that failed is tried again, or forgets that it failed.
func (s *Service) later(id string, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !failed {
		delete(s.notAgain, id)
		delete(s.pauses, id)
		return
	}
	if s.notAgain == nil {
		s.notAgain, s.pauses = map[string]time.Time{}, map[string]time.Duration{}
	}
	s.pauses[id] = min(maxPause, max(2*s.pauses[id], cmp.Or(s.Retry, time.Second)))
	s.notAgain[id] = s.Now().Add(s.pauses[id])
}

// work does one task, and puts it off where it can't be done now.
func (s *Service) work(ctx context.Context, id string) {
	k, err := s.start(ctx, id)
	if err == nil && k.Batch != "" {
		err = s.guarded(ctx, k)
		if err == nil {
			err = s.finish(ctx, id, k)
		} else {
			err = errors.Join(err, s.giveUp(context.WithoutCancel(ctx), id))
		}
	}
	if ctx.Err() != nil {
		return
	}
	s.later(id, err != nil)
	if err != nil {
		s.Log.ErrorContext(ctx, "a batch can't be taken in now", "batch", k.Batch, "action", k.Action, "error", err)
		s.stall(ctx, k)
	}
}

// guarded turns a panic into an end of the batch: the process has others.
func (s *Service) guarded(ctx context.Context, k task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.ErrorContext(ctx, "a batch made the program panic", "batch", k.Batch, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = s.ended(ctx, k, catalog.Failed, nil, []catalog.BatchError{unreadable("", "its processing failed in a way that was not foreseen")})
		}
	}()
	switch k.Action {
	case promote:
		return s.promote(ctx, k)
	case revert:
		return s.revert(ctx, k)
	case abort:
		return s.dropped(ctx, k, catalog.Aborted)
	case fail:
		return s.dropped(ctx, k, catalog.Failed)
	case forgotten:
		return s.fail(ctx, k)
	case abandon:
		return s.ended(ctx, k, catalog.Abandoned, nil, s.abandoned())
	}
	return fmt.Errorf("a task has the action %q, which is not known", k.Action)
}

// start reads a task and counts that it is begun. One that is gone is empty.
func (s *Service) start(ctx context.Context, id string) (task, error) {
	return s.count(ctx, id, +1)
}

// giveUp counts that the task came to an end, though not to a good one.
func (s *Service) giveUp(ctx context.Context, id string) error {
	_, err := s.count(ctx, id, -1)
	return err
}

func (s *Service) count(ctx context.Context, id string, by int) (task, error) {
	var k task
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		k = task{}
		d, err := t.Get(docstore.Scope{}, kindTask, id)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal(d.Body, &k); err != nil {
			return fmt.Errorf("task %s: %w", id, err)
		}
		k.Starts = max(0, k.Starts+by)
		return t.Store(docstore.Scope{}, d, k)
	})
	return k, err
}

// finish removes a task that is done, unless there is another one by now.
func (s *Service) finish(ctx context.Context, id string, done task) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := t.Get(docstore.Scope{}, kindTask, id)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		var now task
		if err == nil {
			err = json.Unmarshal(d.Body, &now)
		}
		if err != nil || now.Action != done.Action {
			return err
		}
		return t.Delete(docstore.Scope{}, kindTask, id)
	})
}

// stall lets a batch say that its promotion takes longer.
func (s *Service) stall(ctx context.Context, k task) {
	if k.Action != promote {
		return
	}
	_, err := s.Catalog.ChangeBatch(ctx, k.caller(), k.Batch, func(b *catalog.Batch) error {
		if slices.Contains([]catalog.Status{catalog.Loaded, catalog.Staging, catalog.Active}, b.Status) {
			b.Status = catalog.Retrying
		}
		return nil
	})
	if err != nil && problem.KindOf(err) != problem.NotFound {
		s.Log.ErrorContext(ctx, "a batch can't be marked", "batch", k.Batch, "error", err)
	}
}

// dropped ends a batch that was given up by its client.
func (s *Service) dropped(ctx context.Context, k task, status catalog.Status) error {
	return s.ended(ctx, k, status, nil, nil)
}

// ended lets a batch say how it ended and removes its files.
func (s *Service) ended(ctx context.Context, k task, status catalog.Status, metrics *catalog.Metrics, errs []catalog.BatchError) error {
	_, err := s.Catalog.ChangeBatch(ctx, k.caller(), k.Batch, func(b *catalog.Batch) error {
		s.mark(b, status)
		if metrics != nil {
			b.Metrics = metrics
		}
		if errs != nil {
			b.Errors = errs
		}
		return nil
	})
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	s.at(AtDone)
	return s.clear(ctx, k)
}

// clear removes the staged files of a batch.
func (s *Service) clear(ctx context.Context, k task) error {
	if err := removeAll(s.staging(k.scope(), k.Batch)); err != nil {
		return err
	}
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		docs, err := t.List(k.scope(), kindFile, docstore.Page{Parent: k.Batch})
		if err != nil {
			return err
		}
		for _, d := range docs {
			if err := t.Delete(k.scope(), kindFile, d.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// revert takes the rows of a batch out of its dataset.
func (s *Service) revert(ctx context.Context, k task) error {
	b, err := s.Catalog.Batch(ctx, k.caller(), k.Batch)
	if err != nil {
		return gone(err)
	}
	d, err := s.Catalog.Dataset(ctx, k.caller(), b.DatasetID)
	if err != nil {
		return gone(err)
	}
	n, err := s.Tables.Revert(ctx, d.Table, b.ID)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	s.at(AtReverted)
	_, err = s.Catalog.ChangeBatch(ctx, k.caller(), k.Batch, func(b *catalog.Batch) error {
		s.mark(b, catalog.Deleted)
		if b.Metrics != nil && n > 0 {
			b.Metrics.DeletedRecordCount = n
		}
		return nil
	})
	return gone(err)
}

// gone is nil where there is nothing left to work on.
func gone(err error) error {
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	return err
}
