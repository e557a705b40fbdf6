package accessapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/openapitest"
)

// There is one product, whose permission sets are the permissions. Deviations
// are what the description has other than its own examples: lists are objects.
func TestProducts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	doc := openapitest.Load(t, "access-control")
	const base = control + "/administration/products"
	deviations := map[string]string{
		"/administration/products/{PRODUCT_ID}/categories":      "/categories: value must be an object",
		"/administration/products/{PRODUCT_ID}/permission-sets": "/permission-sets: value must be an object",
	}
	get := func(path, described string) map[string]any {
		t.Helper()
		r := s.do(t, s.admin, "GET", base+path, "")
		err := doc.Check("GET", described, r.status, r.body)
		if known := deviations[described]; known == "" && err != nil || known != "" && (err == nil || !strings.Contains(err.Error(), known)) {
			t.Errorf("%s: %v", described, err)
		}
		return r.want(t, 200, nil, "", "")
	}
	want := map[string]any{"products": []any{map[string]any{"id": "tributary", "name": "Tributary", "serviceCode": "tributary"}}}
	if diff := cmp.Diff(want, get("", "/administration/products")); diff != "" {
		t.Error(diff)
	}
	categories := get("/tributary/categories", "/administration/products/{PRODUCT_ID}/categories")["categories"].([]any)
	if len(categories) != 7 || !cmp.Equal(categories[0], any(map[string]any{"name": "Data Ingestion"})) {
		t.Errorf("%v", categories)
	}
	all := get("/tributary/permission-sets", "/administration/products/{PRODUCT_ID}/permission-sets")["permission-sets"].([]any)
	for i, one := range all {
		one := one.(map[string]any)
		if one["id"] != string(access.Permissions[i]) || !cmp.Equal(map[string]any{"name": one["category"]}, category(categories, one["category"])) {
			t.Errorf("%d: %v", i, one)
		}
		if one["id"] == "view-schemas" && !cmp.Equal(one["permissions"].([]any)[0], any(map[string]any{"resource": "classes", "actions": []any{"read"}})) {
			t.Errorf("%v", one)
		}
	}
	if len(all) != len(access.Permissions) {
		t.Errorf("%d sets, %d permissions", len(all), len(access.Permissions))
	}
	for _, path := range []string{"/acp/categories", "/acp/permission-sets"} {
		s.do(t, s.admin, "GET", base+path, "").want(t, 404, nil, "", "")
	}
}

// category returns the category of that name.
func category(categories []any, name any) map[string]any {
	for _, c := range categories {
		if c := c.(map[string]any); c["name"] == name {
			return c
		}
	}
	return nil
}

// There are no policies beside roles, and none that would not be applied can be
// made.
func TestNoPolicies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	doc := openapitest.Load(t, "access-control")
	const base = control + "/administration/policies"
	got := s.do(t, s.admin, "GET", base+"?limit=5", "").want(t, 200, doc, "GET", "/administration/policies")
	if diff := cmp.Diff(any([]any{}), got["items"]); diff != "" {
		t.Error(diff)
	}
	s.do(t, s.admin, "GET", base+"?limit=x", "").want(t, 400, nil, "", "")
	made := s.do(t, s.admin, "POST", base, `{"name":"p","rules":[{"effect":"Deny","resource":"/orgs/x/sandboxes/*","actions":["com.adobe.action.read"]}]}`)
	if detail, _ := made.want(t, 400, nil, "", "")["detail"].(string); !strings.Contains(detail, "/administration/roles") {
		t.Errorf("%q", detail)
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		s.do(t, s.admin, method, base+"/7019068e-a3a0-48ce-b56b-008109470592", "{}").want(t, 404, nil, "", "")
	}
}
