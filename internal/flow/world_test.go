package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/dataprep"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

const (
	mappingID   = "f4aad280fdec4770b7e33066945919d8"
	otherSet    = "a4aad280fdec4770b7e33066945919d8" // of another schema
	schemaID    = "https://ns.adobe.com/acme/schemas/5f76be8c4e4b847fdac13ca42aa6b596a89a5b91dea48b16"
	ownDataset  = "65e622315f78042c9e8166e8"
	copyDataset = "65e622315f78042c9e8166e9"
	contentType = "application/vnd.adobe.xed+json;version=1"
	testKey     = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
)

var worldStart = time.Date(2024, 3, 12, 18, 30, 0, 0, time.UTC)

// A world is a Flow Service with what it needs, on a clock of the test's.
type world struct {
	*Service
	t      testing.TB
	server *gatewaytest.Server
	caller access.Caller

	mu      sync.Mutex
	now     time.Time
	queue   []Ref
	dropped []Ref
}

func (w *world) Dataset(_ context.Context, _ access.Caller, id string) (catalog.Dataset, error) {
	switch id {
	case ownDataset, copyDataset:
		return catalog.Dataset{ID: id, Name: "mine", SchemaID: schemaID, ContentType: contentType, Table: "ds_" + id, Mirror: id == copyDataset}, nil
	}
	return catalog.Dataset{}, problem.Errorf(problem.NotFound, "there is no dataset %q", id)
}

func (w *world) Set(_ context.Context, _ access.Caller, id string, version int) (dataprep.Set, error) {
	schema := schemaID
	switch {
	case id == otherSet:
		schema += "0"
	case id != mappingID || version > 1:
		return dataprep.Set{}, problem.Errorf(problem.NotFound, "there is no mapping set %q %d", id, version)
	}
	return dataprep.Set{ID: id, Version: version, SchemaID: schema, XDM: "1.0"}, nil
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return openWorld(t, filepath.Join(t.TempDir(), "control.db"))
}

// eachWorld runs a test on each sort of database.
func eachWorld(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	docstoretest.Each(t, func(t *testing.T, name string) { fn(t, openWorld(t, name)) })
}

