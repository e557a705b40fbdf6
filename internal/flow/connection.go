package flow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Spec names a connection spec or a flow spec.
type Spec struct {
	ID      string `json:"id"`
	Version string `json:"version"`
}

// A Connection is a base connection: an account at the source, and what gives
// access to it. Its JSON is how it is stored.
type Connection struct {
	Item
	Spec Spec `json:"connectionSpec"`
	Auth Auth `json:"auth"`
	// Account is whose data it gives, as the source said; nil until it was asked
	// with the credentials that are in force.
	Account *Account `json:"account,omitempty"`
}

// An Auth says how to get in. Params are what clients may see again; the rest
// is sealed, as a JSON object, about the connection.
type Auth struct {
	SpecName string                     `json:"specName"` // as the client wrote it
	Params   map[string]json.RawMessage `json:"params"`
	Sealed   *secret.Sealed             `json:"sealed,omitempty"`
}

// An Account is one at Stripe.
type Account struct {
	ID       string `json:"id"` // acct_…; empty when the key may not see it
	Livemode bool   `json:"livemode"`
	// Fingerprint is that of the key that was asked with: it names the account
	// where its id is not known.
	Fingerprint string `json:"fingerprint"`
}

// Credentials are what a connection's source is asked with.
type Credentials struct {
	Key stripe.Key
	// Account is the connected account that a platform's key reads; may be empty.
	Account string
}

// Fingerprint names the credentials without telling them.
func (c Credentials) Fingerprint() string { return c.Key.Fingerprint(c.Account) }

var connections = &kind[Connection]{
	name: kindConnection, collection: "connections", one: "connection",
	fields: append([]string{"connectionSpec", "auth"}, common...),
	view: func(c *Connection) any {
		shown := *c
		shown.Account, shown.Auth.Sealed = nil, nil
		return shown
	},
	item: func(c *Connection) *Item { return &c.Item },
}

// common are the fields that every item has.
var common = []string{
	"id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdClient", "updatedClient", "sandboxId", "sandboxName", "imsOrgId", "name", "description",
	"state", "version", "etag", "labels",
}

// A ConnectionInput describes a connection, as clients write it.
type ConnectionInput struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Labels      []string   `json:"labels,omitempty"`
	Spec        *Spec      `json:"connectionSpec,omitempty"`
	Auth        *AuthInput `json:"auth,omitempty"`
}

// An AuthInput has all parameters, secrets among them. Nobody prints it.
type AuthInput struct {
	SpecName string                     `json:"specName"`
	Params   map[string]json.RawMessage `json:"params"`
}

// settle checks what a client wrote, and fills in what was left out. A draft
// may lack the rest.
func (in *ConnectionInput) settle(draft bool) error {
	if strings.TrimSpace(in.Name) == "" {
		return lacking("name")
	}
	if in.Spec == nil {
		if draft {
			return nil
		}
		in.Spec = &Spec{}
	}
	d, err := connectionSpecs.settle(in.Spec)
	if err != nil {
		return err
	}
	if len(d.Auth) == 0 {
		return invalid("FLOW-1413-400", "connectionSpec", "The connection spec %s takes no base connection: it has no authentication", d.ID)
	}
	if in.Auth == nil {
		if draft {
			return nil
		}
		in.Auth = &AuthInput{}
	}
	spec, ok := d.auth(in.Auth.SpecName)
	if !ok {
		return invalid("FLOW-1415-400", "auth.specName", "The auth spec %q is not found for the connection spec %s: %s is there", in.Auth.SpecName, d.ID, d.Auth[0].Name)
	}
	if draft && len(in.Auth.Params) == 0 {
		return nil
	}
	if err := spec.check(in.Auth.Params); err != nil {
		return err
	}
	_, err = credentials(in.Auth.Params)
	return err
}

