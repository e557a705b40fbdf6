package offer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/recommend"
)

// A memory is what decisions need of a sandbox.
type memory struct {
	turn   int64 // of the documents that it was made of
	offers map[string]remembered
	of     map[string][]remembered // the offers of an item
	file   string
	model  *recommend.Model // nil: none was made
	// retired are those prices of offers that are not active any more.
	retired map[string]bool
	broken  error // why there is no model in spite of the file
	stale   bool  // something changed since
}

type remembered struct {
	Kept
	text json.RawMessage
}

// A place is a sandbox.
type place struct {
	Org     string `json:"org"`
	Sandbox string `json:"sandbox"` // id
}

// turn notes that something changed in a sandbox that decisions go by.
func turn(t *docstore.Tx, org, sandbox string) error {
	return t.Turn(kindTurn, sandbox, place{org, sandbox})
}

// turned makes this process look at a sandbox again.
func (s *Service) turned(sandbox string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if m := s.memories[sandbox]; m != nil {
		m.stale = true
	}
}

// known returns what is remembered of a sandbox, whether that is what there is, and
// how many changes there were.
func (s *Service) known(sandbox string) (m *memory, fresh bool, changes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m = s.memories[sandbox]
	return m, m != nil && !m.stale, s.changes
}

// remember returns what there is in a sandbox, by its id: of this process's own
// changes the newest, of those of others what Run saw. It reads nothing where
// nothing changed.
func (s *Service) remember(ctx context.Context, sandbox string) (*memory, error) {
	if m, fresh, _ := s.known(sandbox); fresh {
		return m, nil
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	old, fresh, changes := s.known(sandbox)
	if fresh {
		return old, nil
	}
	m := &memory{offers: map[string]remembered{}, of: map[string][]remembered{}, retired: map[string]bool{}}
	var file string
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		clear(m.offers)
		clear(m.of)
		clear(m.retired)
		file = ""
		d, err := t.Get(docstore.Scope{}, kindTurn, sandbox)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		m.turn = d.Revision
		var at place
		if err := d.Read(&at); err != nil {
			return err
		}
		scope := docstore.Scope(at)
		all, err := list(t, scope)
		if err != nil {
			return err
		}
		for _, k := range all {
			text, err := json.Marshal(k.Offer)
			if err != nil {
				return err
			}
			r := remembered{k, text}
			m.offers[k.ID.String()] = r
			for _, it := range k.Items {
				m.of[it.Item] = append(m.of[it.Item], r)
			}
		}
		ids, _, err := readRetired(t, scope)
		if err != nil {
			return err
		}
		for _, id := range ids {
			m.retired[id] = true
		}
		made, _, err := docstore.Body[Made](t, scope, kindModel, modelID)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		file = made.File
		return err
	})
	if err != nil {
		return nil, err
	}
	if m.file = file; file != "" {
		if old != nil && old.file == file && old.broken == nil {
			m.model = old.model
		} else {
			m.model, m.broken = s.load(sandbox, file)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memories == nil {
		s.memories = map[string]*memory{}
	}
	m.stale = s.changes != changes // meanwhile: what was read may be of before
	if now := s.memories[sandbox]; now == nil || now.stale || now.turn <= m.turn {
		s.memories[sandbox] = m
	}
	return m, nil
}

func (s *Service) load(sandbox, file string) (*recommend.Model, error) {
	text, err := os.ReadFile(s.path(sandbox, file))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &problem.Error{Kind: problem.NotFound, Detail: "the file of the sandbox's model is gone", Advice: "Make the model again: POST " + base + "/model"}
	}
	if err != nil {
		return nil, err
	}
	m, err := recommend.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

// Run looks every second for what other processes changed, and now and then
// for copies that have changed, whose models it makes again; until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	again := time.NewTicker(cmp.Or(s.Every, 5*time.Minute))
	defer again.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			_, err = s.look(ctx)
		case <-again.C:
			err = s.Refresh(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "offers and models stay as they were", "error", err)
		}
	}
}

// look marks what is not as it is remembered, and returns all sandboxes that have
// offers or a model.
func (s *Service) look(ctx context.Context) ([]place, error) {
	var docs []docstore.Doc
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		docs, err = t.List(docstore.Scope{}, kindTurn, docstore.Page{})
		return err
	})
	if err != nil {
		return nil, err
	}
	var all []place
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range docs {
		var at place
		if err := d.Read(&at); err != nil {
			return nil, err
		}
		all = append(all, at)
		if m := s.memories[d.ID]; m != nil && m.turn != d.Revision {
			m.stale = true
		}
	}
	return all, nil
}
