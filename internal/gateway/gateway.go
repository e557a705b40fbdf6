// Package gateway is the door of the platform's HTTP services. It checks
// headers, token, sandbox and permission before any service sees a call, and
// words every failure the way that the service's clients know.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Service is one of the platform's services.
type Service struct {
	Name   string // for logs, traces and metrics: catalog, schemaregistry, …
	Base   string // path that all its routes begin with, without a slash at its end
	Shape  Shape
	Codes  Codes
	Routes []Route
}

// Codes are the service's own numbers of what the gateway refuses in its
// name; empty where it has none.
type Codes struct {
	Forbidden string // the permission is missing
	NoSandbox string // there is no such sandbox
}

// A Shape words a failure as the service's clients know it; the result is
// written as JSON.
type Shape func(f *Failure, requestID string) any

// A Route is one call of a service.
type Route struct {
	Method string
	Path   string // behind the service's Base, in the syntax of http.ServeMux: /dataSets/{id}
	Need   access.Need
	// Unscoped calls are about the organisation: they need no sandbox, and
	// Need is asked in the default one.
	Unscoped bool
	// MaxBody is how many bytes the body may have; 0 for the usual MaxBody.
	MaxBody int64
	Handle  func(context.Context, *Call) (*Answer, error)
}

// MaxBody is how large the body of a call may be that says nothing else.
const MaxBody = 10 << 20

// A Call is one call that passed the door.
type Call struct {
	access.Caller
	HTTP  *http.Request
	max   int64
	base  string                         // of the service
	inner func(outer *Call) http.Handler // nil in a call that is inside of another
}

// Var returns a named step of the route's path, unescaped.
func (c *Call) Var(name string) string { return c.HTTP.PathValue(name) }

// An Answer is what a call comes to.
type Answer struct {
	Status int         // 0 for 200
	Header http.Header // beside the usual ones; may be nil
	Body   any         // written as JSON; nil for an empty body
	// Serve, if set, writes the answer by itself.
	Serve http.HandlerFunc
}

// OK returns an answer 200 with a JSON body.
func OK(body any) *Answer { return &Answer{Body: body} }

// Created returns an answer 201 that says where the new object is.
func Created(location string, body any) *Answer {
	return &Answer{Status: http.StatusCreated, Header: http.Header{"Location": {location}}, Body: body}
}

// NoContent returns an answer 204.
func NoContent() *Answer { return &Answer{Status: http.StatusNoContent} }

// Doors are what the gateway asks about a call.
type Doors interface {
	// Principal returns whose token it is; problem.Unauthenticated for one
	// that is unknown, expired or malformed.
	Principal(ctx context.Context, token string) (*access.Principal, error)
	// Tenant returns the tenant id of an organisation.
	Tenant(ctx context.Context, org string) (string, error)
	// Sandbox returns a sandbox of the organisation by name, by id where name
	// is empty, and the default one where both are; problem.NotFound.
	Sandbox(ctx context.Context, org, name, id string) (access.Sandbox, error)
}

// A Gateway serves the services.
type Gateway struct {
	Doors    Doors
	Services []*Service
	Log      *slog.Logger
	// Check, if set, may refuse a caller whose token and sandbox are good:
	// for the address it calls from, or because it calls too often. It is asked
	// before the permission.
	Check func(r *http.Request, c *access.Caller) error
	// Observe, if set, is told of each call after it was answered.
	Observe func(ctx context.Context, o Observation)
}

// An Observation is what became of a call.
type Observation struct {
	Service   *Service
	Route     *Route
	HTTP      *http.Request
	Caller    access.Caller // what the door knew of it: empty where the token was refused
	Status    int
	Location  string   // of the object that the call created; empty where there is none
	Failure   *Failure // nil where there is none
	RequestID string
}

