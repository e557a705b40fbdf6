package audience

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A lane lets one at a time change the members of an audience.
type lane struct {
	turn chan struct{}
	n    int // who is in it or waits
}

// alone runs do while nobody else, of any process, changes the members of an
// audience.
func (s *Service) alone(ctx context.Context, id string, do func() error) error {
	s.mu.Lock()
	l := s.lanes[id]
	if l == nil {
		l = &lane{turn: make(chan struct{}, 1)}
		s.lanes[id] = l
	}
	l.n++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if l.n--; l.n == 0 {
			delete(s.lanes, id)
		}
	}()
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// The folder of all, as that of an audience may go meanwhile.
	locks := filepath.Join(s.Dir, "locks", id)
	if err := os.MkdirAll(locks, 0o700); err != nil {
		return err
	}
	return atomicfile.Locked(locks, do)
}

// Materialise works out the members of an audience as of now and puts them in the
// place of those that there are. What goes wrong is kept with the audience.
func (s *Service) Materialise(ctx context.Context, c access.Caller, id string) (a Audience, err error) {
	if _, err := s.Audience(ctx, c, id); err != nil {
		return Audience{}, err
	}
	err = s.alone(ctx, id, func() error {
		if a, err = s.Audience(ctx, c, id); err != nil { // another version, or none
			return err
		}
		seen, err := s.seen(ctx, c, a.Copy)
		var made *Set
		if err == nil {
			made, err = s.make(ctx, c, a)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		after := context.WithoutCancel(ctx)
		if err != nil {
			return errors.Join(err, s.failed(after, c, a, seen, err))
		}
		return s.made(after, c, a, seen, made)
	})
	if err != nil {
		return Audience{}, err
	}
	return s.Audience(ctx, c, id)
}

// seen returns a hash of the commits of a copy.
func (s *Service) seen(ctx context.Context, c access.Caller, name string) (string, error) {
	v, err := s.Version(ctx, c, name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(v))
	return hex.EncodeToString(sum[:16]), nil
}

// make works members out and writes their file.
func (s *Service) make(ctx context.Context, c access.Caller, a Audience) (set *Set, err error) {
	old, err := s.sets.peek(a.ID)
	if err != nil {
		s.Log.WarnContext(ctx, "the members of an audience can't be read, and are worked out as if there were none", "audience", a.ID, "error", err)
		old = nil
	}
	set = &Set{Made: Made{Audience: a.ID, Sandbox: c.Sandbox.ID, Version: a.Version}}
	err = s.query(ctx, c, a.Copy, func(copied Copy) error {
		set.At = s.Now().UTC().Truncate(1e9)
		if set.Seq, err = seqs(ctx, copied); err != nil {
			return err
		}
		one := &after{set: set, old: old, now: uint32(max(set.At.Unix(), 0))} //nolint:gosec // until 2106
		if set.Customers, err = members(ctx, copied, &a.Predicate, set.At, one.add); err != nil {
			return err
		}
		one.end()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("work out the audience %s: %w", a.Name, err)
	}
	return set, s.sets.keep(a.ID, set)
}

// made puts members into the dataset and notes how all that went.
func (s *Service) made(ctx context.Context, c access.Caller, a Audience, seen string, set *Set) error {
	dataset, said := a.State.Dataset, ""
	if s.Tables != nil {
		var err error
		if dataset, err = s.Tables.Put(ctx, c, a, set); err != nil {
			s.Log.ErrorContext(ctx, "the dataset of an audience does not have its members", "audience", a.ID, "error", err)
			dataset, said = a.State.Dataset, words(err)
		}
	}
	return s.note(ctx, c.Scope(), a.ID, func(st *State) {
		made := set.Made
		st.Made, st.History = &made, append([]Made{made}, st.History[:min(len(st.History), maxHistory-1)]...)
		st.Error, st.Failed, st.Dataset, st.DatasetError = "", nil, dataset, said
		st.Seen, st.Which, st.Tried = seen, a.Version, set.At
	})
}

// failed notes that members were not worked out.
func (s *Service) failed(ctx context.Context, c access.Caller, a Audience, seen string, why error) error {
	now := s.Now().UTC()
	return s.note(ctx, c.Scope(), a.ID, func(st *State) {
		st.Error, st.Failed, st.Seen, st.Which, st.Tried = words(why), &now, seen, a.Version, now
	})
}

// words says of an error what a reader of the audience may know.
func words(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind != problem.Internal {
		return p.Error()
	}
	return "an internal error, which the log of the server describes"
}

// note changes the state of an audience that there is.
func (s *Service) note(ctx context.Context, scope docstore.Scope, id string, change func(*State)) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		a, err := read(t, scope, id)
		if err != nil {
			return err
		}
		doc := docstore.Doc{Kind: kindState, ID: id}
		if old, err := t.Get(scope, kindState, id); err == nil {
			doc = old
		} else if !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		change(&a.State)
		return t.Store(scope, doc, a.State)
	})
}

// Members returns the set of an audience of the caller's sandbox; it is empty
// before the first calculation.
func (s *Service) Members(ctx context.Context, c access.Caller, id string) (Audience, *Set, error) {
	a, err := s.Audience(ctx, c, id)
	if err != nil {
		return a, nil, err
	}
	set, err := s.sets.peek(id)
	if set == nil {
		set = &Set{}
	}
	return a, set, err
}
