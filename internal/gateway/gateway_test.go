package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
)

func service() *gateway.Service {
	return &gateway.Service{
		Name: "things", Base: "/data/things",
		Shape: func(f *gateway.Failure, id string) any { return map[string]any{"detail": f.Detail, "id": id} },
		Routes: []gateway.Route{
			{Method: "GET", Path: "/things/{id}", Need: access.AnyOf(access.ViewSources, access.ManageSources), Handle: func(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
				if c.Var("id") == "none" {
					return nil, problem.Errorf(problem.NotFound, "there is no thing %q", "none")
				}
				return gateway.OK(map[string]string{"id": c.Var("id"), "sandbox": c.Sandbox.Name}), nil
			}},
			{Method: "POST", Path: "/things", Need: access.AnyOf(access.ManageSources), MaxBody: 100, Handle: func(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
				var v map[string]any
				if err := c.JSON(&v); err != nil {
					return nil, err
				}
				return gateway.Created("/data/things/things/1", v), nil
			}},
		},
	}
}

// What two readers of a call could understand in two ways is refused.
func TestHeadersOnce(t *testing.T) {
	t.Parallel()
	h := (&gateway.Gateway{Services: []*gateway.Service{service()}}).Handler()
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Gw-Ims-Org-Id", "X-Sandbox-Name", "X-Sandbox-Id"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/data/things/things/1", nil)
		r.Header[name] = []string{"a", "b"}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), name) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// The door looks at one thing after the other, and says what the original
// says of the first that is wrong.
func TestDoor(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, service())
	viewer := access.Principal{Org: gatewaytest.Org, Client: "client", Grants: map[string][]access.Permission{"prod": {access.ViewSources}}}
	for name, c := range map[string]struct {
		method, path string
		header       []string
		status       int
		body         map[string]any
	}{
		"no token":         {"GET", "/things/1", []string{"Authorization", "", "X-Api-Key", ""}, 403, map[string]any{"error_code": "403010", "message": "Oauth token is missing."}},
		"garbage":          {"GET", "/things/1", []string{"Authorization", "Bearer x", "X-Api-Key", ""}, 401, map[string]any{"error_code": "401013", "message": "Oauth token is not valid"}},
		"no key":           {"GET", "/things/1", []string{"X-Api-Key", "", "X-Gw-Ims-Org-Id", ""}, 403, map[string]any{"error_code": "403000", "message": "Api Key is required"}},
		"another key":      {"GET", "/things/1", []string{"X-Api-Key", "other", "X-Gw-Ims-Org-Id", ""}, 403, map[string]any{"error_code": "403003", "message": "Api Key is invalid"}},
		"no organisation":  {"GET", "/things/1", []string{"X-Gw-Ims-Org-Id", ""}, 400, map[string]any{"error_code": "400003", "message": "Missing header"}},
		"another one":      {"GET", "/things/1", []string{"X-Gw-Ims-Org-Id", gatewaytest.OtherOrg}, 403, map[string]any{"error_code": "403025", "message": "Profile is not valid"}},
		"unknown sandbox":  {"GET", "/things/1", []string{"X-Sandbox-Name", "nowhere"}, 404, map[string]any{"id": "r", "detail": "The sandbox with the name 'nowhere' could not be found. Please ensure that the sandbox name is correct and try again."}},
		"foreign sandbox":  {"GET", "/things/1", []string{"X-Sandbox-Name", "dev"}, 403, map[string]any{"id": "r", "detail": forbidden}},
		"default sandbox":  {"GET", "/things/1", []string{"X-Sandbox-Name", ""}, 200, map[string]any{"id": "1", "sandbox": "prod"}},
		"slashes":          {"GET", "/things/https://a/b", nil, 404, map[string]any{"id": "r", "detail": unclean}},
		"slashes only":     {"POST", "//things", nil, 404, map[string]any{"id": "r", "detail": unclean}},
		"two at the end":   {"GET", "/things/1//", nil, 404, map[string]any{"id": "r", "detail": unclean}},
		"dots":             {"GET", "/things/../things/1", nil, 404, map[string]any{"id": "r", "detail": unclean}},
		"dots, encoded":    {"GET", "/things/..%2F1", nil, 200, map[string]any{"id": "../1", "sandbox": "prod"}},
		"slash at the end": {"GET", "/things/1/", nil, 200, map[string]any{"id": "1", "sandbox": "prod"}},
		"encoded":          {"GET", "/things/https%3A%2F%2Fa%2Fb", nil, 200, map[string]any{"id": "https://a/b", "sandbox": "prod"}},
		"no permission":    {"POST", "/things", nil, 403, map[string]any{"id": "r", "detail": forbidden}},
		"not there":        {"GET", "/things/none", nil, 404, map[string]any{"id": "r", "detail": `there is no thing "none"`}},
		"no path":          {"GET", "/nothing", nil, 404, map[string]any{"id": "r", "detail": "there is no such path in this service"}},
		"method":           {"PUT", "/things", nil, 405, map[string]any{"id": "r", "detail": "this path knows POST"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.As(viewer, c.method, "/data/things"+c.path, nil, append(c.header, "X-Request-Id", "r")...)
			if got.Status != c.status {
				t.Errorf("status %d, want %d", got.Status, c.status)
			}
			if diff := cmp.Diff(any(c.body), got.JSON(t)); diff != "" {
				t.Error(diff)
			}
			if id := got.Header.Get("X-Request-Id"); id != "r" {
				t.Errorf("request id %q", id)
			}
		})
	}
}

