package webui

import (
	"net/http"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

// A navItem is an entry of the navigation, for those who may see what it
// leads to.
type navItem struct {
	Path    string // below Base
	Title   string
	Icon    string // its class
	Current bool

	need []string // slugs, one of which is enough
}

var navigation = []navItem{
	{Path: "/monitoring", Title: "Monitoring", Icon: "monitor", need: []string{"view-monitoring-dashboard", "view-sources", "manage-sources"}},
	{Path: "/sources", Title: "Sources", Icon: "source", need: []string{"view-sources"}},
	{Path: "/copies", Title: "Copies of accounts", Icon: "copies", need: []string{"view-sources"}},
	{Path: "/datasets", Title: "Datasets", Icon: "dataset", need: []string{"view-datasets"}},
	{Path: "/schemas", Title: "Schemas", Icon: "schema", need: []string{"view-schemas"}},
	{Path: "/sql", Title: "SQL", Icon: "sql", need: []string{"view-datasets", "manage-datasets"}},
	{Path: "/insights", Title: "Insights", Icon: "report", need: []string{"view-datasets", "manage-datasets"}},
	{Path: "/audiences", Title: "Audiences", Icon: "audience", need: []string{"view-datasets", "manage-datasets"}},
	{Path: "/experiments", Title: "Experiments", Icon: "experiment", need: []string{"view-datasets", "manage-datasets"}},
	{Path: "/offers", Title: "Offers", Icon: "offer", need: []string{"view-datasets", "manage-datasets"}},
	{Path: "/alerts", Title: "Alerts", Icon: "alert", need: []string{"view-alerts"}},
	{Path: "/access", Title: "Access", Icon: "key", need: []string{"view-sources", "view-user-activity-log", "manage-datasets"}},
}

// Nav returns the entries of the navigation.
func (v view) Nav() ([]navItem, error) {
	var shown []navItem
	for _, item := range navigation {
		may, err := v.May(item.need...)
		if err != nil {
			return nil, err
		}
		if !may {
			continue
		}
		item.Current = v.Path() == item.Path || strings.HasPrefix(v.Path(), item.Path+"/") || item.Path == "/sources" && strings.HasPrefix(v.Path(), "/workflow/")
		shown = append(shown, item)
	}
	return shown, nil
}

// start leads to the sources, and whoever may not see them to the first page that
// he may.
func (r *request) start() error {
	first := ""
	for _, item := range navigation {
		p, err := access.ParsePermissions(item.need)
		if err != nil {
			return err
		}
		if may := r.may(p...); may && item.Path == "/sources" {
			return r.redirect(item.Path)
		} else if may && first == "" {
			first = item.Path
		}
	}
	if first == "" {
		return gateway.Fail(http.StatusForbidden, "", "", "%s", r.t("You have no permissions in this sandbox. Ask an administrator of your organisation for a role."))
	}
	return r.redirect(first)
}

// Here is the page's path and query, below Base; of what a form was sent to,
// where it stands.
func (v view) Here() string {
	if v.h.Method != http.MethodGet {
		return destination(v.h.PostFormValue("to"))
	}
	return strings.TrimPrefix(v.h.URL.RequestURI(), Base)
}
