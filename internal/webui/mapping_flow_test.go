package webui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// calculated are five calculated fields of charges.
var calculated = [][2]string{
	{"upper(data.currency)", group + "currency"},
	{"data.amount - data.amount_refunded", group + "amount_captured"},
	{`concat("Charge ", data.id)`, group + "description"},
	{`iif(data.paid, "paid", "open")`, group + "status"},
	{"lower(data.billing_details.email)", group + "receipt_email"},
}

// fields are the first n charge fields of the template that none of these are.
func (m *mapper) fields(n int) (all [][2]string) {
	for _, part := range strings.Split(m.page(m.at), `aria-label="Delete `+group)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		taken := slices.ContainsFunc(calculated, func(c [2]string) bool { return c[1] == group+name })
		if !taken && len(all) < n {
			all = append(all, [2]string{"data." + name, group + name})
		}
	}
	return all
}

// set is what the API shows of a dataflow's mapping: sources by targets.
func (w *world) set(flow string) (rules map[string]string, id, version string) {
	w.t.Helper()
	p := w.flow(flow)["transformations"].([]any)[0].(map[string]any)["params"].(map[string]any)
	id, version = p["mappingId"].(string), p["mappingVersion"].(string)
	rules = map[string]string{}
	for _, one := range w.api("GET", "/data/foundation/conversion/mappingSets/"+id+"?version="+version, nil).(map[string]any)["mappings"].([]any) {
		m := one.(map[string]any)
		rules[m["destination"].(string)] = m["sourceType"].(string) + " " + m["source"].(string)
	}
	return rules, id, version
}

func wantRules(fields [][2]string) map[string]string {
	want := map[string]string{}
	for _, f := range fields {
		kind := "text/x.schema-path "
		if slices.Contains(calculated, f) {
			kind = "text/x.aep-xl "
		}
		want[f[1]] = kind + f[0]
	}
	return want
}

// A mapping of forty fields is made, becomes a dataflow, is opened again and
// changed; the API shows the same each time.
func TestMappingOfFlow(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	m := v.mapping()
	all := append(m.fields(35), calculated...)
	if len(all) != 40 {
		t.Fatalf("%d fields", len(all))
	}
	if status, _, _ := m.send("clear", url.Values{}); status != http.StatusSeeOther {
		t.Fatal("not cleared")
	}
	state, err := strconv.Atoi(seenState(m.page(m.at)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range all {
		kind := "field"
		if slices.Contains(calculated, f) {
			kind = "calc"
		}
		m.must(m.at+"/save", url.Values{"kind": {kind}, "source": {f[0]}, "target": {f[1]}, "seen": {strconv.Itoa(state + i)}})
	}
	state += len(all)
	if body := m.page(m.at); seenState(body) != strconv.Itoa(state) || rows(body) != 40 || strings.Count(body, "Calculated") != 5 {
		t.Errorf("%d rows", rows(body))
	}
	m.must(m.at+"/done", url.Values{"seen": {strconv.Itoa(state)}})
	m.must("/ui/workflow/"+m.draft+"/schedule", url.Values{"frequency": {"hour"}, "interval": {"1"}, "backfill": {"on"}})
	flow := strings.TrimPrefix(m.must("/ui/workflow/"+m.draft+"/finish", nil), "/ui/dataflows/")
	rules, id, version := w.set(flow)
	if fmt.Sprint(rules) != fmt.Sprint(wantRules(all)) || version != "0" {
		t.Errorf("version %s of the API: %v", version, rules)
	}
	if run := w.ended(flow); run["status"] != "success" || fmt.Sprint(run["records"]) != "150" {
		t.Errorf("the run: %v", run)
	}

	edit := func() *mapper {
		at := v.must("/ui/dataflows/"+flow+"/mapping", url.Values{})
		return &mapper{v, at, strings.Split(at, "/")[3]}
	}
	// Nothing changed makes no version.
	e := edit()
	if body := e.page(e.at); rows(body) != 40 || strings.Count(body, "Calculated") != 5 || !strings.Contains(body, "Charges of the shop") {
		t.Errorf("reopened there are %d rows", rows(body))
	}
	if to := e.must(e.at+"/done", url.Values{"seen": {seenState(e.page(e.at))}}); to != "/ui/dataflows/"+flow+"?done=mapping-same" {
		t.Errorf("sent to %s", to)
	}
	if _, _, version := w.set(flow); version != "0" {
		t.Errorf("there is a version %s", version)
	}
	e, other := edit(), edit()
	if status, _, _ := v.get("/ui/workflow/" + e.draft + "/detail"); status != http.StatusConflict {
		t.Errorf("another step of this draft: %d", status)
	}
	n := e.row(group + "status")
	if status, _, body := e.send("save", url.Values{"kind": {"calc"}, "rule": {n}, "source": {"upper(data.status)"}, "target": {group + "status"}}); status != http.StatusSeeOther {
		t.Fatalf("changing: %d %s", status, alerts(body))
	}
	if status, _, _ := e.send("delete", url.Values{"rule": {e.row(group + "receipt_email")}}); status != http.StatusSeeOther {
		t.Fatal("not deleted")
	}
	if to := e.must(e.at+"/done", url.Values{"seen": {seenState(e.page(e.at))}}); to != "/ui/dataflows/"+flow+"?done=mapping-changed" {
		t.Errorf("sent to %s", to)
	}
	want := wantRules(all)
	want[group+"status"] = "text/x.aep-xl upper(data.status)"
	delete(want, group+"receipt_email")
	rules, again, version := w.set(flow)
	if fmt.Sprint(rules) != fmt.Sprint(want) || version != "1" || again != id {
		t.Errorf("version %s of %s in the API: %v", version, again, rules)
	}
	// The mappings that stayed are the same ones to the API.
	kept := 0
	for _, one := range w.api("GET", "/data/foundation/conversion/mappingSets/"+id+"/mappings", nil).([]any) {
		if fmt.Sprint(one.(map[string]any)["version"]) == "0" {
			kept++
		}
	}
	if kept != 38 {
		t.Errorf("%d mappings are as they were", kept)
	}
	// Who began before that loses nothing, and overwrites nothing.
	if status, _, _ := other.send("delete", url.Values{"rule": {other.row(group + "amount")}}); status != http.StatusSeeOther {
		t.Fatal("not deleted")
	}
	status, _, body := other.send("done", url.Values{})
	if status != http.StatusConflict || !strings.Contains(body, "got another mapping since you began") || rows(body) != 39 {
		t.Errorf("saving over it: %d %s", status, alerts(body))
	}
	if _, _, version := w.set(flow); version != "1" {
		t.Errorf("there is a version %s", version)
	}
	// The mapping of one dataflow for another.
	into := v.mapping()
	if body := into.page(into.at + "?panel=import"); !strings.Contains(body, `<option value="`+flow+`">`) {
		t.Error("the dataflow is not offered")
	}
	if status, _, body := into.send("import", url.Values{"flow": {flow}}); status != http.StatusSeeOther || rows(into.page(into.at)) != 39 {
		t.Errorf("importing: %d %s", status, alerts(body))
	}
	if to := v.must("/ui/workflow/"+other.draft+"/discard", url.Values{}); to != "/ui/dataflows/"+flow {
		t.Errorf("discarded, one is sent to %s", to)
	}
}
