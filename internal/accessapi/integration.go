package accessapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

const membersBase = "/data/tributary/access"

// Members returns the service that keeps an organisation's integrations and
// tells of its users: in the original, a matter of its developer and admin
// consoles. Administrators call it, and it knows no sandbox.
//
//	GET    /integrations               {"items": [integration, …]}, oldest first
//	POST   /integrations               {"name", "permissions": ["view-sources", …], "sandboxes": ["prod", …]} → integration with clientSecret
//	GET    /integrations/{id}          integration
//	DELETE /integrations/{id}          204; its tokens are worth nothing from then on
//	POST   /integrations/{id}/secrets  {"secretId", "clientSecret", "createdAt"}: one more, so that one can take the place of another
//	DELETE /integrations/{id}/secrets/{secret}  204; tokens got by it are worth nothing from then on
//	GET    /users                      {"items": [{"userId", "roles": [{"id", "name"}, …]}, …]}: who was given a role by id
//
// An integration is {"clientId", "name", "technicalAccount", "administrator",
// "permissions", "sandboxes", "roles", "secrets": [{"secretId", "createdAt"}], "createdAt"};
// a client secret is told in the answer that makes it and never again.
func Members(s *access.Service) *gateway.Service {
	m, admin := members{s}, access.Administrator()
	return &gateway.Service{
		Name: "members", Base: membersBase, Shape: gateway.Observability("ACCESS-1000"),
		Routes: []gateway.Route{
			{Method: http.MethodGet, Path: "/integrations", Unscoped: true, Need: admin, Handle: m.all},
			{Method: http.MethodPost, Path: "/integrations", Unscoped: true, Need: admin, Handle: m.create},
			{Method: http.MethodGet, Path: "/integrations/{id}", Unscoped: true, Need: admin, Handle: m.one},
			{Method: http.MethodDelete, Path: "/integrations/{id}", Unscoped: true, Need: admin, Handle: m.remove},
			{Method: http.MethodPost, Path: "/integrations/{id}/secrets", Unscoped: true, Need: admin, Handle: m.addSecret},
			{Method: http.MethodDelete, Path: "/integrations/{id}/secrets/{secret}", Unscoped: true, Need: admin, Handle: m.removeSecret},
			{Method: http.MethodGet, Path: "/users", Unscoped: true, Need: admin, Handle: m.users},
		},
	}
}

type members struct{ *access.Service }

func integrationDocument(i access.Integration) map[string]any {
	secrets := []map[string]any{}
	for _, s := range i.Secrets {
		secrets = append(secrets, map[string]any{"secretId": s.ID, "createdAt": s.Created.UnixMilli()})
	}
	return map[string]any{
		"clientId": i.ClientID, "name": i.Name, "technicalAccount": i.Account, "administrator": i.Admin, "bootstrap": i.Bootstrap,
		"permissions": append([]access.Permission{}, i.Permissions...), "sandboxes": append([]string{}, i.Sandboxes...), "roles": append([]string{}, i.Roles...),
		"secrets": secrets, "createdAt": i.Created.UnixMilli(),
	}
}

func (m members) all(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := m.Integrations(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	items := []map[string]any{}
	for _, i := range all {
		items = append(items, integrationDocument(i))
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (m members) one(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := m.Integrations(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.ClientID == c.Var("id") {
			return gateway.OK(integrationDocument(i)), nil
		}
	}
	return nil, problem.Errorf(problem.NotFound, "there is no integration %q", c.Var("id"))
}

func (m members) create(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var body struct {
		Name        string   `json:"name"`
		Permissions []string `json:"permissions"`
		Sandboxes   []string `json:"sandboxes"`
	}
	if err := c.JSON(&body); err != nil {
		return nil, err
	}
	permissions, err := access.ParsePermissions(body.Permissions)
	if err != nil {
		return nil, err
	}
	i, secret, err := m.CreateIntegration(ctx, c.Caller, body.Name, permissions, body.Sandboxes)
	if err != nil {
		return nil, err
	}
	v := integrationDocument(i)
	v["clientSecret"] = secret
	return gateway.Created(membersBase+"/integrations/"+i.ClientID, v), nil
}

func (m members) remove(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := m.DeleteIntegration(ctx, c.Caller, c.Var("id")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (m members) addSecret(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	s, secret, err := m.AddSecret(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.Created(membersBase+"/integrations/"+c.Var("id"), map[string]any{"secretId": s.ID, "clientSecret": secret, "createdAt": s.Created.UnixMilli()}), nil
}

func (m members) removeSecret(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := m.RemoveSecret(ctx, c.Caller, c.Var("id"), c.Var("secret")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

// users are those to whom somebody gave a role. Whom the roles in the tokens of
// an external issuer make a user, nobody here knows before they come.
func (m members) users(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	roles, err := m.Roles(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	type role struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	type user struct {
		ID    string `json:"userId"`
		Roles []role `json:"roles"`
	}
	items := []*user{}
	for _, r := range roles {
		subjects, err := m.Subjects(ctx, c.Caller, r.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range subjects {
			if s.Type != access.UserSubject {
				continue
			}
			at := slices.IndexFunc(items, func(u *user) bool { return u.ID == s.ID })
			if at < 0 {
				at, items = len(items), append(items, &user{ID: s.ID})
			}
			items[at].Roles = append(items[at].Roles, role{r.ID, r.Name})
		}
	}
	slices.SortFunc(items, func(a, b *user) int { return strings.Compare(a.ID, b.ID) })
	return gateway.OK(map[string]any{"items": items}), nil
}
