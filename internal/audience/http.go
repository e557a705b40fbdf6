package audience

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// The calls. Those that only read need view-datasets (or manage-datasets) in the
// sandbox that x-sandbox-name says, all others manage-datasets.
//
//	GET    /data/tributary/audiences                 {"items": […]}, the oldest first
//	POST   /data/tributary/audiences                 {"name", "description", "copy", "predicate"}; 201
//	GET    /data/tributary/audiences/{id}            as below
//	PUT    /data/tributary/audiences/{id}            as POST; If-Match may have the ETag of a GET. Another predicate or copy is a 409
//	                                                 while an experiment runs that asks its customers alone, or gives an offer to them alone
//	DELETE /data/tributary/audiences/{id}            409 while there is such an experiment or offer
//	GET    /data/tributary/audiences/{id}/versions   {"items": […]}, the newest first
//	POST   /data/tributary/audiences/{id}/materialise  works the members out, and waits for it
//	GET    /data/tributary/audiences/{id}/members?from=0&limit=100&generation=…
//	GET    /data/tributary/audiences/{id}/export?format=csv|parquet
//	POST   /data/tributary/audiences/preview         {"predicate", "copy", "sample": 10}
//
// An audience is
//
//	{"id": "5b0c…", "name": "Klarna regulars", "version": 2, "copy": "", "predicate": {…}, "createdAt": "…", "updatedAt": "…", "createdBy": "…", "updatedBy": "…",
//	 "state": {"version": 2, "generation": "…", "at": "2026-11-23T09:30:00Z", "count": 812, "customers": 40210, "joined": 3, "left": 1, "seq": {"charges": 90123},
//	           "error": "", "failedAt": "…", "dataset": "65f0c2…", "datasetError": "", "history": [{"version": 2, "at": "…", "count": 812, …}]}}
//
// where what there is not yet is left out. Predicates are described at the type
// Predicate. Members stand in the order of their ids:
//
//	{"generation": "…", "total": 812, "from": 0, "items": [{"customer": "cus_1", "joinedAt": "…"}], "next": 100}
//
// next is left out behind the last. With the generation of the page before, a page
// of other members is refused with 409: they were worked out anew.
//
// A preview is
//
//	{"at": "…", "size": 812, "customers": 40210, "share": 0.0202, "missing": ["refunds"],
//	 "sample": [{"customer": "cus_1", "facts": [{"path": "", "kind": "charges", "count": 3, "sum": 27000, "average": 9000, "currency": "eur", "newest": "…"}]}]}
const base = "/data/tributary/audiences"

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view, manage := access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ManageDatasets)
	const most = 2 * maxPredicate
	return &gateway.Service{
		Name: "audiences", Base: base, Shape: gateway.Observability("AUDIENCE-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "", Need: view, Handle: s.list},
			{Method: "POST", Path: "", Need: manage, MaxBody: most, Handle: s.create},
			{Method: "POST", Path: "/preview", Need: view, MaxBody: most, Handle: s.preview},
			{Method: "GET", Path: "/{id}", Need: view, Handle: s.get},
			{Method: "PUT", Path: "/{id}", Need: manage, MaxBody: most, Handle: s.change},
			{Method: "DELETE", Path: "/{id}", Need: manage, Handle: s.remove},
			{Method: "GET", Path: "/{id}/versions", Need: view, Handle: s.versions},
			{Method: "POST", Path: "/{id}/materialise", Need: manage, Handle: s.materialise},
			{Method: "GET", Path: "/{id}/members", Need: view, Handle: s.members},
			{Method: "GET", Path: "/{id}/export", Need: view, Handle: s.export},
		},
	}
}

// A Shown is an audience as the API shows it: what Run knows of itself is left out.
type Shown struct {
	Audience
	State map[string]any `json:"state"`
}

// Show returns an audience as the API shows it.
func Show(a Audience) Shown {
	st := map[string]any{}
	if m := a.State.Made; m != nil {
		st = of(*m)
		st["generation"] = m.Generation
	}
	if a.State.Error != "" {
		st["error"], st["failedAt"] = a.State.Error, a.State.Failed
	}
	if a.State.Dataset != "" {
		st["dataset"] = a.State.Dataset
	}
	if a.State.DatasetError != "" {
		st["datasetError"] = a.State.DatasetError
	}
	history := []any{}
	for _, m := range a.State.History {
		history = append(history, of(m))
	}
	st["history"] = history
	return Shown{a, st}
}

func of(m Made) map[string]any {
	return map[string]any{"version": m.Version, "at": m.At, "count": m.Count, "customers": m.Customers, "joined": m.Joined, "left": m.Left, "seq": m.Seq}
}

func answer(a Audience) *gateway.Answer {
	return gateway.OK(Show(a)).InRevision(a.revision)
}

