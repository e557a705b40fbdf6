package catalog_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

// Whatever is done in one sandbox, nothing of it is seen or changed in another
// one, nor in another organisation.
func TestIsolation(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	callers := []access.Caller{
		caller(gatewaytest.Org, "prod"), caller(gatewaytest.Org, "dev"), caller(gatewaytest.OtherOrg, "prod"), caller(gatewaytest.OtherOrg, "dev"),
	}
	type own struct{ datasets, batches []string }
	have := make([]own, len(callers))
	ask := func(i int, method, path string, body any) gatewaytest.Reply {
		return s.As(callers[i].Principal, method, base+path, body, "X-Sandbox-Name", callers[i].Sandbox.Name)
	}
	external := 0
	rapid.Check(t, func(rt *rapid.T) {
		i := rapid.IntRange(0, len(callers)-1).Draw(rt, "who")
		if len(have[i].datasets) == 0 || rapid.IntRange(0, 4).Draw(rt, "make") == 0 {
			have[i].datasets = append(have[i].datasets, w.Dataset(t, callers[i], "mine").ID)
		}
		external++
		b, err := w.Catalog.CreateBatch(t.Context(), callers[i], catalog.Batch{DatasetID: have[i].datasets[0], ExternalID: fmt.Sprint(external)})
		if err != nil {
			rt.Fatal(err)
		}
		have[i].batches = append(have[i].batches, b.ID, fmt.Sprintf("$%d", external))

		j := rapid.IntRange(0, len(callers)-1).Draw(rt, "whose")
		if i == j || len(have[j].datasets) == 0 {
			return
		}
		dataset := rapid.SampledFrom(have[j].datasets).Draw(rt, "dataset")
		batch := rapid.SampledFrom(have[j].batches).Draw(rt, "batch")
		for _, call := range []struct{ method, path, body string }{
			{"GET", "/dataSets/" + dataset, ""},
			{"DELETE", "/dataSets/" + dataset, ""},
			{"PATCH", "/dataSets/" + dataset, `{"name":"stolen"}`},
			{"PUT", "/dataSets/" + dataset, `{"name":"stolen"}`},
			{"PATCH", "/v2/dataSets/" + dataset, `[]`},
			{"GET", "/dataSetFiles?dataSetId=" + dataset, ""},
			{"GET", "/batches/" + batch, ""},
		} {
			if r := ask(i, call.method, call.path, call.body); r.Status != http.StatusNotFound {
				rt.Fatalf("%s %s of another: %d %s", call.method, call.path, r.Status, r.Body)
			}
		}
		for _, path := range []string{"/batches?limit=100&dataSet=" + dataset, "/batches?batch=" + batch, "/dataSets?id=" + dataset, "/lastBatches?dataSetId=" + dataset} {
			if r := ask(i, "GET", path, nil); string(r.Body) != "{}\n" {
				rt.Fatalf("%s of another: %d %s", path, r.Status, r.Body)
			}
		}
		if _, err := w.Catalog.CreateBatch(t.Context(), callers[i], catalog.Batch{DatasetID: dataset}); err == nil {
			rt.Fatal("a batch went into the dataset of another")
		}
	})
	for i := range callers {
		r := ask(i, "GET", "/dataSets?limit=100", nil)
		if diff := gocmp.Diff(have[i].datasets[:min(100, len(have[i].datasets))], keys(t, r.Body)); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(string(r.Body), "stolen") {
			t.Errorf("a dataset was changed by another: %s", r.Body)
		}
	}
}

