package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/xdm"
)

// fields walks the object at the current place, whose fields go to the frame
// at base.
func (p *Plan) fields(n *node, base int32) (h sum, ok bool) {
	s := &p.scan
	n.hint = 0
	ok = s.members(func(key []byte, _, _ int32) bool {
		k := n.child(key)
		if k == nil {
			p.noteDrift(join(n.path, string(key)), DriftField, s.typeName())
			kh := xxh3.Hash(key)
			v, ok := s.free()
			h.member(kh, v)
			return ok
		}
		v, ok := p.value(k, base)
		if !k.volatile {
			h.member(k.hash, v)
		}
		return ok
	})
	return h, ok
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// value walks the value of n, whose slot is in the frame at base.
func (p *Plan) value(n *node, base int32) (h sum, ok bool) {
	s := &p.scan
	if s.i >= len(s.src) {
		return h, s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a value"})
	}
	if n.role != roleNone && !p.system(n) {
		return h, false
	}
	if n.dst == nil {
		if len(n.kids) > 0 && s.src[s.i] == '{' {
			return p.fields(n, base)
		}
		return s.free()
	}
	at := base + int32(n.dst.Slot)
	if s.rec.Slots[at].Kind != dataset.Absent {
		if n.dst.Field.Added {
			s.rec.Warnings++
			return s.free()
		}
		return h, s.reject(n.path, "stands twice in the object")
	}
	var slot dataset.Slot
	switch c := s.src[s.i]; {
	case n.isJSON() && c != 'n':
		slot = dataset.Slot{Kind: dataset.JSON, Start: int32(len(s.rec.Raw))}
		h, ok = s.free()
		slot.End = int32(len(s.rec.Raw))
	case c == '{' && n.expandable():
		slot, h, ok = p.expanded(n)
	case c == '{' || c == '[':
		slot, h, ok = p.container(n, base)
	default:
		slot, h, ok = s.scalar()
		ok = ok && p.check(n, &slot)
	}
	s.rec.Slots[at] = slot
	return h, ok
}

// expandable says whether an object may stand in the place of an id. At the top
// level it may not: nothing is asked for expanded there, so the answer is to
// another question. Deeper down Stripe's own samples do it.
func (n *node) expandable() bool { return n.dst.Field.Identifier && strings.Contains(n.path, ".") }

// expanded walks an object that stands in the place of its id, and takes the id.
func (p *Plan) expanded(n *node) (slot dataset.Slot, h sum, ok bool) {
	s := &p.scan
	from := len(s.rec.Raw)
	if h, ok = s.free(); !ok {
		return slot, h, false
	}
	start, end, found := rawjson.ID(s.rec.Raw[from:])
	if !found && n.dst.Field.Added {
		p.noteDrift(n.path, DriftType, "object")
		s.rec.Warnings++
		return dataset.Slot{Kind: dataset.Invalid}, h, true
	}
	if !found {
		return slot, h, s.reject(n.path, "is an object without an id, not a string")
	}
	return dataset.Slot{Kind: dataset.String, Start: int32(from + start), End: int32(from + end)}, h, true
}

// container walks an object or array that is mapped.
func (p *Plan) container(n *node, base int32) (slot dataset.Slot, h sum, ok bool) {
	s := &p.scan
	f := n.dst.Field
	if s.src[s.i] != opening(f.Kind) {
		if f.Added {
			p.noteDrift(n.path, DriftType, s.kindName())
			s.rec.Warnings++
			h, ok = s.free()
			return dataset.Slot{Kind: dataset.Invalid}, h, ok
		}
		return slot, h, s.reject(n.path, "is "+article(s.kindName())+", not "+article(kindWord(f)))
	}
	if f.Kind == xdm.Object {
		slot = dataset.Slot{Kind: dataset.Object, Start: int32(len(s.rec.Raw))}
		h, ok = p.fields(n, base)
		slot.End = int32(len(s.rec.Raw))
		return slot, h, ok
	}
	slot = dataset.Slot{Kind: dataset.List}
	last := int32(-1)
	add := func() int32 {
		at := s.frame(n.dst.Elem.Size)
		if last < 0 {
			slot.Start = at
		} else {
			s.rec.Slots[last].Start = at
		}
		slot.End++
		last = at
		return at
	}
	if f.Kind == xdm.Array {
		h = leaf('[', nil)
		ok = s.elements(func() bool {
			v, ok := p.value(n.elem, add())
			h.element(v)
			return ok
		})
		return slot, h, ok
	}
	ok = s.members(func(key []byte, start, end int32) bool {
		if p.repeated(slot, n.dst.Elem.Size, key) {
			if f.Added {
				kh := xxh3.Hash(key)
				s.rec.Warnings++
				v, ok := s.free()
				h.member(kh, v)
				return ok
			}
			return s.reject(join(n.path, string(key)), "stands twice in the object")
		}
		kh := xxh3.Hash(key)
		escaped := len(key) != int(end-start)
		at := add()
		s.rec.Slots[at+dataset.KeySlot] = dataset.Slot{Kind: dataset.String, Escaped: escaped, Start: start, End: end}
		v, ok := p.value(n.elem, at)
		h.member(kh, v)
		return ok
	})
	return slot, h, ok
}

// opening returns the bracket that a value of kind k begins with, 0 for a
// scalar.
func opening(k xdm.Kind) byte {
	switch k {
	case xdm.Object, xdm.Map:
		return '{'
	case xdm.Array:
		return '['
	case xdm.String, xdm.Long, xdm.Double, xdm.Boolean, xdm.Int, xdm.Short, xdm.Byte, xdm.Date, xdm.DateTime:
	}
	return 0
}

// repeated says whether the map in slot has an entry named key. Stripe allows
// 50 entries, so looking through them is enough.
func (p *Plan) repeated(slot dataset.Slot, size int, key []byte) bool {
	at := slot.Start
	for range slot.End {
		f := p.scan.rec.Frame(at, size)
		k := f[dataset.KeySlot]
		if text := p.scan.rec.Text(k); !k.Escaped && string(text) == string(key) {
			return true
		} else if k.Escaped && string(rawjson.Unquote(nil, text)) == string(key) {
			return true
		}
		at = dataset.NextFrame(f)
	}
	return false
}

// check compares a scalar with the type of its field: a wrong one refuses the
// record where the field matters, and is nulled and counted elsewhere.
func (p *Plan) check(n *node, slot *dataset.Slot) bool {
	s := &p.scan
	f := n.dst.Field
	if slot.Kind == dataset.Null {
		return true
	}
	good := false
	switch f.Kind {
	case xdm.String:
		good = slot.Kind == dataset.String
	case xdm.Boolean:
		good = slot.Kind == dataset.True || slot.Kind == dataset.False
	case xdm.Double:
		v, err := strconv.ParseFloat(string(s.rec.Text(*slot)), 64)
		good = slot.Kind == dataset.Number && err == nil && !math.IsInf(v, 0)
	case xdm.Long:
		if slot.Kind == dataset.Number {
			_, err := rawjson.Int(s.rec.Text(*slot))
			if errors.Is(err, rawjson.ErrRange) && !f.Added {
				return s.reject(n.path, "does not fit a 64-bit integer")
			}
			good = err == nil
		}
	case xdm.Int, xdm.Short, xdm.Byte, xdm.Date, xdm.DateTime: // no Stripe field is one
	case xdm.Object, xdm.Array, xdm.Map:
		if !f.Added {
			return s.reject(n.path, "is "+article(kindOf(*slot))+", not "+article(kindWord(f)))
		}
	}
	if good {
		if n.known != nil && string(s.rec.Text(*slot)) != n.usual {
			p.noteValue(n, s.plain(slot.Start, slot.End, slot.Escaped))
		}
		return true
	}
	if (f.Money || f.Required) && !f.Added {
		return s.reject(n.path, "is "+article(kindOf(*slot))+", not "+article(kindWord(f)))
	}
	p.noteDrift(n.path, DriftType, kindOf(*slot))
	s.rec.Warnings++
	slot.Kind = dataset.Invalid
	return true
}

// lastSecond ends the year 9999. Many readers have no later time, and refuse the
// whole column for one; milliseconds by mistake are later, too.
const lastSecond = 253402300799

// system checks and takes the fields that every object has.
func (p *Plan) system(n *node) bool {
	s := &p.scan
	c := s.src[s.i]
	switch n.role {
	case roleID, roleObject:
		if c != '"' {
			return s.reject(n.path, "is "+article(s.kindName())+", not a string")
		}
		end, flags, err := rawjson.String(s.src, s.i)
		if err != nil {
			return s.syntax(err)
		}
		if flags&rawjson.Surrogate != 0 {
			// Repaired, ids that differ would be one.
			return s.reject(n.path, "has half of a surrogate pair")
		}
		text := s.src[s.i+1 : end-1]
		if n.role == roleObject {
			s.seenObj = true
			if string(text) != p.object {
				return s.reject(n.path, fmt.Sprintf("is %q, not %q", clip(text), p.object))
			}
			return true
		}
		if len(s.rec.ID) > 0 {
			return s.reject(n.path, "stands twice in the object")
		}
		if s.rec.ID = rawjson.Unquote(s.rec.ID, text); len(s.rec.ID) == 0 {
			return s.reject(n.path, "is empty")
		}
	case roleCreated:
		end, integer, err := rawjson.Number(s.src, s.i)
		if err != nil || !integer {
			return s.reject(n.path, "is "+article(s.kindName())+", not an integer")
		}
		v, err := rawjson.Int(s.src[s.i:end])
		if err != nil || v < 0 || v > lastSecond {
			return s.reject(n.path, "is not a time in unix seconds")
		}
		s.rec.Created = v
	case roleNone:
	}
	return true
}
