package copies

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/lease"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Bounds of the work.
const (
	workers  = 2         // reconciles at once in a process: each reads all of an account
	patience = time.Hour // for what time heals
	mostLost = 5         // workers that fall silent over one reconcile before it is given up
	poll     = 5 * time.Second
)

// Run does the reconciles that were asked for, until ctx ends. What is cut short
// is gone on with by whoever comes next: any number of processes may do it.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan struct{}, workers)
	running := 0
	for {
		for running < workers {
			k, ok, err := s.claim(ctx)
			if err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "the reconciles that wait can't be read", "error", err)
			}
			if !ok {
				break
			}
			running++
			wg.Go(func() {
				s.work(ctx, k)
				ended <- struct{}{}
			})
		}
		timer := time.NewTimer(cmp.Or(s.Poll, poll))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-ended:
			running--
		case <-s.bell.Rung():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// claim takes one of the tasks that nobody works on.
func (s *Service) claim(ctx context.Context) (mine task, ok bool, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		ok = false
		docs, err := t.List(docstore.Scope{}, kindTask, docstore.Page{})
		if err != nil {
			return err
		}
		for _, d := range docs {
			var k task
			if err := json.Unmarshal(d.Body, &k); err != nil {
				return err
			}
			taken, lost := k.Take(s.Now(), s.leaseFor())
			if !taken {
				continue
			}
			if lost {
				k.Lost++
			}
			mine, ok = k, true
			return t.Store(docstore.Scope{}, d, k)
		}
		return nil
	})
	return mine, ok && err == nil, err
}

// change changes a reconcile and its task, while that is this worker's; lease.ErrLost
// when it is not. over removes the task.
func (s *Service) change(ctx context.Context, mine task, fn func(k *task, v *Reconcile) (over bool)) error {
	gone := false
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		gone = false
		r := mine.ref()
		k, d, err := docstore.Body[task](t, docstore.Scope{}, kindTask, taskID(r))
		if errors.Is(err, docstore.ErrNotFound) || err == nil && k.Holder != mine.Holder {
			return lease.ErrLost
		}
		if err != nil {
			return err
		}
		v, doc, err := docstore.Body[Reconcile](t, scope(r, mine.Org), kindState, r.Copy)
		if errors.Is(err, docstore.ErrNotFound) { // its sandbox was emptied
			gone = true
			return t.Delete(docstore.Scope{}, kindTask, taskID(r))
		}
		if err != nil {
			return err
		}
		over := fn(&k, &v)
		if err := t.Store(scope(r, mine.Org), doc, v); err != nil {
			return err
		}
		if over {
			return t.Delete(docstore.Scope{}, kindTask, taskID(r))
		}
		return t.Store(docstore.Scope{}, d, k)
	})
	if err == nil && gone {
		return lease.ErrLost
	}
	return err
}

// A job is a reconcile at work.
type job struct {
	*Service
	task task

	mu   sync.Mutex
	at   string // the resource that is being compared, "" for none
	step Step
}

// work does a reconcile from where it stands.
func (s *Service) work(ctx context.Context, k task) {
	j := &job{Service: s, task: k}
	err := lease.Hold(ctx, lease.Renewal{Length: s.leaseFor(), Every: min(s.leaseFor()/4, 2*time.Second), Now: s.Now, Renew: j.renew}, j.guarded)
	if errors.Is(err, lease.ErrLost) {
		return
	}
	after, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := j.settle(after, ctx.Err() != nil, err); err != nil && !errors.Is(err, lease.ErrLost) {
		s.Log.ErrorContext(ctx, "a reconcile does not say how it went; it is gone on with when its lease is over", "copy", k.Copy, "error", err)
	}
}

