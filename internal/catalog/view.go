package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A view is an object as clients see it: its members by name, of the types
// that decoded JSON has.
type view map[string]any

// viewOf turns a value into a view by way of its JSON.
func viewOf(v any) (view, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m view
	return m, d.Decode(&m)
}

// project keeps the members that are named; all where none are.
func (v view) project(names []string) view {
	if len(names) == 0 {
		return v
	}
	kept := view{}
	for _, name := range names {
		if value, ok := v[name]; ok {
			kept[name] = value
		}
	}
	return kept
}

// objects are views by their ids, in order.
type objects []entry

type entry struct {
	id   string
	view any
}

// MarshalJSON writes one object with the ids as members, in their order.
func (o objects) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.id)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.view)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

type schemaRef struct {
	ID          string `json:"id"`
	ContentType string `json:"contentType"`
}

type datasetView struct {
	Version          string              `json:"version"`
	ImsOrg           string              `json:"imsOrg"`
	SandboxID        string              `json:"sandboxId"`
	Name             string              `json:"name"`
	Description      string              `json:"description,omitempty"`
	Created          int64               `json:"created"`
	Updated          int64               `json:"updated"`
	CreatedClient    string              `json:"createdClient"`
	CreatedUser      string              `json:"createdUser"`
	UpdatedUser      string              `json:"updatedUser"`
	ViewID           string              `json:"viewId"`
	Files            string              `json:"files"`
	SchemaRef        schemaRef           `json:"schemaRef"`
	FileDescription  json.RawMessage     `json:"fileDescription"`
	Tags             map[string][]string `json:"tags"`
	Extensions       json.RawMessage     `json:"extensions,omitempty"`
	Classification   json.RawMessage     `json:"classification,omitempty"`
	LastBatchID      string              `json:"lastBatchId,omitempty"`
	LastBatchStatus  Status              `json:"lastBatchStatus,omitempty"`
	LastSuccessful   string              `json:"lastSuccessfulBatch,omitempty"`
	LastFailed       string              `json:"lastFailedBatch,omitempty"`
	ErrorDiagnostics bool                `json:"enableErrorDiagnostics"`
	State            string              `json:"state"`
	BasePath         string              `json:"basePath"`
	StatsCache       struct{}            `json:"statsCache"`
	DULE             struct{}            `json:"dule"`
}

const usualFileDescription = `{"persisted":true,"containerFormat":"parquet","format":"parquet"}`

func (d Dataset) view(c access.Caller) (view, error) {
	v := datasetView{
		Version: d.Version, ImsOrg: c.Org, SandboxID: c.Sandbox.ID, Name: d.Name, Description: d.Description, Created: d.Created.UnixMilli(), Updated: d.Updated.UnixMilli(),
		CreatedClient: d.CreatedClient, CreatedUser: d.CreatedUser, UpdatedUser: d.UpdatedUser, ViewID: d.ViewID, Files: "@/dataSets/" + d.ID + "/views/" + d.ViewID + "/files",
		SchemaRef: schemaRef{d.SchemaID, d.ContentType}, FileDescription: d.FileDescription, Tags: d.Tags, Extensions: d.Extensions, Classification: d.Classification,
		LastBatchID: d.last.BatchID, LastBatchStatus: d.last.Status, LastSuccessful: d.last.Successful, LastFailed: d.last.Failed, ErrorDiagnostics: d.ErrorDiagnostics,
		State: "ENABLED", BasePath: d.Table,
	}
	if v.FileDescription == nil {
		v.FileDescription = json.RawMessage(usualFileDescription)
	}
	if v.Tags == nil {
		v.Tags = map[string][]string{}
	}
	return viewOf(v)
}

// observable describes the columns of a dataset that has data: {} before.
func observable(d Dataset, schema *xdm.Composition) any {
	if d.last.Successful == "" {
		return view{}
	}
	return view{"type": "object", "meta:xdmType": "object", "properties": propertiesOf(schema.Fields)}
}

func propertiesOf(fields []*xdm.Field) view {
	m := view{}
	for _, f := range fields {
		m[f.Name] = typeOf(f)
	}
	return m
}

