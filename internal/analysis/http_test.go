package analysis_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/shelf"
)

// kept leaves a copy open.
type kept struct{ analysis.Source }

func (kept) Close() error { return nil }

// keeps fails the test unless a result is made once of a state of a copy and of what
// was shown, and anew after a change of either, or of the experiment.
func keeps(t *testing.T, source analysis.Source, fresh time.Time, e experiment.Experiment, shown []exposure.Exposure) {
	t.Helper()
	opened, state, now, of := 0, "1", fresh.Add(time.Hour), experiments{"one": e}
	s := analysis.New(analysis.Service{
		Experiments: of,
		Open: func(context.Context, access.Caller, string) (analysis.Copy, time.Time, error) {
			opened++
			return kept{source}, fresh, nil
		},
		Shown: func(context.Context, access.Caller) iter.Seq2[exposure.Exposure, error] { return each(shown) },
		Now:   func() time.Time { return now },
		State: func(_ context.Context, _ access.Caller, name string) (shelf.Snapshot, time.Time, error) {
			return shelf.Snapshot{Copy: name, State: state}, fresh, nil
		},
	})
	var c access.Caller
	c.Sandbox.Name = "prod"
	for _, one := range []struct {
		name  string
		do    func()
		ask   analysis.Ask
		opens int
	}{
		{"first", nil, analysis.Ask{ID: "one"}, 1},
		{"again", nil, analysis.Ask{ID: "one"}, 0},
		{"as of earlier", nil, analysis.Ask{ID: "one", AsOf: fresh.AddDate(0, 0, -3)}, 1},
		{"later", func() { now = now.AddDate(0, 0, 1) }, analysis.Ask{ID: "one"}, 0},
		{"of another copy", nil, analysis.Ask{ID: "one", Copy: "theirs"}, 1},
		{"after a commit", func() { state = "2" }, analysis.Ask{ID: "one"}, 1},
		{"after a change of the experiment", func() { e.Name = "another"; of["one"] = e }, analysis.Ask{ID: "one"}, 1},
		{"as of the present", func() { now, state = fresh, "3" }, analysis.Ask{ID: "one"}, 1},
		{"as of the present again", nil, analysis.Ask{ID: "one"}, 1},
	} {
		if one.do != nil {
			one.do()
		}
		opened = 0
		r, err := s.Result(t.Context(), c, one.ask)
		if err != nil {
			t.Fatal(err)
		}
		if opened != one.opens || r.Experiment.Name != e.Name {
			t.Errorf("%s: opened %d times, want %d; of %s", one.name, opened, one.opens, r.Experiment.Name)
		}
	}
}

// experiments are those of the sandbox prod.
type experiments map[string]experiment.Experiment

func (x experiments) Experiment(_ context.Context, c access.Caller, id string) (experiment.Experiment, error) {
	e, ok := x[id]
	if !ok || c.Sandbox.Name != "prod" {
		return e, problem.Errorf(problem.NotFound, "there is no experiment %s", id)
	}
	return e, nil
}

