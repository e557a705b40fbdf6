package webui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

const (
	// mostExpression is how many characters a source may have.
	mostExpression = 4096
	// mostRules is how many lines a mapping may have.
	mostRules = 5000
	mostPath  = 1000 // characters of a target
	// mostParts is how many lines a browser changes one by one; beyond that, all anew
	// is quicker.
	mostParts = 20
)

// The step of mapping, and the same editor for the mapping of a dataflow that
// there is. What is changed is changed in the draft, at once.
func (u *UI) mappingRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	m.get("/workflow/{draft}/mapping", manage, (*request).showMapping)
	m.post("/workflow/{draft}/mapping/try", manage, (*request).tryRule)
	m.post("/workflow/{draft}/mapping/save", manage, (*request).saveRule)
	m.post("/workflow/{draft}/mapping/delete", manage, (*request).deleteRules)
	m.post("/workflow/{draft}/mapping/suggest", manage, (*request).takeHints)
	m.post("/workflow/{draft}/mapping/clear", manage, (*request).clearRules)
	m.post("/workflow/{draft}/mapping/import", manage, (*request).importRules)
	m.get("/workflow/{draft}/mapping/export", manage, (*request).exportRules)
	m.post("/workflow/{draft}/mapping/done", manage, (*request).finishMapping)
	m.get("/dataflows/{flow}/mapping", view, (*request).showFlowMapping)
	m.post("/dataflows/{flow}/mapping", manage, (*request).editFlowMapping)
}

// filters are what the editor can be narrowed to.
var mappingFilters = []struct{ Value, Title string }{
	{"", "All fields"},
	{"required", "Required fields"},
	{"identity", "Identity fields"},
	{"mapped", "Mapped fields"},
	{"unmapped", "Unmapped fields"},
	{"hints", "Fields with recommendation"},
	{"errors", "Fields with errors"},
}

var _ = words("All fields", "Required fields", "Identity fields", "Mapped fields", "Unmapped fields", "Fields with recommendation", "Fields with errors")

// A ground is what does not change with the rules.
type ground struct {
	Schema *targetSchema
	Sample *sourceSample // nil where the source could not be asked
	Fault  string        // why not
	Hints  []hint
}

// An editor is the mapping of a draft as the page shows it.
type editor struct {
	*ground
	*judged

	Draft   *draft
	Steps   []stepView
	Filter  string
	Filters []struct{ Value, Title string }
	Panel   panel
	Notice  string // what went wrong with what was just done

	Source []markedNode
	Target []markedNode
}

// Base is the path of the editor's calls.
func (e *editor) Base() string { return Base + e.Draft.path("mapping") }

// ground reads what the rules of a draft are about.
func (r *request) ground(d *draft) (*ground, error) {
	schema, err := r.mappingSchema(d)
	if err != nil {
		return nil, err
	}
	g := &ground{}
	if g.Sample, err = r.sample(d); err != nil {
		if !isFailure(err) {
			return nil, err
		}
		g.Sample, g.Fault = nil, r.refusal(err).Text
	}
	none, err := r.judge(schema, nil, nil)
	if err != nil {
		return nil, err
	}
	if g.Schema, err = r.readTarget(schema, none.Doc); err != nil {
		return nil, err
	}
	if g.Sample != nil {
		g.Hints, err = r.hints(d, g.Sample, schema)
	}
	return g, err
}

// editor makes the page of a draft's rules.
func (r *request) editor(g *ground, d *draft) (*editor, error) {
	j, err := r.judge(g.Schema.ID, g.Sample, d.Rules)
	if err != nil {
		return nil, err
	}
	for i := range j.Rows {
		j.Rows[i].Field = g.Schema.all[j.Rows[i].Key]
	}
	e := &editor{ground: g, judged: j, Draft: d, Steps: d.steps("mapping"), Filters: mappingFilters}
	e.Filter = r.http.FormValue("show")
	if !slices.ContainsFunc(mappingFilters, func(f struct{ Value, Title string }) bool { return f.Value == e.Filter }) {
		e.Filter = ""
	}
	e.mark()
	return e, nil
}