func typeOf(f *xdm.Field) view {
	v := view(f.Kind.JSONSchema())
	switch f.Kind {
	case xdm.Object:
		v["properties"] = propertiesOf(f.Fields)
	case xdm.Map:
		v["additionalProperties"] = typeOf(f.Elem)
	case xdm.Array:
		v["items"] = typeOf(f.Elem)
	default:
	}
	return v
}

type batchView struct {
	ID                string              `json:"id"`
	ExternalID        string              `json:"externalId,omitempty"`
	ImsOrg            string              `json:"imsOrg"`
	SandboxID         string              `json:"sandboxId"`
	Version           string              `json:"version"`
	Status            Status              `json:"status"`
	RelatedObjects    []related           `json:"relatedObjects"`
	Replay            *Replay             `json:"replay,omitempty"`
	Tags              map[string][]string `json:"tags"`
	InputFormat       view                `json:"inputFormat,omitempty"`
	Created           int64               `json:"created"`
	Updated           int64               `json:"updated"`
	Started           int64               `json:"started,omitempty"`
	Completed         int64               `json:"completed,omitempty"`
	CreatedClient     string              `json:"createdClient"`
	CreatedUser       string              `json:"createdUser"`
	UpdatedUser       string              `json:"updatedUser"`
	Metrics           any                 `json:"metrics"`
	RecordCount       *int64              `json:"recordCount,omitempty"`
	FailedRecordCount *int64              `json:"failedRecordCount,omitempty"`
	Size              *int64              `json:"size,omitempty"`
	Errors            []BatchError        `json:"errors"`
	FailedLocation    string              `json:"failedBatchLocation,omitempty"`
}

type related struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// view shows a batch; origin is the address that the client called.
func (b Batch) view(c access.Caller, origin string) (view, error) {
	v := batchView{
		ID: b.ID, ExternalID: b.ExternalID, ImsOrg: c.Org, SandboxID: c.Sandbox.ID, Version: b.Version, Status: b.Status, RelatedObjects: []related{{"dataSet", b.DatasetID}},
		Replay: b.Replay, Tags: maps.Clone(b.Tags), Created: b.Created.UnixMilli(), Updated: b.Updated.UnixMilli(), Started: b.Started, Completed: b.Completed,
		CreatedClient: b.CreatedClient, CreatedUser: b.CreatedUser, UpdatedUser: b.UpdatedUser, Metrics: struct{}{}, Errors: slices.Clone(b.Errors),
	}
	if v.Tags == nil {
		v.Tags = map[string][]string{}
	}
	if b.ErrorDiagnostics {
		v.Tags["acp_enableErrorDiagnostics"] = []string{"true"}
	}
	if b.PartialPercent != nil {
		v.Tags["acp_partialIngestionPercent"] = []string{strconv.Itoa(*b.PartialPercent)}
	}
	if f := b.InputFormat; f != nil {
		var err error
		if v.InputFormat, err = viewOf(f); err != nil {
			return nil, err
		}
		if f.Header != nil { // a text here, as in the specification
			v.InputFormat["header"] = strconv.FormatBool(*f.Header)
		}
	}
	if m := b.Metrics; m != nil {
		v.Metrics, v.RecordCount, v.FailedRecordCount, v.Size = m, &m.InputRecordCount, &m.FailedRecordCount, &m.OutputByteSize
	}
	if v.Errors == nil {
		v.Errors = []BatchError{}
	}
	for i := range v.Errors {
		if v.Errors[i].Rows == nil {
			v.Errors[i].Rows = []string{}
		}
	}
	if b.Status == Failed {
		v.FailedLocation = origin + "/data/foundation/export/batches/" + b.ID + "/failed"
	}
	return viewOf(v)
}

// last batches as /lastBatches shows them.
func (d Dataset) lastView(c access.Caller) (view, error) {
	v, err := viewOf(d.last)
	delete(v, "batchCreated")
	v["imsOrg"], v["sandboxId"] = c.Org, c.Sandbox.ID
	v["created"], v["updated"] = number(d.last.doc.Created.UnixMilli()), number(d.last.doc.Updated.UnixMilli())
	return v, err
}

func number(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
