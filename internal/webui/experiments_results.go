package webui

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/number"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/chart"
)

const analysisAPI = "/data/tributary/analysis"

// resultRoutes adds what experiments came to.
func resultRoutes(m *routes) {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	m.get("/experiments/{id}/results", view, (*request).showResults)
	m.get("/experiments/{id}/results/report", view, (*request).showResultsReport)
	m.get("/experiments/{id}/results/csv", view, (*request).exportResults)
}

// resultsView is what the page shows: the result takes longer, and comes by itself.
type resultsView struct {
	ID, Name, Key string
	Phases        []struct {
		Number int       `json:"number"`
		Began  time.Time `json:"began"`
	}
	Copies  []string
	Filters map[string]string
	Query   string
	Result  *resultReport
}

// resultParams are what a result is about, as its API names it.
var resultParams = []string{"phase", "asOf", "copy"}

func (r *request) resultsView() (resultsView, error) {
	v := resultsView{ID: r.http.PathValue("id"), Filters: map[string]string{}}
	var e struct {
		Name   string `json:"name"`
		Key    string `json:"key"`
		Phases []struct {
			Number int       `json:"number"`
			Began  time.Time `json:"began"`
		} `json:"phases"`
	}
	if err := r.get("/data/tributary/experiments/"+escape(v.ID), nil, &e); err != nil {
		return v, err
	}
	v.Name, v.Key, v.Phases = e.Name, e.Key, e.Phases
	var got struct {
		Copies []string `json:"copies"`
	}
	if err := r.get("/data/tributary/reports/copies", nil, &got); err != nil {
		return v, err
	}
	v.Copies = got.Copies
	chosen := url.Values{}
	for _, name := range resultParams {
		if v.Filters[name] = strings.TrimSpace(r.query(name)); v.Filters[name] != "" {
			chosen.Set(name, v.Filters[name])
		}
	}
	if len(v.Copies) > 0 && v.Copies[0] != "" && v.Filters["copy"] == "" {
		v.Filters["copy"] = v.Copies[0]
		chosen.Set("copy", v.Copies[0])
	}
	v.Query = chosen.Encode()
	return v, nil
}

func (r *request) showResults() error {
	v, err := r.resultsView()
	if err != nil {
		return err
	}
	return r.show("experiment_results", v)
}

// showResultsReport is the part of the page with the result, and a page without
// scripts.
func (r *request) showResultsReport() error {
	v, err := r.resultsView()
	if err != nil {
		return err
	}
	params, err := url.ParseQuery(v.Query)
	if err != nil {
		return err
	}
	var got resultAnswer
	if err := r.get(analysisAPI+"/experiments/"+escape(v.ID), params, &got); err != nil {
		return err
	}
	v.Result = r.resultReport(&got)
	v.Result.Path, v.Result.UnitsPath = resultQueryPath(v.ID, params, &got, "outcomes"), resultQueryPath(v.ID, params, &got, "units")
	v.Result.ID = v.ID
	v.Result.File = Base + "/experiments/" + escape(v.ID) + "/results/csv?" + v.Query
	if r.partial() {
		return r.part("experiment_results", "experiment-result", *v.Result)
	}
	return r.show("experiment_results", v)
}

// resultQueryPath opens a query of a result, by its name: of the very phase and time,
// whatever is the newest by then.
func resultQueryPath(id string, shown url.Values, a *resultAnswer, name string) string {
	q := url.Values{"report": {"experiment"}, "id": {id}, "query": {name}, "phase": {strconv.Itoa(a.Phase)}, "asOf": {a.AsOf.UTC().Format(time.RFC3339)}}
	if shown.Has("copy") {
		q.Set("copy", shown.Get("copy"))
	}
	return Base + "/sql?" + q.Encode()
}

