package control_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const unknownID = "nothing"

func (ch *checker) sandboxes() {
	const all = "/foundation/sandbox-management/sandboxes"
	ch.call(200, "GET", "/foundation/sandbox-management/", nil)
	ch.call(400, "GET", "/foundation/sandbox-management/?limit=0", nil)
	ch.call(200, "GET", "/foundation/sandbox-management/sandboxTypes", nil)
	ch.call(200, "GET", all, nil)
	ch.call(202, "POST", all, `{"name":"dev","title":"Development","type":"development"}`)
	ch.call(200, "GET", all+"/dev", nil)
	ch.call(200, "PATCH", all+"/dev", `{"title":"Playground"}`)
	ch.call(202, "PUT", all+"/dev", `{"action":"reset"}`)
	ch.call(202, "DELETE", all+"/dev", nil)
	ch.call(400, "GET", all+"?limit=0", nil)
	ch.call(400, "POST", all, `{"name":"Dev"}`)
	ch.call(409, "POST", all, `{"name":"prod","title":"x","type":"production"}`)
	ch.call(404, "GET", all+"/"+unknownID, nil)
	ch.call(400, "PATCH", all+"/prod", `{`)
	ch.call(400, "PUT", all+"/prod", `{"action":"delete"}`)
	ch.call(409, "DELETE", all+"/prod", nil)
}

func (ch *checker) roles() {
	const all = "/foundation/access-control/administration/roles"
	ch.call(200, "GET", "/foundation/access-control/acl/reference", nil)
	ch.call(200, "POST", "/foundation/access-control/acl/effective-policies", `["/permissions/manage-datasets","/resource-types/schemas"]`)
	ch.call(200, "GET", all, nil)
	id := "/" + ch.call(200, "POST", all, `{"name":"Readers","description":"They read.","roleType":"user-defined"}`).json(ch.t)["id"].(string)
	ch.call(200, "GET", all+id, nil)
	ch.call(200, "PATCH", all+id, `[{"op":"add","path":"/permissionSets","value":["view-schemas"]}]`)
	ch.call(200, "PUT", all+id, `{"name":"Others","description":"x","roleType":"user-defined"}`)
	ch.call(200, "PATCH", all+id+"/subjects", `[{"op":"add","path":"/user","value":"jo@AdobeID"}]`)
	ch.call(200, "GET", all+id+"/subjects", nil)
	ch.call(204, "DELETE", all+id, nil)
}

func (ch *checker) policies() {
	const products, policies = "/foundation/access-control/administration/products", "/foundation/access-control/administration/policies"
	ch.call(200, "GET", products, nil)
	for _, part := range []string{"categories", "permission-sets"} {
		ch.call(200, "GET", products+"/tributary/"+part, nil)
		ch.call(404, "GET", products+"/"+unknownID+"/"+part, nil)
	}
	ch.call(200, "GET", policies, nil)
	ch.call(400, "GET", policies+"?limit=0", nil)
	ch.call(400, "POST", policies, `{"name":"None"}`)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		ch.call(404, method, policies+"/"+unknownID, nil)
	}
}

// types are the collections of the Schema Registry with a body for each, in
// which %[1]s is a class and %[2]s the collection.
var types = [][2]string{
	{"classes", `{"type":"object","title":"One%[2]s","allOf":[{"$ref":"https://ns.adobe.com/xdm/data/record"},{"type":"object","properties":{"_tributary":{"type":"object","properties":{"price":{"type":"number"}}}}}]}`},
	{"datatypes", `{"type":"object","title":"One%[2]s","properties":{"a":{"type":"string"}}}`},
	{"fieldgroups", `{"type":"object","title":"One%[2]s","meta:intendedToExtend":["%[1]s"],"definitions":{"customFields":{"type":"object","properties":{"_tributary":{"type":"object",
		"properties":{"mail%[2]s":{"type":"string","title":"Mail"}}}}}},"allOf":[{"$ref":"#/definitions/customFields"}]}`},
	{"mixins", `{"type":"object","title":"One%[2]s","meta:intendedToExtend":["%[1]s"],"allOf":[{"type":"object","properties":{"_tributary":{"type":"object","properties":{"fax":{"type":"string"}}}}}]}`},
	{"schemas", `{"type":"object","title":"One%[2]s","allOf":[{"$ref":"%[1]s"}]}`},
}

