package stripesim

// full shows everything: what a change starts from.
var full = view{tiers: true, options: true, optionTiers: true, allItems: true}

// object appends o as an answer with this view shows it.
func (s *Sim) object(e *enc, sh *shelf, o object, v view) {
	if reshaped(v.version) && (o.rec == nil || o.rec.raw == nil) {
		s.objectIn(e, sh, o, v)
		return
	}
	switch {
	case o.rec == nil:
		sh.render(e, o.pos, v)
	case o.rec.raw != nil:
		e.b = append(e.b, o.rec.raw...)
	default:
		e.node(s.shown(sh.resource, o.rec.tree, v))
	}
}

// objectIn is object in the shape of another version than acacia's.
func (s *Sim) objectIn(e *enc, sh *shelf, o object, v view) {
	version := v.version
	v.version = ""
	plain := &enc{}
	s.object(plain, sh, o, v)
	e.node(s.inVersion(mustParse(plain.b), version))
}

// shown returns the part of a recorded object that a view shows.
func (s *Sim) shown(r Resource, n *node, v view) *node {
	return s.shownAt(r, n, v, s.clock.unix(), s.livePrice)
}

// shownAt is shown at another time; price says what the prices were then.
func (s *Sim) shownAt(r Resource, n *node, v view, now int64, price func(id string) *node) *node {
	switch r {
	case Prices:
		return shownPrice(n, v)
	case Subscriptions:
		return shownSubscription(n, v, price)
	case BalanceTransactions:
		if on, ok := n.at("available_on").integer(); ok {
			return n.with("status", stringNode(availability(on, now)))
		}
	}
	return n
}

func shownPrice(n *node, v view) *node {
	if !v.tiers {
		n = n.without("tiers")
	}
	if !v.options && !v.optionTiers {
		return n.without("currency_options")
	}
	options := n.at("currency_options")
	if v.optionTiers || options == nil || options.kind != '{' {
		return n
	}
	plain := &node{kind: '{', keys: options.keys}
	for _, option := range options.items {
		plain.items = append(plain.items, option.without("tiers"))
	}
	return n.with("currency_options", plain)
}

// shownSubscription cuts the embedded list of items and shows its prices as
// they are now.
func shownSubscription(n *node, v view, price func(id string) *node) *node {
	list := n.at("items")
	data := list.at("data")
	if data == nil || data.kind != '[' {
		return n
	}
	shown := &node{kind: '[', items: data.items}
	if !v.allItems && len(shown.items) > shownItems {
		shown.items = shown.items[:shownItems]
	}
	shown = &node{kind: '[', items: liveItems(shown.items, price)}
	n = n.with("items", list.with("data", shown).with("has_more", boolNode(len(shown.items) < len(data.items))))
	if plan := n.at("plan"); plan != nil && plan.kind == '{' && len(shown.items) == 1 && shown.items[0].at("plan") != nil {
		n = n.with("plan", shown.items[0].at("plan"))
	}
	return n
}

func liveItems(items []*node, price func(id string) *node) []*node {
	out := make([]*node, len(items))
	for i, item := range items {
		out[i] = item
		p := price(item.at("price", "id").value())
		if p == nil {
			continue
		}
		out[i] = item.with("price", p.without("tiers", "currency_options"))
		if item.at("plan") != nil {
			out[i] = out[i].with("plan", planOf(p))
		}
	}
	return out
}

// livePrice returns a listed price as it is now, or was when it was deleted;
// nil if it was never changed.
func (s *Sim) livePrice(id string) *node {
	if o, ok := s.shelves[Prices].get(id); ok && o.rec != nil {
		return o.rec.tree
	}
	return nil
}

// tree returns the whole object as it is now.
func (s *Sim) tree(sh *shelf, o object) (*node, error) {
	if o.rec != nil && o.rec.tree != nil {
		return s.shown(sh.resource, o.rec.tree, full), nil
	}
	e := &enc{}
	s.object(e, sh, o, full)
	return parse(e.b)
}

// itemsOf returns the items of a subscription as they are shown now.
func (s *Sim) itemsOf(o object) ([]*node, error) {
	n, err := s.tree(s.shelves[Subscriptions], o)
	if err != nil {
		return nil, err
	}
	data := n.at("items", "data")
	if data == nil {
		return nil, nil
	}
	return data.items, nil
}
