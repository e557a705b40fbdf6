package flow

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
)

// States of objects. Flows know all of them; connections are enabled, or drafts.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
	Draft    = "draft"
)

// An Item is what all objects of the service have. Its JSON is how clients
// see it, and how it is stored.
type Item struct {
	ID            string   `json:"id"`        // UUID
	CreatedAt     int64    `json:"createdAt"` // epoch ms
	UpdatedAt     int64    `json:"updatedAt"` // epoch ms
	CreatedBy     string   `json:"createdBy"`
	UpdatedBy     string   `json:"updatedBy"`
	CreatedClient string   `json:"createdClient"`
	UpdatedClient string   `json:"updatedClient"`
	SandboxID     string   `json:"sandboxId"`
	SandboxName   string   `json:"sandboxName"`
	Org           string   `json:"imsOrgId"`
	Name          string   `json:"name,omitempty"`
	Description   string   `json:"description,omitempty"`
	State         string   `json:"state,omitempty"`
	Version       string   `json:"version,omitempty"` // the etag once more
	Etag          string   `json:"etag"`              // its own double quotes included
	Labels        []string `json:"labels,omitempty"`
}

// written returns what the answer to a write names.
func (i *Item) written() any {
	return struct {
		ID   string `json:"id"`
		Etag string `json:"etag"`
	}{i.ID, i.Etag}
}

// born fills in who makes a new object, and where.
func (s *Service) born(c access.Caller, i *Item) error {
	id, err := uuid.NewRandomFromReader(s.random())
	if err != nil {
		return fmt.Errorf("make an id: %w", err)
	}
	i.ID = id.String()
	i.CreatedAt, i.CreatedBy, i.CreatedClient = s.Now().UnixMilli(), c.User, c.Client
	i.SandboxID, i.SandboxName, i.Org = c.Sandbox.ID, c.Sandbox.Name, c.Org
	if err := s.changed(i); err != nil {
		return err
	}
	i.UpdatedAt, i.UpdatedBy, i.UpdatedClient = i.CreatedAt, i.CreatedBy, i.CreatedClient
	return nil
}

// touched fills in who changed an object.
func (s *Service) touched(c access.Caller, i *Item) error {
	i.UpdatedBy, i.UpdatedClient = c.User, c.Client
	return s.changed(i)
}

// changed gives an object a new etag: 8 random hex digits, and the second of the
// write in the last group.
func (s *Service) changed(i *Item) error {
	now := s.Now()
	var b [4]byte
	if _, err := io.ReadFull(s.random(), b[:]); err != nil {
		return fmt.Errorf("make an etag: %w", err)
	}
	i.UpdatedAt = now.UnixMilli()
	i.Etag = fmt.Sprintf(`"%s-0000-0200-0000-%08x0000"`, hex.EncodeToString(b[:]), uint32(now.Unix()))
	i.Version = i.Etag
	return nil
}

func (s *Service) random() io.Reader {
	if s.Random == nil {
		return rand.Reader
	}
	return s.Random
}

// sameEtag compares as clients write etags: quoted, unquoted, escaped.
func sameEtag(given, etag string) bool {
	bare := func(s string) string { return strings.Trim(strings.TrimSpace(s), `\"`) }
	return bare(given) == "*" || bare(given) == bare(etag)
}

// A kind is one sort of objects. T is the struct that is stored.
type kind[T any] struct {
	name       string // of its documents
	collection string // as paths and errors call it
	one        string // of them
	// fields may be asked for by filters, orders and projections.
	fields []string
	// stored are those of them, beside the common ones, that a document has as
	// clients see them.
	stored []string
	parent func(*T) string // nil for none
	view   func(*T) any    // what clients see
	listed *listed         // what the index tells; nil for none
	item   func(*T) *Item
}

func (k *kind[T]) missing(id string) error {
	f := fail("FLOW-1439-404", "Resource not found", "The requested %s resource %s is not found. Verify the resource ID before trying again.", k.collection, id)
	f.Report = map[string]any{"id": id, "type": k.collection}
	return f
}

// get reads an object; FLOW-1439-404.
func (k *kind[T]) get(t *docstore.Tx, s docstore.Scope, id string) (*T, docstore.Doc, error) {
	d, err := t.Get(s, k.name, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, d, k.missing(id)
	}
	if err != nil {
		return nil, d, err
	}
	v, err := k.read(d)
	if err != nil {
		return nil, d, err
	}
	// What is sealed is opened in the name of the object: it is not the
	// document's to say whose it is.
	if i := k.item(v); i.ID != d.ID || i.Org != s.Org || i.SandboxID != s.Sandbox {
		return nil, d, fmt.Errorf("%s %s says that it is another one", k.one, d.ID)
	}
	return v, d, nil
}

func (k *kind[T]) read(d docstore.Doc) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(d.Body, v); err != nil {
		return nil, fmt.Errorf("%s %s: %w", k.one, d.ID, err)
	}
	return v, nil
}

// put writes an object: a new one with the zero Doc, else in the place of d.
func (k *kind[T]) put(t *docstore.Tx, s docstore.Scope, d docstore.Doc, v *T) error {
	i := k.item(v)
	if d.Revision == 0 {
		d = docstore.Doc{Kind: k.name, ID: i.ID, Created: time.UnixMilli(i.CreatedAt)}
		if k.parent != nil {
			d.Parent = k.parent(v)
		}
	}
	return t.Store(s, d, v)
}
