package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// seededBy is who made what every sandbox begins with.
const seededBy = "tributary"

// Seed puts into a new sandbox what every one begins with: the class of
// Stripe's objects, a field group and a schema for each resource, and the
// standard identity namespaces. Ids follow from the tenant's name.
func Seed(t *docstore.Tx, scope docstore.Scope, org, tenant string, now time.Time) error {
	c := access.Caller{Principal: access.Principal{Org: org, User: seededBy, Client: seededBy}, Tenant: tenant, Sandbox: access.Sandbox{ID: scope.Sandbox}}
	l := newLibrary(t, c, now)
	l.at = scope
	class, err := l.create(Classes, seededID(tenant, Classes, "object"), jsondoc.Of(
		"title", "Stripe object", "description", "An object of Stripe's, as it was when it was read last.", "type", "object",
		"allOf", []any{jsondoc.Of("$ref", record)},
	))
	if err != nil {
		return fmt.Errorf("seed the class: %w", err)
	}
	for _, name := range xdm.Resources {
		l.now = l.now.Add(time.Millisecond) // lists keep this order
		if err := l.seed(name, class); err != nil {
			return fmt.Errorf("seed %s: %w", name, err)
		}
	}
	return l.seedNamespaces()
}

// seed makes the field group and the schema of a Stripe resource.
func (l *library) seed(name string, class *resource) error {
	text, err := xdm.FieldGroup(name, l.caller.Tenant)
	if err != nil {
		return err
	}
	body, err := decode(text)
	if err != nil {
		return err
	}
	group, err := l.create(FieldGroups, seededID(l.caller.Tenant, FieldGroups, name), unmarked(body))
	if err != nil {
		return err
	}
	group.Template = name
	if err := l.store(group); err != nil {
		return err
	}
	schema, err := l.create(Schemas, seededID(l.caller.Tenant, Schemas, name), jsondoc.Of(
		"title", body.Text("title"), "description", body.Text("description"), "type", "object",
		"allOf", []any{jsondoc.Of("$ref", class.ID), jsondoc.Of("$ref", group.ID)},
	))
	if err != nil {
		return err
	}
	schema.Template = name
	return l.store(schema)
}

// seededID is the last step of the id of something seeded.
func seededID(tenant string, t Type, name string) string {
	sum := sha256.Sum256([]byte(tenant + "/" + string(t) + "/stripe/" + name))
	return hex.EncodeToString(sum[:24])
}

// unmarked leaves out the marks that XDM has no word for: the registry knows
// them by where a field group came from, and clients need not see them.
func unmarked(doc *jsondoc.Object) *jsondoc.Object {
	return mapNodes(doc, func(n *jsondoc.Object) *jsondoc.Object {
		n.Delete("meta:tributary")
		return n
	})
}
