package docstore_test

import (
	"cmp"
	"encoding/json"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
)

// indexed is a document that has an index.
type indexed struct {
	Text   string
	Number int64
	At     int64
	Sum    int64
}

func indexOf(d docstore.Doc) (e docstore.Entry, err error) {
	var v indexed
	err = json.Unmarshal(d.Body, &v)
	e.Text[0], e.Text[6], e.Number[0], e.Number[3], e.At, e.Sum[0], e.Sum[5] = v.Text, v.Text+"!", v.Number, -v.Number, v.At, v.Sum, 2*v.Sum
	return e, err
}

var index = docstore.Index{Kind: "k", Version: 1, Of: indexOf}

// Whatever is written, an index has what the documents say, and its sums are
// theirs; also if it was filled when they were there.
func TestIndexAgreesWithModel(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		plain := docstoretest.Open(t, name)
		db, err := docstore.Open(t.Context(), name, time.Now, index)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		version := 1
		rapid.Check(t, func(rt *rapid.T) {
			want := map[docstore.Scope]map[string]docstore.Doc{prod: {}, dev: {}}
			writer := db
			late := rapid.IntRange(0, 5).Draw(rt, "late") == 0
			for s := range want {
				if err := db.Do(t.Context(), func(tx *docstore.Tx) error { return tx.Clear(s) }); err != nil {
					rt.Fatal(err)
				}
			}
			if late {
				writer = plain
			}
			for range rapid.IntRange(1, 25).Draw(rt, "steps") {
				s := rapid.SampledFrom([]docstore.Scope{prod, dev}).Draw(rt, "scope")
				id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(rt, "id")
				d := want[s][id]
				remove := d.Revision > 0 && rapid.IntRange(0, 4).Draw(rt, "delete") == 0
				d.Kind, d.ID = "k", id
				d.Parent = rapid.SampledFrom([]string{"", "p", "q"}).Draw(rt, "parent")
				if d.Revision == 0 {
					d.Created = time.UnixMilli(rapid.Int64Range(1, 5).Draw(rt, "created")).UTC()
				}
				body, err := json.Marshal(indexed{
					rapid.SampledFrom([]string{"", "x", "Y", "\x00é"}).Draw(rt, "text"), rapid.Int64Range(-2, 2).Draw(rt, "number"),
					rapid.Int64Range(0, 5).Draw(rt, "at") * 11 * time.Hour.Milliseconds(), rapid.Int64Range(-3, 3).Draw(rt, "sum"),
				})
				if err != nil {
					rt.Fatal(err)
				}
				d.Body = body
				err = writer.Do(t.Context(), func(tx *docstore.Tx) error {
					if remove {
						return tx.Delete(s, "k", id)
					}
					now, err := tx.Put(s, d)
					want[s][id] = now
					return err
				})
				if err != nil {
					rt.Fatal(err)
				}
				if remove {
					delete(want[s], id)
				}
			}
			reader := db
			if late {
				version++
				if reader, err = docstore.Open(t.Context(), name, time.Now, docstore.Index{Kind: "k", Version: version, Of: indexOf}); err != nil {
					rt.Fatal(err)
				}
				defer func() { _ = reader.Close() }()
			}
			p := docstore.Page{Newest: rapid.Bool().Draw(rt, "newest"), Parent: rapid.SampledFrom([]string{"", "", "p"}).Draw(rt, "of")}
			if rapid.Bool().Draw(rt, "by text") {
				p.Where = append(p.Where, docstore.Condition{Column: docstore.Text(0), Op: "=", Texts: rapid.SliceOfN(rapid.SampledFrom([]string{"", "x", "Y", "\x00é"}), 1, 2).Draw(rt, "texts")})
			}
			for _, c := range rapid.SliceOfN(rapid.SampledFrom([]docstore.Column{docstore.Number(0), docstore.Number(3), docstore.Sum(0), docstore.Created()}), 0, 2).Draw(rt, "columns") {
				p.Where = append(p.Where, docstore.Condition{Column: c, Op: rapid.SampledFrom([]string{"=", "<>", "<", "<=", ">", ">="}).Draw(rt, "op"), Number: rapid.Int64Range(-2, 3).Draw(rt, "than")})
			}
			limit := rapid.IntRange(0, 3).Draw(rt, "limit")
			bucket := rapid.SampledFrom([]time.Duration{docstore.Daily, 3 * docstore.Daily}).Draw(rt, "bucket").Milliseconds()
			for s, docs := range want {
				checkIndex(t, rt, reader, s, docs, p, limit, bucket)
			}
		})
	})
}

