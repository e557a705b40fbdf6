package registry

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

// NamespacesHTTP returns the calls of the identity namespaces, which are a
// service of their own.
func (s *Service) NamespacesHTTP() *gateway.Service {
	read := access.AnyOf(access.ViewIdentityNamespaces, access.ManageIdentityNamespaces)
	write := access.AnyOf(access.ManageIdentityNamespaces)
	return &gateway.Service{
		Name: "idnamespace", Base: "/data/core/idnamespace", Shape: s.namespaceShape,
		Routes: []gateway.Route{
			{Method: http.MethodGet, Path: "/identities", Need: read, Handle: s.listNamespaces},
			{Method: http.MethodPost, Path: "/identities", Need: write, Handle: s.createNamespace},
			{Method: http.MethodGet, Path: "/identities/{id}", Need: read, Handle: s.lookupNamespace},
			{Method: http.MethodPut, Path: "/identities/{id}", Need: write, Handle: s.updateNamespace},
		},
	}
}

// codes of the service's errors by status.
var namespaceErrors = map[int]string{
	http.StatusBadRequest: "INVALID_REQUEST_PARAMS", http.StatusForbidden: "FORBIDDEN", http.StatusNotFound: "NAMESPACE_NOT_FOUND",
	http.StatusConflict: "INTEGRATION_CODE_EXISTS", http.StatusInternalServerError: "INTERNAL_SERVER_ERROR",
}

// namespaceShape words a failure as the Identity Service does.
func (s *Service) namespaceShape(f *gateway.Failure, requestID string) any {
	code := namespaceErrors[f.Status]
	if code == "" {
		code = "HTTP_" + strconv.Itoa(f.Status)
	}
	return map[string]any{
		"timestamp": s.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "type": "http://ns.adobe.com/adobecloud/problem/namespacevalidation",
		"status": f.Status, "error": code, "title": "Namespace Validation", "description": f.Detail,
		"report": map[string]any{"message": f.Detail, "code": code, "requestId": requestID},
	}
}

func (s *Service) listNamespaces(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Namespaces(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	return gateway.OK(all), nil
}

func (s *Service) lookupNamespace(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	n, err := s.Namespace(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(n), nil
}

// given is what clients say of a namespace.
type given struct {
	Name        string `json:"name"`
	Code        string `json:"code"`
	IDType      string `json:"idType"`
	Description string `json:"description"`
}

func (g given) namespace() Namespace {
	return Namespace{Name: g.Name, Code: g.Code, IDType: g.IDType, Description: g.Description}
}

func (s *Service) createNamespace(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var g given
	if err := c.JSON(&g); err != nil {
		return nil, err
	}
	n, err := s.CreateNamespace(ctx, c.Caller, g.namespace())
	if err != nil {
		return nil, err
	}
	return gateway.OK(n), nil
}

// updateNamespace answers an array of one, as the published description has it.
func (s *Service) updateNamespace(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var g given
	if err := c.JSON(&g); err != nil {
		return nil, err
	}
	n, err := s.UpdateNamespace(ctx, c.Caller, c.Var("id"), g.namespace())
	if err != nil {
		return nil, err
	}
	return gateway.OK([]Namespace{n}), nil
}
