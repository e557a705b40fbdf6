package registry_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/registry"
)

// describe is a descriptor of a field, with more members.
func describe(typ, schema, property, more string) string {
	return fmt.Sprintf(`{"@type": "xdm:%s", "xdm:sourceSchema": %q, "xdm:sourceVersion": 1, "xdm:sourceProperty": %s%s}`, typ, schema, property, more)
}

func TestDescriptors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := gatewaytest.New(t, w.s.HTTP())
	spec := openapitest.Load(t, "schema-registry")
	two := create(t, w.s, w.c, registry.Schemas, schema("Two", w.class, w.group, w.more))
	table := create(t, w.s, w.c, registry.Schemas, `{"type": "object", "title": "Table", "meta:extends": ["https://ns.adobe.com/xdm/data/adhoc-v2"],
		"definitions": {"customFields": {"type": "object", "properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}, "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}}},
		"required": ["id", "at", "n"]}}, "allOf": [{"$ref": "#/definitions/customFields"}]}`)
	const identity = `, "xdm:namespace": "Customer", "xdm:property": "xdm:code", "xdm:isPrimary": true`
	post := func(body string) gatewaytest.Reply { return srv.Do("POST", base+"/tenant/descriptors", body) }
	var ids []string
	for name, c := range []struct{ body, refused string }{
		{describe("descriptorIdentity", w.schema, `"/_acme/name"`, identity), ""},
		{describe("descriptorIdentity", w.schema, `"/_acme/name"`, identity), "the descriptor "},
		{describe("descriptorIdentity", w.schema, `"/_acme/kind"`, identity), "has a primary identity: /_acme/name"},
		{describe("descriptorIdentity", w.schema, `"/_acme/must/here"`, `, "xdm:namespace": 10000001, "xdm:property": "xdm:id"`), ""},
		{describe("descriptorIdentity", w.schema, `"/_acme/list[*]"`, `, "xdm:namespace": "customer"`), ""},
		{describe("descriptorIdentity", w.schema, `"/_acme/kind"`, `, "xdm:namespace": "Unknown"`), `no identity namespace "Unknown"`},
		{describe("descriptorIdentity", w.schema, `"/_acme/kind"`, `, "xdm:namespace": "1", "xdm:property": "xdm:id"`), `no identity namespace "1"`},
		{describe("descriptorIdentity", w.schema, `"/_acme/kind"`, `, "xdm:namespace": "Customer", "xdm:property": "xdm:name"`), "xdm:code or xdm:id"},
		{describe("descriptorIdentity", w.schema, `"/_acme/kind"`, `, "xdm:namespace": "Customer", "xdm:isPrimary": "yes"`), "true or false"},
		{describe("descriptorIdentity", w.schema, `"/_acme/kind"`, ``), "xdm:namespace is required"},
		{describe("descriptorIdentity", w.schema, `"/_acme/count"`, identity), "an identity must be a string"},
		{describe("descriptorIdentity", w.schema, `"_acme/name"`, identity), "must begin with a slash"},
		{describe("descriptorIdentity", w.schema, `"/properties/_acme/name"`, identity), `leave out the word "properties"`},
		{describe("descriptorIdentity", w.schema, `"/_acme/none"`, identity), `there is no "none"`},
		{describe("descriptorIdentity", w.schema, `"/_acme//name"`, identity), "empty step"},
		{describe("descriptorIdentity", w.schema, `"/_acme/name[*]"`, identity), "no array"},
		{describe("descriptorIdentity", w.schema, `5`, identity), "xdm:sourceProperty is required"},
		{describe("descriptorIdentity", "https://ns.adobe.com/acme/schemas/0", `"/_acme/name"`, identity), "there is no schema"},
		{describe("descriptorIdentity", "", `"/_acme/name"`, identity), "xdm:sourceSchema is required"},
		{strings.Replace(describe("alternateDisplayInfo", w.schema, `"/_acme/name"`, ``), `"xdm:sourceVersion": 1`, `"xdm:sourceVersion": 2`, 1), "there is no version 2"},
		{strings.Replace(describe("alternateDisplayInfo", w.schema, `"/_acme/name"`, `, "xdm:title": {"en_us": "Name"}`), `"xdm:sourceVersion": 1`, `"xdm:sourceVersion": "1"`, 1), ""},
		{describe("descriptorOneToOne", w.schema, `"/_acme/name"`, `, "xdm:destinationSchema": "`+two+`", "xdm:destinationVersion": 1, "xdm:destinationProperty": "/_acme/more"`), ""},
		{describe("descriptorOneToOne", w.schema, `"/_acme/kind"`, `, "xdm:destinationSchema": "`+two+`", "xdm:destinationProperty": "/_acme/none"`), "xdm:destinationProperty: the path"},
		{describe("descriptorOneToOne", w.schema, `"/_acme/kind"`, ``), "xdm:destinationSchema is required"},
		{describe("descriptorRelationship", w.schema, `"/_acme/name"`, `, "xdm:destinationSchema": "`+two+`", "xdm:cardinality": "M:1"`), ""},
		{describe("descriptorRelationship", w.schema, `"/_acme/kind"`, `, "xdm:destinationSchema": "`+two+`", "xdm:cardinality": "N:N"`), "xdm:cardinality is required"},
		{describe("descriptorReferenceIdentity", w.schema, `"/_acme/kind"`, `, "xdm:identityNamespace": "Customer"`), ""},
		{describe("descriptorReferenceIdentity", w.schema, `"/_acme/name"`, ``), "xdm:identityNamespace is required"},
		{describe("descriptorDeprecated", w.schema, `"/_acme/count"`, ``), ""},
		{describe("descriptorUnknown", w.schema, `"/_acme/count"`, ``), `@type "xdm:descriptorUnknown" is not known`},
		{describe("descriptorPrimaryKey", table, `"/list"`, ``), "made of single values"},
		{describe("descriptorPrimaryKey", table, `[]`, ``), "xdm:sourceProperty is required"},
		{describe("descriptorPrimaryKey", table, `["/id", "/n"]`, ``), ""},
		{describe("descriptorPrimaryKey", table, `"/id"`, ``), "has a primary key"},
		{describe("descriptorVersion", table, `"/n"`, ``), "version descriptor must not be on the primary key field /n"},
		{describe("descriptorVersion", table, `"/list[*]/x"`, ``), "must be a required field"},
		{describe("descriptorVersion", table, `"/at"`, ``), ""},
		{describe("descriptorVersion", table, `"/at"`, ``), "says that of /at already"},
		{describe("descriptorTimestamp", table, `"/n"`, ``), "must be a required date-time field"},
		{describe("descriptorTimestamp", table, `"/at"`, ``), ""},
		{`{"@type": "xdm:descriptorIdentity"}`, "xdm:sourceSchema is required"},
		{`{}`, "xdm:sourceSchema is required"},
	} {
		got := post(c.body)
		if c.refused != "" {
			if o := object(t, got, 400); !strings.Contains(o["detail"].(string), c.refused) {
				t.Errorf("%d: %s: %v", name, c.body, o["detail"])
			}
			continue
		}
		o := object(t, got, 201)
		if err := spec.Check("POST", "/tenant/descriptors", got.Status, got.Body); err != nil && !strings.Contains(err.Error(), "@type") && !strings.Contains(err.Error(), "xdm:sourceVersion") && !strings.Contains(err.Error(), "xdm:sourceProperty") {
			t.Error(err)
		}
		if id := o["@id"].(string); !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(id) || got.Header.Get("Location") != base+"/tenant/descriptors/"+id {
			t.Errorf("@id %s, Location %s", id, got.Header.Get("Location"))
		}
		if o["version"] != "1" || o["imsOrg"] != gatewaytest.Org || o["meta:containerId"] != "tenant" || o["meta:sandboxType"] != "production" || o["xdm:sourceVersion"] != json.Number("1") {
			t.Errorf("%s", got.Body)
		}
		ids = append(ids, o["@id"].(string))
	}
	list := object(t, srv.Do("GET", base+"/tenant/descriptors", nil, "Accept", "application/vnd.adobe.xdm-id+json"), 200)
	counts := make(map[string]int)
	for typ, all := range list {
		counts[typ] = len(all.([]any))
	}
	want := map[string]int{
		"xdm:descriptorIdentity": 3, "xdm:alternateDisplayInfo": 1, "xdm:descriptorOneToOne": 1, "xdm:descriptorRelationship": 1, "xdm:descriptorReferenceIdentity": 1,
		"xdm:descriptorDeprecated": 1, "xdm:descriptorPrimaryKey": 1, "xdm:descriptorVersion": 1, "xdm:descriptorTimestamp": 1,
	}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
	links := object(t, srv.Do("GET", base+"/tenant/descriptors?property=@type==xdm:descriptorVersion", nil, "Accept", "application/vnd.adobe.xdm-link+json"), 200)
	if link, _ := links["xdm:descriptorVersion"].([]any); len(links) != 1 || len(link) != 1 || !strings.HasPrefix(link[0].(string), "/tenant/descriptors/") {
		t.Errorf("%v", links)
	}
	paged := object(t, srv.Do("GET", base+"/tenant/descriptors?orderby=@id&limit=2", nil, "Accept", "application/vnd.adobe.xdm-v2-id+json"), 200)
	if len(paged["results"].([]any)) != 2 || paged["_links"].(map[string]any)["next"] == nil {
		t.Errorf("%v", paged)
	}
	full := object(t, srv.Do("GET", base+"/tenant/schemas/"+w.schema[strings.LastIndex(w.schema, "/")+1:], nil, "Accept", "application/vnd.adobe.xed-full-desc+json;version=1"), 200)
	if n := len(full["meta:descriptors"].([]any)); n != 8 {
		t.Errorf("%d descriptors", n)
	}
	old := object(t, srv.Do("GET", base+"/tenant/schemas/"+w.schema[strings.LastIndex(w.schema, "/")+1:], nil, "Accept", "application/vnd.adobe.xed-deprecatefield+json;version=1"), 200)
	if count := old["properties"].(map[string]any)["_acme"].(map[string]any)["properties"].(map[string]any)["count"].(map[string]any); count["meta:status"] != "deprecated" {
		t.Errorf("%v", count)
	}
	// What a descriptor speaks of can't be taken away under it, nor the schema that it leads to.
	if err := w.patch(t, registry.FieldGroups, w.group, `[{"op": "remove", "path": "$/count"}]`); err == nil || !strings.Contains(err.Error(), "(xdm:descriptorDeprecated)") {
		t.Error(err)
	}
	if err := w.patch(t, registry.FieldGroups, w.more, `[{"op": "remove", "path": "$/more"}]`); err == nil || !strings.Contains(err.Error(), "xdm:destinationProperty") {
		t.Error(err)
	}
	if err := w.s.Delete(t.Context(), w.c, registry.Schemas, two); err == nil || !strings.Contains(err.Error(), "descriptor:") {
		t.Error(err)
	}
	one := base + "/tenant/descriptors/" + ids[0]
	if got := object(t, srv.Do("GET", one, nil), 200); got["xdm:sourceProperty"] != "/_acme/name" {
		t.Errorf("%v", got)
	}
	got := object(t, srv.Do("PUT", one, describe("descriptorIdentity", w.schema, `"/_acme/kind"`, identity)), 200)
	if diff := cmp.Diff(map[string]any{"@id": ids[0]}, got); diff != "" {
		t.Error(diff)
	}
	if got := object(t, srv.Do("GET", one, nil), 200); got["xdm:sourceProperty"] != "/_acme/kind" {
		t.Errorf("%v", got)
	}
	object(t, srv.Do("PUT", one, describe("descriptorIdentity", two, `"/_acme/kind"`, identity)), 400)
	object(t, srv.Do("PUT", one, describe("descriptorDeprecated", w.schema, `"/_acme/kind"`, "")), 400)
	for _, id := range ids {
		if got := srv.Do("DELETE", base+"/tenant/descriptors/"+id, nil); got.Status != 204 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	}
	object(t, srv.Do("DELETE", one, nil), 404)
	if err := w.s.Delete(t.Context(), w.c, registry.Schemas, two); err != nil {
		t.Error(err)
	}
}

