package webui_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

const group = "_tributary.charges_data."

// seen is the state of the mapping that a page was made of.
func seenState(body string) string {
	m := regexp.MustCompile(`name="seen" value="(\d+)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

// mapper is somebody at the step of mapping.
type mapper struct {
	*visitor
	at    string // path of the step
	draft string
}

func (v *visitor) mapping() *mapper {
	draft := v.upTo("mapping")
	return &mapper{v, "/ui/workflow/" + draft + "/mapping", draft}
}

// do sends a form about the mapping as it is now.
func (m *mapper) send(action string, form url.Values, header ...string) (int, http.Header, string) {
	m.world.t.Helper()
	if form.Get("seen") == "" {
		form.Set("seen", seenState(m.page(m.at)))
	}
	return m.post(m.at+"/"+action, form, header...)
}

// add saves a rule that is good.
func (m *mapper) add(kind, source, target string) {
	m.world.t.Helper()
	status, _, body := m.send("save", url.Values{"kind": {kind}, "source": {source}, "target": {target}})
	if status != http.StatusSeeOther {
		m.world.t.Fatalf("%s to %s: %d\n%s", source, target, status, alerts(body))
	}
}

// row is the number of the rule that writes to a target.
func (m *mapper) row(target string) string {
	m.world.t.Helper()
	body := m.page(m.at)
	for _, part := range strings.Split(body, `<li class="mapping" id="row-`)[1:] {
		if strings.Contains(part, `aria-label="Delete `+target+`"`) {
			n, _, _ := strings.Cut(part, `"`)
			return n
		}
	}
	m.world.t.Fatalf("no row for %s", target)
	return ""
}

func rows(body string) int { return strings.Count(body, `<li class="mapping"`) }

// counters are what stands above the mapping.
func counters(body string) string {
	_, body, _ = strings.Cut(body, `<div id="map-counters"`)
	body, _, _ = strings.Cut(body, `<div class="toolbar`)
	return body
}

func TestMapping(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.signedIn(w.id, w.secret).mapping()
	body := m.page(m.at)
	first := rows(body)
	if first < 40 || !strings.Contains(body, "data.payment_method_details.card.brand") || !strings.Contains(body, `<code>_tributary.<wbr>charges_data.<wbr>amount</code>`) {
		t.Fatalf("at first there are %d rows", first)
	}
	if strings.Contains(body, "map-not-ready") {
		t.Error("what is proposed can't be gone on with")
	}
	status, _, body := m.send("delete", url.Values{"rule": {m.row(group + "amount")}})
	if status != http.StatusSeeOther || rows(m.page(m.at)) != first-1 {
		t.Fatalf("deleting: %d %s", status, alerts(body))
	}
	picked := url.Values{"picked": {m.row(group + "currency"), m.row(group + "created"), "999999"}}
	if status, _, body := m.send("delete", picked); status != http.StatusSeeOther || rows(m.page(m.at)) != first-3 {
		t.Fatalf("deleting what is picked: %d %s", status, alerts(body))
	}
	for _, form := range []url.Values{{}, picked} {
		form.Del("seen")
		if status, _, _ := m.send("delete", form); status != http.StatusUnprocessableEntity || rows(m.page(m.at)) != first-3 {
			t.Errorf("deleting %v: %d", form, status)
		}
	}
	m.add("field", "data.currency", group+"currency")
	m.add("field", "data.created", group+"created")
	m.add("calc", "data.amount * 2", group+"amount")
	if body := m.page(m.at); rows(body) != first || !strings.Contains(body, "Calculated") {
		t.Error("the calculated field is not there")
	}
	if to := m.must(m.at+"/done", url.Values{"seen": {seenState(m.page(m.at))}}); to != "/ui/workflow/"+m.draft+"/schedule" {
		t.Errorf("sent to %s", to)
	}
	// Changing it closes the steps behind until it is taken again.
	if status, _, _ := m.send("clear", url.Values{}); status != http.StatusSeeOther {
		t.Errorf("clearing: %d", status)
	}
	if status, h, _ := m.get("/ui/workflow/" + m.draft + "/schedule"); status != http.StatusSeeOther || h.Get("Location") != m.at {
		t.Errorf("the next step is open: %d %v", status, h)
	}
	if body := m.page(m.at); rows(body) != 0 || !strings.Contains(body, "Nothing is mapped yet") {
		t.Error("clearing left something")
	}
	if status, _, _ := m.send("suggest", url.Values{}); status != http.StatusSeeOther {
		t.Errorf("accepting: %d", status)
	}
	if body := m.page(m.at); rows(body) < first {
		t.Errorf("%d recommendations were accepted", rows(body))
	}
}

