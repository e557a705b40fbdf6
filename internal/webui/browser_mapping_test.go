package webui_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/browsertest"
)

// focused waits until the keyboard is on an element.
func focused(p *browsertest.Page, css string) { p.WaitFor(css + ":focus") }

// mapped waits until so many fields are.
func mapped(p *browsertest.Page, n int) {
	p.WaitText("#map-counters .tile:first-child .value", strconv.Itoa(n))
}

// shown are the lines of the table of a dataflow's mapping: sources by targets.
func shown(p *browsertest.Page) map[string]string {
	all := map[string]string{}
	p.Eval(`Object.fromEntries([...document.querySelectorAll("main tbody tr")].map((tr) => [tr.cells[1].innerText.trim(),
		(tr.querySelector(".badge") ? "text/x.aep-xl " : "text/x.schema-path ") + tr.cells[0].querySelector("code").innerText]))`, &all)
	return all
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
// opened again and changed, by the pages alone; the API shows the same one.
func TestBrowserMapping(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("mapping")
	p := b.Page(t)
	p.Allow("422")
	signIn(p, w, w.id, w.secret)
	at := w.url + "/ui/workflow/" + draft + "/mapping"
	p.Open(at)
	p.WaitText("#rows", group+"amount")

	// What is recommended is there; 34 of it stay. Some are found by searching, the others one by one.
	fields := (&mapper{v, "/ui/workflow/" + draft + "/mapping", draft}).fields(35)
	last := fields[34]
	before := p.Count("#rows > li")
	p.Fill(`.map-rows-side input[type="search"]`, "transfer")
	p.WaitGone(`#rows [aria-label="Delete ` + group + `amount"]`)
	found := p.Count("#rows > li:not([hidden])")
	if found != 4 {
		t.Errorf("%d lines are about transfers", found)
	}
	p.Click("#map-pick-all")
	p.Click("#map-delete")
	p.WaitText("dialog", "The selected lines are removed")
	p.Click("dialog button.negative")
	mapped(p, before-found)
	p.Fill(`.map-rows-side input[type="search"]`, "")
	var stay []string
	for _, f := range fields[:34] {
		stay = append(stay, f[1])
	}
	p.Eval(`for (const box of document.querySelectorAll("#rows input[name=picked]")) if (!"`+strings.Join(stay, " ")+
		`".split(" ").includes(box.ariaLabel.replace("Select ", ""))) box.click();`, nil)
	p.Click("#map-delete")
	p.Click("dialog button.negative")
	mapped(p, 34)

	// One is picked in the tree; what is recommended for it comes with it. By keyboard alone.
	p.Fill(`.map-source-side input[type="search"]`, strings.TrimPrefix(last[0], "data."))
	leaf := `#map-source-tree button[value="` + last[0] + `"]`
	p.Eval(`document.querySelector('`+leaf+`').focus()`, nil)
	p.Press("Enter")
	p.WaitFor("#rule-form")
	var target string
	p.Eval(`document.querySelector("#rule-target").value`, &target)
	if target != last[1] {
		t.Errorf("the recommended target is %q", target)
	}
	focused(p, "#rule-target")
	p.WaitText("#tried", "Valid")
	seenIn(t, p, "#panel", "mapping-field", screens[1])
	p.Press("Enter")
	mapped(p, 35)
	focused(p, leaf)
	p.Fill(`.map-source-side input[type="search"]`, "")

	// A mistake is told where it is, while it is typed, and when it is to be saved.
	p.Eval(`document.querySelector("#map-calc").focus()`, nil)
	p.Press("Enter")
	focused(p, "#rule-source")
	p.Fill("#rule-source", "concat(data.id,, data.amount)")
	p.WaitText("#tried", "line 1, column 16")
	p.WaitText("#tried .map-caret", "concat(data.id,, data.amount)\n               ^")
	p.Fill("#rule-target", calculated[0][1])
	p.Press("Enter")
	p.WaitText("#rule-form .banner", "Not saved")
	p.WaitText("#rule-form .banner", "line 1, column 16")
	focused(p, "#rule-form .banner")
	seenIn(t, p, "#panel", "mapping-calculated-wrong", screens[1])
	mapped(p, 35)
	p.Click("#rule-form .banner a")
	var cursor int
	p.Eval(`document.querySelector("#rule-source").selectionStart`, &cursor)
	if cursor != 15 {
		t.Errorf("the cursor is at %d", cursor)
	}
	// What is picked is put in.
	p.Fill("#rule-source", "")
	p.Fill("#helper input[type=search]", "upper")
	p.Click(`#helper-list [data-insert="upper("]`)
	p.Click(`#helper .tabs li:nth-child(3) a`)
	p.WaitText("#helper-list", "==")
	p.Click(`#helper .tabs li:nth-child(2) a`)
	p.WaitText("#helper-list", "data.currency")
	p.Click(`#helper-list [data-insert="data.currency"]`)
	var typed string
	p.Eval(`document.querySelector("#rule-source").value`, &typed)
	if typed != "upper(data.currency" {
		t.Errorf("picking made %q", typed)
	}
	currency := w.newest("currency")
	for i, c := range calculated {
		if i > 0 {
			p.Press("Enter") // on the button that the keyboard went back to
		}
		p.WaitFor("#rule-form textarea")
		p.Fill("#rule-source", c[0])
		p.Fill("#rule-target", c[1])
		p.WaitText("#tried", "Valid")
		p.WaitText("#tried table", "ch_")
		if i == 0 {
			p.WaitText("#tried td", strings.ToUpper(currency))
			p.WaitGone("#rule-form .banner")
			seenIn(t, p, "#tried", "mapping-calculated", screens[0])
		}
		p.Press("Enter")
		p.WaitText("#rows", c[1])
		focused(p, "#map-calc")
	}
	mapped(p, 40)
	p.Click(`.map-toolbar a[href$="panel=preview"]`)
	p.WaitText("#panel table", "Charge ch_")
	focused(p, "#panel h2")
	seenIn(t, p, "#panel .map-preview tr:first-child", "mapping-preview", screens[2])

	// The filter narrows what is shown, and nothing else.
	p.Select("#map-show", "unmapped")
	p.WaitText("#map-empty", "No line is like that")
	p.Select("#map-show", "")
	p.WaitText("#rows", group+"status")
	p.WaitText("#panel table", "Charge ch_")

	// A line that is deleted hands the keyboard to the next; another tab that has it still changes nothing.
	tab := b.Page(t)
	tab.Allow("409")
	signIn(tab, w, w.id, w.secret)
	tab.Open(at)
	tab.WaitText("#rows", group+"status")
	p.Eval(`document.querySelector('#rows [aria-label="Delete `+group+`status"]').focus()`, nil)
	p.Press("Enter")
	mapped(p, 39)
	focused(p, `#rows [aria-label="Delete `+calculated[4][1]+`"]`)
	tab.Click(`#rows [aria-label="Delete ` + group + `currency"]`)
	tab.WaitText("#panel", "changed elsewhere")
	mapped(tab, 39)
	tab.Click("#map-calc") // and can be gone on with
	tab.WaitFor("#rule-form textarea")
	tab.Fill("#rule-source", calculated[3][0])
	tab.Fill("#rule-target", calculated[3][1])
	tab.Click(`#rule-form button[type="submit"]`)
	mapped(tab, 40)

	// Saved: the dataflow is made.
	tab.Click("#map-finish button.accent")
	tab.WaitURL("/schedule")
	tab.Select("#frequency", "day")
	tab.WaitFor("#interval")
	tab.WaitGone("#forecast-title + div .spinner")
	tab.Click(".schedule-form .form-actions button")
	tab.WaitURL("/review")
	tab.Click("form[action$=finish] button")
	tab.WaitURL("/ui/dataflows/")
	_, flow, _ := strings.Cut(tab.URL(), "/ui/dataflows/")
	want := wantRules(append(fields, calculated...))
	rules, _, _ := w.set(flow)
	if d := cmp.Diff(want, rules); d != "" {
		t.Errorf("the API has another mapping: %s", d)
	}

	// Opened again, and changed.
	tab.Click(`.page-head a[href$="/mapping"]`)
	tab.WaitText("main table", "upper(data.currency)")
	seenIn(t, tab, "", "mapping-of-flow", screens[:2]...)
	if d := cmp.Diff(rules, shown(tab)); d != "" {
		t.Errorf("the page has another mapping than the API: %s", d)
	}
	tab.Click(`.page-head button`)
	tab.WaitURL("/ui/workflow/")
	mapped(tab, 40)
	tab.Click(`#rows [aria-label="Change ` + group + `currency"]`)
	tab.WaitText("#tried table", strings.ToUpper(currency))
	changed := `concat(data.currency, "!")`
	tab.Fill("#rule-source", changed)
	tab.WaitText("#tried td", currency+"!")
	tab.Click(`#rule-form button[type="submit"]`)
	tab.WaitText("#rows", changed)
	focused(tab, `#rows [aria-label="Change `+group+`currency"]`)

	// Into a file, and back.
	file := filepath.Join(t.TempDir(), "mapping.json")
	_, _, text := v.get(strings.TrimPrefix(tab.URL(), w.url) + "/export")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.Click(".map-toolbar .menu summary")
	tab.Click(".map-toolbar .menu button.negative")
	tab.WaitText("dialog", "All lines of this mapping are removed")
	tab.Click("dialog button.negative")
	tab.WaitText("#map-empty", "Nothing is mapped yet")
	tab.Click(".map-toolbar .menu summary")
	tab.Click(`.map-toolbar .menu a[href$="panel=import"]`)
	tab.WaitText("#panel", "replaces all lines")
	tab.WaitGone(".map-toolbar .menu-panel")
	seenIn(t, tab, "", "mapping-import", screens[:2]...)
	tab.Upload("#import-file", file)
	tab.Click("#panel button.negative")
	mapped(tab, 40)
	tab.Click("#map-finish button.accent")
	tab.WaitURL("done=mapping-changed")
	tab.Open(w.url + "/ui/dataflows/" + flow + "/mapping")
	want[group+"currency"] = "text/x.aep-xl " + changed
	rules, _, version := w.set(flow)
	if d := cmp.Diff(want, rules); d != "" || version != "1" {
		t.Errorf("version %s of the API is another mapping: %s", version, d)
	}
	if d := cmp.Diff(rules, shown(tab)); d != "" {
		t.Errorf("the page has another mapping than the API: %s", d)
	}
	if version := fmt.Sprintf("version %s", version); !strings.Contains(tab.Text("main"), version) {
		t.Errorf("the page does not say %s", version)
	}
}
