package xdm

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

func load(t *testing.T) map[string]*Schema {
	t.Helper()
	schemas := map[string]*Schema{}
	for _, resource := range Resources {
		s, err := Stripe(resource, "acme")
		if err != nil {
			t.Fatal(err)
		}
		schemas[resource] = s
	}
	return schemas
}

func lookup(t *testing.T, s *Schema, path string) *Field {
	t.Helper()
	f, ok := s.Lookup(path)
	if !ok {
		t.Fatalf("%s has no %s", s.Resource, path)
	}
	return f
}

func TestStripe(t *testing.T) {
	t.Parallel()
	var got []Schema
	for _, resource := range Resources {
		s := *load(t)[resource]
		s.Fields = nil
		got = append(got, s)
	}
	const ns = "https://ns.tributary-data.github.io/acme/schemas/"
	want := []Schema{
		{ID: ns + "stripe-charges", Title: "Stripe Charges", Resource: "charges", Tenant: "acme", Group: "charges_data"},
		{ID: ns + "stripe-subscriptions", Title: "Stripe Subscriptions", Resource: "subscriptions", Tenant: "acme", Group: "subscriptions_data"},
		{ID: ns + "stripe-refunds", Title: "Stripe Refunds", Resource: "refunds", Tenant: "acme", Group: "refunds_data"},
		{ID: ns + "stripe-balance-transactions", Title: "Stripe Balance Transactions", Resource: "balance_transactions", Tenant: "acme", Group: "balance_transactions_data"},
		{ID: ns + "stripe-customers", Title: "Stripe Customers", Resource: "customers", Tenant: "acme", Group: "customers_data"},
		{ID: ns + "stripe-prices", Title: "Stripe Prices", Resource: "prices", Tenant: "acme", Group: "prices_data"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStripeRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, resource, tenant string }{
		{"another resource", "payouts", "acme"},
		{"a path", "../stripe", "acme"},
		{"no resource", "", "acme"},
		{"no tenant", "charges", ""},
		{"tenant with underscore", "charges", "_acme"},
		{"tenant with dot", "charges", "ac.me"},
		{"tenant with line break", "charges", "acme\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := Stripe(tt.resource, tt.tenant)
			if s != nil || problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v, %v; want an Invalid", s, err)
			}
		})
	}
}

