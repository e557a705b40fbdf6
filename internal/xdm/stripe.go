package xdm

import (
	"bytes"
	"embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/tributary-data/tributary/internal/problem"
)

// Resources are the Stripe resources that have a schema, named as in Stripe's
// paths.
var Resources = []string{"charges", "subscriptions", "refunds", "balance_transactions", "customers", "prices"}

// The field groups are maintained by hand: one field a line, id and object
// first, the rest by name as Stripe sends them.
//
//go:embed fieldgroups/*.json
var fieldGroups embed.FS

const namespace = "https://ns.tributary-data.github.io/"

var tenantName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// FieldGroup returns the field group of a Stripe resource as XDM JSON, with
// its fields under the tenant's namespace. The strings of meta:tributary are
// marks of ours.
func FieldGroup(resource, tenant string) ([]byte, error) {
	if _, err := Stripe(resource, tenant); err != nil {
		return nil, err
	}
	data, err := fieldGroups.ReadFile("fieldgroups/" + resource + ".json")
	return bytes.ReplaceAll(data, []byte(`"`+tenantPlaceholder+`"`), []byte(`"_`+tenant+`"`)), err
}

// Stripe returns the schema of a Stripe resource under a tenant namespace,
// which is given without its underscore. An unknown resource or a tenant with
// other characters than letters, digits, - and _ is a problem.Invalid.
func Stripe(resource, tenant string) (*Schema, error) {
	if !slices.Contains(Resources, resource) {
		return nil, &problem.Error{
			Kind:   problem.Invalid,
			Detail: fmt.Sprintf("there is no Stripe resource %q here", resource),
			Advice: "The resources are " + strings.Join(Resources, ", ") + ".",
		}
	}
	if !tenantName.MatchString(tenant) {
		return nil, &problem.Error{
			Kind:   problem.Invalid,
			Detail: fmt.Sprintf("the tenant namespace %q is not a name", tenant),
			Advice: "Give it without the leading underscore, in letters, digits, - and _.",
		}
	}
	all, err := groups()
	if err != nil {
		return nil, err
	}
	g := all[resource]
	return &Schema{
		ID:       namespace + tenant + "/schemas/stripe-" + strings.ReplaceAll(resource, "_", "-"),
		Title:    g.title,
		Resource: resource,
		Tenant:   tenant,
		Group:    g.custom.Name,
		Fields:   slices.Clone(g.custom.Fields),
	}, nil
}

// An ownGroup is a field group of ours, read.
type ownGroup struct {
	title  string
	custom *Field
}

// groups are the field groups by resource. Reading them takes longer than most
// that is done with them, so it is done once; nobody changes a Field of theirs.
var groups = sync.OnceValues(func() (map[string]ownGroup, error) {
	all := map[string]ownGroup{}
	for _, resource := range Resources {
		data, err := fieldGroups.ReadFile("fieldgroups/" + resource + ".json")
		if err != nil {
			return nil, err
		}
		g, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("field group of %s: %w", resource, err)
		}
		custom, err := g.custom()
		if err != nil {
			return nil, fmt.Errorf("field group of %s: %w", resource, err)
		}
		all[resource] = ownGroup{g.Title, custom}
	}
	return all, nil
})
