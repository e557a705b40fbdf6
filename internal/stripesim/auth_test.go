package stripesim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Keys = map[string]Key{
		"sk_test_good00001234":  {},
		"rk_test_some00001234":  {Permissions: []string{"rak_charge_read", "event_read"}},
		"rk_test_old000001234":  {Expired: true},
		"rk_test_ip0000001234":  {IPRefused: true},
		"rk_test_ip4030001234":  {IPRefused: true, Status: 403},
		"sk_live_other0001234":  {},
		"oauth-token-of-an-app": {Mode: Test},
	}
	s := newSim(t, cfg)
	first := list(t, s, "/v1/charges?limit=1").ids()[0]
	tests := []struct {
		name, key, path, account string
		status                   int
		code, message            string
	}{
		{"good", "sk_test_good00001234", "charges", "", 200, "", ""},
		{"app", "oauth-token-of-an-app", "charges", "", 200, "", ""},
		{"none", "", "charges", "", 401, "", "You did not provide an API key"},
		{"unknown", "sk_test_wrong0001234", "charges", "", 401, "", "Invalid API Key provided: sk_test_********1234"},
		{"not a key", "hunter2", "charges", "", 401, "", "Invalid API Key provided: hunter2"},
		{"publishable", "pk_test_good00001234", "charges", "", 401, "secret_key_required", "publishable API key"},
		{"expired", "rk_test_old000001234", "charges", "", 401, "api_key_expired", "Expired API Key provided: rk_test_********1234"},
		{"address", "rk_test_ip0000001234", "charges", "", 401, "", "does not allow requests from your IP address."},
		{"address 403", "rk_test_ip4030001234", "charges", "", 403, "", "does not allow requests from your IP address."},
		{"has permission", "rk_test_some00001234", "charges", "", 200, "", ""},
		{"lacks customers", "rk_test_some00001234", "customers", "", 403, "more_permissions_required", `Enabling "Customers Read" ('customer_read')`},
		{"lacks prices", "rk_test_some00001234", "prices", "", 403, "more_permissions_required", `Enabling "Prices Read" ('plan_read')`},
		{"lacks rows", "rk_test_some00001234", "balance_transactions", "", 403, "more_permissions_required", "balance_transaction_source_read"},
		{"own account", "sk_test_good00001234", "charges", "acct_1M2JTkLkdIwHu7ix", 200, "", ""},
		{"other account", "sk_test_good00001234", "charges", "acct_1Other", 403, "", "Only Stripe Connect platforms can work with other accounts"},
		{"other mode", "sk_live_other0001234", "charges/" + first, "", 404, "resource_missing", "a similar object exists in test mode, but a live mode key was used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := map[string]string{"Authorization": "Bearer " + tt.key}
			if tt.account != "" {
				header["Stripe-Account"] = tt.account
			}
			w := request(s, "/v1/"+tt.path, header)
			var l listJSON
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			if w.Code != tt.status || l.Error.Code != tt.code || !strings.Contains(l.Error.Message, tt.message) {
				t.Errorf("got %d %+v", w.Code, l.Error)
			}
			if w.Header().Get("Request-Id") == "" {
				t.Error("no Request-Id")
			}
		})
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Platform, cfg.AccountID = true, "acct_1ConnectedShop00"
	s := newSim(t, cfg)
	if w := request(s, "/v1/charges", map[string]string{"Stripe-Account": "acct_1ConnectedShop00"}); w.Code != 200 {
		t.Errorf("own account: %d %s", w.Code, w.Body)
	}
	w := request(s, "/v1/charges", map[string]string{"Stripe-Account": "acct_1Gone"})
	if w.Code != 403 || !strings.Contains(w.Body.String(), "account_invalid") || !strings.Contains(w.Body.String(), "does not have access to account 'acct_1Gone'") {
		t.Errorf("other account: %d %s", w.Code, w.Body)
	}
}

// Without Config.Keys any secret key works; the other mode is empty.
func TestOpenAccount(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Mode = Live
	s := newSim(t, cfg)
	if got := s.Key(); !strings.HasPrefix(got, "sk_live_") {
		t.Errorf("key %q", got)
	}
	for _, r := range Resources() {
		l := list(t, s, "/v1/"+string(r))
		w := request(s, "/v1/"+string(r), map[string]string{"Authorization": "Bearer rk_test_any"})
		var other listJSON
		if err := json.Unmarshal(w.Body.Bytes(), &other); err != nil || w.Code != 200 {
			t.Fatal(w.Code, err)
		}
		if len(l.Data) == 0 || len(other.Data) != 0 || other.HasMore {
			t.Errorf("%s: %d objects for the live key, %d for the test key", r, len(l.Data), len(other.Data))
		}
	}
	if !strings.Contains(request(s, "/v1/charges", nil).Body.String(), `"livemode": true`) {
		t.Error("live objects say livemode false")
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	r := httptest.NewRequest(http.MethodGet, "/v1/charges?limit=1", nil)
	r.SetBasicAuth("sk_test_basic", "")
	r.Header.Set("Stripe-Version", "2023-10-16")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("Stripe-Version") != "2023-10-16" || w.Header().Get("Date") != end.Format(http.TimeFormat) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := request(s, "/v1/charges", nil); w.Header().Get("Stripe-Version") != defaultVersion {
		t.Errorf("default version %q", w.Header().Get("Stripe-Version"))
	}
	if w := request(s, "/v1/charges", map[string]string{"Stripe-Version": "2099-01-01"}); w.Code != 400 || !strings.Contains(w.Body.String(), "2099-01-01") {
		t.Errorf("unknown version: %d %s", w.Code, w.Body)
	}
	w = request(s, "/v1/account", nil)
	if h := head(w.Body.Bytes()); h.ID != "acct_1M2JTkLkdIwHu7ix" || h.Object != "account" {
		t.Errorf("account: %s", w.Body)
	}
}

func TestKeyExpiresLater(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Keys = map[string]Key{"sk_test_k": {}}
	s := newSim(t, cfg)
	if w := request(s, "/v1/charges", nil); w.Code != 200 {
		t.Fatal(w.Code)
	}
	s.SetKey("sk_test_k", Key{Expired: true})
	if w := request(s, "/v1/charges", map[string]string{"Authorization": "Bearer sk_test_k"}); w.Code != 401 {
		t.Errorf("got %d", w.Code)
	}
}
