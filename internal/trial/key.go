package trial

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Key lets a shop ask for the decisions of one sandbox, and for nothing else.
// The secret itself is kept nowhere.
type Key struct {
	ID        string `json:"-"`
	Name      string `json:"name"`
	Hash      string `json:"hash"` // KeyHash of the secret, in hex
	Hint      string `json:"hint"` // its last four characters
	CreatedBy string `json:"createdBy"`
	// Origins are those of the web pages that may use the key in a browser, as
	// browsers write them. A key without any is for servers.
	Origins []string `json:"origins,omitempty"`
	// Experiments are the keys of those that it asks about. A key without any asks about
	// all of the sandbox.
	Experiments []string `json:"experiments,omitempty"`

	Created time.Time `json:"-"`
	Used    time.Time `json:"-"` // the hour of its last use; zero for never
}

// KeyPrefix is what all secrets of keys begin with.
const KeyPrefix = "tdk_"

// KeyHash returns what a secret is known by. Secrets are random and long, so that
// nobody finds one by its hash.
func KeyHash(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// Sum returns the KeyHash of the key's secret.
func (k Key) Sum() (sum [sha256.Size]byte, err error) {
	if n, err := hex.Decode(sum[:], []byte(k.Hash)); err != nil || n != len(sum) || len(k.Hash) != 2*len(sum) {
		return sum, fmt.Errorf("the stored key %s: its hash is none", k.ID)
	}
	return sum, nil
}

// CreateKey makes a key of a name, origins and experiments, and returns its secret,
// which is never shown again.
func (s *Service) CreateKey(ctx context.Context, c access.Caller, asked Key) (Key, string, error) {
	if asked.Name == "" || len(asked.Name) > 200 || !docstore.Storable(asked.Name) {
		return Key{}, "", problem.Errorf(problem.Invalid, "name: it needs 1 to 200 bytes")
	}
	origins, err := originsOf(asked.Origins)
	if err != nil {
		return Key{}, "", err
	}
	if len(asked.Experiments) > maxNamed {
		return Key{}, "", problem.Errorf(problem.Invalid, "experiments: a key names %d at most; one that names none asks about all", maxNamed)
	}
	b := make([]byte, 24)
	rand.Read(b)
	secret := KeyPrefix + hex.EncodeToString(b)
	hash := KeyHash(secret)
	k := Key{
		Name: asked.Name, Hash: hex.EncodeToString(hash[:]), Hint: secret[len(secret)-4:], CreatedBy: c.User,
		Origins: origins, Experiments: slices.Compact(slices.Sorted(slices.Values(asked.Experiments))),
	}
	id := uuid.NewString()
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		n, err := t.Count(c.Scope(), kindKey, "")
		if err != nil {
			return err
		}
		if n >= maxKeys {
			return problem.Errorf(problem.Conflict, "the sandbox has %d keys for decisions, and can't have more", n)
		}
		if err := named(t, c.Scope(), k.Experiments); err != nil {
			return err
		}
		d, err := t.Write(c.Scope(), docstore.Doc{Kind: kindKey, ID: id}, k)
		if err != nil {
			return err
		}
		k.ID, k.Created = d.ID, d.Created
		return turn(t, c)
	})
	s.changed(ctx)
	return k, secret, err
}

// named refuses keys that no experiment has: one that is misspelt would be decided for
// nobody, and nobody would be told.
func named(t *docstore.Tx, scope docstore.Scope, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	all, err := list(t, scope)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if !slices.ContainsFunc(all, func(e Experiment) bool { return e.Key == key }) {
			return problem.Errorf(problem.Invalid, "experiments: there is no experiment with the key %.100q in this sandbox", key)
		}
	}
	return nil
}

// Keys returns those of the caller's sandbox, the oldest first.
func (s *Service) Keys(ctx context.Context, c access.Caller) ([]Key, error) {
	var all []Key
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		all, err = keys(t, c.Scope())
		return err
	})
	return all, err
}

// RevokeKey ends a key, in all processes within a second; problem.NotFound.
func (s *Service) RevokeKey(ctx context.Context, c access.Caller, id string) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := t.Delete(c.Scope(), kindKey, id); err != nil {
			return err
		}
		if err := t.Remove(c.Scope(), kindUse, id); err != nil {
			return err
		}
		return turn(t, c)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return problem.Errorf(problem.NotFound, "there is no key %.100q for decisions in this sandbox", id)
	}
	s.changed(ctx)
	return err
}

// KeyUsed notes the hour in which a key was used.
func (s *Service) KeyUsed(ctx context.Context, scope docstore.Scope, id string, hour time.Time) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		if _, err := t.Get(scope, kindKey, id); errors.Is(err, docstore.ErrNotFound) {
			return nil // it was revoked meanwhile, or went with its sandbox
		} else if err != nil {
			return err
		}
		before, d, err := docstore.Body[use](t, scope, kindUse, id)
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		u := use{hour.UTC()}
		if !before.Used.Before(u.Used) {
			return nil
		}
		d.Kind, d.ID = kindUse, id
		return t.Store(scope, d, u)
	})
}

type use struct {
	Used time.Time `json:"used"`
}

func keys(t *docstore.Tx, scope docstore.Scope) ([]Key, error) {
	docs, err := t.List(scope, kindKey, docstore.Page{})
	if err != nil {
		return nil, err
	}
	uses, err := t.List(scope, kindUse, docstore.Page{})
	if err != nil {
		return nil, err
	}
	last := map[string]time.Time{}
	for _, d := range uses {
		u, err := docstore.Decode[use](d)
		if err != nil {
			return nil, err
		}
		last[d.ID] = u.Used
	}
	var all []Key
	for _, d := range docs {
		k := Key{ID: d.ID, Created: d.Created, Used: last[d.ID]}
		if err := d.Read(&k); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}
