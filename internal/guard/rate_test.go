package guard_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
)

// A caller sends requests to a limiter's middleware, at a time that the test
// sets.
type caller struct {
	now     time.Time
	status  int // what is answered behind the middleware
	handler http.Handler
	limiter *guard.Limiter
}

func newCaller(t *testing.T, r guard.Rates) *caller {
	t.Helper()
	c := &caller{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), status: http.StatusOK}
	c.limiter = guard.NewLimiter(guard.Proxies{Trusted: prefixes(t, "10.0.0.0/8")}, r, func() time.Time { return c.now })
	c.handler = c.limiter.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
	return c
}

func (c *caller) call(path, peer string, forwarded ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	r.RemoteAddr = peer
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w
}

func TestAddressRate(t *testing.T) {
	t.Parallel()
	c := newCaller(t, guard.Rates{Address: guard.Rate{PerSecond: 0.5, Burst: 2}})
	statuses := func(peer string, forwarded ...string) (all []int) {
		for range 3 {
			all = append(all, c.call("/x", peer, forwarded...).Code)
		}
		return all
	}
	want := []int{200, 200, 429}
	for name, got := range map[string][]int{
		"an address": statuses("198.51.100.1:1"),
		"another":    statuses("198.51.100.2:1"),
		"a proxy's":  statuses("10.0.0.1:1", "198.51.100.3"),
		"IPv6":       statuses("[2001:db8::1]:1"),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, peer := range map[string]string{"other port": "198.51.100.1:2", "as IPv6": "[::ffff:198.51.100.1]:1", "same /64": "[2001:db8::ffff]:1"} {
		if got := c.call("/x", peer).Code; got != 429 {
			t.Errorf("%s: %d", name, got)
		}
	}
	w := c.call("/x", "198.51.100.1:1")
	if diff := cmp.Diff([]string{"2", `{"error_code":"429050","message":"Too many requests"}` + "\n"}, []string{w.Header().Get("Retry-After"), w.Body.String()}); diff != "" {
		t.Error(diff)
	}
	c.now = c.now.Add(2 * time.Second)
	if got := []int{c.call("/x", "198.51.100.1:1").Code, c.call("/x", "198.51.100.1:1").Code}; got[0] != 200 || got[1] != 429 {
		t.Errorf("after Retry-After: %v", got)
	}
}

// Who guesses is stopped before the next guess is looked at; who is let in may
// go on.
func TestRefusedRate(t *testing.T) {
	t.Parallel()
	for name, guess := range map[string]struct {
		path   string
		status int
	}{"tokens": {"/data/x", 401}, "secrets": {"/ims/token/v3", 400}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, guard.Rates{Refused: guard.Rate{PerSecond: 0.1, Burst: 3}})
			for range 50 {
				if got := c.call(guess.path, "198.51.100.1:1").Code; got != 200 {
					t.Fatalf("a good one: %d", got)
				}
			}
			c.status = guess.status
			var got []int
			for range 5 {
				got = append(got, c.call(guess.path, "198.51.100.1:1").Code)
			}
			if diff := cmp.Diff([]int{guess.status, guess.status, guess.status, 429, 429}, got); diff != "" {
				t.Error(diff)
			}
			c.status = 200
			if got := c.call("/data/x", "198.51.100.1:1"); got.Code != 429 || got.Header().Get("Retry-After") != "10" {
				t.Errorf("%d, Retry-After %s", got.Code, got.Header().Get("Retry-After"))
			}
			if got := c.call("/data/x", "198.51.100.2:1").Code; got != 200 {
				t.Errorf("another address: %d", got)
			}
			c.now = c.now.Add(10 * time.Second)
			if got := c.call("/data/x", "198.51.100.1:1").Code; got != 200 {
				t.Errorf("later: %d", got)
			}
		})
	}
	c := newCaller(t, guard.Rates{Refused: guard.Rate{PerSecond: 0.1, Burst: 1}})
	c.status = 400
	for range 3 {
		if got := c.call("/data/x", "198.51.100.1:1").Code; got != 400 {
			t.Errorf("a bad body: %d", got)
		}
	}
}

