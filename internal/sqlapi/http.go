package sqlapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlworker"
)

// The calls. All need view-datasets (or manage-datasets) in the sandbox that
// x-sandbox-name says, and see that sandbox alone.
//
//	POST /data/tributary/sql
//
// runs one statement that reads. The body is {"query": "SELECT …", "limit": 1000,
// "format": "json"}; limit is 1 to 10000 and format json or csv, and both may be
// left out. The answer, 200:
//
//	{"columns": [{"name": "status", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT"}, {"name": "share", "type": "DECIMAL"}],
//	 "rows": [["succeeded", 1201, "0.92"], ["failed", 104, "0.08"]],
//	 "rowCount": 2, "truncated": false, "durationMs": 38,
//	 "snapshot": {"id": "9f3c0a…", "at": "2026-11-23T09:30:00.123Z"}}
//
// A row has a value for each column. Whole numbers are JSON numbers with all their
// digits, also those beyond 2^53; decimals, NaN and infinity are texts; times are
// RFC 3339 in UTC; columns of the type JSON, lists, structs and maps are JSON;
// NULL is null. truncated says that there is more, and then truncatedBy whether
// it was cut by "rows" or by "bytes": the rows are 16 MiB at most. snapshot.id is
// another one as soon as anything is committed to a table of the sandbox.
//
// With format csv, or the header Accept: text/csv, the answer is CSV (RFC 4180)
// with a header line: NULL is empty, an empty text is "". What JSON has beside
// the rows stands in the headers X-Row-Count, X-Truncated (rows or bytes, else
// it is not there) and X-Duration-Ms.
//
// Refused are, in the shape below: 400 for what is no single statement that reads,
// is wrong (with DuckDB's words and place), takes more than 30 s or too much
// memory; 413 for a body over 256 KiB; 429, with Retry-After, while two others run
// in the sandbox or four in all; 503 when files went during the query.
//
//	{"errorCode": "SQL-1000-400", "httpStatus": "BAD_REQUEST", "title": "Bad request",
//	 "details": ["the query can't be run: Binder Error: Referenced column \"amout\" not found in FROM clause!\nCandidate bindings: \"amount\"\n\nLINE 1: SELECT amout FROM charges\n               ^"]}
//
//	GET /data/tributary/sql/tables
//
// lists what can be read. A dataset has a name made of its own, and that of its
// table. A copy of an account has a view for each resource and one for its
// history, in a schema by account and mode; if it is the sandbox's only one, also
// without the schema (also). As they are stored, they stand in the schemas xdm,
// lake, <copy>_xdm and <copy>_lake. Who was shown which variant of an experiment
// stands in experiments.exposures, whose rows are estimated; queries that do not
// name it are not held up by it.
//
//	{"items": [
//	  {"name": "my_charges", "also": "ds_65f0c2…", "kind": "dataset", "datasetId": "65f0c2…",
//	   "columns": [{"name": "_acme", "type": "STRUCT(charges_data STRUCT(id VARCHAR, amount BIGINT))"}, {"name": "_batch", "type": "VARCHAR"}],
//	   "rows": 1305, "rowsExact": true, "sample": "SELECT * FROM my_charges LIMIT 100"},
//	  {"name": "acct_1abc_live.charges", "also": "charges", "kind": "copy", "copy": "acct_1abc_live", "columns": […], "rows": 1305, "rowsExact": true,
//	   "sample": "SELECT * FROM acct_1abc_live.charges ORDER BY created DESC LIMIT 100"},
//	  {"name": "acct_1abc_live.charges_history", "also": "charges_history", "kind": "history", "copy": "acct_1abc_live", …},
//	  {"name": "experiments.exposures", "kind": "exposures", "columns": [{"name": "experiment", "type": "VARCHAR"}, …], "rows": 20000, "rowsExact": false, …}],
//	 "limits": {"rows": 10000, "bytes": 16777216, "seconds": 30, "queries": 2},
//	 "snapshot": {"id": "9f3c0a…", "at": "2026-11-23T09:30:00.123Z"}}
//
// limits are those of a query: rows and bytes of its answer, seconds that it may
// take, and how many are run at a time in a sandbox.
//
//	GET /data/tributary/sql/preview?dataset=65f0c2…&limit=100
//
// returns records of a dataset, those of the latest commits first, with a column
// for each leaf of the schema by its path; limit is 1 to 1000, usually 100. The
// answer is that of a query, and has datasetId and name beside it:
//
//	{"datasetId": "65f0c2…", "name": "My charges", "columns": [{"name": "_acme.charges_data.id", "type": "VARCHAR"}, {"name": "_acme.charges_data.amount", "type": "BIGINT"}],
//	 "rows": [["ch_1", 1200], ["ch_2", null]], "rowCount": 2, "truncated": true, "truncatedBy": "rows", "durationMs": 21, "snapshot": {…}}
//
//	GET /data/tributary/sql/engines?dataset=65f0c2…
//	GET /data/tributary/sql/engines?table=acct_1abc_live.charges
//
// tells how other programs read a table. reads is "yes" (tested here), "documented"
// (by the engine's documentation), "care" (the note says which) or "no" (as long as
// the note says). metadataLocation and location are null, and snippets have
// "<location>" in their place, for who may not manage datasets; locationHidden
// says so, and paths of files are null then. files are the Parquet files with data,
// the youngest first and 200 at most. A snippet may be "".
//
//	{"name": "my_charges", "table": "ds_65f0c2…", "formatVersion": 2, "snapshotId": "8123…", "rows": 1305, "bytes": 481230, "dataFiles": 3, "deleteFiles": 0,
//	 "metadataLocation": "file:///srv/tributary/lake/stripe/ds_65f0c2…/metadata/00003-….metadata.json",
//	 "location": "file:///srv/tributary/lake/stripe/ds_65f0c2…", "locationHidden": false,
//	 "files": [{"name": "00000-….parquet", "path": "/srv/tributary/lake/stripe/ds_65f0c2…/data/00000-….parquet", "rows": 1305}],
//	 "engines": [{"name": "DuckDB", "reads": "documented", "note": "The table has no delete files: …", "snippet": "INSTALL iceberg;\nLOAD iceberg;\nSELECT count(*) FROM iceberg_scan('…');"}, …]}
const base = "/data/tributary/sql"

