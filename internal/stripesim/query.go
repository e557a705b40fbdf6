package stripesim

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A query is what a list call asks for.
type query struct {
	limit         int
	after, before string // cursors; at most one is set
	from, to      int64  // window of created, [from, to)
	filters       []filter
	view          view
	rest          url.Values // parameters that are not common to all lists
}

// A filter is a condition on the values at a path of an object.
type filter struct {
	path string
	ok   func(values []string) bool
}

// parseQuery reads the parameters that all lists have; the others stay in rest.
func parseQuery(values url.Values) (*query, *apiError) {
	q := &query{limit: 10, from: minTime, to: maxTime, rest: url.Values{}}
	for name, v := range values {
		last := v[len(v)-1]
		var err *apiError
		base, sub, nested := strings.Cut(name, "[")
		switch {
		case name == "limit":
			err = q.setLimit(last)
		case name == "starting_after":
			q.after = last
		case name == "ending_before":
			q.before = last
		case base == "created" && !nested:
			err = narrow(&q.from, &q.to, name, "", last)
		case base == "created":
			err = narrow(&q.from, &q.to, name, strings.TrimSuffix(sub, "]"), last)
		default:
			q.rest[name] = v
		}
		if err != nil {
			return nil, err
		}
	}
	if q.after != "" && q.before != "" {
		return nil, badRequest("", "ending_before", "You can only specify one of these parameters: starting_after, ending_before.")
	}
	return q, nil
}

func (q *query) setLimit(s string) *apiError {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return badRequest("parameter_invalid_integer", "limit", "Invalid integer: %s", s)
	case n < 1:
		return badRequest("parameter_invalid_integer", "limit", "This value must be greater than or equal to 1.")
	case n > 100:
		return badRequest("parameter_invalid_integer", "limit", "This value must be less than or equal to 100.")
	}
	q.limit = n
	return nil
}

// narrow cuts the window [from, to) by one condition; without an operator it
// is an exact second.
func narrow(from, to *int64, param, op, value string) *apiError {
	t, err := strconv.ParseInt(value, 10, 64)
	if err != nil || t > math.MaxInt64-2 || t < math.MinInt64+2 {
		return badRequest("parameter_invalid_integer", param, "Invalid integer: %s", value)
	}
	switch op {
	case "":
		*from, *to = max(*from, t), min(*to, t+1)
	case "gte":
		*from = max(*from, t)
	case "gt":
		*from = max(*from, t+1)
	case "lt":
		*to = min(*to, t)
	case "lte":
		*to = min(*to, t+1)
	default:
		return unknownParameter(param)
	}
	return nil
}

// A listParam is a filter of one list.
type listParam struct {
	name, path string
	kind       paramKind
	values     []string // of an enumeration
}

type paramKind byte

const (
	equalTo  paramKind = iota
	oneOf              // an array: any of its values
	truth              // true or false
	enum               // one of listParam.values
	interval           // integer or [gt], [gte], [lt], [lte]
)

var testClock = listParam{name: "test_clock", path: "test_clock"}

// listParams are the filters besides created and the cursors.
var listParams = map[Resource][]listParam{
	Charges: {
		{name: "customer", path: "customer"},
		{name: "payment_intent", path: "payment_intent"},
		{name: "transfer_group", path: "transfer_group"},
	},
	Subscriptions: {
		{name: "customer", path: "customer"},
		{name: "customer_account", path: "customer_account"},
		testClock,
		{name: "price", path: "items.data.price.id"},
		{"collection_method", "collection_method", enum, []string{"charge_automatically", "send_invoice"}},
		{"current_period_start", "current_period_start", interval, nil},
		{"current_period_end", "current_period_end", interval, nil},
		{"automatic_tax[enabled]", "automatic_tax.enabled", truth, nil},
	},
	Refunds: {{name: "charge", path: "charge"}, {name: "payment_intent", path: "payment_intent"}},
	BalanceTransactions: {
		{name: "type", path: "type"},
		{name: "source", path: "source"},
		{name: "currency", path: "currency"},
		{name: "payout", path: "payout"},
	},
	Customers: {{name: "email", path: "email"}, testClock},
	Prices: {
		{"type", "type", enum, []string{"one_time", "recurring"}},
		{name: "product", path: "product"},
		{name: "currency", path: "currency"},
		{"lookup_keys", "lookup_key", oneOf, nil},
		{"recurring[interval]", "recurring.interval", enum, []string{"day", "week", "month", "year"}},
		{"recurring[usage_type]", "recurring.usage_type", enum, []string{"licensed", "metered"}},
		{name: "recurring[meter]", path: "recurring.meter"},
	},
}

var (
	subscriptionStates = []string{
		"active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid",
	}
	expansions = map[Resource][]string{Prices: {"tiers", "currency_options", "currency_options.tiers"}}
)