// Who has shown a good token calls on from an address where others guess; guesses
// stay bounded, whatever comes with them.
func TestRefusedBesideGood(t *testing.T) {
	t.Parallel()
	l := guard.NewLimiter(guard.Proxies{}, guard.Rates{Refused: guard.Rate{PerSecond: 0.001, Burst: 2}}, time.Now)
	h := l.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/page": // for all
		case r.URL.Path == "/ims/token/v3":
			w.WriteHeader(http.StatusBadRequest)
		case r.Header.Get("Authorization") == "Bearer good", r.Header.Get("Cookie") == "session=good":
			if err := l.Check(r, &access.Caller{}); err != nil {
				t.Error(err)
			}
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	call := func(path, header, value string) int {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.RemoteAddr = "198.51.100.1:1"
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		path, header, value string
		want                int
	}{
		{"/x", "Authorization", "Bearer good", 200},
		{"/x", "Cookie", "session=good", 200},
		{"/page", "Authorization", "Bearer bad", 200}, // a page that all may see makes it no better
		{"/x", "Authorization", "Bearer bad", 401},
		{"/x", "Authorization", "Bearer worse", 401},
		{"/x", "Authorization", "Bearer bad", 429},
		{"/page", "", "", 429},
		{"/x", "Authorization", "Bearer good", 200},
		{"/x", "Cookie", "session=good", 200},
		{"/ims/token/v3", "Authorization", "Bearer good", 429},
		{"/ui/signin", "Cookie", "session=good", 429},
	} {
		if got := call(c.path, c.header, c.value); got != c.want {
			t.Errorf("%s with %s %s: %d, want %d", c.path, c.header, c.value, got, c.want)
		}
	}
}

func TestClientRate(t *testing.T) {
	t.Parallel()
	c := newCaller(t, guard.Rates{Client: guard.Rate{PerSecond: 1, Burst: 2}})
	check := func(org, client string) error {
		return c.limiter.Check(httptest.NewRequest(http.MethodGet, "/", nil), &access.Caller{Principal: access.Principal{Org: org, Client: client}})
	}
	for range 2 {
		if err := check("A", "1"); err != nil {
			t.Fatalf("the burst is not let through: %v", err)
		}
	}
	f, ok := check("A", "1").(*gateway.Failure) //nolint:errorlint // it is not wrapped
	if !ok || f.Status != 429 || f.Header.Get("Retry-After") != "1" {
		t.Errorf("%v", f)
	}
	if check("A", "2") != nil || check("B", "1") != nil {
		t.Error("others are refused, too")
	}
	c.now = c.now.Add(time.Second)
	if first, second := check("A", "1"), check("A", "1"); first != nil || second == nil {
		t.Errorf("after a second: %v, %v", first, second)
	}
}

// However many addresses call, memory is bounded: the oldest is forgotten.
func TestBounded(t *testing.T) {
	t.Parallel()
	c := newCaller(t, guard.Rates{Address: guard.Rate{PerSecond: 0.001, Burst: 1}})
	address := func(n int) string { return fmt.Sprintf("198.%d.%d.%d:1", n>>16, n>>8&255, n&255) }
	const many = 20_000
	for n := range many {
		c.call("/x", address(n))
	}
	if got := c.call("/x", address(0)).Code; got != 429 {
		t.Errorf("the first is forgotten too early: %d", got)
	}
	c.call("/x", address(many)) // in the place of number 1: 0 was just seen
	if got := []int{c.call("/x", address(0)).Code, c.call("/x", address(2)).Code, c.call("/x", address(1)).Code}; !cmp.Equal(got, []int{429, 429, 200}) {
		t.Errorf("%v", got)
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]guard.Rate{"50/200": {PerSecond: 50, Burst: 200}, "0.2/30": {PerSecond: 0.2, Burst: 30}, "none": {}} {
		if got, err := guard.ParseRate(text); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "50", "50/", "/50", "0/1", "-1/5", "NaN/5", "Inf/5", "5/0", "5/-1", "5/1.5", "1/2/3", "None"} {
		if got, err := guard.ParseRate(text); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
