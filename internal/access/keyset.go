package access

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// A keySet is the public keys of the external issuer. A token with a key that
// nobody knows makes it read them again, but once in a while only, whatever
// comes in. It implements oidc.KeySet.
type keySet struct {
	client *http.Client
	url    string
	now    func() time.Time

	mu    sync.Mutex
	keys  []jose.JSONWebKey
	asked time.Time
	err   error // of the last time that they were read
}

// unread is where a context has a *bool for VerifySignature to set, if the
// keys can't be read: the token may be good then.
type unread struct{}

// mostKeys is how many bytes the keys of an issuer may have.
const mostKeys = 1 << 20

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, asymmetric)
	if err != nil {
		return nil, errToken
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if payload, ok := verify(jws, k.keys); ok {
		return payload, nil
	}
	if k.asked.IsZero() || k.now().Sub(k.asked) >= patience {
		k.asked = k.now()
		var keys []jose.JSONWebKey
		if keys, k.err = k.read(ctx); k.err == nil {
			k.keys = keys
		}
		if payload, ok := verify(jws, k.keys); ok {
			return payload, nil
		}
	}
	if failed, ok := ctx.Value(unread{}).(*bool); ok {
		*failed = k.err != nil
	}
	return nil, errToken
}

// verify returns the payload, if one of the keys signed it that may have.
func verify(jws *jose.JSONWebSignature, keys []jose.JSONWebKey) ([]byte, bool) {
	id := jws.Signatures[0].Header.KeyID
	for _, key := range keys {
		if id != "" && key.KeyID != id || key.Use != "" && key.Use != "sig" {
			continue
		}
		if payload, err := jws.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// read asks the issuer for its keys. It doesn't end with the call that happens
// to need them.
func (k *keySet) read(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer's keys: status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, resp.Body, mostKeys))
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the issuer's keys: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		// What the library doesn't know, it can't verify with; only public keys
		// are wanted, not ones that are shared.
		if json.Unmarshal(text, &key) == nil && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	return keys, nil
}
