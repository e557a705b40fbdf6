package copies_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/copies"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

func ask(t *testing.T, s *copies.Service, resources ...string) {
	t.Helper()
	if _, err := s.Ask(t.Context(), prod, name, resources, true); err != nil {
		t.Fatal(err)
	}
}

func states(v copies.Reconcile) map[string]string {
	out := map[string]string{"": v.State}
	for _, p := range v.Resources {
		out[p.Resource] = p.State
	}
	return out
}

// Each resource is compared once, in turn; a failure of one leaves the others be.
func TestReconcile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ context.Context, a copies.Ask) error {
		if !a.AcceptDeletes {
			return errors.New("deletes were accepted")
		}
		if a.Resource == "charges" {
			return problem.Errorf(problem.Conflict, "sk_test_0123456789abcdef is for another account")
		}
		return nil
	})
	s := w.service()
	ask(t, s)
	if _, err := s.Ask(t.Context(), prod, name, nil, false); problem.KindOf(err) != problem.Conflict {
		t.Errorf("a second one while the first waits: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"": "queued", "charges": "queued", "prices": "queued"}, states(w.until(t, s, 0, copies.Queued))); diff != "" {
		t.Error(diff)
	}
	run(t, s)
	v := w.until(t, s, 0, copies.Done, copies.Failed)
	if diff := cmp.Diff(map[string]string{"": "failed", "charges": "failed", "prices": "complete"}, states(v)); diff != "" {
		t.Error(diff)
	}
	if v.Resources[1].Read != 7 || v.Resources[1].Requests != 1 || strings.Contains(v.Resources[0].Error, "0123456789") || v.AskedBy != prod.User {
		t.Errorf("%+v", v)
	}
	if diff := cmp.Diff([]string{"charges", "prices"}, w.plane.resources()); diff != "" {
		t.Error(diff)
	}
	ask(t, s, "prices")
	if v := w.until(t, s, 0, copies.Done, copies.Failed); v.State != copies.Done || len(v.Resources) != 1 {
		t.Errorf("%+v", v)
	}
}

// What is stopped goes on with the next process, at the resource where it was; no
// resource that has ended is compared again.
func TestStopped(t *testing.T) {
	t.Parallel()
	at := make(chan string, 10)
	var free atomic.Bool
	w := newWorld(t, func(ctx context.Context, a copies.Ask) error {
		at <- a.Resource
		if a.Resource == "prices" && !free.Load() {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	})
	s := w.service()
	ask(t, s)
	stop := run(t, s)
	<-at
	<-at
	stop()
	if v := w.until(t, s, 0, copies.Queued); v.Resources[0].State != copies.Done || v.Resources[1].State != copies.Queued {
		t.Errorf("%+v", v)
	}
	free.Store(true)
	next := w.service()
	run(t, next)
	w.until(t, next, 0, copies.Done)
	if diff := cmp.Diff([]string{"charges", "prices", "prices"}, w.plane.resources()); diff != "" {
		t.Error(diff)
	}
}

// Of a process that is silent the reconcile is taken over, and whoever was silent
// writes nothing any more. While nobody has it, it does not say that it runs.
func TestSilent(t *testing.T) {
	t.Parallel()
	began, hang, free := make(chan struct{}, 10), make(chan struct{}), make(chan struct{})
	var tries atomic.Int32
	w := newWorld(t, func(context.Context, copies.Ask) error {
		try := tries.Add(1)
		began <- struct{}{}
		if try == 1 {
			<-hang
			return problem.Errorf(problem.Conflict, "told too late")
		}
		<-free
		return nil
	})
	s, first := w.service(), w.service()
	first.Now = func() time.Time { return time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC) } // renews for a time that has passed
	ask(t, s, "charges")
	stop := run(t, first)
	<-began
	w.pass(time.Second)
	if v := w.until(t, s, 0, copies.Queued); v.EndedAt != 0 {
		t.Errorf("%+v", v)
	}
	run(t, s)
	release := sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	<-began
	close(hang)
	for range 30 { // it has time to say something
		if v := w.until(t, s, 0, copies.Running, copies.Done, copies.Failed); v.State != copies.Running || v.Resources[0].Error != "" {
			t.Fatalf("%+v", v)
		}
		time.Sleep(2 * time.Millisecond)
	}
	stop()
	release()
	if v := w.until(t, s, 0, copies.Done, copies.Failed); v.State != copies.Done {
		t.Errorf("%+v", v)
	}
}

