package monitor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/monitor"
)

const root = "/data/tributary/monitor"

var now = time.Date(2024, 3, 12, 18, 30, 0, 0, time.UTC)

type names struct{}

func (names) Names(_ context.Context, _ access.Caller, ids []string) (map[string]string, error) {
	all := map[string]string{}
	for _, id := range ids {
		all[id] = "dataset " + id
	}
	return all, nil
}

// A rig is the service over a Flow Service, and what was put there.
type rig struct {
	*gatewaytest.Server
	db     *docstore.DB
	caller access.Caller
	flows  map[string]*flow.Flow
	runs   map[string]*flow.Run
	docs   map[string]docstore.Doc // by id
	puts   []docstore.Doc
}

func newRig(t testing.TB, name string) *rig {
	t.Helper()
	db, err := docstore.Open(t.Context(), name, func() time.Time { return now }, flow.Indexes()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	clock := func() time.Time { return now }
	s := &monitor.Service{Flows: &flow.Service{DB: db, Now: clock}, Datasets: names{}, Now: clock}
	return &rig{gatewaytest.New(t, s.HTTP()), db, gatewaytest.Admin("prod"), map[string]*flow.Flow{}, map[string]*flow.Run{}, map[string]docstore.Doc{}, nil}
}

func (r *rig) scope() docstore.Scope {
	return docstore.Scope{Org: r.caller.Org, Sandbox: r.caller.Sandbox.ID}
}

// reset empties the sandbox.
func (r *rig) reset(ctx context.Context) error {
	clear(r.flows)
	clear(r.runs)
	clear(r.docs)
	return r.db.Do(ctx, func(t *docstore.Tx) error {
		if err := t.Clear(docstore.Scope{}); err != nil {
			return err
		}
		return t.Clear(r.scope())
	})
}

// put writes a document: a new one, or in the place of the one of that id.
func (r *rig) put(ctx context.Context, s docstore.Scope, kind, id, parent string, created int64, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.db.Do(ctx, func(t *docstore.Tx) error {
		d := r.docs[id+kind]
		d.Kind, d.ID, d.Parent, d.Body = kind, id, parent, body
		if d.Revision == 0 {
			d.Created = time.UnixMilli(created)
		}
		d, err := t.Put(s, d)
		if err == nil {
			r.docs[id+kind] = d
		}
		return err
	})
}

// later puts new documents down for flush, which writes many at once.
func (r *rig) later(kind, id, parent string, created int64, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	r.puts = append(r.puts, docstore.Doc{Kind: kind, ID: id, Parent: parent, Created: time.UnixMilli(created), Body: body})
}

func (r *rig) flush(ctx context.Context) error {
	for some := range slices.Chunk(r.puts, 1000) {
		err := r.db.Do(ctx, func(t *docstore.Tx) error {
			for _, d := range some {
				if _, err := t.Put(r.scope(), d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *rig) putFlow(ctx context.Context, f *flow.Flow) error {
	r.flows[f.ID] = f
	parent := ""
	if len(f.Labels) > 0 {
		parent = "labelled"
	}
	return r.put(ctx, r.scope(), "flow.flow", f.ID, parent, f.CreatedAt, f)
}

func (r *rig) putRun(ctx context.Context, run *flow.Run) error {
	r.runs[run.ID] = run
	if err := r.put(ctx, r.scope(), "flow.run", run.ID, run.FlowID, run.CreatedAt, run); err != nil {
		return err
	}
	f := r.flows[run.FlowID]
	if f.LastRun == nil || r.runs[f.LastRun.ID].CreatedAt <= run.CreatedAt {
		f.LastRun = &flow.LastRun{ID: run.ID, State: run.Metrics.Status.Status, Started: run.Metrics.Duration.Started, Completed: run.Metrics.Duration.Completed}
	}
	return r.putFlow(ctx, f)
}

func (r *rig) putAccount(ctx context.Context, id, name string) error {
	return r.put(ctx, r.scope(), "flow.connection", id, "", 1, &flow.Connection{
		Item: flow.Item{ID: id, Name: name, State: flow.Enabled, CreatedAt: 1}, Spec: flow.Spec{ID: flow.StripeSpec}, Account: &flow.Account{ID: "acct_" + id, Livemode: true},
	})
}

func (r *rig) item(id, name string, created int64) flow.Item {
	return flow.Item{ID: id, Name: name, CreatedAt: created, UpdatedAt: created, Org: r.caller.Org, SandboxID: r.caller.Sandbox.ID}
}

// draw fills the sandbox with flows and runs: runs come, go on, end, and go.
func (r *rig) draw(ctx context.Context, rt *rapid.T) {
	check := func(err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	check(r.reset(ctx))
	for _, id := range []string{"a", "b"} {
		check(r.putAccount(ctx, id, "Shop "+id))
	}
	for i := range rapid.IntRange(1, 5).Draw(rt, "flows") {
		f := &flow.Flow{Item: r.item(fmt.Sprint("flow", i), rapid.SampledFrom([]string{"Charges", "charges", "REFUNDS é", "x"}).Draw(rt, "name"), int64(i/2))}
		f.State = rapid.SampledFrom([]string{flow.Enabled, flow.Enabled, flow.Disabled, flow.Draft}).Draw(rt, "state")
		if f.State == flow.Disabled && rapid.Bool().Draw(rt, "stopped") {
			f.Stopped = "the key is gone"
		}
		if f.State != flow.Draft {
			f.Schedule = &flow.Schedule{Start: "1710000000", Frequency: "hour", Interval: "1", Backfill: "true"}
			check(r.put(ctx, docstore.Scope{}, "flow.schedule", f.ID, "", 1, map[string]any{
				"org": r.caller.Org, "sandbox": r.caller.Sandbox.ID, "next": 1_710_300_000_000 + int64(i%3), "paused": f.State == flow.Disabled,
			}))
		}
		f.Until = rapid.SampledFrom([]int64{0, 5, 7}).Draw(rt, "until")
		f.Route = flow.Route{ConnectionID: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "account"), Resource: rapid.SampledFrom([]string{"charges", "refunds"}).Draw(rt, "resource"), DatasetID: fmt.Sprint("d", i%2)}
		if i == 4 {
			f.Labels = []string{"secret"}
		}
		check(r.putFlow(ctx, f))
	}
	for i := range rapid.IntRange(0, 20).Draw(rt, "runs") {
		began := now.Add(-time.Duration(rapid.IntRange(0, 4000).Draw(rt, "ago")) * time.Minute).UnixMilli()
		run := &flow.Run{Item: r.item(fmt.Sprint("run", i), "", began), FlowID: fmt.Sprint("flow", rapid.IntRange(0, len(r.flows)-1).Draw(rt, "of")), Ask: flow.Ask{Kind: flow.Scheduled}}
		run.Metrics.Duration.Started = began
		for _, status := range []string{flow.InProgress, rapid.SampledFrom([]string{flow.InProgress, flow.Success, flow.Failed}).Draw(rt, "status")} {
			run.Metrics.Status.Status = status
			n := rapid.Int64Range(0, 3).Draw(rt, "records")
			run.Metrics.Records = flow.Records{Input: 10 + n, Output: 10 - n, Failed: n, Skipped: n / 2, Deleted: n}
			if status != flow.InProgress && rapid.IntRange(0, 5).Draw(rt, "no end") > 0 {
				run.Metrics.Duration.Completed = min(began+int64(rapid.IntRange(0, 7200).Draw(rt, "seconds"))*1000, now.UnixMilli())
			}
			check(r.putRun(ctx, run))
		}
	}
}

func (r *rig) get(rt interface{ Fatalf(string, ...any) }, user access.Principal, path string, into any) {
	reply := r.As(user, "GET", root+path, nil)
	if reply.Status != 200 {
		rt.Fatalf("%s: %d %s", path, reply.Status, reply.Body)
	}
	if err := json.Unmarshal(reply.Body, into); err != nil {
		rt.Fatalf("%s: %v", reply.Body, err)
	}
}

type numbers struct{ Runs, FailedRuns, RecordsRead, RecordsIngested, RecordsFailed, RecordsSkipped, RecordsDeleted int64 }

func (n *numbers) add(r *flow.Run) {
	m := r.Metrics
	n.Runs++
	if m.Status.Status == flow.Failed {
		n.FailedRuns++
	}
	n.RecordsRead += m.Records.Input
	n.RecordsIngested += m.Records.Output
	n.RecordsFailed += m.Records.Failed
	n.RecordsSkipped += m.Records.Skipped
	n.RecordsDeleted += m.Records.Deleted
}

// A summary has the numbers that one gets by reading all runs.
func TestSummaryAgreesWithModel(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		r := newRig(t, name)
		rapid.Check(t, func(rt *rapid.T) {
			r.draw(t.Context(), rt)
			from := now.Add(-time.Duration(rapid.IntRange(1, 100).Draw(rt, "from")) * time.Hour).Truncate(time.Hour)
			to := from.Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "long")) * time.Hour)
			bucket := rapid.SampledFrom([]string{"hour", "day"}).Draw(rt, "bucket")
			step := map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour}[bucket]
			failures := rapid.Bool().Draw(rt, "failures")
			user := r.caller.Principal
			if user.Admin = rapid.Bool().Draw(rt, "administrator"); !user.Admin {
				user.Grants = map[string][]access.Permission{"prod": {access.ViewMonitoring}}
			}
			values := url.Values{"from": {from.Add(time.Duration(rapid.IntRange(0, 3599).Draw(rt, "late")) * time.Second).Format(time.RFC3339)}, "to": {fmt.Sprint(to.UnixMilli())}, "bucket": {bucket}, "failures": {fmt.Sprint(failures)}}
			account, only := rapid.SampledFrom([]string{"", "", "a"}).Draw(rt, "of account"), rapid.SampledFrom([]string{"", "", "flow0"}).Draw(rt, "of flow")
			for name, v := range map[string]string{"connectionId": account, "flowId": only} {
				if v != "" {
					values.Set(name, v)
				}
			}

			perFlow := map[string]*numbers{}
			ended := func(run *flow.Run) int64 {
				if run.Metrics.Status.Status == flow.InProgress {
					return -1
				}
				if c := run.Metrics.Duration.Completed; c != 0 {
					return c
				}
				return run.UpdatedAt
			}
			counted := func(run *flow.Run) bool {
				f := r.flows[run.FlowID]
				at := ended(run)
				return at >= from.UnixMilli() && at < to.UnixMilli() && (user.Admin || len(f.Labels) == 0) && (account == "" || f.Route.ConnectionID == account) && (only == "" || f.ID == only)
			}
			for _, run := range r.runs {
				if counted(run) {
					if perFlow[run.FlowID] == nil {
						perFlow[run.FlowID] = &numbers{}
					}
					perFlow[run.FlowID].add(run)
				}
			}
			for id, n := range perFlow {
				if failures && n.FailedRuns == 0 && n.RecordsFailed == 0 {
					delete(perFlow, id)
				}
			}
			var total numbers
			perAccount, series := map[string]numbers{}, map[int64]numbers{}
			for _, run := range r.runs {
				if counted(run) && perFlow[run.FlowID] != nil {
					total.add(run)
					id, at := r.flows[run.FlowID].Route.ConnectionID, time.UnixMilli(ended(run)).UTC().Truncate(step).UnixMilli()
					a, p := perAccount[id], series[at]
					a.add(run)
					p.add(run)
					perAccount[id], series[at] = a, p
				}
			}

			var got struct {
				Totals struct {
					numbers
					Runs, FailedRuns, RecordsRead, RecordsIngested, RecordsFailed, RecordsSkipped, RecordsDeleted int64
					Flows, FlowsFailed                                                                            int
				}
				Series []struct {
					At                                                                                            int64
					Runs, FailedRuns, RecordsRead, RecordsIngested, RecordsFailed, RecordsSkipped, RecordsDeleted int64
				}
				Accounts []struct {
					ConnectionID, Name                                                                            string
					Runs, FailedRuns, RecordsRead, RecordsIngested, RecordsFailed, RecordsSkipped, RecordsDeleted int64
					Flows                                                                                         []struct {
						ID                                                                                            string
						Runs, FailedRuns, RecordsRead, RecordsIngested, RecordsFailed, RecordsSkipped, RecordsDeleted int64
					}
				}
			}
			r.get(rt, user, "/summary?"+values.Encode(), &got)
			g := got.Totals
			if diff := cmp.Diff(total, numbers{g.Runs, g.FailedRuns, g.RecordsRead, g.RecordsIngested, g.RecordsFailed, g.RecordsSkipped, g.RecordsDeleted}); diff != "" || g.Flows != len(perFlow) {
				rt.Fatalf("%d flows: %s", g.Flows, diff)
			}
			if n := int(to.Add(step-1).Truncate(step).Sub(from.Truncate(step)) / step); len(got.Series) != n {
				rt.Fatalf("%d points, want %d", len(got.Series), n)
			}
			for i, p := range got.Series {
				if at := from.Truncate(step).Add(time.Duration(i) * step).UnixMilli(); p.At != at {
					rt.Fatalf("point %d is at %d, want %d", i, p.At, at)
				}
				if diff := cmp.Diff(series[p.At], numbers{p.Runs, p.FailedRuns, p.RecordsRead, p.RecordsIngested, p.RecordsFailed, p.RecordsSkipped, p.RecordsDeleted}); diff != "" {
					rt.Fatalf("%d: %s", p.At, diff)
				}
			}
			flows := 0
			for _, a := range got.Accounts {
				if diff := cmp.Diff(perAccount[a.ConnectionID], numbers{a.Runs, a.FailedRuns, a.RecordsRead, a.RecordsIngested, a.RecordsFailed, a.RecordsSkipped, a.RecordsDeleted}); diff != "" || a.Name != "Shop "+a.ConnectionID {
					rt.Fatalf("%s: %s", a.Name, diff)
				}
				for _, f := range a.Flows {
					flows++
					if diff := cmp.Diff(perFlow[f.ID], &numbers{f.Runs, f.FailedRuns, f.RecordsRead, f.RecordsIngested, f.RecordsFailed, f.RecordsSkipped, f.RecordsDeleted}); diff != "" {
						rt.Fatalf("%s: %s", f.ID, diff)
					}
				}
			}
			if flows != len(perFlow) || len(got.Accounts) != len(perAccount) {
				rt.Fatalf("%d flows of %d, %d accounts of %d", flows, len(perFlow), len(got.Accounts), len(perAccount))
			}
		})
	})
}

