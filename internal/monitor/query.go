package monitor

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of what can be asked for.
const (
	usualLimit = 25
	maxLimit   = 500
	maxHours   = 31 * docstore.Daily  // by hour
	maxDays    = 400 * docstore.Daily // by day
)

// known refuses parameters that a call has not.
func known(values url.Values, names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return problem.Errorf(problem.Invalid, "%s: there is no such parameter; there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// several reads values with commas between them, each one of those allowed; all
// are where none are named.
func several(values url.Values, name string, allowed ...string) ([]string, error) {
	var all []string
	for _, text := range values[name] {
		for v := range strings.SplitSeq(text, ",") {
			if v = strings.TrimSpace(v); v == "" {
				continue
			}
			if allowed != nil && !slices.Contains(allowed, v) {
				return nil, problem.Errorf(problem.Invalid, "%s: %q is none of %s", name, v, strings.Join(allowed, ", "))
			}
			all = append(all, v)
		}
	}
	return all, nil
}

// paging reads start and limit.
func paging(values url.Values) (start, limit int, err error) {
	limit = usualLimit
	if text := values.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			return 0, 0, problem.Errorf(problem.Invalid, "limit: %q is not a number from 1 to %d", text, maxLimit)
		}
	}
	if text := values.Get("start"); text != "" {
		if start, err = strconv.Atoi(text); err != nil || start < 0 || start > 1<<31-1 {
			return 0, 0, problem.Errorf(problem.Invalid, "start: %q is not a whole number from 0 on", text)
		}
	}
	return start, limit, nil
}

func flag(values url.Values, name string, usual bool) (bool, error) {
	text := values.Get(name)
	if text == "" {
		return usual, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, problem.Errorf(problem.Invalid, "%s: it is true or false", name)
	}
	return b, nil
}

// ordering reads sort, one of the orders.
func ordering[T any](values url.Values, orders map[string]T, usual string) (string, error) {
	sort := values.Get("sort")
	if sort == "" {
		return usual, nil
	}
	if _, ok := orders[strings.TrimPrefix(sort, "-")]; !ok {
		return "", problem.Errorf(problem.Invalid, "sort: %q is none of %s, with or without - before it", sort, strings.Join(slices.Sorted(maps.Keys(orders)), ", "))
	}
	return sort, nil
}

func readList(values url.Values) (q List, err error) {
	if err = known(values, "search", "state", "badge", "flowId", "connectionId", "resource", "datasetId", "sort", "start", "limit"); err != nil {
		return q, err
	}
	var names []string
	for _, b := range badges {
		names = append(names, string(b))
	}
	q.Search = values.Get("search")
	if q.States, err = several(values, "state", flow.Enabled, flow.Disabled, flow.Draft); err != nil {
		return q, err
	}
	if q.Badges, err = several(values, "badge", names...); err != nil {
		return q, err
	}
	for name, into := range map[string]*[]string{"flowId": &q.Flows, "connectionId": &q.Connections, "resource": &q.Resources, "datasetId": &q.Datasets} {
		if *into, err = several(values, name); err != nil {
			return q, err
		}
	}
	if q.Sort, err = ordering(values, orders, "-created"); err != nil {
		return q, err
	}
	q.Start, q.Limit, err = paging(values)
	return q, err
}

func readSummary(values url.Values, now time.Time) (q Summary, err error) {
	if err = known(values, "last", "from", "to", "bucket", "connectionId", "flowId", "failures", "breakdown"); err != nil {
		return q, err
	}
	q.Connection, q.Flow = values.Get("connectionId"), values.Get("flowId")
	if q.Failures, err = flag(values, "failures", false); err != nil {
		return q, err
	}
	whole, err := flag(values, "breakdown", true)
	if err != nil {
		return q, err
	}
	q.Totals = !whole
	if q.From, q.To, err = between(values, now); err != nil {
		return q, err
	}
	long := q.To.Sub(q.From)
	switch bucket := values.Get("bucket"); {
	case bucket == "hour" && long > maxHours:
		return q, problem.Errorf(problem.Invalid, "bucket: by hour for at most %d days; ask by day", maxHours/docstore.Daily)
	case bucket == "hour", bucket == "" && long <= 49*docstore.Hourly: // two days that begin in the middle of an hour
		q.Bucket = docstore.Hourly
	case bucket == "day", bucket == "":
		q.Bucket = docstore.Daily
	default:
		return q, problem.Errorf(problem.Invalid, "bucket: %q is neither hour nor day", bucket)
	}
	return q, nil
}

// between reads the time that is asked about, in full hours.
func between(values url.Values, now time.Time) (from, to time.Time, err error) {
	back := docstore.Daily
	switch last := values.Get("last"); {
	case last != "" && (values.Has("from") || values.Has("to")):
		return from, to, problem.Errorf(problem.Invalid, "last: it can't be asked for together with from and to")
	case last == "7d":
		back = 7 * docstore.Daily
	case last == "30d":
		back = 30 * docstore.Daily
	case last != "" && last != "24h":
		return from, to, problem.Errorf(problem.Invalid, "last: %q is none of 24h, 7d, 30d", last)
	}
	to = now
	if values.Has("to") {
		if to, err = instant("to", values.Get("to")); err != nil {
			return from, to, err
		}
	}
	from = to.Add(-back)
	if values.Has("from") {
		if from, err = instant("from", values.Get("from")); err != nil {
			return from, to, err
		}
	}
	from, to = from.UTC().Truncate(docstore.Hourly), to.UTC().Add(docstore.Hourly-1).Truncate(docstore.Hourly)
	switch {
	case !from.Before(to):
		return from, to, problem.Errorf(problem.Invalid, "from: it does not lie before to")
	case to.Sub(from) > maxDays:
		return from, to, problem.Errorf(problem.Invalid, "from: it lies more than %d days before to", maxDays/docstore.Daily)
	}
	return from, to, nil
}

// instant reads a time: epoch ms or RFC 3339.
func instant(name, text string) (time.Time, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 && ms <= 253_402_300_799_000 {
		return time.UnixMilli(ms), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 {
		return time.Time{}, problem.Errorf(problem.Invalid, "%s: %q is neither milliseconds since 1970 nor a time such as 2024-03-01T00:00:00Z", name, text)
	}
	return t, nil
}
