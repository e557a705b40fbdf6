package control_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/leaktest"
)

// A thing is something that was made in one sandbox of one organisation.
type thing struct {
	owner int // of the clients
	id    string
	paths []string // where who owns it reads it
	write [][2]string
}

// makers make one thing of each kind. Names are unlike any other text.
var makers = map[string]func(c client, name string) thing{
	"class": func(c client, name string) thing {
		id := c.must(201, "POST", "/data/foundation/schemaregistry/tenant/classes", map[string]any{
			"type": "object", "title": name, "allOf": []any{map[string]any{"$ref": "https://ns.adobe.com/xdm/data/record"}},
		}).json(c.t)["$id"].(string)
		path := "/data/foundation/schemaregistry/tenant/classes/" + url.PathEscape(id)
		return thing{id: id, paths: []string{path}, write: [][2]string{{"DELETE", path}}}
	},
	"namespace": func(c client, name string) thing {
		c.must(200, "POST", "/data/core/idnamespace/identities", map[string]any{"name": name, "code": name, "idType": "CROSS_DEVICE"})
		return thing{id: name}
	},
	"dataset": func(c client, name string) thing {
		id := c.dataset(name, c.schema("Stripe Prices"))
		path := "/data/foundation/catalog/dataSets/" + id
		return thing{id: id, paths: []string{path, "/data/foundation/export/datasets/" + id + "/preview"}, write: [][2]string{{"DELETE", path}, {"PATCH", path}, {"PUT", path}}}
	},
	"batch": func(c client, name string) thing {
		dataset := c.dataset("of "+name, c.schema("Stripe Refunds"))
		id, _ := c.push(dataset, refundOf(c.tenant(), name, 1), 0)
		path := "/data/foundation/import/batches/" + id
		return thing{
			id: id, paths: []string{"/data/foundation/catalog/batches/" + id, "/data/foundation/export/batches/" + id + "/files", "/data/foundation/export/files/" + id + "-1", "/data/foundation/export/batches/" + id + "/meta"},
			write: [][2]string{{"POST", path + "?action=REVERT"}, {"POST", path + "?action=ABORT"}},
		}
	},
	"mapping set": func(c client, name string) thing {
		id := c.must(200, "POST", "/data/foundation/conversion/mappingSets", map[string]any{
			"name": name, "xdmSchema": c.schema("Stripe Refunds"), "mappings": []any{map[string]any{"destinationXdmPath": "_" + c.tenant() + ".refunds_data.id", "sourceAttribute": "data.id"}},
		}).json(c.t)["id"].(string)
		path := "/data/foundation/conversion/mappingSets/" + id
		return thing{id: id, paths: []string{path, path + "/mappings"}, write: [][2]string{{"PUT", path}}}
	},
	"alert subscription": func(c client, name string) thing {
		path := "/data/infrastructure/observability/alerts/subscriptions"
		id := c.must(201, "POST", path, map[string]any{"name": name, "channel": "app"}).json(c.t)["id"].(string)
		path += "/" + id
		return thing{id: id, paths: []string{path}, write: [][2]string{{"PATCH", path}, {"DELETE", path}, {"POST", path + "/test"}}}
	},
	"experiment": func(c client, name string) thing {
		const path = "/data/tributary/experiments"
		id := c.experiment(strings.ReplaceAll(strings.ToLower(name), " ", "-"))
		return thing{id: id, paths: []string{path + "/" + id, path + "/" + id + "/versions", path + "/" + id + "/phases"}, write: [][2]string{
			{"PATCH", path + "/" + id},
			{"DELETE", path + "/" + id},
			{"POST", path + "/" + id + "/start"},
			{"POST", path + "/" + id + "/stop"},
			{"POST", path + "/" + id + "/kill"},
			{"POST", path + "/" + id + "/unkill"},
			{"POST", path + "/" + id + "/phases"},
		}}
	},
	"decision key": func(c client, name string) thing {
		const path = "/data/tributary/experiments/keys"
		id := c.must(201, "POST", path, map[string]any{"name": name}).json(c.t)["id"].(string)
		return thing{id: id, write: [][2]string{{"POST", path + "/" + id + "/revoke"}}}
	},
	"connection": func(c client, name string) thing {
		id := c.connection(name, "sk_test_"+name+"abcdef")
		path := flowservice + "/connections/" + id
		return thing{
			id: id, paths: []string{path, path + "/test", path + "/configs", path + "/explore?objectType=rest&sourceParams=eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0"},
			write: [][2]string{{"DELETE", path}, {"PATCH", path}, {"POST", path + "/action?op=publish"}},
		}
	},
	"source connection": func(c client, name string) thing {
		id := c.source(name, c.connection(name, "sk_test_"+name+"abcdef"))
		path := flowservice + "/sourceConnections/" + id
		return thing{id: id, paths: []string{path}, write: [][2]string{{"DELETE", path}, {"PATCH", path}, {"POST", path + "/action?op=publish"}}}
	},
	"target connection": func(c client, name string) thing {
		id := c.target(name, c.dataset("of "+name, c.schema("Stripe Refunds")))
		path := flowservice + "/targetConnections/" + id
		return thing{id: id, paths: []string{path}, write: [][2]string{{"DELETE", path}, {"PATCH", path}, {"POST", path + "/action?op=publish"}}}
	},
	"dataflow": func(c client, name string) thing {
		id := c.refunds(name)
		path := flowservice + "/flows/" + id
		return thing{id: id, paths: []string{path, path + "/runs"}, write: [][2]string{
			{"DELETE", path}, {"PATCH", path}, {"POST", path + "/action?op=disable"}, {"POST", path + "/action?op=enable"},
		}}
	},
	"run": func(c client, name string) thing {
		id := c.must(201, "POST", flowservice+"/runs", map[string]any{"flowId": c.refunds("of " + name)}).json(c.t)["id"].(string)
		path := flowservice + "/runs/" + id
		return thing{id: id, paths: []string{path}, write: [][2]string{{"POST", path + "/action?op=re-trigger"}, {"PUT", path}}}
	},
}