// auth returns what an auth spec asks for; it is found however it is written.
func (d *document) auth(name string) (schema, bool) {
	bare := func(s string) string {
		return strings.NewReplacer(" ", "", "-", "", "_", "").Replace(strings.ToLower(s))
	}
	i := slices.IndexFunc(d.Auth, func(a authSpec) bool { return bare(a.Name) == bare(name) })
	if i < 0 {
		return schema{}, false
	}
	return d.Auth[i].Spec, true
}

// CreateConnection keeps a new connection. Credentials that Stripe refuses are
// refused (VerifyOnCreate); a Stripe that can't be reached is no reason.
func (s *Service) CreateConnection(ctx context.Context, c access.Caller, in ConnectionInput, draft bool) (*Connection, error) {
	if err := in.settle(draft); err != nil {
		return nil, err
	}
	v := &Connection{Item: Item{Name: in.Name, Description: in.Description, Labels: in.Labels, State: Enabled}}
	if in.Spec != nil {
		v.Spec = *in.Spec
	}
	if draft {
		v.State = Draft
	} else if s.VerifyOnCreate {
		cred, err := credentials(in.Auth.Params)
		if err != nil {
			return nil, err
		}
		if v.Account, err = s.accepted(ctx, cred); err != nil {
			return nil, err
		}
	}
	err := keep(ctx, s, connections, c, v, func(*docstore.Tx) error { return s.setAuth(v, in.Auth) })
	return v, err
}

// accepted asks Stripe whether it takes the credentials: FLOW-1100-400 with what
// it says if it does not. The account is nil where it could not be asked.
func (s *Service) accepted(ctx context.Context, cred Credentials) (*Account, error) {
	found, err := s.verify(ctx, cred)
	if err == nil {
		return &found.Account, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if e, ok := turnedDown(err); ok {
		return nil, fail("FLOW-1100-400", "Bad request", "Stripe refused the credentials: %s", told(e))
	}
	return nil, nil
}

// Connection returns a connection; FLOW-1439-404.
func (s *Service) Connection(ctx context.Context, c access.Caller, id string) (*Connection, error) {
	return load(ctx, s, connections, c, id)
}

// A Tested says whether a connection works, and what does not.
type Tested struct {
	Result  bool              `json:"result"`
	Message string            `json:"message,omitempty"`
	Refused map[string]string `json:"refused,omitempty"` // by resource, or events
}

// TestConnection asks Stripe about a connection. It works if any of the
// resources can be read; what can't is told.
func (s *Service) TestConnection(ctx context.Context, c access.Caller, id string) (Tested, error) {
	v, err := s.Connection(ctx, c, id)
	if err != nil {
		return Tested{}, err
	}
	cred, err := s.Credentials(v)
	if err != nil {
		if f, ok := sayable(err); ok {
			return Tested{Message: f.Detail}, nil
		}
		return Tested{}, err
	}
	found, err := s.verify(ctx, cred)
	if err != nil {
		if ctx.Err() != nil {
			return Tested{}, ctx.Err()
		}
		return Tested{Message: askFailure(err).Detail}, nil
	}
	if err := s.Learn(ctx, c, id, found.Account); err != nil {
		return Tested{}, err
	}
	t := Tested{Refused: found.Refused}
	var parts []string
	readable := len(stripe.Resources)
	for _, name := range append(resourceNames(), stripe.Events) {
		if why, ok := found.Refused[name]; ok {
			parts = append(parts, name+": "+why)
			if name != stripe.Events {
				readable--
			}
		}
	}
	t.Result = readable > 0
	if len(parts) > 0 {
		t.Message = "Not everything can be read. " + strings.Join(parts, "; ")
	}
	return t, nil
}

// Account returns whose data a connection gives. It asks Stripe if nobody has
// with the credentials in force; the failure is one of the source's.
func (s *Service) Account(ctx context.Context, c access.Caller, id string) (Account, error) {
	v, err := s.Connection(ctx, c, id)
	if err != nil {
		return Account{}, err
	}
	if v.Account != nil {
		return *v.Account, nil
	}
	cred, err := s.Credentials(v)
	if err != nil {
		return Account{}, err
	}
	found, err := s.verify(ctx, cred)
	if err != nil {
		if ctx.Err() != nil {
			return Account{}, ctx.Err()
		}
		return Account{}, askFailure(err)
	}
	return found.Account, s.Learn(ctx, c, id, found.Account)
}

func (s *Service) connectionRoutes() []gateway.Route {
	return append(
		reads(s, connections),
		posts(connections, s.CreateConnection),
		gateway.Route{Method: "PATCH", Path: "/connections/{id}", Handle: s.patchConnection},
		publishes(s, connections, s.publishConnection),
		deletes(s, connections, "FLOW-1418-400", func(f *Flow, id string) bool { return f.Route.ConnectionID == id }),
		gateway.Route{Method: "GET", Path: "/connections/{id}/test", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			t, err := s.TestConnection(ctx, call.Caller, call.Var("id"))
			if err != nil {
				return nil, err
			}
			return gateway.OK(t), nil
		}},
		gateway.Route{Method: "GET", Path: "/connections/{id}/explore", Handle: s.explore},
		gateway.Route{Method: "GET", Path: "/connections/{id}/configs", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			v, err := s.Connection(ctx, call.Caller, call.Var("id"))
			if err != nil {
				return nil, err
			}
			d, err := connectionSpecs.find(v.Spec.ID)
			if err != nil {
				return nil, err
			}
			if d == nil { // a draft that does not say what it connects
				return gateway.OK(envelope{Items: []any{}}), nil
			}
			return gateway.OK(envelope{Items: d.columns(true)}), nil
		}},
	)
}

