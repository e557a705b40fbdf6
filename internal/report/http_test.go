package report_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
)

// kept leaves a copy open.
type kept struct{ report.Source }

func (kept) Close() error { return nil }

// The API makes the same report, of the copy that is named.
func TestHTTP(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	_, dir := little.Copy(t)
	source := copytest.Open(t, dir)
	s := gatewaytest.New(t, report.New(report.Service{Open: func(_ context.Context, c access.Caller, name string) (report.Copy, error) {
		if name != "" && name != "mine" || c.Sandbox.Name != "prod" {
			return nil, problem.Errorf(problem.NotFound, "there is no copy %q", name)
		}
		return kept{source}, nil
	}, Names: func(context.Context, access.Caller) ([]string, error) { return []string{"", "mine"}, nil }}).HTTP())
	const path = "/data/tributary/reports/bnpl"
	for name, c := range map[string]struct {
		query, sandbox string
		status         int
		has            string
	}{
		"all":               {"", "prod", 200, `"statement":"Reconciled: `},
		"by its name":       {"?copy=mine&section=mrr", "prod", 200, `"name":"mrr"`},
		"with all there is": {"?from=2026-03-01&to=2026-04-01&tz=Asia/Tokyo&period=week&currency=usd&country=US&customer=new&section=periods", "prod", 200, `"tz":"Asia/Tokyo"`},
		"converted":         {"?section=converted&rates=eur:1.1,jpy:0.0067&convertTo=usd", "prod", 200, `"name":"converted"`},
		"csv":               {"?format=csv", "prod", 200, "currency,class,method,attempts"},
		"html":              {"?format=html&section=methods", "prod", 200, "<svg"},
		"charts":            {"?charts=true&currency=usd", "prod", 200, `"kind":"flow"`},
		"its first rows":    {"?section=methods&rows=2", "prod", 200, `"total":`},
		"more than it has":  {"?section=mrr&rows=1000", "prod", 200, `"rows":[{`},
		"no rows":           {"?rows=0", "prod", 400, "a whole number from 1"},
		"rows in words":     {"?rows=all", "prod", 400, "a whole number from 1"},
		"charts of what":    {"?charts=some", "prod", 400, "the parameter charts is true"},
		"queries":           {"/queries?section=mrr", "prod", 200, `"section":"mrr"`},
		"queries of what":   {"/queries?section=secrets", "prod", 404, "no section"},
		"no copy":           {"?copy=theirs", "prod", 404, `there is no copy \"theirs\"`},
		"another sandbox":   {"", "dev", 404, "there is no copy"},
		"unknown parameter": {"?form=csv", "prod", 400, `there is no parameter \"form\"`},
		"twice":             {"?tz=UTC&tz=UTC", "prod", 400, "more than once"},
		"no zone":           {"?tz=Mars/Crater", "prod", 400, "no time zone"},
		"no local zone":     {"?tz=Local", "prod", 400, "no time zone"},
		"a zone of seconds": {"?tz=right/Europe/Berlin", "prod", 400, "no name of a time zone"},
		"this machine's":    {"?tz=localtime", "prod", 400, "no name of a time zone"},
		"no rates":          {"?section=converted", "prod", 400, "needs a table of rates"},
		"a zone of files":   {"?tz=../../etc/passwd", "prod", 400, "no name of a time zone"},
		"no currency":       {"?currency=x'--", "prod", 400, "no code of a currency"},
		"no country":        {"?country=x'", "prod", 400, "no code of a country"},
		"no customer":       {"?customer=old", "prod", 400, "no kind of customer"},
		"no period":         {"?period=year", "prod", 400, "none of day, week and month"},
		"no date":           {"?from=yesterday", "prod", 400, "neither a date"},
		"backwards":         {"?from=2026-04-01&to=2026-03-01", "prod", 400, "from is not before to"},
		"no section":        {"?section=secrets", "prod", 404, "no section"},
		"no format":         {"?format=pdf", "prod", 400, "no format"},
		"rates alone":       {"?rates=eur:1.1", "prod", 400, "go together"},
		"no rate":           {"?rates=eur:much&convertTo=usd", "prod", 400, "no rate for eur"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.With(t).Do("GET", path+strings.ReplaceAll(c.query, "'", "%27"), nil, "X-Sandbox-Name", c.sandbox)
			if r.Status != c.status || !strings.Contains(string(r.Body), c.has) {
				t.Errorf("%d %.600s", r.Status, r.Body)
			}
			if r.Status == 200 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") != json.Valid(r.Body) {
				t.Errorf("%s", r.Header.Get("Content-Type"))
			}
		})
	}
	viewer := access.Principal{Org: gatewaytest.Org, Client: "client", Grants: map[string][]access.Permission{"prod": {access.ViewSources}}}
	if r := s.As(viewer, "GET", path, nil); r.Status != http.StatusForbidden {
		t.Errorf("without the permission: %d %s", r.Status, r.Body)
	}
}

// A copy without charges says so.
func TestEmpty(t *testing.T) {
	t.Parallel()
	_, err := report.Run(t.Context(), empty(t), report.Params{})
	if problem.KindOf(err) != problem.NotFound {
		t.Errorf("%v", err)
	}
}
