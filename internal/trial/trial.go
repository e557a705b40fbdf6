// Package trial keeps the experiments of sandboxes: who may change what of one
// that runs, which of them share a layer, what each of them was, the holdout, and
// the keys by which shops ask for decisions.
package trial

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Service keeps experiments, holdouts and keys.
type Service struct {
	DB  *docstore.DB
	Now func() time.Time
	// HasAudience and HasOffer say whether a sandbox has what an experiment names by
	// its id; nil for none has. They are not asked inside of a transaction.
	HasAudience, HasOffer func(ctx context.Context, c access.Caller, id string) (bool, error)
	// Recommends says whether variants may ask for recommendations.
	Recommends bool
	// Changed, if set, is called after each change, so that this process decides by
	// it at once.
	Changed func(ctx context.Context)
}

// Kinds of documents. A turn stands in the installation's scope under a
// sandbox's id; its revision counts all changes there, so that who decides need
// look at nothing else to know that there was one.
const (
	kindExperiment = "experiment"
	kindVersion    = "experimentVersion" // parent: experiment
	kindHoldout    = "experimentHoldout"
	kindKey        = "decisionKey"
	kindUse        = "decisionKeyUse" // by key
	kindTurn       = "experimentTurn"
)

// Bounds of a sandbox.
const (
	maxExperiments = 1000
	maxVersions    = 1000 // of one experiment; the oldest go
	maxKeys        = 100
	maxNamed       = 100 // experiments that a key names
)

// An Experiment is one as it is kept.
type Experiment struct {
	experiment.Experiment
	CreatedBy string `json:"createdBy"`
	UpdatedBy string `json:"updatedBy"`

	Created  time.Time `json:"-"`
	Updated  time.Time `json:"-"`
	Revision int64     `json:"-"`
}

// A Version is what an experiment was after a change.
type Version struct {
	Number     int64                 `json:"version"` // the revision
	What       string                `json:"what"`    // create, change, start, stop, phase, kill, unkill
	By         string                `json:"by"`
	At         time.Time             `json:"-"`
	Experiment experiment.Experiment `json:"experiment"`
}

// Experiment returns one of the caller's sandbox; problem.NotFound.
func (s *Service) Experiment(ctx context.Context, c access.Caller, id string) (experiment.Experiment, error) {
	e, err := s.Read(ctx, c, id)
	return e.Experiment, err
}

// Read returns one of the caller's sandbox with all that is kept of it;
// problem.NotFound.
func (s *Service) Read(ctx context.Context, c access.Caller, id string) (Experiment, error) {
	var e Experiment
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		e, err = read(t, c.Scope(), id)
		return err
	})
	return e, missing(err, id)
}

// List returns those of the caller's sandbox, the newest first.
func (s *Service) List(ctx context.Context, c access.Caller) ([]Experiment, error) {
	var all []Experiment
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		all, err = list(t, c.Scope())
		return err
	})
	return all, err
}

// Versions returns what an experiment was, the newest first; problem.NotFound.
func (s *Service) Versions(ctx context.Context, c access.Caller, id string) ([]Version, error) {
	var all []Version
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		if _, err := t.Get(c.Scope(), kindExperiment, id); err != nil {
			return err
		}
		docs, err := t.List(c.Scope(), kindVersion, docstore.Page{Parent: id, Newest: true})
		if err != nil {
			return err
		}
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

// Create makes a draft of what e says; its id, state and phases are made here.
func (s *Service) Create(ctx context.Context, c access.Caller, e experiment.Experiment) (Experiment, error) {
	e.ID, e.State, e.Killed, e.Ship, e.Phases = uuid.New(), experiment.Draft, false, "", nil
	if e.Range == (experiment.Range{}) {
		e.Range = experiment.Whole
	}
	if err := cmp.Or(e.Check(), e.CheckTypes()); err != nil {
		return Experiment{}, err
	}
	if err := s.checkNames(ctx, c, e); err != nil {
		return Experiment{}, err
	}
	k := Experiment{Experiment: e, CreatedBy: c.User, UpdatedBy: c.User}
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		n, err := t.Count(c.Scope(), kindExperiment, "")
		if err != nil {
			return err
		}
		if n >= maxExperiments {
			return problem.Errorf(problem.Conflict, "the sandbox has %d experiments, and can't have more", n)
		}
		return s.put(t, c, &k, "create")
	})
	if errors.Is(err, docstore.ErrTaken) {
		return Experiment{}, problem.Errorf(problem.Conflict, "key: there is an experiment with the key %q in this sandbox already", e.Key)
	}
	s.changed(ctx)
	return k, err
}

