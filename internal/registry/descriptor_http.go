package registry

import (
	"context"
	"encoding/json"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// Descriptors returns the descriptors of the sandbox by pages: whole (xdm), as
// ids (xdm-id) or as paths (xdm-link).
func (s *Service) Descriptors(ctx context.Context, c access.Caller, format string, q Query) (Page, error) {
	var page Page
	err := s.do(ctx, c, func(l *library) error {
		rows, _, err := l.descriptorRows()
		if err != nil {
			return err
		}
		for i, r := range rows {
			rows[i].show = func() any { return shown(format, r.doc) }
		}
		page, err = q.page(rows)
		return err
	})
	return page, err
}

// DescriptorsByType returns the descriptors that the filters of a query let
// through, in a format as Descriptors has it, by their @type.
func (s *Service) DescriptorsByType(ctx context.Context, c access.Caller, format string, q Query) (map[string][]any, error) {
	var out map[string][]any
	err := s.do(ctx, c, func(l *library) error {
		out = make(map[string][]any)
		rows, types, err := l.descriptorRows()
		if err != nil {
			return err
		}
		for i, r := range rows {
			if q.lets(r.doc) {
				out[types[i]] = append(out[types[i]], shown(format, r.doc))
			}
		}
		return nil
	})
	return out, err
}

func (l *library) descriptorRows() (rows []row, types []string, err error) {
	all, err := l.descriptors("")
	if err != nil {
		return nil, nil, err
	}
	for _, d := range all {
		doc := d.visible(l)
		rows = append(rows, row{doc: doc})
		types = append(types, d.typ())
	}
	return rows, types, nil
}

func shown(format string, doc *jsondoc.Object) any {
	switch format {
	case "xdm-id":
		return doc.Get("@id")
	case "xdm-link":
		return "/tenant/descriptors/" + doc.Text("@id")
	}
	return doc
}

func (s *Service) globalDescriptors(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
	format, paged, err := descriptorFormat(c.HTTP.Header.Get("Accept"))
	if err != nil {
		return nil, err
	}
	if paged { // there are none
		page := Page{Results: []json.RawMessage{}, OrderBy: "updated"}
		return typed(envelope(page, map[string]any{"next": nil}), contentType(format, false)), nil
	}
	return typed(struct{}{}, contentType(format, false)), nil
}

func (s *Service) listDescriptors(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	format, paged, err := descriptorFormat(c.HTTP.Header.Get("Accept"))
	if err != nil {
		return nil, err
	}
	query := c.HTTP.URL.Query()
	q, err := ParseQuery(query)
	if err != nil {
		return nil, err
	}
	if !paged {
		out, err := s.DescriptorsByType(ctx, c.Caller, format, q)
		if err != nil {
			return nil, err
		}
		return typed(out, contentType(format, false)), nil
	}
	page, err := s.Descriptors(ctx, c.Caller, format, q)
	if err != nil {
		return nil, err
	}
	links := map[string]any{"next": nextLink("/tenant/descriptors", query, page)}
	return typed(envelope(page, links), contentType(format, false)), nil
}

func (s *Service) createDescriptor(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	doc, err := s.CreateDescriptor(ctx, c.Caller, body)
	if err != nil {
		return nil, err
	}
	return gateway.Created(base+"/tenant/descriptors/"+member(doc, "@id"), doc), nil
}

func (s *Service) lookupDescriptor(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := acceptDescriptor(c.HTTP.Header.Get("Accept")); err != nil {
		return nil, err
	}
	doc, err := s.Descriptor(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(doc), nil
}

func (s *Service) replaceDescriptor(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	if err := s.ReplaceDescriptor(ctx, c.Caller, c.Var("id"), body); err != nil {
		return nil, err
	}
	return gateway.OK(map[string]string{"@id": c.Var("id")}), nil
}

func (s *Service) deleteDescriptor(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := s.DeleteDescriptor(ctx, c.Caller, c.Var("id")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}
