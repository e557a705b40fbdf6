package dataprep

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/problem"
)

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
