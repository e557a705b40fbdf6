package offer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Service keeps offers and models. Open is set by who ties services together.
type Service struct {
	DB  *docstore.DB
	Dir string // of the installation; models are files below it
	// Open opens a copy that the caller may read, by its name; "" is the only one.
	// problem.NotFound where there is none or the name is needed.
	Open func(ctx context.Context, c access.Caller, name string) (Copy, error)
	// Operator returns who reads copies of a sandbox where nobody asked.
	Operator func(ctx context.Context, org, sandbox string) (access.Caller, error)
	// HasAudience says whether there is an audience with an id; nil for none is.
	HasAudience func(ctx context.Context, c access.Caller, id string) (bool, error)
	// Member says whether a customer is of an audience, in a sandbox by its id, from
	// memory; nil for nobody is.
	Member func(ctx context.Context, sandbox, audience, customer string) (bool, error)
	// InUse says what gives an offer of a sandbox to customers, as the transaction
	// sees it; nil for nothing ever does.
	InUse func(t *docstore.Tx, scope docstore.Scope, id string) (Use, error)
	Now   func() time.Time
	Log   *slog.Logger

	// Every is how often it is looked whether a copy has changed and its model is to
	// be made again; 0 for five minutes.
	Every time.Duration

	loading  sync.Mutex // of a memory: who comes meanwhile waits, and reads nothing himself
	once     sync.Once
	slot     chan struct{}      // one model is made at a time
	mu       sync.Mutex         // guards what follows
	memories map[string]*memory // by sandbox
	changes  uint64             // of this process's own, and seen by it
}

// Kinds of documents. A turn stands in the installation's scope under a sandbox's
// id; its revision counts the changes of the sandbox's offers and models.
const (
	kindOffer   = "offer"
	kindVersion = "offerVersion" // parent: offer
	kindModel   = "offerModel"   // one: how the model is made, and what was made
	kindRetired = "offerRetired" // one: the prices of offers that are not active any more
	kindTurn    = "offerTurn"
)

// Bounds of a sandbox.
const (
	maxOffers   = 1000
	maxVersions = 200 // of one offer; the oldest go
)

// A Kept is an offer as it is kept.
type Kept struct {
	Offer
	CreatedBy string `json:"createdBy"`
	UpdatedBy string `json:"updatedBy"`

	Created  time.Time `json:"-"`
	Updated  time.Time `json:"-"`
	Revision int64     `json:"-"`
}

// A Version is what an offer was after a change.
type Version struct {
	Number int64     `json:"version"`
	By     string    `json:"by"`
	At     time.Time `json:"-"`
	Offer  Offer     `json:"offer"`
}

// A Match refuses a change of what is not the state that its caller saw;
// problem.Stale.
type Match func(Kept) error

// Read returns an offer of the caller's sandbox; problem.NotFound.
func (s *Service) Read(ctx context.Context, c access.Caller, id string) (Kept, error) {
	var k Kept
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		k, err = read(t, c.Scope(), id)
		return err
	})
	return k, missing(err, id)
}

// Has says whether there is an offer with an id in the caller's sandbox.
func (s *Service) Has(ctx context.Context, c access.Caller, id string) (bool, error) {
	_, err := s.Read(ctx, c, id)
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	return err == nil, err
}

// List returns those of the caller's sandbox, the newest first.
func (s *Service) List(ctx context.Context, c access.Caller) ([]Kept, error) {
	var all []Kept
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		all, err = list(t, c.Scope())
		return err
	})
	return all, err
}

// Versions returns what an offer was, the newest first; problem.NotFound.
func (s *Service) Versions(ctx context.Context, c access.Caller, id string) ([]Version, error) {
	var all []Version
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		if _, err := t.Get(c.Scope(), kindOffer, id); err != nil {
			return err
		}
		docs, err := t.List(c.Scope(), kindVersion, docstore.Page{Parent: id, Newest: true})
		if err != nil {
			return err
		}
		all = nil
		for _, d := range docs {
			v, err := docstore.Decode[Version](d)
			if err != nil {
				return err
			}
			v.At = d.Created
			all = append(all, v)
		}
		return nil
	})
	return all, missing(err, id)
}

// Create keeps a new offer, whose id is made here.
func (s *Service) Create(ctx context.Context, c access.Caller, o Offer) (Kept, error) {
	o.ID = uuid.New()
	if err := s.check(ctx, c, &o); err != nil {
		return Kept{}, err
	}
	k := Kept{Offer: o, CreatedBy: c.User, UpdatedBy: c.User}
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		n, err := t.Count(c.Scope(), kindOffer, "")
		if err != nil {
			return err
		}
		if n >= maxOffers {
			return problem.Errorf(problem.Conflict, "the sandbox has %d offers, and can't have more", n)
		}
		k.Revision = 0
		return put(t, c, &k)
	})
	if errors.Is(err, docstore.ErrTaken) {
		return Kept{}, problem.Errorf(problem.Conflict, "key: there is an offer with the key %q in this sandbox already", o.Key)
	}
	s.turned(c.Sandbox.ID)
	return k, err
}

