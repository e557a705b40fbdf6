package monitor

import (
	"cmp"
	"context"
	"slices"

	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// records are those of one run.
type records struct {
	Read     int64 `json:"recordsRead"`
	Ingested int64 `json:"recordsIngested"`
	Failed   int64 `json:"recordsFailed"`
	Skipped  int64 `json:"recordsSkipped"`
	Deleted  int64 `json:"recordsDeleted"`
}

func recordsOf(r flow.Records) records {
	return records{r.Input, r.Output, r.Failed, r.Skipped, r.Deleted}
}

type lastRun struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Status    string `json:"status"`
	Started   int64  `json:"started"`
	Completed int64  `json:"completed,omitempty"`
	records
}

type flowRow struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	State        string         `json:"state"`
	Badge        Badge          `json:"badge"`
	Stopped      bool           `json:"stopped"`
	ConnectionID string         `json:"connectionId"`
	Account      string         `json:"account"`
	Resource     string         `json:"resource"`
	DatasetID    string         `json:"datasetId"`
	Dataset      string         `json:"dataset"`
	Created      int64          `json:"created"`
	Schedule     *flow.Schedule `json:"schedule,omitempty"`
	LastRun      *lastRun       `json:"lastRun,omitempty"`
	NextRun      int64          `json:"nextRun,omitempty"`
	FreshUntil   int64          `json:"freshUntil,omitempty"`
}

// listed is the answer of a list.
type listed[T any] struct {
	Total int `json:"total"`
	Start int `json:"start"`
	Items []T `json:"items"`
}

