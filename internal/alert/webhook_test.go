package alert_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/guard"
)

type (
	request  = http.Request
	response = http.Response
)

type roundTrip func(*request) (*response, error)

func (f roundTrip) RoundTrip(r *request) (*response, error) { return f(r) }

// A webhook is the run in the envelope of an I/O event, signed with the secret
// that was shown once.
func TestWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	_, key := subscribe(t, s, prod, hook(w))
	e := of(alert.RunFailure, "r1")
	e.Body = json.RawMessage(`{"id":"r1","metrics":{"statusSummary":{"status":"failed"}},"header":"its own"}`)
	tell(t, s, prod, e)
	run(t, s)
	w.idle(t, s)
	got := w.hook.got[0]
	stamp, sum, ok := strings.Cut(strings.TrimPrefix(got.header.Get(alert.SignatureHeader), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%s.%s", stamp, got.body)
	if !ok || sum != hex.EncodeToString(mac.Sum(nil)) || stamp != fmt.Sprint(w.clock.now().Unix()) {
		t.Errorf("signature %q", got.header.Get(alert.SignatureHeader))
	}
	if got.header.Get("Content-Type") != "application/json" {
		t.Error(got.header)
	}
	var body struct {
		ID    string `json:"event_id"`
		Event map[string]any
	}
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	status := map[string]any{"statusSummary": map[string]any{"status": "failed"}}
	want := map[string]any{
		"header": map[string]any{"_adobeio": map[string]any{"imsOrgId": prod.Org, "providerMetadata": "aep_observability_catalog_events", "eventCode": "sources_flow_run_failure"}},
		"value":  map[string]any{"id": "r1", "metrics": status, "header": "its own"},
		"id":     "r1", "metrics": status, "sandboxId": prod.Sandbox.ID, "sandboxName": "prod",
		"alert": map[string]any{"eventId": body.ID, "kind": "run-failure", "flowId": "f", "flowName": "F", "runId": "r1", "title": `Dataflow "F" failed`, "count": 1.0, "at": float64(w.clock.now().UnixMilli())},
	}
	if diff := cmp.Diff(want, body.Event); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// Where webhooks may go is decided before anything is sent, by name and by what
// it resolves to; redirects lead nowhere.
func TestDestinations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	receiver, err := url.Parse(w.hook.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	named := func(hosts ...string) (all []guard.Destination) {
		for _, h := range hosts {
			d, err := guard.ParseDestination(h, "test")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
		}
		return all
	}
	inside := "http://hooks.internal:" + receiver.Port()
	tests := []struct {
		name     string
		url      string
		outbound guard.Outbound
		refused  string // when it is made
		error    string // when it is tried
	}{
		{name: "an address that was named", url: w.hook.server.URL, outbound: guard.Outbound{Destinations: named(w.hook.server.URL)}},
		{name: "a name inside", url: inside, outbound: guard.Outbound{Destinations: named(inside), Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}},
		{name: "a name that leads inside", url: inside, outbound: guard.Outbound{Destinations: named(inside)}, error: "it can't be reached: hooks.internal resolves to 127.0.0.1, which is not a public address. If it should, name its network with --private-networks"},
		{name: "not named", url: "https://evil.example.com/x", outbound: guard.Outbound{Destinations: named(inside)}, refused: "evil.example.com is none of the hosts"},
		{name: "another port", url: "http://hooks.internal:1/", outbound: guard.Outbound{Destinations: named(inside)}, refused: "none of the hosts"},
		{name: "metadata of a cloud", url: "http://169.254.169.254/latest", outbound: guard.Outbound{Destinations: named(inside)}, refused: "none of the hosts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t, "").service()
			out := tt.outbound
			out.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
			s.Client, s.Allowed = &http.Client{Transport: out.Transport()}, out.Names
			sub, _, err := s.Subscribe(t.Context(), prod, alert.Subscription{Name: "n", Channel: alert.Webhook, URL: tt.url, Enabled: true})
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Try(t.Context(), prod, sub.ID); err != nil || got != tt.error {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// A redirect is not followed, a slow receiver is left after ten seconds, and one
// who is gone is told without the path of the URL.
func TestUnreached(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	s.Client = &http.Client{Transport: roundTrip(func(r *request) (*response, error) {
		switch r.URL.Path {
		case "/slow":
			if d, ok := r.Context().Deadline(); !ok || time.Until(d) > 10*time.Second {
				t.Error("no bound")
			}
			return nil, context.DeadlineExceeded
		case "/gone":
			return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
		}
		return w.hook.server.Client().Transport.RoundTrip(r)
	})}
	for path, want := range map[string]string{
		"/slow": "it can't be reached: context deadline exceeded", "/gone": "it can't be reached: dial: i/o timeout",
		"/moved": "it answered 302: redirects are not followed",
	} {
		w.hook.set(func(received) int { return 302 })
		sub, _ := subscribe(t, s, prod, alert.Subscription{Channel: alert.Webhook, URL: w.hook.server.URL + path})
		if got, err := s.Try(t.Context(), prod, sub.ID); got != want || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if n := w.hook.calls(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// The secret of a webhook stands in no answer but the first, no log, and no
// file in the clear; moved to another subscription it does not open.
func TestSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	sub, key := subscribe(t, s, prod, hook(w))
	w.hook.set(func(received) int { return 503 })
	tell(t, s, prod, runs(2)...)
	stop := run(t, s)
	w.idle(t, s)
	if _, err := s.Try(t.Context(), prod, sub.ID); err != nil {
		t.Fatal(err)
	}
	stop()
	all, err := s.Subscriptions(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	told := fmt.Sprintf("%+v %s", all, w.log)
	if text, err := json.Marshal(all); err != nil || strings.Contains(told+string(text), key) {
		t.Errorf("the secret is told: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "control.db*"))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{key, strings.TrimPrefix(key, "tas_"), hex.EncodeToString([]byte(key))} {
			if strings.Contains(string(b), form) {
				t.Errorf("the secret stands in %s", f)
			}
		}
		found = found || strings.Contains(string(b), sub.ID)
	}
	if !found || len(files) < 2 {
		t.Errorf("the search finds nothing of what is there: %v", files)
	}
}
