package accessapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// Sandboxes returns the Sandbox Management service. It is about the
// organisation: its permissions are those in the default sandbox.
func Sandboxes(s *access.Service) *gateway.Service {
	m := management{s}
	view := access.AnyOf(access.ViewSandboxes, access.ManageSandboxes)
	manage := access.AnyOf(access.ManageSandboxes)
	reset := access.AnyOf(access.ManageSandboxes, access.ResetSandboxes)
	return &gateway.Service{
		Name: "sandbox-management", Base: "/data/foundation/sandbox-management", Shape: shape("SMS"),
		Routes: []gateway.Route{
			{Method: http.MethodGet, Path: "", Unscoped: true, Handle: m.available},
			{Method: http.MethodGet, Path: "/sandboxTypes", Unscoped: true, Need: view, Handle: m.types},
			{Method: http.MethodGet, Path: "/sandboxes", Unscoped: true, Need: view, Handle: m.all},
			{Method: http.MethodPost, Path: "/sandboxes", Unscoped: true, Need: manage, Handle: m.create},
			{Method: http.MethodGet, Path: "/sandboxes/{name}", Unscoped: true, Need: view, Handle: m.one},
			{Method: http.MethodPatch, Path: "/sandboxes/{name}", Unscoped: true, Need: manage, Handle: m.retitle},
			{Method: http.MethodPut, Path: "/sandboxes/{name}", Unscoped: true, Need: reset, Handle: m.reset},
			{Method: http.MethodDelete, Path: "/sandboxes/{name}", Unscoped: true, Need: manage, Handle: m.delete},
		},
	}
}

type management struct{ *access.Service }

// region is where the sandboxes are: on this machine.
const region = "LOCAL"

func sandboxDocument(sb access.Sandbox) map[string]any {
	return map[string]any{
		"id": sb.ID, "name": sb.Name, "title": sb.Title, "state": sb.State, "type": sb.Type, "region": region, "isDefault": sb.Default, "etag": sb.Revision,
		"createdDate": sb.Created.Format(time.DateTime), "createdBy": sb.CreatedBy,
		"lastModifiedDate": sb.Updated.Format(time.DateTime), "lastModifiedBy": sb.UpdatedBy, "modifiedBy": sb.UpdatedBy,
	}
}

// accepted answers what changes a sandbox: in short, and with the state that
// clients of the original wait for the end of.
func accepted(sb access.Sandbox, state string) *gateway.Answer {
	return &gateway.Answer{Status: http.StatusAccepted, Body: map[string]any{
		"id": sb.ID, "name": sb.Name, "title": sb.Title, "state": state, "type": sb.Type, "region": region,
	}}
}

