package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A Reply is what another call of the same service came to.
type Reply struct {
	Status int
	Header http.Header
	Body   json.RawMessage // nil for none; a failure's in the service's shape
}

// Do makes another call of the same service for the same caller, one that the
// body of this call holds. Target is the path behind the service's base, with
// its query. It needs the permission of its own route and is observed like any
// other; it can't hold calls itself.
func (c *Call) Do(ctx context.Context, method, target string, header http.Header, body []byte) (Reply, error) {
	at, err := url.ParseRequestURI(target)
	if err != nil || at.Host != "" || !strings.HasPrefix(target, "/") || path.Clean(at.EscapedPath()) != "/"+strings.Trim(at.EscapedPath(), "/") {
		return Reply{}, Fail(http.StatusBadRequest, "", "Bad request", "%q is no path of this service", target)
	}
	if c.inner == nil {
		return Reply{}, Fail(http.StatusBadRequest, "", "Bad request", "a call inside of another can't hold calls")
	}
	r := c.HTTP.Clone(ctx)
	r.Method, r.Body, r.ContentLength = method, io.NopCloser(bytes.NewReader(body)), int64(len(body))
	at.Path, at.RawPath = c.base+at.Path, c.base+at.EscapedPath()
	r.URL, r.Pattern = at, ""
	for _, name := range []string{"Content-Type", "If-Match", "If-None-Match", "Pragma", "Range"} {
		r.Header.Del(name)
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	w := &Kept{}
	plain(c.inner(c)).ServeHTTP(w, r)
	reply := Reply{Status: w.Status, Header: w.Header()}
	if w.Body.Len() > 0 {
		reply.Body = bytes.TrimSpace(w.Body.Bytes())
	}
	return reply, nil
}

// inside returns what serves the calls that one call of a service holds.
func (g *Gateway) inside(s *Service) func(outer *Call) http.Handler {
	return func(outer *Call) http.Handler {
		mux := http.NewServeMux()
		for i := range s.Routes {
			route := &s.Routes[i]
			mux.HandleFunc(route.Method+" "+s.Base+route.Path, func(w http.ResponseWriter, r *http.Request) {
				o := Observation{Service: s, Route: route, HTTP: r, RequestID: outer.RequestID, Caller: outer.Caller}
				var answer *Answer
				err := g.permit(s, route, &outer.Caller)
				if err == nil {
					answer, err = route.Handle(r.Context(), &Call{Caller: outer.Caller, HTTP: r, max: route.limit(), base: s.Base})
				}
				g.finish(w, answer, err, o)
			})
		}
		mux.Handle("/", g.refuse(s, &Failure{Status: http.StatusNotFound, Title: "Not found", Detail: "there is no such call in this service"}))
		return mux
	}
}
