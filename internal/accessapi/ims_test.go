package accessapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

const formType = "application/x-www-form-urlencoded"

func (s *server) ims(t testing.TB, method, path, kind string, body []byte, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return send(t, req)
}

// A token is had in each of the ways that clients ask for one, and what is
// wrong is said as OAuth says it, without a secret.
func TestIMS(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	loader := s.integration(t, []access.Permission{access.ViewSources}, "prod")
	good := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {loader.id}, "client_secret": {loader.secret}, "scope": {"openid,AdobeID,session"},
	}
	with := func(change ...string) string {
		v := maps.Clone(good)
		for i := 0; i < len(change); i += 2 {
			if v.Set(change[i], change[i+1]); change[i+1] == "" {
				v.Del(change[i])
			}
		}
		return v.Encode()
	}
	form := func() (string, []byte) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, values := range good {
			if err := w.WriteField(name, values[0]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), b.Bytes()
	}
	multi, fields := form()
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(url.QueryEscape(loader.id), url.QueryEscape(loader.secret))
	authorization := basic.Header.Get("Authorization")
	for name, c := range map[string]struct {
		method, path, kind, body string
		header                   []string
		status                   int
		code                     string // empty: a token
	}{
		"query":             {"POST", "v2?" + with(), "", "", nil, 200, ""},
		"query of v3":       {"POST", "v3?" + with(), "", "", nil, 200, ""},
		"form":              {"POST", "v3", formType, with(), nil, 200, ""},
		"form with charset": {"POST", "v3/", formType + "; charset=UTF-8", with(), nil, 200, ""},
		"multipart":         {"POST", "v3", multi, string(fields), nil, 200, ""},
		"query and form":    {"POST", "v3?client_id=" + loader.id, formType, with(), nil, 200, ""},
		"basic":             {"POST", "v3", formType, "grant_type=client_credentials", []string{"Authorization", authorization}, 200, ""},
		"wrong secret":      {"POST", "v3", formType, with("client_secret", "tribsec_x"), nil, 400, "invalid_client"},
		"another's secret":  {"POST", "v3", formType, with("client_secret", s.admin.secret), nil, 400, "invalid_client"},
		"unknown client":    {"POST", "v3", formType, with("client_id", "x\x00\xff"), nil, 400, "invalid_client"},
		"no secret":         {"POST", "v3", formType, with("client_secret", ""), nil, 400, "invalid_request"},
		"no grant type":     {"POST", "v3", formType, with("grant_type", ""), nil, 400, "invalid_request"},
		"other grant type":  {"POST", "v3", formType, with("grant_type", "authorization_code"), nil, 400, "unsupported_grant_type"},
		"two clients":       {"POST", "v3?client_id=x", formType, with(), nil, 400, "invalid_request"},
		"nothing":           {"POST", "v3", "", "", nil, 400, "invalid_request"},
		"bad query":         {"POST", "v3?a=%zz", formType, with(), nil, 400, "invalid_request"},
		"bad form":          {"POST", "v3", formType, "a=%zz", nil, 400, "invalid_request"},
		"bad multipart":     {"POST", "v3", "multipart/form-data; boundary=x", "--x", nil, 400, "invalid_request"},
		"no boundary":       {"POST", "v3", "multipart/form-data", "--x", nil, 400, "invalid_request"},
		"bad basic":         {"POST", "v3", formType, with(), []string{"Authorization", "Basic ???"}, 400, "invalid_request"},
		"JSON":              {"POST", "v3", "application/json", `{}`, nil, 415, "invalid_request"},
		"too large":         {"POST", "v3", formType, with() + "&x=" + strings.Repeat("x", 70_000), nil, 413, "invalid_request"},
		"large multipart":   {"POST", "v3", multi, strings.Replace(string(fields), "openid", strings.Repeat("x", 70_000), 1), nil, 413, "invalid_request"},
		"GET":               {"GET", "v3?" + with(), "", "", nil, 405, "invalid_request"},
		"path":              {"POST", "v9?" + with(), "", "", nil, 404, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.ims(t, c.method, "/ims/token/"+c.path, c.kind, []byte(c.body), c.header...)
			got := r.json(t)
			if r.status != c.status || r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, want %d: %s", r.status, c.status, r.body)
			}
			if bytes.Contains(r.body, []byte(loader.secret)) || bytes.Contains(r.body, []byte(s.admin.secret)) {
				t.Errorf("the answer has the secret: %s", r.body)
			}
			if c.code != "" {
				if got["error"] != c.code || got["error_description"] == "" || got["access_token"] != nil {
					t.Errorf("%v, want %s", got, c.code)
				}
				return
			}
			if got["token_type"] != "bearer" || got["expires_in"] != 86399.0 {
				t.Errorf("%v", got)
			}
			p, err := s.Principal(t.Context(), got["access_token"].(string))
			if err != nil || p.Client != loader.id {
				t.Errorf("%+v: %v", p, err)
			}
		})
	}
	t.Cleanup(func() {
		if s.log.Len() > 0 {
			t.Errorf("something was logged: %s", s.log)
		}
	})
}

// The JWT exchange says what to use in its place, in OAuth's form.
func TestExchange(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := s.ims(t, "POST", "/ims/exchange/jwt", formType, []byte("client_id="+s.admin.id+"&client_secret="+s.admin.secret+"&jwt_token=a.b.c"))
	got := r.json(t)
	if r.status != 400 || got["error"] != "unsupported_grant_type" || !strings.Contains(got["error_description"].(string), "/ims/token/v3") || len(got) != 2 {
		t.Errorf("%d %v", r.status, got)
	}
	if r := s.ims(t, "GET", "/ims/exchange/jwt", "", nil); r.status != 405 || r.header.Get("Allow") != "POST" {
		t.Errorf("%d %v", r.status, r.header)
	}
}

// What comes in is answered as JSON, and never with a token unless it has the
// secret.
func FuzzIMS(f *testing.F) {
	s := newServer(f)
	f.Add("grant_type=client_credentials&client_id=x&client_secret=y", formType, "")
	f.Add("grant_type=client_credentials", formType, "Basic eDp5")
	f.Add("--x\r\nContent-Disposition: form-data; name=\"client_id\"\r\n\r\nx\r\n--x--", "multipart/form-data; boundary=x", "")
	f.Add("%", "text/plain; charset", "basic")
	f.Fuzz(func(t *testing.T, body, kind, authorization string) {
		if !header(kind) || !header(authorization) {
			t.Skip("no client can send it")
		}
		r := s.ims(t, "POST", "/ims/token/v3", kind, []byte(body), "Authorization", authorization)
		if r.status >= 500 || r.status == 200 || !json.Valid(r.body) {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// header says whether a text can be the value of a header.
func header(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
}
