package control_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const flowservice = "/data/foundation/flowservice"

// resources are what can be read, by the titles of their schemas.
var resources = map[string]string{
	"charges": "Stripe Charges", "subscriptions": "Stripe Subscriptions", "refunds": "Stripe Refunds",
	"balance_transactions": "Stripe Balance Transactions", "customers": "Stripe Customers", "prices": "Stripe Prices",
}

// inOrder returns the resources in an order that is always the same, prices behind
// subscriptions.
func inOrder() []string {
	names := slices.Sorted(maps.Keys(resources))
	slices.Reverse(names)
	return names
}

// A shop is a simulated account and the plane that reads it.
type shop struct {
	client
	sim        *stripesim.Sim
	database   string
	how        app.Sync
	workers    int // of the plane; below 0 for none
	now        func() time.Time
	connection string
	flows      map[string]string // by resource
	datasets   map[string]string // by resource
}

// openShop serves an account and a plane with a base connection to it.
func openShop(t *testing.T, database string, change ...func(*shop)) *shop {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{
		Seed: 7, Now: time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC), Expand: []string{"tiers", "currency_options", "currency_options.tiers"},
		Keys:   map[string]stripesim.Key{"sk_test_0123456789abcdef": {}},
		Counts: stripesim.Counts{Charges: 150, Customers: 50, Subscriptions: 15, Prices: 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	how := app.Sync{URL: server.URL, Share: 1, Limits: &stripe.Limits{}, Retry: stripe.Retry{Base: time.Millisecond, Cap: 4 * time.Millisecond}, Hooks: app.Hooks{Untidy: true}}
	s := &shop{sim: sim, database: database, how: how, flows: map[string]string{}, datasets: map[string]string{}, now: time.Now}
	for _, c := range change {
		c(s)
	}
	s.serve(t, t.TempDir())
	s.connection = s.must(201, "POST", flowservice+"/connections", map[string]any{
		"name": "Stripe base connection", "connectionSpec": map[string]any{"id": stripeSpec, "version": "1.0"},
		"auth": map[string]any{"specName": "OAuth2 Refresh Code", "params": map[string]any{"accessToken": sim.Key()}},
	}).json(t)["id"].(string)
	return s
}

func (s *shop) serve(t *testing.T, dir string) {
	t.Helper()
	s.client = startBy(t, dir, s.database, control.Options{Stripe: s.how, Workers: s.workers}, s.now).admin(t)
}

// again ends the plane and begins anew.
func (s *shop) again(t *testing.T) {
	t.Helper()
	dir := s.plane.dir
	s.plane.stop()
	s.serve(t, dir)
}

// flow makes a dataflow of a resource with all that it needs.
func (s *shop) flow(t *testing.T, resource string, schedule map[string]any, more ...func(body map[string]any)) (id string) {
	t.Helper()
	source := s.must(201, "POST", flowservice+"/sourceConnections", map[string]any{
		"name": resource, "baseConnectionId": s.connection, "connectionSpec": map[string]any{"id": stripeSpec, "version": "1.0"},
		"data": map[string]any{"format": "json"}, "params": map[string]any{"resourcePath": resource},
	}).json(t)["id"]
	schema := s.schema(resources[resource])
	s.datasets[resource] = s.dataset("flow of "+resource, schema)
	target := s.must(201, "POST", flowservice+"/targetConnections", map[string]any{
		"name": resource, "connectionSpec": map[string]any{"id": dataLakeSpec, "version": "1.0"},
		"data":   map[string]any{"format": "parquet_xdm", "schema": map[string]any{"id": schema, "version": "application/vnd.adobe.xed-full+json;version=1.0"}},
		"params": map[string]any{"dataSetId": s.datasets[resource]},
	}).json(t)["id"]
	body := flowBody("flow of "+resource, source, target, s.mapping(resource, schema), schedule)
	for _, change := range more {
		change(body)
	}
	id = s.must(201, "POST", flowservice+"/flows", body).json(t)["id"].(string)
	s.flows[resource] = id
	return id
}

// mapping makes a mapping set of the release's template for a resource.
func (c client) mapping(resource, schema string) any {
	c.t.Helper()
	set := c.must(200, "GET", "/data/foundation/conversion/mappingSetTemplates/"+resource+"?schema="+url.QueryEscape(schema), nil)
	return c.must(200, "POST", "/data/foundation/conversion/mappingSets", string(set.body)).json(c.t)["id"]
}

// flowBody describes a dataflow.
func flowBody(name string, source, target, mapping any, schedule map[string]any) map[string]any {
	return map[string]any{
		"name": name, "flowSpec": map[string]any{"id": flowSpec, "version": "1.0"},
		"sourceConnectionIds": []any{source}, "targetConnectionIds": []any{target},
		"transformations": []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": mapping, "mappingVersion": 0}}},
		"scheduleParams":  schedule,
	}
}

// runs returns the runs of a flow, newest first.
func (s *shop) runs(t *testing.T, flow string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, r := range s.must(200, "GET", flowservice+"/runs?property=flowId=="+flow, nil).json(t)["items"].([]any) {
		all = append(all, r.(map[string]any))
	}
	return all
}

func at(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func status(run map[string]any) any { return at(run, "metrics", "statusSummary", "status") }

func count(run map[string]any, name string) int {
	n, _ := at(run, "metrics", "recordSummary", name+"RecordCount").(float64)
	return int(n)
}

// ended waits for the nth run of a flow, from 1, and returns it.
func (s *shop) ended(t *testing.T, flow string, n int) map[string]any {
	t.Helper()
	for range 3000 {
		if all := s.runs(t, flow); len(all) >= n {
			if r := all[len(all)-n]; status(r) != "inProgress" {
				return r
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("run %d of flow %s does not end: %v\n%s", n, flow, s.runs(t, flow), s.said())
	return nil
}

// said is the log without the calls.
func (s *shop) said() string {
	lines := strings.Split(string(s.plane.log.Bytes()), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "msg=call") || strings.Contains(l, "level=DEBUG") }), "\n")
}

// ask asks for a run of everything outstanding and waits for it.
func (s *shop) ask(t *testing.T, flow string) map[string]any {
	t.Helper()
	n := len(s.runs(t, flow)) + 1
	s.must(201, "POST", flowservice+"/runs", map[string]any{"flowId": flow})
	return s.ended(t, flow, n)
}

// rows returns what is compared of the records of a resource's dataset, by the
// ids of their objects.
func (s *shop) rows(t *testing.T, resource string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for id, object := range s.records(t, resource) {
		out[id] = shown(object)
	}
	return out
}

// records returns the records of a resource's dataset, without the name of the
// resource around them, by the ids of their objects.
func (s *shop) records(t *testing.T, resource string) map[string]map[string]any {
	t.Helper()
	l, err := lake.OpenReadOnly(t.Context(), s.plane.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tbl, err := l.Load(t.Context(), "ds_"+s.datasets[resource])
	if err != nil {
		t.Fatal(err)
	}
	records, err := tbl.Preview(t.Context(), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for _, r := range records {
		var v map[string]any
		if err := json.Unmarshal(r, &v); err != nil {
			t.Fatal(err)
		}
		object := at(v, "_tributary", resource+"_data").(map[string]any)
		id := object["id"].(string)
		if out[id] != nil {
			t.Errorf("%s has two rows", id)
		}
		out[id] = object
	}
	return out
}

// shown is what is compared of an object: fields that all resources have, and
// some that change.
func shown(object map[string]any) map[string]any {
	out := map[string]any{}
	for _, name := range []string{"id", "object", "created", "amount", "currency", "status", "description", "phone", "email", "canceled_at", "customer", "unit_amount"} {
		if v := object[name]; v != nil {
			out[name] = v
		}
	}
	return out
}

// truth is what the rows of a resource's dataset must be.
func (s *shop) truth(t *testing.T, resource string) map[string]any {
	t.Helper()
	out := map[string]any{}
	add := func(text []byte) {
		var v map[string]any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		out[v["id"].(string)] = shown(v)
	}
	for o := range s.sim.Oracle(stripesim.Resource(resource)) {
		add(o.JSON)
	}
	if resource == "prices" {
		for o := range s.sim.InlinePrices() {
			add(o.JSON)
		}
	}
	return out
}

// exact compares all datasets with the account.
func (s *shop) exact(t *testing.T) {
	t.Helper()
	for _, resource := range slices.Sorted(maps.Keys(s.flows)) {
		if diff := cmp.Diff(s.truth(t, resource), s.rows(t, resource)); diff != "" {
			t.Errorf("%s: %s", resource, diff)
		}
	}
}

// daily is a schedule whose first slot is now.
func daily() map[string]any {
	return map[string]any{"startTime": fmt.Sprint(time.Now().Unix()), "frequency": "day", "interval": "1"}
}

// tomorrow is a daily schedule that does not begin while a test runs.
func tomorrow() map[string]any {
	return map[string]any{"startTime": fmt.Sprint(time.Now().AddDate(0, 0, 1).Unix()), "frequency": "day", "interval": "1"}
}

// Six flows of one account land all of it, reading it once, and follow it.
func TestFlows(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		s := openShop(t, database)
		for _, resource := range inOrder() {
			s.flow(t, resource, daily())
		}
		for resource, id := range s.flows {
			run := s.ended(t, id, 1)
			n := len(s.truth(t, resource))
			if status(run) != "success" || count(run, "output") != n || count(run, "input") != n || count(run, "failed") != 0 {
				t.Fatalf("%s: %d objects, run %v\n%s", resource, n, run, s.said())
			}
			batches := s.must(200, "GET", "/data/foundation/catalog/batches?dataSet="+s.datasets[resource], nil).json(t)
			if runs := s.runs(t, id); len(runs) != 1 || len(batches) != 1 {
				t.Errorf("%s: %d runs, batches %v", resource, len(runs), batches)
			}
			for id, b := range batches {
				if at(b, "status") != "success" || at(b, "metrics", "outputRecordCount") != float64(n) || !strings.Contains(fmt.Sprint(run["activities"]), id) {
					t.Errorf("%s: batch %s %v of run %v", resource, id, b, run)
				}
			}
		}
		s.exact(t)
		for _, step := range []stripesim.Step{
			{Do: "update", Resource: stripesim.Charges, Target: "newest"},
			{Do: "insert", Resource: stripesim.Charges},
			{Do: "delete", Resource: stripesim.Customers, Target: "oldest"},
			{Do: "cancel", Resource: stripesim.Subscriptions, Target: "random"},
		} {
			if err := s.sim.Do(step); err != nil {
				t.Fatal(err)
			}
		}
		s.sim.Advance(time.Minute)
		s.again(t)
		for resource, id := range s.flows {
			if run := s.ask(t, id); status(run) != "success" {
				t.Fatalf("%s: run %v", resource, run)
			}
		}
		s.exact(t)
	})
}

// What a webhook tells is in the dataset without waiting for the flow's slot, and
// costs a request for each object.
func TestWebhooksOfConnections(t *testing.T) {
	t.Parallel()
	s := openShop(t, "")
	charges, customers := s.flow(t, "charges", daily()), s.flow(t, "customers", daily())
	s.ended(t, charges, 1)
	s.ended(t, customers, 1)
	mux := http.NewServeMux()
	mux.Handle("/webhooks/stripe/{sandbox}/{copy}", s.plane.Hooks)
	server := httptest.NewServer(mux)
	defer server.Close()
	by, err := s.plane.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := s.plane.Control.Webhooks(t.Context(), by, s.connection, s.how)
	if err != nil {
		t.Fatal(err)
	}
	made, err := hooks.Create(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []stripesim.Step{
		{Do: "update", Resource: stripesim.Charges, Target: "newest"}, {Do: "delete", Resource: stripesim.Customers, Target: "oldest"}, {Do: "insert", Resource: stripesim.Charges},
	} {
		if err := s.sim.Do(step); err != nil {
			t.Fatal(err)
		}
	}
	s.sim.ResetStats()
	delivered, err := s.sim.Deliver(t.Context(), stripesim.DeliverOptions{})
	if err != nil || len(delivered) == 0 || slices.ContainsFunc(delivered, func(d stripesim.Delivered) bool { return d.Status != http.StatusOK }) {
		t.Fatalf("%+v %v", delivered, err)
	}
	for _, flow := range []string{charges, customers} {
		if run := s.ended(t, flow, 2); status(run) != "success" {
			t.Fatalf("%v", run)
		}
	}
	s.exact(t)
	if n := s.sim.Stats().Requests; n > 8 {
		t.Errorf("%d requests: %v", n, s.sim.Stats().Endpoints)
	}
	for _, path := range []string{"", "/x", "/../" + strings.TrimPrefix(made.URL, server.URL+"/webhooks/stripe/"), "/" + s.sandboxID(t) + "/acct_other-test", "/" + s.sandboxID(t) + "/..%2f.."} {
		resp, err := http.Post(server.URL+"/webhooks/stripe"+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %d", path, resp.StatusCode)
		}
	}
}

func (s *shop) sandboxID(t *testing.T) string {
	t.Helper()
	by, err := s.plane.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return by.Sandbox.ID
}

// The privacy rules of an installation are in force for the copies of its
// connections, and for what dataflows make of them, also when they come later.
func TestPrivacyOfConnections(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	s := openShop(t, "")
	s.flow(t, "customers", daily())
	id := s.flows["customers"]
	s.ended(t, id, 1)
	if len(emails(s.rows(t, "customers"))) == 0 {
		t.Fatal("no customer has an address")
	}
	dir := s.plane.dir
	s.plane.stop()
	rules := `{"rules": [{"resource": "*", "path": "**.email", "do": "drop"}]}`
	if _, err := app.SetPrivacy(t.Context(), dir, []byte(rules)); err != nil {
		t.Fatal(err)
	}
	s.serve(t, dir)
	if run := s.ask(t, id); status(run) != "success" {
		t.Fatal(run)
	}
	if n := len(s.rows(t, "customers")); n != len(s.truth(t, "customers")) {
		t.Errorf("%d rows", n)
	}
	if found := emails(s.rows(t, "customers")); len(found) > 0 {
		t.Errorf("the dataset has addresses: %v", found[:1])
	}
}

func emails(rows map[string]any) (found []any) {
	for _, r := range rows {
		if e := at(r, "email"); e != nil {
			found = append(found, e)
		}
	}
	return found
}

// A run with a window takes what was created in it, again too; a flow that shall
// not backfill takes what is created after its start.
func TestWindows(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	s := openShop(t, "")
	var times []int64
	for _, o := range s.truth(t, "charges") {
		times = append(times, int64(o.(map[string]any)["created"].(float64)))
	}
	slices.Sort(times)
	from, to := times[len(times)/4], times[len(times)/2]
	id := s.flow(t, "charges", map[string]any{"startTime": fmt.Sprint(time.Now().Add(time.Hour).Unix()), "frequency": "once"})
	window := func() map[string]any {
		n := len(s.runs(t, id)) + 1
		s.must(201, "POST", flowservice+"/runs", map[string]any{
			"flowId": id, "params": map[string]any{"startTime": "1663735590", "windowStartTime": fmt.Sprint(from), "windowEndTime": fmt.Sprint(to)},
		})
		return s.ended(t, id, n)
	}
	want := s.truth(t, "charges")
	maps.DeleteFunc(want, func(_ string, o any) bool {
		created := int64(o.(map[string]any)["created"].(float64))
		return created < from || created >= to
	})
	for range 2 {
		if run := window(); status(run) != "success" || count(run, "output") != len(want) {
			t.Fatalf("%d charges in the window: %v", len(want), run)
		}
		if diff := cmp.Diff(want, s.rows(t, "charges")); diff != "" {
			t.Error(diff)
		}
	}

	late := s.flow(t, "refunds", map[string]any{"startTime": fmt.Sprint(s.sim.Now().Unix()), "frequency": "day", "interval": 1, "backfill": "false"})
	if run := s.ended(t, late, 1); status(run) != "success" || count(run, "output") != 0 || len(s.rows(t, "refunds")) != 0 {
		t.Errorf("what was there before: %v", run)
	}
	s.sim.Advance(time.Minute)
	for range 3 {
		if err := s.sim.Do(stripesim.Step{Do: "insert", Resource: stripesim.Refunds}); err != nil {
			t.Fatal(err)
		}
	}
	if run := s.ask(t, late); status(run) != "success" || count(run, "output") != 3 || len(s.rows(t, "refunds")) != 3 {
		t.Errorf("what came after: %v", run)
	}
}

// A dataflow of prices has those that no list shows, without one of
// subscriptions.
func TestPricesAlone(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	s := openShop(t, "")
	if run := s.ended(t, s.flow(t, "prices", once()), 1); status(run) != "success" {
		t.Fatal(run)
	}
	s.exact(t)
}

// once is a schedule of one run, now.
func once() map[string]any {
	return map[string]any{"startTime": fmt.Sprint(time.Now().Unix()), "frequency": "once"}
}