// badge is how a flow is shown, by the contract's table.
func (r *rig) badge(f *flow.Flow) string {
	var last *flow.Run
	if f.LastRun != nil {
		last = r.runs[f.LastRun.ID]
	}
	switch {
	case f.State == flow.Draft:
		return "draft"
	case last != nil && last.Metrics.Status.Status == flow.InProgress:
		return "processing"
	case f.Stopped != "":
		return "failed"
	case f.State == flow.Disabled:
		return "disabled"
	case last == nil:
		return "new"
	case last.Metrics.Status.Status == flow.Failed:
		return "failed"
	case last.Metrics.Records.Failed > 0:
		return "completedWithErrors"
	}
	return "success"
}

// Lists of dataflows, of what is due and of what is not finished are what one gets
// by reading all documents, however they are asked for.
func TestListsAgreeWithModel(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		r := newRig(t, name)
		rapid.Check(t, func(rt *rapid.T) {
			r.draw(t.Context(), rt)
			search := rapid.SampledFrom([]string{"", "", "CHAR", "é", "none"}).Draw(rt, "search")
			badges := rapid.SampledFrom([]string{"", "", "failed,processing", "success", "new,draft,disabled"}).Draw(rt, "badge")
			state := rapid.SampledFrom([]string{"", "", "enabled", "disabled,draft"}).Draw(rt, "state")
			account := rapid.SampledFrom([]string{"", "", "a"}).Draw(rt, "account")
			sort := rapid.SampledFrom([]string{"name", "-name", "created", "-created", "lastRun", "-lastRun", "nextRun", "account", "resource", "status", "-status"}).Draw(rt, "sort")
			limit := rapid.IntRange(1, 6).Draw(rt, "limit")
			values := url.Values{"sort": {sort}, "limit": {fmt.Sprint(limit)}, "search": {search}, "badge": {badges}, "state": {state}, "connectionId": {account}}
			in := func(list, v string) bool { return list == "" || slices.Contains(strings.Split(list, ","), v) }
			var want []string
			for id, f := range r.flows {
				if in(state, f.State) && in(badges, r.badge(f)) && in(account, f.Route.ConnectionID) && strings.Contains(strings.ToLower(f.Name), strings.ToLower(search)) {
					want = append(want, id)
				}
			}
			type item struct {
				ID, Name, State, Badge, Account, Dataset, Resource string
				Created, NextRun, FreshUntil                       int64
				Schedule                                           *flow.Schedule
				LastRun                                            *struct {
					ID, Status                                           string
					Started, RecordsRead, RecordsIngested, RecordsFailed int64
				}
			}
			var got []item
			for start := 0; ; start += limit {
				var page struct {
					Total, Start int
					Items        []item
				}
				values.Set("start", fmt.Sprint(start))
				r.get(rt, r.caller.Principal, "/flows?"+values.Encode(), &page)
				if page.Total != len(want) || page.Start != start || len(page.Items) > limit {
					rt.Fatalf("%d items of %d from %d, want %d", len(page.Items), page.Total, page.Start, len(want))
				}
				if len(page.Items) == 0 {
					break
				}
				got = append(got, page.Items...)
			}
			var ids []string
			for i, g := range got {
				f := r.flows[g.ID]
				ids = append(ids, g.ID)
				if g.Name != f.Name || g.State != f.State || g.Badge != r.badge(f) || g.Account != "Shop "+f.Route.ConnectionID || g.Dataset != "dataset "+f.Route.DatasetID || g.FreshUntil != f.Until ||
					!cmp.Equal(g.Schedule, f.Schedule) || (g.NextRun != 0) != (f.State == flow.Enabled) {
					rt.Fatalf("%+v of %+v", g, f)
				}
				if l := g.LastRun; (l == nil) != (f.LastRun == nil) || l != nil && (l.ID != f.LastRun.ID || l.RecordsRead != r.runs[l.ID].Metrics.Records.Input) {
					rt.Fatalf("%+v of %+v", g.LastRun, f.LastRun)
				}
				if i > 0 && wrong(sort, got[i-1].Name, g.Name, got[i-1].Created, g.Created, got[i-1].Account, g.Account) {
					rt.Fatalf("%s: %v before %v", sort, got[i-1], g)
				}
			}
			slices.Sort(ids)
			slices.Sort(want)
			if !slices.Equal(ids, want) {
				rt.Fatalf("%v, want %v", ids, want)
			}
			r.others(rt)
		})
	})
}

