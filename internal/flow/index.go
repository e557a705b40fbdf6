package flow

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// Indexes are what lists look at in the documents of this service. The database
// is opened with them.
func Indexes() []docstore.Index {
	return []docstore.Index{
		{Kind: kindFlow, Version: 1, Of: flowEntry},
		{Kind: kindRun, Version: 1, Of: runEntry},
		{Kind: kindSchedule, Version: 1, Of: scheduleEntry},
	}
}

// Columns of a flow's entry. Their meaning is stored: a change of it is a new
// version of the index.
const (
	textState = iota
	textName
	textConnection
	textResource
	textDataset
	textLastRun  // its id
	textSchedule // start, frequency, interval and backfill, with blanks between them
)

const (
	numberStarted   = iota // of the last run, epoch ms
	numberCompleted        // of the last run, epoch ms
	numberUntil            // Flow.Until
	numberStopped          // 1 if a run disabled the flow
)

func flowEntry(d docstore.Doc) (e docstore.Entry, err error) {
	var f struct {
		Name     string    `json:"name"`
		State    string    `json:"state"`
		Schedule *Schedule `json:"scheduleParams"`
		LastRun  *LastRun  `json:"lastRunDetails"`
		Route    Route     `json:"route"`
		Until    int64     `json:"until"`
		Stopped  string    `json:"stopped"`
	}
	if err := json.Unmarshal(d.Body, &f); err != nil {
		return e, err
	}
	e.Text[textState], e.Text[textName] = f.State, f.Name
	e.Text[textConnection], e.Text[textResource], e.Text[textDataset] = f.Route.ConnectionID, f.Route.Resource, f.Route.DatasetID
	if l := f.LastRun; l != nil {
		e.Text[textLastRun], e.Number[numberStarted], e.Number[numberCompleted] = l.ID, l.Started, l.Completed
	}
	if s := f.Schedule; s != nil {
		e.Text[textSchedule] = strings.Join([]string{s.Start, s.Frequency, s.Interval, s.Backfill}, " ")
	}
	e.Number[numberUntil] = f.Until
	if f.Stopped != "" {
		e.Number[numberStopped] = 1
	}
	return e, nil
}

// Columns of a run's entry, beside those of times, which are a flow's. A run that
// has ended counts in the hour and on the day of its end.
const (
	textStatus = 0
	textAsked  = 1 // Ask.Kind
)

const (
	sumInput = iota
	sumOutput
	sumFailed
	sumFailedRuns
	sumSkipped
	sumDeleted
)

func runEntry(d docstore.Doc) (e docstore.Entry, err error) {
	var r struct {
		UpdatedAt int64   `json:"updatedAt"`
		Metrics   Metrics `json:"metrics"`
		Ask       Ask     `json:"ask"`
	}
	if err := json.Unmarshal(d.Body, &r); err != nil {
		return e, err
	}
	m := &r.Metrics
	e.Text[textStatus], e.Text[textAsked] = m.Status.Status, r.Ask.Kind
	e.Number[numberStarted], e.Number[numberCompleted] = m.Duration.Started, m.Duration.Completed
	e.Sum[sumInput], e.Sum[sumOutput], e.Sum[sumFailed] = m.Records.Input, m.Records.Output, m.Records.Failed
	e.Sum[sumSkipped], e.Sum[sumDeleted] = m.Records.Skipped, m.Records.Deleted
	switch m.Status.Status {
	case Failed:
		e.Sum[sumFailedRuns] = 1
	case Success:
	default:
		return e, nil
	}
	if e.At = m.Duration.Completed; e.At <= 0 {
		e.At = max(r.UpdatedAt, 1)
	}
	return e, nil
}

// Columns of a timetable's entry.
const (
	textSandbox    = 0
	numberNext     = 0
	numberIdle     = 1 // 1 if it is paused or its flow is gone
	numberHastened = 2
)

func scheduleEntry(d docstore.Doc) (e docstore.Entry, err error) {
	var tt timetable
	if err := json.Unmarshal(d.Body, &tt); err != nil {
		return e, err
	}
	e.Text[textSandbox], e.Number[numberNext] = tt.Sandbox, tt.Next
	if tt.Paused || tt.Gone {
		e.Number[numberIdle] = 1
	}
	if tt.Hastened {
		e.Number[numberHastened] = 1
	}
	return e, nil
}

// listed says what of a kind's objects the entries of its index tell.
type listed struct {
	columns map[string]listedColumn // by the path of a filter; those without a column are told, too
	doc     func(e docstore.Entry) map[string]any
}

