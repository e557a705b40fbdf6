package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/problem"
)

func runs(n int) []alert.Event {
	var all []alert.Event
	for i := range n {
		e := of(alert.RunSuccess, fmt.Sprint(i))
		e.Body = json.RawMessage(fmt.Sprintf(`{"id":"%d","metrics":{"statusSummary":{"status":"success"}}}`, i))
		all = append(all, e)
	}
	return all
}

func hook(w *world) alert.Subscription {
	return alert.Subscription{Channel: alert.Webhook, URL: w.hook.server.URL + "/path", Kinds: alert.Kinds, EveryRun: true}
}

func ids(all []sent) []string {
	var ids []string
	for _, s := range all {
		ids = append(ids, s.Event.Alert.RunID)
	}
	return ids
}

// Three processes on one database deliver each alert once, and in order.
func TestTogether(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		services := []*alert.Service{w.service(), w.service(), w.service()}
		sub, _ := subscribe(t, services[0], prod, hook(w))
		run(t, services...)
		var wg sync.WaitGroup
		for i, s := range services {
			wg.Go(func() {
				for _, e := range runs(10) {
					e.Flow = fmt.Sprint("flow", i)
					e.Run = e.Flow + "/" + e.Run
					tell(t, s, prod, e)
				}
			})
		}
		wg.Wait()
		w.idle(t, services[1])
		got := ids(w.hook.all(t))
		if len(got) != 30 {
			t.Errorf("%d webhooks for 30 alerts", len(got))
		}
		for i := range services {
			mine := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return !strings.HasPrefix(id, fmt.Sprint("flow", i)) })
			if !slices.IsSortedFunc(mine, strings.Compare) || len(mine) != 10 {
				t.Errorf("out of order: %v", mine)
			}
		}
		sub, err := services[2].Subscription(t.Context(), prod, sub.ID)
		if err != nil || sub.Health.Status != "delivered" {
			t.Error(sub.Health, err)
		}
		nothingLeft(t, services[0])
	})
}

// nothingLeft fails unless nothing is left of what was to be delivered.
func nothingLeft(t testing.TB, s *alert.Service) {
	t.Helper()
	err := s.DB.Do(context.Background(), func(tx *docstore.Tx) error {
		for scope, kinds := range map[docstore.Scope][]string{
			{}: {"alertQueue"}, {Org: prod.Org, Sandbox: prod.Sandbox.ID}: {"alertDelivery", "alertGathered"},
		} {
			for _, kind := range kinds {
				docs, err := tx.List(scope, kind, docstore.Page{})
				if err != nil {
					return err
				}
				for _, d := range docs {
					t.Errorf("left: %s %s", d.Kind, d.Body)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A process that dies while a receiver has its webhook leaves it to another,
// which sends it again under the same id once the lease is over.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := newWorld(t, name)
		dying, living := w.service(), w.service()
		subscribe(t, dying, prod, hook(w))
		tell(t, dying, prod, runs(3)...)
		arrived, dead := make(chan struct{}), make(chan struct{})
		var once sync.Once
		w.hook.set(func(received) int {
			once.Do(func() { close(arrived) })
			return 200
		})
		// As if killed: what comes after the webhook arrived does not reach the database.
		broken := *dying.Client
		broken.Transport = roundTrip(func(r *request) (*response, error) {
			resp, err := dying.Client.Transport.RoundTrip(r)
			<-dead
			return resp, err
		})
		stopped := &alert.Service{DB: dying.DB, Keys: dying.Keys, Client: &broken, Now: dying.Now, Log: dying.Log, Poll: dying.Poll}
		if dying.Client.Transport == nil {
			t.Fatal("the receiver's client has no transport")
		}
		go func() { _ = stopped.Run(context.Background()) }()
		<-arrived
		if err := dying.DB.Close(); err != nil {
			t.Fatal(err)
		}
		close(dead)
		// Another subscription is served meanwhile, this one is not.
		subscribe(t, living, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}})
		tell(t, living, prod, of(alert.RunFailure, "f"))
		stop := run(t, living)
		until(t, "the other subscription is served", func() bool { return len(w.mail.subjects()) == 1 })
		stop()
		if n := w.hook.calls(); n != 1 {
			t.Fatalf("%d webhooks while the lease is good", n)
		}
		w.clock.forward(2 * time.Minute)
		run(t, living)
		w.idle(t, living)
		all := w.hook.all(t)
		if diff := cmp.Diff([]string{"0", "0", "1", "2", "f"}, ids(all)); diff != "" {
			t.Fatal(diff)
		}
		if all[0].EventID != all[1].EventID || all[0].EventID == all[2].EventID {
			t.Errorf("ids of events: %s %s %s", all[0].EventID, all[1].EventID, all[2].EventID)
		}
		nothingLeft(t, living)
	})
}

// A process that was stalled for longer than its lease leaves what it had in
// hand to the one that has it by now.
func TestStalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	arrived := make(chan int, 10)
	stalls := func(n int) (*alert.Service, func()) {
		s, free := w.service(), make(chan struct{})
		slow := *s.Client
		slow.Transport = roundTrip(func(r *request) (*response, error) {
			arrived <- n
			<-free
			return w.hook.server.Client().Transport.RoundTrip(r)
		})
		s.Client = &slow
		return s, sync.OnceFunc(func() { close(free) })
	}
	first, freeFirst := stalls(1)
	defer freeFirst()
	stood := w.clock.now()
	first.Now = func() time.Time { return stood } // so that it does not take over from itself
	second, freeSecond := stalls(2)
	defer freeSecond()
	subscribe(t, first, prod, hook(w))
	tell(t, first, prod, runs(3)...)
	stopFirst := run(t, first)
	if n := <-arrived; n != 1 {
		t.Fatal(n)
	}
	w.clock.forward(2 * time.Minute)
	run(t, second)
	if n := <-arrived; n != 2 {
		t.Fatal(n)
	}
	freeFirst()
	until(t, "the first one is through", func() bool { return w.hook.calls() == 1 })
	// It looks for what else there is, and finds that nothing is its own.
	subscribe(t, second, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}})
	tell(t, second, prod, of(alert.RunFailure, "f"))
	until(t, "the other subscription is served", func() bool { return len(w.mail.subjects()) == 1 })
	stopFirst()
	if n := w.hook.calls(); n != 1 || len(arrived) != 0 {
		t.Errorf("%d webhooks, and %d on their way", n, len(arrived))
	}
	freeSecond()
	w.idle(t, second)
	if diff := cmp.Diff([]string{"0", "0", "1", "2", "f"}, ids(w.hook.all(t))); diff != "" {
		t.Error(diff)
	}
	nothingLeft(t, second)
}

