package webui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// scheduled makes a dataflow by the workflow, and returns its id.
func (v *visitor) scheduled(form url.Values) string {
	v.world.t.Helper()
	draft := v.upTo("schedule")
	base := "/ui/workflow/" + draft
	v.must(base+"/schedule", form)
	return strings.TrimPrefix(v.must(base+"/finish", nil), "/ui/dataflows/")
}

func (w *world) flow(id string) map[string]any {
	w.t.Helper()
	return items(w.api("GET", "/data/foundation/flowservice/flows/"+id, nil))[0]
}

// What one may do to a dataflow from the list.
func TestDataflowActions(t *testing.T) {
	t.Parallel()
	w := raced(t)
	v := w.signedIn(w.id, w.secret)
	id := v.scheduled(url.Values{"frequency": {"once"}})
	w.ended(id)
	row := "/ui/sources/dataflows/" + id
	if body := v.page("/ui/sources/dataflows"); !strings.Contains(body, "Run on demand") || strings.Contains(body, "Edit schedule") {
		t.Errorf("a dataflow that runs once has neither schedule nor mapping to change: %s", body)
	}
	if body := v.page("/ui/dataflows/" + id + "/schedule"); !strings.Contains(body, "runs once") || strings.Contains(body, `name="frequency"`) {
		t.Errorf("its schedule: %s", body)
	}
	for name, form := range map[string]url.Values{
		"half a range": {"from": {"2026-01-01T00:00"}}, "a range backwards": {"from": {"2026-01-02T00:00"}, "to": {"2026-01-01T00:00"}}, "words": {"from": {"then"}, "to": {"now"}},
	} {
		if status, _, body := v.post(row+"/run", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, "data-error-summary") {
			t.Errorf("%s: %d %s", name, status, alerts(body))
		}
	}
	v.must(row+"/run", url.Values{"from": {"2020-01-01T00:00"}, "to": {"2030-01-01T00:00"}})
	if runs := items(w.api("GET", "/data/foundation/flowservice/runs?property=flowId=="+id, nil)); len(runs) != 2 {
		t.Errorf("%d runs", len(runs))
	}
	v.must(row+"/disable", nil)
	if f := w.flow(id); f["state"] != "disabled" {
		t.Errorf("the state is %v", f["state"])
	}
	if body := v.page("/ui/sources/dataflows?state=disabled"); !strings.Contains(body, "Enable dataflow") {
		t.Errorf("disabled: %s", body)
	}
	if body := v.page("/ui/sources/dataflows?state=enabled"); strings.Contains(body, row) {
		t.Errorf("a disabled one is listed as enabled: %s", body)
	}
	v.must(row+"/enable", nil)
	if status, _, _ := v.post(row+"/alerts", url.Values{}); status != http.StatusUnprocessableEntity {
		t.Errorf("subscribing to nothing: %d", status)
	}
	v.must(row+"/alerts", url.Values{"alerts": {"run-start", "nonsense"}})
	if all := items(w.api("GET", "/data/infrastructure/observability/alerts/subscriptions", nil)); len(all) != 1 || fmt.Sprint(all[0]["kinds"]) != "[run-start]" {
		t.Errorf("subscriptions %v", all)
	}
	v.must(row+"/delete", nil)
	if all := items(w.api("GET", "/data/foundation/flowservice/flows", nil)); len(all) != 0 {
		t.Errorf("%d dataflows are left", len(all))
	}
	if len(w.own()) != 1 {
		t.Error("the dataset went with the dataflow")
	}
}

