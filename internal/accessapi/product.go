package accessapi

import (
	"context"
	"net/http"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// product is the only one that there is: its permissions are those of roles.
const product = "tributary"

func (a accessControl) products(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return gateway.OK(map[string]any{"products": []any{map[string]any{"id": product, "name": "Tributary", "serviceCode": product}}}), nil
}

func known(c *gateway.Call) error {
	if id := c.Var("id"); id != product {
		return problem.Errorf(problem.NotFound, "there is no product %q: the only one is %s", id, product)
	}
	return nil
}

// categories and permissionSets answer lists, as the published examples do; the
// description beside those says that they are objects.
func (a accessControl) categories(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := known(c); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	all := []any{}
	for _, s := range access.Sets() {
		if !seen[s.Category] {
			seen[s.Category] = true
			all = append(all, map[string]any{"name": s.Category})
		}
	}
	return gateway.OK(map[string]any{"categories": all}), nil
}

func (a accessControl) permissionSets(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := known(c); err != nil {
		return nil, err
	}
	all := []any{}
	for _, s := range access.Sets() {
		permissions := []any{}
		for _, p := range s.Actions {
			permissions = append(permissions, map[string]any{"resource": p.Resource, "actions": p.Actions})
		}
		all = append(all, map[string]any{"id": s.ID, "name": s.Name, "category": s.Category, "permissions": permissions})
	}
	return gateway.OK(map[string]any{"permission-sets": all}), nil
}

// abacPolicies lists none. The original's policies compare labels of roles with labels
// of objects, and there are no labels here.
func (a accessControl) abacPolicies(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
	p, err := readPage(c, "start")
	if err != nil {
		return nil, err
	}
	return gateway.OK(map[string]any{
		"items": []any{}, "_page": map[string]any{"limit": p.limit, "start": p.start, "count": 0},
		"_links": map[string]any{"self": map[string]any{"href": "/administration/policies", "templated": false}},
	}), nil
}

func (a accessControl) noPolicy(_ context.Context, c *gateway.Call) (*gateway.Answer, error) {
	id := c.Var("id")
	return nil, problem.Errorf(problem.NotFound, "there is no policy %q", id)
}

// createPolicy refuses: a rule that denies, and is not applied, would be worse
// than none.
func (a accessControl) createPolicy(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return nil, gateway.Fail(http.StatusBadRequest, "", "Bad request",
		"policies are not applied here, so none can be made: the permissions and sandboxes of roles alone say who may do what; change those at /administration/roles")
}
