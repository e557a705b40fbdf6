package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

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
	for _, never := range []string{"hx-trigger=\"every", "Retry", "Run of a range"} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if _, _, part := v.get(page+"?days=30", "HX-Request", "true"); strings.Contains(part, "<html") || !strings.Contains(part, run) || !strings.Contains(part, "hx-swap-oob") {
		t.Errorf("htmx gets %s", part)
	}
	body = v.page(page + "/runs/" + run)
	for _, want := range []string{"Success", "Copy from the source", "Write into the dataset", ">150<", "Batch ID"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the run lacks %q", want)
		}
	}
	if strings.Contains(body, "Dataflow run errors") || strings.Contains(body, "every 2s") {
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
