package stripe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// quick retries without waiting.
var quick = Retry{Base: time.Microsecond, Cap: time.Microsecond}

// newClient returns a client of handler and a list of its calls.
func newClient(t *testing.T, handler http.HandlerFunc) (*Client, *calls) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := &Client{
		BaseURL: server.URL, Key: mustKey(t, liveKey), HTTP: server.Client(), Now: time.Now, Retry: quick,
	}
	seen := &calls{}
	c.OnCall = seen.add
	return c, seen
}

type calls struct {
	mu   sync.Mutex
	list []Call
}

func (c *calls) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, call)
}

func (c *calls) statuses() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var s []int
	for _, call := range c.list {
		s = append(s, call.Status)
	}
	return s
}

func stripeError(code, text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"error":{"type":"invalid_request_error","code":%q,"message":%s}}`, code, quoted)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		path   string // "" means /v1/charges
		status int
		body   string
		kind   problem.Kind
		global bool
		want   []string // parts of the text
		absent []string
		check  func(*Error) bool
	}{
		{
			name: "unknown key", status: 401, body: `{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: sk_live_*****4242"}}`,
			kind: problem.Unauthenticated, global: true, want: []string{"did not accept the key", "HTTP 401", "req_1", "check the account and the mode"},
			absent: []string{"4242"},
		},
		{
			name: "key repeated whole", status: 401, body: stripeError("", "Invalid API Key provided: "+liveKey),
			kind: problem.Unauthenticated, global: true, want: []string{"did not accept the key"},
		},
		{
			name: "expired", status: 401, body: stripeError("api_key_expired", "Expired API Key provided: rk_test_***123"),
			kind: problem.Unauthenticated, global: true, want: []string{"rolled or has expired", "Make a new key"},
		},
		{
			name: "expired, by phrase", status: 401, body: stripeError("", "Expired API Key provided: "+liveKey),
			kind: problem.Unauthenticated, global: true, want: []string{"rolled or has expired"},
		},
		{
			name: "platform key expired", status: 401, body: stripeError("platform_api_key_expired", ""),
			kind: problem.Unauthenticated, global: true, want: []string{"rolled or has expired"},
		},
		{
			name: "publishable, 401", status: 401, body: stripeError("secret_key_required", "no"),
			kind: problem.Unauthenticated, global: true, want: []string{"publishable key", "Use a restricted"},
		},
		{
			name: "publishable, 403", status: 403, body: stripeError("", "This API call cannot be made with a publishable API key. Please use a secret API key."),
			kind: problem.Unauthenticated, global: true, want: []string{"publishable key"},
		},
		{
			name: "permission, old text", status: 403,
			body: stripeError("more_permissions_required", "The provided key '"+liveKey+"' does not have the required permissions for this endpoint on account 'acct_1Abc'. Having the 'rak_charge_read' permission would allow this request to continue."),
			kind: problem.Forbidden, want: []string{"lacks a permission: Charges (rak_charge_read)", "set what is missing to Read"},
			check: func(e *Error) bool { return e.Permission == "rak_charge_read" && e.account == "acct_1Abc" },
		},
		{
			name: "permission, new text", path: "/v1/prices", status: 403,
			body: stripeError("", `Permission denied. Enabling "Prices Read" ('plan_read') permissions on this key would allow this request to continue.`),
			kind: problem.Forbidden, want: []string{"Prices (rak_plan_read)"},
			check: func(e *Error) bool { return e.Permission == "rak_plan_read" },
		},
		{
			name: "permission, not named", path: "/v1/balance_transactions", status: 403, body: stripeError("more_permissions_required", "No."),
			kind: problem.Forbidden, want: []string{"Balance transaction sources (rak_balance_transaction_source_read)"},
		},
		{
			name: "two permissions", status: 403, body: stripeError("more_permissions_required", "Having the 'rak_charge_read', 'rak_new_thing_read' permissions"),
			kind: problem.Forbidden, want: []string{"Charges (rak_charge_read), rak_new_thing_read"},
		},
		{
			name: "address, 401", status: 401, body: stripeError("", "The API key provided does not allow requests from your IP address. [203.0.113.7]"),
			kind: problem.Unauthenticated, global: true, want: []string{"only from listed addresses", "(203.0.113.7)", "Add the address"},
		},
		{
			name: "address, 403", status: 403, body: stripeError("", "The API key provided does not allow requests from your IP address."),
			kind: problem.Unauthenticated, global: true, want: []string{"only from listed addresses"},
		},
		{
			name: "wrong account, 403", status: 403, body: stripeError("account_invalid", "The provided key '"+liveKey+"' does not have access to account 'acct_9zz' (or that account does not exist). Application access may have been revoked."),
			kind: problem.Forbidden, global: true, want: []string{"account acct_9zz does not exist or the key has no access"},
		},
		{
			name: "wrong account, 401", status: 401, body: stripeError("account_invalid", "x"),
			kind: problem.Forbidden, global: true, want: []string{"the Stripe account does not exist"},
		},
		{
			name: "wrong account, 400, by phrase", status: 400, body: stripeError("", "The provided key does not have access to account 'acct_9zz'"),
			kind: problem.Forbidden, global: true, want: []string{"acct_9zz"},
		},
		{
			name: "not a platform", status: 403, body: stripeError("", "Only Stripe Connect platforms can work with other accounts. If you specified a client_id parameter, make sure it's correct."),
			kind: problem.Forbidden, global: true, want: []string{"not a Connect platform's", "Leave the account id empty"},
		},
		{
			name: "other mode", path: "/v1/charges/{id}", status: 404, body: stripeError("resource_missing", "No such charge: 'ch_1'; a similar object exists in live mode, but a test mode key was used to make this request."),
			kind: problem.Conflict, want: []string{"other mode"},
		},
		{
			name: "gone", path: "/v1/charges/{id}", status: 404, body: stripeError("resource_missing", "No such charge: 'ch_1'"),
			kind: problem.NotFound, want: []string{"no such object: No such charge: 'ch_1' (GET"},
		},
		{
			name: "cursor gone", status: 400, body: `{"error":{"type":"invalid_request_error","message":"No such charge: 'ch_1'","param":"starting_after"}}`,
			kind: problem.NotFound, check: (*Error).CursorGone,
		},
		{
			name: "unknown address", status: 404, body: stripeError("", "Unrecognized request URL (GET: /v1/x)."),
			kind: problem.Invalid, want: []string{"Check the Stripe URL"},
		},
		{
			name: "unknown version", status: 400, body: stripeError("", "Invalid Stripe API version: "+Version),
			kind: problem.Internal, global: true, want: []string{"does not serve version " + Version},
		},
		{
			name: "grant refused", status: 400, body: `{"error":"invalid_grant","error_description":"gone ` + liveKey + `"}`,
			kind: problem.Unauthenticated, global: true, want: []string{"Connect the account again"},
		},
		{
			name: "bad parameter", status: 400, body: `{"error":{"type":"invalid_request_error","code":"parameter_unknown","param":"foo","message":"Received unknown parameter: foo"}}`,
			kind: problem.Invalid, want: []string{"Received unknown parameter: foo (GET /v1/charges, HTTP 400, parameter_unknown, req_1)"},
			check: func(e *Error) bool { return e.Param == "foo" },
		},
		{name: "not a kind we know, 401", status: 401, body: stripeError("brand_new", liveKey), kind: problem.Unauthenticated, global: true},
		{name: "not a kind we know, 403", status: 403, body: stripeError("brand_new", "No "+liveKey), kind: problem.Forbidden, want: []string{"forbids this read: No ***"}},
		{name: "a page, 403", status: 403, body: "<html>" + liveKey, kind: problem.Forbidden, global: true, want: []string{"not Stripe's API"}},
		{name: "a page, 404", status: 404, body: "<html>", kind: problem.Invalid, want: []string{"not Stripe's API"}},
		{name: "a page, 502", status: 502, body: "<html>" + liveKey, kind: problem.Unavailable, want: []string{"failed to answer (GET", "10 tries"}},
		{name: "null error, 404", status: 404, body: `{"error":null}`, kind: problem.Invalid},
		{
			name: "control characters", status: 400, body: stripeError("", "a\x1b[31mb\nc"),
			kind: problem.Invalid, want: []string{"a [31mb c"},
		},
		{
			name: "endless message", status: 400, body: stripeError("", strings.Repeat("é", 9000)), kind: problem.Invalid,
			check: func(e *Error) bool { return len(e.Error()) < 700 },
		},
		{
			name: "key in every field", status: 400, kind: problem.Invalid,
			body: fmt.Sprintf(`{"error":{"type":%q,"code":%q,"param":%q,"message":%q}}`, liveKey, secret, secret, secret[:20]),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, seen := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Request-Id", "req_1")
				if tt.name == "key in every field" {
					w.Header().Set("Request-Id", secret)
					w.Header().Set("Stripe-Rate-Limited-Reason", liveKey)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			var out bytes.Buffer
			c.Log = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			endpoint := tt.path
			if endpoint == "" {
				endpoint = "/v1/charges"
			}
			_, err := c.Get(t.Context(), endpoint, endpoint, nil, 0)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if problem.KindOf(err) != tt.kind || e.Global() != tt.global || e.Status != tt.status {
				t.Errorf("kind %v, global %v, status %d: %v", e.Kind, e.Global(), e.Status, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %q", want, err)
				}
			}
			if tt.check != nil && !tt.check(e) {
				t.Errorf("check of %+v", *e)
			}
			all := fmt.Sprintf("%v %+v %#v %+v %s", err, *e, e, seen.list, out.String())
			for _, never := range append(tt.absent, secret[:12], secret[len(secret)-12:]) {
				if strings.Contains(all, never) {
					t.Errorf("%q is in %s", never, all)
				}
			}
		})
	}
}

