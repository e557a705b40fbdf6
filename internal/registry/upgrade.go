package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Upgrade brings the field groups that the caller's sandbox was seeded with up
// to this release: what they lack of its fields and known values is added, as
// one more version, and the tables follow. Nothing is ever taken away. A group
// that somebody has changed or deleted since is left alone. The error says what
// could not be added; the rest was.
func (s *Service) Upgrade(ctx context.Context, c access.Caller) (titles []string, err error) {
	c.User, c.Client = seededBy, seededBy
	var errs []error
	for _, name := range xdm.Resources {
		title, err := s.upgrade(ctx, c, name)
		if title != "" {
			titles = append(titles, title)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the fields of %s: %w", name, err))
		}
	}
	return titles, errors.Join(errs...)
}

// upgrade returns the title of the group of a Stripe resource, if it has
// changed it.
func (s *Service) upgrade(ctx context.Context, c access.Caller, name string) (title string, err error) {
	text, err := xdm.FieldGroup(name, c.Tenant)
	if err != nil {
		return "", err
	}
	body, err := decode(text)
	if err != nil {
		return "", err
	}
	var grown []*xdm.Composition
	err = s.do(ctx, c, func(l *library) error {
		title, grown = "", nil
		group, err := l.get(namespace + c.Tenant + "/" + string(FieldGroups) + "/" + seededID(c.Tenant, FieldGroups, name))
		if isNotFound(err) {
			return nil
		}
		if err != nil || group.Template != name || group.User != seededBy {
			return err
		}
		release, err := l.complete(FieldGroups, unmarked(body))
		if err != nil {
			return err
		}
		doc := jsondoc.Clone(group.Doc).(*jsondoc.Object)
		lacks(doc.Object("definitions"), release.Object("definitions"))
		if jsondoc.Equal(doc, group.Doc) {
			return nil
		}
		title = doc.Text("title")
		grown, err = l.change(group, doc)
		return err
	})
	if err != nil {
		return "", err
	}
	if s.Grown == nil {
		return title, nil
	}
	for _, comp := range grown {
		if err := s.Grown(ctx, c, comp.ID); err != nil {
			return title, fmt.Errorf("the registry has them, but the tables of %q do not follow: %w", comp.Title, err)
		}
	}
	return title, nil
}

// lacks adds to a node what it lacks of the fields and known values of
// another, behind those that it has.
func lacks(to, from *jsondoc.Object) {
	if to == nil || from == nil {
		return
	}
	for name, v := range from.All() {
		child, ok := v.(*jsondoc.Object)
		switch {
		case !ok:
		case !to.Has(name):
			if name == "meta:enum" {
				to.Set(name, jsondoc.Clone(child))
			}
		case name == "properties" || name == "meta:enum":
			addTo(to.Object(name), child)
		default: // items, additionalProperties, customFields
			lacks(to.Object(name), child)
		}
	}
}

// addTo adds the members that are lacking, and looks into those that are there.
func addTo(to, from *jsondoc.Object) {
	if to == nil {
		return
	}
	for name, v := range from.All() {
		if !to.Has(name) {
			to.Set(name, jsondoc.Clone(v))
			continue
		}
		if child, ok := v.(*jsondoc.Object); ok {
			lacks(to.Object(name), child)
		}
	}
}
