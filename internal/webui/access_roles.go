package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// A role gives its subjects permissions in sandboxes.
type role struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Type        string   `json:"roleType"` // user-defined, system-defined
	Permissions []string `json:"permissionSets"`
	Sandboxes   []string `json:"sandboxes"`
}

// System says whether only the role's subjects can be changed.
func (o role) System() bool { return o.Type == "system-defined" }

// Has says whether it gives a permission.
func (o role) Has(permission string) bool { return slices.Contains(o.Permissions, permission) }

// In says whether it counts in a sandbox.
func (o role) In(sandbox string) bool { return slices.Contains(o.Sandboxes, sandbox) }

// rolesView is what the list of roles shows.
type rolesView struct {
	Items []role
	Done  string
}

var roleDeeds = map[string]string{
	"role-made":       "The role was added. Now give it to somebody.",
	"role-changed":    "The role was changed.",
	"role-deleted":    "The role was deleted. Its subjects lost what it gave.",
	"subject-added":   "The subject has the role now.",
	"subject-removed": "The subject does not have the role any more.",
}

var _ = words("The role was added. Now give it to somebody.", "The role was changed.", "The role was deleted. Its subjects lost what it gave.",
	"The subject has the role now.", "The subject does not have the role any more.")

func (r *request) showRoles() error {
	v := rolesView{Done: r.deed(roleDeeds)}
	for start := 0; ; {
		var got struct {
			Items []role `json:"items"`
			Page  struct {
				Next int `json:"next"`
			} `json:"_page"`
		}
		if err := r.get(rolesAPI+"/roles", url.Values{"limit": {"100"}, "start": {strconv.Itoa(start)}}, &got); err != nil {
			return err
		}
		v.Items = append(v.Items, got.Items...)
		if start = got.Page.Next; start == 0 {
			return r.show("roles", v)
		}
	}
}

// A permissionGroup is the permissions of a category.
type permissionGroup struct {
	Category string
	Sets     []permissionSet
}

// A permissionSet is a permission, as administrators see it.
type permissionSet struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Category string `json:"category"`
}

// A subject is who has a role.
type subject struct {
	Type string `json:"subjectType"` // user, api-integration
	ID   string `json:"subjectId"`
}

// Title names the type.
func (s subject) Title() string {
	if s.Type == "user" {
		return "User"
	}
	return "Integration"
}

var _ = words("User", "Integration")

// roleView is what the page of a role shows.
type roleView struct {
	Role      role
	Groups    []permissionGroup
	Sandboxes []string
	Subjects  []subject
	Faults    formFaults // of the role
	Wrong     string     // with the subject that was typed
	Typed     subject
	Done      string
}

// New says whether the role is not there yet.
func (v *roleView) New() bool { return v.Role.ID == "" }

// roleView completes a role by what can be chosen, and who has it.
func (r *request) roleView(o role) (*roleView, error) {
	v := &roleView{Role: o, Done: r.deed(roleDeeds)}
	var sets struct {
		All []permissionSet `json:"permission-sets"`
	}
	if err := r.get(rolesAPI+"/products/tributary/permission-sets", nil, &sets); err != nil {
		return nil, err
	}
	for _, s := range sets.All {
		i := slices.IndexFunc(v.Groups, func(g permissionGroup) bool { return g.Category == s.Category })
		if i < 0 {
			i, v.Groups = len(v.Groups), append(v.Groups, permissionGroup{Category: s.Category})
		}
		v.Groups[i].Sets = append(v.Groups[i].Sets, s)
	}
	var err error
	if v.Sandboxes, err = r.sandboxNames(); err != nil {
		return nil, err
	}
	for _, name := range o.Sandboxes { // what it has stays to be chosen
		if !slices.Contains(v.Sandboxes, name) {
			v.Sandboxes = append(v.Sandboxes, name)
		}
	}
	if v.New() {
		return v, nil
	}
	var got struct {
		Items []subject `json:"items"`
	}
	err = r.get(rolesAPI+"/roles/"+escape(o.ID)+"/subjects", nil, &got)
	v.Subjects = got.Items
	return v, err
}

