package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// The page of a dataflow shows its runs; that of a run what became of it.
func TestFlowPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("review")
	at := v.must("/ui/workflow/"+draft+"/finish", url.Values{})
	flow := strings.TrimPrefix(at, "/ui/dataflows/")
	w.ended(flow)
	body := v.page("/ui/dataflows/" + flow)
	for _, want := range []string{"Charges of the shop", "Our charges", ">150<", "Success", "/runs/", "sources/dataflows/" + flow + "/disable"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the dataflow lacks %q: %s", want, body)
		}
	}
	_, id, _ := strings.Cut(body, "/ui/dataflows/"+flow+"/runs/")
	id, _, _ = strings.Cut(id, `"`)
	body = v.page("/ui/dataflows/" + flow + "/runs/" + id)
	for _, want := range []string{id, ">150<", "Success"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of the run lacks %q: %s", want, body)
		}
	}
	other := "84c64142-1741-4b0b-95a9-65644eba0cf6"
	for _, path := range []string{"/ui/dataflows/" + other, "/ui/dataflows/" + flow + "/runs/" + other, "/ui/dataflows/" + other + "/runs/" + id} {
		if status, _, _ := v.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	viewer := w.signedIn(w.integration(access.ViewSources))
	if body := viewer.page("/ui/dataflows/" + flow); strings.Contains(body, "/disable") || strings.Contains(body, "/delete") {
		t.Errorf("View Sources is offered to manage: %s", body)
	}
	if status, _, _ := viewer.post("/ui/dataflows/"+flow+"/runs/"+id+"/retry", nil); status != http.StatusForbidden {
		t.Errorf("View Sources retries: %d", status)
	}
}
