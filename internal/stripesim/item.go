package stripesim

import (
	"errors"
	"fmt"
	"slices"
)

// An ItemChange adds an item to a subscription, or changes or removes one.
type ItemChange struct {
	Item     string // id; empty: a new one
	Price    string // id of a listed price; of a new item, empty: a price of its own, which no list shows
	Quantity int64  // 0: as it is, or 1
	Remove   bool
}

// ChangeItem changes the items of a subscription, of which only
// customer.subscription.updated tells, and returns the item's id.
func (s *Sim) ChangeItem(subscription string, c ItemChange) (item string, err error) {
	defer s.begin()()
	return s.changeItem(subscription, c)
}

func (s *Sim) changeItem(id string, c ItemChange) (string, error) {
	sh, o, old, err := s.existing(Subscriptions, id)
	if err != nil {
		return "", err
	}
	data := old.at("items", "data")
	if data == nil || data.kind != '[' {
		return "", fmt.Errorf("subscription %s has no items", id)
	}
	items := slices.Clone(data.items)
	at := slices.IndexFunc(items, func(n *node) bool { return n.at("id").value() == c.Item })
	switch {
	case c.Item != "" && at < 0:
		return "", fmt.Errorf("subscription %s has no item %s", id, c.Item)
	case c.Remove && len(items) < 2:
		return "", errors.New("the last item of a subscription can't be removed")
	case c.Remove && c.Item == "":
		return "", errors.New("no item to remove")
	case c.Remove:
		items = slices.Delete(items, at, at+1)
	case c.Item == "":
		item, err := s.newItem(old, c.Price)
		if err != nil {
			return "", err
		}
		c.Item = item.at("id").value()
		at, items = len(items), append(items, item)
		fallthrough
	default:
		if items[at], err = s.changedItem(items[at], c); err != nil {
			return "", err
		}
	}
	now := withItems(old, items)
	s.replace(sh, o, id, now)
	s.emit("customer.subscription.updated", Subscriptions, now, old)
	return c.Item, nil
}

// newItem makes an item with a listed price, or one of its own.
func (s *Sim) newItem(sub *node, priceID string) (*node, error) {
	key := s.nextKey
	s.nextKey++
	price, err := s.itemPrice(sub, priceID, key)
	if err != nil {
		return nil, err
	}
	return fields(
		"id", string(s.world.short(nil, idItem, "si_", key)), "object", "subscription_item", "billing_thresholds", nil,
		"created", s.clock.unix(), "discounts", array(), "metadata", fields(), "plan", planOf(price), "price", price, "quantity", 1,
		"subscription", sub.at("id"), "tax_rates", array()), nil
}

// itemPrice returns a recurring price as items show it; without an id it makes
// one for the item with that key.
func (s *Sim) itemPrice(sub *node, id string, key uint64) (*node, error) {
	if id != "" {
		_, _, price, err := s.existing(Prices, id)
		if err == nil && price.at("recurring", "interval") == nil {
			err = fmt.Errorf("price %s is not recurring", id)
		}
		if err != nil {
			return nil, err
		}
		return shownPrice(price, view{}), nil
	}
	cur := currencyOf(sub.at("currency").value())
	if cur == nil {
		return nil, fmt.Errorf("no prices in %q", sub.at("currency").value())
	}
	r := s.world.rng(idItem, key)
	p := s.world.inlinePrice(&subscription{created: s.clock.unix(), currency: cur}, key, &r)
	if err := s.addInline(&p); err != nil {
		return nil, err
	}
	return shownPrice(s.inline[string(s.world.appendPriceID(nil, idInlinePrice, key))].tree, view{}), nil
}

func currencyOf(code string) *currency {
	i := slices.IndexFunc(currencies, func(c *currency) bool { return c.code == code })
	if i < 0 {
		return nil
	}
	return currencies[i]
}

// changedItem sets price and quantity of an item.
func (s *Sim) changedItem(item *node, c ItemChange) (*node, error) {
	if c.Price != "" {
		price, err := s.itemPrice(nil, c.Price, 0)
		if err != nil {
			return nil, err
		}
		item = item.with("price", price).with("plan", planOf(price))
	}
	if c.Quantity > 0 {
		item = item.with("quantity", intNode(c.Quantity))
	}
	return item, nil
}

// withItems puts items into a subscription; only one with a single item shows
// its plan and quantity itself.
func withItems(sub *node, items []*node) *node {
	list := sub.at("items").with("data", &node{kind: '[', items: items}).with("total_count", intNode(int64(len(items))))
	sub = sub.with("items", list).with("plan", nullNode).with("quantity", nullNode)
	if len(items) == 1 {
		sub = sub.with("plan", items[0].at("plan")).with("quantity", nodeFrom(items[0].at("quantity")))
	}
	return sub
}