// wrong says whether items stand in the wrong order, of some orders.
func wrong(sort, nameA, nameB string, createdA, createdB int64, accountA, accountB string) bool {
	switch sort {
	case "name":
		return strings.ToLower(nameA) > strings.ToLower(nameB)
	case "-name":
		return strings.ToLower(nameA) < strings.ToLower(nameB)
	case "created":
		return createdA > createdB
	case "-created":
		return createdA < createdB
	case "account":
		return accountA > accountB
	}
	return false
}

// others checks the other lists.
func (r *rig) others(rt *rapid.T) {
	unfinished, due, perAccount := 0, 0, map[string]int{}
	for _, run := range r.runs {
		if run.Metrics.Status.Status == flow.InProgress {
			unfinished++
		}
	}
	for _, f := range r.flows {
		perAccount[f.Route.ConnectionID]++
		if f.State == flow.Enabled {
			due++
		}
	}
	var open struct {
		Total int
		Items []struct {
			RunID, FlowID, Flow string
			Created             int64
		}
	}
	r.get(rt, r.caller.Principal, "/unfinished?limit=3", &open)
	if open.Total != unfinished || len(open.Items) != min(3, unfinished) {
		rt.Fatalf("%d unfinished, want %d", open.Total, unfinished)
	}
	for i, o := range open.Items {
		if run := r.runs[o.RunID]; o.FlowID != run.FlowID || o.Flow != r.flows[run.FlowID].Name || i > 0 && open.Items[i-1].Created < o.Created {
			rt.Fatalf("%+v", open.Items)
		}
	}
	var next struct {
		Total int
		Items []struct {
			FlowID string
			At     int64
		}
	}
	r.get(rt, r.caller.Principal, "/next", &next)
	if next.Total != due || !slices.IsSortedFunc(next.Items, func(a, b struct {
		FlowID string
		At     int64
	},
	) int {
		return int(a.At - b.At)
	}) {
		rt.Fatalf("%+v, want %d", next, due)
	}
	for id, f := range r.flows {
		var row, coming, open struct{ Total int }
		r.get(rt, r.caller.Principal, "/flows?flowId="+id, &row)
		r.get(rt, r.caller.Principal, "/next?flowId="+id, &coming)
		r.get(rt, r.caller.Principal, "/unfinished?limit=1&flowId="+id, &open)
		ofFlow := 0
		for _, run := range r.runs {
			if run.FlowID == id && run.Metrics.Status.Status == flow.InProgress {
				ofFlow++
			}
		}
		if row.Total != 1 || (coming.Total == 1) != (f.State == flow.Enabled) || open.Total != ofFlow {
			rt.Fatalf("of one dataflow: %v, %v, %v; want %d unfinished", row, coming, open, ofFlow)
		}
	}
	var accounts struct {
		Total int
		Items []struct {
			ID, Name, AccountID string
			Dataflows           int
		}
	}
	r.get(rt, r.caller.Principal, "/connections?sort=-name", &accounts)
	if accounts.Total != 2 || accounts.Items[0].Name != "Shop b" || accounts.Items[0].AccountID != "acct_b" || accounts.Items[0].Dataflows != perAccount["b"] || accounts.Items[1].Dataflows != perAccount["a"] {
		rt.Fatalf("%+v", accounts)
	}
	var counts struct {
		Accounts, Dataflows int
		Connections         map[string]int
	}
	r.get(rt, r.caller.Principal, "/counts", &counts)
	if diff := cmp.Diff(perAccount, counts.Connections); diff != "" || counts.Accounts != 2 || counts.Dataflows != len(r.flows) {
		rt.Fatalf("%+v %s", counts, diff)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, t.TempDir()+"/control.db")
	for path, detail := range map[string]string{
		"/summary?last=1y": `"1y" is none of`, "/summary?last=7d&from=0": "together", "/summary?from=yesterday": `"yesterday" is neither`, "/summary?from=5000000&to=0": "does not lie before",
		"/summary?from=0": "more than 400 days", "/summary?bucket=hour&from=2024-01-01T00:00:00Z": "at most 31 days", "/summary?bucket=week": "neither hour nor day", "/summary?failures=x": "true or false",
		"/summary?limit=5": "no such parameter", "/flows?state=gone": "none of enabled", "/flows?badge=gone": "none of failed", "/flows?sort=--name": "none of account", "/flows?limit=501": "from 1 to 500",
		"/flows?start=-1": "from 0 on", "/next?sort=name": "no such parameter", "/connections?sort=state": "none of created", "/counts?x=1": "no parameters", "/unfinished?start=1": "no such parameter",
	} {
		reply := r.Do("GET", root+path, nil)
		got, _ := reply.JSON(t).(map[string]any)
		if reply.Status != 400 || got["errorCode"] != "MONITOR-1000-400" || !strings.Contains(fmt.Sprint(got["details"]), detail) {
			t.Errorf("%s: %d %s", path, reply.Status, reply.Body)
		}
	}
	user := r.caller.Principal
	user.Admin, user.Grants = false, map[string][]access.Permission{"prod": {access.ViewDatasets}}
	if reply := r.As(user, "GET", root+"/flows", nil); reply.Status != 403 {
		t.Errorf("%d %s", reply.Status, reply.Body)
	}
}
