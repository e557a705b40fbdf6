package flow

import (
	"github.com/tributary-data/tributary/internal/gateway"
)

// A Flow is a dataflow: what of a source goes, by which mapping, into which
// dataset, and when. Its JSON is how it is stored.
type Flow struct {
	Item
	Spec            Spec             `json:"flowSpec"`
	SourceIDs       []string         `json:"sourceConnectionIds"`
	TargetIDs       []string         `json:"targetConnectionIds"`
	Transformations []Transformation `json:"transformations"`
	Schedule        *Schedule        `json:"scheduleParams,omitempty"` // nil in drafts alone
	Options         *Options         `json:"options,omitempty"`
	Last            *Operation       `json:"lastOperation,omitempty"`
	LastRun         *LastRun         `json:"lastRunDetails,omitempty"`
	// Route is what source and target were when the flow was made: later changes
	// of theirs do not reach it.
	Route Route `json:"route"`
	// Until is the end of the last window that went well, epoch ms.
	Until int64 `json:"until,omitempty"`
	// Stopped says why the flow was disabled for what a run met; "" if a caller
	// did it.
	Stopped string `json:"stopped,omitempty"`
}

// A Route is where a flow's data comes from and goes to.
type Route struct {
	ConnectionID string `json:"connectionId"`
	Resource     string `json:"resource"`
	DatasetID    string `json:"datasetId"`
}

// A Transformation is a step on the way; the one that there is names a mapping
// set.
type Transformation struct {
	Name   string `json:"name"`
	Params struct {
		MappingID      string `json:"mappingId"`
		MappingVersion string `json:"mappingVersion"`
	} `json:"params"`
}

// Options of a flow.
type Options struct {
	// PartialPercent is the share of records that may fail before all do, above
	// 0 and at most 100; nil where none may.
	PartialPercent *float64 `json:"partialIngestionPercent,omitempty"`
	Diagnostics    *bool    `json:"errorDiagnosticsEnabled,omitempty"`
}

// An Operation is the last thing that was done to a flow as a whole.
type Operation struct {
	Started   int64   `json:"started"` // epoch ms
	Updated   int64   `json:"updated"` // epoch ms
	Percent   float64 `json:"percentCompleted"`
	Operation string  `json:"operation"` // create, update, enable, disable, publish
	Status    struct {
		Value  string   `json:"value"`
		Errors []string `json:"errors"`
	} `json:"status"`
}

// A LastRun is a flow's newest run in short.
type LastRun struct {
	ID        string `json:"id"`
	State     string `json:"state"` // inProgress, success or failed
	Started   int64  `json:"startedAtUTC"`
	Completed int64  `json:"completedAtUTC,omitempty"`
}

var flows = &kind[Flow]{
	name: kindFlow, collection: "flows", one: "dataflow",
	fields: append([]string{
		"flowSpec", "sourceConnectionIds", "targetConnectionIds", "transformations", "scheduleParams", "options", "inheritedAttributes", "runs", "lastOperation", "lastRunDetails",
	}, common...),
	view: func(f *Flow) any { return f },
	item: func(f *Flow) *Item { return &f.Item },
}

func (s *Service) flowRoutes() []gateway.Route { return reads(s, flows) }
