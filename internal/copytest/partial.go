package copytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/tributary-data/tributary/internal/stripesim"
)

// CaptureLess makes every nth order of an account, of those that settle in their own
// currency, one of which more was held than captured: Stripe books the whole amount,
// and the rest against it as a refund of a category of its own.
func CaptureLess(t testing.TB, sim *stripesim.Sim, every int, rest float64) {
	t.Helper()
	rows, n := map[string]map[string]any{}, 0
	for _, b := range decoded(t, sim, stripesim.BalanceTransactions) {
		rows[b["id"].(string)] = b
	}
	for _, c := range decoded(t, sim, stripesim.Charges) {
		id, _ := c["balance_transaction"].(string)
		row := rows[id]
		if c["status"] != "succeeded" || row == nil || row["currency"] != c["currency"] {
			continue
		}
		if n++; n%every > 0 {
			continue
		}
		refund, reversal := fmt.Sprintf("re_rest%d", n), fmt.Sprintf("txn_rest%d", n)
		Put(t, sim, stripesim.Charges, c, map[string]any{"amount": c["amount"].(float64) + rest, "amount_refunded": c["amount_refunded"].(float64) + rest})
		Put(t, sim, stripesim.BalanceTransactions, row, map[string]any{"amount": row["amount"].(float64) + rest, "net": row["net"].(float64) + rest})
		Put(t, sim, stripesim.BalanceTransactions, row, map[string]any{
			"id": reversal, "amount": -rest, "fee": 0, "net": -rest, "fee_details": []any{}, "type": "refund", "reporting_category": "partial_capture_reversal", "source": refund,
		})
		Put(t, sim, stripesim.Refunds, map[string]any{"id": refund, "object": "refund"}, map[string]any{
			"amount": rest, "balance_transaction": reversal, "charge": c["id"], "created": c["created"], "currency": c["currency"], "metadata": map[string]any{},
			"payment_intent": c["payment_intent"], "reason": nil, "receipt_number": nil, "status": "succeeded",
		})
	}
}

func decoded(t testing.TB, sim *stripesim.Sim, r stripesim.Resource) (all []map[string]any) {
	t.Helper()
	for o := range sim.Oracle(r) {
		v := map[string]any{}
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// Put stores an object like another one, with what is changed.
func Put(t testing.TB, sim *stripesim.Sim, r stripesim.Resource, v, changed map[string]any) {
	t.Helper()
	v = maps.Clone(v)
	maps.Copy(v, changed)
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.Put(r, raw); err != nil {
		t.Fatal(err)
	}
}
