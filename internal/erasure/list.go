package erasure

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/secret"
)

// Kinds of documents of the list of whom nothing may come back.
const (
	// An entry stands in the scope of its organisation, with the name of its sandbox
	// as its parent: it outlives the sandbox, as what is made in its place may copy the
	// same account. Its id is the request's.
	kindListed = "erasure.listed"
	// The key of the entries' hashes stands in the scope of the installation, sealed.
	kindKey = "erasure.key"
)

const keyDoc = "list"

// KeySize is the length of the key of the list, in bytes.
const KeySize = 32

// A Listed is a customer of whom nothing may come back, by a keyed hash of the id: who
// has an id and the key can tell whether it is on the list, and nobody can read
// one from it.
type Listed struct {
	Request string
	Digest  [32]byte
	Books   bool // balance transactions, too
	At      time.Time
}

// listed is how an entry is stored. At is epoch ms.
//
//	{"digest":"5f…","copy":"acct_1-test","books":true,"at":1767225600000}
type listed struct {
	Digest string `json:"digest"`
	Copy   string `json:"copy,omitempty"` // "" for all
	Books  bool   `json:"books,omitempty"`
	At     int64  `json:"at"`
}

type storedKey struct {
	Key secret.Sealed `json:"key"`
}

// List returns of whom a copy of a sandbox, by its name, is to keep nothing, and the key
// of the hashes.
func (s *Service) List(ctx context.Context, org, sandbox, name string) (key []byte, all []Listed, err error) {
	return s.those(ctx, org, sandbox, func(l listed) bool { return l.Copy == "" || l.Copy == name })
}

// Everybody returns of whom nothing is to be kept in a sandbox, by its name, whichever
// copy the request was about, and the key of the hashes.
func (s *Service) Everybody(ctx context.Context, org, sandbox string) (key []byte, all []Listed, err error) {
	return s.those(ctx, org, sandbox, func(listed) bool { return true })
}

func (s *Service) those(ctx context.Context, org, sandbox string, counts func(listed) bool) (key []byte, all []Listed, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		key, all = nil, nil
		docs, err := t.List(docstore.Scope{Org: org}, kindListed, docstore.Page{Parent: sandbox})
		if err != nil || len(docs) == 0 {
			return err
		}
		if key, err = s.listKey(t); err != nil {
			return err
		}
		for _, d := range docs {
			var l listed
			if err := json.Unmarshal(d.Body, &l); err != nil {
				return err
			}
			if !counts(l) {
				continue
			}
			one := Listed{Request: d.ID, Books: l.Books, At: time.UnixMilli(l.At).UTC()}
			if n, err := hex.Decode(one.Digest[:], []byte(l.Digest)); err != nil || n != len(one.Digest) {
				return fmt.Errorf("the privacy request %s is listed with what is no hash", d.ID)
			}
			all = append(all, one)
		}
		return nil
	})
	return key, all, err
}

// listKey returns the key of the list; docstore.ErrNotFound where nobody was listed
// yet.
func (s *Service) listKey(t *docstore.Tx) ([]byte, error) {
	k, _, err := docstore.Body[storedKey](t, docstore.Scope{}, kindKey, keyDoc)
	if err != nil {
		return nil, err
	}
	return s.Keys.Open(k.Key.Text, about(keyDoc))
}

// put puts a customer on the list.
func (s *Service) put(t *docstore.Tx, c access.Caller, r Request, customer string) error {
	key, err := s.listKey(t)
	if errors.Is(err, docstore.ErrNotFound) {
		key = make([]byte, KeySize)
		rand.Read(key)
		var k storedKey
		if k.Key, err = s.Keys.Put(key, about(keyDoc)); err == nil {
			err = t.Store(docstore.Scope{}, docstore.Doc{Kind: kindKey, ID: keyDoc}, k)
		}
	}
	if err != nil {
		return err
	}
	digest := s.Digest(key, customer)
	return t.Store(docstore.Scope{Org: c.Org}, docstore.Doc{Kind: kindListed, ID: r.ID, Parent: c.Sandbox.Name},
		listed{Digest: hex.EncodeToString(digest[:]), Copy: r.Copy, Books: r.Mode == Everything, At: r.AskedAt})
}
