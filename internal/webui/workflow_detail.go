package webui

import (
	"cmp"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

// usualThreshold is the share of failed records, in percent, that partial
// ingestion begins with.
const usualThreshold = "5"

// alertKinds are what one may be told of a dataflow's runs.
var alertKinds = []struct{ Kind, Title string }{
	{"run-start", "Sources Dataflow Run Start"},
	{"run-success", "Sources Dataflow Run Success"},
	{"run-no-data", "Sources Dataflow Run brought no data"},
	{"run-failure", "Sources Dataflow Run Failure"},
}

var _ = words("Sources Dataflow Run Start", "Sources Dataflow Run Success", "Sources Dataflow Run brought no data", "Sources Dataflow Run Failure")

// detailView is what the step shows in which dataset and dataflow are described.
type detailView struct {
	Draft    *draft
	Steps    []stepView
	Faults   formFaults
	Existing bool // a dataset that there is
	Schemas  choices
	Datasets choices
	Profile  profileView
	Alerts   []struct{ Kind, Title string }
}

// Threshold is the share of failed records that the form begins with.
func (v *detailView) Threshold() string { return cmp.Or(v.Draft.Threshold, usualThreshold) }

// Wants says whether one asked to be told of a kind.
func (v *detailView) Wants(kind string) bool { return slices.Contains(v.Draft.Alerts, kind) }

func (r *request) showDetail() error {
	d, ok, err := r.enter("detail")
	if err != nil || !ok {
		return err
	}
	steps := d.steps("detail") // what is proposed is not said yet
	if d.Name == "" {
		if err := r.propose(d); err != nil {
			return err
		}
	}
	v, err := r.detailView(d, nil)
	if err != nil {
		return err
	}
	v.Steps = steps
	return r.show("workflow_detail", v)
}

// propose fills in what the form begins with.
func (r *request) propose(d *draft) error {
	c, err := r.connection(d.Connection)
	if err != nil {
		return err
	}
	what := r.t(resourceAt(d.ResourcePath).Title)
	d.Name = c.Name + " – " + what
	d.DatasetName = d.Name
	schemas, err := r.schemas("", "")
	if err != nil {
		return err
	}
	d.Schema = templatePrefix + d.ResourcePath
	for _, s := range schemas.All {
		if s.Title == resourceAt(d.ResourcePath).Template {
			d.Schema = s.ID
		}
	}
	return nil
}

func (r *request) detailView(d *draft, wrong formFaults) (*detailView, error) {
	v := &detailView{Draft: d, Faults: wrong, Existing: d.Dataset != "", Alerts: alertKinds}
	var err error
	if v.Schemas, err = r.schemas("", d.Schema); err != nil {
		return nil, err
	}
	v.Schemas.Template = resourceAt(d.ResourcePath)
	if v.Datasets, err = r.datasets("", d.Dataset); err != nil {
		return nil, err
	}
	v.Profile = profileOf(v.Existing, d.Profile, v.Schemas, v.Datasets)
	return v, nil
}

// takeDetail takes the form.
func (r *request) takeDetail() error {
	d, ok, err := r.enter("detail")
	if err != nil || !ok {
		return err
	}
	was := *d
	var wrong formFaults
	if wrong, err = r.readDetail(d); err != nil {
		return err
	}
	if len(wrong) > 0 {
		v, err := r.detailView(d, wrong)
		if err != nil {
			return err
		}
		v.Steps, v.Existing = was.steps("detail"), r.form("target") == "existing"
		v.Profile = profileOf(v.Existing, d.Profile, v.Schemas, v.Datasets)
		return r.again("workflow_detail", "main", v)
	}
	filled := *d
	d, err = r.changeDraft(func(now *draft) error {
		before := *now
		*now = filled
		now.Rules, now.Mapped, now.Edits, now.Rule, now.Made = before.Rules, before.Mapped, before.Edits, before.Rule, before.Made
		if was.Schema != filled.Schema || was.Dataset != filled.Dataset {
			now.unmap()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(d.path("mapping"))
}

// readDetail fills the form into a draft, and says what is wrong with it.
func (r *request) readDetail(d *draft) (wrong formFaults, err error) {
	d.Dataset, d.Schema = r.form("dataset"), r.form("schema")
	d.DatasetName, d.DatasetDescription = r.form("datasetName"), r.form("datasetDescription")
	d.Name, d.Description = r.form("name"), r.form("description")
	d.Profile, d.Partial, d.Diagnostics = r.form("profile") == "on", r.form("partial") == "on", r.form("diagnostics") == "on"
	d.Threshold, d.Alerts = strings.TrimSuffix(r.form("threshold"), "%"), nil
	if r.may(access.ManageAlerts) {
		d.Alerts = r.wantedAlerts()
	}
	enabled := false
	if r.form("target") == "existing" {
		d.Schema, d.DatasetName, d.DatasetDescription = "", "", ""
		enabled, err = r.checkDataset(d, &wrong)
	} else {
		d.Dataset = ""
		enabled, err = r.checkSchema(d, &wrong)
	}
	if err != nil {
		return nil, err
	}
	d.Profile = d.Profile && enabled
	if d.Partial {
		d.Diagnostics = true // without them nobody would learn what failed
		if !isPercent(d.Threshold) {
			wrong.add("threshold", r.t("The error threshold is a number above 0 and at most 100."))
		}
	} else {
		d.Threshold = ""
	}
	if d.Name == "" {
		wrong.add("name", r.t("Give the dataflow a name."))
	}
	return wrong, nil
}

// wantedAlerts are the kinds that are ticked in a form.
func (r *request) wantedAlerts() (kinds []string) {
	_ = r.form("alerts") // reads the form
	for _, k := range alertKinds {
		if slices.Contains(r.http.PostForm["alerts"], k.Kind) {
			kinds = append(kinds, k.Kind)
		}
	}
	return kinds
}

// isPercent says whether a text is a number above 0 and at most 100.
func isPercent(text string) bool {
	if len(text) > 20 || strings.Trim(text, "0123456789.") != "" {
		return false
	}
	n, ok := new(big.Rat).SetString(text)
	return ok && n.Sign() > 0 && n.Cmp(big.NewRat(100, 1)) <= 0
}

// checkDataset checks the dataset that was chosen; enabled says whether it takes
// part in Profile.
func (r *request) checkDataset(d *draft, wrong *formFaults) (enabled bool, err error) {
	if d.Dataset == "" {
		wrong.add("datasets", r.t("Choose a dataset."))
		return false, nil
	}
	got, err := r.dataset(d.Dataset)
	if missing(err, http.StatusNotFound) {
		wrong.add("datasets", r.t("There is no such dataset any more. Choose another one."))
		return false, nil
	}
	return got.Profile, err
}

// checkSchema checks the schema that was chosen for a new dataset.
func (r *request) checkSchema(d *draft, wrong *formFaults) (enabled bool, err error) {
	if d.DatasetName == "" {
		wrong.add("datasetName", r.t("Give the dataset a name."))
	}
	switch {
	case d.Schema == "":
		wrong.add("schemas", r.t("Choose a schema."))
		return false, nil
	case d.Schema == templatePrefix+d.ResourcePath:
		return false, nil
	}
	all, err := r.schemas("", d.Schema)
	if err != nil {
		return false, err
	}
	if c := all.chosen(); c != nil {
		return c.Profile, nil
	}
	wrong.add("schemas", r.t("There is no such schema any more. Choose another one."))
	return false, nil
}
