package flow

import (
	"encoding/json"

	"github.com/tributary-data/tributary/internal/gateway"
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
	SpecName string                     `json:"specName"`
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

func (s *Service) connectionRoutes() []gateway.Route { return reads(s, connections) }
