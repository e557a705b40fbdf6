package webui

import "reflect"

// A markedNode is a field of one of the two sides, as the editor's trees show it.
type markedNode struct {
	ID       string // on the page
	Name     string
	Path     string
	Type     string
	About    string
	Required bool
	Identity bool
	Mapped   bool   // also with what it is part of
	Hint     string // path on the other side that is recommended
	Fields   []markedNode
}

// mark makes the two trees, narrowed to the filter.
func (e *editor) mark() {
	read, written, wrong := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, row := range e.Rows {
		written[row.Key] = true
		for _, key := range row.Rule.reads() {
			read[key] = true
			wrong["<"+key] = wrong["<"+key] || row.State == "error"
		}
		wrong[row.Key] = wrong[row.Key] || row.State == "error"
	}
	from, to := map[string]string{}, map[string]string{}
	for _, h := range e.Hints {
		from[sourceKey(h.Source)], to[targetKey(h.Target)] = h.Target, h.Source
	}
	for i := range e.Rows {
		row := &e.Rows[i]
		row.Hint = row.Rule.kind() == "ATTRIBUTE" && to[row.Key] != "" && sourceKey(to[row.Key]) != sourceKey(row.Rule.Source)
	}
	if e.Sample != nil {
		e.Source = e.markSource(e.Sample.Tree, false, read, from, wrong)
	}
	e.Target = e.markTarget(e.Schema.Fields, false, written, to, wrong)
}

func (e *editor) markSource(nodes []*sourceNode, covered bool, read map[string]bool, hints map[string]string, wrong map[string]bool) []markedNode {
	var all []markedNode
	for _, n := range nodes {
		key := sourceKey(n.Path)
		m := markedNode{ID: anchor("s", key), Name: n.Name, Path: n.Path, Type: n.Type, Mapped: covered || read[key], Hint: hints[key]}
		m.Fields = e.markSource(n.Fields, m.Mapped, read, hints, wrong)
		if len(m.Fields) > 0 || e.shows(m, wrong["<"+key]) {
			all = append(all, m)
		}
	}
	return all
}

func (e *editor) markTarget(nodes []*targetNode, covered bool, written map[string]bool, hints map[string]string, wrong map[string]bool) []markedNode {
	var all []markedNode
	for _, n := range nodes {
		m := markedNode{
			ID: anchor("t", n.Key), Name: n.Name, Path: n.Path, Type: n.Type, About: n.About, Required: n.Required, Identity: n.Identity,
			Mapped: covered || written[n.Key], Hint: hints[n.Key],
		}
		m.Fields = e.markTarget(n.Fields, m.Mapped, written, hints, wrong)
		if len(m.Fields) > 0 || e.shows(m, wrong[n.Key]) {
			all = append(all, m)
		}
	}
	return all
}

// shows says whether a field without others below it passes the filter.
func (e *editor) shows(m markedNode, wrong bool) bool {
	switch e.Filter {
	case "required":
		return m.Required
	case "identity":
		return m.Identity
	case "mapped":
		return m.Mapped
	case "unmapped":
		return !m.Mapped
	case "hints":
		return m.Hint != "" && !m.Mapped
	case "errors":
		return wrong
	}
	return true
}

// Shown are the rules that pass the filter.
func (e *editor) Shown() []ruleView {
	var all []ruleView
	for _, row := range e.Rows {
		ok := true
		switch e.Filter {
		case "required":
			ok = row.Field != nil && row.Field.Required
		case "identity":
			ok = row.Field != nil && row.Field.Identity
		case "unmapped":
			ok = false
		case "hints":
			ok = row.Hint
		case "errors":
			ok = row.State == "error"
		}
		if ok {
			all = append(all, row)
		}
	}
	return all
}

// flat adds the nodes of a tree to a map by their ids.
func flat(nodes []markedNode, into map[string]markedNode) {
	for _, n := range nodes {
		flat(n.Fields, into)
		n.Fields = nil
		into[n.ID] = n
	}
}

// A change is what is different on the page after a change of the rules.
type change struct {
	*editor

	Put   []ruleView // rows that look different
	Added []ruleView
	Gone  []ruleView
	Marks []markedNode
}

// changeOf compares two states of a page without a filter.
func changeOf(before, after *editor) *change {
	c := &change{editor: after}
	was := map[int]ruleView{}
	for _, row := range before.Rows {
		was[row.Rule.N] = row
	}
	for _, row := range after.Rows {
		old, there := was[row.Rule.N]
		delete(was, row.Rule.N)
		switch {
		case !there:
			c.Added = append(c.Added, row)
		case !sameView(old, row):
			c.Put = append(c.Put, row)
		}
	}
	for _, row := range before.Rows {
		if _, gone := was[row.Rule.N]; gone {
			c.Gone = append(c.Gone, row)
		}
	}
	for _, side := range [][2][]markedNode{{before.Source, after.Source}, {before.Target, after.Target}} {
		old, now := map[string]markedNode{}, map[string]markedNode{}
		flat(side[0], old)
		flat(side[1], now)
		for id, n := range now {
			if o, there := old[id]; there && (o.Mapped != n.Mapped || o.Hint != n.Hint) {
				c.Marks = append(c.Marks, n)
			}
		}
	}
	return c
}

func sameView(a, b ruleView) bool {
	return a.State == b.State && a.Hint == b.Hint && reflect.DeepEqual(a.Rule, b.Rule) && reflect.DeepEqual(a.Notes, b.Notes)
}