// Identities and relationships have permissions of their own.
func TestDescriptorPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := gatewaytest.New(t, w.s.HTTP())
	bodies := map[access.Permission]string{
		access.ManageIdentityMetadata: describe("descriptorIdentity", w.schema, `"/_acme/name"`, `, "xdm:namespace": "Customer"`),
		access.ManageRelationships:    describe("descriptorOneToOne", w.schema, `"/_acme/name"`, `, "xdm:destinationSchema": "`+w.schema+`"`),
		access.ManageSchemas:          describe("descriptorDeprecated", w.schema, `"/_acme/name"`, ""),
	}
	for need, body := range bodies {
		var path string
		for _, p := range []access.Permission{access.ManageSchemas, access.ManageIdentityMetadata, access.ManageRelationships} {
			if p != need {
				got := srv.As(only(p), "POST", base+"/tenant/descriptors", body)
				if o := object(t, got, 403); o["type"] != "http://ns.adobe.com/aep/errors/XDM-1403-403" {
					t.Errorf("%s", got.Body)
				}
			}
		}
		path = srv.As(only(need), "POST", base+"/tenant/descriptors", body).Header.Get("Location")
		for _, p := range []access.Permission{access.ManageSchemas, access.ManageIdentityMetadata, access.ManageRelationships} {
			if p != need {
				object(t, srv.As(only(p), "DELETE", path, nil), 403)
				object(t, srv.As(only(p), "PUT", path, body), 403)
			}
		}
		if got := srv.As(only(need), "DELETE", path, nil); got.Status != 204 {
			t.Errorf("%s: %d %s", need, got.Status, got.Body)
		}
	}
}

