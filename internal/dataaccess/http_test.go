package dataaccess_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/dataaccess"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/problem"
)

const base = "/data/foundation/export"

var prod = gatewaytest.Admin("prod")

// diagnostics are files by name, of one batch. There are others beside them
// that no name leads to.
type diagnostics struct {
	batch string
	files map[string]string
}

func (d diagnostics) List(_ context.Context, _ access.Caller, batch, folder string) ([]catalog.File, error) {
	var all []catalog.File
	for _, name := range []string{"input_files", "row_error_samples.json", "row_errors/conversion_errors_0.json", "row_errors/parsing_errors_0.json", "failed/F1.json"} {
		body, ok := d.files[name]
		dir, file, inside := strings.Cut(name, "/")
		if !inside {
			dir, file = "", name
		}
		if ok && batch == d.batch && dir == folder {
			all = append(all, catalog.File{Path: file, Bytes: int64(len(body))})
		}
	}
	return all, nil
}

func (d diagnostics) Open(_ context.Context, _ access.Caller, batch, name string) (io.ReadSeekCloser, error) {
	if body, ok := d.files[name]; ok && batch == d.batch {
		return catalogtest.Content([]byte(body)), nil
	}
	return nil, problem.Errorf(problem.NotFound, "there is no file %q", name)
}

func serve(t testing.TB, w *catalogtest.World, d dataaccess.Diagnostics) *gatewaytest.Server {
	s := &dataaccess.Service{Catalog: w.Catalog, Tables: w.Tables, Diagnostics: d}
	return gatewaytest.New(t, s.HTTP())
}

func TestDownload(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := serve(t, w, nil)
	d := w.Dataset(t, prod, "mine")
	b := w.Batch(t, prod, d, `{"a":1}`, `{"a":2}`)
	file := s.URL + base + "/files/" + b.ID + "-1"

	created, updated := strconv.FormatInt(b.Created.UnixMilli(), 10), strconv.FormatInt(b.Updated.UnixMilli(), 10)
	want := map[string]any{
		"data": []any{map[string]any{
			"dataSetFileId": b.ID + "-1", "dataSetViewId": d.ViewID, "version": "1.0.0", "created": created, "updated": updated,
			"records": "2", "size": "16", "isValid": true, "_links": map[string]any{"self": map[string]any{"href": file}},
		}},
		"_page":  map[string]any{"limit": json.Number("100"), "count": json.Number("1")},
		"_links": map[string]any{"page": map[string]any{"href": s.URL + base + "/batches/" + b.ID + "/files?limit=100&start=0", "templated": false}},
	}
	if diff := cmp.Diff(any(want), s.Do("GET", base+"/batches/"+b.ID+"/files", nil).JSON(t)); diff != "" {
		t.Error(diff)
	}
	name := "data/" + b.ID + ".parquet"
	href := file + "?path=" + url.QueryEscape(name)
	want = map[string]any{
		"data":   []any{map[string]any{"name": name, "length": "16", "_links": map[string]any{"self": map[string]any{"href": href}}}},
		"_page":  map[string]any{"limit": json.Number("100"), "count": json.Number("1")},
		"_links": map[string]any{"page": map[string]any{"href": file + "?limit=100&start=0", "templated": false}},
	}
	if diff := cmp.Diff(any(want), s.Do("GET", strings.TrimPrefix(file, s.URL), nil).JSON(t)); diff != "" {
		t.Error(diff)
	}
	path := strings.TrimPrefix(href, s.URL)
	const whole = "{\"a\":1}\n{\"a\":2}\n"
	for _, c := range []struct {
		method, ask string
		status      int
		body, has   string // content range
	}{
		{"GET", "", 200, whole, ""},
		{"GET", "bytes=0-3", 206, whole[:4], "bytes 0-3/16"},
		{"GET", "bytes=-4", 206, whole[12:], "bytes 12-15/16"},
		{"GET", "bytes=0-100000", 206, whole, "bytes 0-15/16"},
		{"GET", "bytes=99-", 416, `{"detail":"invalid range: failed to overlap","status":416,"title":"Requested Range Not Satisfiable","type":"http://ns.adobe.com/aep/errors/INGEST-1160-416"}` + "\n", "bytes */16"},
		{"HEAD", "", 200, "", ""},
	} {
		r := s.Do(c.method, path, nil, "Range", c.ask)
		if r.Status != c.status || string(r.Body) != c.body || r.Header.Get("Content-Range") != c.has {
			t.Errorf("%s %s: %d %q %s", c.method, c.ask, r.Status, r.Body, r.Header.Get("Content-Range"))
		}
		if c.status == 200 && (r.Header.Get("Accept-Ranges") != "bytes" || r.Header.Get("Content-Length") != "16" || r.Header.Get("Content-Type") != "application/octet-stream") {
			t.Errorf("%s %s: headers %v", c.method, c.ask, r.Header)
		}
	}
	if diff := cmp.Diff(any(map[string]any{"data": []any{map[string]any{"a": json.Number("1")}, map[string]any{"a": json.Number("2")}}}), s.Do("GET", base+"/datasets/"+d.ID+"/preview", nil).JSON(t)); diff != "" {
		t.Error(diff)
	}
}