// A change that names a version happens if and only if that is the present one,
// and every change makes a new version.
func TestVersions(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "0")
	path := base + "/dataSets/" + d.ID
	seen := []string{d.Version} // in their order
	name := "0"
	now := func() string { return seen[len(seen)-1] }
	rapid.Check(t, func(rt *rapid.T) {
		version := rapid.SampledFrom(append([]string{"*", "9.9.9", ""}, now(), seen[max(0, len(seen)-2)])).Draw(rt, "version")
		form := rapid.SampledFrom([]string{"%s", `"%s"`, `W/"%s"`, `\"%s\"`, `"7.7.7", "%s"`}).Draw(rt, "form")
		header := rapid.SampledFrom([]string{"If-Match", "If-None-Match"}).Draw(rt, "header")
		method := rapid.SampledFrom([]string{"GET", "PATCH", "VALIDATE", "BATCH"}).Draw(rt, "method")
		value := fmt.Sprintf(form, version)
		if version == "" {
			value = ""
		}
		same := version == "*" || version == now()
		want := http.StatusOK
		switch {
		case version == "" || method == "BATCH":
		case method == "GET" && header == "If-None-Match" && same:
			want = http.StatusNotModified
		case method != "GET" && (header == "If-Match") != same:
			want = http.StatusPreconditionFailed
		}
		var r gatewaytest.Reply
		next := fmt.Sprint(len(seen), "x", rapid.Uint32().Draw(rt, "name"))
		body := map[string]string{"name": next}
		switch method {
		case "GET":
			r = s.Do("GET", path, nil, header, value)
		case "PATCH":
			if r = s.Do("PATCH", path, body, header, value); want == http.StatusOK {
				name = next
				seen = append(seen, strings.Trim(r.Header.Get("Etag"), `"`))
			}
		case "VALIDATE":
			r = s.Do("PATCH", path, body, header, value, "Pragma", "validate-only")
		case "BATCH": // its last batch is a part of a dataset
			w.Batch(t, prod, d)
			r = s.Do("GET", path, nil)
			seen = append(seen, strings.Trim(r.Header.Get("Etag"), `"`))
		}
		if r.Status != want {
			rt.Fatalf("%s with %s: %s while it is %s: status %d, want %d: %s", method, header, value, now(), r.Status, want, r.Body)
		}
		got := read(t, s, d.ID)
		if got["version"] != now() || got["name"] != name {
			rt.Fatalf("it is %v, %v; want %s, %s", got["version"], got["name"], now(), name)
		}
		if n := len(seen); n > 1 && slices.Contains(seen[:n-1], seen[n-1]) {
			rt.Fatalf("version %s twice", seen[n-1])
		}
	})
}

