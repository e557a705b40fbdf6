package docstore_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
)

var (
	prod  = docstore.Scope{Org: "A", Sandbox: "prod"}
	dev   = docstore.Scope{Org: "A", Sandbox: "dev"}
	whole = docstore.Scope{Org: "A"}
	other = docstore.Scope{Org: "B", Sandbox: "prod"}
)

func TestStates(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		now := time.Date(2026, 1, 31, 12, 0, 0, 123_456_789, time.UTC)
		db, err := docstore.Open(t.Context(), name, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		put := func(d docstore.Doc) (docstore.Doc, error) {
			var got docstore.Doc
			err := db.Do(t.Context(), func(tx *docstore.Tx) (err error) {
				got, err = tx.Put(prod, d)
				return err
			})
			return got, err
		}
		first, err := put(docstore.Doc{Kind: "flow", ID: "1", Parent: "p", Keys: []string{"b", "a"}, Body: []byte(`{"größe": "?"}`)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(docstore.Doc{Kind: "flow", ID: "1", Body: []byte(`{}`)}); !errors.Is(err, docstore.ErrTaken) {
			t.Errorf("a second of that id: %v", err)
		}
		if _, err := put(docstore.Doc{Kind: "flow", ID: "2", Keys: []string{"c", "a"}, Body: []byte(`{}`)}); !errors.Is(err, docstore.ErrTaken) {
			t.Errorf("a second of that key: %v", err)
		}
		if _, err := put(docstore.Doc{Kind: "run", ID: "1", Keys: []string{"a"}, Body: []byte(`{}`)}); err != nil {
			t.Errorf("another kind: %v", err)
		}
		now = now.Add(time.Hour)
		second, err := put(docstore.Doc{Kind: "flow", ID: "1", Parent: "q", Keys: []string{"a", "z"}, Revision: first.Revision, Body: []byte(`{"n":2}`)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(docstore.Doc{Kind: "flow", ID: "1", Revision: first.Revision, Body: []byte(`{}`)}); !errors.Is(err, docstore.ErrStale) {
			t.Errorf("of the state before: %v", err)
		}
		if _, err := put(docstore.Doc{Kind: "flow", ID: "9", Revision: 1, Body: []byte(`{}`)}); !errors.Is(err, docstore.ErrNotFound) {
			t.Errorf("of none: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}

		db = docstoretest.Open(t, name)
		want := docstore.Doc{
			Kind: "flow", ID: "1", Parent: "q", Keys: []string{"a", "z"}, Revision: 2, Body: []byte(`{"n":2}`),
			Created: time.Date(2026, 1, 31, 12, 0, 0, 123_000_000, time.UTC), Updated: time.Date(2026, 1, 31, 13, 0, 0, 123_000_000, time.UTC),
		}
		for key, found := range map[string]bool{"a": true, "z": true, "b": false} {
			err := db.Do(t.Context(), func(tx *docstore.Tx) error {
				got, err := tx.Find(prod, "flow", key)
				if diff := gocmp.Diff(want, got); found && diff != "" {
					t.Error(diff)
				}
				return err
			})
			if (err == nil) != found {
				t.Errorf("key %s: %v", key, err)
			}
		}
		if second.Updated != want.Updated || second.Created != first.Created {
			t.Errorf("times: %v, %v", second.Created, second.Updated)
		}
	})
}

// A model of what the database should hold.
type model map[docstore.Scope]map[string]docstore.Doc

// Whatever is done, each scope has what was put there, and a transaction that
// fails leaves nothing.
func TestScopes(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		db := docstoretest.Open(t, name)
		scopes := []docstore.Scope{prod, dev, whole, other, {}}
		rapid.Check(t, func(rt *rapid.T) {
			want := model{}
			for _, s := range scopes {
				want[s] = map[string]docstore.Doc{}
				if err := db.Do(t.Context(), func(tx *docstore.Tx) error { return tx.Clear(s) }); err != nil {
					rt.Fatal(err)
				}
			}
			for range rapid.IntRange(1, 12).Draw(rt, "steps") {
				s := rapid.SampledFrom(scopes).Draw(rt, "scope")
				id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id")
				d, known := want[s][id]
				step := rapid.SampledFrom([]string{"put", "delete", "fail", "clear"}).Draw(rt, "step")
				err := db.Do(t.Context(), func(tx *docstore.Tx) (err error) {
					switch step {
					case "put", "fail":
						d.Kind, d.ID, d.Keys = "k", id, []string{"key of " + id}
						d.Parent = rapid.SampledFrom([]string{"", "p"}).Draw(rt, "parent")
						d.Body = []byte(strconv.Itoa(rapid.Int().Draw(rt, "body")))
						if d, err = tx.Put(s, d); err == nil && step == "fail" {
							err = errors.New("changed its mind")
						}
					case "delete":
						err = tx.Delete(s, "k", id)
					case "clear":
						err = tx.Clear(s)
					}
					return err
				})
				switch {
				case step == "put" && err == nil:
					want[s][id] = d
				case step == "delete" && known == (err == nil):
					delete(want[s], id)
				case step == "clear" && err == nil:
					clear(want[s])
				case step == "fail" && err != nil:
				default:
					rt.Fatalf("%s of %s in %v: %v", step, id, s, err)
				}
			}
			for s, docs := range want {
				var expected []docstore.Doc
				for _, d := range docs {
					d.Keys = nil
					expected = append(expected, d)
				}
				slices.SortFunc(expected, func(a, b docstore.Doc) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
				for _, p := range []docstore.Page{{}, {Limit: 1}, {Newest: true, Limit: 2}, {Parent: "p"}} {
					var got []docstore.Doc
					for {
						var part []docstore.Doc
						if err := db.Do(t.Context(), func(tx *docstore.Tx) (err error) {
							part, err = tx.List(s, "k", p)
							return err
						}); err != nil {
							rt.Fatal(err)
						}
						got = append(got, part...)
						if p.Limit == 0 || len(part) == 0 {
							break
						}
						p.After = part[len(part)-1].Mark()
					}
					expected := slices.Clone(expected)
					expected = slices.DeleteFunc(expected, func(d docstore.Doc) bool { return p.Parent != "" && d.Parent != p.Parent })
					if p.Newest {
						slices.Reverse(expected)
					}
					if diff := gocmp.Diff(expected, got, cmpopts.EquateEmpty()); diff != "" {
						rt.Fatalf("%v %+v: %s", s, p, diff)
					}
					var n int
					if err := db.Do(t.Context(), func(tx *docstore.Tx) (err error) {
						n, err = tx.Count(s, "k", p.Parent)
						return err
					}); err != nil || n != len(expected) {
						rt.Fatalf("%v %+v: %d counted of %d: %v", s, p, n, len(expected), err)
					}
				}
			}
		})
	})
}

// Transactions at once come out as if one had followed the other, from two
// handles too; and two that open a new database at once both get it.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		const handles, each, rounds = 2, 3, 8
		var wg sync.WaitGroup
		add := func(ctx context.Context, db *docstore.DB) error {
			return db.Do(ctx, func(tx *docstore.Tx) error {
				d, err := tx.Get(prod, "counter", "1")
				if errors.Is(err, docstore.ErrNotFound) {
					d, err = docstore.Doc{Kind: "counter", ID: "1", Body: []byte("0")}, nil
				}
				if err != nil {
					return err
				}
				n, err := strconv.Atoi(string(d.Body))
				if err != nil {
					return err
				}
				d.Body = fmt.Append(nil, n+1)
				_, err = tx.Put(prod, d)
				return err
			})
		}
		for range handles {
			wg.Go(func() {
				db := docstoretest.Open(t, name)
				var inner sync.WaitGroup
				for range each {
					inner.Go(func() {
						for range rounds {
							if err := add(t.Context(), db); err != nil {
								t.Error(err)
							}
						}
					})
				}
				inner.Wait()
			})
		}
		wg.Wait()
		db := docstoretest.Open(t, name)
		var got string
		if err := db.Do(t.Context(), func(tx *docstore.Tx) error {
			d, err := tx.Get(prod, "counter", "1")
			got = string(d.Body)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if want := strconv.Itoa(handles * each * rounds); got != want {
			t.Errorf("counted %s, want %s", got, want)
		}
	})
}

// Whatever text comes from outside, a document that can't be there is not
// found, and nothing fails.
func TestStrangeIDs(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		db, err := docstore.Open(t.Context(), name, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		for _, id := range []string{"a\x00b", "\xff", "'; drop table doc; --", "?", ""} {
			err := db.Do(t.Context(), func(tx *docstore.Tx) error {
				if _, err := tx.Get(prod, "flow", id); !errors.Is(err, docstore.ErrNotFound) {
					t.Errorf("get %q: %v", id, err)
				}
				if _, err := tx.Find(prod, "flow", id); !errors.Is(err, docstore.ErrNotFound) {
					t.Errorf("find %q: %v", id, err)
				}
				docs, err := tx.List(prod, "flow", docstore.Page{Parent: id})
				if len(docs) > 0 {
					t.Errorf("list %q: %v", id, docs)
				}
				return err
			})
			if err != nil {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}
