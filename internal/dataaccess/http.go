package dataaccess

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

const base = "/data/foundation/export"

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	return &gateway.Service{
		Name: "dataaccess", Base: base, Shape: shape,
		Routes: []gateway.Route{
			{Method: "GET", Path: "/batches/{id}/files", Need: view, Handle: s.listDatasetFiles},
			{Method: "GET", Path: "/batches/{id}/failed", Need: view, Handle: s.failed},
			{Method: "GET", Path: "/batches/{id}/meta", Need: view, Handle: s.meta},
			{Method: "GET", Path: "/files/{id}", Need: view, Handle: s.file},
			{Method: "GET", Path: "/datasets/{id}/preview", Need: view, Handle: s.preview},
			{Method: "GET", Path: "/dataSets/{id}/preview", Need: view, Handle: s.preview},
		},
	}
}

// shape is that of Batch Ingestion, whose files these are.
func shape(f *gateway.Failure, _ string) any {
	title := f.Title
	if title == "" {
		title = http.StatusText(f.Status)
	}
	status := strconv.Itoa(f.Status)
	code := f.Code
	if code == "" {
		code = "INGEST-1" + status[1:] + "0-" + status
	}
	return map[string]any{"type": "http://ns.adobe.com/aep/errors/" + code, "title": title, "status": f.Status, "detail": f.Detail}
}

// Types of what lists answer. Numbers of files are texts.
type list struct {
	Data  any   `json:"data"`
	Page  page  `json:"_page"`
	Links links `json:"_links"`
}

type page struct {
	Limit int `json:"limit"`
	Count int `json:"count"`
}

type links struct {
	Self *link    `json:"self,omitempty"`
	Page *pageRef `json:"page,omitempty"`
	Next *link    `json:"next,omitempty"`
}

type link struct {
	Href string `json:"href"`
}

type pageRef struct {
	Href      string `json:"href"`
	Templated bool   `json:"templated"`
}

type datasetFile struct {
	DatasetFileID string `json:"dataSetFileId"`
	DatasetViewID string `json:"dataSetViewId"`
	Version       string `json:"version"`
	Created       string `json:"created"`
	Updated       string `json:"updated"`
	Records       string `json:"records"`
	Size          string `json:"size"`
	IsValid       bool   `json:"isValid"`
	Links         links  `json:"_links"`
}

type file struct {
	Name   string `json:"name"`
	Length string `json:"length"`
	Links  links  `json:"_links"`
}

const maxLimit = 100

// paged cuts a page out of a list and says how to go on.
func paged[T any](call *gateway.Call, all []T) (*gateway.Answer, error) {
	query := call.HTTP.URL.Query()
	start, limit := 0, maxLimit
	for name, at := range map[string]*int{"start": &start, "limit": &limit} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || name == "limit" && (n == 0 || n > maxLimit) {
			return nil, problem.Errorf(problem.Invalid, "%s=%s: start is a whole number from 0, limit one from 1 to %d", name, text, maxLimit)
		}
		*at = n
	}
	cut := all[min(start, len(all)):]
	cut = cut[:min(limit, len(cut))]
	if cut == nil {
		cut = []T{}
	}
	at := func(start int) string {
		q := url.Values{}
		if p := query.Get("path"); p != "" {
			q.Set("path", p)
		}
		q.Set("start", strconv.Itoa(start))
		q.Set("limit", strconv.Itoa(limit))
		return call.Origin() + call.HTTP.URL.EscapedPath() + "?" + q.Encode()
	}
	l := list{Data: cut, Page: page{limit, len(cut)}, Links: links{Page: &pageRef{at(start), false}}}
	if start+len(cut) < len(all) {
		l.Links.Next = &link{at(start + len(cut))}
	}
	return gateway.OK(l), nil
}