// showMapping shows the editor. The first time, what looks right is taken.
func (r *request) showMapping() error {
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	g, err := r.ground(d)
	if err != nil {
		return err
	}
	if d.Rules == nil && g.Sample != nil || slices.ContainsFunc(d.Rules, func(one rule) bool { return one.N == 0 }) {
		if d, err = r.changeDraft(func(d *draft) error {
			if d.Rules == nil {
				d.Rules = sureRules(g.Hints)
			}
			d.number()
			return nil
		}); err != nil {
			return err
		}
	}
	e, err := r.editor(g, d)
	if err != nil {
		return err
	}
	if err := r.openPanel(e); err != nil {
		return err
	}
	switch {
	case r.partial() && r.query("helper") != "":
		return r.part("mapping", "helper", e)
	case r.partial() && r.query("panel") != "":
		return r.part("mapping", "panel", e)
	case r.partial():
		return r.part("mapping", "narrowed", e)
	}
	return r.show("mapping", e)
}

// sureRules are the rules that are there from the start.
func sureRules(hints []hint) []rule {
	all := []rule{}
	for _, h := range hints {
		if h.Sure {
			all = append(all, rule{Source: h.Source, Target: h.Target})
		}
	}
	return all
}

// number gives the rules names that have none.
func (d *draft) number() {
	for _, one := range d.Rules {
		d.Rule = max(d.Rule, one.N)
	}
	for i := range d.Rules {
		if d.Rules[i].N == 0 {
			d.Rule++
			d.Rules[i].N = d.Rule
		}
	}
}

// rule returns the rule of a number, and where it stands; -1 if it is gone.
func (d *draft) rule(n string) (rule, int) {
	i := slices.IndexFunc(d.Rules, func(one rule) bool { return n != "" && strconv.Itoa(one.N) == n })
	if i < 0 {
		return rule{}, -1
	}
	return d.Rules[i], i
}

// Mapped is how many fields are written.
func (e *editor) Mapped() int {
	keys := map[string]bool{}
	for _, row := range e.Rows {
		keys[row.Key] = true
	}
	return len(keys)
}

// Required is how many required fields are mapped, of those that have to be.
func (e *editor) Required() int { return e.RequiredTotal() - len(e.Missing) }

// RequiredTotal is how many fields have to be mapped: those required in what
// something is written into.
func (e *editor) RequiredTotal() int {
	missing := map[string]bool{}
	for _, path := range e.Missing {
		missing[targetKey(path)] = true
	}
	total := len(missing)
	for key, n := range e.Schema.all {
		if n.Required && !missing[key] && e.written(key) && !strings.Contains(key, elementKey) {
			total++
		}
	}
	return total
}

// written says whether a rule writes to a field, to a part of it, or to what it is
// part of.
func (e *editor) written(key string) bool {
	return slices.ContainsFunc(e.Rows, func(row ruleView) bool {
		return row.State != "error" && (covers(row.Key, key) || covers(key, row.Key))
	})
}

// Identities is how many identity fields are mapped, of all.
func (e *editor) Identities() int {
	n := 0
	for _, key := range e.Schema.identities() {
		if e.written(key) {
			n++
		}
	}
	return n
}

// IdentitiesTotal is how many identity fields the schema has.
func (e *editor) IdentitiesTotal() int { return len(e.Schema.identities()) }

// Ready says whether the mapping is one to go on with.
func (e *editor) Ready() bool { return len(e.Rows) > 0 && e.Errors == 0 && len(e.Missing) == 0 }

// Open are the hints that no rule follows yet.
func (e *editor) Open() []hint {
	taken := map[string]bool{}
	for _, row := range e.Rows {
		taken[row.Key] = true
	}
	var all []hint
	for _, h := range e.Hints {
		if !taken[targetKey(h.Target)] {
			all = append(all, h)
		}
	}
	return all
}

// finishMapping takes the rules, if they are good.
func (r *request) finishMapping() error {
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	g, err := r.ground(d)
	if err != nil {
		return err
	}
	e, err := r.editor(g, d)
	if err != nil {
		return err
	}
	switch {
	case r.stale(d):
		return r.mappingAgain(e, http.StatusConflict, r.elsewhere())
	case !e.Ready():
		return r.mappingAgain(e, http.StatusUnprocessableEntity, r.t("The mapping can't be taken yet: look at what is missing or wrong below."))
	case d.Flow != "":
		return r.saveFlowMapping(e)
	}
	moved := false
	d, err = r.changeDraft(func(d *draft) error {
		if moved = r.stale(d); !moved {
			d.Mapped = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if moved {
		return r.mappingAgain(e, http.StatusConflict, r.elsewhere())
	}
	return r.redirect(d.path("schedule"))
}
