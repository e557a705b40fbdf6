package control_test

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/runner"
)

// code returns the code of the reason why a run failed.
func code(run map[string]any) any {
	if all, ok := at(run, "metrics", "statusSummary", "errors").([]any); ok && len(all) > 0 {
		return at(all[0], "code")
	}
	return nil
}

// state returns the state of a flow, and why its last operation failed.
func (s *shop) state(t *testing.T, flow string) (state any, reasons string) {
	t.Helper()
	f := s.must(200, "GET", flowservice+"/flows/"+flow, nil).json(t)["items"].([]any)[0]
	return at(f, "state"), fmt.Sprint(at(f, "lastOperation", "status", "errors"))
}

// What no later run can do better stops the flow and says why; what was put
// right can be enabled again.
func TestStopped(t *testing.T) {
	t.Parallel()
	t.Run("key", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, "")
		id := s.flow(t, "refunds", daily())
		s.ended(t, id, 1)
		key := func(text string) {
			c := s.must(200, "GET", flowservice+"/connections/"+s.connection, nil).json(t)["items"].([]any)[0]
			s.must(200, "PATCH", flowservice+"/connections/"+s.connection, []any{map[string]any{"op": "replace", "path": "/auth/params/accessToken", "value": text}}, "If-Match", at(c, "etag").(string))
		}
		key("sk_test_wrong1234567890")
		run := s.ask(t, id)
		if status(run) != "failed" || code(run) != "CONNECTOR-1001-500" || strings.Contains(fmt.Sprint(run), "wrong1234567890") {
			t.Errorf("%v", run)
		}
		if state, why := s.state(t, id); state != "disabled" || !strings.Contains(why, "key") {
			t.Errorf("%v: %s", state, why)
		}
		key(s.sim.Key())
		s.must(200, "POST", flowservice+"/flows/"+id+"/action?op=enable", nil)
		if run := s.ask(t, id); status(run) != "success" {
			t.Errorf("%v", run)
		}
		s.exact(t)
	})
	t.Run("dataset", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, "")
		id := s.flow(t, "refunds", daily())
		s.ended(t, id, 1)
		s.must(200, "DELETE", "/data/foundation/catalog/dataSets/"+s.datasets["refunds"], nil)
		run := s.ask(t, id)
		if status(run) != "failed" || code(run) != "CONNECTOR-2001-500" {
			t.Errorf("%v", run)
		}
		if state, why := s.state(t, id); state != "disabled" || !strings.Contains(why, s.datasets["refunds"]) {
			t.Errorf("%v: %s", state, why)
		}
	})
}

// Records that fail are counted and shown as long as the flow allows so many;
// beyond that nothing goes in.
func TestPartialIngestion(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	s := openShop(t, "")
	schema := s.schema(resources["charges"])
	set := s.must(200, "GET", "/data/foundation/conversion/mappingSetTemplates/charges?schema="+url.QueryEscape(schema), nil).json(t)
	changed := 0
	for _, m := range set["mappings"].([]any) {
		if m := m.(map[string]any); strings.HasSuffix(m["destination"].(string), "charges_data.amount") {
			changed++
			m["sourceType"], m["source"] = "EXPRESSION", fmt.Sprintf(`iif(%s == "usd", %s, "no amount")`, strings.Replace(m["source"].(string), "amount", "currency", 1), m["source"])
		}
	}
	if changed != 1 {
		t.Fatalf("%d lines for the amount: %v", changed, set["mappings"])
	}
	mapping := s.must(200, "POST", "/data/foundation/conversion/mappingSets", set).json(t)["id"]
	all, good := 0, map[string]any{}
	for id, o := range s.truth(t, "charges") {
		if all++; at(o, "currency") == "usd" {
			good[id] = o
		}
	}
	failing := all - len(good)
	share := float64(failing) * 100 / float64(all)
	if share < 2 || share > 90 {
		t.Fatalf("%d of %d fail", failing, all)
	}
	for name, test := range map[string]struct {
		options map[string]any
		status  string
	}{
		"none":     {nil, "failed"},
		"too many": {map[string]any{"partialIngestionPercent": share - 1}, "failed"},
		"so many":  {map[string]any{"partialIngestionPercent": share + 1}, "success"},
	} {
		id := s.flow(t, "charges", daily(), func(body map[string]any) {
			body["transformations"] = []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": mapping, "mappingVersion": 0}}}
			if test.options != nil {
				body["options"] = test.options
			}
		})
		run := s.ended(t, id, 1)
		batches := slices.Collect(maps.Values(s.must(200, "GET", "/data/foundation/catalog/batches?dataSet="+s.datasets["charges"], nil).json(t)))
		if status(run) != test.status || len(batches) != 1 || at(batches[0], "status") != test.status || count(run, "failed") != failing || count(run, "input") != all {
			t.Errorf("%s: run %v, batches %v", name, run, batches)
			continue
		}
		rows := len(s.rows(t, "charges"))
		if state, _ := s.state(t, id); state != "enabled" {
			t.Errorf("%s: it is %v", name, state)
		}
		if test.status == "failed" {
			if rows != 0 || count(run, "output") != 0 || code(run) != "CONNECTOR-2001-500" {
				t.Errorf("%s: %d rows, run %v", name, rows, run)
			}
			continue
		}
		said := fmt.Sprint(at(run, "metrics", "statusSummary", "errors"))
		if rows != len(good) || count(run, "output") != len(good) || code(run) != "INGEST-1212-400" || !strings.Contains(said, "MAPPER-3700-400") {
			t.Errorf("%s: %d rows, run %v", name, rows, run)
		}
	}
}

