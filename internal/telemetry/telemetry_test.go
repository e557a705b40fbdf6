package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/telemetry"
)

func things() *gateway.Service {
	return &gateway.Service{
		Name: "things", Base: "/data/things",
		Shape: func(f *gateway.Failure, _ string) any { return map[string]any{"detail": f.Detail} },
		Routes: []gateway.Route{
			{Method: "GET", Path: "/things/{id}", Handle: func(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
				if c.Var("id") == "panic" {
					panic("oh")
				}
				return gateway.OK(map[string]string{"id": c.Var("id")}), nil
			}},
			{Method: "DELETE", Path: "/things/{id}", Need: access.Administrator(), Handle: func(context.Context, *gateway.Call) (*gateway.Answer, error) {
				return gateway.NoContent(), nil
			}},
		},
	}
}

// A watched server of things.
type watched struct {
	*gatewaytest.Server
	telemetry *telemetry.Telemetry
	log       *logtest.Buffer
}

// lines returns the lines of the log.
func (w *watched) lines(t *testing.T) (all []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(w.log.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func watch(t *testing.T, spans trace.SpanExporter) *watched {
	t.Helper()
	w := &watched{log: &logtest.Buffer{}}
	var err error
	w.telemetry, err = telemetry.New(t.Context(), telemetry.Options{
		Version: "1.2.3", Log: slog.New(slog.NewJSONHandler(w.log, nil)), Now: time.Now, Spans: spans,
		Address: func(*http.Request) string { return "198.51.100.7" },
	})
	if err != nil {
		t.Fatal(err)
	}
	g := gatewaytest.Gateway(t, things())
	g.Observe = w.telemetry.Observe
	mux := http.NewServeMux()
	mux.Handle("/", g.Handler())
	mux.Handle("/hook", telemetry.Name("webhooks", "/hook", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	w.Server = gatewaytest.Serve(t, w.telemetry.Middleware(mux))
	return w
}

// metrics returns the lines that begin so.
func (w *watched) metrics(t *testing.T, prefix string) (lines []string) {
	t.Helper()
	rec := httptest.NewRecorder()
	w.telemetry.Metrics().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	for range 3 {
		w.Do("GET", "/data/things/things/1?token=sk_test_1", nil)
	}
	w.Do("GET", "/data/things/things/2", nil)
	w.Do("DELETE", "/data/things/things/1", nil)
	w.As(access.Principal{Org: gatewaytest.Org, Client: "c"}, "DELETE", "/data/things/things/1", nil)
	w.Do("GET", "/data/things/things/1", nil, "Authorization", "")
	w.Do("GET", "/data/things/made/up/by/a/stranger", nil)
	w.Do("BREW", "/wp-admin.php", nil)
	w.Do("POST", "/hook", nil)
	want := []string{
		`tributary_http_requests_total{code="200",method="GET",route="/things/{id}",service="things"} 4`,
		`tributary_http_requests_total{code="200",method="POST",route="/hook",service="webhooks"} 1`,
		`tributary_http_requests_total{code="204",method="DELETE",route="/things/{id}",service="things"} 1`,
		`tributary_http_requests_total{code="403",method="DELETE",route="/things/{id}",service="things"} 1`,
		`tributary_http_requests_total{code="403",method="GET",route="/things/{id}",service="things"} 1`,
		`tributary_http_requests_total{code="404",method="GET",route="other",service="things"} 1`,
		`tributary_http_requests_total{code="404",method="other",route="other",service="other"} 1`,
	}
	if diff := cmp.Diff(want, w.metrics(t, "tributary_http_requests_total")); diff != "" {
		t.Error(diff)
	}
	if got := w.metrics(t, `tributary_http_request_duration_seconds_count{method="GET",route="/things/{id}"`); len(got) != 1 || !strings.HasSuffix(got[0], " 5") {
		t.Errorf("%v", got)
	}
	for _, name := range []string{`tributary_build_info{goversion="go`, "go_goroutines", "process_open_fds"} {
		if got := w.metrics(t, name); len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := w.metrics(t, "tributary_http_requests_underway"); !cmp.Equal(got, []string{"tributary_http_requests_underway 0"}) {
		t.Errorf("%v", got)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	w.Do("GET", "/data/things/things/1?token=sk_test_1", "body", "X-Request-Id", "r-1", "Cookie", "a=sk_test_1")
	w.Do("GET", "/data/things/things/1", nil, "X-Request-Id", "whsec_1234")
	lines := w.lines(t)
	for _, l := range lines {
		delete(l, "time")
		if took, ok := l["took"].(float64); !ok || took <= 0 {
			t.Errorf("took %v", l["took"])
		}
		delete(l, "took")
	}
	want := map[string]any{
		"level": "INFO", "msg": "call", "service": "things", "method": "GET", "route": "/things/{id}", "status": 200., "bytes": 11., "request": "r-1",
		"address": "198.51.100.7", "org": gatewaytest.Org, "sandbox": "prod", "client": "client", "user": "client@techacct.adobe.com",
	}
	if diff := cmp.Diff(want, lines[0]); diff != "" {
		t.Error(diff)
	}
	if text := lines[1]["request"].(string); strings.Contains(text, "whsec_1234") {
		t.Errorf("request %s", text)
	}
}

// A panic is counted and goes on.
func TestPanic(t *testing.T) {
	t.Parallel()
	w := watch(t, nil)
	h := w.telemetry.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }))
	func() {
		defer func() {
			if p := recover(); p != "oh" {
				t.Errorf("recovered %v", p)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	if got := w.metrics(t, `tributary_http_requests_total{code="500"`); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// kept spans stay after Shutdown.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

func TestTraces(t *testing.T) {
	t.Parallel()
	spans := kept{tracetest.NewInMemoryExporter()}
	w := watch(t, spans)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w.Do("GET", "/data/things/things/1?token=sk_test_1", nil, "Traceparent", parent, "X-Request-Id", "r-1")
	if err := w.telemetry.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := w.lines(t); len(lines) != 1 || lines[0]["trace"] != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("%v", lines)
	}
	got := spans.GetSpans()
	if len(got) != 1 {
		t.Fatalf("%d spans", len(got))
	}
	if s := got[0]; s.Name != "GET things/things/{id}" || s.Parent.SpanID().String() != "b7ad6b7169203331" {
		t.Errorf("%s, parent %s", s.Name, s.Parent.SpanID())
	}
	attributes := map[string]string{}
	for _, a := range got[0].Attributes {
		attributes[string(a.Key)] = a.Value.String()
	}
	want := map[string]string{
		"http.request.method": "GET", "http.route": "/things/{id}", "http.response.status_code": "200", "tributary.service": "things", "tributary.request_id": "r-1",
		"tributary.org": gatewaytest.Org, "tributary.sandbox": "prod", "tributary.client": "client",
	}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Error(diff)
	}
}

// The whole way: OpenTelemetry's variable, its exporter, its protocol. What is
// sent holds the route, and neither id nor query.
func TestExporter(t *testing.T) {
	got := make(chan []byte, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		got <- append([]byte(r.URL.Path+" "), b...)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	exporter, err := telemetry.Exporter(t.Context(), collector.Client())
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, exporter)
	w.Do("GET", "/data/things/things/thing-id?token=sk_test_1", nil, "X-Request-Id", "r-1")
	if err := w.telemetry.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sent := string(<-got)
	for _, want := range []string{"/v1/traces ", "GET things/things/{id}", "r-1", "tributary.sandbox", "prod", "1.2.3"} {
		if !strings.Contains(sent, want) {
			t.Errorf("%q lacks %q", sent, want)
		}
	}
	if m := regexp.MustCompile(`thing-id|token|sk_test|Bearer|198\.51`).FindString(sent); m != "" {
		t.Errorf("%q has %q", sent, m)
	}
}
