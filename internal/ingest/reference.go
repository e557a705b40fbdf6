package ingest

import (
	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/rawjson"
)

// Prices returns a function that finds the ids of the prices in the items of
// a subscription record. Inline prices, made with price_data, appear in no
// list (https://docs.stripe.com/api/prices/list), so what subscriptions refer
// to is the only way to them. It returns nil when the layout has no items.
func Prices(l *dataset.Layout) func(*dataset.Record) (string, []string) {
	data := l.Find("items", "data")
	if data == nil {
		return nil
	}
	id := data.Elem.Find("", "price", "id")
	if id == nil {
		return nil
	}
	var buf []byte
	return func(r *dataset.Record) (string, []string) {
		var ids []string
		list := r.Slots[data.Slot]
		if list.Kind != dataset.List {
			return "prices", nil
		}
		at := list.Start
		for range list.End {
			f := r.Frame(at, data.Elem.Size)
			if s := f[id.Slot]; s.Kind == dataset.String {
				buf = r.Value(buf[:0], s)
				ids = append(ids, string(buf))
			}
			at = dataset.NextFrame(f)
		}
		return "prices", ids
	}
}

// PendingBalance returns a function that says when a pending balance
// transaction becomes available: no event tells. It returns nil when the layout
// lacks the fields.
func PendingBalance(l *dataset.Layout) func(*dataset.Record) int64 {
	status, at := l.Find("status"), l.Find("available_on")
	if status == nil || at == nil {
		return nil
	}
	return func(r *dataset.Record) int64 {
		if s := r.Slots[status.Slot]; s.Kind != dataset.String || string(r.Text(s)) != "pending" {
			return 0
		}
		s := r.Slots[at.Slot]
		if s.Kind != dataset.Number {
			return 0
		}
		unix, err := rawjson.Int(r.Text(s))
		if err != nil {
			return 0
		}
		return unix
	}
}

// BalanceTransactions returns a function that finds the ids of the balance
// transactions that a charge or a refund names: of the payment, and of its
// failure.
func BalanceTransactions(l *dataset.Layout) func(*dataset.Record) (string, []string) {
	var nodes []*dataset.Node
	for _, name := range BalanceFields {
		if n := l.Find(name); n != nil {
			nodes = append(nodes, n)
		}
	}
	var buf []byte
	return func(r *dataset.Record) (string, []string) {
		var ids []string
		for _, n := range nodes {
			if s := r.Slots[n.Slot]; s.Kind == dataset.String {
				buf = r.Value(buf[:0], s)
				ids = append(ids, string(buf))
			}
		}
		return "balance_transactions", ids
	}
}

// BalanceFields are the fields of charges and refunds that name balance
// transactions.
var BalanceFields = []string{"balance_transaction", "failure_balance_transaction"}

// UnsettledCharge returns a function that says of a charge that has no balance
// transaction and may still get one that it is to be looked at again, from its
// creation on: the event that tells of it is not documented for every way in
// which that happens. Charges created before the given time, in unix seconds,
// are left alone. It returns nil when the layout lacks the fields.
func UnsettledCharge(l *dataset.Layout, before int64) func(*dataset.Record) int64 {
	row, status := l.Find("balance_transaction"), l.Find("status")
	if row == nil || status == nil {
		return nil
	}
	return func(r *dataset.Record) int64 {
		s := r.Slots[status.Slot]
		if r.Created < before || r.Slots[row.Slot].Kind == dataset.String || s.Kind != dataset.String {
			return 0
		}
		switch string(r.Text(s)) {
		case "succeeded", "pending":
			return r.Created
		}
		return 0
	}
}
