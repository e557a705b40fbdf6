package control_test

import (
	"strings"
	"time"
)

// flows makes the calls of the Flow Service: what each one answers to what is
// right and to what is wrong.
func (ch *checker) flows() {
	at := strings.TrimPrefix(flowservice, "/data")
	for collection, id := range map[string]string{"connectionSpecs": stripeSpec, "flowSpecs": flowSpec} {
		ch.both(at, collection, "/"+id)
		ch.call(400, "POST", at+"/"+collection, `{}`)
		ch.call(400, "PUT", at+"/"+collection+"/"+id, `{}`)
	}
	for _, part := range []string{"explore", "configs"} {
		ch.call(200, "GET", at+"/connectionSpecs/"+stripeSpec+"/"+part, nil)
		ch.call(404, "GET", at+"/connectionSpecs/"+unknownID+"/"+part, nil)
	}

	const explore = "/explore?objectType=rest&sourceParams=eyJyZXNvdXJjZVBhdGgiOiJyZWZ1bmRzIn0"
	schema := ch.schema("Stripe Refunds")
	connection := ch.made(at, "connections", map[string]any{
		"name": "a", "connectionSpec": map[string]any{"id": stripeSpec, "version": "1.0"},
		"auth": map[string]any{"specName": "OAuth2 Refresh Code", "params": map[string]any{"accessToken": "sk_test_described"}},
	})
	for _, part := range []string{"/test", explore, "/configs"} {
		ch.call(200, "GET", at+"/connections/"+connection+part, nil)
		ch.call(404, "GET", at+"/connections/"+unknownID+part, nil)
	}
	source := ch.made(at, "sourceConnections", map[string]any{
		"name": "a", "baseConnectionId": connection, "connectionSpec": map[string]any{"id": stripeSpec}, "data": map[string]any{"format": "json"}, "params": map[string]any{"resourcePath": "refunds"},
	})
	target := ch.made(at, "targetConnections", map[string]any{
		"name": "a", "connectionSpec": map[string]any{"id": dataLakeSpec}, "data": map[string]any{"format": "parquet_xdm"}, "params": map[string]any{"dataSetId": ch.dataset("of the flow", schema)},
	})
	flow := ch.made(at, "flows", flowBody("a", source, target, ch.mapping("refunds", schema), tomorrow()))
	ch.call(400, "POST", at+"/flows/search", `{"limit":0}`)
	ch.call(200, "POST", at+"/flows/search", `{"queryString":"property=name==a"}`)
	ch.call(400, "POST", at+"/connections/search", `{"limit":0}`)
	ch.call(200, "POST", at+"/connections/search", `{}`)
	ch.call(400, "POST", at+"/flowSpecs/search", `{"limit":0}`)
	ch.call(200, "POST", at+"/flowSpecs/search", `{}`)

	run := ch.call(201, "POST", at+"/runs", map[string]any{"flowId": flow}).json(ch.t)["id"].(string)
	ch.call(400, "POST", at+"/runs", `{}`)
	for ch.runStatus(run) == "inProgress" {
		time.Sleep(10 * time.Millisecond)
	}
	ch.both(at, "runs", "/"+run)
	ch.call(200, "POST", at+"/runs/"+run+"/action?op=re-trigger", nil)
	ch.call(400, "POST", at+"/runs/"+run+"/action?op=none", nil)
	ch.call(403, "PUT", at+"/runs/"+run, `{}`)
	for _, one := range []string{"flows/" + flow, "sourceConnections/" + source, "targetConnections/" + target, "connections/" + connection} {
		ch.call(404, "DELETE", at+"/"+strings.Split(one, "/")[0]+"/"+unknownID, nil)
		ch.call(204, "DELETE", at+"/"+one, nil)
	}
}

// runStatus returns how a run stands.
func (c client) runStatus(run string) any {
	c.t.Helper()
	return status(c.must(200, "GET", flowservice+"/runs/"+run, nil).json(c.t)["items"].([]any)[0].(map[string]any))
}

// both reads a collection and an object of it, and what is not there.
func (ch *checker) both(at, collection, id string) {
	ch.t.Helper()
	ch.call(200, "GET", at+"/"+collection, nil)
	ch.call(400, "GET", at+"/"+collection+"?limit=0", nil)
	ch.call(200, "GET", at+"/"+collection+id, nil)
	ch.call(404, "GET", at+"/"+collection+"/"+unknownID, nil)
}

// made makes an object, and whatever else can be done with all that have a name.
func (ch *checker) made(at, collection string, body map[string]any) string {
	ch.t.Helper()
	id := ch.call(201, "POST", at+"/"+collection+"?mode=draft", body).json(ch.t)["id"].(string)
	one := at + "/" + collection + "/" + id
	ch.call(400, "POST", at+"/"+collection, `{}`)
	ch.call(200, "PATCH", one, `[{"op":"replace","path":"/name","value":"b"}]`, "If-Match", "*")
	ch.call(400, "PATCH", one, `[{"op":"replace","path":"/none","value":"b"}]`, "If-Match", "*")
	ch.call(200, "POST", one+"/action?op=publish", nil)
	ch.call(400, "POST", one+"/action?op=none", nil)
	ch.both(at, collection, "/"+id)
	return id
}
