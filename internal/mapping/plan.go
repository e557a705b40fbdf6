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