func TestMappingRefuses(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.signedIn(w.id, w.secret).mapping()
	if status, _, _ := m.send("clear", url.Values{}); status != http.StatusSeeOther {
		t.Fatal("not cleared")
	}
	const html = `<script>alert("x")</script>`
	for name, c := range map[string]struct{ kind, source, target, want string }{
		"broken":            {"calc", "concat(data.id,, data.amount)", group + "id", "line 1, column 16"},
		"caret":             {"calc", "upper(", group + "id", "upper(\n      ^"},
		"no function":       {"calc", "nosuch(data.id)", group + "id", "nosuch"},
		"nothing":           {"calc", "  ", group + "id", "Write an expression."},
		"no source":         {"field", "", group + "id", "Choose a source field."},
		"no target":         {"field", "data.id", "", "Choose a target field."},
		"target is unknown": {"field", "data.id", group + "nowhere", "has no field"},
		"target is no path": {"field", "data.id", "a b", "line 1"},
		"source is no path": {"field", "upper(data.id)", group + "id", "not a path"},
		"never fits":        {"calc", `{"a": 1}`, group + "amount", "never"},
		"huge":              {"calc", strings.Repeat("é", 5000), group + "id", "At most 4,096 characters"},
		"deep":              {"calc", strings.Repeat("(", 4000), group + "id", "Not saved"},
		"huge target":       {"field", "data.id", strings.Repeat("a.", 5000), "There is no such target field"},
		"HTML":              {"calc", html, group + html, "&lt;script&gt;"},
	} {
		form := url.Values{"kind": {c.kind}, "source": {c.source}, "target": {c.target}}
		status, _, body := m.send("save", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, status, alerts(body))
		}
		if strings.Contains(body, html) {
			t.Errorf("%s: the page has the script", name)
		}
		// While it is typed, the same is said, and nothing breaks.
		status, _, body = m.post(m.at+"/try", form, "HX-Request", "true")
		if status != http.StatusOK || strings.Contains(body, html) || strings.Contains(body, "Valid<") && name != "no target" && name != "target is unknown" {
			t.Errorf("%s: trying it: %d %s", name, status, body)
		}
	}
	if n := rows(m.page(m.at)); n != 0 {
		t.Errorf("%d rows were saved", n)
	}
	if status, _, body := m.post(m.at+"/try", url.Values{"kind": {"calc"}, "source": {"upper(data.currency)"}}, "HX-Request", "true"); status != 200 || !strings.Contains(body, "Valid") || !strings.Contains(body, "<code>EUR</code>") && !strings.Contains(body, "<code>USD</code>") {
		t.Errorf("a good one: %d %s", status, body)
	}
	if status, _, body := m.post(m.at+"/try", url.Values{"kind": {"calc"}, "source": {"to_integer(data.id)"}, "target": {group + "amount"}}, "HX-Request", "true"); status != 200 || strings.Count(body, `class="status negative"`) != 20 {
		t.Errorf("one that fails for each object: %d %s", status, body)
	}
}