// guarded does the resources that are left. What panics fails it, or it would be
// tried for ever.
func (j *job) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.Log.ErrorContext(ctx, "a reconcile panicked", "copy", j.task.Copy, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = problem.Errorf(problem.Invalid, "an internal error, which the log of the server describes; please report it")
		}
	}()
	if j.task.Lost > mostLost {
		return problem.Errorf(problem.Conflict, "%d processes that were at work on it ended before it did", j.task.Lost)
	}
	c, err := j.Operator(ctx, j.task.Org, j.task.Sandbox)
	if err != nil {
		return err
	}
	open, err := j.opening(ctx, c, j.task.Copy)
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return closed(j.task.Copy)
	}
	cred, err := j.Flows.Credentials(open[0])
	if err != nil {
		return err
	}
	var left []Progress
	var accept bool
	err = j.change(ctx, j.task, func(_ *task, v *Reconcile) bool {
		v.State, v.Waits, accept = Running, "", v.AcceptDeletes
		if v.StartedAt == 0 {
			v.StartedAt = j.Now().UnixMilli()
		}
		left = v.left()
		return false
	})
	if err != nil {
		return err
	}
	// One after the other, and the copy is given back in between: runs that wait
	// for it have their turn.
	for _, p := range left {
		j.begin(p.Resource)
		err := j.Data.Reconcile(ctx, j.task.ref(), cred, Ask{Resource: p.Resource, AcceptDeletes: accept, Tell: j.tell})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if waits(err) {
			return err
		}
		if j.At != nil {
			j.At(j.task.ref(), p.Resource)
		}
		if err := j.ended(ctx, p.Resource, err); err != nil {
			return err
		}
	}
	return nil
}

// waits says whether time heals an error: it is tried again then.
func waits(err error) bool {
	kind := problem.KindOf(err)
	return err != nil && (kind == problem.Unavailable || kind == problem.Internal || kind == problem.Stale)
}

// left are the resources that were not compared yet.
func (v *Reconcile) left() (all []Progress) {
	for _, p := range v.Resources {
		if p.State != Done && p.State != Failed {
			all = append(all, p)
		}
	}
	return all
}

// queue puts it, and what was under way of it, back.
func (v *Reconcile) queue() {
	v.State = Queued
	for i := range v.Resources {
		if v.Resources[i].State == Running {
			v.Resources[i].State = Queued
		}
	}
}

func (v *Reconcile) set(resource string, fn func(*Progress)) {
	for i := range v.Resources {
		if v.Resources[i].Resource == resource {
			fn(&v.Resources[i])
		}
	}
}

func (j *job) begin(resource string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.at, j.step = resource, Step{}
}

func (j *job) tell(s Step) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.step = s
}

// show puts down how far it is.
func (j *job) show(v *Reconcile) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v.set(j.at, func(p *Progress) {
		p.Read, p.Requests, p.PagesLeft = j.step.Read, j.step.Requests, int64(j.step.PagesLeft+0.5)
		if p.State == Queued && j.step.Requests > 0 {
			p.State = Running
		}
	})
}

// ended puts down what a resource came to.
func (j *job) ended(ctx context.Context, resource string, err error) error {
	return j.change(ctx, j.task, func(k *task, v *Reconcile) bool {
		j.show(v)
		k.Since = 0
		v.set(resource, func(p *Progress) {
			p.State, p.Error, p.Guarded, p.PagesLeft = Done, "", false, 0
			if err != nil {
				p.State, p.Error = Failed, stripe.Redact(err.Error())
				_, p.Guarded = errors.AsType[*Guarded](err)
			}
		})
		return false
	})
}

// renew renews the lease, and shows how far it is.
func (j *job) renew(ctx context.Context) error {
	return j.change(ctx, j.task, func(k *task, v *Reconcile) bool {
		k.Renew(j.Now(), j.leaseFor())
		j.show(v)
		return false
	})
}

// settle ends a reconcile, or gives it back.
func (j *job) settle(ctx context.Context, stopped bool, err error) error {
	return j.change(ctx, j.task, func(k *task, v *Reconcile) bool {
		now := j.Now()
		k.Give()
		if stopped {
			v.queue()
			return false
		}
		if waits(err) {
			if k.Since == 0 {
				k.Since = now.UnixMilli()
			}
			if waited := now.Sub(time.UnixMilli(k.Since)); waited < patience {
				k.After = now.Add(pause(err, waited)).UnixMilli()
				v.queue()
				v.Waits = stripe.Redact(err.Error())
				return false
			}
		}
		v.State, v.Waits, v.EndedAt = Done, "", now.UnixMilli()
		for i := range v.Resources {
			p := &v.Resources[i]
			if p.State != Done && p.State != Failed {
				p.State, p.Error = Failed, "it was not compared"
				if err != nil {
					p.Error = stripe.Redact(err.Error())
				}
			}
			if p.State == Failed {
				v.State = Failed
			}
		}
		return true
	})
}

// pause is how long to wait after an error that time heals.
func pause(err error, waited time.Duration) time.Duration {
	if errors.Is(err, ErrBusy) {
		return time.Second
	}
	return min(max(waited, 5*time.Second), 5*time.Minute)
}
