package monitor

// The service answers below /data/tributary/monitor, in the sandbox that the call
// names. Who may view sources or the monitoring dashboard may ask. All times in
// answers are epoch milliseconds in UTC; one that is missing is not there. Times
// in parameters are epoch milliseconds, or RFC 3339 such as 2024-03-01T00:00:00Z.
// Lists say their total and take start (from 0) and limit (1 to 500, usually 25).
//
// # GET /summary
//
// What runs came to that have ended, by the time of their end. From their
// recordSummary; exact as soon as a run has ended.
//
//	last          24h (usual), 7d or 30d: until now; or instead
//	from, to      the time; from is taken back to its full hour, to on to the next one; at most 400 days
//	bucket        hour or day (UTC); usually hour up to two days and else day; hour for at most 31 days
//	connectionId  an account's dataflows alone
//	flowId        one dataflow alone
//	failures      true: of those dataflows alone that had a failed run or a failed record
//	breakdown     false: without accounts
//
//	{"from": 1709600400000, "to": 1709686800000, "bucket": "hour",
//	 "totals": {"runs": 24, "failedRuns": 1, "recordsRead": 1200, "recordsIngested": 1190, "recordsFailed": 2, "recordsSkipped": 8, "recordsDeleted": 0,
//	            "flows": 2, "flowsFailed": 1, "freshUntil": 1709683200000},
//	 "series": [{"at": 1709600400000, "runs": 1, "failedRuns": 0, "recordsRead": 50, …}, …],
//	 "accounts": [{"connectionId": "…", "name": "Shop", "flowsFailed": 1, "runs": 24, …,
//	               "flows": [{"id": "…", "name": "Charges", "badge": "success", "resource": "charges", "datasetId": "…", "freshUntil": 1709683200000, "runs": 23, …}]}]}
//
// The series has each bucket, also those with nothing in them. flows are those
// that had a run; flowsFailed those of them that had a failed one. freshUntil is
// the time up to which a dataflow has everything, in the totals the earliest of
// those that are enabled.
//
// # GET /flows
//
// Dataflows as their list shows them.
//
//	search        a part of the name, whatever its case
//	state         enabled, disabled, draft; several with commas between them, as below
//	badge         success, completedWithErrors, failed, processing, disabled, draft, new
//	flowId, connectionId, resource, datasetId
//	sort          name, created, lastRun, nextRun, account, resource or status; -name the other way; usually -created
//	start, limit
//
//	{"total": 412, "start": 0, "items": [
//	  {"id": "…", "name": "Charges", "state": "enabled", "badge": "success", "stopped": false, "connectionId": "…", "account": "Shop", "resource": "charges",
//	   "datasetId": "…", "dataset": "Charges", "created": 1709600400000, "schedule": {"startTime": "1709600400", "frequency": "hour", "interval": "1", "backfill": "true"},
//	   "lastRun": {"id": "…", "kind": "scheduled", "status": "success", "started": 1709683200000, "completed": 1709683205000,
//	               "recordsRead": 50, "recordsIngested": 50, "recordsFailed": 0, "recordsSkipped": 0, "recordsDeleted": 0},
//	   "nextRun": 1709686800000, "freshUntil": 1709683200000}]}
//
// The badge is failed, too, where a run disabled the dataflow (stopped). new had no
// run yet. Sorted by status, what wants looking at comes first.
//
// # GET /unfinished
//
// Runs that have not ended, the newest first; limit. With flowId, of one dataflow.
//
//	{"total": 1, "items": [{"runId": "…", "flowId": "…", "flow": "Charges", "kind": "on-demand", "worked": true, "created": …, "started": …,
//	   "recordsRead": 500, "recordsIngested": 480, "recordsFailed": 0, "recordsSkipped": 20, "recordsDeleted": 0,
//	   "activities": [{"name": "Copy Activity", "status": "inProgress", "recordsRead": 500, "recordsIngested": 500, …}]}]}
//
// worked says that a worker is at it; else it waits for one, or for its time.
//
// # GET /next
//
// What is due next, the earliest first; start, limit. What was due before now
// waits for the run before it, or for a worker. With flowId, of one dataflow.
//
//	{"total": 300, "start": 0, "items": [{"flowId": "…", "flow": "Charges", "connectionId": "…", "account": "Shop", "resource": "charges", "at": 1709686800000, "hastened": false}]}
//
// hastened is due because of a webhook.
//
// # GET /connections
//
// Accounts as their list shows them.
//
//	search  a part of the name or of the description, whatever its case
//	specId  of a connection spec
//	sort    name, created or dataflows; -name the other way; usually -created
//	start, limit
//
//	{"total": 3, "start": 0, "items": [{"id": "…", "name": "Shop", "description": "", "state": "enabled", "specId": "…", "authentication": "OAuth2 Refresh Code",
//	   "accountId": "acct_…", "livemode": true, "created": 1709600400000, "createdBy": "…", "dataflows": 4, "enabledDataflows": 3}]}
//
// accountId and livemode are there once Stripe was asked.
//
// # GET /counts
//
// How many there are of what, for cards and filters.
//
//	{"accounts": 3, "dataflows": 12, "specs": {"cc2c31d6-…": {"accounts": 3, "dataflows": 12}}, "states": {"enabled": 10, …}, "badges": {"success": 9, …},
//	 "resources": {"charges": 4, …}, "connections": {"…": 4, …}, "datasets": {"…": 1, …}}
//
// All but accounts and dataflows has none that is 0.

import (
	"context"
	"net/http"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

const base = "/data/tributary/monitor"

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	need := access.AnyOf(access.ViewMonitoring, access.ViewSources, access.ManageSources)
	get := func(path string, handle func(context.Context, *gateway.Call) (*gateway.Answer, error)) gateway.Route {
		return gateway.Route{Method: http.MethodGet, Path: path, Need: need, Handle: handle}
	}
	return &gateway.Service{
		Name: "monitor", Base: base, Shape: gateway.Observability("MONITOR-1000"),
		Routes: []gateway.Route{
			get("/summary", s.summary), get("/flows", s.flows), get("/unfinished", s.unfinished), get("/next", s.next), get("/connections", s.connections), get("/counts", s.counts),
		},
	}
}

func (s *Service) summary(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, err := readSummary(call.HTTP.URL.Query(), s.Now())
	if err != nil {
		return nil, err
	}
	a, err := s.Summary(ctx, call.Caller, q)
	if err != nil {
		return nil, err
	}
	return gateway.OK(a), nil
}
