package trial_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/trial"
)

// A world serves experiments of one database.
type world struct {
	*gatewaytest.Server
	t       *testing.T
	service *trial.Service
}

func open(t *testing.T, name string) *world {
	t.Helper()
	s := &trial.Service{DB: docstoretest.Open(t, name), Now: time.Now}
	return &world{gatewaytest.New(t, s.HTTP()), t, s}
}

const base = "/data/tributary/experiments"

type object = map[string]any

// must returns the answer of a call that has to have a status.
func (w *world) must(status int, method, path string, body any, header ...string) object {
	w.t.Helper()
	r := w.Do(method, base+path, body, header...)
	if r.Status != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, r.Status, r.Body, status)
	}
	if len(r.Body) == 0 {
		return nil
	}
	return r.JSON(w.t).(object)
}

// refused wants a call to be refused, with words.
func (w *world) refused(status int, words, method, path string, body any, header ...string) {
	w.t.Helper()
	if got := fmt.Sprint(w.must(status, method, path, body, header...)["details"]); !strings.Contains(got, words) {
		w.t.Errorf("%s %s says %q, want %q in it", method, path, got, words)
	}
}

func draft(key string, more ...object) object {
	e := object{
		"key": key, "name": "An add-on before checkout",
		"variants": []any{object{"key": "none", "weight": 5000}, object{"key": "wrap", "weight": 5000, "value": object{"show": true}}},
		"measure":  object{"metric": "revenue", "currency": "eur", "days": 14, "before": 30},
	}
	for _, m := range more {
		maps.Copy(e, m)
	}
	return e
}

func (w *world) create(key string, more ...object) string {
	w.t.Helper()
	return w.must(201, "POST", "", draft(key, more...))["id"].(string)
}

// An experiment's life, and what it refuses in each state.
func TestLife(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := open(t, name)
		id := w.create("cart-offer")
		w.refused(409, `the key "cart-offer"`, "POST", "", draft("cart-offer"))
		w.refused(400, "state", "POST", "", draft("other", object{"state": "running"}))
		w.refused(400, "weights are 5000 together", "PATCH", "/"+id, object{"variants": []any{object{"key": "a", "weight": 2500}, object{"key": "b", "weight": 2500, "value": 1}}})
		w.refused(400, "unknown field", "PATCH", "/"+id, object{"unit": object{"meta": "x"}})
		w.refused(400, "can't be changed", "PATCH", "/"+id, object{"key": "another"})
		w.refused(400, "no offer", "PATCH", "/"+id, object{"variants": []any{object{"key": "a", "weight": 5000}, object{"key": "b", "weight": 5000, "offer": "none"}}})
		w.refused(400, "no audience", "PATCH", "/"+id, object{"audience": "none"})
		w.refused(409, "draft", "POST", "/"+id+"/kill", nil)
		w.refused(409, "doesn't run", "POST", "/"+id+"/stop", nil)
		w.refused(409, "doesn't run", "POST", "/"+id+"/phases", nil)

		e := w.must(200, "PATCH", "/"+id, object{"hypothesis": "more in the cart", "measure": object{"metric": "orders", "currency": "eur", "days": 7}}, "If-Match", `"1"`)
		if e["version"] != json.Number("2") || e["measure"].(object)["before"] != json.Number("0") {
			t.Errorf("a changed draft: %v", e)
		}
		w.refused(412, "version 2", "PATCH", "/"+id, object{"name": "x"}, "If-Match", `"1"`)
		e = w.must(200, "POST", "/"+id+"/start", nil, "If-Match", `"2"`)
		first := e["phases"].([]any)[0].(object)
		if e["state"] != "running" || first["number"] != json.Number("1") || len(first["salt"].(string)) != 32 || len(first["weights"].([]any)) != 2 {
			t.Errorf("a started one: %v", e)
		}

		bears := object{
			"layer": "checkout", "range": object{"from": 0, "to": 10}, "unit": object{"metadata": "visitor"}, "measure": object{"metric": "revenue", "currency": "usd", "days": 7},
			"variants": []any{object{"key": "none", "weight": 4000}, object{"key": "wrap", "weight": 6000, "value": object{"show": true}}},
		}
		for member, value := range bears {
			w.refused(409, member+":", "PATCH", "/"+id, object{member: value})
		}
		w.refused(409, "ship", "PATCH", "/"+id, object{"ship": "wrap"})
		w.refused(409, "runs", "DELETE", "/"+id, nil)
		w.refused(409, "runs already", "POST", "/"+id+"/start", nil)
		w.must(200, "PATCH", "/"+id, object{"name": "Another name", "killed": true})
		w.must(200, "PATCH", "/"+id, object{"variants": w.must(200, "GET", "/"+id, nil)["variants"]}) // the same again
		w.must(200, "POST", "/"+id+"/unkill", nil)

		e = w.must(200, "POST", "/"+id+"/phases", object{"variants": []any{object{"key": "none", "weight": 1000}, object{"key": "wrap", "weight": 9000, "value": object{"show": true}}}})
		phases := e["phases"].([]any)
		second := phases[1].(object)
		if len(phases) != 2 || phases[0].(object)["ended"] == nil || second["salt"] == first["salt"] || second["ended"] != nil || second["weights"].([]any)[1].(object)["weight"] != json.Number("9000") {
			t.Errorf("the phases: %v", phases)
		}
		delete(phases[0].(object), "ended")
		if diff := cmp.Diff(first, phases[0]); diff != "" {
			t.Errorf("a phase that is over changed: %s", diff)
		}

		w.refused(400, "no variant", "POST", "/"+id+"/stop", object{"ship": "nothing"})
		e = w.must(200, "POST", "/"+id+"/stop", object{"ship": "wrap"})
		if e["state"] != "stopped" || e["ship"] != "wrap" || e["phases"].([]any)[1].(object)["ended"] == nil {
			t.Errorf("a stopped one: %v", e)
		}
		w.refused(409, "unit", "PATCH", "/"+id, object{"unit": object{"metadata": "visitor"}})
		w.must(200, "PATCH", "/"+id, object{"ship": "", "measure": object{"metric": "revenue", "currency": "eur", "days": 7}})
		w.must(200, "POST", "/"+id+"/start", nil)
		w.must(200, "POST", "/"+id+"/stop", nil)

		var what []string
		for _, v := range w.must(200, "GET", "/"+id+"/versions", nil)["items"].([]any) {
			what = append(what, v.(object)["what"].(string))
		}
		if got, want := strings.Join(what, " "), "stop start change stop phase unkill change change start change create"; got != want {
			t.Errorf("the versions: %s, want %s", got, want)
		}
		w.must(204, "DELETE", "/"+id, nil)
		w.refused(404, "no experiment", "GET", "/"+id, nil)
		w.refused(404, "no experiment", "GET", "/"+id+"/versions", nil)
		w.create("cart-offer")
	})
}