// draft reads what a caller says of an audience, and the size of a sample.
func draft(call *gateway.Call) (d Draft, sample int, err error) {
	var body struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Copy        string          `json:"copy"`
		Predicate   json.RawMessage `json:"predicate"`
		Sample      *int            `json:"sample"`
	}
	if err := call.JSON(&body); err != nil {
		return d, 0, err
	}
	if len(body.Predicate) == 0 {
		return d, 0, problem.Errorf(problem.Invalid, "predicate: it is missing")
	}
	d = Draft{Name: body.Name, Description: body.Description, Copy: body.Copy}
	if d.Predicate, err = Parse(body.Predicate); err != nil {
		return d, 0, err
	}
	if sample = 10; body.Sample != nil {
		sample = *body.Sample
	}
	if sample < 0 || sample > MaxSample {
		return d, 0, problem.Errorf(problem.Invalid, "sample: a number from 0 to %d is expected", MaxSample)
	}
	return d, sample, nil
}

func (s *Service) list(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Audiences(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	items := []Shown{}
	for _, a := range all {
		one := Show(a)
		delete(one.State, "history")
		items = append(items, one)
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (s *Service) create(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	d, _, err := draft(call)
	if err != nil {
		return nil, err
	}
	a, err := s.Create(ctx, call.Caller, d)
	if err != nil {
		return nil, err
	}
	return gateway.Created(base+"/"+a.ID, Show(a)).InRevision(a.revision), nil
}

func (s *Service) get(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	a, err := s.Audience(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	return answer(a), nil
}

func (s *Service) change(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	d, _, err := draft(call)
	if err != nil {
		return nil, err
	}
	a, err := s.Change(ctx, call.Caller, call.Var("id"), call.IfRevision("audience"), d)
	if err != nil {
		return nil, err
	}
	return answer(a), nil
}

func (s *Service) remove(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if err := s.Delete(ctx, call.Caller, call.Var("id")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (s *Service) versions(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Versions(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(map[string]any{"items": all}), nil
}

func (s *Service) preview(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	d, sample, err := draft(call)
	if err != nil {
		return nil, err
	}
	p, err := s.Preview(ctx, call.Caller, d, sample)
	if err != nil {
		return nil, err
	}
	return gateway.OK(p), nil
}

func (s *Service) materialise(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	a, err := s.Materialise(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	return answer(a), nil
}

func number(q url.Values, name string, usual, least, most int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, problem.Errorf(problem.Invalid, "%s=%s: a whole number from %d to %d is expected", name, text, least, most)
	}
	return n, nil
}

func (s *Service) members(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, err := call.Parameters("from", "limit", "generation")
	if err != nil {
		return nil, err
	}
	from, err := number(q, "from", 0, 0, 1<<31-1)
	if err != nil {
		return nil, err
	}
	limit, err := number(q, "limit", 100, 1, 10_000)
	if err != nil {
		return nil, err
	}
	_, set, err := s.Members(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	if g := q.Get("generation"); g != "" && g != set.Generation {
		return nil, &problem.Error{Kind: problem.Conflict, Detail: "the members were worked out anew", Advice: "Begin with the first page again"}
	}
	items := []any{}
	n := min(from, set.Len())
	for ; n < set.Len() && len(items) < limit; n++ {
		items = append(items, map[string]any{"customer": string(set.ID(n)), "joinedAt": set.Joined(n)})
	}
	page := map[string]any{"generation": set.Generation, "total": set.Len(), "from": from, "items": items}
	if n < set.Len() {
		page["next"] = n
	}
	return gateway.OK(page), nil
}

func (s *Service) export(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, err := call.Parameters("format")
	if err != nil {
		return nil, err
	}
	format := q.Get("format")
	if format == "" {
		format = "csv"
	}
	kind := map[string]string{"csv": "text/csv; charset=utf-8; header=present", "parquet": "application/vnd.apache.parquet"}[format]
	if kind == "" {
		return nil, problem.Errorf(problem.Invalid, "there is no format %q: csv or parquet", format)
	}
	a, set, err := s.Members(ctx, call.Caller, call.Var("id"))
	if err != nil {
		return nil, err
	}
	if set.Generation == "" {
		return nil, &problem.Error{Kind: problem.Conflict, Detail: fmt.Sprintf("the members of the audience %q were not worked out yet", a.Name), Advice: "Do it with POST " + base + "/" + a.ID + "/materialise"}
	}
	write := map[string]func(http.ResponseWriter) error{
		"csv":     func(w http.ResponseWriter) error { return set.WriteCSV(w) },
		"parquet": func(w http.ResponseWriter) error { return set.WriteParquet(w) },
	}[format]
	h := http.Header{
		"Content-Type": {kind}, "Content-Disposition": {`attachment; filename="audience-` + a.ID[:8] + `.` + format + `"`}, "X-Content-Type-Options": {"nosniff"},
		"X-Audience-Version": {strconv.Itoa(set.Version)}, "X-Audience-Generation": {set.Generation},
	}
	return &gateway.Answer{Header: h, Serve: func(w http.ResponseWriter, _ *http.Request) {
		if err := write(w); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "an export ended early", "audience", a.ID, "error", err)
		}
	}}, nil
}
