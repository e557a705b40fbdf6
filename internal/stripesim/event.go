package stripesim

import (
	"net/url"
	"strings"
)

// retention is how long Stripe's API returns events.
const retention = 30 * daySeconds

// A subject is an object of a resource.
type subject struct {
	resource Resource
	id       string
}

// A notice is an event before it is written.
type notice struct {
	kind    string
	now     *node     // data.object, in acacia's shape
	before  *node     // the same before the change; nil: without previous_attributes
	about   []subject // whose latest state it tells of
	created int64     // 0: now
	visible int64     // when the list shows it; 0: as Config.EventDelay says
	version string    // empty: the account's
	account string    // empty: none, as in an account's own events
	foreign bool      // of the other mode
}

// emit records that something happened to an object of a resource: now is its
// state, whole, before what it was, or nil. A recurring price has a twin.
func (s *Sim) emit(kind string, r Resource, now, before *node) {
	n := notice{kind: kind, now: s.shown(r, now, view{}), about: []subject{{r, now.at("id").value()}}}
	if before != nil {
		n.before = s.shown(r, before, view{})
	}
	s.announce(n)
	if verb, ok := strings.CutPrefix(kind, "price."); ok && now.at("recurring", "interval") != nil {
		n.kind, n.now = "plan."+verb, planOf(now)
		if before != nil {
			n.before = planOf(before)
		}
		if before == nil || !n.before.equal(n.now) {
			s.announce(n)
		}
	}
}

// report records an event whose object is none of the six resources'; about
// are the objects that it tells of.
func (s *Sim) report(kind string, now, before *node, about ...subject) {
	s.announce(notice{kind: kind, now: now, before: before, about: about})
}

// announce writes an event, shows it in /v1/events and queues it for the
// webhook endpoints. Some are told twice, under two ids.
func (s *Sim) announce(n notice) string {
	if s.muted.Load() {
		return ""
	}
	id := s.publish(&n)
	if share := s.cfg.Twins; share > 0 && float64(hash(id)%1000) < share*1000 {
		s.publish(&n)
	}
	return id
}

func (s *Sim) publish(n *notice) string {
	now := s.clock.unix()
	id := string(s.world.long(nil, idEvent, "evt_", s.nextKey))
	s.nextKey++
	if n.created == 0 {
		n.created = now
	}
	version := n.version
	if version == "" {
		version = s.apiVersion()
	}
	to := s.subscribed(n)
	r := &record{id: id, created: n.created, tree: s.event(id, n, version, len(to)), pos: -1, visible: n.visible}
	if d := int64(s.cfg.EventDelay.Seconds()); d > 0 && r.visible == 0 {
		r.visible = now + int64(hash(id)%uint64(d+1))
	}
	if s.late > 0 {
		r.visible = now + s.late
	}
	if n.account == "" && !n.foreign {
		s.events.put(r)
	}
	s.books.tell(n, s.op)
	s.enqueue(id, n, to)
	return id
}

// event is the event's JSON, rendered in a version.
func (s *Sim) event(id string, n *notice, version string, endpoints int) *node {
	data := fields("object", s.inVersion(n.now, version))
	if n.before != nil {
		if d := difference(s.inVersion(n.before, version), data.at("object")); d != nil {
			data = data.with("previous_attributes", d)
		}
	}
	e := fields("id", id, "object", "event")
	if n.account != "" {
		e = e.with("account", stringNode(n.account))
	}
	return join(e, fields(
		"api_version", version, "created", n.created, "data", data, "livemode", (s.cfg.Mode == Live) != n.foreign,
		"pending_webhooks", endpoints, "request", fields("id", nil, "idempotency_key", nil), "type", n.kind))
}

// Silently does something to the account of which no event tells. Nothing else
// may change it meanwhile.
func (s *Sim) Silently(do func() error) error {
	s.muted.Store(true)
	defer s.muted.Store(false)
	return do()
}

func (s *Sim) retained(r *record) bool { return r.created > s.clock.unix()-retention }

// listEvents answers GET /v1/events.
func (s *Sim) listEvents(values url.Values, empty bool) (*page, *apiError) {
	q, err := parseQuery(values)
	if err != nil {
		return nil, err
	}
	var kind string
	var types []string
	for name, v := range q.rest {
		base, _, _ := strings.Cut(name, "[")
		switch {
		case name == "type":
			kind = v[len(v)-1]
		case base == "types":
			types = append(types, v...)
		case name == "delivery_success": // what was not delivered is not kept apart
		default:
			return nil, unknownParameter(name)
		}
	}
	switch {
	case len(types) > 20:
		return nil, badRequest("", "types", "You may provide at most 20 types.")
	case kind != "" && len(types) > 0:
		return nil, badRequest("", "types", "You may only specify one of these parameters: type, types.")
	case len(types) > 0:
		q.filters = append(q.filters, equals("type", types...))
	case kind != "":
		q.filters = append(q.filters, wildcard(kind))
	}
	p := &page{shelf: s.events, url: "/v1/events"}
	if empty {
		return p, q.noCursor("events")
	}
	if err := s.agedOut(q); err != nil {
		return nil, err
	}
	q.from = max(q.from, s.clock.unix()-retention+1)
	return p, s.fill(p, q)
}

// agedOut refuses a cursor that lies before the retention.
func (s *Sim) agedOut(q *query) *apiError {
	for param, id := range map[string]string{"starting_after": q.after, "ending_before": q.before} {
		if r, ok := s.events.byID[id]; ok && !s.retained(r) {
			return badRequest("", param, "The event %s is no longer available because it's aged out of our retention policy.", id)
		}
	}
	return nil
}

func wildcard(kind string) filter {
	prefix, open := strings.CutSuffix(kind, "*")
	return filter{"type", func(v []string) bool {
		return len(v) > 0 && (v[0] == kind || open && strings.HasPrefix(v[0], prefix))
	}}
}

// retrieveEvent answers GET /v1/events/<id>.
func (s *Sim) retrieveEvent(e *enc, id string, mode Mode) *apiError {
	r, ok := s.events.byID[id]
	if !ok || mode != s.cfg.Mode || !s.retained(r) || r.visible > s.clock.unix() {
		return missing(404, "event", id, "id")
	}
	e.node(r.tree)
	return nil
}

// difference returns the old values of what is different in the new object:
// nested objects in part, arrays whole. It returns nil if nothing is.
func difference(old, now *node) *node {
	d := &node{kind: '{'}
	for i, k := range old.keys {
		before, after := old.items[i], now.at(k)
		if before.equal(after) {
			continue
		}
		if after != nil && before.kind == '{' && after.kind == '{' {
			before = difference(before, after)
		}
		d.keys, d.items = append(d.keys, k), append(d.items, before)
	}
	for _, k := range now.keys {
		if old.at(k) == nil {
			d.keys, d.items = append(d.keys, k), append(d.items, nullNode)
		}
	}
	if len(d.keys) == 0 {
		return nil
	}
	return d
}