// Answers are those of the published description.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	doc := openapitest.Load(t, "data-access")
	w := catalogtest.New(t)
	d := w.Dataset(t, prod, "mine")
	b := w.Batch(t, prod, d, `{"a":1}`)
	s := serve(t, w, diagnostics{b.ID, map[string]string{"input_files": "x", "row_errors/parsing_errors_0.json": "{}"}})
	for path, described := range map[string]string{
		"/batches/" + b.ID + "/files?limit=1": "/batches/{batchId}/files", "/batches/" + b.ID + "/failed": "/batches/{batchId}/failed",
		"/batches/" + b.ID + "/meta": "/batches/{batchId}/meta", "/files/" + b.ID + "-1": "/files/{dataSetFileId}", "/datasets/" + d.ID + "/preview": "/datasets/{id}/preview",
	} {
		r := s.Do("GET", base+path, nil)
		if err := doc.Check("GET", described, r.Status, r.Body); err != nil {
			t.Error(err)
		}
	}
}

func TestNoWayOut(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	mine := w.Batch(t, prod, w.Dataset(t, prod, "mine"), `{}`)
	other := w.Batch(t, prod, w.Dataset(t, prod, "other"), `{}`)
	s := serve(t, w, diagnostics{mine.ID, map[string]string{"input_files": "x", "secret": "x", "../secret": "x", "row_errors/../secret": "x", "failed/F1.json": "x"}})
	for _, name := range []string{
		"../secret", "/etc/passwd", "data/../../secret", "data/" + other.ID + ".parquet", "./data/" + mine.ID + ".parquet", "data//" + mine.ID + ".parquet", "secret", "row_errors/../secret",
		"row_errors/../input_files", "failed/F1.json", "F1.json", "..%2fsecret", "C:\\secret", "data/" + mine.ID + ".parquet\x00", "row_errors//x",
	} {
		for _, path := range []string{"/files/" + mine.ID + "-1", "/batches/" + mine.ID + "/meta", "/batches/" + mine.ID + "/failed"} {
			if r := s.Do("GET", base+path+"?path="+url.QueryEscape(name), nil); r.Status != http.StatusNotFound {
				t.Errorf("%s?path=%s: %d %s", path, name, r.Status, r.Body)
			}
		}
	}
	dev := gatewaytest.Admin("dev")
	elsewhere := w.Batch(t, dev, w.Dataset(t, dev, "mine"), `{}`)
	for _, path := range []string{
		"/files/none-1", "/files/" + mine.ID, "/files/" + mine.ID + "-2", "/files/" + elsewhere.ID + "-1", "/batches/" + elsewhere.ID + "/files", "/batches/none/files",
		"/batches/none/meta", "/batches/none/failed", "/batches/" + elsewhere.ID + "/meta", "/datasets/none/preview", "/nothing", "/files/..%2f..%2fsecret",
	} {
		r := s.Do("GET", base+path, nil)
		if body, _ := r.JSON(t).(map[string]any); r.Status != http.StatusNotFound || body["type"] != "http://ns.adobe.com/aep/errors/INGEST-1040-404" {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	d := w.Dataset(t, prod, "mine")
	b, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: d.ID})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, w, diagnostics{b.ID, map[string]string{
		"input_files": `{"path":"F1.json"}` + "\n", "row_error_samples.json": "[]", "row_errors/conversion_errors_0.json": "{}\n", "row_errors/parsing_errors_0.json": "{}\n{}\n", "failed/F1.json": "broken",
	}})
	entry := func(name, length, path string) any {
		return map[string]any{"name": name, "length": length, "_links": map[string]any{"self": map[string]any{"href": s.URL + base + "/batches/" + b.ID + "/" + path}}}
	}
	list := func(path string) any {
		t.Helper()
		r := s.Do("GET", base+"/batches/"+b.ID+"/"+path, nil)
		body, _ := r.JSON(t).(map[string]any)
		if r.Status != http.StatusOK {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
		return body["data"]
	}
	rows := []any{
		entry("conversion_errors_0.json", "3", "meta?path=row_errors%2Fconversion_errors_0.json"),
		entry("parsing_errors_0.json", "6", "meta?path=row_errors%2Fparsing_errors_0.json"),
	}
	for path, want := range map[string]any{
		"meta": []any{
			entry("input_files", "19", "meta?path=input_files"), entry("row_error_samples.json", "2", "meta?path=row_error_samples.json"), entry("row_errors", "9", "meta?path=row_errors"),
		},
		"meta?path=row_errors":                 rows,
		"meta?path=row_errors%2F":              rows,
		"meta?path=row_errors&limit=1&start=1": rows[1:],
		"failed":                               []any{}, // it has not failed yet
	} {
		if diff := cmp.Diff(want, list(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	for path, want := range map[string]string{
		"meta?path=input_files":                              `{"path":"F1.json"}` + "\n",
		"meta?path=row_errors%2Fparsing_errors_0.json":       "{}\n{}\n",
		"meta?path=%2Frow_errors%2Fconversion_errors_0.json": "{}\n",
		"meta?path=row_error_samples.json":                   "[]",
		"meta?path=row_errors_sample.json":                   "[]",
	} {
		r := s.Do("GET", base+"/batches/"+b.ID+"/"+path, nil)
		if r.Status != http.StatusOK || string(r.Body) != want || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	if r := s.Do("GET", base+"/batches/"+b.ID+"/failed?path=F1.json", nil); r.Status != http.StatusNotFound {
		t.Errorf("a file of a batch that has not failed: %d %s", r.Status, r.Body)
	}
	if _, err := w.Catalog.ChangeBatch(t.Context(), prod, b.ID, func(b *catalog.Batch) error { b.Status = catalog.Failed; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any([]any{entry("F1.json", "6", "failed?path=F1.json")}), list("failed")); diff != "" {
		t.Error(diff)
	}
	if r := s.Do("GET", base+"/batches/"+b.ID+"/failed?path=F1.json", nil); string(r.Body) != "broken" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if diff := cmp.Diff(any([]any{}), list("files")); diff != "" {
		t.Error(diff)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	b := w.Batch(t, prod, w.Dataset(t, prod, "mine"), `{}`)
	s := serve(t, w, diagnostics{b.ID, map[string]string{"row_errors/conversion_errors_0.json": "a", "row_errors/parsing_errors_0.json": "b"}})
	var names []string
	path := base + "/batches/" + b.ID + "/meta?path=row_errors&limit=1"
	for path != "" {
		r := s.Do("GET", path, nil)
		var page struct {
			Data  []struct{ Name string }
			Links struct{ Next struct{ Href string } } `json:"_links"`
		}
		if err := json.Unmarshal(r.Body, &page); err != nil || len(page.Data) != 1 {
			t.Fatalf("%s: %v", r.Body, err)
		}
		names = append(names, page.Data[0].Name)
		path = strings.TrimPrefix(page.Links.Next.Href, s.URL)
	}
	if diff := cmp.Diff([]string{"conversion_errors_0.json", "parsing_errors_0.json"}, names); diff != "" {
		t.Error(diff)
	}
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "start=-1", "start=1e3"} {
		if r := s.Do("GET", base+"/batches/"+b.ID+"/files?"+query, nil); r.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, r.Status, r.Body)
		}
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := serve(t, w, nil)
	for _, path := range []string{"/batches/x/files", "/batches/x/failed", "/batches/x/meta", "/files/x", "/datasets/x/preview"} {
		p := prod.Principal
		p.Admin = false
		p.Grants = map[string][]access.Permission{"prod": {access.ViewMonitoring, access.ManageSources}}
		if r := s.As(p, "GET", base+path, nil); r.Status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
		p.Grants["prod"] = []access.Permission{access.ViewDatasets}
		if r := s.As(p, "GET", base+path, nil); r.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
		if r := s.Do("POST", base+path, nil); r.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
}

func FuzzPath(f *testing.F) {
	w := catalogtest.New(f)
	d, err := w.Catalog.CreateDataset(f.Context(), prod, catalog.Dataset{Name: "mine", SchemaID: catalogtest.Schema})
	if err != nil {
		f.Fatal(err)
	}
	b := w.Batch(f, prod, d, `{}`)
	s := serve(f, w, diagnostics{b.ID, map[string]string{"input_files": "x", "secret": "secret", "row_errors/parsing_errors_0.json": "y"}})
	for _, name := range []string{"", "../x", "row_errors/../secret", "data/" + b.ID + ".parquet", "row_errors/parsing_errors_0.json", "\x00", "/", "%2e%2e"} {
		f.Add(name, "0", "bytes=0-1")
	}
	f.Fuzz(func(t *testing.T, name, start, ask string) {
		for _, path := range []string{"/files/" + b.ID + "-1", "/batches/" + b.ID + "/meta", "/batches/" + b.ID + "/failed", "/batches/" + url.PathEscape(name) + "/files"} {
			if strings.ContainsFunc(ask, func(c rune) bool { return c < ' ' || c > '~' }) || name == "." || name == ".." {
				return
			}
			r := s.With(t).Do("GET", base+path+"?path="+url.QueryEscape(name)+"&start="+url.QueryEscape(start), nil, "Range", ask)
			if r.Status >= 500 || string(r.Body) == "secret" {
				t.Errorf("%s %q: %d %s", path, name, r.Status, r.Body)
			}
		}
	})
}
