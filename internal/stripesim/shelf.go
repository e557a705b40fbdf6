package stripesim

import (
	"slices"
	"sort"
)

// A record is an object that was made or changed while the simulator runs.
type record struct {
	id      string
	created int64
	tree    *node  // the whole object, with all expansions and all items
	raw     []byte // served as it is, when not nil: an object that Put placed
	removed bool
	wiped   bool   // removed without a trace
	pos     int    // the generated object that it replaces; -1 = none
	rank    int    // so many generated objects are older
	tie     uint64 // orders records of one second
	visible int64  // not listed before that time (events); 0 = at once
}

// An object is an entry of a shelf: a generated object, or a record.
type object struct {
	pos int // of the generated object; -1 for an added record
	rec *record
}

// A shelf holds the objects of one resource in the order of creation. The
// generated ones are positions, drawn when needed; changes and additions lie
// over them. Objects of the same second have a stable order that is neither
// that of their ids nor that of their making.
type shelf struct {
	resource Resource
	n        int // generated objects
	created  func(pos int) int64
	appendID func(b []byte, pos int) []byte
	find     func(id string) (int, bool)
	render   func(e *enc, pos int, v view)
	// field returns a generated object's field, or false where only the
	// rendered object knows it.
	field  func(pos int, path string) (string, bool)
	hidden func(pos int) bool // nil: none is
	wiped  bool               // the generated objects are gone, see Sim.Wipe

	changed map[int]*record
	added   []*record // by (rank, created, tie)
	byID    map[string]*record
}

func (s *shelf) init() {
	s.changed = map[int]*record{}
	s.byID = map[string]*record{}
}

// A place lies between two objects: so many of each kind are older.
type place struct{ base, added int }

// older returns the object before p, and the place before that.
func (s *shelf) older(p place) (object, place, bool) {
	if p.added > 0 {
		if r := s.added[p.added-1]; r.rank >= p.base {
			return object{-1, r}, place{p.base, p.added - 1}, true
		}
	}
	if p.base == 0 {
		return object{}, p, false
	}
	return object{p.base - 1, s.changed[p.base-1]}, place{p.base - 1, p.added}, true
}

// newer returns the object after p, and the place after that.
func (s *shelf) newer(p place) (object, place, bool) {
	if p.added < len(s.added) {
		if r := s.added[p.added]; r.rank <= p.base {
			return object{-1, r}, place{p.base, p.added + 1}, true
		}
	}
	if p.base == s.n {
		return object{}, p, false
	}
	return object{p.base, s.changed[p.base]}, place{p.base + 1, p.added}, true
}

// from returns the place before the first object created at t or later.
func (s *shelf) from(t int64) place {
	return place{
		sort.Search(s.n, func(i int) bool { return s.created(i) >= t }),
		sort.Search(len(s.added), func(i int) bool { return s.added[i].created >= t }),
	}
}

// around returns the places before and after an object.
func (s *shelf) around(o object) (before, after place) {
	if o.pos >= 0 {
		k := sort.Search(len(s.added), func(i int) bool { return s.added[i].rank > o.pos })
		return place{o.pos, k}, place{o.pos + 1, k}
	}
	k, _ := slices.BinarySearchFunc(s.added, o.rec, compareRecords)
	return place{o.rec.rank, k}, place{o.rec.rank, k + 1}
}

// get returns the object with that id, removed or not.
func (s *shelf) get(id string) (object, bool) {
	if r, ok := s.byID[id]; ok {
		return object{r.pos, r}, true
	}
	pos, ok := s.find(id)
	if !ok {
		return object{}, false
	}
	return object{pos, s.changed[pos]}, true
}

// put places r: over the generated object r.pos, or as a new one.
func (s *shelf) put(r *record) {
	if r.pos >= 0 {
		s.changed[r.pos] = r
		return
	}
	if old, ok := s.byID[r.id]; ok {
		*old = *keepOrder(r, old)
		return
	}
	lo := sort.Search(s.n, func(i int) bool { return s.created(i) >= r.created })
	hi := sort.Search(s.n, func(i int) bool { return s.created(i) > r.created })
	r.tie = hash(r.id)
	r.rank = lo + int(r.tie>>8%uint64(hi-lo+1))
	i, _ := slices.BinarySearchFunc(s.added, r, compareRecords)
	s.added = slices.Insert(s.added, i, r)
	s.byID[r.id] = r
}

// keepOrder gives the new state of an added record the place of the old one.
func keepOrder(r, old *record) *record {
	r.created, r.rank, r.tie = old.created, old.rank, old.tie
	return r
}

func compareRecords(a, b *record) int {
	switch {
	case a.rank != b.rank:
		return a.rank - b.rank
	case a.created != b.created:
		return order(a.created < b.created, a.created > b.created)
	}
	return order(a.tie < b.tie, a.tie > b.tie)
}

func hash(s string) uint64 {
	h := uint64(len(s))
	for _, c := range []byte(s) {
		h = mix(h<<8 ^ h>>56 ^ uint64(c))
	}
	return h
}

// gone says whether an object is not listed any more.
func (s *shelf) gone(o object) bool {
	if o.rec != nil {
		return o.rec.removed
	}
	return s.wiped || s.hidden != nil && s.hidden(o.pos)
}

func (s *shelf) createdAt(o object) int64 {
	if o.pos >= 0 {
		return s.created(o.pos)
	}
	return o.rec.created
}

func (s *shelf) id(o object) string {
	if o.rec != nil {
		return o.rec.id
	}
	return string(s.appendID(nil, o.pos))
}
