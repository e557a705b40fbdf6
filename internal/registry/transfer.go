package registry

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// exportedTenant stands for the tenant in what is exported.
const exportedTenant = "<XDM_TENANTID_PLACEHOLDER>"

// maxImport is how many resources one import may have.
const maxImport = 1000

// Export returns a resource and all of the sandbox's that it is made of, what
// is needed first, in the form that Import takes. Descriptors and whether it is
// enabled for a union are not part of it.
func (s *Service) Export(ctx context.Context, c access.Caller, id string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	err := s.do(ctx, c, func(l *library) error {
		out = []json.RawMessage{}
		r, err := l.findAny(id)
		if err != nil {
			return err
		}
		seen := make(map[string]bool)
		var visit func(r *resource) error
		visit = func(r *resource) error {
			if seen[r.ID] || r.global {
				return nil
			}
			seen[r.ID] = true
			needed := references(r.Doc)
			for _, id := range r.Doc.Texts("meta:intendedToExtend") {
				if !slices.Contains(needed, id) {
					needed = append(needed, id)
				}
			}
			for _, ref := range needed {
				next, err := l.get(ref)
				if isNotFound(err) {
					continue // a class that a field group was for, and that is gone
				}
				if err != nil {
					return err
				}
				if err := visit(next); err != nil {
					return err
				}
			}
			text, err := l.exported(r)
			out = append(out, text)
			return err
		}
		return visit(r)
	})
	return out, err
}

func (l *library) exported(r *resource) (json.RawMessage, error) {
	doc, err := l.visible(r)
	if err != nil {
		return nil, err
	}
	doc.Delete("imsOrg", "refs", "meta:registryMetadata", "meta:containerId", "meta:tenantNamespace", "meta:immutableTags")
	return jsondoc.Marshal(retenant(doc, l.caller.Tenant, exportedTenant))
}

// retenant copies a document with another tenant in ids and names of fields.
func retenant(v any, from, to string) any {
	switch v := v.(type) {
	case *jsondoc.Object:
		out := &jsondoc.Object{}
		for name, m := range v.All() {
			switch name {
			case "$id", "$ref", "meta:altId", "meta:class", "meta:extends", "meta:intendedToExtend", "required":
				m = retenantIDs(m, from, to)
			default:
				m = retenant(m, from, to)
			}
			if name == "_"+from {
				name = "_" + to
			}
			out.Set(name, m)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = retenant(e, from, to)
		}
		return out
	}
	return v
}

func retenantIDs(v any, from, to string) any {
	switch v := v.(type) {
	case string:
		for _, form := range [][2]string{{namespace, "/"}, {"_", "."}} {
			if rest, ok := strings.CutPrefix(v, form[0]+from+form[1]); ok {
				return form[0] + to + form[1] + rest
			}
		}
		if v == "_"+from {
			return "_" + to
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = retenantIDs(e, from, to)
		}
		return out
	case *jsondoc.Object: // a field that is called like this
		return retenant(v, from, to)
	}
	return v
}

// An import is under way.
type importing struct {
	lib     *library
	pending map[string]*jsondoc.Object // by $id
	types   map[string]Type
	renamed map[string]string // $id in what is imported to $id of what is there and the same
	done    map[string]*resource
	open    []string
}

// Import makes the resources that Export returned, and returns them as they
// now are. What is there already and the same is used; another resource of the
// same id or title refuses the whole.
func (s *Service) Import(ctx context.Context, c access.Caller, body []byte) ([]json.RawMessage, error) {
	var docs []*jsondoc.Object
	if err := gateway.DecodeJSON(body, &docs); err != nil {
		return nil, err
	}
	if len(docs) > maxImport {
		return nil, refuse(importFailed, "Failed to import resources. Error: there are %d: at most %d are taken at once", len(docs), maxImport)
	}
	var out []json.RawMessage
	err := s.do(ctx, c, func(l *library) error {
		out = []json.RawMessage{}
		im := &importing{
			lib: l, pending: make(map[string]*jsondoc.Object), types: make(map[string]Type),
			renamed: make(map[string]string), done: make(map[string]*resource),
		}
		ids, err := im.read(docs)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := im.add(id); err != nil {
				return err
			}
		}
		for _, id := range ids {
			text, err := l.written(im.done[id])
			if err != nil {
				return err
			}
			out = append(out, text)
		}
		return nil
	})
	return out, err
}

