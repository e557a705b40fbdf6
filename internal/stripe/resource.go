package stripe

import (
	"net/url"
	"strings"
)

// A Resource is one of Stripe's lists, with what reading all of it needs.
type Resource struct {
	Name       string    // "charges"
	Object     string    // the "object" field of its elements: "charge"
	Path       string    // of the list: "/v1/charges"
	Variants   []Variant // the lists whose union is the whole resource; at least one
	Expand     []string  // expansions of a retrieve, the same as those of the lists
	Permission string    // what a restricted key needs, as Stripe's messages name it
	Row        string    // the same, as the Dashboard names it
	Livemode   bool      // whether its objects carry livemode
}

// A Variant is one list of a resource.
type Variant struct {
	Name  string     // tells the variants of a resource apart; "" when there is one
	Query url.Values // parameters besides created, limit and the cursor; not to be changed
}

// Resources are the resources that are copied.
var Resources = []Resource{
	{
		Name: "charges", Object: "charge", Path: "/v1/charges",
		Variants:   []Variant{{}},
		Permission: "rak_charge_read", Row: "Charges", Livemode: true,
	},
	{
		Name: "subscriptions", Object: "subscription", Path: "/v1/subscriptions",
		Variants:   []Variant{{Query: url.Values{"status": {"all"}}}}, // the default hides canceled ones
		Permission: "rak_subscription_read", Row: "Subscriptions", Livemode: true,
	},
	{
		Name: "refunds", Object: "refund", Path: "/v1/refunds",
		Variants:   []Variant{{}},
		Permission: "rak_refund_read", Row: "Refunds (older Dashboards: Charges and Refunds)",
	},
	{
		Name: "balance_transactions", Object: "balance_transaction", Path: "/v1/balance_transactions",
		Variants:   []Variant{{}},
		Permission: "rak_balance_transaction_source_read", Row: "Balance transaction sources",
	},
	{
		Name: "customers", Object: "customer", Path: "/v1/customers",
		Variants:   []Variant{{}},
		Permission: "rak_customer_read", Row: "Customers", Livemode: true,
	},
	{
		Name: "prices", Object: "price", Path: "/v1/prices",
		// Without active the list is documented to hold active prices only.
		Variants: []Variant{
			{Name: "active", Query: url.Values{
				"active": {"true"}, "expand[]": {"data.tiers", "data.currency_options", "data.currency_options.tiers"},
			}},
			{Name: "inactive", Query: url.Values{
				"active": {"false"}, "expand[]": {"data.tiers", "data.currency_options", "data.currency_options.tiers"},
			}},
		},
		Expand:     []string{"tiers", "currency_options", "currency_options.tiers"},
		Permission: "rak_plan_read", Row: "Prices", Livemode: true,
	},
}

// NoEvents says that Stripe has no event about objects of the resource.
func (r Resource) NoEvents() bool { return r.Name == "balance_transactions" }

// Lookup returns the resource of that name.
func Lookup(name string) (Resource, bool) {
	for _, r := range Resources {
		if r.Name == name {
			return r, true
		}
	}
	return Resource{}, false
}

const eventsPath = "/v1/events"

// sidePermissions are those of the endpoints that are read beside Resources.
var sidePermissions = []struct{ path, permission, row string }{
	{eventsPath, "rak_event_read", "Events"},
	{"/v1/subscription_items", "rak_subscription_read", "Subscriptions"},
	{"/v1/account", "rak_connected_account_read", "Connected accounts"},
	{"/v1/disputes", "rak_dispute_read", "Disputes"},
	{"/v1/invoices", "rak_invoice_read", "Invoices"},
	{"/v1/payouts", "rak_payout_read", "Payouts"},
	{"/v1/products", "rak_product_read", "Products"},
	{"/v1/webhook_endpoints", "rak_webhook_write", "Webhook endpoints"},
}

// permissionOf returns what reading path needs, or "".
func permissionOf(path string) string {
	for _, r := range Resources {
		if within(path, r.Path) {
			return r.Permission
		}
	}
	for _, s := range sidePermissions {
		if within(path, s.path) {
			return s.permission
		}
	}
	return ""
}

// rowOf returns the Dashboard's name of a permission, or "".
func rowOf(permission string) string {
	for _, r := range Resources {
		if r.Permission == permission {
			return r.Row
		}
	}
	for _, s := range sidePermissions {
		if s.permission == permission {
			return s.row
		}
	}
	return ""
}

// A Permission is a right of a restricted key.
type Permission struct {
	ID   string // as Stripe's messages name it: rak_charge_read
	Name string // as the Dashboard names it: Charges: Read; the id where that is not known
}

// Permissions reads ids with commas between them, as Error.Permission has them.
func Permissions(ids string) []Permission {
	var all []Permission
	for id := range strings.SplitSeq(ids, ", ") {
		if id == "" {
			continue
		}
		p := Permission{ID: id, Name: id}
		if row := rowOf(id); row != "" {
			p.Name = row + ": Read"
			if strings.HasSuffix(id, "_write") {
				p.Name = row + ": Write"
			}
		}
		all = append(all, p)
	}
	return all
}

// PermissionFor returns what reading a resource needs, Events and Account among
// them.
func PermissionFor(resource string) Permission {
	path := "/v1/" + resource
	if all := Permissions(permissionOf(path)); len(all) == 1 {
		return all[0]
	}
	return Permission{}
}

func within(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '/')
}

// template returns the endpoint that Stripe counts a path under: the path with
// its ids replaced. /v1/charges and /v1/charges/{id} have limits of their own.
func template(path string) string {
	parts := strings.Split(path, "/")
	for i := 2; i < len(parts); i++ {
		if strings.ContainsFunc(parts[i], func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) ||
			isList(strings.Join(parts[:i], "/")) {
			parts[i] = "{id}"
		}
	}
	return strings.Join(parts, "/")
}

func isList(path string) bool {
	for _, r := range Resources {
		if r.Path == path {
			return true
		}
	}
	return false
}
