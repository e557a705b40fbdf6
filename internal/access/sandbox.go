package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// SandboxTypes are the types that a sandbox may have.
var SandboxTypes = []string{"production", "development"}

// States of a sandbox. Nobody enters one that is not active.
const (
	active    = "active"
	resetting = "resetting"
	deleting  = "deleting"
)

// defaultKey finds the default sandbox. It is no name that one may have.
const defaultKey = "/default"

// storedSandbox is the body of a sandbox's document.
type storedSandbox struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	Type      string `json:"type"`
	State     string `json:"state"`
	Default   bool   `json:"isDefault,omitempty"`
	CreatedBy string `json:"createdBy"`
	UpdatedBy string `json:"updatedBy"`
}

func (b storedSandbox) sandbox(d docstore.Doc) Sandbox {
	return Sandbox{
		ID: d.ID, Name: b.Name, Title: b.Title, Type: b.Type, State: b.State, Default: b.Default,
		Created: d.Created, Updated: d.Updated, CreatedBy: b.CreatedBy, UpdatedBy: b.UpdatedBy, Revision: d.Revision,
	}
}

// Sandbox returns a sandbox of the organisation by name, by id where name is
// empty, and the default one where both are; problem.NotFound.
func (s *Service) Sandbox(ctx context.Context, org, name, id string) (Sandbox, error) {
	var b storedSandbox
	var d docstore.Doc
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		b, d, err = findSandbox(t, org, name, id)
		return err
	})
	if err != nil {
		return Sandbox{}, err
	}
	return b.sandbox(d), nil
}

func findSandbox(t *docstore.Tx, org, name, id string) (b storedSandbox, d docstore.Doc, err error) {
	scope := docstore.Scope{Org: org}
	switch {
	case name == defaultKey:
		err = docstore.ErrNotFound
	case name != "":
		b, d, err = docstore.BodyByKey[storedSandbox](t, scope, sandboxKind, name)
	case id != "":
		b, d, err = docstore.Body[storedSandbox](t, scope, sandboxKind, id)
	default:
		b, d, err = docstore.BodyByKey[storedSandbox](t, scope, sandboxKind, defaultKey)
	}
	return b, d, found(err, "sandbox", name+id)
}

// Sandboxes returns all sandboxes of an organisation, oldest first.
func (s *Service) Sandboxes(ctx context.Context, org string) ([]Sandbox, error) {
	var all []Sandbox
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		all, err = sandboxes(t, org)
		return err
	})
	return all, err
}

func sandboxes(t *docstore.Tx, org string) ([]Sandbox, error) {
	docs, err := t.List(docstore.Scope{Org: org}, sandboxKind, docstore.Page{})
	if err != nil {
		return nil, err
	}
	all := make([]Sandbox, 0, len(docs))
	for _, d := range docs {
		b, err := docstore.Decode[storedSandbox](d)
		if err != nil {
			return nil, err
		}
		all = append(all, b.sandbox(d))
	}
	return all, nil
}

// Available returns the active sandboxes that the caller may enter.
func (s *Service) Available(ctx context.Context, c Caller) ([]Sandbox, error) {
	all, err := s.Sandboxes(ctx, c.Org)
	return slices.DeleteFunc(all, func(sb Sandbox) bool { return sb.State != active || !c.Enters(sb.Name) }), err
}

var sandboxName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// CreateSandbox makes a sandbox and puts into it what every one has.
func (s *Service) CreateSandbox(ctx context.Context, c Caller, name, title, kind string) (Sandbox, error) {
	title = strings.TrimSpace(title)
	switch {
	case !sandboxName.MatchString(name):
		return Sandbox{}, problem.Errorf(problem.Invalid, "name: %s is not a sandbox's name: at most 63 lower-case letters, digits and hyphens, beginning with a letter", quote(name))
	case !slices.Contains(SandboxTypes, kind):
		return Sandbox{}, problem.Errorf(problem.Invalid, "type: %s is none of %s", quote(kind), list(SandboxTypes))
	}
	if err := checkText("title", title, 256); err != nil {
		return Sandbox{}, err
	}
	b := storedSandbox{Name: name, Title: title, Type: kind, State: active, CreatedBy: c.User, UpdatedBy: c.User}
	var made Sandbox
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		made, err = s.putSandbox(t, c.Org, c.Tenant, b, time.Time{})
		return err
	})
	return made, err
}

// putSandbox writes a sandbox under a new id, and what every one has. A zero
// time means now.
func (s *Service) putSandbox(t *docstore.Tx, org, tenant string, b storedSandbox, created time.Time) (Sandbox, error) {
	keys := []string{b.Name}
	if b.Default {
		keys = append(keys, defaultKey)
	}
	d, err := t.Write(docstore.Scope{Org: org}, docstore.Doc{Kind: sandboxKind, ID: newUUID(), Keys: keys, Created: created}, b)
	if errors.Is(err, docstore.ErrTaken) {
		return Sandbox{}, problem.Errorf(problem.Conflict, "there is a sandbox with the name %q already", b.Name)
	}
	if err != nil {
		return Sandbox{}, err
	}
	for _, h := range s.Hooks {
		if h.Create == nil {
			continue
		}
		if err := h.Create(t, docstore.Scope{Org: org, Sandbox: d.ID}, org, tenant, s.Now()); err != nil {
			return Sandbox{}, fmt.Errorf("fill the sandbox %s: %w", b.Name, err)
		}
	}
	return b.sandbox(d), nil
}