// refunds makes a dataflow of refunds with all that it needs, and returns its id.
func (c client) refunds(name string) string {
	c.t.Helper()
	schema := c.schema("Stripe Refunds")
	source, target := c.source(name, c.connection(name, "sk_test_"+strings.ReplaceAll(name, " ", "")+"abcdef")), c.target(name, c.dataset("of "+name, schema))
	return c.must(201, "POST", flowservice+"/flows", flowBody(name, source, target, c.mapping("refunds", schema), tomorrow())).json(c.t)["id"].(string)
}

// Ids of the specs that connections are of.
const (
	stripeSpec   = "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3"
	dataLakeSpec = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
	flowSpec     = "6499120c-0b15-42dc-936e-847ea3c24d72"
)

// connection makes a base connection with a key of Stripe's.
func (c client) connection(name, key string) string {
	c.t.Helper()
	return c.must(201, "POST", flowservice+"/connections", map[string]any{
		"name": name, "connectionSpec": map[string]any{"id": stripeSpec, "version": "1.0"},
		"auth": map[string]any{"specName": "OAuth2 Refresh Code", "params": map[string]any{"accessToken": key}},
	}).json(c.t)["id"].(string)
}

// source makes a source connection on a base connection.
func (c client) source(name, connection string) string {
	c.t.Helper()
	return c.must(201, "POST", flowservice+"/sourceConnections", map[string]any{
		"name": name, "baseConnectionId": connection, "connectionSpec": map[string]any{"id": stripeSpec}, "data": map[string]any{"format": "json"}, "params": map[string]any{"resourcePath": "refunds"},
	}).json(c.t)["id"].(string)
}

// target makes a target connection on a dataset.
func (c client) target(name, dataset string) string {
	c.t.Helper()
	return c.must(201, "POST", flowservice+"/targetConnections", map[string]any{
		"name": name, "connectionSpec": map[string]any{"id": dataLakeSpec}, "data": map[string]any{"format": "parquet_xdm"}, "params": map[string]any{"dataSetId": dataset},
	}).json(c.t)["id"].(string)
}

func (c client) tenant() string {
	return c.must(200, "GET", "/data/foundation/schemaregistry/stats", nil).json(c.t)["tenantId"].(string)
}

// lists are where things show that their owner has.
var lists = []string{
	"/data/foundation/schemaregistry/tenant/classes", "/data/foundation/schemaregistry/tenant/schemas", "/data/foundation/schemaregistry/stats",
	"/data/core/idnamespace/identities", "/data/foundation/catalog/dataSets?limit=100", "/data/foundation/catalog/batches?limit=100", "/data/foundation/conversion/mappingSets?limit=100",
	"/data/infrastructure/observability/alerts/subscriptions", "/data/tributary/copies", "/data/tributary/experiments", "/data/tributary/experiments/keys",
	"/data/tributary/monitor/flows", "/data/tributary/monitor/connections", "/data/tributary/monitor/counts", "/data/tributary/monitor/summary",
	flowservice + "/connections?limit=100", flowservice + "/sourceConnections?limit=100", flowservice + "/targetConnections?limit=100",
	flowservice + "/flows?limit=100", flowservice + "/runs?limit=100", flowservice + "/runs?property=metrics.statusSummary.status!=none",
}

