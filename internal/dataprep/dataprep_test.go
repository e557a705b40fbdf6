package dataprep

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// registry has the six Stripe schemas, named by their resource, and one that
// is made for these tests, in every sandbox of Org.
type registry struct{}

func (registry) Composition(_ context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	name := last(id)
	if c.Org != gatewaytest.Org || strings.HasPrefix(id, "https:") && !strings.HasPrefix(id, "https://ns.adobe.com/acme/schemas/") {
		return nil, problem.Errorf(problem.NotFound, "no schema")
	}
	full := "https://ns.adobe.com/acme/schemas/" + name
	if s, err := xdm.Stripe(name, "acme"); err == nil {
		group := &xdm.Field{Name: s.Group, Kind: xdm.Object, Fields: s.Fields}
		return &xdm.Composition{ID: full, Title: s.Title, Version: "1.0", Fields: []*xdm.Field{{Name: "_acme", Kind: xdm.Object, Fields: []*xdm.Field{group}}}}, nil
	}
	if name != "persons" {
		return nil, problem.Errorf(problem.NotFound, "no schema")
	}
	return &xdm.Composition{ID: full, Title: "Persons", Version: "1.0", Fields: []*xdm.Field{
		{Name: "_id", Kind: xdm.String},
		{Name: "person", Kind: xdm.Object, Fields: []*xdm.Field{
			{Name: "age", Kind: xdm.Long},
			{Name: "at", Kind: xdm.DateTime},
			{Name: "name", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "firstName", Kind: xdm.String, Required: true}, {Name: "lastName", Kind: xdm.String}}},
			{Name: "tags", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.String}},
			{Name: "notes", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.String}},
			{Name: "score", Kind: xdm.Double},
			{Name: "day", Kind: xdm.Date},
			{Name: "ok", Kind: xdm.Boolean},
		}},
	}}, nil
}

var start = time.Date(2024, 3, 8, 1, 10, 57, 7e6, time.UTC)

func newService(t testing.TB) *Service {
	t.Helper()
	var ticks atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(ticks.Add(1)-1) * time.Second) }
	db, err := docstore.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &Service{DB: db, Schemas: registry{}, Now: now}
}

type server struct {
	*gatewaytest.Server
	t testing.TB
}

func serve(t testing.TB) server {
	t.Helper()
	return server{gatewaytest.New(t, newService(t).HTTP()), t}
}

// do sends a request, wants a status, and returns what was answered.
func (s server) do(status int, call string, body any) any {
	s.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	r := s.Do(method, base+path, body)
	if r.Status != status {
		s.t.Fatalf("%s: %d, want %d: %s", call, r.Status, status, r.Body)
	}
	return r.JSON(s.t)
}

func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("no %q in %v", p, v)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("no %d in %v", p, v)
			}
			v = l[p]
		}
	}
	return v
}

const legacy = `{
  "version": 0, "xdmSchema": "https://ns.adobe.com/{TENANT}/schemas/charges", "xdmVersion": "1.0", "id": null,
  "mappings": [
    {"destinationXdmPath": "_{TENANT}.charges_data.id", "sourceAttribute": "data.id", "identity": false, "version": 0},
    {"destinationXdmPath": "_{ORG_ID}.charges_data.customer", "sourceAttribute": "data.customer", "identity": true, "identityGroup": "g", "namespaceCode": "n", "version": 0},
    {"destinationXdmPath": "_acme.charges_data.currency", "sourceAttribute": "upper(data.currency)"}
  ]
}`

const current = `{
  "name": "prices", "outputSchema": {"schemaRef": {"id": "https://ns.adobe.com/acme/schemas/prices", "contentType": "application/vnd.adobe.xed-full+json;version=1"}},
  "mappings": [
    {"sourceType": "ATTRIBUTE", "source": "data.id", "destination": "_acme.prices_data.id", "name": "id", "description": "Identifier"},
    {"sourceType": "expression", "source": "upper(data.currency)", "destination": "_acme.prices_data.currency"},
    {"sourceType": "STATIC", "source": "recurring", "destination": "_acme.prices_data.type"},
    {"sourceType": "text/x.aep-xl", "source": "data.active", "destination": "_acme.prices_data.active"},
    {"sourceType": "text/x.schema-path", "sourceAttribute": "data.nowhere", "destinationXdmPath": "_acme.prices_data.nowhere"}
  ], "tags": [{"name": "a", "values": ["b"]}], "strictMapping": true
}`

var hexID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// masked replaces ids that are made by chance, wanted ones counted.
func masked(t testing.TB, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok && (k == "id" || k == "sampleId") && !strings.Contains(s, "/") {
				if !hexID.MatchString(s) {
					t.Errorf("%s: %q is no id", k, s)
				}
				v[k] = "ID"
				continue
			}
			v[k] = masked(t, x)
		}
	case []any:
		for i, x := range v {
			v[i] = masked(t, x)
		}
	}
	return v
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	return gatewaytest.Reply{Body: []byte(text)}.JSON(t)
}

