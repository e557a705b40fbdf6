package flow_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

func params(text string) string {
	return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(text)))
}

func TestExplore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.made("/connections", connectionWith(goodKey))
	path := "GET /connections/" + id + "/explore"
	charges := params(`{"resourcePath":"charges"}`)
	for query, code := range map[string]string{
		"":                                       "CONNECTOR-1359-400",
		"objectType=":                            "CONNECTOR-1359-400",
		"objectType=rests":                       "CONNECTOR-1358-400",
		"objectType=TABLE":                       "CONNECTOR-1358-400",
		"objectType=rest&fileType=delimited":     "CONNECTOR-1327-400",
		"objectType=rest&FileType=xml":           "CONNECTOR-1327-400",
		"objectType=rest&preview=maybe":          "FLOW-1451-400",
		"objectType=rest":                        "CONNECTOR-1304-400",
		"objectType=rest&sourceParams=e30":       "CONNECTOR-1304-400",
		"objectType=rest&sourceParams=%25%25":    "CONNECTOR-1389-400",
		"objectType=rest&sourceParams=é":         "CONNECTOR-1389-400",
		"objectType=rest&sourceParams=bnVsbA":    "CONNECTOR-1389-400", // null
		"objectType=rest&sourceParams=WzFd":      "CONNECTOR-1389-400", // [1]
		"objectType=rest&sourceParams=e30K%C3%A": "CONNECTOR-1304-400", // what can't be unescaped is no parameter
		"objectType=rest&sourceParams=" + params(`{"resourcePath":5}`):                   "CONNECTOR-1312-400",
		"objectType=rest&sourceParams=" + params(`{"resourcePath":"payouts"}`):           "CONNECTOR-1312-400",
		"objectType=rest&sourceParams=" + params(`{"resourcePath":"charges/../events"}`): "CONNECTOR-1312-400",
	} {
		r.failed(code, path+"?"+query, nil)
	}
	want := r.do(200, path+"?objectType=rest&object=json&fileType=json&preview=false&sourceParams="+charges, nil).JSON(t)
	for _, query := range []string{
		"objectType=REST&sourceParams=" + charges,
		"objecttype=Rest&FileType=JSON&PREVIEW=False&sourceParams=eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0",
		"objectType=rest&object=anything&sourceParams=" + params(`{"resourcePath":"/v1/charges","a":"???>>>~~~"}`),
		"objectType=rest&sourceParams=" + strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(`{"resourcePath":"charges","a":"???>>>~~~"}`)), "=", ""),
		"objectType=rest&sourceParams=" + base64.URLEncoding.EncodeToString([]byte(`{"resourcePath":"charges","a":"???>>>~~~"}`)),
	} {
		if diff := cmp.Diff(want, r.do(200, path+"?"+query, nil).JSON(t)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	answer := want.(map[string]any)
	if diff := cmp.Diff([]string{"format", "schema"}, sortedKeys(answer)); diff != "" || answer["format"] != "hierarchical" {
		t.Errorf("%v %s", answer["format"], diff)
	}
	data := at(answer, "schema", "properties", "data", "properties").(map[string]any)
	for name, want := range map[string]any{
		"id": map[string]any{"type": "string"}, "livemode": map[string]any{"type": "boolean"}, "application": map[string]any{},
		"amount": map[string]any{"type": "integer", "minimum": json.Number("-9007199254740992"), "maximum": json.Number("9007199254740991")},
	} {
		if diff := cmp.Diff(want, data[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}

	// All that the account has of the page shows, in the wrapper, newest first.
	var newest []string
	for truth := range r.sim.Oracle(stripesim.Charges) {
		newest = append(newest, truth.ID)
	}
	rows := r.do(200, path+"?objectType=rest&preview=true&sourceParams="+charges, nil).JSON(t).(map[string]any)["data"].([]any)
	if len(rows) != 100 {
		t.Fatalf("%d rows of %d", len(rows), len(newest))
	}
	last := ""
	for i, row := range rows {
		created := fmt.Sprint(at(row, "data", "created"))
		if at(row, "data", "object") != "charge" || i > 0 && created > last {
			t.Errorf("row %d: %v, after %s", i, row, last)
		}
		last = created
	}
	for _, resource := range stripe.Resources {
		rows := r.do(200, path+"?objectType=rest&preview=true&sourceParams="+params(`{"resourcePath":"`+resource.Name+`"}`), nil).JSON(t).(map[string]any)["data"].([]any)
		n := 0
		for truth := range r.sim.Oracle(stripesim.Resource(resource.Name)) {
			if truth.Listed {
				n++
			}
		}
		if len(rows) != min(n, 100) || n == 0 {
			t.Errorf("%s: %d rows of %d", resource.Name, len(rows), n)
		}
	}
	r.failed("FLOW-1439-404", "GET /connections/nothing/explore?objectType=rest&sourceParams="+charges, nil)
	r.failed("FLOW-1439-404", "GET /connections/nothing/explore?objectType=ROOT", nil)
	draft, _ := r.made("/connections?mode=draft", `{"name": "Later"}`)
	r.failed("CONNECTOR-1304-400", "GET /connections/"+draft+"/explore?objectType=rest&sourceParams="+charges, nil)

	root := r.do(200, path+"?objectType=ROOT", nil)
	objects := root.JSON(t).([]any)
	if diff := cmp.Diff(any(map[string]any{"type": "rest", "name": "charges", "path": "charges", "canPreview": true, "canFetchSchema": true}), objects[0]); diff != "" || len(objects) != 6 {
		t.Errorf("%d: %s", len(objects), diff)
	}
	if err := openapitest.Load(t, "flow-service").Check("GET", "/connections/{BASE_CONNECTION_ID}/explore", 200, root.Body); err != nil {
		t.Error(err)
	}
	configs := r.do(200, "GET /connections/"+id+"/configs", nil).JSON(t).(map[string]any)["items"].([]any)
	if len(configs) != 1 || at(configs[0], "columnName") != "resourcePath" || len(at(configs[0], "values").([]any)) != 6 {
		t.Errorf("%v", configs)
	}
}

// at returns what stands at a path of members.
func at(v any, path ...string) any {
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// Refusals of Stripe are told with its status and its words, and never as
// refusals of ours.
func TestExploreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.made("/connections", connectionWith(restrictedKey))
	r.svc.VerifyOnCreate = false
	wrong, _ := r.made("/connections", connectionWith("sk_test_planted12345"))
	explore := func(id, resource string) string {
		return "GET /connections/" + id + "/explore?objectType=rest&sourceParams=" + params(`{"resourcePath":"`+resource+`"}`)
	}
	r.do(200, explore(id, "charges"), nil)
	for call, words := range map[string][]string{
		explore(id, "customers"):  {"HTTP 403", "Customers (rak_customer_read)", "does not have the required permissions"},
		explore(wrong, "charges"): {"HTTP 401", "Invalid API Key provided"},
	} {
		answer := r.failed("CONNECTOR-1308-400", call, nil)
		for _, w := range words {
			if text := fmt.Sprint(answer["errorMessage"]); !strings.Contains(text, w) || strings.Contains(text, "planted") {
				t.Errorf("no %q in %s", w, text)
			}
		}
	}
	for _, c := range []struct {
		rule stripesim.Rule
		code string
	}{
		{stripesim.Rule{Action: stripesim.UnavailableEnd}, "FLOW-1103-503"},
		{stripesim.Rule{Action: stripesim.BadGateway}, "FLOW-1103-503"},
		{stripesim.Rule{Action: stripesim.Truncate}, "FLOW-1103-503"},
		{stripesim.Rule{Action: stripesim.Reset}, "FLOW-1103-503"},
		{stripesim.Rule{Action: stripesim.Respond, Status: 400, Body: `{"error":{"message":"No.","type":"invalid_request_error"}}`}, "CONNECTOR-1308-400"},
	} {
		if err := r.sim.SetPlan(stripesim.Plan{Rules: []stripesim.Rule{c.rule}}); err != nil {
			t.Fatal(err)
		}
		r.failed(c.code, explore(id, "charges"), nil)
	}
}

// An account without anything is described by the product's schema; what a
// full one has is in it.
func TestExploreEmpty(t *testing.T) {
	t.Parallel()
	sim, err := stripesim.New(stripesim.Config{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := rigOn(t, sim, sim)
	full := newRig(t)
	empty, _ := r.made("/connections", connectionWith(goodKey))
	other, _ := full.made("/connections", connectionWith(goodKey))
	for _, resource := range xdm.Resources {
		query := "/explore?objectType=rest&preview=true&sourceParams=" + params(`{"resourcePath":"`+resource+`"}`)
		answer := r.do(200, "GET /connections/"+empty+query, nil).JSON(t)
		if rows, ok := at(answer, "data").([]any); !ok || len(rows) != 0 {
			t.Errorf("%s: %v", resource, rows)
		}
		built := at(answer, "schema", "properties", "data", "properties").(map[string]any)
		seen := at(full.do(200, "GET /connections/"+other+query, nil).JSON(t), "schema", "properties", "data", "properties").(map[string]any)
		for name, v := range seen {
			if kind := at(v, "type"); kind != nil && at(built[name], "type") != kind && at(built[name], "type") != nil {
				t.Errorf("%s.%s: %v, and built in %v", resource, name, kind, at(built[name], "type"))
			}
			if built[name] == nil {
				t.Errorf("%s has no %s", resource, name)
			}
		}
	}
}

func TestSpecs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for call, n := range map[string]int{
		"/connectionSpecs": 2, `/connectionSpecs?property=name=="Stripe"`: 1, "/connectionSpecs?property=name==stripe&property=version==1.0": 1, "/connectionSpecs?property=name==x": 0,
		"/connectionSpecs?property=attributes.category==Payments": 1, "/connectionSpecs?property=authSpec[].name==OAuth2%20Refresh%20Code": 1,
		"/flowSpecs": 1, `/flowSpecs?property=name=="RestStorageToAEP"`: 1, "/flowSpecs?property=sourceConnectionSpecIds[]==" + flow.StripeSpec: 1, "/flowSpecs?property=name!=RestStorageToAEP": 0,
	} {
		answer := r.do(200, "GET "+strings.ReplaceAll(call, `"`, "%22"), nil).JSON(t).(map[string]any)
		if items := answer["items"].([]any); len(items) != n || fmt.Sprint(answer["_links"]) != "map[]" {
			t.Errorf("%s: %v", call, answer)
		}
	}
	r.failed("FLOW-1449-400", "GET /connectionSpecs?property=nothing==1", nil)
	if got := string(r.do(200, "GET /connectionSpecs?count=true", nil).Body); got != "{\"count\":2}\n" {
		t.Errorf("%s", got)
	}
	if got := fmt.Sprint(r.do(200, "GET /connectionSpecs?property=name&orderby=-name", nil).JSON(t).(map[string]any)["items"]); got != "[map[id:"+flow.StripeSpec+" name:Stripe] map[id:"+flow.DataLakeSpec+" name:Data Lake]]" {
		t.Errorf("%s", got)
	}
	first := r.do(200, "GET /connectionSpecs?limit=1", nil).JSON(t).(map[string]any)
	next := at(first, "_links", "next", "href").(string)
	second := r.do(200, "GET "+next, nil).JSON(t).(map[string]any)
	if a, b := at(first["items"].([]any)[0], "id"), at(second["items"].([]any)[0], "id"); a == b || len(second["items"].([]any)) != 1 || fmt.Sprint(second["_links"]) != "map[]" {
		t.Errorf("%v, then %v", a, second)
	}
	spec := r.item("/connectionSpecs/" + flow.StripeSpec)
	auth := spec["authSpec"].([]any)[0]
	if at(auth, "spec", "properties", "accessToken", "format") != "password" || at(auth, "name") != "OAuth2 Refresh Code" {
		t.Errorf("%v", auth)
	}
	if got := fmt.Sprint(at(spec, "sourceSpec", "spec", "properties", "resourcePath", "enum")); got != fmt.Sprint(xdm.Resources) {
		t.Errorf("%s", got)
	}
	doc := r.item("/flowSpecs/" + flow.FlowSpec)
	if interval := at(doc, "scheduleSpec", "spec", "else", "then", "properties", "interval"); fmt.Sprint(interval) != "map[default:15 minimum:1]" {
		t.Errorf("%v", interval)
	}
	for call, want := range map[string]string{
		"/connectionSpecs/" + flow.StripeSpec + "/explore":   "[map[columnName:resourcePath columnType:string]]",
		"/connectionSpecs/" + flow.StripeSpec + "/configs":   "[map[columnName:resourcePath columnType:string values:[charges subscriptions refunds balance_transactions customers prices]]]",
		"/connectionSpecs/" + flow.DataLakeSpec + "/configs": "[map[columnName:dataSetId columnType:string]]",
	} {
		if got := fmt.Sprint(r.do(200, "GET "+call, nil).JSON(t).(map[string]any)["items"]); got != want {
			t.Errorf("%s: %s", call, got)
		}
	}
	for _, call := range []string{"/connectionSpecs/nothing", "/flowSpecs/nothing", "/connectionSpecs/" + flow.FlowSpec, "/connectionSpecs/nothing/explore", "/connectionSpecs/nothing/configs"} {
		r.failed("FLOW-1439-404", "GET "+call, nil)
	}
	for _, call := range []string{"POST /connectionSpecs", "PUT /connectionSpecs/" + flow.StripeSpec, "POST /flowSpecs", "PUT /flowSpecs/x"} {
		r.failed("FLOW-1402-400", call, `{"name": "Mine", "providerId": "x"}`)
	}
	found := r.do(200, "POST /flowSpecs/search", `{"queryString": "property=name==RestStorageToAEP", "limit": 1000, "projectionFields": "name"}`).JSON(t).(map[string]any)
	if got := fmt.Sprint(found["items"]); got != "[map[id:"+flow.FlowSpec+" name:RestStorageToAEP]]" {
		t.Errorf("%s", got)
	}
}

// What is answered is what the published description says, but for what is
// listed.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	doc := openapitest.Load(t, "flow-service")
	conn, _ := r.made("/connections", connectionWith(goodKey))
	src, _ := r.made("/sourceConnections", sourceOn(conn))
	tgt, _ := r.made("/targetConnections", targetOn(mine))
	rename := `[{"op": "replace", "path": "/name", "value": "N"}]`
	// The description has an array where its own example, and the guides, have items.
	const items = "value must be an array"
	// It has texts where the guides for sources have objects with a key.
	const ui = "/sourceSpec/attributes/uiAttributes/"
	// It has an object where the document in the guide has an array.
	const mapping = "/transformationSpecs: value must be an object"
	for _, c := range []struct {
		call, described string
		status          int
		body            string
		deviates        string // what is otherwise, on purpose
	}{
		{"POST /connections", "/connections", 201, connectionWith(goodKey), ""},
		{"GET /connections", "/connections", 200, "", ""},
		{"GET /connections/" + conn, "/connections/{BASE_CONNECTION_ID}", 200, "", ""},
		{"GET /connections/" + conn + "/test", "/connections/{BASE_CONNECTION_ID}/test", 200, "", ""},
		{"GET /connections/" + conn + "/configs", "/connections/{BASE_CONNECTION_ID}/configs", 200, "", items},
		{"POST /connections/" + conn + "/action?op=PUBLISH&subOp=APPLY", "/connections/{BASE_CONNECTION_ID}/action", 200, "", ""},
		{"PATCH /connections/" + conn + "/", "/connections/{BASE_CONNECTION_ID}/", 200, rename, ""},
		{"POST /connections/search", "/connections/search", 200, `{"limit": 10}`, ""},
		{"GET /connectionSpecs", "/connectionSpecs", 200, "", ui},
		{"GET /connectionSpecs/" + flow.StripeSpec, "/connectionSpecs/{CONNECTION_SPEC_ID}", 200, "", ui},
		{"GET /connectionSpecs/" + flow.StripeSpec + "/explore", "/connectionSpecs/{CONNECTION_SPEC_ID}/explore", 200, "", items},
		{"GET /connectionSpecs/" + flow.StripeSpec + "/configs", "/connectionSpecs/{CONNECTION_SPEC_ID}/configs", 200, "", items},
		{"GET /flowSpecs", "/flowSpecs", 200, "", mapping},
		{"GET /flowSpecs/" + flow.FlowSpec, "/flowSpecs/{FLOW_SPEC_ID}", 200, "", mapping},
		{"POST /flowSpecs/search", "/flowSpecs/search", 200, `{"limit": 10}`, mapping},
		{"POST /sourceConnections", "/sourceConnections", 201, sourceOn(conn), ""},
		{"GET /sourceConnections", "/sourceConnections", 200, "", ""},
		{"GET /sourceConnections/" + src, "/sourceConnections/{SOURCE_CONNECTION_ID}", 200, "", ""},
		{"PATCH /sourceConnections/" + src, "/sourceConnections/{SOURCE_CONNECTION_ID}", 200, rename, ""},
		{"POST /sourceConnections/" + src + "/action?op=PUBLISH", "/sourceConnections/{SOURCE_CONNECTION_ID}/action", 200, "", ""},
		{"POST /targetConnections", "/targetConnections", 201, targetOn(mine), ""},
		{"GET /targetConnections", "/targetConnections", 200, "", ""},
		{"GET /targetConnections/" + tgt, "/targetConnections/{TARGET_CONNECTION_ID}", 200, "", ""},
		{"PATCH /targetConnections/" + tgt, "/targetConnections/{TARGET_CONNECTION_ID}", 200, rename, ""},
		{"POST /targetConnections/" + tgt + "/action?op=PUBLISH", "/targetConnections/{TARGET_CONNECTION_ID}/action", 200, "", ""},
	} {
		method, _, _ := strings.Cut(c.call, " ")
		var body any
		if c.body != "" {
			body = c.body
		}
		got := r.do(c.status, c.call, body, "If-Match", "*")
		err := doc.Check(method, c.described, c.status, got.Body)
		var reasons []string
		if err != nil {
			reasons = strings.Split(err.Error(), "; ")
		}
		known := len(reasons) > 0 && !slices.ContainsFunc(reasons, func(s string) bool { return !strings.Contains(s, c.deviates) })
		if c.deviates == "" && err != nil || c.deviates != "" && !known {
			t.Errorf("%s: %v\n%.600s", c.call, err, got.Body)
		}
	}
}
