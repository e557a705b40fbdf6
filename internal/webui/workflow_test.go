package webui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
)

// goodKey opens the simulated account.
const goodKey = "sk_test_0123456789abcdef"

// must posts a form that is taken, and returns where the browser is sent.
func (v *visitor) must(path string, form url.Values) string {
	v.world.t.Helper()
	status, h, body := v.post(path, form)
	if status != http.StatusSeeOther {
		v.world.t.Fatalf("POST %s: %d\n%s", path, status, alerts(body))
	}
	return h.Get("Location")
}

// page gets a page that is there.
func (v *visitor) page(path string) string {
	v.world.t.Helper()
	status, h, body := v.get(path)
	if status != http.StatusOK {
		v.world.t.Fatalf("GET %s: %d %s\n%s", path, status, h.Get("Location"), alerts(body))
	}
	return body
}

// alerts is what a page says went wrong; all of the page where it says nothing.
func alerts(body string) string {
	if found := regexp.MustCompile(`(?s)<div class="banner negative".*?</div>`).FindString(body); found != "" {
		return found
	}
	return body
}

// map writes rules into a draft as the step of mapping does.
func (w *world) mapDraft(id string, rules ...[2]string) {
	w.t.Helper()
	w.changeDraft(id, func(d map[string]any) {
		all := []any{}
		for _, one := range rules {
			all = append(all, map[string]any{"source": one[0], "target": one[1], "expression": strings.Contains(one[0], "(")})
		}
		d["rules"], d["mapped"] = all, true
	})
}

