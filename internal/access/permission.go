// Package access says who may do what, and where: organisations, sandboxes,
// permissions, and the callers of the API.
package access

import (
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Permission is a right that a role gives, by the slug under which the
// access control API knows it.
type Permission string

// The permissions. One that manages gives what the one that views gives.
const (
	ViewSources              Permission = "view-sources"
	ManageSources            Permission = "manage-sources"
	ViewSchemas              Permission = "view-schemas"
	ManageSchemas            Permission = "manage-schemas"
	ManageRelationships      Permission = "manage-relationships"
	ManageIdentityMetadata   Permission = "manage-identity-metadata"
	ViewDatasets             Permission = "view-datasets"
	ManageDatasets           Permission = "manage-datasets"
	ViewMonitoring           Permission = "view-monitoring-dashboard"
	ViewIdentityNamespaces   Permission = "view-identity-namespaces"
	ManageIdentityNamespaces Permission = "manage-identity-namespaces"
	ViewSandboxes            Permission = "view-sandboxes"
	ManageSandboxes          Permission = "manage-sandboxes"
	ResetSandboxes           Permission = "reset-sandboxes"
	ViewAudit                Permission = "view-user-activity-log"
	ViewAlerts               Permission = "view-alerts"
	ManageAlerts             Permission = "manage-alerts"
)

// Permissions are all there are.
var Permissions = []Permission{
	ViewSources, ManageSources, ViewSchemas, ManageSchemas, ManageRelationships, ManageIdentityMetadata, ViewDatasets, ManageDatasets,
	ViewMonitoring, ViewIdentityNamespaces, ManageIdentityNamespaces, ViewSandboxes, ManageSandboxes, ResetSandboxes, ViewAudit, ViewAlerts, ManageAlerts,
}

// ParsePermissions reads slugs. An unknown one is refused with the list of all.
func ParsePermissions(slugs []string) ([]Permission, error) {
	parsed := []Permission{}
	for _, slug := range slugs {
		p := Permission(strings.ToLower(strings.TrimSpace(slug)))
		if !slices.Contains(Permissions, p) {
			return nil, &problem.Error{Kind: problem.Invalid, Detail: "there is no permission " + quote(slug), Advice: "The permissions are " + list(Permissions)}
		}
		if !slices.Contains(parsed, p) {
			parsed = append(parsed, p)
		}
	}
	return parsed, nil
}

// implied adds the permissions to view what may be managed.
func implied(held []Permission) []Permission {
	all := slices.Clone(held)
	for _, p := range held {
		thing, manages := strings.CutPrefix(string(p), "manage-")
		view := Permission("view-" + thing)
		if manages && slices.Contains(Permissions, view) && !slices.Contains(all, view) {
			all = append(all, view)
		}
	}
	return all
}

// A Need is what a call asks of its caller: one of Any. A call with an empty
// need is open to every caller; Admin is for administrators alone.
type Need struct {
	Any   []Permission
	Admin bool
}

// AnyOf returns the need for one of the permissions.
func AnyOf(one ...Permission) Need { return Need{Any: one} }

// Administrator returns the need that administrators alone meet.
func Administrator() Need { return Need{Admin: true} }

// A Principal is who calls, as its token says.
type Principal struct {
	Org    string // organisation id: 24 hex digits and @AdobeOrg
	Client string // client id of the integration
	User   string // …@techacct.adobe.com for an integration
	Admin  bool   // administers the organisation: may do everything in every sandbox
	// Grants are the permissions by name of sandbox.
	Grants map[string][]Permission
}

// Enters says whether the principal may use a sandbox at all.
func (p *Principal) Enters(sandbox string) bool { return p.Admin || len(p.Grants[sandbox]) > 0 }

// May says whether the principal meets the need in the sandbox.
func (p *Principal) May(sandbox string, need Need) bool {
	switch {
	case p.Admin:
		return true
	case need.Admin:
		return false
	case len(need.Any) == 0:
		return true
	}
	return slices.ContainsFunc(need.Any, func(n Permission) bool { return slices.Contains(p.Grants[sandbox], n) })
}

// A Sandbox is one of an organisation's isolated worlds.
type Sandbox struct {
	ID      string    `json:"id"` // UUID
	Name    string    `json:"name"`
	Title   string    `json:"title"`
	Type    string    `json:"type"`  // production or development
	State   string    `json:"state"` // active, …
	Default bool      `json:"isDefault"`
	Created time.Time `json:"-"`
	Updated time.Time `json:"-"`
	// CreatedBy and UpdatedBy are user ids.
	CreatedBy string `json:"-"`
	UpdatedBy string `json:"-"`
	Revision  int64  `json:"-"` // counts the changes, from 1
}

// A Caller is a principal in a sandbox: who asks for what is asked of a
// service, and where.
type Caller struct {
	Principal
	Tenant    string // tenant id of the organisation, without its underscore
	Sandbox   Sandbox
	RequestID string
}

// Scope is where the documents of the caller's sandbox are.
func (c Caller) Scope() docstore.Scope { return docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID} }
