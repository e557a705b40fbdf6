package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

const base = "/data/foundation/schemaregistry"

type handler func(context.Context, *gateway.Call) (*gateway.Answer, error)

// collections are the types of resources by the names of their paths. Field
// groups have an old name, too.
var collections = []struct {
	path string
	t    Type
}{
	{"schemas", Schemas}, {"classes", Classes}, {"fieldgroups", FieldGroups}, {"mixins", FieldGroups}, {"datatypes", DataTypes},
}

// HTTP returns the service's calls.
func (s *Service) HTTP() *gateway.Service {
	read := access.AnyOf(access.ViewSchemas, access.ManageSchemas, access.ViewDatasets, access.ManageDatasets)
	write := access.AnyOf(access.ManageSchemas)
	describe := access.AnyOf(access.ManageSchemas, access.ManageIdentityMetadata, access.ManageRelationships)
	var routes []gateway.Route
	add := func(method, path string, need access.Need, h handler) {
		routes = append(routes, gateway.Route{Method: method, Path: path, Need: need, Handle: refusing(h)})
	}
	for _, col := range collections {
		for _, in := range []Container{Global, Tenant} {
			path := "/" + string(in) + "/" + col.path
			add(http.MethodGet, path, read, s.list(in, col.t, col.path))
			add(http.MethodGet, path+"/{id}", read, s.lookup(in, col.t))
		}
		path := "/tenant/" + col.path
		add(http.MethodPost, path, write, s.create(col.t, path))
		add(http.MethodPut, path+"/{id}", write, s.write(col.t, s.Replace))
		add(http.MethodPatch, path+"/{id}", write, s.write(col.t, s.Patch))
		add(http.MethodDelete, path+"/{id}", write, s.delete(col.t))
	}
	add(http.MethodGet, "/global/behaviors", read, s.list(Global, Behaviors, "behaviors"))
	add(http.MethodGet, "/global/behaviors/{id}", read, s.lookup(Global, Behaviors))
	add(http.MethodGet, "/tenant/unions", read, s.list(Tenant, Unions, "unions"))
	add(http.MethodGet, "/tenant/unions/{id}", read, s.lookup(Tenant, Unions))
	add(http.MethodGet, "/stats", read, s.stats)
	add(http.MethodGet, "/global/descriptors", read, s.globalDescriptors)
	add(http.MethodGet, "/tenant/descriptors", read, s.listDescriptors)
	add(http.MethodPost, "/tenant/descriptors", describe, s.createDescriptor)
	add(http.MethodGet, "/tenant/descriptors/{id}", read, s.lookupDescriptor)
	add(http.MethodPut, "/tenant/descriptors/{id}", describe, s.replaceDescriptor)
	add(http.MethodDelete, "/tenant/descriptors/{id}", describe, s.deleteDescriptor)
	add(http.MethodGet, "/rpc/sampledata/{id}", read, s.sampleData)
	add(http.MethodGet, "/rpc/export/{id}", read, s.export)
	add(http.MethodPost, "/rpc/import", write, s.doImport)
	add(http.MethodGet, "/rpc/auditlog/{id}", read, s.auditLog)
	return &gateway.Service{
		Name: "schemaregistry", Base: base, Shape: s.shape, Routes: routes,
		Codes: gateway.Codes{Forbidden: forbidden.String(), NoSandbox: "XDM-1404-404"},
	}
}

// refusing gives refusals the form in which the gateway tells them.
func refusing(h handler) handler {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		a, err := h(ctx, c)
		if err != nil {
			return nil, failure(err)
		}
		return a, nil
	}
}

func (s *Service) list(in Container, t Type, path string) handler {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		format, err := s.listFormat(c.HTTP.Header.Get("Accept"))
		if err != nil {
			return nil, err
		}
		query := c.HTTP.URL.Query()
		q, err := ParseQuery(query)
		if err != nil {
			return nil, err
		}
		page, err := s.List(ctx, c.Caller, in, t, format, q)
		if err != nil {
			return nil, err
		}
		links := map[string]any{"next": nextLink("/"+string(in)+"/"+path, query, page)}
		if in == Tenant {
			links["global_"+path] = link(base + "/global/" + path)
		}
		return typed(envelope(page, links), contentType(format, false)), nil
	}
}

func link(href string) map[string]string { return map[string]string{"href": href} }

// nextLink returns the link to the page behind one, nil for the last.
func nextLink(path string, query url.Values, page Page) any {
	if page.Next == "" {
		return nil
	}
	query.Set("orderby", page.OrderBy)
	query.Set("start", page.Next)
	return link(base + path + "?" + query.Encode())
}

func envelope(page Page, links any) map[string]any {
	var next any
	if page.Next != "" {
		next = page.Next
	}
	return map[string]any{
		"results": page.Results, "_links": links,
		"_page": map[string]any{"orderby": page.OrderBy, "next": next, "count": len(page.Results)},
	}
}

// typed answers 200 in a media type.
func typed(body any, mediaType string) *gateway.Answer {
	return &gateway.Answer{Header: http.Header{"Content-Type": {mediaType}}, Body: body}
}

func (s *Service) lookup(in Container, t Type) handler {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		format, err := s.lookupFormat(c.HTTP.Header.Get("Accept"))
		if err != nil {
			return nil, err
		}
		doc, err := s.Lookup(ctx, c.Caller, in, t, c.Var("id"), format)
		if err != nil {
			return nil, err
		}
		return typed(doc, contentType(format, true)), nil
	}
}

func (s *Service) create(t Type, path string) handler {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		body, err := c.Bytes()
		if err != nil {
			return nil, err
		}
		doc, err := s.Create(ctx, c.Caller, t, body)
		if err != nil {
			return nil, err
		}
		return gateway.Created(base+path+"/"+member(doc, "meta:altId"), doc), nil
	}
}

// member returns a member of JSON text that is a string.
func member(doc json.RawMessage, name string) string {
	o := &jsondoc.Object{}
	if err := o.UnmarshalJSON(doc); err != nil {
		return ""
	}
	return o.Text(name)
}

type writer func(ctx context.Context, c access.Caller, t Type, id string, body []byte) (json.RawMessage, error)

func (s *Service) write(t Type, fn writer) handler {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		body, err := c.Bytes()
		if err != nil {
			return nil, err
		}
		doc, err := fn(ctx, c.Caller, t, c.Var("id"), body)
		if err != nil {
			return nil, err
		}
		return gateway.OK(doc), nil
	}
}

func (s *Service) delete(t Type) handler {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		if err := s.Delete(ctx, c.Caller, t, c.Var("id")); err != nil {
			return nil, err
		}
		return gateway.NoContent(), nil
	}
}

func (s *Service) stats(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	out, err := s.Stats(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	return gateway.OK(out), nil
}

func (s *Service) sampleData(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	format, err := s.lookupFormat(c.HTTP.Header.Get("Accept"))
	if err != nil {
		return nil, err
	}
	doc, err := s.Sample(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return typed(doc, contentType(format, true)), nil
}

func (s *Service) export(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	format, err := s.lookupFormat(c.HTTP.Header.Get("Accept"))
	if err != nil {
		return nil, err
	}
	docs, err := s.Export(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return typed(docs, contentType(format, true)), nil
}

func (s *Service) doImport(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	docs, err := s.Import(ctx, c.Caller, body)
	if err != nil {
		return nil, err
	}
	return gateway.OK(docs), nil
}

func (s *Service) auditLog(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	changes, err := s.AuditLog(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(changes), nil
}
