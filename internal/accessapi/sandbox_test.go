package accessapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/openapitest"
)

const management = "/sandbox-management"

func names(t testing.TB, list map[string]any) string {
	t.Helper()
	var all []string
	for _, sb := range list["sandboxes"].([]any) {
		all = append(all, sb.(map[string]any)["name"].(string))
	}
	return strings.Join(all, " ")
}

// without takes what differs from run to run out of a document.
func without(m map[string]any, names ...string) map[string]any {
	for _, n := range names {
		if _, ok := m[n]; !ok {
			m[n] = "is missing"
			continue
		}
		delete(m, n)
	}
	return m
}

// The calls of a sandbox's life, as a client makes them.
func TestSandboxes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	doc := openapitest.Load(t, "sandbox")
	const all, one = management + "/sandboxes", management + "/sandboxes/dev"
	call := func(method, path, body string, status int, described string) map[string]any {
		t.Helper()
		return s.do(t, s.admin, method, path, body).want(t, status, doc, method, described)
	}
	const oneDescribed = management + "/sandboxes/{sandboxName}"

	got := call("GET", all, "", 200, management+"/sandboxes")
	prod := without(got["sandboxes"].([]any)[0].(map[string]any), "id", "createdDate", "lastModifiedDate")
	want := map[string]any{
		"name": "prod", "title": "Production", "state": "active", "type": "production", "region": "LOCAL", "isDefault": true, "etag": 1.0,
		"createdBy": "operator", "lastModifiedBy": "operator", "modifiedBy": "operator",
	}
	if diff := cmp.Diff(want, prod); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"limit": 20.0, "count": 1.0}, got["_page"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"production", "development"}, s.do(t, s.admin, "GET", management+"/sandboxTypes", "").want(t, 200, nil, "", "")["sandboxTypes"]); diff != "" {
		t.Error(diff)
	}

	made := s.do(t, s.admin, "POST", all, `{"name":"dev","title":"Development","type":"development"}`)
	if diff := cmp.Diff(map[string]any{"name": "dev", "title": "Development", "state": "creating", "type": "development", "region": "LOCAL"},
		without(made.want(t, 202, doc, "POST", management+"/sandboxes"), "id")); diff != "" {
		t.Error(diff)
	}
	if at := made.header.Get("Location"); at != "/data/foundation"+one {
		t.Errorf("Location %q", at)
	}
	if got := call("GET", one, "", 200, oneDescribed); got["state"] != "active" || got["createdBy"] != s.admin.account || got["isDefault"] != false {
		t.Errorf("%v", got)
	}
	if got := call("PATCH", one, `{"title":"Playground"}`, 200, oneDescribed); got["title"] != "Playground" || got["etag"] != 2.0 {
		t.Errorf("%v", got)
	}
	before := call("GET", one, "", 200, oneDescribed)["id"]
	call("PUT", one+"?validationOnly=true", `{"action":"reset"}`, 200, "")
	if id := call("GET", one, "", 200, oneDescribed)["id"]; id != before {
		t.Error("it was reset where it was only asked whether it could be")
	}
	if got := call("PUT", one, `{"action":"reset"}`, 202, oneDescribed); got["state"] != "resetting" {
		t.Errorf("%v", got)
	}
	if got := call("GET", one, "", 200, oneDescribed); got["id"] == before || got["title"] != "Playground" || got["state"] != "active" {
		t.Errorf("%v", got)
	}
	for query, want := range map[string]string{
		"":                                    "prod dev",
		"?limit=1":                            "prod",
		"?limit=1&offset=1":                   "dev",
		"?offset=9":                           "",
		"?orderBy=name":                       "dev prod",
		"?orderBy=desc:created,name":          "dev prod",
		"?property=type==development":         "dev",
		"?property=name~^p&property=state!=x": "prod",
	} {
		if got := names(t, call("GET", all+query, "", 200, management+"/sandboxes")); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	call("DELETE", one+"?validationOnly=true", "", 200, "")
	if got := call("DELETE", one, "", 202, oneDescribed); got["state"] != "deleted" {
		t.Errorf("%v", got)
	}
	call("GET", one, "", 404, "")
}