func (ch *checker) schemas() {
	const at = "/foundation/schemaregistry"
	refunds := ch.schema("Stripe Refunds")
	class := ch.must(200, "GET", "/data"+at+"/tenant/schemas/"+url.PathEscape(refunds), nil, "Accept", raw).json(ch.t)["meta:class"].(string)
	made := map[string]string{}
	for _, typ := range types {
		ch.typeOf(typ[0], strings.NewReplacer("%[1]s", class, "%[2]s", typ[0]).Replace(typ[1]), made)
	}
	for _, path := range []string{"classes", "datatypes", "fieldgroups", "mixins", "schemas", "behaviors"} {
		all := at + "/global/" + path
		var first string
		if results := ch.call(200, "GET", all, nil, "Accept", listed).json(ch.t)["results"].([]any); len(results) > 0 {
			first = results[0].(map[string]any)["$id"].(string)
			ch.call(200, "GET", all+"/"+url.PathEscape(first), nil, "Accept", raw)
		}
		ch.call(400, "GET", all, nil, "Accept", "text/html")
		ch.call(400, "GET", all+"/"+unknownID, nil, "Accept", "text/html")
	}
	ch.call(200, "GET", at+"/stats", nil)
	for path, accept := range map[string]string{"sampledata": raw, "export": raw, "auditlog": ""} {
		ch.call(200, "GET", at+"/rpc/"+path+"/"+url.PathEscape(refunds), nil, "Accept", accept)
		ch.call(404, "GET", at+"/rpc/"+path+"/"+unknownID, nil, "Accept", raw)
	}
	ch.call(400, "POST", at+"/rpc/import", `{`)
	moved := ch.must(200, "GET", "/data"+at+"/rpc/export/"+url.PathEscape(made["datatypes"]), nil, "Accept", raw).body
	ch.call(204, "DELETE", at+"/tenant/datatypes/"+url.PathEscape(made["datatypes"]), nil)
	ch.call(200, "POST", at+"/rpc/import", string(moved))

	// Descriptors, and the union that a primary identity allows.
	schema := made["schemas"]
	ch.must(200, "PATCH", "/data"+at+"/tenant/schemas/"+url.PathEscape(schema), `[{"op":"add","path":"/allOf/-","value":{"$ref":"`+made["fieldgroups"]+`"}}]`)
	describe := func(field, more string) string {
		return `{"@type":"xdm:descriptorIdentity","xdm:sourceSchema":"` + schema + `","xdm:sourceVersion":1,"xdm:sourceProperty":"/_tributary/` + field + `","xdm:namespace":"Email","xdm:property":"xdm:code"` + more + `}`
	}
	all := at + "/tenant/descriptors"
	id := ch.call(201, "POST", all, describe("mailfieldgroups", `,"xdm:isPrimary":true`)).json(ch.t)["@id"].(string)
	ch.call(400, "POST", all, describe("none", ""))
	for _, accept := range []string{"xdm", "xdm-id", "xdm-link", "xdm-v2-link"} {
		ch.call(200, "GET", all, nil, "Accept", "application/vnd.adobe."+accept+"+json")
	}
	ch.call(400, "GET", all, nil, "Accept", "text/html")
	ch.call(200, "GET", at+"/global/descriptors", nil, "Accept", "application/vnd.adobe.xdm+json")
	ch.call(400, "GET", at+"/global/descriptors", nil, "Accept", "text/html")
	ch.call(200, "GET", all+"/"+id, nil)
	ch.call(400, "GET", all+"/"+id, nil, "Accept", raw)
	ch.call(200, "PUT", all+"/"+id, describe("mailfieldgroups", `,"xdm:isPrimary":true`))
	ch.call(400, "PUT", all+"/"+id, describe("none", ""))
	ch.must(200, "PATCH", "/data"+at+"/tenant/schemas/"+url.PathEscape(schema), `[{"op":"add","path":"/meta:immutableTags","value":["union"]}]`)
	ch.call(200, "GET", at+"/tenant/unions", nil, "Accept", listed)
	ch.call(400, "GET", at+"/tenant/unions", nil, "Accept", "text/html")
	ch.call(200, "GET", at+"/tenant/unions/"+url.PathEscape(class+"__union"), nil, "Accept", raw)
	ch.call(400, "GET", at+"/tenant/unions/"+unknownID, nil, "Accept", "text/html")
	other := ch.call(201, "POST", all, strings.Replace(describe("mailfieldgroups", `,"xdm:title":{"en_us":"Mail"}`), "descriptorIdentity", "alternateDisplayInfo", 1)).json(ch.t)["@id"].(string)
	ch.call(204, "DELETE", all+"/"+other, nil)
	ch.call(404, "DELETE", all+"/"+unknownID, nil)
}

