package webui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tributary-data/tributary/internal/gateway"
)

// Bases of the services that pages call.
const (
	flowAPI     = "/data/foundation/flowservice"
	catalogAPI  = "/data/foundation/catalog"
	registryAPI = "/data/foundation/schemaregistry"
	prepAPI     = "/data/foundation/conversion"
)

// A call is one of the API.
type call struct {
	Method string // empty for GET
	Path   string // with its service's base, escaped
	Query  url.Values
	Header http.Header // beside those that say who calls
	Body   any         // sent as JSON; a []byte as it is; nil for none
}

// get asks the API, and decodes the answer into out unless that is nil.
func (r *request) get(path string, query url.Values, out any) error {
	return r.call(call{Path: path, Query: query}, out)
}

// send changes something by the API.
func (r *request) send(method, path string, body, out any) error {
	return r.call(call{Method: method, Path: path, Body: body}, out)
}

// call calls the API as whoever is signed in. What the API refuses is a
// *gateway.Failure.
func (r *request) call(c call, out any) error {
	w, err := r.ask(c)
	if err != nil || out == nil || w.Body.Len() == 0 {
		return err
	}
	d := json.NewDecoder(&w.Body)
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return fmt.Errorf("the answer to %s: %w", c.Path, err)
	}
	return nil
}

// ask is call for an answer as it is, whatever it is.
func (r *request) ask(c call) (*gateway.Kept, error) {
	req, err := r.prepare(c)
	if err != nil {
		return nil, err
	}
	var failure *gateway.Failure
	w := &gateway.Kept{}
	r.ui.API.ServeHTTP(w, req.WithContext(gateway.Heard(req.Context(), &failure)))
	w.WriteHeader(http.StatusOK) // where nothing was written
	switch {
	case failure != nil:
		return nil, failure
	case w.Status >= http.StatusBadRequest:
		return nil, gateway.Fail(w.Status, "", http.StatusText(w.Status), "%s", bytes.TrimSpace(w.Body.Bytes()))
	}
	return w, nil
}

func (r *request) prepare(c call) (*http.Request, error) {
	var body []byte
	switch v := c.Body.(type) {
	case nil:
	case []byte:
		body = v
	default:
		var err error
		if body, err = json.Marshal(v); err != nil {
			return nil, err
		}
	}
	target := c.Path
	if len(c.Query) > 0 {
		target += "?" + c.Query.Encode()
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(r.Context(), c.Method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	// Where the browser is counts for lists of addresses and for the audit log.
	req.Host, req.RemoteAddr, req.TLS, req.RequestURI = r.http.Host, r.http.RemoteAddr, r.http.TLS, target
	for _, name := range []string{"Forwarded", "X-Forwarded-For"} {
		req.Header[name] = r.http.Header[name]
	}
	h := req.Header
	h.Set("Authorization", "Bearer "+r.token)
	h.Set("X-Api-Key", r.Caller.Client)
	h.Set("X-Gw-Ims-Org-Id", r.Caller.Org)
	h.Set("X-Sandbox-Name", r.Caller.Sandbox.Name)
	h.Set("Accept", "application/json")
	if body != nil {
		h.Set("Content-Type", "application/json")
	}
	for name, values := range c.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return req, nil
}