// resolve turns the parameters of a resource's list into filters.
func (q *query) resolve(r Resource) *apiError {
	if err := q.expand(r, "data."); err != nil {
		return err
	}
	if err := q.defaults(r); err != nil {
		return err
	}
	hideTestClocks := r == Customers || r == Subscriptions
	for name, v := range q.rest {
		base, op := name, ""
		if b, o, ok := strings.Cut(name, "["); ok && (o == "]" || isIndex(o) || strings.HasPrefix(b, "current_period")) {
			base, op = b, strings.TrimSuffix(o, "]")
		}
		i := slices.IndexFunc(listParams[r], func(p listParam) bool { return p.name == base })
		if i < 0 {
			return unknownParameter(name)
		}
		if base == "test_clock" || base == "customer" {
			hideTestClocks = false
		}
		f, err := listParams[r][i].filter(name, op, v)
		if err != nil {
			return err
		}
		q.filters = append(q.filters, f)
	}
	if hideTestClocks {
		q.filters = append(q.filters, filter{"test_clock", func(v []string) bool { return len(v) == 0 || v[0] == "" }})
	}
	return nil
}

func isIndex(s string) bool {
	_, err := strconv.Atoi(strings.TrimSuffix(s, "]"))
	return err == nil
}

// defaults applies the filters that work unasked: no canceled subscriptions,
// active prices only.
func (q *query) defaults(r Resource) *apiError {
	switch r {
	case Subscriptions:
		state := q.rest.Get("status")
		q.rest.Del("status")
		if state != "" && !slices.Contains(subscriptionStates, state) {
			return badRequest("parameter_invalid_enum", "status", "Invalid status: must be one of %s", strings.Join(subscriptionStates, ", "))
		}
		q.filters = append(q.filters, statusFilter(state))
	case Prices:
		active := "true"
		if v, ok := q.rest["active"]; ok {
			if active = v[len(v)-1]; active != "true" && active != "false" {
				return badRequest("", "active", "Invalid boolean: %s", active)
			}
			q.rest.Del("active")
		}
		q.filters = append(q.filters, equals("active", active))
	}
	return nil
}

func statusFilter(state string) filter {
	in := func(ok func(string) bool) filter {
		return filter{"status", func(v []string) bool { return len(v) > 0 && ok(v[0]) }}
	}
	switch state {
	case "":
		return in(func(s string) bool { return s != "canceled" })
	case "all":
		return filter{"", func([]string) bool { return true }}
	case "ended":
		return in(func(s string) bool { return s == "canceled" || s == "incomplete_expired" })
	}
	return in(func(s string) bool { return s == state })
}

func equals(path string, want ...string) filter {
	return filter{path, func(values []string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(want, v) })
	}}
}

func (p *listParam) filter(name, op string, v []string) (filter, *apiError) {
	last := v[len(v)-1]
	switch {
	case p.kind == enum && !slices.Contains(p.values, last):
		return filter{}, badRequest("parameter_invalid_enum", name, "Invalid %s: must be one of %s", p.name, strings.Join(p.values, ", "))
	case p.kind == truth && last != "true" && last != "false":
		return filter{}, badRequest("", name, "Invalid boolean: %s", last)
	case p.kind == oneOf:
		return equals(p.path, v...), nil
	case p.kind == interval:
		return intervalFilter(p.path, name, op, last)
	case op != "":
		return filter{}, unknownParameter(name)
	}
	return equals(p.path, last), nil
}

func intervalFilter(path, name, op, value string) (filter, *apiError) {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if err := narrow(&from, &to, name, op, value); err != nil {
		return filter{}, err
	}
	return filter{path, func(values []string) bool {
		if len(values) == 0 {
			return false
		}
		t, err := strconv.ParseInt(values[0], 10, 64)
		return err == nil && t >= from && t < to
	}}, nil
}

// expand takes expand[] out of the remaining parameters.
func (q *query) expand(r Resource, prefix string) *apiError {
	for name, v := range q.rest {
		if !strings.HasPrefix(name, "expand[") {
			continue
		}
		delete(q.rest, name)
		for _, path := range v {
			field, ok := strings.CutPrefix(path, prefix)
			if strings.Count(path, ".") > 3 {
				return badRequest("", "expand", "You cannot expand more than 4 levels of a property: %s", path)
			}
			if !ok || !slices.Contains(expansions[r], field) {
				return badRequest("", "expand", "This property cannot be expanded (%s).", path)
			}
			q.view.tiers = q.view.tiers || field == "tiers"
			q.view.options = q.view.options || strings.HasPrefix(field, "currency_options")
			q.view.optionTiers = q.view.optionTiers || field == "currency_options.tiers"
		}
	}
	return nil
}
