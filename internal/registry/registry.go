// Package registry is the Schema Registry: classes, field groups, data types
// and schemas of a sandbox, what describes their fields, and what records of a
// schema look like once all of it is put together.
package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Service keeps the resources of all sandboxes.
type Service struct {
	DB  *docstore.DB
	Now func() time.Time
	// Users returns the names of what stores data on a schema. While there is
	// any, the schema can't be deleted. It may be nil.
	Users func(ctx context.Context, c access.Caller, schemaID string) ([]string, error)
	// Grown is called after a schema, or something that it is made of, was
	// changed, so that its tables follow. It may be nil.
	Grown func(ctx context.Context, c access.Caller, schemaID string) error
	// AnyAccept answers reads whose Accept header leaves the format open: lists
	// with ids, lookups with the raw resource.
	AnyAccept bool
}

// A Type is a kind of resource, as ids and meta:resourceType write it.
type Type string

// The types.
const (
	Schemas     Type = "schemas"
	Classes     Type = "classes"
	FieldGroups Type = "mixins"
	DataTypes   Type = "datatypes"
	Behaviors   Type = "behaviors" // global alone
	Unions      Type = "unions"    // made of the schemas that are enabled for them
)

// own are the types that a sandbox has resources of.
var own = []Type{DataTypes, FieldGroups, Classes, Schemas}

// singular is what one resource of a type is called.
var singular = map[Type]string{
	Schemas: "schema", Classes: "class", FieldGroups: "field group", DataTypes: "data type", Behaviors: "behavior", Unions: "union",
}

// Ids that have a meaning here.
const (
	namespace  = "https://ns.adobe.com/"
	record     = namespace + "xdm/data/record"
	timeSeries = namespace + "xdm/data/time-series"
	relational = namespace + "xdm/data/adhoc-v2"
)

// libraryVersion is the version of the global resources.
const libraryVersion = "1.0.0"

// do runs fn on the library of the caller's sandbox, in one transaction.
func (s *Service) do(ctx context.Context, c access.Caller, fn func(*library) error) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error { return fn(newLibrary(t, c, s.Now())) })
}

func newLibrary(t *docstore.Tx, c access.Caller, now time.Time) *library {
	return &library{
		tx: t, at: c.Scope(), caller: c, now: now,
		loaded: make(map[string]*resource),
	}
}

// Composition returns what records of a schema look like, by its newest
// version. The id is its $id, its meta:altId or the last step of either. There
// is a problem.NotFound if the sandbox has no such schema.
func (s *Service) Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	var out *xdm.Composition
	err := s.do(ctx, c, func(l *library) error {
		r, err := l.find(Schemas, id)
		if err != nil {
			return err
		}
		out, err = l.compose(r)
		return err
	})
	return out, err
}

// MarkUsed notes that data of a schema was stored: from now on it only grows.
func (s *Service) MarkUsed(ctx context.Context, c access.Caller, schemaID string) error {
	return s.do(ctx, c, func(l *library) error {
		r, err := l.find(Schemas, schemaID)
		if err != nil || r.Used {
			return err
		}
		r.Used = true
		return l.store(r)
	})
}

// InUnion says whether a schema is enabled for the union of its class.
func (s *Service) InUnion(ctx context.Context, c access.Caller, schemaID string) (bool, error) {
	var in bool
	err := s.do(ctx, c, func(l *library) error {
		r, err := l.find(Schemas, schemaID)
		if err == nil {
			in = r.union()
		}
		return err
	})
	return in, err
}

// A Summary is a schema as lists show it.
type Summary struct {
	ID, AltID          string
	Title, Description string
	Class, ClassTitle  string // of a relational schema empty
	Version            string
	Resource           string // the Stripe resource that it came with, if it is one of the templates
	Used               bool   // data was stored
	Union              bool   // enabled for the union of its class
	Updated            time.Time
}

// Summaries returns the sandbox's schemas, oldest first.
func (s *Service) Summaries(ctx context.Context, c access.Caller) ([]Summary, error) {
	var out []Summary
	err := s.do(ctx, c, func(l *library) error {
		out = nil
		all, err := l.all(Schemas)
		if err != nil {
			return err
		}
		for _, r := range all {
			sum := Summary{
				ID: r.ID, AltID: altID(r.ID), Title: r.Doc.Text("title"), Description: r.Doc.Text("description"), Version: r.version(),
				Resource: r.Template, Used: r.Used, Union: r.union(), Updated: time.UnixMilli(r.Modified).UTC(),
			}
			class, err := l.classOf(r)
			if err != nil {
				return err
			}
			if class != nil {
				sum.Class, sum.ClassTitle = class.ID, class.Doc.Text("title")
			}
			out = append(out, sum)
		}
		return nil
	})
	return out, err
}

// newID returns an id of so many hex digits.
func newID(digits int) string {
	b := make([]byte, digits/2)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// altID writes an $id with dots: _acme.schemas.5f76….
func altID(id string) string {
	return "_" + strings.ReplaceAll(strings.TrimPrefix(id, namespace), "/", ".")
}

// canonical writes an id of a resource the way $id does. It may be an $id, a
// meta:altId, or the last step of either when the type is known. In place of
// the tenant's name may stand the organisation's id or a placeholder of the
// guides.
func canonical(c *access.Caller, t Type, id string) string {
	id = strings.TrimSpace(id)
	rest, ok := strings.CutPrefix(id, namespace)
	if !ok {
		if rest, ok = strings.CutPrefix(id, "_"); ok {
			rest = strings.ReplaceAll(rest, ".", "/")
		}
	}
	if !ok {
		if t == "" || strings.ContainsAny(id, "/.#") {
			return id
		}
		return namespace + c.Tenant + "/" + string(t) + "/" + id
	}
	tenant, rest, _ := strings.Cut(rest, "/")
	if alias(c, tenant) {
		tenant = c.Tenant
	}
	if tenant == c.Tenant {
		if name, ok := strings.CutPrefix(rest, "fieldgroups/"); ok {
			rest = string(FieldGroups) + "/" + name
		}
	}
	return namespace + tenant + "/" + rest
}

// alias says whether a name stands for the caller's tenant.
func alias(c *access.Caller, name string) bool {
	switch name {
	case "{TENANT_ID}", "{TENANT}", "{ORG_ID}", "{IMS_ORG}", exportedTenant:
		return true
	}
	return name != "" && (name == c.Org || name+"@AdobeOrg" == c.Org)
}

// split returns type and last step of an $id of the tenant's.
func split(c *access.Caller, id string) (Type, string, bool) {
	rest, ok := strings.CutPrefix(id, namespace+c.Tenant+"/")
	if !ok {
		return "", "", false
	}
	t, name, ok := strings.Cut(rest, "/")
	return Type(t), name, ok
}

// isNotFound says whether an error is that of a document that is not there.
func isNotFound(err error) bool { return errors.Is(err, docstore.ErrNotFound) }
