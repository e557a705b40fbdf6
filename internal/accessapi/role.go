package accessapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

func roleDocument(org string) func(access.Role) map[string]any {
	return func(r access.Role) map[string]any {
		kind := "user-defined"
		if r.System {
			kind = "system-defined"
		}
		rooms := r.Sandboxes
		if rooms == nil {
			rooms = []string{}
		}
		permissions := r.Permissions
		if permissions == nil {
			permissions = []access.Permission{}
		}
		return map[string]any{
			"id": r.ID, "recordType": "role", "imsOrgID": org, "name": r.Name, "description": r.Description, "roleType": kind,
			"permissionSets": permissions, "sandboxes": rooms, "etag": strconv.Quote(strconv.FormatInt(r.Revision, 10)),
			"createdAt": r.Created.UnixMilli(), "createdBy": r.CreatedBy, "modifiedAt": r.Updated.UnixMilli(), "modifiedBy": r.UpdatedBy,
		}
	}
}

func (a accessControl) roles(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	p, err := readPage(c, "start")
	if err != nil {
		return nil, err
	}
	all, err := a.Roles(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	matched, err := matching(c, all, roleDocument(c.Org))
	if err != nil {
		return nil, err
	}
	items, next := cut(p, matched)
	about := map[string]any{"limit": p.limit, "start": p.start, "count": len(items)}
	links := map[string]any{"self": map[string]any{"href": "/roles", "templated": false}}
	if next > 0 {
		about["next"] = next
		links["next"] = map[string]any{"href": fmt.Sprintf("/roles?limit=%d&start=%d", p.limit, next), "templated": false}
	}
	return gateway.OK(map[string]any{"items": items, "_page": about, "_links": links}), nil
}

func (a accessControl) role(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	return a.answer(c)(a.Role(ctx, c.Caller, c.Var("id")))
}

func (a accessControl) answer(c *gateway.Call) func(access.Role, error) (*gateway.Answer, error) {
	return func(r access.Role, err error) (*gateway.Answer, error) {
		if err != nil {
			return nil, err
		}
		return gateway.OK(roleDocument(c.Org)(r)), nil
	}
}

// roleBody is a role as a client sends it.
type roleBody struct {
	Name        *string              `json:"name"`
	Description *string              `json:"description"`
	RoleType    *string              `json:"roleType"`
	Permissions *[]access.Permission `json:"permissionSets"`
	Sandboxes   *[]string            `json:"sandboxes"`
}

func readRole(c *gateway.Call) (roleBody, error) {
	var b roleBody
	if err := c.JSON(&b); err != nil {
		return b, err
	}
	if b.RoleType != nil && *b.RoleType != "user-defined" {
		return b, problem.Errorf(problem.Invalid, "roleType: %q is not user-defined: no other role can be made", *b.RoleType)
	}
	if b.Name == nil {
		return b, problem.Errorf(problem.Invalid, "name: it is missing")
	}
	return b, nil
}

// onto writes what the client sent over a role.
func (b roleBody) onto(r *access.Role) {
	r.Name = *b.Name
	if b.Description != nil {
		r.Description = *b.Description
	}
	if b.Permissions != nil {
		r.Permissions = *b.Permissions
	}
	if b.Sandboxes != nil {
		r.Sandboxes = *b.Sandboxes
	}
}

func (a accessControl) createRole(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	b, err := readRole(c)
	if err != nil {
		return nil, err
	}
	var r access.Role
	b.onto(&r)
	return a.answer(c)(a.CreateRole(ctx, c.Caller, r))
}

// putRole replaces name and description. Permissions and sandboxes, which the
// original's body doesn't have, stay unless the body has them.
func (a accessControl) putRole(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	b, err := readRole(c)
	if err != nil {
		return nil, err
	}
	return a.answer(c)(a.ChangeRole(ctx, c.Caller, c.Var("id"), func(r *access.Role) error {
		b.onto(r)
		return nil
	}))
}

func (a accessControl) deleteRole(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := a.DeleteRole(ctx, c.Caller, c.Var("id")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (a accessControl) patchRole(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	ops, err := readOperations(c)
	if err != nil {
		return nil, err
	}
	return a.answer(c)(a.ChangeRole(ctx, c.Caller, c.Var("id"), func(r *access.Role) error {
		for i, op := range ops {
			if err := op.onto(r); err != nil {
				return problem.Errorf(problem.Invalid, "operation %d: %v", i, err)
			}
		}
		return nil
	}))
}

// An operation is one change of a PATCH.
type operation struct {
	Op    string          `json:"op"` // add, replace, remove
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// readOperations reads a list of operations, one alone, or a list as the member
// operations of an object: the original's documents show all three.
func readOperations(c *gateway.Call) ([]operation, error) {
	text, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	var ops []operation
	if start := bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n"); bytes.HasPrefix(start, []byte("[")) {
		err = gateway.DecodeJSON(text, &ops)
	} else {
		var one struct {
			operation
			Operations []operation `json:"operations"`
		}
		if err = gateway.DecodeJSON(text, &one); one.Operations != nil {
			ops = one.Operations
		} else {
			ops = []operation{one.operation}
		}
	}
	if err != nil {
		return nil, err
	}
	for i := range ops {
		ops[i].Op = strings.ToLower(ops[i].Op)
		if !slices.Contains([]string{"add", "replace", "remove"}, ops[i].Op) {
			return nil, problem.Errorf(problem.Invalid, "operation %d: op: %q is none of add, replace, remove", i, ops[i].Op)
		}
	}
	if len(ops) == 0 {
		return nil, problem.Errorf(problem.Invalid, "the body has no operation")
	}
	return ops, nil
}

// onto does one operation to a role.
func (op operation) onto(r *access.Role) error {
	switch field := strings.TrimSuffix(op.Path, "/-"); field {
	case "/name":
		return op.text(&r.Name)
	case "/description":
		if op.Op == "remove" {
			r.Description = ""
			return nil
		}
		return op.text(&r.Description)
	case "/permissionSets":
		return each(op, &r.Permissions)
	case "/sandboxes":
		return each(op, &r.Sandboxes)
	}
	return fmt.Errorf("path: %q is none of /name, /description, /permissionSets, /sandboxes", op.Path)
}

func (op operation) text(to *string) error {
	if op.Op == "remove" {
		return fmt.Errorf("op: %s can't be removed", op.Path)
	}
	var text *string
	if json.Unmarshal(op.Value, &text) != nil || text == nil {
		return fmt.Errorf("value: a text is expected for %s", op.Path)
	}
	*to = *text
	return nil
}

// each adds the values to a list, puts them in its place, or takes them away; a
// remove without value takes all.
func each[T ~string](op operation, to *[]T) error {
	values, err := op.values()
	if err != nil {
		return err
	}
	switch op.Op {
	case "replace":
		*to = nil
	case "remove":
		*to = slices.DeleteFunc(*to, func(have T) bool { return values == nil || slices.Contains(values, string(have)) })
		return nil
	}
	for _, v := range values {
		if !slices.Contains(*to, T(v)) {
			*to = append(*to, T(v))
		}
	}
	return nil
}

// values returns the text or texts of an operation; nil where it has none.
func (op operation) values() ([]string, error) {
	var one *string
	var many []string
	switch {
	case len(op.Value) == 0 && op.Op == "remove":
		return nil, nil
	case json.Unmarshal(op.Value, &one) == nil && one != nil:
		return []string{*one}, nil
	case json.Unmarshal(op.Value, &many) == nil && many != nil:
		return many, nil
	}
	return nil, fmt.Errorf("value: a text, or a list of texts, is expected for %s", op.Path)
}
