package hook_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/hook"
	"github.com/tributary-data/tributary/internal/stripe"
)

const (
	secret = "whsec_the_secret_of_these_tests"
	at     = 1_770_000_000 // Stripe's time
)

// A box keeps notices in memory.
type box struct {
	mu     sync.Mutex
	ids    []string
	err    error // of put
	owner  error
	wakes  int
	logged bytes.Buffer
}

func (b *box) put(_ context.Context, n extract.Notice) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return false, b.err
	}
	if slices.Contains(b.ids, n.ID) {
		return false, nil
	}
	b.ids = append(b.ids, n.ID)
	return true, nil
}

func (b *box) handler(tb testing.TB) *hook.Handler {
	tb.Helper()
	s, err := stripe.ParseSecret(secret)
	if err != nil {
		tb.Fatal(err)
	}
	return &hook.Handler{
		Secrets: func() ([]stripe.Secret, error) { return []stripe.Secret{s}, nil },
		Now:     func() time.Time { return time.Unix(at, 0) },
		Owner: func(context.Context) (hook.Owner, error) {
			return hook.Owner{Account: "acct_1"}, b.owner
		},
		Put: b.put, Wake: func() { b.mu.Lock(); b.wakes++; b.mu.Unlock() },
		Log: slog.New(slog.NewTextHandler(&b.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

func signature(when int64, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", when, body)
	return fmt.Sprintf("t=%d,v1=%s", when, hex.EncodeToString(mac.Sum(nil)))
}

func event(id string, members string) string {
	return `{"id":"` + id + `","object":"event","api_version":"2025-02-24.acacia","created":1769999999,"livemode":false,` + members +
		`"type":"charge.updated","data":{"object":{"id":"ch_1","object":"charge","receipt_email":"someone@example.com"}}}`
}

func TestHandler(t *testing.T) {
	t.Parallel()
	good := event("evt_1", "")
	tests := []struct {
		name    string
		method  string
		body    string
		header  string // "" for a right one, "-" for none
		put     error
		owner   error
		status  int
		keeps   bool
		logs    string
		content string // of the answer
	}{
		{name: "an event", body: good, status: 200, keeps: true, logs: "evt_1"},
		{name: "an event that says whose it is", body: event("evt_1", `"account":"acct_1",`), status: 200, keeps: true},
		{name: "of another account", body: event("evt_1", `"account":"acct_2",`), status: 200, logs: "of another account"},
		{name: "of the other mode", body: strings.Replace(good, `"livemode":false`, `"livemode":true`, 1), status: 200, logs: "of the other mode"},
		{name: "a thin event", body: `{"id":"evt_1","object":"v2.core.event","type":"v1.charge.updated"}`, status: 200, logs: "v2.core.event"},
		{name: "about nothing that is copied", body: strings.Replace(good, "charge.updated", "payout.paid", 1), status: 200, logs: "payout.paid"},
		{name: "unsigned", body: good, header: "-", status: 400, logs: "no signature"},
		{name: "forged", body: good, header: signature(at, good+" "), status: 400, logs: "none of the secrets"},
		{name: "changed on the way", body: good + " ", header: signature(at, good), status: 400, logs: "none of the secrets"},
		{name: "stale", body: good, header: signature(at-301, good), status: 400, logs: "too old"},
		{name: "from the future", body: good, header: signature(at+301, good), status: 400, logs: "from the future"},
		{name: "unreadable signature", body: good, header: "t=,v1", status: 400, logs: "can't be read"},
		{name: "signed, but no JSON", body: "hello", status: 400, logs: "not an event"},
		{name: "signed, but no object", body: "{}", status: 400, logs: "not an event"},
		{name: "signed, but an event about nothing", body: `{"id":"evt_1","object":"event","type":"charge.updated"}`, status: 400, logs: "not an event"},
		{name: "too large", body: good + strings.Repeat(" ", hook.MaxBody), status: 400, logs: "too large"},
		{name: "another method", method: http.MethodGet, body: good, status: 405},
		{name: "the disk is full", body: good, put: errors.New("disk full"), status: 503, logs: "disk full"},
		{name: "the account is not known yet", body: good, owner: errors.New("no copy"), status: 503, logs: "no copy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &box{err: tt.put, owner: tt.owner}
			h := b.handler(t)
			method := tt.method
			if method == "" {
				method = http.MethodPost
			}
			header := tt.header
			if header == "" {
				header = signature(at, tt.body)
			}
			send := func() *httptest.ResponseRecorder {
				r := httptest.NewRequestWithContext(t.Context(), method, hook.Path, strings.NewReader(tt.body))
				if header != "-" {
					r.Header.Set(stripe.SignatureHeader, header)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				return w
			}
			w := send()
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if w.Code == 400 && w.Body.String() != "This is not a signed event of Stripe.\n" {
				t.Errorf("the answer tells strangers something: %s", w.Body)
			}
			if w.Code == 200 && w.Body.Len() > 0 {
				t.Errorf("answered %q", w.Body)
			}
			log := b.logged.String()
			if !strings.Contains(log, tt.logs) || strings.Contains(log, "someone@") || strings.Contains(log, secret[6:]) {
				t.Errorf("logged %s", log)
			}
			if again := send(); again.Code != tt.status {
				t.Errorf("the second time: %d", again.Code)
			}
			var want []string
			if tt.keeps {
				want = []string{"evt_1"}
			}
			if diff := cmp.Diff(want, b.ids); diff != "" {
				t.Error(diff)
			}
			if b.wakes != len(want) {
				t.Errorf("woke %d times", b.wakes)
			}
		})
	}
}

// A flood of forgeries is counted, not written down one by one.
func TestFlood(t *testing.T) {
	t.Parallel()
	b := &box{}
	h := b.handler(t)
	for range 1000 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook.Path, strings.NewReader("x"))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := strings.Count(b.logged.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// Large bodies that never end don't pile up: what comes beyond a bound is asked to
// come again. Events come beside them.
func TestCrowd(t *testing.T) {
	t.Parallel()
	b := &box{}
	h := b.handler(t)
	var wg sync.WaitGroup
	release := make(chan struct{})
	began := make(chan struct{}, 100)
	const many = 40
	codes := make(chan int, many)
	for range many {
		wg.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook.Path, io.MultiReader(strings.NewReader(strings.Repeat(" ", 64<<10)), &slow{began: began, release: release}))
			r.Header.Set(stripe.SignatureHeader, "t=1,v1=00")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			codes <- w.Code
			if w.Code == http.StatusServiceUnavailable {
				began <- struct{}{}
			}
		})
	}
	for range many {
		<-began
	}
	w := httptest.NewRecorder()
	good := event("evt_1", "")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook.Path, strings.NewReader(good))
	r.Header.Set(stripe.SignatureHeader, signature(at, good))
	if h.ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("an event beside them: %d", w.Code)
	}
	close(release)
	wg.Wait()
	close(codes)
	if n := strings.Count(b.logged.String(), "level=WARN"); n != 1 {
		t.Errorf("%d lines about strangers: %s", n, b.logged.String())
	}
	got := map[int]int{}
	for c := range codes {
		got[c]++
	}
	if diff := cmp.Diff(map[int]int{400: 32, 503: 8}, got); diff != "" {
		t.Error(diff)
	}
}

