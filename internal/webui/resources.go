package webui

import (
	"encoding/base64"
	"net/url"
)

// Ids of what the source and the datasets are connected by.
const (
	stripeSpec   = "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3"
	dataLakeSpec = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
	flowSpecID   = "6499120c-0b15-42dc-936e-847ea3c24d72"
)

// A resource is one that a source has, in words.
type stripeResource struct {
	Path  string // charges
	Title string
	// Template is the title of the field group and of the schema that every
	// sandbox begins with for it.
	Template string
}

var stripeResources = []stripeResource{
	{"charges", "Charges", "Stripe Charges"},
	{"subscriptions", "Subscriptions", "Stripe Subscriptions"},
	{"refunds", "Refunds", "Stripe Refunds"},
	{"balance_transactions", "Balance Transactions", "Stripe Balance Transactions"},
	{"customers", "Customers", "Stripe Customers"},
	{"prices", "Prices", "Stripe Prices"},
}

var _ = words("Charges", "Subscriptions", "Refunds", "Balance Transactions", "Customers", "Prices")

// resourceAt returns the resource of a path, as it is where it is none of ours.
func resourceAt(path string) stripeResource {
	for _, r := range stripeResources {
		if r.Path == path {
			return r
		}
	}
	return stripeResource{path, path, ""}
}

func escape(id string) string { return url.PathEscape(id) }

// exploring are the parameters that ask for the structure of a resource, and
// for its newest objects.
func exploring(resource string) url.Values {
	params := base64.StdEncoding.EncodeToString([]byte(`{"resourcePath":"` + resource + `"}`))
	return url.Values{"objectType": {"rest"}, "object": {"json"}, "fileType": {"json"}, "preview": {"true"}, "sourceParams": {params}}
}
