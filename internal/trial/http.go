package trial

import (
	"context"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// The service is /data/tributary/experiments, an API of ours. Answers are of the
// caller's sandbox; what is another's is a 404. Times are RFC 3339 in UTC. GET
// reads with View Datasets or Manage Datasets, all else asks for Manage Datasets.
// Failures are {"errorCode", "httpStatus", "title", "details": […]}. Changes take
// If-Match with the ETag that was read, and are a 412 where it is another by now;
// without it they are made of what is there.
//
// # An experiment
//
//	{"id": "…", "key": "cart-offer", "name": "An add-on before checkout", "hypothesis": "…", "state": "running", "killed": false,
//	 "unit": {"metadata": ""}, "layer": "checkout", "range": {"from": 0, "to": 5000}, "audience": "",
//	 "variants": [{"key": "none", "weight": 5000},
//	   {"key": "gift-wrap", "name": "…", "weight": 5000, "value": {"show": true}, "offer": "…", "recommend": 3}],
//	 "measure": {"metric": "revenue", "currency": "eur", "days": 14, "before": 30, "items": "", "alpha": 0.05, "planned": 20000},
//	 "phases": [{"number": 1, "salt": "…", "began": "…", "range": {…}, "weights": [{"variant": "none", "weight": 5000}, …], "measure": {…}}],
//	 "createdBy": "…", "updatedBy": "…", "createdAt": "…", "updatedAt": "…", "version": 3}
//
// The key is what a client asks for, unique in the sandbox, and never changes.
// state is draft, running or stopped. Shares are slots of 10,000: the weights of
// all variants are 10,000 together, range is what the experiment has of its layer
// (all, unless it is said). The first variant is the control. Values are of one type, for
// that is what clients ask for; with an offer or add-ons, it is an object. unit.metadata is
// the key of a charge's metadata that has the unit, empty for the charge's customer.
// metric is one of revenue, conversion, orderValue, orders, items.
//
// # GET /, POST /
//
// {"items": […]}, the newest first; POST makes a draft of key, name, hypothesis,
// unit, layer, range, audience, variants and measure.
//
// # GET /{id}, PATCH /{id}, DELETE /{id}
//
// PATCH replaces the members that its body has. Of one that runs these are name,
// hypothesis and killed; what bears on the comparison is a 409 and begins with a
// new phase. Of one that is stopped it may be ship, too. DELETE takes a draft or
// what is stopped; its versions go as well, its exposures stay.
//
// # POST /{id}/start, /{id}/stop, /{id}/kill, /{id}/unkill
//
// Start begins a phase. Another running experiment with slots of its range in its
// layer is a 409. Stop takes {"ship": "gift-wrap"}, the variant that everybody gets
// from then on; without it they get what clients' code has. Kill gives that to
// everybody within a second, and leaves the phase as it is.
//
// # GET /{id}/phases, POST /{id}/phases
//
// {"items": […]}. POST ends the phase of a running experiment and begins one with
// what its body has of variants, range, layer, audience and measure (none is
// needed): units are mixed anew, and are analysed by themselves.
//
// # GET /{id}/versions
//
//	{"items": [{"version": 3, "what": "start", "by": "…", "at": "…", "experiment": {…}}, …]}
//
// What it was after each change, the newest first, a thousand at most.
//
// # GET /holdout, PUT /holdout
//
//	{"share": 500, "salt": "…", "updatedBy": "…"}
//
// How many slots of the sandbox's units no experiment touches. PUT takes share; 409
// while an experiment runs.
//
// # GET /keys, POST /keys, POST /keys/{key}/revoke
//
//	{"items": [{"id": "…", "name": "The shop", "hint": "9f3c", "origins": ["https://shop.example"], "experiments": ["cart-offer"], "createdBy": "…", "createdAt": "…", "lastUsedAt": "…"}]}
//
// The keys by which shops ask for decisions (package decision), a hundred at most.
// POST takes a name, origins and experiments; its answer has the secret as "key": "tdk_…", this once. It
// opens nothing but decisions of this sandbox: on the experiments whose keys it names, a
// hundred at most, or on all if it names none. origins are those of web pages whose scripts may use
// the key in a browser (CORS); without any, only servers can. What browsers have is
// public: anybody who reads it can ask, and be counted, so give browsers another key than
// servers, which names experiments whose units are visitors. lastUsedAt is the hour of its last
// use, and absent before the first. What was revoked is refused within a second.
const base = "/data/tributary/experiments"

const maxBody = 2 << 20

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view, manage := access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ManageDatasets)
	return &gateway.Service{
		Name: "experiments", Base: base, Shape: gateway.Observability("EXPERIMENT-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "", Need: view, Handle: s.list},
			{Method: "POST", Path: "", Need: manage, MaxBody: maxBody, Handle: s.create},
			{Method: "GET", Path: "/holdout", Need: view, Handle: s.holdout},
			{Method: "PUT", Path: "/holdout", Need: manage, MaxBody: maxBody, Handle: s.setHoldout},
			{Method: "GET", Path: "/keys", Need: view, Handle: s.keys},
			{Method: "POST", Path: "/keys", Need: manage, MaxBody: maxBody, Handle: s.createKey},
			{Method: "POST", Path: "/keys/{key}/revoke", Need: manage, MaxBody: maxBody, Handle: s.revokeKey},
			{Method: "GET", Path: "/{id}", Need: view, Handle: s.read},
			{Method: "PATCH", Path: "/{id}", Need: manage, MaxBody: maxBody, Handle: s.patch},
			{Method: "DELETE", Path: "/{id}", Need: manage, Handle: s.remove},
			{Method: "POST", Path: "/{id}/start", Need: manage, MaxBody: maxBody, Handle: s.start},
			{Method: "POST", Path: "/{id}/stop", Need: manage, MaxBody: maxBody, Handle: s.stop},
			{Method: "POST", Path: "/{id}/kill", Need: manage, MaxBody: maxBody, Handle: s.kill(true)},
			{Method: "POST", Path: "/{id}/unkill", Need: manage, MaxBody: maxBody, Handle: s.kill(false)},
			{Method: "GET", Path: "/{id}/phases", Need: view, Handle: s.phases},
			{Method: "POST", Path: "/{id}/phases", Need: manage, MaxBody: maxBody, Handle: s.newPhase},
			{Method: "GET", Path: "/{id}/versions", Need: view, Handle: s.versions},
		},
	}
}

