package monitor

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
)

// counts are what runs that ended came to.
type counts struct {
	Runs       int64 `json:"runs"`
	FailedRuns int64 `json:"failedRuns"`
	Read       int64 `json:"recordsRead"`
	Ingested   int64 `json:"recordsIngested"`
	Failed     int64 `json:"recordsFailed"`
	Skipped    int64 `json:"recordsSkipped"`
	Deleted    int64 `json:"recordsDeleted"`
}

func (c *counts) add(d counts) {
	c.Runs += d.Runs
	c.FailedRuns += d.FailedRuns
	c.Read += d.Read
	c.Ingested += d.Ingested
	c.Failed += d.Failed
	c.Skipped += d.Skipped
	c.Deleted += d.Deleted
}

func countsOf(e flow.Ended) counts {
	r := e.Records
	return counts{e.Runs, e.Failed, r.Input, r.Output, r.Failed, r.Skipped, r.Deleted}
}

// A Summary asks what runs came to that ended in a time. From and To lie on hours.
type Summary struct {
	From, To time.Time
	Bucket   time.Duration // docstore.Hourly or docstore.Daily
	// Connection and Flow, if set, ask for an account's flows, and for one flow.
	Connection, Flow string
	// Failures asks for flows alone that had a failed run or a failed record.
	Failures bool
	// Totals leaves out which flows it was.
	Totals bool
}

type point struct {
	At int64 `json:"at"`
	counts
}

type flowSummary struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Badge      Badge  `json:"badge"`
	Resource   string `json:"resource"`
	DatasetID  string `json:"datasetId"`
	FreshUntil int64  `json:"freshUntil,omitempty"`
	counts
}

type accountSummary struct {
	ConnectionID string `json:"connectionId"`
	Name         string `json:"name"`
	FlowsFailed  int    `json:"flowsFailed"`
	counts
	Flows []flowSummary `json:"flows"`
}

type totals struct {
	counts
	Flows       int   `json:"flows"`
	FlowsFailed int   `json:"flowsFailed"`
	FreshUntil  int64 `json:"freshUntil,omitempty"`
}

type summary struct {
	From     int64            `json:"from"`
	To       int64            `json:"to"`
	Bucket   string           `json:"bucket"`
	Totals   totals           `json:"totals"`
	Series   []point          `json:"series"`
	Accounts []accountSummary `json:"accounts,omitempty"`
}

// spans returns what is to be read: whole days by day, where nobody asks for
// hours, and the rest by hour.
func (q *Summary) spans() []docstore.Span {
	from, to := q.From.Truncate(docstore.Hourly), q.To.Truncate(docstore.Hourly)
	first, last := from.Add(docstore.Daily-1).Truncate(docstore.Daily), to.Truncate(docstore.Daily)
	if q.Bucket == docstore.Hourly || !first.Before(last) {
		return []docstore.Span{{Step: docstore.Hourly, From: from, To: to}}
	}
	return []docstore.Span{
		{Step: docstore.Hourly, From: from, To: first}, {Step: docstore.Daily, From: first, To: last}, {Step: docstore.Hourly, From: last, To: to},
	}
}

// Summary sums up.
func (s *Service) Summary(ctx context.Context, c access.Caller, q Summary) (*summary, error) { //nolint:revive // its JSON is what counts
	w, err := s.world(ctx, c)
	if err != nil {
		return nil, err
	}
	seen := map[string]*counts{}
	asked := []string{}
	for _, r := range w.rows {
		if (q.Connection == "" || r.Route.ConnectionID == q.Connection) && (q.Flow == "" || r.ID == q.Flow) {
			seen[r.ID] = &counts{}
			asked = append(asked, r.ID)
		}
	}
	if len(asked) == len(w.rows) {
		asked = nil // all, which is quicker to find
	}
	a := &summary{From: q.From.UnixMilli(), To: q.To.UnixMilli(), Bucket: "hour", Series: []point{}}
	if q.Bucket == docstore.Daily {
		a.Bucket = "day"
	}
	// Where failures alone are asked for, the numbers are those of their flows.
	shown := func(n *counts) bool { return !q.Failures || n.FailedRuns > 0 || n.Failed > 0 }
	byTime, err := s.Flows.Ended(ctx, c, q.spans(), asked, q.Bucket, func(byFlow map[string]flow.Ended) []string {
		chosen := []string{}
		for id, e := range byFlow {
			if of, ok := seen[id]; ok {
				if *of = countsOf(e); shown(of) {
					chosen = append(chosen, id)
				}
			}
		}
		if asked == nil && len(chosen) == len(byFlow) {
			return nil
		}
		return chosen
	})
	if err != nil {
		return nil, err
	}
	for at := q.From.Truncate(q.Bucket); at.Before(q.To); at = at.Add(q.Bucket) {
		a.Series = append(a.Series, point{at.UnixMilli(), countsOf(byTime[at.UnixMilli()])})
	}
	s.breakdown(a, q, w, seen, shown)
	return a, nil
}

// breakdown fills in the totals, and which flows they are of.
func (s *Service) breakdown(a *summary, q Summary, w *world, seen map[string]*counts, shown func(*counts) bool) {
	accounts := map[string]*accountSummary{}
	sortBy(w.rows, "name", orders, func(r row) string { return r.ID })
	var ids []string
	for _, r := range w.rows {
		n := seen[r.ID]
		if n == nil || !shown(n) {
			continue
		}
		if r.State == flow.Enabled && r.Until > 0 && (a.Totals.FreshUntil == 0 || r.Until < a.Totals.FreshUntil) {
			a.Totals.FreshUntil = r.Until
		}
		if n.Runs == 0 {
			continue
		}
		a.Totals.add(*n)
		a.Totals.Flows++
		of := accounts[r.Route.ConnectionID]
		if of == nil {
			of = &accountSummary{ConnectionID: r.Route.ConnectionID, Name: r.account}
			accounts[r.Route.ConnectionID] = of
			ids = append(ids, r.Route.ConnectionID)
		}
		of.add(*n)
		if n.FailedRuns > 0 {
			a.Totals.FlowsFailed++
			of.FlowsFailed++
		}
		of.Flows = append(of.Flows, flowSummary{r.ID, r.Name, r.badge, r.Route.Resource, r.Route.DatasetID, r.Until, *n})
	}
	if q.Totals {
		return
	}
	for _, id := range ids {
		a.Accounts = append(a.Accounts, *accounts[id])
	}
	sortBy(a.Accounts, "name", map[string]func(a, b accountSummary) int{
		"name": func(a, b accountSummary) int { return byText(a.Name, b.Name) },
	}, func(a accountSummary) string { return a.ConnectionID })
}
