package docstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
)

// More documents than a page of Rewrite has, in several scopes.
func TestRewrite(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		db := docstoretest.Open(t, name)
		want := map[string]string{}
		err := db.Do(t.Context(), func(tx *docstore.Tx) error {
			clear(want)
			for i, s := range []docstore.Scope{prod, dev, whole, other, {}} {
				for n := range 250 {
					d := docstore.Doc{Kind: fmt.Sprint("kind", n%3), ID: fmt.Sprint(n), Keys: []string{fmt.Sprint("key", n)}, Body: []byte(`{"is":"old"}`)}
					if n%2 == 0 {
						d.Body = []byte(`{"is":"fine"}`)
					}
					if _, err := tx.Put(s, d); err != nil {
						return err
					}
					want[fmt.Sprintf("%d %s %s", i, d.Kind, d.ID)] = `{"is":"fine"}`
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		err = db.Rewrite(t.Context(), func(_ docstore.Scope, d *docstore.Doc) error {
			seen++
			d.Body = bytes.ReplaceAll(d.Body, []byte("old"), []byte("fine"))
			if d.ID == "3" {
				d.Keys = []string{"other" + d.Keys[0]}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen != len(want) {
			t.Errorf("%d documents were shown, there are %d", seen, len(want))
		}
		got := map[string]string{}
		err = db.Do(t.Context(), func(tx *docstore.Tx) error {
			clear(got)
			for i, s := range []docstore.Scope{prod, dev, whole, other, {}} {
				for k := range 3 {
					docs, err := tx.List(s, fmt.Sprint("kind", k), docstore.Page{})
					if err != nil {
						return err
					}
					for _, d := range docs {
						got[fmt.Sprintf("%d %s %s", i, d.Kind, d.ID)] = string(d.Body)
					}
				}
			}
			if _, err := tx.Find(prod, "kind0", "key3"); !errors.Is(err, docstore.ErrNotFound) {
				t.Errorf("the old key finds a document: %v", err)
			}
			if d, err := tx.Find(prod, "kind0", "otherkey3"); err != nil || d.ID != "3" {
				t.Errorf("the new key finds %q, %v", d.ID, err)
			}
			d, err := tx.Find(prod, "kind1", "key1")
			if err == nil && (d.Revision != 2 || !d.Updated.Equal(d.Created)) {
				t.Errorf("revision %d, created %s, updated %s", d.Revision, d.Created, d.Updated)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