// What is wrong with a request is said in the service's form.
func TestSandboxRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		detail             string
	}{
		"taken":          {"POST", "/sandboxes", `{"name":"prod","title":"x","type":"production"}`, 409, `there is a sandbox with the name "prod" already`},
		"name":           {"POST", "/sandboxes", `{"name":"Prod","title":"x","type":"production"}`, 400, "name: \"Prod\" is not a sandbox's name: at most 63 lower-case letters, digits and hyphens, beginning with a letter"},
		"type":           {"POST", "/sandboxes", `{"name":"dev","title":"x"}`, 400, `type: "" is none of production, development`},
		"title":          {"POST", "/sandboxes", `{"name":"dev","type":"production"}`, 400, "title: it is missing"},
		"broken":         {"POST", "/sandboxes", "{\n\"name\":dev}", 400, "the body is not valid: line 2, column 8: invalid character 'd' looking for beginning of value"},
		"default":        {"DELETE", "/sandboxes/prod", "", 409, "the default sandbox prod can't be deleted"},
		"validation":     {"DELETE", "/sandboxes/prod?validationOnly=true", "", 409, "the default sandbox prod can't be deleted"},
		"odd validation": {"DELETE", "/sandboxes/prod?validationOnly=yes", "", 400, "validationOnly=yes is neither true nor false"},
		"unknown":        {"GET", "/sandboxes/nowhere", "", 404, `there is no sandbox "nowhere"`},
		"zero":           {"GET", "/sandboxes/a%00b", "", 404, `there is no sandbox "a\x00b"`},
		"no text":        {"GET", "/sandboxes/%ff", "", 404, `there is no sandbox "\xff"`},
		"action":         {"PUT", "/sandboxes/prod", `{"action":"delete"}`, 400, `action: "delete" is not reset`},
		"limit":          {"GET", "/sandboxes?limit=0", "", 400, "limit=0 is not a number from 1 to 100"},
		"offset":         {"GET", "/sandboxes?offset=-1", "", 400, "offset=-1 is not a number of 0 or more"},
		"order":          {"GET", "/sandboxes?orderBy=size", "", 400, `orderBy=size: sandboxes can't be ordered by "size"`},
		"direction":      {"GET", "/sandboxes?orderBy=up:name", "", 400, `orderBy=up:name: "up" is neither asc nor desc`},
		"property":       {"GET", "/sandboxes?property===x", "", 400, "property===x: a name is missing before =="},
		"path":           {"GET", "/packages", "", 404, "there is no such path in this service"},
		"method":         {"DELETE", "/sandboxes", "", 405, "this path knows GET, POST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.do(t, s.admin, c.method, management+c.path, c.body).want(t, c.status, nil, "", "")
			if got["detail"] != c.detail || got["status"] != float64(c.status) || got["type"] != fmt.Sprintf("http://ns.adobe.com/aep/errors/SMS-%04d-%d", c.status, c.status) {
				t.Errorf("%v", got)
			}
		})
	}
}

// Callers see the sandboxes that they may enter, and manage them only with
// the permission to.
func TestSandboxPermissions(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.do(t, s.admin, "POST", management+"/sandboxes", `{"name":"dev","title":"x","type":"development"}`).want(t, 202, nil, "", "")
	doc := openapitest.Load(t, "sandbox")
	nobody := s.integration(t, []access.Permission{access.ViewSources}, "dev")
	viewer := s.integration(t, []access.Permission{access.ViewSandboxes}, "prod")
	manager := s.integration(t, []access.Permission{access.ManageSandboxes}, "prod")
	resetter := s.integration(t, []access.Permission{access.ResetSandboxes}, "prod")
	elsewhere := s.integration(t, []access.Permission{access.ManageSandboxes}, "dev")
	for want, c := range map[string]client{"prod dev": s.admin, "dev": nobody, "prod": viewer} {
		if got := names(t, s.do(t, c, "GET", management+"/", "").want(t, 200, doc, "GET", management+"/")); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, c := range []struct {
		method, path, body string
		viewer, resetter   int
		manager            int
	}{
		{"GET", "/sandboxes", "", 200, 403, 200},
		{"GET", "/sandboxTypes", "", 200, 403, 200},
		{"GET", "/sandboxes/dev", "", 200, 403, 200},
		{"POST", "/sandboxes", "{broken", 403, 403, 400},
		{"PATCH", "/sandboxes/nowhere", `{"title":"x"}`, 403, 403, 404},
		{"PUT", "/sandboxes/nowhere", `{"action":"reset"}`, 403, 404, 404},
		{"DELETE", "/sandboxes/nowhere", "", 403, 403, 404},
	} {
		for name, who := range map[string]struct {
			client
			want int
		}{
			"nobody": {nobody, 403}, "viewer": {viewer, c.viewer}, "resetter": {resetter, c.resetter}, "manager": {manager, c.manager}, "manager of another": {elsewhere, 403},
		} {
			got := s.do(t, who.client, c.method, "dev:"+management+c.path, c.body)
			if got.status != who.want {
				t.Errorf("%s %s as %s: %d, want %d: %s", c.method, c.path, name, got.status, who.want, got.body)
			}
			if got.status == http.StatusForbidden && got.json(t)["title"] != "Forbidden" {
				t.Errorf("%s", got.body)
			}
		}
	}
}
