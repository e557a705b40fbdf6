package access

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Sealer keeps secrets unreadable at rest. What was sealed about one thing
// can't be opened as if it were about another.
type Sealer interface {
	Seal(plain []byte, about string) ([]byte, error)
	Open(sealed []byte, about string) ([]byte, error)
}

// A SandboxHook is what another service does when sandboxes come and go.
type SandboxHook struct {
	// Create, if set, puts what every sandbox has into a new one, in the
	// transaction that makes or resets it.
	Create func(t *docstore.Tx, scope docstore.Scope, org, tenant string, now time.Time) error
	// Delete, if set, removes what belongs to a sandbox outside of its documents,
	// which are still there. It may be called again for the same sandbox.
	Delete func(ctx context.Context, scope docstore.Scope) error
	// After, if set, is called once a sandbox that was reset works again.
	After func(ctx context.Context)
}

// A Service keeps organisations, sandboxes, roles, integrations and tokens.
type Service struct {
	DB     *docstore.DB
	Sealer Sealer
	Hooks  []SandboxHook
	// FirstTenant is the tenant id of the organisation that Bootstrap makes.
	FirstTenant string
	OIDC        *OIDC // nil: every token is one of ours
	Now         func() time.Time

	tenants sync.Map // organisation id → tenant id; neither ever changes
	issuer  issuer
}

// Kinds of documents. Organisations, integrations and keys belong to the
// installation, the rest to an organisation.
const (
	organisationKind = "organisation" // key: tenant id
	integrationKind  = "integration"  // parent: organisation; key: technical account
	tokenKeyKind     = "token-key"
	sandboxKind      = "sandbox" // keys: name; defaultKey
	roleKind         = "role"    // key: name in lower case; parent: client id of the integration that it was made for
	userKind         = "user"
)

var installation = docstore.Scope{}

// organisation is a stored organisation.
type organisation struct {
	Tenant string `json:"tenant"`
}

var tenantForm = regexp.MustCompile(`^[a-z][a-z0-9]{1,62}$`)

// CreateOrganisation makes an organisation with its default sandbox and roles,
// and returns its id. No two have the same tenant id.
func (s *Service) CreateOrganisation(ctx context.Context, tenant string) (string, error) {
	org := newOrg()
	return org, s.DB.Do(ctx, func(t *docstore.Tx) error { return s.createOrganisation(t, org, tenant) })
}

func (s *Service) createOrganisation(t *docstore.Tx, org, tenant string) error {
	if !tenantForm.MatchString(tenant) {
		return problem.Errorf(problem.Invalid, "the tenant id %q is not made of lower-case letters and digits, beginning with a letter", tenant)
	}
	_, err := t.Write(installation, docstore.Doc{Kind: organisationKind, ID: org, Keys: []string{tenant}}, organisation{tenant})
	if errors.Is(err, docstore.ErrTaken) {
		return problem.Errorf(problem.Conflict, "there is an organisation with the tenant id %q already", tenant)
	}
	if err != nil {
		return err
	}
	prod := storedSandbox{Name: "prod", Title: "Production", Type: "production", State: active, Default: true, CreatedBy: operator, UpdatedBy: operator}
	if _, err := s.putSandbox(t, org, tenant, prod, time.Time{}); err != nil {
		return err
	}
	for _, r := range firstRoles() {
		if err := t.Store(docstore.Scope{Org: org}, docstore.Doc{Kind: roleKind, ID: newUUID(), Keys: []string{nameKey(r.Name)}}, r); err != nil {
			return err
		}
	}
	return nil
}

// Tenant returns the tenant id of an organisation; problem.NotFound.
func (s *Service) Tenant(ctx context.Context, org string) (string, error) {
	if tenant, ok := s.tenants.Load(org); ok {
		return tenant.(string), nil
	}
	var o organisation
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		o, _, err = docstore.Body[organisation](t, installation, organisationKind, org)
		return err
	})
	if err != nil {
		return "", found(err, "organisation", org)
	}
	s.tenants.Store(org, o.Tenant)
	return o.Tenant, nil
}