// Two tabs: the one that knows less changes nothing.
func TestMappingElsewhere(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.signedIn(w.id, w.secret).mapping()
	old := seenState(m.page(m.at))
	m.add("calc", "upper(data.currency)", group+"metadata.currency")
	n := rows(m.page(m.at))
	for action, form := range map[string]url.Values{
		"save":  {"kind": {"calc"}, "source": {"lower(data.id)"}, "target": {group + "metadata.id"}, "seen": {old}},
		"clear": {"seen": {old}}, "done": {"seen": {old}}, "suggest": {"seen": {old}}, "delete": {"rule": {"1"}, "seen": {old}},
	} {
		for _, header := range [][]string{nil, {"HX-Request", "true"}} {
			status, _, body := m.post(m.at+"/"+action, form, header...)
			if status != http.StatusConflict || !strings.Contains(body, "changed elsewhere") {
				t.Errorf("%s %v: %d %s", action, header, status, alerts(body))
			}
			if action == "save" && !strings.Contains(body, "lower(data.id)") {
				t.Error("what was typed is gone")
			}
			if !strings.Contains(body, group+"metadata.currency") {
				t.Errorf("%s does not show the mapping as it is", action)
			}
		}
	}
	if got := rows(m.page(m.at)); got != n {
		t.Errorf("%d rows, not %d", got, n)
	}
}

// A change answers with what is different, and no more.
func TestMappingParts(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.signedIn(w.id, w.secret).mapping()
	whole := m.page(m.at)
	status, _, body := m.send("delete", url.Values{"rule": {m.row(group + "description")}}, "HX-Request", "true")
	if status != http.StatusOK || len(body) > len(whole)/10 || !strings.Contains(body, `hx-swap-oob="delete"`) || strings.Count(body, `class="mark"`) != 2 || rows(body) != 0 {
		t.Errorf("deleting: %d, %d of %d bytes: %s", status, len(body), len(whole), body)
	}
	status, _, body = m.send("save", url.Values{"kind": {"field"}, "source": {"data.description"}, "target": {group + "description"}}, "HX-Request", "true")
	if status != http.StatusOK || !strings.Contains(body, "beforeend:#rows") || rows(body) != 1 || strings.Count(body, `class="mark"`) != 2 {
		t.Errorf("adding: %d %s", status, body)
	}
	n := m.row(group + "description")
	status, _, body = m.send("save", url.Values{"kind": {"field"}, "rule": {n}, "source": {"data.statement_descriptor"}, "target": {group + "description"}}, "HX-Request", "true")
	if status != http.StatusOK || !strings.Contains(body, `id="row-`+n+`" hx-swap-oob="true"`) || !strings.Contains(body, "Another source field is recommended") {
		t.Errorf("changing: %d %s", status, body)
	}
}

// ownSchema makes a schema with required fields and an identity.
func (w *world) ownSchema() (id string) {
	w.t.Helper()
	const registry = "/data/foundation/schemaregistry/tenant/"
	class := ""
	for _, c := range w.api("GET", registry+"classes", nil).(map[string]any)["results"].([]any) {
		if c.(map[string]any)["title"] == "Stripe object" {
			class = c.(map[string]any)["$id"].(string)
		}
	}
	text := map[string]any{"type": "string"}
	made := w.api("POST", registry+"fieldgroups", map[string]any{
		"title": "Orders", "type": "object", "meta:intendedToExtend": []any{class},
		"definitions": map[string]any{"orders": map[string]any{"properties": map[string]any{"_tributary": map[string]any{"type": "object", "properties": map[string]any{
			"order": map[string]any{"type": "object", "required": []any{"number", "total"}, "properties": map[string]any{
				"number": text, "total": map[string]any{"type": "integer"}, "note": text, "tags": map[string]any{"type": "array", "items": text},
				"lines": map[string]any{"type": "array", "items": map[string]any{"type": "object", "properties": map[string]any{"sku": text}}},
			}},
		}}}}},
		"allOf": []any{map[string]any{"$ref": "#/definitions/orders"}},
	}).(map[string]any)
	schema := w.api("POST", registry+"schemas", map[string]any{
		"title": "Orders", "type": "object", "allOf": []any{map[string]any{"$ref": class}, map[string]any{"$ref": made["$id"]}},
	}).(map[string]any)
	w.api("POST", registry+"descriptors", map[string]any{
		"@type": "xdm:descriptorIdentity", "xdm:sourceSchema": schema["$id"], "xdm:sourceVersion": 1, "xdm:sourceProperty": "/_tributary/order/number",
		"xdm:namespace": "Email", "xdm:property": "xdm:code", "xdm:isPrimary": true,
	})
	return schema["$id"].(string)
}

