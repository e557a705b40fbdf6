package access

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Types of subjects.
const (
	UserSubject        = "user"
	IntegrationSubject = "api-integration"
)

// A Subject is who has a role.
type Subject struct {
	Type string // UserSubject or IntegrationSubject
	ID   string // user id or client id
}

// storedUser is the body of a user's document. A user of the external issuer
// who has no role of ours has none.
type storedUser struct {
	Roles []string `json:"roles,omitempty"` // ids
}

// Subjects returns who has a role: integrations, then users.
func (s *Service) Subjects(ctx context.Context, c Caller, role string) ([]Subject, error) {
	var all []Subject
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		if _, err := t.Get(docstore.Scope{Org: c.Org}, roleKind, role); err != nil {
			return found(err, "role", role)
		}
		all, err = subjects(t, c.Org, role)
		return err
	})
	return all, err
}

func subjects(t *docstore.Tx, org, role string) ([]Subject, error) {
	var all []Subject
	docs, err := t.List(installation, integrationKind, docstore.Page{Parent: org})
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		b, err := docstore.Decode[storedIntegration](d)
		if err != nil {
			return nil, err
		}
		if slices.Contains(b.Roles, role) {
			all = append(all, Subject{IntegrationSubject, d.ID})
		}
	}
	if docs, err = t.List(docstore.Scope{Org: org}, userKind, docstore.Page{}); err != nil {
		return nil, err
	}
	for _, d := range docs {
		b, err := docstore.Decode[storedUser](d)
		if err != nil {
			return nil, err
		}
		if slices.Contains(b.Roles, role) {
			all = append(all, Subject{UserSubject, d.ID})
		}
	}
	return all, nil
}

// ChangeSubjects gives a role to some and takes it from others, and returns
// who has it then. A technical account stands for its integration. The last
// administrator stays one.
func (s *Service) ChangeSubjects(ctx context.Context, c Caller, role string, add, remove []Subject) ([]Subject, error) {
	var all []Subject
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, _, err := docstore.Body[storedRole](t, docstore.Scope{Org: c.Org}, roleKind, role)
		if err != nil {
			return found(err, "role", role)
		}
		for _, sub := range add {
			err := changeRoles(t, c.Org, sub, func(roles []string) []string {
				if slices.Contains(roles, role) {
					return roles
				}
				return append(roles, role)
			})
			if err != nil {
				return err
			}
		}
		for _, sub := range remove {
			err := changeRoles(t, c.Org, sub, func(roles []string) []string {
				return slices.DeleteFunc(roles, func(id string) bool { return id == role })
			})
			if err != nil {
				return err
			}
		}
		if all, err = subjects(t, c.Org, role); err != nil {
			return err
		}
		if b.Admin && len(all) == 0 {
			return errLastAdmin
		}
		return nil
	})
	return all, err
}

var errLastAdmin = problem.Errorf(problem.Conflict, "there would be no administrator any more: the role %s needs a subject", Administrators)

// changeRoles changes the roles of a subject.
func changeRoles(t *docstore.Tx, org string, sub Subject, change func([]string) []string) error {
	if err := checkText("subject id", sub.ID, 512); err != nil {
		return err
	}
	switch {
	case sub.Type == UserSubject && !strings.HasSuffix(sub.ID, technical):
		return changeUser(t, org, sub.ID, change)
	case sub.Type != UserSubject && sub.Type != IntegrationSubject:
		return problem.Errorf(problem.Invalid, "there is no type of subjects %s: it is %s or %s", quote(sub.Type), UserSubject, IntegrationSubject)
	}
	b, d, err := docstore.Body[storedIntegration](t, installation, integrationKind, sub.ID)
	if errors.Is(err, docstore.ErrNotFound) {
		b, d, err = docstore.BodyByKey[storedIntegration](t, installation, integrationKind, sub.ID)
	}
	if err == nil && d.Parent != org {
		err = docstore.ErrNotFound
	}
	if err != nil {
		return found(err, "integration", sub.ID)
	}
	b.Roles = change(b.Roles)
	d.Keys = []string{b.Account}
	return t.Store(installation, d, b)
}

func changeUser(t *docstore.Tx, org, id string, change func([]string) []string) error {
	b, d, err := docstore.Body[storedUser](t, docstore.Scope{Org: org}, userKind, id)
	if errors.Is(err, docstore.ErrNotFound) {
		d, err = docstore.Doc{Kind: userKind, ID: id}, nil
	}
	if err != nil {
		return err
	}
	b.Roles = change(b.Roles)
	return t.Store(docstore.Scope{Org: org}, d, b)
}
