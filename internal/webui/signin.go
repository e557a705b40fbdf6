package webui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// signInView is what the page to sign in shows.
type signInView struct {
	To      string // where to go then, below Base
	Client  string
	Failure string
	Issuer  string // host of the issuer at which people sign in; empty for none
}

func (u *UI) signInRoutes(m *routes) {
	m.public("GET", "/signin", u.showSignIn)
	m.public("POST", "/signin", u.signIn)
	m.public("GET", "/signin/issuer", u.toIssuer)
	m.public("GET", strings.TrimPrefix(Callback, Base), u.fromIssuer)
	m.public("POST", "/preferences", u.prefer)
	m.post("/signout", access.Need{}, func(r *request) error {
		if err := u.end(r.w, r.http, r.session); err != nil {
			return err
		}
		return r.redirect("/signin")
	})
	m.post("/sandbox", access.Need{}, func(r *request) error {
		name := r.form("sandbox")
		s, err := u.Access.Sandbox(r.Context(), r.Caller.Org, name, "")
		if err != nil {
			return err
		}
		if s.State != "active" || !r.Caller.Enters(name) {
			return gateway.Fail(http.StatusForbidden, "", "", "%s", r.t("You may not enter the sandbox %s.", name))
		}
		if err := u.enter(r.Context(), r.session.id, name); err != nil {
			return err
		}
		// Ids of one sandbox mean nothing in another one, so it is a fresh start.
		return r.redirect("/")
	})
}

// signIn takes a client id and its secret, or a token.
func (u *UI) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	said := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	view := signInView{To: destination(said("to")), Client: said("client_id")}
	token := said("token")
	if token == "" {
		t, err := u.Access.Token(r.Context(), view.Client, said("client_secret"))
		if err != nil {
			u.refuseSignIn(w, r, view, err)
			return
		}
		token = t.AccessToken
	}
	if _, err := u.Access.Principal(r.Context(), token); err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	if err := u.begin(w, r, token, u.Now().Add(sessionLife)); err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	http.Redirect(w, r, Base+view.To, http.StatusSeeOther)
}

func (u *UI) refuseSignIn(w http.ResponseWriter, r *http.Request, v signInView, err error) {
	req := &request{ui: u, w: w, http: r, lang: pickLanguage(r)}
	status := http.StatusUnauthorized
	switch {
	case errors.Is(err, access.ErrClient):
		v.Failure = req.t("This client ID and secret do not go together. Both stand in bootstrap.json of the server's directory, or are shown by `tributary integration create`.")
	case problem.KindOf(err) == problem.Unavailable:
		status, v.Failure = http.StatusBadGateway, req.t("The issuer of the organisation's sign-in does not answer. Try again in a minute.")
	case strings.HasPrefix(r.URL.Path, Callback):
		v.Failure = req.t("Signing in was not confirmed, or took too long. Try it again; if that does not help, ask the server's operator.")
		u.Log.WarnContext(r.Context(), "signing in at the issuer failed", "error", err)
	case problem.KindOf(err) == problem.Unauthenticated:
		v.Failure = req.t("This token is not valid here, or not any more. Get a new one with `tributary token`.")
	default:
		f := req.refusal(err)
		status, v.Failure = f.Status, f.Text
	}
	v.Issuer = u.issuer()
	if err := req.render(status, "signin", "page", v); err != nil {
		u.Log.ErrorContext(r.Context(), "the page to sign in could not be made", "error", err)
	}
}

func (u *UI) showSignIn(w http.ResponseWriter, r *http.Request) {
	req := &request{ui: u, w: w, http: r, lang: pickLanguage(r)}
	if err := req.show("signin", signInView{To: destination(r.URL.Query().Get("to")), Issuer: u.issuer()}); err != nil {
		req.fail(err)
	}
}

// issuer is the host at which people sign in, "" for none.
func (u *UI) issuer() string {
	text, ok := u.Access.SignsIn()
	at, err := url.Parse(text)
	if !ok || err != nil {
		return ""
	}
	return at.Host
}

// destination is a page of ours to go to: never another host.
func destination(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return to
}

// prefer keeps the language and the look that somebody chose, and goes back.
func (u *UI) prefer(w http.ResponseWriter, r *http.Request) {
	const year = 365 * 24 * 60 * 60
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	for form, cookie := range map[string]string{"lang": languageCookie, "theme": themeCookie} {
		switch v := r.PostFormValue(form); v {
		case "en", "ko", "light", "dark", "auto":
			http.SetCookie(w, &http.Cookie{Name: cookie, Value: v, Path: "/", MaxAge: year, Secure: u.secure(r), HttpOnly: cookie == languageCookie, SameSite: http.SameSiteLaxMode})
		}
	}
	http.Redirect(w, r, Base+destination(r.PostFormValue("to")), http.StatusSeeOther)
}
