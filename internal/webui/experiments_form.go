package webui

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// What a form of an experiment is about.
const (
	formNew      = "new"      // all of it
	formEdit     = "edit"     // all of it but the key
	formDescribe = "describe" // of one that runs: what doesn't bear on the comparison
	formPhase    = "phase"    // what a new phase may change
)

// trialForm is the form of an experiment.
type trialForm struct {
	Trial   trial
	Mode    string
	Metrics []metricTitle
	Units   string // customer or visitor
	From    string
	To      string
	Numbers map[string]string // as they were typed
	Faults  formFaults

	Audiences, Offers namedList
}

// Compares says whether the form has what bears on the comparison.
func (f *trialForm) Compares() bool { return f.Mode != formDescribe }

// Describes says whether it has what doesn't.
func (f *trialForm) Describes() bool { return f.Mode != formPhase }

// Action is where the form goes.
func (f *trialForm) Action() string {
	switch f.Mode {
	case formNew:
		return "/ui/experiments/new"
	case formPhase:
		return "/ui/experiments/" + f.Trial.ID + "/phase"
	}
	return "/ui/experiments/" + f.Trial.ID + "/edit"
}

// Back is where the form is left to.
func (f *trialForm) Back() string {
	if f.Mode == formNew {
		return "/ui/experiments"
	}
	return "/ui/experiments/" + f.Trial.ID
}

// spare is how many rows for more variants there are.
const spare = 2

func formOf(t trial, mode string) *trialForm {
	f := &trialForm{Trial: t, Mode: mode, Metrics: metricTitles, Units: "customer", From: t.Range.FromText(), To: t.Range.ToText(), Numbers: map[string]string{}}
	if t.Unit.Metadata != "" {
		f.Units = "visitor"
	}
	for name, n := range map[string]int64{"days": int64(t.Measure.Days), "before": int64(t.Measure.Before), "planned": t.Measure.Planned} {
		if f.Numbers[name] = strconv.FormatInt(n, 10); n == 0 && name == "planned" {
			f.Numbers[name] = ""
		}
	}
	for range spare {
		f.Trial.Variants = append(f.Trial.Variants, variantRow{})
	}
	return f
}

// showTrialForm shows a form; again, where it has faults.
func (r *request) showTrialForm(f *trialForm) (err error) {
	if f.Audiences, err = r.listNamed(audienceAPI); err != nil {
		return err
	}
	if f.Offers, err = r.listNamed(offerAPI); err != nil {
		return err
	}
	if len(f.Faults) > 0 {
		return r.again("experiment_form", "main", f)
	}
	return r.show("experiment_form", f)
}

func (r *request) showNewExperiment() error {
	return r.showTrialForm(formOf(r.planned(trial{
		Range: trialRange{To: slots}, Variants: []variantRow{{Key: "control", Weight: slots / 2}, {Key: "offer", Weight: slots / 2}},
		Measure: trialMeasure{Metric: "revenue", Days: 14, Before: 30},
	}), formNew))
}

func (r *request) showEditExperiment() error {
	t, err := r.trial()
	if err != nil {
		return err
	}
	return r.showTrialForm(formOf(t, editOf(t)))
}

func editOf(t trial) string {
	if t.State == "running" {
		return formDescribe
	}
	return formEdit
}

func (r *request) showNewPhase() error {
	t, err := r.trial()
	if err != nil {
		return err
	}
	return r.showTrialForm(formOf(t, formPhase))
}

func (r *request) makeExperiment() error {
	f, body := r.readTrial(trial{}, formNew)
	var made trial
	if len(f.Faults) == 0 {
		err := r.send(http.MethodPost, experimentAPI, body, &made)
		if err == nil {
			return r.redirect("/experiments/" + escape(made.ID) + "?done=made")
		}
		f.Faults = append(f.Faults, r.trialFault(err))
	}
	return r.showTrialForm(f)
}

func (r *request) changeExperiment() error {
	return r.sendTrial(func(t trial) (mode, method, path, done string) {
		return editOf(t), http.MethodPatch, "", "changed"
	})
}

func (r *request) beginPhase() error {
	return r.sendTrial(func(trial) (mode, method, path, done string) { return formPhase, http.MethodPost, "/phases", "phase" })
}

// sendTrial sends what a form says of an experiment that there is.
func (r *request) sendTrial(how func(trial) (mode, method, path, done string)) error {
	t, err := r.trial()
	if err != nil {
		return err
	}
	mode, method, path, done := how(t)
	f, body := r.readTrial(t, mode)
	if len(f.Faults) == 0 {
		err := r.call(call{Method: method, Path: experimentAPI + "/" + escape(t.ID) + path, Header: ifMatch(r.form("version")), Body: body}, nil)
		if err == nil {
			return r.redirect("/experiments/" + escape(t.ID) + "?done=" + done)
		}
		f.Faults = append(f.Faults, r.trialFault(err))
	}
	return r.showTrialForm(f)
}

