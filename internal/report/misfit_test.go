package report_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// rewrite changes the newest object of a resource that fits, and returns its id.
func rewrite(t *testing.T, sim *stripesim.Sim, r stripesim.Resource, change func(map[string]any) bool) string {
	t.Helper()
	var id string
	var raw []byte
	for o := range sim.Oracle(r) {
		v := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(o.JSON))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if !change(v) {
			continue
		}
		var err error
		if raw, err = json.Marshal(v); err != nil {
			t.Fatal(err)
		}
		id = v["id"].(string)
	}
	if id == "" {
		t.Fatal("nothing fits")
	}
	if err := sim.Put(r, raw); err != nil {
		t.Fatal(err)
	}
	return id
}

// What does not fit is named by its id, and the report says that it does not
// reconcile.
func TestMisfits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   string
		change func(t *testing.T, sim *stripesim.Sim) string
	}{
		"a charge of another amount": {"amount", func(t *testing.T, sim *stripesim.Sim) string {
			return rewrite(t, sim, stripesim.Charges, func(v map[string]any) bool {
				if v["currency"] != "usd" || v["balance_transaction"] == nil {
					return false
				}
				v["amount_captured"] = 123
				return true
			})
		}},
		"a net that is none": {"net", func(t *testing.T, sim *stripesim.Sim) string {
			return rewrite(t, sim, stripesim.BalanceTransactions, func(v map[string]any) bool {
				v["net"] = 1
				return v["reporting_category"] == "charge"
			})
		}},
		"a row of no charge": {"no object", func(t *testing.T, sim *stripesim.Sim) string {
			return rewrite(t, sim, stripesim.BalanceTransactions, func(v map[string]any) bool {
				if v["reporting_category"] != "charge" {
					return false
				}
				v["id"] = "txn_nobodys"
				return true
			})
		}},
		"a charge whose row is nowhere": {"not copied", func(t *testing.T, sim *stripesim.Sim) string {
			return rewrite(t, sim, stripesim.Charges, func(v map[string]any) bool {
				if v["balance_transaction"] == nil {
					return false
				}
				v["balance_transaction"] = "txn_nowhere"
				return true
			})
		}},
		"two charges with one row": {"named twice", func(t *testing.T, sim *stripesim.Sim) string {
			var first any
			return rewrite(t, sim, stripesim.Charges, func(v map[string]any) bool {
				if first == nil {
					first = v["balance_transaction"]
					return false
				}
				v["balance_transaction"] = first
				return true
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := shop(t)
			id := c.change(t, sim)
			source := copytest.Of(t, sim)
			r, err := report.Run(t.Context(), source, report.Params{})
			if err != nil {
				t.Fatal(err)
			}
			got := r.Reconciliation
			if got.Reconciled || !strings.Contains(got.Statement, "not reconcile") {
				t.Errorf("%s", got.Statement)
			}
			if bare := regexp.MustCompile(`differs by -?[0-9.]+;`).FindString(got.Statement); bare != "" {
				t.Errorf("an amount without a currency: %q in %s", bare, got.Statement)
			}
			fits := func(s string) bool {
				return strings.HasPrefix(s, c.kind+": ") && (strings.Contains(s, id) || c.kind == "named twice")
			}
			if !slices.ContainsFunc(got.Misfits, fits) {
				t.Errorf("%s is not named: %v", id, got.Misfits)
			}
			said := truthOf(t, sim).differences(t, source, &asked{Params: report.Params{Section: "misfits"}})
			for _, s := range said {
				t.Error(s)
			}
		})
	}
}
