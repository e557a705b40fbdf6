package access_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// seeds are hooks that put one document into each new sandbox, and write down
// which ones were emptied. Emptying fails while broken is set.
type seeds struct {
	mu      sync.Mutex
	broken  bool
	emptied []docstore.Scope
}

func (s *seeds) hook() access.SandboxHook {
	return access.SandboxHook{
		Create: func(t *docstore.Tx, scope docstore.Scope, org, tenant string, now time.Time) error {
			_, err := t.Put(scope, docstore.Doc{Kind: "class", ID: "seed", Created: now, Body: fmt.Appendf(nil, `[%q,%q]`, org, tenant)})
			return err
		},
		Delete: func(_ context.Context, scope docstore.Scope) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.broken {
				return errors.New("a table is in use")
			}
			s.emptied = append(s.emptied, scope)
			return nil
		},
	}
}

// documents returns the ids of the documents of a scope.
func documents(t testing.TB, db *docstore.DB, scope docstore.Scope) []string {
	t.Helper()
	var ids []string
	err := db.Do(t.Context(), func(tx *docstore.Tx) error {
		ids = nil
		docs, err := tx.List(scope, "class", docstore.Page{})
		for _, d := range docs {
			ids = append(ids, d.ID+" "+string(d.Body))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func write(t testing.TB, db *docstore.DB, scope docstore.Scope, id string) {
	t.Helper()
	err := db.Do(t.Context(), func(tx *docstore.Tx) error {
		_, err := tx.Put(scope, docstore.Doc{Kind: "class", ID: id, Keys: []string{id}, Body: []byte(`0`)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A sandbox begins with what every one has. What is reset begins anew under a
// new id, what is deleted is gone, and nothing else changes.
func TestSandboxLife(t *testing.T) {
	t.Parallel()
	s := &seeds{}
	w := newWorld(t, s.hook())
	ctx := t.Context()
	seeded := []string{fmt.Sprintf(`seed [%q,"tributary"]`, w.admin.Org)}
	if diff := cmp.Diff(seeded, documents(t, w.DB, docstore.Scope{Org: w.admin.Org, Sandbox: w.admin.Sandbox.ID})); diff != "" {
		t.Errorf("prod: %s", diff)
	}
	dev, err := w.CreateSandbox(ctx, w.admin, "dev", " Development ", "development")
	if err != nil {
		t.Fatal(err)
	}
	old := docstore.Scope{Org: w.admin.Org, Sandbox: dev.ID}
	write(t, w.DB, old, "mine")
	write(t, w.DB, docstore.Scope{Org: w.admin.Org, Sandbox: w.admin.Sandbox.ID}, "other")

	w.clock.move(time.Hour)
	fresh, err := w.ResetSandbox(ctx, w.admin, "dev")
	if err != nil {
		t.Fatal(err)
	}
	if fresh.ID == dev.ID || fresh.Name != "dev" || fresh.Title != "Development" || fresh.State != "active" || !fresh.Created.Equal(dev.Created) {
		t.Errorf("after a reset: %+v", fresh)
	}
	if got := documents(t, w.DB, old); got != nil {
		t.Errorf("left of the old one: %v", got)
	}
	now := docstore.Scope{Org: w.admin.Org, Sandbox: fresh.ID}
	if diff := cmp.Diff(seeded, documents(t, w.DB, now)); diff != "" {
		t.Errorf("in the new one: %s", diff)
	}
	_, err = w.Sandbox(ctx, w.admin.Org, "", dev.ID)
	kind(t, "the old id", err, problem.NotFound)

	if _, err := w.DeleteSandbox(ctx, w.admin, "dev"); err != nil {
		t.Fatal(err)
	}
	if got := documents(t, w.DB, now); got != nil {
		t.Errorf("left of a deleted one: %v", got)
	}
	_, err = w.Sandbox(ctx, w.admin.Org, "dev", "")
	kind(t, "a deleted one", err, problem.NotFound)
	if diff := cmp.Diff([]docstore.Scope{old, now}, s.emptied); diff != "" {
		t.Errorf("emptied: %s", diff)
	}
	if got := documents(t, w.DB, docstore.Scope{Org: w.admin.Org, Sandbox: w.admin.Sandbox.ID}); len(got) != 2 {
		t.Errorf("prod has %v", got)
	}
}

// What can't be emptied at once is shut, and emptied by the next try: the same
// call, or the next start.
func TestEmptyLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state string
		begin func(*world) error
		end   func(*world) error
		left  bool
	}{
		"delete again": {"deleting", (*world).deleteDev, (*world).deleteDev, false},
		"delete later": {"deleting", (*world).deleteDev, (*world).resume, false},
		"reset again":  {"resetting", (*world).resetDev, (*world).resetDev, true},
		"reset later":  {"resetting", (*world).resetDev, (*world).resume, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &seeds{broken: true}
			w := newWorld(t, s.hook())
			dev, err := w.CreateSandbox(t.Context(), w.admin, "dev", "Development", "development")
			if err != nil {
				t.Fatal(err)
			}
			write(t, w.DB, docstore.Scope{Org: w.admin.Org, Sandbox: dev.ID}, "mine")
			if err := c.begin(w); err == nil || !strings.Contains(err.Error(), "a table is in use") {
				t.Fatal(err)
			}
			shut, err := w.Sandbox(t.Context(), w.admin.Org, "dev", "")
			if err != nil || shut.State != c.state {
				t.Fatalf("%+v: %v", shut, err)
			}
			_, err = w.RetitleSandbox(t.Context(), w.admin, "dev", "x")
			kind(t, "retitle", err, problem.Conflict)
			other := (*world).deleteDev
			if c.state == "deleting" {
				other = (*world).resetDev
			}
			s.broken = false
			kind(t, "the other", other(w), problem.Conflict)
			if shut, err := w.Sandbox(t.Context(), w.admin.Org, "dev", ""); err != nil || shut.State != c.state {
				t.Fatalf("%+v: %v", shut, err)
			}
			if open, err := w.Available(t.Context(), w.admin); err != nil || len(open) != 1 {
				t.Errorf("available: %v: %v", open, err)
			}
			if err := c.end(w); err != nil {
				t.Fatal(err)
			}
			_, err = w.Sandbox(t.Context(), w.admin.Org, "dev", "")
			if (err == nil) != c.left {
				t.Errorf("in the end: %v", err)
			}
			if got := documents(t, w.DB, docstore.Scope{Org: w.admin.Org, Sandbox: dev.ID}); got != nil {
				t.Errorf("left: %v", got)
			}
		})
	}
}

func (w *world) deleteDev() error {
	_, err := w.DeleteSandbox(context.Background(), w.admin, "dev")
	return err
}

func (w *world) resetDev() error {
	_, err := w.ResetSandbox(context.Background(), w.admin, "dev")
	return err
}

func (w *world) resume() error { return w.ResumeSandboxes(context.Background()) }

func TestSandboxRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	for name, c := range map[string]struct {
		name, title, kind string
		want              problem.Kind
	}{
		"taken":        {"prod", "Production", "production", problem.Conflict},
		"no name":      {"", "x", "development", problem.Invalid},
		"capitals":     {"Dev", "x", "development", problem.Invalid},
		"digit first":  {"1dev", "x", "development", problem.Invalid},
		"slash":        {"/default", "x", "development", problem.Invalid},
		"line":         {"dev\n", "x", "development", problem.Invalid},
		"long":         {strings.Repeat("d", 64), "x", "development", problem.Invalid},
		"no title":     {"dev", "  ", "development", problem.Invalid},
		"zero":         {"dev", "a\x00b", "development", problem.Invalid},
		"unknown type": {"dev", "x", "staging", problem.Invalid},
	} {
		_, err := w.CreateSandbox(ctx, w.admin, c.name, c.title, c.kind)
		kind(t, name, err, c.want)
	}
	_, err := w.DeleteSandbox(ctx, w.admin, "prod")
	kind(t, "delete the default one", err, problem.Conflict)
	_, err = w.MayDelete(ctx, w.admin, "prod")
	kind(t, "may the default one be deleted", err, problem.Conflict)
	_, err = w.ResetSandbox(ctx, w.admin, "nowhere")
	kind(t, "reset none", err, problem.NotFound)
	_, err = w.Sandbox(ctx, w.admin.Org, "/default", "")
	kind(t, "the key of the default one", err, problem.NotFound)
	if sb, err := w.ResetSandbox(ctx, w.admin, "prod"); err != nil || !sb.Default {
		t.Errorf("reset prod: %+v: %v", sb, err)
	}
	if sb, err := w.Sandbox(ctx, w.admin.Org, "", ""); err != nil || sb.Name != "prod" {
		t.Errorf("the default one: %+v: %v", sb, err)
	}
}

// A role that named a sandbox that is gone means nothing to a new one of its
// name.
func TestSandboxNameAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.CreateSandbox(ctx, w.admin, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	_, _, token := w.integration(t, w.admin, []access.Permission{access.ViewSchemas}, "dev", "prod")
	if err := w.deleteDev(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateSandbox(ctx, w.admin, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	p, err := w.Principal(ctx, token)
	if err != nil {
		t.Fatal(err)
	}
	if p.Enters("dev") || !p.Enters("prod") {
		t.Errorf("grants: %v", p.Grants)
	}
}

// Whatever two organisations do, neither sees or changes anything of the other.
func TestIsolation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		ctx := t.Context()
		theirs := ids(t, w, w.other)
		before := state(t, w, w.other)
		mine := []string{"prod"}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			name := rapid.SampledFrom([]string{"prod", "dev", "stage", "other"}).Draw(rt, "name")
			id := rapid.SampledFrom(append(theirs, name)).Draw(rt, "id")
			sub := access.Subject{Type: rapid.SampledFrom([]string{access.UserSubject, access.IntegrationSubject}).Draw(rt, "type"), ID: id}
			var err error
			switch rapid.SampledFrom([]string{"create", "reset", "delete", "retitle", "role", "subject", "integration", "secret", "own"}).Draw(rt, "what") {
			case "create":
				_, err = w.CreateSandbox(ctx, w.admin, name, "x", "development")
			case "reset":
				_, err = w.ResetSandbox(ctx, w.admin, id)
			case "delete":
				_, err = w.DeleteSandbox(ctx, w.admin, id)
			case "retitle":
				_, err = w.RetitleSandbox(ctx, w.admin, id, "mine")
			case "role":
				if slices.Contains(theirs, id) {
					_, err = w.Role(ctx, w.admin, id)
					kind(t, "their role", err, problem.NotFound)
				}
				_, err = w.ChangeRole(ctx, w.admin, id, func(r *access.Role) error { r.Name = "mine"; return nil })
				if err == nil {
					err = w.DeleteRole(ctx, w.admin, id)
				}
			case "subject":
				roles, e := w.Roles(ctx, w.admin)
				if e != nil {
					t.Fatal(e)
				}
				_, err = w.ChangeSubjects(ctx, w.admin, roles[0].ID, []access.Subject{sub}, nil)
				if sub.Type == access.IntegrationSubject || strings.Contains(id, "techacct") {
					kind(t, "their integration", err, problem.NotFound)
				}
			case "integration":
				kind(t, "their integration", w.DeleteIntegration(ctx, w.admin, id), problem.NotFound)
			case "secret":
				_, _, err = w.AddSecret(ctx, w.admin, id)
				kind(t, "their integration", err, problem.NotFound)
			case "own":
				_, _, err = w.CreateIntegration(ctx, w.admin, "own", access.Permissions, mine)
			}
			if k := problem.KindOf(err); err != nil && k != problem.NotFound && k != problem.Conflict && k != problem.Invalid {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(before, state(t, w, w.other)); diff != "" {
			t.Error(diff)
		}
		if t.Failed() {
			rt.FailNow() // tells what was drawn
		}
	})
}

// state is all that an organisation has.
func state(t testing.TB, w *world, c access.Caller) []any {
	t.Helper()
	rooms, err := w.Sandboxes(t.Context(), c.Org)
	if err != nil {
		t.Fatal(err)
	}
	roles, err := w.Roles(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	integrations, err := w.Integrations(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	all := []any{rooms, roles, integrations}
	for _, r := range roles {
		subjects, err := w.Subjects(t.Context(), c, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, subjects)
	}
	return all
}

// ids makes an integration in an organisation and returns all ids that it has
// then, for another one to try.
func ids(t testing.TB, w *world, c access.Caller) []string {
	t.Helper()
	i, _, _ := w.integration(t, c, []access.Permission{access.ViewSources}, "prod")
	roles, err := w.Roles(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{c.Sandbox.ID, i.ClientID, i.Account}
	for _, r := range roles {
		all = append(all, r.ID)
	}
	return all
}

func TestOperatorIn(t *testing.T) {
	t.Parallel()
	hook := &seeds{}
	w := newWorld(t, hook.hook())
	got, err := w.OperatorIn(t.Context(), w.other.Org, w.other.Sandbox.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w.other, got); diff != "" {
		t.Error(diff)
	}
	dev, err := w.CreateSandbox(t.Context(), w.admin, "dev", "Dev", "development")
	if err != nil {
		t.Fatal(err)
	}
	hook.broken = true
	if _, err := w.DeleteSandbox(t.Context(), w.admin, "dev"); err == nil {
		t.Fatal("the sandbox was deleted")
	}
	for _, id := range []string{dev.ID, w.other.Sandbox.ID, "", "x"} {
		_, err := w.OperatorIn(t.Context(), w.admin.Org, id)
		kind(t, "sandbox "+id, err, problem.NotFound)
	}
}
