package stripesim

import "fmt"

// Renew bills a subscription's next period by a card charge. Paid, an invoice,
// the charge and the subscription tell of it; unpaid, the subscription is past
// due. What that does to the customer (its next invoice number, whether it is
// delinquent) only the invoice's events hint at. A canceled subscription, and
// one whose customer is gone, is not billed.
func (s *Sim) Renew(subscription string, paid bool) error {
	defer s.begin()()
	return s.renew(subscription, paid)
}

func (s *Sim) renew(id string, paid bool) error {
	_, _, tree, err := s.existing(Subscriptions, id)
	if err != nil {
		return err
	}
	customer := tree.at("customer").value()
	if tree.at("status").value() == "canceled" {
		return fmt.Errorf("subscription %s is canceled", id)
	}
	if _, _, _, err := s.existing(Customers, customer); err != nil {
		return err
	}
	key := s.nextKey
	s.nextKey++
	invoice := string(s.world.long(nil, idInvoice, "in_", key))
	amount, status := int64(900+100*(key%90)), "succeeded"
	if !paid {
		status = "failed"
	}
	charge, err := s.createCharge(key, Draft{Created: s.clock.now(), Customer: customer, Method: "card", Amount: amount, Status: status, invoice: invoice})
	if err != nil {
		return err
	}
	if err := s.renewed(id, invoice, paid); err != nil {
		return err
	}
	_, now, err := s.set(Customers, customer, s.billed(customer, paid))
	if err != nil {
		return err
	}
	s.tellInvoice(invoice, id, charge, amount, paid, now)
	return nil
}

// renewed moves a subscription into its next period.
func (s *Sim) renewed(id, invoice string, paid bool) error {
	_, _, tree, err := s.existing(Subscriptions, id)
	if err != nil {
		return err
	}
	from, _ := tree.at("current_period_start").integer()
	to, _ := tree.at("current_period_end").integer()
	status := "active"
	if !paid {
		status = "past_due"
	}
	return s.tell(Subscriptions, id, "customer.subscription.updated", map[string]*node{
		"current_period_start": intNode(to), "current_period_end": intNode(to + max(to-from, daySeconds)),
		"latest_invoice": stringNode(invoice), "status": stringNode(status),
	})
}

func (s *Sim) billed(customer string, paid bool) map[string]*node {
	_, _, tree, err := s.existing(Customers, customer)
	if err != nil {
		return nil
	}
	n, _ := tree.at("next_invoice_sequence").integer()
	return map[string]*node{"next_invoice_sequence": intNode(n + 1), "delinquent": boolNode(!paid)}
}

func (s *Sim) tellInvoice(invoice, sub, charge string, amount int64, paid bool, customer *node) {
	id := customer.at("id").value()
	n := fields(
		"id", invoice, "object", "invoice", "amount_due", amount, "amount_paid", 0, "charge", nil, "created", s.clock.unix(),
		"customer", id, "livemode", s.cfg.Mode == Live, "number", nil, "paid", false, "status", "draft", "subscription", sub)
	about := []subject{{Customers, id}}
	s.report("invoice.created", n, nil, about...)
	n = n.with("status", stringNode("open")).with("number", stringNode(customer.at("invoice_prefix").value()+"-0042"))
	s.report("invoice.finalized", n, nil, about...)
	n = n.with("charge", stringNode(charge))
	if !paid {
		s.report("invoice.payment_failed", n, nil, about...)
		return
	}
	n = n.with("status", stringNode("paid")).with("paid", boolNode(true)).with("amount_paid", intNode(amount))
	s.report("invoice.paid", n, nil, about...)
	s.report("invoice.payment_succeeded", n, nil, about...)
}
