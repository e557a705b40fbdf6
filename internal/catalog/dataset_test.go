package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

const base = "/data/foundation/catalog"

var prod = gatewaytest.Admin("prod")

// create makes a dataset over HTTP and returns its id.
func create(t *testing.T, s *gatewaytest.Server, body string) string {
	t.Helper()
	r := s.Do("POST", base+"/dataSets", body)
	if r.Status != http.StatusCreated {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	var refs []string
	if err := json.Unmarshal(r.Body, &refs); err != nil || len(refs) != 1 {
		t.Fatalf("answer %s", r.Body)
	}
	return strings.TrimPrefix(refs[0], "@/dataSets/")
}

// read returns a dataset as its owner sees it.
func read(t *testing.T, s *gatewaytest.Server, id string) map[string]any {
	t.Helper()
	r := s.Do("GET", base+"/dataSets/"+id, nil)
	d, ok := r.JSON(t).(map[string]any)[id].(map[string]any)
	if r.Status != http.StatusOK || !ok {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	return d
}

const whole = `{
  "name": "Stripe charges", "description": "…", "schemaRef": {"id": "` + catalogtest.Schema + `", "contentType": "application/vnd.adobe.xed+json;version=1"},
  "fileDescription": {"format": "parquet"}, "enableErrorDiagnostics": true, "tags": {"unifiedProfile": ["enabled: true"], "a/b": ["c"]}
}`

func TestCreate(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	w.Catalog.InUnion = func(context.Context, access.Caller, string) (bool, error) { return true, nil }
	s := gatewaytest.New(t, w.Catalog.HTTP())
	r := s.Do("POST", base+"/dataSets?requestDataSource=true", whole)
	if r.Status != http.StatusCreated || r.Header.Get("Etag") != `"1.0.0"` {
		t.Fatalf("status %d, version %s: %s", r.Status, r.Header.Get("Etag"), r.Body)
	}
	var refs []string
	if err := json.Unmarshal(r.Body, &refs); err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(refs[0], "@/dataSets/")
	if want := s.URL + base + "/dataSets/" + id; r.Header.Get("Location") != want {
		t.Errorf("location %s, want %s", r.Header.Get("Location"), want)
	}
	if diff := cmp.Diff([]string{"ds_" + id}, w.Tables.Names()); diff != "" {
		t.Error(diff)
	}
	got := read(t, s, id)
	view, _ := got["viewId"].(string)
	want := map[string]any{
		"version": "1.0.0", "imsOrg": gatewaytest.Org, "sandboxId": prod.Sandbox.ID, "name": "Stripe charges", "description": "…",
		"created": got["created"], "updated": got["created"], "createdClient": "client", "createdUser": prod.User, "updatedUser": prod.User,
		"viewId": view, "files": "@/dataSets/" + id + "/views/" + view + "/files", "state": "ENABLED", "basePath": "ds_" + id,
		"schemaRef":       map[string]any{"id": catalogtest.Schema, "contentType": "application/vnd.adobe.xed+json;version=1"},
		"fileDescription": map[string]any{"format": "parquet"}, "enableErrorDiagnostics": true,
		"tags":             map[string]any{"unifiedProfile": []any{"enabled:true"}, "a/b": []any{"c"}},
		"observableSchema": map[string]any{}, "statsCache": map[string]any{}, "dule": map[string]any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n, err := got["created"].(json.Number).Int64(); err != nil || n < catalogtest.Start.UnixMilli() {
		t.Errorf("created %v: %v", got["created"], err)
	}
}

func TestCreateRefused(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	const ref = `"schemaRef":{"id":"` + catalogtest.Schema + `"`
	for name, c := range map[string]struct {
		body   string
		detail string // part of it
	}{
		"no name":       {`{` + ref + `}}`, "name: "},
		"blank name":    {`{"name":"  ",` + ref + `}}`, "name: "},
		"no schema":     {`{"name":"a"}`, "schemaRef.id: "},
		"other schema":  {`{"name":"a","schemaRef":{"id":"https://ns.adobe.com/acme/schemas/none"}}`, `there is no schema "https://ns.adobe.com/acme/schemas/none"`},
		"content type":  {`{"name":"a",` + ref + `,"contentType":"text/plain"}}`, "schemaRef.contentType: "},
		"major":         {`{"name":"a",` + ref + `,"contentType":"application/vnd.adobe.xed+json;version=2"}}`, "major version 1 here, not 2"},
		"inline schema": {`{"name":"a","schema":"@/xdms/context/profile",` + ref + `}}`, "schema: "},
		"acp":           {`{"name":"a",` + ref + `},"tags":{"acp_x":["1"]}}`, `"acp_x" is reserved`},
		"adobe":         {`{"name":"a",` + ref + `},"tags":{"adobe/x":["1"]}}`, `"adobe/x" is reserved`},
		"aep":           {`{"name":"a",` + ref + `},"tags":{"aep/x":["1"]}}`, `"aep/x" is reserved`},
		"tag":           {`{"name":"a",` + ref + `},"tags":{"x":"1"}}`, "line 1, column"},
		"profile":       {`{"name":"a",` + ref + `},"tags":{"unifiedProfile":["enabled:true"]}}`, "is not enabled for Profile"},
		"format":        {`{"name":"a",` + ref + `},"fileDescription":{"format":"xls"}}`, "fileDescription.format: "},
		"description":   {`{"name":"a",` + ref + `},"fileDescription":[]}`, "fileDescription: an object is expected"},
		"expiry":        {`{"name":"a",` + ref + `},"extensions":{"adobe_lakeHouse":{"rowExpiration":{"ttlValue":"P3Y"}}}}`, "rows do not expire here"},
		"list":          {`[]`, "line 1, column 1"},
		"comma":         {"{\n\"name\": \"a\",\n}", "line 3, column 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.With(t).Do("POST", base+"/dataSets", c.body)
			got := r.JSON(t).(map[string]any)
			detail, _ := got["detail"].(string)
			if r.Status != http.StatusBadRequest || got["title"] != "BadRequestError" || got["type"] != "/placeholder/type/uri" || !strings.Contains(detail, c.detail) {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		})
	}
	t.Cleanup(func() {
		if names := w.Tables.Names(); len(names) > 0 {
			t.Errorf("tables %v of datasets that were refused", names)
		}
	})
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	const usual = "application/vnd.adobe.xed+json;version=1"
	for given, kept := range map[string]string{
		"": usual, "1": usual, "1.0": usual, usual: usual,
		"application/vnd.adobe.xed-full-notext+json; version=1": "application/vnd.adobe.xed-full-notext+json; version=1",
		"application/vnd.adobe.xed-full+json;version=1.3":       "application/vnd.adobe.xed-full+json;version=1.3",
		"application/vnd.adobe.xdm+json;version=1":              "application/vnd.adobe.xdm+json;version=1",
	} {
		d, err := w.Catalog.CreateDataset(t.Context(), prod, catalog.Dataset{Name: "a", SchemaID: catalogtest.Schema, ContentType: given})
		if err != nil || d.ContentType != kept {
			t.Errorf("%q: %q, %v", given, d.ContentType, err)
		}
	}
	r := s.Do("POST", base+"/dataSets", whole, "Content-Type", "application/x-www-form-urlencoded")
	want := map[string]any{"type": "/placeholder/type/uri", "status": json.Number("400"), "title": "BadRequestError", "detail": "A valid content-type must be specified"}
	if diff := cmp.Diff(any(want), r.JSON(t)); diff != "" {
		t.Error(diff)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	const old = `{"name":"a","description":"d","schemaRef":{"id":"` + catalogtest.Schema + `"},"tags":{"x":["1"],"y":["2"]}}`
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		detail             string
		want               map[string]any // members afterwards
	}{
		"merge": {"PATCH", "/dataSets/", `{"description":"new","tags":{"x":null,"z":["3"]}}`, nil, 200, "", map[string]any{
			"name": "a", "description": "new", "tags": map[string]any{"y": []any{"2"}, "z": []any{"3"}}, "version": "1.0.1",
		}},
		"merge v2":           {"PATCH", "/v2/dataSets/", `{"classification":{"dataBehavior":"record","managedBy":"CUSTOMER"}}`, nil, 200, "", map[string]any{"classification": map[string]any{"dataBehavior": "record", "managedBy": "CUSTOMER"}}},
		"merge media type":   {"PATCH", "/datasets/", `{"name":"b"}`, []string{"Content-Type", "application/merge-patch+json"}, 200, "", map[string]any{"name": "b"}},
		"patch":              {"PATCH", "/dataSets/", `[{"op":"add","path":"/tags/w","value":["3"]},{"op":"remove","path":"/tags/x"},{"op":"replace","path":"/name","value":"b"}]`, []string{"Content-Type", "application/json-patch+json"}, 200, "", map[string]any{"name": "b", "tags": map[string]any{"w": []any{"3"}, "y": []any{"2"}}}},
		"patch v2 as JSON":   {"PATCH", "/v2/dataSets/", `[{"op":"add","path":"/classification/a/b","value":1},{"op":"add","path":"/classification/a/c","value":2}]`, nil, 200, "", map[string]any{"classification": map[string]any{"a": map[string]any{"b": json.Number("1"), "c": json.Number("2")}}}},
		"patch alone":        {"PATCH", "/dataSets/", `{"op":"replace","path":"/name","value":"b"}`, []string{"Content-Type", "application/json-patch+json"}, 200, "", map[string]any{"name": "b"}},
		"patch v1 not deep":  {"PATCH", "/dataSets/", `[{"op":"add","path":"/classification/a","value":1}]`, nil, 400, `there is no "classification"`, nil},
		"patch all or none":  {"PATCH", "/dataSets/", `[{"op":"replace","path":"/name","value":"b"},{"op":"remove","path":"/nothing"}]`, nil, 400, `there is no "nothing"`, nil},
		"patch a number":     {"PATCH", "/dataSets/", `[{"op":"replace","path":"/name","value":7}]`, nil, 400, "name: number is not what is expected there", nil},
		"patch the whole":    {"PATCH", "/dataSets/", `[{"op":"replace","path":"","value":7}]`, nil, 400, "in the place of the dataset", nil},
		"read-only":          {"PATCH", "/dataSets/", `{"viewId":"x"}`, nil, 400, "viewId: it can't be changed", nil},
		"read-only removed":  {"PATCH", "/dataSets/", `[{"op":"remove","path":"/created"}]`, nil, 400, "created: it can't be changed", nil},
		"read-only the same": {"PATCH", "/dataSets/", `{"version":"1.0.0","state":"ENABLED","name":"b"}`, nil, 200, "", map[string]any{"name": "b"}},
		"no name":            {"PATCH", "/dataSets/", `{"name":null}`, nil, 400, "name: a dataset needs a name", nil},
		"no schema":          {"PATCH", "/dataSets/", `{"schemaRef":null}`, nil, 400, "schemaRef: ", nil},
		"another schema":     {"PATCH", "/dataSets/", `{"schemaRef":{"id":"x"}}`, nil, 400, "a dataset stays on its schema", nil},
		"text":               {"PATCH", "/dataSets/", `"x"`, nil, 400, "neither an object to merge nor an array", nil},
		"put": {"PUT", "/dataSets/", `{"name":"b","schemaRef":{"id":"` + catalogtest.Schema + `"},"tags":{},"created":7}`, nil, 200, "", map[string]any{
			"name": "b", "description": nil, "tags": map[string]any{},
		}},
		"put without a name": {"PUT", "/dataSets/", `{"schemaRef":{"id":"` + catalogtest.Schema + `"}}`, nil, 400, "name: ", nil},
		"validated only":     {"PATCH", "/dataSets/", `{"name":"b"}`, []string{"Pragma", "validate-only"}, 200, "", map[string]any{"name": "a", "version": "1.0.0"}},
		"validated, wrong":   {"PATCH", "/dataSets/", `{"name":7}`, []string{"Pragma", "validate-only"}, 400, "name: ", nil},
		"put validated only": {"PUT", "/dataSets/", old, []string{"Pragma", "validate-only"}, 200, "", map[string]any{"version": "1.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := catalogtest.New(t)
			s := gatewaytest.New(t, w.Catalog.HTTP())
			id := create(t, s, old)
			before := read(t, s, id)
			r := s.Do(c.method, base+c.path+id, c.body, c.header...)
			if r.Status != c.status {
				t.Fatalf("status %d, want %d: %s", r.Status, c.status, r.Body)
			}
			after := read(t, s, id)
			if c.status != http.StatusOK {
				if detail, _ := r.JSON(t).(map[string]any)["detail"].(string); !strings.Contains(detail, c.detail) {
					t.Errorf("detail %q", detail)
				}
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("a refused change changed something: %s", diff)
				}
				return
			}
			if diff := cmp.Diff([]any{"@/dataSets/" + id}, r.JSON(t)); diff != "" {
				t.Error(diff)
			}
			for name, want := range c.want {
				if diff := cmp.Diff(want, after[name]); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

func TestPutWhatWasRead(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	id := create(t, s, `{"name":"a","schemaRef":{"id":"`+catalogtest.Schema+`"},"tags":{"x":["1"]},"enableErrorDiagnostics":true}`)
	before := read(t, s, id)
	if r := s.Do("PUT", base+"/dataSets/"+id, before); r.Status != http.StatusOK {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	after := read(t, s, id)
	before["version"], before["updated"] = "1.0.1", after["updated"]
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestValidateOnly(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	if r := s.Do("POST", base+"/dataSets", `{"name":"a","schemaRef":{"id":"`+catalogtest.Schema+`"}}`, "Pragma", "validate-only"); r.Status != http.StatusOK {
		t.Errorf("status %d: %s", r.Status, r.Body)
	}
	if r := s.Do("POST", base+"/dataSets", `{"name":"a"}`, "Pragma", "validate-only"); r.Status != http.StatusBadRequest {
		t.Errorf("status %d: %s", r.Status, r.Body)
	}
	if r := s.Do("GET", base+"/dataSets", nil); string(r.Body) != "{}\n" || len(w.Tables.Names()) != 0 {
		t.Errorf("datasets %s, tables %v", r.Body, w.Tables.Names())
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	var targets []string
	w.Catalog.Targets = func(context.Context, access.Caller, string) ([]string, error) { return targets, nil }
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	b := w.Batch(t, prod, d, `{}`)
	path := base + "/dataSets/" + d.ID

	targets = []string{"Stripe charges flow"}
	if r := s.Do("DELETE", path, nil); r.Status != http.StatusBadRequest || !strings.Contains(string(r.Body), "Stripe charges flow write into the dataset") {
		t.Errorf("with a target: %d %s", r.Status, r.Body)
	}
	targets = nil
	if r := s.Do("DELETE", path, nil, "If-Match", "1.0.0"); r.Status != http.StatusPreconditionFailed {
		t.Errorf("stale: %d %s", r.Status, r.Body)
	}

	// The tables can't be reached: the dataset is on its way, and a second call
	// finishes what the first began.
	w.Tables.Fail = errors.New("disk")
	if r := s.Do("DELETE", path, nil); r.Status != http.StatusInternalServerError {
		t.Errorf("without tables: %d %s", r.Status, r.Body)
	}
	w.Tables.Fail = nil
	if r := s.Do("GET", path, nil); r.Status != http.StatusNotFound {
		t.Errorf("on its way: %d %s", r.Status, r.Body)
	}
	if _, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{DatasetID: d.ID}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("a batch for a dataset on its way: %v", err)
	}
	r := s.Do("DELETE", path, nil)
	if diff := cmp.Diff([]any{"@/dataSets/" + d.ID}, r.JSON(t)); diff != "" || r.Status != http.StatusOK {
		t.Error(r.Status, diff)
	}
	if names := w.Tables.Names(); len(names) != 0 {
		t.Errorf("tables %v", names)
	}
	if r := s.Do("DELETE", path, nil); r.Status != http.StatusNotFound {
		t.Errorf("again: %d %s", r.Status, r.Body)
	}
	if _, err := w.Catalog.Batch(t.Context(), prod, b.ID); err != nil {
		t.Errorf("the record of the batch: %v", err)
	}
}

func TestDeleteInProfile(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	w.Catalog.InUnion = func(context.Context, access.Caller, string) (bool, error) { return true, nil }
	s := gatewaytest.New(t, w.Catalog.HTTP())
	id := create(t, s, whole)
	if r := s.Do("DELETE", base+"/dataSets/"+id, nil); r.Status != http.StatusBadRequest || !strings.Contains(string(r.Body), "enabled for Profile") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestCreateWithoutTables(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	w.Tables.Fail = problem.Errorf(problem.Conflict, "no table")
	s := gatewaytest.New(t, w.Catalog.HTTP())
	if r := s.Do("POST", base+"/dataSets", `{"name":"a","schemaRef":{"id":"`+catalogtest.Schema+`"}}`); r.Status != http.StatusConflict {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := s.Do("GET", base+"/dataSets", nil); string(r.Body) != "{}\n" {
		t.Errorf("datasets %s", r.Body)
	}
}

func TestObservableSchema(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	w.Batch(t, prod, d, `{}`)
	want := map[string]any{"type": "object", "meta:xdmType": "object", "properties": map[string]any{"_acme": map[string]any{
		"type": "object", "meta:xdmType": "object", "properties": map[string]any{
			"id":       map[string]any{"type": "string", "meta:xdmType": "string"},
			"lines":    map[string]any{"type": "array", "meta:xdmType": "array", "items": map[string]any{"type": "integer", "meta:xdmType": "long"}},
			"metadata": map[string]any{"type": "object", "meta:xdmType": "map", "additionalProperties": map[string]any{"type": "string", "meta:xdmType": "string"}},
			"at":       map[string]any{"type": "string", "format": "date-time", "meta:xdmType": "date-time"},
			"rate":     map[string]any{"type": "number", "meta:xdmType": "number"},
			"paid":     map[string]any{"type": "boolean", "meta:xdmType": "boolean"},
		},
	}}}
	if diff := cmp.Diff(any(want), read(t, s, d.ID)["observableSchema"]); diff != "" {
		t.Error(diff)
	}
	r := s.Do("GET", base+"/dataSets?properties=name,observableSchema", nil)
	if diff := cmp.Diff(any(map[string]any{d.ID: map[string]any{"name": "mine", "observableSchema": want}}), r.JSON(t)); diff != "" {
		t.Error(diff)
	}
	if r := s.Do("GET", base+"/dataSets?properties=observableSchema&limit=21", nil); r.Status != http.StatusBadRequest {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

func TestGrow(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	d := w.Dataset(t, prod, "mine")
	if err := w.Catalog.Grow(t.Context(), prod, catalogtest.Schema); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Catalog.Dataset(t.Context(), prod, d.ID); err != nil || got.Version != "1.0.1" {
		t.Errorf("version %s: %v", got.Version, err)
	}
	names, err := w.Catalog.DatasetsOf(t.Context(), prod, catalogtest.Schema)
	if diff := cmp.Diff([]string{"mine"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
	w.Tables.Fail = problem.Errorf(problem.Conflict, "the table has it otherwise")
	if err := w.Catalog.Grow(t.Context(), prod, catalogtest.Schema); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
	if err := w.Catalog.Grow(t.Context(), prod, "other"); err != nil {
		t.Error(err)
	}
}

// growing is a schema that another call lets grow between two looks at it, and
// the table that has followed already.
type growing struct {
	catalog.Tables
	catalogtest.Schemas
	looks, until int
}

func (g *growing) Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	comp, err := g.Schemas.Composition(ctx, c, id)
	if g.looks++; err == nil && g.looks > 1 {
		comp.Fields = append(comp.Fields, &xdm.Field{Name: "more", Kind: xdm.String})
	}
	return comp, err
}

func (g *growing) Ensure(context.Context, string, *xdm.Composition) error {
	if g.looks < g.until {
		return problem.Errorf(problem.Conflict, "the table has more")
	}
	return nil
}

func TestFitBesideAnotherChange(t *testing.T) {
	t.Parallel()
	for _, looks := range []int{1, 2} {
		g := &growing{until: looks}
		if got, err := catalog.Fit(t.Context(), g, g.Ensure, prod, catalogtest.Schema, "t"); err != nil || len(got.Fields) != looks {
			t.Errorf("%d looks: %v, %v", looks, got, err)
		}
	}
	g := &growing{until: 9}
	if _, err := catalog.Fit(t.Context(), g, g.Ensure, prod, catalogtest.Schema, "t"); problem.KindOf(err) != problem.Conflict || g.looks != 3 {
		t.Errorf("%d looks: %v", g.looks, err)
	}
}

// The table of a copy is not Tables' to change: whoever writes it lets it grow,
// and without anybody its columns stay.
func TestGrowOfCopies(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	if err := w.Catalog.Adopt(t.Context(), prod, []catalog.Copy{{Table: "charges", Name: "Stripe Charges", SchemaID: catalogtest.Schema}}); err != nil {
		t.Fatal(err)
	}
	w.Tables.Fail = problem.Errorf(problem.Conflict, "field _batch is required and the table lacks it")
	if err := w.Catalog.Grow(t.Context(), prod, catalogtest.Schema); err != nil {
		t.Error(err)
	}
	var grown []string
	w.Catalog.GrowCopy = func(_ context.Context, table string, _ *xdm.Composition) error {
		grown = append(grown, table)
		return nil
	}
	if err := w.Catalog.Grow(t.Context(), prod, catalogtest.Schema); err != nil || !slices.Equal(grown, []string{"charges"}) {
		t.Errorf("%v: %v", grown, err)
	}
}
