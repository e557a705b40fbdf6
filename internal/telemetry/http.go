package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	api "go.opentelemetry.io/otel/trace"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A call is what is known of one so far. It is filled on the way in and read
// on the way out, by one goroutine.
type call struct {
	service, route             string
	request                    string // id
	client, user, org, sandbox string
	quiet                      bool // see Quiet
}

type callKey struct{}

// other stands for what no service knows: a path that a stranger made up must
// not become a label.
const other = "other"

// Middleware measures, traces and logs each call. It stands outside all that
// may refuse one.
func (t *Telemetry) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := t.options.Now()
		c := &call{service: other, route: other}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, method(r), api.WithSpanKind(api.SpanKindServer))
		rec := &recorder{ResponseWriter: w}
		t.underway.Inc()
		done := false
		defer func() {
			t.underway.Dec()
			if !done || rec.status == 0 { // a panic, which goes on its way; or an empty answer
				rec.status = map[bool]int{true: http.StatusOK, false: http.StatusInternalServerError}[done]
			}
			if c.request == "" {
				c.request = short(w.Header().Get("X-Request-Id"))
			}
			took := t.options.Now().Sub(begin)
			t.requests.WithLabelValues(c.service, c.route, method(r), strconv.Itoa(rec.status)).Inc()
			if w.Header().Get("Content-Type") != "text/event-stream" { // which lasts as long as somebody looks
				t.durations.WithLabelValues(c.service, c.route, method(r)).Observe(took.Seconds())
			}
			t.end(span, c, r, rec.status)
			if c.quiet && rec.status < http.StatusBadRequest {
				return
			}
			attrs := []slog.Attr{
				slog.String("service", c.service), slog.String("method", method(r)), slog.String("route", c.route), slog.Int("status", rec.status),
				slog.Duration("took", took), slog.Int64("bytes", rec.bytes), slog.String("request", c.request),
			}
			if t.options.Address != nil && (!c.quiet || rec.status == http.StatusUnauthorized) {
				attrs = append(attrs, slog.String("address", t.options.Address(r)))
			}
			for _, a := range []slog.Attr{slog.String("org", c.org), slog.String("sandbox", c.sandbox), slog.String("client", c.client), slog.String("user", c.user)} {
				if a.Value.String() != "" {
					attrs = append(attrs, a)
				}
			}
			if s := span.SpanContext(); s.IsSampled() {
				attrs = append(attrs, slog.String("trace", s.TraceID().String()))
			}
			t.options.Log.LogAttrs(ctx, slog.LevelInfo, "call", attrs...)
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(ctx, callKey{}, c)))
		done = true
	})
}

func (t *Telemetry) end(span api.Span, c *call, r *http.Request, status int) {
	span.SetName(method(r) + " " + c.service + c.route)
	span.SetAttributes(
		attribute.String("http.request.method", method(r)), attribute.String("http.route", c.route), attribute.Int("http.response.status_code", status),
		attribute.String("tributary.service", c.service), attribute.String("tributary.request_id", c.request),
	)
	for name, v := range map[string]string{"tributary.org": c.org, "tributary.sandbox": c.sandbox, "tributary.client": c.client} {
		if v != "" {
			span.SetAttributes(attribute.String(name, v))
		}
	}
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// Observe learns from the gateway what a call is about. It is for
// gateway.Gateway.Observe and does nothing outside of Middleware.
func (t *Telemetry) Observe(ctx context.Context, o gateway.Observation) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	c.service, c.request = o.Service.Name, short(o.RequestID)
	if o.Route != nil {
		c.route = o.Route.Path
	}
	c.client, c.user, c.org, c.sandbox = short(o.Caller.Client), short(o.Caller.User), o.Caller.Org, o.Caller.Sandbox.Name
}

// Name tells Middleware what a handler is that is no gateway's service.
func Name(service, route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(callKey{}).(*call); ok {
			c.service, c.route = service, route
		}
		next.ServeHTTP(w, r)
	})
}

// Quiet is Name for calls that come by the thousand and whose address may be a
// customer's: they are measured and traced, and logged only if they fail; with
// the address only if they lack a key.
func Quiet(service, route string, next http.Handler) http.Handler {
	return Name(service, route, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(callKey{}).(*call); ok {
			c.quiet = true
		}
		next.ServeHTTP(w, r)
	}))
}

// method returns the request's method if it is one that somebody might serve.
func method(r *http.Request) string {
	if slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}, r.Method) {
		return r.Method
	}
	return other
}

// short bounds what others chose, and hides what looks like a key in it.
func short(text string) string { return stripe.Redact(text[:min(len(text), 100)]) }

// A recorder remembers what was sent.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