func TestMappingRequired(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.signedIn(w.id, w.secret).mapping()
	schema := w.ownSchema()
	w.changeDraft(m.draft, func(d map[string]any) { d["schema"], d["rules"] = schema, []any{} })
	body := m.page(m.at)
	if !strings.Contains(body, "Nothing is mapped yet") || !strings.Contains(body, "0 of 1") {
		t.Errorf("at first: %s", counters(body))
	}
	if status, _, body := m.send("done", url.Values{}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "missing or wrong") {
		t.Errorf("going on with nothing: %d", status)
	}
	m.add("field", "data.description", "_tributary.order.note")
	body = m.page(m.at)
	if !strings.Contains(body, "0 of 2") || !strings.Contains(body, "Required fields that nothing is mapped to") || !strings.Contains(body, `disabled aria-describedby="map-not-ready"`) || !strings.Contains(body, "target=_tributary.order.total") {
		t.Errorf("without the required ones: %s", counters(body))
	}
	if status, _, _ := m.send("done", url.Values{}); status != http.StatusUnprocessableEntity {
		t.Errorf("going on without them: %d", status)
	}
	m.add("field", "data.id", "_tributary.order.number")
	m.add("calc", "data.amount + 1", "_tributary.order.total")
	m.add("calc", `iif(data.amount > 5000, "big", null)`, "_tributary.order.tags")
	m.add("field", "data.id", "_tributary.order.lines[0].sku")
	body = m.page(m.at)
	if !strings.Contains(body, "2 of 2") || !strings.Contains(body, "1 of 1") || strings.Contains(body, "map-not-ready") {
		t.Errorf("with them: %s", counters(body))
	}
	for filter, want := range map[string]int{"": 5, "required": 2, "identity": 1, "mapped": 5, "unmapped": 0, "errors": 0} {
		status, _, part := m.get(m.at+"?show="+filter, "HX-Request", "true")
		if status != http.StatusOK || rows(part) != want || strings.Contains(part, "<html") {
			t.Errorf("the filter %q shows %d rows", filter, rows(part))
		}
	}
	status, _, part := m.send("delete", url.Values{"show": {"identity"}, "rule": {m.row("_tributary.order.number")}}, "HX-Request", "true")
	if status != http.StatusOK || !strings.Contains(part, `<div id="map-lines" hx-swap-oob="innerHTML">`) || rows(part) != 0 || !strings.Contains(part, "1 of 2") {
		t.Errorf("deleting in a filtered list: %d %s", status, part)
	}
	m.add("field", "data.id", "_tributary.order.number")
	preview := m.page(m.at + "?panel=preview")
	_, preview, _ = strings.Cut(preview, "Preview of mapped data")
	if !regexp.MustCompile(`<th scope="col">#</th><th scope="col">_tributary.order.number</th>`).MatchString(preview) || strings.Count(preview, "<tr>") < 100 {
		t.Errorf("the preview: %.1000s", preview)
	}
	if to := m.must(m.at+"/done", url.Values{"seen": {seenState(m.page(m.at))}}); to != "/ui/workflow/"+m.draft+"/schedule" {
		t.Errorf("sent to %s", to)
	}
}

