package catalog

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
)

// A query is what a list asks for: which objects, in which order, and how much
// of them.
type query struct {
	filters    []func(view) bool
	order      []order
	properties []string
	start      int
	limit      int
}

type order struct {
	field string
	desc  bool
}

// Bounds of a list.
const (
	usualLimit = 20
	maxLimit   = 100
	// An observable schema is large: a list with it has at most so many objects.
	maxObservable = 20
)

// A collection says what may be asked of a list.
type collection struct {
	fields []string // names of members that may be compared, ordered and shown
	alias  map[string]string
	ignore []string // parameters without meaning here
}

func parseQuery(values url.Values, in collection) (*query, error) {
	q := &query{limit: usualLimit}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[name] {
			if err := q.read(name, value, in); err != nil {
				return nil, err
			}
		}
	}
	if slices.Contains(q.properties, "observableSchema") {
		if values.Has("limit") && q.limit > maxObservable {
			return nil, invalid("limit: it is at most %d where observableSchema is asked for", maxObservable)
		}
		q.limit = min(q.limit, maxObservable)
	}
	return q, nil
}

func (q *query) read(name, value string, in collection) error {
	var err error
	switch name {
	case "limit":
		q.limit, err = bounded(name, value, 1, maxLimit)
	case "start":
		q.start, err = bounded(name, value, 0, 1<<31-1)
	case "properties":
		for p := range strings.SplitSeq(value, ",") {
			p = strings.TrimSpace(p)
			if strings.HasPrefix(p, "!") {
				return invalid("properties=%s: names that are to be left out can't be given, only those to show", value)
			}
			if p != "" {
				q.properties = append(q.properties, p)
			}
		}
	case "orderBy", "sort":
		q.order, err = parseOrder(name, value, in)
	case "property":
		var p gateway.Property
		if p, err = gateway.ParseProperty(value); err == nil {
			q.filters = append(q.filters, matchProperty(p))
		}
	case "tags":
		err = q.tags(value)
	default:
		err = q.field(name, value, in)
	}
	return err
}

func bounded(name, value string, low, high int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		return 0, invalid("%s=%s: a whole number from %d to %d is expected", name, value, low, high)
	}
	return n, nil
}

// parseOrder reads asc:created,desc:name. A name without a direction has that
// of the one before it.
func parseOrder(name, value string, in collection) ([]order, error) {
	var all []order
	desc := false
	for one := range strings.SplitSeq(value, ",") {
		field := strings.TrimSpace(one)
		if direction, rest, found := strings.Cut(field, ":"); found {
			switch direction {
			case "asc", "desc":
				desc = direction == "desc"
			default:
				return nil, invalid("%s=%s: the direction is asc or desc, not %q", name, value, direction)
			}
			field = strings.TrimSpace(rest)
		}
		if !slices.Contains(in.fields, field) {
			return nil, invalid("%s=%s: there is no %q to order by", name, value, field)
		}
		all = append(all, order{field, desc})
	}
	return all, nil
}

// matchProperty lets both words for a failure mean the same.
func matchProperty(p gateway.Property) func(view) bool {
	if slices.Equal(p.Path, []string{"status"}) || slices.Equal(p.Path, []string{"lastBatchStatus"}) {
		for i, v := range p.Values {
			if p.Op != "~" {
				p.Values[i] = oneFailure(v)
			}
		}
	}
	return func(v view) bool { return p.Match(map[string]any(v)) }
}

func oneFailure(status string) string {
	if strings.EqualFold(status, "failure") {
		return string(Failed)
	}
	return strings.ToLower(status)
}

// tags reads ns:value,ns2:*: all of them must hold.
func (q *query) tags(value string) error {
	for one := range strings.SplitSeq(value, ",") {
		name, want, found := strings.Cut(strings.TrimSpace(one), ":")
		if !found || name == "" || want == "" {
			return invalid("tags=%s: name:value is expected, or name:* for any value", value)
		}
		q.filters = append(q.filters, func(v view) bool {
			tags, _ := v["tags"].(map[string]any)
			values, _ := tags[name].([]any)
			return slices.ContainsFunc(values, func(have any) bool {
				s, ok := have.(string)
				return ok && glob(want, s)
			})
		})
	}
	return nil
}

