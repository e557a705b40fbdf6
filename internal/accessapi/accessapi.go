// Package accessapi is the HTTP edge of access control: the Access Control and
// Sandbox Management services, and the token endpoint.
package accessapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// shape words failures; code is the prefix of the service's numbers.
func shape(code string) gateway.Shape {
	return func(f *gateway.Failure, requestID string) any {
		number := f.Code
		if number == "" {
			number = fmt.Sprintf("%s-%04d-%d", code, f.Status, f.Status)
		}
		report := map[string]any{"request-id": requestID}
		maps.Copy(report, f.Report)
		return map[string]any{
			"type": "http://ns.adobe.com/aep/errors/" + number, "status": f.Status, "title": f.Title, "detail": f.Detail, "report": report,
		}
	}
}

// AccessControl returns the Access Control service.
func AccessControl(s *access.Service) *gateway.Service {
	a := accessControl{s}
	admin := access.Administrator()
	return &gateway.Service{
		Name: "access-control", Base: "/data/foundation/access-control", Shape: shape("ACCS"),
		Routes: []gateway.Route{
			{Method: http.MethodGet, Path: "/acl/reference", Unscoped: true, Handle: a.reference},
			{Method: http.MethodPost, Path: "/acl/effective-policies", Handle: a.policies},
			{Method: http.MethodGet, Path: "/administration/roles", Unscoped: true, Need: admin, Handle: a.roles},
			{Method: http.MethodPost, Path: "/administration/roles", Unscoped: true, Need: admin, Handle: a.createRole},
			{Method: http.MethodGet, Path: "/administration/roles/{id}", Unscoped: true, Need: admin, Handle: a.role},
			{Method: http.MethodPut, Path: "/administration/roles/{id}", Unscoped: true, Need: admin, Handle: a.putRole},
			{Method: http.MethodPatch, Path: "/administration/roles/{id}", Unscoped: true, Need: admin, Handle: a.patchRole},
			{Method: http.MethodDelete, Path: "/administration/roles/{id}", Unscoped: true, Need: admin, Handle: a.deleteRole},
			{Method: http.MethodGet, Path: "/administration/roles/{id}/subjects", Unscoped: true, Need: admin, Handle: a.subjects},
			{Method: http.MethodPatch, Path: "/administration/roles/{id}/subjects", Unscoped: true, Need: admin, Handle: a.patchSubjects},
			{Method: http.MethodGet, Path: "/administration/policies", Unscoped: true, Need: admin, Handle: a.abacPolicies},
			{Method: http.MethodPost, Path: "/administration/policies", Unscoped: true, Need: admin, Handle: a.createPolicy},
			{Method: http.MethodGet, Path: "/administration/policies/{id}", Unscoped: true, Need: admin, Handle: a.noPolicy},
			{Method: http.MethodPut, Path: "/administration/policies/{id}", Unscoped: true, Need: admin, Handle: a.noPolicy},
			{Method: http.MethodPatch, Path: "/administration/policies/{id}", Unscoped: true, Need: admin, Handle: a.noPolicy},
			{Method: http.MethodDelete, Path: "/administration/policies/{id}", Unscoped: true, Need: admin, Handle: a.noPolicy},
			{Method: http.MethodGet, Path: "/administration/products", Unscoped: true, Need: admin, Handle: a.products},
			{Method: http.MethodGet, Path: "/administration/products/{id}/categories", Unscoped: true, Need: admin, Handle: a.categories},
			{Method: http.MethodGet, Path: "/administration/products/{id}/permission-sets", Unscoped: true, Need: admin, Handle: a.permissionSets},
		},
	}
}

type accessControl struct{ *access.Service }

func (a accessControl) reference(context.Context, *gateway.Call) (*gateway.Answer, error) {
	permissions, resources := access.Reference()
	return gateway.OK(map[string]any{"permissions": permissions, "resource-types": resources}), nil
}

// mostPaths is how many policies may be asked for at once.
const mostPaths = 1000

func (a accessControl) policies(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var paths []string
	if err := c.JSON(&paths); err != nil {
		return nil, err
	}
	if len(paths) > mostPaths {
		return nil, problem.Errorf(problem.Invalid, "%d policies are asked for; %d is the most", len(paths), mostPaths)
	}
	policies, err := c.Policies(c.Sandbox.Name, paths)
	if err != nil {
		return nil, err
	}
	return gateway.OK(map[string]any{"policies": policies}), nil
}

// A page is the part of a list that a call asks for.
type page struct{ start, limit int }

// readPage reads limit and the number of objects to leave out, which stands in
// one of the parameters.
func readPage(c *gateway.Call, start ...string) (page, error) {
	p := page{0, 20}
	q := c.HTTP.URL.Query()
	for _, name := range start {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return p, problem.Errorf(problem.Invalid, "%s=%s is not a number of 0 or more", name, text)
			}
			p.start = n
		}
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return p, problem.Errorf(problem.Invalid, "limit=%s is not a number from 1 to 100", text)
		}
		p.limit = n
	}
	return p, nil
}

// cut returns the page's part of a list, and where the next page begins; 0 if
// there is none.
func cut[T any](p page, all []T) (part []T, next int) {
	begin := min(p.start, len(all))
	end := min(begin+p.limit, len(all))
	if end < len(all) {
		next = end
	}
	return all[begin:end], next
}

// matching leaves of a list what the property parameters of a call want.
func matching[T any](c *gateway.Call, all []T, document func(T) map[string]any) ([]map[string]any, error) {
	var wanted []gateway.Property
	for _, text := range c.HTTP.URL.Query()["property"] {
		p, err := gateway.ParseProperty(text)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, p)
	}
	left := []map[string]any{}
next:
	for _, one := range all {
		doc := document(one)
		for _, p := range wanted {
			if !p.Match(doc) {
				continue next
			}
		}
		left = append(left, doc)
	}
	return left, nil
}
