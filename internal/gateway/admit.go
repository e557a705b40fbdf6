package gateway

import (
	"context"
	"net/http"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// admit checks a call in the order in which the original does: token, api
// key, organisation, sandbox, permission. Nothing of the path's ids or of the
// body has been looked at when it refuses.
func (g *Gateway) admit(s *Service, route *Route, r *http.Request) (*access.Caller, error) {
	ctx := r.Context()
	p, err := g.principal(ctx, r.Header)
	if err != nil {
		return nil, err
	}
	tenant, err := g.Doors.Tenant(ctx, p.Org)
	if err != nil {
		return nil, err
	}
	caller := &access.Caller{Principal: *p, Tenant: tenant}
	name, id := r.Header.Get("X-Sandbox-Name"), r.Header.Get("X-Sandbox-Id")
	if route.Unscoped {
		name, id = "", ""
	}
	if caller.Sandbox, err = g.sandbox(ctx, s, p, name, id); err != nil {
		return nil, err
	}
	if g.Check != nil {
		if err := g.Check(r, caller); err != nil {
			return nil, err
		}
	}
	if !route.Unscoped && !p.Enters(caller.Sandbox.Name) || !p.May(caller.Sandbox.Name, route.Need) {
		return nil, &Failure{
			Status: http.StatusForbidden, Code: s.Codes.Forbidden, Title: "Forbidden",
			Detail: "You do not have sufficient permissions to perform the operation. Please contact your administrator to resolve permissions and try again.",
		}
	}
	return caller, nil
}

func (g *Gateway) principal(ctx context.Context, h http.Header) (*access.Principal, error) {
	scheme, token, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	token = strings.TrimSpace(token)
	switch {
	case h.Get("Authorization") == "":
		return nil, gate(http.StatusForbidden, "403010", "Oauth token is missing.")
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return nil, gate(http.StatusUnauthorized, "401013", "Oauth token is not valid")
	}
	p, err := g.Doors.Principal(ctx, token)
	if problem.KindOf(err) == problem.Unauthenticated {
		return nil, gate(http.StatusUnauthorized, "401013", "Oauth token is not valid")
	}
	if err != nil {
		return nil, err
	}
	key := h.Get("X-Api-Key")
	if key == "" {
		return nil, gate(http.StatusForbidden, "403000", "Api Key is required")
	}
	if key != p.Client {
		return nil, gate(http.StatusForbidden, "403003", "Api Key is invalid")
	}
	switch org := h.Get("X-Gw-Ims-Org-Id"); org {
	case "":
		return nil, gate(http.StatusBadRequest, "400003", "Missing header")
	case p.Org:
		return p, nil
	default:
		return nil, gate(http.StatusForbidden, "403025", "Profile is not valid")
	}
}

func (g *Gateway) sandbox(ctx context.Context, s *Service, p *access.Principal, name, id string) (access.Sandbox, error) {
	sb, err := g.Doors.Sandbox(ctx, p.Org, name, id)
	if problem.KindOf(err) == problem.NotFound {
		asked := name
		if asked == "" {
			asked = id
		}
		return access.Sandbox{}, &Failure{
			Status: http.StatusNotFound, Code: s.Codes.NoSandbox, Title: "Sandbox not found",
			Detail: "The sandbox with the name '" + asked + "' could not be found. Please ensure that the sandbox name is correct and try again.",
		}
	}
	if err != nil {
		return access.Sandbox{}, err
	}
	if sb.State != "active" {
		return access.Sandbox{}, &Failure{Status: http.StatusForbidden, Title: "Forbidden", Detail: "The sandbox '" + sb.Name + "' is not active: it is " + sb.State + "."}
	}
	return sb, nil
}