// maxFiles is how many of a table's files are told.
const maxFiles = 200

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	return &gateway.Service{
		Name: "sql", Base: base, Shape: gateway.Observability("SQL-1000"),
		Routes: []gateway.Route{
			{Method: "POST", Path: "", Need: view, MaxBody: 256 << 10, Handle: s.query},
			{Method: "GET", Path: "/tables", Need: view, Handle: s.list},
			{Method: "GET", Path: "/preview", Need: view, Handle: s.preview},
			{Method: "GET", Path: "/engines", Need: view, Handle: s.engines},
		},
	}
}

func (s *Service) query(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var r struct {
		Query  string `json:"query"`
		Limit  *int   `json:"limit"`
		Format string `json:"format"`
	}
	if err := call.JSON(&r); err != nil {
		return nil, err
	}
	limit := UsualRows
	if r.Limit != nil {
		limit = *r.Limit
	}
	asCSV := r.Format == "csv"
	switch r.Format {
	case "":
		asCSV = strings.Contains(call.HTTP.Header.Get("Accept"), "text/csv")
	case "json", "csv":
	default:
		return nil, problem.Errorf(problem.Invalid, "format: %q is neither json nor csv", r.Format)
	}
	a, err := s.Query(ctx, call.Caller, r.Query, limit)
	if err != nil {
		return nil, err
	}
	if asCSV {
		return a.csv(), nil
	}
	return gateway.OK(a.show()), nil
}

func (s Snapshot) show() map[string]any {
	return map[string]any{"id": s.ID, "at": s.At.Format("2006-01-02T15:04:05.000Z07:00")}
}

func (a Answer) show() map[string]any {
	v := map[string]any{
		"columns": a.Columns, "rows": a.Rows, "rowCount": len(a.Rows), "truncated": a.Cut != "", "durationMs": a.Took.Milliseconds(), "snapshot": a.Snapshot.show(),
	}
	if a.Cut != "" {
		v["truncatedBy"] = a.Cut
	}
	return v
}

