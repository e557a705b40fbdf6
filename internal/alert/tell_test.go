package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

// titles are what is told of the flow named F.
const (
	failed    = "[Tributary prod] Dataflow \"F\" failed"
	succeeded = "[Tributary prod] Dataflow \"F\" succeeded"
	again     = "[Tributary prod] Dataflow \"F\" works again"
	late      = "[Tributary prod] Dataflow \"F\" is late"
	began     = "[Tributary prod] Dataflow \"F\" has begun a run"
	empty     = "[Tributary prod] Dataflow \"F\" succeeded and brought no data"
	budget    = "[Tributary prod] Stripe's read allocation is running out"
	drift     = "[Tributary prod] Stripe sends something new of charges"
)

func of(k alert.Kind, run string) alert.Event {
	return alert.Event{Kind: k, Flow: "f", FlowName: "F", Run: run}
}

func keyed(e alert.Event, key string) alert.Event {
	e.Key = key
	return e
}

func over(e alert.Event) alert.Event {
	e.Over = true
	return e
}

// What is told of events, in their order.
func TestTold(t *testing.T) {
	t.Parallel()
	stripeBudget := alert.Event{Kind: alert.ReadBudget, Key: "warn"}
	stripeDrift := alert.Event{Kind: alert.Drift, Resource: "charges", Key: "a,b"}
	other := alert.Event{Kind: alert.RunFailure, Flow: "g", FlowName: "G", Run: "1"}
	var many []alert.Event
	for i := range 40 {
		many = append(many, of(alert.RunFailure, fmt.Sprint(i)))
	}
	tests := []struct {
		name   string
		kinds  []alert.Kind // nil for the usual ones
		flows  []string
		events []alert.Event
		mails  []string
		shown  []string // notices, oldest first, with their counts
	}{
		{
			name: "a failure again and again", events: many,
			mails: []string{failed}, shown: []string{`run-failure 40`},
		},
		{
			name:   "works again",
			events: append(append([]alert.Event{}, many[:3]...), of(alert.RunSuccess, "s1"), of(alert.RunSuccess, "s2"), of(alert.RunFailure, "x")),
			mails:  []string{failed, again, failed}, shown: []string{"run-failure 3", "run-recovered 1", "run-failure 1"},
		},
		{
			name: "no data is a success", events: []alert.Event{many[0], of(alert.RunNoData, "n")},
			mails: []string{failed, again}, shown: []string{"run-failure 1", "run-recovered 1"},
		},
		{
			name: "another failure", events: []alert.Event{keyed(many[0], "a"), keyed(many[1], "b"), keyed(many[2], "a"), keyed(many[3], "b"), of(alert.RunSuccess, "s")},
			mails: []string{failed, failed, again}, shown: []string{"run-failure 2", "run-failure 2", "run-recovered 1"},
		},
		{
			name: "each run is told once", kinds: []alert.Kind{alert.RunStart, alert.RunSuccess, alert.RunFailure},
			events: []alert.Event{of(alert.RunStart, "1"), of(alert.RunStart, "1"), of(alert.RunSuccess, "1"), of(alert.RunSuccess, "1"), of(alert.RunFailure, "2"), of(alert.RunFailure, "2")},
			mails:  []string{began, succeeded, failed}, shown: []string{"run-failure 1"},
		},
		{
			name: "successes for who wants them, once", kinds: []alert.Kind{alert.RunSuccess, alert.RunFailure},
			events: []alert.Event{of(alert.RunSuccess, "1"), of(alert.RunFailure, "2"), of(alert.RunNoData, "3")},
			mails:  []string{succeeded, failed, empty}, shown: []string{"run-failure 1", "run-recovered 1"},
		},
		{
			name: "runs without data alone", kinds: []alert.Kind{alert.RunNoData},
			events: []alert.Event{of(alert.RunSuccess, "1"), of(alert.RunNoData, "3")}, mails: []string{empty},
		},
		{
			name: "late once, until a run begins", events: []alert.Event{of(alert.RunDelay, ""), of(alert.RunDelay, ""), of(alert.RunStart, "1"), of(alert.RunDelay, "")},
			mails: []string{late, late}, shown: []string{"run-delay 2", "run-delay 1"},
		},
		{
			name: "the budget, once for each crossing", events: []alert.Event{stripeBudget, stripeBudget, over(stripeBudget), over(stripeBudget), stripeBudget, keyed(stripeBudget, "stop"), keyed(stripeBudget, "stop")},
			mails: []string{budget, budget, budget}, shown: []string{"read-budget 2", "read-budget 1", "read-budget 2"},
		},
		{
			name: "drift, once for each set of fields", events: []alert.Event{stripeDrift, stripeDrift, keyed(stripeDrift, "a,b,c"), stripeDrift},
			mails: []string{drift, drift}, shown: []string{"drift 3", "drift 1"},
		},
		{
			name: "of some flows", flows: []string{"f"}, events: []alert.Event{other, of(alert.RunFailure, "1"), stripeDrift},
			mails: []string{failed, drift}, shown: []string{"run-failure 1", "run-failure 1", "drift 1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			s := w.service()
			subscribe(t, s, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}, Kinds: tt.kinds, Flows: tt.flows})
			for _, e := range tt.events {
				w.clock.forward(time.Second)
				tell(t, s, prod, e)
			}
			run(t, s)
			w.idle(t, s)
			if diff := cmp.Diff(tt.mails, w.mail.subjects()); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.shown, notices(t, s)); diff != "" {
				t.Errorf("notices (-want +got):\n%s", diff)
			}
		})
	}
}

