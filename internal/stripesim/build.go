package stripesim

import "slices"

// fields makes an object of names and values in turn. A value is a string, an
// integer, a boolean, a node, or nil for null.
func fields(pairs ...any) *node {
	n := &node{kind: '{'}
	for i := 0; i < len(pairs); i += 2 {
		n.keys = append(n.keys, pairs[i].(string))
		n.items = append(n.items, nodeFrom(pairs[i+1]))
	}
	return n
}

func nodeFrom(v any) *node {
	switch v := v.(type) {
	case string:
		return stringNode(v)
	case int:
		return intNode(int64(v))
	case int64:
		return intNode(v)
	case bool:
		return boolNode(v)
	case *node:
		if v != nil {
			return v
		}
	}
	return nullNode
}

// array makes an array of values as fields takes them.
func array(values ...any) *node {
	n := &node{kind: '['}
	for _, v := range values {
		n.items = append(n.items, nodeFrom(v))
	}
	return n
}

// join returns an object with the fields of a, then those of b.
func join(a, b *node) *node {
	return &node{kind: '{', keys: slices.Concat(a.keys, b.keys), items: slices.Concat(a.items, b.items)}
}

// each returns a copy of the object n whose array k went through change,
// element by element; n itself where there is none.
func (n *node) each(k string, change func(*node) *node) *node {
	list := n.at(k)
	if list == nil || list.kind != '[' {
		return n
	}
	out := &node{kind: '['}
	for _, item := range list.items {
		out.items = append(out.items, change(item))
	}
	return n.with(k, out)
}

// within returns a copy of the object n whose object k went through change; n
// itself where there is none.
func (n *node) within(k string, change func(*node) *node) *node {
	if v := n.at(k); v != nil && v.kind == '{' {
		return n.with(k, change(v))
	}
	return n
}
