package report_test

import "slices"

// A pointer is what an object says of a balance transaction.
type pointer struct {
	row, object, currency string
	charge                string // whose own it is; "" where it is a refund's
	created, amount       int64
}

func (w *truth) pointers() []pointer {
	var out []pointer
	charges, undone := map[string]*charge{}, map[string]bool{}
	rest := map[string]int64{}
	for _, f := range w.refunds {
		if w.rows[text(f.Row)].Category == "partial_capture_reversal" {
			rest[f.Charge] += f.Amount
		}
	}
	for _, c := range w.charges {
		charges[c.ID] = c
		moved := c.Amount
		if moved == 0 {
			moved = c.Held
		}
		if c.Row != nil {
			out = append(out, pointer{*c.Row, c.ID, c.Currency, c.ID, c.Created, moved + rest[c.ID]})
		}
		if c.Undone != nil {
			undone[*c.Undone] = true
			out = append(out, pointer{*c.Undone, c.ID, c.Currency, c.ID, c.Created, -moved})
		}
	}
	for _, f := range w.refunds {
		if f.Row != nil && !undone[*f.Row] {
			p := pointer{*f.Row, f.ID, f.Currency, "", f.Created, -f.Amount}
			switch w.rows[*f.Row].Category {
			case "partial_capture_reversal", "charge_failure":
				if c := charges[f.Charge]; c != nil {
					p.charge, p.created = c.ID, c.Created
				}
			}
			out = append(out, p)
		}
		if f.Back != nil {
			out = append(out, pointer{*f.Back, f.ID, f.Currency, "", f.Created, f.Amount})
		}
	}
	return out
}

func ofObjects(category string) bool {
	return slices.Contains([]string{"charge", "charge_failure", "refund", "refund_failure", "partial_capture_reversal"}, category)
}

func (w *truth) settlement(q *asked) result {
	named := map[string]pointer{}
	for _, p := range w.pointers() {
		named[p.row] = p
	}
	out := result{}
	for _, b := range w.rows {
		if b.Created < q.from || b.Created >= q.to {
			continue
		}
		key := b.Currency + "|" + b.Category
		out.add("transactions", 1, key)
		out.add("amount", b.Amount, key)
		out.add("fee", b.Fee, key)
		out.add("net", b.Net, key)
		at, p := out.at(key), named[b.ID]
		for _, name := range []string{"found_transactions", "found_amount", "found_fee", "found_net", "earlier_amount", "earlier_fee"} {
			if !ofObjects(b.Category) {
				at[name] = nil
				continue
			}
			out.add(name, 0, key)
		}
		if at["objects"] == nil {
			at["objects"], at["settled"] = nil, nil
		}
		if p.row == "" || !ofObjects(b.Category) {
			continue
		}
		out.add("found_transactions", 1, key)
		out.add("found_amount", b.Amount, key)
		out.add("found_fee", b.Fee, key)
		out.add("found_net", b.Net, key)
		if p.created < q.from || p.created >= q.to {
			out.add("earlier_amount", b.Amount, key)
			out.add("earlier_fee", b.Fee, key)
		}
		if p.currency == b.Currency {
			out.add("objects", p.amount, key)
			out.add("settled", b.Amount, key)
		}
	}
	return out
}

func (w *truth) misfits(q *asked) result {
	out := result{}
	inside := func(at int64) bool { return at >= q.from && at < q.to }
	put := func(amount any, texts ...string) { out.at(texts...)["amount"] = amount }
	seen, first := map[string]int{}, map[string]pointer{}
	for _, p := range w.pointers() {
		seen[p.row]++
		if f, ok := first[p.row]; !ok || p.object < f.object {
			first[p.row] = p
		}
		b, ok := w.rows[p.row]
		if !ok && inside(p.created) {
			put(p.amount, "not copied", p.row, p.object, p.currency)
		}
		if ok && inside(b.Created) && p.currency == b.Currency && p.amount != b.Amount {
			put(b.Amount-p.amount, "amount", b.ID, p.object, b.Currency)
		}
	}
	for _, b := range w.rows {
		if !inside(b.Created) {
			continue
		}
		if seen[b.ID] == 0 && ofObjects(b.Category) {
			put(b.Amount, "no object", b.ID, text(b.Source), b.Currency)
		}
		if seen[b.ID] > 1 {
			put(nil, "named twice", b.ID, first[b.ID].object, first[b.ID].currency)
		}
		if b.Net != b.Amount-b.Fee {
			put(b.Net-(b.Amount-b.Fee), "net", b.ID, text(b.Source), b.Currency)
		}
	}
	for _, c := range w.charges {
		if inside(c.Created) && c.paid > 0 && c.Row == nil {
			put(c.paid, "waiting", "", c.ID, c.Currency)
		}
	}
	for _, at := range out {
		at["total"] = int64(len(out))
	}
	return out
}
