package audience

import (
	"context"
	"fmt"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Forget removes a customer from the members of all audiences of a sandbox, and
// from their datasets with all that these had before. It returns of how many
// audiences he was a member, and may be repeated. Who is still in the copy would be a
// member again the next time: the copy has to forget him first.
func (s *Service) Forget(ctx context.Context, scope docstore.Scope, customer string) (removed int, err error) {
	all, err := s.audiences(ctx, scope)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		err := s.alone(ctx, a.ID, func() error {
			was, err := s.forget(ctx, scope, a.ID, customer)
			if was {
				removed++
			}
			return err
		})
		if err != nil {
			return removed, fmt.Errorf("forget a customer in the audience %s: %w", a.ID, err)
		}
	}
	return removed, nil
}

func (s *Service) forget(ctx context.Context, scope docstore.Scope, id, customer string) (was bool, err error) {
	if err := s.sets.clean(id); err != nil {
		return false, err
	}
	set, err := s.sets.peek(id)
	if err != nil {
		return false, err
	}
	if set != nil && set.Has(customer) {
		was = true
		if set, err = set.without(customer); err != nil {
			return was, err
		}
		if err := s.sets.keep(id, set); err != nil {
			return was, err
		}
	}
	c, err := s.OperatorIn(ctx, scope.Org, scope.Sandbox)
	if err != nil {
		return was, err
	}
	a, err := s.Audience(ctx, c, id)
	if problem.KindOf(err) == problem.NotFound {
		return was, nil // deleted meanwhile
	}
	if err != nil {
		return was, err
	}
	if set == nil || s.Tables == nil || a.State.Dataset == "" {
		return was, nil
	}
	// Whether he is among the rows or was in an earlier state of them, or an attempt
	// to put the rows there failed: after this he is in none.
	dataset, err := s.Tables.Put(ctx, c, a, set)
	if err != nil {
		return was, err
	}
	if err := s.Tables.Purge(ctx, c, dataset); err != nil {
		return was, err
	}
	return was, s.note(ctx, scope, id, func(st *State) {
		made := set.Made
		st.Dataset, st.DatasetError, st.Made = dataset, "", &made
	})
}