func only(p access.Permission) access.Principal {
	return access.Principal{Org: gatewaytest.Org, Client: "client", Grants: map[string][]access.Permission{"prod": {p}}}
}

// The identity namespaces, by the published description.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	s, srv := serve(t)
	seed(t, s, gatewaytest.Admin("prod"))
	spec := openapitest.Load(t, "identity-service")
	const path = "/data/core/idnamespace/identities"
	list := srv.Do("GET", path, nil)
	var codes []string
	for _, n := range list.JSON(t).([]any) {
		codes = append(codes, n.(map[string]any)["code"].(string))
	}
	if diff := cmp.Diff([]string{"ECID", "Email", "Phone"}, codes); diff != "" {
		t.Error(diff)
	}
	got := object(t, srv.Do("POST", path, `{"name": "Stripe customer", "code": "StripeCustomer", "idType": "CROSS_DEVICE", "description": "cus_…"}`), 200)
	if got["id"] != json.Number("10000001") || got["status"] != "ACTIVE" || got["custom"] != true || got["idType"] != "CROSS_DEVICE" || got["createTime"] == nil || got["updateTime"] == nil {
		t.Errorf("%v", got)
	}
	if got := object(t, srv.Do("POST", path, `{"name": "Mobile", "code": "Mobile", "idType": "Mobile"}`), 200); got["id"] != json.Number("10000002") || got["idType"] != "MOBILE" {
		t.Errorf("%v", got)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", path, `{"name": "Again", "code": "stripecustomer", "idType": "Phone"}`, 409, "already exists"},
		{"POST", path, `{"name": "Bad", "code": "a b", "idType": "Phone"}`, 400, "letters and digits"},
		{"POST", path, `{"name": " ", "code": "ab", "idType": "Phone"}`, 400, "name is required"},
		{"POST", path, `{"name": "Bad", "code": "ab", "idType": "Fax"}`, 400, "Valid values are: [COOKIE, CROSS_DEVICE"},
		{"POST", path, `{"name": 5}`, 400, "line 1, column"},
		{"PUT", path + "/10000001", `{"name": "S", "code": "Other", "idType": "CROSS_DEVICE"}`, 400, "non editable"},
		{"PUT", path + "/10000001", `{"name": "S", "code": "StripeCustomer", "idType": "Email"}`, 400, "non editable"},
		{"PUT", path + "/6", `{"name": "S", "code": "Email", "idType": "Email"}`, 400, "standard namespace"},
		{"PUT", path + "/99", `{"name": "S", "code": "Email", "idType": "Email"}`, 404, "Namespace id 99 not found"},
		{"GET", path + "/99", "", 404, "Namespace id 99 not found"},
		{"DELETE", path + "/6", "", 405, "this path knows GET, PUT"},
	} {
		got := object(t, srv.Do(c.method, c.path, c.body), c.status)
		if !strings.Contains(got["description"].(string), c.want) || got["title"] != "Namespace Validation" || got["status"] != json.Number(fmt.Sprint(c.status)) {
			t.Errorf("%s %s: %v", c.method, c.path, got)
		}
	}
	for _, c := range []struct{ method, path, spec, body string }{
		{"PUT", path + "/10000001", "/idnamespace/identities/{ID}", `{"name": "Customer at Stripe", "code": "StripeCustomer", "idType": "cross_device"}`},
		{"GET", path, "/idnamespace/identities", ""},
		{"GET", path + "/10000001", "/idnamespace/identities/{ID}", ""},
	} {
		r := srv.Do(c.method, c.path, c.body)
		if r.Status != 200 || !strings.Contains(string(r.Body), "Customer at Stripe") {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.Status, r.Body)
		}
		// The description's list of types is written in three ways.
		if err := spec.Check(c.method, c.spec, r.Status, r.Body); err != nil && !strings.Contains(err.Error(), "idType") {
			t.Error(err)
		}
	}
	if got := srv.As(other("prod").Principal, "GET", path+"/10000001", nil); got.Status != 404 {
		t.Errorf("another organisation: %d %s", got.Status, got.Body)
	}
}
