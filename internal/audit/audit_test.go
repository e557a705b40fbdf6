package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/audit"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

const key = "sk_test_51PlantedControlValue"

// A world is a gateway of a service of flows, watched by a log.
type world struct {
	*gatewaytest.Server
	file string

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// later lets a millisecond pass, so that entries have an order.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{file: filepath.Join(dir, audit.FileName), now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	file, err := audit.OpenFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	l := &audit.Log{
		DB: docstoretest.Open(t, filepath.Join(dir, "control.db")), File: file, Now: w.clock, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Address: func(*http.Request) string { return "198.51.100.7" }, Region: "LOCAL",
	}
	g := gatewaytest.Gateway(t, flows(), l.HTTP())
	g.Observe = l.Observe
	g.Check = func(r *http.Request, _ *access.Caller) error {
		if r.Header.Get("X-Fast") != "" {
			return gateway.Fail(429, "", "Too many requests", "slower")
		}
		return nil
	}
	w.Server = gatewaytest.Serve(t, g.Handler())
	return w
}

func flows() *gateway.Service {
	answer := func(a *gateway.Answer, err error) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
		return func(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
			_, e := c.Bytes()
			if e != nil {
				return nil, e
			}
			return a, err
		}
	}
	read, write := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	ok := answer(gateway.OK(map[string]any{}), nil)
	return &gateway.Service{
		Name: "flowservice", Base: "/data/foundation/flowservice", Codes: gateway.Codes{Forbidden: "FLOW-2120-403"},
		Shape: func(f *gateway.Failure, _ string) any { return map[string]any{"detail": f.Detail} },
		Routes: []gateway.Route{
			{Method: "GET", Path: "/flows/{id}", Need: read, Handle: ok},
			{Method: "POST", Path: "/flows", Need: write, Handle: answer(gateway.Created("/data/foundation/flowservice/flows/new-1", map[string]any{}), nil)},
			{Method: "PATCH", Path: "/flows/{id}", Need: write, Handle: answer(nil, gateway.Fail(412, "FLOW-1404-412", "Version not matching", "stale"))},
			{Method: "DELETE", Path: "/flows/{id}", Need: write, Handle: answer(gateway.NoContent(), nil)},
			{Method: "POST", Path: "/flows/{id}/action", Need: write, Handle: ok},
			{Method: "POST", Path: "/flows/search", Need: read, Handle: ok},
			{Method: "PUT", Path: "/{container}/x/files/{path...}", Need: write, Handle: ok},
			{Method: "POST", Path: "/things/validate", Need: write, Handle: ok},
		},
	}
}

const flowsPath = "/data/foundation/flowservice/flows"

