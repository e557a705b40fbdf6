package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// trial is a directory with the demo's experiment, in a small shop, and a copy of
// its account.
func trial(t *testing.T) (dir string, open *control.Control, by access.Caller) {
	t.Helper()
	now := time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)
	sim, err := stripesim.New(stripesim.Config{
		Seed: 1, Now: now, Start: now.AddDate(-1, 0, 0), End: now.AddDate(0, 0, -80), Frozen: true, Complements: true, Keys: map[string]stripesim.Key{goodKey: {}},
		Counts: stripesim.Counts{Charges: 300, Customers: 400, Subscriptions: 1, Prices: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := demoCmd{Dir: filepath.Join(t.TempDir(), "copy")}
	if err := d.experiment(t.Context(), sim); err != nil {
		t.Fatal(err)
	}
	copytest.Into(t, d.Dir, sim)
	if open, by, err = d.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close() })
	return d.Dir, open, by
}

// What an experiment came to is printed as the service has it, in each format.
func TestExperimentCommands(t *testing.T) {
	t.Parallel()
	long(t)
	dir, open, by := trial(t)
	id, err := open.ExperimentID(t.Context(), by, demoExperiment)
	if err != nil {
		t.Fatal(err)
	}
	result := func(args ...string) outcome {
		return command{args: append([]string{"experiment", "results", "--dir", dir}, args...)}.run(t)
	}
	for _, c := range []struct {
		name, format string
		ask          analysis.Ask
		args         []string
		has          []string
	}{
		{"table", "table", analysis.Ask{ID: id}, []string{demoExperiment}, []string{"An add-on in the cart, phase 1, as of 2026-05-0", "\nMetrics\n", "\nGuardrails\n", "\nSegments, by", "items per unit"}},
		{"by its id", "csv", analysis.Ask{ID: id}, []string{id, "--format", "csv"}, []string{"experiment,phase,as_of,part,"}},
		{"earlier", "json", analysis.Ask{ID: id, Phase: 1, AsOf: time.Date(2026, 4, 25, 0, 0, 0, 0, time.UTC)}, []string{demoExperiment, "--phase", "1", "--as-of", "2026-04-25", "--format", "json", "--sandbox", by.Sandbox.Name}, []string{`"asOf": "2026-04-25T00:00:00Z"`, `"verdict": "`}},
		{"html", "html", analysis.Ask{ID: id}, []string{demoExperiment, "--format", "html"}, []string{"<svg", "What"}},
	} {
		want, err := open.Analysis().Result(t.Context(), by, c.ask)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := want.Write(&text, c.format); err != nil {
			t.Fatal(err)
		}
		o := result(c.args...)
		if diff := cmp.Diff(text.String(), o.stdout); diff != "" || o.status != 0 || o.stderr != "" {
			t.Errorf("%s: status %d, %s (-service +command):\n%s", c.name, o.status, o.stderr, diff)
		}
		for _, has := range c.has {
			if !strings.Contains(o.stdout, has) {
				t.Errorf("%s lacks %q:\n%.600s", c.name, has, o.stdout)
			}
		}
	}
	// The queries of a result can be asked of the copy.
	want, err := open.Analysis().Result(t.Context(), by, analysis.Ask{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range want.Queries {
		o := command{args: []string{"query", "--dir", dir, "--format", "csv", "--", "select count(*) as n from (" + q.SQL + ")"}}.run(t)
		units := want.Variants[0].Ready + want.Variants[1].Ready
		if q.Name == "units" && o.stdout != fmt.Sprintf("n\r\n%d\r\n", units) && o.stdout != fmt.Sprintf("n\n%d\n", units) || o.status != 0 {
			t.Errorf("%s: want %d units: %v", q.Name, units, o)
		}
	}
	result("nothing").sentence(t, app.ExitFailed, "there is no experiment nothing in the sandbox", "only "+demoExperiment)
	result(demoExperiment, "--phase", "2").sentence(t, app.ExitFailed, "has no phase 2")
	result(demoExperiment, "--phase", "none").sentence(t, app.ExitUsage, "phase", `"none"`)
	result(demoExperiment, "--as-of", "yesterday").sentence(t, app.ExitUsage, "asOf", `"yesterday"`, "RFC 3339")
	result(demoExperiment, "--sandbox", "nowhere").sentence(t, app.ExitFailed, "nowhere")
	result(demoExperiment, "--copy", "acct_1-test").sentence(t, app.ExitFailed, "there is no copy")
	result(demoExperiment, "--format", "pdf").sentence(t, app.ExitUsage, "--format", "pdf")
	result(demoExperiment, "--dir", filepath.Join(dir, "other")).sentence(t, app.ExitFailed, "there is no installation in")
	absent(t, filepath.Join(dir, "other"))

	power := func(args ...string) outcome {
		return command{args: append([]string{"experiment", "power", "--dir", dir}, args...)}.run(t)
	}
	o := power("--proportion", "0.08", "--lift", "0.1", "--units-per-day", "400", "--days", "7")
	if diff := cmp.Diff(plannedShare, o.stdout); diff != "" || o.status != 0 {
		t.Errorf("status %d, %s (-want +got):\n%s", o.status, o.stderr, diff)
	}
	o = power("--metric", "orderValue", "--currency", "EUR", "--days", "7", "--before", "20", "--last", "40", "--lift", "0.05", "--format", "json")
	var need analysis.Need
	if err := json.Unmarshal([]byte(o.stdout), &need); err != nil || need.Baseline.Units < 50 || need.Baseline.Value < 1000 || need.Baseline.Explained <= 0 || need.Once.Units >= need.Always.Units || need.Plain.Units <= need.Once.Units {
		t.Errorf("%v %s", err, o)
	}
	power("--lift", "0.1").sentence(t, app.ExitUsage, "days", "horizon")
	power("--proportion", "0.08").sentence(t, app.ExitUsage, "one of lift and effect")
	power("--proportion", "eight", "--lift", "0.1").sentence(t, app.ExitUsage, "proportion", `"eight"`)
	power("--metric", "profit", "--currency", "eur", "--days", "7", "--lift", "0.1").sentence(t, app.ExitUsage, "profit", "orderValue")
	power("--metric", "revenue", "--currency", "sek", "--days", "7", "--lift", "0.1").sentence(t, app.ExitFailed, "there is no baseline")
	power("--metric", "revenue", "--currency", "eur", "--days", "7", "--lift", "0.1", "--dir", filepath.Join(dir, "other")).sentence(t, app.ExitFailed, "no copy")
}

// plannedShare is what is printed of a plan for a share.
const plannedShare = `Baseline: 8.00 %.
To find 0.80 pp (10.00 %) with a power of 80.00 %, at a rate of false alarms of 5.00 %:

                      units  variant  days    finds     lift
looking once         37,738   18,869   102  0.80 pp  10.00 %
looking at any time  72,265   36,133   188  0.80 pp  10.00 %
after a week          2,800    1,400    14  2.87 pp  35.91 %
after 2 weeks         5,600    2,800    21  2.03 pp  25.39 %
after 4 weeks        11,200    5,600    35  1.44 pp  17.95 %
after 8 weeks        22,400   11,200    63  1.02 pp  12.70 %
after 12 weeks       33,600   16,800    91  0.83 pp  10.37 %

Looking at any time (always-valid intervals) takes more until its end, and mostly ends earlier; plan the experiment with that many units (measure.planned: 72265).
`