func TestLegacySet(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := s.Do("POST", base+"/mappingSets", legacy)
	made := r.JSON(t)
	id, _ := at(t, made, "id").(string)
	if r.Status != 200 || r.Header.Get("Location") != base+"/mappingSets/"+id {
		t.Errorf("%d %v", r.Status, r.Header)
	}
	const stamp = `"createdDate": 1709860257007, "modifiedDate": 1709860257007, "createdBy": "client@techacct.adobe.com", "modifiedBy": "client@techacct.adobe.com"`
	if d := cmp.Diff(decoded(t, `{"id": "ID", "version": 0, `+stamp+`}`), masked(t, made)); d != "" {
		t.Error(d)
	}
	mapping := func(extra, kind, source, to string) string {
		return fmt.Sprintf(`{"id": "ID", "version": 0, %s, %s "sourceType": %q, "source": %q, "destination": %q, "matchScore": 0, "functionVersion": 1, "primaryIdentity": false, "sourceAttribute": %q, "destinationXdmPath": %q}`,
			stamp, extra, kind, source, to, source, to)
	}
	const ref = `{"id": "https://ns.adobe.com/acme/schemas/charges", "contentType": "1.0"}`
	want := `{"id": "ID", "version": 0, ` + stamp + `, "supportVersion": "1.1", "inputSchema": {"id": "ID", "version": 0, "sampleId": "ID"},
		"outputSchema": {"id": "ID", "version": 0, "schemaRef": ` + ref + `}, "mappings": [` +
		mapping(`"identity": false,`, "text/x.schema-path", "data.id", "_acme.charges_data.id") + "," +
		mapping(`"identity": true, "identityGroup": "g", "namespaceCode": "n",`, "text/x.schema-path", "data.customer", "_acme.charges_data.customer") + "," +
		mapping(`"identity": false, "expressionAttributes": ["data.currency"],`, "text/x.aep-xl", "upper(data.currency)", "_acme.charges_data.currency") +
		`], "status": "PUBLISHED", "strictMapping": false, "allowNullValues": false, "xdmVersion": "1.0", "schemaRef": ` + ref + `, "xdmSchema": "https://ns.adobe.com/acme/schemas/charges"}`
	if d := cmp.Diff(decoded(t, want), masked(t, s.do(200, "GET /mappingSets/"+id, nil))); d != "" {
		t.Error(d)
	}
}

