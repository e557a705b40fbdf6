package stripe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// A script answers one try after the other; the last answer repeats.
type script struct {
	answers []answer
	at      []time.Time // of the tries
}

type answer struct {
	status int
	header map[string]string
	body   string
	err    error
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	a := s.answers[min(len(s.at), len(s.answers)-1)]
	s.at = append(s.at, time.Now())
	if a.err != nil {
		return nil, a.err
	}
	h := http.Header{}
	for k, v := range a.header {
		h.Set(k, v)
	}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}

func (s *script) client(t *testing.T) *Client {
	return &Client{Key: mustKey(t, liveKey), HTTP: &http.Client{Transport: s}, Now: time.Now}
}

var (
	fine   = answer{status: 200, body: `{}`}
	nobody = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
)

func TestRetries(t *testing.T) {
	t.Parallel()
	should := func(v string) map[string]string { return map[string]string{"Stripe-Should-Retry": v} }
	reason := func(v, retry string) map[string]string {
		return map[string]string{"Stripe-Rate-Limited-Reason": v, "Stripe-Should-Retry": retry}
	}
	tests := []struct {
		name  string
		first answer
		again bool
	}{
		{"bad request", answer{status: 400}, false},
		{"key", answer{status: 401}, false},
		{"request failed", answer{status: 402}, false},
		{"forbidden", answer{status: 403}, false},
		{"gone", answer{status: 404}, false},
		{"bad request that should be retried", answer{status: 400, header: should("true")}, false},
		{"conflict", answer{status: 409}, true},
		{"conflict, should not", answer{status: 409, header: should("false")}, false},
		{"dependency", answer{status: 424}, true},
		{"lock", answer{status: 429, body: stripeError("lock_timeout", "locked")}, true},
		{"lock, should not", answer{status: 429, body: stripeError("lock_timeout", "locked"), header: should("false")}, false},
		{"rate", answer{status: 429, header: reason("global-rate", "")}, true},
		{"rate, whatever the header", answer{status: 429, header: reason("endpoint-rate", "false")}, true},
		{"rate, no reason", answer{status: 429, body: stripeError("rate_limit", "slow")}, true},
		{"internal", answer{status: 500}, true},
		{"internal, should", answer{status: 500, header: should("true")}, true},
		{"internal, should not", answer{status: 500, header: should("false")}, false},
		{"gateway page", answer{status: 502, body: "<html>"}, true},
		{"unavailable", answer{status: 503}, true},
		{"gateway timeout", answer{status: 504}, true},
		{"cut JSON", answer{status: 200, body: `{"object":"list","data":[{"id":"ch_`}, true},
		{"empty body", answer{status: 200}, true},
		{"a page with status 200", answer{status: 200, body: "<html>"}, true},
		{"not an object", answer{status: 200, body: "[]"}, true},
		{"other version", answer{status: 200, body: "{}", header: map[string]string{"Stripe-Version": "2026-08-26.dahlia"}}, false},
		{"reset", answer{err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}}, true},
		{"end of file", answer{err: io.ErrUnexpectedEOF}, true},
		{"refused", answer{err: nobody}, true},
		{"no such host", answer{err: &net.DNSError{Err: "no such host", IsNotFound: true}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []answer{tt.first, fine}}
				resp, err := s.client(t).Get(t.Context(), "/v1/x", "/v1/x", nil, 0)
				if tt.again {
					if err != nil || string(resp.Body) != "{}" || len(s.at) != 2 {
						t.Errorf("%d tries, %v", len(s.at), err)
					}
					return
				}
				var e *Error
				if !errors.As(err, &e) || e.Tries != 1 || len(s.at) != 1 {
					t.Errorf("%d tries, %v", len(s.at), err)
				}
			})
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		answers      []answer
		retry        Retry
		tries        int // 0 for any number
		least, most  time.Duration
		global       bool
		wantInString string
	}{
		{
			name: "Stripe down", answers: []answer{{status: 500}}, tries: 10,
			most: 256 * time.Second, wantInString: "10 tries",
		},
		{name: "as told", answers: []answer{{status: 500}}, retry: Retry{Tries: 3}, tries: 3, most: 2 * time.Second},
		{
			name: "limited for long", answers: []answer{{status: 429, header: map[string]string{"Stripe-Rate-Limited-Reason": "global-rate"}}},
			least: 14 * time.Minute, most: 15 * time.Minute, wantInString: "global-rate",
		},
		{
			name: "nobody there", answers: []answer{{err: nobody}}, tries: 4,
			most: 10 * time.Second, global: true, wantInString: "api.stripe.com cannot be reached: connection refused",
		},
		{
			name: "somebody else there", answers: []answer{{status: 200, body: "<html>"}}, tries: 4,
			most: 10 * time.Second, global: true, wantInString: "something that is not Stripe's API answered",
		},
		{
			name: "nobody says a word", answers: []answer{{err: errSilent}}, tries: 4,
			most: 10 * time.Second, global: true, wantInString: "api.stripe.com did not answer: no answer in time",
		},
		{
			name: "silence after an answer", answers: []answer{{status: 500}, {err: errSilent}}, tries: 10,
			most: 256 * time.Second, wantInString: "did not answer",
		},
		{
			name: "a broken answer of Stripe's", answers: []answer{{status: 200, body: "{", header: map[string]string{"Request-Id": "req_1"}}}, tries: 10,
			most: 256 * time.Second, wantInString: "can't be used",
		},
		{
			name: "gone after an answer", answers: []answer{{status: 500}, {err: nobody}}, tries: 10,
			most: 256 * time.Second, wantInString: "cannot be reached",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: tt.answers}
				c := s.client(t)
				c.Retry = tt.retry
				began := time.Now()
				_, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0)
				var e *Error
				if !errors.As(err, &e) || e.Kind != problem.Unavailable || e.Tries != len(s.at) || e.Global() != tt.global {
					t.Fatalf("%+v", err)
				}
				if tt.tries != 0 && e.Tries != tt.tries {
					t.Errorf("%d tries, want %d", e.Tries, tt.tries)
				}
				if d := time.Since(began); d < tt.least || d > tt.most {
					t.Errorf("took %v, want %v to %v", d, tt.least, tt.most)
				}
				if !strings.Contains(err.Error(), tt.wantInString) {
					t.Errorf("no %q in %q", tt.wantInString, err)
				}
			})
		})
	}
}