// A Run that is told to end gives back what it had in hand, and the next one
// goes on at once.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	subscribe(t, s, prod, hook(w))
	n := 20
	if testing.Short() {
		n = 6
	}
	tell(t, s, prod, runs(n)...)
	for w.due(t, s) {
		before := w.hook.calls()
		stop := run(t, s)
		until(t, "one more is delivered", func() bool { return w.hook.calls() > before || !w.due(t, s) })
		stop()
	}
	// What was in hand when it ended may come again, but nothing before what
	// comes before it.
	var got, want []string
	for _, id := range ids(w.hook.all(t)) {
		if !slices.Contains(got, id) {
			got = append(got, id)
		}
	}
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	nothingLeft(t, s)
}

// A receiver that is down is asked less and less often, and gets all of it, in
// order, when it is back.
func TestBackOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	sub, _ := subscribe(t, s, prod, hook(w))
	other, _ := subscribe(t, s, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}, Kinds: alert.Kinds})
	tell(t, s, prod, runs(3)...)
	down := true
	w.hook.set(func(received) int {
		if down {
			return 503
		}
		return 200
	})
	run(t, s)
	w.idle(t, s)
	for _, pause := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute} {
		n := w.hook.calls()
		w.clock.forward(pause - time.Second)
		w.idle(t, s)
		if w.hook.calls() != n {
			t.Errorf("asked before %s are over", pause)
		}
		w.clock.forward(time.Second)
		until(t, "asked again", func() bool { return w.hook.calls() == n+1 })
		w.idle(t, s)
	}
	health := func(id string) alert.Health {
		sub, err := s.Subscription(t.Context(), prod, id)
		if err != nil {
			t.Fatal(err)
		}
		return sub.Health
	}
	if h := health(sub.ID); h.Status != "failing" || h.Error != "it answered 503" {
		t.Error(h)
	}
	if h := health(other.ID); h.Status != "delivered" || len(w.mail.subjects()) != 3 {
		t.Errorf("the other subscription: %v, %v", h, w.mail.subjects())
	}
	w.hook.set(nil)
	w.clock.forward(10 * time.Minute)
	w.idle(t, s)
	if diff := cmp.Diff([]string{"0", "1", "2"}, ids(w.hook.all(t))); diff != "" {
		t.Error(diff)
	}
	if h := health(sub.ID); h.Status != "delivered" || h.GivenUp != 0 {
		t.Error(h)
	}
	nothingLeft(t, s)
}

