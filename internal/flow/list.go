package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// pageSize is how many documents are read at once.
const pageSize = 500

// A row is an item of a list: as JSON, and decoded for filters and orders.
type row struct {
	text json.RawMessage
	doc  map[string]any
	mark mark
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
	rows, more, err := k.rows(ctx, s, c, q)
	if err != nil {
		return nil, err
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

// rows returns the rows of a page, of all pages where they are to be counted,
// and whether there are more behind them.
func (k *kind[T]) rows(ctx context.Context, s *Service, c access.Caller, q *query) (rows []row, more bool, err error) {
	if !q.byCreation() {
		return k.sorted(ctx, s, c, q)
	}
	page := docstore.Page{Newest: true, Parent: q.flowID(), Limit: pageSize}
	if k.parent == nil {
		page.Parent = ""
	}
	if q.after != nil && !q.count {
		page.After = docstore.Mark{Created: q.after.Created, ID: q.after.ID}
	}
	for {
		docs, err := k.page(ctx, s, c, page)
		if err != nil {
			return nil, false, err
		}
		for _, d := range docs {
			r, err := k.row(d, q)
			if err != nil {
				return nil, false, err
			}
			if !q.match(r.doc) {
				continue
			}
			if !q.count && len(rows) == q.limit {
				return rows, true, nil
			}
			rows = append(rows, r)
		}
		if len(docs) < pageSize {
			return rows, false, nil
		}
		page.After = docs[len(docs)-1].Mark()
	}
}

func (k *kind[T]) page(ctx context.Context, s *Service, c access.Caller, page docstore.Page) (docs []docstore.Doc, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		docs, err = t.List(scope(c), k.name, page)
		return err
	})
	return docs, err
}

// sorted returns a page in an order of the caller's: all that match are read.
func (k *kind[T]) sorted(ctx context.Context, s *Service, c access.Caller, q *query) (rows []row, more bool, err error) {
	all := *q
	all.orders, all.after, all.count = nil, nil, true
	if rows, _, err = k.rows(ctx, s, c, &all); err != nil {
		return nil, false, err
	}
	rows, more = q.page(rows)
	return rows, more, nil
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

// row shows a document; it is decoded only where a query looks into it.
func (k *kind[T]) row(d docstore.Doc, q *query) (row, error) {
	v, err := k.read(d)
	if err != nil {
		return row{}, err
	}
	r := row{mark: mark{Created: d.Mark().Created, ID: d.Mark().ID}}
	if r.text, err = json.Marshal(k.view(v)); err != nil {
		return row{}, err
	}
	if len(q.filters) == 0 && len(q.only) == 0 && q.values.Get("orderby") == "" {
		return r, nil
	}
	dec := json.NewDecoder(bytes.NewReader(r.text))
	dec.UseNumber()
	return r, dec.Decode(&r.doc)
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

// search reads the body of a search, which says what a list's parameters say.
func search(call *gateway.Call, fields []string) (*query, error) {
	var b struct {
		Query string          `json:"queryString"`
		Limit json.RawMessage `json:"limit"`
		Order string          `json:"orderby"`
		Count json.RawMessage `json:"count"`
		Only  string          `json:"projectionFields"`
		Token string          `json:"continuationToken"`
	}
	if err := readBody(call, &b); err != nil {
		return nil, err
	}
	if b.Token == "" {
		b.Token = call.HTTP.URL.Query().Get("continuationToken") // as in _links.next
	}
	values := url.Values{}
	for part := range strings.SplitSeq(b.Query, "&") {
		if part = strings.TrimPrefix(part, "property="); part != "" {
			values.Add("property", part)
		}
	}
	if b.Only != "" {
		values.Add("property", b.Only)
	}
	set := func(name, text string) {
		if text = strings.Trim(text, `" `); text != "" && text != "null" {
			values.Set(name, text)
		}
	}
	set("limit", string(b.Limit))
	set("count", string(b.Count))
	set("orderby", b.Order)
	set("continuationToken", b.Token)
	if values.Get("count") == "false" {
		values.Del("count")
	}
	q, err := parseQuery(values, fields, maxSearch)
	if err != nil {
		return nil, err
	}
	q.body = true
	return q, nil
}
