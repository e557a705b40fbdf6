package stripesim

import (
	"net/url"
	"strings"
)

// A page is the answer to a list call, before it is written.
type page struct {
	shelf   *shelf
	objects []object // in the order of the answer
	more    bool
	url     string
	view    view
}

// list answers GET /v1/<resource>. The caller holds the lock until the page is
// written.
func (s *Sim) list(r Resource, values url.Values, empty bool, version string) (*page, *apiError) {
	q, err := parseQuery(values)
	if err != nil {
		return nil, err
	}
	if err := q.resolve(r); err != nil {
		return nil, err
	}
	sh := s.shelves[r]
	q.view.version = version
	p := &page{shelf: sh, url: "/v1/" + string(r), view: q.view}
	if empty {
		return p, q.noCursor(r)
	}
	return p, s.fill(p, q)
}

// noCursor refuses any cursor: in a mode without data none exists.
func (q *query) noCursor(r Resource) *apiError {
	switch {
	case q.after != "":
		return missing(400, r.noun(), q.after, "starting_after")
	case q.before != "":
		return missing(400, r.noun(), q.before, "ending_before")
	}
	return nil
}

// fill walks from the cursor through the window until the page is full, and
// one further to know whether there is more.
func (s *Sim) fill(p *page, q *query) *apiError {
	if q.before != "" {
		return s.fillUp(p, q)
	}
	sh := p.shelf
	at := place{sh.n, len(sh.added)}
	if q.to != maxTime {
		at = sh.from(q.to)
	}
	if q.after != "" {
		o, err := s.cursor(sh, q.after, "starting_after")
		if err != nil {
			return err
		}
		before, _ := sh.around(o)
		at = place{min(at.base, before.base), min(at.added, before.added)}
	}
	for o, next, ok := sh.older(at); ok; o, next, ok = sh.older(next) {
		if sh.createdAt(o) < q.from {
			break
		}
		if !s.matches(sh, o, q.filters) {
			continue
		}
		if len(p.objects) == q.limit {
			p.more = true
			break
		}
		p.objects = append(p.objects, o)
	}
	return nil
}

// fillUp is fill for ending_before: the objects nearest to the cursor that are
// newer, still newest first.
func (s *Sim) fillUp(p *page, q *query) *apiError {
	sh := p.shelf
	o, err := s.cursor(sh, q.before, "ending_before")
	if err != nil {
		return err
	}
	_, at := sh.around(o)
	if q.from != minTime {
		low := sh.from(q.from)
		at = place{max(at.base, low.base), max(at.added, low.added)}
	}
	for o, next, ok := sh.newer(at); ok; o, next, ok = sh.newer(next) {
		if sh.createdAt(o) >= q.to {
			break
		}
		if !s.matches(sh, o, q.filters) {
			continue
		}
		if len(p.objects) == q.limit {
			p.more = true
			break
		}
		p.objects = append(p.objects, o)
	}
	for i, k := 0, len(p.objects)-1; i < k; i, k = i+1, k-1 {
		p.objects[i], p.objects[k] = p.objects[k], p.objects[i]
	}
	return nil
}

const (
	minTime = -1 << 63
	maxTime = 1<<63 - 1
)

func (s *Sim) cursor(sh *shelf, id, param string) (object, *apiError) {
	o, ok := sh.get(id)
	if !ok || sh.gone(o) || sh == s.events && !s.retained(o.rec) {
		return o, missing(400, sh.resource.noun(), id, param)
	}
	return o, nil
}

func (s *Sim) matches(sh *shelf, o object, filters []filter) bool {
	if sh.gone(o) || o.rec != nil && o.rec.visible > s.clock.unix() {
		return false
	}
	var tree *node
	for _, f := range filters {
		if f.path == "" {
			continue
		}
		if o.rec == nil {
			if v, ok := sh.field(o.pos, f.path); ok {
				if !f.ok([]string{v}) {
					return false
				}
				continue
			}
		}
		if tree == nil {
			var err error
			if tree, err = s.tree(sh, o); err != nil {
				return false
			}
		}
		if !f.ok(tree.values(strings.Split(f.path, "."))) {
			return false
		}
	}
	return true
}

// values returns the values at a path; arrays on the way are walked through.
func (n *node) values(path []string) []string {
	switch {
	case n == nil:
		return nil
	case n.kind == '[':
		var out []string
		for _, item := range n.items {
			out = append(out, item.values(path)...)
		}
		return out
	case len(path) == 0:
		return []string{n.value()}
	}
	return n.at(path[0]).values(path[1:])
}

// page appends the answer.
func (s *Sim) page(e *enc, p *page) {
	e.open('{')
	e.str("object", "list")
	e.arr("data")
	for _, o := range p.objects {
		e.line()
		s.object(e, p.shelf, o, p.view)
	}
	e.close(']')
	e.bool("has_more", p.more)
	e.str("url", p.url)
	e.close('}')
	e.b = append(e.b, '\n')
}
