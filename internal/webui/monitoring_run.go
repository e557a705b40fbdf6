package webui

import (
	"strings"
	"time"
)

// A flowRun is a run of a dataflow, as the Flow Service shows it.
type flowRun struct {
	ID         string        `json:"id"`
	FlowID     string        `json:"flowId"`
	Metrics    flowRunSums   `json:"metrics"`
	Activities []flowRunStep `json:"activities"`
}

// flowRunSums sum up a run. Times are milliseconds since 1970.
type flowRunSums struct {
	Times   flowRunTimes `json:"durationSummary"`
	Records struct {
		Input   int64 `json:"inputRecordCount"`
		Output  int64 `json:"outputRecordCount"`
		Failed  int64 `json:"failedRecordCount"`
		Skipped int64 `json:"skippedRecordCount"`
		Updated int64 `json:"updatedRecordCount"`
		Deleted int64 `json:"deletedRecordCount"`
		Warning int64 `json:"warningRecordCount"`
	} `json:"recordSummary"`
	Size struct {
		Input  int64 `json:"inputBytes"`
		Output int64 `json:"outputBytes"`
	} `json:"sizeSummary"`
	Status struct {
		Status     string         `json:"status"`
		Errors     []flowRunError `json:"errors"`
		Extensions struct {
			PagesLeft int64 `json:"pagesLeft"` // of Stripe's lists, about, while a copy goes on
		} `json:"extensions"`
	} `json:"statusSummary"`
}

type flowRunTimes struct {
	Started   int64 `json:"startedAtUTC"`
	Completed int64 `json:"completedAtUTC"`
}

// A flowRunStep is an activity of a run.
type flowRunStep struct {
	flowRunSums

	ID     string `json:"id"`
	Target []struct {
		Reference struct {
			Type string   `json:"type"`
			IDs  []string `json:"ids"`
		} `json:"reference"`
	} `json:"targetInfo"`
}

type flowRunError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Records int64  `json:"recordCount"`
}

// Duration is how long it took, or 0 while it is not known.
func (t flowRunTimes) Duration() time.Duration {
	if t.Completed < t.Started {
		return 0
	}
	return time.Duration(t.Completed-t.Started) * time.Millisecond
}

// Busy says whether the run is not finished.
func (m flowRunSums) Busy() bool { return m.Status.Status == "inProgress" }

// Failed says whether it failed as a whole.
func (m flowRunSums) Failed() bool { return m.Status.Status == "failed" }

// Badge is how it ended, in a word.
func (m flowRunSums) Badge() string {
	switch {
	case m.Failed():
		return "Failed"
	case m.Busy():
		return "Processing"
	case m.Records.Failed > 0:
		return "Completed with errors"
	}
	return "Success"
}

// Tone is the class of its badge.
func (m flowRunSums) Tone() string {
	switch m.Badge() {
	case "Failed":
		return "negative"
	case "Processing":
		return "info"
	case "Completed with errors":
		return "warning"
	}
	return "positive"
}

var _ = words("Failed", "Completed with errors", "Success")

// Busy says whether the run is not finished.
func (f *flowRun) Busy() bool { return f.Metrics.Busy() }

// Read is how many records it read; while it goes on, how many so far, into the
// copy or out of it.
func (f *flowRun) Read() int64 {
	if f.Busy() && f.Metrics.Records.Input == 0 && len(f.Activities) > 0 {
		return f.Activities[0].Records.Input
	}
	return f.Metrics.Records.Input
}

// Badge is how the run ended, in a word.
func (f *flowRun) Badge() string { return f.Metrics.Badge() }

// Tone is the class of its badge.
func (f *flowRun) Tone() string { return f.Metrics.Tone() }

// Batch is the id of the batch that the rows came in; empty where none did.
func (f *flowRun) Batch() string {
	for _, a := range f.Activities {
		for _, t := range a.Target {
			if t.Reference.Type == "Batch" && len(t.Reference.IDs) > 0 {
				return t.Reference.IDs[0]
			}
		}
	}
	return ""
}

// Title is what the activity does.
func (s flowRunStep) Title() string {
	if s.ID == "copyActivity" {
		return "Copy from the source"
	}
	return "Write into the dataset"
}

var _ = words("Copy from the source", "Write into the dataset")

