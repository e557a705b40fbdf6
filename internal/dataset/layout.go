package dataset

import "github.com/tributary-data/tributary/internal/xdm"

// A Node is one field of a layout with the slot that holds its value.
type Node struct {
	Field    *xdm.Field
	Slot     int     // index within the frame
	Children []*Node // of an Object: its fields, in the same frame
	Elem     *Layout // of an Array or a Map: the frame of one element
}

// A Layout says which slot of a frame holds which field. An object's fields
// lie in the frame of the record that holds it; each element of an array or
// map has a frame of its own.
//
// Slot 0 of a frame is its header. In the frame of a map's entry, slot 1 is
// the key and slot 2 the value.
type Layout struct {
	Nodes []*Node
	Size  int // slots of one frame, the header included
}

// KeySlot is the slot of the key in the frame of a map's entry.
const KeySlot = 1

// NewLayout returns the layout of a record with the given fields.
func NewLayout(fields []*xdm.Field) *Layout {
	l := &Layout{Size: 1}
	l.Nodes = l.add(fields)
	return l
}

func (l *Layout) add(fields []*xdm.Field) []*Node {
	nodes := make([]*Node, 0, len(fields))
	for _, f := range fields {
		n := &Node{Field: f, Slot: l.Size}
		l.Size++
		switch f.Kind {
		case xdm.Object:
			n.Children = l.add(f.Fields)
		case xdm.Array:
			n.Elem = &Layout{Size: 1}
			n.Elem.Nodes = n.Elem.add([]*xdm.Field{f.Elem})
		case xdm.Map:
			n.Elem = &Layout{Size: KeySlot + 1}
			n.Elem.Nodes = n.Elem.add([]*xdm.Field{f.Elem})
		case xdm.String, xdm.Long, xdm.Double, xdm.Boolean, xdm.Int, xdm.Short, xdm.Byte, xdm.Date, xdm.DateTime:
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// Find returns the node at path, or nil. The element of an array has the name
// "".
func (l *Layout) Find(path ...string) *Node {
	nodes := l.Nodes
	for i, name := range path {
		var found *Node
		for _, n := range nodes {
			if n.Field.Name == name {
				found = n
			}
		}
		if found == nil || i == len(path)-1 {
			return found
		}
		nodes = found.Children
	}
	return nil
}
