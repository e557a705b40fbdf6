package erasure

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// The service is /data/tributary/privacy, an API of ours. All answers are of the
// caller's sandbox. Who may manage datasets may ask. Times are epoch milliseconds.
//
// # POST /requests
//
//	{"customer": "cus_…", "copy": "acct_1Abc-test", "mode": "keepBooks"}
//
// Removes the data of a customer, by its id at Stripe: the customer, its charges,
// subscriptions and refunds, from all copies of the sandbox or the one that is
// named: history, datasets, old snapshots, quarantine, events that wait; from the
// datasets that dataflows made of them or clients pushed into, from uploads and
// diagnostics, audiences, exposures (by the customer's id, and by the visitors that his
// charges name in experiments with visitors), documents and the audit log. Decisions keep
// none of him from then on. An id that does not begin with cus_ has to be one that a copy has.
// Passes keep nothing of the customer from then on, in these copies and in those that
// are made later. mode is keepBooks, as usual
// (balance transactions stay without what points to the customer, once the next
// run has read them again), or everything. Stripe still has the customer: delete
// it there, too. 202 with the request; 404 for a copy that there is not.
//
// # GET /requests?limit=20&start=…
//
// The requests, the newest first; "next", where there is more, is the start of the
// next page. None has the customer's id in full.
//
//	{"items": [{"id": "…", "customer": "cus_…4f", "mode": "keepBooks", "state": "complete", "askedAt": 1767225600000, "askedBy": "…",
//	   "startedAt": …, "endedAt": …, "steps": [{"store": "copies", "removed": [{"from": "acct_1Abc-test/charges", "count": 9}, …]}, …]}]}
//
// "left" names the stores that are not done yet. state is queued, running, complete or failed; "waits" says why it does not go on
// now, "error" why it failed. Each step is a store that is done.
//
// # GET /requests/{id}
//
// One item of the list.
const base = "/data/tributary/privacy"

// Limits of pages.
const (
	usual, most = 20, 100
	maxBody     = 4 << 10
)

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	need := access.AnyOf(access.ManageDatasets)
	return &gateway.Service{
		Name: "privacy", Base: base, Shape: gateway.Observability("PRIVACY-1000"),
		Routes: []gateway.Route{
			{Method: "POST", Path: "/requests", Need: need, MaxBody: maxBody, Handle: s.ask},
			{Method: "GET", Path: "/requests", Need: need, Handle: s.list},
			{Method: "GET", Path: "/requests/{id}", Need: need, Handle: s.one},
		},
	}
}

func (s *Service) ask(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var a Ask
	if err := c.JSON(&a); err != nil {
		return nil, err
	}
	r, err := s.Ask(ctx, c.Caller, a)
	if err != nil {
		return nil, err
	}
	return &gateway.Answer{Status: http.StatusAccepted, Body: s.shown(r)}, nil
}

func (s *Service) list(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values, n := c.HTTP.URL.Query(), usual
	if text := values.Get("limit"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > most {
			return nil, problem.Errorf(problem.Invalid, "limit: it is a number from 1 to %d", most)
		}
	}
	var after docstore.Mark
	if text := values.Get("start"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(raw, &after) != nil || !docstore.Storable(after.ID) {
			return nil, problem.Errorf(problem.Invalid, "start: it is not one that this service gave")
		}
	}
	all, next, err := s.Requests(ctx, c.Caller, after, n)
	if err != nil {
		return nil, err
	}
	items := []shown{}
	for _, r := range all {
		items = append(items, s.shown(r))
	}
	body := map[string]any{"items": items}
	if next != (docstore.Mark{}) {
		text, err := json.Marshal(next)
		if err != nil {
			return nil, err
		}
		body["next"] = base64.RawURLEncoding.EncodeToString(text)
	}
	return gateway.OK(body), nil
}

func (s *Service) one(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	r, err := s.Request(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(s.shown(r)), nil
}

// shown is a request as it is answered.
type shown struct {
	Request
	Left []string `json:"left"`
}

func (s *Service) shown(r Request) shown {
	v := shown{Request: r, Left: []string{}}
	for _, store := range s.Stores {
		done := slices.ContainsFunc(r.Steps, func(d Done) bool { return d.Store == store.Name })
		if !done && (r.State == Queued || r.State == Running) {
			v.Left = append(v.Left, store.Name)
		}
	}
	return v
}
