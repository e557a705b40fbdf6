package flow

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
)

// A Line is a dataflow as lists of many show it. Times are epoch ms, 0 for
// none.
type Line struct {
	ID, Name string
	State    string
	Stopped  bool // a run disabled it
	Route    Route
	Created  int64
	Schedule *Schedule // nil in drafts alone
	Until    int64     // the end of the last window that went well
	Last     *RunLine  // nil for none
	Next     int64     // when it is due, of an enabled flow
	Hastened bool      // Next is no slot, but what a webhook asked for
}

// A RunLine is a run as lists of many show it.
type RunLine struct {
	ID, FlowID string
	Kind       string // Ask.Kind
	Status     string
	Created    int64
	Started    int64
	Completed  int64
	Records    Records // those that the index has: not created, updated and warnings
}

func runLine(e docstore.Entry) *RunLine {
	return &RunLine{
		ID: e.ID, FlowID: e.Parent, Kind: e.Text[textAsked], Status: e.Text[textStatus],
		Created: e.Created, Started: e.Number[numberStarted], Completed: e.Number[numberCompleted], Records: recordsOf(e.Sum),
	}
}

func recordsOf(sum [docstore.Sums]int64) Records {
	return Records{Input: sum[sumInput], Output: sum[sumOutput], Failed: sum[sumFailed], Skipped: sum[sumSkipped], Deleted: sum[sumDeleted]}
}

// Lines returns the dataflows of a sandbox that the caller may know of, the
// newest first. It reads the index and no document.
func (s *Service) Lines(ctx context.Context, c access.Caller) ([]Line, error) {
	var all []Line
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		flows, err := seenEntries(t, c)
		if err != nil {
			return err
		}
		var last []string
		for _, e := range flows {
			if id := e.Text[textLastRun]; id != "" {
				last = append(last, id)
			}
		}
		runs, err := t.EntriesOf(scope(c), kindRun, last)
		if err != nil {
			return err
		}
		times, err := t.Entries(docstore.Scope{}, kindSchedule, docstore.Page{Where: []docstore.Condition{
			{Column: docstore.Text(textSandbox), Op: "=", Texts: []string{c.Sandbox.ID}}, {Column: docstore.Number(numberIdle), Op: "=", Number: 0},
		}})
		if err != nil {
			return err
		}
		next := make(map[string]docstore.Entry, len(times))
		for _, e := range times {
			next[e.ID] = e
		}
		all = make([]Line, len(flows))
		for i, e := range flows {
			all[i] = lineOf(e)
			if l := &all[i]; l.State == Enabled {
				l.Next, l.Hastened = next[e.ID].Number[numberNext], next[e.ID].Number[numberHastened] == 1
			}
			if run, ok := runs[e.Text[textLastRun]]; ok && run.Parent == e.ID {
				all[i].Last = runLine(run)
			}
		}
		return nil
	})
	return all, err
}

func lineOf(e docstore.Entry) Line {
	l := Line{
		ID: e.ID, Name: e.Text[textName], State: e.Text[textState], Stopped: e.Number[numberStopped] == 1, Created: e.Created, Until: e.Number[numberUntil],
		Route: Route{ConnectionID: e.Text[textConnection], Resource: e.Text[textResource], DatasetID: e.Text[textDataset]},
	}
	if p := strings.Split(e.Text[textSchedule], " "); len(p) == 4 {
		l.Schedule = &Schedule{Start: p[0], Frequency: p[1], Interval: p[2], Backfill: p[3]}
	}
	return l
}

// seenEntries returns the entries of the flows that a caller may know of, the
// newest first.
func seenEntries(t *docstore.Tx, c access.Caller) ([]docstore.Entry, error) {
	all, err := t.Entries(scope(c), kindFlow, docstore.Page{Newest: true})
	if !c.Admin {
		all = slices.DeleteFunc(all, func(e docstore.Entry) bool { return e.Parent == labelled })
	}
	return all, err
}

// Ended sums up runs that ended.
type Ended struct {
	Runs    int64
	Failed  int64 // of the runs
	Records Records
}

func endedOf(one docstore.Total) Ended {
	return Ended{one.Count, one.Sum[sumFailedRuns], recordsOf(one.Sum)}
}

// Ended sums up the runs that ended in spans of time, by flow: of some flows or,
// with nil, of all that there are or were a moment ago. The caller knows which of
// them may be seen; choose says which ones, or nil for all, are to be summed up by
// time, too, in buckets: by their beginning, epoch ms.
func (s *Service) Ended(
	ctx context.Context, c access.Caller, spans []docstore.Span, flows []string, bucket time.Duration, choose func(byFlow map[string]Ended) []string,
) (byTime map[int64]Ended, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		of, err := t.TotalsOf(scope(c), kindRun, spans, flows)
		if err != nil {
			return err
		}
		byFlow := make(map[string]Ended, len(of))
		for id, one := range of {
			byFlow[id] = endedOf(one)
		}
		at, err := t.TotalsAt(scope(c), kindRun, spans, bucket, choose(byFlow))
		byTime = make(map[int64]Ended, len(at))
		for ms, one := range at {
			byTime[ms] = endedOf(one)
		}
		return err
	})
	return byTime, err
}

// An Unfinished is a run that has not ended.
type Unfinished struct {
	Run
	Flow string // its name
	// Worked says that a worker is at it; else it waits for one, or for its time.
	Worked bool
}

// Unfinished returns the runs that have not ended, the newest first, of a dataflow
// or, with "", of all: as many as limit says, and how many there are.
func (s *Service) Unfinished(ctx context.Context, c access.Caller, of string, limit int) (all []Unfinished, total int, err error) {
	err = s.DB.View(ctx, func(t *docstore.Tx) error {
		flows, err := seenEntries(t, c)
		if err != nil {
			return err
		}
		names := make(map[string]string, len(flows))
		for _, e := range flows {
			names[e.ID] = e.Text[textName]
		}
		entries, err := t.Entries(scope(c), kindRun, docstore.Page{
			Newest: true, Where: []docstore.Condition{{Column: docstore.Text(textStatus), Op: "=", Texts: []string{InProgress}}},
		})
		if err != nil {
			return err
		}
		var ids []string
		for _, e := range entries {
			if _, ok := names[e.Parent]; ok && (of == "" || e.Parent == of) {
				ids = append(ids, e.ID)
			}
		}
		total = len(ids)
		ids = ids[:min(limit, len(ids))]
		docs, err := t.Docs(scope(c), kindRun, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, err := runs.read(docs[id])
			if err != nil {
				return err
			}
			l, _, err := getLease(t, id)
			if err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return err
			}
			all = append(all, Unfinished{*r, names[r.FlowID], l.held(s.Now().UnixMilli())})
		}
		return nil
	})
	return all, total, err
}

// Accounts returns the base connections of a sandbox, the newest first, without
// what gives access.
func (s *Service) Accounts(ctx context.Context, c access.Caller) ([]Connection, error) {
	var all []Connection
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		docs, err := t.List(scope(c), kindConnection, docstore.Page{Newest: true})
		if err != nil {
			return err
		}
		for _, d := range docs {
			v, err := connections.read(d)
			if err != nil {
				return err
			}
			v.Auth = Auth{SpecName: v.Auth.SpecName}
			all = append(all, *v)
		}
		return nil
	})
	return all, err
}
