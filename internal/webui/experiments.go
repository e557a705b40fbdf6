package webui

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

// Experiments: what is compared, who may be in it, and the keys of shops.
func experimentRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ManageDatasets)
	m.get("/experiments", view, (*request).showExperiments)
	m.get("/experiments/new", manage, (*request).showNewExperiment)
	m.post("/experiments/new", manage, (*request).makeExperiment)
	m.get("/experiments/keys", view, (*request).showDecisionKeys)
	m.post("/experiments/keys", manage, (*request).makeDecisionKey)
	m.post("/experiments/keys/{key}/revoke", manage, (*request).revokeDecisionKey)
	m.get("/experiments/holdout", view, (*request).showHoldout)
	m.post("/experiments/holdout", manage, (*request).setHoldout)
	m.get("/experiments/{id}", view, (*request).showExperiment)
	m.get("/experiments/{id}/edit", manage, (*request).showEditExperiment)
	m.post("/experiments/{id}/edit", manage, (*request).changeExperiment)
	m.get("/experiments/{id}/phase", manage, (*request).showNewPhase)
	m.post("/experiments/{id}/phase", manage, (*request).beginPhase)
	m.post("/experiments/{id}/start", manage, experimentDeed("start"))
	m.post("/experiments/{id}/stop", manage, experimentDeed("stop"))
	m.post("/experiments/{id}/kill", manage, experimentDeed("kill"))
	m.post("/experiments/{id}/unkill", manage, experimentDeed("unkill"))
	m.post("/experiments/{id}/delete", manage, (*request).deleteExperiment)
}

const experimentAPI = "/data/tributary/experiments"

// A trial is an experiment as its API tells it.
type trial struct {
	ID         string       `json:"id"`
	Key        string       `json:"key"`
	Name       string       `json:"name"`
	Hypothesis string       `json:"hypothesis"`
	State      string       `json:"state"` // draft, running, stopped
	Killed     bool         `json:"killed"`
	Unit       trialUnit    `json:"unit"`
	Layer      string       `json:"layer"`
	Range      trialRange   `json:"range"`
	Audience   string       `json:"audience"`
	Variants   []variantRow `json:"variants"`
	Ship       string       `json:"ship"`
	Measure    trialMeasure `json:"measure"`
	Phases     []trialPhase `json:"phases"`
	By         string       `json:"createdBy"`
	CreatedAt  string       `json:"createdAt"`
	UpdatedAt  string       `json:"updatedAt"`
	Version    int64        `json:"version"`
}

type trialUnit struct {
	Metadata string `json:"metadata"`
}

type trialRange struct {
	From int `json:"from"`
	To   int `json:"to"`
}

type trialMeasure struct {
	Metric   string  `json:"metric"`
	Currency string  `json:"currency"`
	Days     int     `json:"days"`
	Before   int     `json:"before"`
	Items    string  `json:"items,omitempty"`
	Alpha    float64 `json:"alpha,omitempty"`
	Planned  int64   `json:"planned,omitempty"`
}

type trialPhase struct {
	Number   int           `json:"number"`
	Began    string        `json:"began"`
	Ended    string        `json:"ended"`
	Range    trialRange    `json:"range"`
	Audience string        `json:"audience"`
	Measure  trialMeasure  `json:"measure"`
	Weights  []trialWeight `json:"weights"`
}

type trialWeight struct {
	Variant string `json:"variant"`
	Weight  int    `json:"weight"`
}

// Portion is the variant's share, of 1.
func (w trialWeight) Portion() float64 { return float64(w.Weight) / slots }

// A variantRow is a variant, and a row of the form.
type variantRow struct {
	Key       string          `json:"key"`
	Name      string          `json:"name,omitempty"`
	Weight    int             `json:"weight"`
	Value     json.RawMessage `json:"value,omitempty"`
	Offer     string          `json:"offer,omitempty"`
	Recommend int             `json:"recommend,omitempty"`
	// What was typed where it can't be read.
	Share string `json:"-"`
	Text  string `json:"-"`
	Some  string `json:"-"`
}

// slots are all parts of a whole.
const slots = 10_000

// shareOf writes a number of slots as it is typed into forms: 12.5 for 1250.
func shareOf(n int) string { return strconv.FormatFloat(float64(n)/100, 'f', -1, 64) }

// Portion is the variant's share, of 1.
func (v variantRow) Portion() float64 { return float64(v.Weight) / slots }

// ValueText is the value as it stands in the form.
func (v variantRow) ValueText() string {
	if v.Text != "" {
		return v.Text
	}
	return string(v.Value)
}

// ShareText is the weight as it stands in the form.
func (v variantRow) ShareText() string {
	if v.Share != "" || v.Weight == 0 {
		return v.Share
	}
	return shareOf(v.Weight)
}

// RecommendText is the number of add-ons as it stands in the form.
func (v variantRow) RecommendText() string {
	if v.Some != "" || v.Recommend == 0 {
		return v.Some
	}
	return strconv.Itoa(v.Recommend)
}

// FromText and ToText are the ends of the range as they stand in forms.
func (g trialRange) FromText() string { return shareOf(g.From) }

// ToText is the other end.
func (g trialRange) ToText() string { return shareOf(g.To) }

// Whole says whether it is all there is.
func (g trialRange) Whole() bool { return g.From == 0 && g.To == slots }

// StateTitle names the state.
func (t trial) StateTitle() string {
	switch {
	case t.Killed:
		return "Switched off"
	case t.State == "running":
		return "Running"
	case t.State == "stopped":
		return "Stopped"
	}
	return "Draft"
}