const unclean = "there is no such path: it has an empty step, or one of dots. What has slashes and stands in a path is written with %2F in their place"

const forbidden = "You do not have sufficient permissions to perform the operation. Please contact your administrator to resolve permissions and try again."

func TestBody(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, service())
	for name, c := range map[string]struct {
		body   string
		status int
		detail string
	}{
		"good":      {`{"a":1}`, 201, ""},
		"empty":     {"  ", 400, "the body is empty: a JSON document is expected"},
		"comma":     {"{\n \"a\": 1,\n}", 400, "the body is not valid: line 3, column 1: invalid character '}' looking for beginning of object key string: the comma before it is one too many"},
		"quote":     {`{“a”: 1}`, 400, "the body is not valid: line 1, column 2: invalid character 'â' looking for beginning of object key string: a typographic quote stands here, a straight one is needed"},
		"open":      {`{"a": [1`, 400, "the body is not valid: line 1, column 9: the document ends too early: a bracket or a quote is not closed"},
		"more":      {`{"a": 1} {`, 400, "the body is not valid: line 1, column 9: the document has ended here, but the body goes on"},
		"kind":      {`[1]`, 400, "the body is not valid: line 1, column 1: the document: array is not what is expected here"},
		"too large": {`{"a": "` + string(make([]byte, 200)) + `"}`, 413, "the body is larger than this call allows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.Do("POST", "/data/things/things", c.body)
			if got.Status != c.status {
				t.Errorf("status %d, want %d: %s", got.Status, c.status, got.Body)
			}
			if c.status == http.StatusCreated {
				return
			}
			if diff := cmp.Diff(c.detail, got.JSON(t).(map[string]any)["detail"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	s := gatewaytest.New(t, &gateway.Service{
		Name: "pages", Base: "/data/pages",
		Shape: func(f *gateway.Failure, _ string) any { return map[string]any{"detail": f.Detail} },
		Routes: []gateway.Route{{Method: "GET", Path: "", Need: access.AnyOf(access.ViewSources, access.ManageSources), Handle: func(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
			q, err := c.Parameters("from", "to")
			if err != nil {
				return nil, err
			}
			return gateway.Document("text/plain; charset=utf-8", []byte(q.Get("from")+"-"+q.Get("to"))), nil
		}}},
	})
	for name, c := range map[string]struct {
		query  string
		detail string
		text   string
	}{
		"good":    {"from=1&to=a%20b", "", "1-a b"},
		"none":    {"", "", "-"},
		"unknown": {"zone=1&form=2&from=1", `there is no parameter "form", only from, to`, ""},
		"twice":   {"to=1&to=1", "the parameter to is there more than once", ""},
		"broken":  {"from=%zz", `the parameters can't be read: invalid URL escape "%zz"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.Do("GET", "/data/pages?"+c.query, nil)
			if c.detail == "" {
				if diff := cmp.Diff(c.text, string(got.Body)); diff != "" || got.Status != http.StatusOK {
					t.Error(got.Status, diff)
				}
				if policy := got.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
					t.Errorf("the page may do what this allows: %q", policy)
				}
				return
			}
			if diff := cmp.Diff(c.detail, got.JSON(t).(map[string]any)["detail"]); diff != "" || got.Status != http.StatusBadRequest {
				t.Error(got.Status, diff)
			}
		})
	}
}

// A path may be part of another one that has variables: neither hides what the
// other knows.
func TestPathsOverlap(t *testing.T) {
	t.Parallel()
	answer := func(text string) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
		return func(context.Context, *gateway.Call) (*gateway.Answer, error) { return gateway.OK(text), nil }
	}
	s := gatewaytest.New(t, &gateway.Service{Name: "sets", Base: "/sets", Shape: service().Shape, Routes: []gateway.Route{
		{Method: "GET", Path: "/{id}", Handle: answer("one")},
		{Method: "POST", Path: "/validate", Handle: answer("validated")},
		{Method: "GET", Path: "", Handle: answer("all")},
		{Method: "GET", Path: "/tags/of/{name...}", Handle: answer("tag")},
	}})
	for call, want := range map[string]int{
		"GET /sets/1": 200, "HEAD /sets/1": 200, "POST /sets/validate": 200, "GET /sets": 200, "GET /sets/validate": 405, "PUT /sets/1": 405,
		"DELETE /sets/validate": 405, "PATCH /sets": 405, "GET /sets/1/2": 404,
		"GET /sets/tags/of/a/b": 200, "GET /sets/tags/of": 404, "GET /sets/tags/of/": 404, "GET /nowhere": 404,
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := s.Do(method, path, nil); got.Status != want || want == 405 && got.Header.Get("Allow") == "" {
			t.Errorf("%s: %d %s", call, got.Status, got.Body)
		} else if kind := got.Header.Get("Content-Type"); kind != "application/json" && method != "HEAD" {
			t.Errorf("%s: %s", call, kind)
		}
	}
}

func TestApplyPatch(t *testing.T) {
	t.Parallel()
	got, err := gateway.ApplyPatch([]byte(`{"z":1.50,"a":[1]}`), []byte(`[{"op":"ADD","path":"/a/-","value":2}]`), "add", "remove")
	if diff := cmp.Diff(`{"z":1.50,"a":[1,2]}`, string(got)); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for patch, want := range map[string]string{
		`[{"op":"move","path":"/b","from":"/a"}]`: "operation 1 of the patch: unsupported operation 'move': add, remove are supported",
		`[{"op":"remove","path":"/b"}]`:           `operation 1 of the patch (remove /b): there is no "b"`,
		"[\n{]":                                   "the body is not valid: line 2, column 2: invalid character ']' looking for beginning of object key string",
		"":                                        "the body is empty: a JSON document is expected",
	} {
		if _, err := gateway.ApplyPatch([]byte(`{"a":1}`), []byte(patch), "add", "remove"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", patch, err, want)
		}
	}
}

// What a handler that writes by itself refuses is said in the service's form.
func TestServedRefusal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	serve := func(by http.HandlerFunc) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
		return func(context.Context, *gateway.Call) (*gateway.Answer, error) { return &gateway.Answer{Serve: by}, nil }
	}
	s := gatewaytest.New(t, &gateway.Service{Name: "files", Base: "/files", Shape: service().Shape, Routes: []gateway.Route{
		{Method: "GET", Path: "/one", Handle: serve(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Disposition", "attachment")
			http.ServeContent(w, r, "", at, strings.NewReader("0123456789"))
		})},
		{Method: "GET", Path: "/broken", Handle: serve(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the disk /dev/sda is full", http.StatusInternalServerError)
		})},
	}})
	for name, c := range map[string]struct {
		path    string
		header  []string
		status  int
		detail  string
		content string
	}{
		"whole":     {"/one", nil, 200, "", ""},
		"part":      {"/one", []string{"Range", "bytes=2-3"}, 206, "", "bytes 2-3/10"},
		"unchanged": {"/one", []string{"If-Modified-Since", at.Format(http.TimeFormat)}, 304, "", ""},
		"behind":    {"/one", []string{"Range", "bytes=99-"}, 416, "invalid range: failed to overlap", "bytes */10"},
		"not one":   {"/one", []string{"Range", "lines=1"}, 416, "invalid range", ""},
		"condition": {"/one", []string{"If-Unmodified-Since", at.Add(-time.Hour).Format(http.TimeFormat)}, 412, "a condition that stands in the headers of the call does not hold", ""},
		"broken":    {"/broken", nil, 500, "something went wrong here; the log has it under the request id r", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := s.Do("GET", "/files"+c.path, nil, append(c.header, "X-Request-Id", "r")...)
			if got.Status != c.status || got.Header.Get("Content-Range") != c.content {
				t.Errorf("%d %q", got.Status, got.Header)
			}
			if c.detail == "" {
				return
			}
			if diff := cmp.Diff(any(map[string]any{"id": "r", "detail": c.detail}), got.JSON(t)); diff != "" || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s %v", diff, got.Header)
			}
		})
	}
}