// RetitleSandbox changes a sandbox's title.
func (s *Service) RetitleSandbox(ctx context.Context, c Caller, name, title string) (Sandbox, error) {
	title = strings.TrimSpace(title)
	if err := checkText("title", title, 256); err != nil {
		return Sandbox{}, err
	}
	return s.changeSandbox(ctx, c, name, func(b *storedSandbox) error {
		if b.State != active {
			return problem.Errorf(problem.Conflict, "the sandbox %s is %s", b.Name, b.State)
		}
		b.Title = title
		return nil
	})
}

func (s *Service) changeSandbox(ctx context.Context, c Caller, name string, change func(*storedSandbox) error) (Sandbox, error) {
	var changed Sandbox
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := findSandbox(t, c.Org, name, "")
		if err != nil {
			return err
		}
		if err := change(&b); err != nil {
			return err
		}
		b.UpdatedBy = c.User
		d, err = t.Write(docstore.Scope{Org: c.Org}, d, b)
		changed = b.sandbox(d)
		return err
	})
	return changed, err
}

// MayReset says why a sandbox can't be reset, MayDelete why it can't be
// deleted; nil if it can. Both return the sandbox.
func (s *Service) MayReset(ctx context.Context, c Caller, name string) (Sandbox, error) {
	return s.may(ctx, c, name, canReset)
}

// MayDelete is described at MayReset.
func (s *Service) MayDelete(ctx context.Context, c Caller, name string) (Sandbox, error) {
	return s.may(ctx, c, name, canDelete)
}

func (s *Service) may(ctx context.Context, c Caller, name string, check func(storedSandbox) error) (Sandbox, error) {
	var sb Sandbox
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		b, d, err := findSandbox(t, c.Org, name, "")
		if err != nil {
			return err
		}
		sb = b.sandbox(d)
		return check(b)
	})
	return sb, err
}

func canReset(b storedSandbox) error {
	if b.State == deleting {
		return problem.Errorf(problem.Conflict, "the sandbox %s is being deleted", b.Name)
	}
	return nil
}

func canDelete(b storedSandbox) error {
	switch {
	case b.Default:
		return problem.Errorf(problem.Conflict, "the default sandbox %s can't be deleted", b.Name)
	case b.State == resetting:
		return problem.Errorf(problem.Conflict, "the sandbox %s is being reset", b.Name)
	}
	return nil
}

// ResetSandbox removes all that is in a sandbox and puts into it what a new
// one has. It has the same name and a new id: what still works with the old
// one reaches nothing.
func (s *Service) ResetSandbox(ctx context.Context, c Caller, name string) (Sandbox, error) {
	return s.empty(ctx, c, name, resetting, canReset)
}

// DeleteSandbox removes a sandbox and all that is in it.
func (s *Service) DeleteSandbox(ctx context.Context, c Caller, name string) (Sandbox, error) {
	return s.empty(ctx, c, name, deleting, canDelete)
}

// empty shuts a sandbox and then empties it, which may be cut short: the same
// call, or ResumeSandboxes, goes on with it.
func (s *Service) empty(ctx context.Context, c Caller, name, state string, check func(storedSandbox) error) (Sandbox, error) {
	shut, err := s.changeSandbox(ctx, c, name, func(b *storedSandbox) error {
		err := check(*b)
		b.State = state
		return err
	})
	if err != nil {
		return Sandbox{}, err
	}
	// From here on the sandbox is of no use to anybody, whether or not the
	// caller waits for the end.
	return s.finish(context.WithoutCancel(ctx), c.Org, shut)
}

// ResumeSandboxes goes on with what was cut short of resetting and deleting.
func (s *Service) ResumeSandboxes(ctx context.Context) error {
	type shut struct {
		org string
		sb  Sandbox
	}
	var open []shut
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		open = nil
		orgs, err := t.List(installation, organisationKind, docstore.Page{})
		if err != nil {
			return err
		}
		for _, o := range orgs {
			all, err := sandboxes(t, o.ID)
			if err != nil {
				return err
			}
			for _, sb := range all {
				if sb.State != active {
					open = append(open, shut{o.ID, sb})
				}
			}
		}
		return nil
	})
	for _, o := range open {
		if _, e := s.finish(ctx, o.org, o.sb); e != nil {
			err = errors.Join(err, fmt.Errorf("the sandbox %s: %w", o.sb.Name, e))
		}
	}
	return err
}

// finish empties a sandbox that has been shut.
func (s *Service) finish(ctx context.Context, org string, sb Sandbox) (Sandbox, error) {
	scope := docstore.Scope{Org: org, Sandbox: sb.ID}
	for _, h := range s.Hooks {
		if h.Delete == nil {
			continue
		}
		if err := h.Delete(ctx, scope); err != nil {
			return Sandbox{}, fmt.Errorf("empty the sandbox %s: %w", sb.Name, err)
		}
	}
	tenant, err := s.Tenant(ctx, org)
	if err != nil {
		return Sandbox{}, err
	}
	var now Sandbox
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		now = sb
		b, d, err := docstore.Body[storedSandbox](t, docstore.Scope{Org: org}, sandboxKind, sb.ID)
		if errors.Is(err, docstore.ErrNotFound) {
			return nil // another call that did the same was faster
		}
		if err != nil {
			return err
		}
		if err := t.Clear(scope); err != nil {
			return err
		}
		if err := t.Delete(docstore.Scope{Org: org}, sandboxKind, sb.ID); err != nil {
			return err
		}
		if b.State == deleting {
			return leaveRoles(t, org, b.Name)
		}
		b.State = active
		now, err = s.putSandbox(t, org, tenant, b, d.Created)
		return err
	})
	if err == nil && now.State == active {
		for _, h := range s.Hooks {
			if h.After != nil {
				h.After(ctx)
			}
		}
	}
	return now, err
}
