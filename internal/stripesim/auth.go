package stripesim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A permission of a restricted key, as error texts call it.
type permission struct{ name, id string }

// permissions by endpoint path.
var permissions = map[string]permission{
	"charges":              {"Charges Read", "charge_read"},
	"refunds":              {"Refunds Read", "refund_read"},
	"subscriptions":        {"Subscriptions Read", "subscription_read"},
	"subscription_items":   {"Subscriptions Read", "subscription_read"},
	"balance_transactions": {"Balance transaction sources Read", "balance_transaction_source_read"},
	"customers":            {"Customers Read", "customer_read"},
	"prices":               {"Prices Read", "plan_read"},
	"events":               {"Events Read", "event_read"},
	"webhook_endpoints":    {"Webhook Endpoints Read", "webhook_read"},
	"account":              {"Connected accounts Read", "connected_account_read"},
}

// permissionFor returns what a key needs, any of have. Only webhook endpoints
// can be written.
func permissionFor(method, collection string) (have []string, p permission) {
	p = permissions[collection]
	switch {
	case collection != "webhook_endpoints":
		return []string{p.id}, p
	case method != http.MethodGet:
		return []string{"webhook_write"}, permission{"Webhook Endpoints Write", "webhook_write"}
	}
	return []string{p.id, "webhook_write"}, p
}

// authenticate returns the mode of the request's key, or Stripe's refusal.
func (s *Sim) authenticate(r *http.Request, collection string) (Mode, *apiError) {
	name := credential(r)
	if name == "" {
		return "", &apiError{status: 401, message: "You did not provide an API key. You need to provide your API key in the Authorization header, " +
			"using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details."}
	}
	if strings.HasPrefix(name, "pk_") {
		return "", s.refuse(name, &apiError{
			status: 401, code: "secret_key_required",
			message: "This API call cannot be made with a publishable API key. Please use a secret API key. " +
				"You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
		})
	}
	key, ok := s.lookUp(name)
	switch {
	case !ok:
		return "", &apiError{status: 401, message: "Invalid API Key provided: " + masked(name)}
	case key.Expired:
		return "", s.refuse(name, &apiError{status: 401, code: "api_key_expired", message: "Expired API Key provided: " + masked(name)})
	case key.IPRefused:
		return "", s.refuse(name, &apiError{status: 401, message: "The API key provided does not allow requests from your IP address. (127.0.0.1)"})
	}
	if err := s.accountAllowed(r, name); err != nil {
		return "", s.refuse(name, err)
	}
	enough, p := permissionFor(r.Method, collection)
	if key.Permissions != nil && p.id != "" && !slices.ContainsFunc(key.Permissions, func(have string) bool {
		return slices.Contains(enough, strings.TrimPrefix(have, "rak_"))
	}) {
		return "", s.refuse(name, &apiError{
			status: 403, code: "more_permissions_required",
			message: fmt.Sprintf("Permission denied. The provided key '%s' does not have the required permissions for this endpoint on account '%s'. "+
				"Enabling \"%s\" ('%s') permissions on this key would allow this request to continue.", masked(name), s.cfg.AccountID, p.name, p.id),
		})
	}
	return key.Mode, nil
}

// credential returns the key of a request: a bearer token, or the user name of
// basic authentication.
func credential(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok {
		return user
	}
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// lookUp returns what the key may do, its mode filled in.
func (s *Sim) lookUp(name string) (Key, bool) {
	s.mu.RLock()
	key, ok := s.keys[name]
	open := len(s.keys) == 0
	s.mu.RUnlock()
	prefixed := modeOf(name)
	if open && prefixed != "" {
		return Key{Mode: prefixed}, true
	}
	if ok && key.Mode == "" {
		if key.Mode = prefixed; prefixed == "" {
			key.Mode = s.cfg.Mode
		}
	}
	return key, ok
}

func modeOf(key string) Mode {
	for _, kind := range []string{"sk_", "rk_"} {
		rest, ok := strings.CutPrefix(key, kind)
		if !ok {
			continue
		}
		for _, m := range []Mode{Test, Live} {
			if strings.HasPrefix(rest, string(m)+"_") {
				return m
			}
		}
	}
	return ""
}

// refuse applies the status that the key's Config asks for.
func (s *Sim) refuse(name string, err *apiError) *apiError {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if k := s.keys[name]; k.Status != 0 {
		err.status = k.Status
	}
	return err
}

func (s *Sim) accountAllowed(r *http.Request, key string) *apiError {
	asked := r.Header.Get("Stripe-Account")
	if asked == "" {
		asked = r.Header.Get("Stripe-Context")
	}
	switch {
	case asked == "" || asked == s.cfg.AccountID:
		return nil
	case !s.cfg.Platform:
		return &apiError{status: 403, message: "Only Stripe Connect platforms can work with other accounts. " +
			"If you specified a client_id parameter, make sure it's correct. If you need to setup a Stripe Connect platform, you can do so at https://dashboard.stripe.com/account/applications/settings."}
	}
	return &apiError{
		status: 403, code: "account_invalid",
		message: fmt.Sprintf("The provided key '%s' does not have access to account '%s' (or that account does not exist). "+
			"Application access may have been revoked.", masked(key), asked),
	}
}

// masked hides the middle of what looks like a key. Like Stripe, it repeats
// anything else whole.
func masked(key string) string {
	i := strings.LastIndexByte(key, '_')
	if i < 2 || len(key)-i < 6 {
		return key
	}
	tail := key[i+1:]
	return key[:i+1] + strings.Repeat("*", len(tail)-4) + tail[len(tail)-4:]
}
