package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/dataprep"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Why a run can't be worked on.
var (
	// ErrGone: the run or its flow was deleted.
	ErrGone = errors.New("the run is gone")
	// ErrLost: the lease is another's, has run out, or is not needed any more.
	ErrLost = errors.New("the lease of the run is lost")
)

// A Plan is all that a run needs.
type Plan struct {
	Caller     access.Caller // the operator, in the run's sandbox
	Run        Run
	Flow       Flow
	Connection Connection
	Credentials
	Dataset catalog.Dataset
	Set     dataprep.Set
	// Wanted are the resources that the enabled flows of the same account read,
	// this one's among them.
	Wanted []string
	// Since bounds the times of creation of what the flow takes: zero for none.
	// It is for flows that shall not backfill.
	Since time.Time
}

// A Job is a run that wants to be done.
type Job struct {
	Ref
	Generation int
	At         time.Time
}

// A Verdict is how a try at a run ended.
type Verdict struct {
	// Stop, if set, disables the flow for this reason: no later run will do
	// better.
	Stop string
}

func (r Ref) scope() docstore.Scope { return docstore.Scope{Org: r.Org, Sandbox: r.Sandbox} }

// Plan returns what a run needs. ErrGone where the run or its flow is not there
// any more: the plan then names flow, batch and dataset, as far as there may be
// a batch; problem.NotFound where what the flow names is not, its connection,
// dataset or mapping set, or where the sandbox is closed: the plan has what was
// found until then.
func (s *Service) Plan(ctx context.Context, r Ref) (Plan, error) {
	var p Plan
	caller, closed := s.Operator(ctx, r.Org, r.Sandbox)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		p = Plan{Caller: caller}
		run, _, err := readRun(t, r)
		if err != nil {
			return err
		}
		f, _, err := readFlow(t, r.scope(), run.FlowID)
		if err != nil {
			return err
		}
		p.Run, p.Flow = *run, *f
		found := func(id string) (*Connection, error) {
			d, err := t.Get(r.scope(), kindConnection, id)
			if err != nil {
				return nil, err
			}
			return connections.read(d)
		}
		c, err := found(f.Route.ConnectionID)
		if errors.Is(err, docstore.ErrNotFound) {
			return problem.Errorf(problem.NotFound, "the base connection %s of the dataflow %s is not there any more", f.Route.ConnectionID, f.ID)
		}
		if err != nil {
			return err
		}
		p.Connection = *c
		p.Wanted, err = wanted(t, r.scope(), f, c, found)
		return err
	})
	if errors.Is(err, ErrGone) {
		return s.remains(ctx, r, caller)
	}
	if err == nil {
		err = closed
	}
	if err != nil {
		return p, err
	}
	if p.Credentials, err = s.Credentials(&p.Connection); err != nil {
		return p, fmt.Errorf("base connection %s: %w", p.Connection.ID, err)
	}
	if p.Dataset, err = s.Datasets.Dataset(ctx, p.Caller, p.Flow.Route.DatasetID); err != nil {
		return p, err
	}
	mapping := p.Flow.Transformations[0].Params
	version, err := strconv.Atoi(mapping.MappingVersion)
	if err != nil {
		return p, err
	}
	if p.Set, err = s.Mappings.Set(ctx, p.Caller, mapping.MappingID, version); err != nil {
		return p, err
	}
	if p.Flow.Schedule.Backfill == "false" && p.Run.Ask.To == 0 {
		pace, err := p.Flow.Schedule.pace()
		if err != nil {
			return p, err
		}
		p.Since = time.UnixMilli(pace.start).UTC()
	}
	return p, nil
}

// remains returns what is known of a run whose flow is gone, with ErrGone.
func (s *Service) remains(ctx context.Context, r Ref, caller access.Caller) (Plan, error) {
	p := Plan{Caller: caller}
	err := s.withLease(ctx, r, func(_ *docstore.Tx, l *lease, _ docstore.Doc, _ int64) error {
		p.Flow.ID, p.Run.BatchID, p.Dataset.ID = l.Flow, l.Batch, l.Dataset
		return nil
	})
	if errors.Is(err, docstore.ErrNotFound) || err == nil && p.Run.BatchID == "" {
		return Plan{}, ErrGone
	}
	if err == nil {
		p.Dataset, err = s.Datasets.Dataset(ctx, caller, p.Dataset.ID)
	}
	if problem.KindOf(err) == problem.NotFound {
		return Plan{}, ErrGone
	}
	if err != nil {
		return Plan{}, err
	}
	return p, ErrGone
}