// What time heals is tried again, and not for ever; a process that is in use is no
// failure.
func TestWaits(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	w := newWorld(t, func(context.Context, copies.Ask) error {
		switch tries.Add(1) {
		case 1:
			return copies.ErrBusy
		case 2:
			return problem.Errorf(problem.Unavailable, "Stripe failed to answer")
		}
		return nil
	})
	s := w.service()
	s.LeaseFor = 1000 * time.Hour // the clock goes fast
	run(t, s)
	ask(t, s, "charges")
	if v := w.until(t, s, time.Second, copies.Done, copies.Failed); v.State != copies.Done || tries.Load() != 3 || v.Waits != "" {
		t.Errorf("%d tries: %+v", tries.Load(), v)
	}
	w.flows.mu.Lock()
	w.flows.closed = true
	w.flows.mu.Unlock()
	if _, err := s.Ask(t.Context(), prod, name, nil, false); problem.KindOf(err) != problem.Conflict {
		t.Errorf("with no connection: %v", err)
	}

	w = newWorld(t, func(context.Context, copies.Ask) error {
		return problem.Errorf(problem.Unavailable, "Stripe failed to answer")
	})
	s = w.service()
	s.LeaseFor = 1000 * time.Hour
	run(t, s)
	ask(t, s)
	if v := w.until(t, s, time.Minute, copies.Done, copies.Failed); v.State != copies.Failed || !strings.Contains(v.Resources[1].Error, "Stripe failed") {
		t.Errorf("%+v", v)
	}
}

// A reconcile that panics has failed, and the process goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(context.Context, copies.Ask) error { panic("a defect") })
	s := w.service()
	run(t, s)
	ask(t, s, "prices")
	if v := w.until(t, s, 0, copies.Done, copies.Failed); v.State != copies.Failed || strings.Contains(v.Resources[0].Error, "a defect") {
		t.Errorf("%+v", v)
	}
}

// A sandbox that goes ends the work on its copies.
func TestForget(t *testing.T) {
	t.Parallel()
	began, ended := make(chan struct{}), make(chan error, 1)
	w := newWorld(t, func(ctx context.Context, _ copies.Ask) error {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	})
	s := w.service()
	run(t, s)
	ask(t, s, "prices")
	<-began
	if err := s.Forget(t.Context(), docstore.Scope{Org: prod.Org, Sandbox: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	w.until(t, s, 0, copies.Running)
	if err := s.Forget(t.Context(), prod.Scope()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Callers at once share one answer of Stripe's; a failure to reach it is not
// remembered, a refusal for a short time.
func TestProbes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.service()
	var asked atomic.Int32
	answer := func(err error) {
		w.flows.inspect = func(context.Context) (flow.Inspected, error) {
			asked.Add(1)
			return flow.Inspected{Verified: flow.Verified{Account: flow.Account{ID: "acct_1"}}}, err
		}
	}
	check := func(what string, want int32, failed bool) {
		t.Helper()
		if _, err := s.Account(t.Context(), prod, "c1"); (err != nil) != failed {
			t.Errorf("%s: %v", what, err)
		}
		if n := asked.Swap(0); n != want {
			t.Errorf("%s: asked %d times", what, n)
		}
	}
	answer(gateway.Fail(503, "", "", "not now"))
	check("not reached", 1, true)
	check("not reached again", 1, true)
	answer(gateway.Fail(400, "", "", "refused"))
	check("refused", 1, true)
	answer(nil)
	check("a moment after the refusal", 0, true)
	w.pass(11 * time.Second)
	check("later", 1, false)
	w.pass(50 * time.Second)
	check("within the minute", 0, false)
	w.pass(11 * time.Second)
	done := make(chan struct{})
	for range 5 {
		go func() {
			defer func() { done <- struct{}{} }()
			_, _ = s.Account(t.Context(), prod, "c1")
		}()
	}
	for range 5 {
		<-done
	}
	check("many at once", 1, false)
}
