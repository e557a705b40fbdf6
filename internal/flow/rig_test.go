package flow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/source"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// datasets are those of the catalog.
type datasets map[string]catalog.Dataset

func (d datasets) Dataset(_ context.Context, c access.Caller, id string) (catalog.Dataset, error) {
	found, ok := d[id]
	if !ok || c.Org != gatewaytest.Org || c.Sandbox.Name != "prod" {
		return catalog.Dataset{}, problem.Errorf(problem.NotFound, "no dataset")
	}
	return found, nil
}

const (
	mine   = "65e622315f78042c9e8166e8"
	mirror = "65e622315f78042c9e8166e9"
)

// A rig serves the Flow Service on a simulated Stripe.
type rig struct {
	*gatewaytest.Server
	t   testing.TB
	svc *flow.Service
	sim *stripesim.Sim
}

// simulate returns an account of some objects.
func simulate(t testing.TB) *stripesim.Sim {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{
		Seed: 3, Counts: stripesim.Counts{Charges: 140, Customers: 30, Prices: 8, Subscriptions: 10},
		Keys: map[string]stripesim.Key{
			goodKey: {}, restrictedKey: {Permissions: []string{"charge_read", "event_read"}}, expiredKey: {Expired: true},
			"oauth-token-of-an-app": {Mode: stripesim.Test},
		},
		Platform: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

func newRig(t testing.TB) *rig {
	t.Helper()
	sim := simulate(t)
	return rigOn(t, sim, sim)
}

func rigOn(t testing.TB, sim *stripesim.Sim, h http.Handler) *rig {
	t.Helper()
	at := httptest.NewServer(h)
	t.Cleanup(at.Close)
	return rigAt(t, sim, at.URL)
}

// moving is the time, of which no two askers get the same millisecond: what they
// make has an order.
func moving() func() time.Time {
	var mu sync.Mutex
	var last time.Time
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if least := last.Add(time.Millisecond); now.Before(least) {
			now = least
		}
		last = now
		return now
	}
}

func rigAt(t testing.TB, sim *stripesim.Sim, url string) *rig {
	t.Helper()
	dir := t.TempDir()
	now := moving()
	db, err := docstore.Open(t.Context(), filepath.Join(dir, "control.db"), now, flow.Indexes()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := secret.Ensure(secret.Place{Dir: dir}, func() (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: stripe.NewTransport()}
	t.Cleanup(client.CloseIdleConnections)
	svc := &flow.Service{
		DB: db, Keys: keys, VerifyOnCreate: true, Now: now, Wait: 20 * time.Second,
		Datasets: datasets{mine: {ID: mine}, mirror: {ID: mirror, Mirror: true}},
		Stripe: &source.Stripe{
			URL: url, HTTP: client, Now: time.Now, Limits: &stripe.Limits{},
			Retry: stripe.Retry{Base: time.Millisecond, Cap: time.Millisecond, Tries: 2, ConnectTries: 1},
		},
	}
	return &rig{Server: gatewaytest.New(t, svc.HTTP()), t: t, svc: svc, sim: sim}
}

// do calls and fails the test unless the status is the one wanted.
func (r *rig) do(status int, call string, body any, header ...string) gatewaytest.Reply {
	r.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	got := r.Do(method, root+path, body, header...)
	if got.Status != status {
		r.t.Fatalf("%s: %d %s", call, got.Status, got.Body)
	}
	return got
}

// failed calls and fails the test unless it is refused with the code.
func (r *rig) failed(code, call string, body any, header ...string) map[string]any {
	r.t.Helper()
	method, path, _ := strings.Cut(call, " ")
	got := r.Do(method, root+path, body, header...)
	answer, _ := got.JSON(r.t).(map[string]any)
	if kind := fmt.Sprint(answer["type"]); kind != "https://ns.adobe.com/aep/errors/"+code || !strings.HasSuffix(code, fmt.Sprint(got.Status)) {
		r.t.Errorf("%s: want %s, got %d %s", call, code, got.Status, got.Body)
		return answer
	}
	report, _ := answer["report"].(map[string]any)
	if answer["errorMessage"] == "" || answer["errorMessage"] != report["detailed-message"] || report["request-id"] == nil {
		r.t.Errorf("%s: no words: %s", call, got.Body)
	}
	return answer
}

// made creates an object and returns its id and etag.
func (r *rig) made(call string, body any) (id, etag string) {
	r.t.Helper()
	got := r.do(201, "POST "+call, body)
	answer, _ := got.JSON(r.t).(map[string]any)
	id, etag = fmt.Sprint(answer["id"]), fmt.Sprint(answer["etag"])
	path, _, _ := strings.Cut(call, "?")
	if got.Header.Get("Location") != root+path+"/"+id || got.Header.Get("ETag") != etag || len(answer) != 2 {
		r.t.Errorf("%s: %v %s", call, got.Header, got.Body)
	}
	return id, etag
}

// item returns the one item of a GET.
func (r *rig) item(path string) map[string]any {
	r.t.Helper()
	items := r.do(200, "GET "+path, nil).JSON(r.t).(map[string]any)["items"].([]any)
	if len(items) != 1 {
		r.t.Fatalf("%s: %d items", path, len(items))
	}
	return items[0].(map[string]any)
}

func connectionWith(key string, params ...string) string {
	more := ""
	for _, p := range params {
		more += ", " + p
	}
	return `{"name": "Stripe base connection", "description": "Authenticated base connection for Stripe",
		"connectionSpec": {"id": "` + flow.StripeSpec + `", "version": "1.0"},
		"auth": {"specName": "OAuth2 Refresh Code", "params": {"accessToken": "` + key + `"` + more + `}}}`
}

// with returns a JSON object after changes: pairs of a dotted path and a JSON
// value, "" to remove.
func with(t testing.TB, object string, changes ...string) string {
	t.Helper()
	var v map[string]any
	decode := func(text string, v any) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	decode(object, &v)
	for i := 0; i+1 < len(changes); i += 2 {
		at := v
		steps := strings.Split(changes[i], ".")
		for _, step := range steps[:len(steps)-1] {
			at = at[step].(map[string]any)
		}
		last := steps[len(steps)-1]
		if changes[i+1] == "" {
			delete(at, last)
			continue
		}
		var value any
		decode(changes[i+1], &value)
		at[last] = value
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