// readRun and readFlow read what a run is about; ErrGone.
func readRun(t *docstore.Tx, r Ref) (*Run, docstore.Doc, error) {
	return readOr(t, r.scope(), runs, r.Run)
}

func readFlow(t *docstore.Tx, s docstore.Scope, id string) (*Flow, docstore.Doc, error) {
	return readOr(t, s, flows, id)
}

func readOr[T any](t *docstore.Tx, s docstore.Scope, k *kind[T], id string) (*T, docstore.Doc, error) {
	d, err := t.Get(s, k.name, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, d, ErrGone
	}
	if err != nil {
		return nil, d, err
	}
	v, err := k.read(d)
	return v, d, err
}

// wanted returns the resources that are read for the enabled flows of an
// account, and for one more flow.
func wanted(t *docstore.Tx, sc docstore.Scope, of *Flow, account *Connection, found func(id string) (*Connection, error)) ([]string, error) {
	docs, err := t.List(sc, kindFlow, docstore.Page{})
	if err != nil {
		return nil, err
	}
	same := map[string]bool{of.Route.ConnectionID: true}
	resources := []string{of.Route.Resource}
	for _, d := range docs {
		f, err := flows.read(d)
		if err != nil {
			return nil, err
		}
		id := f.Route.ConnectionID
		if f.State != Enabled || id == "" {
			continue
		}
		if _, known := same[id]; !known {
			c, err := found(id)
			if err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return nil, err
			}
			same[id] = err == nil && account.Account.same(c.Account)
		}
		if same[id] {
			resources = append(resources, f.Route.Resource)
		}
	}
	if slices.Contains(resources, "prices") {
		resources = append(resources, "subscriptions") // some prices are in no list: their items alone tell of them
	}
	slices.Sort(resources)
	return slices.Compact(resources), nil
}

// same says whether two connections are known to open one account.
func (a *Account) same(b *Account) bool {
	switch {
	case a == nil || b == nil || a.Livemode != b.Livemode:
		return false
	case a.ID != "" || b.ID != "":
		return a.ID == b.ID
	}
	return a.Fingerprint != "" && a.Fingerprint == b.Fingerprint
}

// Learn keeps what account a connection was found to open. Nothing is kept if
// its credentials have changed since, or if it is gone.
func (s *Service) Learn(ctx context.Context, c access.Caller, connection string, a Account) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := t.Get(scope(c), kindConnection, connection)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		v, err := connections.read(d)
		if err != nil {
			return err
		}
		now, err := s.Credentials(v)
		if err != nil {
			return fmt.Errorf("base connection %s: %w", connection, err)
		}
		if now.Key.Fingerprint(now.Account) != a.Fingerprint || v.Account != nil && *v.Account == a {
			return nil
		}
		v.Account = &a
		return connections.put(t, scope(c), d, v)
	})
}

// Forget removes what a sandbox has in the installation's scope: timetables and
// leases. Runs that are being worked on are dropped.
func (s *Service) Forget(ctx context.Context, sc docstore.Scope) error {
	var stopped []Ref
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		stopped = nil
		for _, kind := range []string{kindSchedule, kindLease} {
			docs, err := t.List(docstore.Scope{}, kind, docstore.Page{})
			if err != nil {
				return err
			}
			for _, d := range docs {
				var of struct{ Org, Sandbox string }
				if err := json.Unmarshal(d.Body, &of); err != nil {
					return err
				}
				if (docstore.Scope{Org: of.Org, Sandbox: of.Sandbox}) != sc {
					continue
				}
				if err := t.Delete(docstore.Scope{}, kind, d.ID); err != nil {
					return err
				}
				if kind == kindLease {
					stopped = append(stopped, Ref{Org: of.Org, Sandbox: of.Sandbox, Run: d.ID})
				}
			}
		}
		return nil
	})
	if err == nil {
		s.dropped(ctx, stopped)
	}
	return err
}
