package webui

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// A panel is what is open beside the mapping: the form of a rule, the preview, or
// the import.
type panel struct {
	Kind           string // add, calc, preview, import; "" for none
	Rule           string // number of the one that is changed; "" for a new one
	Source, Target string
	Static         bool
	Fault          string
	Note           *ruleNote // place of the fault in the source

	Tab     string // of the calculated field's helper
	Helpers []helperGroup
	Tried   *tried
	Preview *mappedPreview
	Flows   []otherFlow
}

// A helperGroup is a part of what can be put into an expression.
type helperGroup struct {
	Title string
	Items []helperItem
}

// A helperItem is one of them.
type helperItem struct {
	Name, Insert, Syntax, About, Example string
}

// openPanel fills in what the query asks to be opened.
func (r *request) openPanel(e *editor) error {
	p := &e.Panel
	p.Kind, p.Rule, p.Source, p.Target = r.query("panel"), r.query("rule"), r.query("source"), r.query("target")
	if p.Rule != "" {
		one, i := e.Draft.rule(p.Rule)
		if i < 0 {
			p.Kind, p.Rule, e.Notice = "", "", r.t("This line of the mapping is gone.")
			return nil
		}
		p.Kind, p.Source, p.Target, p.Static = "add", one.Source, one.Target, one.Static
		if one.Expression {
			p.Kind = "calc"
		}
	}
	if p.Kind == "add" && p.Rule == "" {
		p.propose(e.Hints)
	}
	if r.query("helper") != "" {
		p.Kind = "calc"
	}
	return r.fillPanel(e)
}

// fillPanel reads what the open panel shows.
func (r *request) fillPanel(e *editor) (err error) {
	p := &e.Panel
	switch p.Kind {
	case "add":
		p.Tried, err = r.try(e, rule{Source: p.Source, Target: p.Target, Static: p.Static})
	case "calc":
		p.Tab = cmp.Or(r.query("helper"), "function")
		if p.Helpers, err = r.helpers(e, p.Tab); err == nil {
			p.Tried, err = r.try(e, rule{Source: p.Source, Target: p.Target, Expression: true})
		}
	case "preview":
		err = r.openPreview(e)
	case "import":
		err = r.openImport(e)
	default:
		p.Kind = ""
	}
	return err
}

// propose fills in the other side where it is recommended.
func (p *panel) propose(hints []hint) {
	for _, h := range hints {
		switch {
		case p.Target == "" && p.Source != "" && sourceKey(h.Source) == sourceKey(p.Source):
			p.Target = h.Target
			return
		case p.Source == "" && p.Target != "" && targetKey(h.Target) == targetKey(p.Target):
			p.Source = h.Source
			return
		}
	}
}

// helpers are the entries of a tab of the calculated field's helper.
func (r *request) helpers(e *editor, tab string) ([]helperGroup, error) {
	switch tab {
	case "field":
		var g helperGroup
		if e.Sample != nil {
			g.Items = fieldHelpers(e.Sample.Tree, nil)
		}
		return []helperGroup{g}, nil
	case "operator":
		var got []struct {
			Symbol      string `json:"operatorSymbol"`
			Word        string `json:"alternative"`
			Operands    int    `json:"numberOfOperands"`
			Description string `json:"description"`
			Example     string `json:"example"`
		}
		if err := r.get(prepAPI+"/languages/el/operators", nil, &got); err != nil {
			return nil, err
		}
		var g helperGroup
		for _, o := range got {
			insert := " " + o.Symbol + " "
			if o.Operands == 1 {
				insert = o.Symbol
			}
			g.Items = append(g.Items, helperItem{Name: o.Symbol, Insert: insert, Syntax: o.Word, About: o.Description, Example: o.Example})
		}
		return []helperGroup{g}, nil
	}
	var got []struct {
		Category    string `json:"category"`
		Function    string `json:"function"`
		Description string `json:"description"`
		Syntax      string `json:"syntax"`
		Example     string `json:"example"`
		Result      string `json:"result"`
		Unavailable string `json:"unavailable"`
	}
	if err := r.get(prepAPI+"/languages/el/functions", nil, &got); err != nil {
		return nil, err
	}
	var all []helperGroup
	for _, f := range got {
		if f.Unavailable != "" {
			continue
		}
		i := slices.IndexFunc(all, func(g helperGroup) bool { return g.Title == f.Category })
		if i < 0 {
			all = append(all, helperGroup{Title: f.Category})
			i = len(all) - 1
		}
		example := f.Example
		if f.Result != "" {
			example += " → " + f.Result
		}
		all[i].Items = append(all[i].Items, helperItem{Name: f.Function, Insert: f.Function + "(", Syntax: f.Syntax, About: f.Description, Example: example})
	}
	return all, nil
}

