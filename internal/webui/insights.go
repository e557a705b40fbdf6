package webui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

const reportAPI = "/data/tributary/reports/bnpl"

// reportParams are the filters of the report, as its API names them.
var reportParams = []string{"from", "to", "tz", "period", "currency", "country", "customer", "copy"}

// insightRoutes adds what is worked out of the copies.
func (u *UI) insightRoutes(m *routes) {
	view := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	m.get("/insights", view, func(r *request) error { return r.redirect("/insights/bnpl") })
	m.get("/insights/bnpl", view, (*request).showBNPL)
	m.get("/insights/bnpl/report", view, (*request).showBNPLReport)
	m.get("/insights/bnpl/csv", view, (*request).exportBNPL)
}

// bnplView is what the page shows.
type bnplView struct {
	Filters map[string]string
	Copies  []string // "" is the directory's own
	Query   string   // of the filters, for addresses
	Report  *bnplReport
}

// showBNPL shows the filters; the report takes longer, and comes by itself.
func (r *request) showBNPL() error {
	v, err := r.bnplView()
	if err != nil {
		return err
	}
	return r.show("bnpl", v)
}

func (r *request) bnplView() (bnplView, error) {
	v := bnplView{Filters: map[string]string{}}
	var got struct {
		Copies []string `json:"copies"`
	}
	if err := r.get("/data/tributary/reports/copies", nil, &got); err != nil {
		return v, err
	}
	v.Copies = got.Copies
	chosen := url.Values{}
	for _, name := range reportParams {
		v.Filters[name] = strings.TrimSpace(r.query(name))
		if v.Filters[name] != "" {
			chosen.Set(name, v.Filters[name])
		}
	}
	if len(v.Copies) > 0 && v.Copies[0] != "" && v.Filters["copy"] == "" { // there is no usual one among several
		v.Filters["copy"] = v.Copies[0]
		chosen.Set("copy", v.Copies[0])
	}
	v.Query = chosen.Encode()
	return v, nil
}

// showBNPLReport is the part of the page with the report, and a page without
// scripts.
func (r *request) showBNPLReport() error {
	v, err := r.bnplView()
	if err != nil {
		return err
	}
	params, err := url.ParseQuery(v.Query)
	if err != nil {
		return err
	}
	params.Set("charts", "true")
	params.Set("rows", strconv.Itoa(bnplRows))
	var got bnplAnswer
	if err := r.get(reportAPI, params, &got); err != nil {
		return err
	}
	if v.Report, err = r.bnplReport(&got, v.Filters["copy"]); err != nil {
		return err
	}
	if r.partial() {
		return r.part("bnpl", "bnpl-report", *v.Report)
	}
	return r.show("bnpl", v)
}

// exportBNPL hands on a section as CSV.
func (r *request) exportBNPL() error {
	params := url.Values{"format": {"csv"}}
	for _, name := range append([]string{"section"}, reportParams...) {
		if text := r.query(name); text != "" {
			params.Set(name, text)
		}
	}
	got, err := r.ask(call{Path: reportAPI, Query: params, Header: http.Header{"Accept": {"text/csv"}}})
	if err != nil {
		return err
	}
	r.began = true
	h := r.w.Header()
	h["Content-Type"] = got.Header()["Content-Type"]
	h.Set("Content-Disposition", `attachment; filename="bnpl.csv"`)
	_, _ = r.w.Write(got.Body.Bytes()) // the browser is gone
	return nil
}
