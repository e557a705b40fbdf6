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
