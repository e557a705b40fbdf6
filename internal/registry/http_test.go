package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/registry"
)

const (
	acceptID   = "application/vnd.adobe.xed-id+json"
	acceptRaw  = "application/vnd.adobe.xed+json; version=1"
	acceptFull = "application/vnd.adobe.xed-full+json; version=1"
)

func serve(t testing.TB) (*registry.Service, *gatewaytest.Server) {
	t.Helper()
	s := empty(t)
	return s, gatewaytest.New(t, s.HTTP(), s.NamespacesHTTP())
}

// object decodes an answer that is an object.
func object(t testing.TB, r gatewaytest.Reply, status int) map[string]any {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	o, ok := r.JSON(t).(map[string]any)
	if !ok {
		t.Fatalf("no object: %s", r.Body)
	}
	return o
}

// Which Accept header gets what, by the table of the registry's guide.
func TestAccept(t *testing.T) {
	t.Parallel()
	s, srv := serve(t)
	seed(t, s, gatewaytest.Admin("prod"))
	sums, err := s.Summaries(t.Context(), gatewaytest.Admin("prod"))
	if err != nil {
		t.Fatal(err)
	}
	const vnd = "application/vnd.adobe."
	list, lookup := "/tenant/schemas", "/tenant/schemas/"+sums[0].AltID
	behaviors, descriptors := "/global/behaviors", "/tenant/descriptors"
	for _, c := range []struct {
		path, accept string
		status       int
		code         string // of the refusal, or the type of the answer
	}{
		{list, vnd + "xed-id+json", 200, vnd + "xed-id+json"},
		{list, vnd + "xed+json", 200, vnd + "xed+json"},
		{list, vnd + "xdm+json", 200, vnd + "xdm+json"},
		{list, strings.ToUpper(vnd) + "XED-ID+JSON", 200, vnd + "xed-id+json"},
		{list, "text/html, " + vnd + "xed-id+json;q=0.9", 200, vnd + "xed-id+json"},
		{list, vnd + "xed+json;version=1", 400, "XDM-1006-400"},
		{list, vnd + "xed+json; version=1", 400, "XDM-1006-400"},
		{list, vnd + "json", 400, "XDM-1006-400"},
		{list, "*/*", 400, "XDM-1006-400"},
		{list, "", 400, "XDM-1006-400"},
		{list, vnd + "xed-full+json", 406, "XDM-1010-406"},
		{lookup, vnd + "xed+json; version=1", 200, vnd + "xed+json; version=1"},
		{lookup, vnd + "xed+json;version=1", 200, vnd + "xed+json; version=1"},
		{lookup, vnd + `xed+json;version="1.3"`, 200, vnd + "xed+json; version=1"},
		{lookup, vnd + "xdm+json;version=1", 200, vnd + "xdm+json; version=1"},
		{lookup, vnd + "xed-full+json;version=1", 200, vnd + "xed-full+json; version=1"},
		{lookup, vnd + "xed-notext+json;version=1", 200, vnd + "xed-notext+json; version=1"},
		{lookup, vnd + "xed-full-notext+json;version=1", 200, vnd + "xed-full-notext+json; version=1"},
		{lookup, vnd + "xed-full-desc+json;version=1", 200, vnd + "xed-full-desc+json; version=1"},
		{lookup, vnd + "xed-deprecatefield+json;version=1", 200, vnd + "xed-deprecatefield+json; version=1"},
		{lookup, vnd + "xed+json", 400, "XDM-1007-400"},
		{lookup, vnd + "xed+json;version=", 400, "XDM-1007-400"},
		{lookup, vnd + "xed+json;version=one", 400, "XDM-1007-400"},
		{lookup, vnd + "xed+xml;version=1", 400, "XDM-1007-400"},
		{lookup, "application/json", 400, "XDM-1007-400"},
		{lookup, "", 400, "XDM-1007-400"},
		{lookup, vnd + "xed-id+json;version=1", 406, "XDM-1010-406"},
		{lookup, vnd + "xed+json;version=2", 406, "XDM-1010-406"},
		{"/tenant/schemas/none", vnd + "xed+json;version=1", 404, "XDM-1012-404"},
		{behaviors, vnd + "xed-id+json", 200, vnd + "xed-id+json"},
		{behaviors + "/_xdm.data.record", vnd + "xed+json;version=1", 200, vnd + "xed+json; version=1"},
		{descriptors, vnd + "xdm+json", 200, vnd + "xdm+json"},
		{descriptors, vnd + "xdm-id+json", 200, vnd + "xdm-id+json"},
		{descriptors, vnd + "xdm-link+json", 200, vnd + "xdm-link+json"},
		{descriptors, vnd + "xdm-v2+json", 200, vnd + "xdm+json"},
		{descriptors, vnd + "xdm-v2-id+json", 200, vnd + "xdm-id+json"},
		{descriptors, vnd + "xed+json", 400, "XDM-1008-400"},
		{descriptors, vnd + "xdm+json;version=1", 400, "XDM-1008-400"},
		{descriptors, "", 400, "XDM-1008-400"},
		{descriptors + "/0123", vnd + "xed+json;version=1", 400, "XDM-1009-400"},
		{descriptors + "/0123", vnd + "xdm+json", 404, "XDM-1012-404"},
		{descriptors + "/0123", "*/*", 404, "XDM-1012-404"},
	} {
		t.Run(c.path+" "+c.accept, func(t *testing.T) {
			t.Parallel()
			got := srv.Do("GET", base+c.path, nil, "Accept", c.accept)
			if got.Status != c.status {
				t.Errorf("status %d, want %d: %s", got.Status, c.status, got.Body)
			}
			if c.status == 200 {
				if diff := cmp.Diff(c.code, got.Header.Get("Content-Type")); diff != "" {
					t.Error(diff)
				}
				return
			}
			if typ := got.JSON(t).(map[string]any)["type"]; typ != "http://ns.adobe.com/aep/errors/"+c.code {
				t.Errorf("type %v", typ)
			}
		})
	}
}

