package intake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// What a task does.
const (
	promote = "promote"
	abort   = "abort"
	fail    = "fail"
	revert  = "revert"
	abandon = "abandon"
)

// A task is work that a signal asked for. It is there before the batch says so,
// and goes when the work is done: what a crash cuts short is taken up again.
type task struct {
	Action  string         `json:"action"`
	Batch   string         `json:"batch"`
	Org     string         `json:"org"`
	Client  string         `json:"client"`
	User    string         `json:"user"`
	Tenant  string         `json:"tenant"`
	Sandbox access.Sandbox `json:"sandbox"`
	// Starts counts how often the work was begun and neither ended nor gave up
	// in order.
	Starts int `json:"starts,omitempty"`
}

// maxStarts is how often a batch may take the process down.
const maxStarts = 10

func newTask(c access.Caller, action, batch string) task {
	return task{Action: action, Batch: batch, Org: c.Org, Client: c.Client, User: c.User, Tenant: c.Tenant, Sandbox: c.Sandbox}
}

// caller is who gave the signal, with the right to finish what it asked for.
func (k task) caller() access.Caller {
	return access.Caller{
		Principal: access.Principal{Org: k.Org, Client: k.Client, User: k.User, Admin: true},
		Tenant:    k.Tenant, Sandbox: k.Sandbox, RequestID: "intake",
	}
}

func (k task) scope() docstore.Scope { return docstore.Scope{Org: k.Org, Sandbox: k.Sandbox.ID} }

// Signal is what a client says about a batch as a whole.
func (s *Service) Signal(ctx context.Context, c access.Caller, batch, action string) (catalog.Batch, error) {
	b, err := s.Catalog.Batch(ctx, c, batch)
	if err != nil {
		return b, err
	}
	switch action = strings.ToUpper(action); action {
	case "COMPLETE":
		if b.Status != catalog.Loading {
			return b, wrongState(b, "only one that is loading can be completed")
		}
		return s.close(ctx, c, b, promote, catalog.Loaded)
	case "ABORT", "FAIL":
		if b.Status != catalog.Loading {
			return b, wrongState(b, "only one that is loading can be given up")
		}
		if action == "ABORT" {
			return s.close(ctx, c, b, abort, catalog.Aborted)
		}
		return s.close(ctx, c, b, fail, catalog.Failed)
	case "REVERT":
		if b.Status != catalog.Success && b.Status != catalog.Inactive {
			return b, wrongState(b, "only one that has succeeded can be reverted")
		}
		if _, err := s.dataset(ctx, c, b.DatasetID); err != nil {
			return b, err
		}
		return s.close(ctx, c, b, revert, catalog.Inactive)
	case "":
		return b, missingField("the parameter action")
	}
	return b, problem.Errorf(problem.Invalid, "the parameter action is %q: it must be COMPLETE, ABORT, FAIL or REVERT", action)
}

// close shuts the gate of a batch, notes what is to be done, and then lets the
// batch say so.
func (s *Service) close(ctx context.Context, c access.Caller, b catalog.Batch, action string, status catalog.Status) (catalog.Batch, error) {
	sc := scope(c)
	k := newTask(c, action, b.ID)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		if action != revert {
			if err := open(t, sc, b.ID); err != nil {
				return err
			}
		}
		if action == promote {
			if err := noneOpen(t, sc, b.ID); err != nil {
				return err
			}
		}
		d, err := t.Get(sc, kindGate, b.ID)
		if errors.Is(err, docstore.ErrNotFound) {
			d, err = docstore.Doc{Kind: kindGate, ID: b.ID}, nil
		}
		if err != nil {
			return err
		}
		if err := t.Store(sc, d, gate{Shut: true}); err != nil {
			return err
		}
		if err := forget(t, sc, b.ID); err != nil {
			return err
		}
		d, err = t.Get(docstore.Scope{}, kindTask, key(sc, b.ID))
		if errors.Is(err, docstore.ErrNotFound) {
			d, err = docstore.Doc{Kind: kindTask, ID: key(sc, b.ID)}, nil
		}
		if err != nil {
			return err
		}
		return t.Store(docstore.Scope{}, d, k)
	})
	if errors.Is(err, errShut) {
		return b, gateway.Fail(http.StatusBadRequest, "", "Bad request", "another signal closed the batch %s meanwhile", b.ID)
	}
	if err != nil {
		return b, err
	}
	defer s.wake()
	s.at(AtClosed)
	was := b.Status
	return s.Catalog.ChangeBatch(ctx, c, b.ID, func(now *catalog.Batch) error {
		if now.Status == was { // else the work is further already
			s.mark(now, status)
		}
		return nil
	})
}

func noneOpen(t *docstore.Tx, sc docstore.Scope, batch string) error {
	docs, err := t.List(sc, kindFile, docstore.Page{Parent: batch})
	if err != nil {
		return err
	}
	for _, d := range docs {
		var u upload
		if err := json.Unmarshal(d.Body, &u); err != nil {
			return err
		}
		if u.Open {
			return problem.Errorf(problem.Invalid, "the file %q of the batch %s was begun and not completed", u.Path, batch)
		}
	}
	return nil
}

// mark sets the status of a batch, with the times that go with it.
func (s *Service) mark(b *catalog.Batch, status catalog.Status) {
	b.Status = status
	switch {
	case status == catalog.Staging && b.Started == 0:
		b.Started = s.Now().UnixMilli()
	case b.Done() && b.Completed == 0:
		b.Completed = s.Now().UnixMilli()
	}
}

// wake tells Run that there is something to do.
func (s *Service) wake() {
	select {
	case s.bell() <- struct{}{}:
	default: // it has been told
	}
}

func (s *Service) bell() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakeup == nil {
		s.wakeup = make(chan struct{}, 1)
	}
	return s.wakeup
}

// Bounds of the pauses before something that failed is tried again, and of
// those between looks at what has become too old to be kept.
const (
	maxPause  = time.Minute
	sweepTime = time.Hour
)