// Handler returns the HTTP handler of all services.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, s := range g.Services {
		methods := make(map[string][]string)
		for i := range s.Routes {
			r := &s.Routes[i]
			methods[r.Path] = append(methods[r.Path], r.Method)
			mux.Handle(r.Method+" "+s.Base+r.Path, g.call(s, r))
		}
		for path, allowed := range methods {
			slices.Sort(allowed)
			refuse := g.refuse(s, &Failure{
				Status: http.StatusMethodNotAllowed, Title: "Method not allowed",
				Detail: "this path knows " + strings.Join(allowed, ", "), Header: http.Header{"Allow": {strings.Join(allowed, ", ")}},
			})
			// One by one: a path for any method would contradict the GET of another
			// path that it is part of, /sets/validate that of /sets/{id}.
			for _, m := range methodsKnown {
				if !slices.Contains(allowed, m) && (m != http.MethodHead || !slices.Contains(allowed, http.MethodGet)) {
					mux.Handle(m+" "+s.Base+path, refuse)
				}
			}
		}
		unknown := g.refuse(s, &Failure{Status: http.StatusNotFound, Title: "Not found", Detail: "there is no such path in this service"})
		mux.Handle(s.Base+"/", unknown)
		// The mux would send the parent of a path with {name...} on to the slash
		// that plain takes away.
		parents := map[string]bool{"": true}
		for path := range methods {
			if parent, _, ok := strings.Cut(path, "/{"); ok && strings.HasSuffix(path, "...}") {
				parents[parent] = true
			}
		}
		for parent := range parents {
			if len(methods[parent]) == 0 {
				mux.Handle(s.Base+parent, unknown)
			}
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error_code": "404003", "message": "No service has this path"})
	})
	return identified(g.clean(plain(mux)))
}

// clean refuses paths that mean another one: the mux would send their callers
// on to that, where ids are not what they were.
func (g *Gateway) clean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.EscapedPath(); path.Clean(p) == strings.TrimSuffix(p, "/") || p == "/" {
			next.ServeHTTP(w, r)
			return
		}
		f := &Failure{
			Status: http.StatusNotFound, Title: "Not found",
			Detail: "there is no such path: it has an empty step, or one of dots. What has slashes and stands in a path is written with %2F in their place",
		}
		for _, s := range g.Services {
			if strings.HasPrefix(r.URL.Path, s.Base+"/") {
				g.refuse(s, f).ServeHTTP(w, r)
				return
			}
		}
		writeJSON(w, f.Status, map[string]string{"error_code": "404003", "message": f.Detail})
	})
}

var methodsKnown = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions, http.MethodConnect, http.MethodTrace,
}

// identified gives every call an id: the caller's own, or a new one.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if id == "" || len(id) > 200 || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
			id = uuid.NewString()
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r)
	})
}

// plain takes the slash from the end of a path: it never changes the meaning.
func plain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.EscapedPath(); len(p) > 1 && strings.HasSuffix(p, "/") {
			u := *r.URL
			u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
			r = r.Clone(r.Context())
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) refuse(s *Service, f *Failure) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.fail(w, s, f)
		g.observe(r.Context(), Observation{Service: s, HTTP: r, Status: f.Status, Failure: f, RequestID: w.Header().Get("X-Request-Id")})
	})
}

func (g *Gateway) call(s *Service, route *Route) http.Handler {
	inside := g.inside(s)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := Observation{Service: s, Route: route, HTTP: r, RequestID: w.Header().Get("X-Request-Id")}
		answer, err := g.answer(s, route, r, &o, inside)
		g.finish(w, answer, err, o)
	})
}

// finish sends what a call came to, and tells it to who observes.
func (g *Gateway) finish(w http.ResponseWriter, answer *Answer, err error, o Observation) {
	if err != nil {
		o.Failure = g.failure(o.HTTP.Context(), err, o.RequestID)
		o.Status = o.Failure.Status
		g.fail(w, o.Service, o.Failure)
	} else {
		o.Location = answer.Header.Get("Location")
		o.Status, o.Failure = g.write(w, o.HTTP, o.Service, answer)
	}
	g.observe(o.HTTP.Context(), o)
}

func (g *Gateway) answer(s *Service, route *Route, r *http.Request, o *Observation, inside func(*Call) http.Handler) (*Answer, error) {
	caller := &o.Caller
	caller.RequestID = o.RequestID
	if err := g.admit(s, route, r, caller); err != nil {
		return nil, err
	}
	return route.Handle(r.Context(), &Call{Caller: *caller, HTTP: r, max: route.limit(), base: s.Base, inner: inside})
}