// However commits, expiry and imports follow one another, the batches of a copy
// add up to its rows, and each commit that was seen in time has its own.
func TestImport(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		table := fmt.Sprintf("charges%d", w.Now().UnixNano())
		c := prod
		c.Sandbox.ID = table // one of its own
		copies := []catalog.Copy{{Table: table, Name: "Stripe Charges", SchemaID: "https://ns.adobe.com/acme/schemas/stripe-charges"}}
		rows := int64(0)
		at := catalogtest.Start
		unseen := map[int64]catalog.Commit{} // commits that the catalog has yet to see
		var whole []catalog.Commit           // that it saw
		lost, missed := false, int64(0)      // some expired unseen, and what they came to
		w.Tables.Orphans = rapid.Bool().Draw(rt, "orphans")
		var id string
		take := func() {
			var err error
			if id == "" || rapid.Bool().Draw(rt, "adopt") {
				err = w.Catalog.Adopt(t.Context(), c, copies)
			} else {
				err = w.Catalog.Import(t.Context(), c)
			}
			if err != nil {
				rt.Fatal(err)
			}
			all, err := w.Catalog.Datasets(t.Context(), c)
			if err != nil {
				rt.Fatal(err)
			}
			n := 0
			for _, d := range all {
				if d.Table == table {
					n, id = n+1, d.ID
				}
			}
			if n != 1 {
				rt.Fatalf("%d datasets of one copy", n)
			}
			for _, k := range unseen {
				whole = append(whole, k)
			}
			clear(unseen)
		}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"commit", "commit", "commit", "expire", "import", "rewrite"}).Draw(rt, "step") {
			case "commit":
				added := rapid.Int64Range(0, 9).Draw(rt, "added")
				deleted := rapid.Int64Range(0, rows).Draw(rt, "deleted")
				at = at.Add(time.Duration(rapid.IntRange(0, 3).Draw(rt, "later")) * time.Millisecond)
				k := w.Tables.Commit(table, added, deleted, at)
				unseen[k.SnapshotID] = k
				rows += added - deleted
			case "expire":
				if len(unseen) == 0 && len(whole) == 0 {
					continue
				}
				w.Tables.Expire(table, rapid.IntRange(0, 3).Draw(rt, "keep"))
				left, err := w.Tables.Commits(t.Context(), table)
				if err != nil {
					rt.Fatal(err)
				}
				for n, k := range unseen {
					if !slices.ContainsFunc(left, func(k catalog.Commit) bool { return k.SnapshotID == n }) {
						delete(unseen, n)
						lost, missed = true, missed+k.Added-k.Deleted
					}
				}
			case "rewrite":
				w.Tables.Rewrite(table, at, rapid.Bool().Draw(rt, "listed"))
			case "import":
				take()
			}
		}
		if len(unseen) == 0 && len(whole) == 0 && !lost {
			return
		}
		take()
		take() // nothing new
		sum := int64(0)
		gaps := 0
		bySnapshot := map[int64]catalog.Metrics{}
		err := w.Catalog.EachBatch(t.Context(), c, id, func(b catalog.Batch) bool {
			sum += b.Metrics.OutputRecordCount - b.Metrics.DeletedRecordCount
			if b.SnapshotID == 0 {
				gaps++
				return true
			}
			if _, twice := bySnapshot[b.SnapshotID]; twice {
				rt.Fatalf("two batches of the commit %d", b.SnapshotID)
			}
			bySnapshot[b.SnapshotID] = *b.Metrics
			return true
		})
		if err != nil {
			rt.Fatal(err)
		}
		if sum != rows {
			rt.Fatalf("the batches come to %d rows, the table has %d", sum, rows)
		}
		if gaps > 0 && !lost && w.Tables.Orphans || gaps == 0 && missed != 0 {
			rt.Fatalf("%d batches for commits that were not seen; were there any: %t", gaps, lost)
		}
		for _, k := range whole {
			m, ok := bySnapshot[k.SnapshotID]
			if !ok || m.OutputRecordCount != k.Added || m.DeletedRecordCount != k.Deleted || m.OutputByteSize != k.Bytes || m.OutputFileCount != k.Files {
				rt.Fatalf("the commit %+v has the batch %+v", k, m)
			}
		}
		// Every live file belongs to one batch.
		d, err := w.Catalog.Dataset(t.Context(), c, id)
		if err != nil {
			rt.Fatal(err)
		}
		files, err := w.Catalog.DatasetFiles(t.Context(), c, d)
		if err != nil {
			rt.Fatal(err)
		}
		n := int64(0)
		for _, f := range files {
			n += f.Files
			_, _, own, err := w.Catalog.BatchFiles(t.Context(), c, f.Batch.ID)
			if err != nil || int64(len(own)) != f.Files {
				rt.Fatalf("batch %s: %d files, want %d: %v", f.Batch.ID, len(own), f.Files, err)
			}
		}
		if stats, err := w.Tables.Stats(t.Context(), table); err != nil || stats.Files != n {
			rt.Fatalf("%d of %d files: %v", n, stats.Files, err)
		}
	})
}

// Files belong to a batch even where nothing is left of the commits and no row
// of them is live.
func TestImportOfNoRows(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	w.Tables.Commit("charges", 5, 0, catalogtest.Start)
	w.Tables.Commit("charges", 0, 5, catalogtest.Start)
	w.Tables.Expire("charges", 0)
	if err := w.Catalog.Adopt(t.Context(), prod, []catalog.Copy{{Table: "charges", Name: "Stripe Charges", SchemaID: "https://ns.adobe.com/acme/schemas/stripe-charges"}}); err != nil {
		t.Fatal(err)
	}
	all, err := w.Catalog.Datasets(t.Context(), prod)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	files, err := w.Catalog.DatasetFiles(t.Context(), prod, all[0])
	if err != nil || len(files) != 1 || files[0].Files != 1 {
		t.Errorf("%+v, %v", files, err)
	}
}

