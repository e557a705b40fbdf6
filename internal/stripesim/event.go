package stripesim

import (
	"net/url"
	"strings"
)

// retention is how long Stripe's API returns events.
const retention = 30 * daySeconds

// emit records that something happened to an object: data is its state now,
// previous the old values of what changed, or nil.
func (s *Sim) emit(kind string, data, previous *node) {
	if s.muted.Load() {
		return
	}
	now := s.clock.unix()
	key := s.nextKey
	s.nextKey++
	id := string(s.world.long(nil, idEvent, "evt_", key))
	e := &enc{}
	e.open('{')
	e.str("id", id)
	e.str("object", "event")
	e.str("api_version", s.cfg.APIVersion)
	e.int("created", now)
	e.obj("data")
	e.key("object")
	e.node(data)
	if previous != nil {
		e.key("previous_attributes")
		e.node(previous)
	}
	e.close('}')
	e.bool("livemode", s.cfg.Mode == Live)
	e.int("pending_webhooks", 0)
	e.obj("request")
	e.nulls("id", "idempotency_key")
	e.close('}')
	e.str("type", kind)
	e.close('}')
	tree, err := parse(e.b)
	if err != nil {
		panic("stripesim: event is not JSON: " + err.Error()) // it was printed just above
	}
	r := &record{id: id, created: now, tree: tree, pos: -1}
	if d := int64(s.cfg.EventDelay.Seconds()); d > 0 {
		r.visible = now + int64(hash(id)%uint64(d+1))
	}
	s.events.put(r)
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
		case name == "delivery_success": // nothing was delivered, so nothing failed
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
