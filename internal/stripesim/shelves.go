package stripesim

// The shelves of the generated resources. A field that is asked for often is
// answered from the drawn object; for the others false is returned and the
// object is rendered and looked into.

func chargeShelf(w *world) *shelf {
	return &shelf{
		resource: Charges,
		n:        len(w.charges),
		created:  func(pos int) int64 { return w.charges[pos] },
		appendID: func(b []byte, pos int) []byte {
			c := w.chargeAt(pos)
			return w.appendChargeID(b, &c)
		},
		find: w.findCharge,
		render: func(e *enc, pos int, _ view) {
			c := w.chargeAt(pos)
			w.charge(e, &c)
		},
		field: func(pos int, path string) (string, bool) {
			c := w.chargeAt(pos)
			switch path {
			case "customer":
				if c.customer < 0 {
					return "", true
				}
				return string(w.appendCustomerID(nil, uint64(c.customer))), true
			case "payment_intent":
				return string(w.long(nil, idIntent, "pi_", c.key)), true
			case "transfer_group":
				return "", true
			}
			return "", false
		},
	}
}

func refundShelf(w *world) *shelf {
	return &shelf{
		resource: Refunds,
		n:        len(w.refunds),
		created:  func(pos int) int64 { return w.refunds[pos].created },
		appendID: func(b []byte, pos int) []byte {
			f, c, _ := w.refundAt(w.refunds[pos].key)
			return w.long(b, idRefund, c.method.refund, f.key)
		},
		find: w.findRefund,
		render: func(e *enc, pos int, _ view) {
			f, c, _ := w.refundAt(w.refunds[pos].key)
			w.refund(e, &f, &c)
		},
		field: func(pos int, path string) (string, bool) {
			switch path {
			case "charge":
				_, c, _ := w.refundAt(w.refunds[pos].key)
				return string(w.appendChargeID(nil, &c)), true
			case "payment_intent":
				return string(w.long(nil, idIntent, "pi_", w.refunds[pos].key>>2)), true
			}
			return "", false
		},
	}
}

func balanceShelf(w *world, now *clock) *shelf {
	return &shelf{
		resource: BalanceTransactions,
		n:        len(w.balance),
		created:  func(pos int) int64 { return w.balance[pos].created },
		appendID: func(b []byte, pos int) []byte { return w.long(b, idBalance, "txn_", w.balance[pos].key) },
		find:     w.findBalance,
		render: func(e *enc, pos int, _ view) {
			b := w.balanceAt(w.balance[pos])
			w.balanceRow(e, &b, now.unix())
		},
		field: func(pos int, path string) (string, bool) {
			b := w.balanceAt(w.balance[pos])
			switch path {
			case "type":
				return b.kind, true
			case "currency":
				return b.currency.code, true
			case "source":
				if b.source.prefix == "" {
					return "", true
				}
				return string(w.long(nil, b.source.kind, b.source.prefix, b.source.key)), true
			}
			return "", false
		},
	}
}

func customerShelf(w *world) *shelf {
	return &shelf{
		resource: Customers,
		n:        len(w.customers),
		created:  func(pos int) int64 { return w.customers[pos] },
		appendID: func(b []byte, pos int) []byte { return w.appendCustomerID(b, uint64(pos)) },
		find:     w.findCustomer,
		render:   func(e *enc, pos int, _ view) { w.customer(e, uint64(pos), w.customers[pos]) },
		hidden:   func(pos int) bool { p := w.personAt(uint64(pos)); return p.deleted },
		field: func(pos int, path string) (string, bool) {
			switch path {
			case "email":
				p := w.personAt(uint64(pos))
				return string(p.appendEmail(nil, uint64(pos))), true
			case "test_clock":
				return "", true
			}
			return "", false
		},
	}
}

func priceShelf(w *world) *shelf {
	return &shelf{
		resource: Prices,
		n:        len(w.prices),
		created:  func(pos int) int64 { return w.prices[pos].created },
		appendID: func(b []byte, pos int) []byte { return w.appendPriceID(b, idPrice, uint64(pos)) },
		find:     w.findPrice,
		render:   func(e *enc, pos int, v view) { w.price(e, &w.prices[pos], v) },
		field: func(pos int, path string) (string, bool) {
			p := &w.prices[pos]
			switch path {
			case "active":
				if p.active {
					return "true", true
				}
				return "false", true
			case "currency":
				return p.currency.code, true
			}
			return "", false
		},
	}
}

func (s *Sim) subscriptionShelf() *shelf {
	w := s.world
	return &shelf{
		resource: Subscriptions,
		n:        len(w.subs),
		created:  func(pos int) int64 { return w.subs[pos] },
		appendID: func(b []byte, pos int) []byte { return w.appendSubscriptionID(b, uint64(pos)) },
		find:     w.findSubscription,
		render: func(e *enc, pos int, v view) {
			sub := w.subscriptionAt(pos)
			w.subscription(e, &sub, v, s.changedPrice)
		},
		field: func(pos int, path string) (string, bool) {
			sub := w.subscriptionAt(pos)
			switch path {
			case "status":
				return sub.status, true
			case "customer":
				if sub.customer < 0 {
					return "", false
				}
				return string(w.appendCustomerID(nil, uint64(sub.customer))), true
			case "test_clock":
				return "", true
			}
			return "", false
		},
	}
}

// changedPrice returns the present state of the listed price at pos, if it was
// changed: subscriptions show their prices as they are now. A deleted one is
// shown as it was at last.
func (s *Sim) changedPrice(pos int) *node {
	if r := s.shelves[Prices].changed[pos]; r != nil {
		return r.tree
	}
	return nil
}
