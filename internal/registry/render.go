package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// A Container is where a resource is: with all (global) or in a sandbox (tenant).
type Container string

// The containers.
const (
	Global Container = "global"
	Tenant Container = "tenant"
)

// Lookup returns a resource in one of the formats of the Accept header, such
// as xed or xed-full.
func (s *Service) Lookup(ctx context.Context, c access.Caller, in Container, t Type, id, format string) (json.RawMessage, error) {
	var out json.RawMessage
	err := s.do(ctx, c, func(l *library) error {
		r, err := l.lookup(in, t, id)
		if err != nil {
			return err
		}
		doc, err := l.render(r, format)
		if err != nil {
			return err
		}
		out, err = jsondoc.Marshal(doc)
		return err
	})
	return out, err
}

func (l *library) lookup(in Container, t Type, id string) (*resource, error) {
	if in == Tenant && (t == Unions || t == Schemas && strings.HasSuffix(id, unionSuffix)) {
		r, _, err := l.findUnion(id)
		return r, err
	}
	r, err := l.find(t, id)
	if err == nil && r.global != (in == Global) {
		return nil, missing(id)
	}
	return r, err
}

// render writes a resource in a format.
func (l *library) render(r *resource, format string) (*jsondoc.Object, error) {
	switch format {
	case formatFull, formatFullNoText, formatFullDesc, formatDeprecated:
		return l.renderFull(r, format)
	}
	doc, err := l.visible(r)
	if err != nil {
		return nil, err
	}
	switch format {
	case formatID:
		return short(doc), nil
	case formatNoText:
		return withoutText(doc), nil
	case formatXDM:
		return dialect(doc), nil
	}
	return doc, nil
}

// short is a resource as lists of ids have it.
func short(doc *jsondoc.Object) *jsondoc.Object {
	return jsondoc.Of("title", doc.Get("title"), "$id", doc.Get("$id"), "meta:altId", doc.Get("meta:altId"), "version", doc.Get("version"))
}

