package flow

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

func jsonNumber(n int) json.Number { return json.Number(strconv.Itoa(n)) }

// Reads of a sandbox with 1,000 flows and 10,000 runs, through the gateway. The
// 99th percentile is reported beside the mean.
func BenchmarkReads(b *testing.B) {
	w := newWorld(b)
	all, made := w.many(1000, 10_000)
	handler := gatewaytest.Gateway(b, w.HTTP()).Handler()
	token, err := json.Marshal(w.caller.Principal)
	if err != nil {
		b.Fatal(err)
	}
	flow := all[500].ID
	since := strconv.FormatInt(made[9000].Metrics.Duration.Started, 10)
	for _, bench := range []struct{ name, path string }{
		{"flow", "/flows/" + flow},
		{"run", "/runs/" + made[5000].ID},
		{"flows", "/flows"},
		{"flows-by-name", "/flows?orderby=name&limit=100"},
		{"runs", "/runs?limit=100"},
		{"runs-of-flow", "/runs?property=flowId==" + flow},
		{"runs-failed", "/runs?property=metrics.statusSummary.status==failed"},
		{"runs-since", "/runs?property=metrics.durationSummary.startedAtUTC%3E" + since},
		{"runs-of-flow-failed", "/runs?property=flowId==" + flow + "&property=metrics.statusSummary.status==failed"},
		{"runs-count", "/runs?count=true"},
		{"runs-count-failed", "/runs?count=true&property=metrics.statusSummary.status==failed"},
		{"runs-none", "/runs?property=metrics.recordSummary.inputRecordCount%3E1000"},
		{"runs-by-start", "/runs?orderby=providerRefId"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, base+bench.path, nil)
				r.Header.Set("Authorization", "Bearer "+string(token))
				r.Header.Set("X-Api-Key", w.caller.Client)
				r.Header.Set("X-Gw-Ims-Org-Id", w.caller.Org)
				r.Header.Set("X-Sandbox-Name", "prod")
				rec := httptest.NewRecorder()
				begun := time.Now()
				handler.ServeHTTP(rec, r)
				took = append(took, time.Since(begun))
				if rec.Code != http.StatusOK {
					b.Fatal(rec.Body)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
