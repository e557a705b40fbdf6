package webui

import (
	"github.com/tributary-data/tributary/internal/access"
)

// Bases of the services that the pages of access call.
const (
	networkAPI = "/data/foundation/network"
	auditAPI   = "/data/foundation/audit"
	rolesAPI   = "/data/foundation/access-control/administration"
)

// Access: who may do what, from where the API may be called, and what was done
// by whom.
func (u *UI) accessRoutes(m *routes) {
	admin := access.Administrator()
	network, log := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ViewAudit)
	m.get("/access", access.AnyOf(access.ViewSources, access.ManageSources, access.ViewAudit, access.ManageDatasets), (*request).showAccess)
	m.get("/access/allow-list", network, (*request).showNetwork)
	m.post("/access/allow-list/{level}", admin, (*request).allowRange)
	m.post("/access/allow-list/{level}/remove", admin, (*request).disallowRange)
	m.get("/access/audit", log, (*request).showAudit)
	m.get("/access/roles", admin, (*request).showRoles)
	m.get("/access/roles/new", admin, (*request).showNewRole)
	m.post("/access/roles/new", admin, (*request).makeRole)
	m.get("/access/roles/{id}", admin, (*request).showRole)
	m.post("/access/roles/{id}", admin, (*request).changeRole)
	m.post("/access/roles/{id}/delete", admin, (*request).deleteRole)
	m.post("/access/roles/{id}/subjects", admin, (*request).addSubject)
	m.post("/access/roles/{id}/subjects/remove", admin, (*request).removeSubject)
	m.get("/access/users", admin, (*request).showUsers)
	m.get("/access/integrations", admin, (*request).showIntegrations)
	m.get("/access/integrations/new", admin, (*request).showNewIntegration)
	m.post("/access/integrations/new", admin, (*request).makeIntegration)
	m.get("/access/integrations/{id}", admin, (*request).showIntegration)
	m.post("/access/integrations/{id}/delete", admin, (*request).deleteIntegration)
	m.post("/access/integrations/{id}/secrets", admin, (*request).addSecret)
	m.post("/access/integrations/{id}/secrets/remove", admin, (*request).removeSecret)
	privacyRoutes(m)
	u.alertRoutes(m)
}

// showAccess leads to the first of the pages that the caller may see.
func (r *request) showAccess() error {
	switch {
	case r.may(access.ViewSources, access.ManageSources):
		return r.redirect("/access/allow-list")
	case r.may(access.ViewAudit):
		return r.redirect("/access/audit")
	}
	return r.redirect("/access/privacy")
}

// deed is what was just done, in the words of those that a page knows.
func (r *request) deed(of map[string]string) string {
	if text, ok := of[r.query("done")]; ok {
		return r.t(text)
	}
	return ""
}
