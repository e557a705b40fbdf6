package intake

import (
	"context"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// Base is the path of the service.
const Base = "/data/foundation/import"

// maxURL is how many characters of an address the service reads.
const maxURL = 2000

// HTTP returns the service as the platform's clients know it.
func (s *Service) HTTP() *gateway.Service {
	const file = "/batches/{batch}/datasets/{dataset}/files/{path...}"
	route := func(method, path string, handle func(context.Context, *gateway.Call) (*gateway.Answer, error)) gateway.Route {
		return gateway.Route{Method: method, Path: path, Need: access.AnyOf(access.ManageDatasets), Handle: short(handle)}
	}
	return &gateway.Service{
		Name: "import", Base: Base, Shape: shape,
		Routes: []gateway.Route{
			route(http.MethodPost, "/batches", s.postBatch),
			route(http.MethodPost, "/batches/{batch}", s.postSignal),
			route(http.MethodPut, file, s.putFile),
			route(http.MethodPost, file, s.postFile),
			route(http.MethodPatch, file, s.patchFile),
			route(http.MethodHead, file, s.headFile),
			route(http.MethodGet, "/batches/{batch}/datasets/{dataset}/preview", s.getPreview),
		},
	}
}

// shape words a failure.
func shape(f *gateway.Failure, requestID string) any {
	code := f.Code
	if code == "" {
		code = fmt.Sprintf("INGEST-%04d-%d", 1000+f.Status, f.Status)
	}
	body := map[string]any{
		"type": "http://ns.adobe.com/aep/errors/" + code, "title": f.Title, "status": f.Status, "detail": f.Detail, "request-id": requestID,
	}
	if f.Report != nil {
		body["report"] = f.Report
	}
	return body
}

// short refuses calls whose address is too long.
func short(next func(context.Context, *gateway.Call) (*gateway.Answer, error)) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
		if len(call.HTTP.URL.RequestURI()) > maxURL {
			return nil, gateway.Fail(http.StatusRequestURITooLong, "", "URI too long", "the address of the call has more than %d characters", maxURL)
		}
		return next(ctx, call)
	}
}

func tooLarge(format string, args ...any) error {
	return gateway.Fail(http.StatusRequestEntityTooLarge, "", "Body too large", format, args...)
}

// batchView is how this service shows a batch.
type batchView struct {
	ID             string               `json:"id"`
	ImsOrg         string               `json:"imsOrg"`
	SandboxID      string               `json:"sandboxId"`
	Created        int64                `json:"created"`
	Updated        int64                `json:"updated"`
	Started        int64                `json:"started,omitempty"`
	Completed      int64                `json:"completed,omitempty"`
	Status         catalog.Status       `json:"status"`
	RelatedObjects []map[string]string  `json:"relatedObjects"`
	Version        string               `json:"version"`
	Tags           map[string][]string  `json:"tags"`
	InputFormat    map[string]any       `json:"inputFormat,omitempty"`
	Replay         *catalog.Replay      `json:"replay,omitempty"`
	CreatedClient  string               `json:"createdClient"`
	CreatedUser    string               `json:"createdUser"`
	UpdatedUser    string               `json:"updatedUser"`
	ExternalID     string               `json:"externalId"`
	Metrics        *catalog.Metrics     `json:"metrics,omitempty"`
	Errors         []catalog.BatchError `json:"errors,omitempty"`
}

