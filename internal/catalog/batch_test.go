package catalog_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
)

// caller returns an administrator of any organisation and sandbox.
func caller(org, sandbox string) access.Caller {
	c := gatewaytest.Admin(sandbox)
	c.Org, c.Sandbox = org, gatewaytest.Sandbox(org, sandbox)
	if org == gatewaytest.OtherOrg {
		c.Tenant = gatewaytest.OtherTenant
	}
	return c
}

func TestBatchView(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	percent, header := 5, true
	b, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{
		DatasetID: d.ID, ExternalID: "/mine/1", Tags: map[string][]string{"run": {"7"}}, InputFormat: &catalog.InputFormat{Format: "json", Header: &header},
		ErrorDiagnostics: true, PartialPercent: &percent, Replay: &catalog.Replay{Predecessors: []string{"x"}, Reason: "replace"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.ID) != 26 || b.Status != catalog.Loading || b.Version != "1.0.0" {
		t.Errorf("batch %+v", b)
	}
	b, err = w.Catalog.ChangeBatch(t.Context(), prod, "$/mine/1", func(b *catalog.Batch) error {
		b.Status, b.Started, b.Completed = catalog.Failed, 1709860258000, 1709860300000
		b.Metrics = &catalog.Metrics{InputByteSize: 87796, InputFileCount: 1, InputRecordCount: 100, FailedRecordCount: 100}
		b.Errors = []catalog.BatchError{{Code: "INGEST-1212-400", Description: "Encountered 100 errors in the data."}}
		b.ID, b.DatasetID, b.ExternalID, b.CreatedUser = "other", "other", "other", "other"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r := s.Do("GET", base+"/batches/$%2Fmine%2F1", nil)
	want := map[string]any{b.ID: map[string]any{
		"id": b.ID, "externalId": "/mine/1", "imsOrg": gatewaytest.Org, "sandboxId": prod.Sandbox.ID, "version": "1.0.1", "status": "failed",
		"relatedObjects": []any{map[string]any{"type": "dataSet", "id": d.ID}}, "replay": map[string]any{"predecessors": []any{"x"}, "reason": "replace"},
		"tags":        map[string]any{"run": []any{"7"}, "acp_enableErrorDiagnostics": []any{"true"}, "acp_partialIngestionPercent": []any{"5"}},
		"inputFormat": map[string]any{"format": "json", "header": "true"},
		"created":     number(b.Created), "updated": number(b.Updated), "started": json.Number("1709860258000"), "completed": json.Number("1709860300000"),
		"createdClient": "client", "createdUser": prod.User, "updatedUser": prod.User,
		"metrics": map[string]any{
			"inputByteSize": json.Number("87796"), "inputFileCount": json.Number("1"), "inputRecordCount": json.Number("100"), "outputRecordCount": json.Number("0"),
			"failedRecordCount": json.Number("100"), "outputByteSize": json.Number("0"), "outputFileCount": json.Number("0"), "partitionCount": json.Number("0"),
		},
		"recordCount": json.Number("100"), "failedRecordCount": json.Number("100"), "size": json.Number("0"),
		"errors":              []any{map[string]any{"code": "INGEST-1212-400", "description": "Encountered 100 errors in the data.", "rows": []any{}}},
		"failedBatchLocation": s.URL + "/data/foundation/export/batches/" + b.ID + "/failed",
	}}
	if diff := cmp.Diff(any(want), r.JSON(t)); diff != "" || r.Header.Get("Etag") != `"1.0.1"` {
		t.Error(diff, r.Header.Get("Etag"))
	}
}

func number(at time.Time) json.Number {
	b, _ := json.Marshal(at.UnixMilli())
	return json.Number(b)
}

func TestExternalID(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	dev, other := caller(gatewaytest.Org, "dev"), caller(gatewaytest.OtherOrg, "prod")
	make1 := func(c access.Caller) (catalog.Batch, error) {
		d := w.Dataset(t, c, "mine")
		return w.Catalog.CreateBatch(t.Context(), c, catalog.Batch{DatasetID: d.ID, ExternalID: "e"})
	}
	first, err := make1(prod)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]access.Caller{"the same sandbox": prod, "another sandbox": dev} {
		if _, err := make1(c); problem.KindOf(err) != problem.Conflict || !errors.Is(err, docstore.ErrTaken) {
			t.Errorf("again in %s: %v", name, err)
		}
	}
	if _, err := make1(other); err != nil {
		t.Errorf("in another organisation: %v", err)
	}
	if got, err := w.Catalog.Batch(t.Context(), prod, "$e"); err != nil || got.ID != first.ID {
		t.Errorf("%s, %v", got.ID, err)
	}
	if _, err := w.Catalog.Batch(t.Context(), dev, "$e"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("from another sandbox: %v", err)
	}
	// What a sandbox that is gone had used is free again.
	err = w.DB.Do(t.Context(), func(tx *docstore.Tx) error { return tx.Clear(docstore.Scope{Org: prod.Org, Sandbox: prod.Sandbox.ID}) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog.Batch(t.Context(), prod, "$e"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("after the sandbox was cleared: %v", err)
	}
	if _, err := make1(dev); err != nil {
		t.Errorf("after the sandbox was cleared: %v", err)
	}
}

func TestBatchRefused(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	d := w.Dataset(t, prod, "mine")
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: "none"}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("no dataset: %v", err)
	}
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: d.ID, ExternalID: "a\x00"}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a NUL: %v", err)
	}
	b := catalog.Batch{ID: "mine", DatasetID: d.ID}
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, b); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, b); problem.KindOf(err) != problem.Conflict {
		t.Errorf("an id twice: %v", err)
	}
	refused := problem.Errorf(problem.Invalid, "no")
	_, err := w.Catalog.ChangeBatch(t.Context(), prod, "mine", func(b *catalog.Batch) error {
		b.Status = catalog.Failed
		return refused
	})
	if !errors.Is(err, refused) {
		t.Error(err)
	}
	if got, err := w.Catalog.Batch(t.Context(), prod, "mine"); err != nil || got.Status != catalog.Loading {
		t.Errorf("a refused change: %+v, %v", got, err)
	}
	if _, err := w.Catalog.ChangeBatch(t.Context(), prod, "none", func(*catalog.Batch) error { return nil }); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
}