func fieldHelpers(nodes []*sourceNode, all []helperItem) []helperItem {
	for _, n := range nodes {
		if len(n.Fields) == 0 {
			all = append(all, helperItem{Name: n.Path, Insert: n.Path, Syntax: n.Type})
		}
		all = fieldHelpers(n.Fields, all)
	}
	return all
}

// triedRows is how many objects a rule is tried on while it is written.
const triedRows = 20

// tried is what became of trying a rule on some objects.
type tried struct {
	Note  *ruleNote // why it can't be tried; nil if it was
	Rows  []triedRow
	Plain bool // without a target: values are shown as texts
}

// A triedRow is the value for one object, or why there is none.
type triedRow struct {
	Object string // its id
	Value  string
	Fault  string
}

// tryRule answers to typing.
func (r *request) tryRule() error {
	one, p := r.typed()
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	g, err := r.ground(d)
	if err != nil {
		return err
	}
	e := &editor{ground: g, Draft: d, Panel: p}
	if e.Panel.Tried, err = r.try(e, one); err != nil {
		return err
	}
	return r.part("mapping", "tried", e)
}

// try maps some objects by one rule.
func (r *request) try(e *editor, one rule) (*tried, error) {
	if one.Source == "" {
		return nil, nil //nolint:nilnil // there is nothing to try
	}
	t := &tried{}
	if n := utf8.RuneCountInString(one.Source); n > mostExpression {
		t.Note = &ruleNote{Text: r.t("At most %d characters are allowed; these are %d.", mostExpression, n)}
		return t, nil
	}
	if e.Schema.at(one.Target) == nil {
		t.Plain = true
		if one.Expression { // says what is wrong without a target, too
			var got struct{ Status, Error string }
			if err := r.send(http.MethodPost, prepAPI+"/languages/el/validate", map[string]any{"expression": one.Source}, &struct {
				Status *string `json:"validationStatus"`
				Error  *string `json:"error"`
			}{&got.Status, &got.Error}); err != nil {
				return nil, err
			}
			if got.Status == "failed" {
				n := noteOf(one.Source, got.Error)
				t.Note = &n
				return t, nil
			}
		}
		if one.Target = e.Schema.anyText(e.Schema.Fields); one.Target == "" {
			return t, nil
		}
	}
	j, err := r.judge(e.Schema.ID, nil, []rule{one})
	if err != nil {
		if isFailure(err) {
			t.Note = &ruleNote{Text: r.refusal(err).Text}
			return t, nil
		}
		return nil, err
	}
	if row := j.Rows[0]; row.State == "error" {
		t.Note = &row.Notes[0]
		return t, nil
	}
	return t, r.tryRows(e, one, t)
}

func (r *request) tryRows(e *editor, one rule, t *tried) error {
	if e.Sample == nil || len(e.Sample.Rows) == 0 {
		return nil
	}
	rows := e.Sample.Rows[:min(len(e.Sample.Rows), triedRows)]
	mapped, err := r.mapRows(mappingSetBody("", e.Schema.ID, []rule{one}), rows)
	if err != nil {
		if isFailure(err) {
			t.Note = &ruleNote{Text: r.refusal(err).Text}
			return nil
		}
		return err
	}
	key := targetKey(one.Target)
	for i, m := range mapped {
		row := triedRow{Object: objectID(rows[i]), Value: previewCell(valueAt(m.Data, strings.Split(key, "/")))}
		for _, f := range m.Errors {
			if f.Source == one.Source && row.Fault == "" { // others are of fields that this rule does not write
				row.Fault = f.Exception
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return nil
}

// anyText is the path of a field for texts, below objects alone; "" if there is
// none.
func (s *targetSchema) anyText(nodes []*targetNode) string {
	for _, n := range nodes {
		if n.Type == "string" {
			return n.Path
		}
		if n.Type == "object" {
			if path := s.anyText(n.Fields); path != "" {
				return path
			}
		}
	}
	return ""
}

// objectID is the id of an object of the sample.
func objectID(row json.RawMessage) string {
	var wrapped struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	_ = json.Unmarshal(row, &wrapped) // one without an id has none
	return wrapped.Data.ID
}

// valueAt is what stands at a key in a record; of the elements of a list, all.
func valueAt(v any, steps []string) any {
	if len(steps) == 0 || v == nil {
		return v
	}
	switch v := v.(type) {
	case *jsondoc.Object:
		if v == nil {
			return nil
		}
		return valueAt(v.Get(steps[0]), steps[1:])
	case []any:
		if steps[0] != elementKey {
			return nil
		}
		var all []any
		for _, one := range v {
			if found := valueAt(one, steps[1:]); found != nil {
				all = append(all, found)
			}
		}
		return all
	}
	return nil
}
