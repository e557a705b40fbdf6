package ingest

import (
	"github.com/tributary-data/tributary/internal/dataset"
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