// typeOf makes the calls on one type of resources; made gets the id of one
// that stays.
func (ch *checker) typeOf(path, body string, made map[string]string) {
	all := "/foundation/schemaregistry/tenant/" + path
	id := ch.call(201, "POST", all, body).json(ch.t)["$id"].(string)
	one := all + "/" + url.PathEscape(id)
	made[path] = id
	ch.call(400, "POST", all, `{"type":"object"}`)
	for _, accept := range []string{listed, "application/vnd.adobe.xed+json"} {
		ch.call(200, "GET", all+"?limit=2&orderby=title", nil, "Accept", accept)
	}
	ch.call(200, "GET", all, nil, "Accept", listed)
	ch.call(400, "GET", all, nil, "Accept", "text/html")
	for _, accept := range []string{raw, full, "application/vnd.adobe.xed-full-desc+json; version=1", "application/vnd.adobe.xdm+json; version=1"} {
		ch.call(200, "GET", one, nil, "Accept", accept)
	}
	ch.call(400, "GET", one, nil, "Accept", "text/html")
	ch.call(404, "GET", all+"/"+unknownID, nil, "Accept", raw)
	ch.call(406, "GET", one, nil, "Accept", "application/vnd.adobe.xed+json; version=2")
	ch.call(200, "PATCH", one, `[{"op":"add","path":"/description","value":"d"}]`)
	ch.call(400, "PATCH", one, `[{"op":"replace","path":"/type"}]`)
	ch.call(200, "PUT", one, body)
	ch.call(400, "PUT", one, `{"type":"object"}`)
	gone := ch.must(201, "POST", "/data"+all, strings.Replace(body, `"title":"One`, `"title":"Another`, 1)).json(ch.t)["$id"].(string)
	ch.call(204, "DELETE", all+"/"+url.PathEscape(gone), nil)
	ch.call(404, "DELETE", all+"/"+url.PathEscape(gone), nil)
}

func (ch *checker) namespaces() {
	const all = "/core/idnamespace/identities"
	made := ch.call(200, "POST", all, `{"name":"Stripe customer","code":"StripeCustomer","idType":"CROSS_DEVICE","description":"cus_…"}`).json(ch.t)
	one := all + "/" + fmt.Sprintf("%.0f", made["id"])
	ch.call(409, "POST", all, `{"name":"Again","code":"StripeCustomer","idType":"CROSS_DEVICE"}`)
	ch.call(400, "POST", all, `{"name":"Bad","code":"a b","idType":"CROSS_DEVICE"}`)
	ch.call(200, "GET", all, nil)
	ch.call(200, "GET", one, nil)
	ch.call(404, "GET", all+"/99", nil)
	ch.call(200, "PUT", one, `{"name":"Customer","code":"StripeCustomer","idType":"CROSS_DEVICE"}`)
	ch.call(400, "PUT", one, `{"name":"Customer","code":"Other","idType":"CROSS_DEVICE"}`)
	ch.call(404, "PUT", all+"/99", `{"name":"Customer","code":"Other","idType":"CROSS_DEVICE"}`)
}

