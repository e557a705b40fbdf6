package webui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stale says whether the form was made of older rules than the draft has.
func (r *request) stale(d *draft) bool { return r.form("seen") != strconv.Itoa(d.Edits) }

func (r *request) elsewhere() string {
	return r.t("The mapping was changed elsewhere meanwhile, as in another tab. It is shown as it is now; what you just did was not done. Do it again if it is still right.")
}

// changeRules changes the rules of a draft, and shows what is different. Check, if
// there is one, may refuse before. Edit asks no service: it runs in a transaction,
// perhaps more than once. What it says is why it did nothing.
func (r *request) changeRules(p panel, check func(e *editor) *ruleNote, edit func(d *draft, e *editor) (why string)) error {
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	g, err := r.ground(d)
	if err != nil {
		return err
	}
	before, err := r.editor(g, d)
	if err != nil {
		return err
	}
	before.Panel = p
	if r.stale(d) {
		return r.mappingAgain(before, http.StatusConflict, r.elsewhere())
	}
	if check != nil {
		if n := check(before); n != nil {
			before.Panel.Note = n
			return r.mappingAgain(before, http.StatusUnprocessableEntity, n.Text)
		}
	}
	moved, why := false, ""
	now, err := r.changeDraft(func(d *draft) error {
		if moved = r.stale(d); moved {
			return nil
		}
		if why = edit(d, before); why != "" {
			return nil
		}
		d.number()
		d.Edits++
		d.Mapped = false
		return nil
	})
	switch {
	case err != nil:
		return err
	case why != "":
		return r.mappingAgain(before, http.StatusUnprocessableEntity, why)
	}
	after, err := r.editor(g, now)
	if err != nil {
		return err
	}
	if moved {
		after.Panel = p
		return r.mappingAgain(after, http.StatusConflict, r.elsewhere())
	}
	if !r.partial() {
		return r.redirect(now.path("mapping"))
	}
	c := changeOf(before, after)
	if after.Filter != "" || len(c.Put)+len(c.Added)+len(c.Gone) > mostParts {
		return r.part("mapping", "anew", after)
	}
	return r.part("mapping", "changed", c)
}

// mappingAgain shows the editor with what went wrong. Of a stale page all is made
// anew; what was typed stays.
func (r *request) mappingAgain(e *editor, status int, why string) error {
	if e.Panel.Kind == "add" || e.Panel.Kind == "calc" {
		e.Panel.Fault = why
	} else {
		e.Notice = why
	}
	if err := r.fillPanel(e); err != nil {
		return err
	}
	of := "page"
	switch {
	case r.partial() && status == http.StatusConflict:
		of = "anew"
	case r.partial():
		of = "panel"
	}
	return r.render(status, "mapping", of, e)
}

// typed is the rule in the form.
func (r *request) typed() (rule, panel) {
	one := rule{Source: r.form("source"), Target: r.form("target"), Expression: r.form("kind") == "calc", Static: r.form("kind") == "text"}
	if one.Static {
		one.Source = r.http.PostFormValue("source") // blanks and all
	}
	kind := "add"
	if one.Expression {
		kind = "calc"
		one.Source = strings.ReplaceAll(one.Source, "\r\n", "\n")
	}
	return one, panel{Kind: kind, Rule: r.form("rule"), Source: one.Source, Target: one.Target, Static: one.Static}
}

// saveRule adds a rule, or changes one.
func (r *request) saveRule() error {
	one, p := r.typed()
	check := func(e *editor) *ruleNote { return r.check(e, one, p.Rule == "") }
	return r.changeRules(p, check, func(d *draft, _ *editor) string {
		if p.Rule == "" {
			if len(d.Rules) >= mostRules {
				return r.t("A mapping has at most %d lines.", mostRules)
			}
			d.Rules = append(d.Rules, one)
			return ""
		}
		old, i := d.rule(p.Rule)
		if i < 0 {
			return r.t("This line of the mapping is gone.")
		}
		one.N, one.Kept = old.N, map[string]any{}
		for name, v := range old.Kept {
			if name != "matchScore" || old.Source == one.Source && old.Target == one.Target {
				one.Kept[name] = v
			}
		}
		d.Rules = slices.Clone(d.Rules)
		d.Rules[i] = one
		return ""
	})
}

// check says what is wrong with a rule by itself; nil if nothing is.
func (r *request) check(e *editor, one rule, fresh bool) *ruleNote {
	switch {
	case one.Source == "" && one.Expression:
		return &ruleNote{Text: r.t("Write an expression.")}
	case one.Source == "" && !one.Static:
		return &ruleNote{Text: r.t("Choose a source field.")}
	case one.Target == "":
		return &ruleNote{Text: r.t("Choose a target field.")}
	case utf8.RuneCountInString(one.Source) > mostExpression:
		return &ruleNote{Text: r.t("At most %d characters are allowed; these are %d.", mostExpression, utf8.RuneCountInString(one.Source))}
	case utf8.RuneCountInString(one.Target) > mostPath:
		return &ruleNote{Text: r.t("There is no such target field.")}
	case fresh && slices.ContainsFunc(e.Rows, func(row ruleView) bool { return row.Key == targetKey(one.Target) && row.Rule.Target == one.Target }):
		return &ruleNote{Text: r.t("%s is mapped already: change that line, or delete it first.", one.Target)}
	}
	j, err := r.judge(e.Schema.ID, nil, []rule{one})
	if err != nil {
		return &ruleNote{Text: r.refusal(err).Text}
	}
	if row := j.Rows[0]; row.State == "error" {
		return &row.Notes[0]
	}
	return nil
}

// deleteRules deletes the rule whose button was pressed, or those that are picked.
func (r *request) deleteRules() error {
	gone := map[string]bool{}
	if n := r.form("rule"); n != "" {
		gone[n] = true
	} else {
		for _, n := range r.http.PostForm["picked"] {
			gone[n] = true
		}
	}
	return r.changeRules(panel{}, nil, func(d *draft, _ *editor) string {
		if len(gone) == 0 {
			return r.t("Select the lines first.")
		}
		rest := slices.DeleteFunc(slices.Clone(d.Rules), func(one rule) bool { return gone[strconv.Itoa(one.N)] })
		if len(rest) == len(d.Rules) {
			return r.t("This line of the mapping is gone.")
		}
		d.Rules = rest
		return ""
	})
}

func (r *request) clearRules() error {
	return r.changeRules(panel{}, nil, func(d *draft, _ *editor) string {
		d.Rules = []rule{}
		return ""
	})
}

// takeHints adds the recommendations whose targets nothing is mapped to.
func (r *request) takeHints() error {
	return r.changeRules(panel{}, nil, func(d *draft, e *editor) string {
		for _, h := range e.Open() {
			d.Rules = append(d.Rules, rule{Source: h.Source, Target: h.Target})
		}
		return ""
	})
}
