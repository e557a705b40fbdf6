package stripesim

import (
	"errors"
	"fmt"
	"slices"
)

// charged reads back from a charge's JSON what its refunds and its balance
// transaction need.
func (s *Sim) charged(id string) (c charge, tree *node, err error) {
	if _, _, tree, err = s.existing(Charges, id); err != nil {
		return c, nil, err
	}
	c = charge{customer: -1, sub: -1, status: tree.at("status").value()}
	c.amount, _ = tree.at("amount").integer()
	c.refunded, _ = tree.at("amount_refunded").integer()
	c.created, _ = tree.at("created").integer()
	i := slices.IndexFunc(methods, func(m *method) bool { return m.name == tree.at("payment_method_details", "type").value() })
	k := slices.IndexFunc(currencies, func(m *currency) bool { return m.code == tree.at("currency").value() })
	key, ok := s.world.key(idCharge, id)
	if i < 0 || k < 0 || !ok {
		return c, nil, fmt.Errorf("charge %s was not made here", id)
	}
	c.key, c.method, c.currency = key, methods[i], currencies[k]
	return c, tree, nil
}

// refunded reads back a refund that must have the given status, and its charge.
func (s *Sim) refunded(id, status string) (f refund, of string, c charge, err error) {
	_, _, tree, err := s.existing(Refunds, id)
	if err != nil {
		return f, "", c, err
	}
	if is := tree.at("status").value(); is != status {
		return f, "", c, fmt.Errorf("refund %s is %s, not %s", id, is, status)
	}
	of = tree.at("charge").value()
	if c, _, err = s.charged(of); err != nil {
		return f, "", c, err
	}
	f.key, _ = s.world.key(idRefund, id)
	f.created, _ = tree.at("created").integer()
	f.amount, _ = tree.at("amount").integer()
	return f, of, c, nil
}

func (s *Sim) createRefund(key uint64, d Draft) (string, error) {
	c, _, err := s.charged(d.Charge)
	if err != nil {
		return "", err
	}
	f := refund{key: key << 2, created: d.Created.Unix(), amount: d.Amount, status: d.Status, reason: "requested_by_customer"}
	if f.amount == 0 {
		f.amount = c.amount - c.refunded
	}
	if f.amount <= 0 || f.amount > c.amount-c.refunded || c.status != "succeeded" {
		return "", fmt.Errorf("charge %s has %d left to refund, not %d", d.Charge, c.amount-c.refunded, f.amount)
	}
	if f.status == "" {
		if f.status = "succeeded"; c.method != card {
			f.status = "pending"
		}
	}
	e := &enc{}
	s.world.refund(e, &f, &c)
	id, err := s.add(Refunds, e, "")
	if err != nil {
		return "", err
	}
	if f.status == "succeeded" {
		if err := s.postRefund(&f, &c, false); err != nil {
			return "", err
		}
	}
	if err := s.refundCharge(d.Charge, f.amount); err != nil {
		return "", err
	}
	_, _, tree, err := s.existing(Refunds, id)
	if err != nil {
		return "", err
	}
	s.emit("refund.created", Refunds, tree, nil)
	return id, nil
}

func (s *Sim) postRefund(f *refund, c *charge, failure bool) error {
	b := balance{key: balanceOfRefund | f.key, created: f.created, available: f.created}
	if failure {
		b.key, b.created, b.available = balanceOfFailure|f.key, s.clock.unix(), s.clock.unix()
	}
	balanceRefund(&b, f, c, failure)
	_, err := s.post(&b)
	return err
}

// refundCharge adds to the refunded amount of a charge, which a failed refund
// lowers again.
func (s *Sim) refundCharge(id string, amount int64) error {
	_, _, tree, err := s.existing(Charges, id)
	if err != nil {
		return err
	}
	total, _ := tree.at("amount").integer()
	refunded, _ := tree.at("amount_refunded").integer()
	refunded += amount
	old, now, err := s.set(Charges, id, map[string]*node{
		"amount_refunded": intNode(refunded), "refunded": boolNode(refunded == total),
	})
	if err != nil {
		return err
	}
	event := "charge.refunded"
	if amount < 0 {
		event = "charge.updated"
	}
	s.emit(event, Charges, now, old)
	return nil
}

// SettleRefund ends a pending refund: with its balance transaction, or, failed,
// without one and with the charge as it was before.
func (s *Sim) SettleRefund(id string, succeeded bool) error {
	defer s.begin()()
	return s.settleRefund(id, succeeded)
}

func (s *Sim) settleRefund(id string, succeeded bool) error {
	f, of, c, err := s.refunded(id, "pending")
	if err != nil {
		return err
	}
	if !succeeded {
		return s.failRefund(id, of, f.amount, map[string]*node{"failure_reason": stringNode("declined")})
	}
	f.created = s.clock.unix()
	if err := s.postRefund(&f, &c, false); err != nil {
		return err
	}
	row := s.world.long(nil, idBalance, "txn_", balanceOfRefund|f.key)
	return s.tell(Refunds, id, "refund.updated", map[string]*node{
		"status": stringNode("succeeded"), "balance_transaction": stringNode(string(row)),
	})
}

// FailRefund lets a refund that had succeeded fail after all, as banks do up to
// 30 days later: another balance transaction gives the money back.
func (s *Sim) FailRefund(id string) error {
	defer s.begin()()
	return s.returnRefund(id)
}

func (s *Sim) returnRefund(id string) error {
	f, of, c, err := s.refunded(id, "succeeded")
	if err != nil {
		return err
	}
	if err := s.postRefund(&f, &c, true); err != nil {
		return err
	}
	row := s.world.long(nil, idBalance, "txn_", balanceOfFailure|f.key)
	return s.failRefund(id, of, f.amount, map[string]*node{
		"failure_reason": stringNode("expired_or_canceled_card"), "failure_balance_transaction": stringNode(string(row)),
	})
}

// failRefund tells of a refund that failed, and takes it back from its charge.
func (s *Sim) failRefund(id, charge string, amount int64, why map[string]*node) error {
	why["status"] = stringNode("failed")
	return errors.Join(s.tell(Refunds, id, "refund.failed", why), s.refundCharge(charge, -amount))
}

// tell sets fields of an object and records the event.
func (s *Sim) tell(r Resource, id, event string, fields map[string]*node) error {
	old, now, err := s.set(r, id, fields)
	if err != nil {
		return err
	}
	s.emit(event, r, now, old)
	if r == Refunds && now.at("charge").value() != "" {
		s.emit("charge.refund.updated", r, now, old) // the deprecated twin
	}
	return nil
}

// SettleCharge gives a pending or asynchronously captured charge its balance
// transaction.
func (s *Sim) SettleCharge(id string) error {
	defer s.begin()()
	return s.settleCharge(id)
}

func (s *Sim) settleCharge(id string) error {
	c, tree, err := s.charged(id)
	if err != nil {
		return err
	}
	if tree.at("balance_transaction").value() != "" || c.status == "failed" {
		return fmt.Errorf("charge %s is settled", id)
	}
	c.created = s.clock.unix()
	row, err := s.postCharge(&c)
	if err != nil {
		return err
	}
	event := "charge.updated"
	if c.status == "pending" {
		event = "charge.succeeded"
	}
	return s.tell(Charges, id, event, map[string]*node{
		"balance_transaction": stringNode(row), "status": stringNode("succeeded"), "paid": boolNode(true),
		"captured": boolNode(true), "amount_captured": intNode(c.amount),
	})
}
