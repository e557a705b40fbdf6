package webui

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
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
	LastRun  *struct {
		ID        string `json:"id"`
		State     string `json:"state"`
		StartedAt int64  `json:"startedAtUTC"`
	} `json:"lastRunDetails"`
	SourceIDs []string `json:"sourceConnectionIds"`
	TargetIDs []string `json:"targetConnectionIds"`
	Inherited struct {
		Sources []struct {
			Base struct {
				ID string `json:"id"`
			} `json:"baseConnection"`
		} `json:"sourceConnections"`
	} `json:"inheritedAttributes"`
}

// flowTimes is a dataflow's schedule; all members are texts.
type flowTimes struct {
	Start     string `json:"startTime"` // seconds since 1970
	Frequency string `json:"frequency"`
	Interval  string `json:"interval"`
	Backfill  string `json:"backfill"`
}

// Account is the id of the account that it reads, empty in drafts.
func (f *flowItem) Account() string {
	if len(f.Inherited.Sources) == 0 {
		return ""
	}
	return f.Inherited.Sources[0].Base.ID
}

// A flowRow is a dataflow in the list.
type flowRow struct {
	ID, Name    string
	Status      string // word of a badge
	Tone        string // its class
	State       string // enabled, disabled, draft
	Once        bool
	Resource    string // title
	AccountID   string
	Account     string
	DatasetID   string
	Dataset     string
	CreatedAt   int64
	LastRun     string // id
	LastRunAt   int64
	LastRunWord string
}

// flowsView is what the list of dataflows shows.
type flowsView struct {
	Query, State, Account, Resource string

	Sort      sorting
	Rows      []flowRow
	Pages     paging
	Accounts  []baseConnection
	Resources []stripeResource
	Done      string
}

// Filtered says whether the list was narrowed.
func (v flowsView) Filtered() bool { return v.Query+v.State+v.Account+v.Resource != "" }

func (r *request) showFlows() error {
	v := flowsView{
		Query: strings.TrimSpace(r.query("q")), State: r.query("state"), Account: r.query("account"), Resource: r.query("resource"),
		Sort: r.sorting("-createdAt", "name", "createdAt", "state"), Resources: stripeResources, Done: r.done(),
	}
	if err := r.items("/connections", url.Values{"orderby": {"name"}}, &v.Accounts); err != nil {
		return err
	}
	if err := r.flowRows(&v); err != nil {
		return err
	}
	if r.partial() {
		return r.part("dataflows", "list", v)
	}
	return r.show("dataflows", v)
}

// flowRows reads the page of dataflows that is asked for.
func (r *request) flowRows(v *flowsView) error {
	query := url.Values{"orderby": {v.Sort.By}}
	if v.State != "" {
		query.Add("property", "state=="+v.State)
	}
	if v.Account != "" {
		query.Add("property", "inheritedAttributes.sourceConnections[].baseConnection.id=="+v.Account)
	}
	var all []flowItem
	if err := r.items("/flows", query, &all); err != nil {
		return err
	}
	if v.Resource != "" {
		var of []struct {
			ID string `json:"id"`
		}
		if err := r.items("/sourceConnections", url.Values{"property": {"params.resourcePath==" + v.Resource}}, &of); err != nil {
			return err
		}
		ids := map[string]bool{}
		for _, s := range of {
			ids[s.ID] = true
		}
		all = slices.DeleteFunc(all, func(f flowItem) bool { return len(f.SourceIDs) == 0 || !ids[f.SourceIDs[0]] })
	}
	all = slices.DeleteFunc(all, func(f flowItem) bool { return !strings.Contains(strings.ToLower(f.Name), strings.ToLower(v.Query)) })
	v.Pages = r.paging(len(all))
	for i := range all[v.Pages.From:v.Pages.To] {
		row, err := r.flowRow(&all[v.Pages.From+i], v.Accounts)
		if err != nil {
			return err
		}
		v.Rows = append(v.Rows, row)
	}
	return nil
}

// flowRow completes a dataflow by what it reads and where it writes.
func (r *request) flowRow(f *flowItem, accounts []baseConnection) (row flowRow, err error) {
	row = flowRow{ID: f.ID, Name: f.Name, State: f.State, CreatedAt: f.CreatedAt, AccountID: f.Account(), Once: f.Schedule != nil && f.Schedule.Frequency == "once"}
	last := ""
	if f.LastRun != nil {
		row.LastRun, row.LastRunAt, last = f.LastRun.ID, f.LastRun.StartedAt, f.LastRun.State
	}
	row.Status, row.Tone = flowStatus(f.State, last)
	for _, a := range accounts {
		if a.ID == row.AccountID {
			row.Account = a.Name
		}
	}
	if len(f.SourceIDs) > 0 {
		path, err := r.connected("/sourceConnections/"+f.SourceIDs[0], "resourcePath")
		if err != nil {
			return row, err
		}
		row.Resource = resourceAt(path).Title
	}
	if len(f.TargetIDs) == 0 {
		return row, nil
	}
	if row.DatasetID, err = r.connected("/targetConnections/"+f.TargetIDs[0], "dataSetId"); err != nil || row.DatasetID == "" {
		return row, err
	}
	row.Dataset = row.DatasetID
	if r.may(access.ViewDatasets, access.ManageDatasets) {
		set, err := r.dataset(row.DatasetID)
		if err != nil && !missing(err, http.StatusNotFound) {
			return row, err
		}
		row.Dataset = cmp.Or(set.Title, row.DatasetID)
	}
	return row, nil
}

// connected returns a parameter of a source or target connection; "" of one that
// is not there any more.
func (r *request) connected(path, parameter string) (string, error) {
	var got struct {
		Items []struct {
			Params map[string]any `json:"params"`
		} `json:"items"`
	}
	if err := r.get(flowAPI+path, nil, &got); err != nil && !missing(err, http.StatusNotFound) {
		return "", err
	}
	if len(got.Items) == 0 {
		return "", nil
	}
	text, _ := got.Items[0].Params[parameter].(string)
	return text, nil
}

// flowStatus is how a dataflow's state reads, and the class of its badge.
func flowStatus(state, lastRun string) (word, tone string) {
	switch {
	case state == "disabled":
		return "Disabled", ""
	case state == "draft":
		return "Draft", ""
	case lastRun == "failed":
		return "Error", "negative"
	case lastRun == "inProgress":
		return "Processing", "info"
	}
	return "Enabled", "positive"
}

var _ = words("Enabled", "Disabled", "Draft", "Error", "Processing")

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

// recode decodes a value into another type by its JSON.
func recode(v, out any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}