// A listedColumn is where an entry has a value.
type listedColumn struct {
	docstore.Column
	values []string // a column of texts has these and no others
	zero   bool     // a 0 is not shown
}

var (
	listedFlows = &listed{
		columns: map[string]listedColumn{
			"id": {}, "name": {}, "createdAt": {Column: docstore.Created()},
			"state": {Column: docstore.Text(textState), values: []string{Enabled, Disabled, Draft}},
		},
		doc: func(e docstore.Entry) map[string]any {
			doc := map[string]any{"id": e.ID, "createdAt": number(e.Created)}
			for name, text := range map[string]string{"name": e.Text[textName], "state": e.Text[textState]} {
				if text != "" {
					doc[name] = text
				}
			}
			if e.Parent == labelled {
				doc["labels"] = []any{labelled}
			}
			return doc
		},
	}
	listedRuns = &listed{
		columns: map[string]listedColumn{
			"id": {}, "flowId": {}, "createdAt": {Column: docstore.Created()},
			"metrics.statusSummary.status":             {Column: docstore.Text(textStatus), values: []string{InProgress, Success, Failed}},
			"metrics.durationSummary.startedAtUTC":     {Column: docstore.Number(numberStarted), zero: true},
			"metrics.durationSummary.completedAtUTC":   {Column: docstore.Number(numberCompleted), zero: true},
			"metrics.recordSummary.inputRecordCount":   {Column: docstore.Sum(sumInput)},
			"metrics.recordSummary.outputRecordCount":  {Column: docstore.Sum(sumOutput)},
			"metrics.recordSummary.failedRecordCount":  {Column: docstore.Sum(sumFailed), zero: true},
			"metrics.recordSummary.skippedRecordCount": {Column: docstore.Sum(sumSkipped), zero: true},
			"metrics.recordSummary.deletedRecordCount": {Column: docstore.Sum(sumDeleted), zero: true},
		},
		doc: func(e docstore.Entry) map[string]any {
			duration, records := map[string]any{}, map[string]any{"inputRecordCount": number(e.Sum[sumInput]), "outputRecordCount": number(e.Sum[sumOutput])}
			for name, n := range map[string]int64{"startedAtUTC": e.Number[numberStarted], "completedAtUTC": e.Number[numberCompleted]} {
				if n != 0 {
					duration[name] = number(n)
				}
			}
			for name, n := range map[string]int64{"failedRecordCount": e.Sum[sumFailed], "skippedRecordCount": e.Sum[sumSkipped], "deletedRecordCount": e.Sum[sumDeleted]} {
				if n != 0 {
					records[name] = number(n)
				}
			}
			return map[string]any{
				"id": e.ID, "createdAt": number(e.Created), "flowId": e.Parent,
				"metrics": map[string]any{"statusSummary": map[string]any{"status": e.Text[textStatus]}, "durationSummary": duration, "recordSummary": records},
			}
		},
	}
)

func number(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// conditions returns what a filter is in the database; false where it has to be
// looked at by itself.
func (l *listed) conditions(p gateway.Property) ([]docstore.Condition, bool) {
	c := l.columns[strings.Join(p.Path, ".")]
	switch {
	case c.Column == docstore.Column{}:
		return nil, false
	case c.values != nil:
		if p.Op != "==" {
			return nil, false
		}
		texts := []string{}
		for _, v := range c.values {
			if slices.ContainsFunc(p.Values, func(w string) bool { return strings.ToLower(v) == strings.ToLower(w) }) { //nolint:staticcheck // as gateway.Property compares
				texts = append(texts, v)
			}
		}
		if len(texts) == 0 {
			texts = append(texts, "-") // no object has it
		}
		return []docstore.Condition{{Column: c.Column, Op: "=", Texts: texts}}, true
	case len(p.Values) != 1:
		return nil, false
	}
	op := map[string]string{"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}[p.Op]
	n, err := strconv.ParseInt(p.Values[0], 10, 64)
	if op == "" || err != nil {
		return nil, false
	}
	all := []docstore.Condition{{Column: c.Column, Op: op, Number: n}}
	if c.zero {
		all = append(all, docstore.Condition{Column: c.Column, Op: "<>", Number: 0})
	}
	return all, true
}

// tells says whether entries have what a query looks at: filters and, unless
// it is that of creation, an order.
func (l *listed) tells(q *query) bool {
	for _, p := range q.filters {
		path := strings.Join(p.Path, ".")
		if _, ok := l.columns[path]; !ok && (path != "labels" || p.Op != "missing") {
			return false
		}
	}
	return q.byCreation() || !slices.ContainsFunc(q.orders, func(o order) bool {
		_, ok := l.columns[o.field]
		return !ok
	})
}
