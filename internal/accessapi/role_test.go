package accessapi_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/openapitest"
)

const control = "/access-control"

// The calls of a role's life, as a client makes them.
func TestRoles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	doc := openapitest.Load(t, "access-control")
	const roles = control + "/administration/roles"
	s.do(t, s.admin, "POST", "/sandbox-management/sandboxes", `{"name":"dev","title":"x","type":"development"}`).want(t, 202, nil, "", "")

	made := s.do(t, s.admin, "POST", roles, `{"name":"Readers","description":"They read.","roleType":"user-defined"}`).
		want(t, 200, doc, "POST", "/administration/roles")
	id := made["id"].(string)
	want := map[string]any{
		"recordType": "role", "imsOrgID": s.admin.org, "name": "Readers", "description": "They read.", "roleType": "user-defined",
		"permissionSets": []any{}, "sandboxes": []any{}, "etag": `"1"`, "createdBy": s.admin.account, "modifiedBy": s.admin.account,
	}
	if diff := cmp.Diff(want, without(made, "id", "createdAt", "modifiedAt")); diff != "" {
		t.Error(diff)
	}
	const one = "/administration/roles/{ROLE_ID}"
	for _, c := range []struct {
		method, body string
		want         map[string]any // what it changes
	}{
		{"PATCH", `[{"op":"add","path":"/permissionSets","value":["view-schemas","view-datasets"]},{"op":"add","path":"/sandboxes/-","value":"prod"}]`, map[string]any{"permissionSets": []any{"view-schemas", "view-datasets"}, "sandboxes": []any{"prod"}}},
		{"PATCH", `{"operations":[{"op":"ADD","path":"/sandboxes","value":"dev"},{"op":"remove","path":"/permissionSets","value":"view-datasets"}]}`, map[string]any{"permissionSets": []any{"view-schemas"}, "sandboxes": []any{"prod", "dev"}}},
		{"PATCH", `{"op":"replace","path":"/description","value":"They read more."}`, map[string]any{"description": "They read more."}},
		{"PATCH", `[{"op":"replace","path":"/sandboxes","value":["dev"]},{"op":"remove","path":"/description"}]`, map[string]any{"sandboxes": []any{"dev"}, "description": ""}},
		{"PUT", `{"name":"Other readers","description":"x","roleType":"user-defined"}`, map[string]any{"name": "Other readers", "description": "x"}},
		{"PUT", `{"name":"Readers","permissionSets":["manage-datasets"],"sandboxes":["prod"]}`, map[string]any{"name": "Readers", "permissionSets": []any{"manage-datasets"}, "sandboxes": []any{"prod"}}},
		{"PATCH", `[{"op":"remove","path":"/permissionSets"}]`, map[string]any{"permissionSets": []any{}}},
	} {
		got := s.do(t, s.admin, c.method, roles+"/"+id, c.body).want(t, 200, doc, c.method, one)
		maps.Copy(want, c.want)
		if diff := cmp.Diff(want, without(got, "id", "createdAt", "modifiedAt", "etag"), cmpIgnore("etag")); diff != "" {
			t.Errorf("%s: %s", c.body, diff)
		}
	}
	read := s.do(t, s.admin, "GET", roles+"/"+id, "").want(t, 200, doc, "GET", one)
	if read["etag"] != `"8"` {
		t.Errorf("etag %v", read["etag"])
	}

	loader := s.integration(t, []access.Permission{access.ViewSources}, "prod")
	subjects := s.do(t, s.admin, "PATCH", roles+"/"+id+"/subjects", `[{"op":"add","path":"/user","value":"jo@AdobeID"},{"op":"add","path":"/api-integration","value":["`+loader.id+`"]}]`).
		want(t, 200, doc, "PATCH", one+"/subjects")
	both := []any{
		map[string]any{"roleId": id, "subjectType": "api-integration", "subjectId": loader.id},
		map[string]any{"roleId": id, "subjectType": "user", "subjectId": "jo@AdobeID"},
	}
	if diff := cmp.Diff(any(both), subjects["subjects"]); diff != "" {
		t.Error(diff)
	}
	listed := s.do(t, s.admin, "GET", roles+"/"+id+"/subjects", "").want(t, 200, doc, "GET", one+"/subjects")
	if diff := cmp.Diff(any(both), listed["items"]); diff != "" {
		t.Error(diff)
	}

	page := s.do(t, s.admin, "GET", roles+"?limit=2&start=1", "").want(t, 200, doc, "GET", "/administration/roles")
	if n := len(page["items"].([]any)); n != 2 || page["_page"].(map[string]any)["next"] != 3.0 {
		t.Errorf("%v", page)
	}
	named := s.do(t, s.admin, "GET", roles+"?property=name==readers", "").want(t, 200, doc, "GET", "/administration/roles")
	if items := named["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != id {
		t.Errorf("%v", named)
	}
	if got := s.do(t, s.admin, "DELETE", roles+"/"+id, ""); got.status != 204 || len(got.body) != 0 {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.do(t, s.admin, "GET", roles+"/"+id, "").want(t, 404, nil, "", "")
}