// publishConnection holds a draft against the rules of a connection.
func (s *Service) publishConnection(ctx context.Context, _ access.Caller, v *Connection) error {
	in, err := s.input(v)
	if err != nil {
		return err
	}
	if err := in.settle(false); err != nil || !s.VerifyOnCreate {
		return err
	}
	cred, err := s.Credentials(v)
	if err != nil {
		return err
	}
	_, err = s.accepted(ctx, cred)
	return err
}

// input returns a connection as a client would write it, secrets among it.
func (s *Service) input(v *Connection) (ConnectionInput, error) {
	in := ConnectionInput{Name: v.Name, Description: v.Description, Labels: v.Labels}
	if v.Spec.ID != "" {
		spec := v.Spec
		in.Spec = &spec
	}
	if v.Auth.SpecName == "" {
		return in, nil
	}
	params, err := s.params(v)
	in.Auth = &AuthInput{v.Auth.SpecName, params}
	return in, err
}

func (s *Service) patchConnection(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	ops, err := readPatch(call, "name", "description", "labels", "connectionSpec", "auth")
	if err != nil {
		return nil, err
	}
	given, err := ifMatch(call, true)
	if err != nil {
		return nil, err
	}
	secrets := slices.ContainsFunc(ops, func(op jsondoc.Operation) bool { return jsondoc.Steps(op.Path)[0] == "auth" })
	return change(ctx, s, connections, call, given, func(_ *docstore.Tx, v *Connection) error {
		before, err := s.input(v)
		if err != nil && secrets {
			return err
		}
		var in ConnectionInput
		if err := patched(before, ops, &in); err != nil {
			return err
		}
		if err := in.settle(v.State == Draft); err != nil {
			return err
		}
		if in.Spec == nil || before.Spec != nil && *in.Spec != *before.Spec {
			if v.State != Draft || in.Spec != nil {
				return invalid("FLOW-1414-400", "connectionSpec", "The connection spec of the connection %s can't change: make another connection", v.ID)
			}
		}
		v.Name, v.Description, v.Labels = in.Name, in.Description, in.Labels
		if in.Spec != nil {
			v.Spec = *in.Spec
		}
		if !secrets {
			return nil
		}
		return s.renew(v, in.Auth)
	})
}
