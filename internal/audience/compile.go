package audience

import (
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/report"
)

//go:embed sql/*.sql
var files embed.FS

// A query is a predicate as SQL over the views of a copy. Whatever a user wrote is
// among its args and never in its text, which has $1, $2 and so on in their place.
type query struct {
	with   string // defines everyone (id) and members (id, and the columns of facts)
	args   []any
	leaves []leaf // in the order of the columns of members
}

// A leaf is a condition, and what columns of members tell of it.
type leaf struct {
	path     string // JSON pointer of the condition
	kind     string // charges, customer or subscription
	currency string // of the sum, if there is one
	columns  int
}

// A compiler makes a query.
type compiler struct {
	now    time.Time
	args   []any
	tables []string // of common table expressions
	joins  []string
	facts  []string
	leaves []leaf
	paid   bool // mine is there
}

// compile makes the query of a checked predicate, as of a moment.
func compile(p *Predicate, now time.Time) (query, error) {
	c := &compiler{now: now}
	where, err := c.node("", p)
	if err != nil {
		return query{}, err
	}
	with := "with "
	if c.paid {
		attempts, err := report.Attempts()
		if err != nil {
			return query{}, err
		}
		with = attempts + ", mine as materialized (\n" + file("mine") + "), "
	}
	columns := strings.Join(append([]string{"everyone.id as id"}, c.facts...), ", ")
	with += strings.Join(append(append([]string{"everyone as materialized (\n" + file("everyone") + ")"}, c.tables...),
		"members as materialized (\n\tselect "+columns+"\n\tfrom everyone"+strings.Join(c.joins, "")+"\n\twhere "+where+"\n)"), ", ")
	return query{with: with, args: c.args, leaves: c.leaves}, nil
}

func file(name string) string {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// arg returns what stands for a value in the text, with its type.
func (c *compiler) arg(v any) string {
	kind := "VARCHAR"
	switch n := v.(type) {
	case int:
		v, kind = int64(n), "BIGINT"
	case int64:
		kind = "BIGINT"
	}
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args)) + "::" + kind
}

// in returns a condition that a column is one of some texts; "" for no texts.
func (c *compiler) in(column string, all []string) []string {
	if len(all) == 0 {
		return nil
	}
	each := make([]string, len(all))
	for i, s := range all {
		each[i] = c.arg(s)
	}
	return []string{column + " in (" + strings.Join(each, ", ") + ")"}
}

// node returns a condition on a row of everyone and its joins: true or false,
// never NULL, so that it can be turned round.
func (c *compiler) node(path string, p *Predicate) (string, error) {
	switch {
	case p.All != nil:
		return c.nodes(path+"/all", p.All, " and ")
	case p.Any != nil:
		return c.nodes(path+"/any", p.Any, " or ")
	case p.Not != nil:
		inner, err := c.node(path+"/not", p.Not)
		return "not " + inner, err
	case p.Charges != nil:
		return c.charges(path, p.Charges), nil
	case p.Customer != nil:
		return c.customer(path, p.Customer), nil
	case p.Subscription != nil:
		return c.subscription(path, p.Subscription), nil
	}
	return "", wrong(path, "there is no condition")
}

func (c *compiler) nodes(path string, all []Predicate, with string) (string, error) {
	parts := make([]string, len(all))
	for i := range all {
		var err error
		if parts[i], err = c.node(fmt.Sprintf("%s/%d", path, i), &all[i]); err != nil {
			return "", err
		}
	}
	return "(" + strings.Join(parts, with) + ")", nil
}

// leaf adds a table of what a condition is about, with a row per customer, and
// the columns of it that are facts. It returns its name.
func (c *compiler) leaf(l leaf, table string, facts ...string) string {
	name := "f" + strconv.Itoa(len(c.leaves))
	c.tables = append(c.tables, name+" as (\n"+table+"\n)")
	c.joins = append(c.joins, "\n\tleft join "+name+" on "+name+".customer = everyone.id")
	for i, f := range facts {
		c.facts = append(c.facts, fmt.Sprintf("%s.%s as %s_%d", name, f, name, i))
	}
	l.columns = len(facts)
	c.leaves = append(c.leaves, l)
	return name
}

// The columns of facts, by kind of leaf.
var (
	chargeFacts       = []string{"n", "amount", "newest"}
	customerFacts     = []string{"created", "country", "value"}
	subscriptionFacts = []string{"n", "statuses"}
)

