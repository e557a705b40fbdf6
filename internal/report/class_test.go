package report_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// What is told to be bought now and paid later, or by card. Klarna's method
// goes by its category.
var (
	laterMethods = []string{
		"affirm", "afterpay_clearpay", "alma", "billie", "capchase_pay", "kriya", "mondu", "rechnung", "scalapay", "sequra", "sunbit", "zip",
	}
	cardMethods = []string{"card", "card_present", "interac_present", "kr_card"}
	categories  = map[string]string{
		"pay_later": "bnpl/klarna", "pay_in_installments": "bnpl/klarna", "pay_with_financing": "bnpl/klarna", "pay_now": "other/klarna_pay_now",
		"": "bnpl_unknown/klarna", "pay_over_time": "bnpl_unknown/klarna", "PAY_LATER": "bnpl_unknown/klarna",
	}
)

// documentedMethods are those that the field group of charges lists.
func documentedMethods(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("../xdm/fieldgroups/charges.json")
	if err != nil {
		t.Fatal(err)
	}
	var group any
	if err := json.Unmarshal(raw, &group); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(v any)
	walk = func(v any) {
		at, _ := v.(map[string]any)
		for name, v := range at {
			if name == "payment_method_details" {
				of := v.(map[string]any)["properties"].(map[string]any)["type"].(map[string]any)["meta:enum"].(map[string]any)
				for name := range of {
					names = append(names, name)
				}
			}
			walk(v)
		}
	}
	walk(group)
	if len(names) < 60 {
		t.Fatalf("only %d methods: %v", len(names), names)
	}
	return names
}

// Every method that Stripe documents has the class that is meant for it, and what
// nobody knows is other.
func TestClasses(t *testing.T) {
	t.Parallel()
	want := map[string]int64{}
	named := map[string]string{"brand_new": "other/brand_new", "card/plan": "card/card_installments", "klarna/shop": "bnpl/klarna", "affirm/shop": "bnpl/affirm"}
	for _, name := range documentedMethods(t) {
		named[name] = "other/" + name
	}
	for _, name := range laterMethods {
		named[name] = "bnpl/" + name
	}
	for _, name := range cardMethods {
		named[name] = "card/" + name
	}
	delete(named, "klarna")
	for category, of := range categories {
		named["klarna/"+category] = of
	}

	at := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	sim, err := stripesim.New(stripesim.Config{Seed: 1, Start: at, End: at.Add(time.Second), Now: at.Add(48 * time.Hour), Frozen: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Create(stripesim.Charges, stripesim.Draft{Created: at, Method: "klarna", Amount: 9000, Status: "succeeded"}); err != nil {
		t.Fatal(err)
	}
	charge := one(t, sim, stripesim.Charges, func(v map[string]any) bool { return v["amount"] == float64(9000) })
	for name, of := range named {
		method, more, _ := strings.Cut(name, "/")
		details, amount := map[string]any{}, 9000
		if more == "shop" || method == "card_present" || method == "interac_present" {
			amount = 50_000
		}
		switch {
		case more == "shop":
			details["location"], details["payment_method_category"] = "tml_1", "pay_later"
		case more == "plan":
			details["installments"] = map[string]any{"plan": map[string]any{"count": 3, "interval": "month", "type": "fixed_count"}}
		case method == "klarna" && more != "":
			details["payment_method_category"] = more
		}
		copytest.Put(t, sim, stripesim.Charges, charge, map[string]any{
			"id": "py_" + strings.ReplaceAll(name, "/", "_"), "currency": "xts", "amount": amount, "amount_captured": amount, "payment_method_details": map[string]any{"type": method, method: details},
		})
		want[of]++
	}
	source := copytest.Of(t, sim)
	r, err := report.Run(t.Context(), source, report.Params{Section: "methods", Currency: "xts"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, row := range values(r.Sections[0]) {
		if row["method"] != "all" {
			got[row["class"].(string)+"/"+row["method"].(string)] = row["orders"].(int64)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// The baskets of a shop's terminals stand beside none.
	if r, err = report.Run(t.Context(), source, report.Params{Section: "lift", Currency: "xts"}); err != nil {
		t.Fatal(err)
	}
	rows := values(r.Sections[0])
	if len(rows) != len(laterMethods)+2 {
		t.Errorf("%d rows", len(rows))
	}
	for _, row := range rows {
		if row["raw_lift"] != 0.0 {
			t.Errorf("baskets of one size differ: %v", row)
		}
	}
}