// csv writes rows as they are held: an error of the query has been told by then.
func (a Answer) csv() *gateway.Answer {
	h := http.Header{
		"Content-Type": {"text/csv; charset=utf-8; header=present"}, "Content-Disposition": {`attachment; filename="query.csv"`},
		"X-Row-Count": {strconv.Itoa(len(a.Rows))}, "X-Duration-Ms": {strconv.FormatInt(a.Took.Milliseconds(), 10)}, "X-Content-Type-Options": {"nosniff"},
	}
	if a.Cut != "" {
		h.Set("X-Truncated", a.Cut)
	}
	return &gateway.Answer{Header: h, Serve: func(w http.ResponseWriter, _ *http.Request) {
		out := bufio.NewWriterSize(w, 32<<10)
		for i, c := range a.Columns {
			cell(out, i, c.Name, true)
		}
		_, _ = out.WriteString("\r\n")
		for _, row := range a.Rows {
			line(out, a.Columns, row)
		}
		_ = out.Flush() // else the caller has gone
	}}
}

func line(out *bufio.Writer, columns []duck.ColumnType, row json.RawMessage) {
	var cells []json.RawMessage
	_ = json.Unmarshal(row, &cells) // it is a list: it was made as one
	for i, c := range cells {
		var text string
		switch {
		case string(c) == "null":
			cell(out, i, "", false)
		case c[0] == '"' && columns[i].Type != "JSON" && json.Unmarshal(c, &text) == nil:
			cell(out, i, text, true)
		default:
			cell(out, i, string(c), true)
		}
	}
	_, _ = out.WriteString("\r\n")
}

// cell writes a value behind i others, there or NULL.
func cell(out *bufio.Writer, i int, s string, there bool) {
	if i > 0 {
		_ = out.WriteByte(',')
	}
	if there && (s == "" || strings.ContainsAny(s, "\",\r\n")) {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	_, _ = out.WriteString(s)
}

func (s *Service) list(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	all, at, err := s.Tables(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, v := range all {
		one := map[string]any{"name": v.Name, "kind": v.Kind, "columns": v.Columns, "rows": v.Rows, "rowsExact": v.Exact, "sample": v.Sample}
		for name, value := range map[string]string{"also": v.Also, "datasetId": v.Dataset, "copy": v.Copy} {
			if value != "" {
				one[name] = value
			}
		}
		items = append(items, one)
	}
	limits := map[string]any{"rows": MaxRows, "bytes": MaxBytes, "seconds": int(s.time().Seconds()), "queries": sqlworker.MaxOf}
	return gateway.OK(map[string]any{"items": items, "limits": limits, "snapshot": at.show()}), nil
}

func (s *Service) preview(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q := call.HTTP.URL.Query()
	limit := 100
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, problem.Errorf(problem.Invalid, "limit=%s: a whole number from 1 to %d is expected", text, UsualRows)
		}
		limit = n
	}
	if q.Get("dataset") == "" {
		return nil, problem.Errorf(problem.Invalid, "dataset: the id of a dataset is expected")
	}
	p, err := s.Preview(ctx, call.Caller, q.Get("dataset"), limit)
	if err != nil {
		return nil, err
	}
	v := p.show()
	v["datasetId"], v["name"] = p.Dataset.ID, p.Dataset.Name
	return gateway.OK(v), nil
}

func (s *Service) engines(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q := call.HTTP.URL.Query()
	e, err := s.EnginesOf(ctx, call.Caller, q.Get("dataset"), q.Get("table"))
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, one := range e.Engines {
		all = append(all, map[string]any{"name": one.Name, "reads": one.Reads, "note": one.Note, "snippet": one.Snippet})
	}
	t := e.State
	v := map[string]any{
		"name": e.Name, "table": t.Name, "formatVersion": t.Format, "snapshotId": strconv.FormatInt(t.Snapshot, 10), "rows": t.Rows, "bytes": t.Bytes,
		"dataFiles": t.Files, "deleteFiles": t.Deletes, "metadataLocation": t.Metadata, "location": t.Location, "locationHidden": e.Hidden, "engines": all,
	}
	if e.Hidden {
		v["metadataLocation"], v["location"] = nil, nil
	}
	files := []any{}
	for _, f := range t.Table.Files[:min(len(t.Table.Files), maxFiles)] {
		one := map[string]any{"name": filepath.Base(f.Path), "path": f.Path, "rows": f.Rows}
		if e.Hidden {
			one["path"] = nil
		}
		files = append(files, one)
	}
	v["files"] = files
	return gateway.OK(v), nil
}