// field reads a filter by one member: name=a,b (one of them), name=!a (none),
// createdAfter=ms.
func (q *query) field(name, value string, in collection) error {
	field := name
	if a, ok := in.alias[name]; ok {
		field = a
	}
	for suffix, want := range map[string]int{"After": 1, "Before": -1} {
		if base, ok := strings.CutSuffix(field, suffix); ok && slices.Contains(in.fields, base) && slices.Contains(moments, base) {
			at, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return invalid("%s=%s: milliseconds since 1970 are expected", name, value)
			}
			q.filters = append(q.filters, func(v view) bool {
				n, ok := v[base].(json.Number)
				if !ok {
					return false
				}
				have, err := n.Int64()
				return err == nil && cmp.Compare(have, at) == want
			})
			return nil
		}
	}
	switch {
	case slices.Contains(in.ignore, name):
		return nil
	case slices.Contains(dated, name):
		q.filters = append(q.filters, func(view) bool { return false }) // batches have no such dates
		return nil
	case !slices.Contains(in.fields, field):
		return invalid("%s: there is no such parameter; objects can be asked for by %s, and by property", name, strings.Join(in.fields, ", "))
	}
	value, not := strings.CutPrefix(value, "!")
	wanted := gateway.Values(value)
	q.filters = append(q.filters, func(v view) bool {
		have, ok := v[field]
		return not != (ok && slices.ContainsFunc(wanted, func(w string) bool { return same(field, have, w) }))
	})
	return nil
}

var (
	moments = []string{"created", "updated", "started", "completed"}
	dated   = []string{"startAfter", "startBefore", "endAfter", "endBefore"}
)

// same says whether a member has the wanted value.
func same(field string, have any, want string) bool {
	switch have := have.(type) {
	case string:
		switch field {
		case "name":
			return glob(want, have)
		case "status", "lastBatchStatus":
			return have == oneFailure(want)
		}
		return have == want
	case json.Number:
		a, err := have.Int64()
		b, err2 := strconv.ParseInt(want, 10, 64)
		return err == nil && err2 == nil && a == b
	case bool:
		b, err := strconv.ParseBool(want)
		return err == nil && b == have
	}
	return false
}

// glob says whether a text fits a pattern in which * stands for anything.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	end := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, end)
}

func (q *query) match(r row) bool {
	return !slices.ContainsFunc(q.filters, func(f func(view) bool) bool { return !f(r.facts) })
}

// byCreation returns the direction where the order is that of creation alone.
func (q *query) byCreation() (newest, ok bool) {
	switch {
	case len(q.order) == 0:
		return false, true
	case len(q.order) == 1 && q.order[0].field == "created":
		return q.order[0].desc, true
	}
	return false, false
}

// A row is an object that a list may show. Filters and order see the facts:
// its view, its id, and perhaps more.
type row struct {
	id    string
	view  view
	facts view
}

// newRow returns the row of an object; more are facts beside its view.
func newRow(id string, v, more view) row {
	facts := maps.Clone(v)
	facts["id"] = id
	maps.Copy(facts, more)
	return row{id, v, facts}
}

// page orders the rows that match, which stand in the order of creation, and
// cuts out what was asked for.
func (q *query) page(rows []row) []row {
	slices.SortStableFunc(rows, func(a, b row) int {
		for _, o := range q.order {
			c := compare(a.facts[o.field], b.facts[o.field])
			if o.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	rows = rows[min(q.start, len(rows)):]
	return rows[:min(q.limit, len(rows))]
}

// compare orders members: those that are missing, false, true, numbers, texts.
func compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case json.Number:
		x, _ := a.Int64()
		y, _ := b.(json.Number).Int64()
		return cmp.Compare(x, y)
	case string:
		return cmp.Compare(a, b.(string))
	}
	return 0
}

func rank(v any) int {
	switch v := v.(type) {
	case bool:
		if v {
			return 2
		}
		return 1
	case json.Number:
		return 3
	case string:
		return 4
	}
	return 0
}
