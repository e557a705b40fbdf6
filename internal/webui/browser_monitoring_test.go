package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Who looks at a run sees it go on and end without touching anything.
func TestBrowserMonitoring(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	release := w.shut()
	flow := v.scheduled(url.Values{"frequency": {"hour"}, "interval": {"3"}, "backfill": {"on"}})
	p := b.Page(t)
	signIn(p, w, w.id, w.secret)
	p.Open(w.url + "/ui/dataflows/" + flow)
	p.WaitText("#activity", "100")
	p.WaitText("#flow-status", "Processing")
	seen(t, p, "flow-at-work")
	p.Click("#activity th a")
	p.WaitText("#overview", "The run is in progress")
	p.WaitText("#overview .value", "100")
	seen(t, p, "run-at-work")
	p.Open(w.url + "/ui/monitoring")
	p.WaitText("#open-runs", "100")
	seen(t, p, "monitoring-at-work")
	release()
	p.WaitText("#open-runs", "No run is in progress")

	// A run that fails, and the page of its dataflow from beginning to end.
	account := items(w.api("GET", "/data/foundation/flowservice/connections", nil))[0]
	path := "/data/foundation/flowservice/connections/" + account["id"].(string)
	w.patch(path, account["etag"].(string), `[{"op":"replace","path":"/auth/params/accessToken","value":"sk_test_of_nobody_at_all"}]`)
	p.Open(w.url + "/ui/dataflows/" + flow)
	p.WaitText("#flow-status", "Success")
	p.Click(`#flow-actions form[action$="/run"] button`)
	p.WaitText("#flow-status", "Failed")
	p.WaitText("#activity", "Failed")
	seen(t, p, "flow")
	p.Click("#activity tbody tr:first-child th a")
	p.WaitText(".banner.negative", "give the account another one under Accounts")
	seen(t, p, "run-failed")
	p.Open(w.url + "/ui/dataflows/" + flow + "?tab=scheduled")
	seen(t, p, "flow-scheduled")
	p.Open(w.url + "/ui/monitoring")
	p.WaitText("main", "reads used in 30 days")
	seen(t, p, "monitoring")
	p.SetCookie(w.url, &http.Cookie{Name: "tributary_lang", Value: "ko", Path: "/"})
	p.Open(w.url + "/ui/monitoring?last=7d")
	p.WaitText("h1", "모니터링")
	seen(t, p, "monitoring-ko")
	p.Click(".switch input")
	p.WaitURL("failures=true")
	p.Click("tbody th a")
	p.WaitURL("account=")
	p.WaitText("h1", "Shop")
	if !strings.Contains(p.Text("main"), "실패") {
		t.Error("the account's page does not say what failed")
	}
}
