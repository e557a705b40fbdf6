package stripesim

import "slices"

// A Change says how a state of an object came about.
type Change string

// The changes.
const (
	Began   Change = "began"   // the state at the account's start
	Created Change = "created" // also: placed by Put
	Changed Change = "changed"
	Deleted Change = "deleted" // the object is gone; JSON is its last state
)

// A Version is one state that an object has had.
type Version struct {
	// At is when it began, in Unix seconds of the account's clock; of an object
	// that was there at the start, its `created`. Order rises with every change
	// of the account and tells apart what happened within a second; it is 0 for
	// what was there at the start. A balance transaction that becomes available
	// by itself keeps the Order of its state before.
	At    int64
	Order uint64

	Change Change
	Events []string // types of the events that told of it, in their order; none: it was silent
	// JSON is printed as in Truth.
	JSON     []byte
	Verbatim bool // placed by Put
}

// A state is what is kept of a version.
type state struct {
	at        int64
	order, op uint64
	change    Change
	events    []string
	tree      *node
	raw       []byte
}

// books hold the states of the objects that changed since the start.
type books struct {
	states  map[subject][]state
	changed map[Resource][]string // ids in the order of their first change
}

func (b *books) init() {
	b.states, b.changed = map[subject][]state{}, map[Resource][]string{}
}

func (b *books) note(who subject, st state) {
	if len(b.states[who]) == 0 {
		b.changed[who.resource] = append(b.changed[who.resource], who.id)
	}
	b.states[who] = append(b.states[who], st)
}

// tell adds an event to the states that the same operation made.
func (b *books) tell(n *notice, op uint64) {
	for _, who := range n.about {
		list := b.states[who]
		if len(list) > 0 && list[len(list)-1].op == op {
			last := &list[len(list)-1]
			last.events = append(last.events, n.kind)
		}
	}
}

// begin locks the account for one operation: the events until the lock is
// released tell of the states that were made meanwhile. It returns the unlock.
func (s *Sim) begin() func() {
	s.mu.Lock()
	s.op++
	return s.mu.Unlock
}

// put places an object on its shelf and writes it into the books.
func (s *Sim) put(sh *shelf, rec *record) {
	before, known := sh.get(rec.id)
	change := Changed
	switch {
	case rec.removed:
		change = Deleted
	case !known || sh.gone(before):
		change = Created
	}
	s.note(subject{sh.resource, rec.id}, change, rec)
	sh.put(rec)
}

func (s *Sim) note(who subject, change Change, rec *record) {
	s.order++
	s.books.note(who, state{at: s.clock.unix(), order: s.order, op: s.op, change: change, tree: rec.tree, raw: rec.raw})
}

// Changed returns the ids of the objects of a resource that were made, changed
// or deleted since the start, in the order in which that first happened.
// Not among them are objects that changed by themselves (see Versions), and
// those that only Wipe took away.
func (s *Sim) Changed(r Resource) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.books.changed[r])
}

// Versions returns every state that an object has had since the start, oldest
// first, with what follows from others included: a subscription changes when
// one of its prices does, a balance transaction when its time has come. The
// last one is the present state, or Deleted. It returns nil for an object that
// never was.
func (s *Sim) Versions(r Resource, id string) []Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sh := s.shelves[r]
	if sh == nil {
		return nil
	}
	states := s.states(sh, id)
	if len(states) == 0 {
		return nil
	}
	switch r {
	case Subscriptions:
		return s.subscriptionVersions(states)
	case BalanceTransactions:
		states = s.withAvailability(states)
	}
	out := make([]Version, len(states))
	for i, st := range states {
		out[i] = s.version(sh, st, s.livePrice)
	}
	return out
}

