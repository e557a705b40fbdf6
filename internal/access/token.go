package access

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// TokenLife is how long a token is good.
const TokenLife = 24 * time.Hour

// issuerName is who our tokens say they are from.
const issuerName = "tributary"

// claims are what a token of ours says, beside the registered claims:
//
//	{"iss":"tributary","aud":"<organisation>","sub":"…@techacct.adobe.com","iat":…,"exp":…,"jti":"…",
//	 "client_id":"<32 hex>","secret_id":"<8 hex>"}
//
// What its bearer may do is not in it: that is looked up at each call.
type claims struct {
	jwt.Claims
	ClientID string `json:"client_id"`
	SecretID string `json:"secret_id"`
}

// A Token is what a client gets for its secret.
type Token struct {
	AccessToken string
	ExpiresIn   time.Duration
	Integration Integration
}

// ErrClient says that client id and secret do not go together.
var ErrClient = problem.Errorf(problem.Unauthenticated, "the client id is not known, or the client secret is not one of its secrets")

// Token gives a token for a client's secret, or ErrClient.
func (s *Service) Token(ctx context.Context, clientID, secret string) (Token, error) {
	var i Integration
	var with storedSecret
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := docstore.Body[storedIntegration](t, installation, integrationKind, clientID)
		if errors.Is(err, docstore.ErrNotFound) {
			return ErrClient
		}
		if err != nil {
			return err
		}
		var ok bool
		if with, ok = b.secretOf(secret); !ok {
			return ErrClient
		}
		i, err = b.integration(t, d)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	kid, key, err := s.signingKey(ctx)
	if err != nil {
		return Token{}, err
	}
	options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, options)
	if err != nil {
		return Token{}, err
	}
	now := s.Now()
	text, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: issuerName, Audience: jwt.Audience{i.Org}, Subject: i.Account, ID: random(16),
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(TokenLife)),
		},
		ClientID: clientID, SecretID: with.ID,
	}).Serialize()
	return Token{AccessToken: text, ExpiresIn: TokenLife, Integration: i}, err
}

// errToken is all that is said of a token that is not accepted: more would
// help those alone who make them up.
var errToken = problem.Errorf(problem.Unauthenticated, "the token is not valid")

// asymmetric are the algorithms of tokens. Ours are of the first alone.
var asymmetric = []jose.SignatureAlgorithm{
	jose.EdDSA, jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
}

// longest is more bytes than a token has.
const longest = 32 << 10

// Principal returns whose token it is; problem.Unauthenticated for one that is
// unknown, expired or malformed.
func (s *Service) Principal(ctx context.Context, token string) (*Principal, error) {
	if len(token) > longest || strings.Count(token, ".") != 2 {
		return nil, errToken
	}
	parsed, err := jwt.ParseSigned(token, asymmetric)
	if err != nil {
		return nil, errToken
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if parsed.UnsafeClaimsWithoutVerification(&said) != nil {
		return nil, errToken
	}
	if s.OIDC != nil && said.Issuer == s.OIDC.Issuer {
		return s.user(ctx, token)
	}
	return s.integration(ctx, parsed)
}

// integration returns whose token of ours it is.
func (s *Service) integration(ctx context.Context, token *jwt.JSONWebToken) (*Principal, error) {
	if len(token.Headers) != 1 || token.Headers[0].Algorithm != string(jose.EdDSA) {
		return nil, errToken
	}
	var p *Principal
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		key, _, err := docstore.Body[storedTokenKey](t, installation, tokenKeyKind, token.Headers[0].KeyID)
		if err != nil {
			return orToken(err)
		}
		var c claims
		if len(key.Public) != ed25519.PublicKeySize || token.Claims(ed25519.PublicKey(key.Public), &c) != nil || !s.inForce(c) {
			return errToken
		}
		b, d, err := docstore.Body[storedIntegration](t, installation, integrationKind, c.ClientID)
		if err != nil {
			return orToken(err)
		}
		if !c.Audience.Contains(d.Parent) || c.Subject != b.Account || !slices.ContainsFunc(b.Secrets, func(known storedSecret) bool { return known.ID == c.SecretID }) {
			return errToken
		}
		p = &Principal{Org: d.Parent, Client: d.ID, User: b.Account}
		return p.grant(t, b.Roles)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// orToken turns a missing document into the refusal of the token.
func orToken(err error) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return errToken
	}
	return err
}

// skew is how far the clocks of two servers may be apart.
const skew = time.Minute

func (s *Service) inForce(c claims) bool {
	now := s.Now()
	return c.Issuer == issuerName && c.Expiry != nil && now.Before(c.Expiry.Time()) &&
		c.IssuedAt != nil && !c.IssuedAt.Time().After(now.Add(skew))
}