func TestLastBatches(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d, quiet := w.Dataset(t, prod, "mine"), w.Dataset(t, prod, "quiet")
	begin := func() string {
		t.Helper()
		b, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: d.ID})
		if err != nil {
			t.Fatal(err)
		}
		return b.ID
	}
	to := func(id string, status catalog.Status) {
		t.Helper()
		if _, err := w.Catalog.ChangeBatch(t.Context(), prod, id, func(b *catalog.Batch) error { b.Status = status; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	want := func(last string, status catalog.Status, successful, failed string) {
		t.Helper()
		r := s.Do("GET", base+"/lastBatches?dataSetId="+d.ID+","+quiet.ID+",none", nil)
		all := r.JSON(t).(map[string]any)
		got, ok := all[d.ID].(map[string]any)
		if !ok || len(all) != 1 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		for name, value := range map[string]string{"lastBatchId": last, "lastBatchStatus": string(status), "lastSuccessfulBatchId": successful, "lastFailedBatchId": failed} {
			if have, _ := got[name].(string); have != value {
				t.Errorf("%s: %q, want %q", name, have, value)
			}
		}
		seen := read(t, s, d.ID)
		for name, value := range map[string]string{"lastBatchId": last, "lastBatchStatus": string(status), "lastSuccessfulBatch": successful, "lastFailedBatch": failed} {
			if have, _ := seen[name].(string); have != value {
				t.Errorf("dataset: %s: %q, want %q", name, have, value)
			}
		}
	}
	a := begin()
	want(a, catalog.Loading, "", "")
	b := begin()
	to(a, catalog.Success) // a is not the last one any more
	want(b, catalog.Loading, a, "")
	to(b, catalog.Failed)
	want(b, catalog.Failed, a, b)
	c := begin()
	to(c, catalog.Success)
	want(c, catalog.Success, c, b)
	to(a, catalog.Success) // nothing new
	want(c, catalog.Success, c, b)
	to(c, catalog.Deleted) // taken back
	want(c, catalog.Deleted, a, b)
	to(a, catalog.Inactive)
	want(c, catalog.Deleted, "", b)
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	for _, path := range []string{"/batches/none", "/batches/$none", "/dataSets/none", "/v2/none", "/none", "/dataSetFiles?dataSetId=none", "/dataSets/" + d.ID + "/views/none/files", "/tags/none"} {
		r := s.Do("GET", base+path, nil)
		if body, _ := r.JSON(t).(map[string]any); r.Status != http.StatusNotFound || body["title"] != "NotFoundError" {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	for _, path := range []string{"/batches", "/batches/x", "/lastBatches"} {
		r := s.Do("POST", base+path, `{}`)
		if body, _ := r.JSON(t).(map[string]any); r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") == "" || body["title"] != "MethodNotAllowedError" {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	if r := s.Do("POST", base+"/dataSets", `{"name":"`+string(make([]byte, 2<<20))); r.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	for need, calls := range map[access.Permission][][2]string{
		access.ViewDatasets:   {{"GET", ""}, {"GET", "/dataSets"}, {"GET", "/dataSets/" + d.ID}, {"GET", "/batches"}, {"GET", "/lastBatches"}, {"GET", "/tags/x"}, {"GET", "/dataSetFiles"}},
		access.ViewMonitoring: {{"GET", "/batches"}, {"GET", "/batches/x"}, {"GET", "/lastBatches"}},
		access.ManageDatasets: {{"POST", "/dataSets"}, {"PUT", "/dataSets/none"}, {"PATCH", "/dataSets/none"}, {"PATCH", "/v2/dataSets/none"}, {"DELETE", "/dataSets/none"}, {"GET", "/dataSets"}},
	} {
		for _, call := range calls {
			p := prod.Principal
			p.Admin = false
			p.Grants = map[string][]access.Permission{"prod": {need}}
			if r := s.As(p, call[0], base+call[1], nil); r.Status == http.StatusForbidden {
				t.Errorf("%s %s with %s: %s", call[0], call[1], need, r.Body)
			}
			p.Grants = map[string][]access.Permission{"prod": {access.ViewSchemas, access.ManageSources}}
			r := s.As(p, call[0], base+call[1], `{not JSON`)
			if body, _ := r.JSON(t).(map[string]any); r.Status != http.StatusForbidden || body["title"] != "ForbiddenError" {
				t.Errorf("%s %s without: %d %s", call[0], call[1], r.Status, r.Body)
			}
		}
	}
}

func TestFilesAndCounts(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	b := w.Batch(t, prod, d, `{"a":1}`, `{"a":2}`)
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: d.ID}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{b.ID + "-1": map[string]any{
		"id": b.ID + "-1", "batchId": b.ID, "dataSetId": d.ID, "dataSetViewId": d.ViewID, "imsOrg": prod.Org, "sandboxId": prod.Sandbox.ID, "version": "1.0.0",
		"created": number(b.Created), "updated": number(b.Updated), "createdClient": "client", "createdUser": prod.User,
		"records": json.Number("2"), "size": json.Number("16"), "fileCount": json.Number("1"), "isValid": true,
	}}
	for _, path := range []string{"/dataSets/" + d.ID + "/views/" + d.ViewID + "/files", "/dataSetFiles?dataSetId=" + d.ID} {
		if diff := cmp.Diff(any(want), s.Do("GET", base+path, nil).JSON(t)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if diff := cmp.Diff(any(map[string]any{"dataSets": json.Number("1"), "batches": json.Number("2")}), s.Do("GET", base+"/", nil).JSON(t)); diff != "" {
		t.Error(diff)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	ref := `"schemaRef":{"id":"` + catalogtest.Schema + `"}`
	a := create(t, s, `{"name":"a",`+ref+`,"tags":{"adobe/pqs/table":["y","x"]}}`)
	b := create(t, s, `{"name":"b",`+ref+`,"tags":{"adobe/pqs/table":["y"]}}`)
	want := map[string]any{"objectType": map[string]any{"datasets": []any{"@/dataSets/" + a, "@/dataSets/" + b}}, "adobe/pqs/table": []any{"x", "y"}}
	if diff := cmp.Diff(any(want), s.Do("GET", base+"/tags/adobe/pqs/table", nil).JSON(t)); diff != "" {
		t.Error(diff)
	}
}
