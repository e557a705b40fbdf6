package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Service keeps the lists of addresses that may call, of organisations and
// of their sandboxes, and says what addresses and hosts matter to firewalls.
// Where both levels have a list, a caller must be on both; where neither has
// one, everybody may call.
type Service struct {
	DB      *docstore.DB
	Proxies Proxies
	Now     func() time.Time
	Log     *slog.Logger
	// Egress is told to those who bind Stripe's keys to addresses.
	Egress Egress

	mu    sync.Mutex
	known map[docstore.Scope]known // the scope that a list is about
}

// A Level is what a list is about.
type Level string

// The levels.
const (
	Organization Level = "organization"
	Sandbox      Level = "sandbox"
)

// An Entry is a range of addresses that may call.
type Entry struct {
	CIDR        string `json:"cidr"`
	Description string `json:"description,omitempty"`
}

// A List is the addresses that may call. It is also the stored form.
type List struct {
	Entries   []Entry `json:"entries"`
	UpdatedBy string  `json:"updatedBy"`
}

// Entries that a list may have, and characters of a description.
const (
	maxEntries     = 1000
	maxDescription = 200
)

// kind of the documents. Those of all sandboxes stand with the organisation, so
// that resetting a sandbox does not open it to everybody.
const kind = "allow-list"

// about returns what a list of the caller's is about.
func about(c access.Caller, level Level) docstore.Scope {
	s := docstore.Scope{Org: c.Org}
	if level == Sandbox {
		s.Sandbox = c.Sandbox.ID
	}
	return s
}

// where returns the scope and id of the document.
func where(s docstore.Scope) (docstore.Scope, string) {
	id := string(Organization)
	if s.Sandbox != "" {
		id = "sandbox:" + s.Sandbox
	}
	return docstore.Scope{Org: s.Org}, id
}

// List returns the list of the caller's organisation or sandbox; problem.NotFound
// where everybody may call.
func (s *Service) List(ctx context.Context, c access.Caller, level Level) (List, error) {
	var l List
	scope, id := where(about(c, level))
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := t.Get(scope, kind, id)
		if err != nil {
			return err
		}
		return json.Unmarshal(d.Body, &l)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return List{}, problem.Errorf(problem.NotFound, "the %s has no list of addresses: it can be called from everywhere", level)
	}
	return l, err
}

// SetList replaces a list. A list without the address that the caller calls
// from is refused, unless force is set.
func (s *Service) SetList(ctx context.Context, c access.Caller, level Level, entries []Entry, from netip.Addr, force bool) (List, error) {
	prefixes, err := validate(entries)
	if err != nil {
		return List{}, err
	}
	if !force && !contains(prefixes, from) {
		return List{}, &problem.Error{
			Kind: problem.Conflict, Detail: fmt.Sprintf("the list lacks %s, from where you call: it would lock you out", from),
			Advice: "Add the address, or say force=true",
		}
	}
	l := List{Entries: entries, UpdatedBy: c.User}
	err = s.change(ctx, about(c, level), func(t *docstore.Tx, scope docstore.Scope, d docstore.Doc) error {
		return t.Store(scope, d, l)
	})
	return l, err
}

// DeleteList lets everybody call again.
func (s *Service) DeleteList(ctx context.Context, c access.Caller, level Level) error {
	return s.change(ctx, about(c, level), func(t *docstore.Tx, scope docstore.Scope, d docstore.Doc) error {
		if d.Revision == 0 {
			return problem.Errorf(problem.NotFound, "the %s has no list of addresses", level)
		}
		return t.Delete(scope, kind, d.ID)
	})
}

// change runs fn with the document as it is, revision 0 for none.
func (s *Service) change(ctx context.Context, of docstore.Scope, fn func(*docstore.Tx, docstore.Scope, docstore.Doc) error) error {
	scope, id := where(of)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := t.Get(scope, kind, id)
		if errors.Is(err, docstore.ErrNotFound) {
			d, err = docstore.Doc{Kind: kind, ID: id}, nil
		}
		if err != nil {
			return err
		}
		return fn(t, scope, d)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, of)
	return err
}

func validate(entries []Entry) ([]netip.Prefix, error) {
	switch n := len(entries); {
	case n == 0:
		return nil, problem.Errorf(problem.Invalid, "entries: a list without entries would lock everybody out; DELETE lets everybody call")
	case n > maxEntries:
		return nil, problem.Errorf(problem.Invalid, "entries: there are %d, at most %d are allowed", n, maxEntries)
	}
	seen := make(map[netip.Prefix]int)
	var prefixes []netip.Prefix
	for i, e := range entries {
		p, err := ParsePrefix(e.CIDR)
		if err != nil {
			return nil, fmt.Errorf("entries[%d].cidr: %w", i, err)
		}
		if first, ok := seen[p]; ok {
			return nil, problem.Errorf(problem.Invalid, "entries[%d].cidr: entries[%d] says the same", i, first)
		}
		if len(e.Description) > maxDescription {
			return nil, problem.Errorf(problem.Invalid, "entries[%d].description: it has more than %d bytes", i, maxDescription)
		}
		seen[p] = i
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// known is a list as it was read last.
type known struct {
	at       time.Time
	listed   bool // whether there is a list
	prefixes []netip.Prefix
}

// stale is how old a list may be that Check goes by: so long a change by
// another server takes to count here.
const stale = 2 * time.Second

// Check refuses a caller whose address is not on the lists. It is for
// gateway.Gateway.Check.
func (s *Service) Check(r *http.Request, c *access.Caller) error {
	at, unknown := s.Proxies.Address(r)
	for _, level := range []Level{Organization, Sandbox} {
		k, err := s.read(r.Context(), about(*c, level), false)
		if err != nil {
			return &problem.Error{Kind: problem.Unavailable, Detail: "the list of addresses that may call can't be read now", Err: err}
		}
		if !k.listed || unknown == nil && contains(k.prefixes, at) {
			continue
		}
		s.Log.WarnContext(r.Context(), "refused for its address", "address", at.String(), "list", string(level), "org", c.Org, "sandbox", c.Sandbox.Name, "client", c.Client)
		return gateway.Fail(http.StatusForbidden, "", "Forbidden", "The address %s is not on the list of addresses that may call this %s.", at, level)
	}
	return nil
}

// Refresh reads the lists of a sandbox anew, so that Check need not for a while.
func (s *Service) Refresh(ctx context.Context, c *access.Caller) error {
	for _, level := range []Level{Organization, Sandbox} {
		if _, err := s.read(ctx, about(*c, level), true); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) read(ctx context.Context, of docstore.Scope, anew bool) (known, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if k, ok := s.known[of]; ok && !anew && now.Sub(k.at).Abs() < stale {
		return k, nil
	}
	scope, id := where(of)
	k := known{at: now}
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		k.listed, k.prefixes = false, nil
		d, err := t.Get(scope, kind, id)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var l List
		if err := json.Unmarshal(d.Body, &l); err != nil {
			return err
		}
		k.listed = true
		for _, e := range l.Entries {
			p, err := ParsePrefix(e.CIDR)
			if err != nil {
				return err
			}
			k.prefixes = append(k.prefixes, p)
		}
		return nil
	})
	if err != nil {
		return known{}, err
	}
	if s.known == nil {
		s.known = make(map[docstore.Scope]known)
	}
	s.known[of] = k
	return k, nil
}