// A refusal is worded as the registry words it.
func TestErrorBody(t *testing.T) {
	t.Parallel()
	_, srv := serve(t)
	got := object(t, srv.Do("GET", base+"/tenant/schemas/x", nil, "Accept", acceptRaw, "X-Request-Id", "r"), 404)
	report := got["report"].(map[string]any)
	if stamp := report["timestamp"].(string); !regexp.MustCompile(`^03-01-2026 12:\d\d:\d\d$`).MatchString(stamp) {
		t.Errorf("timestamp %s", stamp)
	}
	delete(report, "timestamp")
	want := map[string]any{
		"type": "http://ns.adobe.com/aep/errors/XDM-1012-404", "title": "Resource Not Found", "status": json.Number("404"),
		"report": map[string]any{"registryRequestId": "r", "detailed-message": "Requested resource x with version 1 is not found", "sub-errors": []any{}},
		"detail": "Requested resource x with version 1 is not found",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		detail             string
	}{
		{"POST", "/global/schemas", "{}", 405, "this path knows GET"},
		{"DELETE", "/global/classes/x", "", 405, "this path knows GET"},
		{"POST", "/tenant/behaviors", "{}", 404, "there is no such path"},
		{"PATCH", "/tenant/descriptors/x", "[]", 405, "this path knows DELETE, GET, PUT"},
		{"POST", "/tenant/schemas", "", 400, "the body is empty"},
		{"POST", "/tenant/schemas", "{\n\"a\": 1,}", 400, "line 2, column 8"},
		{"POST", "/tenant/schemas", `{"a": 1, "a": 2}`, 400, `"a" stands twice`},
		{"POST", "/tenant/schemas", strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101), 400, "deeper than 100 levels"},
		{"POST", "/tenant/schemas", "[]", 400, "an object is expected"},
		{"POST", "/tenant/schemas", `"` + strings.Repeat("x", 11<<20) + `"`, 413, "larger than this call allows"},
		{"PATCH", "/tenant/schemas/x", "[]", 404, "Requested resource x"},
		{"POST", "/rpc/import", "{}", 400, "not what is expected"},
		{"POST", "/rpc/import", "[5]", 400, "an object is expected"},
		{"POST", "/rpc/import", "[null]", 400, "number 1 is no resource"},
		{"GET", "/rpc/nothing/x", "", 404, "there is no such path"},
		{"GET", "/tenant/schemas/%00%ff", "", 404, "is not found"},
		{"GET", "/tenant/schemas/_acme.schemas.%00", "", 404, "is not found"},
		{"DELETE", "/tenant/descriptors/%00", "", 404, "is not found"},
		{"GET", "/rpc/export/%27%00", "", 404, "is not found"},
		{"GET", "/tenant/unions/%00__union", "", 404, "is not found"},
	} {
		got := object(t, srv.Do(c.method, base+c.path, c.body, "Accept", acceptRaw), c.status)
		if !strings.Contains(got["detail"].(string), c.detail) {
			t.Errorf("%s %s: %v", c.method, c.path, got["detail"])
		}
	}
}

