package accessapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
)

// An integration's life by the API: its secrets are told once and never listed.
func TestMembers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const all = "/data/tributary/access/integrations"
	call := func(method, path, body string, status int) map[string]any {
		t.Helper()
		r := s.do(t, s.admin, method, path, body)
		if r.status != status {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, r.status, status, r.body)
		}
		if len(r.body) == 0 {
			return nil
		}
		return r.json(t)
	}
	made := call("POST", all, `{"name": "loader", "permissions": ["view-sources"], "sandboxes": ["prod"]}`, 201)
	id, first := made["clientId"].(string), made["clientSecret"].(string)
	one := call("GET", all+"/"+id, "", 200)
	want := map[string]any{"name": "loader", "administrator": false, "bootstrap": false, "permissions": []any{"view-sources"}, "sandboxes": []any{"prod"}}
	if diff := cmp.Diff(want, without(one, "clientId", "technicalAccount", "roles", "secrets", "createdAt")); diff != "" {
		t.Error(diff)
	}
	more := call("POST", all+"/"+id+"/secrets", "", 201)
	listed := string(s.do(t, s.admin, "GET", all, "").body)
	if strings.Contains(listed, first) || strings.Contains(listed, more["clientSecret"].(string)) || !strings.Contains(listed, more["secretId"].(string)) {
		t.Errorf("the list: %s", listed)
	}
	call("DELETE", all+"/"+id+"/secrets/"+more["secretId"].(string), "", 204)
	if _, err := s.Token(t.Context(), id, more["clientSecret"].(string)); err == nil {
		t.Error("a removed secret gets a token")
	}
	loader := s.client(t, s.admin.org, id, first)
	if r := s.do(t, loader, "GET", all, ""); r.status != 403 {
		t.Errorf("who is no administrator gets %d: %s", r.status, r.body)
	}
	for name, body := range map[string]string{
		"unknown permission": `{"name": "x", "permissions": ["fly"], "sandboxes": ["prod"]}`,
		"unknown sandbox":    `{"name": "x", "permissions": ["view-sources"], "sandboxes": ["moon"]}`,
		"no name":            `{"permissions": ["view-sources"], "sandboxes": ["prod"]}`,
	} {
		if r := s.do(t, s.admin, "POST", all, body); r.status < 400 || r.status >= 500 {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	call("DELETE", all+"/"+id, "", 204)
	call("GET", all+"/"+id, "", 404)
}

// A user is listed once, with all roles that were given by id.
func TestUsers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c, err := s.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		r, err := s.CreateRole(t.Context(), c, access.Role{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ChangeSubjects(t.Context(), c, r.ID, []access.Subject{{Type: access.UserSubject, ID: "jane@AdobeID"}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	got := s.do(t, s.admin, "GET", "/data/tributary/access/users", "").json(t)["items"].([]any)
	if len(got) != 1 || len(got[0].(map[string]any)["roles"].([]any)) != 2 {
		t.Errorf("the users: %v", got)
	}
}
