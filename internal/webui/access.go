package webui

import (
	"github.com/tributary-data/tributary/internal/access"
)

// Bases of the services that the pages of access call.
const (
	networkAPI = "/data/foundation/network"
	auditAPI   = "/data/foundation/audit"
)

// Access: from where the API may be called, and what was done by whom.
func (u *UI) accessRoutes(m *routes) {
	admin := access.Administrator()
	network, log := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ViewAudit)
	m.get("/access", access.AnyOf(access.ViewSources, access.ManageSources, access.ViewAudit), (*request).showAccess)
	m.get("/access/allow-list", network, (*request).showNetwork)
	m.post("/access/allow-list/{level}", admin, (*request).allowRange)
	m.post("/access/allow-list/{level}/remove", admin, (*request).disallowRange)
	m.get("/access/audit", log, (*request).showAudit)
	u.alertRoutes(m)
}

// showAccess leads to the first of the pages that the caller may see.
func (r *request) showAccess() error {
	if r.may(access.ViewSources, access.ManageSources) {
		return r.redirect("/access/allow-list")
	}
	return r.redirect("/access/audit")
}

// deed is what was just done, in the words of those that a page knows.
func (r *request) deed(of map[string]string) string {
	if text, ok := of[r.query("done")]; ok {
		return r.t(text)
	}
	return ""
}