// flowRun returns a run.
func (r *request) flowRun(id string) (*flowRun, error) {
	var got struct {
		Items []flowRun `json:"items"`
	}
	if err := r.get(flowAPI+"/runs/"+escape(id), nil, &got); err != nil {
		return nil, err
	}
	if len(got.Items) == 0 {
		return nil, r.notFound()
	}
	return &got.Items[0], nil
}

// A faultRow is all that a run says of one code.
type faultRow struct {
	Code    string
	Records int64 // 0 where it is not known
	Texts   []string
}

// faults gathers the errors of a run and of its activities by their codes.
func (f *flowRun) faults() []faultRow {
	all := append([]flowRunError{}, f.Metrics.Status.Errors...)
	for _, a := range f.Activities {
		all = append(all, a.Status.Errors...)
	}
	var rows []faultRow
	at, seen := map[string]int{}, map[flowRunError]bool{}
	for _, e := range all {
		if seen[e] {
			continue // the run and its activity say the same
		}
		seen[e] = true
		i, ok := at[e.Code]
		if !ok {
			i = len(rows)
			at[e.Code] = i
			rows = append(rows, faultRow{Code: e.Code})
		}
		rows[i].Records += e.Records
		rows[i].Texts = append(rows[i].Texts, e.Message)
	}
	return rows
}

// runPageView is what the page of a run shows.
type runPageView struct {
	Flow   *flowDetail
	Run    *flowRun
	Faults []faultRow
	What   string // happened; empty where all went well
	Why    string // in the words of whatever failed
	Advice string // what to do about it
}

func (r *request) showFlowRun() error {
	v, err := r.runPage()
	if err != nil {
		return err
	}
	return r.show("run", v)
}

// runPage asks for what the page of a run shows.
func (r *request) runPage() (*runPageView, error) {
	f, err := r.flowDetail()
	if err != nil {
		return nil, err
	}
	run, err := r.flowRun(r.http.PathValue("run"))
	if err != nil {
		return nil, err
	}
	if run.FlowID != f.ID {
		return nil, r.notFound()
	}
	v := &runPageView{Flow: f, Run: run, Faults: run.faults()}
	v.explain(r)
	return v, nil
}

// streamRun shows how far a run is until it has ended.
func (r *request) streamRun() error {
	if _, err := r.runPage(); err != nil { // a refusal is no stream
		return err
	}
	return r.stream("run", func() ([]part, bool, error) {
		v, err := r.runPage()
		if err != nil {
			return nil, false, err
		}
		return []part{{"overview", "overview", v}}, !v.Run.Busy(), nil
	})
}

// explain says in words what went wrong, and what to do.
func (v *runPageView) explain(r *request) {
	m := &v.Run.Metrics
	switch {
	case !m.Failed() && m.Records.Failed > 0:
		v.What = r.t("Some records failed. All others are in the dataset.")
		v.Advice = r.t("The table of errors names the records and the reasons. Correct the mapping or the schema, so that later runs take such records.")
		return
	case !m.Failed():
		return
	}
	code := ""
	if len(m.Status.Errors) > 0 {
		code, v.Why = m.Status.Errors[0].Code, m.Status.Errors[0].Message
	}
	switch {
	case strings.HasPrefix(code, "CONNECTOR-1001"):
		v.What = r.t("Reading from Stripe failed. Nothing of this run is in the dataset.")
		v.Advice = r.t("If it is the key that Stripe refuses, give the account another one under Accounts. If the read budget is spent, wait until reads are free again. Then retry the run.")
	case strings.HasPrefix(code, "CONNECTOR-3001"):
		v.What = r.t("The batch for the rows could not be made. Nothing of this run is in the dataset.")
		v.Advice = r.t("See that the dataset is still there, then retry the run.")
	case m.Records.Failed > 0:
		v.What = r.t("More records failed than the dataflow allows. Nothing of this run is in the dataset.")
		v.Advice = r.t("The table of errors names records and reasons. Correct the mapping or the schema, or allow partial ingestion, then retry the run.")
	default:
		v.What = r.t("What was read could not be written. Nothing of this run is in the dataset.")
		v.Advice = r.t("Correct what the reason names, then retry the run. What was read stays kept.")
	}
	if v.Flow.State == "disabled" {
		v.Advice += " " + r.t("The dataflow is disabled: enable it before the retry.")
	}
}
