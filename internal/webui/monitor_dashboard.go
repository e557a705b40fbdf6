package webui

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// periods are the times that the dashboard is about.
var periods = []period{{"24h", "Last 24 hours"}, {"7d", "Last 7 days"}, {"30d", "Last 30 days"}}

var _ = words("Last 24 hours", "Last 7 days", "Last 30 days")

type period struct{ Value, Title string }

// A seriesPoint is an hour or a day of runs.
type seriesPoint struct {
	runCounts

	At int64 `json:"at"`
}

// A runSummary is what runs came to that ended in a time.
type runSummary struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Bucket string `json:"bucket"`
	Totals struct {
		runCounts

		Flows       int   `json:"flows"`
		FlowsFailed int   `json:"flowsFailed"`
		FreshUntil  int64 `json:"freshUntil"`
	} `json:"totals"`
	Series   []seriesPoint   `json:"series"`
	Accounts []accountCounts `json:"accounts"`
}

// accountCounts are what the runs of an account came to.
type accountCounts struct {
	runCounts

	ID          string       `json:"connectionId"`
	Name        string       `json:"name"`
	FlowsFailed int          `json:"flowsFailed"`
	Flows       []flowCounts `json:"flows"`
}

// flowCounts are what the runs of a dataflow came to.
type flowCounts struct {
	runCounts
	flowBadge

	ID         string `json:"id"`
	Name       string `json:"name"`
	Resource   string `json:"resource"`
	FreshUntil int64  `json:"freshUntil"`
}

// Title is what it reads, in words.
func (f flowCounts) Title() string { return resourceAt(f.Resource).Title }

// A dueRun is a run that comes next.
type dueRun struct {
	FlowID   string `json:"flowId"`
	Flow     string `json:"flow"`
	Account  string `json:"account"`
	At       int64  `json:"at"`
	Hastened bool   `json:"hastened"`
}

// An openRun is a run that has not ended.
type openRun struct {
	runCounts

	ID      string `json:"runId"`
	FlowID  string `json:"flowId"`
	Flow    string `json:"flow"`
	Kind    string `json:"kind"`
	Worked  bool   `json:"worked"`
	Created int64  `json:"created"`
	Started int64  `json:"started"`

	Activities []runCounts `json:"activities"`
}

// Sofar is how many records it has read, into the copy or out of it.
func (o openRun) Sofar() int64 {
	if o.Read == 0 && len(o.Activities) > 0 {
		return o.Activities[0].Read
	}
	return o.Read
}

// dashboardView is what the dashboard shows.
type dashboardView struct {
	runSummary

	Last     string // a period's value
	Periods  []period
	Failures bool   // dataflows with failures alone
	Account  string // id; empty for all
	Of       *accountCounts
	Rows     []flowCounts // the account's, a page of them
	Pages    paging
	Charts   []*timeChart
	Next     []dueRun
	Due      int
	Open     openRuns
	Now      time.Time
}

// openRuns are the newest runs that have not ended, and how many there are.
type openRuns struct {
	Total int       `json:"total"`
	Items []openRun `json:"items"`
}

// At is the query of the same page about something else.
func (v dashboardView) At(last, account string) string {
	query := url.Values{"last": {last}}
	if account != "" {
		query.Set("account", account)
	}
	if v.Failures {
		query.Set("failures", "true")
	}
	return "?" + query.Encode()
}

// Span is the time, in words.
func (v dashboardView) Span() string {
	return time.UnixMilli(v.From).UTC().Format(fullTimeOfHour) + " – " + time.UnixMilli(v.To).UTC().Format(fullTimeOfHour) + " UTC"
}

// Fresh is the time up to which every dataflow has everything.
func (v dashboardView) Fresh() string {
	return time.UnixMilli(v.Totals.FreshUntil).UTC().Format(fullTimeOfHour) + " UTC"
}

// Behind is how long ago the time is up to which every dataflow has everything.
func (v dashboardView) Behind() time.Duration { return v.Now.Sub(time.UnixMilli(v.Totals.FreshUntil)) }

// dashboardItems is how many runs the dashboard lists that go on or come next.
const dashboardItems = "5"

func (r *request) showDashboard() error {
	v := dashboardView{Last: r.query("last"), Periods: periods, Failures: r.query("failures") == "true", Account: r.query("account"), Now: r.ui.Now()}
	if !slices.ContainsFunc(periods, func(p period) bool { return p.Value == v.Last }) {
		v.Last = periods[0].Value
	}
	query := url.Values{"last": {v.Last}, "connectionId": {v.Account}}
	if v.Failures {
		query.Set("failures", "true")
	}
	if err := r.get(monitorAPI+"/summary", query, &v.runSummary); err != nil {
		return err
	}
	if v.Account != "" {
		if err := r.dashboardAccount(&v); err != nil {
			return err
		}
	}
	v.Charts = r.dashboardCharts(&v.runSummary)
	var next struct {
		Total int      `json:"total"`
		Items []dueRun `json:"items"`
	}
	if err := r.get(monitorAPI+"/next", url.Values{"limit": {dashboardItems}}, &next); err != nil {
		return err
	}
	v.Next, v.Due = next.Items, next.Total
	var err error
	if v.Open, err = r.openRuns(); err != nil {
		return err
	}
	return r.show("monitoring", v)
}