// shown is an experiment as the API shows it.
type shown struct {
	Experiment
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt"`
	Version   int64  `json:"version"`
}

const timeForm = "2006-01-02T15:04:05.000Z"

func show(e Experiment) shown {
	if e.Phases == nil {
		e.Phases = []experiment.Phase{}
	}
	return shown{e, e.Created.Format(timeForm), e.Updated.Format(timeForm), e.Revision}
}

func answer(e Experiment, err error) (*gateway.Answer, error) {
	if err != nil {
		return nil, err
	}
	return gateway.OK(show(e)).InRevision(e.Revision), nil
}

func match(c *gateway.Call) Match {
	see := c.IfRevision("experiment")
	return func(e Experiment) error { return see(e.Revision) }
}

func (s *Service) list(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.List(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	items := []shown{}
	for _, e := range all {
		items = append(items, show(e))
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (s *Service) create(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Members("key", "name", "hypothesis", "unit", "layer", "range", "audience", "variants", "measure")
	if err != nil {
		return nil, err
	}
	var e experiment.Experiment
	if err := fill(body)(&e); err != nil {
		return nil, err
	}
	kept, err := s.Create(ctx, c.Caller, e)
	if err != nil {
		return nil, err
	}
	return gateway.Created(base+"/"+kept.ID.String(), show(kept)).InRevision(kept.Revision), nil
}

func (s *Service) read(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	return answer(s.Read(ctx, c.Caller, c.Var("id")))
}

func (s *Service) patch(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Members("key", "name", "hypothesis", "killed", "unit", "layer", "range", "audience", "variants", "measure", "ship")
	if err != nil {
		return nil, err
	}
	return answer(s.Change(ctx, c.Caller, c.Var("id"), match(c), fill(body)))
}

func (s *Service) remove(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := s.Delete(ctx, c.Caller, c.Var("id"), match(c)); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (s *Service) start(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if _, err := c.AnyMembers(); err != nil {
		return nil, err
	}
	return answer(s.Start(ctx, c.Caller, c.Var("id"), match(c)))
}

func (s *Service) stop(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.AnyMembers("ship")
	if err != nil {
		return nil, err
	}
	var said experiment.Experiment
	if err := fill(body)(&said); err != nil {
		return nil, err
	}
	return answer(s.Stop(ctx, c.Caller, c.Var("id"), match(c), said.Ship))
}

func (s *Service) kill(killed bool) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		if _, err := c.AnyMembers(); err != nil {
			return nil, err
		}
		return answer(s.Kill(ctx, c.Caller, c.Var("id"), match(c), killed))
	}
}

func (s *Service) phases(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	e, err := s.Read(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(map[string]any{"items": append([]experiment.Phase{}, e.Phases...)}).InRevision(e.Revision), nil
}

func (s *Service) newPhase(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.AnyMembers("layer", "range", "audience", "variants", "measure")
	if err != nil {
		return nil, err
	}
	return answer(s.NewPhase(ctx, c.Caller, c.Var("id"), match(c), fill(body)))
}

func (s *Service) versions(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Versions(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	type at struct {
		Version
		At string `json:"at"`
	}
	items := []at{}
	for _, v := range all {
		items = append(items, at{v, v.At.Format(timeForm)})
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (s *Service) holdout(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	h, err := s.Holdout(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	return gateway.OK(h).InRevision(h.Revision), nil
}

func (s *Service) setHoldout(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var body struct {
		Share *int `json:"share"`
	}
	if err := c.JSON(&body); err != nil {
		return nil, err
	}
	if body.Share == nil {
		return nil, problem.Errorf(problem.Invalid, "share: it is missing")
	}
	see := c.IfRevision("holdout")
	h, err := s.SetHoldout(ctx, c.Caller, *body.Share, func(h Holdout) error { return see(h.Revision) })
	if err != nil {
		return nil, err
	}
	return gateway.OK(h).InRevision(h.Revision), nil
}

// fill returns what writes members of a body into an experiment.
func fill(m gateway.Members) func(*experiment.Experiment) error {
	return func(e *experiment.Experiment) error {
		return m.Fill(map[string]any{
			"key": &e.Key, "name": &e.Name, "hypothesis": &e.Hypothesis, "killed": &e.Killed, "unit": &e.Unit, "layer": &e.Layer, "range": &e.Range,
			"audience": &e.Audience, "variants": &e.Variants, "measure": &e.Measure, "ship": &e.Ship,
		})
	}
}