// resultQuery returns the query that such a path names.
func (r *request) resultQuery(q url.Values) (string, error) {
	params := url.Values{}
	for _, name := range resultParams {
		if text := q.Get(name); text != "" {
			params.Set(name, text)
		}
	}
	var got resultAnswer
	if err := r.get(analysisAPI+"/experiments/"+escape(q.Get("id")), params, &got); err != nil {
		return "", err
	}
	for _, one := range got.Queries {
		if one.Name == q.Get("query") {
			return one.SQL, nil
		}
	}
	return "", nil
}

// exportResults hands on all numbers as CSV.
func (r *request) exportResults() error {
	params := url.Values{"format": {"csv"}}
	for _, name := range resultParams {
		if text := r.query(name); text != "" {
			params.Set(name, text)
		}
	}
	got, err := r.ask(call{Path: analysisAPI + "/experiments/" + escape(r.http.PathValue("id")), Query: params, Header: http.Header{"Accept": {"text/csv"}}})
	if err != nil {
		return err
	}
	r.began = true
	h := r.w.Header()
	h["Content-Type"] = got.Header()["Content-Type"]
	h.Set("Content-Disposition", `attachment; filename="experiment.csv"`)
	_, _ = r.w.Write(got.Body.Bytes()) // the browser is gone
	return nil
}

// resultReport is what the page shows of a result.
type resultReport struct {
	ID     string // of the experiment
	Answer *resultAnswer
	File   string
	// Path opens the query that made the numbers, UnitsPath one of what each unit did.
	Path, UnitsPath string
	Title           string // of the metric that decides
	Verdict         string
	Tone            string // positive, negative, info or warning
	Sizes           string // p-value of the groups having the sizes that they were given
	Findings        []string
	Caveats         []string
	Charts          []resultChart
	Parts           []resultPart
	None            bool // nobody was shown anything yet, so there are no numbers
}

// A resultChart is a picture of effects.
type resultChart struct {
	Title string
	SVG   template.HTML
}

// A resultPart is a table of comparisons.
type resultPart struct {
	ID, Title, Help string
	Rows            []resultRow
}

// A resultRow is one variant in one comparison.
type resultRow struct {
	Name, Variant, Units, Value, Effect, Once, Always, P, AlwaysP, Corrected string
	Mark, Tone                                                               string
	Control                                                                  bool
}

func (r *request) resultReport(a *resultAnswer) *resultReport {
	v := &resultReport{Answer: a, Title: r.t(resultTitles[a.Measure.Metric])}
	v.Sizes = r.probability(&a.Mismatch.P)
	v.Verdict, v.Tone = r.verdict(a.Decision.Verdict)
	v.None = true
	for _, of := range a.Variants {
		v.None = v.None && of.Exposed == 0
	}
	if v.None {
		return v
	}
	v.Findings, v.Caveats = r.findings(a), r.caveats(a)
	v.Charts = r.resultCharts(a)
	v.Parts = r.resultParts(a)
	return v
}

func (r *request) verdict(of string) (text, tone string) {
	switch of {
	case "better":
		return r.t("A variant does better"), "positive"
	case "worse":
		return r.t("A variant does worse"), "negative"
	case "mismatch":
		return r.t("No conclusion: the groups can't be compared"), "negative"
	case "waiting":
		return r.t("Too early to say anything"), "info"
	}
	return r.t("No difference can be told yet"), "info"
}

// findings say the effect of each variant in words.
func (r *request) findings(a *resultAnswer) (out []string) {
	if a.Mismatch.Found {
		return []string{r.t("The variants were not shown in the shares that they have. Something keeps units of one variant from being counted, such as a redirect, an error or a filter of bots. Find it, and begin a new phase.")}
	}
	m := &a.Metrics[0]
	for i := range m.Comparisons {
		c := &m.Comparisons[i]
		value, low, high, show := r.shownEffect(m.Kind, a.Measure.Currency, c.Effect)
		if value == nil || low == nil || high == nil {
			continue
		}
		out = append(out, r.t("%s: %s %s, between %s and %s however often one looks.", c.Variant, r.t(resultTitles[m.Name]), show(*value), show(*low), show(*high)))
	}
	return out
}

