package registry

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// Types of descriptors.
const (
	descIdentity     = "xdm:descriptorIdentity"
	descDisplay      = "xdm:alternateDisplayInfo"
	descOneToOne     = "xdm:descriptorOneToOne"
	descRelationship = "xdm:descriptorRelationship"
	descReference    = "xdm:descriptorReferenceIdentity"
	descDeprecated   = "xdm:descriptorDeprecated"
	descPrimaryKey   = "xdm:descriptorPrimaryKey"
	descVersion      = "xdm:descriptorVersion"
	descTimestamp    = "xdm:descriptorTimestamp"
)

// needs says what a descriptor's type asks of who writes it.
func needs(descriptorType string) access.Need {
	switch descriptorType {
	case descIdentity, descReference:
		return access.AnyOf(access.ManageIdentityMetadata)
	case descOneToOne, descRelationship:
		return access.AnyOf(access.ManageRelationships)
	}
	return access.AnyOf(access.ManageSchemas)
}

// A descriptor says something of a field of a schema.
type descriptor struct {
	storedDescriptor
	id     string
	schema string // $id
	doc    docstore.Doc
}

type storedDescriptor struct {
	Doc           *jsondoc.Object `json:"doc"`
	CreatedUser   string          `json:"createdUser"`
	CreatedClient string          `json:"createdClient"`
	Modified      int64           `json:"modified"`
	User          string          `json:"user"`
	Client        string          `json:"client"`
}

func (d *descriptor) typ() string { return d.Doc.Text("@type") }

// fromDescriptor are the members of a descriptor that the registry sets.
var fromDescriptor = []string{"@id", "imsOrg", "version", "meta:containerId", "meta:sandboxId", "meta:sandboxType", "meta:registryMetadata"}

func openDescriptor(d docstore.Doc) (*descriptor, error) {
	out := &descriptor{id: d.ID, schema: d.Parent, doc: d}
	return out, json.Unmarshal(d.Body, &out.storedDescriptor)
}

// descriptors returns those of a schema, of all schemas for "".
func (l *library) descriptors(schema string) ([]*descriptor, error) {
	docs, err := l.tx.List(l.at, kindDescriptor, docstore.Page{Parent: schema})
	if err != nil {
		return nil, err
	}
	all := make([]*descriptor, len(docs))
	for i, d := range docs {
		if all[i], err = openDescriptor(d); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *library) descriptor(id string) (*descriptor, error) {
	var d docstore.Doc
	err := docstore.ErrNotFound
	if plainName(id) {
		d, err = l.tx.Get(l.at, kindDescriptor, id)
	}
	if isNotFound(err) {
		return nil, refuse(notFound, "Requested descriptor %s is not found", id)
	}
	if err != nil {
		return nil, err
	}
	return openDescriptor(d)
}

// visible returns the descriptor as it is answered.
func (d *descriptor) visible(l *library) *jsondoc.Object {
	out := jsondoc.Of("@id", d.id)
	for name, v := range d.Doc.All() {
		out.Set(name, v)
	}
	text, _ := jsondoc.Marshal(d.Doc) // of values that were read from JSON
	for name, v := range jsondoc.Of(
		"imsOrg", l.caller.Org, "version", "1", "meta:containerId", "tenant", "meta:sandboxId", l.caller.Sandbox.ID, "meta:sandboxType", l.caller.Sandbox.Type,
		"meta:registryMetadata", jsondoc.Of(
			"repo:createdDate", d.doc.Created.UnixMilli(), "repo:lastModifiedDate", d.Modified, "xdm:createdClientId", d.CreatedClient,
			"xdm:lastModifiedClientId", d.Client, "xdm:createdUserId", d.CreatedUser, "xdm:lastModifiedUserId", d.User, "eTag", etag(text),
		)).All() {
		out.Set(name, v)
	}
	return out
}

// CreateDescriptor makes a descriptor of what a client wrote.
func (s *Service) CreateDescriptor(ctx context.Context, c access.Caller, body []byte) (json.RawMessage, error) {
	doc, err := decode(body)
	if err != nil {
		return nil, err
	}
	var out json.RawMessage
	err = s.do(ctx, c, func(l *library) error {
		d := &descriptor{id: newID(40), storedDescriptor: storedDescriptor{Doc: doc, CreatedUser: c.User, CreatedClient: c.Client}}
		if err := l.putDescriptor(d, doc); err != nil {
			return err
		}
		out, err = jsondoc.Marshal(d.visible(l))
		return err
	})
	return out, err
}

// ReplaceDescriptor rewrites a descriptor; its type and schema stay.
func (s *Service) ReplaceDescriptor(ctx context.Context, c access.Caller, id string, body []byte) error {
	doc, err := decode(body)
	if err != nil {
		return err
	}
	return s.do(ctx, c, func(l *library) error {
		d, err := l.descriptor(id)
		if err != nil {
			return err
		}
		if err := allowed(c, d.typ()); err != nil {
			return err
		}
		if doc.Text("@type") != d.typ() || canonical(&c, Schemas, doc.Text("xdm:sourceSchema")) != d.schema {
			return refuse(readOnly, "@type and xdm:sourceSchema of a descriptor can't be changed: make another one")
		}
		return l.putDescriptor(d, doc)
	})
}

func allowed(c access.Caller, descriptorType string) error {
	if !c.May(c.Sandbox.Name, needs(descriptorType)) {
		return refuse(forbidden, "You do not have sufficient permissions to write a %s. Please contact your administrator to resolve permissions and try again.", descriptorType)
	}
	return nil
}

// putDescriptor stores a descriptor with a new text.
func (l *library) putDescriptor(d *descriptor, body *jsondoc.Object) error {
	if err := allowed(l.caller, body.Text("@type")); err != nil {
		return err
	}
	doc := jsondoc.Clone(body).(*jsondoc.Object)
	doc.Delete(fromDescriptor...)
	r, err := l.findReference(doc, "xdm:sourceSchema")
	if err != nil {
		return err
	}
	if err := majorVersion(doc, "xdm:sourceVersion"); err != nil {
		return err
	}
	had := destination(d.Doc)
	if d.doc.Revision == 0 {
		had = nil
	}
	d.schema, d.Doc = r.ID, doc
	d.Modified, d.User, d.Client = l.now.UnixMilli(), l.caller.User, l.caller.Client
	others, err := l.descriptors(r.ID)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(o *descriptor) bool { return o.id == d.id })
	fields, err := l.expand(r)
	if err != nil {
		return err
	}
	if err := l.checkDescriptor(d, fields, others); err != nil {
		return err
	}
	if err := l.keepsIdentity(r, append(others, d)); err != nil {
		return err
	}
	if err := l.refer(descriptorPrefix+d.id, had, destination(d.Doc)); err != nil {
		return err
	}
	text, err := json.Marshal(d.storedDescriptor)
	if err != nil {
		return err
	}
	stored := d.doc
	stored.Kind, stored.ID, stored.Parent, stored.Body = kindDescriptor, d.id, r.ID, text
	if stored.Revision == 0 {
		stored.Created = l.now
	}
	d.doc, err = l.tx.Put(l.at, stored)
	return err
}

