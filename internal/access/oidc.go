package access

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// OIDC says which users of an external issuer are users here.
type OIDC struct {
	Issuer   string // URL, as its tokens have it in iss
	Audience string // what its tokens for us have in aud
	Org      string // organisation of its users; empty for the first
	// RoleClaim is where tokens say what their user is: a name, or names joined
	// by dots, of a text or a list of texts: groups, realm_access.roles.
	RoleClaim string
	// Roles are the names of roles here by what stands in that claim.
	Roles map[string]string
	// Client reaches the issuer.
	Client *http.Client
	// SignIn is how people sign in with a browser; the zero value for not at all.
	SignIn SignIn
}

// Check says what is wrong with the configuration.
func (o *OIDC) Check() error {
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return problem.Errorf(problem.Invalid, "the issuer %s is not a URL of a host and perhaps a path", quote(o.Issuer))
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return problem.Errorf(problem.Invalid, "the issuer %s is not reached by https", quote(o.Issuer))
	case o.Issuer == issuerName:
		return problem.Errorf(problem.Invalid, "the issuer %s is ours", quote(o.Issuer))
	case o.Audience == "":
		return problem.Errorf(problem.Invalid, "the audience is missing that tokens of %s must have", o.Issuer)
	case len(o.Roles) > 0 && o.RoleClaim == "":
		return problem.Errorf(problem.Invalid, "the claim is missing in which tokens of %s have their user's roles", o.Issuer)
	}
	return o.SignIn.check()
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// An issuer is what is known of the external issuer: found out at the first
// token of its, and kept.
type issuer struct {
	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	signIn   *oidc.IDTokenVerifier // of tokens for the client by which people sign in
	endpoint oauth2.Endpoint
	asked    time.Time // when it was last asked in vain
}

// patience is how long an issuer is left alone that did not answer, or whose
// keys were just read: tokens that anybody makes up must not become requests.
const patience = 10 * time.Second

var errIssuer = problem.Errorf(problem.Unavailable, "the issuer of the token does not answer: try again later")

// user returns whose token of the external issuer it is.
func (s *Service) user(ctx context.Context, token string) (*Principal, error) {
	v, err := s.verifier(ctx)
	if err != nil {
		return nil, err
	}
	failed := false
	verified, err := v.Verify(context.WithValue(ctx, unread{}, &failed), token)
	if failed {
		return nil, errIssuer
	}
	if err != nil || verified.Subject == "" {
		return nil, errToken
	}
	said := map[string]any{}
	if verified.Claims(&said) != nil {
		return nil, errToken
	}
	p := &Principal{Org: s.OIDC.Org, Client: s.OIDC.Audience, User: verified.Subject + "@AdobeID"}
	for _, name := range []string{"client_id", "azp"} {
		if id, ok := said[name].(string); ok && id != "" {
			p.Client = id
		}
	}
	err = s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		if p.Org == "" {
			if p.Org, err = firstOrganisation(t); err != nil {
				return err
			}
		}
		scope := docstore.Scope{Org: p.Org}
		b, _, err := docstore.Body[storedUser](t, scope, userKind, p.User)
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
		roles := b.Roles
		for _, value := range texts(said, s.OIDC.RoleClaim) {
			name, ok := s.OIDC.Roles[value]
			if !ok {
				continue
			}
			d, err := t.Find(scope, roleKind, nameKey(name))
			if err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return err
			}
			roles = append(roles, d.ID)
		}
		p.Admin = false
		return p.grant(t, roles)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// texts returns the text or texts at a name, or at names joined by dots.
func texts(said map[string]any, path string) []string {
	switch v := said[path].(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			if text, ok := e.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	for i, c := range path {
		if inner, ok := said[path[:i]].(map[string]any); ok && c == '.' {
			if all := texts(inner, path[i+1:]); all != nil {
				return all
			}
		}
	}
	return nil
}

// verifier returns what verifies the tokens of the issuer. What the issuer
// says of itself is read once.
func (s *Service) verifier(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	s.issuer.mu.Lock()
	defer s.issuer.mu.Unlock()
	if s.issuer.verifier != nil {
		return s.issuer.verifier, nil
	}
	if !s.issuer.asked.IsZero() && s.Now().Sub(s.issuer.asked) < patience {
		return nil, errIssuer
	}
	var about struct {
		Keys string `json:"jwks_uri"`
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(asking, s.OIDC.Client), s.OIDC.Issuer)
	if err == nil {
		err = provider.Claims(&about)
	}
	if err != nil {
		s.issuer.asked = s.Now()
		return nil, errIssuer
	}
	algorithms := make([]string, len(asymmetric))
	for i, a := range asymmetric {
		algorithms[i] = string(a)
	}
	keys := &keySet{client: s.OIDC.Client, url: about.Keys, now: s.Now}
	verifier := func(audience string) *oidc.IDTokenVerifier {
		return oidc.NewVerifier(s.OIDC.Issuer, keys, &oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms, Now: s.Now})
	}
	s.issuer.endpoint, s.issuer.signIn = provider.Endpoint(), verifier(s.OIDC.SignIn.Client)
	s.issuer.verifier = verifier(s.OIDC.Audience)
	return s.issuer.verifier, nil
}
