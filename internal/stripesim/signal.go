package stripesim

import "fmt"

// What follows changes an object without an event of its own: only one about a
// part of it, or about something else, tells.

// Review opens a review of a charge by the fraud team, or closes the open one.
func (s *Sim) Review(charge string) error {
	defer s.begin()()
	return s.review(charge)
}

func (s *Sim) review(charge string) error {
	_, _, tree, err := s.existing(Charges, charge)
	if err != nil {
		return err
	}
	verb, id, reason := "opened", "", "rule"
	if id = tree.at("review").value(); id != "" {
		verb, reason = "closed", "approved"
	} else {
		id = string(s.world.long(nil, idReview, "prv_", s.nextKey))
		s.nextKey++
	}
	changes := map[string]*node{"review": stringNode(id)}
	if verb == "closed" {
		changes = map[string]*node{"review": nullNode, "fraud_details": withField(tree.at("fraud_details"), "user_report", "safe")}
	}
	if _, _, err := s.set(Charges, charge, changes); err != nil {
		return err
	}
	s.report("review."+verb, fields(
		"id", id, "object", "review", "billing_zip", nil, "charge", charge, "created", s.clock.unix(), "livemode", s.cfg.Mode == Live,
		"open", verb == "opened", "opened_reason", "rule", "payment_intent", tree.at("payment_intent"), "reason", reason),
		nil, subject{Charges, charge})
	return nil
}

// Discount gives a customer or a subscription a discount, or takes away the one
// that it has.
func (s *Sim) Discount(r Resource, id string) error {
	defer s.begin()()
	return s.discount(r, id)
}

func (s *Sim) discount(r Resource, id string) error {
	if r != Customers && r != Subscriptions {
		return fmt.Errorf("%s have no discounts", r)
	}
	_, _, tree, err := s.existing(r, id)
	if err != nil {
		return err
	}
	verb, d := "deleted", tree.at("discount")
	if d == nil || d.kind != '{' {
		verb, d = "created", s.newDiscount(r, id, tree)
	}
	changes := map[string]*node{"discount": d}
	list := array(d.at("id"))
	if verb == "deleted" {
		changes["discount"], list = nullNode, array()
	}
	if r == Subscriptions {
		changes["discounts"] = list
	}
	if _, _, err := s.set(r, id, changes); err != nil {
		return err
	}
	s.report("customer.discount."+verb, d, nil, subject{r, id})
	return nil
}

func (s *Sim) newDiscount(r Resource, id string, of *node) *node {
	now := s.clock.unix()
	e := &enc{}
	e.open('{')
	coupon(e, now, s.cfg.Mode == Live)
	e.close('}')
	var customer, sub any = id, nil
	if r == Subscriptions {
		customer, sub = of.at("customer"), id
	}
	d := fields(
		"id", string(s.world.long(nil, idDiscount, "di_", s.nextKey)), "object", "discount", "checkout_session", nil,
		"coupon", mustParse(e.b).at("coupon"), "customer", customer, "end", nil, "invoice", nil, "invoice_item", nil, "promotion_code", nil,
		"start", now, "subscription", sub, "subscription_item", nil)
	s.nextKey++
	return d
}

// TaxID adds a tax id to a customer, whose purchases it exempts.
func (s *Sim) TaxID(customer string) error {
	defer s.begin()()
	return s.taxID(customer)
}

func (s *Sim) taxID(customer string) error {
	_, _, tree, err := s.existing(Customers, customer)
	if err != nil {
		return err
	}
	to := "reverse"
	if tree.at("tax_exempt").value() == to {
		to = "none"
	}
	if _, _, err := s.set(Customers, customer, map[string]*node{"tax_exempt": stringNode(to)}); err != nil {
		return err
	}
	s.report("customer.tax_id.created", fields(
		"id", string(s.world.long(nil, idTaxID, "txi_", s.nextKey)), "object", "tax_id", "country", "DE", "created", s.clock.unix(),
		"customer", customer, "livemode", s.cfg.Mode == Live, "type", "eu_vat", "value", "DE123456789",
		"verification", fields("status", "verified", "verified_address", nil, "verified_name", nil)), nil, subject{Customers, customer})
	s.nextKey++
	return nil
}

// Source gives a customer a new default source of payment.
func (s *Sim) Source(customer string) error {
	defer s.begin()()
	return s.source(customer)
}

func (s *Sim) source(customer string) error {
	id := string(s.world.long(nil, idSource, "card_", s.nextKey))
	s.nextKey++
	if _, _, err := s.set(Customers, customer, map[string]*node{"default_source": stringNode(id)}); err != nil {
		return err
	}
	s.report("customer.source.created", fields(
		"id", id, "object", "card", "brand", "Visa", "country", "US", "customer", customer, "exp_month", 8, "exp_year", 2030,
		"funding", "credit", "last4", "4242", "metadata", fields(), "name", nil), nil, subject{Customers, customer})
	return nil
}

// Payout pays an amount (minor units of US dollars) to the bank. Its balance
// transaction belongs to no charge or refund.
func (s *Sim) Payout(amount int64) error {
	defer s.begin()()
	return s.payout(amount)
}

func (s *Sim) payout(amount int64) error {
	now, key := s.clock.unix(), s.nextKey
	s.nextKey++
	b := balance{key: balanceOfPayout | key, created: now, available: now/daySeconds*daySeconds + 2*daySeconds, amount: -amount, currency: usd}
	b.kind, b.category, b.description = "payout", "payout", "STRIPE PAYOUT"
	b.source = sourceRef{idPayout, "po_", key}
	row, err := s.post(&b)
	if err != nil {
		return err
	}
	s.report("payout.created", fields(
		"id", string(s.world.long(nil, idPayout, "po_", key)), "object", "payout", "amount", amount, "arrival_date", b.available,
		"automatic", true, "balance_transaction", row, "created", now, "currency", "usd", "livemode", s.cfg.Mode == Live,
		"method", "standard", "status", "in_transit", "type", "bank_account"), nil, subject{BalanceTransactions, row})
	return nil
}
