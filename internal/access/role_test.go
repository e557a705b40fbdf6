package access_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// roleNamed returns a role of the caller's organisation.
func (w *world) roleNamed(t testing.TB, c access.Caller, name string) access.Role {
	t.Helper()
	roles, err := w.Roles(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(roles, func(r access.Role) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no role %s", name)
	}
	return roles[i]
}

// What a principal may do is what its roles give, sandbox by sandbox.
func TestGrants(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		if _, err := w.CreateSandbox(ctx, w.admin, "dev", "Development", "development"); err != nil {
			t.Fatal(err)
		}
		i, _, token := w.integration(t, w.admin, []access.Permission{access.ManageSchemas, access.ViewSources}, "dev")
		made, err := w.CreateRole(ctx, w.admin, access.Role{Name: "Readers", Permissions: []access.Permission{access.ViewDatasets, access.ViewDatasets}, Sandboxes: []string{"prod", "dev", "prod"}})
		if err != nil {
			t.Fatal(err)
		}
		subject := access.Subject{Type: access.UserSubject, ID: i.Account} // a technical account is its integration
		got, err := w.ChangeSubjects(ctx, w.admin, made.ID, []access.Subject{subject, {Type: access.UserSubject, ID: "a@AdobeID"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []access.Subject{{Type: access.IntegrationSubject, ID: i.ClientID}, {Type: access.UserSubject, ID: "a@AdobeID"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		p, err := w.Principal(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		grants := map[string][]access.Permission{
			"prod": {access.ViewDatasets},
			"dev":  {access.ManageSchemas, access.ViewDatasets, access.ViewSources, access.ViewSchemas},
		}
		if diff := cmp.Diff(grants, p.Grants); diff != "" {
			t.Error(diff)
		}
		for _, c := range []struct {
			sandbox string
			need    access.Need
			want    bool
		}{
			{"dev", access.AnyOf(access.ViewSchemas), true},
			{"dev", access.AnyOf(access.ManageDatasets), false},
			{"prod", access.AnyOf(access.ManageDatasets, access.ViewDatasets), true},
			{"prod", access.AnyOf(access.ViewSchemas), false},
			{"stage", access.AnyOf(access.ViewDatasets), false},
			{"dev", access.Administrator(), false},
		} {
			if p.May(c.sandbox, c.need) != c.want {
				t.Errorf("%s %v: want %v", c.sandbox, c.need, c.want)
			}
		}
		if p.Enters("stage") || p.Admin {
			t.Errorf("%+v", p)
		}

		admins := w.roleNamed(t, w.admin, access.Administrators)
		if _, err := w.ChangeSubjects(ctx, w.admin, admins.ID, []access.Subject{subject}, nil); err != nil {
			t.Fatal(err)
		}
		if p, err = w.Principal(ctx, token); err != nil || !p.Admin || !p.May("stage", access.Administrator()) {
			t.Errorf("an administrator: %+v: %v", p, err)
		}
		if _, err := w.ChangeSubjects(ctx, w.admin, admins.ID, nil, []access.Subject{subject}); err != nil {
			t.Fatal(err)
		}
		if p, err = w.Principal(ctx, token); err != nil || p.Admin {
			t.Errorf("no administrator any more: %+v: %v", p, err)
		}
	})
}

func TestRoleRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	for name, c := range map[string]struct {
		role access.Role
		want problem.Kind
	}{
		"no name":            {access.Role{Name: " "}, problem.Invalid},
		"zero":               {access.Role{Name: "a\x00"}, problem.Invalid},
		"taken":              {access.Role{Name: "ADMINISTRATORS"}, problem.Conflict},
		"unknown permission": {access.Role{Name: "a", Permissions: []access.Permission{"manage-profiles"}}, problem.Invalid},
		"unknown sandbox":    {access.Role{Name: "a", Sandboxes: []string{"dev"}}, problem.Invalid},
	} {
		_, err := w.CreateRole(ctx, w.admin, c.role)
		kind(t, name, err, c.want)
	}
	admins := w.roleNamed(t, w.admin, access.Administrators)
	_, err := w.ChangeRole(ctx, w.admin, admins.ID, func(*access.Role) error { return nil })
	kind(t, "change a role of the system", err, problem.Conflict)
	kind(t, "delete a role of the system", w.DeleteRole(ctx, w.admin, admins.ID), problem.Conflict)

	integrations, err := w.Integrations(ctx, w.admin)
	if err != nil {
		t.Fatal(err)
	}
	last := access.Subject{Type: access.IntegrationSubject, ID: integrations[0].ClientID}
	_, err = w.ChangeSubjects(ctx, w.admin, admins.ID, nil, []access.Subject{last})
	kind(t, "take the role from the last administrator", err, problem.Conflict)
	kind(t, "delete the last administrator", w.DeleteIntegration(ctx, w.admin, last.ID), problem.Conflict)
	if p, err := w.Integrations(ctx, w.admin); err != nil || !p[0].Admin {
		t.Errorf("%+v: %v", p, err)
	}
	for name, sub := range map[string]access.Subject{
		"no id":        {Type: access.UserSubject},
		"zero":         {Type: access.UserSubject, ID: "a\x00"},
		"unknown type": {Type: "group", ID: "a"},
	} {
		_, err := w.ChangeSubjects(ctx, w.admin, admins.ID, []access.Subject{sub}, nil)
		kind(t, name, err, problem.Invalid)
	}
	_, err = w.ChangeSubjects(ctx, w.admin, admins.ID, []access.Subject{{Type: access.IntegrationSubject, ID: "0"}}, nil)
	kind(t, "unknown integration", err, problem.NotFound)
}

func TestIntegrationRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	view := []access.Permission{access.ViewSources}
	for name, c := range map[string]struct {
		name        string
		permissions []access.Permission
		sandboxes   []string
	}{
		"no name":            {"", view, []string{"prod"}},
		"no permission":      {"a", nil, []string{"prod"}},
		"unknown permission": {"a", []access.Permission{"view-all"}, []string{"prod"}},
		"no sandbox":         {"a", view, nil},
		"unknown sandbox":    {"a", view, []string{"dev"}},
	} {
		_, _, err := w.CreateIntegration(ctx, w.admin, c.name, c.permissions, c.sandboxes)
		kind(t, name, err, problem.Invalid)
	}
	i, _, _ := w.integration(t, w.admin, view, "prod")
	for n := range 9 {
		if _, _, err := w.AddSecret(ctx, w.admin, i.ClientID); err != nil {
			t.Fatal(n, err)
		}
	}
	_, _, err := w.AddSecret(ctx, w.admin, i.ClientID)
	kind(t, "an eleventh secret", err, problem.Conflict)
	if err := w.DeleteIntegration(ctx, w.admin, i.ClientID); err != nil {
		t.Fatal(err)
	}
	roles, err := w.Roles(ctx, w.admin)
	if err != nil || len(roles) != 3 {
		t.Errorf("the role of a deleted integration stays: %d roles: %v", len(roles), err)
	}
}

// The error of an unknown permission lists the known ones.
func TestParsePermissions(t *testing.T) {
	t.Parallel()
	got, err := access.ParsePermissions([]string{" View-Sources", "manage-sources", "view-sources"})
	if diff := cmp.Diff([]access.Permission{access.ViewSources, access.ManageSources}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = access.ParsePermissions([]string{"view-everything"})
	const want = `there is no permission "view-everything". The permissions are view-sources, manage-sources, view-schemas, manage-schemas, ` +
		"manage-relationships, manage-identity-metadata, view-datasets, manage-datasets, view-monitoring-dashboard, view-identity-namespaces, " +
		"manage-identity-namespaces, view-sandboxes, manage-sandboxes, reset-sandboxes, view-user-activity-log, view-alerts, manage-alerts"
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Error(diff)
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	// manage-schemas implies view-schemas when the grants are made.
	p := access.Principal{Grants: map[string][]access.Permission{
		"prod": {access.ManageSchemas, access.ViewSchemas, access.ViewDatasets, access.ManageSandboxes},
	}}
	paths := []string{
		"/permissions/view-schemas", "/permissions/manage-schema", "/permissions/manage-shemas", "/permissions/manage-datasets", "/permissions/nothing",
		"/resource-types/schemas", "/resource-types/schema", "/resource-types/connection", "/resource-types/connections", "/resource-types/dataset-data",
		"/resource-types/classes", "/resource-types/class", "/resource-types/sandboxes", "/resource-types/identity-namespaces", "/resource-types/",
	}
	all, read := []string{"read", "write", "delete"}, []string{"read"}
	want := map[string][]string{
		"/permissions/view-schemas": {"*"}, "/permissions/manage-schema": {"*"}, "/permissions/manage-shemas": {"*"},
		"/resource-types/schemas": all, "/resource-types/schema": all, "/resource-types/connection": read, "/resource-types/connections": read,
		"/resource-types/dataset-data": read, "/resource-types/classes": all, "/resource-types/class": all, "/resource-types/sandboxes": all,
	}
	got, err := p.Policies("prod", paths)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := p.Policies("dev", paths); len(got) != 0 || err != nil {
		t.Errorf("in another sandbox: %v: %v", got, err)
	}
	admin := access.Principal{Admin: true}
	if got, err := admin.Policies("dev", paths); len(got) != len(paths)-2 || err != nil {
		t.Errorf("an administrator: %v: %v", got, err)
	}
	_, err = p.Policies("prod", []string{"permissions/x"})
	kind(t, "neither", err, problem.Invalid)
	permissions, resources := access.Reference()
	for _, known := range access.Permissions {
		if len(permissions[known]) == 0 {
			t.Errorf("the reference says nothing of %s", known)
		}
	}
	if len(permissions) != len(access.Permissions) || !slices.Equal(resources["schemas"], all) {
		t.Errorf("%v %v", permissions, resources)
	}
}