// trialFault leads to the control that a refusal names.
func (r *request) trialFault(err error) formFault {
	fault := r.fault(err)
	for _, one := range []struct{ member, id string }{{"key:", "key"}, {"name:", "name"}, {"hypothesis:", "hypothesis"}, {"layer:", "layer"}, {"range:", "from"}, {"audience:", "audience"}, {"unit", "units"}} {
		if strings.HasPrefix(fault.Text, one.member) {
			fault.Field = one.id
		}
	}
	var i int
	if _, err := fmt.Sscanf(fault.Text, "variants[%d]", &i); err == nil {
		fault.Field = fmt.Sprint("variant-", i)
	} else if strings.HasPrefix(fault.Text, "variants:") {
		fault.Field = "variant-0"
	}
	if name, ok := strings.CutPrefix(fault.Text, "measure."); ok {
		fault.Field, _, _ = strings.Cut(name, ":")
	}
	return fault
}

// readTrial reads the form over an experiment, and returns what the API is to be
// sent.
func (r *request) readTrial(t trial, mode string) (f *trialForm, body map[string]any) {
	f, body = &trialForm{Mode: mode, Metrics: metricTitles, Numbers: map[string]string{}}, map[string]any{}
	if f.Describes() {
		t.Name, t.Hypothesis = strings.Join(strings.Fields(r.form("name")), " "), r.form("hypothesis")
		body["name"], body["hypothesis"] = t.Name, t.Hypothesis
		if t.Name == "" {
			f.Faults.add("name", r.t("Give the experiment a name."))
		}
	}
	if mode == formNew {
		if t.Key = r.form("key"); t.Key == "" {
			f.Faults.add("key", r.t("Give the experiment a key."))
		}
		body["key"] = t.Key
	}
	if f.Compares() {
		r.readComparison(f, &t, body)
	}
	if n, err := strconv.ParseInt(r.form("version"), 10, 64); err == nil {
		t.Version = n
	}
	f.Trial = t
	return f, body
}

func (r *request) readComparison(f *trialForm, t *trial, body map[string]any) {
	if f.Mode != formPhase {
		f.Units = r.form("units")
		t.Unit.Metadata = ""
		if f.Units == "visitor" {
			if t.Unit.Metadata = r.form("metadata"); t.Unit.Metadata == "" {
				f.Faults.add("metadata", r.t("Say which key of a charge's metadata has the visitor's id."))
			}
		}
		body["unit"] = t.Unit
	}
	t.Layer, t.Audience = r.form("layer"), r.form("audience")
	f.From, f.To = r.form("from"), r.form("to")
	var from, to bool
	t.Range.From, from = readShare(f.From)
	t.Range.To, to = readShare(f.To)
	if !from || !to {
		f.Faults.add("from", r.t("A share is a number from 0 to 100 with two decimals at most."))
	}
	t.Variants = r.readVariants(f)
	m := &t.Measure
	m.Metric, m.Currency, m.Items = r.form("metric"), strings.ToLower(r.form("currency")), r.form("items")
	number := func(name string) int {
		f.Numbers[name] = r.form(name)
		n, err := strconv.Atoi(f.Numbers[name])
		if err != nil && f.Numbers[name] != "" || n < 0 {
			f.Faults.add(name, r.t("A whole number is expected."))
		}
		return n
	}
	m.Days, m.Before, m.Planned = number("days"), number("before"), int64(number("planned"))
	if m.Currency == "" {
		f.Faults.add("currency", r.t("Say whose charges count: the currency, such as eur."))
	}
	body["layer"], body["audience"], body["range"], body["variants"], body["measure"] = t.Layer, t.Audience, t.Range, t.Variants, t.Measure
	rows := t.Variants
	for range spare {
		rows = append(rows, variantRow{})
	}
	t.Variants = rows
}

// readVariants reads the rows of the form; those without a key are none.
func (r *request) readVariants(f *trialForm) (all []variantRow) {
	get := func(name string, i int) string {
		if values := r.http.PostForm[name]; i < len(values) {
			return strings.TrimSpace(values[i])
		}
		return ""
	}
	r.form("variant") // parses the form
	for i := range r.http.PostForm["variant"] {
		v := variantRow{Key: get("variant", i), Name: get("variant-name", i), Share: get("share", i), Text: get("value", i), Offer: get("offer", i), Some: get("recommend", i)}
		if v.Key == "" {
			continue
		}
		at := fmt.Sprint("variant-", len(all))
		var ok bool
		if v.Weight, ok = readShare(v.Share); !ok {
			f.Faults.add(at, r.t("%s: its share is a number from 0 to 100 with two decimals at most.", v.Key))
		}
		switch {
		case v.Text == "":
		case json.Valid([]byte(v.Text)):
			v.Value = json.RawMessage(v.Text)
		default:
			f.Faults.add(at, r.t("%s: its value is not JSON.", v.Key))
		}
		if v.Some != "" {
			var err error
			if v.Recommend, err = strconv.Atoi(v.Some); err != nil {
				f.Faults.add(at, r.t("%s: the number of add-ons is a whole number.", v.Key))
			}
		}
		all = append(all, v)
	}
	return all
}

// readShare reads a percentage as slots.
func readShare(text string) (int, bool) {
	f, err := strconv.ParseFloat(text, 64)
	n := math.Round(f * 100)
	if err != nil || !(f >= 0 && f <= 100) || math.Abs(f*100-n) > 1e-6 {
		return 0, false
	}
	return int(n), true
}
