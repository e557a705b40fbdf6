package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// What may be asked of the lists.
var (
	datasetFields = collection{
		fields: []string{
			"id", "name", "description", "created", "updated", "version", "createdClient", "createdUser", "updatedUser", "viewId", "enableErrorDiagnostics", "state",
			"lastBatchId", "lastBatchStatus", "lastSuccessfulBatch", "lastFailedBatch", "basePath", "imsOrg", "sandboxId",
		},
		alias:  map[string]string{"dataSet": "id", "dataSetId": "id"},
		ignore: []string{"requestDataSource", "expansion"},
	}
	batchFields = collection{
		fields: []string{
			"id", "externalId", "status", "created", "updated", "started", "completed", "version", "createdClient", "createdUser", "updatedUser",
			"recordCount", "failedRecordCount", "size", "dataSet", "imsOrg", "sandboxId",
		},
		alias: map[string]string{"batch": "id", "batchId": "id", "dataSetId": "dataSet", "datasetId": "dataSet"},
	}
	fileFields = collection{
		fields: []string{"id", "batchId", "dataSetViewId", "created", "updated", "version", "records", "size", "isValid", "createdClient", "createdUser"},
		ignore: []string{"dataSetId", "dataSet"},
	}
	lastFields = collection{
		fields: []string{"dataSetId", "lastBatchId", "lastBatchStatus", "lastSuccessfulBatchId", "lastFailedBatchId", "created", "updated"},
		alias:  map[string]string{"dataSet": "dataSetId"},
	}
)

// asked returns what a call asks of a list, and all datasets as they are now.
func (s *Service) asked(ctx context.Context, call *gateway.Call, of collection) (*query, []Dataset, error) {
	q, err := parseQuery(call.HTTP.URL.Query(), of)
	if err != nil {
		return nil, nil, err
	}
	if err := s.Import(ctx, call.Caller); err != nil {
		return nil, nil, err
	}
	all, err := s.Datasets(ctx, call.Caller)
	return q, all, err
}

func (s *Service) listDatasets(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, all, err := s.asked(ctx, call, datasetFields)
	if err != nil {
		return nil, err
	}
	var rows []row
	byID := map[string]Dataset{}
	for _, d := range all {
		v, err := d.view(call.Caller)
		if err != nil {
			return nil, err
		}
		if r := newRow(d.ID, v, nil); q.match(r) {
			rows = append(rows, r)
			byID[d.ID] = d
		}
	}
	if slices.Contains(q.properties, "observableSchema") {
		rows = q.page(rows)
		q.start = 0
		for _, r := range rows {
			if r.view["observableSchema"], err = s.observable(ctx, call.Caller, byID[r.id]); err != nil {
				return nil, err
			}
		}
	}
	return many(q, rows), nil
}

func (s *Service) observable(ctx context.Context, c access.Caller, d Dataset) (any, error) {
	schema, err := s.Schemas.Composition(ctx, c, d.SchemaID)
	if err != nil {
		return nil, err
	}
	return observable(d, schema), nil
}

func (s *Service) getDataset(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if err := s.Import(ctx, call.Caller); err != nil {
		return nil, err
	}
	d, err := s.Dataset(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	v, err := d.view(call.Caller)
	if err != nil {
		return nil, err
	}
	if v["observableSchema"], err = s.observable(ctx, call.Caller, d); err != nil {
		return nil, err
	}
	return single(call, d.ID, d.Version, v), nil
}

func (s *Service) listBatches(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	values := call.HTTP.URL.Query()
	q, err := parseQuery(values, batchFields)
	if err != nil {
		return nil, err
	}
	if err := s.Import(ctx, call.Caller); err != nil {
		return nil, err
	}
	of := ""
	for _, name := range []string{"dataSet", "dataSetId", "datasetId"} {
		if v := values.Get(name); v != "" && !strings.ContainsAny(v, `!,"`) {
			of = v
		}
	}
	// In the order of creation, what was not asked for need not be read.
	newest, enough := q.byCreation()
	var rows []row
	var failed error
	err = s.eachBatch(ctx, call.Caller, of, newest, func(b Batch) bool {
		v, err := b.view(call.Caller, call.Origin())
		if err != nil {
			failed = err
			return false
		}
		if r := newRow(b.ID, v, view{"dataSet": b.DatasetID}); q.match(r) {
			rows = append(rows, r)
		}
		return !enough || len(rows) < q.start+q.limit
	})
	if err := cmp.Or(err, failed); err != nil {
		return nil, err
	}
	return many(q, rows), nil
}

func (s *Service) getBatch(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if err := s.Import(ctx, call.Caller); err != nil {
		return nil, err
	}
	b, err := s.Batch(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	v, err := b.view(call.Caller, call.Origin())
	if err != nil {
		return nil, err
	}
	return single(call, b.ID, b.Version, v), nil
}

func (s *Service) listLastBatches(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, all, err := s.asked(ctx, call, lastFields)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, d := range all {
		if d.last.BatchID == "" {
			continue
		}
		v, err := d.lastView(call.Caller)
		if err != nil {
			return nil, err
		}
		if r := newRow(d.ID, v, view{"dataSetId": d.ID}); q.match(r) {
			rows = append(rows, r)
		}
	}
	return many(q, rows), nil
}

func (s *Service) listFilesOf(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	id := call.HTTP.URL.Query().Get("dataSetId")
	if id == "" {
		return nil, invalid("dataSetId: which dataset's files?")
	}
	return s.listFiles(ctx, call, id, "")
}

func (s *Service) listViewFiles(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	return s.listFiles(ctx, call, call.Var("id"), call.Var("view"))
}

// listFiles answers with the dataset files of a dataset; a view must be its
// own.
func (s *Service) listFiles(ctx context.Context, call *gateway.Call, id, viewID string) (*gateway.Answer, error) {
	q, err := parseQuery(call.HTTP.URL.Query(), fileFields)
	if err != nil {
		return nil, err
	}
	d, err := s.Dataset(ctx, call.Caller, id)
	if err != nil {
		return nil, err
	}
	if viewID != "" && viewID != d.ViewID {
		return nil, missing(docstore.ErrNotFound, "view", viewID)
	}
	files, err := s.DatasetFiles(ctx, call.Caller, d)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, f := range files {
		b := f.Batch
		fileID := FileID(b.ID)
		v := view{
			"id": fileID, "batchId": b.ID, "dataSetId": d.ID, "dataSetViewId": d.ViewID, "imsOrg": call.Org, "sandboxId": call.Sandbox.ID, "version": "1.0.0",
			"created": number(b.Created.UnixMilli()), "updated": number(b.Updated.UnixMilli()), "createdClient": b.CreatedClient, "createdUser": b.CreatedUser,
			"records": number(f.Rows), "size": number(f.Bytes), "fileCount": number(f.Files), "isValid": true,
		}
		if r := newRow(fileID, v, nil); q.match(r) {
			rows = append(rows, r)
		}
	}
	return many(q, rows), nil
}
