package control_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
)

// Media types of the Schema Registry.
const (
	listed = "application/vnd.adobe.xed-id+json"
	raw    = "application/vnd.adobe.xed+json; version=1"
	full   = "application/vnd.adobe.xed-full+json; version=1"
)

// on runs a test with the documents in SQLite and in PostgreSQL.
func on(t *testing.T, fn func(t *testing.T, database string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, docstoretest.Postgres(t))
	})
}

// schema returns the $id of the schema of that title.
func (c client) schema(title string) string {
	c.t.Helper()
	for _, r := range c.must(200, "GET", "/data/foundation/schemaregistry/tenant/schemas", nil, "Accept", listed).json(c.t)["results"].([]any) {
		if r := r.(map[string]any); r["title"] == title {
			return r["$id"].(string)
		}
	}
	c.t.Fatalf("no schema %q", title)
	return ""
}

// dataset makes a dataset on a schema and returns its id.
func (c client) dataset(name, schema string) string {
	c.t.Helper()
	r := c.must(201, "POST", "/data/foundation/catalog/dataSets", map[string]any{
		"name": name, "schemaRef": map[string]any{"id": schema, "contentType": "application/vnd.adobe.xed+json;version=1"},
	})
	var ids []string
	if err := json.Unmarshal(r.body, &ids); err != nil || len(ids) != 1 {
		c.t.Fatalf("%s: %v", r.body, err)
	}
	return strings.TrimPrefix(ids[0], "@/dataSets/")
}

// push brings lines into a dataset, and returns the batch when it has ended.
func (c client) push(dataset, lines string, percent int) (id string, batch map[string]any) {
	c.t.Helper()
	id = c.must(201, "POST", "/data/foundation/import/batches", map[string]any{
		"datasetId": dataset, "inputFormat": map[string]any{"format": "json"}, "partialIngestionPercent": percent,
	}).json(c.t)["id"].(string)
	c.must(201, "PUT", "/data/foundation/import/batches/"+id+"/datasets/"+dataset+"/files/part/1.json", lines, "Content-Type", "application/octet-stream")
	c.must(200, "POST", "/data/foundation/import/batches/"+id+"?action=complete", nil)
	for range 1000 {
		batch = c.must(200, "GET", "/data/foundation/catalog/batches/"+id, nil).json(c.t)[id].(map[string]any)
		if s := batch["status"]; s == "success" || s == "failed" {
			return id, batch
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("batch %s does not end: %v", id, batch)
	return "", nil
}

func refund(id string, amount any) string { return refundOf("tributary", id, amount) }

func refundOf(tenant, id string, amount any) string {
	return fmt.Sprintf(`{"_`+tenant+`":{"refunds_data":{"id":%q,"object":"refund","amount":%v,"currency":"eur","created":1700000000}}}`+"\n", id, amount)
}

// A client's way through the services: a schema grows, a dataset on it takes
// batches in, old rows read null, bad rows are told; and what is answered is
// what the published descriptions say.
func TestStory(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		p := start(t, t.TempDir(), database)
		c := p.admin(t)
		schema := c.schema("Stripe Refunds")
		dataset := c.dataset("Mine", schema)
		_, batch := c.push(dataset, refund("re_1", 500)+refund("re_2", 700), 0)
		if batch["status"] != "success" {
			t.Fatalf("%v", batch)
		}

		// A field group of one's own adds a field.
		class := c.must(200, "GET", "/data/foundation/schemaregistry/tenant/schemas/"+url.PathEscape(schema), nil, "Accept", raw).json(t)["meta:class"]
		group := c.must(201, "POST", "/data/foundation/schemaregistry/tenant/fieldgroups", map[string]any{
			"type": "object", "title": "Mine", "meta:intendedToExtend": []any{class},
			"definitions": map[string]any{"customFields": map[string]any{"type": "object", "properties": map[string]any{
				"_tributary": map[string]any{"type": "object", "properties": map[string]any{"shop": map[string]any{"type": "string", "title": "Shop"}}},
			}}},
			"allOf": []any{map[string]any{"$ref": "#/definitions/customFields"}},
		}).json(t)["$id"]
		grown := c.must(200, "PATCH", "/data/foundation/schemaregistry/tenant/schemas/"+url.PathEscape(schema), []any{
			map[string]any{"op": "add", "path": "/allOf/-", "value": map[string]any{"$ref": group}},
		}, "Accept", raw).json(t)
		if grown["version"] != "1.1" {
			t.Errorf("version %v", grown["version"])
		}
		// What has data does not shrink.
		if r := c.do("PATCH", "/data/foundation/schemaregistry/tenant/schemas/"+url.PathEscape(schema), []any{map[string]any{"op": "remove", "path": "/allOf/1"}}, "Accept", raw); r.status != 400 {
			t.Errorf("a breaking change: %d %s", r.status, r.body)
		}
		lines := strings.Replace(refund("re_3", 900), `"_tributary":{`, `"_tributary":{"shop":"Ulm",`, 1) + refund("re_4", `"many"`) + "{\n"
		_, batch = c.push(dataset, lines, 70)
		if m := batch["metrics"].(map[string]any); batch["status"] != "success" || m["outputRecordCount"] != 1.0 || m["failedRecordCount"] != 2.0 {
			t.Errorf("%v", batch)
		}
		var rows []map[string]any
		for _, row := range c.must(200, "GET", "/data/foundation/export/datasets/"+dataset+"/preview", nil).json(t)["data"].([]any) {
			rows = append(rows, row.(map[string]any)["_tributary"].(map[string]any))
		}
		slices.SortFunc(rows, func(a, b map[string]any) int {
			return strings.Compare(fmt.Sprint(a["refunds_data"]), fmt.Sprint(b["refunds_data"]))
		})
		shops := map[any]any{}
		for _, row := range rows {
			shops[row["refunds_data"].(map[string]any)["id"]] = row["shop"]
		}
		if diff := cmp.Diff(map[any]any{"re_1": nil, "re_2": nil, "re_3": "Ulm"}, shops); diff != "" {
			t.Error(diff)
		}

		set := map[string]any{"outputSchema": map[string]any{"schemaRef": map[string]any{"id": schema, "contentType": full}}, "mappings": []any{
			map[string]any{"sourceType": "ATTRIBUTE", "source": "data.id", "destination": "_tributary.refunds_data.id"},
			map[string]any{"sourceType": "EXPRESSION", "source": "upper(data.currency)", "destination": "_tributary.refunds_data.currency"},
		}}
		c.must(200, "POST", "/data/foundation/conversion/mappingSets", set)
		preview := c.must(200, "POST", "/data/foundation/conversion/mappingSets/preview", map[string]any{"data": []any{map[string]any{"data": map[string]any{"id": "re_9", "currency": "eur"}}}, "mappingSet": set})
		if !strings.Contains(string(preview.body), `"currency":"EUR"`) {
			t.Errorf("%s", preview.body)
		}

		// What was taken in is there after a restart, and so are tokens.
		p.stop()
		again := start(t, p.dir, database)
		c.plane = again
		if got := c.must(200, "GET", "/data/foundation/export/datasets/"+dataset+"/preview", nil).json(t)["data"].([]any); len(got) != 3 {
			t.Errorf("%d rows after a restart", len(got))
		}
	})
}