func TestMappingFiles(t *testing.T) {
	t.Parallel()
	w := open(t)
	m := w.signedIn(w.id, w.secret).mapping()
	n := rows(m.page(m.at))
	_, h, file := m.get(m.at + "/export")
	if !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("Content-Type") != "application/json" {
		t.Errorf("the file comes as %v", h)
	}
	var set struct {
		Mappings []map[string]any `json:"mappings"`
	}
	if err := json.Unmarshal([]byte(file), &set); err != nil || len(set.Mappings) != n {
		t.Fatalf("the file has %d mappings: %v", len(set.Mappings), err)
	}
	w.api("POST", "/data/foundation/conversion/mappingSets", file) // it is what Data Prep takes
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":     {"{", "no mapping set in JSON"},
		"no mappings": {"{}", "no mappings"},
		"nothing":     {"", "Choose a dataflow or a file"},
		"strange":     {`{"mappings": 5}`, "no mapping set in JSON"},
	} {
		if status, _, body := m.send("import", url.Values{"json": {c.text}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s", name, status, alerts(body))
		}
	}
	const mixed = `{"xdmSchema": "x", "mappings": [
		{"sourceAttribute": "data.id", "destinationXdmPath": "_tributary.charges_data.id", "identity": true, "identityGroup": "g"},
		{"source": "upper(data.currency)", "destination": "_tributary.charges_data.currency"},
		{"sourceType": "STATIC", "source": " <b>x</b> ", "destination": "_tributary.charges_data.description"},
		{"source": "data.x", "destination": "<i>nowhere</i>"}, {"sourceType": "EXPRESSION", "source": "upper(", "destination": "_tributary.charges_data.status"}]}`
	if status, _, body := m.send("import", url.Values{"json": {mixed}}); status != http.StatusSeeOther {
		t.Fatalf("importing: %d %s", status, alerts(body))
	}
	body := m.page(m.at)
	if rows(body) != 5 || strings.Count(body, `class="status negative"`) != 2 || strings.Contains(body, "<b>x") || strings.Contains(body, "<i>nowhere") || !strings.Contains(body, `<pre class="map-caret">upper(`+"\n      ^</pre>") {
		t.Errorf("imported: %d rows: %s", rows(body), body)
	}
	_, _, file = m.get(m.at + "/export")
	for _, want := range []string{`"identity": true`, `"identityGroup": "g"`, `"sourceType": "STATIC"`, `"source": " \u003cb\u003ex\u003c/b\u003e "`} {
		if !strings.Contains(file, want) {
			t.Errorf("the file lacks %s: %s", want, file)
		}
	}
	if body := m.page(m.at + "?panel=preview"); !strings.Contains(body, "Preview of mapped data") || !strings.Contains(body, "ch_") {
		t.Error("no preview")
	}
}

// Who may only look at sources sees the mapping of a dataflow, and changes nothing.
func TestMappingViewSources(t *testing.T) {
	t.Parallel()
	w := open(t)
	admin := w.signedIn(w.id, w.secret)
	flow := admin.scheduled(url.Values{"frequency": {"once"}})
	id, secret := w.integration(access.ViewSources)
	v := w.signedIn(id, secret)
	if body := v.page("/ui/dataflows/" + flow + "/mapping"); !strings.Contains(body, "upper(data.<wbr>currency)") || strings.Contains(body, "Edit mapping") || strings.Contains(body, "<main method=post") {
		t.Errorf("the mapping: %s", body)
	}
	m := admin.mapping()
	for _, path := range []string{m.at, m.at + "/export"} {
		if status, _, _ := v.get(path); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, action := range []string{"try", "save", "delete", "suggest", "clear", "import", "done"} {
		if status, _, _ := v.post(m.at+"/"+action, url.Values{}); status != http.StatusForbidden {
			t.Errorf("%s: %d", action, status)
		}
	}
	if status, _, _ := v.post("/ui/dataflows/"+flow+"/mapping", url.Values{}); status != http.StatusForbidden {
		t.Errorf("editing: %d", status)
	}
	// A draft is its owner's alone.
	id, secret = w.integration(access.ManageSources, access.ViewSchemas, access.ViewDatasets)
	if status, _, _ := w.signedIn(id, secret).get(m.at); status != http.StatusNotFound {
		t.Errorf("somebody else's draft: %d", status)
	}
	if status, _, body := admin.post("/ui/dataflows/"+flow+"/mapping", url.Values{}); status != http.StatusConflict || !strings.Contains(body, "runs once") {
		t.Errorf("a dataflow that runs once: %d", status)
	}
}