// Delete removes an experiment that doesn't run; problem.NotFound. Its exposures
// stay in their log.
func (s *Service) Delete(ctx context.Context, c access.Caller, id string, match func(Experiment) error) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		e, err := read(t, c.Scope(), id)
		if err != nil {
			return err
		}
		if err := match(e); err != nil {
			return err
		}
		if e.State == experiment.Running {
			return &problem.Error{Kind: problem.Conflict, Detail: fmt.Sprintf("the experiment %q runs", e.Key), Advice: "Stop it first"}
		}
		if err := t.RemoveOf(c.Scope(), kindVersion, id); err != nil {
			return err
		}
		if err := t.Delete(c.Scope(), kindExperiment, id); err != nil {
			return err
		}
		return turn(t, c)
	})
	s.changed(ctx)
	return missing(err, id)
}

// put writes an experiment, what it is now as a version, and that there was a change.
func (s *Service) put(t *docstore.Tx, c access.Caller, k *Experiment, what string) error {
	id := k.ID.String()
	d, err := t.Write(c.Scope(), docstore.Doc{Kind: kindExperiment, ID: id, Keys: []string{k.Key}, Revision: k.Revision}, k)
	if err != nil {
		return err
	}
	k.of(d)
	if err := t.WriteVersion(c.Scope(), kindVersion, d, maxVersions, Version{Number: d.Revision, What: what, By: c.User, Experiment: k.Experiment}); err != nil {
		return err
	}
	return turn(t, c)
}

func (k *Experiment) of(d docstore.Doc) {
	k.Created, k.Updated, k.Revision = d.Created, d.Updated, d.Revision
}

func read(t *docstore.Tx, scope docstore.Scope, id string) (Experiment, error) {
	d, err := t.Get(scope, kindExperiment, id)
	if err != nil {
		return Experiment{}, err
	}
	return experimentOf(d)
}

func list(t *docstore.Tx, scope docstore.Scope) ([]Experiment, error) {
	docs, err := t.List(scope, kindExperiment, docstore.Page{Newest: true})
	if err != nil {
		return nil, err
	}
	var all []Experiment
	for _, d := range docs {
		e, err := experimentOf(d)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func experimentOf(d docstore.Doc) (e Experiment, err error) {
	e, err = docstore.Decode[Experiment](d)
	e.of(d)
	return e, err
}

// checkNames says which thing that an experiment names there is not.
func (s *Service) checkNames(ctx context.Context, c access.Caller, e experiment.Experiment) error {
	has := func(of func(context.Context, access.Caller, string) (bool, error), id, where, what string) error {
		if id == "" {
			return nil
		}
		is := false
		if of != nil {
			var err error
			if is, err = of(ctx, c, id); err != nil {
				return err
			}
		}
		if !is {
			return problem.Errorf(problem.Invalid, "%s: there is no %s %.100q in this sandbox", where, what, id)
		}
		return nil
	}
	if err := has(s.HasAudience, e.Audience, "audience", "audience"); err != nil {
		return err
	}
	for i, v := range e.Variants {
		if err := has(s.HasOffer, v.Offer, fmt.Sprintf("variants[%d].offer", i), "offer"); err != nil {
			return err
		}
		if v.Recommend > 0 && !s.Recommends {
			return problem.Errorf(problem.Invalid, "variants[%d].recommend: this server makes no recommendations", i)
		}
	}
	return nil
}

func (s *Service) changed(ctx context.Context) {
	if s.Changed != nil {
		s.Changed(ctx)
	}
}

// Turn notes that something changed in the caller's sandbox that decisions go by, beside
// what this package keeps.
func Turn(t *docstore.Tx, c access.Caller) error { return turn(t, c) }

// turn notes that something changed in a sandbox that decisions go by.
func turn(t *docstore.Tx, c access.Caller) error {
	return t.Turn(kindTurn, c.Sandbox.ID, place{c.Org, c.Sandbox.ID, c.Sandbox.Name})
}

// A place is a sandbox.
type place struct {
	Org     string `json:"org"`
	Sandbox string `json:"sandbox"` // id
	Name    string `json:"name"`
}

// Forget removes what a sandbox has outside of its documents.
func (s *Service) Forget(ctx context.Context, scope docstore.Scope) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		return t.Remove(docstore.Scope{}, kindTurn, scope.Sandbox)
	})
	s.changed(ctx)
	return err
}

func missing(err error, id string) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return problem.Errorf(problem.NotFound, "there is no experiment %.100q in this sandbox", id)
	}
	return err
}

// salt returns a new one.
func salt() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}