// Every column costs time in every row, so their number grows knowingly.
func TestLeaves(t *testing.T) {
	t.Parallel()
	want := map[string]int{"charges": 175, "subscriptions": 218, "refunds": 65, "balance_transactions": 20, "customers": 78, "prices": 33}
	got := map[string]int{}
	for resource, s := range load(t) {
		s.Walk(func(_ []string, f *Field) {
			if f.Kind != Object && f.Kind != Array && f.Kind != Map {
				got[resource]++
			}
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// marked lists the paths of the fields that have a mark.
func marked(s *Schema, has func(*Field) bool) []string {
	var paths []string
	s.Walk(func(path []string, f *Field) {
		if has(f) {
			paths = append(paths, strings.ReplaceAll(strings.Join(path, "."), ".[]", "[]"))
		}
	})
	return paths
}

func TestMoney(t *testing.T) {
	t.Parallel()
	price := []string{
		"custom_unit_amount.maximum", "custom_unit_amount.minimum", "custom_unit_amount.preset",
		"tiers[].flat_amount", "tiers[].unit_amount", "unit_amount",
	}
	subscription := []string{
		"billing_thresholds.amount_gte", "default_tax_rates[].flat_amount.amount", "discount.coupon.amount_off",
		"items.data[].plan.amount",
	}
	for _, p := range price {
		subscription = append(subscription, "items.data[].price."+p)
	}
	want := map[string][]string{
		"charges": {
			"amount", "amount_captured", "amount_refunded", "application_fee_amount",
			"payment_method_details.card.amount_authorized", "payment_method_details.card.overcapture.maximum_amount_capturable",
			"presentment_details.presentment_amount", "transfer_data.amount",
		},
		"subscriptions":        append(subscription, "items.data[].tax_rates[].flat_amount.amount"),
		"refunds":              {"amount", "presentment_details.presentment_amount"},
		"balance_transactions": {"amount", "fee", "fee_details[].amount", "net"},
		"customers":            {"balance", "discount.coupon.amount_off"},
		"prices":               price,
	}
	got := map[string][]string{}
	for resource, s := range load(t) {
		got[resource] = marked(s, func(f *Field) bool { return f.Money })
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRequired(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"charges":              {"id", "object", "amount", "created", "currency"},
		"subscriptions":        {"id", "object", "created"},
		"refunds":              {"id", "object", "amount", "created", "currency"},
		"balance_transactions": {"id", "object", "amount", "created", "currency", "fee", "net"},
		"customers":            {"id", "object", "created"},
		"prices":               {"id", "object", "created"},
	}
	got := map[string][]string{}
	for resource, s := range load(t) {
		got[resource] = marked(s, func(f *Field) bool { return f.Required })
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What Stripe sends in several places has the same fields in each.
func TestSharedShapes(t *testing.T) {
	t.Parallel()
	schemas := load(t)
	object := func(resource, path string) []*Field {
		if path == "" {
			return schemas[resource].Fields
		}
		return lookup(t, schemas[resource], path).Fields
	}
	for _, tt := range []struct {
		name   string
		places [][2]string
	}{
		{"price", [][2]string{{"prices", ""}, {"subscriptions", "items.data[].price"}}},
		{"discount", [][2]string{{"subscriptions", "discount"}, {"customers", "discount"}}},
		{"shipping", [][2]string{{"charges", "shipping"}, {"customers", "shipping"}}},
		{"tax rate", [][2]string{{"subscriptions", "default_tax_rates[]"}, {"subscriptions", "items.data[].tax_rates[]"}}},
		{"presentment", [][2]string{{"charges", "presentment_details"}, {"refunds", "presentment_details"}}},
		{"custom field", [][2]string{{"subscriptions", "invoice_settings.custom_fields[]"}, {"customers", "invoice_settings.custom_fields[]"}}},
		{"issuer", [][2]string{{"subscriptions", "automatic_tax.liability"}, {"subscriptions", "invoice_settings.issuer"}}},
		{"address", [][2]string{
			{"charges", "billing_details.address"},
			{"charges", "shipping.address"},
			{"customers", "address"},
			{"customers", "shipping.address"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Only the top level can be required.
			sameButRequired := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Required" }, cmp.Ignore())
			first := object(tt.places[0][0], tt.places[0][1])
			for _, p := range tt.places[1:] {
				if diff := cmp.Diff(first, object(p[0], p[1]), sameButRequired); diff != "" {
					t.Errorf("%s of %s: %s", p[1], p[0], diff)
				}
			}
		})
	}
}

var xdmName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// What a reader of a field group relies on.
func TestFieldGroupsAreKept(t *testing.T) {
	t.Parallel()
	for _, resource := range Resources {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			data, err := fieldGroups.ReadFile("fieldgroups/" + resource + ".json")
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(data) {
				t.Error("not one JSON document")
			}
			g, err := parse(data)
			if err != nil {
				t.Fatal(err)
			}
			g.Definitions.CustomFields = node{} // the fields are looked at below
			slug := strings.ReplaceAll(resource, "_", "-")
			want := *g
			want.ID = "https://ns.tributary-data.github.io/fieldgroups/stripe-" + slug
			want.Type, want.XDMType, want.Extensible, want.Abstract = "object", "object", true, true
			want.IntendedToExtend = []string{"https://ns.adobe.com/xdm/data/record"}
			if diff := cmp.Diff(want, *g, cmp.AllowUnexported(property{})); diff != "" || g.Description == "" {
				t.Errorf("head: %s", diff)
			}
			load(t)[resource].Walk(func(path []string, f *Field) {
				at := strings.Join(path, ".")
				if !slices.IsSortedFunc(f.Fields, storedOrder) {
					t.Errorf("%s: fields are not in order", at)
				}
				if f.Name == "" {
					return // the elements of the field before
				}
				if !xdmName.MatchString(f.Name) || f.Title == "" || f.Description == "" {
					t.Errorf("%s: %q, title %q, description %q", at, f.Name, f.Title, f.Description)
				}
				if strings.HasSuffix(f.Name, "_decimal") && f.Kind != String {
					t.Errorf("%s: a decimal is a %s", at, f.Kind)
				}
				if strings.Contains(f.Description, "minor units") && f.Kind == Long && !f.Money {
					t.Errorf("%s: an amount is not marked as money", at)
				}
			})
		})
	}
}

// storedOrder sorts id and object first and the rest by name.
func storedOrder(a, b *Field) int {
	rank := func(f *Field) string {
		switch f.Name {
		case "id":
			return "\x00"
		case "object":
			return "\x01"
		}
		return f.Name
	}
	return strings.Compare(rank(a), rank(b))
}
