package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
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
	PartialPercent *float64
	Diagnostics    *bool
	// Others are kept for who set them.
	Others map[string]json.RawMessage
}

// Names of options.
const (
	partialPercent = "partialIngestionPercent"
	diagnostics    = "errorDiagnosticsEnabled"
)

// MarshalJSON writes all options as members of one object.
func (o Options) MarshalJSON() ([]byte, error) {
	all := map[string]any{}
	for name, v := range o.Others {
		all[name] = v
	}
	if o.PartialPercent != nil {
		all[partialPercent] = *o.PartialPercent
	}
	if o.Diagnostics != nil {
		all[diagnostics] = *o.Diagnostics
	}
	return json.Marshal(all)
}

// UnmarshalJSON reads what MarshalJSON wrote. Names are told apart by case: another
// option may have the name of a known one in other letters.
func (o *Options) UnmarshalJSON(data []byte) error {
	*o = Options{}
	if err := json.Unmarshal(data, &o.Others); err != nil {
		return err
	}
	for name, into := range map[string]any{partialPercent: &o.PartialPercent, diagnostics: &o.Diagnostics} {
		if text, ok := o.Others[name]; ok {
			if err := json.Unmarshal(text, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(o.Others, name)
		}
	}
	if len(o.Others) == 0 {
		o.Others = nil
	}
	return nil
}

// An Operation is the last thing that was done to a flow as a whole.
type Operation struct {
	Started   int64   `json:"started"` // epoch ms
	Updated   int64   `json:"updated"` // epoch ms
	Percent   float64 `json:"percentCompleted"`
	Operation string  `json:"operation"` // create, update, enable, disable, publish
	Status    struct {
		Value  string   `json:"value"` // completed or failed
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
	stored: []string{"flowSpec", "sourceConnectionIds", "targetConnectionIds", "transformations", "scheduleParams", "options", "lastOperation", "lastRunDetails"},
	parent: func(f *Flow) string {
		if len(f.Labels) > 0 {
			return labelled
		}
		return ""
	},
	listed: listedFlows,
	view:   func(f *Flow) any { return f.shown() },
	item:   func(f *Flow) *Item { return &f.Item },
}

// shown is a flow as clients see it.
func (f *Flow) shown() any {
	type connection struct {
		ID   string      `json:"id"`
		Spec Spec        `json:"connectionSpec"`
		Base *connection `json:"baseConnection,omitempty"`
	}
	type inherited struct {
		Properties map[string]bool `json:"properties"`
		Sources    []connection    `json:"sourceConnections"`
		Targets    []connection    `json:"targetConnections"`
	}
	type shown struct {
		Flow
		Route     any       `json:"route,omitempty"`
		Until     any       `json:"until,omitempty"`
		Stopped   any       `json:"stopped,omitempty"`
		Inherited inherited `json:"inheritedAttributes"`
		Runs      string    `json:"runs"`
	}
	v := shown{Flow: *f, Runs: "/runs?property=flowId==" + f.ID}
	v.Inherited = inherited{Properties: map[string]bool{"isSourceFlow": true}, Sources: []connection{}, Targets: []connection{}}
	source := Spec{ID: StripeSpec, Version: specVersion}
	for _, id := range f.SourceIDs {
		c := connection{ID: id, Spec: source}
		if f.Route.ConnectionID != "" {
			c.Base = &connection{ID: f.Route.ConnectionID, Spec: source}
		}
		v.Inherited.Sources = append(v.Inherited.Sources, c)
	}
	for _, id := range f.TargetIDs {
		v.Inherited.Targets = append(v.Inherited.Targets, connection{ID: id, Spec: Spec{ID: DataLakeSpec, Version: specVersion}})
	}
	if f.SourceIDs == nil {
		v.SourceIDs = []string{}
	}
	if f.TargetIDs == nil {
		v.TargetIDs = []string{}
	}
	if f.Transformations == nil {
		v.Transformations = []Transformation{}
	}
	return v
}

// specVersion is that of the specs that flows are made of.
const specVersion = "1.0"

func (s *Service) flowRoutes() []gateway.Route {
	routes := listing(s, flows, func(_ context.Context, c access.Caller, q *query) error {
		q.onlySeen(c)
		return nil
	})
	return append(routes,
		gateway.Route{Method: http.MethodGet, Path: "/flows/{id}", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			f, err := s.seenFlow(ctx, call)
			if err != nil {
				return nil, err
			}
			return flows.answer(f), nil
		}},
		gateway.Route{Method: http.MethodGet, Path: "/flows/{id}/runs", Handle: s.runsOfFlow},
		gateway.Route{Method: http.MethodPost, Path: "/flows", Handle: s.createFlow},
		gateway.Route{Method: http.MethodPatch, Path: "/flows/{id}", Handle: s.patchFlow},
		gateway.Route{Method: http.MethodDelete, Path: "/flows/{id}", Handle: s.deleteFlow},
		gateway.Route{Method: http.MethodPost, Path: "/flows/{id}/action", Handle: s.actOnFlow},
	)
}

// seenFlow reads the flow of a call's path.
func (s *Service) seenFlow(ctx context.Context, call *gateway.Call) (*Flow, error) {
	f, err := load(ctx, s, flows, call.Caller, call.Var("id"))
	if err == nil && !sees(call.Caller, f.Labels) {
		err = flows.missing(call.Var("id"))
	}
	return f, err
}

// runsOfFlow lists the runs of a flow.
func (s *Service) runsOfFlow(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	f, err := s.seenFlow(ctx, call)
	if err != nil {
		return nil, err
	}
	q, err := parseQuery(call.HTTP.URL.Query(), runs.fields, maxPage)
	if err != nil {
		return nil, err
	}
	if err := q.spellRuns(); err != nil {
		return nil, err
	}
	q.filters = append(q.filters, gateway.Property{Path: []string{"flowId"}, Op: "==", Values: []string{f.ID}})
	return list(ctx, s, runs, call.Caller, "/flows/"+url.PathEscape(f.ID)+"/runs", q)
}

// putFlow writes a flow.
func putFlow(t *docstore.Tx, s docstore.Scope, d docstore.Doc, f *Flow) error {
	d.Parent = flows.parent(f)
	return flows.put(t, s, d, f)
}
