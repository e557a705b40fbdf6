package offer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/recommend"
)

// Settings say how a sandbox's model is made, and of what.
type Settings struct {
	Reading
	Copy    string            `json:"copy,omitempty"` // empty: the only one
	Options recommend.Options `json:"options,omitzero"`
}

// A Made is what is known of a sandbox's model.
type Made struct {
	Settings
	Read
	At    time.Time `json:"at"`
	Items int       `json:"items"`
	Rules int       `json:"rules"`
	// Mark says of which state of the copy it was made, File where it is.
	Mark string `json:"mark"`
	File string `json:"file"`
}

// Ids of the documents of which there is one.
const (
	modelID   = "model"
	retiredID = "prices"
)

// folder is where a sandbox's models are, below the installation's directory.
const folder = "offers"

func (s *Service) path(sandbox, file string) string {
	return filepath.Join(s.Dir, folder, sandbox, file)
}

// Made returns what is known of the model of the caller's sandbox; problem.NotFound
// where none was made.
func (s *Service) Made(ctx context.Context, c access.Caller) (Made, error) {
	m, err := s.made(ctx, c.Scope())
	if errors.Is(err, docstore.ErrNotFound) {
		return Made{}, &problem.Error{Kind: problem.NotFound, Detail: "there is no model in this sandbox", Advice: "Make one: POST " + base + "/model"}
	}
	return m, err
}

func (s *Service) made(ctx context.Context, scope docstore.Scope) (m Made, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		m, _, err = docstore.Body[Made](t, scope, kindModel, modelID)
		return err
	})
	return m, err
}

// settings returns those of the sandbox's model, or the zero value.
func (s *Service) settings(ctx context.Context, scope docstore.Scope) (Settings, error) {
	m, err := s.made(ctx, scope)
	if errors.Is(err, docstore.ErrNotFound) {
		err = nil
	}
	return m.Settings, err
}

// Build makes the model of the caller's sandbox anew and takes it into use. One is
// made at a time; others wait.
func (s *Service) Build(ctx context.Context, c access.Caller, set Settings) (Made, error) {
	if err := set.Check(); err != nil {
		return Made{}, err
	}
	if o := set.Options; o.MinSupport < 0 || o.Prior < 0 || o.Prior > 1e6 || o.Rules < 0 || o.Rules > 10_000 {
		return Made{}, wrong("options: minSupport is 1 or more, prior 0 to 10^6, rules 1 to 10,000")
	}
	s.once.Do(func() { s.slot = make(chan struct{}, 1) })
	select {
	case s.slot <- struct{}{}:
		defer func() { <-s.slot }()
	case <-ctx.Done():
		return Made{}, ctx.Err()
	}
	of, err := s.Open(ctx, c, set.Copy)
	if err != nil {
		return Made{}, err
	}
	defer of.Close()
	made := Made{Settings: set, At: s.Now().UTC().Truncate(time.Millisecond), File: uuid.NewString() + ".json"}
	if made.Mark, err = mark(ctx, of, set.Reading); err != nil {
		return Made{}, err
	}
	b := recommend.NewBuilder()
	if made.Read, err = Orders(ctx, of, set.Reading, false, func(o recommend.Order) { b.Add(o.Items) }); err != nil {
		return Made{}, err
	}
	m := b.Model(set.Options)
	if m.Sold, err = sold(ctx, of, m.Items); err != nil {
		return Made{}, err
	}
	made.Items, made.Options = len(m.Items), m.Options
	for _, r := range m.Rules {
		made.Rules += len(r)
	}
	if made.Items == 0 {
		return Made{}, problem.Errorf(problem.Invalid, "no item stands in %d orders or more of the copy: of %d charges and subscriptions that name items, %d are not as the format says", m.Options.MinSupport, made.Orders+made.Without, made.CutShort)
	}
	return made, s.keep(ctx, c, made, m)
}

// keep writes a model and takes it into use.
func (s *Service) keep(ctx context.Context, c access.Caller, made Made, m *recommend.Model) error {
	text, err := m.Encode()
	if err != nil {
		return err
	}
	path := s.path(c.Sandbox.ID, made.File)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(path, text); err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := t.Get(c.Scope(), kindModel, modelID)
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		if err := t.Store(c.Scope(), docstore.Doc{Kind: kindModel, ID: modelID, Revision: d.Revision}, made); err != nil {
			return err
		}
		return turn(t, c.Org, c.Sandbox.ID)
	})
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	s.turned(c.Sandbox.ID)
	return s.sweep(c.Sandbox.ID, made.File)
}

// sweep removes all models of a sandbox but one.
func (s *Service) sweep(sandbox, but string) error {
	entries, err := os.ReadDir(s.path(sandbox, ""))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != but {
			if err := os.Remove(s.path(sandbox, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Unmake removes the model of the caller's sandbox; problem.NotFound.
func (s *Service) Unmake(ctx context.Context, c access.Caller) error {
	if _, err := s.Made(ctx, c); err != nil {
		return err
	}
	return s.unmake(ctx, c.Scope())
}

func (s *Service) unmake(ctx context.Context, scope docstore.Scope) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := t.Remove(scope, kindModel, modelID); err != nil {
			return err
		}
		return turn(t, scope.Org, scope.Sandbox)
	})
	if err != nil {
		return err
	}
	s.turned(scope.Sandbox)
	return s.sweep(scope.Sandbox, "")
}

// Forget makes the model of a sandbox anew after a customer was removed from its
// copy. A model names no customers; but what one of them alone has bought might
// tell of him. So nothing is ever removed of a customer himself: it returns 0.
func (s *Service) Forget(ctx context.Context, scope docstore.Scope, _ string) (int, error) {
	made, err := s.made(ctx, scope)
	if errors.Is(err, docstore.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	c, err := s.Operator(ctx, scope.Org, scope.Sandbox)
	if err != nil {
		return 0, err
	}
	if _, err := s.Build(ctx, c, made.Settings); err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		// Of what can't be made any more, nothing may be left.
		s.Log.WarnContext(ctx, "a model can't be made again, and is removed", "sandbox", scope.Sandbox, "error", err)
		return 0, s.unmake(ctx, scope)
	}
	return 0, nil
}

// ForgetSandbox removes what a sandbox has outside of its documents.
func (s *Service) ForgetSandbox(ctx context.Context, scope docstore.Scope) error {
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := t.Delete(docstore.Scope{}, kindTurn, scope.Sandbox); err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		return nil
	})
	s.turned(scope.Sandbox)
	return errors.Join(err, os.RemoveAll(s.path(scope.Sandbox, "")))
}