// lines are those of the file.
func (w *world) lines(t *testing.T) []audit.Entry {
	t.Helper()
	text, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	var all []audit.Entry
	for line := range bytes.Lines(text) {
		var e audit.Entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// events asks for them and returns the answer.
func (w *world) events(t *testing.T, query string) (events []map[string]any, answer map[string]any) {
	t.Helper()
	got := w.Do("GET", "/data/foundation/audit/events"+query, nil)
	if got.Status != 200 {
		t.Fatalf("%s: %d %s", query, got.Status, got.Body)
	}
	if err := json.Unmarshal(got.Body, &answer); err != nil {
		t.Fatal(err)
	}
	for _, e := range answer["_embedded"].(map[string]any)["events"].([]any) {
		events = append(events, e.(map[string]any))
	}
	return events, answer
}

func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	viewer := access.Principal{Org: gatewaytest.Org, Client: "viewer", User: "viewer@techacct.adobe.com", Grants: map[string][]access.Permission{"prod": {access.ViewSources}}}
	admin := gatewaytest.Admin("prod").Principal
	type kept struct {
		Action, Permission, Type, ID, Status, Outcome, Code, User, Sandbox string
		HTTP                                                               int
	}
	const adminUser = "client@techacct.adobe.com"
	for name, c := range map[string]struct {
		who          access.Principal
		method, path string
		header       []string
		want         *kept // nil for nothing
		database     bool
	}{
		"create":           {admin, "POST", flowsPath, nil, &kept{"Create", "WRITE", "Dataflow", "new-1", "Allow", "Success", "", adminUser, "prod", 201}, true},
		"delete":           {admin, "DELETE", flowsPath + "/1", nil, &kept{"Delete", "DELETE", "Dataflow", "1", "Allow", "Success", "", adminUser, "prod", 204}, true},
		"in dev":           {admin, "DELETE", flowsPath + "/1", []string{"X-Sandbox-Name", "dev"}, &kept{"Delete", "DELETE", "Dataflow", "1", "Allow", "Success", "", adminUser, "dev", 204}, true},
		"a failure":        {admin, "PATCH", flowsPath + "/1", nil, &kept{"Update", "WRITE", "Dataflow", "1", "Allow", "Failure", "FLOW-1404-412", adminUser, "prod", 412}, true},
		"an action":        {admin, "POST", flowsPath + "/1/action?op=PUBLISH", nil, &kept{"Publish", "WRITE", "Dataflow", "1", "Allow", "Success", "", adminUser, "prod", 200}, true},
		"no word":          {admin, "POST", flowsPath + "/1/action?op=a%20b", nil, &kept{"Create", "WRITE", "Dataflow", "1", "Allow", "Success", "", adminUser, "prod", 200}, true},
		"an upload":        {admin, "PUT", "/data/foundation/flowservice/tenant/x/files/a/b.json", nil, &kept{"Update", "WRITE", "File", "a/b.json", "Allow", "Success", "", adminUser, "prod", 200}, true},
		"a key as an id":   {admin, "DELETE", flowsPath + "/" + key, nil, &kept{"Delete", "DELETE", "Dataflow", "[redacted]", "Allow", "Success", "", adminUser, "prod", 204}, true},
		"refused":          {viewer, "DELETE", flowsPath + "/1", nil, &kept{"Delete", "DELETE", "Dataflow", "1", "Deny", "", "FLOW-2120-403", viewer.User, "prod", 403}, true},
		"refused to look":  {viewer, "GET", flowsPath + "/1", []string{"X-Sandbox-Name", "dev"}, &kept{"Read", "READ", "Dataflow", "1", "Deny", "", "FLOW-2120-403", viewer.User, "dev", 403}, true},
		"refused a search": {viewer, "POST", flowsPath + "/search", []string{"X-Sandbox-Name", "dev"}, &kept{"Read", "READ", "Dataflow", "", "Deny", "", "FLOW-2120-403", viewer.User, "dev", 403}, true},
		"a foreign org":    {viewer, "GET", flowsPath + "/1", []string{"X-Gw-Ims-Org-Id", gatewaytest.OtherOrg}, &kept{"Read", "READ", "Dataflow", "1", "Deny", "", "403025", viewer.User, "", 403}, true},
		"a stranger":       {admin, "GET", flowsPath + "/1", []string{"Authorization", "Bearer nonsense"}, &kept{"Read", "READ", "Dataflow", "1", "Deny", "", "401013", "", "", 401}, false},
		"a look":           {viewer, "GET", flowsPath + "/1", nil, nil, false},
		"a search":         {viewer, "POST", flowsPath + "/search", nil, nil, false},
		"a validation":     {admin, "POST", "/data/foundation/flowservice/things/validate", nil, nil, false},
		"too fast":         {admin, "DELETE", flowsPath + "/1", []string{"X-Fast", "1"}, nil, false},
		"no such path":     {admin, "DELETE", "/data/foundation/flowservice/x", nil, nil, false},
		"no such method":   {admin, "PUT", flowsPath, nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.As(c.who, c.method, c.path, `{"secret":"`+key+`"}`, append([]string{"X-Request-Id", "r-1"}, c.header...)...)
			lines := w.lines(t)
			events, _ := w.events(t, "?scope=organization")
			if c.want == nil {
				if len(lines)+len(events) > 0 {
					t.Errorf("kept %+v", lines)
				}
				return
			}
			if len(lines) != 1 || len(events) != map[bool]int{true: 1}[c.database] {
				t.Fatalf("%d lines, %d events", len(lines), len(events))
			}
			e := lines[0]
			got := kept{e.Action, e.PermissionType, e.AssetType, e.AssetID, e.Status, e.Outcome, e.FailureCode, e.User, e.SandboxName, e.HTTPStatus}
			c.want.ID = strings.ReplaceAll(c.want.ID, "[redacted]", e.Path[max(0, strings.LastIndexByte(e.Path, '/')+1):])
			if name == "an upload" {
				c.want.ID = "a/b.json"
			}
			if diff := cmp.Diff(*c.want, got); diff != "" {
				t.Error(diff)
			}
			if e.RequestID != "r-1" || !reflect.DeepEqual(e.Addresses, []string{"198.51.100.7"}) || e.Method != c.method || strings.Contains(e.Path, "?") || !e.Time.Equal(w.clock()) {
				t.Errorf("%+v", e)
			}
			for name, text := range map[string]any{"file": lines, "API": events} {
				if strings.Contains(fmt.Sprint(text), "PlantedControl") {
					t.Errorf("the %s shows a key: %v", name, text)
				}
			}
		})
	}
}