// Where open headers are allowed, curl's own gets ids of lists and raw
// resources; what names a format is held to it as ever.
func TestAnyAccept(t *testing.T) {
	t.Parallel()
	s, srv := serve(t)
	s.AnyAccept = true
	seed(t, s, gatewaytest.Admin("prod"))
	sums, err := s.Summaries(t.Context(), gatewaytest.Admin("prod"))
	if err != nil {
		t.Fatal(err)
	}
	const vnd = "application/vnd.adobe."
	for _, c := range []struct {
		accept       string
		list, lookup string // types of the answers, or codes of the refusals
	}{
		{"*/*", vnd + "xed-id+json", vnd + "xed+json; version=1"},
		{"", vnd + "xed-id+json", vnd + "xed+json; version=1"},
		{"application/json", vnd + "xed-id+json", vnd + "xed+json; version=1"},
		{"text/html, application/*;q=0.8", vnd + "xed-id+json", vnd + "xed+json; version=1"},
		{vnd + "xed+json", vnd + "xed+json", vnd + "xed+json; version=1"},
		{vnd + "xed-full+json", "XDM-1010-406", vnd + "xed-full+json; version=1"},
		{"*/*, " + vnd + "xdm+json;version=1", "XDM-1006-400", vnd + "xdm+json; version=1"},
		{vnd + "xed+json;version=2", "XDM-1006-400", "XDM-1010-406"},
		{vnd + "nothing+json", "XDM-1006-400", "XDM-1007-400"},
		{"text/html", "XDM-1006-400", "XDM-1007-400"},
	} {
		for path, want := range map[string]string{"/tenant/schemas": c.list, "/tenant/schemas/" + sums[0].AltID: c.lookup} {
			r := srv.Do("GET", base+path, nil, "Accept", c.accept)
			if got := r.Header.Get("Content-Type"); got != want && !strings.Contains(string(r.Body), want) || (r.Status == 200) != strings.HasPrefix(want, vnd) {
				t.Errorf("%s with %q: %d %s %s", path, c.accept, r.Status, got, r.Body)
			}
		}
	}
}