// operator is who changes things with the database in their hands.
const operator = "operator"

// Operator returns who has the database in their hands, as an administrator of
// the first organisation, in its default sandbox.
func (s *Service) Operator(ctx context.Context) (Caller, error) {
	org, err := s.firstOrganisation(ctx)
	if err != nil {
		return Caller{}, err
	}
	c := Caller{Principal: Principal{Org: org, User: operator, Admin: true}}
	if c.Tenant, err = s.Tenant(ctx, org); err != nil {
		return Caller{}, err
	}
	c.Sandbox, err = s.Sandbox(ctx, org, "", "")
	return c, err
}

// OperatorIn returns the operator as an administrator of any organisation, in one
// of its sandboxes; problem.NotFound, also for a sandbox that is not active.
func (s *Service) OperatorIn(ctx context.Context, org, sandbox string) (Caller, error) {
	c := Caller{Principal: Principal{Org: org, User: operator, Admin: true}}
	var err error
	if c.Tenant, err = s.Tenant(ctx, org); err != nil {
		return Caller{}, err
	}
	if sandbox == "" {
		return Caller{}, problem.Errorf(problem.NotFound, "there is no sandbox without an id")
	}
	if c.Sandbox, err = s.Sandbox(ctx, org, "", sandbox); err != nil {
		return Caller{}, err
	}
	if c.Sandbox.State != active {
		return Caller{}, problem.Errorf(problem.NotFound, "the sandbox %s is %s", c.Sandbox.Name, c.Sandbox.State)
	}
	return c, nil
}

// Operators returns who has the database in their hands in each sandbox that is
// active, of all organisations.
func (s *Service) Operators(ctx context.Context) ([]Caller, error) {
	var all []Caller
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		all = nil
		docs, err := t.List(installation, organisationKind, docstore.Page{})
		if err != nil {
			return err
		}
		for _, d := range docs {
			o, err := docstore.Decode[organisation](d)
			if err != nil {
				return err
			}
			rooms, err := sandboxes(t, d.ID)
			if err != nil {
				return err
			}
			for _, sb := range rooms {
				if sb.State == active {
					all = append(all, Caller{Principal: Principal{Org: d.ID, User: operator, Admin: true}, Tenant: o.Tenant, Sandbox: sb})
				}
			}
		}
		return nil
	})
	return all, err
}

func (s *Service) firstOrganisation(ctx context.Context) (string, error) {
	var org string
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		org, err = firstOrganisation(t)
		return err
	})
	return org, err
}

// firstOrganisation returns the oldest one; problem.NotFound.
func firstOrganisation(t *docstore.Tx) (string, error) {
	docs, err := t.List(installation, organisationKind, docstore.Page{Limit: 1})
	if err != nil {
		return "", err
	}
	if len(docs) == 0 {
		return "", problem.Errorf(problem.NotFound, "there is no organisation yet")
	}
	return docs[0].ID, nil
}

// found turns a missing document into words.
func found(err error, what, name string) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return problem.Errorf(problem.NotFound, "there is no %s %s", what, quote(name))
	}
	return err
}

// quote writes a name that came from outside.
func quote(name string) string {
	if len(name) > 100 {
		name = name[:100] + "…"
	}
	return strconv.Quote(name)
}

// checkText says what is wrong with a text that is called what: it must have
// something, no more than most bytes, and no control characters.
func checkText(what, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return problem.Errorf(problem.Invalid, "%s: it is missing", what)
	case len(text) > most:
		return problem.Errorf(problem.Invalid, "%s: it has %d bytes; %d is the most", what, len(text), most)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return problem.Errorf(problem.Invalid, "%s: it has control characters", what)
	}
	return nil
}

func list[T ~string](names []T) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(n))
	}
	return b.String()
}

func nameKey(name string) string { return strings.ToLower(name) }

// random returns n random bytes in hex.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func newUUID() string { return uuid.NewString() }

func newOrg() string { return strings.ToUpper(random(12)) + "@AdobeOrg" }