func TestMirror(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	copies := []catalog.Copy{{Table: "charges", Name: "Stripe Charges", SchemaID: "https://ns.adobe.com/acme/schemas/stripe-charges"}}
	w.Tables.Commit("charges", 10, 0, catalogtest.Start)
	if err := w.Catalog.Adopt(t.Context(), prod, copies); err != nil {
		t.Fatal(err)
	}
	r := s.Do("GET", base+"/dataSets?name=Stripe%20Charges", nil)
	ids := keys(t, r.Body)
	if len(ids) != 1 {
		t.Fatalf("datasets %s", r.Body)
	}
	d := read(t, s, ids[0])
	if diff := gocmp.Diff(map[string]any{"id": copies[0].SchemaID, "contentType": "application/vnd.adobe.xed+json;version=1"}, d["schemaRef"]); diff != "" {
		t.Error(diff)
	}
	if r := s.Do("DELETE", base+"/dataSets/"+ids[0], nil); r.Status != http.StatusBadRequest || !strings.Contains(string(r.Body), "a copy of Stripe") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: ids[0]}); err == nil || !strings.Contains(err.Error(), "a copy of Stripe") {
		t.Error(err)
	}
	// What comes next shows without being told.
	k := w.Tables.Commit("charges", 2, 1, catalogtest.Start.Add(time.Hour))
	r = s.Do("GET", base+"/batches?dataSet="+ids[0]+"&orderBy=desc:created&limit=1", nil)
	for _, b := range r.JSON(t).(map[string]any) {
		got := b.(map[string]any)
		metrics := got["metrics"].(map[string]any)
		if got["status"] != "success" || metrics["outputRecordCount"] != json.Number("2") || metrics["deletedRecordCount"] != json.Number("1") ||
			got["created"] != number(k.Time) || got["createdUser"] != "tributary" {
			t.Errorf("batch %s", r.Body)
		}
	}
	if len(keys(t, r.Body)) != 1 {
		t.Errorf("batches %s", r.Body)
	}
}

// FuzzWrite sends bodies to all calls that take one.
func FuzzWrite(f *testing.F) {
	w := catalogtest.New(f)
	s := gatewaytest.New(f, w.Catalog.HTTP())
	d, err := w.Catalog.CreateDataset(f.Context(), prod, catalog.Dataset{Name: "mine", SchemaID: catalogtest.Schema})
	if err != nil {
		f.Fatal(err)
	}
	calls := []struct{ method, path, kind string }{
		{"POST", "/dataSets", "application/json"},
		{"PUT", "/dataSets/" + d.ID, "application/json"},
		{"PATCH", "/dataSets/" + d.ID, "application/json"},
		{"PATCH", "/v2/dataSets/" + d.ID, "application/json"},
		{"PATCH", "/dataSets/" + d.ID, "application/json-patch+json"},
		{"POST", "", "application/json"},
	}
	for _, seed := range []string{
		whole, `{"name":"a","schemaRef":{"id":"` + catalogtest.Schema + `","contentType":"1"}}`, `[{"op":"add","path":"/tags/a~1b","value":["c"]}]`, `[{"op":"copy","from":"","path":"/extensions"}]`,
		`{"tags":null}`, `{"tags":{"a":null,"b":[null]}}`, `{"extensions":{"adobe_lakeHouse":7}}`, `{"fileDescription":"x"}`, `[null]`, `null`, `7`, `{"op":"add"}`, `{"schemaRef":7}`,
		`[{"op":"add","path":"/classification/a/b/-/c","value":1}]`, `[{"op":"move","from":"/name","path":"/description"}]`, "\xff", `{"name":"\ud800","schema":null}`,
		`[{"id":"a","method":"post","resource":"/dataSets","body":` + whole + `},{"id":"b","method":"patch","resource":"/dataSets/<<a>>","body":{"name":"<<a.name>> <<a.tags>>"}},{"id":"c","method":"delete","resource":"/x"}]`,
	} {
		for i := range calls {
			f.Add(i, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		call := calls[(i%len(calls)+len(calls))%len(calls)]
		s := s.With(t)
		r := s.Do(call.method, base+call.path, body, "Content-Type", call.kind)
		if !slices.Contains([]int{http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusRequestEntityTooLarge}, r.Status) && (call.path != "" || r.Status != http.StatusNotFound) {
			t.Errorf("%s %s %q: %d %s", call.method, call.path, body, r.Status, r.Body)
		}
		r.JSON(t)
		got := read(t, s, d.ID) // whatever came, it can be read
		if name, _ := got["name"].(string); strings.TrimSpace(name) == "" || got["schemaRef"].(map[string]any)["id"] != catalogtest.Schema {
			t.Errorf("%s %s %q made it %v", call.method, call.path, body, got)
		}
	})
}