// An alert that its receiver does not want keeps no other waiting, and is given
// up after three days; so is all that waits for one who is never back. The
// application shows it, once.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for _, status := range []int{422, 503, 302} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			s := w.service()
			sub, _ := subscribe(t, s, prod, hook(w))
			tell(t, s, prod, runs(5)...)
			w.hook.set(func(g received) int {
				if status != 422 || strings.Contains(string(g.body), `"id":"1"`) {
					return status
				}
				return 200
			})
			run(t, s)
			w.idle(t, s)
			if got := ids(w.hook.all(t)); status == 422 && !slices.Equal(got, []string{"0", "2", "3", "4"}) {
				t.Error(got)
			}
			for range 13 { // three days and six hours
				w.clock.forward(6 * time.Hour)
				w.idle(t, s)
			}
			nothingLeft(t, s)
			sub, err := s.Subscription(t.Context(), prod, sub.ID)
			if want := map[int]int{422: 1, 503: 5, 302: 5}[status]; err != nil || sub.Health.GivenUp != want {
				t.Error(sub.Health, err)
			}
			if got := notices(t, s); !slices.Equal(got, []string{"delivery-failure 1"}) {
				t.Error(got)
			}
			if n := w.hook.calls(); n > 40 {
				t.Errorf("it was asked %d times", n)
			}
		})
	}
}

// A mail that can't reach one of its addresses reaches the others, each once.
func TestAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	sub, _ := subscribe(t, s, prod, alert.Subscription{Channel: alert.Email, To: []string{"a@example.com", "gone@example.com", "b@example.com"}})
	tell(t, s, prod, of(alert.RunFailure, "1"))
	first := true
	w.mail.set(func(m alert.Mail) error {
		switch {
		case m.To == "gone@example.com":
			return problem.Errorf(problem.Invalid, "no such mailbox")
		case m.To == "b@example.com" && first:
			first = false
			return errors.New("not now")
		}
		return nil
	})
	run(t, s)
	w.idle(t, s)
	w.clock.forward(time.Minute)
	w.idle(t, s)
	var got []string
	w.mail.mu.Lock()
	defer w.mail.mu.Unlock()
	for _, m := range w.mail.got {
		got = append(got, m.To)
	}
	if !slices.Equal(got, []string{"a@example.com", "b@example.com"}) {
		t.Error(got)
	}
	sub, err := s.Subscription(t.Context(), prod, sub.ID)
	if err != nil || sub.Health.GivenUp != 1 || sub.Health.Error != "no such mailbox" {
		t.Error(sub.Health, err)
	}
	nothingLeft(t, s)
}

// What waits is bounded, and what was left out is told.
func TestBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	s.MaxWaiting = 20
	sub, _ := subscribe(t, s, prod, hook(w))
	tell(t, s, prod, runs(27)...)
	run(t, s)
	w.idle(t, s)
	if n := len(w.hook.all(t)); n != 20 {
		t.Errorf("%d delivered", n)
	}
	sub, err := s.Subscription(t.Context(), prod, sub.ID)
	if err != nil || sub.Health.LeftOut != 7 {
		t.Error(sub.Health, err)
	}
	nothingLeft(t, s)
}

