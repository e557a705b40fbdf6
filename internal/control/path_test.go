package control_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
)

// Outside of the pages nobody is sent on to another path, and who asks for one that is not there is
// answered in JSON, whoever he is.
func TestPaths(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "")
	caller := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{
		"/x", "/data", "/data/", "/data//foundation/catalog/dataSets", "/data/foundation/catalog//dataSets", "//data/foundation/catalog/dataSets",
		"/data/foundation/catalog/./dataSets", "/data/foundation/catalog/x/../dataSets", "/data/foundation/schemaregistry/tenant/schemas/https://ns.adobe.com/x",
		"/ims", "/ims/", "/ims//token/v3", "/ims/token/../token/v3", "/metrics/x", "/metrics//",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := caller.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusNotFound || resp.Header.Get("Content-Type") != "application/json" || !json.Valid(body) {
				t.Errorf("%s %s: %d %s %v", method, path, resp.StatusCode, body, err)
			}
		}
	}
}
