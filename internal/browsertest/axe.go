package browsertest

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/tributary-data/tributary/internal/need"
)

// Axe looks at the page, as it is shown now, by the rules of axe-core, and fails the test
// for every element that breaks one with an impact of serious or critical.
func (p *Page) Axe() {
	p.t.Helper()
	p.axe("document")
}

// AxeIn is Axe in what matches alone: for what changed on a large page that was looked
// at, as a look takes seconds there.
func (p *Page) AxeIn(css string) {
	p.t.Helper()
	p.WaitFor(css)
	p.axe(`{include: [[` + quote(css) + `]]}`)
}

// axe looks at a context of axe-core's, which is JavaScript.
func (p *Page) axe(context string) {
	p.t.Helper()
	dir := need.Dir(p.t, AxeDir)
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		p.t.Fatal(err)
	}
	var present bool
	p.Eval("typeof axe === 'object'", &present)
	if !present {
		p.Eval(string(axe)+"\n;0", nil)
	}
	var broken []struct {
		ID, Impact, Help string
		Nodes            []struct {
			HTML, FailureSummary string
			Target               []any
		}
	}
	// Without preload it asks the server for nothing.
	p.Eval(`axe.run(`+context+`, {preload: false, resultTypes: ["violations"]}).then((found) => found.violations
		.filter((v) => v.impact === "serious" || v.impact === "critical")
		.map((v) => ({ID: v.id, Impact: v.impact, Help: v.help,
			Nodes: v.nodes.map((n) => ({HTML: n.html.slice(0, 300), FailureSummary: n.failureSummary, Target: n.target}))})))`, &broken)
	for _, rule := range broken {
		for _, node := range rule.Nodes {
			p.t.Errorf("axe: %s (%s, %s) at %v, %d pixels wide, %s: %s\n\t%s", rule.ID, rule.Impact, rule.Help, node.Target,
				p.screen.width, p.screen.scheme, node.HTML, strings.ReplaceAll(node.FailureSummary, "\n", "\n\t"))
		}
	}
}
