package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// The page of a dataflow shows what it is and what it did, and offers what its
// reader may do.
func TestDataflowPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	id := v.scheduled(url.Values{"frequency": {"hour"}, "interval": {"3"}, "backfill": {"on"}})
	run := w.ended(id)["id"].(string)
	page := "/ui/dataflows/" + id
	body := v.page(page)
	for _, want := range []string{"Success", ">150<", run, "Last 7 days", "/schedule", "Run now", "data-confirm", "Shop", "/ui/datasets/"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"data-sse", "Retry", "Run of a range"} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %q", never)
		}
	}
	for _, part := range []string{"30 days", "Duration of runs", "Without failure", "As a table", `aria-current="page">Processed`} {
		if body := v.page(page + "?days=30"); !strings.Contains(body, part) || !strings.Contains(body, run) {
			t.Errorf("of 30 days: %q is not there", part)
		}
	}
	if body := v.page(page + "?tab=scheduled"); !strings.Contains(body, "By the schedule: Hour × 3") || strings.Contains(body, "Duration of runs") {
		t.Errorf("what is to come: %s", body)
	}
	body = v.page(page + "/runs/" + run)
	for _, want := range []string{"Success", "Copy from the source", "Write into the dataset", ">150<", "Batch ID"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the run lacks %q", want)
		}
	}
	if strings.Contains(body, "Dataflow run errors") || strings.Contains(body, "data-sse") {
		t.Errorf("a run that went well: %s", body)
	}
	if to := v.must("/ui/sources/dataflows/"+id+"/disable", url.Values{"back": {"flow"}}); to != page+"?done=flow-disabled" {
		t.Errorf("disabling leads to %s", to)
	}
	if body := v.page(page + "?done=schedule-changed"); !strings.Contains(body, "Disabled") || !strings.Contains(body, "The schedule was changed.") || strings.Contains(body, "Run now") {
		t.Errorf("a disabled one: %s", body)
	}
	for path, want := range map[string]int{page + "/runs/none": http.StatusNotFound, "/ui/dataflows/none": http.StatusNotFound} {
		if status, _, _ := v.get(path); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}

	other := w.signedIn(w.integration(access.ViewSources))
	body = other.page(page) + other.page(page+"/runs/"+run)
	for _, never := range []string{"<form method=\"post\" action=\"/ui/sources", "Run now", "Edit schedule", "data-confirm=", "/ui/datasets/"} {
		if strings.Contains(body, never) {
			t.Errorf("who may only look is offered %q", never)
		}
	}
	if status, _, _ := other.post(page+"/runs/"+run+"/retry", nil); status != http.StatusForbidden {
		t.Errorf("retrying: %d", status)
	}
	if status, _, body := v.post(page+"/runs/"+run+"/retry", nil); status != http.StatusBadRequest {
		t.Errorf("retrying what went well: %d %s", status, alerts(body))
	}
}

// A run that failed says on its page what happened and what to do.
func TestFailedRunPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	id := v.scheduled(url.Values{"frequency": {"once"}})
	w.ended(id)
	account := items(w.api("GET", "/data/foundation/flowservice/connections", nil))[0]
	w.patch("/data/foundation/flowservice/connections/"+account["id"].(string), account["etag"].(string),
		`[{"op":"replace","path":"/auth/params/accessToken","value":"sk_test_of_nobody_at_all"}]`)
	v.must("/ui/sources/dataflows/"+id+"/run", url.Values{"from": {"2020-01-01T00:00"}, "to": {"2030-01-01T00:00"}})
	run := w.failed(id)
	body := v.page("/ui/dataflows/" + id + "/runs/" + run)
	for _, want := range []string{"Failed", "Reading from Stripe failed", "give the account another one", "Dataflow run errors", "CONNECTOR-1001-500", "enable it before the retry", "/enable"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the run lacks %q: %s", want, alerts(body))
		}
	}
	page := "/ui/dataflows/" + id
	v.must("/ui/sources/dataflows/"+id+"/enable", url.Values{"back": {"flow"}})
	if body := v.page(page); !strings.Contains(body, "Retry") || !strings.Contains(body, `class="badge negative">Failed`) {
		t.Errorf("the dataflow: %s", body)
	}
	if to := v.must(page+"/runs/"+run+"/retry", nil); to != page+"?done=run-begun" {
		t.Errorf("a retry leads to %s", to)
	}
	if runs := items(w.api("GET", "/data/foundation/flowservice/runs?property=flowId=="+id, nil)); len(runs) != 3 {
		t.Errorf("%d runs", len(runs))
	}
}