// A digest comes at its hour, once, with what came since the last one; what
// happened often is one line.
func TestDigest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "") // 10:00
	s := w.service()
	subscribe(t, s, prod, alert.Subscription{
		Channel: alert.Email, To: []string{"ops@example.com"}, Delivery: alert.Daily, DigestHour: 6, Kinds: []alert.Kind{alert.RunFailure, alert.RunSuccess},
	})
	run(t, s)
	for i := range 30 {
		w.clock.forward(time.Minute)
		tell(t, s, prod, of(alert.RunFailure, fmt.Sprint("f", i)))
	}
	for i := range 10 {
		w.clock.forward(time.Minute)
		tell(t, s, prod, of(alert.RunSuccess, fmt.Sprint("s", i)))
	}
	w.idle(t, s)
	if got := w.mail.subjects(); len(got) != 0 {
		t.Fatal("before its hour:", got)
	}
	down := true
	w.mail.set(func(alert.Mail) error {
		if down {
			down = false
			return errors.New("not now")
		}
		return nil
	})
	w.clock.forward(20 * time.Hour) // 06:40
	w.idle(t, s)
	tell(t, s, prod, of(alert.RunFailure, "tomorrow"))
	w.clock.forward(time.Minute)
	w.idle(t, s)
	if got := w.mail.subjects(); !slices.Equal(got, []string{"[Tributary prod] 2 alerts"}) {
		t.Fatal(got)
	}
	want := `- Dataflow "F" failed
  30 times, 2026-03-02 10:01:00 UTC to 2026-03-02 10:30:00 UTC
- Dataflow "F" succeeded
  10 times, 2026-03-02 10:31:00 UTC to 2026-03-02 10:40:00 UTC
`
	if text := w.mail.last().Text; !strings.HasPrefix(text, want) {
		t.Error(text)
	}
	w.clock.forward(24 * time.Hour)
	w.idle(t, s)
	if got := w.mail.subjects(); !slices.Equal(got[1:], []string{"[Tributary prod] 1 alert"}) {
		t.Error(got)
	}
	nothingLeft(t, s)
}

// A subscription that becomes immediate gets what waited at the digest's hour,
// and what is new at once.
func TestDigestNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	sub := hook(w)
	sub.Delivery, sub.DigestHour = alert.Daily, 12
	sub, _ = subscribe(t, s, prod, sub)
	run(t, s)
	tell(t, s, prod, runs(2)...)
	if _, err := s.Change(t.Context(), prod, sub.ID, func(sub *alert.Subscription) error { sub.Delivery = alert.Immediate; return nil }); err != nil {
		t.Fatal(err)
	}
	tell(t, s, prod, of(alert.RunFailure, "new"))
	w.idle(t, s)
	w.clock.forward(3 * time.Hour)
	w.idle(t, s)
	var got []string
	for _, g := range w.hook.all(t) {
		got = append(got, g.Event.Alert.Kind)
	}
	if !slices.Equal(got, []string{"run-failure", "digest"}) {
		t.Error(got)
	}
	nothingLeft(t, s)
}

// What waits for a subscription goes with it, or when it is switched off.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"delete", "disable", "sandbox"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			s := w.service()
			sub, _ := subscribe(t, s, prod, hook(w))
			tell(t, s, prod, runs(3)...)
			var err error
			switch how {
			case "delete":
				err = s.Unsubscribe(t.Context(), prod, sub.ID)
			case "disable":
				_, err = s.Change(t.Context(), prod, sub.ID, func(sub *alert.Subscription) error { sub.Enabled = false; return nil })
			case "sandbox":
				err = s.DB.Do(t.Context(), func(tx *docstore.Tx) error { return tx.Clear(docstore.Scope{Org: prod.Org, Sandbox: prod.Sandbox.ID}) })
			}
			if err != nil {
				t.Fatal(err)
			}
			run(t, s)
			w.idle(t, s)
			if n := w.hook.calls(); n != 0 {
				t.Errorf("%d webhooks", n)
			}
			nothingLeft(t, s)
		})
	}
}

// Notices are there for 90 days, and at most so many of them.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	s.MaxNotices = 10
	count := func() (n int, places int) {
		err := s.DB.Do(context.Background(), func(tx *docstore.Tx) error {
			docs, err := tx.List(docstore.Scope{Org: prod.Org, Sandbox: prod.Sandbox.ID}, "alertNotice", docstore.Page{})
			if err != nil {
				return err
			}
			n = len(docs)
			docs, err = tx.List(docstore.Scope{}, "alertPlace", docstore.Page{})
			places = len(docs)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, places
	}
	for i := range 15 {
		tell(t, s, prod, alert.Event{Kind: alert.Drift, Key: fmt.Sprint(i)})
	}
	if n, places := count(); n != 15 || places != 1 {
		t.Fatal(n, places)
	}
	stop := run(t, s)
	until(t, "those that are too many go", func() bool { n, _ := count(); return n == 10 })
	stop()
	w.clock.forward(91 * 24 * time.Hour)
	if all := notices(t, s); len(all) != 0 {
		t.Errorf("%d old ones are shown", len(all))
	}
	run(t, s)
	until(t, "the old ones go", func() bool { n, places := count(); return n == 0 && places == 0 })
}
