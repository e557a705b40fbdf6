package webui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// maxRules is how many lines a mapping may have on the page.
const maxRules = 1000

func (u *UI) mappingRoutes(m *routes) {
	manage := access.AnyOf(access.ManageSources)
	m.get("/workflow/{draft}/mapping", manage, (*request).showMapping)
	m.post("/workflow/{draft}/mapping", manage, (*request).takeMapping)
}

// mappingView is what the step shows in which fields are mapped.
type mappingView struct {
	Draft    *draft
	Steps    []stepView
	Faults   formFaults
	Rules    []ruleView
	Sources  []fieldPath
	Targets  []fieldPath
	Tree     []previewNode // of the source
	Mapped   int
	Required []string // targets that must have a rule and have none
	Errors   int
	Checked  bool
	Preview  []previewRecord
	Seen     string // what the rules were when the page was made
}

// A ruleView is a line of the mapping as the page shows it.
type ruleView struct {
	rule
	Error string
	Type  string // of the target
}

// A fieldPath is a leaf or a node of a structure.
type fieldPath struct{ Path, Type string }

// A previewRecord is what the mapping makes of one object.
type previewRecord struct {
	ID     string
	Data   string
	Errors []string
}

func (r *request) showMapping() error {
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	if d.Rules == nil {
		rules, err := r.proposed(d)
		if err != nil {
			return err
		}
		if d, err = r.changeDraft(func(d *draft) error {
			d.Rules = rules
			return nil
		}); err != nil {
			return err
		}
	}
	v, err := r.mappingView(d, d.Rules)
	if err != nil {
		return err
	}
	return r.show("workflow_mapping", v)
}

// takeMapping does what a button of the page says with the rules that the page
// has: do is next, check, add, calculated, suggest, clear, preview, or drop-N.
func (r *request) takeMapping() error {
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	rules, err := r.readRules()
	if err != nil {
		return err
	}
	do := r.form("do")
	switch drop, isDrop := strings.CutPrefix(do, "drop-"); {
	case do == "add":
		rules = append(rules, rule{})
	case do == "calculated":
		rules = append(rules, rule{Expression: true})
	case do == "clear":
		rules = []rule{}
	case do == "suggest":
		if rules, err = r.proposed(d); err != nil {
			return err
		}
	case isDrop:
		if i, err := strconv.Atoi(drop); err == nil && i >= 0 && i < len(rules) {
			rules = slices.Delete(rules, i, i+1)
		}
	}
	seen, elsewhere := r.form("seen"), false
	d, err = r.changeDraft(func(d *draft) error {
		if elsewhere = seen != d.rulesSeen(); elsewhere {
			return nil
		}
		d.Rules, d.Mapped = rules, false
		return nil
	})
	if err != nil {
		return err
	}
	v, err := r.mappingView(d, rules)
	if err != nil {
		return err
	}
	if elsewhere {
		v.Faults.add("", r.t("The mapping was changed in another window meanwhile. What you see is what you have filled in here: press a button again to put it in place of the other."))
		return r.again("workflow_mapping", "main", v)
	}
	switch do {
	case "next":
		return r.finishMapping(d, v)
	case "preview":
		if v.Preview, err = r.previewRules(d, rules); err != nil {
			v.Faults = append(v.Faults, r.fault(err))
		}
	}
	v.Checked = do == "check" || do == "preview"
	return r.show("workflow_mapping", v)
}