// Experiments of a layer have slots of their own, whoever starts them when.
func TestLayers(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := open(t, name)
		lower := w.create("lower", object{"layer": "checkout", "range": object{"from": 0, "to": 5000}})
		upper := w.create("upper", object{"layer": "checkout", "range": object{"from": 5000, "to": 10000}})
		middle := w.create("middle", object{"layer": "checkout", "range": object{"from": 4999, "to": 5001}})
		beside := w.create("beside", object{"layer": "mail", "range": object{"from": 0, "to": 5000}})
		alone := w.create("alone")
		for _, id := range []string{lower, upper, beside, alone} {
			w.must(200, "POST", "/"+id+"/start", nil)
		}
		w.refused(409, `"upper"`, "POST", "/"+middle+"/start", nil)
		w.must(200, "POST", "/"+upper+"/stop", nil)
		w.refused(409, `"lower"`, "POST", "/"+middle+"/start", nil)
		w.must(200, "PATCH", "/"+middle, object{"range": object{"from": 5000, "to": 5001}})
		w.must(200, "POST", "/"+middle+"/start", nil)
		w.refused(409, `"middle"`, "POST", "/"+lower+"/phases", object{"range": object{"from": 0, "to": 5001}})

		// Of many that are started at once, one is.
		var ids []string
		for i := range 8 {
			ids = append(ids, w.create(fmt.Sprint("racer-", i), object{"layer": "race"}))
		}
		other := open(t, name)
		var wg sync.WaitGroup
		started := make(chan string, len(ids))
		for i, id := range ids {
			wg.Go(func() {
				s := []*world{w, other}[i%2].service
				if _, err := s.Start(context.Background(), gatewaytest.Admin("prod"), id, func(trial.Experiment) error { return nil }); err == nil {
					started <- id
				}
			})
		}
		wg.Wait()
		if len(started) != 1 {
			t.Errorf("%d experiments of one range were started", len(started))
		}
	})
}

