package webui_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/browsertest"
)

// saveRule presses the button of the form of a rule and waits until it is there.
func saveRule(p *browsertest.Page, target string) {
	p.Click(`#rule-form button[type="submit"]`)
	p.WaitGone("#rule-form")
	p.WaitText("#rows", target)
}

// newest is a member of the newest charge of the account.
func (w *world) newest(name string) string {
	w.t.Helper()
	const flows = "/data/foundation/flowservice"
	id := items(w.api("GET", flows+"/connections", nil))[0]["id"].(string)
	rows := w.api("GET", flows+"/connections/"+id+"/explore?objectType=rest&object=json&fileType=json&preview=true&sourceParams=eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0=", nil).(map[string]any)["data"].([]any)
	return rows[0].(map[string]any)["data"].(map[string]any)[name].(string)
}

// A mapping of forty fields, five of them calculated, is made, checked, saved,
// opened again and changed.
func TestBrowserMapping(t *testing.T) {
	t.Parallel()
	b := browsertest.New(t)
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("mapping")
	p := b.Page(t)
	p.Allow("422")
	p.Allow("409")
	p.Allow("404") // the page of a dataflow
	signIn(p, w, w.id, w.secret)
	currency := w.newest("currency")
	at := w.url + "/ui/workflow/" + draft + "/mapping"
	p.Open(at)
	p.WaitText("#rows", group+"amount")
	m := &mapper{v, "/ui/workflow/" + draft + "/mapping", draft}
	fields := m.fields(35)
	keep := map[string]bool{}
	for _, f := range fields {
		keep[f[1]] = true
	}
	seen(t, p, "mapping")
	left := p.Count("#rows > li")
	for _, part := range strings.Split(m.page(m.at), `aria-label="Delete `)[1:] {
		target, _, _ := strings.Cut(part, `"`)
		if keep[target] {
			continue
		}
		p.Click(`#rows [aria-label="Delete ` + target + `"]`)
		left--
		p.WaitText("#map-counters .tile:first-child .value", strconv.Itoa(left))
	}
	if n := p.Count("#rows > li"); n != 35 {
		t.Fatalf("%d rows are left", n)
	}
	for i, c := range calculated {
		p.Click(`.map-toolbar a[href$="panel=calc"]`)
		p.WaitText("#helper-list", "upper")
		if i == 0 {
			p.Fill("#rule-source", "concat(data.id,, data.amount)")
			p.WaitText("#tried", "column 16")
			p.WaitText("#tried .map-caret", "               ^")
			seen(t, p, "mapping-calculated-wrong")
			p.Fill("#rule-target", c[1])
			p.Click(`#rule-form button[type="submit"]`)
			p.WaitText("#rule-form .banner", "Not saved")
			p.Axe()
			// What is picked is put in.
			p.Fill("#rule-source", "")
			p.Fill("#helper input[type=search]", "upper")
			p.Click(`#helper-list [data-insert="upper("]`)
			p.Click(`#helper .tabs li:nth-child(2) a`)
			p.WaitText("#helper-list", "data.currency")
			p.Axe()
			p.Fill("#helper input[type=search]", "data.currency")
			p.Click(`#helper-list [data-insert="data.currency"]`)
			p.Click(`#helper .tabs li:nth-child(3) a`)
			p.WaitText("#helper-list", "==")
			var typed string
			p.Eval(`document.querySelector("#rule-source").value`, &typed)
			if typed != "upper(data.currency" {
				t.Errorf("picking made %q", typed)
			}
		}
		p.Fill("#rule-source", c[0])
		p.Fill("#rule-target", c[1])
		p.WaitText("#tried", "Valid")
		p.WaitText("#tried table", "ch_")
		if i == 0 {
			p.WaitText("#tried td", strings.ToUpper(currency))
			seen(t, p, "mapping-calculated")
		}
		saveRule(p, c[1])
	}
	p.WaitText("#map-counters .tile:first-child .value", "40")

	// Both trees say what is mapped; a field of them opens the form.
	p.Fill(`.map-source-side input[type="search"]`, "statement_descriptor_suffix")
	p.Click(`#map-source-tree button[value="data.statement_descriptor_suffix"]`)
	p.WaitFor("#rule-form")
	var target string
	p.Eval(`document.querySelector("#rule-target").value`, &target)
	if target != group+"statement_descriptor_suffix" {
		t.Errorf("the recommended target is %q", target)
	}
	seen(t, p, "mapping-field")
	p.Click("#rule-form a.button")
	p.WaitGone("#rule-form")
	p.Fill(`.map-source-side input[type="search"]`, "")
	p.Click(`.map-toolbar a[href$="panel=preview"]`)
	p.WaitText("#panel table", "Charge ch_")
	seen(t, p, "mapping-preview")
	p.Select("#map-show", "unmapped")
	p.WaitText("#map-empty", "No line is like that")
	p.Select("#map-show", "")
	p.WaitText("#rows", group+"status")

	// Another tab changed something meanwhile.
	tab := b.Page(t)
	tab.Allow("409")
	signIn(tab, w, w.id, w.secret)
	tab.Open(at)
	tab.WaitText("#rows", group+"status")
	p.Click(`#rows [aria-label="Delete ` + group + `status"]`)
	p.WaitText("#map-counters .tile:first-child .value", "39")
	tab.Click(`#rows [aria-label="Delete ` + group + `currency"]`)
	tab.WaitText("#panel", "changed elsewhere")
	tab.WaitText("#map-counters .tile:first-child .value", "39")
	tab.Axe()
	tab.Click(`.map-toolbar a[href$="panel=calc"]`) // and can be gone on with
	tab.WaitText("#helper-list", "upper")
	tab.Fill("#rule-source", calculated[3][0])
	tab.Fill("#rule-target", calculated[3][1])
	saveRule(tab, calculated[3][1])
	tab.WaitText("#map-counters .tile:first-child .value", "40")

	tab.Click("#map-finish button.accent")
	tab.WaitURL("/schedule")
	v.must("/ui/workflow/"+draft+"/schedule", url.Values{"frequency": {"day"}, "interval": {"1"}, "backfill": {"on"}})
	flow := strings.TrimPrefix(v.must("/ui/workflow/"+draft+"/finish", nil), "/ui/dataflows/")
	all := append(fields, calculated...)
	if rules, _, _ := w.set(flow); fmt.Sprint(rules) != fmt.Sprint(wantRules(all)) {
		t.Errorf("the API has %v", rules)
	}

	p.Open(w.url + "/ui/dataflows/" + flow + "/mapping")
	p.WaitText("main table", "upper(data.currency)")
	seen(t, p, "mapping-of-flow")
	p.Click(`.page-head button`)
	p.WaitURL("/ui/workflow/")
	p.WaitText("#rows", group+"status")
	if n := p.Count("#rows > li"); n != 40 {
		t.Errorf("opened again there are %d rows", n)
	}
	p.Click(`#rows [aria-label="Change ` + group + `currency"]`)
	p.WaitText("#tried table", strings.ToUpper(currency))
	p.Fill("#rule-source", `concat(data.currency, "!")`)
	p.WaitText("#tried td", currency+"!")
	p.Click(`#rule-form button[type="submit"]`)
	p.WaitText("#rows", `concat(data.currency, "!")`)

	// From a file, and back.
	file := filepath.Join(t.TempDir(), "mapping.json")
	_, _, text := v.get(strings.TrimPrefix(p.URL(), w.url) + "/export")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Click(".map-toolbar .menu summary")
	p.Click(".map-toolbar .menu button.negative")
	p.WaitText("dialog", "All lines of this mapping are removed")
	p.Axe()
	p.Click("dialog button.negative")
	p.WaitText("#map-empty", "Nothing is mapped yet")
	seen(t, p, "mapping-empty")
	p.Click(".map-toolbar .menu summary")
	p.Click(`.map-toolbar .menu a[href$="panel=import"]`)
	p.WaitText("#panel", "replaces all lines")
	seen(t, p, "mapping-import")
	p.Upload("#import-file", file)
	p.Click("#panel button.negative")
	p.WaitText("#rows", `concat(data.currency, "!")`)
	if n := p.Count("#rows > li"); n != 40 {
		t.Errorf("imported there are %d rows", n)
	}
	p.Click("#map-finish button.accent")
	p.WaitURL("done=mapping-changed")
	want := wantRules(all)
	want[group+"currency"] = `text/x.aep-xl concat(data.currency, "!")`
	if rules, _, version := w.set(flow); fmt.Sprint(rules) != fmt.Sprint(want) || version != "1" {
		t.Errorf("version %s of the API has %v", version, rules)
	}
}