func view(c access.Caller, b catalog.Batch) batchView {
	v := batchView{
		ID: b.ID, ImsOrg: c.Org, SandboxID: c.Sandbox.ID, Created: b.Created.UnixMilli(), Updated: b.Updated.UnixMilli(), Started: b.Started,
		Completed: b.Completed, Status: b.Status, RelatedObjects: []map[string]string{{"type": "dataSet", "id": b.DatasetID}}, Version: b.Version,
		Tags: map[string][]string{}, Replay: b.Replay, CreatedClient: b.CreatedClient, CreatedUser: b.CreatedUser, UpdatedUser: b.UpdatedUser,
		ExternalID: b.ExternalID, Metrics: b.Metrics, Errors: b.Errors,
	}
	maps.Copy(v.Tags, b.Tags)
	if b.ErrorDiagnostics {
		v.Tags["acp_enableErrorDiagnostics"] = []string{"true"}
	}
	if b.PartialPercent != nil {
		v.Tags["acp_partialIngestionPercent"] = []string{strconv.Itoa(*b.PartialPercent)}
	}
	if b.InputFormat != nil {
		v.InputFormat = formatView(*b.InputFormat)
	}
	if v.ExternalID == "" {
		v.ExternalID = b.ID
	}
	return v
}

// createBody is the body of a new batch.
type createBody struct {
	DatasetID   string `json:"datasetId"`
	ExternalID  string `json:"externalId"`
	InputFormat *struct {
		catalog.InputFormat
		Header any `json:"header"`
	} `json:"inputFormat"`
	Replay      *catalog.Replay     `json:"replay"`
	Tags        map[string][]string `json:"tags"`
	Diagnostics any                 `json:"enableErrorDiagnostics"`
	// Tables of the guides and samples spell it differently.
	Percent    any `json:"partialIngestionPercent"`
	Percentage any `json:"partialIngestionPercentage"`
}

func (s *Service) postBatch(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var body createBody
	if err := call.JSON(&body); err != nil {
		return nil, err
	}
	r := Request{DatasetID: body.DatasetID, ExternalID: body.ExternalID, Replay: body.Replay, Tags: body.Tags}
	if body.InputFormat == nil {
		return nil, missingField("inputFormat")
	}
	r.Format = body.InputFormat.InputFormat
	var err error
	if r.Format.Header, err = boolean("inputFormat.header", body.InputFormat.Header); err != nil {
		return nil, err
	}
	if r.Diagnostics, err = boolean("enableErrorDiagnostics", body.Diagnostics); err != nil {
		return nil, err
	}
	percent := body.Percent
	if percent == nil {
		percent = body.Percentage
	}
	if percent != nil {
		n, err := strconv.Atoi(fmt.Sprint(percent))
		if err != nil {
			return nil, problem.Errorf(problem.Invalid, "partialIngestionPercent is %v: it must be a whole number from 0 to 100", percent)
		}
		r.PartialPercent = &n
	}
	b, err := s.Create(ctx, call.Caller, r)
	if err != nil {
		return nil, err
	}
	return gateway.Created(Base+"/batches/"+b.ID, view(call.Caller, b)), nil
}

// boolean reads a boolean that may be written as a text.
func boolean(name string, v any) (*bool, error) {
	yes, no := true, false
	switch t := v.(type) {
	case nil:
		return nil, nil
	case bool:
		return &t, nil
	case string:
		switch strings.ToLower(t) {
		case "true":
			return &yes, nil
		case "false":
			return &no, nil
		}
	}
	return nil, problem.Errorf(problem.Invalid, "%s is %v: it must be true or false", name, v)
}