// Change changes an offer as change says. What a running experiment gives stays as
// it is: problem.Conflict.
func (s *Service) Change(ctx context.Context, c access.Caller, id string, match Match, change func(*Offer) error) (Kept, error) {
	k, err := s.Read(ctx, c, id)
	if err != nil {
		return Kept{}, err
	}
	if err := match(k); err != nil {
		return Kept{}, err
	}
	before := k.Offer.clone()
	if err := change(&k.Offer); err != nil {
		return Kept{}, err
	}
	if k.Key != before.Key {
		return Kept{}, problem.Errorf(problem.Invalid, "key: it is %q and can't be changed; make another offer", before.Key)
	}
	if err := s.check(ctx, c, &k.Offer); err != nil {
		return Kept{}, err
	}
	k.UpdatedBy = c.User
	var kept Kept
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := s.mayBecome(t, c.Scope(), before, k.Offer); err != nil {
			return err
		}
		kept = k
		return put(t, c, &kept)
	})
	if errors.Is(err, docstore.ErrStale) {
		return Kept{}, problem.Errorf(problem.Stale, "the offer was changed by somebody else meanwhile")
	}
	s.turned(c.Sandbox.ID)
	return kept, missing(err, id)
}

// Delete removes an offer with its versions; problem.NotFound. What is in use is a
// problem.Conflict: its customers would get nothing, and others what they get.
func (s *Service) Delete(ctx context.Context, c access.Caller, id string, match Match) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		k, err := read(t, c.Scope(), id)
		if err != nil {
			return err
		}
		if err := match(k); err != nil {
			return err
		}
		if err := s.mayGo(t, c.Scope(), k.Offer); err != nil {
			return err
		}
		if err := t.RemoveOf(c.Scope(), kindVersion, id); err != nil {
			return err
		}
		if err := t.Delete(c.Scope(), kindOffer, id); err != nil {
			return err
		}
		return turn(t, c.Org, c.Sandbox.ID)
	})
	s.turned(c.Sandbox.ID)
	return missing(err, id)
}

func (s *Service) check(ctx context.Context, c access.Caller, o *Offer) error {
	if err := o.Check(); err != nil {
		return err
	}
	if id := o.Conditions.Audience; id != "" {
		is := false
		if s.HasAudience != nil {
			var err error
			if is, err = s.HasAudience(ctx, c, id); err != nil {
				return err
			}
		}
		if !is {
			return wrong("conditions.audience: there is no audience %.100q in this sandbox", id)
		}
	}
	if err := s.price(ctx, c, o); err != nil {
		return err
	}
	return o.checkCurrencies()
}

// put writes an offer, what it is now as a version, and that there was a change.
func put(t *docstore.Tx, c access.Caller, k *Kept) error {
	id := k.ID.String()
	d, err := t.Write(c.Scope(), docstore.Doc{Kind: kindOffer, ID: id, Keys: []string{k.Key}, Revision: k.Revision}, k)
	if err != nil {
		return err
	}
	k.of(d)
	if err := t.WriteVersion(c.Scope(), kindVersion, d, maxVersions, Version{Number: d.Revision, By: c.User, Offer: k.Offer}); err != nil {
		return err
	}
	return turn(t, c.Org, c.Sandbox.ID)
}

func (k *Kept) of(d docstore.Doc) {
	k.Created, k.Updated, k.Revision = d.Created, d.Updated, d.Revision
}

func read(t *docstore.Tx, scope docstore.Scope, id string) (Kept, error) {
	d, err := t.Get(scope, kindOffer, id)
	if err != nil {
		return Kept{}, err
	}
	return keptOf(d)
}

func list(t *docstore.Tx, scope docstore.Scope) ([]Kept, error) {
	docs, err := t.List(scope, kindOffer, docstore.Page{Newest: true})
	if err != nil {
		return nil, err
	}
	all := make([]Kept, 0, len(docs))
	for _, d := range docs {
		k, err := keptOf(d)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

func keptOf(d docstore.Doc) (k Kept, err error) {
	k, err = docstore.Decode[Kept](d)
	k.of(d)
	return k, err
}

func missing(err error, id string) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return problem.Errorf(problem.NotFound, "there is no offer %.100q in this sandbox", id)
	}
	return err
}
