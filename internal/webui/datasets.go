package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

const exportAPI = "/data/foundation/export"

// Datasets, what is in them, and the schemas that say so.
func (u *UI) datasetRoutes(m *routes) {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	m.get("/datasets", view, (*request).showDatasets)
	m.get("/datasets/{dataset}", view, (*request).showDataset)
	m.get("/datasets/{dataset}/preview", view, (*request).showRows)
	m.get("/datasets/{dataset}/engines", view, (*request).showEngines)
	m.get("/datasets/{dataset}/batches/{batch}", view, (*request).showBatch)
	read := access.AnyOf(access.ViewSchemas, access.ManageSchemas, access.ViewDatasets, access.ManageDatasets)
	m.get("/schemas", read, (*request).showSchemas)
	m.get("/schemas/{schema}", read, (*request).showSchema)
}

// A datasetItem is a dataset as the Catalog Service shows it.
type datasetItem struct {
	catalogDataset

	ID          string
	Schema      string // title
	Updated     int64  `json:"updated"`
	CreatedUser string `json:"createdUser"`
	LastBatch   string `json:"lastBatchId"`
	LastStatus  string `json:"lastBatchStatus"`
	Diagnostics bool   `json:"enableErrorDiagnostics"`
}

// Profile says whether its rows go into profiles.
func (d datasetItem) Profile() bool { return slices.Contains(d.Tags["unifiedProfile"], "enabled:true") }

// SchemaPath is where the page of its schema is.
func (d datasetItem) SchemaPath() string { return schemaPath(d.SchemaRef.ID) }

// Last is how its newest batch stands.
func (d datasetItem) Last() batchState { return batchState(d.LastStatus) }

// datasetsView is what the list of datasets shows.
type datasetsView struct {
	Query string
	Sort  sorting
	Rows  []datasetItem
	Pages paging
}

func (r *request) showDatasets() error {
	v := datasetsView{Query: strings.TrimSpace(r.query("q")), Sort: r.sorting("-created", "name", "created")}
	all, err := r.allDatasets(v.Sort.By)
	if err != nil {
		return err
	}
	titles, err := r.schemaTitles()
	if err != nil {
		return err
	}
	text := strings.ToLower(v.Query)
	all = slices.DeleteFunc(all, func(d datasetItem) bool {
		return !strings.Contains(strings.ToLower(d.Name+" "+d.Description+" "+titles[d.SchemaRef.ID]+" "+d.ID), text)
	})
	v.Pages = r.paging(len(all))
	v.Rows = all[v.Pages.From:v.Pages.To]
	for i := range v.Rows {
		v.Rows[i].Schema = titles[v.Rows[i].SchemaRef.ID]
	}
	if r.partial() {
		return r.part("datasets", "list", v)
	}
	return r.show("datasets", v)
}

// allDatasets returns the datasets of the sandbox, ordered by a field, with -
// before it for descending.
func (r *request) allDatasets(by string) ([]datasetItem, error) {
	order := "asc:" + by
	if field, found := strings.CutPrefix(by, "-"); found {
		order = "desc:" + field
	}
	const page = 100
	var all []datasetItem
	for {
		// Answers are objects without an order, so that is made again below.
		got := map[string]datasetItem{}
		err := r.get(catalogAPI+"/dataSets", url.Values{
			"limit": {strconv.Itoa(page)}, "start": {strconv.Itoa(len(all))}, "orderBy": {order + ",asc:id"},
		}, &got)
		if err != nil {
			return nil, err
		}
		for id, d := range got {
			d.ID = id
			all = append(all, d)
		}
		if len(got) < page {
			break
		}
	}
	slices.SortFunc(all, func(a, b datasetItem) int {
		c := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		if strings.HasSuffix(by, "created") {
			c = int(a.Created - b.Created)
		}
		if strings.HasPrefix(by, "-") {
			c = -c
		}
		if c == 0 {
			c = strings.Compare(a.ID, b.ID)
		}
		return c
	})
	return all, nil
}

// item returns a dataset with the title of its schema.
func (r *request) datasetItem(id string) (datasetItem, error) {
	got := map[string]datasetItem{}
	if err := r.get(catalogAPI+"/dataSets/"+escape(id), nil, &got); err != nil {
		return datasetItem{}, err
	}
	d := got[id]
	d.ID, d.Schema = id, d.SchemaRef.ID
	s, err := r.schemaDoc(d.SchemaRef.ID)
	if err != nil && !missing(err, http.StatusNotFound) {
		return d, err
	}
	if s != nil {
		d.Schema = s.Title
	}
	return d, nil
}
