package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tributary-data/tributary/internal/problem"
)

// A SignIn is how people sign in at the issuer with a browser: by the
// authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636).
type SignIn struct {
	Client   string // id of this server as a client of the issuer; empty for no sign-in
	Secret   string // empty for a public client
	Redirect string // URL of this server to which the issuer sends the browser back
	Scopes   []string
}

func (o SignIn) check() error {
	if o.Client == "" {
		return nil
	}
	u, err := url.Parse(o.Redirect)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return problem.Errorf(problem.Invalid, "browsers can't be sent back to %s: it is not an https URL", quote(o.Redirect))
	}
	return nil
}

// A Challenge is what ties the two halves of signing in together. It is kept
// between them where the browser's user alone can't make one up.
type Challenge struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

// NewChallenge returns one that nobody can guess.
func NewChallenge() Challenge {
	return Challenge{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
}

// errSignIn says no more: whoever tries others' codes learns nothing.
var errSignIn = problem.Errorf(problem.Unauthenticated, "the issuer did not confirm who signs in")

// SignsIn says whether people can sign in at an issuer, and at which.
func (s *Service) SignsIn() (issuer string, ok bool) {
	if s.OIDC == nil || s.OIDC.SignIn.Client == "" {
		return "", false
	}
	return s.OIDC.Issuer, true
}

// SignInURL returns where to send the browser.
func (s *Service) SignInURL(ctx context.Context, c Challenge) (string, error) {
	client, err := s.signInClient(ctx)
	if err != nil {
		return "", err
	}
	return client.AuthCodeURL(c.State, oauth2.S256ChallengeOption(c.Verifier), oidc.Nonce(c.Nonce)), nil
}

// SignInToken returns the token for a code that the issuer gave, one that
// Principal takes, and when it ends. State is what came with the code.
func (s *Service) SignInToken(ctx context.Context, c Challenge, state, code string) (token string, ends time.Time, err error) {
	if c.State == "" || subtle.ConstantTimeCompare([]byte(c.State), []byte(state)) != 1 {
		return "", ends, errSignIn
	}
	client, err := s.signInClient(ctx)
	if err != nil {
		return "", ends, err
	}
	asking, cancel := context.WithTimeout(oidc.ClientContext(ctx, s.OIDC.Client), patience)
	defer cancel()
	got, err := client.Exchange(asking, code, oauth2.VerifierOption(c.Verifier))
	if err != nil { // it would repeat the issuer's answer
		return "", ends, errSignIn
	}
	text, _ := got.Extra("id_token").(string)
	identity, err := s.issuer.signIn.Verify(ctx, text)
	if err != nil || subtle.ConstantTimeCompare([]byte(identity.Nonce), []byte(c.Nonce)) != 1 {
		return "", ends, errSignIn
	}
	// An access token for this server says more of who they are than the id
	// token; an issuer that makes none for others' APIs has the latter alone.
	for _, one := range []struct {
		token string
		ends  time.Time
	}{{got.AccessToken, got.Expiry}, {text, identity.Expiry}} {
		p, err := s.Principal(ctx, one.token)
		if err == nil && p.User == identity.Subject+"@AdobeID" {
			if one.ends.IsZero() {
				one.ends = identity.Expiry
			}
			return one.token, one.ends, nil
		}
	}
	return "", ends, &problem.Error{
		Kind: problem.Unauthenticated, Detail: "the issuer confirmed who signs in, and gave no token for this server",
		Advice: "The server's operator compares --oidc-audience with the audience of the issuer's tokens",
	}
}

// signInClient is this server as a client of the issuer.
func (s *Service) signInClient(ctx context.Context) (*oauth2.Config, error) {
	if _, ok := s.SignsIn(); !ok {
		return nil, problem.Errorf(problem.NotFound, "nobody signs in at an issuer here")
	}
	if _, err := s.verifier(ctx); err != nil {
		return nil, err
	}
	o := s.OIDC.SignIn
	return &oauth2.Config{
		ClientID: o.Client, ClientSecret: o.Secret, Endpoint: s.issuer.endpoint, RedirectURL: o.Redirect,
		Scopes: append([]string{oidc.ScopeOpenID}, o.Scopes...),
	}, nil
}
