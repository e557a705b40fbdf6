package flow

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tributary-data/tributary/internal/xdm"
)

// A node describes the values at one place of sampled records: a JSON Schema
// once it is written.
type node struct {
	text, boolean, integer, number, object, array bool

	properties map[string]*node
	items      *node
}

func newNode() *node { return &node{} }

// nested returns an object with one member.
func nested(name string, n *node) *node {
	return &node{object: true, properties: map[string]*node{name: n}}
}

// add takes the values of a JSON text in.
func (n *node) add(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	n.see(v)
	return nil
}

func (n *node) see(v any) {
	switch v := v.(type) {
	case string:
		n.text = true
	case bool:
		n.boolean = true
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			n.number = true
		} else {
			n.integer = true
		}
	case []any:
		n.array = true
		if n.items == nil {
			n.items = newNode()
		}
		for _, e := range v {
			n.items.see(e)
		}
	case map[string]any:
		n.object = true
		for name, e := range v {
			n.member(name).see(e)
		}
	}
}

func (n *node) member(name string) *node {
	if n.properties == nil {
		n.properties = map[string]*node{}
	}
	m := n.properties[name]
	if m == nil {
		m = newNode()
		n.properties[name] = m
	}
	return m
}

// MarshalJSON writes the node as clients know it. Where values were of several
// types, an object wins, then an array; numbers make a number, all else a text.
func (n *node) MarshalJSON() ([]byte, error) {
	type bounded struct {
		Type    string `json:"type"`
		Minimum int64  `json:"minimum"`
		Maximum int64  `json:"maximum"`
	}
	type plain struct {
		Type       string            `json:"type,omitempty"`
		Properties *map[string]*node `json:"properties,omitempty"`
		Items      *node             `json:"items,omitempty"`
	}
	switch {
	case n.object:
		properties := n.properties
		if properties == nil {
			properties = map[string]*node{}
		}
		return json.Marshal(plain{Type: "object", Properties: &properties})
	case n.array:
		items := n.items
		if items == nil {
			items = newNode()
		}
		return json.Marshal(plain{Type: "array", Items: items})
	case n.text, n.boolean && (n.integer || n.number):
		return json.Marshal(plain{Type: "string"})
	case n.boolean:
		return json.Marshal(plain{Type: "boolean"})
	case n.number:
		return json.Marshal(plain{Type: "number"})
	case n.integer:
		return json.Marshal(bounded{"integer", -1 << 53, 1<<53 - 1})
	}
	return []byte("{}"), nil
}

// nodeOf describes the values of a field of a schema.
func nodeOf(f *xdm.Field) *node {
	n := newNode()
	switch f.Kind {
	case xdm.String, xdm.Date, xdm.DateTime:
		n.text = !f.JSON // else it holds whatever stands there
	case xdm.Boolean:
		n.boolean = true
	case xdm.Double:
		n.number = true
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		n.integer = true
	case xdm.Array:
		n.array, n.items = true, nodeOf(f.Elem)
	case xdm.Map:
		n.object = true
	case xdm.Object:
		n.object, n.properties = true, map[string]*node{}
		for _, c := range f.Fields {
			n.properties[c.Name] = nodeOf(c)
		}
	}
	return n
}
