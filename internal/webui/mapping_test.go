package webui_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
)

// rulesOf returns the form of a page of mapping as it would be sent.
func rulesOf(t *testing.T, body string) url.Values {
	t.Helper()
	form := url.Values{}
	for _, m := range regexp.MustCompile(`<input[^>]* name="(seen|kind|source|target)" value="([^"]*)"|<textarea[^>]* name="(source)"[^>]*>([^<]*)</textarea>`).FindAllStringSubmatch(body, -1) {
		form.Add(m[1]+m[3], html.UnescapeString(m[2]+m[4]))
	}
	if form.Get("seen") == "" {
		t.Fatalf("no form of a mapping: %s", body)
	}
	return form
}

// A mapping of 40 fields with five calculated ones is made, checked, saved,
// opened again and changed, and the mapping set is what the page showed.
func TestMapping(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("mapping")
	path := "/ui/workflow/" + draft + "/mapping"
	proposed := rulesOf(t, v.page(path))
	if n := len(proposed["source"]); n < 40 {
		t.Fatalf("%d rules are proposed", n)
	}
	form := url.Values{"seen": proposed["seen"]}
	want := [][3]string{}
	add := func(kind, source, target string) {
		form.Add("kind", kind)
		form.Add("source", source)
		form.Add("target", target)
		want = append(want, [3]string{map[string]string{"field": "text/x.schema-path", "expression": "text/x.aep-xl"}[kind], source, target})
	}
	calculated := map[string]string{
		"currency": "upper(data.currency)", "description": `concat("Order ", data.id)`, "status": "lower(data.status)",
		"receipt_email": `iif(data.receipt_email == null, "none", data.receipt_email)`, "amount": "data.amount + 0",
	}
	for i, source := range proposed["source"] {
		if len(want) == 40 {
			break
		}
		name := strings.TrimPrefix(source, "data.")
		if expression, ok := calculated[name]; ok {
			add("expression", expression, proposed["target"][i])
			delete(calculated, name)
			continue
		}
		if 40-len(want) > len(calculated) {
			add("field", source, proposed["target"][i])
		}
	}
	if len(want) != 40 || len(calculated) != 0 {
		t.Fatalf("%d lines, without %v", len(want), calculated)
	}
	sent := func(do string) (int, string) {
		t.Helper()
		form.Set("do", do)
		status, h, body := v.post(path, form)
		if status == http.StatusSeeOther {
			return status, h.Get("Location")
		}
		form.Set("seen", rulesOf(t, body).Get("seen"))
		return status, body
	}
	if status, body := sent("check"); status != http.StatusOK || !strings.Contains(body, "Nothing is wrong") {
		t.Fatalf("checking: %d %s", status, body)
	}
	if status, body := sent("preview"); status != http.StatusOK || !strings.Contains(body, "Order ch_") {
		t.Fatalf("the preview: %d %s", status, body)
	}
	// Broken, it is refused where it is broken, and kept as it was typed.
	form["source"][0] += " <b>("
	status, body := sent("next")
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="error-0"`) || strings.Contains(body, "<b>(") || rulesOf(t, body)["source"][0] != form["source"][0] {
		t.Fatalf("a broken line: %d %s", status, body)
	}
	form["source"][0] = strings.TrimSuffix(form["source"][0], " <b>(")
	if status, to := sent("next"); status != http.StatusSeeOther || !strings.HasSuffix(to, "/schedule") {
		t.Fatalf("next: %d %s", status, to)
	}
	again := rulesOf(t, v.page(path))
	if d := cmp.Diff([]any{form["kind"], form["source"], form["target"]}, []any{again["kind"], again["source"], again["target"]}); d != "" {
		t.Errorf("opened again: %s", d)
	}
	form.Set("seen", again.Get("seen"))
	form["source"][39], want[39][1] = "data.invoice", "data.invoice"
	form["kind"][39], want[39][0] = "field", "text/x.schema-path"
	if status, to := sent("next"); status != http.StatusSeeOther {
		t.Fatalf("next, changed: %d %s", status, to)
	}
	v.must("/ui/workflow/"+draft+"/schedule", url.Values{"frequency": {"once"}})
	flow := strings.TrimPrefix(v.must("/ui/workflow/"+draft+"/finish", url.Values{}), "/ui/dataflows/")
	item := w.api("GET", "/data/foundation/flowservice/flows/"+flow, nil).(map[string]any)["items"].([]any)[0].(map[string]any)
	set := item["transformations"].([]any)[0].(map[string]any)["params"].(map[string]any)["mappingId"].(string)
	var got [][3]string
	for _, m := range w.api("GET", "/data/foundation/conversion/mappingSets/"+set, nil).(map[string]any)["mappings"].([]any) {
		m := m.(map[string]any)
		got = append(got, [3]string{fmt.Sprint(m["sourceType"]), fmt.Sprint(m["source"]), fmt.Sprint(m["destination"])})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the mapping set: %s", d)
	}
}

func TestMappingButtons(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	path := "/ui/workflow/" + v.upTo("mapping") + "/mapping"
	form := rulesOf(t, v.page(path))
	begun := len(form["source"])
	press := func(do string, status int) string {
		t.Helper()
		form.Set("do", do)
		got, _, body := v.post(path, form)
		if got != status {
			t.Fatalf("%s: %d %s", do, got, body)
		}
		form = rulesOf(t, body)
		return body
	}
	for _, s := range []struct {
		do   string
		want int
	}{{"add", begun + 1}, {"calculated", begun + 2}, {"drop-0", begun + 1}, {"drop-99999", begun + 1}, {"clear", 0}, {"suggest", begun}} {
		press(s.do, http.StatusOK)
		if n := len(form["source"]); n != s.want {
			t.Errorf("%s leaves %d lines, not %d", s.do, n, s.want)
		}
	}
	old := form
	press("clear", http.StatusOK)
	if body := press("next", http.StatusUnprocessableEntity); !strings.Contains(body, "Map one field at least.") {
		t.Errorf("nothing is mapped: %s", body)
	}
	form = old
	if body := press("check", http.StatusUnprocessableEntity); !strings.Contains(body, "in another window") {
		t.Errorf("changed elsewhere: %s", body)
	}
	press("check", http.StatusOK)
	for name, bad := range map[string]url.Values{
		"no targets":     {"source": {"data.id"}, "kind": {"field"}, "do": {"next"}},
		"too many lines": {"source": make([]string, 1001), "target": make([]string, 1001), "kind": make([]string, 1001)},
	} {
		if status, _, body := v.post(path, bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	id, secret := w.integration(access.ViewSources)
	viewer := w.signedIn(id, secret)
	if status, _, _ := viewer.get(path); status != http.StatusForbidden {
		t.Errorf("View Sources sees the mapping: %d", status)
	}
	if status, _, _ := viewer.post(path, form); status != http.StatusForbidden {
		t.Errorf("View Sources changes the mapping: %d", status)
	}
	if status, _, _ := w.signedIn(w.integration(access.ManageSources)).get(path); status == http.StatusOK {
		t.Error("somebody else's draft is shown")
	}
}