// states returns what an object was at the start, and what the books have.
func (s *Sim) states(sh *shelf, id string) []state {
	noted := s.books.states[subject{sh.resource, id}]
	var out []state
	if pos, ok := sh.find(id); ok {
		out = []state{{at: sh.created(pos), change: Began, tree: s.origin(sh, pos)}}
		if sh.hidden != nil && sh.hidden(pos) {
			out[0].change = Deleted
		}
	} else if p, ok := s.world.inline(id); ok && sh.resource == Prices {
		e := &enc{}
		s.world.price(e, &p, full)
		out = []state{{at: p.created, change: Began, tree: mustParse(e.b)}}
	}
	out = append(out, noted...)
	for _, w := range s.wipes {
		i := slices.IndexFunc(out, func(st state) bool { return st.order > w.order })
		if i < 0 {
			i = len(out)
		}
		if i == 0 || out[i-1].change == Deleted {
			continue
		}
		gone := out[i-1]
		gone.at, gone.order, gone.change, gone.events = w.at, w.order, Deleted, nil
		out = slices.Insert(out, i, gone)
	}
	return out
}

// origin is a generated object as it was at the start.
func (s *Sim) origin(sh *shelf, pos int) *node {
	e := &enc{}
	if sh.resource == Subscriptions {
		sub := s.world.subscriptionAt(pos)
		s.world.subscription(e, &sub, full, nil)
	} else {
		sh.render(e, pos, full)
	}
	return mustParse(e.b)
}

// mustParse reads what was printed here.
func mustParse(b []byte) *node {
	n, err := parse(b)
	if err != nil {
		panic("stripesim: not JSON: " + err.Error())
	}
	return n
}

// version prints a state; price says what a listed price was.
func (s *Sim) version(sh *shelf, st state, price func(id string) *node) Version {
	v := Version{At: st.at, Order: st.order, Change: st.change, Events: slices.Clone(st.events), JSON: st.raw, Verbatim: st.raw != nil}
	if st.raw == nil {
		e := &enc{}
		e.node(s.shownAt(sh.resource, st.tree, s.copyView(), max(st.at, s.clock.start.Unix()), price))
		v.JSON = e.b
	}
	return v
}

// withAvailability adds the states of a balance transaction that time alone
// makes.
func (s *Sim) withAvailability(states []state) []state {
	now, start := s.clock.unix(), s.clock.start.Unix()
	var out []state
	for i, st := range states {
		out = append(out, st)
		on, ok := st.tree.at("available_on").integer()
		last := i == len(states)-1
		if !ok || st.raw != nil || st.change == Deleted || on <= max(st.at, start) || on > now || !last && on >= states[i+1].at {
			continue
		}
		st.at, st.change, st.events = on, Changed, nil
		out = append(out, st)
	}
	return out
}

// subscriptionVersions adds the states that come from changed prices.
func (s *Sim) subscriptionVersions(states []state) []Version {
	sh := s.shelves[Subscriptions]
	prices := map[string][]state{}
	for _, st := range states {
		for _, id := range st.tree.values([]string{"items", "data", "price", "id"}) {
			prices[id] = s.books.states[subject{Prices, id}]
		}
	}
	all := states
	for id, list := range prices {
		for _, p := range list {
			all = append(all, state{at: p.at, order: p.order, tree: stringNode(id)})
		}
	}
	slices.SortStableFunc(all, func(a, b state) int { return order(a.order < b.order, a.order > b.order) })
	var out []Version
	var own *state
	for i := range all {
		st := all[i]
		derived := st.tree.kind == '"' && st.change == ""
		if !derived {
			own = &all[i]
		} else if own == nil || own.change == Deleted || own.raw != nil {
			continue
		} else {
			at, order := st.at, st.order
			st = *own
			st.at, st.order, st.change, st.events = at, order, Changed, nil
		}
		v := s.version(sh, st, func(id string) *node { return priceAt(prices[id], st.order) })
		if derived && string(v.JSON) == string(out[len(out)-1].JSON) {
			continue
		}
		out = append(out, v)
	}
	return out
}

// priceAt returns what a price was after the change with that order, nil if it
// was as at the start.
func priceAt(states []state, order uint64) (tree *node) {
	for _, st := range states {
		if st.order > order {
			break
		}
		tree = st.tree
	}
	return tree
}
