package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// Bounds of a page.
const (
	usualLimit = 300
	maxLimit   = 500
)

// A Query says which of a list to return. The zero Query returns the first
// page by the time of the last change.
type Query struct {
	Order  []Order            // none: by updated
	Start  string             // only what comes behind this value of the first of Order; empty for the beginning
	Limit  int                // at most so many, but never half of those that Start can't tell apart; 0 for the usual number
	Filter []gateway.Property // of top-level members; all must hold
	none   bool               // limit=0 was asked for
}

// An Order is a top-level member to sort by: title, version, updated, ….
type Order struct {
	Member string
	Down   bool
}

// ParseQuery reads orderby, start, limit and property of a request.
func ParseQuery(values url.Values) (Query, error) {
	var q Query
	for member := range strings.SplitSeq(values.Get("orderby"), ",") {
		member = strings.TrimSpace(member) // a plus arrives as a blank
		o := Order{Member: strings.TrimLeft(member, "+-"), Down: strings.HasPrefix(member, "-")}
		if o.Member != "" {
			q.Order = append(q.Order, o)
		}
	}
	for _, text := range values["property"] {
		p, err := gateway.ParseProperty(text)
		if err != nil {
			return Query{}, err
		}
		q.Filter = append(q.Filter, p)
	}
	limit := values.Get("limit")
	if limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 0 || n > maxLimit {
			return Query{}, refuse(invalidQuery, "limit must be a number from 0 to %d", maxLimit)
		}
		q.Limit, q.none = n, n == 0
	}
	if len(q.Order) == 0 {
		// start and limit act together with orderby alone.
		q.Limit, q.none = 0, false
		return q, nil
	}
	q.Start = values.Get("start")
	return q, nil
}

// A Page is a part of a list.
type Page struct {
	Results []json.RawMessage
	OrderBy string // as orderby writes it
	Next    string // Start of the next page; empty for the last
}

// List returns the resources of a type in one of the formats of lists: xed-id,
// xed or xdm.
func (s *Service) List(ctx context.Context, c access.Caller, in Container, t Type, format string, q Query) (Page, error) {
	var page Page
	err := s.do(ctx, c, func(l *library) error {
		all, err := l.listed(in, t)
		if err != nil {
			return err
		}
		if err := l.countUsage(); err != nil {
			return err
		}
		rows := make([]row, 0, len(all))
		for _, r := range all {
			doc, err := l.visible(r)
			if err != nil {
				return err
			}
			rows = append(rows, row{doc: doc, show: func() any {
				switch format {
				case formatID:
					return short(doc)
				case formatXDM:
					return dialect(doc)
				}
				return doc
			}})
		}
		page, err = q.page(rows)
		return err
	})
	return page, err
}

func (l *library) listed(in Container, t Type) ([]*resource, error) {
	switch {
	case in == Global:
		return l.globals(t)
	case t == Unions:
		return l.listUnions()
	}
	return l.all(t)
}

// A row is one thing of a list.
type row struct {
	doc  *jsondoc.Object // what is filtered and sorted by
	show func() any
}

// page sorts, filters and cuts.
func (q Query) page(rows []row) (Page, error) {
	order := q.Order
	if len(order) == 0 {
		order = []Order{{Member: "updated"}}
	}
	page := Page{Results: []json.RawMessage{}, OrderBy: orderText(order)}
	if q.none {
		return page, nil
	}
	first := order[0]
	var begin value
	if q.Start != "" {
		begin = startValue(first.Member, q.Start)
	}
	rows = slices.DeleteFunc(rows, func(r row) bool {
		if q.Start != "" {
			c := valueOf(r.doc, first.Member).compare(begin)
			if !first.Down && c <= 0 || first.Down && c >= 0 {
				return true
			}
		}
		return !q.lets(r.doc)
	})
	slices.SortStableFunc(rows, func(a, b row) int {
		for _, o := range order {
			c := valueOf(a.doc, o.Member).compare(valueOf(b.doc, o.Member))
			if o.Down {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	limit := q.Limit
	if limit == 0 {
		limit = usualLimit
	}
	for i, r := range rows {
		v := valueOf(r.doc, first.Member)
		if i >= limit {
			last := valueOf(rows[i-1].doc, first.Member)
			if last.compare(v) != 0 && last.String() != "" {
				page.Next = last.String()
				break
			}
		}
		text, err := jsondoc.Marshal(r.show())
		if err != nil {
			return Page{}, err
		}
		page.Results = append(page.Results, text)
	}
	return page, nil
}

// lets says whether the filters let a document through.
func (q Query) lets(doc *jsondoc.Object) bool {
	if len(q.Filter) == 0 {
		return true
	}
	plain := jsondoc.Plain(doc)
	return !slices.ContainsFunc(q.Filter, func(p gateway.Property) bool { return !p.Match(plain) })
}

func orderText(order []Order) string {
	var all []string
	for _, o := range order {
		if o.Down {
			all = append(all, "-"+o.Member)
		} else {
			all = append(all, o.Member)
		}
	}
	return strings.Join(all, ",")
}

// A value is what things are sorted by: a number, or a text.
type value struct {
	number int64
	text   string
}

func (v value) compare(w value) int {
	return cmp.Or(cmp.Compare(v.number, w.number), cmp.Compare(v.text, w.text))
}

func (v value) String() string {
	if v.text == "" && v.number != 0 {
		return strconv.FormatInt(v.number, 10)
	}
	return v.text
}

// valueOf returns the value of a member. Created and updated are those of the
// registry's metadata; versions are compared by their numbers.
func valueOf(doc *jsondoc.Object, member string) value {
	var v any
	switch member {
	case "created", "updated":
		if meta := doc.Object("meta:registryMetadata"); meta != nil {
			v = meta.Get(map[string]string{"created": "repo:createdDate", "updated": "repo:lastModifiedDate"}[member])
		}
	default:
		v = doc.Get(member)
	}
	switch v := v.(type) {
	case nil:
		return value{}
	case int64:
		return value{number: v}
	case string:
		if member == "version" {
			return versionValue(v)
		}
		return value{text: v}
	}
	text, _ := jsondoc.Marshal(v) // of values that were read from JSON
	return value{text: string(text)}
}

func startValue(member, text string) value {
	switch member {
	case "created", "updated":
		n, _ := strconv.ParseInt(text, 10, 64) // what is no number is before all
		return value{number: n}
	case "version":
		return versionValue(text)
	}
	return value{text: text}
}

// versionValue sorts 1.10 behind 1.9.
func versionValue(s string) value {
	var number int64
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			break
		}
		number = number<<20 + n
	}
	return value{number: number, text: s}
}