// A held page stops a pass until it is let go.
type held struct {
	once          sync.Once
	reached, free chan struct{}
}

func hold() *held { return &held{reached: make(chan struct{}), free: make(chan struct{})} }

func (h *held) page(string, *extract.Page) {
	h.once.Do(func() {
		close(h.reached)
		<-h.free
	})
}

// A flow that is deleted and a sandbox that is reset while a run is at work end
// it; nothing of it goes on, and what is made anew is exact.
func TestGoneUnderARun(t *testing.T) {
	t.Parallel()
	t.Run("flow", func(t *testing.T) {
		t.Parallel()
		h := hold()
		s := openShop(t, "", func(s *shop) { s.how.Hooks = app.Hooks{Untidy: true, Page: h.page} })
		id := s.flow(t, "charges", daily())
		<-h.reached
		s.delete(t, id)
		close(h.free)
		old := s.datasets["charges"]
		s.ended(t, s.flow(t, "charges", daily()), 1)
		s.exact(t)
		// Whether the run got as far as a batch before it saw the deletion, nobody can say.
		for id, b := range s.must(200, "GET", "/data/foundation/catalog/batches?dataSet="+old, nil).json(t) {
			if at(b, "status") != "failed" || at(b, "metrics", "outputRecordCount") != 0.0 {
				t.Errorf("%s: %v", id, b)
			}
		}
	})
	t.Run("flow of a worker that was killed", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, "", without)
		for point, want := range map[runner.Point]string{runner.AtRows: "failed", runner.AtCommitted: "success"} {
			id := s.flow(t, "charges", daily())
			s.process(t, &life{Die: point}).killed(t)
			s.delete(t, id)
			heir := s.process(t, &life{})
			batch := func() map[string]any {
				for _, b := range s.must(200, "GET", "/data/foundation/catalog/batches?dataSet="+s.datasets["charges"], nil).json(t) {
					return b.(map[string]any)
				}
				return nil
			}
			for range 3000 {
				if at(batch(), "status") != "active" {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if b := batch(); at(b, "status") != want {
				t.Errorf("%s: %v", point, b)
			}
			heir.end(t)
		}
		s.process(t, &life{})
		s.ended(t, s.flow(t, "charges", daily()), 1)
		s.exact(t)
	})
	t.Run("sandbox", func(t *testing.T) {
		t.Parallel()
		h := hold()
		s := openShop(t, "", func(s *shop) { s.how.Hooks = app.Hooks{Untidy: true, Page: h.page} })
		s.flow(t, "charges", daily())
		<-h.reached
		done := make(chan reply, 1)
		go func() {
			done <- s.do("PUT", "/data/foundation/sandbox-management/sandboxes/prod", map[string]any{"action": "reset"})
		}()
		time.AfterFunc(500*time.Millisecond, func() { close(h.free) }) // either order must do
		if r := <-done; r.status != 202 && r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for range 3000 {
			r := s.do("GET", "/data/foundation/sandbox-management/sandboxes/prod", nil)
			if r.status == 200 && r.json(t)["state"] == "active" {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		copies, err := filepath.Glob(filepath.Join(s.plane.dir, "copies", "*", "*"))
		if err != nil || len(copies) > 0 {
			t.Errorf("copies are left: %v %v", copies, err)
		}
		if n := len(s.must(200, "GET", flowservice+"/flows", nil).json(t)["items"].([]any)); n != 0 {
			t.Errorf("%d flows", n)
		}
	})
}

func (s *shop) delete(t *testing.T, flow string) {
	t.Helper()
	f := s.must(200, "GET", flowservice+"/flows/"+flow, nil).json(t)["items"].([]any)[0]
	if r := s.do("DELETE", flowservice+"/flows/"+flow, nil, "If-Match", at(f, "etag").(string)); r.status > 299 {
		t.Fatalf("%d %s", r.status, r.body)
	}
}