// The API gives the same result, of the phase, time and copy that are asked for.
func TestHTTP(t *testing.T) {
	account.Hold(t)
	t.Parallel()
	sim, source, fresh := copied(t)
	e, shown := study(t, charges(t, sim), 1, experiment.Unit{}, experiment.Measure{Metric: "revenue", Currency: "usd", Days: 30, Before: 60, Items: "items_count"})
	keeps(t, source, fresh, e, shown)
	draft := e
	draft.Phases = nil
	s := gatewaytest.New(t, analysis.New(analysis.Service{
		Experiments: experiments{"one": e, "draft": draft},
		Open: func(_ context.Context, _ access.Caller, name string) (analysis.Copy, time.Time, error) {
			switch name {
			case "", "mine":
				return kept{source}, fresh, nil
			case "young":
				return kept{source}, time.Time{}, nil
			}
			return nil, time.Time{}, problem.Errorf(problem.NotFound, "there is no copy %q", name)
		},
		Shown: func(context.Context, access.Caller) iter.Seq2[exposure.Exposure, error] { return each(shown) },
		Now:   func() time.Time { return present.AddDate(0, 1, 0) },
	}).HTTP())
	const path = "/data/tributary/analysis"
	for name, c := range map[string]struct {
		path, sandbox string
		status        int
		has           string
	}{
		"result":            {"/experiments/one", "prod", 200, `"phase":2`},
		"all":               {"/experiments/one?phase=1&asOf=2026-04-01T00:00:00Z&copy=mine&format=json", "prod", 200, `"asOf":"2026-04-01T00:00:00Z"`},
		"fresh":             {"/experiments/one?asOf=2030-01-01", "prod", 200, "The copy has everything up to"},
		"csv":               {"/experiments/one?format=csv", "prod", 200, "experiment,phase,as_of,part"},
		"html":              {"/experiments/one?format=html", "prod", 200, "<svg"},
		"power":             {"/power?metric=orderValue&currency=USD&days=21&before=90&last=120&lift=0.05", "prod", 200, `"explained":0.`},
		"power of mean":     {"/power?mean=100&sd=40&effect=5&unitsPerDay=50&days=7&alpha=0.01&power=0.9&share=0.3&explained=0.2", "prod", 200, `"once":{"units":`},
		"power of share":    {"/power?proportion=0.08&lift=0.1", "prod", 200, `"kind":"share"`},
		"no experiment":     {"/experiments/two", "prod", 404, "there is no experiment two"},
		"another sandbox":   {"/experiments/one", "dev", 404, "there is no experiment one"},
		"no copy":           {"/experiments/one?copy=theirs", "prod", 404, "there is no copy"},
		"never read":        {"/experiments/one?copy=young", "prod", 409, "has not yet read"},
		"no baseline yet":   {"/power?metric=revenue&currency=usd&days=21&lift=0.05&copy=young", "prod", 409, "has not yet read"},
		"draft":             {"/experiments/draft", "prod", 409, "was never started"},
		"no phase":          {"/experiments/one?phase=3", "prod", 404, "has no phase 3"},
		"odd phase":         {"/experiments/one?phase=0", "prod", 400, "no number from 1"},
		"odd time":          {"/experiments/one?asOf=tomorrow", "prod", 400, "neither a time"},
		"odd format":        {"/experiments/one?format=pdf", "prod", 400, "no format"},
		"unknown parameter": {"/experiments/one?from=1", "prod", 400, "there is no parameter"},
		"twice":             {"/power?lift=1&lift=2", "prod", 400, "more than once"},
		"no wish":           {"/power?mean=1&sd=1", "prod", 400, "one of lift and effect"},
		"no baseline":       {"/power?lift=0.1", "prod", 400, "days: a baseline of a copy needs the horizon"},
		"two baselines":     {"/power?lift=0.1&mean=1&proportion=0.5", "prod", 400, "either mean and sd, or proportion"},
		"no metric":         {"/power?lift=0.1&days=3&currency=usd&metric=profit", "prod", 400, "is none of"},
		"no currency":       {"/power?lift=0.1&days=3&currency=x'--&metric=revenue", "prod", 400, "three lower-case letters"},
		"no number":         {"/power?lift=much", "prod", 400, "is no number"},
		"no whole number":   {"/power?lift=0.1&days=1.5", "prod", 400, "no whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.With(t).Do("GET", path+strings.ReplaceAll(c.path, "'", "%27"), nil, "X-Sandbox-Name", c.sandbox)
			if r.Status != c.status || !strings.Contains(string(r.Body), c.has) {
				t.Errorf("%d %.600s", r.Status, r.Body)
			}
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") != json.Valid(r.Body) {
				t.Errorf("%s", r.Header.Get("Content-Type"))
			}
			if strings.HasSuffix(c.path, "csv") {
				if all, err := csv.NewReader(strings.NewReader(string(r.Body))).ReadAll(); err != nil || len(all) < 20 {
					t.Errorf("%d lines, %v", len(all), err)
				}
			}
		})
	}
	viewer := access.Principal{Org: gatewaytest.Org, Client: "client", Grants: map[string][]access.Permission{"prod": {access.ViewSources}}}
	if r := s.As(viewer, "GET", path+"/power?proportion=0.08&lift=0.1", nil); r.Status != http.StatusForbidden {
		t.Errorf("without the permission: %d %s", r.Status, r.Body)
	}
}
