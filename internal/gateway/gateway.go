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
	return identified(plain(mux))
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
		o.Status = g.write(w, o.HTTP, answer)
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

// write sends an answer and returns its status.
func (g *Gateway) write(w http.ResponseWriter, r *http.Request, a *Answer) int {
	maps.Copy(w.Header(), a.Header)
	if a.Serve != nil {
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		a.Serve(rec, r)
		return rec.status
	}
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if a.Body == nil {
		w.WriteHeader(status)
		return status
	}
	writeJSON(w, status, a.Body)
	return status
}

// A recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
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