func (s *Service) listDatasetFiles(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	b, d, files, err := s.Catalog.BatchFiles(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	var all []datasetFile
	if len(files) > 0 {
		id := catalog.FileID(b.ID)
		f := datasetFile{
			DatasetFileID: id, DatasetViewID: d.ViewID, Version: "1.0.0", Created: millis(b.Created), Updated: millis(b.Updated), IsValid: true,
			Links: links{Self: &link{call.Origin() + base + "/files/" + url.PathEscape(id)}},
		}
		var rows, bytes int64
		for _, one := range files {
			rows, bytes = rows+one.Rows, bytes+one.Bytes
		}
		f.Records, f.Size = strconv.FormatInt(rows, 10), strconv.FormatInt(bytes, 10)
		all = append(all, f)
	}
	return paged(call, all)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// file answers with the list of a dataset file's parts, or with one of them.
func (s *Service) file(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	id := call.Var("id")
	batch, ok := catalog.BatchOfFile(id)
	if !ok {
		return nil, noFile(id)
	}
	b, d, files, err := s.Catalog.BatchFiles(ctx, call.Caller, batch)
	if problem.KindOf(err) == problem.NotFound || err == nil && len(files) == 0 {
		return nil, noFile(id)
	}
	if err != nil {
		return nil, err
	}
	name := call.HTTP.URL.Query().Get("path")
	if name == "" {
		return paged(call, parts(call, files, ""))
	}
	// Only a name that was listed leads to a file.
	i := slices.IndexFunc(files, func(f catalog.File) bool { return f.Path == name })
	if i < 0 {
		return nil, problem.Errorf(problem.NotFound, "the dataset file %s has no part %q", id, name)
	}
	f, err := s.Tables.Open(ctx, d.Table, files[i].Path)
	if err != nil {
		return nil, err
	}
	return content(f, name, b.Created), nil
}

func noFile(id string) error {
	return problem.Errorf(problem.NotFound, "there is no dataset file %q, or its rows have gone", id)
}

// parts lists files, which stand in a folder, with links to each.
func parts(call *gateway.Call, files []catalog.File, folder string) []file {
	var all []file
	for _, f := range files {
		q := url.Values{"path": {path.Join(folder, f.Path)}}
		href := call.Origin() + call.HTTP.URL.EscapedPath() + "?" + q.Encode()
		all = append(all, file{f.Path, strconv.FormatInt(f.Bytes, 10), links{Self: &link{href}}})
	}
	return all
}

// content answers with a file or the ranges of it that are asked for.
func content(f io.ReadSeekCloser, name string, at time.Time) *gateway.Answer {
	return &gateway.Answer{Serve: func(w http.ResponseWriter, r *http.Request) {
		defer func() { _ = f.Close() }()
		kind := "application/octet-stream"
		if strings.HasSuffix(name, ".json") || name == inputFiles {
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Disposition", `attachment; filename="`+safeName(name)+`"`)
		http.ServeContent(w, r, "", at, f)
	}}
}

// safeName is the last step of a path, in letters that need no escape.
func safeName(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '_' || c == '.' {
			return c
		}
		return '_'
	}, path.Base(name))
}

// Names of what ingestion keeps about a batch.
const (
	rowErrors  = "row_errors"
	inputFiles = "input_files"
	samples    = "row_error_samples.json"
	failedDir  = "failed"
)

// meta answers with the list of what is known about a batch, of a folder of
// it, or with a file.
func (s *Service) meta(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	b, err := s.Catalog.Batch(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	switch name := strings.Trim(call.HTTP.URL.Query().Get("path"), "/"); name {
	case "":
		files, err := s.diagnosed(ctx, call.Caller, b, "")
		if err != nil {
			return nil, err
		}
		if rows, err := s.diagnosed(ctx, call.Caller, b, rowErrors); err != nil {
			return nil, err
		} else if len(rows) > 0 {
			dir := catalog.File{Path: rowErrors}
			for _, f := range rows {
				dir.Bytes += f.Bytes
			}
			files = append(slices.Clone(files), dir)
		}
		return paged(call, parts(call, files, ""))
	case rowErrors:
		files, err := s.diagnosed(ctx, call.Caller, b, rowErrors)
		if err != nil {
			return nil, err
		}
		return paged(call, parts(call, files, rowErrors))
	case "row_errors_sample.json": // so the specification
		return s.open(ctx, call.Caller, b, "", samples)
	default:
		if inside, ok := strings.CutPrefix(name, rowErrors+"/"); ok {
			return s.open(ctx, call.Caller, b, rowErrors, inside)
		}
		return s.open(ctx, call.Caller, b, "", name)
	}
}

// failed answers with the list of the files of a batch that failed, or with one
// of them.
func (s *Service) failed(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	b, err := s.Catalog.Batch(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	if name := call.HTTP.URL.Query().Get("path"); name != "" {
		return s.open(ctx, call.Caller, b, failedDir, name)
	}
	files, err := s.diagnosed(ctx, call.Caller, b, failedDir)
	if err != nil {
		return nil, err
	}
	return paged(call, parts(call, files, ""))
}

func (s *Service) diagnosed(ctx context.Context, c access.Caller, b catalog.Batch, folder string) ([]catalog.File, error) {
	if s.Diagnostics == nil || folder == failedDir && b.Status != catalog.Failed {
		return nil, nil
	}
	return s.Diagnostics.List(ctx, c, b.ID, folder)
}

// open answers with a file that stands in the list of its folder.
func (s *Service) open(ctx context.Context, c access.Caller, b catalog.Batch, folder, name string) (*gateway.Answer, error) {
	files, err := s.diagnosed(ctx, c, b, folder)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(files, func(f catalog.File) bool { return f.Path == name }) {
		return nil, problem.Errorf(problem.NotFound, "the batch %s has no file %q of this kind", b.ID, name)
	}
	f, err := s.Diagnostics.Open(ctx, c, b.ID, path.Join(folder, name))
	if err != nil {
		return nil, err
	}
	return content(f, name, b.Updated), nil
}

// previewRows is how many rows a preview has at most.
const previewRows = 100

func (s *Service) preview(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	d, err := s.Catalog.Dataset(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	rows, err := s.Tables.Preview(ctx, d.Table, previewRows)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return nil, err
	}
	all := []any{}
	for _, r := range rows {
		all = append(all, r)
	}
	return gateway.OK(map[string]any{"data": all}), nil
}