func TestHoldout(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir()+"/control.db")
	if h := w.must(200, "GET", "/holdout", nil); h["share"] != json.Number("0") {
		t.Errorf("nobody set it: %v", h)
	}
	for _, bad := range []object{{"share": -1}, {"share": 10000}, {}, {"share": "5"}} {
		w.must(400, "PUT", "/holdout", bad)
	}
	h := w.must(200, "PUT", "/holdout", object{"share": 500}, "If-Match", `"0"`)
	w.refused(412, "version 1", "PUT", "/holdout", object{"share": 600}, "If-Match", `"0"`)
	more := w.must(200, "PUT", "/holdout", object{"share": 600})
	if h["salt"] == "" || more["salt"] != h["salt"] {
		t.Errorf("a larger holdout lost its salt: %v, %v", h, more)
	}
	id := w.create("cart-offer")
	w.must(200, "POST", "/"+id+"/start", nil)
	w.refused(409, "runs", "PUT", "/holdout", object{"share": 700})
	w.must(200, "PUT", "/holdout", object{"share": 600}) // it is that already
}

// What is refused by name is refused only as long as there is no such thing, and
// stops nobody who ends an experiment.
func TestNames(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir()+"/control.db")
	there := true
	w.service.HasOffer = func(_ context.Context, _ access.Caller, id string) (bool, error) { return there && id == "wrap", nil }
	w.service.Recommends = true
	variants := []any{object{"key": "a", "weight": 5000}, object{"key": "b", "weight": 5000, "offer": "wrap", "recommend": 3}}
	id := w.create("cart-offer", object{"variants": variants})
	w.must(200, "POST", "/"+id+"/start", nil)
	there = false
	w.refused(400, "variants[1].offer", "POST", "/"+id+"/phases", nil)
	w.must(200, "POST", "/"+id+"/kill", nil)
	w.must(200, "POST", "/"+id+"/stop", nil)
	w.refused(400, "variants[1].offer", "POST", "/"+id+"/start", nil)
}

// An experiment as it is stored loads for ever.
func TestStored(t *testing.T) {
	t.Parallel()
	var e trial.Experiment
	const text = `{"id":"6f2a52c8-8f0f-4a53-9b0c-1d2a54f1c001","key":"cart","name":"Cart","state":"stopped","killed":true,"unit":{"metadata":"visitor"},"layer":"checkout","range":{"from":0,"to":5000},"audience":"loyal","variants":[{"key":"none","weight":5000},{"key":"wrap","weight":5000,"value":{"show":true},"offer":"wrap","recommend":3}],"ship":"wrap","measure":{"metric":"revenue","currency":"eur","days":14,"before":30,"alpha":0.05,"planned":20000},"phases":[{"number":1,"salt":"one","began":"2026-03-01T10:00:00.5Z","ended":"2026-03-08T10:00:00Z","range":{"from":0,"to":5000},"audience":"loyal","weights":[{"variant":"none","weight":5000},{"variant":"wrap","weight":5000}],"measure":{"metric":"revenue","currency":"eur","days":14,"before":30,"alpha":0.05,"planned":20000}}],"createdBy":"a","updatedBy":"b"}`
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(back)); diff != "" {
		t.Error(diff)
	}
}

