package webui

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A batchState is the status of a batch; empty where there is none.
type batchState string

// Word is how it reads.
func (s batchState) Word() string {
	switch s {
	case "success":
		return "Success"
	case "failed", "failure":
		return "Failed"
	case "aborted", "abandoned":
		return "Given up"
	case "inactive", "deleted":
		return "Taken back"
	}
	return "Processing"
}

// Tone is the class of its mark.
func (s batchState) Tone() string {
	switch s.Word() {
	case "Success":
		return "positive"
	case "Failed":
		return "negative"
	case "Processing":
		return "info"
	}
	return ""
}

var _ = words("Success", "Failed", "Given up", "Taken back", "Processing")

// A batchItem is a batch as the Catalog Service shows it.
type batchItem struct {
	ID          string
	Status      batchState `json:"status"`
	Created     int64      `json:"created"`
	Started     int64      `json:"started"`
	Completed   int64      `json:"completed"`
	CreatedUser string     `json:"createdUser"`
	External    string     `json:"externalId"`
	Metrics     struct {
		Read    int64 `json:"inputRecordCount"`
		Written int64 `json:"outputRecordCount"`
		Failed  int64 `json:"failedRecordCount"`
		Deleted int64 `json:"deletedRecordCount"`
		Bytes   int64 `json:"outputByteSize"`
	} `json:"metrics"`
	Errors []struct {
		Code        string   `json:"code"`
		Description string   `json:"description"`
		Rows        []string `json:"rows"`
	} `json:"errors"`
	Related []struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"relatedObjects"`
}

// A stepping is a part of a list whose length is not known.
type stepping struct {
	Total, First, To int
	Before, After    string // queries; empty where there is no more
}

// datasetView is what the page of a dataset shows.
type datasetView struct {
	Dataset datasetItem
	Batches []batchItem
	Pages   stepping
}

func (r *request) showDataset() error {
	d, err := r.datasetItem(r.http.PathValue("dataset"))
	if err != nil {
		return err
	}
	v := datasetView{Dataset: d}
	if v.Batches, v.Pages, err = r.batches(d.ID); err != nil {
		return err
	}
	return r.show("dataset", v)
}

// batches returns a page of a dataset's batches, newest first.
func (r *request) batches(dataset string) ([]batchItem, stepping, error) {
	n, err := strconv.Atoi(r.query("page"))
	if err != nil || n < 1 || n > 1<<20 {
		n = 1
	}
	got := map[string]batchItem{}
	err = r.get(catalogAPI+"/batches", url.Values{
		"dataSet": {dataset}, "orderBy": {"desc:created"}, "start": {strconv.Itoa((n - 1) * pageSize)}, "limit": {strconv.Itoa(pageSize + 1)},
	}, &got)
	var p stepping
	var all []batchItem
	for id, b := range got {
		b.ID = id
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b batchItem) int { return cmp.Or(cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID)) })
	if len(all) > pageSize {
		all = all[:pageSize]
		p.After = "?page=" + strconv.Itoa(n+1)
	}
	if n > 1 {
		p.Before = "?page=" + strconv.Itoa(n-1)
	}
	return all, p, err
}

// batchView is what the page of a batch shows.
type batchView struct {
	Dataset datasetItem
	Batch   batchItem
	Files   []batchFile
	More    bool // there are more files than are shown
}

// A batchFile is a Parquet file with rows of a batch.
type batchFile struct {
	Name string `json:"name"`
	Size string `json:"length"` // bytes
	Path string // of the API
}

func (r *request) showBatch() error {
	d, err := r.datasetItem(r.http.PathValue("dataset"))
	if err != nil {
		return err
	}
	id := r.http.PathValue("batch")
	got := map[string]batchItem{}
	if err := r.get(catalogAPI+"/batches/"+escape(id), nil, &got); err != nil {
		return err
	}
	v := batchView{Dataset: d, Batch: got[id]}
	v.Batch.ID = id
	for _, of := range v.Batch.Related {
		if of.Type == "dataSet" && of.ID != d.ID {
			return r.notFound()
		}
	}
	if v.Files, v.More, err = r.files(id); err != nil {
		return err
	}
	return r.show("dataset_batch", v)
}

// files returns the Parquet files of a batch that Data Access still has.
func (r *request) files(batch string) (files []batchFile, more bool, err error) {
	var sets struct {
		Data []struct {
			ID string `json:"dataSetFileId"`
		} `json:"data"`
	}
	if err := r.get(exportAPI+"/batches/"+escape(batch)+"/files", nil, &sets); err != nil {
		return nil, false, err
	}
	for _, set := range sets.Data {
		var parts struct {
			Data  []batchFile `json:"data"`
			Links struct {
				Next any `json:"next"`
			} `json:"_links"`
		}
		path := exportAPI + "/files/" + escape(set.ID)
		if err := r.get(path, nil, &parts); err != nil {
			return nil, false, err
		}
		for _, f := range parts.Data {
			f.Path = path + "?" + url.Values{"path": {f.Name}}.Encode()
			files = append(files, f)
		}
		more = more || parts.Links.Next != nil
	}
	return files, more, nil
}

// rowsView is what the preview of a dataset shows.
type rowsView struct {
	Dataset datasetItem
	Columns []string
	Rows    [][]string
	Left    int // columns that are not shown
}

// Bounds of a preview: what a page can show well.
const (
	previewColumns = 40
	previewText    = 120
)

func (r *request) showRows() error {
	d, err := r.datasetItem(r.http.PathValue("dataset"))
	if err != nil {
		return err
	}
	var got struct {
		Data []map[string]any `json:"data"`
	}
	if err := r.get(exportAPI+"/datasets/"+escape(d.ID)+"/preview", nil, &got); err != nil {
		return err
	}
	v := rowsView{Dataset: d}
	flat := make([]map[string]string, len(got.Data))
	filled := map[string]int{}
	for i, row := range got.Data {
		flat[i] = map[string]string{}
		flatten("", row, flat[i])
		for name := range flat[i] {
			filled[name]++
		}
	}
	for name := range filled {
		v.Columns = append(v.Columns, name)
	}
	// Those that most rows have come first, so that what is left out matters least.
	slices.SortFunc(v.Columns, func(a, b string) int { return cmp.Or(cmp.Compare(filled[b], filled[a]), cmp.Compare(a, b)) })
	if v.Left = len(v.Columns) - previewColumns; v.Left > 0 {
		v.Columns = v.Columns[:previewColumns]
	}
	for _, row := range flat {
		line := make([]string, len(v.Columns))
		for i, name := range v.Columns {
			line[i] = row[name]
		}
		v.Rows = append(v.Rows, line)
	}
	return r.show("dataset_rows", v)
}

// flatten puts the values of a record that are no objects under their paths, as
// texts; lists as JSON.
func flatten(path string, v any, into map[string]string) {
	text := ""
	switch v := v.(type) {
	case nil:
		return
	case map[string]any:
		for name, one := range v {
			flatten(strings.TrimPrefix(path+"."+name, "."), one, into)
		}
		return
	case string:
		text = v
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return // what was decoded from JSON can be encoded
		}
		text = string(b)
	}
	if letters := []rune(text); len(letters) > previewText {
		text = string(letters[:previewText]) + "…"
	}
	into[path] = text
}
