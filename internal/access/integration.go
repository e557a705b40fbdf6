package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// An Integration is a program that may call the API: an OAuth client with a
// technical account.
type Integration struct {
	ClientID    string // 32 hex digits; the api key, too
	Org         string
	Name        string
	Account     string // …@techacct.adobe.com
	Admin       bool
	Permissions []Permission // of the role that was made for it
	Sandboxes   []string     // of the role that was made for it
	Roles       []string     // names of all roles that it has
	Secrets     []Secret
	Bootstrap   bool // made on first start
	Created     time.Time
}

// A Secret is one of an integration's secrets, which are not known here.
type Secret struct {
	ID      string // 8 hex digits
	Created time.Time
}

// storedIntegration is the body of an integration's document. Of a secret it
// has the SHA-256: secrets are 256 random bits, which nobody guesses.
type storedIntegration struct {
	Name      string         `json:"name"`
	Account   string         `json:"account"`
	Roles     []string       `json:"roles,omitempty"` // ids
	Secrets   []storedSecret `json:"secrets"`
	Bootstrap bool           `json:"bootstrap,omitempty"`
}

type storedSecret struct {
	ID      string `json:"id"`
	Hash    string `json:"sha256"`  // hex
	Created int64  `json:"created"` // ms
}

// technical is how the ids of technical accounts end.
const technical = "@techacct.adobe.com"

// mostSecrets are enough to replace one while the others work.
const mostSecrets = 10

const secretPrefix = "tribsec_"

func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return secretPrefix + base64.RawURLEncoding.EncodeToString(b)
}

func newClientID() string { return random(16) }

func (s *Service) stored(secret string) storedSecret {
	return storedSecret{ID: random(4), Hash: hash(secret), Created: s.Now().UnixMilli()}
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// secretOf returns the stored secret that this one is.
func (b storedIntegration) secretOf(secret string) (storedSecret, bool) {
	sum := []byte(hash(secret))
	for _, known := range b.Secrets {
		if subtle.ConstantTimeCompare(sum, []byte(known.Hash)) == 1 {
			return known, true
		}
	}
	return storedSecret{}, false
}

// CreateIntegration makes an integration with a role of its own, which gives
// the permissions in the sandboxes. The secret is told this once.
func (s *Service) CreateIntegration(ctx context.Context, c Caller, name string, permissions []Permission, in []string) (Integration, string, error) {
	name = strings.TrimSpace(name)
	if err := checkText("name", name, 200); err != nil {
		return Integration{}, "", err
	}
	switch {
	case len(permissions) == 0:
		return Integration{}, "", &problem.Error{Kind: problem.Invalid, Detail: "an integration needs a permission", Advice: "The permissions are " + list(Permissions)}
	case len(in) == 0:
		return Integration{}, "", problem.Errorf(problem.Invalid, "an integration needs a sandbox that it may use")
	}
	id, secret := newClientID(), newSecret()
	b := storedIntegration{Name: name, Account: strings.ToUpper(random(12)) + technical, Secrets: []storedSecret{s.stored(secret)}}
	var made Integration
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		own := docstore.Doc{Kind: roleKind, ID: newUUID(), Parent: id}
		r := Role{Name: name + " (" + id + ")", Description: "What the integration " + name + " may do.", Permissions: permissions, Sandboxes: in}
		role, err := putRole(t, c, own, storedRole{CreatedBy: c.User}, r)
		if err != nil {
			return err
		}
		b.Roles = []string{role.ID}
		d, err := t.Write(installation, docstore.Doc{Kind: integrationKind, ID: id, Parent: c.Org, Keys: []string{b.Account}}, b)
		if err != nil {
			return err
		}
		made, err = b.integration(t, d)
		return err
	})
	return made, secret, err
}