// sandboxNames are those of the organisation.
func (r *request) sandboxNames() (all []string, err error) {
	const most = 100
	for {
		var got struct {
			All []struct {
				Name string `json:"name"`
			} `json:"sandboxes"`
		}
		query := url.Values{"limit": {strconv.Itoa(most)}, "offset": {strconv.Itoa(len(all))}}
		if err := r.get("/data/foundation/sandbox-management/", query, &got); err != nil {
			return nil, err
		}
		for _, s := range got.All {
			all = append(all, s.Name)
		}
		if len(got.All) < most {
			return all, nil
		}
	}
}

func (r *request) role() (o role, err error) {
	return o, r.get(rolesAPI+"/roles/"+escape(r.http.PathValue("id")), nil, &o)
}

func (r *request) showNewRole() error { return r.showRoleOf(role{}) }

func (r *request) showRole() error {
	o, err := r.role()
	if err != nil {
		return err
	}
	return r.showRoleOf(o)
}

func (r *request) showRoleOf(o role) error {
	v, err := r.roleView(o)
	if err != nil {
		return err
	}
	return r.show("role", v)
}

// readRole reads the form over a role.
func (r *request) readRole(o *role) (body map[string]any, wrong formFaults) {
	o.Name, o.Description = r.form("name"), r.form("description")
	o.Permissions, o.Sandboxes = append([]string{}, r.http.PostForm["permissions"]...), append([]string{}, r.http.PostForm["sandboxes"]...)
	if o.Name == "" {
		wrong.add("name", r.t("Give it a name."))
	}
	return map[string]any{"name": o.Name, "description": o.Description, "permissionSets": o.Permissions, "sandboxes": o.Sandboxes}, wrong
}

func (r *request) makeRole() error {
	var o, made role
	body, wrong := r.readRole(&o)
	if len(wrong) == 0 {
		err := r.send(http.MethodPost, rolesAPI+"/roles", body, &made)
		if err == nil {
			return r.redirect("/access/roles/" + escape(made.ID) + "?done=role-made")
		}
		wrong = append(wrong, r.fault(err))
	}
	return r.roleAgain(o, wrong)
}

func (r *request) changeRole() error {
	o, err := r.role()
	if err != nil {
		return err
	}
	body, wrong := r.readRole(&o)
	if len(wrong) == 0 {
		err := r.send(http.MethodPut, rolesAPI+"/roles/"+escape(o.ID), body, nil)
		if err == nil {
			return r.redirect("/access/roles/" + escape(o.ID) + "?done=role-changed")
		}
		wrong = append(wrong, r.fault(err))
	}
	return r.roleAgain(o, wrong)
}

func (r *request) roleAgain(o role, wrong formFaults) error {
	v, err := r.roleView(o)
	if err != nil {
		return err
	}
	v.Faults = wrong
	return r.again("role", "main", v)
}

func (r *request) deleteRole() error {
	if err := r.send(http.MethodDelete, rolesAPI+"/roles/"+escape(r.http.PathValue("id")), nil, nil); err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/access/roles?done=role-deleted")
}

// changeSubject gives the role to a subject, or takes it away.
func (r *request) changeSubject(op string, s subject) error {
	path := "/api-integration"
	if s.Type == "user" {
		path = "/user"
	}
	return r.send(http.MethodPatch, rolesAPI+"/roles/"+escape(r.http.PathValue("id"))+"/subjects", []map[string]string{{"op": op, "path": path, "value": s.ID}}, nil)
}

func (r *request) addSubject() error {
	s := subject{r.form("type"), r.form("subject")}
	if s.ID == "" {
		return r.subjectAgain(s, r.t("Say whose: the id of a user, or the client ID of an integration."))
	}
	if err := r.changeSubject("add", s); err != nil {
		return r.subjectAgain(s, r.fault(err).Text)
	}
	return r.redirect("/access/roles/" + escape(r.http.PathValue("id")) + "?done=subject-added")
}

func (r *request) removeSubject() error {
	if err := r.changeSubject("remove", subject{r.form("type"), r.form("subject")}); err != nil {
		return r.subjectAgain(subject{}, r.fault(err).Text)
	}
	return r.redirect("/access/roles/" + escape(r.http.PathValue("id")) + "?done=subject-removed")
}

func (r *request) subjectAgain(typed subject, why string) error {
	o, err := r.role()
	if err != nil {
		return err
	}
	v, err := r.roleView(o)
	if err != nil {
		return err
	}
	v.Typed, v.Wrong = typed, why
	v.Faults.add("subject", why)
	return r.again("role", "main", v)
}