// Tone is the class of the state's badge.
func (t trial) Tone() string {
	switch {
	case t.Killed:
		return "negative"
	case t.State == "running":
		return "positive"
	case t.State == "draft":
		return "info"
	}
	return ""
}

var _ = words("Switched off", "Running", "Stopped", "Draft")

// A metricTitle is a metric to choose.
type metricTitle struct{ Metric, Title string }

var metricTitles = []metricTitle{
	{"revenue", "Revenue for each unit"},
	{"conversion", "Units that paid anything"},
	{"orderValue", "Value of an order"},
	{"orders", "Orders of each unit"},
	{"items", "Items of each unit"},
}

var _ = words("Revenue for each unit", "Units that paid anything", "Value of an order", "Orders of each unit", "Items of each unit")

// MetricTitle names the metric.
func (m trialMeasure) MetricTitle() string {
	i := slices.IndexFunc(metricTitles, func(t metricTitle) bool { return t.Metric == m.Metric })
	if i < 0 {
		return m.Metric
	}
	return metricTitles[i].Title
}

// CurrencyTitle is the currency as people write it.
func (m trialMeasure) CurrencyTitle() string { return strings.ToUpper(m.Currency) }

var trialDeeds = map[string]string{
	"made":    "The experiment was made.",
	"changed": "The experiment was changed.",
	"start":   "The experiment runs.",
	"stop":    "The experiment was stopped.",
	"kill":    "The experiment is switched off: everybody gets what the shop has anyway.",
	"unkill":  "The experiment is switched on again.",
	"phase":   "A new phase began.",
	"deleted": "The experiment was deleted.",
	"holdout": "The holdout was changed.",
	"revoked": "The key was revoked.",
}

var _ = words("The experiment was made.", "The experiment was changed.", "The experiment runs.", "The experiment was stopped.",
	"The experiment is switched off: everybody gets what the shop has anyway.", "The experiment is switched on again.", "A new phase began.",
	"The experiment was deleted.", "The holdout was changed.", "The key was revoked.")

// trialsView is what the list shows.
type trialsView struct {
	Items []trial `json:"items"`
	Done  string  `json:"-"`
}

func (r *request) showExperiments() error {
	v := &trialsView{Done: r.deed(trialDeeds)}
	if err := r.get(experimentAPI, nil, v); err != nil {
		return err
	}
	return r.show("experiments", v)
}

func (r *request) trial() (t trial, err error) {
	return t, r.get(experimentAPI+"/"+escape(r.http.PathValue("id")), nil, &t)
}

// trialView is what the page of one shows.
type trialView struct {
	trial
	Versions []trialVersion
	Done     string
	Fault    string // why something was not done
	Ask      asking

	Audiences, Offers namedList
}

// A trialVersion is what an experiment was after a change.
type trialVersion struct {
	Version int64  `json:"version"`
	What    string `json:"what"`
	By      string `json:"by"`
	At      string `json:"at"`
}

var versionTitles = map[string]string{
	"create": "Made", "change": "Changed", "start": "Started", "stop": "Stopped", "phase": "New phase", "kill": "Switched off", "unkill": "Switched on",
}

var _ = words("Made", "Changed", "Started", "New phase", "Switched on")

// Title names the change.
func (v trialVersion) Title() string { return versionTitles[v.What] }

func (r *request) showExperiment() error {
	v, err := r.trialView()
	if err != nil {
		return err
	}
	v.Done = r.deed(trialDeeds)
	return r.show("experiment", v)
}

func (r *request) trialView() (v *trialView, err error) {
	v = &trialView{}
	if v.trial, err = r.trial(); err != nil {
		return nil, err
	}
	var got struct {
		Items []trialVersion `json:"items"`
	}
	if err := r.get(experimentAPI+"/"+escape(v.ID)+"/versions", nil, &got); err != nil {
		return nil, err
	}
	if v.Audiences, err = r.listNamed(audienceAPI); err != nil {
		return nil, err
	}
	if v.Offers, err = r.listNamed(offerAPI); err != nil {
		return nil, err
	}
	v.Ask = r.asking(v.trial)
	v.Versions = got.Items[:min(len(got.Items), 20)]
	slices.Reverse(v.Phases)
	return v, nil
}

// experimentDeed is a button of an experiment. What it can't do is said on the page.
func experimentDeed(what string) func(*request) error {
	return func(r *request) error {
		path := experimentAPI + "/" + escape(r.http.PathValue("id")) + "/" + what
		c := call{Method: http.MethodPost, Path: path, Header: ifMatch(r.form("version"))}
		if what == "stop" {
			c.Body = map[string]string{"ship": r.form("ship")}
		}
		err := r.call(c, nil)
		if err == nil {
			return r.redirect("/experiments/" + escape(r.http.PathValue("id")) + "?done=" + what)
		}
		return r.experimentAgain(err)
	}
}

// experimentAgain shows the page with why something was not done.
func (r *request) experimentAgain(err error) error {
	if missing(err, http.StatusNotFound) {
		return err
	}
	v, again := r.trialView()
	if again != nil {
		return again
	}
	v.Fault = r.fault(err).Text
	return r.again("experiment", "main", v)
}

// ifMatch are the headers that let a change be made of a version alone.
func ifMatch(version string) http.Header {
	if version == "" {
		return nil
	}
	return http.Header{"If-Match": {strconv.Quote(version)}}
}

func (r *request) deleteExperiment() error {
	err := r.call(call{Method: http.MethodDelete, Path: experimentAPI + "/" + escape(r.http.PathValue("id")), Header: ifMatch(r.form("version"))}, nil)
	if err != nil && !missing(err, http.StatusNotFound) {
		return r.experimentAgain(err)
	}
	return r.redirect("/experiments?done=deleted")
}
