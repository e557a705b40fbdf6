package access

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
)

// keyAge is how long a key signs before a new one takes its place.
const keyAge = 30 * 24 * time.Hour

// storedTokenKey is the body of a signing key's document. The newest signs; the
// others only verify, until the tokens that they signed have expired.
type storedTokenKey struct {
	Public []byte `json:"public"` // Ed25519
	Seed   sealed `json:"seed"`   // Ed25519
}

// sealed is a sealed text as documents hold it, so that it can be sealed anew
// without knowing what it is. What About says there is not relied on.
type sealed struct {
	Text  []byte `json:"$sealed"`
	About string `json:"about"`
}

func aboutKey(id string) string { return tokenKeyKind + "/" + id }

// signingKey returns the key that signs, with its id. It makes one if there is
// none, or the last has become old.
func (s *Service) signingKey(ctx context.Context) (string, ed25519.PrivateKey, error) {
	var b storedTokenKey
	var d docstore.Doc
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		b, d, err = newestKey(t)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	if d.ID == "" || s.Now().Sub(d.Created) >= keyAge {
		if b, d, err = s.rotate(ctx, d.ID, false); err != nil {
			return "", nil, err
		}
	}
	seed, err := s.Sealer.Open(b.Seed.Text, aboutKey(d.ID))
	if err != nil {
		return "", nil, fmt.Errorf("open the key that signs tokens: %w", err)
	}
	if len(seed) != ed25519.SeedSize {
		return "", nil, fmt.Errorf("the key that signs tokens has %d bytes", len(seed))
	}
	return d.ID, ed25519.NewKeyFromSeed(seed), nil
}

// newestKey returns the key that signs, or an empty document.
func newestKey(t *docstore.Tx) (storedTokenKey, docstore.Doc, error) {
	docs, err := t.List(installation, tokenKeyKind, docstore.Page{Newest: true, Limit: 1})
	if err != nil || len(docs) == 0 {
		return storedTokenKey{}, docstore.Doc{}, err
	}
	b, err := docstore.Decode[storedTokenKey](docs[0])
	return b, docs[0], err
}

// Seals says whether anything is stored that the Sealer sealed.
func (s *Service) Seals(ctx context.Context) (bool, error) {
	var d docstore.Doc
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		_, d, err = newestKey(t)
		return err
	})
	return d.ID != "", err
}

// RotateTokenKey makes a new key that signs tokens. Those that are out stay good
// until they expire, or, with revoke, are worth nothing from now on.
func (s *Service) RotateTokenKey(ctx context.Context, revoke bool) error {
	_, _, err := s.rotate(ctx, "", revoke)
	return err
}

// rotate makes a new key. Where after is given, it does so only if that is
// still the newest, and returns the newest.
func (s *Service) rotate(ctx context.Context, after string, revoke bool) (storedTokenKey, docstore.Doc, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return storedTokenKey{}, docstore.Doc{}, err
	}
	id := random(8)
	// Outside of the transaction: the sealer may have one of its own.
	text, err := s.Sealer.Seal(private.Seed(), aboutKey(id))
	if err != nil {
		return storedTokenKey{}, docstore.Doc{}, fmt.Errorf("seal the key that signs tokens: %w", err)
	}
	fresh := storedTokenKey{Public: public, Seed: sealed{text, aboutKey(id)}}
	var b storedTokenKey
	var d docstore.Doc
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		docs, err := t.List(installation, tokenKeyKind, docstore.Page{Newest: true})
		if err != nil {
			return err
		}
		if len(docs) > 0 && after != "" && docs[0].ID != after {
			d = docs[0] // somebody else was faster
			b, err = docstore.Decode[storedTokenKey](d)
			return err
		}
		created := s.Now()
		if len(docs) > 0 && !created.After(docs[0].Created) {
			created = docs[0].Created.Add(time.Millisecond) // the newest, whatever the clocks say
		}
		replaced := created // when the key in hand was replaced
		for _, old := range docs {
			if revoke || s.Now().Sub(replaced) > TokenLife {
				if err := t.Delete(installation, tokenKeyKind, old.ID); err != nil {
					return err
				}
			}
			replaced = old.Created
		}
		b = fresh
		d, err = t.Write(installation, docstore.Doc{Kind: tokenKeyKind, ID: id, Created: created}, fresh)
		return err
	})
	return b, d, err
}