func TestWaits(t *testing.T) {
	t.Parallel()
	date := func(d time.Duration) string {
		return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)
	}
	tests := []struct {
		name, after string
		want        time.Duration // at least; at most half a second more
	}{
		{"none", "", 0},
		{"seconds", "7", 7 * time.Second},
		{"fraction", "2.5", 2500 * time.Millisecond},
		{"date", date(9 * time.Second), 9 * time.Second},
		{"past date", date(-time.Hour), 0},
		{"too long", "86400", time.Minute},
		{"date too far off", date(time.Hour), time.Minute},
		{"negative", "-5", 0},
		{"nonsense", "soon", 0},
		{"not a number", "NaN", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: []answer{{status: 503, header: map[string]string{"Retry-After": tt.after}}, fine}}
				c := s.client(t)
				shift := time.Until(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
				c.Now = func() time.Time { return time.Now().Add(shift) }
				if _, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0); err != nil {
					t.Fatal(err)
				}
				if d := s.at[1].Sub(s.at[0]); d < tt.want || d > tt.want+500*time.Millisecond {
					t.Errorf("waited %v, want %v", d, tt.want)
				}
			})
		})
	}
}

// The longest wait doubles from 0.5 s to 60 s; every wait is anything up to it.
func TestBackoffBounds(t *testing.T) {
	t.Parallel()
	var got []time.Duration
	for tries := 1; tries <= 9; tries++ {
		var longest time.Duration
		for range 2000 {
			wait, ok := Retry{}.next(&Error{retry: again}, tries, 0)
			if !ok {
				t.Fatalf("no try after %d", tries)
			}
			longest = max(longest, wait)
		}
		got = append(got, longest)
	}
	s := time.Second
	want := []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}
	for i := range want {
		if got[i] > want[i] || got[i] < want[i]*9/10 {
			t.Errorf("longest wait after try %d: %v, want %v", i+1, got[i], want[i])
		}
	}
}

func TestCancelEndsAtOnce(t *testing.T) {
	t.Parallel()
	tests := map[string][]answer{
		"while it waits to try again": {{status: 503, header: map[string]string{"Retry-After": "60"}}},
		"while it is refused":         {{status: 429, header: map[string]string{"Retry-After": "60", "Stripe-Rate-Limited-Reason": "global-rate"}}},
	}
	for name, answers := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				_, err := (&script{answers: answers}).client(t).Get(ctx, "/v1/x", "/v1/x", nil, 0)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// Every attempt is told, with what Stripe said.
func TestOnCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []answer{
			{status: 429, header: map[string]string{"Stripe-Rate-Limited-Reason": "endpoint-rate", "Request-Id": "req_a"}},
			{status: 429, body: stripeError("lock_timeout", "")},
			{status: 429},
			{err: io.ErrUnexpectedEOF},
			{status: 200, body: "{}", header: map[string]string{"Request-Id": "req_b"}},
		}}
		c := s.client(t)
		seen := &calls{}
		c.OnCall = seen.add
		resp, err := c.Get(t.Context(), "/v1/x/{id}", "/v1/x/1", nil, 0)
		if err != nil || resp.RequestID != "req_b" {
			t.Fatal(resp, err)
		}
		want := []Call{
			{Endpoint: "/v1/x/{id}", Status: 429, Reason: "endpoint-rate", RequestID: "req_a"},
			{Endpoint: "/v1/x/{id}", Status: 429, Bytes: len(stripeError("lock_timeout", ""))},
			{Endpoint: "/v1/x/{id}", Status: 429, Reason: Unstated},
			{Endpoint: "/v1/x/{id}"},
			{Endpoint: "/v1/x/{id}", Status: 200, RequestID: "req_b", Bytes: 2},
		}
		if diff := cmp.Diff(want, seen.list); diff != "" {
			t.Error(diff)
		}
	})
}