// datasets makes the calls on datasets and batches, their files and numbers.
func (ch *checker) datasets() {
	const catalog, intake, export = "/foundation/catalog", "/foundation/import", "/foundation/export"
	schema := ch.schema("Stripe Refunds")
	body := `{"name":"a","schemaRef":{"id":"` + schema + `","contentType":"application/vnd.adobe.xed+json;version=1"},"tags":{"a":["b"]},"enableErrorDiagnostics":true}`
	location := ch.call(201, "POST", catalog+"/dataSets", body).header.Get("Location")
	dataset := location[strings.LastIndexByte(location, '/')+1:]
	one := catalog + "/dataSets/" + dataset
	ch.call(400, "POST", catalog+"/dataSets", `{}`)
	ch.call(200, "PUT", one, body)
	ch.call(400, "PUT", one, `{}`)
	ch.call(200, "PATCH", one, `{"description":"b"}`)
	ch.call(400, "PATCH", one, `{`)
	ch.call(200, "PATCH", catalog+"/v2/dataSets/"+dataset, `{"description":"c"}`)
	ch.call(400, "PATCH", catalog+"/v2/dataSets/"+dataset, `{`)

	// A batch in one file and one in pieces; a third that fails, a fourth that is given up.
	begin := func(format string) (string, string) {
		id := ch.call(201, "POST", intake+"/batches", `{"datasetId":"`+dataset+`","inputFormat":`+format+`,"tags":{"run":["1"]}}`).json(ch.t)["id"].(string)
		return id, intake + "/batches/" + id
	}
	ended := func(id string) {
		for b := (map[string]any{}); b["completed"] == nil; {
			b = ch.must(200, "GET", "/data"+catalog+"/batches/"+id, nil).json(ch.t)[id].(map[string]any)
		}
	}
	octets := []string{"Content-Type", "application/octet-stream"}
	first, batch := begin(`{"format":"json"}`)
	file := batch + "/datasets/" + dataset + "/files/part/1.json"
	ch.call(201, "PUT", file, refund("re_1", 500), octets...)
	ch.call(200, "PUT", file, refund("re_1", 700)+refund("re_2", 500), octets...)
	ch.call(415, "PUT", file, refund("re_1", 500), "Content-Type", "application/json")
	ch.call(404, "PUT", intake+"/batches/"+first+"/datasets/"+unknownID+"/files/a", "", octets...)
	ch.call(200, "HEAD", file, nil)
	ch.call(404, "HEAD", file+".gone", nil)
	ch.call(200, "GET", batch+"/datasets/"+dataset+"/preview?format=json&nrow=2", nil)
	ch.call(400, "GET", batch+"/datasets/"+dataset+"/preview?format=xml", nil)
	ch.call(200, "POST", batch+"?action=COMPLETE", nil)
	ch.call(400, "POST", batch+"?action=ABORT", nil)
	ch.call(404, "POST", intake+"/batches/"+unknownID+"?action=COMPLETE", nil)
	ch.call(400, "POST", intake+"/batches", `{"datasetId":"`+dataset+`"}`)
	ended(first)

	second, batch := begin(`{"format":"csv","header":true}`)
	file = batch + "/datasets/" + dataset + "/files/part/2.csv"
	text := "_tributary.refunds_data.id,_tributary.refunds_data.amount\nre_3,5\n"
	ch.call(201, "POST", file+"?action=INITIALIZE", nil)
	ch.call(200, "PATCH", file, text[:10], append(octets, "Content-Range", "bytes 0-9/*")...)
	ch.call(400, "PATCH", file, text[5:], append(octets, "Content-Range", fmt.Sprintf("bytes 5-%d/*", len(text)-1))...)
	ch.call(200, "HEAD", file, nil)
	ch.call(200, "PATCH", file, text[10:], append(octets, "Content-Range", fmt.Sprintf("bytes 10-%d/*", len(text)-1))...)
	ch.call(200, "POST", file+"?action=COMPLETE", nil)
	ch.call(400, "POST", file+"?action=BEGIN", nil)
	ch.call(200, "GET", batch+"/datasets/"+dataset+"/preview?format=csv", nil)
	ch.call(200, "POST", batch+"?action=COMPLETE", nil)
	ended(second)

	failed, batch := begin(`{"format":"json"}`)
	ch.call(201, "PUT", batch+"/datasets/"+dataset+"/files/1.json", "{\n"+refund("re_5", `"many"`), octets...)
	ch.call(200, "POST", batch+"?action=COMPLETE", nil)
	ended(failed)
	_, batch = begin(`{"format":"parquet"}`)
	ch.call(200, "POST", batch+"?action=ABORT", nil)
	_, batch = begin(`{"format":"parquet"}`)
	ch.call(200, "POST", batch+"?action=FAIL", nil)

	ch.call(200, "GET", catalog+"/", nil)
	ch.call(201, "POST", catalog+"/", `[{"id":"a","resource":"/dataSets/`+dataset+`","method":"get"}]`)
	ch.call(400, "POST", catalog+"/", `[{"id":"a","resource":"/dataSets","method":"post","body":{}}]`)
	ch.call(200, "GET", catalog+"/dataSets", nil)
	ch.call(400, "GET", catalog+"/dataSets?limit=0", nil)
	ch.call(200, "GET", one, nil)
	ch.call(404, "GET", catalog+"/dataSets/"+unknownID, nil)
	ch.call(200, "GET", catalog+"/batches", nil)
	ch.call(400, "GET", catalog+"/batches?limit=0", nil)
	for _, id := range []string{first, second, failed} {
		ch.call(200, "GET", catalog+"/batches/"+id, nil)
	}
	ch.call(404, "GET", catalog+"/batches/"+unknownID, nil)
	ch.call(200, "GET", catalog+"/lastBatches?dataSetId="+dataset, nil)
	ch.call(400, "GET", catalog+"/lastBatches?limit=0", nil)
	ch.call(200, "GET", catalog+"/tags/a", nil)
	ch.call(404, "GET", catalog+"/tags/none", nil)

	ch.call(200, "GET", export+"/batches/"+first+"/files", nil)
	ch.call(404, "GET", export+"/batches/"+unknownID+"/files", nil)
	ch.call(200, "GET", export+"/batches/"+failed+"/failed", nil)
	ch.call(404, "GET", export+"/batches/"+unknownID+"/failed", nil)
	for _, query := range []string{"", "?path=row_errors", "?path=row_errors%2Fparsing_errors_0.json"} {
		r := ch.do("GET", "/data"+export+"/batches/"+failed+"/meta"+query, nil)
		if r.status != 200 {
			ch.t.Errorf("%s: %d %s", query, r.status, r.body)
		}
		if !strings.Contains(query, "json") { // else it is the file itself
			ch.check("GET", "/data"+export+"/batches/"+failed+"/meta", r)
		}
	}
	ch.call(404, "GET", export+"/batches/"+failed+"/meta?path=none", nil)
	files := ch.call(200, "GET", export+"/files/"+first+"-1", nil).json(ch.t)["data"].([]any)
	content := export + "/files/" + first + "-1?path=" + url.QueryEscape(files[0].(map[string]any)["name"].(string))
	ch.must(200, "GET", "/data"+content, nil)
	ch.call(206, "GET", content, nil, "Range", "bytes=0-3")
	ch.call(404, "GET", export+"/files/"+unknownID+"-1", nil)
	ch.call(200, "HEAD", content, nil)
	ch.call(404, "HEAD", content+"x", nil)
	ch.call(200, "GET", export+"/datasets/"+dataset+"/preview", nil)
	ch.call(404, "GET", export+"/datasets/"+unknownID+"/preview", nil)

	now := time.Now().UTC()
	ch.call(200, "POST", "/infrastructure/observability/insights/metrics", map[string]any{
		"start": now.Add(-time.Hour).Format(time.RFC3339), "end": now.Add(time.Hour).Format(time.RFC3339), "granularity": "DAY",
		"metrics": []any{map[string]any{"name": "timeseries.ingestion.dataset.recordsuccess.count", "aggregator": "sum", "filters": []any{map[string]any{"name": "dataSetId", "value": dataset, "groupBy": true}}}},
	})

	ch.call(200, "POST", intake+"/batches/"+second+"?action=REVERT", nil)
	ch.call(200, "DELETE", one, nil)
	ch.call(404, "DELETE", one, nil)
}