func (w *world) patch(path, etag, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPatch, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer " + w.token}, "X-Api-Key": {w.id}, "X-Gw-Ims-Org-Id": {w.org}, "Content-Type": {"application/json"}, "If-Match": {etag},
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		w.t.Fatalf("PATCH %s: %d", path, resp.StatusCode)
	}
}

// failed waits for a run of a dataflow to fail, and returns its id.
func (w *world) failed(flow string) string {
	w.t.Helper()
	for range 3000 {
		if all := items(w.api("GET", "/data/foundation/flowservice/runs?property=metrics.statusSummary.status==failed&property=flowId=="+flow, nil)); len(all) > 0 {
			return all[0]["id"].(string)
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("no run of the dataflow %s failed", flow)
	return ""
}

// The dashboard adds up what runs did, by account and by dataflow, and shows who may
// look at monitoring alone no more than that.
func TestDashboard(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	if body := v.page("/ui/monitoring"); !strings.Contains(body, "No run has ended in this time") || !strings.Contains(body, "No run is due") {
		t.Errorf("an empty one: %s", body)
	}
	id := v.scheduled(url.Values{"frequency": {"hour"}, "interval": {"3"}, "backfill": {"on"}})
	w.ended(id)
	account := items(w.api("GET", "/data/foundation/flowservice/connections", nil))[0]["id"].(string)
	body := v.page("/ui/monitoring")
	for _, want := range []string{
		`<span class="value">150</span>`, "<svg", `aria-label="Records ingested. 150 in all"`, "Nothing in this time.", "Every enabled dataflow has what happened before",
		"account=" + account, "of 1 dataflow", "1 dataflow is due", "/ui/dataflows/" + id, `hx-get="/ui/monitoring/reads"`, `aria-current="page">Last 24 hours`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the dashboard lacks %q", want)
		}
	}
	for path, want := range map[string]string{
		"?last=7d": "aria-current=\"page\">Last 7 days", "?last=30d": "aria-current=\"page\">Last 30 days", "?last=1y": "aria-current=\"page\">Last 24 hours",
		"?failures=true": "Nothing failed", "?account=" + account: "By dataflow", "?failures=true&account=" + account: "No dataflow of this account failed",
	} {
		if body := v.page("/ui/monitoring" + path); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", path, want)
		}
	}
	if status, _, _ := v.get("/ui/monitoring?account=none"); status != http.StatusNotFound {
		t.Errorf("no such account: %d", status)
	}
	asked := len(w.sim.Log())
	_, _, reads := v.get("/ui/monitoring/reads", "HX-Request", "true")
	if !strings.Contains(reads, "/ui/copies/acct_") || !strings.Contains(reads, "reads used in 30 days") || !strings.Contains(reads, "Complete") || strings.Contains(reads, "<html") {
		t.Errorf("how the account is read: %s", reads)
	}
	if n := len(w.sim.Log()) - asked; n != 0 {
		t.Errorf("that took %d requests to Stripe", n)
	}

	watcher := w.signedIn(w.integration(access.ViewMonitoring))
	body = watcher.page("/ui/monitoring")
	if !strings.Contains(body, `<span class="value">150</span>`) || strings.Contains(body, "/ui/dataflows/") || strings.Contains(body, "/ui/monitoring/reads") {
		t.Errorf("who may look at monitoring alone sees %s", body)
	}
	if status, _, _ := watcher.get("/ui/monitoring/reads", "HX-Request", "true"); status != http.StatusForbidden {
		t.Errorf("and of the accounts: %d", status)
	}
}
