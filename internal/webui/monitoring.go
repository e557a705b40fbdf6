package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// What dataflows did: their runs, and each of these.
func (u *UI) monitorRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	watch := access.AnyOf(access.ViewMonitoring, access.ViewSources, access.ManageSources)
	m.get("/monitoring", watch, (*request).showDashboard)
	m.get("/monitoring/live", watch, (*request).streamDashboard)
	m.get("/monitoring/reads", view, (*request).showReads)
	m.get("/dataflows/{flow}", view, (*request).showActivity)
	m.get("/dataflows/{flow}/runs/{run}", view, (*request).showFlowRun)
	m.post("/dataflows/{flow}/runs/{run}/retry", manage, (*request).retryRun)
}

// A flowDetail is a dataflow with all that its own page says of it.
type flowDetail struct {
	flowItem

	CreatedBy       string `json:"createdBy"`
	Transformations []struct {
		Params struct {
			Mapping string `json:"mappingId"`
			Version string `json:"mappingVersion"`
		} `json:"params"`
	} `json:"transformations"`
	Options struct {
		Percent     *float64 `json:"partialIngestionPercent"`
		Diagnostics bool     `json:"errorDiagnosticsEnabled"`
	} `json:"options"`
}

// Begins is when its schedule starts, in milliseconds since 1970.
func (f *flowDetail) Begins() int64 {
	if f.Schedule == nil {
		return 0
	}
	seconds, err := strconv.ParseInt(f.Schedule.Start, 10, 64)
	if err != nil {
		return 0
	}
	return seconds * 1000
}

// Threshold is the share of records that may fail, in percent as people write
// it; empty where none may.
func (f *flowDetail) Threshold() string {
	if f.Options.Percent == nil {
		return ""
	}
	return strconv.FormatFloat(*f.Options.Percent, 'f', -1, 64)
}

func (r *request) flowDetail() (*flowDetail, error) {
	var got struct {
		Items []flowDetail `json:"items"`
	}
	if err := r.get(flowAPI+"/flows/"+escape(r.http.PathValue("flow")), nil, &got); err != nil {
		return nil, err
	}
	if len(got.Items) == 0 {
		return nil, errNoFlow
	}
	return &got.Items[0], nil
}

// activityView is what the page of a dataflow shows.
type activityView struct {
	Flow     *flowDetail
	Row      *flowRow
	Title    string // of the frequency
	Days     int    // of runs: 7 or 30
	Runs     []flowRun
	Older    string // query of the next page; empty where there is none
	Newer    string // query of the first page; empty on it
	Next     string // token of this page
	Busy     bool   // a run is not finished
	Done     string
	Fragment bool // it goes into a page that is there
}

func (r *request) showActivity() error {
	f, err := r.flowDetail()
	if err != nil {
		return err
	}
	v := &activityView{Flow: f, Days: 7, Next: r.query("next"), Done: r.done(), Fragment: r.partial()}
	if r.query("days") == "30" {
		v.Days = 30
	}
	if f.Schedule != nil {
		for _, q := range frequencies {
			if q.Value == f.Schedule.Frequency {
				v.Title = q.Title
			}
		}
	}
	// The dataflow first: what it says of its last run is then not newer than what the
	// list of runs does.
	if v.Row, err = r.flowRow(f.ID); err != nil {
		return err
	}
	if err := r.activity(v); err != nil {
		return err
	}
	if v.Fragment {
		return r.part("flow", "activity", v)
	}
	return r.show("flow", v)
}

// activity reads a page of the dataflow's runs.
func (r *request) activity(v *activityView) error {
	since := r.ui.Now().Add(-time.Duration(v.Days) * 24 * time.Hour).UnixMilli()
	query := url.Values{
		"property": {"flowId==" + v.Flow.ID, "metrics.durationSummary.startedAtUTC>" + strconv.FormatInt(since, 10)},
		"orderby":  {"-createdAt"}, "limit": {strconv.Itoa(pageSize)},
	}
	if v.Next != "" {
		query.Set("continuationToken", v.Next)
	}
	var got struct {
		Items []flowRun `json:"items"`
		Links struct {
			Next *struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
	}
	if err := r.get(flowAPI+"/runs", query, &got); err != nil {
		return err
	}
	v.Runs = got.Items
	days := strconv.Itoa(v.Days)
	if v.Next != "" {
		v.Newer = "?" + url.Values{"days": {days}}.Encode()
	}
	if got.Links.Next != nil {
		next, err := url.Parse(got.Links.Next.Href)
		if err != nil {
			return err
		}
		v.Older = "?" + url.Values{"days": {days}, "next": {next.Query().Get("continuationToken")}}.Encode()
	}
	return nil
}

// retryRun asks for a run of what another one did not do.
func (r *request) retryRun() error {
	if err := r.send(http.MethodPost, flowAPI+"/runs/"+escape(r.http.PathValue("run"))+"/action?op=re-trigger", nil, nil); err != nil {
		return err
	}
	return r.redirect("/dataflows/" + escape(r.http.PathValue("flow")) + "?done=run-begun")
}
