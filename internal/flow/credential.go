package flow

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Parameters of the Stripe spec that are read here.
const (
	paramKey     = "accessToken"
	paramAccount = "stripeAccount"
)

// about names a connection for the seal of its secrets.
func about(v *Connection) string {
	return kindConnection + "/" + v.Org + "/" + v.SandboxID + "/" + v.ID
}

// Credentials opens what a connection's source is asked with. The connection
// is one that was read from the store.
func (s *Service) Credentials(v *Connection) (Credentials, error) {
	params, err := s.params(v)
	if err != nil {
		return Credentials{}, err
	}
	return credentials(params)
}

// credentials reads the key and the account; CONNECTOR-1304-400 where there is
// no key, CONNECTOR-1312-400 for what can't be one.
func credentials(params map[string]json.RawMessage) (Credentials, error) {
	var cred Credentials
	if blank(params[paramKey]) {
		return cred, mandatory(paramKey)
	}
	var text string
	if err := json.Unmarshal(params[paramKey], &text); err != nil {
		return cred, invalid("CONNECTOR-1312-400", paramKey, "The value of %q is not valid: a text is expected", paramKey)
	}
	var err error
	if cred.Key, err = stripe.ParseKey(text); err != nil {
		why := err.Error()
		if p, ok := errors.AsType[*problem.Error](err); ok {
			why = p.Detail + ". " + p.Advice
		}
		return cred, invalid("CONNECTOR-1312-400", paramKey, "The value of %q is not valid: %s", paramKey, why)
	}
	if !blank(params[paramAccount]) {
		if err := json.Unmarshal(params[paramAccount], &cred.Account); err != nil {
			return cred, invalid("CONNECTOR-1312-400", paramAccount, "The value of %q is not valid: a text is expected", paramAccount)
		}
	}
	return cred, nil
}

// params returns all parameters of a connection, those that are sealed among
// them.
func (s *Service) params(v *Connection) (map[string]json.RawMessage, error) {
	all := maps.Clone(v.Auth.Params)
	if all == nil {
		all = map[string]json.RawMessage{}
	}
	if v.Auth.Sealed == nil {
		return all, nil
	}
	text, err := s.Keys.Open(v.Auth.Sealed.Text, about(v))
	if err != nil {
		return all, err
	}
	return all, json.Unmarshal(text, &all)
}

// setAuth gives a connection its parameters: secrets are sealed, the rest may be
// seen.
func (s *Service) setAuth(v *Connection, in *AuthInput) error {
	v.Auth = Auth{Params: map[string]json.RawMessage{}}
	if in == nil {
		return nil
	}
	v.Auth.SpecName = in.SpecName
	d, err := connectionSpecs.find(v.Spec.ID)
	if err != nil {
		return err
	}
	spec := schema{}
	if d != nil {
		spec, _ = d.auth(in.SpecName)
	}
	secrets := map[string]json.RawMessage{}
	for name, value := range in.Params {
		if spec.Properties[name].Format == "password" || looksSecret(name, value) {
			secrets[name] = value
		} else {
			v.Auth.Params[name] = value
		}
	}
	if len(secrets) == 0 {
		return nil
	}
	plain, err := json.Marshal(secrets)
	if err != nil {
		return err
	}
	sealed, err := s.Keys.Put(plain, about(v))
	v.Auth.Sealed = &sealed
	return err
}

// renew gives a connection other parameters. Whose data it gives with other
// credentials is not known.
func (s *Service) renew(v *Connection, in *AuthInput) error {
	before, _ := s.Credentials(v) // a draft may have none
	if err := s.setAuth(v, in); err != nil {
		return err
	}
	if after, err := s.Credentials(v); err != nil || before.Key.IsZero() || after.Fingerprint() != before.Fingerprint() {
		v.Account = nil
	}
	return nil
}

// secretShaped is what Stripe's keys look like. Whoever writes one in a wrong
// place did not mean to show it.
var secretShaped = regexp.MustCompile(`\b(?:sk|rk|whsec)_(?:(?:live|test|org)_)*[A-Za-z0-9]{10,}`)

func looksSecret(name string, value json.RawMessage) bool {
	var v any
	if json.Unmarshal(value, &v) == nil {
		value, _ = json.Marshal(v) // without escapes that would hide it
	}
	return secretShaped.MatchString(name) || secretShaped.Match(value)
}

// noSecret refuses parameters that look like a key and stand where everybody
// sees them.
func noSecret(params map[string]json.RawMessage) error {
	for name, value := range params {
		if looksSecret(name, value) {
			return invalid("CONNECTOR-1312-400", "params", "A parameter looks like a key of Stripe's: keys belong into auth.params of a base connection, which seals them")
		}
	}
	return nil
}