// limit is how many bytes the body may have.
func (r *Route) limit() int64 {
	if r.MaxBody == 0 {
		return MaxBody
	}
	return r.MaxBody
}

// write sends an answer and returns its status, and the failure that it turned
// out to be.
func (g *Gateway) write(w http.ResponseWriter, r *http.Request, s *Service, a *Answer) (int, *Failure) {
	maps.Copy(w.Header(), a.Header)
	if a.Serve != nil {
		return g.serve(w, r, s, a.Serve)
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if a.Body == nil {
		w.WriteHeader(status)
		return status, nil
	}
	writeJSON(w, status, a.Body)
	return status, nil
}

// serve lets a handler write the answer. What it refuses is said in the form
// of the service: http.ServeContent does so in a form of its own.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, s *Service, by http.HandlerFunc) (int, *Failure) {
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	by(rec, r)
	if rec.status < http.StatusBadRequest {
		return rec.status, nil
	}
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Disposition"} { // of what is not sent
		w.Header().Del(name)
	}
	f := &Failure{Status: rec.status, Title: http.StatusText(rec.status), Detail: strings.TrimSpace(string(rec.said))}
	switch {
	case rec.status >= http.StatusInternalServerError:
		f = g.failure(r.Context(), errors.New(f.Detail), w.Header().Get("X-Request-Id"))
	case f.Detail == "":
		f.Detail = "a condition that stands in the headers of the call does not hold"
	}
	g.fail(w, s, f)
	return f.Status, f
}

// A recorder remembers the status that was sent, and keeps a refusal back.
type recorder struct {
	http.ResponseWriter
	status int
	said   []byte // of a refusal
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	if status < http.StatusBadRequest {
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status < http.StatusBadRequest {
		return r.ResponseWriter.Write(b)
	}
	r.said = append(r.said, b[:min(len(b), 500-len(r.said))]...)
	return len(b), nil
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (g *Gateway) fail(w http.ResponseWriter, s *Service, f *Failure) {
	maps.Copy(w.Header(), f.Header)
	if f.gate {
		writeJSON(w, f.Status, map[string]string{"error_code": f.Code, "message": f.Detail})
		return
	}
	writeJSON(w, f.Status, s.Shape(f, w.Header().Get("X-Request-Id")))
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the caller has gone; there is nobody to tell
}

func (g *Gateway) observe(ctx context.Context, o Observation) {
	if into, ok := ctx.Value(heardKey{}).(**Failure); ok && o.Failure != nil {
		*into = o.Failure
	}
	if g.Observe != nil {
		g.Observe(ctx, o)
	}
}

// failure turns an error into what is said of it. What is nobody's business
// is logged and not told.
func (g *Gateway) failure(ctx context.Context, err error, requestID string) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Failure{Status: http.StatusRequestEntityTooLarge, Title: "Body too large", Detail: "the body is larger than this call allows", Err: err}
	}
	kind := problem.KindOf(err)
	status := statusOf[kind]
	if status == http.StatusInternalServerError {
		if errors.Is(err, context.Canceled) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &Failure{Status: http.StatusBadRequest, Title: "Bad request", Detail: "the call ended before its body did", Err: err}
		}
		g.Log.ErrorContext(ctx, "a call failed", "request", requestID, "error", err)
		return &Failure{Status: status, Title: "Internal error", Detail: "something went wrong here; the log has it under the request id " + requestID, Err: err}
	}
	return &Failure{Status: status, Title: titleOf[kind], Detail: err.Error(), Err: err}
}

var statusOf = map[problem.Kind]int{
	problem.Internal: http.StatusInternalServerError, problem.Invalid: http.StatusBadRequest, problem.NotFound: http.StatusNotFound,
	problem.Conflict: http.StatusConflict, problem.Stale: http.StatusPreconditionFailed, problem.Unauthenticated: http.StatusUnauthorized,
	problem.Forbidden: http.StatusForbidden, problem.Unavailable: http.StatusServiceUnavailable,
}

var titleOf = map[problem.Kind]string{
	problem.Invalid: "Bad request", problem.NotFound: "Not found", problem.Conflict: "Conflict", problem.Stale: "Version not matching",
	problem.Unauthenticated: "Unauthorized", problem.Forbidden: "Forbidden", problem.Unavailable: "Unavailable",
}
