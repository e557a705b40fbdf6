package flow

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
)

// fine says whether an answer is one that a client can do something with.
func fine(t *testing.T, what string, status int, body []byte) {
	t.Helper()
	if status >= http.StatusInternalServerError {
		t.Errorf("%s: %d %s", what, status, body)
	}
}

func FuzzCreateFlow(f *testing.F) {
	w := newWorld(f)
	source, target := w.ends()
	for _, schedule := range []string{`{}`, `null`, `{"startTime":"1710267858","frequency":"minute","interval":15,"backfill":"true"}`, `{"startTime":1e300,"frequency":"week","interval":1e6}`} {
		f.Add(flowText(source, target, schedule))
	}
	f.Add(`{"name":"a","flowSpec":{"id":"` + FlowSpec + `"},"options":{"partialIngestionPercent":"10","x":[]},"labels":["a"],"transformations":[null]}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := &world{Service: w.Service, t: t, server: w.server.With(t)}
		for _, mode := range []string{"", "?mode=draft"} {
			r := w.server.Do("POST", base+"/flows"+mode, body)
			fine(t, "POST", r.Status, r.Body)
			if r.Status != http.StatusCreated {
				continue
			}
			id := w.made(r)
			w.one("/flows/" + id)
			w.due()
			w.server.Do("DELETE", base+"/flows/"+id, nil)
		}
	})
}

func FuzzPatchFlow(f *testing.F) {
	w := newWorld(f)
	source, target := w.ends()
	for _, patch := range []string{
		`[{"op":"replace","path":"/scheduleParams","value":{"frequency":"minute","interval":15}}]`, `[{"op":"replace","path":"/scheduleParams/startTime","value":"5000000000000"}]`,
		`[{"op":"replace","path":"/transformations/0","value":{"name":"Mapping","params":{"mappingId":"` + mappingID + `","mappingVersion":1}}}]`,
		`[{"op":"add","path":"/options","value":{"partialIngestionPercent":"10"}}]`, `[{"op":"add","path":"/options","value":{"PartialIngestionPercent":"10"}}]`, `[{"op":"remove","path":"/transformations"}]`, `{"op":"add","path":"/labels/-","value":"a"}`,
		`[{"op":"replace","path":"/sourceConnectionIds","value":[null]}]`, `[{"op":"add","path":"/name","value":{}}]`,
	} {
		f.Add(patch)
	}
	f.Fuzz(func(t *testing.T, patch string) {
		w := &world{Service: w.Service, t: t, server: w.server.With(t)}
		for i, schedule := range []string{`{"startTime":1,"frequency":"hour","interval":1}`, `{"startTime":5e9,"frequency":"hour","interval":1}`, `{}`} {
			mode := ""
			if i == 2 {
				mode = "?mode=draft"
			}
			id := w.made(w.server.Do("POST", base+"/flows"+mode, flowText(source, target, schedule)))
			r := w.server.Do("PATCH", base+"/flows/"+id, patch, "If-Match", "*")
			fine(t, "PATCH", r.Status, r.Body)
			r = w.server.Do("POST", base+"/flows/"+id+"/action?op=publish", nil)
			fine(t, "publish", r.Status, r.Body)
			w.one("/flows/" + id)
			w.due()
			r = w.server.Do("DELETE", base+"/flows/"+id, nil)
			fine(t, "DELETE", r.Status, r.Body)
		}
	})
}

func FuzzCreateRun(f *testing.F) {
	w := newWorld(f)
	id := w.flow(`{"startTime":5e9}`)
	for _, params := range []string{`{}`, `null`, `{"startTime":"1663735590","windowStartTime":"1651584991","windowEndTime":1651585959000}`, `{"windowStartTime":-1,"windowEndTime":1e99}`} {
		f.Add(`{"flowId":"`+id+`","params":`+params+`}`, "re-trigger")
	}
	f.Fuzz(func(t *testing.T, body, op string) {
		w := &world{Service: w.Service, t: t, server: w.server.With(t), now: worldStart}
		r := w.server.Do("POST", base+"/runs", body)
		fine(t, "POST", r.Status, r.Body)
		if r.Status != http.StatusCreated {
			return
		}
		run := w.made(r)
		w.one("/runs/" + run)
		for _, j := range w.due() {
			w.finish(j, Failed)
		}
		r = w.server.Do("POST", base+"/runs/"+run+"/action?op="+url.QueryEscape(op), nil)
		fine(t, "action", r.Status, r.Body)
		for _, j := range w.due() {
			w.finish(j, Success)
		}
	})
}

func FuzzRunFilters(f *testing.F) {
	w := newWorld(f)
	w.many(5, 50)
	for _, q := range [][2]string{
		{"metrics.statusSummary.status==IN_PROGRESS,failed", "-createdAt"},
		{"metrics.durationSummary.startedAtUTC>1670880253121", "+flowId,-createdAt"},
		{"flowId==x", ""},
		{"activities[].statusSummary.status!=success", "metrics"},
		{"metrics.recordSummary.inputRecordCount<=2.5e0", "id"},
		{"id,metrics", "-"},
	} {
		f.Add(q[0], q[1], uint8(7))
	}
	f.Fuzz(func(t *testing.T, property, order string, limit uint8) {
		w := &world{Service: w.Service, t: t, server: w.server.With(t)}
		values := url.Values{"property": {property}, "orderby": {order}}
		count := w.server.Do("GET", base+"/runs?count=true&"+values.Encode(), nil)
		fine(t, "count", count.Status, count.Body)
		values.Set("limit", strconv.Itoa(int(limit%100)+1))
		r := w.server.Do("GET", base+"/runs?"+values.Encode(), nil)
		fine(t, "GET", r.Status, r.Body)
		if r.Status != count.Status {
			t.Fatalf("%d %s, but count %d %s", r.Status, r.Body, count.Status, count.Body)
		}
		if r.Status != http.StatusOK {
			return
		}
		ids := w.ids("/runs?" + values.Encode())
		if got := w.get("/runs?count=true&" + url.Values{"property": {property}, "orderby": {order}}.Encode())["count"]; got != jsonNumber(len(ids)) {
			t.Errorf("%d items, count %v", len(ids), got)
		}
	})
}
