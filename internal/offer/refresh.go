package offer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Refresh makes those models again whose copy has changed since, and looks which
// prices of offers are active still.
func (s *Service) Refresh(ctx context.Context) error {
	all, err := s.look(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, at := range all {
		if err := s.refresh(ctx, docstore.Scope(at)); err != nil {
			errs = append(errs, fmt.Errorf("sandbox %s: %w", at.Sandbox, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) refresh(ctx context.Context, scope docstore.Scope) error {
	made, err := s.made(ctx, scope)
	model := err == nil
	if err != nil && !errors.Is(err, docstore.ErrNotFound) {
		return err
	}
	asked, before, err := s.prices(ctx, scope)
	if err != nil || !model && len(asked)+len(before) == 0 {
		return err
	}
	c, err := s.Operator(ctx, scope.Org, scope.Sandbox)
	if err != nil {
		return err
	}
	of, err := s.Open(ctx, c, made.Copy)
	if !model && problem.KindOf(err) == problem.NotFound {
		return nil // there is no copy that could tell
	}
	if err != nil {
		return err
	}
	now, retired := made.Mark, before
	if model {
		now, err = mark(ctx, of, made.Reading)
	}
	if err == nil {
		retired, err = inactive(ctx, of, asked)
	}
	if err := errors.Join(err, of.Close()); err != nil {
		return err
	}
	if !slices.Equal(retired, before) {
		if err := s.retire(ctx, scope, retired); err != nil {
			return err
		}
	}
	if now == made.Mark {
		return nil
	}
	_, err = s.Build(ctx, c, made.Settings)
	return err
}

// prices returns the prices that a sandbox's offers name, and those of which it is
// known that they are not active.
func (s *Service) prices(ctx context.Context, scope docstore.Scope) (asked, retired []string, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		asked = nil
		all, err := list(t, scope)
		if err != nil {
			return err
		}
		for _, k := range all {
			for _, it := range k.Items {
				if it.Price != "" {
					asked = append(asked, it.Price)
				}
			}
		}
		retired, _, err = readRetired(t, scope)
		return err
	})
	slices.Sort(asked)
	return slices.Compact(asked), retired, err
}

// readRetired returns the prices of a sandbox's offers that are not active, sorted,
// and the revision of the document that says so.
func readRetired(t *docstore.Tx, scope docstore.Scope) (ids []string, revision int64, err error) {
	ids, d, err := docstore.Body[[]string](t, scope, kindRetired, retiredID)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, 0, nil
	}
	return ids, d.Revision, err
}

// retire notes which prices of offers are not active.
func (s *Service) retire(ctx context.Context, scope docstore.Scope, ids []string) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		_, revision, err := readRetired(t, scope)
		if err != nil {
			return err
		}
		if err := t.Store(scope, docstore.Doc{Kind: kindRetired, ID: retiredID, Revision: revision}, ids); err != nil {
			return err
		}
		return turn(t, scope.Org, scope.Sandbox)
	})
	s.turned(scope.Sandbox)
	return err
}
