package flow

import (
	"github.com/tributary-data/tributary/internal/gateway"
)

// Statuses of a run.
const (
	InProgress = "inProgress"
	Success    = "success"
	Failed     = "failed"
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
	Kind string `json:"kind"` // scheduled, on-demand or re-trigger
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
	parent: func(r *Run) string { return r.FlowID },
	view:   func(r *Run) any { return r },
	item:   func(r *Run) *Item { return &r.Item },
}

func (s *Service) runRoutes() []gateway.Route { return reads(s, runs) }
