package stripesim

import "strconv"

// chargeMetadata writes what a shop's payment module leaves on a charge: the
// order and its lines, whose prices sum up to the amount.
func (w *world) chargeMetadata(e *enc, c *charge, r *rng) {
	e.obj("metadata")
	if c.sub >= 0 {
		e.close('}')
		return
	}
	e.key("Order #")
	e.quote()
	e.b = appendOrder(e.b, c.key)
	e.quote()
	if c.lines != nil || w.together {
		w.knownItems(e, c, r)
		e.close('}')
		return
	}
	n := 1 + r.below(2*c.method.items-1)
	e.key("items_count")
	e.quote()
	e.b = strconv.AppendInt(e.b, int64(n), 10)
	e.quote()
	e.key("items")
	e.quote()
	e.b = appendItems(e.b, c.amount, n, r)
	e.quote()
	if r.chance(0.18) {
		e.str("add_on", addOns[r.below(len(addOns))])
	}
	if r.chance(0.12) {
		e.str("coupon", []string{"WELCOME10", "SÜSSES-ODER-SAURES", "봄맞이세일"}[r.below(3)])
	}
	if r.chance(0.02) {
		e.str("note", "Bitte beim Nachbarn \"Ö. Weiß\" abgeben 🙏\nDanke!")
	}
	e.close('}')
}

// knownItems writes an order's lines: its own, or a basket of things that go
// together, whose prices are made to sum up to the amount.
func (w *world) knownItems(e *enc, c *charge, r *rng) {
	lines := c.lines
	if lines == nil {
		left := c.amount
		basket := w.basket(c.customer, r)
		for i, it := range basket {
			part := left
			if i < len(basket)-1 {
				part = max(left*int64(20+r.below(50))/100, 1)
			}
			left -= part
			lines = append(lines, line{tastes.items[it].sku, 1, part})
		}
	}
	e.key("items_count")
	e.quote()
	e.b = strconv.AppendInt(e.b, int64(quantity(lines)), 10)
	e.quote()
	e.key("items")
	e.quote()
	e.b = appendLines(e.b, lines)
	e.quote()
}

func appendOrder(b []byte, key uint64) []byte {
	var d [9]byte
	for i := 8; i >= 0; i-- {
		d[i] = byte('0' + key%10)
		key /= 10
	}
	return append(b, d[:]...)
}

// appendItems appends n order lines as JSON inside a JSON string:
// [{\"sku\":\"24-MB01\",\"qty\":1,\"price\":3400},…]; the prices, in minor
// units, sum up to the amount.
func appendItems(b []byte, amount int64, n int, r *rng) []byte {
	b = append(b, '[')
	left := amount
	for i := range n {
		part := left
		if i < n-1 {
			part = max(left*int64(20+r.below(50))/100, 1)
		}
		left -= part
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{\"sku\":\"`...)
		b = append(b, articles[r.below(len(articles))].sku...)
		b = append(b, `\",\"qty\":1,\"price\":`...)
		b = strconv.AppendInt(b, part, 10)
		b = append(b, '}')
	}
	return append(b, ']')
}