// The form of the guide's sample.
func TestEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Do("PATCH", flowsPath+"/1", "{}", "X-Request-Id", "r-1")
	events, answer := w.events(t, "?limit=10")
	id := events[0]["id"].(string)
	common := map[string]any{
		"requestId": "r-1", "permissionResource": "flowservice", "permissionType": "WRITE", "assetType": "Dataflow", "assetId": "1", "assetName": "",
		"action": "Update", "timestamp": "2026-01-31T12:00:00.000+0000",
	}
	with := func(more map[string]any) map[string]any {
		maps.Copy(more, common)
		return more
	}
	want := with(map[string]any{
		"id": id, "eventType": "Core", "version": "1.0", "status": "Allow", "failureCode": "", "imsOrgId": gatewaytest.Org, "region": "LOCAL", "authId": "client",
		"sandboxName": "prod", "sandboxId": gatewaytest.Sandbox(gatewaytest.Org, "prod").ID, "userEmail": "client@techacct.adobe.com",
		"userIpAddresses": []any{"198.51.100.7"}, "method": "PATCH", "path": flowsPath + "/1", "httpStatus": float64(412),
		"enhancedEvents": []any{with(map[string]any{"id": id + "-1", "eventType": "Enhanced", "status": "Failure", "failureCode": "FLOW-1404-412"})},
	})
	if diff := cmp.Diff(want, events[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"size": 1., "totalElements": 1., "totalPages": 1., "number": 1.}, answer["page"]); diff != "" {
		t.Error(diff)
	}
}

func TestFilterAndPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.later(time.Millisecond)
		w.Do("DELETE", fmt.Sprint(flowsPath, "/", i), nil, "X-Request-Id", fmt.Sprint("r-", i))
	}
	w.later(time.Millisecond)
	w.Do("PATCH", flowsPath+"/x", "{}")
	w.later(time.Millisecond)
	w.Do("POST", flowsPath, "{}", "X-Sandbox-Name", "dev")
	ids := func(events []map[string]any) (all []string) {
		for _, e := range events {
			all = append(all, e["assetId"].(string))
		}
		return all
	}
	for query, want := range map[string][]string{
		"":                         {"x", "6", "5", "4", "3", "2", "1", "0"},
		"?scope=organization":      {"new-1", "x", "6", "5", "4", "3", "2", "1", "0"},
		"?property=action==update": {"x"},
		"?property=action==Update,Delete&property=assetId==3,x":                             {"x", "3"},
		"?property=status==Failure":                                                         {"x"},
		"?property=status!=Success&property=status==Allow":                                  {"x"},
		"?property=requestId=r-2":                                                           {"2"},
		"?property=user==client@techacct.adobe.com&property=assetId<2":                      {"1", "0"},
		"?property=user==nobody":                                                            nil,
		"?property=ipAddress==198.51.100.7&property=assetId==0":                             {"0"},
		"?property=timestamp>=2026-01-31T12:00:00.008Z":                                     {"x"},
		"?property=timestamp<2026-01-31T12:00:00.002610Z&property=timestamp>2020-01-01":     {"1", "0"},
		"?property=timestamp==2026-01-31T12:00:00.003%2B0000":                               {"2"},
		"?property=timestamp<2026-01-31T13:00:00.002%2B01:00":                               {"0"},
		"?property=timestamp>" + fmt.Sprint(w.clock().Add(-2*time.Millisecond).UnixMilli()): {"x"},
		"?property=assetType~^Data&limit=2":                                                 {"x", "6"},
		"?limit=3&start=6":                                                                  {"1", "0"},
		"?start=8":                                                                          nil,
	} {
		t.Run(query, func(t *testing.T) {
			events, _ := w.events(t, strings.NewReplacer("<", "%3C", ">", "%3E", "^", "%5E").Replace(query))
			if diff := cmp.Diff(want, ids(events)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("new entries do not move pages", func(t *testing.T) {
		events, answer := w.events(t, "?limit=3&property=action==Delete")
		all := ids(events)
		for {
			w.later(time.Millisecond)
			w.Do("DELETE", flowsPath+"/late", nil)
			next, ok := answer["_links"].(map[string]any)["next"].(map[string]any)
			if !ok {
				break
			}
			u, err := url.Parse(next["href"].(string))
			if err != nil {
				t.Fatal(err)
			}
			events, answer = w.events(t, "?"+u.RawQuery)
			all = append(all, ids(events)...)
		}
		if diff := cmp.Diff([]string{"6", "5", "4", "3", "2", "1", "0"}, all); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]any{"size": 1., "totalElements": 7., "totalPages": 3., "number": 3.}, answer["page"]); diff != "" {
			t.Error(diff)
		}
	})
}

func TestListRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/data/foundation/audit/events"
	for query, words := range map[string]string{
		"?property=secret==1": "only these", "?property===1": "a name is missing", "?property=action~(": "regular expression", "?property=timestamp==yesterday": "yesterday",
		"?property=timestamp~2": "does not fit", "?limit=0": "from 1 to 1000", "?limit=1001": "from 1 to 1000", "?limit=x": "limit", "?start=-1": "start", "?queryId=!": "queryId",
		"?queryId=e30x": "queryId", "?property=action%3Ca,b": "one value",
	} {
		if got := w.Do("GET", path+query, nil); got.Status != 400 || !strings.Contains(string(got.Body), words) {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
	auditor := access.Principal{Org: gatewaytest.Org, Client: "a", Grants: map[string][]access.Permission{"dev": {access.ViewAudit}, "prod": {access.ManageSources}}}
	w.Do("DELETE", flowsPath+"/1", nil)
	w.Do("DELETE", flowsPath+"/2", nil, "X-Sandbox-Name", "dev")
	got := w.As(auditor, "GET", path, nil, "X-Sandbox-Name", "dev")
	if got.Status != 200 || !strings.Contains(string(got.Body), `"assetId":"2"`) || strings.Contains(string(got.Body), `"assetId":"1"`) {
		t.Errorf("an auditor of dev: %d %s", got.Status, got.Body)
	}
	for query, sandbox := range map[string]string{"": "prod", "?scope=organization": "dev", "?queryId=eyJ3Ijp0cnVlfQ": "dev"} {
		if got := w.As(auditor, "GET", path+query, nil, "X-Sandbox-Name", sandbox); got.Status != 403 {
			t.Errorf("%s in %s: %d %s", query, sandbox, got.Status, got.Body)
		}
	}
	other := access.Principal{Org: gatewaytest.OtherOrg, Client: "o", Admin: true}
	if got := w.As(other, "GET", path+"?scope=organization", nil); got.Status != 200 || !strings.Contains(string(got.Body), `"events":[]`) {
		t.Errorf("another organisation: %d %s", got.Status, got.Body)
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		if got := w.Do(method, path, "{}"); got.Status != 405 {
			t.Errorf("%s: %d", method, got.Status)
		}
	}
}

// Refusals come to nothing after a hundred, and the next that is kept says how
// many were left out.
func TestFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobody := access.Principal{Org: gatewaytest.Org, Client: "n"}
	for range 130 {
		w.Do("GET", flowsPath+"/1", nil, "Authorization", "Bearer nonsense")
		w.As(nobody, "GET", flowsPath+"/1", nil)
	}
	w.Do("DELETE", flowsPath+"/1", nil) // what changes something is always kept
	if n := len(w.lines(t)); n != 201 {
		t.Fatalf("%d lines", n)
	}
	w.later(time.Second)
	w.Do("GET", flowsPath+"/1", nil, "Authorization", "Bearer nonsense")
	lines := w.lines(t)
	if e := lines[len(lines)-1]; e.Unlogged != 30 || e.HTTPStatus != 401 {
		t.Errorf("%+v", e)
	}
	if _, answer := w.events(t, "?scope=organization"); answer["page"].(map[string]any)["totalElements"] != 101. {
		t.Errorf("%v", answer["page"])
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), audit.FileName)
	if err := os.WriteFile(path, []byte("{}\n{\"id\":\"cut sh"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	second, err := audit.OpenFile(path) // another process
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	write := func(f *audit.File, id string) {
		t.Helper()
		if err := f.Write(audit.Entry{ID: id}); err != nil {
			t.Error(err)
		}
	}
	content := func(path string) (ids []string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var e audit.Entry
			if json.Unmarshal([]byte(line), &e) != nil {
				e.ID = "broken"
			}
			ids = append(ids, e.ID)
		}
		return ids
	}
	write(f, "1")
	write(second, "2")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(f, "3")
	write(second, "4")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(second, "5")
	if diff := cmp.Diff([]string{"", "broken", "1", "2"}, content(path+".1")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"5"}, content(path)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 50 {
				write([]*audit.File{f, second}[i%2], fmt.Sprint(i, "-", n))
			}
		})
	}
	wg.Wait()
	if n := len(content(path)); n != 201 {
		t.Errorf("%d lines", n)
	}
}

// Nobody can change or delete an entry: the log has no call for it.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	var methods []string
	for m := range reflect.TypeFor[*audit.Log]().Methods() {
		methods = append(methods, m.Name)
	}
	if diff := cmp.Diff([]string{"HTTP", "List", "Note", "Observe"}, methods); diff != "" {
		t.Error(diff)
	}
	for _, r := range new(audit.Log).HTTP().Routes {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("timestamp<2026-01-31", "10", "0", "e30")
	f.Fuzz(func(t *testing.T, property, limit, start, id string) {
		l := &audit.Log{Now: time.Now}
		q := url.Values{"property": {property}, "limit": {limit}, "start": {start}}
		if id != "" {
			q.Set("queryId", id)
		}
		q.Set("scope", "organization")
		for _, r := range l.HTTP().Routes {
			u := &url.URL{Path: r.Path, RawQuery: q.Encode()}
			defer func() {
				// All that is asked well reaches for the database, which is not there.
				if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "nil pointer") {
					t.Errorf("%v: %v", u, p)
				}
			}()
			_, _ = r.Handle(t.Context(), &gateway.Call{Caller: gatewaytest.Admin("prod"), HTTP: &http.Request{URL: u}})
		}
	})
}