func (w *world) changeDraft(id string, change func(map[string]any)) {
	w.t.Helper()
	admin, err := w.Access.Operator(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.DB.Do(w.t.Context(), func(t *docstore.Tx) error {
		doc, err := t.Get(admin.Scope(), "webui.draft", id)
		if err != nil {
			return err
		}
		var d map[string]any
		if err := json.Unmarshal(doc.Body, &d); err != nil {
			return err
		}
		change(d)
		if doc.Body, err = json.Marshal(d); err != nil {
			return err
		}
		_, err = t.Put(admin.Scope(), doc)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// chargeRules are a mapping of charges.
var chargeRules = [][2]string{
	{"data.id", "_tributary.charges_data.id"}, {"data.amount", "_tributary.charges_data.amount"}, {"upper(data.currency)", "_tributary.charges_data.currency"},
}

// upTo fills in the workflow up to a step, and returns the draft's id.
func (v *visitor) upTo(step string) (draft string) {
	v.world.t.Helper()
	at := v.must("/ui/workflow", url.Values{})
	draft = strings.Split(at, "/")[3]
	base := "/ui/workflow/" + draft
	for _, s := range []struct {
		step string
		do   func()
	}{
		{"connect", func() {
			v.must(base+"/connect/new", url.Values{"name": {"Shop"}, "token": {goodKey}})
		}},
		{"data", func() { v.must(base+"/data", url.Values{"resource": {"charges"}}) }},
		{"detail", func() {
			v.must(base+"/detail", url.Values{
				"target": {"new"}, "datasetName": {"Our charges"}, "schema": {field(v.page(base+"/detail"), "schema")}, "name": {"Charges of the shop"},
			})
		}},
		{"mapping", func() { v.world.mapDraft(draft, chargeRules...) }},
		{"schedule", func() { v.must(base+"/schedule", url.Values{"frequency": {"once"}}) }},
	} {
		if s.step == step {
			return draft
		}
		s.do()
	}
	return draft
}

// field is the value of the control of that name that is checked.
func field(body, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)" checked`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return m[1]
}

// A new user's way from nothing to rows.
func TestWorkflow(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	at := v.must("/ui/workflow", url.Values{})
	base := strings.TrimSuffix(at, "/connect")
	draft := strings.TrimPrefix(base, "/ui/workflow/")
	if body := v.page(at); !strings.Contains(body, `type="password"`) || strings.Contains(body, ">Next<") {
		t.Errorf("the first step: %s", body)
	}
	for _, later := range []string{"data", "detail", "schedule", "review"} {
		if status, h, _ := v.get(base + "/" + later); status != http.StatusSeeOther || h.Get("Location") != at {
			t.Errorf("%s before an account: %d %v", later, status, h)
		}
	}
	status, _, body := v.post(base+"/connect/new", url.Values{"name": {"Shop"}, "token": {"sk_test_of_nobody_at_all"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "Invalid API Key") || strings.Contains(body, "sk_test_of_nobody_at_all") {
		t.Errorf("a key that Stripe refuses: %d %s", status, alerts(body))
	}
	if n := len(w.api("GET", "/data/foundation/flowservice/connections", nil).(map[string]any)["items"].([]any)); n != 0 {
		t.Errorf("%d connections are left of a key that was refused", n)
	}
	if to := v.must(base+"/connect/new", url.Values{"name": {"Shop"}, "token": {goodKey}}); to != at {
		t.Errorf("connected, one is sent to %s", to)
	}
	if body := v.page(at); !strings.Contains(body, "Connected") || !strings.Contains(body, base+"/data") || strings.Contains(body, goodKey) {
		t.Errorf("connected: %s", body)
	}
	body = v.page(base + "/data?resource=charges")
	if !strings.Contains(body, "ch_") || !strings.Contains(body, "payment_method_details") || !strings.Contains(body, ">Next<") || strings.Count(body, "<tr>") != 101 {
		t.Errorf("the preview has %d rows: %.3000s", strings.Count(body, "<tr>"), body)
	}
	if body := v.page(base + "/data"); strings.Contains(body, ">Next<") {
		t.Error("without a preview one may go on")
	}
	if to := v.must(base+"/data", url.Values{"resource": {"charges"}}); to != base+"/detail" {
		t.Errorf("sent to %s", to)
	}
	schema := field(v.page(base+"/detail"), "schema")
	if !strings.HasPrefix(schema, "https://ns.adobe.com/") {
		t.Fatalf("the schema proposed is %q", schema)
	}
	form := url.Values{"target": {"new"}, "datasetName": {"Our charges"}, "schema": {schema}, "name": {"Charges of the shop"}, "partial": {"on"}, "threshold": {"5"}, "alerts": {"run-failure", "run-success"}}
	if to := v.must(base+"/detail", form); to != base+"/mapping" {
		t.Errorf("sent to %s", to)
	}
	w.mapDraft(draft, chargeRules...)
	if body := v.page(base + "/schedule"); !strings.Contains(body, "Backfill") {
		t.Errorf("the schedule: %s", body)
	}
	if to := v.must(base+"/schedule", url.Values{"frequency": {"hour"}, "interval": {"2"}, "backfill": {"on"}}); to != base+"/review" {
		t.Errorf("sent to %s", to)
	}
	review := v.page(base + "/review")
	for _, want := range []string{"Shop", "charges", "Our charges", "Stripe Charges", "<dd>3</dd>", "<dd>2</dd>", "At once", "5 %"} {
		if !strings.Contains(review, want) {
			t.Errorf("the review lacks %q", want)
		}
	}
	to := v.must(base+"/finish", nil)
	id := strings.TrimPrefix(to, "/ui/dataflows/")
	flow := items(w.api("GET", "/data/foundation/flowservice/flows/"+id, nil))[0]
	if fmt.Sprint(flow["options"]) != "map[errorDiagnosticsEnabled:true partialIngestionPercent:5]" {
		t.Errorf("options %v", flow["options"])
	}
	run := w.ended(id)
	if run["status"] != "success" || fmt.Sprint(run["records"]) != "150" {
		t.Errorf("the first run: %v", run)
	}
	subscription := items(w.api("GET", "/data/infrastructure/observability/alerts/subscriptions", nil))
	if len(subscription) != 1 || fmt.Sprint(subscription[0]["flows"], subscription[0]["kinds"]) != "["+id+"] [run-success run-failure]" {
		t.Errorf("alerts: %v", subscription)
	}
	if status, _, _ := v.get(base + "/review"); status != http.StatusNotFound {
		t.Errorf("the draft is still there: %d", status)
	}
	if body := v.page("/ui/sources/dataflows"); !strings.Contains(body, "Charges of the shop") || !strings.Contains(body, "Our charges") || !strings.Contains(body, "1–1 of 1") {
		t.Errorf("the list: %s", body)
	}
	if strings.Contains(w.log.String(), goodKey) {
		t.Error("the key stands in the log")
	}
}

func items(answer any) (all []map[string]any) {
	for _, one := range answer.(map[string]any)["items"].([]any) {
		all = append(all, one.(map[string]any))
	}
	return all
}

// ended waits for the first run of a dataflow to end.
func (w *world) ended(flow string) map[string]any {
	w.t.Helper()
	for range 3000 {
		for _, run := range items(w.api("GET", "/data/foundation/flowservice/runs?property=flowId=="+flow, nil)) {
			m := run["metrics"].(map[string]any)
			if s := m["statusSummary"].(map[string]any)["status"]; s != "inProgress" {
				return map[string]any{"id": run["id"], "status": s, "records": m["recordSummary"].(map[string]any)["outputRecordCount"], "summary": m["statusSummary"]}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("the dataflow %s has no run that ended", flow)
	return nil
}