// finishMapping takes the rules if nothing is wrong with them.
func (r *request) finishMapping(d *draft, v *mappingView) error {
	v.Checked = true
	if v.Mapped == 0 {
		v.Faults.add("", r.t("Map one field at least."))
	}
	for _, path := range v.Required {
		v.Faults.add("", r.t("The field %s of the target is required: map something to it.", path))
	}
	for i, one := range v.Rules {
		if one.Error != "" {
			v.Faults.add("source-"+strconv.Itoa(i), one.Target+": "+one.Error)
		}
	}
	if len(v.Faults) > 0 {
		return r.again("workflow_mapping", "main", v)
	}
	sum := d.rulesSeen()
	d, err := r.changeDraft(func(d *draft) error {
		d.Mapped = d.rulesSeen() == sum
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(d.path("schedule"))
}

// readRules reads the lines of the form.
func (r *request) readRules() ([]rule, error) {
	if err := r.http.ParseForm(); err != nil {
		return nil, gateway.Fail(http.StatusBadRequest, "", "", "%s", r.t("The form could not be read: %v", err))
	}
	f := r.http.PostForm
	n := len(f["source"])
	if len(f["target"]) != n || len(f["kind"]) != n || n > maxRules {
		return nil, gateway.Fail(http.StatusBadRequest, "", "", "%s", r.t("The form has no mapping of at most %d lines.", maxRules))
	}
	rules := make([]rule, n)
	for i := range rules {
		rules[i] = rule{Source: strings.TrimSpace(f["source"][i]), Target: strings.TrimSpace(f["target"][i]), Expression: f["kind"][i] == "expression"}
	}
	return rules, nil
}

// rulesSeen is a digest of the rules, for a page to say which ones it shows.
func (d *draft) rulesSeen() string {
	b, err := json.Marshal(d.Rules)
	if err != nil {
		return ""
	}
	return sessionID(string(b))
}

// targetSchema is the schema that the draft's records are mapped to. What is to
// be made of a template has the fields of the template's own schema.
func (r *request) targetSchema(d *draft) (string, error) {
	if d.Dataset != "" {
		set, err := r.dataset(d.Dataset)
		return set.SchemaID, err
	}
	if d.Schema == templatePrefix+d.ResourcePath {
		return r.registered("schemas", resourceAt(d.ResourcePath).Template)
	}
	return d.Schema, nil
}

// proposed are the rules to begin with: those of the release for a schema of
// the resource, else what the names of fields suggest.
func (r *request) proposed(d *draft) ([]rule, error) {
	schema, err := r.targetSchema(d)
	if err != nil {
		return nil, err
	}
	var set struct {
		Mappings []struct {
			Source      string `json:"source"`
			Destination string `json:"destination"`
		} `json:"mappings"`
	}
	err = r.get(prepAPI+"/mappingSetTemplates/"+d.ResourcePath, url.Values{"schema": {schema}}, &set)
	if missing(err, http.StatusBadRequest) {
		var samples []json.RawMessage
		if samples, err = r.samples(d); err != nil {
			return nil, err
		}
		err = r.send(http.MethodPost, prepAPI+"/mappingSets/suggestions", map[string]any{"data": samples, "xdmSchema": schema}, &set)
	}
	if err != nil {
		return nil, err
	}
	rules := make([]rule, len(set.Mappings))
	for i, m := range set.Mappings {
		rules[i] = rule{Source: m.Source, Target: m.Destination}
	}
	return rules, nil
}

// samples are the newest objects of the source, as records.
func (r *request) samples(d *draft) ([]json.RawMessage, error) {
	var got struct {
		Data []json.RawMessage `json:"data"`
	}
	err := r.get(flowAPI+"/connections/"+escape(d.Connection)+"/explore", exploring(d.ResourcePath), &got)
	if got.Data == nil {
		got.Data = []json.RawMessage{}
	}
	return got.Data[:min(len(got.Data), 10)], err
}

// mappingView checks the rules and gathers what can be mapped.
func (r *request) mappingView(d *draft, rules []rule) (*mappingView, error) {
	v := &mappingView{Draft: d, Steps: d.steps("mapping"), Seen: d.rulesSeen()}
	schema, err := r.targetSchema(d)
	if err != nil {
		return nil, err
	}
	var structure *jsondoc.Object
	err = r.call(call{
		Path:   registryAPI + "/tenant/schemas/" + escape(schema),
		Header: http.Header{"Accept": {"application/vnd.adobe.xed-full+json; version=1"}},
	}, &structure)
	if err != nil {
		return nil, err
	}
	var required []string
	v.Targets, required = targetFields(structure, "", true, nil, nil)
	preview, err := r.explore(d.Connection, d.ResourcePath)
	if err != nil {
		return nil, err
	}
	v.Tree = preview.Tree
	v.Sources = sourceFields(v.Tree, "", nil)
	problems, err := r.check(schema, rules)
	if err != nil {
		return nil, err
	}
	types := map[string]string{}
	for _, t := range v.Targets {
		types[t.Path] = t.Type
	}
	mapped := map[string]bool{}
	for i, one := range rules {
		v.Rules = append(v.Rules, ruleView{one, problems[i], types[one.Target]})
		switch {
		case problems[i] != "":
			v.Errors++
		case one.Source != "" && one.Target != "":
			v.Mapped++
			mapped[one.Target] = true
		}
	}
	for _, path := range required {
		if !covered(mapped, path) {
			v.Required = append(v.Required, path)
		}
	}
	return v, nil
}

// covered says whether a path or what it is a part of is mapped.
func covered(mapped map[string]bool, path string) bool {
	for {
		if mapped[path] {
			return true
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return false
		}
		path = path[:i]
	}
}

// check asks Data Prep what is wrong with each rule.
func (r *request) check(schema string, rules []rule) ([]string, error) {
	all := make([]string, len(rules))
	if len(rules) == 0 {
		return all, nil
	}
	var got struct {
		Response []struct {
			Errors []struct {
				Exception string `json:"exception"`
			} `json:"errors"`
		} `json:"validationResponse"`
	}
	if err := r.send(http.MethodPost, prepAPI+"/mappingSets/validate", mappingSetBody("", schema, rules), &got); err != nil {
		return nil, err
	}
	for i := range min(len(rules), len(got.Response)) {
		for _, e := range got.Response[i].Errors {
			all[i] = e.Exception
		}
		if rules[i].Source == "" {
			all[i] = r.t("Name a source field, or write an expression.")
		}
	}
	return all, nil
}

// previewRules maps the newest objects.
func (r *request) previewRules(d *draft, rules []rule) ([]previewRecord, error) {
	schema, err := r.targetSchema(d)
	if err != nil {
		return nil, err
	}
	samples, err := r.samples(d)
	if err != nil {
		return nil, err
	}
	var got []struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Destination string `json:"destination"`
			Exception   string `json:"exception"`
		} `json:"errors"`
	}
	err = r.send(http.MethodPost, prepAPI+"/mappingSets/preview", map[string]any{"data": samples, "mappingSet": mappingSetBody("", schema, rules)}, &got)
	var all []previewRecord
	for i, one := range got {
		var sample struct {
			Data struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		_ = json.Unmarshal(samples[i], &sample) // without an id it has none
		p := previewRecord{ID: sample.Data.ID, Data: indented(one.Data)}
		for _, e := range one.Errors {
			p.Errors = append(p.Errors, e.Destination+": "+e.Exception)
		}
		all = append(all, p)
	}
	return all, err
}
