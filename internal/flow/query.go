package flow

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// Bounds of a list.
const (
	usualPage  = 20
	maxPage    = 100
	maxSearch  = 1000 // of a search whose body says how many
	maxFilters = 50
)

// A query is what a list was asked for.
type query struct {
	limit   int
	count   bool
	filters []gateway.Property
	orders  []order
	only    []string // top-level fields; nil for all
	after   *mark
	values  url.Values // as it was asked, for the next page
	body    bool       // it was asked for in the body of a search
}

type order struct {
	field      string
	descending bool
}

// A mark is where a page ended: what a continuation token holds.
type mark struct {
	Created int64  `json:"c,omitempty"`
	ID      string `json:"i"`
	Values  []any  `json:"v,omitempty"` // of the fields of the order
	For     string `json:"f,omitempty"` // the order that it belongs to
}

// parseQuery reads the parameters of a list; fields are those of its items.
func parseQuery(values url.Values, fields []string, most int) (*query, error) {
	q := &query{limit: usualPage, values: values}
	var err error
	if text := values.Get("count"); text != "" {
		if q.count, err = strconv.ParseBool(strings.ToLower(text)); err != nil {
			return nil, invalid("FLOW-1451-400", "count", "count=%s: true or false is expected", text)
		}
	}
	if text := values.Get("limit"); text != "" {
		if q.count {
			return nil, invalid("FLOW-1401-400", "limit", "limit and count can't be asked for together")
		}
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > most {
			return nil, invalid("FLOW-1451-400", "limit", "limit=%s: a number from 1 to %d is expected", text, most)
		}
	}
	if len(values["property"]) > maxFilters {
		return nil, invalid("FLOW-1451-400", "property", "%d filters: at most %d are allowed", len(values["property"]), maxFilters)
	}
	for _, text := range values["property"] {
		if err := q.filter(text, fields); err != nil {
			return nil, err
		}
	}
	if err := q.order(values.Get("orderby"), fields); err != nil {
		return nil, err
	}
	if text := values.Get("continuationToken"); text != "" {
		if q.after, err = parseMark(text, q.orderKey()); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// filter reads one property: a condition, or, where it has no operator, the
// fields that are wanted.
func (q *query) filter(text string, fields []string) error {
	if !strings.ContainsAny(text, "=<>~!") {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); !slices.Contains(fields, name) {
				return invalid("FLOW-1449-400", name, "property=%s: there is no field %q", text, name)
			}
			q.only = append(q.only, name)
		}
		return nil
	}
	p, err := gateway.ParseProperty(text)
	if err != nil {
		code := "FLOW-1453-400"
		if strings.ContainsAny(text, "<>") && strings.Contains(text, ",") {
			code = "FLOW-1443-400"
		}
		return invalid(code, "property", "%v", err)
	}
	switch p.Op {
	case "~":
		return invalid("FLOW-1440-400", "property", "property=%s: the operator ~ is not implemented", text)
	case "missing", "exists":
		return invalid("FLOW-1450-400", "property", "property=%s: one of ==, !=, <, <=, > and >= is expected", text)
	}
	first := strings.TrimSuffix(p.Path[0], "[]")
	if !slices.Contains(fields, first) {
		return invalid("FLOW-1449-400", first, "property=%s: there is no field %q", text, first)
	}
	if numeric(p.Path[len(p.Path)-1]) {
		for _, v := range p.Values {
			if _, err := strconv.ParseFloat(v, 64); err != nil {
				return invalid("FLOW-1452-400", strings.Join(p.Path, "."), "property=%s: %q is not a number", text, v)
			}
		}
	}
	q.filters = append(q.filters, p)
	return nil
}

// numeric says whether the fields of a name are numbers.
func numeric(name string) bool {
	switch name {
	case "createdAt", "updatedAt", "percentCompleted", "started", "updated", "partialIngestionPercent":
		return true
	}
	return strings.HasSuffix(name, "AtUTC") || strings.HasSuffix(name, "Count") || strings.HasSuffix(name, "Bytes")
}

func (q *query) order(text string, fields []string) error {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		o := order{field: strings.TrimLeft(part, " +-")} // a plus may arrive as a blank
		switch sign := strings.TrimSpace(part[:len(part)-len(o.field)]); sign {
		case "", "+":
		case "-":
			o.descending = true
		default:
			return invalid("FLOW-1432-400", "orderby", "orderby=%s: + or - is expected before a field", text)
		}
		if o.field != "" && !letter(o.field[0]) {
			return invalid("FLOW-1432-400", "orderby", "orderby=%s: + or - is expected before a field", text)
		}
		if !slices.Contains(fields, o.field) {
			return invalid("FLOW-1433-400", "orderby", "orderby=%s: there is no field %q to order by", text, o.field)
		}
		q.orders = append(q.orders, o)
	}
	return nil
}

func letter(b byte) bool { return b|0x20 >= 'a' && b|0x20 <= 'z' }

// orderKey names the order; a list in the order of creation has none.
func (q *query) orderKey() string {
	if q.byCreation() {
		return ""
	}
	var b strings.Builder
	for _, o := range q.orders {
		if o.descending {
			b.WriteByte('-')
		}
		b.WriteString(o.field + ",")
	}
	return b.String()
}

func parseMark(text, key string) (*mark, error) {
	bad := invalid("FLOW-1451-400", "continuationToken", "the continuation token is not valid: use one as it came in _links.next, with the same orderby")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, bad
	}
	m := &mark{}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(m); err != nil || m.ID == "" || !docstore.Storable(m.ID) || m.For != key || len(m.Values) != strings.Count(key, ",") {
		return nil, bad
	}
	return m, nil
}

func (m *mark) token() (string, error) {
	b, err := json.Marshal(m)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// byCreation says whether the list is in the order of creation, newest first,
// in which documents need not all be read.
func (q *query) byCreation() bool {
	return len(q.orders) == 0 || len(q.orders) == 1 && q.orders[0] == order{"createdAt", true}
}

// ofFlow returns the one flow that the runs of the list must be of, "" for any,
// and the filters that are left.
func (q *query) ofFlow() (flow string, rest []gateway.Property) {
	for i, p := range q.filters {
		if len(p.Path) == 1 && p.Path[0] == "flowId" && p.Op == "==" && len(p.Values) == 1 && p.Values[0] != "" {
			return p.Values[0], slices.Delete(slices.Clone(q.filters), i, i+1)
		}
	}
	return "", q.filters
}

func (q *query) match(row any) bool {
	for _, p := range q.filters {
		if !p.Match(row) {
			return false
		}
	}
	return true
}

// Ranks of JSON values in an order: what is missing first, then numbers, then
// texts.
const (
	rankNothing = iota
	rankBool
	rankNumber
	rankText
	rankOther
)

func rank(v any) int {
	switch v.(type) {
	case nil:
		return rankNothing
	case bool:
		return rankBool
	case json.Number:
		return rankNumber
	case string:
		return rankText
	}
	return rankOther
}

// compare puts values of JSON in order, texts whatever their case.
func compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case json.Number:
		x, _ := a.Float64()
		y, _ := b.(json.Number).Float64() //nolint:forcetypeassert // of one rank
		return cmp.Compare(x, y)
	case string:
		b := b.(string) //nolint:forcetypeassert // of one rank
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	case bool:
		if a == b {
			return 0
		}
		if a {
			return 1
		}
		return -1
	}
	return 0
}