func (s *Service) postSignal(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	b, err := s.Signal(ctx, call.Caller, call.Var("batch"), call.HTTP.URL.Query().Get("action"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(view(call.Caller, b)), nil
}

// octets refuses a body that does not say it is bytes.
func octets(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/octet-stream" {
		return gateway.Fail(http.StatusUnsupportedMediaType, "", "Unsupported media type", "the header Content-Type is %q: files come as application/octet-stream", r.Header.Get("Content-Type"))
	}
	return nil
}

type fileView struct {
	Name string `json:"name"`
	Size int64  `json:"sizeInBytes"`
}

func (s *Service) putFile(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if err := octets(call.HTTP); err != nil {
		return nil, err
	}
	if call.HTTP.ContentLength > maxSmall {
		return nil, tooLarge("a file in one piece may have %d bytes: begin larger ones with ?action=INITIALIZE", maxSmall)
	}
	body := http.MaxBytesReader(nil, call.HTTP.Body, maxSmall)
	f, fresh, err := s.Put(ctx, call.Caller, call.Var("batch"), call.Var("dataset"), call.Var("path"), body)
	if err != nil {
		return nil, err
	}
	if fresh {
		return &gateway.Answer{Status: http.StatusCreated, Header: http.Header{"Location": {call.HTTP.URL.EscapedPath()}}, Body: fileView{f.Path, f.Size}}, nil
	}
	return gateway.OK(fileView{f.Path, f.Size}), nil
}

func (s *Service) postFile(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	action := strings.ToUpper(call.HTTP.URL.Query().Get("action"))
	switch action {
	case "INITIALIZE":
		f, err := s.Initialize(ctx, call.Caller, call.Var("batch"), call.Var("dataset"), call.Var("path"))
		if err != nil {
			return nil, err
		}
		return &gateway.Answer{Status: http.StatusCreated, Header: http.Header{"Location": {call.HTTP.URL.EscapedPath()}}, Body: fileView{f.Path, f.Size}}, nil
	case "COMPLETE":
		f, err := s.CompleteFile(ctx, call.Caller, call.Var("batch"), call.Var("dataset"), call.Var("path"))
		if err != nil {
			return nil, err
		}
		return gateway.OK(fileView{f.Path, f.Size}), nil
	}
	return nil, problem.Errorf(problem.Invalid, "the parameter action is %q: it must be INITIALIZE or COMPLETE", action)
}

func (s *Service) patchFile(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if err := octets(call.HTTP); err != nil {
		return nil, err
	}
	r, err := ParseRange(call.HTTP.Header.Get("Content-Range"))
	if err != nil {
		return nil, err
	}
	f, err := s.Patch(ctx, call.Caller, call.Var("batch"), call.Var("dataset"), call.Var("path"), r, http.MaxBytesReader(nil, call.HTTP.Body, maxPart+1))
	if err != nil {
		return nil, err
	}
	return &gateway.Answer{Header: progress(f), Body: fileView{f.Path, f.Size}}, nil
}

func (s *Service) headFile(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	f, err := s.Head(ctx, call.Caller, call.Var("batch"), call.Var("dataset"), call.Var("path"))
	if err != nil {
		return nil, err
	}
	return &gateway.Answer{Header: progress(f)}, nil
}

// progress says which bytes of a file are there.
func progress(f File) http.Header {
	var spans []string
	for _, p := range f.Parts[:min(len(f.Parts), 100)] { // a header has its bounds
		spans = append(spans, fmt.Sprintf("%d-%d", p[0], p[1]-1))
	}
	if spans == nil {
		return nil
	}
	return http.Header{"Range": {strings.Join(spans, ",")}}
}

func (s *Service) getPreview(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q := call.HTTP.URL.Query()
	f := catalog.InputFormat{
		Format: q.Get("format"), Delimiter: q.Get("delimiter"), Quote: q.Get("quote"), Escape: q.Get("escape"), Charset: q.Get("charset"), NullMarker: q.Get("nullMarker"),
	}
	for name, to := range map[string]func(*bool){
		"isMultiLineJson": func(v *bool) { f.IsMultiLineJSON = v != nil && *v },
		"header":          func(v *bool) { f.Header = v },
	} {
		if !q.Has(name) {
			continue
		}
		v, err := boolean("the parameter "+name, q.Get(name))
		if err != nil {
			return nil, err
		}
		to(v)
	}
	n := 0
	if text := q.Get("nrow"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			return nil, problem.Errorf(problem.Invalid, "the parameter nrow is %q: it must be a number", text)
		}
	}
	p, err := s.Preview(ctx, call.Caller, call.Var("batch"), call.Var("dataset"), f, n)
	if err != nil {
		return nil, err
	}
	if err := checkFormat(&f); err != nil {
		return nil, err
	}
	return gateway.OK(p.view(f)), nil
}