func checkIndex(t *testing.T, rt *rapid.T, db *docstore.DB, s docstore.Scope, docs map[string]docstore.Doc, p docstore.Page, limit int, bucket int64) {
	var want []docstore.Entry
	perParent, perTime := map[string]docstore.Total{}, map[int64]docstore.Total{}
	first, last := 11*time.Hour, 24*time.Hour // of what is added up, in two spans
	for id, d := range docs {
		e, err := indexOf(d)
		if err != nil {
			rt.Fatal(err)
		}
		e.ID, e.Parent, e.Created = id, d.Parent, d.Created.UnixMilli()
		if e.At >= first.Milliseconds() && e.At < last.Milliseconds()+docstore.Daily.Milliseconds() && e.Parent != "q" {
			of, at := perParent[e.Parent], perTime[e.At/bucket*bucket]
			of.Parent, at.At = e.Parent, e.At/bucket*bucket
			for _, sum := range []*docstore.Total{&of, &at} {
				sum.Count++
				for i, n := range e.Sum {
					sum.Sum[i] += n
				}
			}
			perParent[e.Parent], perTime[at.At] = of, at
		}
		if (p.Parent == "" || p.Parent == d.Parent) && !slices.ContainsFunc(p.Where, func(c docstore.Condition) bool { return !fits(e, c) }) {
			want = append(want, e)
		}
	}
	slices.SortFunc(want, func(a, b docstore.Entry) int {
		c := cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID))
		if p.Newest {
			return -c
		}
		return c
	})
	err := db.View(t.Context(), func(tx *docstore.Tx) error {
		var got []docstore.Entry
		for page := p; ; {
			page.Limit = limit
			part, err := tx.Entries(s, "k", page)
			if err != nil {
				return err
			}
			got = append(got, part...)
			if limit == 0 || len(part) < limit {
				break
			}
			page.After = part[len(part)-1].Mark()
		}
		if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("%v %+v: %s", s, p, diff)
		}
		n, err := tx.CountEntries(s, "k", p)
		if n != len(want) || err != nil {
			rt.Fatalf("%d counted of %d: %v", n, len(want), err)
		}
		ids := []string{"a", "none", "\x00", "f"}
		entries, err := tx.EntriesOf(s, "k", ids)
		if err != nil {
			return err
		}
		read, err := tx.Docs(s, "k", ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			d, ok := docs[id]
			d.Keys = nil
			if e, found := entries[id]; found != ok || e.ID != "" && e.ID != id {
				rt.Fatalf("entry of %s: %v", id, e)
			}
			if diff := gocmp.Diff(d, read[id], cmpopts.EquateEmpty()); diff != "" {
				rt.Fatal(diff)
			}
		}
		spans := []docstore.Span{
			{Step: docstore.Hourly, From: time.Unix(0, 0).Add(first), To: time.Unix(0, 0).Add(last)}, {Step: docstore.Daily, From: time.Unix(0, 0).Add(last), To: time.Unix(0, 0).Add(last + docstore.Daily)},
		}
		of, err := tx.TotalsOf(s, "k", spans, []string{"", "p"})
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(perParent, of); diff != "" {
			rt.Fatal(diff)
		}
		at, err := tx.TotalsAt(s, "k", spans, time.Duration(bucket)*time.Millisecond, []string{"p", ""})
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(perTime, at); diff != "" {
			rt.Fatal(diff)
		}
		all, err := tx.TotalsOf(s, "k", spans, nil)
		if delete(all, "q"); len(all) != len(perParent) {
			rt.Fatalf("%v, want %v", all, perParent)
		}
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// fits says whether an entry fulfils a condition.
func fits(e docstore.Entry, c docstore.Condition) bool {
	if c.Texts != nil {
		return slices.Contains(c.Texts, e.Text[0])
	}
	n := map[docstore.Column]int64{docstore.Number(0): e.Number[0], docstore.Number(3): e.Number[3], docstore.Sum(0): e.Sum[0], docstore.Created(): e.Created}[c.Column]
	return map[string]bool{"=": n == c.Number, "<>": n != c.Number, "<": n < c.Number, "<=": n <= c.Number, ">": n > c.Number, ">=": n >= c.Number}[c.Op]
}

// Rewriting brings the index up to date; a View sees what was committed and
// writes nothing; an index of a later release is not filled by this one.
func TestIndexUpkeep(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		open := func(version int) (*docstore.DB, error) {
			return docstore.Open(t.Context(), name, time.Now, docstore.Index{Kind: "k", Version: version, Of: indexOf})
		}
		db, err := open(2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		put := func(tx *docstore.Tx) error {
			_, err := tx.Put(prod, docstore.Doc{Kind: "k", ID: "1", Body: []byte(`{"Text":"old","At":1,"Sum":5}`)})
			return err
		}
		if err := db.View(t.Context(), put); err == nil {
			t.Error("a View wrote")
		}
		if err := db.Do(t.Context(), put); err != nil {
			t.Fatal(err)
		}
		if err := db.Rewrite(t.Context(), func(_ docstore.Scope, d *docstore.Doc) error {
			d.Body = []byte(`{"Text":"new","At":1,"Sum":7}`)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		err = db.View(t.Context(), func(tx *docstore.Tx) error {
			all, err := tx.Entries(prod, "k", docstore.Page{})
			if err == nil && (len(all) != 1 || all[0].Text[0] != "new" || all[0].Sum[0] != 7) {
				t.Errorf("%+v", all)
			}
			if _, err := tx.Entries(prod, "none", docstore.Page{}); err == nil {
				t.Error("entries of a kind without an index")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if late, err := open(1); err == nil {
			_ = late.Close()
			t.Error("an older index was accepted")
		}
	})
}