// Whatever is made where, nobody sees or changes anything of another sandbox
// or organisation, whatever they may do in their own.
func TestNothingForeign(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	p := start(t, t.TempDir(), "")
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Access.CreateSandbox(t.Context(), operator, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	org, err := p.Access.CreateOrganisation(t.Context(), "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	var clients []client
	for _, at := range []struct{ org, sandbox string }{{operator.Org, "prod"}, {operator.Org, "dev"}, {org, "prod"}} {
		c := operator
		c.Org = at.org
		if c.Sandbox, err = p.Access.Sandbox(context.Background(), at.org, at.sandbox, ""); err != nil {
			t.Fatal(err)
		}
		if c.Tenant, err = p.Access.Tenant(context.Background(), at.org); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, p.integration(t, c, access.Permissions...))
	}
	// A sandbox that the integration may not enter.
	stranger := clients[0]
	stranger.sandbox = "dev"
	if r := stranger.do("GET", "/data/foundation/catalog/dataSets", nil); r.status != 403 {
		t.Errorf("in a sandbox that is not open: %d %s", r.status, r.body)
	}
	var made []thing
	for owner, c := range clients {
		for _, kind := range slices.Sorted(maps.Keys(makers)) {
			th := makers[kind](c, fmt.Sprintf("secretly%d", len(made)))
			th.owner = owner
			made = append(made, th)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		th := rapid.SampledFrom(made).Draw(rt, "thing")
		i := rapid.IntRange(0, len(clients)-1).Draw(rt, "client")
		c := clients[i]
		if i == th.owner {
			path := rapid.SampledFrom(append(th.paths, lists[0])).Draw(rt, "path")
			if r := c.do("GET", path, nil, "Accept", raw); r.status >= 400 && path != lists[0] {
				rt.Fatalf("%s, its own: %d %s", path, r.status, r.body)
			}
			return
		}
		path := rapid.SampledFrom(append(th.paths, lists...)).Draw(rt, "path")
		accept := raw
		if slices.Contains(lists, path) {
			accept = listed
		}
		r := c.do("GET", path, nil, "Accept", accept)
		if bytes.Contains(r.body, []byte(th.id)) && r.status != 404 || !slices.Contains(lists, path) && r.status != 404 {
			rt.Fatalf("client %d asks for %s, which is of %d: %d %s", i, path, th.owner, r.status, r.body)
		}
		if len(th.write) == 0 {
			return
		}
		w := rapid.SampledFrom(th.write).Draw(rt, "write")
		if r := c.do(w[0], w[1], map[string]any{}, "Accept", raw); r.status < 400 || r.status >= 500 {
			rt.Fatalf("client %d: %s %s, which is of %d: %d %s", i, w[0], w[1], th.owner, r.status, r.body)
		}
	})
	// All of it is there still for those it belongs to.
	for _, th := range made {
		for _, path := range th.paths {
			clients[th.owner].must(200, "GET", path, nil, "Accept", raw)
		}
	}
}

// A sandbox that is deleted takes its tables with it, and nothing of another.
func TestSandboxGoes(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "")
	admin := p.admin(t)
	admin.must(202, "POST", "/data/foundation/sandbox-management/sandboxes", map[string]any{"name": "dev", "title": "Development", "type": "development"})
	dev := admin
	dev.sandbox = "dev"
	stays := makers["batch"](admin, "stays")
	goes := makers["batch"](dev, "goes")
	tables := func() int {
		found, err := filepath.Glob(filepath.Join(p.dir, "lake", "*", "ds_*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			found, _ = filepath.Glob(filepath.Join(p.dir, "lake", "ds_*"))
		}
		return len(found)
	}
	before := tables()
	admin.must(202, "DELETE", "/data/foundation/sandbox-management/sandboxes/dev", nil)
	if r := dev.do("GET", goes.paths[0], nil); r.status < 400 {
		t.Errorf("in a sandbox that is gone: %d %s", r.status, r.body)
	}
	admin.must(200, "GET", stays.paths[0], nil)
	if after := tables(); before != 2 || after != 1 {
		t.Errorf("%d tables before, %d after", before, after)
	}
}

// Tokens and secrets stand in no file of the directory, no row of a database, no column of the lake,
// no log and no answer, whatever encodes them; what the same search should find, it finds.
func TestNothingTold(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		p := start(t, t.TempDir(), database)
		operator, err := p.Access.Operator(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := p.integration(t, operator, access.Permissions...)
		const planted = "plantedcontrolvalue"
		th := makers["batch"](c, planted)
		var answers bytes.Buffer
		for _, path := range append(th.paths, lists...) {
			answers.Write(c.do("GET", path, nil, "Accept", listed).body)
		}
		answers.Write(c.do("GET", "/data/foundation/audit/events?limit=100", nil).body)
		answers.Write(c.do("POST", "/data/foundation/catalog/dataSets", `{"name": "`+c.token+`"}`).body)
		answers.Write(c.do("POST", "/data/foundation/catalog", `[{"id":"a","method":"get","resource":"/dataSets"}]`, "If-Match", c.token).body)
		b, err := access.ReadBootstrap(p.dir)
		if err != nil {
			t.Fatal(err)
		}
		scan := func(needles ...string) []leaktest.Find {
			return leaktest.Scan(t, leaktest.Places{Dir: p.dir, Postgres: database, Texts: map[string]string{"log": string(p.log.Bytes()), "answers": answers.String()}}, needles...)
		}
		secrets := []string{c.token, c.token[strings.LastIndex(c.token, ".")+1:], c.secret, b.ClientSecret}
		for _, s := range c.connect(&answers) {
			secrets = append(secrets, s)
		}
		check := func(when string) {
			for _, f := range scan(secrets...) {
				if f.Needle != b.ClientSecret || f.Place != "bootstrap.json" {
					t.Errorf("%s: %+v", when, f)
				}
			}
		}
		check("while it runs")
		p.stop()
		check("when it has ended")
		found := strings.Join(leaktest.In(scan(planted, "/data/data-")), "\n")
		places := []string{"answers", ".parquet: ", ".avro: records"} // manifests name the data files
		if database == "" {
			places = append(places, "control.db", "control.db: doc")
		} else {
			places = append(places, "postgres: doc")
		}
		for _, place := range places {
			if !strings.Contains(found+"\n", place) {
				t.Errorf("the search does not find in %q what is there, only in\n%s", place, found)
			}
		}
		if info, err := os.Stat(filepath.Join(p.dir, "bootstrap.json")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("bootstrap.json: %v %v", info.Mode(), err)
		}
	})
}