// caveats are what to think of before acting upon it.
func (r *request) caveats(a *resultAnswer) (out []string) {
	for _, g := range a.Guardrails {
		for _, c := range g.Comparisons {
			if c.Alarm {
				out = append(out, r.t("Alarm: %s of %s is above that of the control.", r.t(resultTitles[g.Name]), c.Variant))
			}
		}
	}
	var exposed, ready int64
	for _, v := range a.Variants {
		exposed, ready = exposed+v.Exposed, ready+v.Ready
	}
	p := r.print()
	if exposed > ready {
		out = append(out, r.t("%s of %s units are still being watched, and do not count yet.", p.Sprint(number.Decimal(exposed-ready)), p.Sprint(number.Decimal(exposed))))
	}
	if len(a.Series) > 0 && len(a.Series[0].Looks) < 7 {
		out = append(out, r.t("The units came within less than a week: who buys at weekends may be missing."))
	}
	if a.Measure.Metric == "orderValue" {
		out = append(out, r.t("The value of an order compares those who bought. If a variant also changes who buys, look at the revenue for each unit, which compares all."))
	}
	return append(out, r.t("The intervals for one look hold if nobody looks at any other time; those for every look always hold."))
}

// resultTitles are words for metrics and guardrails.
var resultTitles = map[string]string{
	"revenue": "Revenue for each unit", "conversion": "Units that paid anything", "orderValue": "Value of an order", "orders": "Orders of each unit", "items": "Items of each unit",
	"refundRate": "Refund rate", "disputeRate": "Dispute rate",
}

// What is only known when the program runs.
var _ = words(
	"Refund rate", "Dispute rate",
	"buy now, pay later", "card", "another method", "nothing yet",
)

func dayOf(t time.Time) string { return t.UTC().Format("01-02") }

// resultCharts draw how the effect of each variant came about, and all effects
// beside each other.
func (r *request) resultCharts(a *resultAnswer) (out []resultChart) {
	show := func(v float64) string { return r.signed(v) }
	title := r.t(resultTitles[a.Measure.Metric])
	for i, s := range a.Series {
		var points []chart.Point
		for _, l := range s.Looks {
			e := l.Effect.Lift
			if e.Value == nil {
				continue
			}
			points = append(points, chart.Point{
				At: l.At, Value: *e.Value, Low: orNaN(e.Always.Low), High: orNaN(e.Always.High), Hue: i%5 + 1, Title: r.t("%s: %s, from %s to %s", l.At.Format(time.DateOnly), show(*e.Value), r.signedOr(e.Always.Low), r.signedOr(e.Always.High)),
			})
		}
		name := r.t("%s by %s over time, with the interval that holds at every look", title, s.Variant)
		out = append(out, resultChart{name, chart.Over(points, name, show, dayOf)})
	}
	var rows []chart.Point
	add := func(name string, comparisons []resultComparison) {
		for _, c := range comparisons {
			if e := c.Effect.Lift; e.Value != nil {
				rows = append(rows, chart.Point{
					Name: name + ", " + c.Variant, Value: *e.Value, Low: orNaN(e.Always.Low), High: orNaN(e.Always.High), Hue: 1,
					Title: r.t("%s: %s, from %s to %s", name+", "+c.Variant, show(*e.Value), r.signedOr(e.Always.Low), r.signedOr(e.Always.High)),
				})
			}
		}
	}
	for _, m := range a.Metrics {
		add(r.t(resultTitles[m.Name]), m.Comparisons)
	}
	for _, s := range a.Segments {
		add(r.segmentTitle(s.By, s.Segment), s.Comparisons)
	}
	name := r.t("By metric and segment, with intervals that hold at every look")
	out = append(out, resultChart{name, chart.Rows(rows, name, show)})
	var drawn []resultChart
	for _, c := range out {
		if c.SVG != "" {
			drawn = append(drawn, c)
		}
	}
	return drawn
}