// The steps of a client that makes its own class, field group and schema, as
// the guides print them.
func TestLifeOfASchema(t *testing.T) {
	t.Parallel()
	_, srv := serve(t)
	spec := openapitest.Load(t, "schema-registry")
	check := func(method, path string, r gatewaytest.Reply) map[string]any {
		t.Helper()
		if err := spec.Check(method, path, r.Status, r.Body); err != nil {
			t.Error(err)
		}
		if len(r.Body) == 0 {
			return nil
		}
		o, _ := r.JSON(t).(map[string]any)
		return o
	}
	made := check("POST", "/tenant/classes", srv.Do("POST", base+"/tenant/classes", `{"type": "object", "title": "Property", "description": "d", "allOf": [{"$ref": "`+record+`"},
		{"type": "object", "properties": {"_{TENANT_ID}": {"type": "object", "properties": {"price": {"type": "number"}}}}}]}`))
	if made["meta:resourceType"] != "classes" || made["meta:extensible"] != true || made["meta:abstract"] != true || made["meta:class"] != nil {
		t.Errorf("%v", made)
	}
	class := made["$id"].(string)
	groupBody := strings.ReplaceAll(group("Stripe charges fields", `{"charges_data": {"type": "object", "title": "Charges data", "properties": {
		"id": {"title": "Id", "type": "string"}, "amount": {"title": "Amount", "type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}}}}`), record, class)
	reply := srv.Do("POST", base+"/tenant/fieldgroups", groupBody)
	made = check("POST", "/tenant/fieldgroups", reply)
	if reply.Status != 201 || made["meta:resourceType"] != "mixins" || made["version"] != "1.0" || !regexp.MustCompile(`^https://ns\.adobe\.com/acme/mixins/[0-9a-f]{48}$`).MatchString(made["$id"].(string)) {
		t.Errorf("%s", reply.Body)
	}
	if !strings.Contains(string(reply.Body), `"amount":{"title":"Amount","type":"integer","minimum":-9007199254740991,"maximum":9007199254740991,"meta:xdmType":"long"}`) {
		t.Errorf("meta:xdmType is missing: %s", reply.Body)
	}
	group := made["$id"].(string)
	if want := base + "/tenant/fieldgroups/" + made["meta:altId"].(string); reply.Header.Get("Location") != want {
		t.Errorf("Location %s", reply.Header.Get("Location"))
	}
	made = check("POST", "/tenant/schemas", srv.Do("POST", base+"/tenant/schemas", schema("Stripe Charges", class, group)))
	id := made["$id"].(string)
	meta := made["meta:registryMetadata"].(map[string]any)
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(meta["eTag"].(string)) {
		t.Errorf("eTag %v", meta["eTag"])
	}
	delete(made, "meta:registryMetadata")
	part := func(id string) map[string]any {
		return map[string]any{"$ref": id, "type": "object", "meta:xdmType": "object"}
	}
	want := map[string]any{
		"$id": id, "meta:altId": "_acme.schemas." + id[strings.LastIndex(id, "/")+1:], "meta:resourceType": "schemas", "version": "1.0",
		"title": "Stripe Charges", "type": "object", "allOf": []any{part(class), part(group)}, "refs": []any{class, group}, "imsOrg": gatewaytest.Org,
		"meta:extensible": false, "meta:abstract": false, "meta:extends": []any{class, record, group}, "meta:xdmType": "object", "meta:class": class,
		"meta:containerId": "tenant", "meta:sandboxId": gatewaytest.Sandbox(gatewaytest.Org, "prod").ID, "meta:sandboxType": "production", "meta:tenantNamespace": "_acme",
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	// Looked up by either id, in full, it has the fields of all.
	for _, path := range []string{url.PathEscape(id), made["meta:altId"].(string)} {
		full := check("GET", "/{CONTAINER_ID}/schemas/{SCHEMA_ID}", srv.Do("GET", base+"/tenant/schemas/"+path, nil, "Accept", acceptFull))
		acme := full["properties"].(map[string]any)["_acme"].(map[string]any)["properties"].(map[string]any)
		if acme["price"] == nil || acme["charges_data"] == nil || full["allOf"] != nil {
			t.Errorf("%v", full)
		}
	}
	// Each change makes the next version.
	r := srv.Do("PATCH", base+"/tenant/fieldgroups/"+url.PathEscape(group), `[{"op": "add", "path": "/definitions/customFields/properties/_{TENANT_ID}/properties/charges_data/properties/new", "value": {"type": "string"}}]`)
	if made = check("PATCH", "/tenant/fieldgroups/{FIELD_GROUP_ID}", r); made["version"] != "1.1" {
		t.Errorf("%s", r.Body)
	}
	r = srv.Do("PUT", base+"/tenant/schemas/"+url.PathEscape(id), schema("Charges", class, group))
	if made = check("PUT", "/tenant/schemas/{SCHEMA_ID}", r); made["version"] != "1.1" || made["title"] != "Charges" {
		t.Errorf("%s", r.Body)
	}
	r = srv.Do("PUT", base+"/tenant/schemas/"+url.PathEscape(id), r.Body) // what was answered can be sent back
	if made = check("PUT", "/tenant/schemas/{SCHEMA_ID}", r); made["version"] != "1.2" || made["title"] != "Charges" {
		t.Errorf("%s", r.Body)
	}
	for path, spec := range map[string]string{
		"/stats": "/stats", "/rpc/auditlog/" + url.PathEscape(id): "/rpc/auditlog/{RESOURCE_ID}", "/rpc/export/" + url.PathEscape(id): "/rpc/export/{RESOURCE_ID}",
		"/rpc/sampledata/" + url.PathEscape(id): "/rpc/sampledata/{SCHEMA_ID}", "/tenant/mixins/" + url.PathEscape(group): "/{CONTAINER_ID}/mixins/{MIXIN_ID}",
	} {
		r := srv.Do("GET", base+path, nil, "Accept", acceptRaw)
		// The guide's classUsage is an object, the description's an array; the
		// description's values of the log are strings, those of its example are not.
		r.Body = regexp.MustCompile(`,"classUsage":\{.*\}\]\}`).ReplaceAll(r.Body, nil)
		r.Body = bytes.ReplaceAll(r.Body, []byte(`"value":{`), []byte(`"x":{`))
		if r.Status != 200 {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
		check("GET", spec, r)
	}
	if r := srv.Do("DELETE", base+"/tenant/schemas/"+url.PathEscape(id), nil); r.Status != 204 || len(r.Body) > 0 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	object(t, srv.Do("DELETE", base+"/tenant/schemas/"+url.PathEscape(id), nil), 404)
}

// What a body must have and must not have.
func TestBodiesRefused(t *testing.T) {
	t.Parallel()
	s, srv := serve(t)
	c := gatewaytest.Admin("prod")
	cl := create(t, s, c, registry.Classes, class)
	events := create(t, s, c, registry.Classes, strings.ReplaceAll(strings.ReplaceAll(class, "Thing", "Event"), record, timeSeries))
	g := create(t, s, c, registry.FieldGroups, group("Fields", `{"a": {"type": "string"}}`))
	d := create(t, s, c, registry.DataTypes, `{"type": "object", "title": "D", "properties": {"a": {"type": "string"}}}`)
	const gone = "https://ns.adobe.com/acme/mixins/000000000000000000000000000000000000000000000000"
	for name, c := range map[string]struct{ path, body, code, want string }{
		"no type":                   {"schemas", `{"title": "S", "allOf": [{"$ref": "` + cl + `"}]}`, "1510", `type is required: "object"`},
		"no title":                  {"schemas", `{"type": "object", "allOf": [{"$ref": "` + cl + `"}]}`, "1510", "title is required"},
		"long title":                {"schemas", schema(strings.Repeat("x", 501), cl), "1510", "at most 500"},
		"title taken":               {"classes", class, "1521", "Title must be unique. An object " + cl},
		"no allOf":                  {"schemas", `{"type": "object", "title": "S"}`, "1510", "allOf is required"},
		"no class":                  {"schemas", schema("S", g), "1510", "allOf must name one class"},
		"two classes":               {"schemas", schema("S", cl, events), "1510", "allOf names two classes"},
		"a behavior for a class":    {"schemas", schema("S", record), "1510", "is a behavior"},
		"a data type":               {"schemas", schema("S", cl, d), "1510", "is a data type"},
		"fields of its own":         {"schemas", `{"type": "object", "title": "S", "properties": {}, "allOf": [{"$ref": "` + cl + `"}]}`, "1510", "no fields of its own"},
		"fields in allOf":           {"schemas", `{"type": "object", "title": "S", "allOf": [{"$ref": "` + cl + `"}, {"type": "object", "properties": {"a": {"type": "object"}}}]}`, "1510", "references alone"},
		"nothing there":             {"schemas", schema("S", cl, gone), "1511", gone + " does not exist"},
		"a group for another class": {"schemas", schema("S", events, g), "1510", `the field group ` + g + ` ("Fields") is not for the class ` + events},
		"union at once":             {"schemas", strings.Replace(schema("S", cl), "{", `{"meta:immutableTags": ["union"], `, 1), "1510", "needs a primary identity"},
		"another tag":               {"schemas", strings.Replace(schema("S", cl), "{", `{"meta:immutableTags": ["onion"], `, 1), "1510", `can only be ["union"]`},
		"for nothing":               {"fieldgroups", strings.Replace(group("G", "{}"), `"meta:intendedToExtend": ["`+record+`"],`, "", 1), "1510", "meta:intendedToExtend is required"},
		"for what is not there":     {"fieldgroups", strings.Replace(group("G", "{}"), record, gone, 1), "1511", "is no class"},
		"beside the tenant":         {"fieldgroups", strings.ReplaceAll(group("G", "{}"), "_acme", "person"), "1510", `"person" can't stand here: fields of your own belong under _acme`},
		"another tenant":            {"fieldgroups", strings.ReplaceAll(group("G", "{}"), "_acme", "_other"), "1510", `"_other" can't stand here`},
		"two definitions":           {"fieldgroups", `{"type": "object", "title": "G", "meta:intendedToExtend": [], "definitions": {"a": {"type": "object"}, "b": {"type": "object"}}}`, "1510", "which of the definitions"},
		"class without behavior":    {"classes", strings.ReplaceAll(class, record, g), "1510", "must name one behavior"},
		"class of a class":          {"classes", strings.ReplaceAll(strings.ReplaceAll(class, "Thing", "C"), record, cl), "1510", "is a class"},
		"type of a data type":       {"datatypes", `{"type": "string", "title": "T"}`, "1510", `"object" or "array"`},
		"tags of a data type":       {"datatypes", `{"type": "object", "title": "T", "meta:immutableTags": ["union"]}`, "1510", "belong to schemas"},
		"description":               {"datatypes", `{"type": "object", "title": "T", "description": 5}`, "1510", "description must be a string"},
		"bad definitions":           {"datatypes", `{"type": "object", "title": "T", "definitions": [], "allOf": []}`, "1510", "definitions must be an object"},
		"bad properties":            {"datatypes", `{"type": "object", "title": "T", "properties": []}`, "1510", "properties are an object"},
		"bad allOf":                 {"datatypes", `{"type": "object", "title": "T", "allOf": [5]}`, "1510", "array of objects"},
		"bad field":                 {"datatypes", `{"type": "object", "title": "T", "properties": {"a": 5}}`, "1510", "a field must be an object"},
		"bad required":              {"datatypes", `{"type": "object", "title": "T", "required": "a"}`, "1510", "array of names"},
		"bad reference":             {"datatypes", `{"type": "object", "title": "T", "properties": {"a": {"$ref": 5}}}`, "1510", "$ref must be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := object(t, srv.Do("POST", base+"/tenant/"+c.path, c.body), 400)
			if got["type"] != "http://ns.adobe.com/aep/errors/XDM-"+c.code+"-400" || !strings.Contains(got["detail"].(string), c.want) {
				t.Errorf("%v %v", got["type"], got["detail"])
			}
		})
	}
}

// Pages by orderby, start and limit; filters.
func TestLists(t *testing.T) {
	t.Parallel()
	s, srv := serve(t)
	c := gatewaytest.Admin("prod")
	for _, title := range []string{"B", "A", "D", "C", "E"} {
		create(t, s, c, registry.DataTypes, fmt.Sprintf(`{"type": "object", "title": %q, "description": "%d", "meta:status": "x", "properties": {}}`, title, len(title)))
	}
	titles := func(query string) (all string, page map[string]any, links map[string]any) {
		t.Helper()
		got := object(t, srv.Do("GET", base+"/tenant/datatypes"+query, nil, "Accept", acceptID), 200)
		for _, r := range got["results"].([]any) {
			all += r.(map[string]any)["title"].(string)
		}
		return all, got["_page"].(map[string]any), got["_links"].(map[string]any)
	}
	for query, want := range map[string]string{
		"": "BADCE", "?limit=2": "BADCE", "?start=C&limit=1": "BADCE", "?orderby=title": "ABCDE", "?orderby=-title": "EDCBA", "?orderby=%2Btitle": "ABCDE", "?orderby=+title": "ABCDE",
		"?orderby=title&limit=2": "AB", "?orderby=title&limit=2&start=B": "CD", "?orderby=-title&limit=2&start=C": "BA", "?orderby=title&limit=0": "",
		"?orderby=description,-title": "EDCBA", "?orderby=description&limit=2": "BADCE", "?orderby=version,title&start=1.0": "", "?orderby=version,title&start=0.9": "ABCDE",
		"?orderby=updated&limit=3": "BAD", "?property=title==A": "A", "?property=title!=A": "BDCE", "?property=title~^[AB]$": "BA", "?property=title>=C": "DCE",
		"?property=title==A,B": "BA", "?property=title==A&property=title==B": "", "?property=description": "BADCE", "?property=meta:class": "", "?property=meta:status==x&orderby=title&limit=1": "A",
		"?property=nothing~a": "",
	} {
		if got, _, _ := titles(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if diff := cmp.Diff(map[string]any{"orderby": "updated", "next": nil, "count": json.Number("5")}, func() any { _, page, _ := titles(""); return page }()); diff != "" {
		t.Error(diff)
	}
	// A client that follows the links sees everything once.
	all, query := "", "?orderby=-title&limit=2&property=title!=C"
	for range 10 {
		got, _, links := titles(query)
		all += got
		if links["global_datatypes"].(map[string]any)["href"] != base+"/global/datatypes" {
			t.Errorf("%v", links)
		}
		if links["next"] == nil {
			break
		}
		next := links["next"].(map[string]any)["href"].(string)
		query = strings.TrimPrefix(next, base+"/tenant/datatypes")
	}
	if all != "EDBA" {
		t.Errorf("by pages: %s", all)
	}
	for _, query := range []string{"?limit=501&orderby=title", "?limit=x&orderby=title", "?limit=-1", "?property==x", "?property=title~(", "?property=title<A,B"} {
		object(t, srv.Do("GET", base+"/tenant/datatypes"+query, nil, "Accept", acceptID), 400)
	}
	for path, want := range map[string]int{"/global/behaviors": 4, "/global/classes": 2, "/global/schemas": 0, "/tenant/unions": 0, "/tenant/mixins": 0} {
		got := object(t, srv.Do("GET", base+path, nil, "Accept", acceptID), 200)
		if n := len(got["results"].([]any)); n != want {
			t.Errorf("%s: %d, want %d", path, n, want)
		}
	}
}

// Which call needs which permission.
func TestPermissions(t *testing.T) {
	t.Parallel()
	_, srv := serve(t)
	for _, c := range []struct {
		method, path string
		any          []access.Permission
	}{
		{"GET", base + "/tenant/schemas", []access.Permission{access.ViewSchemas, access.ManageSchemas, access.ViewDatasets, access.ManageDatasets}},
		{"GET", base + "/stats", []access.Permission{access.ViewSchemas, access.ManageSchemas, access.ViewDatasets, access.ManageDatasets}},
		{"GET", base + "/tenant/descriptors/x", []access.Permission{access.ViewSchemas, access.ManageSchemas, access.ViewDatasets, access.ManageDatasets}},
		{"POST", base + "/tenant/schemas", []access.Permission{access.ManageSchemas}},
		{"PUT", base + "/tenant/classes/x", []access.Permission{access.ManageSchemas}},
		{"PATCH", base + "/tenant/mixins/x", []access.Permission{access.ManageSchemas}},
		{"DELETE", base + "/tenant/datatypes/x", []access.Permission{access.ManageSchemas}},
		{"POST", base + "/rpc/import", []access.Permission{access.ManageSchemas}},
		{"DELETE", base + "/tenant/descriptors/x", []access.Permission{access.ManageSchemas, access.ManageIdentityMetadata, access.ManageRelationships}},
		{"GET", "/data/core/idnamespace/identities", []access.Permission{access.ViewIdentityNamespaces, access.ManageIdentityNamespaces}},
		{"POST", "/data/core/idnamespace/identities", []access.Permission{access.ManageIdentityNamespaces}},
		{"PUT", "/data/core/idnamespace/identities/4", []access.Permission{access.ManageIdentityNamespaces}},
	} {
		for _, p := range access.Permissions {
			caller := access.Principal{Org: gatewaytest.Org, Client: "client", Grants: map[string][]access.Permission{"prod": {p}}}
			got := srv.As(caller, c.method, c.path, nil)
			may := false
			for _, a := range c.any {
				may = may || a == p
			}
			if may == (got.Status == http.StatusForbidden) {
				t.Errorf("%s %s with %s: %d", c.method, c.path, p, got.Status)
			}
		}
	}
}

// The forms of a global class: raw, in XDM's dialect, in full, without text.
func TestFormats(t *testing.T) {
	t.Parallel()
	_, srv := serve(t)
	get := func(format string) string {
		t.Helper()
		r := srv.Do("GET", base+"/global/classes/"+url.PathEscape("https://ns.adobe.com/xdm/context/experienceevent"), nil, "Accept", "application/vnd.adobe."+format+"+json; version=1")
		object(t, r, 200)
		return string(r.Body)
	}
	for format, c := range map[string]struct{ has, lacks []string }{
		"xed":             {[]string{`"allOf":[{"$ref":"https://ns.adobe.com/xdm/data/time-series"`, `"eventType":{"title":"Event type"`, `"meta:containerId":"global"`}, []string{"timestamp", "imsOrg", "sandbox"}},
		"xdm":             {[]string{`"xdm:eventType":{"title"`}, []string{`"eventType"`}},
		"xed-full":        {[]string{`"timestamp":{"title"`, `"required":["_id","timestamp"]`, `"meta:xdmType":"date-time"`}, []string{"allOf", "definitions", "$ref"}},
		"xed-notext":      {[]string{`"eventType":{"type":"string"`}, []string{`"title"`, `"description"`}},
		"xed-full-notext": {[]string{`"timestamp":{"type":"string"`}, []string{`"title"`, `"description"`, "allOf"}},
	} {
		got := get(format)
		for _, s := range c.has {
			if !strings.Contains(got, s) {
				t.Errorf("%s lacks %s: %s", format, s, got)
			}
		}
		for _, s := range c.lacks {
			if strings.Contains(got, s) {
				t.Errorf("%s has %s: %s", format, s, got)
			}
		}
	}
	r := srv.Do("GET", base+"/global/behaviors/_xdm.data.time-series", nil, "Accept", "application/vnd.adobe.xdm+json; version=1")
	if got := string(r.Body); !strings.Contains(got, `"required":["@id","xdm:timestamp"]`) || strings.Contains(got, `"timestamp"`) {
		t.Errorf("%s", got)
	}
	object(t, srv.Do("GET", base+"/tenant/classes/_xdm.context.profile", nil, "Accept", acceptRaw), 404)
}

// Lists and refusals are as the published description has them, but for what
// it calls a text and says in words to be null.
func TestPublishedDescription(t *testing.T) {
	t.Parallel()
	s, srv := serve(t)
	seed(t, s, gatewaytest.Admin("prod"))
	spec := openapitest.Load(t, "schema-registry")
	for _, c := range []struct{ path, spec, accept string }{
		{"/tenant/schemas", "/{CONTAINER_ID}/schemas", acceptID},
		{"/tenant/schemas", "/{CONTAINER_ID}/schemas", "application/vnd.adobe.xed+json"},
		{"/tenant/schemas", "/{CONTAINER_ID}/schemas", acceptRaw},
		{"/tenant/schemas/x", "/{CONTAINER_ID}/schemas/{SCHEMA_ID}", acceptRaw},
		{"/tenant/fieldgroups", "/{CONTAINER_ID}/fieldgroups", "application/vnd.adobe.xed+json"},
		{"/global/fieldgroups", "/{CONTAINER_ID}/fieldgroups", acceptID},
		{"/tenant/classes", "/{CONTAINER_ID}/classes", "application/vnd.adobe.xed+json"},
		{"/global/classes", "/{CONTAINER_ID}/classes", "application/vnd.adobe.xed+json"},
		{"/tenant/datatypes", "/{CONTAINER_ID}/datatypes", acceptID},
		{"/tenant/unions", "/tenant/unions", acceptID},
		{"/global/behaviors", "/global/behaviors", acceptID},
		{"/global/behaviors/_xdm.data.record", "/global/behaviors/{BEHAVIOR_ID}", acceptRaw},
		{"/global/classes/_xdm.context.profile", "/{CONTAINER_ID}/classes/{CLASS_ID}", acceptFull},
		{"/tenant/descriptors", "/{CONTAINER_ID}/descriptors", "application/vnd.adobe.xdm+json"},
		{"/rpc/sampledata/x", "/rpc/sampledata/{SCHEMA_ID}", acceptRaw},
	} {
		r := srv.Do("GET", base+c.path, nil, "Accept", c.accept)
		body := bytes.ReplaceAll(r.Body, []byte(`"next":null`), []byte(`"last":true`))
		if err := spec.Check("GET", c.spec, r.Status, body); err != nil {
			t.Errorf("%s %s: %v", c.path, c.accept, err)
		}
	}
}
