package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// pageSize is how many documents are read at once, at most, where it is not
// known how many are wanted.
const pageSize = 500

// A row is an item of a list.
type row struct {
	stored docstore.Doc
	text   json.RawMessage // as clients see it
	doc    map[string]any  // what orders or projections look at, decoded
	mark   mark
}

// envelope is how the service answers with items.
type envelope struct {
	Items []any          `json:"items"`
	Links map[string]any `json:"_links,omitzero"`
}

// answer answers with a single object.
func (k *kind[T]) answer(v *T) *gateway.Answer {
	return &gateway.Answer{Header: etagHeader(k.item(v)), Body: envelope{Items: []any{k.view(v)}}}
}

func etagHeader(i *Item) map[string][]string { return map[string][]string{"Etag": {i.Etag}} }

// list answers with the items that a query asks for.
func list[T any](ctx context.Context, s *Service, k *kind[T], c access.Caller, path string, q *query) (*gateway.Answer, error) {
	var rows []row
	var more bool
	var n int
	err := s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		if q.count {
			n, err = k.count(t, scope(c), q)
			return err
		}
		rows, more, err = k.rows(t, scope(c), q)
		return err
	})
	if err != nil {
		return nil, err
	}
	if q.count {
		return gateway.OK(map[string]int{"count": n}), nil
	}
	for i := range rows {
		if err := k.show(&rows[i], q); err != nil {
			return nil, err
		}
	}
	return q.answer(path, rows, more)
}

// answer answers with a page of rows, or with how many there are. path is that
// of the call; the next page is asked for the same way.
func (q *query) answer(path string, rows []row, more bool) (*gateway.Answer, error) {
	if q.count {
		return gateway.OK(map[string]int{"count": len(rows)}), nil
	}
	answer := envelope{Items: []any{}, Links: map[string]any{}}
	for _, r := range rows {
		answer.Items = append(answer.Items, r.project(q.only))
	}
	if more {
		token, err := rows[len(rows)-1].mark.token()
		if err != nil {
			return nil, err
		}
		next := url.Values{"continuationToken": {token}}
		if !q.body {
			next.Set("limit", strconv.Itoa(q.limit))
			for _, name := range []string{"property", "orderby"} {
				if v := q.values[name]; len(v) > 0 {
					next[name] = v
				}
			}
		}
		answer.Links["next"] = map[string]string{"href": path + "?" + next.Encode()}
	}
	return gateway.OK(answer), nil
}

// rows returns the rows of a page, and whether there are more behind them.
func (k *kind[T]) rows(t *docstore.Tx, sc docstore.Scope, q *query) (rows []row, more bool, err error) {
	add := func(d docstore.Doc, doc map[string]any) {
		rows = append(rows, row{stored: d, doc: doc, mark: mark{Created: d.Mark().Created, ID: d.ID}})
	}
	if !q.byCreation() { // all that match are looked at
		err = k.each(t, sc, q, docstore.Page{Limit: pageSize}, func(d docstore.Doc, doc map[string]any) bool {
			add(d, doc)
			return true
		})
		rows, more = q.page(rows)
	} else {
		page := docstore.Page{Limit: q.limit + 1}
		if q.after != nil {
			page.After = docstore.Mark{Created: q.after.Created, ID: q.after.ID}
		}
		err = k.each(t, sc, q, page, func(d docstore.Doc, doc map[string]any) bool {
			if more = len(rows) == q.limit; !more {
				add(d, doc)
			}
			return !more
		})
	}
	if err == nil {
		err = k.fill(t, sc, rows)
	}
	return rows, more, err
}

// fill reads the documents of rows that were found by their entries alone.
func (k *kind[T]) fill(t *docstore.Tx, sc docstore.Scope, rows []row) error {
	var ids []string
	for _, r := range rows {
		if r.stored.Body == nil {
			ids = append(ids, r.stored.ID)
		}
	}
	docs, err := t.Docs(sc, k.name, ids)
	if err != nil {
		return err
	}
	for i := range rows {
		if d, ok := docs[rows[i].stored.ID]; ok {
			rows[i].stored = d
		}
	}
	return nil
}

// count returns how many match, whatever the page.
func (k *kind[T]) count(t *docstore.Tx, sc docstore.Scope, q *query) (n int, err error) {
	unordered := *q
	unordered.orders = nil
	page, rest := k.find(t, &unordered)
	switch {
	case len(rest.filters) == 0 && len(page.Where) == 0:
		return t.Count(sc, k.name, page.Parent)
	case len(rest.filters) == 0:
		return t.CountEntries(sc, k.name, page)
	}
	err = k.each(t, sc, &unordered, docstore.Page{Limit: pageSize}, func(docstore.Doc, map[string]any) bool {
		n++
		return true
	})
	return n, err
}

// find returns what of a query the database finds, and what is left of it.
func (k *kind[T]) find(t *docstore.Tx, q *query) (page docstore.Page, rest query) {
	rest = *q
	page.Newest = true
	page.Parent, rest.filters = q.ofFlow()
	if k.listed == nil || !t.Indexed(k.name) {
		return page, rest
	}
	rest.filters = slices.DeleteFunc(slices.Clone(rest.filters), func(p gateway.Property) bool {
		found, ok := k.listed.conditions(p)
		page.Where = append(page.Where, found...)
		return ok
	})
	return page, rest
}

