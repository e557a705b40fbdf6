// Package erasure removes a customer's data from a sandbox when somebody asks for
// it: a request is put down, done in the background store by store, and gone on
// with by whoever comes next when a process dies. It has the rules and answers the
// HTTP calls; what the stores are it is told.
package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/lease"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

// Kinds of documents.
const (
	// A request stands in its sandbox, and names nobody.
	kindRequest = "erasure.request"
	// A task stands in the scope of the installation for as long as its request is
	// not done. It has the customer, sealed.
	kindTask = "erasure.task"
)

// States of a request.
const (
	Queued   = "queued" // waits for its turn, or for a copy that is in use
	Running  = "running"
	Complete = "complete"
	Failed   = "failed"
)

// Modes of a request.
const (
	// KeepBooks leaves balance transactions, without what points to the customer.
	KeepBooks  = "keepBooks"
	Everything = "everything"
)

// A Request is a request to remove a customer's data, as it is told and stored.
// Times are epoch ms.
type Request struct {
	ID string `json:"id"`
	// Customer is masked: cus_…4f.
	Customer  string `json:"customer"`
	Mode      string `json:"mode"`
	Copy      string `json:"copy,omitempty"` // "" for all of the sandbox
	State     string `json:"state"`
	AskedAt   int64  `json:"askedAt"`
	AskedBy   string `json:"askedBy,omitempty"`
	StartedAt int64  `json:"startedAt,omitzero"`
	EndedAt   int64  `json:"endedAt,omitzero"`
	Waits     string `json:"waits,omitempty"` // why it does not go on now
	Error     string `json:"error,omitempty"`
	// Steps are the stores that are done, in order.
	Steps []Done `json:"steps"`
}

// A Done is what was removed from one store.
type Done struct {
	Store   string    `json:"store"`
	Removed []Removed `json:"removed"`
}

// A Removed counts what was removed somewhere.
type Removed struct {
	From  string `json:"from"`
	Count int64  `json:"count"`
}

// A Subject is whom a request is about.
type Subject struct {
	Request  string
	Customer string   // cus_…
	Units    []string // by which he was shown variants, beside his own id
	Books    bool     // balance transactions go, too
	Copy     string   // "" for all
	Asked    time.Time
}

// A Store is one that has data of customers. Do removes what there is of one
// from a sandbox, whose operator c is; it may be repeated. problem.Unavailable is
// for what time heals. Its errors must not name the customer.
type Store struct {
	Name string
	Do   func(ctx context.Context, c access.Caller, s Subject) ([]Removed, error)
}

// Service keeps requests and does them.
type Service struct {
	DB   *docstore.DB
	Keys *secret.Keys
	// Stores are gone through in this order.
	Stores []Store
	// Copies returns the names of a sandbox's copies.
	Copies   func(ctx context.Context, c access.Caller) ([]string, error)
	Operator func(ctx context.Context, org, sandbox string) (access.Caller, error)
	// Digest hashes the id of a customer for List, as copies do.
	Digest func(key []byte, customer string) [32]byte
	// Knows, if set, says whether there is a customer with an id that is none of Stripe's
	// own making: any word may be one, and what names it goes. name is as for Units.
	Knows func(ctx context.Context, c access.Caller, customer, name string) (bool, error)
	// Units, if set, returns under which ids the customer was shown variants beside his
	// own. It is asked before anything is forgotten, as copies tell it. name is that of a
	// copy, "" for all.
	Units func(ctx context.Context, c access.Caller, customer, name string) ([]string, error)
	// Listed, if set, is called in the transaction that puts a customer on the list, and
	// Told after it.
	Listed   func(t *docstore.Tx, c access.Caller) error
	Told     func(ctx context.Context)
	Now      func() time.Time
	Log      *slog.Logger
	LeaseFor time.Duration // 0: a minute
	Poll     time.Duration // 0: five seconds

	bell lease.Bell
}

// A task is the right to work on a request.
type task struct {
	Org      string        `json:"org"`
	Sandbox  string        `json:"sandbox"`
	Customer secret.Sealed `json:"customer"`
	// Units of the customer as a list in JSON; nil for none.
	Units *secret.Sealed `json:"units,omitempty"`
	lease.Lease
	Tries int `json:"tries,omitempty"` // in vain
}

func about(id string) string { return "erasure/" + id }

// mask shows enough of a customer's id to be recognised by who knows it.
func mask(id string) string {
	head, tail := "", ""
	if strings.HasPrefix(id, "cus_") {
		head = "cus_"
	}
	if len(id) >= 12 {
		tail = id[len(id)-2:]
	}
	return head + "…" + tail
}

