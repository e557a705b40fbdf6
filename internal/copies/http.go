package copies

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// The service is /data/tributary/copies, an API of ours. All answers are of the
// caller's sandbox; what is another's is a 404. {copy} is a name as the lists tell
// it: acct_…-test, acct_…-live, or key-… where the key may not see whose account
// it is. Times are epoch milliseconds, ages and intervals seconds, amounts minor
// units. What is not known is left out. No answer has a credential in it.
//
// GET reads with View Sources or Manage Sources, POST asks for Manage Sources.
// Failures are {"errorCode", "httpStatus", "title", "details": […]}; those of
// connections keep the codes of Flow Service.
//
// # GET /connections/{id}/account
//
// What the key of a base connection may read, how fast, and at what cost. Stripe is
// asked, in nine requests, unless it was in the last minute (a refusal: ten
// seconds); at most 30 s. 404 for a connection that there is not; 400
// (CONNECTOR-1308-400) where Stripe refuses the key altogether; 503, 504 where it
// does not answer.
//
//	{"connectionId": "…", "accountId": "acct_1Abc", "displayName": "Bakery", "livemode": false, "copy": "acct_1Abc-test", "checkedAt": 1767225600000,
//	 "resources": [
//	   {"resource": "charges", "readable": true, "right": {"id": "rak_charge_read", "name": "Charges: Read"}, "missing": []},
//	   {"resource": "refunds", "readable": false, "right": {"id": "rak_refund_read", "name": "Refunds …: Read"},
//	    "missing": [{"id": "rak_refund_read", "name": "Refunds …: Read"}], "reason": "the key lacks a permission: … (GET /v1/refunds, HTTP 403, …)"}, …],
//	 "events": {"resource": "events", "readable": true, "right": {…}, "missing": []},
//	 "rate": {"limit": 25, "endpointLimit": 25, "share": 0.6, "allowed": 14.7, "used": 3, "inFlight": 0, "waiting": 0},
//	 "budget": {"windowDays": 30, "used": 412, "allowance": 10000, "floor": 10000, "transactions": 7, "remaining": 9588, "warnAt": 8000, "stopAt": 9000,
//	   "forecast": 9090, "everySeconds": 900, "warnings": ["…"], "days": [{"day": "2026-01-31", "reads": 412, "leavesOn": "2026-03-03"}]},
//	 "key": {"page": "https://dashboard.stripe.com/apikeys", "create": "https://dashboard.stripe.com/apikeys/create?name=…&permissions[]=…",
//	   "rights": [{"id": "rak_charge_read", "name": "Charges: Read", "for": "charges", "required": true}, …]},
//	 "egressAddresses": ["203.0.113.9"]}
//
// Rates are requests per second, 0 for no limit. "missing" is empty and "reason"
// says more where a read fails for something other than a right. "create" fills in
// Stripe's form, which Stripe does not document: show "rights" beside it. A right
// that is not required only lets the account's name be seen. "forecast" and
// "everySeconds" are of the passes seen so far; those of a schedule: /forecast.
//
// # GET /forecast?connectionId=…&frequency=…&interval=…&resources=…
//
// Reads in 30 days of a schedule, without its backfill and what webhooks bring
// about. frequency is once, minute, hour, day or week; interval how many of them
// (none with once, which has no forecast: everySeconds 0); resources names with
// commas, all six by default. 400 in Flow Service's words for what is no schedule.
//
//	{"connectionId": "…", "copy": "acct_1Abc-test", "resources": ["charges", …], "everySeconds": 900, "passes": 2880,
//	 "idle": {"reads": 9090, "perPass": [{"what": "clock", "reads": 1}, {"what": "events", "reads": 1}, {"what": "balance_transactions", "reads": 1}],
//	   "daily": [{"what": "permissions", "reads": 8}, {"what": "lookback", "reads": 7}]},
//	 "measured": {"reads": 9240, "passes": 96, "perPass": 3, "daily": 20.5},
//	 "used": 412, "allowance": 10000, "warnAt": 8000, "fits": true, "share": 0.924}
//
// idle.reads = passes · Σ perPass + 30 · Σ daily; measured.reads = passes ·
// measured.perPass + 30 · measured.daily, rounded up. "measured" is by passes over
// all six resources and absent where there were none. "share" and "fits" are of
// the larger number. Dataflows of an account that are due together share a pass.
//
// # GET /?limit=20&start=…
//
// The copies, by name; limit 1 to 100. "next", where there is more, is the start
// of the next page.
//
//	{"items": [{"copy": "acct_1Abc-test", "accountId": "acct_1Abc", "livemode": false, "quarantined": 2, "drifted": 3, "bytes": 1048576,
//	   "connections": [{"id": "…", "name": "Bakery"}],
//	   "resources": [{"resource": "charges", "state": "complete", "objects": 150, "bytes": 65536, "cursorAt": 1767225600000, "cursorAge": 42,
//	     "lastPassAt": 1767225640000, "freshness": 2, "quarantined": 2, "drifted": 3}, …]}],
//	 "next": "acct_1Abc-test"}
//
// state is backfilling, complete or reconciling. Resources that no dataflow has
// read yet are absent. What happened before lastPassAt is in the copy; cursorAt is
// up to where events were taken in.
//
// # GET /{copy}
//
// One item of the list.
//
// # GET /{copy}/budget
//
// How fast the account is read, and what of its read allocation is left. Nothing is
// asked of Stripe. "rate" and "budget" are those of /connections/{id}/account; the
// first is left out where no base connection opens the account.
//
//	{"copy": "acct_1Abc-test", "rate": {…}, "budget": {…}}
//
// # GET /{copy}/quarantine?resource=…&limit=50&start=…
//
// What could not become a row; limit 1 to 500. Ordered by resource, id and text, so
// that pages stay while objects come again. A page ends early where texts are long.
// "raw", the object after privacy rules as JSON text, is there for callers who have
// View Datasets or Manage Datasets, too ("" where privacy rules withheld it).
//
//	{"items": [{"resource": "charges", "id": "ch_1", "path": "amount", "reason": "is a string, not an integer", "seenAt": 1767225600000,
//	   "runId": "run_…", "requestId": "req_…", "raw": "{\"id\":\"ch_1\",…}"}], "next": "…"}
//
// # POST /{copy}/quarantine/replay
//
// Tries the quarantine again under the schemas in force and asks nothing of Stripe.
// Body: none, or {"resources": ["charges"]}. 409 where a run has the copy for more
// than 30 s. What landed comes to datasets with the next run of their dataflows.
//
//	{"items": [{"resource": "charges", "landed": 1, "superseded": 0, "refused": 1}]}
//
// # POST /{copy}/reconcile
//
// Compares the copy with all that Stripe lists, and repairs it, in the background.
// Body: none, or {"acceptDeletes": true, "resources": ["charges"]}. Without
// acceptDeletes, many objects that are gone fail their resource, and charges,
// refunds and balance transactions stay (proof.held). 202 with the state as GET
// tells it; 409 while one is under way or where no base connection opens the
// account. It takes turns with runs, resource by resource, and goes on after a
// restart. It reads all there is: a page of 100 objects costs a request.
//
// # GET /{copy}/reconcile
//
//	{"state": "running", "acceptDeletes": false, "askedAt": 1767225600000, "askedBy": "…@techacct.adobe.com", "startedAt": 1767225601000,
//	 "resources": [{"resource": "charges", "state": "running", "read": 1200, "requests": 13, "pagesLeft": 7}, …],
//	 "proofs": [{"resource": "charges", "equal": true, "at": 1767225660000, "createdBefore": 1767225541000, "reason": "asked for", "runId": "run_…",
//	   "inStripe": 150, "inLake": 150, "missing": 1, "stale": 0, "extra": 0, "repaired": 1, "held": 0, "unlisted": 0, "quarantined": 0,
//	   "sums": [{"field": "amount", "currency": "usd", "inStripe": 512300, "inLake": 512300}]}]}
//
// state, of all and of each resource: queued, running, complete, failed; none where
// it was never asked for. "waits" says why it does not go on now, "error" of a
// resource why that failed ("guarded": because many objects are gone; acceptDeletes
// marks them deleted), "endedAt" when it was over. "proofs" are the newest of
// each resource, whatever brought them about (reason: asked for, due, events were
// lost), and are kept.
//
// # GET /{copy}/drift?resource=…&limit=100
//
// What Stripe sent that the schemas lack, the most often seen first; limit 1 to
// 1000, total is how many there are. kind is unknown_field, unknown_type or
// unknown_value; seen the JSON type of what stood there, or the value.
//
//	{"items": [{"resource": "charges", "kind": "unknown_field", "path": "settlement_speed", "seen": "string", "count": 12,
//	   "firstSeenAt": 1767225600000, "lastSeenAt": 1767225660000, "example": "ch_1"}], "total": 1}
const base = "/data/tributary/copies"