// Once the start has passed, it and the backfill stay; the rest may change.
func TestEditSchedule(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	id := v.scheduled(url.Values{"frequency": {"hour"}, "interval": {"3"}, "backfill": {"on"}})
	page := "/ui/dataflows/" + id + "/schedule"
	body := v.page(page)
	if strings.Contains(body, `value="once"`) || !strings.Contains(body, "The start has passed") {
		t.Errorf("a schedule that has begun: %s", body)
	}
	etag := func() string { return w.flow(id)["etag"].(string) }
	if status, _, body := v.post(page, url.Values{"etag": {etag()}, "frequency": {"minute"}, "interval": {"5"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "interval-error") {
		t.Errorf("five minutes: %d %s", status, alerts(body))
	}
	if status, _, body := v.post(page, url.Values{"etag": {`"0-0-0"`}, "frequency": {"day"}, "interval": {"2"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("an etag of long ago: %d %s", status, alerts(body))
	}
	was := w.flow(id)["scheduleParams"].(map[string]any)
	v.must(page, url.Values{"etag": {etag()}, "frequency": {"day"}, "interval": {"2"}, "start": {"2031-01-01T00:00"}})
	now := w.flow(id)["scheduleParams"].(map[string]any)
	if now["frequency"] != "day" || now["interval"] != "2" || now["startTime"] != was["startTime"] || now["backfill"] != "true" {
		t.Errorf("the schedule is %v after %v", now, was)
	}

	// One that has not begun may change in all.
	start := time.Now().UTC().Add(48 * time.Hour).Format("2006-01-02T15:04")
	id = v.scheduled(url.Values{"frequency": {"hour"}, "interval": {"3"}, "backfill": {"on"}, "start": {start}})
	page = "/ui/dataflows/" + id + "/schedule"
	if body := v.page(page); !strings.Contains(body, `value="once"`) || !strings.Contains(body, start) {
		t.Errorf("a schedule to come: %s", body)
	}
	later := time.Now().UTC().Add(72 * time.Hour).Truncate(time.Minute)
	v.must(page, url.Values{"etag": {etag()}, "frequency": {"week"}, "interval": {"1"}, "start": {later.Format("2006-01-02T15:04")}})
	now = w.flow(id)["scheduleParams"].(map[string]any)
	if now["startTime"] != fmt.Sprint(later.Unix()) || now["backfill"] != "false" || now["frequency"] != "week" {
		t.Errorf("the schedule is %v", now)
	}
}

// Accounts are changed, and deleted once nothing uses them.
func TestAccounts(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	flow := v.scheduled(url.Values{"frequency": {"once"}})
	w.ended(flow)
	connections := func() []map[string]any {
		return items(w.api("GET", "/data/foundation/flowservice/connections", nil))
	}
	id := connections()[0]["id"].(string)
	page := "/ui/sources/accounts/" + id
	if body := v.page("/ui/sources/accounts"); !strings.Contains(body, "Shop") || !strings.Contains(body, "delete these first") || strings.Contains(body, page+"/delete") {
		t.Errorf("an account in use: %s", body)
	}
	if status, _, body := v.post(page+"/delete", nil); status != http.StatusBadRequest || !strings.Contains(body, "used by") {
		t.Errorf("deleting one in use: %d %s", status, alerts(body))
	}
	etag := func() string { return connections()[0]["etag"].(string) }
	form := url.Values{"etag": {etag()}, "name": {"The shop"}, "description": {"Ours"}, "token": {"sk_test_of_nobody_at_all"}}
	if status, _, body := v.post(page, form); status != http.StatusUnprocessableEntity || !strings.Contains(body, "token-error") || strings.Contains(body, "of_nobody") {
		t.Errorf("a key that Stripe refuses: %d %s", status, alerts(body))
	}
	if all := connections(); len(all) != 1 || all[0]["name"] != "Shop" {
		t.Errorf("after it: %v", all)
	}
	form.Set("token", goodKey)
	v.must(page, form)
	if all := connections(); len(all) != 1 || all[0]["name"] != "The shop" || all[0]["description"] != "Ours" {
		t.Errorf("changed: %v", all)
	}
	if got := w.api("GET", "/data/foundation/flowservice/connections/"+id+"/test", nil).(map[string]any)["result"]; got != true {
		t.Errorf("the test says %v", got)
	}
	v.must("/ui/sources/dataflows/"+flow+"/delete", nil)
	if body := v.page("/ui/sources/accounts"); !strings.Contains(body, page+"/delete") {
		t.Errorf("an account that nothing uses: %s", body)
	}
	v.must(page+"/delete", nil)
	if len(connections()) != 0 {
		t.Error("it is still there")
	}
	if strings.Contains(w.log.String(), goodKey) {
		t.Error("the key stands in the log")
	}
}

// Who may only view sources is offered nothing to manage, and can't by URL.
func TestViewSourcesOnly(t *testing.T) {
	t.Parallel()
	w := open(t)
	admin := w.signedIn(w.id, w.secret)
	flow := admin.scheduled(url.Values{"frequency": {"once"}})
	w.ended(flow)
	draft := admin.upTo("review")
	account := items(w.api("GET", "/data/foundation/flowservice/connections", nil))[0]["id"].(string)
	id, secret := w.integration(access.ViewSources)
	v := w.signedIn(id, secret)
	for _, path := range []string{"/ui/sources", "/ui/sources/accounts", "/ui/sources/dataflows"} {
		body := v.page(path)
		for _, never := range []string{"Add data", "Set up", "Delete", "Edit ", "Disable dataflow", "Run on demand", "Subscribe", `action="/ui/workflow`, "data-confirm"} {
			if strings.Contains(body, never) {
				t.Errorf("%s offers %q", path, never)
			}
		}
	}
	base := "/ui/workflow/" + draft
	for _, path := range []string{
		base + "/connect", base + "/connect/account", base + "/data", base + "/detail", base + "/detail/choices", base + "/detail/profile", base + "/schedule",
		base + "/schedule/forecast", base + "/review", "/ui/sources/accounts/" + account, "/ui/sources/dataflows/" + flow + "/run", "/ui/sources/dataflows/" + flow + "/alerts",
		"/ui/dataflows/" + flow + "/schedule",
	} {
		if status, _, _ := v.get(path); status != http.StatusForbidden {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	for _, path := range []string{
		"/ui/workflow", base + "/discard", base + "/connect/new", base + "/connect/existing", base + "/data", base + "/detail", base + "/schedule", base + "/finish",
		"/ui/sources/accounts/" + account, "/ui/sources/accounts/" + account + "/delete", "/ui/sources/dataflows/" + flow + "/enable", "/ui/sources/dataflows/" + flow + "/disable",
		"/ui/sources/dataflows/" + flow + "/delete", "/ui/sources/dataflows/" + flow + "/run", "/ui/sources/dataflows/" + flow + "/alerts", "/ui/dataflows/" + flow + "/schedule",
	} {
		if status, _, _ := v.post(path, url.Values{"name": {"x"}}); status != http.StatusForbidden {
			t.Errorf("POST %s: %d", path, status)
		}
	}
	if f := w.flow(flow); f["state"] != "enabled" {
		t.Errorf("the dataflow is %v", f["state"])
	}
}

// The list is searched, narrowed, sorted and paged.
func TestDataflowList(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	for i := range 23 {
		w.api("POST", "/data/foundation/flowservice/flows?mode=draft", fmt.Sprintf(`{"name":"Draft %02d","flowSpec":{"id":"6499120c-0b15-42dc-936e-847ea3c24d72"},"sourceConnectionIds":[],"targetConnectionIds":[]}`, i))
	}
	names := func(query string) string {
		var found []string
		body := v.page("/ui/sources/dataflows?" + query)
		for i := range 23 {
			if name := fmt.Sprintf("Draft %02d", i); strings.Contains(body, ">"+name+"<") {
				found = append(found, name[6:])
			}
		}
		return strings.Join(found, " ")
	}
	for query, want := range map[string]string{
		"q=draft+1":                  "10 11 12 13 14 15 16 17 18 19",
		"sort=name&page=2":           "20 21 22",
		"sort=-name&page=2":          "00 01 02",
		"sort=name&page=9":           "20 21 22",
		"sort=name&page=x&q=draft+2": "20 21 22",
		"state=enabled":              "",
		"resource=charges":           "",
		"account=none":               "",
		"badge=failed":               "",
		"badge=draft&page=2":         "00 01 02",
		"sort=created&page=2":        "20 21 22",
	} {
		if got := names(query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if _, _, body := v.get("/ui/sources/dataflows?q=draft+22", "HX-Request", "true"); strings.Contains(body, "<html") || !strings.Contains(body, "Draft 22") {
		t.Errorf("htmx gets %s", body)
	}
}
