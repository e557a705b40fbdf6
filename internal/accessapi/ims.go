package accessapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// maxTokenBody is how many bytes a request for a token may have.
const maxTokenBody = 64 << 10

// IMS returns the handler of /ims/token/v2 and /ims/token/v3, where an
// integration gets a token for its secret (OAuth 2.0, RFC 6749, 4.4). Client id
// and secret stand in the query, in a form or in the header of basic
// authentication. /ims/exchange/jwt, which the original has given up for them,
// says so. Nothing of a request is logged.
func IMS(s *access.Service, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	give := func(w http.ResponseWriter, r *http.Request) { token(s, log, w, r) }
	for at, answer := range map[string]http.HandlerFunc{"/ims/token/v2": give, "/ims/token/v3": give, "/ims/exchange/jwt": exchange} {
		mux.HandleFunc("POST "+at, answer)
		mux.HandleFunc("POST "+at+"/{$}", answer)
		mux.HandleFunc(at, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, "invalid_request", "a token is asked for by POST")
		})
	}
	unknown := func(w http.ResponseWriter) {
		refuse(w, http.StatusNotFound, "invalid_request", "tokens are at /ims/token/v2 and /ims/token/v3")
	}
	mux.HandleFunc("/ims/", func(w http.ResponseWriter, _ *http.Request) { unknown(w) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would send the caller on, with a page.
		if p := r.URL.EscapedPath(); path.Clean(p) != strings.TrimSuffix(p, "/") {
			unknown(w)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// exchange refuses, whatever it is sent: integrations have secrets and no keys
// that sign.
func exchange(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusBadRequest, "unsupported_grant_type",
		"tokens are not exchanged for JWTs here: POST grant_type=client_credentials, client_id and client_secret to /ims/token/v3")
}

func token(s *access.Service, log *slog.Logger, w http.ResponseWriter, r *http.Request) {
	said, code, what := parameters(w, r)
	if code != 0 {
		refuse(w, code, "invalid_request", what)
		return
	}
	one := func(name string) string {
		all := said[name]
		for _, v := range all {
			if v != all[0] {
				code, what = http.StatusBadRequest, name+" stands there more than once"
			}
		}
		if len(all) == 0 || all[0] == "" {
			code, what = http.StatusBadRequest, name+" is missing"
			return ""
		}
		return all[0]
	}
	secret, id, grant := one("client_secret"), one("client_id"), one("grant_type")
	switch {
	case code != 0:
		refuse(w, code, "invalid_request", what)
		return
	case grant != "client_credentials":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials")
		return
	}
	t, err := s.Token(r.Context(), id, secret)
	switch {
	case errors.Is(err, access.ErrClient):
		refuse(w, http.StatusBadRequest, "invalid_client", access.ErrClient.Error())
	case err != nil:
		log.ErrorContext(r.Context(), "no token could be made", "error", err)
		refuse(w, http.StatusInternalServerError, "server_error", "something went wrong here; the log says what")
	default:
		// A second less than it is: what is on its way, too, has time.
		respond(w, http.StatusOK, map[string]any{"access_token": t.AccessToken, "token_type": "bearer", "expires_in": int64(t.ExpiresIn/time.Second) - 1})
	}
}

// parameters gathers what stands in query, form and header. A code other than 0
// is the status of a refusal, which says what.
func parameters(w http.ResponseWriter, r *http.Request) (said url.Values, code int, what string) {
	said, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, http.StatusBadRequest, "the query is not valid"
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenBody)
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case "multipart/form-data":
		err = r.ParseMultipartForm(maxTokenBody)
		if r.MultipartForm != nil {
			defer func() { _ = r.MultipartForm.RemoveAll() }()
		}
	case "", "application/x-www-form-urlencoded":
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		err = r.ParseForm()
	default:
		return nil, http.StatusUnsupportedMediaType, "the body is not a form"
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, http.StatusRequestEntityTooLarge, "the body is too large"
	}
	if err != nil {
		return nil, http.StatusBadRequest, "the body is not a form"
	}
	for name, values := range r.PostForm {
		said[name] = append(said[name], values...)
	}
	if id, secret, ok := r.BasicAuth(); ok {
		for name, value := range map[string]string{"client_id": id, "client_secret": secret} {
			value, err := url.QueryUnescape(value)
			if err != nil {
				return nil, http.StatusBadRequest, "the header Authorization is not valid"
			}
			said[name] = append(said[name], value)
		}
	} else if h := r.Header.Get("Authorization"); h != "" && strings.HasPrefix(strings.ToLower(h), "basic") {
		return nil, http.StatusBadRequest, "the header Authorization is not valid"
	}
	return said, 0, ""
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	respond(w, status, map[string]any{"error": code, "error_description": description})
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the caller has gone; there is nobody to tell
}