// connect does all that can be done with connections, writes the answers down,
// and returns the keys that were used.
func (c client) connect(answers *bytes.Buffer) map[string]string {
	c.t.Helper()
	secrets := map[string]string{
		"key": "sk_test_" + strings.Repeat("k3", 12), "new key": "rk_test_" + strings.Repeat("n4", 12), "wrong key": "sk_test_wrong" + strings.Repeat("w5", 12),
		"publishable key": "pk_test_" + strings.Repeat("p6", 12), "refresh token": "refresh" + strings.Repeat("r7", 12), "misplaced key": "sk_live_" + strings.Repeat("m8", 12),
	}
	body := func(key string) string {
		return `{"name": "Connection with a key", "connectionSpec": {"id": "` + stripeSpec + `"}, "auth": {"specName": "OAuth2 Refresh Code", "params":
			{"accessToken": "` + key + `", "refreshToken": "` + secrets["refresh token"] + `", "apiKey": "` + secrets["misplaced key"] + `"}}}`
	}
	call := func(status int, method, path string, body any, header ...string) reply {
		c.t.Helper()
		r := c.must(status, method, flowservice+path, body, header...)
		answers.Write(r.body)
		fmt.Fprint(answers, r.header)
		return r
	}
	id := call(201, "POST", "/connections", body(secrets["key"])).json(c.t)["id"].(string)
	path := "/connections/" + id
	call(400, "POST", "/connections", body(secrets["wrong key"]))
	call(400, "POST", "/connections", body(secrets["publishable key"]))
	call(400, "POST", "/connections", strings.Replace(body(secrets["key"]), "}}}", ",}}}", 1))
	call(400, "POST", "/connections", strings.Replace(body(secrets["key"]), `"name"`, `"nam"`, 1))
	call(400, "POST", "/sourceConnections", `{"name": "x", "baseConnectionId": "`+id+`", "connectionSpec": {"id": "`+stripeSpec+`"}, "data": {"format": "json"}, "params": {"resourcePath": "refunds", "key": "`+secrets["key"]+`"}}`)
	const explore = "/explore?objectType=rest&preview=true&sourceParams=eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0"
	for _, key := range []string{"new key", "wrong key"} {
		call(400, "PATCH", path, `[{"op": "replace", "path": "/auth/params/nothing", "value": "`+secrets[key]+`"}]`, "If-Match", "*")
		call(400, "PATCH", path, `[{"op": "replace", "path": "/auth/params/accessToken", "value": ["`+secrets[key]+`"]}]`, "If-Match", "*")
		call(412, "PATCH", path, `[{"op": "replace", "path": "/auth/params/accessToken", "value": "`+secrets[key]+`"}]`, "If-Match", "old")
		call(200, "PATCH", path, `[{"op": "replace", "path": "/auth/params/accessToken", "value": "`+secrets[key]+`"}]`, "If-Match", "*")
		call(200, "GET", path+"/test", nil)
		status := 200
		if key == "wrong key" {
			status = 400
		}
		call(status, "GET", path+explore, nil)
	}
	call(200, "GET", path, nil)
	call(200, "GET", "/connections", nil)
	call(200, "POST", "/connections/search", `{"queryString": "property=name!=x"}`)
	return secrets
}
