package dataprep

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

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

// With the schema, what a set leaves out is told, too.
func TestValidateWithSchema(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := s.do(200, "POST /mappingSets/validate?expandSchema=true", `{"xdmSchema": "https://ns.adobe.com/acme/schemas/persons", "mappings": [{"source": "data.id", "destination": "person.name.lastName"}]}`)
	if d := cmp.Diff([]any{"person.name.firstName"}, at(t, got, "unmappedRequired")); d != "" {
		t.Error(d)
	}
	if title := at(t, got, "outputSchema", "jsonSchema", "properties", "person", "properties", "age", "type"); title != "integer" {
		t.Errorf("the schema has %v", title)
	}
	s.do(400, "POST /mappingSets/validate?expandSchema=perhaps", `{"xdmSchema": "https://ns.adobe.com/acme/schemas/persons", "mappings": []}`)
}