// integration tells what is stored, with its roles by name.
func (b storedIntegration) integration(t *docstore.Tx, d docstore.Doc) (Integration, error) {
	i := Integration{ClientID: d.ID, Org: d.Parent, Name: b.Name, Account: b.Account, Bootstrap: b.Bootstrap, Created: d.Created}
	for _, s := range b.Secrets {
		i.Secrets = append(i.Secrets, Secret{s.ID, time.UnixMilli(s.Created).UTC()})
	}
	for _, id := range b.Roles {
		role, r, err := docstore.Body[storedRole](t, docstore.Scope{Org: d.Parent}, roleKind, id)
		if errors.Is(err, docstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return i, err
		}
		i.Roles = append(i.Roles, role.Name)
		i.Admin = i.Admin || role.Admin
		if r.Parent == d.ID {
			i.Permissions, i.Sandboxes = role.Permissions, role.Sandboxes
		}
	}
	return i, nil
}

// Integrations returns those of the caller's organisation, oldest first.
func (s *Service) Integrations(ctx context.Context, c Caller) ([]Integration, error) {
	var all []Integration
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		all = nil
		docs, err := t.List(installation, integrationKind, docstore.Page{Parent: c.Org})
		if err != nil {
			return err
		}
		for _, d := range docs {
			b, err := docstore.Decode[storedIntegration](d)
			if err != nil {
				return err
			}
			i, err := b.integration(t, d)
			if err != nil {
				return err
			}
			all = append(all, i)
		}
		return nil
	})
	return all, err
}

// ownIntegration returns one of the caller's organisation; problem.NotFound.
func ownIntegration(t *docstore.Tx, c Caller, id string) (storedIntegration, docstore.Doc, error) {
	b, d, err := docstore.Body[storedIntegration](t, installation, integrationKind, id)
	if err == nil && d.Parent != c.Org {
		err = docstore.ErrNotFound
	}
	return b, d, found(err, "integration", id)
}

// DeleteIntegration removes an integration and the role that was made for it.
// Its tokens are worth nothing from then on. The last administrator stays.
func (s *Service) DeleteIntegration(ctx context.Context, c Caller, id string) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, _, err := ownIntegration(t, c, id)
		if err != nil {
			return err
		}
		if err := t.Delete(installation, integrationKind, id); err != nil {
			return err
		}
		scope := docstore.Scope{Org: c.Org}
		own, err := t.List(scope, roleKind, docstore.Page{Parent: id})
		if err != nil {
			return err
		}
		for _, d := range own {
			if err := t.Delete(scope, roleKind, d.ID); err != nil {
				return err
			}
		}
		admins, err := t.Find(scope, roleKind, nameKey(Administrators))
		if err != nil || !slices.Contains(b.Roles, admins.ID) {
			return err
		}
		left, err := subjects(t, c.Org, admins.ID)
		if err == nil && len(left) == 0 {
			err = errLastAdmin
		}
		return err
	})
}

// AddSecret gives an integration one more secret, which is told this once.
func (s *Service) AddSecret(ctx context.Context, c Caller, id string) (Secret, string, error) {
	secret := newSecret()
	stored := s.stored(secret)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := ownIntegration(t, c, id)
		if err != nil {
			return err
		}
		if len(b.Secrets) >= mostSecrets {
			return problem.Errorf(problem.Conflict, "the integration has %d secrets: remove one first", len(b.Secrets))
		}
		b.Secrets = append(b.Secrets, stored)
		return t.Store(installation, d, b)
	})
	return Secret{stored.ID, time.UnixMilli(stored.Created).UTC()}, secret, err
}

// RemoveSecret removes a secret by its id. Tokens that were got with it are
// worth nothing from then on.
func (s *Service) RemoveSecret(ctx context.Context, c Caller, id, secret string) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := ownIntegration(t, c, id)
		if err != nil {
			return err
		}
		n := len(b.Secrets)
		b.Secrets = slices.DeleteFunc(b.Secrets, func(known storedSecret) bool { return known.ID == secret })
		if len(b.Secrets) == n {
			return problem.Errorf(problem.NotFound, "the integration has no secret %s", quote(secret))
		}
		return t.Store(installation, d, b)
	})
}
