package stripe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	const lacks = "The provided key 'rk_live_*****4242' does not have the required permissions for this endpoint on account 'acct_1Named'. Having the 'rak_x_read' permission would allow this request to continue."
	type reply struct {
		status int
		body   string
	}
	denied := reply{403, stripeError("more_permissions_required", "No.")}
	tests := []struct {
		name    string
		replies map[string]reply // by last part of the path; others are fine
		key     string
		account string // configured
		want    string // account
		mode    Mode
		refused []string
		missing []string // in the text of Missing
		kind    problem.Kind
		err     string
	}{
		{name: "all is well", want: "acct_1Own", mode: Live},
		{name: "mode by the objects", key: secret, want: "acct_1Own", mode: Test},
		{
			name:    "permissions missing",
			replies: map[string]reply{"charges": denied, "prices": denied, "events": denied},
			want:    "acct_1Own", mode: Live, refused: []string{"charges", "events", "prices"},
			missing: []string{"Charges (rak_charge_read)", "Prices (rak_plan_read)", "Events (rak_event_read)"},
		},
		{
			name: "account refused, named by the refusal", replies: map[string]reply{"account": {403, stripeError("more_permissions_required", lacks)}},
			want: "acct_1Named", mode: Live, refused: []string{"account"},
		},
		{
			name: "account refused, named by another refusal",
			replies: map[string]reply{
				"account": {404, stripeError("", "Unrecognized request URL")},
				"refunds": {403, stripeError("more_permissions_required", lacks)},
			},
			want: "acct_1Named", mode: Live, refused: []string{"account", "refunds"}, missing: []string{"rak_x_read"},
		},
		{name: "account refused, not named", replies: map[string]reply{"account": denied}, mode: Live, refused: []string{"account"}},
		{name: "account refused, configured", replies: map[string]reply{"account": denied}, account: "acct_1Conf", want: "acct_1Conf", mode: Live, refused: []string{"account"}},
		{name: "account is something else", replies: map[string]reply{"account": {200, `{"id":"x","object":"account"}`}}, mode: Live},
		{
			name: "one resource down", replies: map[string]reply{"customers": {500, ""}},
			want: "acct_1Own", mode: Live, refused: []string{"customers"},
		},
		{
			name: "wrong key", replies: map[string]reply{"customers": {401, stripeError("", "Invalid API Key provided: x")}, "charges": denied},
			kind: problem.Unauthenticated, err: "did not accept the key",
		},
		{
			name: "wrong account", replies: map[string]reply{"account": {403, stripeError("account_invalid", "no")}},
			kind: problem.Forbidden, err: "no access to it",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
				if a, ok := tt.replies[name]; ok {
					w.WriteHeader(a.status)
					_, _ = io.WriteString(w, a.body)
					return
				}
				if name == "account" {
					_, _ = io.WriteString(w, `{"id":"acct_1Own","object":"account"}`)
					return
				}
				if r.URL.Query().Get("limit") != "1" || name == "subscriptions" && r.URL.Query().Get("status") != "all" {
					t.Errorf("asked for %s", r.URL)
				}
				_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"x","livemode":false}],"has_more":true}`)
			})
			if tt.key != "" {
				c.Key = mustKey(t, tt.key)
			}
			c.Account = tt.account
			c.Retry.Tries = 1
			p, err := c.Probe(t.Context(), Resources)
			if tt.err != "" {
				if problem.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.err) {
					t.Errorf("kind %v: %v", problem.KindOf(err), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := asked.Load(); n != 8 {
				t.Errorf("%d requests", n)
			}
			if p.Account != tt.want || p.Mode != tt.mode {
				t.Errorf("account %q, mode %v", p.Account, p.Mode)
			}
			if diff := cmp.Diff(tt.refused, slices.Sorted(maps.Keys(p.Refused))); diff != "" {
				t.Error(diff)
			}
			if missing := p.Missing(); (missing == nil) != (tt.missing == nil) {
				t.Errorf("missing: %v", missing)
			} else if missing != nil {
				for _, want := range tt.missing {
					if !strings.Contains(missing.Error(), want) || problem.KindOf(missing) != problem.Forbidden {
						t.Errorf("no %q in %q", want, missing)
					}
				}
			}
		})
	}
}

func TestProbeOfNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c := &Client{BaseURL: server.URL, Key: mustKey(t, liveKey), Now: time.Now, Retry: quick}
	_, err := c.Probe(t.Context(), Resources)
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(fmt.Sprint(err), "cannot be reached: connection refused") {
		t.Errorf("%v", err)
	}
	c = &Client{BaseURL: "nonsense", Key: mustKey(t, liveKey), Now: time.Now}
	if _, err := c.Probe(t.Context(), Resources); problem.KindOf(err) != problem.Invalid {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c = &Client{BaseURL: server.URL, Key: mustKey(t, liveKey), Now: time.Now, Pacer: NewPacer(DefaultLimits(Live), 1, time.Now)}
	if _, err := c.Probe(ctx, Resources); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