// cmpIgnore leaves members of maps out of a comparison.
func cmpIgnore(names ...string) cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool {
		for _, n := range names {
			if p.Last().String() == `["`+n+`"]` {
				return true
			}
		}
		return false
	}, cmp.Ignore())
}

func TestRoleRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	list := s.do(t, s.admin, "GET", control+"/administration/roles?property=roleType==system-defined&property=name==Administrators", "").want(t, 200, nil, "", "")
	system := list["items"].([]any)[0].(map[string]any)["id"].(string)
	mine := s.do(t, s.admin, "POST", control+"/administration/roles", `{"name":"Mine"}`).want(t, 200, nil, "", "")["id"].(string)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"no name":            {"POST", "", `{}`, 400, "name: it is missing"},
		"kind":               {"POST", "", `{"name":"a","roleType":"system-defined"}`, 400, "user-defined"},
		"taken":              {"POST", "", `{"name":"mine"}`, 409, `"mine" already`},
		"zero":               {"POST", "", `{"name":"a\u0000"}`, 400, "control characters"},
		"unknown permission": {"POST", "", `{"name":"a","permissionSets":["manage-profiles"]}`, 400, "The permissions are view-sources, manage-sources"},
		"unknown sandbox":    {"POST", "", `{"name":"a","sandboxes":["dev"]}`, 400, "The sandboxes are prod"},
		"a list for a name":  {"POST", "", `{"name":["a"]}`, 400, "line 1, column"},
		"of the system":      {"PUT", "/" + system, `{"name":"a"}`, 409, "belongs to the system"},
		"delete it":          {"DELETE", "/" + system, ``, 409, "belongs to the system"},
		"unknown":            {"GET", "/nothing", ``, 404, `no role "nothing"`},
		"no operation":       {"PATCH", "/" + mine, `[]`, 400, "no operation"},
		"move":               {"PATCH", "/" + mine, `[{"op":"move","path":"/name","from":"/x"}]`, 400, `"move" is none of add, replace, remove`},
		"path":               {"PATCH", "/" + mine, `[{"op":"add","path":"/roleType","value":"x"}]`, 400, `operation 0: path: "/roleType" is none`},
		"value":              {"PATCH", "/" + mine, `[{"op":"add","path":"/name","value":7}]`, 400, "operation 0: value: a text"},
		"values":             {"PATCH", "/" + mine, `[{"op":"add","path":"/sandboxes","value":[7]}]`, 400, "a list of texts"},
		"null":               {"PATCH", "/" + mine, `[{"op":"add","path":"/sandboxes","value":null}]`, 400, "a list of texts"},
		"no text":            {"PATCH", "/" + mine, ``, 400, "empty"},
		"subject path":       {"PATCH", "/" + mine + "/subjects", `[{"op":"add","path":"/group","value":"x"}]`, 400, "/group"},
		"subject value":      {"PATCH", "/" + mine + "/subjects", `[{"op":"remove","path":"/user"}]`, 400, "an id is expected"},
		"subject replace":    {"PATCH", "/" + mine + "/subjects", `[{"op":"replace","path":"/user","value":"x"}]`, 400, "added and removed"},
		"subject unknown":    {"PATCH", "/" + mine + "/subjects", `[{"op":"add","path":"/api-integration","value":"x"}]`, 404, `no integration "x"`},
		"last administrator": {"PATCH", "/" + system + "/subjects", `[{"op":"remove","path":"/api-integration","value":"` + s.admin.id + `"}]`, 409, "no administrator"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.do(t, s.admin, c.method, control+"/administration/roles"+c.path, c.body).want(t, c.status, nil, "", "")
			if detail, _ := got["detail"].(string); !strings.Contains(detail, c.says) {
				t.Errorf("%q lacks %q", detail, c.says)
			}
		})
	}
}

