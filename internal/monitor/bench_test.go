package monitor_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/flow"
)

// What pages ask for, of a sandbox with 500 flows and 50,000 runs of 30 days,
// through the gateway.
func BenchmarkPages(b *testing.B) {
	for database, name := range map[string]func() string{
		"sqlite":   func() string { return filepath.Join(b.TempDir(), "control.db") },
		"postgres": func() string { return docstoretest.Postgres(b) },
	} {
		b.Run(database, func(b *testing.B) {
			r := newRig(b, name())
			ctx := b.Context()
			for i := range 20 {
				if err := r.putAccount(ctx, fmt.Sprint("account", i), fmt.Sprint("Shop ", i)); err != nil {
					b.Fatal(err)
				}
			}
			const flows, runs = 500, 50_000
			for i := range runs + flows {
				f := &flow.Flow{Item: r.item(fmt.Sprint("flow", i%flows), fmt.Sprint("Charges ", i%flows), int64(i%flows))}
				if i >= runs {
					f.State, f.Route = flow.Enabled, flow.Route{ConnectionID: fmt.Sprint("account", i%20), Resource: "charges", DatasetID: fmt.Sprint("d", i)}
					f.LastRun = &flow.LastRun{ID: fmt.Sprint("run", i-flows), State: flow.Success}
					f.Schedule = &flow.Schedule{Start: "1710000000", Frequency: "hour", Interval: "1", Backfill: "true"}
					r.later("flow.flow", f.ID, "", f.CreatedAt, f)
					continue
				}
				run := &flow.Run{Item: r.item(fmt.Sprint("run", i), "", now.UnixMilli()-int64(runs-i)*51_840), FlowID: f.ID}
				run.Metrics.Duration = flow.Span{Started: run.CreatedAt, Completed: run.CreatedAt + 500}
				run.Metrics.Records = flow.Records{Input: 100, Output: 100}
				run.Metrics.Status.Status = []string{flow.Success, flow.Success, flow.Success, flow.Failed}[i%4]
				r.later("flow.run", run.ID, run.FlowID, run.CreatedAt, run)
			}
			if err := r.flush(ctx); err != nil {
				b.Fatal(err)
			}
			for _, path := range []string{
				"/flows", "/flows?limit=100&sort=name&search=1", "/unfinished", "/next", "/connections", "/counts", "/summary", "/summary?last=7d", "/summary?last=30d", "/summary?last=30d&failures=true",
				"/summary?last=30d&breakdown=false&flowId=flow7",
			} {
				b.Run(path[1:], func(b *testing.B) {
					for b.Loop() {
						if reply := r.With(b).Do("GET", root+path, nil); reply.Status != 200 {
							b.Fatalf("%s", reply.Body)
						}
					}
				})
			}
		})
	}
}
