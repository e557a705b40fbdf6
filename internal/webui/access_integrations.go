package webui

import (
	"net/http"
	"slices"
)

// membersAPI is the service of integrations and users.
const membersAPI = "/data/tributary/access"

// An integration is a program that may call the API.
type integration struct {
	ID          string   `json:"clientId"`
	Name        string   `json:"name"`
	Account     string   `json:"technicalAccount"`
	Admin       bool     `json:"administrator"`
	Bootstrap   bool     `json:"bootstrap"`
	Permissions []string `json:"permissions"`
	Sandboxes   []string `json:"sandboxes"`
	Roles       []string `json:"roles"`
	Created     int64    `json:"createdAt"`
	Secrets     []struct {
		ID      string `json:"secretId"`
		Created int64  `json:"createdAt"`
	} `json:"secrets"`
}

var integrationDeeds = map[string]string{
	"integration-deleted": "The integration was deleted. Its tokens are worth nothing from now on.",
	"secret-removed":      "The secret was removed. Tokens that were got with it are worth nothing from now on.",
}

var _ = words("The integration was deleted. Its tokens are worth nothing from now on.", "The secret was removed. Tokens that were got with it are worth nothing from now on.")

func (r *request) showIntegrations() error {
	v := struct {
		Items []integration
		Done  string
	}{Done: r.deed(integrationDeeds)}
	if err := r.get(membersAPI+"/integrations", nil, &v); err != nil {
		return err
	}
	return r.show("integrations", v)
}

// integrationView is what the page of an integration shows, and, without an id,
// the form for a new one.
type integrationView struct {
	Integration integration
	Form        *roleView // what may be chosen, and what was
	Done        string
}

func (r *request) showNewIntegration() error {
	v, err := r.roleView(role{Sandboxes: []string{r.Caller.Sandbox.Name}})
	if err != nil {
		return err
	}
	return r.show("integration_new", v)
}

func (r *request) makeIntegration() error {
	var o role
	body, wrong := r.readRole(&o)
	delete(body, "description")
	body["permissions"] = body["permissionSets"]
	delete(body, "permissionSets")
	if len(o.Permissions) == 0 {
		wrong.add("permissions", r.t("Choose at least one permission."))
	}
	if len(o.Sandboxes) == 0 {
		wrong.add("sandboxes", r.t("Choose at least one sandbox."))
	}
	if len(wrong) == 0 {
		var made madeSecret
		err := r.send(http.MethodPost, membersAPI+"/integrations", body, &made)
		if err == nil {
			made.Name = o.Name
			return r.show("integration_secret", made)
		}
		wrong = append(wrong, r.fault(err))
	}
	v, err := r.roleView(o)
	if err != nil {
		return err
	}
	v.Faults = wrong
	return r.again("integration_new", "main", v)
}

// A madeSecret is told once.
type madeSecret struct {
	ID     string `json:"clientId"`
	Secret string `json:"clientSecret"`
	Name   string `json:"name"`
}

func (r *request) integrationPath() string {
	return membersAPI + "/integrations/" + escape(r.http.PathValue("id"))
}

func (r *request) showIntegration() error {
	v := integrationView{Done: r.deed(integrationDeeds)}
	if err := r.get(r.integrationPath(), nil, &v.Integration); err != nil {
		return err
	}
	var err error
	if v.Form, err = r.roleView(role{}); err != nil {
		return err
	}
	return r.show("integration", &v)
}

func (r *request) addSecret() error {
	var i integration
	if err := r.get(r.integrationPath(), nil, &i); err != nil {
		return err
	}
	made := madeSecret{ID: i.ID}
	if err := r.send(http.MethodPost, r.integrationPath()+"/secrets", nil, &made); err != nil {
		return err
	}
	made.Name = i.Name
	return r.show("integration_secret", made)
}

func (r *request) removeSecret() error {
	if err := r.send(http.MethodDelete, r.integrationPath()+"/secrets/"+escape(r.form("secret")), nil, nil); err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/access/integrations/" + escape(r.http.PathValue("id")) + "?done=secret-removed")
}

func (r *request) deleteIntegration() error {
	if err := r.send(http.MethodDelete, r.integrationPath(), nil, nil); err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/access/integrations?done=integration-deleted")
}

// Names are the permissions of a role or integration in words, in the order of
// their categories.
func (v *integrationView) Names() (all []string) {
	for _, g := range v.Form.Groups {
		for _, s := range g.Sets {
			if v.Integration.Admin || slices.Contains(v.Integration.Permissions, s.ID) {
				all = append(all, s.Name)
			}
		}
	}
	return all
}

// showUsers shows who was given a role by id.
func (r *request) showUsers() error {
	var v struct {
		Items []struct {
			ID    string `json:"userId"`
			Roles []role `json:"roles"`
		} `json:"items"`
	}
	if err := r.get(membersAPI+"/users", nil, &v); err != nil {
		return err
	}
	return r.show("users", v)
}
