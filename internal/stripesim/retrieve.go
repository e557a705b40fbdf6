package stripesim

import (
	"net/url"
	"slices"
)

// retrieve answers GET /v1/<resource>/<id>.
func (s *Sim) retrieve(e *enc, r Resource, id string, values url.Values, mode Mode, version string) *apiError {
	q := &query{rest: values, view: view{version: version}}
	if err := q.expand(r, ""); err != nil {
		return err
	}
	for name := range q.rest {
		return unknownParameter(name)
	}
	sh := s.shelves[r]
	o, ok := sh.get(id)
	if ok && mode != s.cfg.Mode {
		return s.otherMode(r, id)
	}
	switch {
	case ok && sh.gone(o) && r == Customers && !sh.wipedAway(o):
		deletedStub(e, id)
		return nil
	case ok && !sh.gone(o):
		s.object(e, sh, o, q.view)
		return nil
	case r == Prices && mode == s.cfg.Mode && s.inlinePrice(e, id, q.view):
		return nil
	}
	return missing(404, r.noun(), id, "id")
}

// otherMode is the answer for an object that exists in the mode which the key
// does not see.
func (s *Sim) otherMode(r Resource, id string) *apiError {
	mine, other := Test, Live
	if s.cfg.Mode == Test {
		mine, other = Live, Test
	}
	err := missing(404, r.noun(), id, "id")
	err.message += "; a similar object exists in " + string(other) + " mode, but a " + string(mine) + " mode key was used to make this request."
	return err
}

func deletedStub(e *enc, id string) {
	e.open('{')
	e.str("id", id)
	e.str("object", "customer")
	e.bool("deleted", true)
	e.close('}')
}

// inlinePrice appends a price that no list shows.
func (s *Sim) inlinePrice(e *enc, id string, v view) bool {
	if reshaped(v.version) {
		plain, in := &enc{}, v.version
		v.version = ""
		ok := s.inlinePrice(plain, id, v)
		if ok {
			e.node(s.inVersion(mustParse(plain.b), in))
		}
		return ok
	}
	if r, ok := s.inline[id]; ok {
		e.node(shownPrice(r.tree, v))
		return true
	}
	p, ok := s.world.inline(id)
	if !ok || s.shelves[Prices].wiped {
		return false
	}
	s.world.price(e, &p, v)
	return true
}

// listItems answers GET /v1/subscription_items.
func (s *Sim) listItems(e *enc, values url.Values, mode Mode, version string) *apiError {
	q, err := parseQuery(values)
	if err != nil {
		return err
	}
	id := q.rest.Get("subscription")
	q.rest.Del("subscription")
	for name := range q.rest {
		return unknownParameter(name)
	}
	switch {
	case q.from != minTime || q.to != maxTime:
		return unknownParameter("created")
	case id == "":
		return badRequest("parameter_missing", "subscription", "Missing required param: subscription.")
	}
	o, ok := s.shelves[Subscriptions].get(id)
	if !ok || mode != s.cfg.Mode || s.shelves[Subscriptions].gone(o) {
		return missing(404, "subscription", id, "subscription")
	}
	all, parseErr := s.itemsOf(o)
	if parseErr != nil {
		return &apiError{status: 500, message: parseErr.Error()}
	}
	from, to, err := q.cut("subscription_item", all)
	if err != nil {
		return err
	}
	e.open('{')
	e.str("object", "list")
	e.arr("data")
	for _, item := range all[from:to] {
		e.line()
		e.node(s.itemIn(o, item, version))
	}
	e.close(']')
	e.bool("has_more", q.before == "" && to < len(all) || q.before != "" && from > 0)
	e.str("url", "/v1/subscription_items")
	e.close('}')
	return nil
}

// itemIn is an item of a subscription in the shape of a version.
func (s *Sim) itemIn(o object, item *node, version string) *node {
	if version < vBasil {
		return s.inVersion(item, version)
	}
	sub, err := s.tree(s.shelves[Subscriptions], o)
	if err != nil {
		return item
	}
	whole := s.inVersion(sub.with("items", fields("data", array(item))), version)
	return whole.at("items", "data").items[0]
}

// cut returns the part of the items that the page shows.
func (q *query) cut(noun string, all []*node) (from, to int, err *apiError) {
	index := func(id, param string) int {
		i := slices.IndexFunc(all, func(n *node) bool { return n.at("id").value() == id })
		if i < 0 {
			err = missing(400, noun, id, param)
		}
		return i
	}
	switch {
	case q.after != "":
		from = index(q.after, "starting_after") + 1
		to = min(from+q.limit, len(all))
	case q.before != "":
		to = max(index(q.before, "ending_before"), 0)
		from = max(to-q.limit, 0)
	default:
		to = min(q.limit, len(all))
	}
	return from, to, err
}

// retrieveItem answers GET /v1/subscription_items/<id>.
func (s *Sim) retrieveItem(e *enc, id string, mode Mode, version string) *apiError {
	if mode != s.cfg.Mode {
		return missing(404, "subscription_item", id, "id")
	}
	if o, ok := s.holder(id); ok {
		items, err := s.itemsOf(o)
		if err != nil {
			return &apiError{status: 500, message: err.Error()}
		}
		for _, item := range items {
			if item.at("id").value() == id {
				e.node(s.itemIn(o, item, version))
				return nil
			}
		}
	}
	return missing(404, "subscription_item", id, "id")
}

// holder returns the subscription that has, or had, an item.
func (s *Sim) holder(itemID string) (object, bool) {
	sh := s.shelves[Subscriptions]
	if sub, _, ok := s.world.findItem(itemID); ok {
		o := object{sub.pos, sh.changed[sub.pos]}
		return o, !sh.gone(o)
	}
	has := func(r *record) bool {
		return !r.removed && slices.Contains(r.tree.values([]string{"items", "data", "id"}), itemID)
	}
	for pos, r := range sh.changed {
		if has(r) {
			return object{pos, r}, true
		}
	}
	if i := slices.IndexFunc(sh.added, has); i >= 0 {
		return object{-1, sh.added[i]}, true
	}
	return object{}, false
}

// account answers GET /v1/account.
func (s *Sim) account(e *enc) {
	e.open('{')
	e.str("id", s.cfg.AccountID)
	e.str("object", "account")
	e.obj("business_profile")
	e.null("mcc")
	e.str("name", "Tributary Shop")
	e.str("url", "https://shop.example.com")
	e.close('}')
	e.bool("charges_enabled", true)
	e.str("country", "US")
	e.int("created", s.world.start-30*daySeconds)
	e.str("default_currency", "usd")
	e.bool("details_submitted", true)
	e.str("email", "owner@shop.example.com")
	e.obj("metadata")
	e.close('}')
	e.bool("payouts_enabled", true)
	e.obj("settings")
	e.obj("dashboard")
	e.str("display_name", "Tributary Shop")
	e.str("timezone", "Etc/UTC")
	e.close('}')
	e.close('}')
	e.str("type", "standard")
	e.close('}')
}