// Limits of pages.
const (
	copiesUsual, copiesMost = 20, 100
	heldUsual, heldMost     = 50, 500
	driftUsual, driftMost   = 100, 1000
	maxBody                 = 64 << 10
)

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view, manage := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	return &gateway.Service{
		Name: "copies", Base: base, Shape: gateway.Observability("COPIES-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "", Need: view, Handle: s.list},
			{Method: "GET", Path: "/connections/{id}/account", Need: view, Handle: s.account},
			{Method: "GET", Path: "/forecast", Need: view, Handle: s.foresee},
			{Method: "GET", Path: "/{copy}", Need: view, Handle: s.one},
			{Method: "GET", Path: "/{copy}/budget", Need: view, Handle: s.budget},
			{Method: "GET", Path: "/{copy}/quarantine", Need: view, Handle: s.quarantine},
			{Method: "POST", Path: "/{copy}/quarantine/replay", Need: manage, MaxBody: maxBody, Handle: s.replay},
			{Method: "GET", Path: "/{copy}/reconcile", Need: view, Handle: s.state},
			{Method: "POST", Path: "/{copy}/reconcile", Need: manage, MaxBody: maxBody, Handle: s.ask},
			{Method: "GET", Path: "/{copy}/drift", Need: view, Handle: s.drift},
		},
	}
}

