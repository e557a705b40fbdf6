package erasure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/lease"
	"github.com/tributary-data/tributary/internal/problem"
)

// Run does the requests, one after the other, until ctx ends. What is cut short is
// gone on with by whoever comes next: any number of processes may do it.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		id, k, ok, err := s.claim(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the privacy requests that wait can't be read", "error", err)
		}
		if ok {
			s.work(ctx, id, k)
			continue
		}
		timer := time.NewTimer(cmp.Or(s.Poll, 5*time.Second))
		select {
		case <-ctx.Done():
		case <-s.bell.Rung():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (s *Service) length() time.Duration { return cmp.Or(s.LeaseFor, time.Minute) }

// claim takes one of the tasks that nobody works on.
func (s *Service) claim(ctx context.Context) (id string, mine task, ok bool, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		ok = false
		docs, err := t.List(docstore.Scope{}, kindTask, docstore.Page{})
		if err != nil {
			return err
		}
		now := s.Now()
		for _, d := range docs {
			var k task
			if err := json.Unmarshal(d.Body, &k); err != nil {
				return err
			}
			if taken, _ := k.Take(now, s.length()); !taken {
				continue
			}
			id, mine, ok = d.ID, k, true
			return t.Store(docstore.Scope{}, d, k)
		}
		return nil
	})
	return id, mine, ok && err == nil, err
}

// change changes a request and its task, while that is this worker's; lease.ErrLost when
// it is not. over removes the task, and with it the customer.
func (s *Service) change(ctx context.Context, id string, mine task, fn func(k *task, r *Request) (over bool)) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		k, d, err := docstore.Body[task](t, docstore.Scope{}, kindTask, id)
		if errors.Is(err, docstore.ErrNotFound) || err == nil && k.Holder != mine.Holder {
			return lease.ErrLost
		}
		if err != nil {
			return err
		}
		scope := docstore.Scope{Org: mine.Org, Sandbox: mine.Sandbox}
		r, doc, err := docstore.Body[Request](t, scope, kindRequest, id)
		if errors.Is(err, docstore.ErrNotFound) {
			return lease.ErrLost
		}
		if err != nil {
			return err
		}
		over := fn(&k, &r)
		if err := t.Store(scope, doc, r); err != nil {
			return err
		}
		if over {
			return t.Delete(docstore.Scope{}, kindTask, id)
		}
		return t.Store(docstore.Scope{}, d, k)
	})
}

// work does a request from where it stands.
func (s *Service) work(ctx context.Context, id string, k task) {
	renewal := lease.Renewal{Length: s.length(), Every: s.length() / 4, Now: s.Now, Renew: func(ctx context.Context) error {
		return s.change(ctx, id, k, func(k *task, _ *Request) bool {
			k.Renew(s.Now(), s.length())
			return false
		})
	}}
	err := lease.Hold(ctx, renewal, func(ctx context.Context) error { return s.stores(ctx, id, k) })
	if errors.Is(err, lease.ErrLost) {
		return
	}
	after, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := s.settle(after, id, k, ctx.Err() != nil, err); err != nil && !errors.Is(err, lease.ErrLost) {
		s.Log.ErrorContext(ctx, "a privacy request does not say how it went; it is gone on with when its lease is over", "request", id, "error", err)
	}
}

// stores removes the customer from the stores that are left.
func (s *Service) stores(ctx context.Context, id string, k task) error {
	customer, err := s.Keys.Open(k.Customer.Text, about(id))
	if err != nil {
		return err
	}
	var units []string
	if k.Units != nil {
		text, err := s.Keys.Open(k.Units.Text, about(id)+"/units")
		if err == nil {
			err = json.Unmarshal(text, &units)
		}
		if err != nil {
			return err
		}
	}
	c, err := s.Operator(ctx, k.Org, k.Sandbox)
	if err != nil {
		return err
	}
	done := map[string]bool{}
	about := Subject{Request: id, Customer: string(customer), Units: units}
	err = s.change(ctx, id, k, func(_ *task, r *Request) bool {
		r.State, r.Waits = Running, ""
		if r.StartedAt == 0 {
			r.StartedAt = s.Now().UnixMilli()
		}
		about.Books, about.Copy, about.Asked = r.Mode == Everything, r.Copy, time.UnixMilli(r.AskedAt)
		for _, d := range r.Steps {
			done[d.Store] = true
		}
		return false
	})
	if err != nil {
		return err
	}
	for _, store := range s.Stores {
		if done[store.Name] {
			continue
		}
		removed, err := store.Do(ctx, c, about)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return &problem.Error{Kind: problem.KindOf(err), Detail: store.Name + ": " + strings.ReplaceAll(err.Error(), about.Customer, mask(about.Customer))}
		}
		if removed == nil {
			removed = []Removed{}
		}
		err = s.change(ctx, id, k, func(k *task, r *Request) bool {
			k.Tries = 0
			r.Steps = append(r.Steps, Done{store.Name, removed})
			return false
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mostTries is how often a request is tried in vain, with longer and longer
// pauses, before it is given up: about a day.
const mostTries = 300

// settle ends a request, or gives it back.
func (s *Service) settle(ctx context.Context, id string, mine task, stopped bool, err error) error {
	return s.change(ctx, id, mine, func(k *task, r *Request) bool {
		now := s.Now()
		k.Give()
		switch kind := problem.KindOf(err); {
		case stopped:
			r.State = Queued
			return false
		case err == nil:
			r.State, r.EndedAt = Complete, now.UnixMilli()
			return true
		case k.Tries < mostTries && kind != problem.Invalid && kind != problem.Conflict:
			k.Tries++
			k.After = now.Add(min(time.Duration(k.Tries)*time.Second, 5*time.Minute)).UnixMilli()
			r.State, r.Waits = Queued, err.Error()
			return false
		}
		r.State, r.Error, r.EndedAt = Failed, err.Error(), now.UnixMilli()
		return true
	})
}
