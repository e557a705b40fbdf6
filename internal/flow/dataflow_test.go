package flow

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

// The body of the guide, with its placeholder filled in, and what comes of it.
func TestFlowOfTheGuide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connection := w.connection(nil).ID
	source, target := w.source(connection, "charges"), w.target(ownDataset)
	r := w.server.Do("POST", base+"/flows", flowText(source, target, `{"startTime": "1710267858", "frequency": "minute", "interval": 15}`))
	id := w.made(r)
	if got := r.Header.Get("Location"); got != base+"/flows/"+id {
		t.Errorf("location %q", got)
	}
	got := w.one("/flows/" + id)
	etag := got["etag"].(string)
	if r.Header.Get("ETag") != etag || got["version"] != etag || r.JSON(t).(map[string]any)["etag"] != etag {
		t.Errorf("etag %q of %q: %s", r.Header.Get("ETag"), etag, r.Body)
	}
	now := json.Number(strconv.FormatInt(worldStart.UnixMilli(), 10))
	spec := func(id string) map[string]any { return map[string]any{"id": id, "version": "1.0"} }
	want := map[string]any{
		"id": id, "createdAt": now, "updatedAt": now, "createdBy": "client@techacct.adobe.com", "updatedBy": "client@techacct.adobe.com", "createdClient": "client", "updatedClient": "client",
		"sandboxId": w.caller.Sandbox.ID, "sandboxName": "prod", "imsOrgId": w.caller.Org, "name": "Stripe Connector Flow Generic Rest",
		"description": "Stripe Connector Description Flow Generic Rest", "flowSpec": spec(FlowSpec), "state": "enabled", "version": etag, "etag": etag,
		"sourceConnectionIds": []any{source}, "targetConnectionIds": []any{target},
		"inheritedAttributes": map[string]any{
			"properties":        map[string]any{"isSourceFlow": true},
			"sourceConnections": []any{map[string]any{"id": source, "connectionSpec": spec(StripeSpec), "baseConnection": map[string]any{"id": connection, "connectionSpec": spec(StripeSpec)}}},
			"targetConnections": []any{map[string]any{"id": target, "connectionSpec": spec(DataLakeSpec)}},
		},
		"scheduleParams":  map[string]any{"startTime": "1710267858", "frequency": "minute", "interval": "15", "backfill": "true"},
		"transformations": []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": mappingID, "mappingVersion": "0"}}},
		"runs":            "/runs?property=flowId==" + id,
		"lastOperation": map[string]any{
			"started": now, "updated": now, "percentCompleted": json.Number("100"), "status": map[string]any{"value": "completed", "errors": []any{}}, "operation": "create",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCreateFlowRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connection := w.connection(nil).ID
	source, target := w.source(connection, "charges"), w.target(ownDataset)
	good := flowText(source, target, `{"startTime": 1710267858, "frequency": "minute", "interval": 15}`)
	draft := func(s *Source) { s.State = Draft }
	const at, mapping = `"scheduleParams": {"startTime": 1710267858, "frequency": "minute", "interval": 15}`, `{"name": "Mapping", "params": {"mappingId": "` + mappingID + `", "mappingVersion": 0}}`
	schedule := func(text string) []string { return []string{at, `"scheduleParams": ` + text} }
	options := func(text string) []string { return []string{at, at + `, "options": ` + text} }
	for _, test := range []struct {
		name, code string
		replace    []string
	}{
		{"no name", "FLOW-1455-400", []string{`"Stripe Connector Flow Generic Rest"`, `" "`}},
		{"name is no text", "FLOW-1455-400", []string{`"Stripe Connector Flow Generic Rest"`, `7`}},
		{"state", "FLOW-1410-400", []string{`"name":`, `"state": "enabled", "name":`}},
		{"no flow spec", "FLOW-1413-400", []string{`"flowSpec"`, `"spec"`}},
		{"unknown flow spec", "FLOW-1413-400", []string{FlowSpec, StripeSpec}},
		{"version of the flow spec", "FLOW-1413-400", []string{`"version": "1.0"`, `"version": "2.0"`}},
		{"no source", "CONNECTOR-1320-400", []string{`"sourceConnectionIds": ["` + source + `"]`, `"sourceConnectionIds": null`}},
		{"sources are missing", "CONNECTOR-1320-400", []string{`"sourceConnectionIds"`, `"sourceConnections"`}},
		{"no target", "CONNECTOR-1320-400", []string{`"targetConnectionIds": ["` + target + `"]`, `"targetConnectionIds": []`}},
		{"two sources", "CONNECTOR-1321-400", []string{`["` + source, `["` + source + `","` + source}},
		{"two targets", "CONNECTOR-1321-400", []string{`["` + target, `["` + target + `","` + target}},
		{"unknown source", "FLOW-1439-404", []string{source, target}},
		{"source id with a NUL", "FLOW-1439-404", []string{source, `\u0000`}},
		{"unknown target", "FLOW-1439-404", []string{target, source}},
		{"source of another spec", "FLOW-1413-400", []string{source, w.source(connection, "charges", func(s *Source) { s.Spec.ID = DataLakeSpec })}},
		{"source is a draft", "FLOW-1455-400", []string{source, w.source(connection, "charges", draft)}},
		{"base connection is gone", "FLOW-1439-404", []string{source, w.source("ffffffff-ffff-4fff-8fff-ffffffffffff", "charges")}},
		{"target of another spec", "CONNECTOR-1307-400", []string{target, w.target(ownDataset, func(t *Target) { t.Spec.ID = StripeSpec })}},
		{"target without a dataset", "CONNECTOR-1325-400", []string{target, w.target("")}},
		{"unknown dataset", "FLOW-2200-400", []string{target, w.target("65e622315f78042c9e810000")}},
		{"copy of Stripe", "CONNECTOR-1312-400", []string{target, w.target(copyDataset)}},
		{"schema of the target", "FLOW-1425-400", []string{target, w.target(ownDataset, func(t *Target) { t.Data.Schema.ID += "0" })}},
		{"major of the target", "FLOW-1425-400", []string{target, w.target(ownDataset, func(t *Target) { t.Data.Schema.Version = "application/vnd.adobe.xed-full+json;version=2.3" })}},
		{"no transformations", "CONNECTOR-1370-400", []string{mapping, ""}},
		{"transformations are missing", "CONNECTOR-1370-400", []string{`"transformations"`, `"transformation"`}},
		{"transformation is null", "CONNECTOR-1328-400", []string{mapping, "null"}},
		{"other transformation", "CONNECTOR-1374-400", []string{`"name": "Mapping"`, `"name": "Copy"`}},
		{"two transformations", "CONNECTOR-1374-400", []string{mapping, mapping + "," + mapping}},
		{"no mapping id", "FLOW-1419-400", []string{`"mappingId"`, `"mapping"`}},
		{"mapping id of another form", "FLOW-1419-400", []string{mappingID, "f4aad280"}},
		{"unknown mapping set", "FLOW-1419-400", []string{mappingID, strings.Repeat("0", 32)}},
		{"unknown version", "FLOW-1419-400", []string{`"mappingVersion": 0`, `"mappingVersion": "2"`}},
		{"version is no number", "FLOW-1412-400", []string{`"mappingVersion": 0`, `"mappingVersion": "one"`}},
		{"version is a fraction", "FLOW-1412-400", []string{`"mappingVersion": 0`, `"mappingVersion": 0.5`}},
		{"version below zero", "FLOW-1412-400", []string{`"mappingVersion": 0`, `"mappingVersion": -1`}},
		{"mapping of another schema", "FLOW-1425-400", []string{mappingID, otherSet}},
		{"schedule is no object", "FLOW-1455-400", schedule(`"hourly"`)},
		{"start", "CONNECTOR-1340-400", schedule(`{"startTime": "2024-03-12T18:00:00Z"}`)},
		{"start before time", "CONNECTOR-1340-400", schedule(`{"startTime": -1}`)},
		{"start out of time", "CONNECTOR-1340-400", schedule(`{"startTime": 9e18}`)},
		{"start is an object", "CONNECTOR-1340-400", schedule(`{"startTime": {}}`)},
		{"frequency", "CONNECTOR-1397-400", schedule(`{"frequency": "month", "interval": 1}`)},
		{"frequency is no text", "FLOW-1452-400", schedule(`{"frequency": 15, "interval": 1}`)},
		{"no interval", "CONNECTOR-1304-400", schedule(`{"frequency": "hour"}`)},
		{"interval is null", "CONNECTOR-1304-400", schedule(`{"frequency": "hour", "interval": null}`)},
		{"interval is zero", "CONNECTOR-1394-400", schedule(`{"frequency": "hour", "interval": 0}`)},
		{"interval below zero", "CONNECTOR-1394-400", schedule(`{"frequency": "minute", "interval": -15}`)},
		{"interval is a fraction", "CONNECTOR-1394-400", schedule(`{"frequency": "minute", "interval": "1.5"}`)},
		{"placeholder", "CONNECTOR-1394-400", schedule(`{"frequency": "minute", "interval": "{{interval}}"}`)},
		{"interval out of time", "CONNECTOR-1394-400", schedule(`{"frequency": "week", "interval": 1000001}`)},
		{"interval with once", "CONNECTOR-1361-400", schedule(`{"frequency": "once", "interval": 15}`)},
		{"interval without frequency", "CONNECTOR-1361-400", schedule(`{"interval": 15}`)},
		{"backfill with once", "CONNECTOR-1364-400", schedule(`{"frequency": "ONCE", "backfill": true}`)},
		{"backfill", "CONNECTOR-1312-400", schedule(`{"frequency": "hour", "interval": 1, "backfill": "yes"}`)},
		{"percentage of zero", "CONNECTOR-1312-400", options(`{"partialIngestionPercent": 0}`)},
		{"percentage above 100", "CONNECTOR-1312-400", options(`{"partialIngestionPercent": "100.1"}`)},
		{"percentage is no number", "CONNECTOR-1312-400", options(`{"partialIngestionPercent": "NaN"}`)},
		{"diagnostics", "CONNECTOR-1312-400", options(`{"errorDiagnosticsEnabled": "on"}`)},
		{"options are no object", "FLOW-1455-400", options(`[]`)},
		{"label", "FLOW-1455-400", []string{`"name":`, `"labels": [""], "name":`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := strings.Replace(good, test.replace[0], test.replace[1], 1)
			if body == good {
				t.Fatal("nothing was replaced")
			}
			w := &world{Service: w.Service, t: t, server: w.server.With(t)}
			w.refused(test.code, w.server.Do("POST", base+"/flows", body))
		})
	}
	for body, want := range map[string]string{"": "FLOW-1405-400", " null ": "FLOW-1405-400", "[]": "FLOW-1455-400", `{"name":}`: "FLOW-1455-400"} {
		w.refused(want, w.server.Do("POST", base+"/flows", body))
	}
	w.refused("CONNECTOR-1368-400", w.server.Do("POST", base+"/flows?mode=test", good))
	if n := len(w.ids("/flows")); n != 0 {
		t.Errorf("%d flows", n)
	}
}

func TestCreateFlowForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source, target := w.ends()
	for _, test := range []struct {
		name, members            string
		schedule, options, state any
	}{
		{"texts and case", `"scheduleParams": {"startTime": "1710267858000", "frequency": "Minute", "interval": "15", "backfill": "False"}`, map[string]any{"startTime": "1710267858", "frequency": "minute", "interval": "15", "backfill": "false"}, nil, "enabled"},
		{"every minute", `"scheduleParams": {"startTime": 1, "frequency": "minute", "interval": 1}`, map[string]any{"startTime": "1", "frequency": "minute", "interval": "1", "backfill": "true"}, nil, "enabled"},
		{"no schedule", `"x": 1`, map[string]any{"startTime": strconv.FormatInt(worldStart.Unix(), 10), "frequency": "once"}, nil, "enabled"},
		{"no frequency", `"scheduleParams": {"startTime": 5e9}`, map[string]any{"startTime": "5000000000", "frequency": "once"}, nil, "enabled"},
		{"week", `"scheduleParams": {"startTime": 5.0, "frequency": "WEEK", "interval": 2.0}`, map[string]any{"startTime": "5", "frequency": "week", "interval": "2", "backfill": "true"}, nil, "enabled"},
		{"percentage", `"options": {"partialIngestionPercent": "10", "errorDiagnosticsEnabled": "false", "mine": {"a": [1]}}`, nil, map[string]any{"partialIngestionPercent": json.Number("10"), "errorDiagnosticsEnabled": true, "mine": map[string]any{"a": []any{json.Number("1")}}}, "enabled"},
		{"diagnostics", `"options": {"errorDiagnosticsEnabled": "False"}`, nil, map[string]any{"errorDiagnosticsEnabled": false}, "enabled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{Service: w.Service, t: t, server: w.server.With(t)}
			body := strings.Replace(flowText(source, target, `null`), `"scheduleParams": null`, test.members, 1)
			f := w.one("/flows/" + w.made(w.server.Do("POST", base+"/flows", body)))
			if diff := cmp.Diff(test.options, f["options"]); diff != "" {
				t.Error(diff)
			}
			if test.schedule != nil {
				if diff := cmp.Diff(test.schedule, f["scheduleParams"]); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// Who makes a flow must see datasets and schemas, too.
func TestFlowPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source, target := w.ends()
	body := flowText(source, target, `{}`)
	for _, test := range []struct {
		name  string
		held  []access.Permission
		codes []string // of POST, GET and DELETE
	}{
		{"all", []access.Permission{access.ManageSources, access.ViewDatasets, access.ViewSchemas}, []string{"", "", ""}},
		{"managers", []access.Permission{access.ManageSources, access.ManageDatasets, access.ManageSchemas}, []string{"", "", ""}},
		{"no datasets", []access.Permission{access.ManageSources, access.ViewSchemas}, []string{"FLOW-2120-403", "", ""}},
		{"no schemas", []access.Permission{access.ManageSources, access.ViewDatasets}, []string{"FLOW-2120-403", "", ""}},
		{"reader", []access.Permission{access.ViewSources, access.ViewDatasets, access.ViewSchemas}, []string{"FLOW-2120-403", "", "FLOW-2120-403"}},
		{"stranger", []access.Permission{access.ViewDatasets}, []string{"FLOW-2120-403", "FLOW-2120-403", "FLOW-2120-403"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{Service: w.Service, t: t, server: w.server.With(t)}
			p := gatewaytest.Admin("prod").Principal
			p.Admin, p.Grants = false, map[string][]access.Permission{"prod": test.held}
			id := w.made(w.server.Do("POST", base+"/flows", body))
			for i, r := range []gatewaytest.Reply{
				w.server.As(p, "POST", base+"/flows", body), w.server.As(p, "GET", base+"/flows/"+id, nil), w.server.As(p, "DELETE", base+"/flows/"+id, nil),
			} {
				if test.codes[i] != "" {
					w.refused(test.codes[i], r)
				} else if r.Status >= 300 {
					t.Errorf("call %d: %d %s", i, r.Status, r.Body)
				}
			}
		})
	}
}

func TestDraft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source, target := w.ends()
	id := w.made(w.server.Do("POST", base+"/flows?mode=draft", `{"name":"a","flowSpec":{"id":"`+FlowSpec+`"}}`))
	path := "/flows/" + id
	f := w.one(path)
	if f["state"] != "draft" || f["scheduleParams"] != nil {
		t.Errorf("%v", f)
	}
	if diff := cmp.Diff([]any{}, f["sourceConnectionIds"]); diff != "" {
		t.Error(diff)
	}
	act := func(op string) gatewaytest.Reply { return w.server.Do("POST", base+path+"/action?op="+op, nil) }
	w.refused("CONNECTOR-1320-400", act("publish"))
	w.refused("FLOW-1420-400", act("enable"))
	w.refused("FLOW-1421-400", act("DISABLE"))
	w.refused("CONNECTOR-1388-400", w.server.Do("POST", base+"/runs", `{"flowId":"`+id+`"}`))
	w.refused("FLOW-1439-404", w.patch(id, `[{"op":"add","path":"/sourceConnectionIds","value":["`+target+`"]}]`))
	w.made(w.patch(id, `[{"op":"add","path":"/sourceConnectionIds","value":["`+source+`"]},{"op":"add","path":"/targetConnectionIds","value":["`+target+`"]}]`))
	w.refused("CONNECTOR-1370-400", act("publish"))
	w.refused("FLOW-1425-400", w.patch(id, `[{"op":"add","path":"/transformations","value":[{"name":"Mapping","params":{"mappingId":"`+otherSet+`"}}]}]`))
	w.made(w.patch(id, `[{"op":"add","path":"/transformations","value":[{"name":"Mapping","params":{"mappingId":"`+mappingID+`","mappingVersion":1}}]}]`))
	w.made(w.patch(id, `[{"op":"add","path":"/scheduleParams","value":{"startTime":"1710267858","frequency":"hour","interval":1}}]`))
	w.sleep(time.Hour)
	if jobs := w.due(); len(jobs) != 0 {
		t.Errorf("a draft has %d jobs", len(jobs))
	}
	w.refused("FLOW-1404-412", w.server.Do("POST", base+path+"/action?op=publish", nil, "If-Match", `"x"`))
	w.made(w.server.Do("POST", base+path+"/action?op=PUBLISH", nil, "If-Match", w.etag(path)))
	w.refused("FLOW-1422-400", act("publish"))
	f = w.one(path)
	if f["state"] != "enabled" || f["lastOperation"].(map[string]any)["operation"] != "publish" {
		t.Errorf("%v", f)
	}
	if jobs := w.due(); len(jobs) != 1 {
		t.Errorf("%d jobs", len(jobs))
	}
}

func TestPatchFlow(t *testing.T) {
	t.Parallel()
	const mapping = `{"name":"Mapping","params":{"mappingId":"` + mappingID + `","mappingVersion":"1"}}`
	past, future := `{"startTime":1710267858,"frequency":"hour","interval":1}`, `{"startTime":`+strconv.FormatInt(worldStart.Unix()+600, 10)+`,"frequency":"hour","interval":1}`
	later := `"` + strconv.FormatInt(worldStart.Unix()+900, 10) + `"`
	onceOver := `{"startTime":1710267858}`
	replace := func(path, value string) string {
		return `[{"op":"replace","path":"` + path + `","value":` + value + `}]`
	}
	for _, test := range []struct {
		name, schedule, patch string
		code                  string // "" for what is done
		path                  []string
		want                  any
	}{
		{"name", past, replace("/name", `"b"`), "", []string{"name"}, "b"},
		{"no name", past, replace("/name", `""`), "FLOW-1455-400", nil, nil},
		{"name away", past, `[{"op":"remove","path":"/name"}]`, "FLOW-1455-400", nil, nil},
		{"name is no text", past, replace("/name", `1`), "FLOW-1455-400", nil, nil},
		{"description", past, replace("/description", `"b"`), "", []string{"description"}, "b"},
		{"upper case, alone", past, `{"op":"REPLACE","path":"/name","value":"b"}`, "", []string{"name"}, "b"},
		{"interval", past, replace("/scheduleParams/interval", `"3"`), "", []string{"scheduleParams", "interval"}, "3"},
		{"frequency", past, replace("/scheduleParams/frequency", `"Day"`), "", []string{"scheduleParams", "frequency"}, "day"},
		{"zero", past, replace("/scheduleParams/interval", `0`), "CONNECTOR-1394-400", nil, nil},
		{"whole schedule, what is not said stays", past, replace("/scheduleParams", `{"frequency":"minute","interval":15}`), "", []string{"scheduleParams", "startTime"}, "1710267858"},
		{"same start in ms", past, replace("/scheduleParams/startTime", `1710267858000`), "", []string{"scheduleParams", "startTime"}, "1710267858"},
		{"start has passed", past, replace("/scheduleParams/startTime", later), "CONNECTOR-1366-400", nil, nil},
		{"once after the start", past, replace("/scheduleParams/frequency", `"once"`), "CONNECTOR-1403-400", nil, nil},
		{"backfill after the start", past, replace("/scheduleParams/backfill", `false`), "CONNECTOR-1404-400", nil, nil},
		{"same backfill", past, replace("/scheduleParams/backfill", `"TRUE"`), "", []string{"scheduleParams", "backfill"}, "true"},
		{"once can't be scheduled", onceOver, replace("/scheduleParams", `{"frequency":"hour","interval":1}`), "FLOW-1416-400", nil, nil},
		{"start before the start", future, replace("/scheduleParams/startTime", later), "", []string{"scheduleParams", "startTime"}, strings.Trim(later, `"`)},
		{"once before the start", future, `[{"op":"replace","path":"/scheduleParams","value":{"frequency":"once"}}]`, "", []string{"scheduleParams", "frequency"}, "once"},
		{"backfill before the start", future, replace("/scheduleParams/backfill", `"false"`), "", []string{"scheduleParams", "backfill"}, "false"},
		{"schedule away", past, `[{"op":"remove","path":"/scheduleParams"}]`, "FLOW-1455-400", nil, nil},
		{"mapping", past, replace("/transformations/0", mapping), "", []string{"transformations"}, []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": mappingID, "mappingVersion": "1"}}}},
		{"mapping of a flow that runs once", onceOver, replace("/transformations/0", mapping), "", []string{"name"}, "Stripe Connector Flow Generic Rest"},
		{"unknown mapping", past, replace("/transformations/0/params/mappingVersion", `7`), "FLOW-1419-400", nil, nil},
		{"mapping of another schema", past, replace("/transformations/0/params/mappingId", `"`+otherSet+`"`), "FLOW-1425-400", nil, nil},
		{"mapping away", past, `[{"op":"remove","path":"/transformations/0"}]`, "CONNECTOR-1370-400", nil, nil},
		{"options", past, `[{"op":"add","path":"/options","value":{"partialIngestionPercent":"10"}}]`, "", []string{"options"}, map[string]any{"partialIngestionPercent": json.Number("10"), "errorDiagnosticsEnabled": true}},
		{"diagnostics without options", past, `[{"op":"add","path":"/options/errorDiagnosticsEnabled","value":true}]`, "FLOW-1455-400", nil, nil},
		{"labels", past, `[{"op":"add","path":"/labels","value":["core/C12"]}]`, "", []string{"labels"}, []any{"core/C12"}},
		{"sources", past, replace("/sourceConnectionIds/0", `"x"`), "FLOW-1455-400", nil, nil},
		{"targets", past, `[{"op":"remove","path":"/targetConnectionIds"}]`, "FLOW-1455-400", nil, nil},
		{"flow spec", past, replace("/flowSpec/id", `"x"`), "FLOW-1413-400", nil, nil},
		{"state", past, replace("/state", `"disabled"`), "FLOW-1455-400", nil, nil},
		{"etag", past, replace("/etag", `"x"`), "FLOW-1455-400", nil, nil},
		{"unknown field", past, `[{"op":"add","path":"/route","value":{}}]`, "FLOW-1455-400", nil, nil},
		{"missing path", past, replace("/options/x", `1`), "FLOW-1455-400", nil, nil},
		{"move", past, `[{"op":"move","path":"/name","from":"/description"}]`, "FLOW-1434-400", nil, nil},
		{"no value", past, `[{"op":"add","path":"/name"}]`, "FLOW-1455-400", nil, nil},
		{"empty", past, ``, "FLOW-1405-400", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.flow(test.schedule)
			before := w.one("/flows/" + id)
			w.sleep(time.Second)
			r := w.patch(id, test.patch)
			after := w.one("/flows/" + id)
			if test.code != "" {
				w.refused(test.code, r)
				if diff := cmp.Diff(before, after); diff != "" {
					t.Error(diff)
				}
				return
			}
			w.made(r)
			if before["etag"] == after["etag"] || after["lastOperation"].(map[string]any)["operation"] != "update" {
				t.Errorf("%v", after)
			}
			got := any(after)
			for _, step := range test.path {
				got = got.(map[string]any)[step]
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlowEtags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.flow(`{}`)
	path := base + "/flows/" + id
	const patch = `[{"op":"replace","path":"/name","value":"b"}]`
	w.refused("FLOW-1403-400", w.server.Do("PATCH", path, patch))
	w.refused("FLOW-1404-412", w.server.Do("PATCH", path, patch, "If-Match", `"00000000-0000-0200-0000-655708970000"`))
	w.refused("FLOW-1404-412", w.server.Do("DELETE", path, nil, "If-Match", `"x"`))
	w.refused("FLOW-1404-412", w.server.Do("POST", path+"/action?op=disable", nil, "If-Match", `"x"`))
	w.made(w.server.Do("PATCH", path, patch, "If-Match", "*"))
	w.made(w.server.Do("PATCH", path, patch, "If-Match", strings.Trim(w.etag("/flows/"+id), `"`)))
	// What a run does to a flow is no change of the flow.
	etag := w.etag("/flows/" + id)
	w.finish(w.due()[0], Success)
	w.made(w.server.Do("PATCH", path, patch, "If-Match", etag))
	w.refused("FLOW-1439-404", w.server.Do("PATCH", base+"/flows/x", patch, "If-Match", "*"))
	w.refused("FLOW-1451-400", w.server.Do("POST", path+"/action", nil))
	w.refused("FLOW-1451-400", w.server.Do("POST", path+"/action?op=run", nil))
	w.refused("FLOW-1402-400", w.server.Do("POST", path+"/action?op=FINALIZE_UPDATE", nil))
	w.refused("FLOW-1402-400", w.server.Do("POST", path+"/action?op=enable&subOp=APPLY", nil))
}

// Of clients that change one flow at once, one wins with each etag.
func TestClientsAtOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		id := w.flow(`{}`)
		for range 10 {
			etag := w.etag("/flows/" + id)
			var wg sync.WaitGroup
			statuses := make([]int, 4)
			for i := range statuses {
				wg.Go(func() {
					body := `[{"op":"replace","path":"/name","value":"` + strconv.Itoa(i) + `"}]`
					statuses[i] = w.server.Do("PATCH", base+"/flows/"+id, body, "If-Match", etag).Status
				})
			}
			wg.Wait()
			won := -1
			for i, status := range statuses {
				switch {
				case status == http.StatusOK && won < 0:
					won = i
				case status != http.StatusPreconditionFailed:
					t.Errorf("statuses %v", statuses)
				}
			}
			if name := w.one("/flows/" + id)["name"]; name != strconv.Itoa(won) {
				t.Errorf("name %v, statuses %v", name, statuses)
			}
		}
	})
}

func TestEnableDisable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.flow(`{"startTime":` + strconv.FormatInt(worldStart.Unix(), 10) + `,"frequency":"hour","interval":1}`)
	act := func(op string) { w.made(w.server.Do("POST", base+"/flows/"+id+"/action?op="+op, nil)) }
	job := w.due()[0]
	act("disable")
	etag := w.etag("/flows/" + id)
	act("disable")
	if got := w.etag("/flows/" + id); got != etag {
		t.Error("a flow that is disabled was disabled again")
	}
	w.refused("CONNECTOR-1388-400", w.server.Do("POST", base+"/runs", `{"flowId":"`+id+`"}`))
	w.finish(job, Success) // it ends as any other
	w.sleep(5*time.Hour + time.Minute)
	if jobs := w.due(); len(jobs) != 0 {
		t.Errorf("%d jobs of a disabled flow", len(jobs))
	}
	act("enable")
	jobs := w.due()
	if len(jobs) != 1 || !jobs[0].At.Equal(w.time()) {
		t.Fatalf("jobs %+v: one of now is to make up for what was missed", jobs)
	}
	w.finish(jobs[0], Success)
	w.sleep(58 * time.Minute)
	if jobs := w.due(); len(jobs) != 0 {
		t.Errorf("%d jobs before the slot", len(jobs))
	}
	w.sleep(time.Minute)
	if jobs := w.due(); len(jobs) != 1 || !jobs[0].At.Equal(worldStart.Add(6*time.Hour)) {
		t.Errorf("jobs %+v", jobs)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, plain := w.flow(`{}`), w.flow(`{}`)
	w.finishAll()
	w.made(w.patch(id, `[{"op":"add","path":"/labels","value":["core/C12"]}]`))
	p := w.caller.Principal
	p.Admin, p.Grants = false, map[string][]access.Permission{"prod": {access.ManageSources, access.ViewSources, access.ViewDatasets, access.ViewSchemas}}
	run := w.ids("/runs?property=flowId==" + id)[0]
	for _, call := range []struct{ method, path, body, code string }{
		{"GET", "/flows/" + id, "", "FLOW-1439-404"},
		{"GET", "/flows/" + id + "/runs", "", "FLOW-1439-404"},
		{"GET", "/runs/" + run, "", "FLOW-1439-404"},
		{"PATCH", "/flows/" + id, `[{"op":"remove","path":"/labels"}]`, "FLOW-2120-403"},
		{"DELETE", "/flows/" + id, "", "FLOW-2120-403"},
		{"POST", "/flows/" + id + "/action?op=disable", "", "FLOW-2120-403"},
		{"POST", "/runs", `{"flowId":"` + id + `"}`, "FLOW-1430-400"},
		{"POST", "/runs/" + run + "/action?op=re-trigger", "", "FLOW-1439-404"},
	} {
		var body any
		if call.body != "" {
			body = call.body
		}
		w.refused(call.code, w.server.As(p, call.method, base+call.path, body, "If-Match", "*"))
	}
	for _, path := range []string{"/flows", "/runs", "/flows?count=true", "/runs?count=true", "/runs?property=flowId==" + id} {
		r := w.server.As(p, "GET", base+path, nil)
		want := plain
		if strings.Contains(path, "count") {
			want = `"count":1`
		} else if strings.Contains(path, id) {
			want = `"items":[]`
		}
		if strings.Contains(string(r.Body), id) || !strings.Contains(string(r.Body), want) {
			t.Errorf("%s: %s", path, r.Body)
		}
	}
	w.made(w.patch(id, `[{"op":"remove","path":"/labels"}]`))
	if r := w.server.As(p, "GET", base+"/flows/"+id, nil); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Flows of another sandbox or organisation are not there.
func TestFlowsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.flow(`{}`)
	w.finishAll()
	run := w.ids("/runs")[0]
	stranger := w.caller.Principal
	stranger.Org = gatewaytest.OtherOrg
	for _, call := range []struct{ method, path, body, code string }{
		{"GET", "/flows/" + id, "", "FLOW-1439-404"},
		{"GET", "/runs/" + run, "", "FLOW-1439-404"},
		{"DELETE", "/flows/" + id, "", "FLOW-1439-404"},
		{"PATCH", "/flows/" + id, `[{"op":"replace","path":"/name","value":"b"}]`, "FLOW-1439-404"},
		{"POST", "/flows/" + id + "/action?op=disable", "", "FLOW-1439-404"},
		{"POST", "/runs", `{"flowId":"` + id + `"}`, "FLOW-1430-400"},
		{"POST", "/runs/" + run + "/action?op=re-trigger", "", "FLOW-1439-404"},
	} {
		var body any
		if call.body != "" {
			body = call.body
		}
		w.refused(call.code, w.server.As(stranger, call.method, base+call.path, body, "If-Match", "*"))
		w.refused(call.code, w.server.Do(call.method, base+call.path, body, "If-Match", "*", "X-Sandbox-Name", "dev"))
	}
	w.one("/flows/" + id)
}
