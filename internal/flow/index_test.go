package flow

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

// old fills a new database with what a release without the index wrote.
func old(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile("testdata/documents.sql")
	if err != nil {
		t.Fatal(err)
	}
	driver := "sqlite"
	if strings.HasPrefix(name, "postgres") {
		driver = "pgx"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for statement := range strings.SplitSeq(string(text), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// A database of a release without the index shows by the index what its documents
// say, whatever is asked of its lists.
func TestIndexOfOldDatabase(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		old(t, name)
		w := openWorld(t, name)
		plain := scans(t, w, name)
		all := rapid.SliceOfN(rapid.SampledFrom(listFilters(w)), 0, 3)
		orders := rapid.SampledFrom([]string{"", "-createdAt", "createdAt", "name,-createdAt", "-state,name", "providerRefId", "flowId", "id", "updatedAt"})
		rapid.Check(t, func(rt *rapid.T) {
			values := url.Values{"property": all.Draw(rt, "filters")}
			if order := orders.Draw(rt, "order"); order != "" {
				values.Set("orderby", order)
			}
			values.Set("limit", fmt.Sprint(rapid.IntRange(1, 12).Draw(rt, "limit")))
			if rapid.IntRange(0, 3).Draw(rt, "count") == 0 {
				values.Del("limit")
				values.Set("count", "true")
			}
			user := w.caller.Principal
			if rapid.Bool().Draw(rt, "no administrator") {
				user = viewer(w)
			}
			for _, path := range []string{"/flows", "/runs"} {
				same(t, rt, w, plain, user, path+"?"+values.Encode())
			}
		})
	})
}

// viewer may see sources and nothing else.
func viewer(w *world) access.Principal {
	p := w.caller.Principal
	p.Admin, p.Grants = false, map[string][]access.Permission{"prod": {access.ViewSources}}
	return p
}

// scans is the same service over the same database, without its index.
func scans(t *testing.T, w *world, name string) *gatewaytest.Server {
	t.Helper()
	db, err := docstore.Open(t.Context(), name, w.time)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	plain := *w.Service
	plain.DB = db
	return gatewaytest.New(t, plain.HTTP())
}

// same asks both services for all pages of a list.
func same(t *testing.T, rt *rapid.T, w *world, plain *gatewaytest.Server, user access.Principal, path string) {
	for path != "" {
		got, want := w.server.With(t).As(user, "GET", base+path, nil), plain.With(t).As(user, "GET", base+path, nil)
		if got.Status != want.Status || got.Status >= 500 {
			rt.Fatalf("%s: %d %s; want %d %s", path, got.Status, got.Body, want.Status, want.Body)
		}
		if got.Status != 200 {
			return
		}
		if diff := cmp.Diff(string(want.Body), string(got.Body)); diff != "" {
			rt.Fatalf("%s: %s", path, diff)
		}
		var page struct {
			Links struct{ Next struct{ Href string } } `json:"_links"`
		}
		if err := json.Unmarshal(got.Body, &page); err != nil {
			rt.Fatal(err)
		}
		path = page.Links.Next.Href
	}
}

// listFilters are filters of both lists, with values that some objects have.
func listFilters(w *world) []string {
	w.t.Helper()
	var run Run
	var f Flow
	w.do(func(t *docstore.Tx) error {
		docs, err := t.List(scope(w.caller), kindRun, docstore.Page{})
		if err == nil {
			err = json.Unmarshal(docs[len(docs)/2].Body, &run)
		}
		if err != nil {
			return err
		}
		if docs, err = t.List(scope(w.caller), kindFlow, docstore.Page{}); err != nil {
			return err
		}
		return json.Unmarshal(docs[len(docs)/2].Body, &f)
	})
	filters := []string{"id==" + run.ID, "id==" + f.ID, "flowId==" + run.FlowID, "flowId!=" + run.FlowID, "flowId==" + run.FlowID + "," + f.ID, "name==" + f.Name, "name!=" + strings.ToUpper(f.Name), "name>flow 2"}
	for path, values := range map[string][]string{
		"createdAt": {fmt.Sprint(run.CreatedAt), fmt.Sprint(f.CreatedAt)}, "metrics.durationSummary.startedAtUTC": {fmt.Sprint(run.Metrics.Duration.Started), "0", "1e12"},
		"metrics.durationSummary.completedAtUTC": {"0", "1"}, "metrics.recordSummary.inputRecordCount": {"0", "2", "2.5"}, "metrics.recordSummary.outputRecordCount": {"1", "+2"},
		"metrics.recordSummary.failedRecordCount": {"0", "1"}, "metrics.recordSummary.updatedRecordCount": {"0"},
		"metrics.statusSummary.status": {"failed", "COMPLETED", "failed,in_progress"}, "state": {"enabled", "DISABLED,draft", "gone", ""}, "lastRunDetails.state": {"failed"},
		"activities[].name": {"x"}, "metrics[].statusSummary.status": {"failed"}, "labels": {"secret", "labelled"},
	} {
		for _, v := range values {
			for _, op := range []string{"==", "!=", "<", "<=", ">", ">="} {
				filters = append(filters, path+op+v)
			}
		}
	}
	return filters
}

// What is written after the index was made is in it, too: lists by the index are
// those of a scan while flows and runs come, change and go.
func TestIndexFollows(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := openWorld(t, name)
		plain := scans(t, w, name)
		var flows []string
		for range 4 {
			flows = append(flows, w.flow(`{"frequency":"hour","interval":1}`))
		}
		check := func() {
			t.Helper()
			for _, path := range []string{
				"/flows?orderby=-name", "/flows?property=state==disabled", "/flows?count=true&property=state==enabled", "/runs?property=metrics.statusSummary.status==inProgress",
				"/runs?property=metrics.statusSummary.status==failed,success", "/runs?count=true&property=metrics.recordSummary.inputRecordCount>1", "/runs?property=metrics.durationSummary.completedAtUTC>0&property=flowId==" + flows[1],
			} {
				path = strings.ReplaceAll(path, ">", "%3E")
				got, want := w.server.Do("GET", base+path, nil), plain.Do("GET", base+path, nil)
				if diff := cmp.Diff(string(want.Body), string(got.Body)); diff != "" || got.Status != 200 {
					t.Errorf("%s: %d %s", path, got.Status, diff)
				}
			}
		}
		for i, status := range []string{Success, Failed} {
			jobs := w.due()
			check()
			for _, job := range jobs[i:] {
				w.finish(job, status, func(r *Run) {
					r.Metrics.Records = Records{Input: 5, Output: 4, Failed: 1}
					r.Metrics.Duration.Completed = w.time().UnixMilli()
				})
			}
			check()
			w.sleep(time.Hour)
		}
		w.patch(flows[0], `[{"op":"replace","path":"/name","value":"AAA"}]`)
		w.server.Do("POST", base+"/flows/"+flows[2]+"/action?op=disable", nil)
		check()
		w.server.Do("DELETE", base+"/flows/"+flows[1], nil)
		check()
	})
}
