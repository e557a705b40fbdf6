package webui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// Roles are made, changed, given, taken and deleted.
func TestRoles(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	body := v.page("/ui/access/roles")
	holds(t, body, "Administrators", "Sandbox Administrators", "Built in")
	holds(t, v.page("/ui/access/roles/new"), `name="sandboxes" value="prod">`, `value="view-sources">`, "Data Ingestion", "!Who has it")
	status, _, body := v.post("/ui/access/roles/new", url.Values{"permissions": {"view-sources"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a role without a name: %d", status)
	}
	holds(t, body, "Give it a name", `value="view-sources" checked`)
	at := v.must("/ui/access/roles/new", url.Values{"name": {"Watchers"}, "permissions": {"view-sources"}, "sandboxes": {"prod"}})
	body = v.page(at)
	holds(t, body, "The role was added", "Nobody has it yet", `value="view-sources" checked`, `value="prod" checked`)
	path, _, _ := strings.Cut(at, "?")
	body = v.page(v.must(path, url.Values{"name": {"Watchers"}, "permissions": {"view-alerts"}}))
	holds(t, body, `value="view-alerts" checked`, `value="view-sources">`, `value="prod">`)

	id, secret := w.integration(access.ViewDatasets)
	if status, _, body = v.post(path+"/subjects", url.Values{"type": {"api-integration"}, "subject": {"nobody"}}); status != http.StatusUnprocessableEntity {
		t.Errorf("a subject that is not there: %d", status)
	}
	holds(t, body, `value="nobody" aria-invalid="true"`)
	holds(t, v.page(v.must(path+"/subjects", url.Values{"type": {"api-integration"}, "subject": {id}})), id, "The subject has the role now")
	holds(t, v.page(v.must(path+"/subjects/remove", url.Values{"type": {"api-integration"}, "subject": {id}})), "!>"+id+"<", "Nobody has it yet")
	holds(t, v.page(v.must(path+"/delete", nil)), "!Watchers", "The role was deleted")

	other := w.signedIn(id, secret)
	if status, _, _ := other.get("/ui/access/roles"); status != http.StatusForbidden {
		t.Errorf("somebody who is no administrator sees roles: %d", status)
	}
}
