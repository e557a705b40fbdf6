package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// idle is how long a batch may wait for the next file, or for its end. A week
// lets a client that uploads by hand, or was down over some holidays, go on; and
// what nobody ends does not fill the disk for ever.
const idle = 7 * 24 * time.Hour

// open batches are noted in the installation's scope, oldest first, as the task
// that ends them if nobody does. The note is there before the batch is.
func (s *Service) note(ctx context.Context, c access.Caller, batch string) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		k := newTask(c, abandon, batch)
		return t.Store(docstore.Scope{}, docstore.Doc{Kind: kindLoading, ID: key(k.scope(), batch)}, k)
	})
}

// forget removes the note of a batch that takes no more files.
func forget(t *docstore.Tx, sc docstore.Scope, batch string) error {
	err := t.Delete(docstore.Scope{}, kindLoading, key(sc, batch))
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// Abandon ends the batches that got no file for a week and were not completed:
// they are abandoned, and their files go.
func (s *Service) Abandon(ctx context.Context) error {
	before := s.Now().Add(-cmp.Or(s.Idle, idle))
	page := docstore.Page{Limit: 100}
	var errs []error
	for {
		var docs []docstore.Doc
		err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
			docs, err = t.List(docstore.Scope{}, kindLoading, page)
			return err
		})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, d := range docs {
			if d.Created.After(before) { // and so are those behind it
				return errors.Join(errs...)
			}
			if err := s.abandon(ctx, d, before); err != nil {
				errs = append(errs, fmt.Errorf("batch %s: %w", d.ID, err))
			}
		}
		if len(docs) < page.Limit {
			return errors.Join(errs...)
		}
		page.After = docs[len(docs)-1].Mark()
	}
}

func (s *Service) abandon(ctx context.Context, d docstore.Doc, before time.Time) error {
	var k task
	if err := json.Unmarshal(d.Body, &k); err != nil {
		return err
	}
	b, err := s.Catalog.Batch(ctx, k.caller(), k.Batch)
	if problem.KindOf(err) == problem.NotFound || err == nil && b.Status != catalog.Loading {
		return s.DB.Do(ctx, func(t *docstore.Tx) error { return forget(t, k.scope(), k.Batch) })
	}
	if err != nil {
		return err
	}
	young, err := s.youngFile(ctx, k, before)
	if err != nil || young {
		return err
	}
	_, err = s.close(ctx, k.caller(), b, abandon, catalog.Abandoned)
	if err == nil {
		s.Log.InfoContext(ctx, "a batch that nobody completed was abandoned", "batch", k.Batch, "org", k.Org, "sandbox", k.Sandbox.Name)
	}
	return err
}

// youngFile says whether anything of a file came after a moment.
func (s *Service) youngFile(ctx context.Context, k task, after time.Time) (young bool, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		young = false
		docs, err := t.List(k.scope(), kindFile, docstore.Page{Parent: k.Batch})
		for _, d := range docs {
			young = young || d.Updated.After(after)
		}
		return err
	})
	return young, err
}

// abandoned is why a batch ended that nobody completed.
func (s *Service) abandoned() []catalog.BatchError {
	return []catalog.BatchError{{
		Code: string(catalog.Abandoned), Rows: []string{},
		Description: fmt.Sprintf("The batch was not completed, and no file came for %g days: its files were removed. Make another batch.", cmp.Or(s.Idle, idle).Hours()/24),
	}}
}