// visible returns a resource as clients see it, with $ref and allOf: what was
// written, and what the registry says of it.
func (l *library) visible(r *resource) (*jsondoc.Object, error) {
	doc := l.head(r)
	for name, v := range r.Doc.All() {
		if !doc.Has(name) && !strings.HasPrefix(name, "meta:") {
			doc.Set(name, v)
		}
	}
	if err := l.tail(r, doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// head are the members that name a resource.
func (l *library) head(r *resource) *jsondoc.Object {
	doc := jsondoc.Of("$id", r.ID, "meta:altId", altID(r.ID), "meta:resourceType", string(r.Type), "version", r.version())
	for _, name := range []string{"title", "type", "description"} {
		if v, ok := r.Doc.Lookup(name); ok {
			doc.Set(name, v)
		}
	}
	return doc
}

// tail are the members that the registry says of a resource.
func (l *library) tail(r *resource, doc *jsondoc.Object) error {
	text, err := jsondoc.Marshal(doc)
	if err != nil {
		return err
	}
	if !r.global {
		refs := []any{}
		for _, id := range references(r.Doc) {
			refs = append(refs, id)
		}
		doc.Set("refs", refs)
		doc.Set("imsOrg", l.caller.Org)
	}
	doc.Set("meta:extensible", r.Type != Schemas && r.Type != Unions)
	doc.Set("meta:abstract", r.Type != Schemas && r.Type != Unions)
	extends, err := l.extends(r)
	if err != nil {
		return err
	}
	if len(extends) > 0 || r.Type == Schemas {
		all := make([]any, len(extends))
		for i, id := range extends {
			all[i] = id
		}
		doc.Set("meta:extends", all)
	}
	for name, v := range r.Doc.All() {
		if strings.HasPrefix(name, "meta:") && name != "meta:extends" {
			doc.Set(name, v)
		}
	}
	doc.Set("meta:xdmType", r.Doc.Get("meta:xdmType"))
	meta, err := l.metadata(r, text)
	if err != nil {
		return err
	}
	doc.Set("meta:registryMetadata", meta)
	return l.whereabouts(r, doc)
}

func (l *library) metadata(r *resource, text []byte) (*jsondoc.Object, error) {
	usage := 0
	if l.usage != nil {
		usage = l.usage[r.ID]
	} else {
		from, err := l.referrers(r.ID)
		if err != nil {
			return nil, err
		}
		usage = len(from)
	}
	if r.global || r.Type == Unions {
		return jsondoc.Of("eTag", etag(text), "meta:globalLibVersion", libraryVersion, "meta:usageCount", usage), nil
	}
	return jsondoc.Of(
		"repo:createdDate", r.doc.Created.UnixMilli(), "repo:lastModifiedDate", r.Modified,
		"xdm:createdClientId", r.CreatedClient, "xdm:lastModifiedClientId", r.Client, "xdm:createdUserId", r.CreatedUser, "xdm:lastModifiedUserId", r.User,
		"eTag", etag(text), "meta:globalLibVersion", libraryVersion, "meta:usageCount", usage,
	), nil
}

func etag(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// whereabouts are the members that say where a resource is.
func (l *library) whereabouts(r *resource, doc *jsondoc.Object) error {
	if r.global {
		doc.Set("meta:containerId", string(Global))
		doc.Set("meta:status", "stable")
		doc.Set("$schema", "http://json-schema.org/draft-06/schema#")
		return nil
	}
	switch r.Type {
	case Schemas:
		class, err := l.classOf(r)
		if err != nil {
			return err
		}
		if class != nil {
			doc.Set("meta:class", class.ID)
		} else {
			doc.Set("meta:class", relational)
		}
	case Unions:
		doc.Set("meta:class", strings.TrimSuffix(r.ID, unionSuffix))
	default:
	}
	doc.Set("meta:containerId", string(Tenant))
	doc.Set("meta:sandboxId", l.caller.Sandbox.ID)
	doc.Set("meta:sandboxType", l.caller.Sandbox.Type)
	doc.Set("meta:tenantNamespace", "_"+l.caller.Tenant)
	return nil
}

// renderFull writes a resource with all references resolved.
func (l *library) renderFull(r *resource, format string) (*jsondoc.Object, error) {
	whole, err := l.expand(r)
	if err != nil {
		return nil, err
	}
	var mine []*descriptor
	if r.Type == Schemas && (format == formatFullDesc || format == formatDeprecated) {
		if mine, err = l.descriptors(r.ID); err != nil {
			return nil, err
		}
	}
	doc := l.head(r)
	for name, v := range whole.All() {
		if !doc.Has(name) && !strings.HasPrefix(name, "meta:") {
			doc.Set(name, v)
		}
	}
	if err := l.tail(r, doc); err != nil {
		return nil, err
	}
	switch format {
	case formatFullNoText:
		return withoutText(doc), nil
	case formatFullDesc:
		all := make([]any, len(mine))
		for i, d := range mine {
			all[i] = d.visible(l)
		}
		doc.Set("meta:descriptors", all)
	case formatDeprecated:
		for _, d := range mine {
			if d.typ() != descDeprecated {
				continue
			}
			if field, _, err := at(doc, d.Doc.Text("xdm:sourceProperty")); err == nil {
				field.Set("meta:status", "deprecated")
			}
		}
	}
	return doc, nil
}

// mapNodes copies a node and all nodes in it; each is handed to fn.
func mapNodes(n *jsondoc.Object, fn func(*jsondoc.Object) *jsondoc.Object) *jsondoc.Object {
	out := &jsondoc.Object{}
	for name, v := range n.All() {
		switch child := v.(type) {
		case *jsondoc.Object:
			switch name {
			case "properties", "definitions":
				members := &jsondoc.Object{}
				for k, m := range child.All() {
					if o, ok := m.(*jsondoc.Object); ok {
						m = mapNodes(o, fn)
					}
					members.Set(k, m)
				}
				v = members
			case "items", "additionalProperties":
				v = mapNodes(child, fn)
			}
		case []any:
			if name == "allOf" {
				all := slices.Clone(child)
				for i, e := range all {
					if o, ok := e.(*jsondoc.Object); ok {
						all[i] = mapNodes(o, fn)
					}
				}
				v = all
			}
		}
		out.Set(name, v)
	}
	return fn(out)
}

// withoutText leaves out titles and descriptions.
func withoutText(doc *jsondoc.Object) *jsondoc.Object {
	return mapNodes(doc, func(n *jsondoc.Object) *jsondoc.Object {
		n.Delete("title", "description")
		return n
	})
}

// dialect gives fields the names that XDM's own dialect has for them.
func dialect(doc *jsondoc.Object) *jsondoc.Object {
	return mapNodes(doc, func(n *jsondoc.Object) *jsondoc.Object {
		props := n.Object("properties")
		if props == nil {
			return n
		}
		names := make(map[any]any)
		renamed := &jsondoc.Object{}
		for name, v := range props.All() {
			if o, ok := v.(*jsondoc.Object); ok && o.Text("meta:xdmField") != "" {
				names[name] = o.Text("meta:xdmField")
				name = o.Text("meta:xdmField")
			}
			renamed.Set(name, v)
		}
		n.Set("properties", renamed)
		if required := slices.Clone(n.List("required")); required != nil {
			for i, name := range required {
				if other, ok := names[name]; ok {
					required[i] = other
				}
			}
			n.Set("required", required)
		}
		return n
	})
}