// each calls fn for the documents that match, newest first, with what of them
// the query looks at, until fn says that it wants no more. Those that the index
// tells enough of come without their text. page is the first one; later ones are
// larger, as what was found so far is rare.
func (k *kind[T]) each(t *docstore.Tx, sc docstore.Scope, q *query, page docstore.Page, fn func(d docstore.Doc, doc map[string]any) bool) error {
	found, rest := k.find(t, q)
	page.Newest, page.Parent, page.Where = true, found.Parent, found.Where
	names := rest.names()
	next := func() ([]docstore.Doc, []map[string]any, error) { return k.readDocs(t, sc, page, names) }
	if k.listed != nil && t.Indexed(k.name) && (len(page.Where) > 0 || len(names) > 0 && k.listed.tells(&rest)) {
		next = func() ([]docstore.Doc, []map[string]any, error) { return k.readEntries(t, sc, page, &rest, names) }
	}
	for {
		docs, looks, err := next()
		if err != nil {
			return err
		}
		for i, d := range docs {
			if rest.match(looks[i]) && !fn(d, looks[i]) {
				return nil
			}
		}
		if len(docs) < page.Limit {
			return nil
		}
		page.After, page.Limit = docs[len(docs)-1].Mark(), min(4*page.Limit, pageSize)
	}
}

// readDocs reads a page of documents, and what of them is looked at.
func (k *kind[T]) readDocs(t *docstore.Tx, sc docstore.Scope, page docstore.Page, names []string) ([]docstore.Doc, []map[string]any, error) {
	docs, err := t.List(sc, k.name, page)
	if err != nil {
		return nil, nil, err
	}
	looks := make([]map[string]any, len(docs))
	for i, d := range docs {
		if looks[i], err = k.look(d, names); err != nil {
			return nil, nil, err
		}
	}
	return docs, looks, nil
}

// readEntries is readDocs by the index: of the documents themselves only as many
// are read as the entries don't tell enough of.
func (k *kind[T]) readEntries(t *docstore.Tx, sc docstore.Scope, page docstore.Page, rest *query, names []string) ([]docstore.Doc, []map[string]any, error) {
	entries, err := t.Entries(sc, k.name, page)
	if err != nil {
		return nil, nil, err
	}
	docs, looks := make([]docstore.Doc, len(entries)), make([]map[string]any, len(entries))
	told := k.listed.tells(rest)
	ids := make([]string, 0, len(entries))
	for i, e := range entries {
		docs[i] = docstore.Doc{Kind: k.name, ID: e.ID, Parent: e.Parent, Created: time.UnixMilli(e.Created).UTC()}
		if told && len(names) > 0 {
			looks[i] = k.listed.doc(e)
		}
		ids = append(ids, e.ID)
	}
	if told {
		return docs, looks, nil
	}
	texts, err := t.Docs(sc, k.name, ids)
	if err != nil {
		return nil, nil, err
	}
	for i := range docs {
		docs[i] = texts[docs[i].ID]
		if looks[i], err = k.look(docs[i], names); err != nil {
			return nil, nil, err
		}
	}
	return docs, looks, nil
}

// names are the fields that the query's filters and its order look at.
func (q *query) names() []string {
	var all []string
	for _, p := range q.filters {
		all = append(all, strings.TrimSuffix(p.Path[0], "[]"))
	}
	if !q.byCreation() {
		for _, o := range q.orders {
			all = append(all, o.field)
		}
	}
	return all
}

// look decodes the named fields of a document as clients see them. Those that
// are stored as they are shown are taken from the text: nothing else is decoded.
func (k *kind[T]) look(d docstore.Doc, names []string) (map[string]any, error) {
	if len(names) == 0 {
		return nil, nil
	}
	for _, name := range names {
		if !slices.Contains(common, name) && !slices.Contains(k.stored, name) {
			text, err := k.text(d)
			if err != nil {
				return nil, err
			}
			return pick(text, names)
		}
	}
	doc, err := pick(d.Body, names)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", k.one, d.ID, err)
	}
	return doc, nil
}

// text writes a document as clients see it.
func (k *kind[T]) text(d docstore.Doc) ([]byte, error) {
	v, err := k.read(d)
	if err != nil {
		return nil, err
	}
	return json.Marshal(k.view(v))
}

// show fills in what clients see of a row.
func (k *kind[T]) show(r *row, q *query) (err error) {
	if r.text, err = k.text(r.stored); err != nil || len(q.only) == 0 {
		return err
	}
	r.doc, err = pick(r.text, append([]string{"id"}, q.only...))
	return err
}

// page puts rows in the caller's order and returns those of the page that was
// asked for, all where they are to be counted, and whether there are more.
func (q *query) page(rows []row) (page []row, more bool) {
	for i := range rows {
		rows[i].mark.For = q.orderKey()
		rows[i].mark.Values = nil
		for _, o := range q.orders {
			v := rows[i].doc[o.field]
			if rank(v) > rankText {
				v = nil // objects and arrays have no order
			}
			rows[i].mark.Values = append(rows[i].mark.Values, v)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return q.before(&a.mark, &b.mark) })
	if q.after != nil && !q.count {
		i, _ := slices.BinarySearchFunc(rows, q.after, func(r row, m *mark) int {
			if q.before(&r.mark, m) <= 0 {
				return -1
			}
			return 1
		})
		rows = rows[i:]
	}
	if !q.count && len(rows) > q.limit {
		return rows[:q.limit], true
	}
	return rows, false
}

// before puts two places of the caller's order in order.
func (q *query) before(a, b *mark) int {
	for i, o := range q.orders {
		if c := compare(a.Values[i], b.Values[i]); c != 0 {
			if o.descending {
				return -c
			}
			return c
		}
	}
	return strings.Compare(a.ID, b.ID)
}

// project returns the row, or those of its fields that are wanted, the id among
// them.
func (r *row) project(only []string) any {
	if len(only) == 0 {
		return r.text
	}
	out := map[string]any{"id": r.doc["id"]}
	for _, name := range only {
		if v, ok := r.doc[name]; ok {
			out[name] = v
		}
	}
	return out
}