func (m management) available(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := m.Available(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	return listed(c, all)
}

func (m management) all(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := m.Sandboxes(ctx, c.Org)
	if err != nil {
		return nil, err
	}
	return listed(c, all)
}

// orders are what a list of sandboxes may be ordered by.
var orders = map[string]func(a, b access.Sandbox) int{
	"name":             func(a, b access.Sandbox) int { return cmp.Compare(a.Name, b.Name) },
	"title":            func(a, b access.Sandbox) int { return cmp.Compare(a.Title, b.Title) },
	"type":             func(a, b access.Sandbox) int { return cmp.Compare(a.Type, b.Type) },
	"state":            func(a, b access.Sandbox) int { return cmp.Compare(a.State, b.State) },
	"created":          func(a, b access.Sandbox) int { return a.Created.Compare(b.Created) },
	"createdDate":      func(a, b access.Sandbox) int { return a.Created.Compare(b.Created) },
	"updated":          func(a, b access.Sandbox) int { return a.Updated.Compare(b.Updated) },
	"lastModifiedDate": func(a, b access.Sandbox) int { return a.Updated.Compare(b.Updated) },
}

// listed answers the part of a list that is asked for: limit, offset,
// orderBy=desc:created,name, property=state==active.
func listed(c *gateway.Call, all []access.Sandbox) (*gateway.Answer, error) {
	p, err := readPage(c, "start", "offset")
	if err != nil {
		return nil, err
	}
	if text := c.HTTP.URL.Query().Get("orderBy"); text != "" {
		if err := order(all, text); err != nil {
			return nil, err
		}
	}
	matched, err := matching(c, all, sandboxDocument)
	if err != nil {
		return nil, err
	}
	part, next := cut(p, matched)
	links := map[string]any{"page": map[string]any{"href": c.HTTP.URL.Path + "?limit={limit}&offset={offset}", "templated": true}}
	if next > 0 {
		links["next"] = map[string]any{"href": fmt.Sprintf("%s?limit=%d&offset=%d", c.HTTP.URL.Path, p.limit, next), "templated": false}
	}
	return gateway.OK(map[string]any{"sandboxes": part, "_page": map[string]any{"limit": p.limit, "count": len(part)}, "_links": links}), nil
}

func order(all []access.Sandbox, text string) error {
	descending := false
	var by []func(a, b access.Sandbox) int
	for field := range strings.SplitSeq(text, ",") {
		if direction, name, ok := strings.Cut(field, ":"); ok {
			if direction != "asc" && direction != "desc" {
				return problem.Errorf(problem.Invalid, "orderBy=%s: %q is neither asc nor desc", text, direction)
			}
			descending, field = direction == "desc", name
		}
		compare, ok := orders[field]
		if !ok {
			return problem.Errorf(problem.Invalid, "orderBy=%s: sandboxes can't be ordered by %q", text, field)
		}
		if descending {
			ascending := compare
			compare = func(a, b access.Sandbox) int { return ascending(b, a) }
		}
		by = append(by, compare)
	}
	slices.SortStableFunc(all, func(a, b access.Sandbox) int {
		for _, compare := range by {
			if n := compare(a, b); n != 0 {
				return n
			}
		}
		return 0
	})
	return nil
}

func (m management) types(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return gateway.OK(map[string]any{"sandboxTypes": access.SandboxTypes}), nil
}

func (m management) one(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	sb, err := m.named(ctx, c)
	if err != nil {
		return nil, err
	}
	return gateway.OK(sandboxDocument(sb)), nil
}

func (m management) named(ctx context.Context, c *gateway.Call) (access.Sandbox, error) {
	return m.Sandbox(ctx, c.Org, c.Var("name"), "")
}

func (m management) create(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var b struct {
		Name  string `json:"name"`
		Title string `json:"title"`
		Type  string `json:"type"`
	}
	if err := c.JSON(&b); err != nil {
		return nil, err
	}
	sb, err := m.CreateSandbox(ctx, c.Caller, b.Name, b.Title, b.Type)
	if err != nil {
		return nil, err
	}
	answer := accepted(sb, "creating")
	answer.Header = http.Header{"Location": {"/data/foundation/sandbox-management/sandboxes/" + sb.Name}}
	return answer, nil
}

func (m management) retitle(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var b struct {
		Title string `json:"title"`
	}
	if err := c.JSON(&b); err != nil {
		return nil, err
	}
	sb, err := m.RetitleSandbox(ctx, c.Caller, c.Var("name"), b.Title)
	if err != nil {
		return nil, err
	}
	return gateway.OK(sandboxDocument(sb)), nil
}

func (m management) reset(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var b struct {
		Action string `json:"action"`
	}
	if err := c.JSON(&b); err != nil {
		return nil, err
	}
	if b.Action != "reset" {
		return nil, problem.Errorf(problem.Invalid, "action: %q is not reset", b.Action)
	}
	if only, err := validationOnly(c); only || err != nil {
		return checked(err, func() (access.Sandbox, error) { return m.MayReset(ctx, c.Caller, c.Var("name")) })
	}
	sb, err := m.ResetSandbox(ctx, c.Caller, c.Var("name"))
	if err != nil {
		return nil, err
	}
	return accepted(sb, "resetting"), nil
}

func (m management) delete(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if only, err := validationOnly(c); only || err != nil {
		return checked(err, func() (access.Sandbox, error) { return m.MayDelete(ctx, c.Caller, c.Var("name")) })
	}
	sb, err := m.DeleteSandbox(ctx, c.Caller, c.Var("name"))
	if err != nil {
		return nil, err
	}
	return accepted(sb, "deleted"), nil
}

// validationOnly reads the parameter by which a client asks whether it could,
// and nothing more.
func validationOnly(c *gateway.Call) (bool, error) {
	switch text := c.HTTP.URL.Query().Get("validationOnly"); text {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, problem.Errorf(problem.Invalid, "validationOnly=%s is neither true nor false", text)
	}
}

func checked(err error, may func() (access.Sandbox, error)) (*gateway.Answer, error) {
	if err != nil {
		return nil, err
	}
	sb, err := may()
	if err != nil {
		return nil, err
	}
	return gateway.OK(sandboxDocument(sb)), nil
}
