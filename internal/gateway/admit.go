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
// body has been looked at when it refuses. Caller gets what is known of it, step
// by step.
func (g *Gateway) admit(s *Service, route *Route, r *http.Request, caller *access.Caller) error {
	ctx := r.Context()
	for _, name := range []string{"Authorization", "X-Api-Key", "X-Gw-Ims-Org-Id", "X-Sandbox-Name", "X-Sandbox-Id"} {
		// Which of them counts, a proxy before us may see otherwise.
		if len(r.Header.Values(name)) > 1 {
			return gate(http.StatusBadRequest, "400001", "The header "+name+" is there more than once")
		}
	}
	if err := g.principal(ctx, r.Header, caller); err != nil {
		return err
	}
	p := &caller.Principal
	var err error
	if caller.Tenant, err = g.Doors.Tenant(ctx, p.Org); err != nil {
		return err
	}
	name, id := r.Header.Get("X-Sandbox-Name"), r.Header.Get("X-Sandbox-Id")
	if route.Unscoped {
		name, id = "", ""
	}
	if caller.Sandbox, err = g.sandbox(ctx, s, p, name, id); err != nil {
		return err
	}
	if g.Check != nil {
		if err := g.Check(r, caller); err != nil {
			return err
		}
	}
	return g.permit(s, route, caller)
}

// permit refuses a caller who may not what the route is for.
func (g *Gateway) permit(s *Service, route *Route, c *access.Caller) error {
	if !route.Unscoped && !c.Enters(c.Sandbox.Name) || !c.May(c.Sandbox.Name, route.Need) {
		return &Failure{
			Status: http.StatusForbidden, Code: s.Codes.Forbidden, Title: "Forbidden",
			Detail: "You do not have sufficient permissions to perform the operation. Please contact your administrator to resolve permissions and try again.",
		}
	}
	return nil
}

// principal checks the token and what must go with it. The caller has its
// principal as soon as the token is good.
func (g *Gateway) principal(ctx context.Context, h http.Header, caller *access.Caller) error {
	scheme, token, _ := strings.Cut(strings.TrimSpace(h.Get("Authorization")), " ")
	token = strings.TrimSpace(token)
	switch {
	case h.Get("Authorization") == "":
		return gate(http.StatusForbidden, "403010", "Oauth token is missing.")
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return gate(http.StatusUnauthorized, "401013", "Oauth token is not valid")
	}
	p, err := g.Doors.Principal(ctx, token)
	if problem.KindOf(err) == problem.Unauthenticated {
		return gate(http.StatusUnauthorized, "401013", "Oauth token is not valid")
	}
	if err != nil {
		return err
	}
	caller.Principal = *p
	key := h.Get("X-Api-Key")
	if key == "" {
		return gate(http.StatusForbidden, "403000", "Api Key is required")
	}
	if key != p.Client {
		return gate(http.StatusForbidden, "403003", "Api Key is invalid")
	}
	switch org := h.Get("X-Gw-Ims-Org-Id"); org {
	case "":
		return gate(http.StatusBadRequest, "400003", "Missing header")
	case p.Org:
		return nil
	default:
		return gate(http.StatusForbidden, "403025", "Profile is not valid")
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
