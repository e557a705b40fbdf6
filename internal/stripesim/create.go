package stripesim

import (
	"fmt"
	"slices"
	"time"
)

// A Draft says what a new object shall be; what is left zero is drawn as for
// the objects of the start. Fields that do not fit the resource are ignored.
type Draft struct {
	Created  time.Time // default now; an earlier time makes the object appear late
	Customer string    // id; of charges and subscriptions
	Method   string    // payment method type, of charges: card, klarna, …
	Amount   int64     // minor units; of charges, and of refunds (default: what is left)
	Status   string    // of charges, subscriptions and refunds
	Charge   string    // id; of refunds, required
	Items    int       // of subscriptions, at most 60
	Async    bool      // a charge whose balance transaction comes later, by SettleCharge

	invoice string // id; of charges that pay one
}

// Create makes an object with everything that belongs to it (balance
// transaction, inline prices, sums of the charge) and its events, and returns
// its id. Balance transactions follow from charges and refunds.
func (s *Sim) Create(r Resource, d Draft) (id string, err error) {
	defer s.begin()()
	return s.create(r, d)
}

func (s *Sim) create(r Resource, d Draft) (string, error) {
	if d.Created.IsZero() {
		d.Created = s.clock.now()
	}
	key := s.nextKey
	s.nextKey++
	switch r {
	case Charges:
		return s.createCharge(key, d)
	case Refunds:
		return s.createRefund(key, d)
	case Customers:
		e := &enc{}
		s.world.customer(e, key, d.Created.Unix())
		return s.add(Customers, e, "customer.created")
	case Prices:
		p := s.world.priceAt(key, d.Created.Unix())
		e := &enc{}
		s.world.price(e, &p, full)
		return s.add(Prices, e, "price.created")
	case Subscriptions:
		return s.createSubscription(key, d)
	}
	return "", fmt.Errorf("%s are not created by themselves", r)
}

// add shelves the object that e has rendered, and tells of it.
func (s *Sim) add(r Resource, e *enc, event string) (string, error) {
	tree, err := parse(e.b)
	if err != nil {
		return "", fmt.Errorf("new %s: %w", r.noun(), err)
	}
	return s.addTree(r, tree, event), nil
}

func (s *Sim) addTree(r Resource, tree *node, event string) string {
	id := tree.at("id").value()
	created, _ := tree.at("created").integer()
	if s.novelty {
		tree = withNovelty(tree)
	}
	s.put(s.shelves[r], &record{id: id, created: created, tree: tree, pos: -1})
	if event != "" {
		s.emit(event, r, tree, nil)
	}
	return id
}

func (s *Sim) createCharge(key uint64, d Draft) (string, error) {
	w := s.world
	c := w.drawCharge(key, d.Created.Unix())
	c.disputed = false
	if s.novelty && d.Method == "" && key%3 == 0 {
		d.Method = novelMethod
	}
	if err := c.shape(d); err != nil {
		return "", err
	}
	if k, ok := w.key(idCustomer, d.Customer); ok && string(w.appendCustomerID(nil, k)) == d.Customer {
		c.customer, c.person = int(k), w.personAt(k)
	}
	e := &enc{}
	w.charge(e, &c)
	tree, err := parse(e.b)
	if err != nil {
		return "", err
	}
	if d.Customer != "" {
		tree = tree.with("customer", stringNode(d.Customer))
	}
	if d.invoice != "" {
		tree = tree.with("invoice", stringNode(d.invoice)).with("description", stringNode("Subscription update"))
	}
	if c.ledger && d.Async {
		tree = tree.with("balance_transaction", nullNode)
	} else if c.ledger {
		if _, err := s.postCharge(&c); err != nil {
			return "", err
		}
	}
	return s.addTree(Charges, tree, "charge."+c.status), nil
}

// shape applies a draft to a drawn charge.
func (c *charge) shape(d Draft) error {
	if d.Method != "" {
		i := slices.IndexFunc(methods, func(m *method) bool { return m.name == d.Method })
		if i < 0 {
			return fmt.Errorf("unknown payment method %q", d.Method)
		}
		c.method, c.sub, c.failure = methods[i], -1, nil
		if c.status == "failed" {
			c.status, c.captured, c.ledger = "succeeded", true, true
		}
	}
	if d.Amount > 0 {
		c.amount = d.Amount
	}
	switch d.Status {
	case "":
		return nil
	case "succeeded":
		c.status, c.captured, c.ledger, c.failure = d.Status, true, true, nil
	case "pending":
		c.status, c.captured, c.ledger, c.failure = d.Status, true, false, nil
	case "failed":
		c.status, c.captured, c.ledger, c.failure = d.Status, false, false, &laterFailures[0]
	default:
		return fmt.Errorf("unknown charge status %q", d.Status)
	}
	return nil
}

// postCharge shelves the balance transaction of a charge.
func (s *Sim) postCharge(c *charge) (string, error) {
	b := balance{key: balanceOfCharge | c.key, created: c.created}
	balanceCharge(&b, c)
	return s.post(&b)
}

func (s *Sim) post(b *balance) (string, error) {
	e := &enc{}
	s.world.balanceRow(e, b, s.clock.unix())
	return s.add(BalanceTransactions, e, "")
}

func (s *Sim) createSubscription(key uint64, d Draft) (string, error) {
	w := s.world
	sub := w.drawSubscription(key, d.Created.Unix())
	if d.Status == "" && sub.status == "canceled" {
		sub.status, sub.ended = "active", 0
	}
	if d.Status != "" {
		sub.status, sub.ended = d.Status, 0
		if d.Status == "canceled" || d.Status == "incomplete_expired" {
			sub.ended = sub.created
		}
	}
	if d.Items > 0 {
		sub.items = min(d.Items, 60)
	}
	e := &enc{}
	w.subscription(e, &sub, full, nil)
	tree, err := parse(e.b)
	if err != nil {
		return "", err
	}
	if d.Customer != "" {
		tree = tree.with("customer", stringNode(d.Customer))
	}
	for n := range sub.items {
		if it := w.item(&sub, n); it.listed < 0 {
			if err := s.addInline(&it.price); err != nil {
				return "", err
			}
		}
	}
	return s.addTree(Subscriptions, tree, "customer.subscription.created"), nil
}

func (s *Sim) addInline(p *price) error {
	e := &enc{}
	s.world.price(e, p, full)
	tree, err := parse(e.b)
	if err != nil {
		return err
	}
	id := tree.at("id").value()
	rec := &record{id: id, created: p.created, tree: tree, pos: -1}
	s.inline[id] = rec
	s.note(subject{Prices, id}, Created, rec)
	return nil
}
