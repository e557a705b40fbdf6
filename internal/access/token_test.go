package access_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// key returns the key that signs the world's tokens, and its id.
func (w *world) key(t testing.TB) (ed25519.PrivateKey, string) {
	t.Helper()
	var stored struct {
		Seed struct {
			Text []byte `json:"$sealed"`
		}
	}
	var id string
	err := w.DB.Do(t.Context(), func(tx *docstore.Tx) error {
		docs, err := tx.List(docstore.Scope{}, "token-key", docstore.Page{Newest: true, Limit: 1})
		if err != nil {
			return err
		}
		id = docs[0].ID
		return json.Unmarshal(docs[0].Body, &stored)
	})
	if err != nil {
		t.Fatal(err)
	}
	seed, err := mirror{}.Open(stored.Seed.Text, "token-key/"+id)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed), id
}

// said returns what a token says, unverified.
func said(t testing.TB, token string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Only a token that we signed, in force, of a client and secret that are there,
// is accepted, and what is said of any other does not repeat it.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i, secret, good := w.integration(t, w.admin, []access.Permission{access.ViewSources}, "prod")
	foreign, _, theirs := w.integration(t, w.other, []access.Permission{access.ViewSources}, "prod")
	gone, _, ofGone := w.integration(t, w.admin, []access.Permission{access.ViewSources}, "prod")
	if err := w.DeleteIntegration(t.Context(), w.admin, gone.ClientID); err != nil {
		t.Fatal(err)
	}
	elsewhere := newWorld(t)
	_, _, fromElsewhere := elsewhere.integration(t, elsewhere.admin, []access.Permission{access.ViewSources}, "prod")
	key, kid := w.key(t)
	public, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change map[string]any) map[string]any {
		m := said(t, good)
		for name, v := range change {
			if m[name] = v; v == nil {
				delete(m, name)
			}
		}
		return m
	}
	ours := func(change map[string]any) string {
		return sign(t, jose.EdDSA, key, map[jose.HeaderKey]any{"kid": kid}, with(change))
	}
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	parts := strings.Split(good, ".")
	now := w.clock.now().Unix()
	for name, c := range map[string]struct {
		token string
		good  bool
	}{
		"ours":                          {good, true},
		"ours, signed again":            {ours(nil), true},
		"of the other organisation":     {theirs, true},
		"empty":                         {"", false},
		"a word":                        {"x", false},
		"three words":                   {"a.b.c", false},
		"the secret":                    {secret, false},
		"no signature":                  {parts[0] + "." + parts[1] + ".", false},
		"two parts":                     {parts[0] + "." + parts[1], false},
		"another signature":             {parts[0] + "." + parts[1] + "." + strings.Split(theirs, ".")[2], false},
		"changed":                       {parts[0] + "." + encode(with(map[string]any{"sub": "x"})) + "." + parts[2], false},
		"alg none":                      {encode(map[string]any{"alg": "none", "kid": kid}) + "." + parts[1] + ".", false},
		"alg None":                      {encode(map[string]any{"alg": "None", "kid": kid}) + "." + parts[1] + ".", false},
		"alg none with a signature":     {encode(map[string]any{"alg": "none", "kid": kid}) + "." + parts[1] + "." + parts[2], false},
		"no alg":                        {encode(map[string]any{"kid": kid}) + "." + parts[1] + "." + parts[2], false},
		"public key as a shared secret": {sign(t, jose.HS256, []byte(key.Public().(ed25519.PublicKey)), map[jose.HeaderKey]any{"kid": kid}, with(nil)), false},
		"JSON in place of the form":     {`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, false},
		"another key":                   {sign(t, jose.EdDSA, stranger, map[jose.HeaderKey]any{"kid": kid}, with(nil)), false},
		"a key that it brings along":    {sign(t, jose.EdDSA, stranger, map[jose.HeaderKey]any{"kid": kid, "jwk": jose.JSONWebKey{Key: public}}, with(nil)), false},
		"a key that nobody knows":       {sign(t, jose.EdDSA, key, map[jose.HeaderKey]any{"kid": "ffffffffffffffff"}, with(nil)), false},
		"a key with a zero":             {sign(t, jose.EdDSA, key, map[jose.HeaderKey]any{"kid": "\x00"}, with(nil)), false},
		"no key id":                     {sign(t, jose.EdDSA, key, nil, with(nil)), false},
		"another installation":          {fromElsewhere, false},
		"expired":                       {ours(map[string]any{"exp": now}), false},
		"no expiry":                     {ours(map[string]any{"exp": nil}), false},
		"expiry that is no number":      {ours(map[string]any{"exp": "tomorrow"}), false},
		"issued tomorrow":               {ours(map[string]any{"iat": now + 86_400}), false},
		"never issued":                  {ours(map[string]any{"iat": nil}), false},
		"another issuer":                {ours(map[string]any{"iss": "https://example.com"}), false},
		"no issuer":                     {ours(map[string]any{"iss": nil}), false},
		"another audience":              {ours(map[string]any{"aud": foreign.Org}), false},
		"no audience":                   {ours(map[string]any{"aud": nil}), false},
		"another subject":               {ours(map[string]any{"sub": foreign.Account}), false},
		"another client":                {ours(map[string]any{"client_id": foreign.ClientID}), false},
		"no client":                     {ours(map[string]any{"client_id": nil}), false},
		"another secret":                {ours(map[string]any{"secret_id": foreign.Secrets[0].ID}), false},
		"of a client that is gone":      {ofGone, false},
		"too long":                      {ours(map[string]any{"more": strings.Repeat("x", 40_000)}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := w.Principal(t.Context(), c.token)
			if c.good {
				if err != nil || p.Client == "" {
					t.Errorf("%+v: %v", p, err)
				}
				return
			}
			kind(t, name, err, problem.Unauthenticated)
			if len(c.token) > 5 && strings.Contains(err.Error(), c.token) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
	p, err := w.Principal(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	want := &access.Principal{Org: w.admin.Org, Client: i.ClientID, User: i.Account, Grants: map[string][]access.Permission{"prod": {access.ViewSources}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

// A token lasts for a day, through restarts and new keys, and not a second
// longer; new tokens come from a new key when the old one is a month old.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		_, secret, token := w.integration(t, w.admin, []access.Permission{access.ViewSources}, "prod")
		client := said(t, token)["client_id"].(string)
		good := func(s *access.Service, token string, want bool) {
			t.Helper()
			if _, err := s.Principal(t.Context(), token); (err == nil) != want {
				t.Errorf("accepted: %v, want %v", err, want)
			}
		}
		good(w.open(t), token, true) // a restart
		_, first := w.key(t)
		if err := w.RotateTokenKey(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if _, second := w.key(t); first == second {
			t.Error("the key is the same")
		}
		good(w.Service, token, true)
		w.clock.move(access.TokenLife - time.Second)
		good(w.Service, token, true)
		w.clock.move(time.Second)
		good(w.Service, token, false)

		again := func() string {
			t.Helper()
			got, err := w.Token(t.Context(), client, secret)
			if err != nil {
				t.Fatal(err)
			}
			return got.AccessToken
		}
		good(w.Service, again(), true)
		_, before := w.key(t)
		w.clock.move(31 * 24 * time.Hour)
		token = again()
		if _, after := w.key(t); before == after {
			t.Error("a key of 31 days still signs")
		}
		good(w.Service, token, true)
		// Now all but the last two keys have signed nothing that is in force.
		keys := 0
		err := w.DB.Do(t.Context(), func(tx *docstore.Tx) error {
			docs, err := tx.List(docstore.Scope{}, "token-key", docstore.Page{})
			keys = len(docs)
			return err
		})
		if err != nil || keys != 2 {
			t.Errorf("%d keys: %v", keys, err)
		}
		if err := w.RotateTokenKey(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		good(w.Service, token, false)
		good(w.Service, again(), true)
	})
}

// What a role, a secret or a client loses, its tokens lose at once.
func TestRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		i, _, first := w.integration(t, w.admin, []access.Permission{access.ManageSources}, "prod")
		added, secret, err := w.AddSecret(ctx, w.admin, i.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		second, err := w.Token(ctx, i.ClientID, secret)
		if err != nil {
			t.Fatal(err)
		}
		other := w.open(t) // as a server has it while the command line changes things
		grants := func(token string) map[string][]access.Permission {
			t.Helper()
			p, err := other.Principal(ctx, token)
			if err != nil {
				t.Fatal(err)
			}
			return p.Grants
		}
		if diff := cmp.Diff(map[string][]access.Permission{"prod": {access.ManageSources, access.ViewSources}}, grants(first)); diff != "" {
			t.Error(diff)
		}
		if err := w.RemoveSecret(ctx, w.admin, i.ClientID, i.Secrets[0].ID); err != nil {
			t.Fatal(err)
		}
		_, err = other.Principal(ctx, first)
		kind(t, "token of a removed secret", err, problem.Unauthenticated)
		roles, err := w.Roles(ctx, w.admin)
		if err != nil {
			t.Fatal(err)
		}
		own := slices.IndexFunc(roles, func(r access.Role) bool { return !r.System })
		_, err = w.ChangeRole(ctx, w.admin, roles[own].ID, func(r *access.Role) error {
			r.Permissions = []access.Permission{access.ViewDatasets}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string][]access.Permission{"prod": {access.ViewDatasets}}, grants(second.AccessToken)); diff != "" {
			t.Error(diff)
		}
		if err := w.DeleteRole(ctx, w.admin, roles[own].ID); err != nil {
			t.Fatal(err)
		}
		if got := grants(second.AccessToken); len(got) != 0 {
			t.Errorf("a role that is gone gives %v", got)
		}
		kind(t, "secret that is gone", w.RemoveSecret(ctx, w.admin, i.ClientID, i.Secrets[0].ID), problem.NotFound)
		if err := w.RemoveSecret(ctx, w.admin, i.ClientID, added.ID); err != nil {
			t.Fatal(err)
		}
		_, err = other.Principal(ctx, second.AccessToken)
		kind(t, "token of the last secret", err, problem.Unauthenticated)
	})
}

// A client gets a token for its own secret alone, and no secret, token or key
// stands in the database.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i, secret, token := w.integration(t, w.admin, []access.Permission{access.ViewSources}, "prod")
	_, foreign, _ := w.integration(t, w.other, []access.Permission{access.ViewSources}, "prod")
	for name, c := range map[string][2]string{
		"another's secret": {i.ClientID, foreign},
		"no secret":        {i.ClientID, ""},
		"no client":        {"", secret},
		"unknown":          {strings.Repeat("0", 32), secret},
		"in capitals":      {strings.ToUpper(i.ClientID), secret},
		"hash":             {i.ClientID, "sha256"},
		"odd":              {"\x00\xff", "\x00\xff"},
	} {
		_, err := w.Token(t.Context(), c[0], c[1])
		kind(t, name, err, problem.Unauthenticated)
		if strings.Contains(err.Error(), secret) || foreign != "" && strings.Contains(err.Error(), foreign) {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
	key, _ := w.key(t)
	want := map[string]string{
		"secret": secret, "token": token, "key": string(key.Seed()), "key in base64": base64.StdEncoding.EncodeToString(key.Seed()),
	}
	found := map[string]bool{}
	for _, suffix := range []string{"", "-wal"} {
		pages, err := os.ReadFile(w.name + suffix)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if strings.Contains(string(pages), text) {
				t.Errorf("the %s stands in control.db%s", name, suffix)
			}
		}
		if strings.Contains(string(pages), i.ClientID) {
			found["client id"] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"client id": true}, maps.Collect(maps.All(found))); diff != "" {
		t.Errorf("what does stand there is not found: %s", diff)
	}
}
