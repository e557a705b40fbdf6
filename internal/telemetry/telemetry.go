// Package telemetry tells an operator what the server does: metrics for
// Prometheus, traces for OpenTelemetry, and a line of log for each call. None
// of it holds a body, a header, a query, or a path that a caller made up.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Options say what is told, and where.
type Options struct {
	Version string // of the program
	Log     *slog.Logger
	Now     func() time.Time
	// Address returns the address of who calls, for the log; nil for none.
	Address func(*http.Request) string
	// Spans takes the traces, see Exporter; nil for none.
	Spans Spans
}

// A Telemetry measures calls. Close it.
type Telemetry struct {
	options   Options
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	underway  prometheus.Gauge
	tracer    api.Tracer
	provider  *trace.TracerProvider // nil where nobody takes traces
}

// New returns a Telemetry with a registry of its own.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{
		options:  o,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tributary_http_requests_total", Help: "Calls that were answered.",
		}, []string{"service", "route", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tributary_http_request_duration_seconds", Help: "How long calls took.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"service", "route", "method"}),
		underway: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tributary_http_requests_underway", Help: "Calls that are being answered."}),
		tracer:   noop.NewTracerProvider().Tracer(""),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tributary_build_info", Help: "Always 1; which program this is.",
		ConstLabels: prometheus.Labels{"version": o.Version, "goversion": runtime.Version()},
	})
	build.Set(1)
	for _, c := range []prometheus.Collector{
		t.requests, t.durations, t.underway, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := t.registry.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	if o.Spans == nil {
		return t, nil
	}
	r, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "tributary"), attribute.String("service.version", o.Version),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this program for traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("traces are not taken", "error", err) }))
	t.provider = trace.NewTracerProvider(trace.WithBatcher(o.Spans), trace.WithResource(r))
	t.tracer = t.provider.Tracer("tributary")
	return t, nil
}

// Spans takes the traces.
type Spans = trace.SpanExporter

// Exporter sends traces with the client to where OpenTelemetry's usual
// variables of the environment say (OTEL_EXPORTER_OTLP_ENDPOINT and others).
func Exporter(ctx context.Context, client *http.Client) (Spans, error) {
	return otlptracehttp.New(ctx, otlptracehttp.WithHTTPClient(client))
}

// Registry takes further metrics.
func (t *Telemetry) Registry() prometheus.Registerer { return t.registry }

// Metrics serves the metrics in Prometheus' form.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(t.options.Log.Handler(), slog.LevelError), MaxRequestsInFlight: 4})
}

// Close hands over the traces that were not sent yet.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}
