package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

const sqlAPI = "/data/tributary/sql"

// sqlRoutes adds the page on which SQL is asked of a sandbox's tables. A link to
// it fills a query in; nothing but the button runs it.
func sqlRoutes(m *routes) {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	m.get("/sql", view, (*request).showSQL)
	m.get("/sql/tables", view, (*request).showTables)
	m.post("/sql", view, (*request).runSQL)
	m.post("/sql/csv", view, (*request).exportSQL)
}

// sqlLimits are how many rows can be asked for on the page, the usual number
// first.
var sqlLimits = []int{100, 500, 1000}

// sqlExport is how many rows a download has at most: as many as the API gives.
const sqlExport = 10_000

// sqlView is what the page shows.
type sqlView struct {
	Query  string
	Limit  int
	Limits []int
	Tables *tablesView // nil where the page asks for them by itself
	Result *sqlResult
	Fault  *sqlFault
}

func (r *request) sqlView(query string) sqlView {
	return sqlView{Query: query, Limit: sqlLimits[0], Limits: sqlLimits}
}

// showSQL shows the page, with the query q, or with the one that a report has
// made a section with, or the result of an experiment.
func (r *request) showSQL() error {
	q := r.http.URL.Query()
	v := r.sqlView(q.Get("q"))
	if q.Get("report") == "bnpl" && q.Get("section") != "" {
		var got struct {
			Queries []struct {
				Query string `json:"query"`
			} `json:"queries"`
		}
		params := url.Values{}
		for _, name := range append([]string{"section"}, reportParams...) {
			if text := q.Get(name); text != "" {
				params.Set(name, text)
			}
		}
		if err := r.get(reportAPI+"/queries", params, &got); err != nil {
			return err
		}
		v.Query = got.Queries[0].Query // there is one of each section, or no answer
	}
	if q.Get("report") == "experiment" {
		var err error
		if v.Query, err = r.resultQuery(q); err != nil {
			return err
		}
	}
	return r.show("sql", v)
}

// asked returns the query of the form. Browsers end lines with two characters.
func (r *request) asked() string {
	return strings.ReplaceAll(r.http.PostFormValue("query"), "\r\n", "\n")
}

func (r *request) runSQL() error {
	v := r.sqlView(r.asked())
	if n, err := strconv.Atoi(r.form("limit")); err == nil && slices.Contains(sqlLimits, n) {
		v.Limit = n
	}
	var got sqlAnswer
	err := r.send(http.MethodPost, sqlAPI, map[string]any{"query": v.Query, "limit": v.Limit}, &got)
	if v.Fault = fault(err, v.Query); err != nil && v.Fault == nil {
		return err
	}
	status := http.StatusUnprocessableEntity
	if v.Fault == nil {
		status = http.StatusOK
		if v.Result, err = r.sqlResult(&got); err != nil {
			return err
		}
	}
	if r.partial() {
		return r.render(status, "sql", "sql-result", v)
	}
	return r.render(status, "sql", "page", v)
}

// exportSQL runs the query again, for a file with all that the API gives.
func (r *request) exportSQL() error {
	v := r.sqlView(r.asked())
	got, err := r.ask(call{
		Method: http.MethodPost, Path: sqlAPI, Body: map[string]any{"query": v.Query, "limit": sqlExport, "format": "csv"}, Header: http.Header{"Accept": {"text/csv"}},
	})
	if err != nil {
		if v.Fault = fault(err, v.Query); v.Fault == nil {
			return err
		}
		return r.render(http.StatusUnprocessableEntity, "sql", "page", v)
	}
	r.began = true
	for _, name := range []string{"Content-Type", "Content-Disposition", "X-Truncated", "X-Row-Count"} {
		r.w.Header()[name] = got.Header()[name]
	}
	_, _ = r.w.Write(got.Body.Bytes()) // the browser is gone
	return nil
}

// A sqlFault is why a query was not run, and where in it.
type sqlFault struct {
	Text         string
	Excerpt      string // the line of the query and a mark below it; may be empty
	Line, Column int    // from 1, in characters; 0 where not known
}

// fault returns what of an error is the query's; nil where it is no matter of the
// query.
func fault(err error, query string) *sqlFault {
	f, ok := err.(*gateway.Failure) //nolint:errorlint // that is what call returns
	if !ok || !slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable}, f.Status) {
		return nil
	}
	text, excerpt, found := strings.Cut(f.Detail, "\n\nLINE ")
	out := &sqlFault{Text: strings.TrimSpace(text)}
	if !found {
		return out
	}
	out.Excerpt = "LINE " + excerpt
	out.Line, out.Column = position(out.Excerpt, query)
	return out
}

// position finds where DuckDB's mark points: below "LINE 2: …, amout FROM …"
// stands ^ under the place. Long lines are cut in it, on both sides.
func position(excerpt, query string) (line, column int) {
	shown, mark, _ := strings.Cut(excerpt, "\n")
	head, shown, ok := strings.Cut(shown, ": ")
	line, err := strconv.Atoi(strings.TrimPrefix(head, "LINE "))
	lines := strings.Split(query, "\n")
	at := strings.IndexByte(mark, '^') - len(head) - len(": ")
	if !ok || err != nil || line < 1 || line > len(lines) || at < 0 {
		return 0, 0
	}
	before := []rune{}
	for _, c := range shown {
		if at <= 0 {
			break
		}
		before = append(before, c)
		at-- // the mark stands under columns of a terminal
		if c >= 0x1100 {
			at--
		}
	}
	text := strings.TrimSuffix(strings.TrimPrefix(shown, "..."), "...")
	skipped := strings.Index(lines[line-1], text)
	if skipped < 0 {
		return line, 0
	}
	column = len([]rune(lines[line-1][:skipped])) + len(before) + 1
	if strings.HasPrefix(shown, "...") {
		column -= len("...")
	}
	return line, column
}
