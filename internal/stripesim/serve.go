package stripesim

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An answer is what is sent back.
type answer struct {
	status int
	body   []byte
	header map[string]string
	silent bool // without Request-Id
	enc    *enc // owns body; goes back to the pool
	cursor string
}

func (a *apiError) answer() *answer {
	out := &answer{status: a.status, body: a.body(), header: map[string]string{}, silent: a.silent}
	if a.reason != "" {
		out.header["Stripe-Rate-Limited-Reason"] = a.reason
	}
	return out
}

// A caller is what a request's headers say.
type caller struct {
	mode    Mode
	version string
}

// A route is what a path asks for.
type route struct {
	endpoint   string // method and path template
	collection string // first segment after /v1
	id         string
}

func routeOf(method, path string) (route, bool) {
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return route{endpoint: method + " ?"}, false
	}
	collection, id, one := strings.Cut(rest, "/")
	_, known := permissions[collection]
	r := route{endpoint: method + " /v1/" + collection, collection: collection, id: id}
	if one {
		r.endpoint += "/{id}"
	}
	if !known || one && (id == "" || collection == "account") || !allowed(method, collection, one) {
		return route{endpoint: method + " ?"}, false
	}
	return r, true
}

// allowed says whether a method can be used: everything is read only but
// webhook endpoints, which can be created and deleted.
func allowed(method, collection string, one bool) bool {
	switch method {
	case http.MethodGet:
		return true
	case http.MethodPost:
		return collection == "webhook_endpoints" && !one
	case http.MethodDelete:
		return collection == "webhook_endpoints" && one
	}
	return false
}

// ServeHTTP answers like api.stripe.com. Paths under /sim/ are the
// simulator's own; see control.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sim/") {
		s.control(w, r)
		return
	}
	rt, known := routeOf(r.Method, r.URL.Path)
	began := s.cfg.RealTime()
	s.journal.arrive(rt.endpoint, began)
	a, rule := s.handle(r, rt, known)
	defer s.recycle(a)
	entry := Entry{At: began, Endpoint: rt.endpoint, URI: r.URL.RequestURI(), Status: a.status}
	if !a.silent {
		entry.Request = s.requestID()
	}
	if rule != nil {
		entry.Fault = string(rule.Action)
	}
	if entry.Fault == string(Reset) {
		entry.Status = 0
		s.journal.leave(entry)
		reset(w)
		return
	}
	s.journal.leave(entry) // before the client can ask for the books
	s.send(w, r, a, rule, entry.Request)
}

// handle makes the answer, or what a rule of the plan puts in its place.
func (s *Sim) handle(r *http.Request, rt route, known bool) (*answer, *Rule) {
	var version string
	mode, refused := s.authenticate(r, rt.collection)
	if refused == nil {
		version, refused = s.versionOf(r)
	}
	if refused != nil {
		wait(r.Context(), s.latency())
		return refused.answer(), nil
	}
	if reason := s.limiter.enter(rt.endpoint); reason != "" {
		wait(r.Context(), s.latency())
		return rateLimited(reason).answer(), nil
	}
	defer s.limiter.leave(rt.endpoint)
	rule, steps := s.faults.next(rt.endpoint)
	if rule != nil && rule.Action == Stall {
		wait(r.Context(), time.Duration(rule.Delay))
	}
	latency := s.latency()
	wait(r.Context(), latency/2)
	a := s.answer(r, rt, known, caller{mode, version}, rule)
	s.take(steps, a.cursor)
	if rule != nil {
		if instead, ok := rule.instead(); ok {
			s.recycle(a)
			a = instead
		}
	}
	wait(r.Context(), latency-latency/2)
	return a, rule
}

// take takes the steps of a plan. One that finds nothing to change is skipped:
// a script is written without knowing what is left.
func (s *Sim) take(steps []Step, cursor string) {
	if len(steps) == 0 {
		return
	}
	defer s.begin()()
	for _, step := range steps {
		_ = s.do(step, cursor)
	}
}

// answer makes the right answer, bent by the rules that change a page.
func (s *Sim) answer(r *http.Request, rt route, known bool, by caller, rule *Rule) *answer {
	if !known {
		return unknownURL(r.Method, r.URL.Path).answer()
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("", "", "Invalid query string: %s", err).answer()
	}
	if rt.collection == "webhook_endpoints" {
		return s.answerEndpoint(r, rt, values, by)
	}
	e := s.pages.Get().(*enc)
	e.b, e.depth, e.first = e.b[:0], 0, false
	a := &answer{status: http.StatusOK, enc: e}
	s.mu.RLock()
	defer s.mu.RUnlock()
	walk := rt.endpoint + "?" + walkOf(values)
	if rule != nil && rule.Action == Repeat {
		if body, ok := s.faults.recall(walk); ok {
			e.b = append(e.b, body...)
			a.body = e.b
			return a
		}
	}
	if refused := s.write(a, rt, values, by, rule); refused != nil {
		s.pages.Put(e)
		return refused.answer()
	}
	if rt.id == "" {
		s.faults.remember(walk, e.b)
	}
	a.body = e.b
	return a
}

// walkOf names the pages that belong together: everything but the cursors.
func walkOf(values url.Values) string {
	rest := url.Values{}
	for k, v := range values {
		if k != "starting_after" && k != "ending_before" && k != "limit" {
			rest[k] = v
		}
	}
	return rest.Encode()
}

// write renders the answer's body.
func (s *Sim) write(a *answer, rt route, values url.Values, by caller, rule *Rule) *apiError {
	e, none := a.enc, by.mode != s.cfg.Mode
	switch {
	case rt.collection == "account":
		s.account(e)
	case rt.collection == "subscription_items" && rt.id == "":
		return s.listItems(e, values, by.mode, by.version)
	case rt.collection == "subscription_items":
		return s.retrieveItem(e, rt.id, by.mode, by.version)
	case rt.collection == "events" && rt.id != "":
		return s.retrieveEvent(e, rt.id, by.mode)
	case rt.id != "":
		return s.retrieve(e, Resource(rt.collection), rt.id, values, by.mode, by.version)
	default:
		var p *page
		var err *apiError
		if rt.collection == "events" {
			p, err = s.listEvents(values, none)
		} else {
			p, err = s.list(Resource(rt.collection), values, none, by.version)
		}
		if err != nil {
			return err
		}
		p.bend(rule)
		s.page(e, p)
		if n := len(p.objects); n > 0 {
			a.cursor = p.shelf.id(p.objects[n-1])
		}
	}
	return nil
}

// bend applies the rules that change what a page says.
func (p *page) bend(rule *Rule) {
	switch {
	case rule == nil || len(p.objects) == 0:
	case rule.Action == EmptyLast:
		p.more = true
	case rule.Action == ShortPage && len(p.objects) > 1:
		p.objects, p.more = p.objects[:len(p.objects)/2], true
	}
}

// version returns the version that renders the answer.
func (s *Sim) versionOf(r *http.Request) (string, *apiError) {
	v := r.Header.Get("Stripe-Version")
	if v == "" {
		return s.apiVersion(), nil
	}
	return checkVersion(v)
}

func (s *Sim) requestID() string {
	return string(s.world.short(nil, idRequest, "req_", s.requests.Add(1)))
}
