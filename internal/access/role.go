package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Role gives its subjects permissions in sandboxes.
type Role struct {
	ID          string // UUID
	Name        string // unique within the organisation, whatever its case
	Description string
	System      bool // made with the organisation: only its subjects change
	Admin       bool // everything, everywhere in the organisation
	Permissions []Permission
	Sandboxes   []string // names
	Created     time.Time
	Updated     time.Time
	CreatedBy   string // user id
	UpdatedBy   string // user id
	Revision    int64
}

// storedRole is the body of a role's document.
type storedRole struct {
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	System      bool         `json:"system,omitempty"`
	Admin       bool         `json:"admin,omitempty"`
	Every       bool         `json:"every,omitempty"` // all permissions, those of later versions too
	Permissions []Permission `json:"permissions,omitempty"`
	Sandboxes   []string     `json:"sandboxes,omitempty"`
	CreatedBy   string       `json:"createdBy"`
	UpdatedBy   string       `json:"updatedBy"`
}

func (b storedRole) role(d docstore.Doc) Role {
	r := Role{
		ID: d.ID, Name: b.Name, Description: b.Description, System: b.System, Admin: b.Admin, Permissions: b.Permissions, Sandboxes: b.Sandboxes,
		Created: d.Created, Updated: d.Updated, CreatedBy: b.CreatedBy, UpdatedBy: b.UpdatedBy, Revision: d.Revision,
	}
	if b.Every || b.Admin {
		r.Permissions = slices.Clone(Permissions)
	}
	return r
}

// Administrators is the name of the role whose subjects may do everything.
const Administrators = "Administrators"

// firstRoles are what an organisation begins with.
func firstRoles() []storedRole {
	return []storedRole{
		{
			Name: Administrators, Description: "Everything in every sandbox, roles and integrations included.",
			System: true, Admin: true, CreatedBy: operator, UpdatedBy: operator,
		},
		{
			Name: "Default Production All Access", Description: "All permissions in the default sandbox.",
			System: true, Every: true, Sandboxes: []string{"prod"}, CreatedBy: operator, UpdatedBy: operator,
		},
		{
			Name: "Sandbox Administrators", Description: "Makes, resets and deletes sandboxes.",
			System: true, Permissions: []Permission{ViewSandboxes, ManageSandboxes, ResetSandboxes}, Sandboxes: []string{"prod"}, CreatedBy: operator, UpdatedBy: operator,
		},
	}
}

// Roles returns the roles of the caller's organisation, newest first.
func (s *Service) Roles(ctx context.Context, c Caller) ([]Role, error) {
	var roles []Role
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		roles = nil
		docs, err := t.List(docstore.Scope{Org: c.Org}, roleKind, docstore.Page{Newest: true})
		if err != nil {
			return err
		}
		for _, d := range docs {
			b, err := docstore.Decode[storedRole](d)
			if err != nil {
				return err
			}
			roles = append(roles, b.role(d))
		}
		return nil
	})
	return roles, err
}

// Role returns a role; problem.NotFound.
func (s *Service) Role(ctx context.Context, c Caller, id string) (Role, error) {
	var r Role
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := docstore.Body[storedRole](t, docstore.Scope{Org: c.Org}, roleKind, id)
		r = b.role(d)
		return found(err, "role", id)
	})
	return r, err
}

// CreateRole makes a role of the name, description, permissions and sandboxes
// of r.
func (s *Service) CreateRole(ctx context.Context, c Caller, r Role) (Role, error) {
	var made Role
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		made, err = putRole(t, c, docstore.Doc{Kind: roleKind, ID: newUUID()}, storedRole{CreatedBy: c.User}, r)
		return err
	})
	return made, err
}

// ChangeRole changes name, description, permissions and sandboxes of a role.
// Change may be called more than once.
func (s *Service) ChangeRole(ctx context.Context, c Caller, id string, change func(*Role) error) (Role, error) {
	var changed Role
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := docstore.Body[storedRole](t, docstore.Scope{Org: c.Org}, roleKind, id)
		if err != nil {
			return found(err, "role", id)
		}
		if b.System {
			return problem.Errorf(problem.Conflict, "the role %s belongs to the system: only its subjects can be changed", b.Name)
		}
		r := b.role(d)
		r.Permissions, r.Sandboxes = slices.Clone(r.Permissions), slices.Clone(r.Sandboxes)
		if err := change(&r); err != nil {
			return err
		}
		changed, err = putRole(t, c, d, b, r)
		return err
	})
	return changed, err
}

