package report_test

import (
	"maps"
	"math"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// one returns an object that fits.
func one(t *testing.T, sim *stripesim.Sim, r stripesim.Resource, fits func(map[string]any) bool) (found map[string]any) {
	t.Helper()
	all(t, sim, r, func(v map[string]any) {
		if fits(v) {
			found = v
		}
	})
	if found == nil {
		t.Fatal("nothing fits")
	}
	return found
}

// Money that was held and never captured, and money that a failure took back, is
// no refund of an order, though Stripe has a refund of it; fees and ledger agree
// all the same.
func TestUndone(t *testing.T) {
	t.Parallel()
	long(t)
	sim := shop(t)
	charge := one(t, sim, stripesim.Charges, func(v map[string]any) bool {
		return v["currency"] == "usd" && v["balance_transaction"] != nil && v["amount"].(float64) > 1000 && v["amount_refunded"] == float64(0) &&
			v["created"].(float64) < float64(present.AddDate(0, 0, -5).Unix())
	})
	row := one(t, sim, stripesim.BalanceTransactions, func(v map[string]any) bool { return v["id"] == charge["balance_transaction"] })
	refund := one(t, sim, stripesim.Refunds, func(map[string]any) bool { return true })
	maps.Copy(refund, map[string]any{"amount": charge["amount"], "currency": "usd", "status": "succeeded"})
	before := truthOf(t, sim).answers(&asked{Params: report.Params{Section: "methods"}, to: math.MaxInt64})["methods"].at("usd", "all", "all")

	// Captured but for 375, a day later.
	amount, after := charge["amount"].(float64), charge["created"].(float64)+86400
	copytest.Put(t, sim, stripesim.Charges, charge, map[string]any{"amount_captured": amount - 375, "amount_refunded": 375})
	copytest.Put(t, sim, stripesim.Refunds, refund, map[string]any{"id": "re_rest", "charge": charge["id"], "amount": 375, "balance_transaction": "txn_rest", "created": after})
	copytest.Put(t, sim, stripesim.BalanceTransactions, row, map[string]any{
		"id": "txn_rest", "amount": -375, "fee": -11, "net": -364, "type": "refund", "reporting_category": "partial_capture_reversal", "source": "re_rest", "created": after,
	})
	// Held and let go.
	copytest.Put(t, sim, stripesim.Charges, charge, map[string]any{
		"id": "ch_held", "captured": false, "amount_captured": 0, "amount_refunded": amount, "refunded": true, "balance_transaction": nil,
	})
	copytest.Put(t, sim, stripesim.Refunds, refund, map[string]any{"id": "re_held", "charge": "ch_held", "balance_transaction": nil})
	// Failed after it was booked: once as the charge and the refund say, once as the refund alone says.
	for id, undone := range map[string]any{"1": "txn_back1", "2": nil} {
		captured := amount
		if undone == nil {
			captured = 0
		}
		copytest.Put(t, sim, stripesim.Charges, charge, map[string]any{
			"id": "py_" + id, "status": "failed", "paid": false, "amount_captured": captured, "balance_transaction": "txn_there" + id, "failure_balance_transaction": undone,
		})
		copytest.Put(t, sim, stripesim.BalanceTransactions, row, map[string]any{"id": "txn_there" + id, "source": "py_" + id})
		copytest.Put(t, sim, stripesim.BalanceTransactions, row, map[string]any{
			"id": "txn_back" + id, "amount": -amount, "fee": 400, "net": -amount - 400, "type": "payment_failure_refund", "reporting_category": "charge_failure", "source": "pyr_" + id,
		})
		copytest.Put(t, sim, stripesim.Refunds, refund, map[string]any{"id": "pyr_" + id, "charge": "py_" + id, "balance_transaction": "txn_back" + id})
	}

	source := copytest.Of(t, sim)
	for _, p := range []report.Params{{Period: report.Month}, {Period: report.Month, From: present.AddDate(0, -2, 0), To: present.AddDate(0, 0, -20)}} {
		for _, s := range truthOf(t, sim).differences(t, source, &asked{Params: p, zone: time.UTC}) {
			t.Error(s)
		}
	}
	r, err := report.Run(t.Context(), source, report.Params{Section: "methods"})
	if err != nil {
		t.Fatal(err)
	}
	got := values(r.Sections[0], "currency", "usd", "class", "all")[0]
	if got["gross"] != before["gross"].(int64)-375 || got["refunded"] != before["refunded"] {
		t.Errorf("%v gross, %v refunded; it was %v, %v", got["gross"], got["refunded"], before["gross"], before["refunded"])
	}
}
