package intake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tributary-data/tributary/internal/docstore"
)

// kindStray are the staged files that no upload's document names, by directory
// and name, in the installation's scope. One is noted before its file is made, and
// forgotten with the document that names it: so a process that is killed
// amid an upload leaves no file that nobody knows of.
const kindStray = "intakeStray"

func strayID(dir, name string) string { return filepath.Base(dir) + "/" + name }

// stage notes a file that is about to be made in a staging directory. Landed
// is called when the upload has ended, well or not.
func (s *Service) stage(ctx context.Context, dir, name string) (landed func(), err error) {
	id := strayID(dir, name)
	s.mu.Lock()
	if s.landing == nil {
		s.landing = map[string]bool{}
	}
	s.landing[id] = true
	s.mu.Unlock()
	err = s.DB.Do(ctx, func(t *docstore.Tx) error { return noteStray(t, id) })
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.landing, id)
	}, err
}

func noteStray(t *docstore.Tx, id string) error {
	return t.Store(docstore.Scope{}, docstore.Doc{Kind: kindStray, ID: id}, struct{}{})
}

func forgetStray(t *docstore.Tx, id string) error {
	err := t.Delete(docstore.Scope{}, kindStray, id)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// removeStray removes a file that no document names.
func (s *Service) removeStray(ctx context.Context, id string) error {
	dir, name := filepath.Split(id)
	if err := os.Remove(filepath.Join(s.Dir, "staging", filepath.Base(dir), filepath.Base(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.DB.Do(ctx, func(t *docstore.Tx) error { return forgetStray(t, id) })
}

// sweepStrays removes the files of uploads that were cut short, but for those
// that are on their way now.
func (s *Service) sweepStrays(ctx context.Context) error {
	var ids []string
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		ids = nil
		docs, err := t.List(docstore.Scope{}, kindStray, docstore.Page{})
		for _, d := range docs {
			ids = append(ids, d.ID)
		}
		return err
	})
	for _, id := range ids {
		s.mu.Lock()
		landing := s.landing[id]
		s.mu.Unlock()
		if landing {
			continue
		}
		// Its upload has ended meanwhile, perhaps well: then it is none any more.
		again := s.DB.Do(ctx, func(t *docstore.Tx) error {
			_, err := t.Get(docstore.Scope{}, kindStray, id)
			return err
		})
		if again == nil {
			again = s.removeStray(ctx, id)
		}
		if !errors.Is(again, docstore.ErrNotFound) {
			err = errors.Join(err, again)
		}
	}
	return err
}
