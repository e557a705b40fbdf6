package trial

import (
	"context"
	"errors"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Holdout is that of a sandbox.
type Holdout struct {
	experiment.Holdout
	UpdatedBy string `json:"updatedBy,omitempty"`

	Revision int64 `json:"-"` // 0 where none was ever set
}

const holdoutID = "holdout"

// Holdout returns that of the caller's sandbox; of nobody where none was set.
func (s *Service) Holdout(ctx context.Context, c access.Caller) (Holdout, error) {
	var h Holdout
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		h, err = readHoldout(t, c.Scope())
		return err
	})
	return h, err
}

// SetHoldout sets how many of the slots no experiment touches. It keeps its salt,
// so that a larger one has those who were in it before. It can't change while an
// experiment runs: units would come and go in the midst of a comparison.
func (s *Service) SetHoldout(ctx context.Context, c access.Caller, share int, match func(Holdout) error) (Holdout, error) {
	if share < 0 || share >= experiment.Slots {
		return Holdout{}, problem.Errorf(problem.Invalid, "share: %d is not 0 to %d", share, experiment.Slots-1)
	}
	fresh := salt()
	var h Holdout
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		if h, err = readHoldout(t, c.Scope()); err != nil {
			return err
		}
		if err := match(h); err != nil {
			return err
		}
		if h.Share == share && h.Revision > 0 {
			return nil
		}
		all, err := list(t, c.Scope())
		if err != nil {
			return err
		}
		for _, e := range all {
			if e.State == experiment.Running {
				return conflict("Stop it first", "share: the experiment %q runs, and this would change whom it compares", e.Key)
			}
		}
		if h.Salt == "" {
			h.Salt = fresh
		}
		h.Share, h.UpdatedBy = share, c.User
		d, err := t.Write(c.Scope(), docstore.Doc{Kind: kindHoldout, ID: holdoutID, Revision: h.Revision}, h)
		if err != nil {
			return err
		}
		h.Revision = d.Revision
		return turn(t, c)
	})
	s.changed(ctx)
	return h, err
}

func readHoldout(t *docstore.Tx, scope docstore.Scope) (Holdout, error) {
	h, d, err := docstore.Body[Holdout](t, scope, kindHoldout, holdoutID)
	if errors.Is(err, docstore.ErrNotFound) {
		return Holdout{}, nil
	}
	h.Revision = d.Revision
	return h, err
}
