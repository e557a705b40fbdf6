package stripesim

import (
	"fmt"
	"slices"
)

// disputes are those opened since the start, oldest first.
type disputes struct {
	open []string // ids of charges
	all  map[string]*node
}

// Dispute lets a customer's bank claim a charge back: the money is withdrawn
// with a fee, and the charge, for which no event is sent, says so.
func (s *Sim) Dispute(charge string) error {
	defer s.begin()()
	return s.dispute(charge)
}

func (s *Sim) dispute(charge string) error {
	c, tree, err := s.charged(charge)
	if err != nil {
		return err
	}
	if c.status != "succeeded" || tree.at("disputed").value() != "false" || tree.at("balance_transaction").value() == "" {
		return fmt.Errorf("charge %s cannot be disputed", charge)
	}
	row, err := s.postDispute(&c, balanceOfDispute)
	if err != nil {
		return err
	}
	_, _, err = s.set(Charges, charge, map[string]*node{"disputed": boolNode(true)})
	if err != nil {
		return err
	}
	d := fields(
		"id", string(s.world.long(nil, idDispute, "dp_", c.key)), "object", "dispute", "amount", c.amount,
		"balance_transactions", array(row), "charge", charge, "created", s.clock.unix(), "currency", c.currency.code,
		"evidence", fields(), "evidence_details", fields("due_by", s.clock.unix()+7*daySeconds, "has_evidence", false, "past_due", false, "submission_count", 0),
		"is_charge_refundable", false, "livemode", s.cfg.Mode == Live, "metadata", fields(), "payment_intent", tree.at("payment_intent"),
		"reason", "fraudulent", "status", "needs_response")
	s.disputes.open = append(s.disputes.open, charge)
	s.sayDispute(charge, "created", d)
	s.sayDispute(charge, "funds_withdrawn", d)
	return nil
}

// sayDispute keeps a dispute's new state and tells of it.
func (s *Sim) sayDispute(charge, verb string, d *node) {
	before := s.disputes.all[charge]
	if verb != "updated" {
		before = nil
	}
	if s.disputes.all == nil {
		s.disputes.all = map[string]*node{}
	}
	s.disputes.all[charge] = d
	s.report("charge.dispute."+verb, d, before, subject{Charges, charge})
}

// postDispute shelves the row that takes a disputed charge's money, or gives it
// back.
func (s *Sim) postDispute(c *charge, kind uint64) (*node, error) {
	now := s.clock.unix()
	b := balance{key: kind | c.key, created: now, available: now/daySeconds*daySeconds + 2*daySeconds, kind: "adjustment"}
	b.source = sourceRef{idDispute, "dp_", c.key}
	if kind == balanceOfDispute {
		b.amount, b.currency, b.rate = settle(-c.amount, c.currency, c.created)
		b.fee, b.category, b.description = 1500, "dispute", "Chargeback withdrawal"
	} else {
		b.amount, b.currency, b.rate = settle(c.amount, c.currency, c.created)
		b.category, b.description = "dispute_reversal", "Chargeback reversal"
	}
	id, err := s.post(&b)
	if err != nil {
		return nil, err
	}
	_, _, row, err := s.existing(BalanceTransactions, id)
	return row, err
}

// UpdateDispute submits evidence in a dispute. The charge stays as it is.
func (s *Sim) UpdateDispute(charge string) error {
	defer s.begin()()
	return s.updateDispute(charge)
}

func (s *Sim) updateDispute(charge string) error {
	d := s.disputes.all[charge]
	if d == nil || !slices.Contains(s.disputes.open, charge) {
		return fmt.Errorf("charge %s has no open dispute", charge)
	}
	d = d.with("status", stringNode("under_review")).
		within("evidence_details", func(e *node) *node {
			return e.with("has_evidence", boolNode(true)).with("submission_count", intNode(1))
		})
	s.sayDispute(charge, "updated", d)
	return nil
}

// CloseDispute ends a dispute. Won, the money comes back; lost, the charge's
// outcome says that the network reversed it. No event of the charge tells.
func (s *Sim) CloseDispute(charge string, won bool) error {
	defer s.begin()()
	return s.closeDispute(charge, won)
}

func (s *Sim) closeDispute(charge string, won bool) error {
	i := slices.Index(s.disputes.open, charge)
	c, tree, err := s.charged(charge)
	if err != nil {
		return err
	}
	if i < 0 {
		return fmt.Errorf("charge %s has no open dispute", charge)
	}
	s.disputes.open = slices.Delete(s.disputes.open, i, i+1)
	d := s.disputes.all[charge]
	if !won {
		_, _, err = s.set(Charges, charge, map[string]*node{
			"outcome":       withField(tree.at("outcome"), "network_status", "reversed_after_approval"),
			"fraud_details": withField(tree.at("fraud_details"), "stripe_report", "fraudulent"),
		})
		s.sayDispute(charge, "closed", d.with("status", stringNode("lost")))
		return err
	}
	row, err := s.postDispute(&c, balanceOfReturn)
	if err != nil {
		return err
	}
	_, _, err = s.set(Charges, charge, map[string]*node{"fraud_details": withField(tree.at("fraud_details"), "user_report", "safe")})
	d = d.with("status", stringNode("won"))
	d = d.with("balance_transactions", array(d.at("balance_transactions").items[0], row))
	s.sayDispute(charge, "closed", d)
	s.sayDispute(charge, "funds_reinstated", d)
	return err
}

// withField sets a text in an object, which is made where there is none.
func withField(n *node, k, v string) *node {
	if n == nil || n.kind != '{' {
		return fields(k, v)
	}
	return n.with(k, stringNode(v))
}
