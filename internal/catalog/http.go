package catalog

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// maxBody is how large what describes a dataset may be.
const maxBody = 1 << 20

const base = "/data/foundation/catalog"

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	manage := access.AnyOf(access.ManageDatasets)
	watch := access.AnyOf(access.ViewDatasets, access.ManageDatasets, access.ViewMonitoring)
	g := &gateway.Service{
		Name: "catalog", Base: base, Shape: shape,
		Routes: []gateway.Route{
			{Method: "GET", Path: "", Need: view, Handle: s.getCounts},
			{Method: "POST", Path: "", Need: view, MaxBody: maxBody, Handle: s.postTogether},
			{Method: "GET", Path: "/dataSetFiles", Need: view, Handle: s.listFilesOf},
			{Method: "GET", Path: "/batches", Need: watch, Handle: s.listBatches},
			{Method: "GET", Path: "/batches/{id}", Need: watch, Handle: s.getBatch},
			{Method: "GET", Path: "/lastBatches", Need: watch, Handle: s.listLastBatches},
			{Method: "GET", Path: "/tags/{name...}", Need: view, Handle: s.getTags},
		},
	}
	for _, all := range []string{"/dataSets", "/datasets"} { // guides write both
		g.Routes = append(
			g.Routes,
			gateway.Route{Method: "GET", Path: all, Need: view, Handle: s.listDatasets},
			gateway.Route{Method: "POST", Path: all, Need: manage, MaxBody: maxBody, Handle: s.postDataset},
			gateway.Route{Method: "GET", Path: all + "/{id}", Need: view, Handle: s.getDataset},
			gateway.Route{Method: "PUT", Path: all + "/{id}", Need: manage, MaxBody: maxBody, Handle: s.putDataset},
			gateway.Route{Method: "PATCH", Path: all + "/{id}", Need: manage, MaxBody: maxBody, Handle: s.patchDataset},
			gateway.Route{Method: "PATCH", Path: "/v2" + all + "/{id}", Need: manage, MaxBody: maxBody, Handle: s.patchDeep},
			gateway.Route{Method: "DELETE", Path: all + "/{id}", Need: manage, Handle: s.deleteDataset},
			gateway.Route{Method: "GET", Path: all + "/{id}/views/{view}/files", Need: view, Handle: s.listViewFiles},
		)
	}
	return g
}

// titles are the words that the original has for a status.
var titles = map[int]string{
	http.StatusBadRequest: "BadRequestError", http.StatusForbidden: "ForbiddenError", http.StatusNotFound: "NotFoundError",
	http.StatusMethodNotAllowed: "MethodNotAllowedError", http.StatusConflict: "ConflictError", http.StatusPreconditionFailed: "PreconditionFailedError",
	http.StatusRequestEntityTooLarge: "PayloadTooLargeError", http.StatusTooManyRequests: "TooManyRequestsError", http.StatusServiceUnavailable: "ServiceUnavailableError",
	http.StatusInternalServerError: "InternalServerError",
}

func shape(f *gateway.Failure, _ string) any {
	title := titles[f.Status]
	if title == "" {
		title = http.StatusText(f.Status)
	}
	body := map[string]any{"type": "/placeholder/type/uri", "status": f.Status, "title": title, "detail": f.Detail}
	if f.Report != nil {
		body["report"] = f.Report
	}
	return body
}

// readJSON returns a body that says it is JSON.
func readJSON(call *gateway.Call) ([]byte, error) {
	body, err := call.Bytes()
	if err != nil {
		return nil, err
	}
	kind, _, err := mime.ParseMediaType(call.HTTP.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil, gateway.Fail(http.StatusBadRequest, "", "", "A valid content-type must be specified")
	}
	return body, nil
}

func matchOf(h http.Header) Match { return Match{h.Get("If-Match"), h.Get("If-None-Match")} }

func onlyValidate(h http.Header) bool {
	return strings.EqualFold(strings.TrimSpace(h.Get("Pragma")), "validate-only")
}

func etag(version string) http.Header { return http.Header{"Etag": {`"` + version + `"`}} }

// single answers with one object by its id, or says that the caller has it.
func single(call *gateway.Call, id, version string, v view) *gateway.Answer {
	if none := call.HTTP.Header.Get("If-None-Match"); none != "" && matches(none, version) {
		return &gateway.Answer{Status: http.StatusNotModified, Header: etag(version)}
	}
	var names []string
	if p := call.HTTP.URL.Query().Get("properties"); p != "" {
		names = strings.Split(p, ",")
	}
	return &gateway.Answer{Header: etag(version), Body: objects{{id, v.project(names)}}}
}

// many answers with a page of rows.
func many(q *query, rows []row) *gateway.Answer {
	all := objects{}
	for _, r := range q.page(rows) {
		all = append(all, entry{r.id, r.view.project(q.properties)})
	}
	return gateway.OK(all)
}

func reference(id string) []string { return []string{"@/dataSets/" + id} }

// getCounts answers with how many objects there are.
func (s *Service) getCounts(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if err := s.Import(ctx, call.Caller); err != nil {
		return nil, err
	}
	all, err := s.Datasets(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	batches := 0
	err = s.EachBatch(ctx, call.Caller, "", func(Batch) bool {
		batches++
		return true
	})
	if err != nil {
		return nil, err
	}
	return gateway.OK(map[string]int{"dataSets": len(all), "batches": batches}), nil
}

// getTags answers with the datasets that have a tag, and its values.
func (s *Service) getTags(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	name := call.Var("name")
	all, err := s.Datasets(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	refs, values := []string{}, []string{}
	for _, d := range all {
		if v, ok := d.Tags[name]; ok {
			refs, values = append(refs, reference(d.ID)...), append(values, v...)
		}
	}
	slices.Sort(values)
	if len(refs) == 0 {
		return nil, problem.Errorf(problem.NotFound, "no dataset has a tag %q", name)
	}
	return gateway.OK(map[string]any{"objectType": map[string]any{"datasets": refs}, name: slices.Compact(values)}), nil
}

// decoded returns a value of a view as JSON text, for what is kept as text.
func decoded(v json.RawMessage) json.RawMessage {
	if string(v) == "null" {
		return nil
	}
	return v
}
