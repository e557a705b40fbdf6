package stripesim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// A node is a JSON value that keeps the order of its fields. Nodes are
// immutable once made: a change makes a new tree.
type node struct {
	kind  byte   // '{', '[', '"', or 'v' for numbers, booleans and null
	text  string // of a string, unquoted; of a number or literal as written
	keys  []string
	items []*node // values of an object, elements of an array
}

var nullNode = &node{kind: 'v', text: "null"}

func stringNode(s string) *node { return &node{kind: '"', text: s} }

func intNode(v int64) *node { return &node{kind: 'v', text: strconv.FormatInt(v, 10)} }

func boolNode(v bool) *node { return &node{kind: 'v', text: strconv.FormatBool(v)} }

// parse reads one JSON document.
func parse(raw []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	n, err := parseValue(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return n, nil
}

func parseValue(d *json.Decoder) (*node, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case json.Delim:
		n := &node{kind: byte(v)}
		for d.More() {
			if v == '{' {
				k, err := d.Token()
				if err != nil {
					return nil, err
				}
				n.keys = append(n.keys, k.(string))
			}
			item, err := parseValue(d)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err := d.Token()
		return n, err
	case string:
		return stringNode(v), nil
	case json.Number:
		return &node{kind: 'v', text: v.String()}, nil
	case bool:
		return boolNode(v), nil
	}
	return nullNode, nil
}

// node appends n as Stripe would print it.
func (e *enc) node(n *node) {
	switch n.kind {
	case '{':
		e.open('{')
		for i, k := range n.keys {
			e.line()
			e.b = append(appendString(e.b, k), ':', ' ')
			e.node(n.items[i])
		}
		e.close('}')
	case '[':
		e.open('[')
		for _, item := range n.items {
			e.line()
			e.node(item)
		}
		e.close(']')
	case '"':
		e.b = appendString(e.b, n.text)
	default:
		e.b = append(e.b, n.text...)
	}
}

// at follows field names; it returns nil where there is none.
func (n *node) at(path ...string) *node {
	for _, k := range path {
		if n == nil || n.kind != '{' {
			return nil
		}
		i := slices.Index(n.keys, k)
		if i < 0 {
			return nil
		}
		n = n.items[i]
	}
	return n
}

// value returns a string's text, a number or literal as written, and "" for
// null, containers and nothing.
func (n *node) value() string {
	if n == nil || n.kind == '{' || n.kind == '[' || n == nullNode || n.kind == 'v' && n.text == "null" {
		return ""
	}
	return n.text
}

// integer returns a number's value; ok is false for anything else.
func (n *node) integer() (v int64, ok bool) {
	if n == nil || n.kind != 'v' {
		return 0, false
	}
	v, err := strconv.ParseInt(n.text, 10, 64)
	return v, err == nil
}

// with returns a copy of the object n whose field k is v; a new field goes last.
func (n *node) with(k string, v *node) *node {
	c := &node{kind: '{', keys: n.keys, items: slices.Clone(n.items)}
	if i := slices.Index(n.keys, k); i >= 0 {
		c.items[i] = v
		return c
	}
	c.keys = append(slices.Clone(n.keys), k)
	c.items = append(c.items, v)
	return c
}

// without returns n without the named fields.
func (n *node) without(names ...string) *node {
	if n.kind != '{' {
		return n
	}
	c := &node{kind: '{'}
	for i, k := range n.keys {
		if !slices.Contains(names, k) {
			c.keys = append(c.keys, k)
			c.items = append(c.items, n.items[i])
		}
	}
	return c
}

// plain returns n as encoding/json would decode it, with json.Number.
func (n *node) plain() any {
	switch n.kind {
	case '{':
		m := make(map[string]any, len(n.keys))
		for i, k := range n.keys {
			m[k] = n.items[i].plain()
		}
		return m
	case '[':
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = item.plain()
		}
		return out
	case '"':
		return n.text
	}
	switch n.text {
	case "null":
		return nil
	case "true", "false":
		return n.text == "true"
	}
	return json.Number(n.text)
}

// nodeOf makes a tree of v, which is what plain returns or anything that
// encoding/json can write. Fields keep the order they have in was; new ones
// follow in alphabetical order.
func nodeOf(v any, was *node) (*node, error) {
	m, ok := v.(map[string]any)
	if !ok {
		if list, ok := v.([]any); ok {
			return listNode(list, was)
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		return parse(raw)
	}
	n := &node{kind: '{'}
	if was != nil && was.kind == '{' {
		for _, k := range was.keys {
			if _, ok := m[k]; ok {
				n.keys = append(n.keys, k)
			}
		}
	}
	old := len(n.keys)
	for k := range m {
		if !slices.Contains(n.keys[:old], k) {
			n.keys = append(n.keys, k)
		}
	}
	slices.Sort(n.keys[old:])
	for _, k := range n.keys {
		item, err := nodeOf(m[k], was.at(k))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		n.items = append(n.items, item)
	}
	return n, nil
}

func listNode(list []any, was *node) (*node, error) {
	n := &node{kind: '['}
	for i, v := range list {
		var before *node
		if was != nil && was.kind == '[' && i < len(was.items) {
			before = was.items[i]
		}
		item, err := nodeOf(v, before)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
		n.items = append(n.items, item)
	}
	return n, nil
}

// equal says whether n and other print the same, whatever the order of fields.
func (n *node) equal(other *node) bool {
	if n == nil || other == nil {
		return n == other
	}
	if n.kind != other.kind || n.text != other.text || len(n.items) != len(other.items) {
		return false
	}
	for i, item := range n.items {
		twin := other.items[i]
		if n.kind == '{' {
			twin = other.at(n.keys[i])
		}
		if !item.equal(twin) {
			return false
		}
	}
	return true
}

// planOf makes the legacy plan of a price.
func planOf(p *node) *node {
	n := &node{kind: '{'}
	add := func(k string, v *node) {
		if v == nil {
			v = nullNode
		}
		n.keys, n.items = append(n.keys, k), append(n.items, v)
	}
	add("id", p.at("id"))
	add("object", stringNode("plan"))
	add("active", p.at("active"))
	add("aggregate_usage", p.at("recurring", "aggregate_usage"))
	add("amount", p.at("unit_amount"))
	add("amount_decimal", p.at("unit_amount_decimal"))
	for _, k := range []string{"billing_scheme", "created", "currency"} {
		add(k, p.at(k))
	}
	add("interval", p.at("recurring", "interval"))
	add("interval_count", p.at("recurring", "interval_count"))
	add("livemode", p.at("livemode"))
	add("metadata", p.at("metadata"))
	add("meter", p.at("recurring", "meter"))
	for _, k := range []string{"nickname", "product", "tiers_mode"} {
		add(k, p.at(k))
	}
	add("transform_usage", p.at("transform_quantity"))
	add("trial_period_days", p.at("recurring", "trial_period_days"))
	add("usage_type", p.at("recurring", "usage_type"))
	return n
}