func (s *Service) flows(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, err := readList(call.HTTP.URL.Query())
	if err != nil {
		return nil, err
	}
	w, err := s.world(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(w.rows, func(r row) bool { return !q.match(r) })
	sortBy(rows, q.Sort, orders, func(r row) string { return r.ID })
	a := listed[flowRow]{Total: len(rows), Start: q.Start, Items: []flowRow{}}
	rows = page(rows, q.Start, q.Limit)
	var ids []string
	for _, r := range rows {
		if id := r.Route.DatasetID; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	names, err := s.Datasets.Names(ctx, call.Caller, ids)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		v := flowRow{
			ID: r.ID, Name: r.Name, State: r.State, Badge: r.badge, Stopped: r.Stopped, ConnectionID: r.Route.ConnectionID, Account: r.account, Resource: r.Route.Resource,
			DatasetID: r.Route.DatasetID, Dataset: names[r.Route.DatasetID], Created: r.Created, Schedule: r.Schedule, NextRun: r.Next, FreshUntil: r.Until,
		}
		if l := r.Last; l != nil {
			v.LastRun = &lastRun{l.ID, l.Kind, l.Status, l.Started, l.Completed, recordsOf(l.Records)}
		}
		a.Items = append(a.Items, v)
	}
	return gateway.OK(a), nil
}

func (s *Service) unfinished(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	values := call.HTTP.URL.Query()
	if err := known(values, "flowId", "limit"); err != nil {
		return nil, err
	}
	_, limit, err := paging(values)
	if err != nil {
		return nil, err
	}
	all, total, err := s.Flows.Unfinished(ctx, call.Caller, values.Get("flowId"), limit)
	if err != nil {
		return nil, err
	}
	type activity struct {
		Name   string `json:"name"`
		Status string `json:"status"`
		records
	}
	type run struct {
		RunID   string `json:"runId"`
		FlowID  string `json:"flowId"`
		Flow    string `json:"flow"`
		Kind    string `json:"kind"`
		Worked  bool   `json:"worked"`
		Created int64  `json:"created"`
		Started int64  `json:"started"`
		records
		Activities []activity `json:"activities"`
	}
	a := listed[run]{Total: total, Items: []run{}}
	for _, u := range all {
		m := u.Metrics
		v := run{u.ID, u.FlowID, u.Flow, u.Ask.Kind, u.Worked, u.CreatedAt, m.Duration.Started, recordsOf(m.Records), []activity{}}
		for _, step := range u.Activities {
			v.Activities = append(v.Activities, activity{step.Name, step.Status.Status, recordsOf(step.Records)})
		}
		a.Items = append(a.Items, v)
	}
	return gateway.OK(a), nil
}

func (s *Service) next(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	values := call.HTTP.URL.Query()
	if err := known(values, "flowId", "start", "limit"); err != nil {
		return nil, err
	}
	start, limit, err := paging(values)
	if err != nil {
		return nil, err
	}
	w, err := s.world(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	of := values.Get("flowId")
	rows := slices.DeleteFunc(w.rows, func(r row) bool { return r.Next == 0 || of != "" && r.ID != of })
	sortBy(rows, "nextRun", orders, func(r row) string { return r.ID })
	type due struct {
		FlowID       string `json:"flowId"`
		Flow         string `json:"flow"`
		ConnectionID string `json:"connectionId"`
		Account      string `json:"account"`
		Resource     string `json:"resource"`
		At           int64  `json:"at"`
		Hastened     bool   `json:"hastened"`
	}
	a := listed[due]{Total: len(rows), Start: start, Items: []due{}}
	for _, r := range page(rows, start, limit) {
		a.Items = append(a.Items, due{r.ID, r.Name, r.Route.ConnectionID, r.account, r.Route.Resource, r.Next, r.Hastened})
	}
	return gateway.OK(a), nil
}

type accountRow struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Description    string `json:"description"`
	State          string `json:"state"`
	SpecID         string `json:"specId"`
	Authentication string `json:"authentication"`
	AccountID      string `json:"accountId,omitempty"`
	Livemode       *bool  `json:"livemode,omitempty"`
	Created        int64  `json:"created"`
	CreatedBy      string `json:"createdBy"`
	Dataflows      int    `json:"dataflows"`
	Enabled        int    `json:"enabledDataflows"`
}

// accountOrders are those of accounts.
var accountOrders = map[string]func(a, b accountRow) int{
	"name":      func(a, b accountRow) int { return byText(a.Name, b.Name) },
	"created":   func(a, b accountRow) int { return cmp.Compare(a.Created, b.Created) },
	"dataflows": func(a, b accountRow) int { return cmp.Compare(a.Dataflows, b.Dataflows) },
}

func (s *Service) connections(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	values := call.HTTP.URL.Query()
	if err := known(values, "search", "specId", "sort", "start", "limit"); err != nil {
		return nil, err
	}
	sort, err := ordering(values, accountOrders, "-created")
	if err != nil {
		return nil, err
	}
	start, limit, err := paging(values)
	if err != nil {
		return nil, err
	}
	w, err := s.world(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	flows, enabled := map[string]int{}, map[string]int{}
	for _, r := range w.rows {
		flows[r.Route.ConnectionID]++
		if r.State == flow.Enabled {
			enabled[r.Route.ConnectionID]++
		}
	}
	rows := []accountRow{}
	for _, c := range w.accounts {
		if spec := values.Get("specId"); !contains(c.Name, values.Get("search")) && !contains(c.Description, values.Get("search")) || spec != "" && spec != c.Spec.ID {
			continue
		}
		v := accountRow{
			ID: c.ID, Name: c.Name, Description: c.Description, State: c.State, SpecID: c.Spec.ID, Authentication: c.Auth.SpecName, Created: c.CreatedAt, CreatedBy: c.CreatedBy,
			Dataflows: flows[c.ID], Enabled: enabled[c.ID],
		}
		if c.Account != nil {
			v.AccountID, v.Livemode = c.Account.ID, &c.Account.Livemode
		}
		rows = append(rows, v)
	}
	sortBy(rows, sort, accountOrders, func(a accountRow) string { return a.ID })
	return gateway.OK(listed[accountRow]{len(rows), start, page(rows, start, limit)}), nil
}

func (s *Service) counts(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if values := call.HTTP.URL.Query(); len(values) > 0 {
		return nil, problem.Errorf(problem.Invalid, "counts: there are no parameters")
	}
	w, err := s.world(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	type spec struct {
		Accounts  int `json:"accounts"`
		Dataflows int `json:"dataflows"`
	}
	var a struct {
		spec
		Specs       map[string]spec `json:"specs"`
		States      map[string]int  `json:"states"`
		Badges      map[Badge]int   `json:"badges"`
		Resources   map[string]int  `json:"resources"`
		Connections map[string]int  `json:"connections"`
		Datasets    map[string]int  `json:"datasets"`
	}
	a.Accounts, a.Dataflows = len(w.accounts), len(w.rows)
	a.Specs, a.States, a.Badges = map[string]spec{}, map[string]int{}, map[Badge]int{}
	a.Resources, a.Connections, a.Datasets = map[string]int{}, map[string]int{}, map[string]int{}
	specs := map[string]string{}
	for _, c := range w.accounts {
		specs[c.ID] = c.Spec.ID
		if c.Spec.ID != "" {
			one := a.Specs[c.Spec.ID]
			one.Accounts++
			a.Specs[c.Spec.ID] = one
		}
	}
	for _, r := range w.rows {
		a.States[r.State]++
		a.Badges[r.badge]++
		for id, in := range map[string]map[string]int{r.Route.Resource: a.Resources, r.Route.ConnectionID: a.Connections, r.Route.DatasetID: a.Datasets} {
			if id != "" {
				in[id]++
			}
		}
		if id := specs[r.Route.ConnectionID]; id != "" {
			one := a.Specs[id]
			one.Dataflows++
			a.Specs[id] = one
		}
	}
	return gateway.OK(a), nil
}
