package docstore_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/leaktest"
)

// What was deleted or replaced stands in no page of the database after Erase; what
// stays does, so the search is not blind.
func TestErase(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		db := docstoretest.Open(t, name)
		gone, stays := "gone4711", "stays4711"
		var places leaktest.Places
		if strings.HasPrefix(name, "postgres") {
			places.Postgres = name
		} else {
			places.Dir = filepath.Dir(name)
		}
		put := func(fn func(tx *docstore.Tx) error) {
			t.Helper()
			if err := db.Do(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 60 {
			put(func(tx *docstore.Tx) error {
				for i, word := range []string{gone, stays} {
					// Of all sizes, so that pages are taken apart and rows lie beside them.
					text := strings.Repeat(rand.Text(), 1+n*n%97*(1+n%5))
					d := docstore.Doc{Kind: "k", ID: fmt.Sprint(i, " ", n), Parent: word, Keys: []string{fmt.Sprint(word, n)}, Body: fmt.Appendf(nil, `{"is":"%s %s %s"}`, word, text, word)}
					if _, err := tx.Put(prod, d); err != nil {
						return err
					}
				}
				return nil
			})
		}
		put(func(tx *docstore.Tx) error {
			for n := range 60 {
				d, err := tx.Get(prod, "k", fmt.Sprint(0, " ", n))
				if err != nil {
					return err
				}
				if n%3 == 0 {
					d.Parent, d.Keys, d.Body = "", nil, []byte(`{"is":"another"}`)
					_, err = tx.Put(prod, d)
				} else {
					err = tx.Delete(prod, "k", d.ID)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if len(leaktest.Scan(t, places, gone)) == 0 {
			t.Error("nothing of what was deleted is found before: the search is blind, or Erase is not needed")
		}
		if err := db.Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, f := range leaktest.Scan(t, places, gone) {
			t.Errorf("found in %s, %s", f.Place, f.Form)
		}
		if len(leaktest.In(leaktest.Scan(t, places, stays))) < 2 {
			t.Error("the search is blind")
		}
	})
}

// Who reads an old state keeps it in the database: Erase says so.
func TestEraseWaitsForReaders(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		db, other := docstoretest.Open(t, name), docstoretest.Open(t, name)
		err := other.View(t.Context(), func(tx *docstore.Tx) error {
			if _, err := tx.Count(prod, "k", ""); err != nil {
				return err
			}
			err := db.Do(t.Context(), func(tx *docstore.Tx) error {
				_, err := tx.Put(prod, docstore.Doc{Kind: "k", ID: "1", Body: []byte(`{}`)})
				return err
			})
			if err != nil {
				return err
			}
			if err := db.Erase(t.Context()); !errors.Is(err, docstore.ErrBusy) {
				t.Errorf("somebody reads: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Erase(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