func openWorld(t testing.TB, name string) *world {
	t.Helper()
	w := &world{t: t, now: worldStart, caller: gatewaytest.Admin("prod")}
	db, err := docstore.Open(t.Context(), name, w.time, Indexes()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := secret.Ensure(secret.Place{Dir: t.TempDir()}, func() (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	w.Service = &Service{
		DB: db, Keys: keys, Datasets: w, Mappings: w, Now: w.time,
		Operator: func(_ context.Context, org, sandbox string) (access.Caller, error) {
			c := gatewaytest.Admin("prod")
			if org != c.Org || sandbox != c.Sandbox.ID {
				return access.Caller{}, problem.Errorf(problem.NotFound, "no sandbox")
			}
			return c, nil
		},
		Queued: func(_ context.Context, r Ref) {
			if r == (Ref{}) { // a flow was written
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.queue = append(w.queue, r)
		},
		Dropped: func(_ context.Context, r Ref) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.dropped = append(w.dropped, r)
		},
	}
	w.server = gatewaytest.New(t, w.HTTP())
	return w
}

func (w *world) do(fn func(t *docstore.Tx) error) {
	w.t.Helper()
	if err := w.DB.Do(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// connection puts down a base connection to an account.
func (w *world) connection(account *Account) *Connection {
	w.t.Helper()
	c := &Connection{Spec: Spec{ID: StripeSpec, Version: "1.0"}, Auth: Auth{SpecName: "OAuth2 Refresh Code", Params: map[string]json.RawMessage{}}, Account: account}
	w.do(func(t *docstore.Tx) error {
		if err := w.born(w.caller, &c.Item); err != nil {
			return err
		}
		c.State = Enabled
		sealed, err := w.Keys.Put([]byte(`{"accessToken":"`+testKey+`"}`), about(c))
		if err != nil {
			return err
		}
		c.Auth.Sealed = &sealed
		return connections.put(t, scope(w.caller), docstore.Doc{}, c)
	})
	return c
}

func (w *world) source(connection, resource string, change ...func(*Source)) string {
	w.t.Helper()
	c := &Source{
		BaseConnectionID: connection, Spec: Spec{ID: StripeSpec, Version: "1.0"}, Data: Data{Format: "json"},
		Params: map[string]json.RawMessage{"resourcePath": json.RawMessage(`"` + resource + `"`)},
	}
	w.do(func(t *docstore.Tx) error {
		if err := w.born(w.caller, &c.Item); err != nil {
			return err
		}
		c.State = Enabled
		for _, fn := range change {
			fn(c)
		}
		return sources.put(t, scope(w.caller), docstore.Doc{}, c)
	})
	return c.ID
}

func (w *world) target(dataset string, change ...func(*Target)) string {
	w.t.Helper()
	c := &Target{
		Spec: Spec{ID: DataLakeSpec, Version: "1.0"}, Params: map[string]json.RawMessage{"dataSetId": json.RawMessage(`"` + dataset + `"`)},
		Data: Data{Format: "parquet_xdm", Schema: &SchemaRef{ID: schemaID, Version: "application/vnd.adobe.xed-full+json;version=1.3"}},
	}
	w.do(func(t *docstore.Tx) error {
		if err := w.born(w.caller, &c.Item); err != nil {
			return err
		}
		c.State = Enabled
		for _, fn := range change {
			fn(c)
		}
		return targets.put(t, scope(w.caller), docstore.Doc{}, c)
	})
	return c.ID
}

// ends are the connections of charges and of a dataset.
func (w *world) ends() (source, target string) {
	w.t.Helper()
	return w.source(w.connection(nil).ID, "charges"), w.target(ownDataset)
}

// flowText is a flow as the tutorial writes it, with a schedule.
func flowText(source, target, schedule string) string {
	return fmt.Sprintf(`{
  "name": "Stripe Connector Flow Generic Rest", "description": "Stripe Connector Description Flow Generic Rest",
  "flowSpec": {"id": "6499120c-0b15-42dc-936e-847ea3c24d72", "version": "1.0"},
  "sourceConnectionIds": ["%s"], "targetConnectionIds": ["%s"],
  "transformations": [{"name": "Mapping", "params": {"mappingId": "f4aad280fdec4770b7e33066945919d8", "mappingVersion": 0}}],
  "scheduleParams": %s
}`, source, target, schedule)
}

// flow makes a flow of charges with a schedule.
func (w *world) flow(schedule string) string {
	w.t.Helper()
	source, target := w.ends()
	return w.made(w.server.Do("POST", base+"/flows", flowText(source, target, schedule)))
}

// made returns the id of what a call made.
func (w *world) made(r gatewaytest.Reply) string {
	w.t.Helper()
	if r.Status != http.StatusCreated && r.Status != http.StatusOK {
		w.t.Fatalf("%d %s", r.Status, r.Body)
	}
	id, _ := r.JSON(w.t).(map[string]any)["id"].(string)
	return id
}

// get returns what a GET answers.
func (w *world) get(path string) map[string]any {
	w.t.Helper()
	r := w.server.Do("GET", base+path, nil)
	if r.Status != http.StatusOK {
		w.t.Fatalf("GET %s: %d %s", path, r.Status, r.Body)
	}
	return r.JSON(w.t).(map[string]any)
}

// one returns the only item of what a GET answers.
func (w *world) one(path string) map[string]any {
	w.t.Helper()
	items := w.get(path)["items"].([]any)
	if len(items) != 1 {
		w.t.Fatalf("GET %s: %d items", path, len(items))
	}
	return items[0].(map[string]any)
}

// ids returns the ids of all items of a list, page by page.
func (w *world) ids(path string) []string {
	w.t.Helper()
	ids := []string{}
	for path != "" {
		page := w.get(path)
		for _, item := range page["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		path = ""
		if next, ok := page["_links"].(map[string]any)["next"].(map[string]any); ok {
			path = next["href"].(string)
		}
	}
	return ids
}

// code returns the code of a refusal, such as FLOW-1455-400.
func code(t testing.TB, r gatewaytest.Reply) string {
	t.Helper()
	m, _ := r.JSON(t).(map[string]any)
	kind, _ := m["type"].(string)
	code := kind[strings.LastIndexByte(kind, '/')+1:]
	if want := fmt.Sprint(r.Status); !strings.HasSuffix(code, want) {
		t.Errorf("code %s in an answer %d", code, r.Status)
	}
	return code
}

func (w *world) refused(want string, r gatewaytest.Reply) {
	w.t.Helper()
	if r.Status < 400 {
		w.t.Errorf("%d %s, want %s", r.Status, r.Body, want)
		return
	}
	if got := code(w.t, r); got != want {
		w.t.Errorf("%s, want %s: %s", got, want, r.Body)
	}
}

func (w *world) etag(path string) string {
	w.t.Helper()
	return w.one(path)["etag"].(string)
}

// patch patches a flow with its newest etag.
func (w *world) patch(flow, body string) gatewaytest.Reply {
	w.t.Helper()
	return w.server.Do("PATCH", base+"/flows/"+flow, body, "If-Match", w.etag("/flows/"+flow))
}

// due returns what Due does.
func (w *world) due() []Job {
	w.t.Helper()
	jobs, err := w.Due(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}

// finish does a run as a worker does.
func (w *world) finish(j Job, status string, change ...func(*Run)) {
	w.t.Helper()
	w.end(j, Verdict{}, status, change...)
}

func (w *world) end(j Job, v Verdict, status string, change ...func(*Run)) {
	w.t.Helper()
	holder := "worker-" + j.Run
	if ok, err := w.Take(w.t.Context(), j.Ref, j.Generation, holder); err != nil || !ok {
		w.t.Fatalf("take %+v: %v %v", j, ok, err)
	}
	err := w.Finish(w.t.Context(), j.Ref, holder, v, func(r *Run) {
		r.Metrics.Status.Status = status
		r.Metrics.Duration.Completed = w.time().UnixMilli()
		for _, fn := range change {
			fn(r)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
