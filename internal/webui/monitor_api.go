package webui

import (
	"cmp"
	"net/url"
	"strconv"
)

const monitorAPI = "/data/tributary/monitor"

// runCounts are what runs that ended came to.
type runCounts struct {
	Runs       int64 `json:"runs"`
	FailedRuns int64 `json:"failedRuns"`
	Read       int64 `json:"recordsRead"`
	Ingested   int64 `json:"recordsIngested"`
	Failed     int64 `json:"recordsFailed"`
	Skipped    int64 `json:"recordsSkipped"`
	Deleted    int64 `json:"recordsDeleted"`
}

// A flowRow is a dataflow in lists.
type flowRow struct {
	flowBadge

	ID        string     `json:"id"`
	Name      string     `json:"name"`
	State     string     `json:"state"` // enabled, disabled, draft
	AccountID string     `json:"connectionId"`
	Account   string     `json:"account"`
	Resource  string     `json:"resource"`
	DatasetID string     `json:"datasetId"`
	Dataset   string     `json:"dataset"`
	CreatedAt int64      `json:"created"`
	Schedule  *flowTimes `json:"schedule"`
	LastRun   *struct {
		runCounts

		ID      string `json:"id"`
		Started int64  `json:"started"`
	} `json:"lastRun"`
	NextRun    int64 `json:"nextRun"`
	FreshUntil int64 `json:"freshUntil"`
}

// Once says that it has no schedule but runs once, or when it is asked to.
func (f flowRow) Once() bool { return f.Schedule != nil && f.Schedule.Frequency == "once" }

// Title is what it reads, in words; empty in drafts that do not say.
func (f flowRow) Title() string { return resourceAt(f.Resource).Title }

// Target is what its dataset is called, or else its id.
func (f flowRow) Target() string { return cmp.Or(f.Dataset, f.DatasetID) }

// A flowBadge is how a dataflow is: one of badgeWords.
type flowBadge struct {
	Badge string `json:"badge"`
}

// badgeWords are the badges of dataflows in words, and the classes of these.
var badgeWords = map[string]struct{ word, tone string }{
	"success": {"Success", "positive"}, "completedWithErrors": {"Completed with errors", "warning"}, "failed": {"Failed", "negative"},
	"processing": {"Processing", "info"}, "disabled": {"Disabled", ""}, "draft": {"Draft", ""}, "new": {"No run yet", ""},
}

var _ = words("Success", "Completed with errors", "Failed", "Processing", "Disabled", "Draft", "No run yet")

// badgeOrder is the order in which badges are offered.
var badgeOrder = []string{"success", "completedWithErrors", "failed", "processing", "new", "disabled", "draft"}

// Status is the badge in words.
func (b flowBadge) Status() string { return badgeWords[b.Badge].word }

// Tone is the class of the badge.
func (b flowBadge) Tone() string { return badgeWords[b.Badge].tone }

// listed reads the page of a list of the monitor that the URL asks for; of one
// behind the last, the last.
func listed[T any](r *request, path string, query url.Values) (items []T, p paging, err error) {
	n, err := strconv.Atoi(r.query("page"))
	if err != nil || n < 1 || n > 1<<20 {
		n = 1
	}
	query.Set("limit", strconv.Itoa(pageSize))
	for {
		var got struct {
			Total int `json:"total"`
			Items []T `json:"items"`
		}
		query.Set("start", strconv.Itoa((n-1)*pageSize))
		if err := r.get(monitorAPI+path, query, &got); err != nil {
			return nil, p, err
		}
		p = r.paging(got.Total)
		if n <= p.Page || len(got.Items) > 0 {
			return got.Items, p, nil
		}
		n = p.Page
	}
}

// allOf reads a whole list of the monitor.
func allOf[T any](r *request, path string, query url.Values) (all []T, err error) {
	query.Set("limit", "500")
	for {
		var got struct {
			Total int `json:"total"`
			Items []T `json:"items"`
		}
		query.Set("start", strconv.Itoa(len(all)))
		if err := r.get(monitorAPI+path, query, &got); err != nil {
			return nil, err
		}
		all = append(all, got.Items...)
		if len(got.Items) == 0 || len(all) >= got.Total {
			return all, nil
		}
	}
}

// flowRow returns a dataflow as lists show it.
func (r *request) flowRow(id string) (*flowRow, error) {
	var got struct {
		Items []flowRow `json:"items"`
	}
	if err := r.get(monitorAPI+"/flows", url.Values{"flowId": {id}}, &got); err != nil {
		return nil, err
	}
	if len(got.Items) == 0 {
		return nil, errNoFlow
	}
	return &got.Items[0], nil
}
