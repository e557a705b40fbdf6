package webui

import "net/http"

// enginesView is how a dataset is read by other programs.
type enginesView struct {
	Dataset  datasetItem
	Sample   string // the page of queries, with one of this dataset
	Name     string `json:"name"` // in queries
	Format   int    `json:"formatVersion"`
	Snapshot string `json:"snapshotId"`
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
	Data     int64  `json:"dataFiles"`
	Deletes  int64  `json:"deleteFiles"`
	Metadata string `json:"metadataLocation"`
	Location string `json:"location"`
	Hidden   bool   `json:"locationHidden"`
	Files    []struct {
		Name string `json:"name"`
		Path string `json:"path"`
		Rows int64  `json:"rows"`
	} `json:"files"`
	Engines []engine `json:"engines"`
	Empty   bool     // there is no table yet
}

// More is how many files are not told.
func (v enginesView) More() int64 { return v.Data - int64(len(v.Files)) }

// An engine is a program that reads Iceberg tables.
type engine struct {
	Name    string `json:"name"`
	Reads   string `json:"reads"`
	Note    string `json:"note"`
	Snippet string `json:"snippet"`
}

// Word says how it reads the table as it is now.
func (e engine) Word() string {
	switch e.Reads {
	case "yes":
		return "Yes, tested"
	case "documented":
		return "Yes, by its documentation"
	case "care":
		return "With care"
	}
	return "Not as it is now"
}

// Tone is the class of its mark.
func (e engine) Tone() string {
	switch e.Reads {
	case "yes", "documented":
		return "positive"
	case "care":
		return "warning"
	}
	return "negative"
}

// What the API says of engines.
var _ = words(
	"Yes, tested", "Yes, by its documentation", "With care", "Not as it is now",
	"The table has delete files, which the engine applies. The extension iceberg is needed.",
	"The table has no delete files: each row of its files counts. The extension iceberg is needed.",
	"A view over the files of this very commit: take it anew behind the next one.",
	"The table has delete files, no files, or more than can be pasted. Run `tributary maintain` before.",
	"The table has delete files, which the engine applies.",
	"The table has no delete files: each row of its files counts.",
	"The table has delete files, which the engine applies. iceberg.register-table-procedure.enabled=true is needed.",
	"The table has no delete files: each row of its files counts. iceberg.register-table-procedure.enabled=true is needed.",
	"The table has no delete files: each row of its files counts. Fields of structs need the subquery: SELECT … FROM (SELECT * FROM icebergLocal(…)).",
	"A bare count() leaves delete files out unless the setting optimize_trivial_count_query is 0.",
	"pyiceberg does not apply equality deletes: it would show rows that were replaced. Run `tributary maintain` before.",
)

// showEngines is a part of a dataset's page, and a page without scripts.
func (r *request) showEngines() error {
	d, err := r.datasetItem(r.http.PathValue("dataset"))
	if err != nil {
		return err
	}
	v := enginesView{Dataset: d}
	if err := r.get(sqlAPI+"/engines", map[string][]string{"dataset": {d.ID}}, &v); missing(err, http.StatusNotFound) {
		v.Empty = true // the dataset is there
	} else if err != nil {
		return err
	}
	v.Sample = sqlPath("SELECT * FROM " + v.Name + " LIMIT 100")
	for i, e := range v.Engines {
		v.Engines[i].Note = r.t(e.Note)
	}
	if r.partial() {
		return r.part("dataset_engines", "engines", v)
	}
	return r.show("dataset_engines", v)
}
