package flow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/flow"
)

func sourceOn(connection string) string {
	return `{"name": "Stripe Source Connection For Charges Data", "description": "Stripe source connection for charges data", "baseConnectionId": "` + connection + `",
		"connectionSpec": {"id": "` + flow.StripeSpec + `", "version": "1.0"}, "data": {"format": "json"}, "params": {"resourcePath": "charges"}}`
}

func targetOn(dataset string) string {
	return `{"name": "Stripe Target Connection For Charges Data", "description": "Stripe target connection for charges data",
		"connectionSpec": {"id": "` + flow.DataLakeSpec + `", "version": "1.0"},
		"data": {"format": "parquet_xdm", "schema": {"id": "https://ns.adobe.com/acme/schemas/5f76be8c4e4b847fdac13ca42aa6b596a89a5b91dea48b16", "version": "application/vnd.adobe.xed-full+json;version=1.3"}},
		"params": {"dataSetId": "` + dataset + `"}}`
}

func TestSources(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	conn, _ := r.made("/connections", connectionWith(goodKey))
	draft, _ := r.made("/connections?mode=draft", `{"name": "Later", "connectionSpec": {"id": "`+flow.StripeSpec+`"}}`)
	body := sourceOn(conn)
	for name, c := range map[string]struct{ code, body, word string }{
		"empty":               {"FLOW-1405-400", "{}", ""},
		"no name":             {"FLOW-1455-400", with(t, body, "name", ""), "name"},
		"no spec":             {"FLOW-1455-400", with(t, body, "connectionSpec", ""), `Missing field "connectionSpec"`},
		"no data":             {"FLOW-1455-400", with(t, body, "data", ""), `Missing field "data"`},
		"no connection":       {"CONNECTOR-1304-400", with(t, body, "baseConnectionId", ""), "baseConnectionId"},
		"unknown connection":  {"FLOW-1439-404", sourceOn("84c64142-1741-4b0b-95a9-65644eba0cf6"), "connections"},
		"odd connection":      {"FLOW-1439-404", sourceOn(`\u0000`), "connections"},
		"a draft":             {"FLOW-1416-400", sourceOn(draft), "draft"},
		"unknown spec":        {"FLOW-1413-400", with(t, body, "connectionSpec.id", `"x"`), "x"},
		"a target's spec":     {"FLOW-1413-400", with(t, body, "connectionSpec.id", `"`+flow.DataLakeSpec+`"`), "target"},
		"unknown version":     {"FLOW-1413-400", with(t, body, "connectionSpec.version", `"1.1"`), "1.1"},
		"another format":      {"CONNECTOR-1327-400", with(t, body, "data.format", `"delimited"`), "delimited"},
		"no format":           {"CONNECTOR-1327-400", with(t, body, "data", "{}"), "json"},
		"no resource":         {"CONNECTOR-1304-400", with(t, body, "params", "{}"), "resourcePath"},
		"no parameters":       {"CONNECTOR-1304-400", with(t, body, "params", ""), "resourcePath"},
		"unknown resource":    {"CONNECTOR-1312-400", with(t, body, "params.resourcePath", `"payouts"`), "payouts"},
		"number for resource": {"CONNECTOR-1312-400", with(t, body, "params.resourcePath", `5`), "resourcePath"},
		"a key":               {"CONNECTOR-1312-400", with(t, body, "params.apiKey", `"sk_test_planted12345"`), "keys belong"},
		"state":               {"FLOW-1410-400", with(t, body, "state", `"draft"`), "state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := (&rig{r.With(t), t, r.svc, r.sim}).failed(c.code, "POST /sourceConnections", c.body)
			if text := fmt.Sprint(answer["errorMessage"]); !strings.Contains(text, c.word) || strings.Contains(text, "planted") {
				t.Error(text)
			}
		})
	}
	for path, want := range map[string]string{"charges": "charges", "/v1/customers": "customers", "v1/prices": "prices", "/refunds": "refunds"} {
		id, _ := r.made("/sourceConnections", with(t, body, "params.resourcePath", `"`+path+`"`))
		if got := r.item("/sourceConnections/" + id); got["params"].(map[string]any)["resourcePath"] != want {
			t.Errorf("%s: %v", path, got)
		}
	}

	id, etag := r.made("/sourceConnections", with(t, body, "data.schema", `{"properties": {"a": {"type": "string"}}}`, "data.properties", `{"x": [1]}`, "params.mine", `{"a": 1.50}`))
	got := r.item("/sourceConnections/" + id)
	for name, want := range map[string]any{
		"baseConnectionId": conn, "state": "enabled", "etag": etag,
		"data":                map[string]any{"format": "json", "schema": map[string]any{"properties": map[string]any{"a": map[string]any{"type": "string"}}}, "properties": map[string]any{"x": []any{json.Number("1")}}},
		"params":              map[string]any{"resourcePath": "charges", "mine": map[string]any{"a": json.Number("1.50")}},
		"inheritedAttributes": map[string]any{"baseConnection": map[string]any{"id": conn, "connectionSpec": map[string]any{"id": flow.StripeSpec, "version": "1.0"}}},
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if _, ok := got["base"]; ok {
		t.Errorf("%v", sortedKeys(got))
	}
	path := "PATCH /sourceConnections/" + id
	for code, patch := range map[string]string{
		"FLOW-1455-400":      `[{"op": "add", "path": "/inheritedAttributes/x", "value": 1}]`,
		"FLOW-1455-400 ":     `[{"op": "add", "path": "/providerRefId", "value": "1"}]`,
		"FLOW-1413-400":      `[{"op": "replace", "path": "/connectionSpec/id", "value": "x"}]`,
		"CONNECTOR-1312-400": `[{"op": "replace", "path": "/params/resourcePath", "value": "x"}]`,
		"CONNECTOR-1304-400": `[{"op": "remove", "path": "/params/resourcePath"}]`,
		"CONNECTOR-1327-400": `[{"op": "replace", "path": "/data/format", "value": "x"}]`,
		"FLOW-1439-404":      `[{"op": "replace", "path": "/baseConnectionId", "value": "x"}]`,
	} {
		r.failed(strings.TrimSpace(code), path, patch, "If-Match", etag)
	}
	r.failed("FLOW-1403-400", path, `[]`)
	r.failed("FLOW-1404-412", path, `[]`, "If-Match", "x")
	answer := r.do(200, path, `[{"op": "replace", "path": "/params/resourcePath", "value": "/v1/refunds"}, {"op": "replace", "path": "/name", "value": "N"}]`, "If-Match", etag).JSON(t).(map[string]any)
	now := r.item("/sourceConnections/" + id)
	if now["name"] != "N" || now["params"].(map[string]any)["resourcePath"] != "refunds" || now["etag"] != answer["etag"] || fmt.Sprint(now["data"]) != fmt.Sprint(got["data"]) {
		t.Errorf("%v", now)
	}

	// A draft is completed bit by bit.
	id, _ = r.made("/sourceConnections?mode=draft", `{"name": "Later"}`)
	r.failed("FLOW-1455-400", "POST /sourceConnections/"+id+"/action?op=publish", nil)
	r.do(200, "PATCH /sourceConnections/"+id, `[{"op": "add", "path": "/connectionSpec", "value": {"id": "`+flow.StripeSpec+`"}}, {"op": "add", "path": "/data", "value": {"format": "json"}}, {"op": "add", "path": "/baseConnectionId", "value": "`+draft+`"}]`, "If-Match", "*")
	r.failed("CONNECTOR-1304-400", "POST /sourceConnections/"+id+"/action?op=publish", nil)
	r.do(200, "PATCH /sourceConnections/"+id, `[{"op": "add", "path": "/params", "value": {"resourcePath": "prices"}}]`, "If-Match", "*")
	r.failed("FLOW-1416-400", "POST /sourceConnections/"+id+"/action?op=publish", nil)
	r.do(200, "PATCH /sourceConnections/"+id, `[{"op": "replace", "path": "/baseConnectionId", "value": "`+conn+`"}]`, "If-Match", "*")
	r.do(200, "POST /sourceConnections/"+id+"/action?op=publish", nil)
	if got := r.item("/sourceConnections/" + id); got["state"] != "enabled" {
		t.Errorf("%v", got)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := targetOn(mine)
	for name, c := range map[string]struct{ code, body, word string }{
		"empty":           {"FLOW-1405-400", "{}", ""},
		"no name":         {"FLOW-1455-400", with(t, body, "name", ""), "name"},
		"no spec":         {"FLOW-1455-400", with(t, body, "connectionSpec", ""), "connectionSpec"},
		"no data":         {"FLOW-1455-400", with(t, body, "data", ""), "data"},
		"another spec":    {"CONNECTOR-1307-400", with(t, body, "connectionSpec.id", `"`+flow.StripeSpec+`"`), flow.DataLakeSpec},
		"unknown version": {"FLOW-1413-400", with(t, body, "connectionSpec.version", `"7"`), "7"},
		"another format":  {"CONNECTOR-1327-400", with(t, body, "data.format", `"json"`), "parquet_xdm"},
		"odd schema":      {"FLOW-1455-400", with(t, body, "data.schema", `"x"`), "schema"},
		"no dataset":      {"CONNECTOR-1325-400", with(t, body, "params", ""), "dataSetId"},
		"blank dataset":   {"CONNECTOR-1325-400", targetOn(" "), "dataSetId"},
		"number":          {"CONNECTOR-1312-400", with(t, body, "params.dataSetId", "5"), "dataSetId"},
		"unknown dataset": {"FLOW-2200-400", targetOn("65e622315f78042c9e8166ea"), "65e622315f78042c9e8166ea"},
		"a copy":          {"FLOW-2200-400", targetOn(mirror), "copy of Stripe"},
		"a key":           {"CONNECTOR-1312-400", with(t, body, "params.x", `["rk_live_planted12345"]`), "keys belong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := (&rig{r.With(t), t, r.svc, r.sim}).failed(c.code, "POST /targetConnections", c.body)
			if text := fmt.Sprint(answer["errorMessage"]); !strings.Contains(text, c.word) || strings.Contains(text, "planted") {
				t.Error(text)
			}
		})
	}
	r.failed("FLOW-2200-400", "POST /targetConnections", body, "X-Sandbox-Name", "dev")
	id, etag := r.made("/targetConnections", body)
	got := r.item("/targetConnections/" + id)
	if diff := cmp.Diff(map[string]any{}, got["inheritedAttributes"]); diff != "" {
		t.Error(diff)
	}
	if got["params"].(map[string]any)["dataSetId"] != mine || got["data"].(map[string]any)["schema"].(map[string]any)["version"] != "application/vnd.adobe.xed-full+json;version=1.3" {
		t.Errorf("%v", got)
	}
	path := "PATCH /targetConnections/" + id
	r.failed("FLOW-2200-400", path, `[{"op": "replace", "path": "/params/dataSetId", "value": "x"}]`, "If-Match", etag)
	r.failed("CONNECTOR-1307-400", path, `[{"op": "replace", "path": "/connectionSpec/id", "value": "x"}]`, "If-Match", etag)
	r.failed("CONNECTOR-1327-400", path, `[{"op": "replace", "path": "/data/format", "value": "x"}]`, "If-Match", etag)
	r.failed("FLOW-1404-412", path, `[{"op": "replace", "path": "/name", "value": "x"}]`, "If-Match", "x")
	r.failed("FLOW-1403-400", path, `[{"op": "replace", "path": "/name", "value": "x"}]`)
	r.do(200, path, `[{"op": "replace", "path": "/name", "value": "N"}, {"op": "remove", "path": "/description"}, {"op": "remove", "path": "/data/schema"}]`, "If-Match", etag)
	if got := r.item("/targetConnections/" + id); got["name"] != "N" || got["description"] != nil || fmt.Sprint(got["data"]) != "map[format:parquet_xdm]" {
		t.Errorf("%v", got)
	}
	id, _ = r.made("/targetConnections?mode=draft", `{"name": "Later"}`)
	r.failed("FLOW-1455-400", "POST /targetConnections/"+id+"/action?op=PUBLISH", nil)
	r.do(200, "PATCH /targetConnections/"+id, `[{"op": "add", "path": "/connectionSpec", "value": {"id": "`+flow.DataLakeSpec+`"}}, {"op": "add", "path": "/data", "value": {"format": "parquet_xdm"}}, {"op": "add", "path": "/params", "value": {"dataSetId": "`+mine+`"}}]`, "If-Match", "*")
	r.do(200, "POST /targetConnections/"+id+"/action?op=PUBLISH&subOp=APPLY", nil)
	if got := r.item("/targetConnections/" + id); got["state"] != "enabled" || fmt.Sprint(got["connectionSpec"]) != "map[id:"+flow.DataLakeSpec+" version:1.0]" {
		t.Errorf("%v", got)
	}
}
