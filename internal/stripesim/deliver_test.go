package stripesim

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A receiver is a webhook endpoint that keeps what it got.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []string
	status int // of the next answers; 0: 200
	got    chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies = append(r.bodies, string(body))
		r.heads = append(r.heads, req.Header.Get("Stripe-Signature"))
		if r.status != 0 {
			http.Redirect(w, req, "/elsewhere", r.status)
		}
		r.got <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) events() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.bodies {
		ids = append(ids, head([]byte(b)).ID)
	}
	return ids
}

// verdict checks a signature as Stripe's documentation says.
func verdict(header, body string, secrets []string, now time.Time) string {
	var t int64
	var v1 []string
	for part := range strings.SplitSeq(header, ",") {
		k, v, _ := strings.Cut(part, "=")
		switch k {
		case "t":
			t, _ = strconv.ParseInt(v, 10, 64)
		case "v1":
			v1 = append(v1, v)
		}
	}
	good := 0
	for _, one := range secrets {
		m := hmac.New(sha256.New, []byte(one))
		m.Write([]byte(strconv.FormatInt(t, 10) + "." + body))
		if slices.Contains(v1, hex.EncodeToString(m.Sum(nil))) {
			good++
		}
	}
	switch age := now.Unix() - t; {
	case header == "":
		return "no signature"
	case len(v1) == 0:
		return "no v1"
	case good == 0:
		return "wrong"
	case age > 300:
		return "old"
	case age < -300:
		return "ahead"
	case !json.Valid([]byte(body)):
		return "not JSON"
	}
	return fmt.Sprintf("good by %d of %d", good, len(v1))
}

func frozen(t *testing.T) *Sim {
	t.Helper()
	cfg := small(1)
	cfg.Now, cfg.Frozen = end, true
	return newSim(t, cfg)
}

