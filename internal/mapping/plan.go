package mapping

import (
	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
)

// A Plan is a compiled mapping set. It keeps guesses about the order of keys
// between objects, so it must not be used by two goroutines at once.
type Plan struct {
	object   string
	layout   *dataset.Layout
	root     *node
	required []*dataset.Node

	drift map[Drift]Noted
	fresh []Drift // noted for the first time by the object in hand
	scan  scan    // the object in hand
}

// Layout returns the layout of the records that Scan fills.
func (p *Plan) Layout() *dataset.Layout { return p.layout }

type role uint8

const (
	roleNone role = iota
	roleID
	roleObject
	roleCreated
)

// A node is a place in the source object: where its value goes, and what may
// stand below it.
type node struct {
	key  string
	path string // dotted, [] for list elements
	hash uint64 // of key
	role role
	// volatile values are kept but not hashed.
	volatile bool
	dst      *dataset.Node // nil: not mapped
	kids     []*node
	byKey    map[string]*node
	pos      int   // index among its siblings
	hint     int   // index of the kid that is likely next
	elem     *node // of an array or map: its elements

	known map[string]string // values of an enum, each by itself; nil where there is none
	usual string            // the known value that was seen last
}

// kid returns the child named key, making it if it is new.
func (n *node) kid(key string) *node {
	for _, k := range n.kids {
		if k.key == key {
			return k
		}
	}
	k := &node{key: key, path: key, hash: xxh3.HashString(key)}
	if n.path != "" {
		k.path = n.path + "." + key
	}
	n.kids = append(n.kids, k)
	return k
}

// attach makes dst, with all its fields, the destination of n.
func (n *node) attach(dst *dataset.Node) {
	n.dst = dst
	if values := dst.Field.Enum; len(values) > 0 {
		n.known = make(map[string]string, len(values))
		for _, v := range values {
			n.known[v] = v
		}
	}
	for _, c := range dst.Children {
		n.kid(c.Field.Name).attach(c)
	}
	if dst.Elem != nil {
		n.elem = &node{path: n.path + "[]"}
		n.elem.attach(dst.Elem.Nodes[0])
	}
}

// seal builds the look-up tables once the tree is complete.
func (n *node) seal() {
	n.byKey = make(map[string]*node, len(n.kids))
	for i, k := range n.kids {
		n.byKey[k.key] = k
		k.pos = i
		k.seal()
	}
	if n.elem != nil {
		n.elem.seal()
	}
}

// child returns the kid named key, or nil. Stripe sends keys in a stable
// order, so the kids behind the last one found are tried first.
func (n *node) child(key []byte) *node {
	for i := n.hint; i < len(n.kids) && i < n.hint+3; i++ {
		if n.kids[i].key == string(key) {
			n.hint = i + 1
			return n.kids[i]
		}
	}
	k := n.byKey[string(key)]
	if k != nil {
		n.hint = k.pos + 1
	}
	return k
}

// isJSON says whether the value is kept as its JSON text.
func (n *node) isJSON() bool { return n.dst != nil && n.dst.Field.JSON }

// A Drift is something seen that the schema does not describe.
type Drift struct {
	Path string // dotted, [] for list elements
	Kind string // DriftField, DriftType or DriftValue
	// Seen is the JSON type of the value (string, integer, number, boolean,
	// object, array, null), or for DriftValue the value itself.
	Seen string
}

// Values of Drift.Kind.
const (
	DriftField = "unknown_field" // the schema has no such field; the value is kept in raw
	DriftType  = "unknown_type"  // an optional field has another type; it lands as null
	DriftValue = "unknown_value" // a value that an open enum does not list; it lands as it is
)

// Noted is how often something was seen, and where first.
type Noted struct {
	Count   int64
	Example string // id of an object; "" when it had none
}

// Drift returns what was seen since the last call.
func (p *Plan) Drift() map[Drift]Noted {
	d := p.drift
	p.drift = nil
	return d
}

// maxDrift bounds the different things noted between two calls of Drift: the
// names come from outside.
const maxDrift = 1000

func (p *Plan) noteDrift(path, kind, seen string) {
	if p.drift == nil {
		p.drift = map[Drift]Noted{}
	}
	d := Drift{path, kind, seen}
	n, again := p.drift[d]
	if !again {
		if len(p.drift) >= maxDrift {
			return
		}
		p.fresh = append(p.fresh, d)
	}
	n.Count++
	p.drift[d] = n
}

// exemplify names the object in hand as the example of what it is the first to
// show.
func (p *Plan) exemplify() {
	for _, d := range p.fresh {
		if n, ok := p.drift[d]; ok {
			n.Example = string(p.scan.rec.ID)
			p.drift[d] = n
		}
	}
	p.fresh = p.fresh[:0]
}

// noteValue notes a string that is none of the values that an enum is known to take.
func (p *Plan) noteValue(n *node, text []byte) {
	if v, ok := n.known[string(text)]; ok {
		n.usual = v
		return
	}
	p.noteDrift(n.path, DriftValue, shownValue(text))
}

// maxValue is the longest text that is taken for the value of an enum.
const maxValue = 64

// shownValue returns text if it is made as Stripe makes the values of enums.
// What else stands there may be about a person.
func shownValue(text []byte) string {
	if len(text) == 0 || len(text) > maxValue {
		return OtherText
	}
	for _, c := range text {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return OtherText
		}
	}
	if text[0] >= '0' && text[0] <= '9' {
		return OtherText
	}
	return string(text)
}

// OtherText stands for a value that is not shown.
const OtherText = "(text)"