func (ch *checker) mappings() {
	const at = "/foundation/conversion"
	set := `{"name":"Mine","outputSchema":{"schemaRef":{"id":"` + ch.schema("Stripe Refunds") + `","contentType":"` + full + `"}},"mappings":[
		{"sourceType":"ATTRIBUTE","source":"data.id","destination":"_tributary.refunds_data.id"},
		{"sourceType":"EXPRESSION","source":"upper(data.currency)","destination":"_tributary.refunds_data.currency"}]}`
	id := "/" + ch.call(200, "POST", at+"/mappingSets", set).json(ch.t)["id"].(string)
	one := at + "/mappingSets" + id
	ch.call(400, "POST", at+"/mappingSets", `{}`)
	ch.call(200, "GET", at+"/mappingSets?limit=1&start=0", nil)
	ch.call(400, "GET", at+"/mappingSets?limit=0", nil)
	ch.call(200, "GET", one+"?expandSchema=true", nil)
	ch.call(400, "GET", one+"?version=x", nil)
	ch.call(200, "PUT", one, set)
	ch.call(400, "PUT", one, `{}`)
	r := ch.call(200, "GET", one+"/mappings", nil)
	var mappings []struct{ ID string }
	if err := json.Unmarshal(r.body, &mappings); err != nil || len(mappings) != 2 {
		ch.t.Fatalf("%s: %v", r.body, err)
	}
	ch.call(400, "GET", one+"/mappings?version=x", nil)
	ch.call(200, "GET", one+"/mappings/"+mappings[0].ID, nil)
	ch.call(400, "GET", one+"/mappings/"+mappings[0].ID+"?version=x", nil)
	ch.call(200, "POST", at+"/mappingSets/validate", set)
	ch.call(200, "POST", at+"/mappingSets/validate", strings.Replace(set, "refunds_data.id", "refunds_data.none", 1))
	ch.call(400, "POST", at+"/mappingSets/validate", `{`)
	ch.call(200, "POST", at+"/mappingSets/preview", `{"data":{"data":{"id":5,"currency":"eur"}},"mappingSet":`+set+`}`)
	ch.call(400, "POST", at+"/mappingSets/preview", `{`)
	ch.call(200, "POST", at+"/languages/el/validate", `{"expression":"upper(a)"}`)
	ch.call(400, "POST", at+"/languages/el/validate", `{`)
	ch.call(200, "GET", at+"/languages/el/functions", nil)
	ch.call(200, "GET", at+"/languages/el/operators", nil)
}