type slow struct {
	began   chan<- struct{}
	release <-chan struct{}
	once    sync.Once
}

func (s *slow) Read([]byte) (int, error) {
	s.once.Do(func() { s.began <- struct{}{} })
	<-s.release
	return 0, io.EOF
}

// Whatever comes, signed or not, is answered without a panic and without
// blaming ourselves, and nothing unsigned is kept.
func FuzzHandler(f *testing.F) {
	good := event("evt_1", "")
	f.Add(signature(at, good), []byte(good), false)
	f.Add("", []byte(good), true)
	f.Add("t=1,v1=", []byte(`{"object":"event","data":{"object":{}}}`), true)
	f.Add("x", []byte(`{"id":1,"object":"event"}`), true)
	f.Add("x", []byte(`{"id":"evt_1","object":"event","type":"charge.updated","data":{"object":{"id":{"id":7}}}}`), true)
	f.Fuzz(func(t *testing.T, header string, body []byte, sign bool) {
		b := &box{}
		if sign {
			header = signature(at, string(body))
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hook.Path, bytes.NewReader(body))
		r.Header.Set(stripe.SignatureHeader, header)
		w := httptest.NewRecorder()
		b.handler(t).ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("status %d", w.Code)
		}
		if len(b.ids) > 0 && !strings.Contains(strings.ToLower(header), signature(at, string(body))[len("t=1770000000,v1="):]) {
			t.Errorf("kept %q, signed %q", body, header)
		}
	})
}
