package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// What dataflows did: their runs, and each of these.
func (u *UI) monitorRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	watch := access.AnyOf(access.ViewMonitoring, access.ViewSources, access.ManageSources)
	m.get("/monitoring", watch, (*request).showDashboard)
	m.live("/monitoring/live", watch, (*request).streamDashboard)
	m.get("/monitoring/reads", view, (*request).showReads)
	m.get("/dataflows/{flow}", view, (*request).showActivity)
	m.live("/dataflows/{flow}/live", view, (*request).streamFlow)
	m.get("/dataflows/{flow}/runs/{run}", view, (*request).showFlowRun)
	m.live("/dataflows/{flow}/runs/{run}/live", view, (*request).streamRun)
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
	Flow   *flowDetail
	Row    *flowRow
	Title  string // of the frequency
	Days   int    // of runs: 7 or 30
	Tab    string // processed or scheduled
	Runs   []flowRun
	Older  string // query of the next page; empty where there is none
	Newer  string // query of the first page; empty on it
	Next   string // token of this page
	Charts []*timeChart
	Coming comingRuns
	Done   string
}

// comingRuns are runs that have not begun: those that were asked for, and the next
// of the schedule.
type comingRuns struct {
	Asked []openRun
	Next  []dueRun
}

// Busy says whether a run is not finished.
func (v *activityView) Busy() bool { return v.Row.Badge == "processing" }

// Live is where news of it come from.
func (v *activityView) Live() string {
	return Base + "/dataflows/" + escape(v.Flow.ID) + "/live?" + url.Values{"days": {strconv.Itoa(v.Days)}, "next": {v.Next}}.Encode()
}

func (r *request) showActivity() error {
	v, err := r.activityView()
	if err != nil {
		return err
	}
	v.Done = r.done()
	if r.query("tab") == "scheduled" {
		v.Tab = "scheduled"
		if v.Coming, err = r.comingRuns(v.Flow.ID); err != nil {
			return err
		}
		return r.show("flow", v)
	}
	if err := r.activity(v); err != nil {
		return err
	}
	if v.Charts, err = r.flowCharts(v); err != nil {
		return err
	}
	return r.show("flow", v)
}

// activityView asks for the dataflow, and not for its runs. What it says of its last
// run is not newer than what the list of runs says after it.
func (r *request) activityView() (*activityView, error) {
	f, err := r.flowDetail()
	if err != nil {
		return nil, err
	}
	v := &activityView{Flow: f, Days: 7, Tab: "processed", Next: r.query("next")}
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
	v.Row, err = r.flowRow(f.ID)
	return v, err
}

// streamFlow shows the runs of a dataflow until none goes on.
func (r *request) streamFlow() error {
	if _, err := r.flowDetail(); err != nil { // a refusal is no stream
		return err
	}
	return r.stream("flow", func() ([]part, bool, error) {
		v, err := r.activityView()
		if err != nil {
			return nil, false, err
		}
		if err := r.activity(v); err != nil {
			return nil, false, err
		}
		parts := []part{{"flow-actions", "flow-actions", v}, {"flow-status", "flow-status", v}, {"activity", "activity", v}}
		if v.Busy() {
			return parts, false, nil
		}
		if v.Charts, err = r.flowCharts(v); err != nil {
			return nil, false, err
		}
		return append(parts, part{"flow-charts", "flow-charts", v}), true, nil
	})
}

// comingRuns asks for the runs of a dataflow that have not begun.
func (r *request) comingRuns(flow string) (c comingRuns, err error) {
	var open openRuns
	if err := r.get(monitorAPI+"/unfinished", url.Values{"flowId": {flow}, "limit": {"100"}}, &open); err != nil {
		return c, err
	}
	c.Asked = slices.DeleteFunc(open.Items, func(o openRun) bool { return o.Worked })
	var next struct {
		Items []dueRun `json:"items"`
	}
	err = r.get(monitorAPI+"/next", url.Values{"flowId": {flow}}, &next)
	c.Next = next.Items
	return c, err
}