// A garbage key is repeated by Stripe whole or in pieces.
func TestGarbageKeyIsNotRepeated(t *testing.T) {
	t.Parallel()
	const garbage = "my-very-own-password!"
	for _, repeat := range []string{garbage, garbage[:12], "'" + garbage + "'", "my-very-*****ord!"} {
		c, _ := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, stripeError("", "You sent "+repeat+" as a key"))
		})
		c.Key = mustKey(t, garbage)
		_, err := c.Get(t.Context(), "/v1/charges", "/v1/charges", nil, 0)
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "my-very") {
			t.Errorf("repeated %q: %v", repeat, err)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, key, account string
		want               map[string]string
	}{
		{"own account", liveKey, "", map[string]string{"Authorization": "Bearer " + liveKey, "Stripe-Account": "", "Stripe-Context": ""}},
		{"connected account", liveKey, "acct_1", map[string]string{"Stripe-Account": "acct_1", "Stripe-Context": ""}},
		{"organisation", "sk_org_live_" + secret, "acct_1", map[string]string{"Stripe-Account": "", "Stripe-Context": "acct_1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := map[string]string{}
			c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				for k := range tt.want {
					got[k] = r.Header.Get(k)
				}
				for k, v := range map[string]string{"Stripe-Version": Version, "Accept-Encoding": "gzip"} {
					if r.Header.Get(k) != v {
						t.Errorf("%s: %q", k, r.Header.Get(k))
					}
				}
				_, _ = io.WriteString(w, "{}")
			})
			c.Key, c.Account = mustKey(t, tt.key), tt.account
			if _, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
