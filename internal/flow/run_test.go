package flow

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/openapitest"
)

func TestCreateRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, schedule, params string
		code                   string // "" for what is done
		want                   Ask
	}{
		{"window in seconds", `{}`, `{"startTime":"1663735590","windowStartTime":"1651584991","windowEndTime":"1651585959"}`, "", Ask{At: worldStart.UnixMilli(), From: 1651584991000, To: 1651585959000}},
		{"window in ms", `{}`, `{"windowStartTime":1651584991000,"windowEndTime":1651585959001,"deltaColumn":{"name":"created"}}`, "", Ask{At: worldStart.UnixMilli(), From: 1651584991000, To: 1651585959001}},
		{"end of eleven digits", `{}`, `{"windowStartTime":"1651584991","windowEndTime":"16515859590"}`, "", Ask{At: worldStart.UnixMilli(), From: 1651584991000, To: 16515859590000}},
		{"no window", `{}`, `{}`, "", Ask{At: worldStart.UnixMilli()}},
		{"nulls", `{}`, `{"startTime":null,"windowStartTime":null,"windowEndTime":null}`, "", Ask{At: worldStart.UnixMilli()}},
		{"no params", `{}`, `null`, "", Ask{At: worldStart.UnixMilli()}},
		{"later", `{}`, `{"startTime":5000000000}`, "", Ask{At: 5000000000000}},
		{"scheduled flow", `{"frequency":"hour","interval":1,"startTime":5e9}`, `{"startTime":"1663735590"}`, "", Ask{At: worldStart.UnixMilli()}},
		{"scheduled flow, window", `{"frequency":"hour","interval":1,"startTime":5e9}`, `{"windowStartTime":1,"windowEndTime":2}`, "CONNECTOR-1386-400", Ask{}},
		{"scheduled flow, half a window", `{"frequency":"hour","interval":1,"startTime":5e9}`, `{"windowStartTime":1}`, "CONNECTOR-1386-400", Ask{}},
		{"scheduled flow, later", `{"frequency":"hour","interval":1,"startTime":5e9}`, `{"startTime":5000000000}`, "CONNECTOR-1312-400", Ask{}},
		{"no end", `{}`, `{"windowStartTime":1}`, "CONNECTOR-1384-400", Ask{}},
		{"no start", `{}`, `{"windowEndTime":1}`, "CONNECTOR-1384-400", Ask{}},
		{"end before start", `{}`, `{"windowStartTime":2,"windowEndTime":1}`, "CONNECTOR-1381-400", Ask{}},
		{"end at start", `{}`, `{"windowStartTime":1,"windowEndTime":"1"}`, "CONNECTOR-1381-400", Ask{}},
		{"empty from the beginning", `{}`, `{"windowStartTime":0,"windowEndTime":0}`, "CONNECTOR-1381-400", Ask{}},
		{"no time", `{}`, `{"windowStartTime":"yesterday","windowEndTime":1}`, "CONNECTOR-1340-400", Ask{}},
		{"no start time", `{}`, `{"startTime":"now"}`, "CONNECTOR-1340-400", Ask{}},
		{"params are no object", `{}`, `[]`, "FLOW-1455-400", Ask{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.flow(`{"startTime":5e9}`)
			if test.schedule != `{}` {
				id = w.flow(test.schedule)
			}
			r := w.server.Do("POST", base+"/runs/", `{"flowId":"`+id+`","params":`+test.params+`}`)
			if test.code != "" {
				w.refused(test.code, r)
				if n := len(w.ids("/runs")); n != 0 {
					t.Errorf("%d runs", n)
				}
				return
			}
			if r.Status != http.StatusCreated {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
			run, err := load(t.Context(), w.Service, runs, w.caller, w.made(r))
			if err != nil {
				t.Fatal(err)
			}
			test.want.Kind = OnDemand
			if diff := cmp.Diff(test.want, run.Ask); diff != "" {
				t.Error(diff)
			}
			written := map[string]any{"id": run.ID, "etag": run.Etag}
			if diff := cmp.Diff(map[string]any{"id": run.ID, "etag": run.Etag, "items": []any{written}}, r.JSON(t)); diff != "" {
				t.Error(diff)
			}
			if got := r.Header.Get("Location"); got != base+"/runs/"+run.ID {
				t.Errorf("location %q", got)
			}
			now := test.want.At == worldStart.UnixMilli()
			if jobs := w.due(); len(jobs) == 1 != now || len(w.queue) == 1 != now {
				t.Errorf("jobs %+v, queue %+v", jobs, w.queue)
			}
			w.refused("CONNECTOR-1380-400", w.server.Do("POST", base+"/runs", `{"flowId":"`+id+`"}`))
			ref := Ref{Org: run.Org, Sandbox: run.SandboxID, Run: run.ID}
			if ok, err := w.Take(t.Context(), ref, 1, "a"); err != nil || ok != now {
				t.Errorf("taken: %v %v", ok, err)
			}
			if err := w.Release(t.Context(), ref, "a"); err != nil {
				t.Error(err)
			}
			w.sleep(time.UnixMilli(test.want.At).Sub(w.time()))
			if jobs := w.due(); len(jobs) != 1 || jobs[0].Run != run.ID {
				t.Errorf("jobs %+v", jobs)
			}
		})
	}
	w := newWorld(t)
	for body, want := range map[string]string{
		`{}`: "FLOW-1446-400", `{"flowId":null}`: "FLOW-1446-400", `{"flowId":" "}`: "FLOW-1446-400", `{"flowId":7}`: "FLOW-1455-400",
		`{"flowId":"84c64142-1741-4b0b-95a9-65644eba0cf6"}`: "FLOW-1430-400", `{"flowId":"\u0000"}`: "FLOW-1430-400",
	} {
		w.refused(want, w.server.Do("POST", base+"/runs", body))
	}
}

