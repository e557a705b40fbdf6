package webui

import (
	"net/http"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
)

// The workflow makes a dataflow in steps, each a page of its own. What was told
// so far stands in a draft.
func (u *UI) workflowRoutes(m *routes) {
	manage := access.AnyOf(access.ManageSources)
	m.post("/workflow", manage, (*request).beginWorkflow)
	m.post("/workflow/{draft}/discard", manage, (*request).discardDraft)
	m.get("/workflow/{draft}/connect", manage, (*request).showConnect)
	m.get("/workflow/{draft}/connect/account", manage, (*request).showConnected)
	m.post("/workflow/{draft}/connect/new", manage, (*request).connectNew)
	m.post("/workflow/{draft}/connect/existing", manage, (*request).connectExisting)
	m.get("/workflow/{draft}/data", manage, (*request).showData)
	m.post("/workflow/{draft}/data", manage, (*request).selectData)
	m.get("/workflow/{draft}/detail", manage, (*request).showDetail)
	m.get("/workflow/{draft}/detail/choices", manage, (*request).showChoices)
	m.get("/workflow/{draft}/detail/profile", manage, (*request).showProfile)
	m.post("/workflow/{draft}/detail", manage, (*request).takeDetail)
	m.get("/workflow/{draft}/schedule", manage, (*request).showSchedule)
	m.get("/workflow/{draft}/schedule/forecast", manage, (*request).showForecast)
	m.post("/workflow/{draft}/schedule", manage, (*request).takeSchedule)
	m.get("/workflow/{draft}/review", manage, (*request).showReview)
	m.post("/workflow/{draft}/finish", manage, (*request).finish)
	m.get("/dataflows/{flow}/schedule", manage, (*request).showFlowSchedule)
	m.post("/dataflows/{flow}/schedule", manage, (*request).changeFlowSchedule)
}

// beginWorkflow begins a draft, perhaps one that has its account already.
func (r *request) beginWorkflow() error {
	d := draft{Connection: r.form("connection"), Backfill: true}
	if d.Connection != "" {
		if err := r.get(flowAPI+"/connections/"+escape(d.Connection), nil, nil); err != nil {
			return err
		}
	}
	made, err := r.newDraft(d)
	if err != nil {
		return err
	}
	if d.Connection != "" {
		return r.redirect(made.path("data"))
	}
	return r.redirect(made.path("connect"))
}

// discardDraft forgets a draft, together with what an interrupted last step
// made of it.
func (r *request) discardDraft() error {
	d, err := r.draft()
	if err != nil {
		return err
	}
	if d.Made[madeFlow].ID == "" {
		if err := r.unmake(d); err != nil {
			return err
		}
	}
	if err := r.ui.dropDraft(r.Context(), r.Caller, d.ID); err != nil {
		return err
	}
	if d.Flow != "" {
		return r.redirect("/dataflows/" + escape(d.Flow))
	}
	return r.redirect("/sources")
}

// path is the page of a step of the draft, below Base.
func (d *draft) path(step string) string { return "/workflow/" + d.ID + "/" + step }

// A wizardStep is one of the workflow's.
type wizardStep struct {
	Path  string // last element
	Title string
	// done says whether a draft has all that the step asks for.
	done func(*draft) bool
}

var wizardSteps = []wizardStep{
	{"connect", "Connect account", func(d *draft) bool { return d.Connection != "" }},
	{"data", "Select data", func(d *draft) bool { return d.ResourcePath != "" }},
	{"detail", "Dataset and dataflow", func(d *draft) bool { return d.Name != "" && (d.Dataset != "" || d.Schema != "") }},
	{"mapping", "Mapping", func(d *draft) bool { return d.Mapped }},
	{"schedule", "Scheduling", func(d *draft) bool { return d.Frequency != "" }},
	{"review", "Review", func(*draft) bool { return false }},
}

var _ = words("Connect account", "Select data", "Dataset and dataflow", "Mapping", "Scheduling", "Review")

// A stepView is a step as the indicator shows it.
type stepView struct {
	Number  int
	Title   string
	Path    string // below Base; empty for a step that can't be entered yet
	Done    bool
	Current bool
}

// steps are those of the draft, seen from one of them.
func (d *draft) steps(current string) []stepView {
	var all []stepView
	open := true
	for i, s := range wizardSteps {
		v := stepView{Number: i + 1, Title: s.Title, Done: s.done(d), Current: s.Path == current}
		if open {
			v.Path = d.path(s.Path)
		}
		open = open && v.Done
		all = append(all, v)
	}
	return all
}

// enter returns the draft for a step, and false when the browser was sent to an
// earlier step, which comes first.
func (r *request) enter(at string) (*draft, bool, error) {
	d, err := r.draft()
	if err != nil {
		return nil, false, err
	}
	for _, s := range wizardSteps {
		if s.Path == at {
			return d, true, nil
		}
		if !s.done(d) {
			return d, false, r.redirect(d.path(s.Path))
		}
	}
	return d, true, nil
}

// A formFault is what is wrong with a form: the id of the control, and why.
type formFault struct{ Field, Text string }

// formFaults are those of a form.
type formFaults []formFault

func (f *formFaults) add(field, text string) { *f = append(*f, formFault{field, text}) }

// Of returns what is wrong with a control, "" if nothing is.
func (f formFaults) Of(field string) string {
	i := slices.IndexFunc(f, func(f formFault) bool { return f.Field == field })
	if i < 0 {
		return ""
	}
	return f[i].Text
}

// again shows a form once more, with what is wrong with it.
func (r *request) again(page, of string, data any) error {
	if !r.partial() {
		of = "page"
	}
	return r.render(http.StatusUnprocessableEntity, page, of, data)
}

// fault is how a refusal of the API reads in the summary of a form.
func (r *request) fault(err error) formFault {
	f := r.refusal(err)
	return formFault{Text: f.Text}
}