// The vectors are computed by another implementation.
func TestSign(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"evt_1","object":"event","type":"charge.succeeded"}`:          "ac1ab887a13a43f7e22e9eb21eab375b1f40446fa99ade9b6a94fca7f66acd38",
		`{"id":"evt_2","object":"event","data":{"object":{"name":"김철수 ✓"}}}`: "f3eb380a37d18573931ee9f696b0cf8f227174d312f994a78a85796941f7e9bb",
	} {
		if got := sign("whsec_test_secret", 1700000000, []byte(body)); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	tests := []struct {
		as      Sending
		verdict string
		pending int // afterwards
		is      func(body map[string]any) bool
	}{
		{"", "good by 1 of 1", 0, func(b map[string]any) bool { return b["type"] == "customer.created" && b["livemode"] == false }},
		{Genuine, "good by 1 of 1", 0, nil},
		{Forged, "wrong", 1, nil},
		{Unsigned, "no signature", 1, nil},
		{Stale, "old", 1, nil},
		{Future, "ahead", 1, nil},
		{Tampered, "wrong", 1, nil},
		{Downgraded, "no v1", 1, nil},
		{Broken, "not JSON", 1, nil},
		{ForeignAccount, "good by 1 of 1", 1, func(b map[string]any) bool { return b["account"] == "acct_1SomebodyElse00" }},
		{OtherMode, "good by 1 of 1", 1, func(b map[string]any) bool { return b["livemode"] == true }},
		{Thin, "good by 1 of 1", 1, func(b map[string]any) bool { return b["object"] == "v2.core.event" && b["data"] == nil }},
		{Lost, "", 0, nil},
	}
	for _, tt := range tests {
		t.Run(string(tt.as), func(t *testing.T) {
			t.Parallel()
			s, r := frozen(t), newReceiver(t)
			_, key, err := s.AddEndpoint(r.URL + "/hook")
			check(t, err)
			must[string](t)(s.Create(Customers, Draft{}))
			done := must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{As: []Sending{tt.as}}))
			if len(done) != 1 || tt.as != Lost && !done[0].OK() || done[0].Attempt != 1 || s.Pending() != tt.pending {
				t.Errorf("%+v, %d wait", done, s.Pending())
			}
			if tt.as == Lost {
				if len(r.bodies) != 0 {
					t.Error("it arrived")
				}
				return
			}
			if got := verdict(r.heads[0], r.bodies[0], []string{key}, s.Now()); got != tt.verdict {
				t.Errorf("signature %q: %s, want %s", r.heads[0], got, tt.verdict)
			}
			if tt.is != nil && !tt.is(decoded(t, []byte(r.bodies[0]))) {
				t.Errorf("body %s", r.bodies[0])
			}
			if tt.pending == 0 {
				return
			}
			must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{})) // Stripe's own comes all the same
			if got := verdict(r.heads[1], r.bodies[1], []string{key}, s.Now()); got != "good by 1 of 1" || s.Pending() != 0 {
				t.Errorf("afterwards: %s, %d wait", got, s.Pending())
			}
		})
	}
}

// What is delivered is what the list shows.
func TestDeliveredEventsAreTheListed(t *testing.T) {
	t.Parallel()
	s, r := frozen(t), newReceiver(t)
	_, _, err := s.AddEndpoint(r.URL, "charge.succeeded", "charge.refunded", "refund.created")
	check(t, err)
	charge := must[string](t)(s.Create(Charges, Draft{Status: "succeeded", Method: "card", Amount: 5000}))
	must[string](t)(s.Create(Customers, Draft{}))
	must[string](t)(s.Create(Refunds, Draft{Charge: charge}))
	must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{}))
	if len(r.bodies) != 3 {
		t.Fatalf("%d arrived", len(r.bodies))
	}
	for _, body := range r.bodies {
		w := request(s, "/v1/events/"+head([]byte(body)).ID, nil)
		if diff := cmp.Diff(decoded(t, w.Body.Bytes()), decoded(t, []byte(body))); diff != "" {
			t.Errorf("listed and delivered differ:\n%s", diff)
		}
	}
}

func TestDeliverOrder(t *testing.T) {
	t.Parallel()
	s, r := frozen(t), newReceiver(t)
	_, _, err := s.AddEndpoint(r.URL)
	check(t, err)
	for range 12 {
		must[string](t)(s.Create(Customers, Draft{}))
		s.Advance(time.Minute)
	}
	var want []string
	for _, e := range slices.Backward(events(t, s, "")) {
		want = append(want, e.ID)
	}
	must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{Max: 2, Twice: true}))
	if diff := cmp.Diff([]string{want[0], want[0], want[1], want[1]}, r.events()); diff != "" || r.heads[0] != r.heads[1] || r.bodies[0] != r.bodies[1] {
		t.Errorf("twice, oldest first:\n%s", diff)
	}
	must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{Shuffle: 3}))
	rest := r.events()[4:]
	if slices.Equal(rest, want[2:]) || !slices.Equal(slices.Sorted(slices.Values(rest)), slices.Sorted(slices.Values(want[2:]))) {
		t.Errorf("shuffled: %v", rest)
	}
	if s.Pending() != 0 {
		t.Errorf("%d wait", s.Pending())
	}
	for range 40 {
		must[string](t)(s.Create(Customers, Draft{}))
	}
	done := must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{Parallel: 4, As: []Sending{Genuine, Lost}}))
	if len(done) != 40 || len(r.events()) != 14+20 || s.Pending() != 0 {
		t.Errorf("%d done, %d arrived", len(done), len(r.events())-14)
	}
}

// What is not answered by 2xx is tried again, newly signed, for three days.
func TestDeliverAgain(t *testing.T) {
	t.Parallel()
	s, r := frozen(t), newReceiver(t)
	_, key, err := s.AddEndpoint(r.URL)
	check(t, err)
	must[string](t)(s.Create(Customers, Draft{}))
	for i, status := range []int{500, 302, 0} {
		r.answer(status)
		done := must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{}))
		if len(done) != 1 || done[0].Attempt != i+1 || done[0].OK() != (status == 0) || len(r.bodies) != i+1 {
			t.Errorf("attempt %d: %+v", i, done)
		}
		if got := verdict(r.heads[i], r.bodies[i], []string{key}, s.Now()); got != "good by 1 of 1" {
			t.Errorf("attempt %d: %s", i, got)
		}
		s.Advance(time.Hour)
	}
	if s.Pending() != 0 || r.heads[0] == r.heads[2] {
		t.Errorf("%d wait", s.Pending())
	}
	must[string](t)(s.Create(Customers, Draft{}))
	s.Advance(4 * 24 * time.Hour)
	must[string](t)(s.Create(Customers, Draft{}))
	if s.Pending() != 1 {
		t.Errorf("%d wait after four days", s.Pending())
	}
	r.Close()
	done := must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{}))
	if len(done) != 1 || done[0].Error == "" || done[0].Status != 0 || s.Pending() != 1 {
		t.Errorf("nobody listens: %+v", done)
	}
}

func TestRollSecret(t *testing.T) {
	t.Parallel()
	s, r := frozen(t), newReceiver(t)
	id, old, err := s.AddEndpoint(r.URL)
	check(t, err)
	fresh := must[string](t)(s.RollSecret(id))
	send := func() string {
		must[string](t)(s.Create(Customers, Draft{}))
		must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{}))
		n := len(r.heads) - 1
		return verdict(r.heads[n], r.bodies[n], []string{old, fresh}, s.Now())
	}
	if got := send(); got != "good by 2 of 2" || !strings.Contains(r.heads[0], "v0=") {
		t.Errorf("at once: %s", got)
	}
	s.Advance(25 * time.Hour)
	if got := send(); got != "good by 1 of 1" {
		t.Errorf("a day later: %s", got)
	}
	if _, err := s.RollSecret("we_nope"); err == nil {
		t.Error("no error")
	}
}

func TestDeliverStaysHere(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"https://example.com/hook", "http://192.0.2.1/", "http://[2001:db8::1]/", "http://127.0.0.1.example.com/"} {
		s := frozen(t)
		_, _, err := s.AddEndpoint(target)
		check(t, err)
		must[string](t)(s.Create(Customers, Draft{}))
		done := must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{}))
		if len(done) != 1 || done[0].Status != 0 || !strings.Contains(done[0].Error, "loopback") {
			t.Errorf("%s: %+v", target, done)
		}
	}
	if _, err := frozen(t).Deliver(t.Context(), DeliverOptions{As: []Sending{"by-pigeon"}}); err == nil {
		t.Error("an unknown way to send is no error")
	}
}

// An endpoint's version renders what it gets, whatever the account's is.
func TestDeliverVersion(t *testing.T) {
	t.Parallel()
	s, r := frozen(t), newReceiver(t)
	form := fmt.Sprintf("url=%s&enabled_events[]=customer.subscription.created&api_version=%s", r.URL, defaultVersion)
	if w := ask(s, http.MethodPost, "/v1/webhook_endpoints", form); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	check(t, s.SetAPIVersion("2026-08-26.dahlia"))
	must[string](t)(s.Create(Subscriptions, Draft{}))
	must[[]Delivered](t)(s.Deliver(t.Context(), DeliverOptions{}))
	listed := events(t, s, "type=customer.subscription.created")[0]
	body := decoded(t, []byte(r.bodies[0]))
	if body["api_version"] != defaultVersion || !has(body, "data", "object", "current_period_end") || has(listed.Data.Object, "current_period_end") {
		t.Errorf("delivered in %v, listed in %s", body["api_version"], listed.APIVersion)
	}
}

func TestKeepDelivering(t *testing.T) {
	t.Parallel()
	s, r := frozen(t), newReceiver(t)
	_, _, err := s.AddEndpoint(r.URL)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.KeepDelivering(ctx, DeliverOptions{Parallel: 2}) }()
	r.answer(503)
	must[string](t)(s.Create(Customers, Draft{}))
	<-r.got
	r.answer(0)
	<-r.got // the second attempt
	for range 20 {
		must[string](t)(s.Create(Customers, Draft{}))
	}
	for range 20 {
		<-r.got
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// Everything may happen at once.
func TestConcurrently(t *testing.T) {
	t.Parallel()
	cfg := Config{Seed: 1, Counts: Counts{Charges: 80, Customers: 40, Subscriptions: 20, Prices: 20}}
	s := newSim(t, cfg)
	r := newReceiver(t)
	_, _, err := s.AddEndpoint(r.URL)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.KeepDelivering(ctx, DeliverOptions{Parallel: 3}) })
	for _, work := range []func(int){
		func(int) { request(s, "/v1/charges?limit=100", nil) },
		func(int) {
			request(s, "/v1/events?limit=100", map[string]string{"Stripe-Version": "2026-08-26.dahlia"})
		},
		func(int) {
			for _, id := range s.Changed(Subscriptions) {
				s.Versions(Subscriptions, id)
			}
		},
		func(i int) {
			if i == 10 {
				s.Wipe()
			}
			_ = s.SetAPIVersion([]string{defaultVersion, "2026-08-26.dahlia"}[i%2])
		},
		func(int) { s.SetNovelty(true); truths(s, Prices) },
	} {
		wg.Go(func() {
			for i := range 20 {
				work(i)
			}
		})
	}
	life := must[*Life](t)(s.Live(1, nil))
	for range 3 {
		must[[]Happening](t)(life.Day())
	}
	cancel()
	wg.Wait()
}
