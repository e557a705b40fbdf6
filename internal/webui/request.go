package webui

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// A request is one of somebody who is signed in.
type request struct {
	Caller access.Caller

	ui      *UI
	w       http.ResponseWriter
	http    *http.Request
	session *session
	token   string
	lang    string
	began   bool // the answer went out, or a part of it
}

// Context is the request's.
func (r *request) Context() context.Context { return r.http.Context() }

// may says whether the caller has the permission here.
func (r *request) may(p ...access.Permission) bool {
	return r.Caller.May(r.Caller.Sandbox.Name, access.AnyOf(p...))
}

// partial says that htmx asks, for a part of a page.
func (r *request) partial() bool {
	return r.http.Header.Get("HX-Request") == "true" && r.http.Header.Get("HX-Boosted") == ""
}

// form returns a value of the form that was sent, without blanks around it.
func (r *request) form(name string) string { return strings.TrimSpace(r.http.PostFormValue(name)) }

// query returns a value of the URL's query.
func (r *request) query(name string) string { return r.http.URL.Query().Get(name) }

// redirect sends the browser to a page below Base.
func (r *request) redirect(path string) error {
	r.began = true
	if r.http.Header.Get("HX-Request") == "true" {
		r.w.Header().Set("HX-Redirect", Base+path)
		r.w.WriteHeader(http.StatusOK)
		return nil
	}
	http.Redirect(r.w, r.http, Base+path, http.StatusSeeOther)
	return nil
}

// signedIn serves h to those who are signed in and meet the need.
func (u *UI) signedIn(need access.Need, h func(*request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r := &request{ui: u, w: w, http: req, lang: pickLanguage(req)}
		s, err := u.session(req)
		if err == nil && s == nil {
			u.signInFirst(w, req)
			return
		}
		if err == nil {
			r.session = s
			r.Caller, r.token, err = u.caller(req.Context(), s)
		}
		if problem.KindOf(err) == problem.Unauthenticated {
			_ = u.end(w, req, s) // it is worth nothing any more
			u.signInFirst(w, req)
			return
		}
		if err == nil && !r.Caller.May(r.Caller.Sandbox.Name, need) {
			err = gateway.Fail(http.StatusForbidden, "", "", "%s", r.t("You do not have the permission for this page. Ask an administrator of your organisation for it."))
		}
		if err == nil {
			req.Body = http.MaxBytesReader(w, req.Body, gateway.MaxBody)
			if err = r.inPlace(); err == nil {
				err = h(r)
			}
		}
		if err != nil {
			r.fail(err)
		}
	})
}

// inPlace refuses what a page of another sandbox sends: its reader went to this one
// in another tab, and means what that page shows. Pages say where they are by
// script (assets/src/sandbox.js).
func (r *request) inPlace() error {
	of := cmp.Or(r.http.Header.Get("X-Of-Sandbox"), r.query("of-sandbox"))
	if of == "" && r.http.Method == http.MethodPost {
		of = r.form("of-sandbox")
	}
	if of == "" || of == r.Caller.Sandbox.ID {
		return nil
	}
	return gateway.Fail(http.StatusConflict, "", "", "%s",
		r.t("This page is of another sandbox than %s, to which you went in another tab. Nothing was changed. Choose its sandbox above, and open the page again.", r.Caller.Sandbox.Title))
}

// signInFirst sends the browser to sign in, and back to where it was going, or to
// the page whose form or button it was.
func (u *UI) signInFirst(w http.ResponseWriter, r *http.Request) {
	to := Base + "/signin"
	at := r.URL.RequestURI()
	if r.Method != http.MethodGet || r.Header.Get("HX-Request") != "" {
		at = pageOf(r)
	}
	if back, ok := strings.CutPrefix(at, Base+"/"); ok && back != "" {
		to += "?" + url.Values{"to": {"/" + back}}.Encode()
	}
	if r.Header.Get("HX-Request") == "true" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusOK)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// pageOf is the page from which something is asked, without its host; "" where the
// browser does not tell.
func pageOf(r *http.Request) string {
	page, err := url.Parse(cmp.Or(r.Header.Get("HX-Current-URL"), r.Referer()))
	if err != nil {
		return ""
	}
	return page.RequestURI()
}

func (r *request) notFound() error {
	return gateway.Fail(http.StatusNotFound, "", "", "%s", r.t("There is no such page."))
}

// refusal is how an error looks to whoever sees the page: what happened, and
// what to do. What is nobody's business is logged, and named by an id.
type refusal struct {
	Status int
	Code   string // the service's own; may be empty
	Text   string
	ID     string // of the request, for what the log says more of
}

func (r *request) refusal(err error) refusal {
	if f, ok := errors.AsType[*gateway.Failure](err); ok {
		return refusal{Status: f.Status, Code: f.Code, Text: f.Detail}
	}
	status := map[problem.Kind]int{problem.Invalid: http.StatusBadRequest, problem.NotFound: http.StatusNotFound}[problem.KindOf(err)]
	if status != 0 {
		return refusal{Status: status, Text: err.Error()}
	}
	if errors.Is(err, context.Canceled) {
		return refusal{Status: 499, Text: err.Error()}
	}
	id := requestID()
	r.ui.Log.ErrorContext(r.Context(), "a page could not be made", "path", r.http.URL.Path, "request", id, "error", err)
	return refusal{Status: http.StatusInternalServerError, Text: r.t("Something went wrong here. The log of the server says what."), ID: id}
}

// fail shows an error: as a page, or in place of the part that was asked for.
func (r *request) fail(err error) {
	if r.began {
		r.ui.Log.ErrorContext(r.Context(), "a page was cut short", "path", r.http.URL.Path, "error", err)
		return
	}
	if r.Context().Err() != nil { // the browser is gone
		r.w.WriteHeader(499)
		return
	}
	f := r.refusal(err)
	name := "page"
	if r.partial() {
		name = "refusal"
	}
	if err := r.render(f.Status, "error", name, f); err != nil {
		r.ui.Log.ErrorContext(r.Context(), "the page of an error could not be made", "error", err)
		http.Error(r.w, f.Text, f.Status)
	}
}
