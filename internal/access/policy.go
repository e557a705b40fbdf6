package access

import (
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Actions on resources, in the order in which they are told.
var actions = []string{"read", "write", "delete"}

// Reference returns what each permission lets do with which types of
// resources, and what can be done with each of those types at all.
func Reference() (permissions map[Permission]map[string][]string, resources map[string][]string) {
	permissions, resources = map[Permission]map[string][]string{}, map[string][]string{}
	for p, can := range reference {
		permissions[p] = map[string][]string{}
		for resource, n := range can {
			permissions[p][resource] = actions[:n]
			if n > len(resources[resource]) {
				resources[resource] = actions[:n]
			}
		}
	}
	return permissions, resources
}

// How far a permission goes: to read, to write, to delete.
const (
	reads = 1 + iota
	writes
	deletes
)

// reference is the table behind it: how far each permission goes with each type
// of resource, by the names that Adobe's access-control.yaml has, where it has
// one.
var reference = map[Permission]map[string]int{
	ViewSources:   {"enterprise-source": reads, "connection": reads},
	ManageSources: {"enterprise-source": deletes, "connection": deletes},
	ViewSchemas: {
		"schemas": reads, "classes": reads, "mixins": reads, "data-types": reads, "identity-descriptor": reads, "relationship-descriptor": reads,
	},
	ManageSchemas: {
		"schemas": deletes, "classes": deletes, "mixins": deletes, "data-types": deletes, "identity-descriptor": reads, "relationship-descriptor": reads,
	},
	ManageRelationships:      {"relationship-descriptor": deletes},
	ManageIdentityMetadata:   {"identity-descriptor": deletes},
	ViewDatasets:             {"datasets": reads, "datasets-data": reads, "connection": reads, "schemas": reads},
	ManageDatasets:           {"datasets": deletes, "datasets-data": deletes, "connection": deletes, "schemas": reads},
	ViewMonitoring:           {"monitoring": reads, "datasets": reads},
	ViewIdentityNamespaces:   {"identity-namespaces": reads},
	ManageIdentityNamespaces: {"identity-namespaces": deletes},
	ViewSandboxes:            {"sandboxes": reads},
	ManageSandboxes:          {"sandboxes": deletes, "reset-sandboxes": writes},
	ResetSandboxes:           {"reset-sandboxes": writes},
	ViewAudit:                {"audit": reads},
	ViewAlerts:               {"alerts": reads},
	ManageAlerts:             {"alerts": deletes},
}

// Policies says what the principal may do in the sandbox, by the paths that
// were asked for: /permissions/<slug> gives "*", /resource-types/<name> gives
// actions. What it may not do is left out, and so is what nobody knows. Singular
// and plural are the same, and the answer has the caller's spelling.
func (p *Principal) Policies(sandbox string, paths []string) (map[string][]string, error) {
	held := p.Grants[sandbox]
	if p.Admin {
		held = Permissions
	}
	policies := map[string][]string{}
	for _, path := range paths {
		if slug, ok := strings.CutPrefix(path, "/permissions/"); ok {
			if slices.ContainsFunc(held, func(h Permission) bool { return singular(string(h)) == singular(slug) }) {
				policies[path] = []string{"*"}
			}
			continue
		}
		name, ok := strings.CutPrefix(path, "/resource-types/")
		if !ok {
			return nil, problem.Errorf(problem.Invalid, "%s is neither /permissions/… nor /resource-types/…", quote(path))
		}
		reach := 0
		for _, h := range held {
			for resource, n := range reference[h] {
				if singular(resource) == singular(name) {
					reach = max(reach, n)
				}
			}
		}
		if reach > 0 {
			policies[path] = actions[:reach]
		}
	}
	return policies, nil
}

// singular brings the spellings of a slug together: manage-dataset and
// manage-datasets, classes and class, and the original's manage-shemas.
func singular(slug string) string {
	words := strings.Split(strings.ReplaceAll(strings.ToLower(slug), "shema", "schema"), "-")
	for i, w := range words {
		switch {
		case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "xes"):
			words[i] = w[:len(w)-2]
		case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss"):
			words[i] = w[:len(w)-1]
		}
	}
	return strings.Join(words, "-")
}