// read takes what is to be imported apart and returns the ids.
func (im *importing) read(docs []*jsondoc.Object) ([]string, error) {
	var ids []string
	for i, d := range docs {
		if d == nil {
			return nil, refuse(importFailed, "Failed to import resources. Error: number %d is no resource", i+1)
		}
		doc := retenant(d, exportedTenant, im.lib.caller.Tenant).(*jsondoc.Object)
		id := canonical(&im.lib.caller, "", doc.Text("$id"))
		t, name, ok := split(&im.lib.caller, id)
		if !ok || !slices.Contains(own, t) || !hexadecimal(name) {
			return nil, refuse(importFailed, "Failed to import resources. Error: number %d: $id %q is none of a resource that can be imported", i+1, d.Text("$id"))
		}
		if im.pending[id] != nil {
			return nil, refuse(importFailed, "Failed to import resources. Error: %s stands there twice", id)
		}
		im.pending[id], im.types[id] = doc, t
		ids = append(ids, id)
	}
	return ids, nil
}

// hexadecimal says whether a name could be the last step of an id: 32 to 48
// hex digits.
func hexadecimal(name string) bool {
	return len(name) >= 32 && len(name) <= 48 && strings.Trim(name, "0123456789abcdef") == ""
}

// add imports a resource and before it what it refers to.
func (im *importing) add(id string) error {
	doc := im.pending[id]
	if doc == nil || im.done[id] != nil || slices.Contains(im.open, id) {
		return nil // it is there, or a cycle, which the check finds
	}
	im.open = append(im.open, id)
	needed := append(references(doc), doc.Texts("meta:intendedToExtend")...)
	for _, ref := range needed {
		if err := im.add(canonical(&im.lib.caller, "", ref)); err != nil {
			return err
		}
	}
	im.open = im.open[:len(im.open)-1]
	r, err := im.create(id, im.rename(doc).(*jsondoc.Object))
	if err != nil {
		return err
	}
	im.done[id] = r
	return nil
}

// rename has references lead to what is there under another id.
func (im *importing) rename(v any) any {
	switch v := v.(type) {
	case *jsondoc.Object:
		out := &jsondoc.Object{}
		for name, m := range v.All() {
			out.Set(name, im.rename(m))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = im.rename(e)
		}
		return out
	case string:
		id, fragment, has := strings.Cut(v, "#")
		if to, ok := im.renamed[id]; ok {
			if has {
				to += "#" + fragment
			}
			return to
		}
	}
	return v
}

func (im *importing) create(id string, body *jsondoc.Object) (*resource, error) {
	l, t := im.lib, im.types[id]
	minor := minorVersion(body.Text("version"))
	body.Delete("meta:immutableTags")
	doc, err := l.complete(t, body)
	if err != nil {
		return nil, err
	}
	have, err := l.get(id)
	if err == nil {
		if sameText(have, doc) {
			return have, nil
		}
		return nil, refuse(importFailed, "Failed to import resources. Error: $id must be unique. An object %s already exists and is another one", id)
	}
	if !isNotFound(err) {
		return nil, err
	}
	other, err := l.sameTitle(t, doc.Text("title"), id)
	if err != nil {
		return nil, err
	}
	if other != "" {
		have, err := l.get(other)
		if err != nil {
			return nil, err
		}
		if sameText(have, doc) {
			im.renamed[id] = other
			return have, nil
		}
		return nil, refuse(importFailed, "Failed to import resources. Error: Title must be unique. An object %s already exists with the same title", other)
	}
	_, name, _ := split(&l.caller, id)
	return l.createAs(t, name, doc, minor)
}

// sameText says whether a resource says what a document says.
func sameText(r *resource, doc *jsondoc.Object) bool {
	mine := jsondoc.Clone(r.Doc).(*jsondoc.Object)
	mine.Delete("meta:immutableTags")
	return jsondoc.Equal(mine, doc)
}

func minorVersion(version string) int {
	rest, ok := strings.CutPrefix(version, "1.")
	n, err := strconv.Atoi(rest)
	if !ok || err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}