// An Ask is what a caller asks for.
type Ask struct {
	Customer string `json:"customer"`
	Copy     string `json:"copy"`
	Mode     string `json:"mode"`
}

// Ask puts a request down.
func (s *Service) Ask(ctx context.Context, c access.Caller, a Ask) (Request, error) {
	if a.Customer == "" || len(a.Customer) > 255 || strings.ContainsFunc(a.Customer, func(r rune) bool { return r <= ' ' }) {
		return Request{}, problem.Errorf(problem.Invalid, "customer: it is the id of a customer at Stripe, as cus_…")
	}
	if a.Mode == "" {
		a.Mode = KeepBooks
	}
	if a.Mode != KeepBooks && a.Mode != Everything {
		return Request{}, problem.Errorf(problem.Invalid, "mode: it is %s or %s", KeepBooks, Everything)
	}
	names, err := s.Copies(ctx, c)
	if err != nil {
		return Request{}, err
	}
	found := a.Copy == ""
	for _, name := range names {
		found = found || name == a.Copy
	}
	if !found {
		return Request{}, problem.Errorf(problem.NotFound, "there is no copy %q in the sandbox %s", a.Copy, c.Sandbox.Name)
	}
	if s.Knows != nil && !strings.HasPrefix(a.Customer, "cus_") {
		known, err := s.Knows(ctx, c, a.Customer, a.Copy)
		if err != nil {
			return Request{}, err
		}
		if !known {
			return Request{}, problem.Errorf(problem.Invalid, "customer: no copy in the sandbox %s has a customer with this id, and Stripe's own ids begin with cus_", c.Sandbox.Name)
		}
	}
	r := Request{
		ID: uuid.NewString(), Customer: mask(a.Customer), Mode: a.Mode, Copy: a.Copy, State: Queued,
		AskedAt: s.Now().UnixMilli(), AskedBy: c.User, Steps: []Done{},
	}
	k, err := s.newTask(ctx, c, r, a.Customer)
	if err != nil {
		return Request{}, err
	}
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := t.Store(c.Scope(), docstore.Doc{Kind: kindRequest, ID: r.ID}, r); err != nil {
			return err
		}
		if err := s.put(t, c, r, a.Customer); err != nil {
			return err
		}
		if s.Listed != nil {
			if err := s.Listed(t, c); err != nil {
				return err
			}
		}
		return t.Store(docstore.Scope{}, docstore.Doc{Kind: kindTask, ID: r.ID}, k)
	})
	if err == nil {
		if s.Told != nil {
			s.Told(ctx)
		}
		s.bell.Ring()
	}
	return r, err
}

// newTask makes the task of a request.
func (s *Service) newTask(ctx context.Context, c access.Caller, r Request, customer string) (k task, err error) {
	k = task{Org: c.Org, Sandbox: c.Sandbox.ID}
	if k.Customer, err = s.Keys.Put([]byte(customer), about(r.ID)); err != nil || s.Units == nil {
		return k, err
	}
	units, err := s.Units(ctx, c, customer, r.Copy)
	if err != nil || len(units) == 0 {
		return k, err
	}
	text, err := json.Marshal(units)
	if err != nil {
		return k, err
	}
	sealed, err := s.Keys.Put(text, about(r.ID)+"/units")
	k.Units = &sealed
	return k, err
}

// Requests returns the newest requests of the sandbox, at most n, behind a mark.
func (s *Service) Requests(ctx context.Context, c access.Caller, after docstore.Mark, n int) (all []Request, next docstore.Mark, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		all, next = []Request{}, docstore.Mark{}
		docs, err := t.List(c.Scope(), kindRequest, docstore.Page{Newest: true, After: after, Limit: n + 1})
		if err != nil {
			return err
		}
		for i, d := range docs {
			if i == n {
				next = docs[n-1].Mark()
				break
			}
			var r Request
			if err := json.Unmarshal(d.Body, &r); err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	return all, next, err
}

// Request returns a request; problem.NotFound.
func (s *Service) Request(ctx context.Context, c access.Caller, id string) (r Request, err error) {
	if !docstore.Storable(id) {
		return r, notFound(id)
	}
	err = s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		r, _, err = docstore.Body[Request](t, c.Scope(), kindRequest, id)
		if errors.Is(err, docstore.ErrNotFound) {
			return notFound(id)
		}
		return err
	})
	return r, err
}

func notFound(id string) error {
	return problem.Errorf(problem.NotFound, "there is no privacy request %q in this sandbox", id)
}

// Forget drops the tasks of a sandbox that goes.
func (s *Service) Forget(ctx context.Context, sc docstore.Scope) error {
	return lease.DropOf(ctx, s.DB, kindTask, sc)
}
