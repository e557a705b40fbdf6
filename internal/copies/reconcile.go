package copies

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/lease"
	"github.com/tributary-data/tributary/internal/problem"
)

// Kinds of documents.
const (
	// A state stands in the sandbox, under the copy's name: the newest reconcile.
	kindState = "copies.reconcile"
	// A task stands in the scope of the installation for as long as a reconcile is
	// not over, so that who looks for work need not know of sandboxes.
	kindTask = "copies.task"
)

// States of a reconcile, and of a resource in it.
const (
	None    = "none"   // there never was one
	Queued  = "queued" // waits for its turn, or for Stripe
	Running = "running"
	Done    = "complete"
	Failed  = "failed" // of one at least of the resources
)

// A Reconcile is the newest one of a copy that was asked for. It is also the
// stored form. Times are epoch ms.
type Reconcile struct {
	State         string     `json:"state"`
	AcceptDeletes bool       `json:"acceptDeletes"`
	AskedAt       int64      `json:"askedAt,omitzero"`
	AskedBy       string     `json:"askedBy,omitempty"`
	StartedAt     int64      `json:"startedAt,omitzero"`
	EndedAt       int64      `json:"endedAt,omitzero"`
	Resources     []Progress `json:"resources"`
	// Waits is why it does not go on now: it will be tried again.
	Waits string `json:"waits,omitempty"`
}

// A Progress is how far a reconcile of a resource has come.
type Progress struct {
	Resource  string `json:"resource"`
	State     string `json:"state"`
	Read      int64  `json:"read"`
	Requests  int64  `json:"requests"`
	PagesLeft int64  `json:"pagesLeft,omitzero"` // estimated
	Error     string `json:"error,omitempty"`
	// Guarded says that it failed because many objects are gone: asked for again
	// with AcceptDeletes, they are marked deleted.
	Guarded bool `json:"guarded,omitzero"`
}

// A task is the right to work on a reconcile, and the list of those that are to be
// done. Its id is the sandbox's and the copy's name.
//
//	{"org":"…@AdobeOrg","sandbox":"…","copy":"acct_1-test","holder":"…","until":1760000060000,"after":0,"lost":0}
type task struct {
	Org     string `json:"org"`
	Sandbox string `json:"sandbox"`
	Copy    string `json:"copy"`
	lease.Lease
	Since int64 `json:"since,omitempty"` // epoch ms: since when it waits for what time heals
	Lost  int   `json:"lost,omitempty"`  // how many workers fell silent
}

func (t *task) ref() Ref { return Ref{t.Sandbox, t.Copy} }

func taskID(r Ref) string { return r.Sandbox + "/" + r.Copy }

// Ask asks for a reconcile of a copy, all of its resources or those that are
// named. problem.Conflict while one is under way, or where no base connection
// opens the account; problem.NotFound.
func (s *Service) Ask(ctx context.Context, c access.Caller, name string, resources []string, acceptDeletes bool) (Reconcile, error) {
	r := ref(c, name)
	v, err := s.Copy(ctx, c, name)
	if err != nil {
		return Reconcile{}, err
	}
	if len(v.Connections) == 0 {
		return Reconcile{}, closed(name)
	}
	out := Reconcile{State: Queued, AcceptDeletes: acceptDeletes, AskedAt: s.Now().UnixMilli(), AskedBy: c.User, Resources: []Progress{}}
	for _, one := range v.Resources {
		if len(resources) == 0 || slices.Contains(resources, one.Resource) {
			out.Resources = append(out.Resources, Progress{Resource: one.Resource, State: Queued})
		}
	}
	if len(out.Resources) == 0 {
		return Reconcile{}, problem.Errorf(problem.Conflict, "the copy %s has none of the resources yet: there is nothing to compare", name)
	}
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		_, _, err := docstore.Body[task](t, docstore.Scope{}, kindTask, taskID(r))
		switch {
		case err == nil:
			return &problem.Error{Kind: problem.Conflict, Detail: "a reconcile of " + name + " is under way", Advice: "Wait until it has ended: GET …/reconcile shows how far it is"}
		case !errors.Is(err, docstore.ErrNotFound):
			return err
		}
		_, d, err := docstore.Body[Reconcile](t, scope(r, c.Org), kindState, name)
		if errors.Is(err, docstore.ErrNotFound) {
			d, err = docstore.Doc{Kind: kindState, ID: name}, nil
		}
		if err != nil {
			return err
		}
		if err := t.Store(scope(r, c.Org), d, out); err != nil {
			return err
		}
		return t.Store(docstore.Scope{}, docstore.Doc{Kind: kindTask, ID: taskID(r)}, task{Org: c.Org, Sandbox: r.Sandbox, Copy: name})
	})
	if err != nil {
		return Reconcile{}, err
	}
	s.bell.Ring()
	return out, nil
}

func closed(name string) error {
	return &problem.Error{
		Kind: problem.Conflict, Detail: "no base connection opens the account of " + name,
		Advice: "Connect the account again, or test its connection, so that it is known whose it is",
	}
}

// State returns the newest reconcile of a copy that was asked for; problem.NotFound
// for a copy that there is not.
func (s *Service) State(ctx context.Context, c access.Caller, name string) (Reconcile, error) {
	r := ref(c, name)
	if names, err := s.Data.Names(ctx, r.Sandbox); err != nil || !slices.Contains(names, name) {
		if err == nil {
			err = problem.Errorf(problem.NotFound, "there is no copy %q in the sandbox %s", name, c.Sandbox.Name)
		}
		return Reconcile{}, err
	}
	var out Reconcile
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		out, _, err = docstore.Body[Reconcile](t, scope(r, c.Org), kindState, name)
		if errors.Is(err, docstore.ErrNotFound) {
			out, err = Reconcile{State: None, Resources: []Progress{}}, nil
		}
		if err != nil || out.State != Running {
			return err
		}
		// Who said so may be gone.
		k, _, err := docstore.Body[task](t, docstore.Scope{}, kindTask, taskID(r))
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		if !k.Held(s.Now()) {
			out.State = Queued
		}
		return nil
	})
	return out, err
}

// Forget removes the reconciles that a sandbox still waits for; who works on one
// stops.
func (s *Service) Forget(ctx context.Context, sc docstore.Scope) error {
	return lease.DropOf(ctx, s.DB, kindTask, sc)
}

func (s *Service) leaseFor() time.Duration {
	if s.LeaseFor > 0 {
		return s.LeaseFor
	}
	return time.Minute
}