// flowCharts draws what the runs of a dataflow came to, and how long the newest of
// them took.
func (r *request) flowCharts(v *activityView) ([]*timeChart, error) {
	var s runSummary
	query := url.Values{"last": {strconv.Itoa(v.Days) + "d"}, "flowId": {v.Flow.ID}, "breakdown": {"false"}}
	if err := r.get(monitorAPI+"/summary", query, &s); err != nil {
		return nil, err
	}
	took, err := r.durations(v)
	if err != nil {
		return nil, err
	}
	t := &s.Totals
	ingested := r.t("%s ingested, %s failed", r.number(t.Ingested), r.number(t.Failed))
	return []*timeChart{
		took,
		r.countChart(r.t("Records"), ingested, false, s.Series, []chartSeries{{r.t("Records ingested"), "s1"}, {r.t("Records failed"), "s4"}}, func(c runCounts) []int64 { return []int64{c.Ingested, c.Failed} }),
		r.countChart(r.t("Runs"), r.runsFailed(&t.runCounts), false, s.Series,
			[]chartSeries{{r.t("Without failure"), "s1"}, {r.t("Failed"), "s4"}}, func(c runCounts) []int64 { return []int64{c.Runs - c.FailedRuns, c.FailedRuns} }),
	}, nil
}

// durationsShown is how many runs the chart of durations has.
const durationsShown = 50

// durations draws how long the newest runs took, from the oldest on.
func (r *request) durations(v *activityView) (*timeChart, error) {
	runs, _, err := r.runsOf(v, durationsShown, "")
	if err != nil {
		return nil, err
	}
	c := &timeChart{Title: r.t("Duration of runs"), Series: []chartSeries{{r.t("Without failure"), "s1"}, {r.t("Failed"), "s4"}}, format: r.lasted}
	var longest, ended int64
	for _, run := range slices.Backward(runs) {
		if run.Busy() {
			continue
		}
		ms := run.Metrics.Times.Duration().Milliseconds()
		ended, longest = ended+1, max(longest, ms)
		values := []int64{ms, 0}
		if run.Metrics.Failed() {
			values = []int64{0, ms}
		}
		at := time.UnixMilli(run.Metrics.Times.Started).UTC()
		c.Points = append(c.Points, chartPoint{at, at.Format(fullTimeOfHour), values})
	}
	c.Says = r.t("The newest %s runs, at most %s", r.number(ended), r.lasted(longest))
	if ended == 1 {
		c.Says = r.t("The newest run, %s", r.lasted(longest))
	}
	layout := timeOfDay
	if n := len(c.Points); n > 0 && c.Points[n-1].At.Sub(c.Points[0].At) < 48*time.Hour {
		layout = timeOfHour
	}
	c.draw(layout)
	return c, nil
}

// activity reads a page of the dataflow's runs.
func (r *request) activity(v *activityView) error {
	var next string
	var err error
	if v.Runs, next, err = r.runsOf(v, pageSize, v.Next); err != nil {
		return err
	}
	days := strconv.Itoa(v.Days)
	if v.Next != "" {
		v.Newer = "?" + url.Values{"days": {days}}.Encode()
	}
	if next != "" {
		v.Older = "?" + url.Values{"days": {days}, "next": {next}}.Encode()
	}
	return nil
}

// runsOf reads runs of the dataflow, the newest first, from a token on; next is that
// of the page behind.
func (r *request) runsOf(v *activityView, limit int, token string) (runs []flowRun, next string, err error) {
	since := r.ui.Now().Add(-time.Duration(v.Days) * 24 * time.Hour).UnixMilli()
	query := url.Values{
		"property": {"flowId==" + v.Flow.ID, "metrics.durationSummary.startedAtUTC>" + strconv.FormatInt(since, 10)},
		"orderby":  {"-createdAt"}, "limit": {strconv.Itoa(limit)},
	}
	if token != "" {
		query.Set("continuationToken", token)
	}
	var got struct {
		Items []flowRun `json:"items"`
		Links struct {
			Next *struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
	}
	if err := r.get(flowAPI+"/runs", query, &got); err != nil || got.Links.Next == nil {
		return got.Items, "", err
	}
	at, err := url.Parse(got.Links.Next.Href)
	if err != nil {
		return nil, "", err
	}
	return got.Items, at.Query().Get("continuationToken"), nil
}

// retryRun asks for a run of what another one did not do.
func (r *request) retryRun() error {
	if err := r.send(http.MethodPost, flowAPI+"/runs/"+escape(r.http.PathValue("run"))+"/action?op=re-trigger", nil, nil); err != nil {
		return err
	}
	return r.redirect("/dataflows/" + escape(r.http.PathValue("flow")) + "?done=run-begun")
}