func notices(t testing.TB, s *alert.Service) []string {
	t.Helper()
	all, _, err := s.Notices(t.Context(), prod, alert.NoticeQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, n := range all {
		shown = append([]string{fmt.Sprintf("%s %d", n.Kind, n.Count)}, shown...)
	}
	return shown
}

// The message that a flow works again tells how often it had failed.
func TestRecoveryCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	subscribe(t, s, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}})
	for i := range 37 {
		tell(t, s, prod, of(alert.RunFailure, fmt.Sprint(i)))
	}
	tell(t, s, prod, of(alert.RunSuccess, "last"))
	run(t, s)
	w.idle(t, s)
	if text := w.mail.last().Text; !strings.Contains(text, "It had failed 37 times since 2026-03-02 10:00:00 UTC.") {
		t.Error(text)
	}
}

// Programs get an event of each run: webhooks that were made so tell each
// failure.
func TestEveryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	subscribe(t, s, prod, alert.Subscription{Channel: alert.Webhook, URL: w.hook.server.URL, EveryRun: true})
	tell(t, s, prod, of(alert.RunFailure, "1"), of(alert.RunFailure, "2"), of(alert.RunFailure, "2"), of(alert.RunSuccess, "3"))
	tell(t, s, prod, alert.Event{Kind: alert.Drift, Key: "k"}, alert.Event{Kind: alert.Drift, Key: "k"})
	run(t, s)
	w.idle(t, s)
	var got []string
	for _, g := range w.hook.all(t) {
		got = append(got, g.Event.Alert.Kind+" "+g.Event.Header.IO.EventCode+" "+g.Event.Alert.RunID)
	}
	want := []string{"run-failure sources_flow_run_failure 1", "run-failure sources_flow_run_failure 2", "run-recovered sources_flow_run_success 3", "drift sources_drift "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What can't be told is the caller's mistake; what is only ugly is told.
func TestCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	for name, e := range map[string]alert.Event{
		"kind":    {Kind: "run-away"},
		"derived": {Kind: alert.Recovered},
		"body":    {Kind: alert.RunStart, Body: []byte("{")},
		"flow":    {Kind: alert.RunStart, Flow: strings.Repeat("f", 201)},
		"nul":     {Kind: alert.RunStart, Key: "a\x00"},
	} {
		if err := s.Tell(t.Context(), prod, e); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	tell(t, s, prod, alert.Event{
		Kind: alert.RunFailure, FlowName: "F\r\nBcc: x@example.com\x00\u202e", Title: "\xff two\nlines " + strings.Repeat("x", 300), Text: "a\r\nb\x1b[31m" + strings.Repeat("y", 5000),
		Body: []byte(`"` + strings.Repeat("z", 300<<10) + `"`),
	})
	all, _, err := s.Notices(t.Context(), prod, alert.NoticeQuery{Limit: 1})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	n := all[0]
	if n.FlowName != "F Bcc: x@example.com" || strings.ContainsAny(n.Title, "\n\r") || len([]rune(n.Title)) != 200 || len([]rune(n.Text)) != 4000 || !strings.HasPrefix(n.Text, "a\nb [31m") {
		t.Errorf("%q %q %.20q", n.FlowName, n.Title, n.Text)
	}
}

// In one transaction with something else, an event is put down with it or not
// at all.
func TestTellIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	for _, fails := range []bool{true, false} {
		err := s.DB.Do(t.Context(), func(tx *docstore.Tx) error {
			if err := s.TellIn(tx, prod, of(alert.RunFailure, "1")); err != nil || !fails {
				return err
			}
			return docstore.ErrStale
		})
		if (err != nil) != fails {
			t.Fatal(err)
		}
		if got := len(notices(t, s)); got != map[bool]int{true: 0, false: 1}[fails] {
			t.Errorf("fails %t: %d notices", fails, got)
		}
	}
}

// Events of a sandbox reach nobody in another one.
func TestPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	dev := gatewaytest.Admin("dev")
	subscribe(t, s, dev, alert.Subscription{Channel: alert.Email, To: []string{"dev@example.com"}})
	subscribe(t, s, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}})
	tell(t, s, prod, of(alert.RunFailure, "1"))
	run(t, s)
	w.idle(t, s)
	if got := w.mail.subjects(); len(got) != 1 || w.mail.last().To != "ops@example.com" {
		t.Error(got, w.mail.last().To)
	}
	all, _, err := s.Notices(t.Context(), dev, alert.NoticeQuery{Limit: 1})
	if err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}
