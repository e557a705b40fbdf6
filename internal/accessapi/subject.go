package accessapi

import (
	"context"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

func (a accessControl) subjects(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := a.Subjects(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return subjectsOf(c, "items", all), nil
}

func subjectsOf(c *gateway.Call, member string, all []access.Subject) *gateway.Answer {
	list := []map[string]any{}
	for _, s := range all {
		list = append(list, map[string]any{"roleId": c.Var("id"), "subjectType": s.Type, "subjectId": s.ID})
	}
	self := map[string]any{"href": c.HTTP.URL.EscapedPath(), "templated": false}
	return gateway.OK(map[string]any{member: list, "_page": map[string]any{"limit": len(list), "count": len(list)}, "_links": map[string]any{"self": self}})
}

// patchSubjects takes operations whose path is the type of the subjects, /user
// or /api-integration, and whose value is an id, or a list of ids.
func (a accessControl) patchSubjects(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	ops, err := readOperations(c)
	if err != nil {
		return nil, err
	}
	var add, remove []access.Subject
	for i, op := range ops {
		kind, ok := map[string]string{"/user": access.UserSubject, "/api-integration": access.IntegrationSubject}[op.Path]
		if !ok {
			return nil, problem.Errorf(problem.Invalid, "operation %d: path: %q is neither /user nor /api-integration", i, op.Path)
		}
		ids, err := op.values()
		if err != nil || len(ids) == 0 {
			return nil, problem.Errorf(problem.Invalid, "operation %d: value: an id is expected", i)
		}
		for _, id := range ids {
			switch op.Op {
			case "add":
				add = append(add, access.Subject{Type: kind, ID: id})
			case "remove":
				remove = append(remove, access.Subject{Type: kind, ID: id})
			default:
				return nil, problem.Errorf(problem.Invalid, "operation %d: op: subjects are added and removed", i)
			}
		}
	}
	all, err := a.ChangeSubjects(ctx, c.Caller, c.Var("id"), add, remove)
	if err != nil {
		return nil, err
	}
	return subjectsOf(c, "subjects", all), nil
}
