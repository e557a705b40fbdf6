package webui

import (
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

// Sources: what can be connected, the accounts that are, and their dataflows.
func (u *UI) sourceRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewSources, access.ManageSources), access.AnyOf(access.ManageSources)
	m.get("/sources", view, (*request).showCatalog)
	m.get("/sources/accounts", view, (*request).showAccounts)
	m.get("/sources/accounts/{account}", manage, (*request).showAccount)
	m.post("/sources/accounts/{account}", manage, (*request).changeAccount)
	m.post("/sources/accounts/{account}/delete", manage, (*request).deleteAccount)
	m.get("/sources/dataflows", view, (*request).showFlows)
	m.post("/sources/dataflows/{flow}/enable", manage, flowAction("enable"))
	m.post("/sources/dataflows/{flow}/disable", manage, flowAction("disable"))
	m.post("/sources/dataflows/{flow}/delete", manage, (*request).deleteFlow)
	m.get("/sources/dataflows/{flow}/run", manage, (*request).showRun)
	m.post("/sources/dataflows/{flow}/run", manage, (*request).runNow)
	m.get("/sources/dataflows/{flow}/alerts", access.AnyOf(access.ManageAlerts), (*request).showSubscribe)
	m.post("/sources/dataflows/{flow}/alerts", access.AnyOf(access.ManageAlerts), (*request).subscribe)
}

// A sourceCard is something that can be connected.
type sourceCard struct {
	ID          string
	Name        string
	Description string
	Category    string // Payments
	Beta        bool
	Accounts    int
	Flows       int
}

// catalogView is what the catalog shows.
type catalogView struct {
	Query      string
	Category   string // empty for all
	Categories []string
	Cards      []sourceCard
	Done       string // of what was just done; empty for nothing
}

var _ = words("Payments", "Stripe payments data")

func (r *request) showCatalog() error {
	v := catalogView{Query: strings.TrimSpace(r.query("q")), Category: r.query("category")}
	cards, err := r.sourceCards()
	if err != nil {
		return err
	}
	for _, c := range cards {
		if !slices.Contains(v.Categories, c.Category) {
			v.Categories = append(v.Categories, c.Category)
		}
		text := strings.ToLower(strings.Join([]string{c.Name, c.Description, r.t(c.Description), c.Category, r.t(c.Category)}, " "))
		if strings.Contains(text, strings.ToLower(v.Query)) && (v.Category == "" || v.Category == c.Category) {
			v.Cards = append(v.Cards, c)
		}
	}
	if r.partial() {
		return r.part("sources", "cards", v)
	}
	return r.show("sources", v)
}

// sourceCards are the connection specs that are sources.
func (r *request) sourceCards() ([]sourceCard, error) {
	var specs struct {
		Items []struct {
			ID          string `json:"id"`
			Name        string `json:"name"`
			Description string `json:"description"`
			Attributes  struct {
				Category string `json:"category"`
			} `json:"attributes"`
			Source *struct {
				Attributes struct {
					UI struct {
						Source bool `json:"isSource"`
						Beta   bool `json:"isBeta"`
					} `json:"uiAttributes"`
				} `json:"attributes"`
			} `json:"sourceSpec"`
		} `json:"items"`
	}
	if err := r.get(flowAPI+"/connectionSpecs", nil, &specs); err != nil {
		return nil, err
	}
	var counts struct {
		Specs map[string]struct {
			Accounts int `json:"accounts"`
			Flows    int `json:"dataflows"`
		} `json:"specs"`
	}
	if err := r.get(monitorAPI+"/counts", nil, &counts); err != nil {
		return nil, err
	}
	var all []sourceCard
	for _, s := range specs.Items {
		if s.Source == nil || !s.Source.Attributes.UI.Source {
			continue
		}
		n := counts.Specs[s.ID]
		all = append(all, sourceCard{
			ID: s.ID, Name: s.Name, Description: s.Description, Category: s.Attributes.Category, Beta: s.Source.Attributes.UI.Beta, Accounts: n.Accounts, Flows: n.Flows,
		})
	}
	return all, nil
}

// Texts of what was done, by the query's parameter done: a page says so once.
var deeds = map[string]string{
	"account-changed": "The account was changed, and it is connected.",
	"account-deleted": "The account was deleted.",
	"flow-enabled":    "The dataflow is enabled.",
	"flow-disabled":   "The dataflow is disabled: it does not run any more until it is enabled again.",
	"flow-deleted":    "The dataflow was deleted. What it brought in stays.",
	"subscribed":      "You are told about this dataflow from now on.",
	"run-begun":       "The run was asked for.",

	"schedule-changed": "The schedule was changed.",
	"mapping-changed":  "The mapping was saved. Runs that begin from now on use it.",
	"mapping-same":     "The mapping is as it was: nothing was changed.",
}

var _ = words("The account was changed, and it is connected.", "The account was deleted.", "The dataflow is enabled.",
	"The dataflow is disabled: it does not run any more until it is enabled again.", "The dataflow was deleted. What it brought in stays.",
	"You are told about this dataflow from now on.", "The run was asked for.",
	"The schedule was changed.",
	"The mapping was saved. Runs that begin from now on use it.", "The mapping is as it was: nothing was changed.")

// done is what was just done, in words.
func (r *request) done() string {
	if text, ok := deeds[r.query("done")]; ok {
		return r.t(text)
	}
	return ""
}