func TestCurrentSet(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := at(t, s.do(200, "POST /mappingSets", current), "id").(string)
	set := s.do(200, "GET /mappingSets/"+id+"?expandSchema=true", nil)
	var got []string
	for _, m := range at(t, set, "mappings").([]any) {
		got = append(got, fmt.Sprint(at(t, m, "sourceType"), " ", at(t, m, "source"), " ", at(t, m, "destinationXdmPath")))
	}
	want := []string{
		"text/x.schema-path data.id _acme.prices_data.id", "text/x.aep-xl upper(data.currency) _acme.prices_data.currency",
		"STATIC recurring _acme.prices_data.type", "text/x.aep-xl data.active _acme.prices_data.active",
		"text/x.schema-path data.nowhere _acme.prices_data.nowhere",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if at(t, set, "name") != "prices" || at(t, set, "mappings", 0, "description") != "Identifier" || at(t, set, "strictMapping") != true || at(t, set, "tags", 0, "values", 0) != "b" {
		t.Errorf("%v", set)
	}
	schema := at(t, set, "outputSchema", "jsonSchema", "properties", "_acme", "properties", "prices_data")
	if at(t, schema, "properties", "unit_amount", "meta:xdmType") != "long" || at(t, schema, "properties", "metadata", "additionalProperties", "type") != "string" ||
		at(t, schema, "properties", "tiers", "items", "type") != "object" || len(at(t, schema, "required").([]any)) == 0 {
		t.Errorf("%v", schema)
	}
	if other := s.do(200, "POST /mappingSets", set); at(t, other, "id") == id || at(t, s.do(200, "GET /mappingSets/"+at(t, other, "id").(string), nil), "mappings", 0, "id") == at(t, set, "mappings", 0, "id") {
		t.Error("a new set took over old ids")
	}
	mappings := s.do(200, "GET /mappingSets/"+id+"/mappings", nil).([]any)
	one := at(t, mappings, 1, "id").(string)
	if d := cmp.Diff(mappings[1], s.do(200, "GET /mappingSets/"+id+"/mappings/"+one, nil)); d != "" || len(mappings) != 5 {
		t.Error(d)
	}
	s.do(404, "GET /mappingSets/"+id+"/mappings/"+strings.Repeat("0", 32), nil)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := at(t, s.do(200, "POST /mappingSets", legacy), "id").(string)
	first := s.do(200, "GET /mappingSets/"+id, nil)
	// What was read is put back with one change.
	body := decoded(t, string(mustJSON(t, first)))
	changed := at(t, body, "mappings", 0).(map[string]any)
	changed["source"], changed["sourceAttribute"] = "data.payment_intent", "data.payment_intent"
	list := at(t, body, "mappings").([]any)
	body.(map[string]any)["mappings"] = append(list, map[string]any{"source": "data.status", "destination": "_acme.charges_data.status", "id": strings.Repeat("a", 32)})
	second := s.do(200, "PUT /mappingSets/"+id, body)
	if at(t, second, "version") != json.Number("1") || at(t, second, "createdDate") != at(t, first, "createdDate") || at(t, second, "modifiedDate") == at(t, first, "modifiedDate") {
		t.Errorf("%v", second)
	}
	if d := cmp.Diff(at(t, first, "mappings", 1), at(t, second, "mappings", 1)); d != "" {
		t.Errorf("a mapping that did not change did: %s", d)
	}
	if at(t, second, "mappings", 0, "version") != json.Number("1") || at(t, second, "mappings", 0, "id") != at(t, first, "mappings", 0, "id") || at(t, second, "mappings", 3, "id") == strings.Repeat("a", 32) {
		t.Errorf("%v", second)
	}
	for query, want := range map[string]any{"": second, "?version=1": second, "?version=0": first} {
		if d := cmp.Diff(want, s.do(200, "GET /mappingSets/"+id+query, nil)); d != "" {
			t.Errorf("%s: %s", query, d)
		}
	}
	if n := len(s.do(200, "GET /mappingSets/"+id+"/mappings?version=0", nil).([]any)); n != 3 {
		t.Errorf("%d mappings", n)
	}
	s.do(404, "GET /mappingSets/"+id+"?version=2", nil)
	s.do(404, "GET /mappingSets/"+strings.Repeat("0", 32), nil)
	s.do(404, "GET /mappingSets/%00", nil)
	s.do(404, "PUT /mappingSets/"+strings.Repeat("0", 32), "{")
	s.do(400, "PUT /mappingSets/"+id, "{")
	s.do(400, "PUT /mappingSets/"+id, `{"xdmSchema": "nowhere"}`)
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestList(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var ids []string
	for i := range 5 {
		body := strings.Replace(current, `"prices"`, fmt.Sprintf("%q", string(rune('a'+i%2))), 1)
		ids = append(ids, at(t, s.do(200, "POST /mappingSets", body), "id").(string))
	}
	s.do(200, "PUT /mappingSets/"+ids[1], strings.Replace(current, `"prices"`, `"b"`, 1))
	for query, want := range map[string]string{
		"":                             "0 2 3 4 1",
		"?orderBy=-updatedDate":        "1 4 3 2 0",
		"?orderBy=%2BcreatedDate":      "0 1 2 3 4",
		"?orderBy=+createdDate":        "0 1 2 3 4",
		"?orderBy=-createdDate":        "4 3 2 1 0",
		"?name=b":                      "3 1",
		"?name=none":                   "",
		"?limit=2":                     "0 2",
		"?limit=2&start=3":             "4 1",
		"?limit=2&start=9":             "",
		"?start=4&orderBy=createdDate": "4",
		"?expandSchema=true&limit=1":   "0",
	} {
		page := s.do(200, "GET /mappingSets"+query, nil)
		var got []string
		for _, set := range at(t, page, "data").([]any) {
			for i, id := range ids {
				if at(t, set, "id") == id {
					got = append(got, fmt.Sprint(i))
				}
			}
			if schema := at(t, set, "outputSchema", "jsonSchema"); (schema != nil) != strings.Contains(query, "expand") {
				t.Errorf("%s: schema %v", query, schema)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	page := s.do(200, "GET /mappingSets?limit=2&orderBy=createdDate", nil)
	if d := cmp.Diff(decoded(t, `{"count": 5, "limit": 2}`), at(t, page, "_page")); d != "" {
		t.Error(d)
	}
	next := at(t, page, "_links", "next", "href").(string)
	if got := s.do(200, "GET "+strings.TrimPrefix(next, base), nil); at(t, got, "data", 0, "id") != ids[2] {
		t.Errorf("%s: %v", next, got)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "start=-1", "orderBy=name", "expandSchema=maybe", "version=x"} {
		path := "/mappingSets?" + query
		if strings.HasPrefix(query, "version") {
			path = "/mappingSets/" + ids[0] + "?" + query
		}
		s.do(400, "GET "+path, nil)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := serve(t)
	set := func(mapping string) string {
		return `{"xdmSchema": "https://ns.adobe.com/acme/schemas/persons", "mappings": [{"source": "a", "destination": "_id"}, ` + mapping + `]}`
	}
	for name, c := range map[string]struct{ body, want string }{
		"no schema":        {`{"mappings": []}`, "does not say which schema"},
		"unknown schema":   {`{"xdmSchema": "https://ns.adobe.com/acme/schemas/x"}`, `there is no schema "https://ns.adobe.com/acme/schemas/x"`},
		"another tenant's": {`{"xdmSchema": "https://ns.adobe.com/other/schemas/persons"}`, "there is no schema"},
		"two schemas":      {`{"xdmSchema": "https://ns.adobe.com/acme/schemas/x", "outputSchema": {"schemaRef": {"id": "_acme.schemas.y"}}}`, "names two schemas"},
		"no destination":   {set(`{"source": "a"}`), `mapping 2, to "": the destination is missing`},
		"no source":        {set(`{"destination": "_id"}`), `mapping 2, to "_id": the source is missing`},
		"two sources":      {set(`{"source": "a", "sourceAttribute": "b", "destination": "_id"}`), "mapping 2: source and sourceAttribute are not the same"},
		"two destinations": {set(`{"source": "a", "destination": "b", "destinationXdmPath": "_id"}`), "mapping 2: destination and destinationXdmPath"},
		"no type":          {set(`{"source": "a", "destination": "_id", "sourceType": "magic"}`), `there is no sourceType "magic"`},
		"no path":          {set(`{"source": "a", "destination": "a..b"}`), `mapping 2, to "a..b": line 1, column 3`},
		"no expression":    {set(`{"source": "upper(", "destination": "_id"}`), "line 1, column 7"},
		"no attribute":     {set(`{"sourceType": "ATTRIBUTE", "source": "a - b", "destination": "_id"}`), "not a path"},
		"two wrong":        {set(`{"source": "(", "destination": "_id"}, {"source": ")", "destination": "_id"}`), "(and 1 more of the mappings)"},
		"broken":           {"{\n\"mappings\": [},", "line 2, column 14"},
		"of another type":  {`{"mappings": {}}`, "mappings: object is not what is expected here"},
		"not an object":    {`[]`, "array is not what is expected"},
		"too many":         {`{"xdmSchema": "_acme.schemas.persons", "mappings": [{}` + strings.Repeat(",{}", MaxMappings) + `]}`, "5001 mappings are more than the 5000"},
	} {
		got := s.do(400, "POST /mappingSets", c.body)
		detail, _ := at(t, got, "detail").(string)
		if !strings.Contains(detail, c.want) || at(t, got, "report", "detailed-message") != detail || at(t, got, "type") != "http://ns.adobe.com/aep/errors/MAPPER-0400-400" {
			t.Errorf("%s: %v", name, got)
		}
	}
	got := s.do(400, "POST /mappingSets", set(`{"source": "concat('a',\n  upper(", "destination": "_id"}`))
	report := at(t, got, "report").(map[string]any)
	if d := cmp.Diff([]any{json.Number("1"), json.Number("2"), json.Number("9"), "EXPRESSION"}, []any{report["mapping"], report["line"], report["column"], at(t, report, "errors", 0, "sourceType")}); d != "" {
		t.Error(d)
	}
	for call, status := range map[string]int{
		"DELETE /mappingSets/x": 405, "PATCH /mappingSets/x": 405, "GET /mappingSets/validate": 405, "POST /languages/el/functions": 405, "GET /nowhere": 404,
	} {
		s.do(status, call, nil)
	}
	if got := s.Do("POST", base+"/mappingSets", `{"name": "`+strings.Repeat("x", maxBody)+`"}`); got.Status != 413 {
		t.Errorf("a large body: %d", got.Status)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := s.do(200, "POST /mappingSets/validate", `{"outputSchema": {"schemaRef": {"id": "https://ns.adobe.com/acme/schemas/persons"}}, "mappings": [
		{"source": "data.id", "destination": "_id"}, {"source": "upper(", "destination": "_id"}, {"source": "data.x", "destination": "_acme.x"},
		{"sourceType": "STATIC", "source": "old", "destination": "person.age"}, {"source": "a"}, {"source": "b", "destination": "_id"}]}`)
	want := decoded(t, `{"validationResponse": [
		{"status": "FAILED", "errors": [{"destination": "_id", "exception": "mapping 6 has the same destination, _id, and wins", "source": "data.id", "columnName": null, "sourceType": "ATTRIBUTE"}]},
		{"status": "FAILED", "errors": [{"destination": "_id", "exception": "line 1, column 7: found the end of the expression where a value, a field or a function is expected", "source": "upper(", "columnName": null, "sourceType": "EXPRESSION"}]},
		{"status": "FAILED", "errors": [{"destination": "_acme.x", "exception": "the schema has no field _acme", "source": "data.x", "columnName": null, "sourceType": "ATTRIBUTE"}]},
		{"status": "FAILED", "errors": [{"destination": "person.age", "exception": "the text is no long: not a decimal number", "source": "old", "columnName": null, "sourceType": "STATIC"}]},
		{"status": "FAILED", "errors": [{"destination": "", "exception": "the destination is missing", "source": "a", "columnName": null, "sourceType": "ATTRIBUTE"}]},
		{"status": "SUCCESS", "errors": null}]}`)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	s.do(400, "POST /mappingSets/validate", `{"mappings": []}`)
	s.do(400, "POST /mappingSets/validate", `{"xdmSchema": "x", "mappings": []}`)
}

func TestPreview(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const set = `"mappingSet": {"outputSchema": {"schemaRef": {"id": "https://ns.adobe.com/acme/schemas/persons", "contentType": "application/vnd.adobe.xed-full+json;version=1"}},
		"mappings": [{"sourceType": "ATTRIBUTE", "source": "id", "destination": "_id", "name": "id", "description": "Identifier field"},
		{"sourceType": "ATTRIBUTE", "source": "firstName", "destination": "person.name.firstName"}, {"sourceType": "ATTRIBUTE", "source": "lastName", "destination": "person.name.lastName"},
		{"source": "age", "destination": "person.age"}]}`
	for name, c := range map[string]struct{ data, want string }{
		"one record": {
			`{"id": 1234, "firstName": "Jim", "lastName": "Seltzer"}`,
			`{"data": {"_id": "1234", "person": {"name": {"firstName": "Jim", "lastName": "Seltzer"}}}, "errors": null}`,
		},
		"a list": {
			`[{"id": 1, "age": "x", "firstName": "A"}, {"id": 2, "lastName": "B"}, 5]`,
			`[{"data": {"_id": "1", "person": {"name": {"firstName": "A"}}}, "errors": [{"destination": "person.age", "exception": "not a decimal number", "source": "age", "columnName": null, "sourceType": "ATTRIBUTE"}]},
			{"data": {"_id": "2", "person": {"name": {"lastName": "B"}}}, "errors": [{"destination": "person.name.firstName", "exception": "is required and has no value", "source": "", "columnName": null}]},
			{"data": {}, "errors": [{"destination": "", "exception": "the record is an integer, not an object", "source": "", "columnName": null}]}]`,
		},
		"nothing": {`[]`, `[]`},
	} {
		if d := cmp.Diff(decoded(t, c.want), s.do(200, "POST /mappingSets/preview", `{"data": `+c.data+`, `+set+`}`)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	got := s.do(200, "POST /mappingSets/preview", `{"data": {"a": 1}, "mappingSet": {"xdmSchema": "_acme.schemas.persons", "mappings": [
		{"source": "1 / 0", "destination": "_id"}, {"source": "uuid(", "destination": "_id"}, {"source": "a", "destination": "person.age"}, {"source": "date_part(\"year\", now())", "destination": "person.score"}]}}`)
	if at(t, got, "data", "person", "age") != json.Number("1") || at(t, got, "data", "person", "score") != json.Number("2024") || at(t, got, "data", "_id") != nil ||
		!strings.Contains(at(t, got, "errors", 0, "exception").(string), "division by zero") || !strings.Contains(at(t, got, "errors", 1, "exception").(string), "column 6") {
		t.Errorf("%v", got)
	}
	for body, want := range map[string]string{
		`{` + set + `}`:                           "data is missing",
		`{"data": 5, ` + set + `}`:                "data is integer",
		`{"data": {"a": 1, "a": 2}, ` + set + `}`: "a key stands twice",
		`{"data": [{}` + strings.Repeat(",{}", MaxPreview) + `], ` + set + `}`: "101 records",
		`{"data": {}}`:                   "mappingSet is missing",
		`{"data": {}, "mappingSet": {}}`: "does not say which schema",
		`{"data": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `,` + set + `}`: "nested deeper",
	} {
		if got := at(t, s.do(400, "POST /mappingSets/preview", body), "detail").(string); !strings.Contains(got, want) {
			t.Errorf("%.80s: %s", body, got)
		}
	}
}

// Hostile sets come to an end: the call, not each of its records, has an
// allowance of work.
func TestHostilePreview(t *testing.T) {
	t.Parallel()
	s := serve(t)
	hostile := []string{
		`size_of(transformArray(explode(rpad("", 80000, "a,"), ","), x -> rpad(x, 100000, "y")))`,
		`transformArray(split(rpad("", 80000, "a,"), ","), x -> transformArray(split(rpad("", 80000, "a,"), ","), y -> concat(x, y)))`,
	}
	for i, text := range hostile {
		var mappings []string
		for k := range 300 {
			mappings = append(mappings, fmt.Sprintf(`{"sourceType": "EXPRESSION", "source": %q, "destination": "person.notes.k%d"}`, text, k))
		}
		r := s.Do("POST", base+"/mappingSets/preview", `{"data": [{}`+strings.Repeat(",{}", 99)+`], "mappingSet": {"xdmSchema": "_acme.schemas.persons", "mappings": [`+strings.Join(mappings, ",")+`]}}`)
		if r.Status != 400 || !strings.Contains(string(r.Body), "more work than one call may") {
			t.Errorf("%d: %d %.300s", i, r.Status, r.Body)
		}
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for body, want := range map[string]string{
		`{"expression": "concat(\"Hi\", \",\", \"there\", \"!\")"}`:                                  "none",
		`{"expression": {"expression": "concat(\"Hi\", \",\", \"there\", \"!\")"}}`:                  "none",
		`{"expression": "upper(data.id)", "mappingSetId": "x", "sampleData": null}`:                  "none",
		`{"expression": "upper(data.id)", "sampleData": "{\"data\":{\"id\":\"x\"}}"}`:                "none",
		`{"expression": "upper(data.id)", "sampleData": {"data": {"id": 5}}, "sampleDataType": "J"}`: "line 1, column 7: upper: argument 1: wants text, not integer",
		`{"expression": "upper("}`:                "line 1, column 7: found the end of the expression where a value, a field or a function is expected",
		`{"expression": "fpid_to_ecid(data.id)"}`: "line 1, column 1: fpid_to_ecid: not available",
		`{"expression": ""}`:                      "line 1, column 1: an empty expression",
	} {
		got := s.do(200, "POST /languages/el/validate", body)
		status := map[bool]string{true: "succeeded", false: "failed"}[want == "none"]
		if text, _ := at(t, got, "error").(string); at(t, got, "validationStatus") != status || !strings.HasPrefix(text, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, body := range []string{`{}`, `{"expression": 5}`, `{"expression": {"expression": {}}}`, `{"expression": "a", "sampleData": "{"}`, `[]`} {
		s.do(400, "POST /languages/el/validate", body)
	}
	functions := s.do(200, "GET /languages/el/functions", nil).([]any)
	byName := map[any]any{}
	for _, f := range functions {
		byName[at(t, f, "function")] = f
	}
	want := decoded(t, `{"category": "Hierarchies - Arrays", "function": "size_of", "returnType": "java.lang.Long", "since": 1}`).(map[string]any)
	for k, v := range want {
		if d := cmp.Diff(v, at(t, byName["size_of"], k)); d != "" {
			t.Error(d)
		}
	}
	if p := at(t, byName["first"], "params", 0); at(t, p, "dataType") != "[Ljava.lang.Object;" || at(t, p, "position") != json.Number("1") {
		t.Errorf("%v", p)
	}
	if at(t, byName["fpid_to_ecid"], "unavailable") == nil || at(t, byName["aa_get_event_id"], "unavailable") == nil || at(t, byName["now"], "unavailable") != nil || len(functions) < 100 {
		t.Errorf("%d functions", len(functions))
	}
	plus := decoded(t, `{"operatorSymbol": "+", "methodName": "add", "numberOfOperands": 2, "example": "1 + 2"}`).(map[string]any)
	operators := s.do(200, "GET /languages/el/operators", nil).([]any)
	for k, v := range plus {
		if d := cmp.Diff(v, at(t, operators, 0, k)); d != "" {
			t.Error(d)
		}
	}
}

// Suggestions for Stripe's objects, and the templates, are sets that can be
// sent as they are, map all of an object, and are pure copies.
func TestSuggestionsAndTemplates(t *testing.T) {
	t.Parallel()
	s := serve(t)
	sim, err := stripesim.New(stripesim.Config{Seed: 7, Counts: stripesim.Counts{Charges: 60, Customers: 20, Prices: 12, Subscriptions: 10}})
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range xdm.Resources {
		schema := "https://ns.adobe.com/{TENANT_ID}/schemas/" + resource
		var object string
		for truth := range sim.Oracle(stripesim.Resource(resource)) {
			object = string(truth.JSON)
			break
		}
		suggested := s.do(200, "POST /mappingSets/suggestions", `{"data": [{"data": `+object+`}], "xdmSchema": "`+schema+`"}`)
		template := s.do(200, "GET /mappingSetTemplates/"+resource+"?schema="+schema, nil)
		if n := len(at(t, suggested, "unmatchedSources").([]any)); n != 0 {
			t.Errorf("%s: %v", resource, at(t, suggested, "unmatchedSources"))
		}
		stripe, err := xdm.Stripe(resource, "acme")
		if err != nil {
			t.Fatal(err)
		}
		for name, doc := range map[string]any{"suggestions": suggested, "template": template} {
			var b setBody
			if err := json.Unmarshal(mustJSON(t, doc), &b); err != nil {
				t.Fatal(err)
			}
			set, err := b.set(gatewaytest.Admin("prod"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := registry{}.Composition(t.Context(), gatewaytest.Admin("prod"), set.SchemaID)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := mapping.PureCopy(c, stripe, Plain(set.Mappings)); !ok {
				t.Errorf("%s: %s: no pure copy", resource, name)
			}
			if name == "template" && len(set.Mappings) != len(stripe.Fields) {
				t.Errorf("%s: %d mappings", resource, len(set.Mappings))
			}
			for _, m := range set.Mappings {
				if m.Score != 1 {
					t.Errorf("%s: %s: %+v", resource, name, m)
				}
			}
			id := at(t, s.do(200, "POST /mappingSets", doc), "id").(string)
			preview := s.do(200, "POST /mappingSets/preview", map[string]any{"data": json.RawMessage(`{"data":` + object + `}`), "mappingSet": s.do(200, "GET /mappingSets/"+id, nil)})
			if at(t, preview, "errors") != nil || at(t, preview, "data", "_acme", stripe.Group, "id") == nil {
				t.Errorf("%s: %v", resource, preview)
			}
		}
	}
	s.do(404, "GET /mappingSetTemplates/invoices?schema=charges", nil)
	s.do(400, "GET /mappingSetTemplates/charges", nil)
	s.do(400, "GET /mappingSetTemplates/charges?schema=nowhere", nil)
	s.do(400, "GET /mappingSetTemplates/charges?schema=persons", nil)
	s.do(400, "POST /mappingSets/suggestions", `{"data": [], "xdmSchema": "nowhere"}`)
	s.do(400, "POST /mappingSets/suggestions", `{"xdmSchema": "_acme.schemas.persons"}`)
	s.do(400, "POST /mappingSets/suggestions", `{"data": []}`)
}

// The charges mapping of the tutorial, with its aliases of the tenant.
func TestTutorial(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const paths = `id refunded disputed payment_method_details.card.last4 livemode status payment_method_details.card.overcapture.maximum_amount_capturable
		receipt_url payment_method_details.card.fingerprint payment_intent payment_method_details.card.overcapture.status payment_method_details.card.network_token.used
		payment_method_details.card.funding amount customer payment_method_details.card.incremental_authorization.status payment_method_details.card.multicapture.status
		amount_captured payment_method object captured created paid amount_refunded currency payment_method_details.card.country payment_method_details.card.exp_year
		payment_method_details.card.amount_authorized payment_method_details.card.network payment_method_details payment_method_details.card.exp_month
		calculated_statement_descriptor payment_method_details.card.brand balance_transaction payment_method_details.card.extended_authorization.status outcome`
	var mappings []map[string]any
	for path := range strings.FieldsSeq(paths) {
		mappings = append(mappings, map[string]any{"destinationXdmPath": "_{ORG_ID}.charges_data." + path, "sourceAttribute": "data." + path, "identity": false, "version": 0})
	}
	if len(mappings) != 36 {
		t.Fatal(len(mappings))
	}
	body := map[string]any{"version": 0, "xdmSchema": "https://ns.adobe.com/{TENANT}/schemas/charges", "xdmVersion": "1.0", "mappings": mappings}
	id := at(t, s.do(200, "POST /mappingSets", body), "id").(string)
	for i, entry := range at(t, s.do(200, "POST /mappingSets/validate", body), "validationResponse").([]any) {
		if at(t, entry, "status") != "SUCCESS" {
			t.Errorf("%v: %v", mappings[i], entry)
		}
	}
	const charge = `{"id":"ch_1","object":"charge","amount":100,"created":1679090539,"currency":"usd","outcome":{"network_status":"approved_by_network","reason":null,"risk_score":32},
		"payment_method_details":{"card":{"brand":"visa","checks":{"cvc_check":null},"wallet":null,"last4":"4242"},"type":"card"},"billing_details":{"name":"x"}}`
	got := s.do(200, "POST /mappingSets/preview", map[string]any{"data": []json.RawMessage{json.RawMessage(`{"data":` + charge + `}`)}, "mappingSet": s.do(200, "GET /mappingSets/"+id, nil)})
	want := decoded(t, `[{"data": {"_acme": {"charges_data": {"id":"ch_1","object":"charge","amount":100,"created":1679090539,"currency":"usd","outcome":{"network_status":"approved_by_network","risk_score":32},
		"payment_method_details":{"card":{"brand":"visa","checks":{},"last4":"4242"},"type":"card"}}}}, "errors": null}]`)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// No sandbox sees another's sets, whatever is asked.
func TestIsolation(t *testing.T) {
	t.Parallel()
	s := newService(t)
	callers := []access.Caller{gatewaytest.Admin("prod"), gatewaytest.Admin("dev"), gatewaytest.Admin("prod")}
	callers[2].Org, callers[2].Sandbox = gatewaytest.OtherOrg, gatewaytest.Sandbox(gatewaytest.OtherOrg, "prod")
	s.Schemas = everywhere{}
	made := map[string]int{}
	for i := range 12 {
		owner := i * i % 3
		set, err := s.Create(t.Context(), callers[owner], Set{SchemaID: "charges", Name: fmt.Sprint(owner), Mappings: []Mapping{{Type: "ATTRIBUTE", Source: "data.id", To: "_acme.charges_data.id"}}})
		if err != nil {
			t.Fatal(err)
		}
		made[set.ID] = owner
	}
	for id, owner := range made {
		for i, c := range callers {
			_, err := s.Set(t.Context(), c, id, 0)
			_, err2 := s.Put(t.Context(), c, id, Set{SchemaID: "charges"})
			if i == owner && (err != nil || err2 != nil) || i != owner && (problem.KindOf(err) != problem.NotFound || problem.KindOf(err2) != problem.NotFound) {
				t.Fatalf("%s of %d from %d: %v, %v", id, owner, i, err, err2)
			}
		}
	}
	for i, c := range callers {
		sets, count, err := s.List(t.Context(), c, Query{Limit: 100})
		if err != nil || count != len(sets) {
			t.Fatal(count, err)
		}
		for _, set := range sets {
			if set.Name != fmt.Sprint(i) {
				t.Fatalf("%d sees a set of %s", i, set.Name)
			}
			delete(made, set.ID)
		}
	}
	if len(made) > 0 {
		t.Errorf("nobody sees %v", made)
	}
}

// everywhere is the registry for all organisations.
type everywhere struct{ registry }

func (e everywhere) Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	c.Org = gatewaytest.Org
	return e.registry.Composition(ctx, c, id)
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	who := func(p ...access.Permission) access.Principal {
		return access.Principal{Org: gatewaytest.Org, Client: "c", User: "u", Grants: map[string][]access.Permission{"prod": p}}
	}
	for _, c := range newService(t).HTTP().Routes {
		for p, want := range map[access.Permission]bool{
			access.ViewSources: c.Method != http.MethodPut && c.Method+c.Path != "POST/mappingSets", access.ManageSources: true, access.ViewSchemas: false,
		} {
			path := strings.NewReplacer("{id}", "x", "{mapping}", "x", "{resource}", "charges").Replace(c.Path)
			if got := s.As(who(p), c.Method, base+path, "{"); (got.Status != 403) != want {
				t.Errorf("%s %s with %s: %d", c.Method, c.Path, p, got.Status)
			}
		}
	}
}

// Answers fit the published description, but for what it gets wrong: it says
// that dates are texts, that a list of mappings is one, that errors is never
// null, and that an expression's validation is a boolean.
func TestPublished(t *testing.T) {
	t.Parallel()
	s := serve(t)
	d := openapitest.Load(t, "data-prep")
	id := at(t, s.do(200, "POST /mappingSets", current), "id").(string)
	one := at(t, s.do(200, "GET /mappingSets/"+id+"/mappings", nil), 0, "id").(string) + "?version=0"
	for _, c := range []struct{ call, path, body string }{
		{"POST /mappingSets", "/mappingSets", current},
		{"GET /mappingSets?limit=1&start=0", "/mappingSets", ""},
		{"GET /mappingSets/" + id + "?expandSchema=true", "/mappingSets/{MAPPING_SET_ID}", ""},
		{"PUT /mappingSets/" + id, "/mappingSets/{MAPPING_SET_ID}", current},
		{"GET /mappingSets/" + id + "/mappings/" + one, "/mappingSets/{MAPPING_SET_ID}/mappings/{MAPPING_ID}", ""},
		{"POST /mappingSets/validate", "/mappingSets/validate", `{"xdmSchema": "_acme.schemas.persons", "mappings": [{"source": "a", "destination": "b"}]}`},
		{"POST /mappingSets/preview", "/mappingSets/preview", `{"data": {"a": "x"}, "mappingSet": {"xdmSchema": "_acme.schemas.persons", "mappings": [{"source": "a", "destination": "person.age"}]}}`},
		{"GET /languages/el/functions", "/languages/el/functions", ""},
		{"GET /languages/el/operators", "/languages/el/operators", ""},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		method, _, _ := strings.Cut(c.call, " ")
		answer := rightened(s.do(200, c.call, body))
		if err := d.Check(method, c.path, 200, mustJSON(t, answer)); err != nil {
			t.Errorf("%s: %v", c.call, err)
		}
	}
}

// rightened writes an answer the way that the description wrongly wants.
func rightened(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			switch {
			case x == nil:
				delete(v, k)
			case k == "createdDate" || k == "modifiedDate":
				v[k] = "2024-03-08T01:10:57Z"
			case k == "sourceType":
				v[k] = map[any]any{"text/x.schema-path": "ATTRIBUTE", "text/x.aep-xl": "EXPRESSION"}[x]
				if v[k] == nil {
					v[k] = x
				}
			default:
				v[k] = rightened(x)
			}
		}
	case []any:
		for i, x := range v {
			v[i] = rightened(x)
		}
	}
	return v
}

// Versions that are made at once are all kept.
func TestPutAtOnce(t *testing.T) {
	t.Parallel()
	s := newService(t)
	c := gatewaytest.Admin("prod")
	set, err := s.Create(t.Context(), c, Set{SchemaID: "persons"})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if _, err := s.Put(t.Context(), c, set.ID, Set{SchemaID: "persons", Name: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	names := map[string]bool{}
	for v := range 7 {
		got, err := s.Set(t.Context(), c, set.ID, v)
		if err != nil {
			t.Fatal(err)
		}
		names[got.Name] = true
	}
	if len(names) != 7 {
		t.Errorf("%v", names)
	}
}
