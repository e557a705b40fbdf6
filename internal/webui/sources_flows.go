package webui

import (
	"net/url"
	"strings"
)

// A flowItem is a dataflow, as the Flow Service shows it.
type flowItem struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	State       string `json:"state"`
	CreatedAt   int64  `json:"createdAt"`
	Etag        string `json:"etag"`

	Schedule *flowTimes `json:"scheduleParams"`
}

// flowTimes is a dataflow's schedule; all members are texts.
type flowTimes struct {
	Start     string `json:"startTime"` // seconds since 1970
	Frequency string `json:"frequency"`
	Interval  string `json:"interval"`
	Backfill  string `json:"backfill"`
}

// flowsView is what the list of dataflows shows.
type flowsView struct {
	Query, State, Badge, Account, Resource string

	Sort      sorting
	Rows      []flowRow
	Pages     paging
	Accounts  []accountRow
	Resources []stripeResource
	Badges    []flowBadge
	Done      string
}

// Filtered says whether the list was narrowed.
func (v flowsView) Filtered() bool { return v.Query+v.State+v.Badge+v.Account+v.Resource != "" }

// Order is the query of the list in another order.
func (v flowsView) Order(field string) string {
	query := url.Values{"sort": {v.Sort.Next(field)}}
	for name, value := range map[string]string{"q": v.Query, "state": v.State, "badge": v.Badge, "account": v.Account, "resource": v.Resource} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return "?" + query.Encode()
}

func (r *request) showFlows() error {
	v := flowsView{
		Query: strings.TrimSpace(r.query("q")), State: r.query("state"), Badge: r.query("badge"), Account: r.query("account"), Resource: r.query("resource"),
		Sort: r.sorting("-created", "name", "created", "account", "status", "lastRun", "nextRun"), Resources: stripeResources, Done: r.done(),
	}
	query := url.Values{
		"search": {v.Query}, "state": {v.State}, "badge": {v.Badge}, "connectionId": {v.Account}, "resource": {v.Resource}, "sort": {v.Sort.By},
	}
	var err error
	if v.Rows, v.Pages, err = listed[flowRow](r, "/flows", query); err != nil {
		return err
	}
	if r.partial() {
		return r.part("dataflows", "list", v)
	}
	for _, b := range badgeOrder {
		v.Badges = append(v.Badges, flowBadge{b})
	}
	if v.Accounts, err = allOf[accountRow](r, "/connections", url.Values{"sort": {"name"}}); err != nil {
		return err
	}
	return r.show("dataflows", v)
}

// flow returns a dataflow.
func (r *request) flow(id string) (*flowItem, error) {
	var got struct {
		Items []flowItem `json:"items"`
	}
	if err := r.get(flowAPI+"/flows/"+escape(id), nil, &got); err != nil {
		return nil, err
	}
	if len(got.Items) == 0 {
		return nil, errNoFlow
	}
	return &got.Items[0], nil
}
