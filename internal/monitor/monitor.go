// Package monitor answers what dashboards and lists of dataflows show, in few
// calls that stay fast with many dataflows and runs: it asks indexes and sums, and
// reads no runs.
package monitor

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
)

// Flows is where dataflows, runs and accounts are known.
type Flows interface {
	Lines(ctx context.Context, c access.Caller) ([]flow.Line, error)
	Ended(ctx context.Context, c access.Caller, spans []docstore.Span, flows []string, bucket time.Duration, choose func(map[string]flow.Ended) []string) (map[int64]flow.Ended, error)
	Unfinished(ctx context.Context, c access.Caller, of string, limit int) ([]flow.Unfinished, int, error)
	Accounts(ctx context.Context, c access.Caller) ([]flow.Connection, error)
}

// Datasets know their names.
type Datasets interface {
	Names(ctx context.Context, c access.Caller, ids []string) (map[string]string, error)
}

// A Service answers.
type Service struct {
	Flows    Flows
	Datasets Datasets
	Now      func() time.Time
}

// A Badge is how a dataflow is shown.
type Badge string

// Badges.
const (
	Success    Badge = "success"
	WithErrors Badge = "completedWithErrors" // the last run brought in data and refused some
	Failed     Badge = "failed"
	Processing Badge = "processing" // a run is not finished
	Disabled   Badge = "disabled"
	Draft      Badge = "draft"
	New        Badge = "new" // it had no run yet
)

// badges are all of them, in the order in which they are sorted.
var badges = []Badge{Failed, WithErrors, Processing, New, Success, Disabled, Draft}

// BadgeOf returns the badge of a dataflow. One that a run disabled has failed.
func BadgeOf(l *flow.Line) Badge {
	switch {
	case l.State == flow.Draft:
		return Draft
	case l.Last != nil && l.Last.Status == flow.InProgress:
		return Processing
	case l.State == flow.Disabled && !l.Stopped:
		return Disabled
	case l.Stopped:
		return Failed
	case l.Last == nil:
		return New
	case l.Last.Status == flow.Failed:
		return Failed
	case l.Last.Records.Failed > 0:
		return WithErrors
	}
	return Success
}

// A row is a dataflow with what it is called elsewhere.
type row struct {
	*flow.Line
	badge   Badge
	account string // the name of its base connection
}

// A world is what a sandbox has.
type world struct {
	rows     []row
	accounts []flow.Connection
}

func (s *Service) world(ctx context.Context, c access.Caller) (*world, error) {
	lines, err := s.Flows.Lines(ctx, c)
	if err != nil {
		return nil, err
	}
	w := &world{rows: make([]row, len(lines))}
	if w.accounts, err = s.Flows.Accounts(ctx, c); err != nil {
		return nil, err
	}
	names := make(map[string]string, len(w.accounts))
	for _, a := range w.accounts {
		names[a.ID] = a.Name
	}
	for i := range lines {
		w.rows[i] = row{&lines[i], BadgeOf(&lines[i]), names[lines[i].Route.ConnectionID]}
	}
	return w, nil
}

// A List asks for dataflows. What is empty asks for nothing.
type List struct {
	Search      string // a part of the name, whatever its case
	States      []string
	Badges      []string
	Flows       []string // ids
	Connections []string
	Resources   []string
	Datasets    []string
	Sort        string // one of orders, with a minus for the other direction
	Start       int
	Limit       int
}

func (q *List) match(r row) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	return in(q.States, r.State) && in(q.Badges, string(r.badge)) && in(q.Flows, r.ID) && in(q.Connections, r.Route.ConnectionID) && in(q.Resources, r.Route.Resource) &&
		in(q.Datasets, r.Route.DatasetID) && contains(r.Name, q.Search)
}

func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// orders are those of dataflows. Those that are equal come in the order of
// their ids.
var orders = map[string]func(a, b row) int{
	"name":     func(a, b row) int { return byText(a.Name, b.Name) },
	"created":  func(a, b row) int { return cmp.Compare(a.Created, b.Created) },
	"lastRun":  func(a, b row) int { return cmp.Compare(started(a.Last), started(b.Last)) },
	"nextRun":  func(a, b row) int { return cmp.Compare(a.Next, b.Next) },
	"account":  func(a, b row) int { return byText(a.account, b.account) },
	"resource": func(a, b row) int { return cmp.Compare(a.Route.Resource, b.Route.Resource) },
	"status":   func(a, b row) int { return cmp.Compare(slices.Index(badges, a.badge), slices.Index(badges, b.badge)) },
}

func byText(a, b string) int {
	return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
}

func started(r *flow.RunLine) int64 {
	if r == nil {
		return 0
	}
	return r.Started
}

// sortBy puts items in one of several orders, and then in that of their ids.
func sortBy[T any](all []T, sort string, orders map[string]func(a, b T) int, id func(T) string) {
	name, descending := strings.CutPrefix(sort, "-")
	slices.SortFunc(all, func(a, b T) int {
		c := orders[name](a, b)
		if descending {
			c = -c
		}
		return cmp.Or(c, strings.Compare(id(a), id(b)))
	})
}

// page returns a page of items.
func page[T any](all []T, start, limit int) []T {
	start = min(start, len(all))
	return all[start:min(start+limit, len(all))]
}