func (c *compiler) charges(path string, q *Charges) string {
	c.paid = true
	where := map[string][]string{
		"": {"paid > 0"}, "paid": {"paid > 0"}, "attempted": nil, "failed": {"status = 'failed'"},
		"refunded": {"paid > 0", "refunded"}, "disputed": {"paid > 0", "disputed"},
	}[q.State]
	where = append(slices.Clip(where), "created <= "+c.arg(c.now.Unix()))
	where = append(where, c.in("method", q.Methods)...)
	where = append(where, c.in("class", q.Classes)...)
	where = append(where, c.in("country", q.Countries)...)
	if q.Currency != "" {
		where = append(where, "currency = "+c.arg(q.Currency))
	}
	if q.Within > 0 {
		where = append(where, "created >= "+c.arg(c.since(q.Within)))
	}
	name := c.leaf(leaf{path: path, kind: "charges", currency: q.Currency},
		"\tselect customer, count(*) as n, sum(paid) as amount, max(created) as newest\n\tfrom mine where "+strings.Join(where, " and ")+"\n\tgroup by customer", chargeFacts...)
	var holds []string
	count, sum := "coalesce("+name+".n, 0)", "coalesce("+name+".amount, 0)"
	holds = append(holds, c.bounds(q.Count, func(op, v string) string { return count + op + v })...)
	holds = append(holds, c.bounds(q.Sum, func(op, v string) string { return sum + op + v })...)
	// Not by division: amounts are whole numbers, and so both sides are exact.
	holds = append(holds, c.bounds(q.Average, func(op, v string) string {
		return "(" + count + " > 0 and " + sum + op + v + "::HUGEINT * " + count + ")"
	})...)
	if len(holds) == 0 {
		holds = []string{count + " > 0"}
	}
	return "(" + strings.Join(holds, " and ") + ")"
}

// since returns the Unix time of so many days ago.
func (c *compiler) since(days int) int64 { return c.now.Unix() - int64(days)*86_400 }

func (c *compiler) bounds(b *Bounds, say func(op, value string) string) (all []string) {
	if b == nil {
		return nil
	}
	for _, one := range []struct {
		op string
		v  *int64
	}{{" >= ", b.AtLeast}, {" <= ", b.AtMost}, {" > ", b.Above}, {" < ", b.Below}} {
		if one.v != nil {
			all = append(all, say(one.op, c.arg(*one.v)))
		}
	}
	return all
}

func (c *compiler) customer(path string, q *Customer) string {
	country, value := "NULL::VARCHAR", "NULL::VARCHAR"
	if len(q.Countries) > 0 {
		country = "coalesce(address->>'country', shipping->'address'->>'country', '??')"
	}
	if q.Metadata != nil {
		// A JSON pointer, which can name any key.
		pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(q.Metadata.Key)
		value = "json_extract_string(metadata, " + c.arg(pointer) + ")"
	}
	name := c.leaf(leaf{path: path, kind: "customer"},
		"\tselect id as customer, created, "+country+" as country, "+value+" as value from customers", customerFacts...)
	holds := []string{name + ".customer is not null", name + ".created <= " + c.arg(c.now.Unix())}
	if q.CreatedWithin > 0 {
		holds = append(holds, name+".created >= "+c.arg(c.since(q.CreatedWithin)))
	}
	if q.CreatedBefore > 0 {
		holds = append(holds, name+".created < "+c.arg(c.since(q.CreatedBefore)))
	}
	holds = append(holds, c.in(name+".country", q.Countries)...)
	if q.Metadata != nil {
		holds = append(holds, name+".value is not null")
		holds = append(holds, c.in(name+".value", q.Metadata.Values)...)
	}
	return "coalesce(" + strings.Join(holds, " and ") + ", false)"
}

func (c *compiler) subscription(path string, q *Subscription) string {
	where := append([]string{"customer is not null"}, c.in("status", q.Statuses)...)
	if len(q.Prices) > 0 {
		each := make([]string, len(q.Prices))
		for i, p := range q.Prices {
			each[i] = c.arg(p)
		}
		where = append(where, "list_has_any(json_extract_string(items, '$.data[*].price.id'), ["+strings.Join(each, ", ")+"])")
	}
	name := c.leaf(leaf{path: path, kind: "subscription"},
		"\tselect customer, count(*) as n, string_agg(distinct status, ' ' order by status) as statuses\n\tfrom subscriptions where "+strings.Join(where, " and ")+"\n\tgroup by customer", subscriptionFacts...)
	return "(coalesce(" + name + ".n, 0) > 0)"
}
