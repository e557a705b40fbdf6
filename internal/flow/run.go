package flow

import (
	"context"
	"net/http"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// Statuses of a run.
const (
	InProgress = "inProgress"
	Success    = "success"
	Failed     = "failed"
)

// Kinds of runs.
const (
	Scheduled = "scheduled"
	Hastened  = "hastened" // by a webhook, before its slot
	OnDemand  = "on-demand"
	Retrigger = "re-trigger"
)

// A Run is one execution of a flow. Its JSON is how it is stored.
type Run struct {
	Item
	FlowID        string     `json:"flowId"`
	FlowSpec      Spec       `json:"flowSpec"`
	ProviderRefID string     `json:"providerRefId"`
	Metrics       Metrics    `json:"metrics"`
	Activities    []Activity `json:"activities"`
	// Ask is what the run is to do.
	Ask Ask `json:"ask"`
	// BatchID is the batch that its rows come in: a ULID that was drawn with the
	// run, so that one who goes on with it goes on with the same batch.
	BatchID string `json:"batchId"`
}

// An Ask is what a run was asked to do. Times are epoch ms, 0 for none.
type Ask struct {
	Kind string `json:"kind"` // Scheduled, Hastened, OnDemand or Retrigger
	// At is when it shall begin; what Stripe had then is in it.
	At int64 `json:"at"`
	// From and To bound the times of creation of what a window is asked of: From
	// <= created < To. A run with a window takes all that is in it, whatever
	// earlier runs took; one without takes what they did not.
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"`
}

// Metrics sum up a run.
type Metrics struct {
	Duration Span    `json:"durationSummary"`
	Size     Sizes   `json:"sizeSummary"`
	Records  Records `json:"recordSummary"`
	Files    Files   `json:"fileSummary"`
	Status   Status  `json:"statusSummary"`
}

// A Span is when something began and ended, epoch ms.
type Span struct {
	Started    int64          `json:"startedAtUTC,omitempty"`
	Completed  int64          `json:"completedAtUTC,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// Sizes count bytes.
type Sizes struct {
	Input  int64 `json:"inputBytes"`
	Output int64 `json:"outputBytes"`
}

// Records count records: input = output + failed + skipped + deleted.
type Records struct {
	Input   int64 `json:"inputRecordCount"`
	Output  int64 `json:"outputRecordCount"`
	Failed  int64 `json:"failedRecordCount,omitempty"`
	Skipped int64 `json:"skippedRecordCount,omitempty"`
	Created int64 `json:"createdRecordCount,omitempty"`
	Updated int64 `json:"updatedRecordCount,omitempty"`
	Deleted int64 `json:"deletedRecordCount,omitempty"`
	Warning int64 `json:"warningRecordCount,omitempty"`
}

// Files count files, -1 for what is not known.
type Files struct {
	Input      int64          `json:"inputFileCount"`
	Output     int64          `json:"outputFileCount"`
	Activities []string       `json:"activityRefs,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// A Status says how a run or an activity ended.
type Status struct {
	Status     string         `json:"status"`
	Errors     []RunError     `json:"errors"`
	Activities []string       `json:"activityRefs,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
}

// A RunError is one reason why a run failed, or why records of it did.
type RunError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Records int64  `json:"recordCount,omitempty"`
}

// An Activity is a step of a run: copyActivity, then promotionActivity.
type Activity struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Updated  int64  `json:"updatedAtUTC"`
	Duration Span   `json:"durationSummary"`
	Size     Sizes  `json:"sizeSummary"`
	// Records and Files are as far as they are known.
	Records Records `json:"recordSummary"`
	Files   Files   `json:"fileSummary"`
	Status  Status  `json:"statusSummary"`
	Source  []Party `json:"sourceInfo,omitempty"`
	Target  []Party `json:"targetInfo,omitempty"`
}

// A Party is a connection that took part, and what it did it with.
type Party struct {
	ID        string `json:"id"`
	Type      string `json:"type"` // SourceConnection or TargetConnection
	Reference struct {
		Type string   `json:"type"` // AdfRunId, Batch
		IDs  []string `json:"ids"`
	} `json:"reference"`
}

var runs = &kind[Run]{
	name: kindRun, collection: "runs", one: "run",
	fields: append([]string{"flowId", "flowSpec", "providerRefId", "metrics", "activities"}, common...),
	stored: []string{"flowId", "flowSpec", "providerRefId", "metrics", "activities"},
	parent: func(r *Run) string { return r.FlowID },
	listed: listedRuns,
	view:   func(r *Run) any { return r.View() },
	item:   func(r *Run) *Item { return &r.Item },
}

// View returns the run as clients see it.
func (r *Run) View() any {
	type shown struct {
		Run
		Ask   any `json:"ask,omitempty"`
		Batch any `json:"batchId,omitempty"`
	}
	v := shown{Run: *r}
	if v.Metrics.Status.Errors == nil {
		v.Metrics.Status.Errors = []RunError{}
	}
	v.Activities = append([]Activity{}, r.Activities...)
	for i := range v.Activities {
		if s := &v.Activities[i].Status; s.Errors == nil {
			s.Errors = []RunError{}
		}
	}
	return v
}

func (s *Service) runRoutes() []gateway.Route {
	routes := listing(s, runs, func(ctx context.Context, c access.Caller, q *query) error {
		if err := q.spellRuns(); err != nil {
			return err
		}
		return s.onlySeenRuns(ctx, c, q)
	})
	return append(routes,
		gateway.Route{Method: http.MethodGet, Path: "/runs/{id}", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			r, err := s.seenRun(ctx, call)
			if err != nil {
				return nil, err
			}
			return runs.answer(r), nil
		}},
		gateway.Route{Method: http.MethodPost, Path: "/runs", Handle: s.createRun},
		gateway.Route{Method: http.MethodPut, Path: "/runs/{id}", Handle: func(context.Context, *gateway.Call) (*gateway.Answer, error) {
			return nil, forbidden() // it is for providers of sources, who report by it
		}},
		gateway.Route{Method: http.MethodPost, Path: "/runs/{id}/action", Handle: s.actOnRun},
	)
}

// seenRun reads the run of a call's path.
func (s *Service) seenRun(ctx context.Context, call *gateway.Call) (*Run, error) {
	var r *Run
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		r, err = seenRun(t, call)
		return err
	})
	return r, err
}

func seenRun(t *docstore.Tx, call *gateway.Call) (*Run, error) {
	r, _, err := runs.get(t, scope(call.Caller), call.Var("id"))
	if err != nil || call.Admin {
		return r, err
	}
	f, _, err := flows.get(t, scope(call.Caller), r.FlowID)
	if err != nil {
		return nil, runs.missing(r.ID)
	}
	if !sees(call.Caller, f.Labels) {
		return nil, runs.missing(r.ID)
	}
	return r, nil
}

// statuses are the spellings of a run's status in filters, without case and
// without what joins words.
var statuses = map[string]string{
	"inprogress": InProgress, "queued": InProgress, "scheduled": InProgress,
	"success": Success, "completed": Success, "partialsuccess": Success,
	"failed": Failed, "partialfailure": Failed,
}

// spellRuns writes the values of filters the way that runs have them.
func (q *query) spellRuns() error {
	plain := strings.NewReplacer("_", "", "-", "", " ", "")
	for _, p := range q.filters {
		path := strings.ReplaceAll(strings.Join(p.Path, "."), "[]", "")
		for i, v := range p.Values {
			switch path {
			case "flowId":
				p.Values[i] = strings.ToLower(v)
			case "metrics.statusSummary.status", "activities.statusSummary.status":
				status, ok := statuses[strings.ToLower(plain.Replace(v))]
				if !ok {
					return invalid("FLOW-1452-400", path, "property=%s: there is no status %q; %s, %s and %s are those of runs", path, v, InProgress, Success, Failed)
				}
				p.Values[i] = status
			}
		}
	}
	return nil
}