func TestRunShape(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.flow(`{}`)
	job := w.due()[0]
	now := json.Number(strconv.FormatInt(worldStart.UnixMilli(), 10))
	got := w.one("/runs/" + job.Run)
	etag := got["etag"]
	provider, _ := got["providerRefId"].(string)
	if !strings.HasPrefix(provider, "M-"+flow+"-scheduled-0:") {
		t.Errorf("providerRefId %q", provider)
	}
	want := map[string]any{
		"id": job.Run, "createdAt": now, "updatedAt": now, "createdBy": "client@techacct.adobe.com", "updatedBy": "client@techacct.adobe.com", "createdClient": "client", "updatedClient": "client",
		"sandboxId": w.caller.Sandbox.ID, "sandboxName": "prod", "imsOrgId": w.caller.Org, "flowId": flow, "flowSpec": map[string]any{"id": FlowSpec, "version": "1.0"},
		"providerRefId": provider, "version": etag, "etag": etag, "activities": []any{},
		"metrics": map[string]any{
			"durationSummary": map[string]any{"startedAtUTC": now}, "sizeSummary": map[string]any{"inputBytes": json.Number("0"), "outputBytes": json.Number("0")},
			"recordSummary": map[string]any{"inputRecordCount": json.Number("0"), "outputRecordCount": json.Number("0")},
			"fileSummary":   map[string]any{"inputFileCount": json.Number("-1"), "outputFileCount": json.Number("-1")},
			"statusSummary": map[string]any{"status": "inProgress", "errors": []any{}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	run, err := load(t.Context(), w.Service, runs, w.caller, job.Run)
	if err != nil {
		t.Fatal(err)
	}
	if len(run.BatchID) != 26 || strings.Trim(run.BatchID, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" || run.BatchID[0] != '0' {
		t.Errorf("batch id %q", run.BatchID)
	}
	w.refused("FLOW-2120-403", w.server.Do("PUT", base+"/runs/"+job.Run, `{}`))
}

func TestRetrigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.flow(`{"startTime":5e9}`)
	again := func(run, op string, header ...string) (string, *Run) {
		r := w.server.Do("POST", base+"/runs/"+run+"/action?op="+op, nil, header...)
		if r.Status != http.StatusOK {
			return code(t, r), nil
		}
		v, err := load(t.Context(), w.Service, runs, w.caller, w.made(r))
		if err != nil {
			t.Fatal(err)
		}
		return "", v
	}
	first := w.made(w.server.Do("POST", base+"/runs", `{"flowId":"`+flow+`","params":{"windowStartTime":1,"windowEndTime":2}}`))
	for op, want := range map[string]string{"": "CONNECTOR-1401-400", "stop": "CONNECTOR-1401-400", "re-trigger": "CONNECTOR-1387-400"} {
		if got, _ := again(first, op); got != want {
			t.Errorf("op=%s: %s, want %s", op, got, want)
		}
	}
	w.finish(w.due()[0], Failed, func(r *Run) { r.Metrics.Records.Input = 5 })
	if got, _ := again(first, "re-trigger", "If-Match", "x"); got != "FLOW-1404-412" {
		t.Error(got)
	}
	w.sleep(time.Minute)
	got, second := again(first, "RE_TRIGGER")
	if second == nil {
		t.Fatal(got)
	}
	if diff := cmp.Diff(Ask{Kind: Retrigger, At: w.time().UnixMilli(), From: 1000, To: 2000}, second.Ask); diff != "" || second.ID == first {
		t.Error(diff)
	}
	if got, _ := again(first, "re-trigger"); got != "CONNECTOR-1380-400" {
		t.Errorf("beside a run that is not finished: %s", got)
	}
	w.finish(w.due()[0], Success)
	if f, err := load(t.Context(), w.Service, flows, w.caller, flow); err != nil || f.Until != 0 {
		t.Errorf("until %d, %v: a window moves nothing", f.Until, err)
	}
	_, third := again(second.ID, "re-trigger")
	if third == nil {
		t.Fatal("a run that found nothing can't be done again")
	}
	w.finish(w.due()[0], Success, func(r *Run) { r.Metrics.Records.Input = 1 })
	if got, _ := again(third.ID, "re-trigger"); got != "CONNECTOR-1387-400" {
		t.Errorf("after a success: %s", got)
	}
	w.made(w.server.Do("POST", base+"/flows/"+flow+"/action?op=disable", nil))
	if got, _ := again(first, "re-trigger"); got != "CONNECTOR-1388-400" {
		t.Errorf("of a disabled flow: %s", got)
	}
	if got, _ := again("x", "re-trigger"); got != "FLOW-1439-404" {
		t.Error(got)
	}
}

// many puts down flows and runs of all sorts. The runs are in the order of their
// creation, of which some are at one moment.
func (w *world) many(flowCount, runCount int) (all []Flow, made []Run) {
	w.t.Helper()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same ones each time
	source, target := w.ends()
	template, err := load(w.t.Context(), w.Service, flows, w.caller, w.made(w.server.Do("POST", base+"/flows?mode=draft", flowText(source, target, `{"frequency":"hour","interval":1}`))))
	if err != nil {
		w.t.Fatal(err)
	}
	w.server.Do("DELETE", base+"/flows/"+template.ID, nil)
	id := func() string { return uuid.Must(uuid.NewRandomFromReader(w.random())).String() }
	chunk := func(n int, put func(t *docstore.Tx, i int) error) {
		for from := 0; from < n; from += 500 {
			w.do(func(t *docstore.Tx) error {
				for i := from; i < min(n, from+500); i++ {
					if err := put(t, i); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	for i := range flowCount {
		f := *template
		f.ID, f.CreatedAt, f.Name = id(), worldStart.UnixMilli()+int64(i/2), fmt.Sprintf("flow %03d", random.IntN(flowCount))
		f.State = []string{Enabled, Disabled, Draft}[random.IntN(3)]
		all = append(all, f)
	}
	chunk(flowCount, func(t *docstore.Tx, i int) error { return putFlow(t, scope(w.caller), docstore.Doc{}, &all[i]) })
	for i := range runCount {
		r := Run{Item: template.Item, FlowID: all[random.IntN(flowCount)].ID, FlowSpec: template.Spec, Activities: []Activity{}}
		r.ID, r.CreatedAt, r.Name, r.State = id(), worldStart.UnixMilli()+int64(i/3), "", ""
		r.Metrics.Duration.Started = r.CreatedAt + random.Int64N(1000)
		r.Metrics.Records = Records{Input: random.Int64N(5), Output: random.Int64N(3)}
		r.Metrics.Status.Status = []string{InProgress, Success, Failed}[random.IntN(3)]
		made = append(made, r)
	}
	chunk(runCount, func(t *docstore.Tx, i int) error { return runs.put(t, scope(w.caller), docstore.Doc{}, &made[i]) })
	return all, made
}

// Lists of runs and flows are those that a model says, whatever the page size.
func TestListsAgreeWithModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flowCount, runCount, pages := 1000, 10_000, 100
	if testing.Short() {
		flowCount, runCount, pages = 20, 150, 7
	}
	all, made := w.many(flowCount, runCount)
	newest := func(i, j Item) int {
		if i.CreatedAt != j.CreatedAt {
			return int(j.CreatedAt - i.CreatedAt)
		}
		return strings.Compare(j.ID, i.ID)
	}
	middle := made[runCount/2]
	at := strconv.FormatInt(middle.Metrics.Duration.Started, 10)
	for _, test := range []struct {
		query string
		match func(*Run) bool
	}{
		{"", func(*Run) bool { return true }},
		{"orderby=-createdAt", func(*Run) bool { return true }},
		{"property=flowId==" + middle.FlowID, func(r *Run) bool { return r.FlowID == middle.FlowID }},
		{"property=flowId==" + strings.ToUpper(middle.FlowID), func(r *Run) bool { return r.FlowID == middle.FlowID }},
		{"property=flowId==" + all[0].ID + "," + all[1].ID, func(r *Run) bool { return r.FlowID == all[0].ID || r.FlowID == all[1].ID }},
		{"property=flowId==x", func(*Run) bool { return false }},
		{"property=metrics.statusSummary.status==Failed", func(r *Run) bool { return r.Metrics.Status.Status == Failed }},
		{"property=metrics.statusSummary.status==PARTIAL_FAILURE", func(r *Run) bool { return r.Metrics.Status.Status == Failed }},
		{"property=metrics.statusSummary.status==COMPLETED,failed", func(r *Run) bool { return r.Metrics.Status.Status != InProgress }},
		{"property=metrics.statusSummary.status!=IN_PROGRESS", func(r *Run) bool { return r.Metrics.Status.Status != InProgress }},
		{`property=metrics.statusSummary.status=="queued"`, func(r *Run) bool { return r.Metrics.Status.Status == InProgress }},
		{"property=metrics.durationSummary.startedAtUTC>" + at, func(r *Run) bool { return r.Metrics.Duration.Started > middle.Metrics.Duration.Started }},
		{"property=metrics.durationSummary.startedAtUTC<=" + at + "&property=metrics.recordSummary.inputRecordCount>=2&property=metrics.statusSummary.status==success", func(r *Run) bool {
			return r.Metrics.Duration.Started <= middle.Metrics.Duration.Started && r.Metrics.Records.Input >= 2 && r.Metrics.Status.Status == Success
		}},
		{"property=id==" + middle.ID, func(r *Run) bool { return r.ID == middle.ID }},
		{"property=metrics.recordSummary.outputRecordCount=1&property=flowId==" + middle.FlowID, func(r *Run) bool { return r.Metrics.Records.Output == 1 && r.FlowID == middle.FlowID }},
	} {
		var match []Item
		for i := range made {
			if test.match(&made[i]) {
				match = append(match, made[i].Item)
			}
		}
		slices.SortFunc(match, newest)
		want := make([]string, len(match))
		for i := range match {
			want[i] = match[i].ID
		}
		query := strings.NewReplacer(`"`, "%22", ">", "%3E", "<", "%3C").Replace(test.query)
		if diff := cmp.Diff(want, w.ids("/runs?limit="+strconv.Itoa(pages)+"&"+query)); diff != "" {
			t.Errorf("%s: %s", test.query, diff)
		}
		if got := w.get("/runs?count=true&" + query)["count"]; got != json.Number(strconv.Itoa(len(want))) {
			t.Errorf("%s: count %v, want %d", test.query, got, len(want))
		}
	}
	names := slices.Clone(all)
	slices.SortFunc(names, func(a, b Flow) int {
		if c := strings.Compare(b.Name, a.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	var want []string
	for _, f := range names {
		if f.State == Enabled {
			want = append(want, f.ID)
		}
	}
	if diff := cmp.Diff(want, w.ids("/flows?limit="+strconv.Itoa(pages)+"&orderby=-name&property=state==ENABLED")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(10, len(w.get("/flows?property=inheritedAttributes.targetConnections[].connectionSpec.id==" + DataLakeSpec + "&limit=10")["items"].([]any))); diff != "" {
		t.Error(diff)
	}
	got := w.server.Do("POST", base+"/runs/search", `{"queryString":"property=flowId==`+middle.FlowID+`&property=metrics.statusSummary.status==SUCCESS","limit":1000}`)
	n := 0
	for i := range made {
		if made[i].FlowID == middle.FlowID && made[i].Metrics.Status.Status == Success {
			n++
		}
	}
	if items := got.JSON(t).(map[string]any)["items"].([]any); len(items) != n {
		t.Errorf("%d items, want %d", len(items), n)
	}
}

func TestRunFilterRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.flow(`{}`)
	for query, want := range map[string]string{
		"property=metrics.statusSummary.status==gone": "FLOW-1452-400", "property=metrics.durationSummary.startedAtUTC>yesterday": "FLOW-1452-400",
		"property=ask.kind==scheduled": "FLOW-1449-400", "property=batchId==1": "FLOW-1449-400", "orderby=ask": "FLOW-1433-400", "property=flowId~a": "FLOW-1440-400",
		"property=createdAt>1,2": "FLOW-1443-400", "limit=5&count=true": "FLOW-1401-400", "continuationToken=x": "FLOW-1451-400",
	} {
		query = strings.ReplaceAll(query, ">", url.QueryEscape(">"))
		for _, path := range []string{"/runs", "/flows/" + id + "/runs"} {
			w.refused(want, w.server.Do("GET", base+path+"?"+query, nil))
		}
	}
}

// deviations are where the published description says one thing and the guides
// another. The guides win: they show all of scheduleParams as texts.
var deviations = regexp.MustCompile(`/items/\d+/scheduleParams/(startTime: value must be an integer|backfill: value must be a boolean)(; )?`)

func TestOpenAPIOfFlows(t *testing.T) {
	t.Parallel()
	doc := openapitest.Load(t, "flow-service")
	w := newWorld(t)
	source, target := w.ends()
	flow := w.flow(`{"startTime":5e9,"frequency":"hour","interval":1}`)
	run := w.made(w.server.Do("POST", base+"/runs", `{"flowId":"`+flow+`"}`))
	w.finish(w.due()[0], Failed, func(r *Run) {
		r.Activities = []Activity{{ID: "copyActivity", Name: "Copy Activity", Status: Status{Status: Failed, Extensions: map[string]any{"type": "one-time"}}}}
		r.Metrics.Status.Errors = []RunError{{Code: "CONNECTOR-1001-500", Message: "it failed"}}
	})
	w.made(w.patch(flow, `[{"op":"add","path":"/options","value":{"partialIngestionPercent":"10"}}]`))
	etag := w.etag("/flows/" + flow)
	for _, call := range []struct{ method, path, described, body string }{
		{"POST", "/flows", "/flows", flowText(source, target, `{}`)},
		{"GET", "/flows", "/flows", ""},
		{"GET", "/flows?limit=1", "/flows", ""},
		{"GET", "/flows?count=true", "/flows", ""},
		{"POST", "/flows/search", "/flows/search", `{"queryString":"property=state==enabled"}`},
		{"GET", "/flows/" + flow, "/flows/{FLOW_ID}", ""},
		{"POST", "/flows/" + flow + "/action?op=ENABLE", "/flows/{FLOW_ID}/action", ""},
		{"GET", "/runs", "/runs", ""},
		{"GET", "/runs?count=true", "/runs", ""},
		{"GET", "/runs/" + run, "/runs/{RUN_ID}", ""},
		{"POST", "/runs/" + run + "/action?op=RE_TRIGGER", "/runs/{RUN_ID}/action", ""},
		{"PATCH", "/flows/" + flow, "/flows/{FLOW_ID}", `[{"op":"replace","path":"/name","value":"b"}]`},
		{"DELETE", "/flows/" + flow, "/flows/{FLOW_ID}", ""},
	} {
		var body any
		if call.body != "" {
			body = call.body
		}
		var header []string
		if call.method == "PATCH" {
			header = []string{"If-Match", etag}
		}
		r := w.server.Do(call.method, base+call.path, body, header...)
		if r.Status >= 300 {
			t.Errorf("%s %s: %d %s", call.method, call.path, r.Status, r.Body)
			continue
		}
		if err := doc.Check(call.method, call.described, r.Status, r.Body); err != nil {
			if left := deviations.ReplaceAllString(err.Error(), ""); !strings.HasSuffix(left, " 200: ") {
				t.Error(left)
			}
		}
	}
}