func limit(values url.Values, usual, most int) (int, error) {
	text := values.Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, problem.Errorf(problem.Invalid, "limit: it is a number from 1 to %d", most)
	}
	return n, nil
}

// page answers with items and where the next page starts.
func page(items any, next string) *gateway.Answer {
	body := map[string]any{"items": items}
	if next != "" {
		body["next"] = next
	}
	return gateway.OK(body)
}

func (s *Service) list(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values := c.HTTP.URL.Query()
	n, err := limit(values, copiesUsual, copiesMost)
	if err != nil {
		return nil, err
	}
	all, more, err := s.Copies(ctx, c.Caller, values.Get("start"), n)
	if err != nil {
		return nil, err
	}
	next := ""
	if more {
		next = all[len(all)-1].Copy
	}
	return page(all, next), nil
}

func (s *Service) one(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	v, err := s.Copy(ctx, c.Caller, c.Var("copy"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(v), nil
}

func (s *Service) budget(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	v, err := s.Reads(ctx, c.Caller, c.Var("copy"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(v), nil
}

func (s *Service) account(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	a, err := s.Account(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(a), nil
}

func (s *Service) foresee(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values := c.HTTP.URL.Query()
	for _, name := range []string{"connectionId", "frequency"} {
		if values.Get(name) == "" {
			return nil, problem.Errorf(problem.Invalid, "%s: it is missing", name)
		}
	}
	every, err := flow.Every(values.Get("frequency"), values.Get("interval"))
	if err != nil {
		return nil, err
	}
	names, err := chosen(values.Get("resources"))
	if err != nil {
		return nil, err
	}
	f, err := s.Forecast(ctx, c.Caller, values.Get("connectionId"), names, every)
	if err != nil {
		return nil, err
	}
	return gateway.OK(f), nil
}

// chosen reads names of resources with commas between them.
func chosen(text string) ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return flow.Chosen(names)
}

func (s *Service) quarantine(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values := c.HTTP.URL.Query()
	q := HeldQuery{Resource: values.Get("resource"), Raw: c.May(c.Sandbox.Name, access.AnyOf(access.ViewDatasets, access.ManageDatasets))}
	var err error
	if q.Limit, err = limit(values, heldUsual, heldMost); err != nil {
		return nil, err
	}
	if q.After, err = readPlace(values.Get("start")); err != nil {
		return nil, err
	}
	if _, err := chosen(q.Resource); err != nil {
		return nil, err
	}
	held, more, err := s.Data.Quarantine(ctx, ref(c.Caller, c.Var("copy")), q)
	if err != nil {
		return nil, err
	}
	next := ""
	if more {
		next = held[len(held)-1].Place.token()
	}
	return page(held, next), nil
}

// token writes a place for a client to hand back.
func (p HeldPlace) token() string {
	text, _ := json.Marshal([]string{p.Resource, p.ID, p.Digest}) // texts always encode
	return base64.RawURLEncoding.EncodeToString(text)
}

func readPlace(token string) (HeldPlace, error) {
	if token == "" {
		return HeldPlace{}, nil
	}
	var parts []string
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(text, &parts) != nil || len(parts) != 3 {
		return HeldPlace{}, problem.Errorf(problem.Invalid, "start: it is not one that this service gave")
	}
	return HeldPlace{parts[0], parts[1], parts[2]}, nil
}

// asked is the body of a call that starts something; it may be empty.
type asked struct {
	Resources     []string `json:"resources"`
	AcceptDeletes bool     `json:"acceptDeletes"`
}

func readAsked(c *gateway.Call) (a asked, err error) {
	b, err := c.Bytes()
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return a, err
	}
	if err := gateway.DecodeJSON(b, &a); err != nil {
		return a, err
	}
	if len(a.Resources) > 0 {
		a.Resources, err = flow.Chosen(a.Resources)
	}
	return a, err
}

func (s *Service) replay(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	a, err := readAsked(c)
	if err != nil {
		return nil, err
	}
	done, err := s.Data.Replay(ctx, ref(c.Caller, c.Var("copy")), a.Resources)
	if err != nil {
		return nil, err
	}
	return page(done, ""), nil
}

func (s *Service) ask(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	a, err := readAsked(c)
	if err != nil {
		return nil, err
	}
	if _, err := s.Ask(ctx, c.Caller, c.Var("copy"), a.Resources, a.AcceptDeletes); err != nil {
		return nil, err
	}
	answer, err := s.state(ctx, c)
	if err != nil {
		return nil, err
	}
	answer.Status = http.StatusAccepted
	answer.Header = http.Header{"Location": {base + "/" + c.Var("copy") + "/reconcile"}}
	return answer, nil
}

func (s *Service) state(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	name := c.Var("copy")
	v, err := s.State(ctx, c.Caller, name)
	if err != nil {
		return nil, err
	}
	proofs, err := s.Data.Proofs(ctx, ref(c.Caller, name))
	if err != nil {
		return nil, err
	}
	return gateway.OK(struct {
		Reconcile
		Proofs []Proof `json:"proofs"`
	}{v, proofs}), nil
}

func (s *Service) drift(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values := c.HTTP.URL.Query()
	n, err := limit(values, driftUsual, driftMost)
	if err != nil {
		return nil, err
	}
	resource := values.Get("resource")
	if _, err := chosen(resource); err != nil {
		return nil, err
	}
	all, err := s.Data.Drift(ctx, ref(c.Caller, c.Var("copy")))
	if err != nil {
		return nil, err
	}
	if resource != "" {
		all = slices.DeleteFunc(all, func(d Drift) bool { return d.Resource != resource })
	}
	return gateway.OK(map[string]any{"items": all[:min(n, len(all))], "total": len(all)}), nil
}
