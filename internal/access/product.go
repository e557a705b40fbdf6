package access

import (
	"maps"
	"slices"
)

// A Set is a permission as administrators are shown it: by name, and in a
// category.
type Set struct {
	ID       Permission
	Name     string
	Category string
	Actions  []ResourceActions // in the order of the resources' names
}

// ResourceActions are what may be done with one type of resources.
type ResourceActions struct {
	Resource string
	Actions  []string
}

// sets are the permissions' names and categories, in the order of Permissions.
var sets = []Set{
	{ViewSources, "View Sources", "Data Ingestion", nil},
	{ManageSources, "Manage Sources", "Data Ingestion", nil},
	{ViewSchemas, "View Schemas", "Data Modeling", nil},
	{ManageSchemas, "Manage Schemas", "Data Modeling", nil},
	{ManageRelationships, "Manage Relationships", "Data Modeling", nil},
	{ManageIdentityMetadata, "Manage Identity Metadata", "Data Modeling", nil},
	{ViewDatasets, "View Datasets", "Data Management", nil},
	{ManageDatasets, "Manage Datasets", "Data Management", nil},
	{ViewMonitoring, "Data Monitoring", "Data Management", nil},
	{ViewIdentityNamespaces, "View Identity Namespaces", "Identity Management", nil},
	{ManageIdentityNamespaces, "Manage Identity Namespaces", "Identity Management", nil},
	{ViewSandboxes, "View Sandboxes", "Sandbox Administration", nil},
	{ManageSandboxes, "Manage Sandboxes", "Sandbox Administration", nil},
	{ResetSandboxes, "Reset a Sandbox", "Sandbox Administration", nil},
	{ViewAudit, "View User Activity Log", "Data Governance", nil},
	{ViewAlerts, "View Alerts", "Alerts", nil},
	{ManageAlerts, "Manage Alerts", "Alerts", nil},
}

// Sets returns all permissions as administrators are shown them.
func Sets() []Set {
	all := slices.Clone(sets)
	for i, s := range all {
		for _, resource := range slices.Sorted(maps.Keys(reference[s.ID])) {
			all[i].Actions = append(all[i].Actions, ResourceActions{resource, actions[:reference[s.ID][resource]]})
		}
	}
	return all
}
