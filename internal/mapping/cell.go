package mapping

import (
	"slices"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A cell is a value of a record in the making. A nil cell is no value.
type cell struct {
	text []byte   // of a scalar: its JSON text
	kids []*cell  // of an object by field, of an array by index, of a map as keys
	keys []string // of a map
	at   map[string]int
}

// What takes memory costs several times its bytes, so that a record in the
// making stays below some 40 MiB.
const (
	cellWork = 512 // of a cell
	slotWork = 32  // of a place for one
	byteWork = 4   // of a byte of text
)

func newCell(f *xdm.Field) *cell {
	c := &cell{}
	switch f.Kind {
	case xdm.Object:
		c.kids = make([]*cell, len(f.Fields))
	case xdm.Map:
		c.at = map[string]int{}
	default:
	}
	return c
}

// child returns what stands behind a step, nil if there is nothing.
func (c *cell) child(s step) *cell {
	if c == nil {
		return nil
	}
	i := s.index
	if s.kind == stepKey {
		var ok bool
		if i, ok = c.at[s.key]; !ok {
			return nil
		}
	}
	if i >= len(c.kids) {
		return nil
	}
	return c.kids[i]
}

// set puts a value behind a step.
func (c *cell) set(s step, kid *cell) {
	i := s.index
	if s.kind == stepKey {
		var ok bool
		if i, ok = c.at[s.key]; !ok {
			i = len(c.kids)
			c.at[s.key] = i
			c.keys = append(c.keys, s.key)
		}
	}
	if i >= len(c.kids) {
		c.kids = append(c.kids, make([]*cell, i+1-len(c.kids))...)
	}
	c.kids[i] = kid
}

// erase takes away what stands at the end of steps, and returns what is left.
func (a *application) erase(c *cell, steps []step) *cell {
	if c == nil || len(steps) == 0 {
		return nil
	}
	s := steps[0]
	if s.kind == stepEach {
		if !a.spend(16 * len(c.kids)) {
			return c
		}
		for i, kid := range c.kids {
			c.kids[i] = a.erase(kid, steps[1:])
		}
		return c
	}
	kid := c.child(s)
	if kid == nil {
		return c
	}
	kid = a.erase(kid, steps[1:])
	if s.kind != stepKey || kid != nil {
		c.set(s, kid)
		return c
	}
	if !a.spend(64 * len(c.keys)) {
		return c
	}
	i := c.at[s.key]
	c.kids, c.keys = slices.Delete(c.kids, i, i+1), slices.Delete(c.keys, i, i+1)
	clear(c.at)
	for i, key := range c.keys {
		c.at[key] = i
	}
	return c
}

// appendJSON appends c, a value of f. Members that have no value are left out,
// elements are null.
func (c *cell) appendJSON(dst []byte, f *xdm.Field) []byte {
	if c == nil {
		return append(dst, "null"...)
	}
	if c.text != nil {
		return append(dst, c.text...)
	}
	if f.Kind == xdm.Array {
		dst = append(dst, '[')
		for i, kid := range c.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = kid.appendJSON(dst, f.Elem)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	first := true
	for i, kid := range c.kids {
		if kid == nil && f.Kind == xdm.Object {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		below := f.Elem
		name := ""
		if f.Kind == xdm.Object {
			below, name = f.Fields[i], f.Fields[i].Name
		} else {
			name = c.keys[i]
		}
		dst = append(expr.TextOf(name).AppendJSON(dst), ':')
		dst = kid.appendJSON(dst, below)
	}
	return append(dst, '}')
}
