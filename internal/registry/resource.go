package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Create makes a resource of what a client wrote, JSON, and returns it whole.
func (s *Service) Create(ctx context.Context, c access.Caller, t Type, body []byte) (json.RawMessage, error) {
	doc, err := decode(body)
	if err != nil {
		return nil, err
	}
	var out json.RawMessage
	err = s.do(ctx, c, func(l *library) error {
		r, err := l.create(t, newID(48), doc)
		if err != nil {
			return err
		}
		out, err = l.written(r)
		return err
	})
	return out, err
}

// decode reads a body that is one object.
func decode(body []byte) (*jsondoc.Object, error) {
	doc := &jsondoc.Object{}
	if err := gateway.DecodeJSON(body, doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// written returns a resource as writes answer it.
func (l *library) written(r *resource) (json.RawMessage, error) {
	doc, err := l.visible(r)
	if err != nil {
		return nil, err
	}
	return jsondoc.Marshal(doc)
}

func (l *library) create(t Type, name string, body *jsondoc.Object) (*resource, error) {
	doc, err := l.complete(t, body)
	if err != nil {
		return nil, err
	}
	return l.createAs(t, name, doc, 0)
}

// createAs stores a new resource, whose text is complete, as version 1.<minor>.
func (l *library) createAs(t Type, name string, doc *jsondoc.Object, minor int) (*resource, error) {
	r := &resource{
		ID:     namespace + l.caller.Tenant + "/" + string(t) + "/" + name,
		stored: stored{Type: t, Minor: minor, Doc: doc, CreatedUser: l.caller.User, CreatedClient: l.caller.Client},
	}
	l.loaded[r.ID] = r
	if err := l.check(r, nil); err != nil {
		return nil, err
	}
	if err := l.keepsIdentity(r, nil); err != nil {
		return nil, err
	}
	if err := l.save(r); err != nil {
		return nil, err
	}
	return r, l.log(r, []jsondoc.Operation{{Op: "add", Path: "/", Value: doc}})
}

// check checks a resource by itself: what it refers to, and that it can be
// put together.
func (l *library) check(r *resource, was *jsondoc.Object) error {
	if err := l.rules(r, was); err != nil {
		return err
	}
	if r.Type != Schemas {
		_, err := l.expand(r)
		return err
	}
	if _, err := l.compose(r); err != nil {
		return err
	}
	if r.union() {
		return l.checkUnion(r)
	}
	return nil
}

// Replace rewrites a resource: the body has what Create asks for.
func (s *Service) Replace(ctx context.Context, c access.Caller, t Type, id string, body []byte) (json.RawMessage, error) {
	doc, err := decode(body)
	if err != nil {
		return nil, err
	}
	return s.update(ctx, c, t, id, func(l *library, r *resource, visible *jsondoc.Object) (*jsondoc.Object, error) {
		if given := doc.Text("$id"); given != "" && canonical(&l.caller, t, given) != r.ID {
			return nil, refuse(readOnly, "$id can't be changed: it is %s", r.ID)
		}
		next := jsondoc.Clone(doc).(*jsondoc.Object)
		// What is enabled for a union stays so, whether or not the body says it.
		if tags, ok := visible.Lookup("meta:immutableTags"); ok && !next.Has("meta:immutableTags") {
			next.Set("meta:immutableTags", tags)
		}
		if r.isRelational() && !next.Has("meta:extends") {
			next.Set("meta:extends", []any{relational})
		}
		return next, nil
	})
}

// fixed are the members that a patch can't change.
var fixed = []string{
	"$id", "meta:altId", "meta:resourceType", "version", "imsOrg", "meta:class", "meta:registryMetadata", "meta:containerId",
	"meta:sandboxId", "meta:sandboxType", "meta:tenantNamespace",
}

// Patch changes a resource by JSON Patch.
func (s *Service) Patch(ctx context.Context, c access.Caller, t Type, id string, patch []byte) (json.RawMessage, error) {
	var v any
	if err := gateway.DecodeJSON(patch, &v); err != nil { // says line and column
		return nil, err
	}
	ops, err := jsondoc.ParsePatch(patch)
	if err != nil {
		return nil, err
	}
	for i := range ops {
		ops[i].Path, ops[i].From = ownPath(&c, ops[i].Path), ownPath(&c, ops[i].From)
	}
	return s.update(ctx, c, t, id, func(_ *library, _ *resource, visible *jsondoc.Object) (*jsondoc.Object, error) {
		v, err := jsondoc.Patch(visible, ops)
		if err != nil {
			return nil, err
		}
		next, ok := v.(*jsondoc.Object)
		if !ok {
			return nil, refuse(invalidResource, "a resource is an object")
		}
		for _, name := range fixed {
			if !jsondoc.Equal(visible.Get(name), next.Get(name)) {
				return nil, refuse(readOnly, "%s can't be changed", name)
			}
		}
		return next, nil
	})
}

// ownPath writes the tenant's name for what stands for it in a path.
func ownPath(c *access.Caller, path string) string {
	steps := jsondoc.Steps(path)
	for i, step := range steps {
		if rest, ok := strings.CutPrefix(step, "_"); ok && alias(c, rest) {
			steps[i] = "_" + c.Tenant
		}
	}
	return jsondoc.Pointer(steps...)
}

// update changes a resource by what change makes of it, and sees to it that
// all that is made of it stays whole.
func (s *Service) update(ctx context.Context, c access.Caller, t Type, id string, change func(*library, *resource, *jsondoc.Object) (*jsondoc.Object, error)) (json.RawMessage, error) {
	var out json.RawMessage
	var grown []*xdm.Composition
	err := s.do(ctx, c, func(l *library) error {
		r, err := l.findOwn(t, id)
		if err != nil {
			return err
		}
		visible, err := l.visible(r)
		if err != nil {
			return err
		}
		body, err := change(l, r, visible)
		if err != nil {
			return err
		}
		doc, err := l.complete(t, body)
		if err != nil {
			return err
		}
		if grown, err = l.change(r, doc); err != nil {
			return err
		}
		out, err = l.written(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	if s.Grown == nil {
		return out, nil
	}
	for _, comp := range grown {
		if err := s.Grown(ctx, c, comp.ID); err != nil {
			return nil, fmt.Errorf("the registry has the change, but the tables of %q do not follow: %w", comp.Title, err)
		}
	}
	return out, nil
}

// change gives a resource its new text. It returns the compositions of all
// schemas that are made of it.
func (l *library) change(r *resource, doc *jsondoc.Object) ([]*xdm.Composition, error) {
	affected, err := l.dependents(r)
	if err != nil {
		return nil, err
	}
	before := make(map[string]*xdm.Composition)
	wasClass := make(map[string]string)
	for _, a := range affected {
		if a.Type != Schemas || !a.locked() {
			continue
		}
		if before[a.ID], err = l.compose(a); err != nil {
			return nil, err
		}
		class, err := l.classOf(a)
		if err != nil {
			return nil, err
		}
		if class != nil {
			wasClass[a.ID] = class.ID
		}
	}
	was, wasUnion := r.Doc, r.union()
	r.Doc = doc
	r.Minor++
	if wasUnion && !r.union() {
		return nil, refuse(breakingChange, "%s is enabled for the union of its class, which can't be undone", r.ID)
	}
	var now []*xdm.Composition
	for _, a := range affected {
		old := was
		if a != r {
			old = a.Doc
		}
		if err := l.check(a, old); err != nil {
			return nil, affecting(r, a, err)
		}
		if a.Type != Schemas {
			continue
		}
		comp, err := l.grow(a, before[a.ID], wasClass[a.ID])
		if err != nil {
			return nil, affecting(r, a, err)
		}
		now = append(now, comp)
	}
	if r.union() && !wasUnion {
		if err := l.mayEnable(r); err != nil {
			return nil, err
		}
	}
	if err := l.save(r); err != nil {
		return nil, err
	}
	return now, l.log(r, jsondoc.Diff(was, doc))
}

// grow returns what a schema has become, if it may: one that data was stored
// of, or that takes part in a union, has all that it had. Its descriptors must
// still find their fields.
func (l *library) grow(r *resource, before *xdm.Composition, wasClass string) (*xdm.Composition, error) {
	comp, err := l.compose(r)
	if err != nil {
		return nil, err
	}
	if before != nil {
		why := "data was stored of it"
		if !r.Used {
			why = "it is enabled for the union of its class"
		}
		if n := narrowed(nil, before.Fields, comp.Fields); n != nil {
			return nil, refuse(breakingChange, "%s can only grow, because %s: %s", r.ID, why, n)
		}
		class, err := l.classOf(r)
		if err != nil {
			return nil, err
		}
		if class != nil && class.ID != wasClass {
			return nil, refuse(breakingChange, "%s can only grow, because %s: its class can't be changed", r.ID, why)
		}
	}
	return comp, l.checkDescriptors(r)
}

// affecting says which other resource a change would break.
func affecting(changed, affected *resource, err error) error {
	if changed == affected {
		return err
	}
	return fmt.Errorf("the %s %s (%q): %w", singular[affected.Type], affected.ID, affected.Doc.Text("title"), err)
}

// Delete removes a resource that nothing uses.
func (s *Service) Delete(ctx context.Context, c access.Caller, t Type, id string) error {
	var full string
	var used bool
	err := s.do(ctx, c, func(l *library) error {
		r, err := l.findOwn(t, id)
		if err == nil {
			full, used = r.ID, r.Used
		}
		return err
	})
	if err != nil {
		return err
	}
	if t == Schemas && s.Users != nil {
		// Asked outside of the transaction: whoever answers opens one.
		names, err := s.Users(ctx, c, full)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return refuse(inUse, "%s can't be deleted: it is used by %s", full, list(names))
		}
	} else if used {
		return refuse(inUse, "%s can't be deleted: data was stored of it", full)
	}
	return s.do(ctx, c, func(l *library) error {
		r, err := l.findOwn(t, id)
		if err != nil {
			return err
		}
		return l.remove(r)
	})
}

// list writes names, but not too many of them.
func list(names []string) string {
	const most = 5
	slices.Sort(names)
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func (l *library) remove(r *resource) error {
	if r.union() {
		return refuse(breakingChange, "%s can't be deleted: it is enabled for the union of its class", r.ID)
	}
	if err := l.removeDescriptors(r); err != nil {
		return err
	}
	from, err := l.referrers(r.ID)
	if err != nil {
		return err
	}
	if len(from) > 0 {
		return refuse(inUse, "%s can't be deleted: it is used by %s", r.ID, list(from))
	}
	if err := l.refer(r.ID, r.Refs, nil); err != nil {
		return err
	}
	if err := l.removeLog(r); err != nil {
		return err
	}
	return l.tx.Delete(l.at, kind(r.Type), r.doc.ID)
}