// Values of two types are refused wherever they could come in. One that has them from
// before can be switched off and stopped, and begins no phase with them.
func TestTypes(t *testing.T) {
	t.Parallel()
	w := open(t, filepath.Join(t.TempDir(), "control.db"))
	two := object{"variants": []any{object{"key": "none", "weight": 5000, "value": false}, object{"key": "wrap", "weight": 5000, "value": "wrap"}}}
	const words = "that of variants[0] is a boolean"
	w.refused(400, words, "POST", "", draft("cart-offer", two))
	id := w.create("cart-offer")
	w.refused(400, words, "PATCH", "/"+id, two)
	w.must(200, "POST", "/"+id+"/start", nil)
	w.refused(400, words, "POST", "/"+id+"/phases", two)
	err := w.service.DB.Do(t.Context(), func(tx *docstore.Tx) error {
		scope := gatewaytest.Admin("prod").Scope()
		e, d, err := docstore.Body[trial.Experiment](tx, scope, "experiment", id)
		if err != nil {
			return err
		}
		e.Variants[0].Value, e.Variants[1].Value = json.RawMessage(`false`), json.RawMessage(`"wrap"`)
		_, err = tx.Write(scope, d, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.must(200, "PATCH", "/"+id, object{"name": "Another name"})
	w.must(200, "POST", "/"+id+"/kill", nil)
	w.must(200, "POST", "/"+id+"/unkill", nil)
	w.refused(400, words, "POST", "/"+id+"/phases", nil)
	w.must(200, "POST", "/"+id+"/stop", nil)
	w.must(200, "POST", "/"+id+"/kill", nil)
	w.refused(400, words, "POST", "/"+id+"/start", nil)
	w.must(200, "PATCH", "/"+id, object{"variants": draft("")["variants"]})
	w.must(200, "POST", "/"+id+"/start", nil)
}

// A key is told once and never again; what is kept of it opens nothing.
func TestKeys(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := open(t, name)
		w.refused(400, "name", "POST", "/keys", object{"name": ""})
		made := w.must(201, "POST", "/keys", object{"name": "The shop"})
		secret, id := made["key"].(string), made["id"].(string)
		if !strings.HasPrefix(secret, trial.KeyPrefix) || len(secret) != 52 || made["hint"] != secret[48:] {
			t.Errorf("a new key: %v", made)
		}
		delete(made, "key")
		list := func() any { return w.must(200, "GET", "/keys", nil)["items"].([]any)[0] }
		if diff := cmp.Diff(any(made), list()); diff != "" {
			t.Error(diff)
		}
		st, err := w.service.State(t.Context(), gatewaytest.Sandbox(gatewaytest.Org, "prod").ID)
		if err != nil || len(st.Keys) != 1 {
			t.Fatalf("%+v %v", st, err)
		}
		if sum, err := st.Keys[0].Sum(); err != nil || sum != trial.KeyHash(secret) {
			t.Errorf("it is known by %x, %v", sum, err)
		}
		hour := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
		for _, at := range []time.Time{hour, hour.Add(-time.Hour)} {
			if err := w.service.KeyUsed(t.Context(), st.Scope, id, at); err != nil {
				t.Fatal(err)
			}
		}
		if got := list().(object)["lastUsedAt"]; got != "2026-03-01T10:00:00.000Z" {
			t.Errorf("last used at %v", got)
		}
		w.must(204, "POST", "/keys/"+id+"/revoke", nil)
		w.refused(404, "no key", "POST", "/keys/"+id+"/revoke", nil)
		if err := w.service.KeyUsed(t.Context(), st.Scope, id, hour); err != nil {
			t.Error(err)
		}
		if got := w.must(200, "GET", "/keys", nil)["items"]; len(got.([]any)) != 0 {
			t.Errorf("keys: %v", got)
		}
	})
}

// A key names experiments that there are.
func TestNamed(t *testing.T) {
	t.Parallel()
	w := open(t, filepath.Join(t.TempDir(), "control.db"))
	w.create("cart")
	w.create("mail")
	made := w.must(201, "POST", "/keys", object{"name": "The page", "experiments": []string{"mail", "cart", "mail"}})
	want := any([]any{"cart", "mail"})
	if diff := cmp.Diff(want, made["experiments"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, w.must(200, "GET", "/keys", nil)["items"].([]any)[0].(object)["experiments"]); diff != "" {
		t.Error(diff)
	}
	w.refused(400, `no experiment with the key "crat"`, "POST", "/keys", object{"name": "The page", "experiments": []string{"cart", "crat"}})
	w.refused(400, "100 at most", "POST", "/keys", object{"name": "The page", "experiments": make([]string, 101)})
	if n := len(w.must(200, "GET", "/keys", nil)["items"].([]any)); n != 1 {
		t.Errorf("%d keys", n)
	}
}

// Origins are kept as browsers write them; what none would write is refused, and so is
// what would be all of them.
func TestOrigins(t *testing.T) {
	t.Parallel()
	w := open(t, filepath.Join(t.TempDir(), "control.db"))
	made := w.must(201, "POST", "/keys", object{"name": "The page", "origins": []string{
		"https://shop.example", "HTTPS://Shop.Example/", "https://shop.example:443", "https://shop.example:8443", "http://localhost:3000", "http://127.0.0.1:80", "https://[::1]:8443", "https://xn--shp-tna.example",
	}})
	want := []any{"https://shop.example", "https://shop.example:8443", "http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443", "https://xn--shp-tna.example"}
	if diff := cmp.Diff(want, made["origins"].([]any)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(any(want), w.must(200, "GET", "/keys", nil)["items"].([]any)[0].(object)["origins"]); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		"*", "https://*", "https://*.shop.example", "null", "", "shop.example", "//shop.example", "https://", "https://shop.example/path", "https://shop.example//", "https://shop.example?", "https://shop.example/#",
		"https://user@shop.example", "ftp://shop.example", "javascript:alert(1)", "file:///", "https://shöp.example", "https://shop.example:", "https://shop .example", "https://shop.example,https://b.example",
		"https://" + strings.Repeat("a", 300) + ".example",
	} {
		w.refused(400, "origins[0]", "POST", "/keys", object{"name": "The page", "origins": []string{bad}})
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf("https://shop%d.example", i)
	}
	w.refused(400, "20 at most", "POST", "/keys", object{"name": "The page", "origins": many})
	w.refused(400, "origins", "POST", "/keys", object{"name": "The page", "origins": "https://shop.example"})
	w.refused(400, "variants", "POST", "/keys", object{"name": "The page", "variants": many})
}