// putRole checks what r says and writes it into a document.
func putRole(t *docstore.Tx, c Caller, d docstore.Doc, b storedRole, r Role) (Role, error) {
	name := strings.TrimSpace(r.Name)
	if err := checkText("name", name, 256); err != nil {
		return Role{}, err
	}
	if len(r.Description) > 4096 {
		return Role{}, problem.Errorf(problem.Invalid, "description: it is longer than 4096 bytes")
	}
	slugs := make([]string, len(r.Permissions))
	for i, p := range r.Permissions {
		slugs[i] = string(p)
	}
	permissions, err := ParsePermissions(slugs)
	if err != nil {
		return Role{}, err
	}
	rooms, err := checkSandboxes(t, c.Org, r.Sandboxes)
	if err != nil {
		return Role{}, err
	}
	b.Name, b.Description, b.Permissions, b.Sandboxes, b.UpdatedBy = name, r.Description, permissions, rooms, c.User
	d.Keys = []string{nameKey(name)}
	d, err = t.Write(docstore.Scope{Org: c.Org}, d, b)
	if errors.Is(err, docstore.ErrTaken) {
		return Role{}, problem.Errorf(problem.Conflict, "there is a role with the name %q already", name)
	}
	return b.role(d), err
}

// checkSandboxes returns the names, each once; one that is not there is refused
// with the list of all.
func checkSandboxes(t *docstore.Tx, org string, names []string) ([]string, error) {
	all, err := sandboxes(t, org)
	if err != nil {
		return nil, err
	}
	var known, checked []string
	for _, sb := range all {
		known = append(known, sb.Name)
	}
	for _, name := range names {
		name = strings.TrimSpace(name)
		if !slices.Contains(known, name) {
			return nil, &problem.Error{Kind: problem.Invalid, Detail: "there is no sandbox " + quote(name), Advice: "The sandboxes are " + list(known)}
		}
		if !slices.Contains(checked, name) {
			checked = append(checked, name)
		}
	}
	return checked, nil
}

// DeleteRole removes a role; its subjects lose what it gave.
func (s *Service) DeleteRole(ctx context.Context, c Caller, id string) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, _, err := docstore.Body[storedRole](t, docstore.Scope{Org: c.Org}, roleKind, id)
		if err != nil {
			return found(err, "role", id)
		}
		if b.System {
			return problem.Errorf(problem.Conflict, "the role %s belongs to the system and can't be deleted", b.Name)
		}
		return t.Delete(docstore.Scope{Org: c.Org}, roleKind, id)
	})
}

// leaveRoles takes a sandbox that is gone out of all roles, so that they mean
// nothing to a later one of its name.
func leaveRoles(t *docstore.Tx, org, sandbox string) error {
	docs, err := t.List(docstore.Scope{Org: org}, roleKind, docstore.Page{})
	if err != nil {
		return err
	}
	for _, d := range docs {
		b, err := docstore.Decode[storedRole](d)
		if err != nil {
			return err
		}
		if !slices.Contains(b.Sandboxes, sandbox) {
			continue
		}
		b.Sandboxes = slices.DeleteFunc(b.Sandboxes, func(name string) bool { return name == sandbox })
		d.Keys = []string{nameKey(b.Name)}
		if err := t.Store(docstore.Scope{Org: org}, d, b); err != nil {
			return err
		}
	}
	return nil
}

// grant fills in what roles give. A role that is gone gives nothing.
func (p *Principal) grant(t *docstore.Tx, roles []string) error {
	held := map[string][]Permission{}
	for _, id := range roles {
		b, d, err := docstore.Body[storedRole](t, docstore.Scope{Org: p.Org}, roleKind, id)
		if errors.Is(err, docstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if b.Admin {
			p.Admin = true
		}
		for _, sandbox := range b.Sandboxes {
			held[sandbox] = append(held[sandbox], b.role(d).Permissions...)
		}
	}
	p.Grants = map[string][]Permission{}
	for sandbox, permissions := range held {
		slices.Sort(permissions)
		p.Grants[sandbox] = implied(slices.Compact(permissions))
	}
	return nil
}
