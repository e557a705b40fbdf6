package gateway

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Parameters reads a query that has some of the names, each once, and no others;
// problem.Invalid.
func (c *Call) Parameters(names ...string) (url.Values, error) {
	q, err := url.ParseQuery(c.HTTP.URL.RawQuery)
	if err != nil {
		return nil, problem.Errorf(problem.Invalid, "the parameters can't be read: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(names, name) {
			return nil, problem.Errorf(problem.Invalid, "there is no parameter %.100q, only %s", name, strings.Join(names, ", "))
		}
		if len(q[name]) > 1 {
			return nil, problem.Errorf(problem.Invalid, "the parameter %s is there more than once", name)
		}
	}
	return q, nil
}

// Document answers with a text of a content type. A page of ours among the API's
// answers runs nothing and loads nothing.
func Document(contentType string, text []byte) *Answer {
	return &Answer{Serve: func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		_, _ = w.Write(text) // the caller has gone; there is nobody to tell
	}}
}
