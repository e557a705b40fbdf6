package webui

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

const (
	sessionKind   = "webui.session"
	sessionCookie = "tributary_session"
	// sessionIdle is how long somebody may do nothing; sessionLife, after which
	// they sign in again in any case.
	sessionIdle = 30 * time.Minute
	sessionLife = 12 * time.Hour
	// sessionStep is how exact the time is at which somebody was last seen: a
	// document is not written for every page.
	sessionStep = time.Minute
)

// A session is somebody who signed in. Its document is found by the hash of
// what the cookie holds, so that who reads the database has no session.
type session struct {
	Token   secret.Sealed `json:"token"`
	Sandbox string        `json:"sandbox"` // name; empty for the default one
	Seen    time.Time     `json:"seen"`
	Ends    time.Time     `json:"ends"`

	id string // of the document
}

func sessionID(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

// begin makes a session of a token, and sets its cookie.
func (u *UI) begin(w http.ResponseWriter, r *http.Request, token string, ends time.Time) error {
	cookie := rand.Text()
	s := session{Seen: u.Now(), Ends: u.Now().Add(sessionLife), id: sessionID(cookie)}
	if ends.Before(s.Ends) {
		s.Ends = ends
	}
	var err error
	if s.Token, err = u.Keys.Put([]byte(token), sessionKind+" "+s.id); err != nil {
		return err
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = u.DB.Do(r.Context(), func(t *docstore.Tx) error {
		if err := u.sweep(t); err != nil {
			return err
		}
		_, err := t.Put(docstore.Scope{}, docstore.Doc{Kind: sessionKind, ID: s.id, Body: body})
		return err
	})
	if err != nil {
		return err
	}
	u.cookie(w, r, sessionCookie, cookie, 0)
	return nil
}

// sweep removes some of the oldest sessions that have ended.
func (u *UI) sweep(t *docstore.Tx) error {
	old, err := t.List(docstore.Scope{}, sessionKind, docstore.Page{Limit: 100})
	if err != nil {
		return err
	}
	for _, d := range old {
		var s session
		if json.Unmarshal(d.Body, &s) == nil && !u.ended(s) {
			continue
		}
		if err := t.Delete(docstore.Scope{}, sessionKind, d.ID); err != nil {
			return err
		}
	}
	return nil
}

func (u *UI) ended(s session) bool {
	now := u.Now()
	return now.After(s.Ends) || now.Sub(s.Seen) > sessionIdle
}

// session returns who calls; nil where nobody is signed in any more. A page
// that asks by itself does not keep a session alive.
func (u *UI) session(r *http.Request) (*session, error) {
	c, err := r.Cookie(u.cookieName(r, sessionCookie))
	if err != nil {
		return nil, nil //nolint:nilerr // no cookie is nobody
	}
	id := sessionID(c.Value)
	byItself := r.Header.Get("X-By-Itself") != "" || r.Header.Get("Accept") == eventStream
	var s session
	read := func(t *docstore.Tx) (d docstore.Doc, err error) {
		if d, err = t.Get(docstore.Scope{}, sessionKind, id); err != nil {
			return d, err
		}
		s = session{}
		if err := json.Unmarshal(d.Body, &s); err != nil {
			return d, err
		}
		if u.ended(s) {
			return d, docstore.ErrNotFound
		}
		return d, nil
	}
	err = u.DB.View(r.Context(), func(t *docstore.Tx) error {
		_, err := read(t)
		return err
	})
	if err == nil && !byItself && u.Now().Sub(s.Seen) >= sessionStep {
		err = u.DB.Do(r.Context(), func(t *docstore.Tx) error {
			d, err := read(t)
			if err != nil {
				return err
			}
			s.Seen = u.Now()
			if d.Body, err = json.Marshal(s); err != nil {
				return err
			}
			_, err = t.Put(docstore.Scope{}, d)
			return err
		})
	}
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, nil
	}
	if errors.Is(err, docstore.ErrStale) { // another page of the same browser was faster
		err = nil
	}
	s.id = id
	return &s, err
}

// end removes a session and its cookie.
func (u *UI) end(w http.ResponseWriter, r *http.Request, s *session) error {
	u.cookie(w, r, sessionCookie, "", -1)
	err := u.DB.Do(r.Context(), func(t *docstore.Tx) error { return t.Delete(docstore.Scope{}, sessionKind, s.id) })
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// enter puts a session into another sandbox of its organisation.
func (u *UI) enter(ctx context.Context, id, sandbox string) error {
	return u.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := t.Get(docstore.Scope{}, sessionKind, id)
		if err != nil {
			return err
		}
		var s session
		if err := json.Unmarshal(d.Body, &s); err != nil {
			return err
		}
		s.Sandbox = sandbox
		if d.Body, err = json.Marshal(s); err != nil {
			return err
		}
		_, err = t.Put(docstore.Scope{}, d)
		return err
	})
}

// caller returns who has the session, what its token is, and where it is. A
// sandbox that is gone, or closed to them by now, gives way to the default one.
func (u *UI) caller(ctx context.Context, s *session) (c access.Caller, token string, err error) {
	plain, err := u.Keys.Open(s.Token.Text, sessionKind+" "+s.id)
	if err != nil {
		return c, "", problem.Errorf(problem.Unauthenticated, "the session can't be read any more")
	}
	p, err := u.Access.Principal(ctx, string(plain))
	if err != nil {
		return c, "", err
	}
	c.Principal = *p
	c.Sandbox, err = u.Access.Sandbox(ctx, p.Org, s.Sandbox, "")
	if s.Sandbox != "" && (problem.KindOf(err) == problem.NotFound || err == nil && (c.Sandbox.State != "active" || !p.Enters(c.Sandbox.Name))) {
		c.Sandbox, err = u.Access.Sandbox(ctx, p.Org, "", "")
	}
	return c, string(plain), err
}

// cookie sets a cookie of this host alone, which scripts don't see. With an age
// of 0 it ends with the browser.
func (u *UI) cookie(w http.ResponseWriter, r *http.Request, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: u.cookieName(r, name), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: u.secure(r), SameSite: http.SameSiteLaxMode,
	})
}

// cookieName makes browsers hold a cookie that came by TLS to this very host.
func (u *UI) cookieName(r *http.Request, name string) string {
	if u.secure(r) {
		return "__Host-" + name
	}
	return name
}

// secure says whether the browser came by TLS, perhaps to a proxy. Its word is
// taken from any: a stranger who says so gives stricter cookies to himself alone.
func (u *UI) secure(r *http.Request) bool {
	return u.Secure || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") ||
		strings.Contains(strings.ToLower(r.Header.Get("Forwarded")), "proto=https")
}
