package trial

import (
	"context"
	"errors"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
)

// A State is all that decisions of a sandbox go by.
type State struct {
	Scope       docstore.Scope
	Name        string // of the sandbox
	Holdout     experiment.Holdout
	Experiments []experiment.Experiment
	Keys        []Key
}

// Turns returns how often something changed that decisions go by, by the ids of
// the sandboxes that have any of it.
func (s *Service) Turns(ctx context.Context) (map[string]int64, error) {
	turns := map[string]int64{}
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		docs, err := t.List(docstore.Scope{}, kindTurn, docstore.Page{})
		for _, d := range docs {
			turns[d.ID] = d.Revision
		}
		return err
	})
	return turns, err
}

// State returns that of a sandbox that Turns names, as it was then or later; the
// zero State where it is gone.
func (s *Service) State(ctx context.Context, sandbox string) (st State, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		st = State{}
		p, _, err := docstore.Body[place](t, docstore.Scope{}, kindTurn, sandbox)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		st.Scope, st.Name = docstore.Scope{Org: p.Org, Sandbox: p.Sandbox}, p.Name
		all, err := list(t, st.Scope)
		if err != nil {
			return err
		}
		for _, e := range all {
			st.Experiments = append(st.Experiments, e.Experiment)
		}
		h, err := readHoldout(t, st.Scope)
		if err != nil {
			return err
		}
		st.Holdout = h.Holdout
		st.Keys, err = keys(t, st.Scope)
		return err
	})
	return st, err
}