// dashboardAccount fills in the dataflows of the account that is looked at.
func (r *request) dashboardAccount(v *dashboardView) error {
	if i := slices.IndexFunc(v.Accounts, func(a accountCounts) bool { return a.ID == v.Account }); i >= 0 {
		v.Of = &v.Accounts[i]
	} else { // none of its dataflows had a run
		all, err := allOf[accountRow](r, "/connections", url.Values{})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(a accountRow) bool { return a.ID == v.Account })
		if i < 0 {
			return r.notFound()
		}
		v.Of = &accountCounts{ID: all[i].ID, Name: all[i].Name}
	}
	v.Pages = r.paging(len(v.Of.Flows))
	v.Rows = v.Of.Flows[v.Pages.From:v.Pages.To]
	return nil
}

func (r *request) openRuns() (v openRuns, err error) {
	return v, r.get(monitorAPI+"/unfinished", url.Values{"limit": {dashboardItems}}, &v)
}

// streamDashboard shows runs as they go on.
func (r *request) streamDashboard() error {
	return r.stream("monitoring", func() ([]part, bool, error) {
		open, err := r.openRuns()
		return []part{{"open-runs", "open", open}}, false, err
	})
}

// dashboardCharts draws the series of a summary.
func (r *request) dashboardCharts(s *runSummary) []*timeChart {
	hourly, t := s.Bucket == "hour", &s.Totals
	says := func(n int64) string { return r.t("%s in all", r.number(n)) }
	return []*timeChart{
		r.countChart(r.t("Records ingested"), says(t.Ingested), hourly, s.Series, []chartSeries{{r.t("Records ingested"), "s1"}}, func(c runCounts) []int64 { return []int64{c.Ingested} }),
		r.countChart(r.t("Records failed"), says(t.Failed), hourly, s.Series, []chartSeries{{r.t("Records failed"), "s4"}}, func(c runCounts) []int64 { return []int64{c.Failed} }),
		r.countChart(r.t("Runs"), r.runsFailed(&t.runCounts), hourly, s.Series, []chartSeries{{r.t("Without failure"), "s1"}, {r.t("Failed"), "s4"}}, func(c runCounts) []int64 {
			return []int64{c.Runs - c.FailedRuns, c.FailedRuns}
		}),
	}
}

// runsFailed says how many runs there were, and how many of them failed.
func (r *request) runsFailed(c *runCounts) string {
	if c.Runs == 1 {
		return r.t("%s run, of which %s failed", r.number(c.Runs), r.number(c.FailedRuns))
	}
	return r.t("%s runs, of which %s failed", r.number(c.Runs), r.number(c.FailedRuns))
}

// A copyReads is a copy and how its account is read.
type copyReads struct {
	copyItem

	Rate   *rateFacts  `json:"rate"` // nil where no connection opens the account
	Budget budgetFacts `json:"budget"`
	Fault  string      `json:"-"` // why it is not known
}

// Fresh is how long ago the oldest of its resources was brought up to date.
func (c copyReads) Fresh() time.Duration {
	var oldest int64
	for _, r := range c.Resources {
		if r.Freshness != nil {
			oldest = max(oldest, *r.Freshness)
		}
	}
	return time.Duration(oldest) * time.Second
}

// Backfills says whether a resource is not complete yet.
func (c copyReads) Backfills() bool {
	return slices.ContainsFunc(c.Resources, func(r copyResource) bool { return r.State == "backfilling" })
}

// readsShown is how many copies the dashboard shows.
const readsShown = "10"

// showReads is a part of the dashboard that is asked for after it: how the
// accounts are read, and how fresh their copies are.
func (r *request) showReads() error {
	if !r.partial() {
		return r.redirect("/monitoring")
	}
	var got struct {
		Items []copyReads `json:"items"`
		Next  string      `json:"next"`
	}
	if err := r.get(copiesAPI, url.Values{"limit": {readsShown}}, &got); err != nil {
		return err
	}
	for i := range got.Items {
		c := &got.Items[i]
		if err := r.get(copiesAPI+"/"+escape(c.Copy)+"/budget", nil, c); err != nil {
			c.Fault = strings.TrimSpace(r.refusal(err).Text)
		}
	}
	return r.part("monitoring", "reads", got)
}
