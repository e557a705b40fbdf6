package webui

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// Callback is the path to which an issuer of tokens sends browsers back.
const Callback = Base + "/signin/callback"

const (
	challengeCookie = "tributary_signin"
	challengeLife   = 10 * time.Minute
)

// A pending is somebody who went to sign in at the issuer. It lies, sealed, in a
// cookie, so that a code is good for the browser alone that asked for it.
type pending struct {
	access.Challenge
	To   string    `json:"to"`
	Ends time.Time `json:"ends"`
}

// toIssuer sends the browser to the issuer.
func (u *UI) toIssuer(w http.ResponseWriter, r *http.Request) {
	p := pending{
		Challenge: access.NewChallenge(),
		To:        destination(r.URL.Query().Get("to")), Ends: u.Now().Add(challengeLife),
	}
	view := signInView{To: p.To}
	at, err := u.Access.SignInURL(r.Context(), p.Challenge)
	if err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	text, err := json.Marshal(p)
	if err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	sealed, err := u.Keys.Put(text, challengeCookie)
	if err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	u.cookie(w, r, challengeCookie, base64.RawURLEncoding.EncodeToString(sealed.Text), int(challengeLife/time.Second))
	http.Redirect(w, r, at, http.StatusSeeOther)
}

// fromIssuer begins the session of somebody whom the issuer sent back.
func (u *UI) fromIssuer(w http.ResponseWriter, r *http.Request) {
	p, ok := u.pending(r)
	u.cookie(w, r, challengeCookie, "", -1)
	view := signInView{To: destination(p.To)}
	q := r.URL.Query()
	if !ok || q.Get("error") != "" || q.Get("code") == "" {
		u.refuseSignIn(w, r, view, problem.Errorf(problem.Conflict, "not confirmed"))
		return
	}
	token, ends, err := u.Access.SignInToken(r.Context(), p.Challenge, q.Get("state"), q.Get("code"))
	if err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	if err := u.begin(w, r, token, ends); err != nil {
		u.refuseSignIn(w, r, view, err)
		return
	}
	http.Redirect(w, r, Base+view.To, http.StatusSeeOther)
}

// pending reads the cookie of who went to sign in, if it is in force.
func (u *UI) pending(r *http.Request) (p pending, ok bool) {
	c, err := r.Cookie(u.cookieName(r, challengeCookie))
	if err != nil {
		return p, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return p, false
	}
	text, err := u.Keys.Open(sealed, challengeCookie)
	if err != nil || json.Unmarshal(text, &p) != nil || u.Now().After(p.Ends) {
		return pending{}, false
	}
	return p, true
}