// Roles are for administrators, and a caller's own policies for everyone.
func TestPolicies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	doc := openapitest.Load(t, "access-control")
	loader := s.integration(t, append([]access.Permission{}, access.Permissions[1:]...), "prod") // all there are does not make an administrator
	for _, call := range []string{"GET ", "POST ", "GET /x", "PUT /x", "PATCH /x", "DELETE /x", "GET /x/subjects", "PATCH /x/subjects"} {
		method, path, _ := strings.Cut(call, " ")
		if got := s.do(t, loader, method, control+"/administration/roles"+path, "{broken"); got.status != 403 || got.json(t)["type"] != "http://ns.adobe.com/aep/errors/ACCS-0403-403" {
			t.Errorf("%s: %d %s", call, got.status, got.body)
		}
	}
	reader := s.integration(t, []access.Permission{access.ManageSchemas}, "prod")
	reference := s.do(t, reader, "GET", control+"/acl/reference", "").want(t, 200, doc, "GET", "/acl/reference")
	if got := reference["permissions"].(map[string]any)["manage-datasets"].(map[string]any)["datasets"]; !cmp.Equal(got, any([]any{"read", "write", "delete"})) {
		t.Errorf("%v", got)
	}
	asked := `["/permissions/manage-datasets","/permissions/view-schemas","/resource-types/schemas","/resource-types/schema"]`
	got := s.do(t, reader, "POST", control+"/acl/effective-policies", asked).want(t, 200, doc, "POST", "/acl/effective-policies")
	all := []any{"read", "write", "delete"}
	want := map[string]any{"policies": map[string]any{
		"/permissions/view-schemas": []any{"*"}, "/resource-types/schemas": all, "/resource-types/schema": all,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for body, says := range map[string]string{
		`{}`: "line 1, column", `["x"]`: `"x" is neither`, ``: "empty", `[1]`: "line 1, column", strings.Repeat(" ", 10) + `[` + strings.Repeat(`"/permissions/a",`, 1000) + `"/permissions/a"]`: "1000 is the most",
	} {
		got := s.do(t, reader, "POST", control+"/acl/effective-policies", body).want(t, 400, nil, "", "")
		if detail, _ := got["detail"].(string); !strings.Contains(detail, says) {
			t.Errorf("%.20s: %q lacks %q", body, detail, says)
		}
	}
}

// No body breaks a PATCH, and what it leaves is a role as any other.
func FuzzPatchRole(f *testing.F) {
	s := newServer(f)
	id := s.do(f, s.admin, "POST", control+"/administration/roles", `{"name":"Mine"}`).json(f)["id"].(string)
	for _, seed := range []string{
		`[{"op":"add","path":"/permissionSets/-","value":"view-schemas"}]`, `{"operations":[{"op":"remove","path":"/sandboxes"}]}`,
		`{"op":"replace","path":"/name","value":"\u0000"}`, `[{"op":"add","path":"/user","value":["x"]}]`, `null`, `[null]`, `{"operations":null}`, "\ufeff[", `"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/administration/roles/" + id, "/administration/roles/" + id + "/subjects"} {
			if got := s.do(t, s.admin, "PATCH", control+path, body); got.status >= 500 || !json.Valid(got.body) {
				t.Errorf("%s %q: %d %s", path, body, got.status, got.body)
			}
		}
		s.do(t, s.admin, "GET", control+"/administration/roles/"+id, "").want(t, 200, nil, "", "")
	})
}