// destination returns the $id of the schema that a relationship leads to.
func destination(doc *jsondoc.Object) []string {
	if id := doc.Text("xdm:destinationSchema"); id != "" {
		return []string{id}
	}
	return nil
}

// findReference returns the schema that a member names, and writes its $id there.
func (l *library) findReference(doc *jsondoc.Object, name string) (*resource, error) {
	id := doc.Text(name)
	if id == "" {
		return nil, refuse(invalidDescriptor, "%s is required: the $id of a schema", name)
	}
	r, err := l.get(canonical(&l.caller, Schemas, id))
	if isNotFound(err) || err == nil && r.Type != Schemas {
		return nil, refuse(noReference, "%s: there is no schema %s", name, id)
	}
	if err != nil {
		return nil, err
	}
	doc.Set(name, r.ID)
	return r, nil
}

// majorVersion writes a member that is a major version as the number 1, the
// only one that there is.
func majorVersion(doc *jsondoc.Object, name string) error {
	switch v := doc.Get(name).(type) {
	case nil:
	case string:
		if major(v) != "1" {
			return refuse(invalidDescriptor, "%s: there is no version %s, only 1", name, v)
		}
	case json.Number:
		if major(v.String()) != "1" {
			return refuse(invalidDescriptor, "%s: there is no version %s, only 1", name, v)
		}
	default:
		return refuse(invalidDescriptor, "%s must be 1", name)
	}
	doc.Set(name, json.Number("1"))
	return nil
}

// DeleteDescriptor removes a descriptor.
func (s *Service) DeleteDescriptor(ctx context.Context, c access.Caller, id string) error {
	return s.do(ctx, c, func(l *library) error {
		d, err := l.descriptor(id)
		if err != nil {
			return err
		}
		if err := allowed(c, d.typ()); err != nil {
			return err
		}
		r, err := l.get(d.schema)
		if err != nil {
			return err
		}
		others, err := l.descriptors(d.schema)
		if err != nil {
			return err
		}
		others = slices.DeleteFunc(others, func(o *descriptor) bool { return o.id == d.id })
		if err := l.keepsIdentity(r, others); err != nil {
			return err
		}
		return l.removeDescriptor(d)
	})
}

func (l *library) removeDescriptor(d *descriptor) error {
	if err := l.refer(descriptorPrefix+d.id, destination(d.Doc), nil); err != nil {
		return err
	}
	return l.tx.Delete(l.at, kindDescriptor, d.id)
}

// removeDescriptors removes those of a schema.
func (l *library) removeDescriptors(r *resource) error {
	all, err := l.descriptors(r.ID)
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := l.removeDescriptor(d); err != nil {
			return err
		}
	}
	return nil
}

// Descriptor returns one descriptor.
func (s *Service) Descriptor(ctx context.Context, c access.Caller, id string) (json.RawMessage, error) {
	var out json.RawMessage
	err := s.do(ctx, c, func(l *library) error {
		d, err := l.descriptor(id)
		if err != nil {
			return err
		}
		out, err = jsondoc.Marshal(d.visible(l))
		return err
	})
	return out, err
}
