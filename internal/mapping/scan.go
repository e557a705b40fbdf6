package mapping

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/xdm"
)

// MaxDepth is the deepest nesting that an object may have. Stripe's own stays
// below ten; readers of the lake parse raw with limits of their own.
const MaxDepth = 100

// scan is the state of one pass.
type scan struct {
	src     []byte
	i       int
	rec     *dataset.Record
	depth   int
	index   []int // positions in the lists around the value in hand
	scratch []byte
	seenObj bool
	bad     *dataset.Rejected
}

// A sum is the hash of a value. Members of an object are added up, so that
// their order does not matter. It tells versions of one object apart; it is no
// defence against anybody who makes collisions on purpose.
type sum struct{ a, b uint64 }

const (
	prime1 = 0x9e3779b97f4a7c15
	prime2 = 0xc2b2ae3d27d4eb4f
	prime3 = 0x165667b19e3779f9
)

func (s *sum) member(key uint64, v sum) {
	x := (v.a ^ bits.RotateLeft64(key, 23)) * prime1
	y := (v.b + key) * prime2
	s.a += x ^ x>>29
	s.b += y ^ y>>31
}

func (s *sum) element(v sum) {
	s.a = (bits.RotateLeft64(s.a, 27) ^ v.a) * prime2
	s.b = (bits.RotateLeft64(s.b, 31) + v.b) * prime3
}

func leaf(kind uint64, text []byte) sum {
	h := xxh3.Hash(text) + kind*prime3
	return sum{h, bits.RotateLeft64(h*prime2, 17) ^ prime1}
}

// Scan takes obj, one JSON value, apart into rec. If obj cannot become a
// record it returns why, with Path and Reason set, and rec is of no use.
func (p *Plan) Scan(obj []byte, rec *dataset.Record) *dataset.Rejected {
	rec.ID, rec.Created, rec.Warnings = rec.ID[:0], -1, 0
	rec.Raw, rec.Slots = rec.Raw[:0], rec.Slots[:0]
	s := &p.scan
	*s = scan{src: obj, i: rawjson.SkipSpace(obj, 0), rec: rec, index: s.index[:0], scratch: s.scratch}
	if s.i >= len(obj) || obj[s.i] != '{' {
		s.reject("", "is "+article(s.kindName())+", not an object")
		return s.bad
	}
	base := s.frame(p.layout.Size)
	h, ok := p.fields(p.root, base)
	if len(p.fresh) > 0 {
		p.exemplify()
	}
	if ok && rawjson.SkipSpace(obj, s.i) != len(obj) {
		ok = s.reject("", "has text after its end")
	}
	if !ok {
		return s.bad
	}
	switch {
	case len(rec.ID) == 0:
		s.reject("id", "is missing")
	case !s.seenObj:
		s.reject("object", "is missing")
	case rec.Created < 0:
		s.reject("created", "is missing")
	}
	for _, n := range p.required {
		switch rec.Slots[n.Slot].Kind {
		case dataset.Absent:
			s.reject(n.Field.Name, "is missing")
		case dataset.Null:
			s.reject(n.Field.Name, "is null")
		default:
		}
	}
	binary.BigEndian.PutUint64(rec.Hash[:8], h.a)
	binary.BigEndian.PutUint64(rec.Hash[8:], h.b)
	return s.bad
}

// reject notes the first reason and returns false.
func (s *scan) reject(path, reason string) bool {
	if s.bad == nil {
		s.bad = &dataset.Rejected{Path: s.place(path), Reason: reason}
	}
	return false
}

func (s *scan) syntax(err error) bool {
	return s.reject("", "is not valid JSON: "+err.Error())
}

// place puts the list positions into a path.
func (s *scan) place(path string) string {
	for _, i := range s.index {
		path = strings.Replace(path, "[]", "["+strconv.Itoa(i)+"]", 1)
	}
	return path
}

// frame adds an empty frame to the record and returns where it begins.
func (s *scan) frame(size int) int32 {
	at := len(s.rec.Slots)
	if cap(s.rec.Slots)-at < size {
		grown := make([]dataset.Slot, at, 2*(at+size))
		copy(grown, s.rec.Slots)
		s.rec.Slots = grown
	}
	s.rec.Slots = s.rec.Slots[:at+size]
	clear(s.rec.Slots[at:])
	return int32(at)
}

func (s *scan) kindName() string {
	if s.i >= len(s.src) {
		return "empty"
	}
	switch s.src[s.i] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

// typeName is kindName with integers told from other numbers.
func (s *scan) typeName() string {
	name := s.kindName()
	if name == "number" {
		if _, integer, err := rawjson.Number(s.src, s.i); err == nil && integer {
			return "integer"
		}
	}
	return name
}

// str copies the string at the current place and returns the span of its
// contents in the record's text.
func (s *scan) str() (start, end int32, escaped, ok bool) {
	stop, flags, err := rawjson.String(s.src, s.i)
	if err != nil {
		return 0, 0, false, s.syntax(err)
	}
	start = int32(len(s.rec.Raw) + 1)
	s.rec.Raw = append(s.rec.Raw, s.src[s.i:stop]...)
	end = int32(len(s.rec.Raw) - 1)
	if flags&rawjson.Surrogate != 0 {
		rawjson.Pair(s.rec.Raw[start:end])
		s.rec.Warnings++
	}
	s.i = stop
	return start, end, flags&rawjson.Escaped != 0, true
}

// plain returns the value of the string contents at [start, end).
func (s *scan) plain(start, end int32, escaped bool) []byte {
	if !escaped {
		return s.rec.Raw[start:end]
	}
	s.scratch = rawjson.Unquote(s.scratch[:0], s.rec.Raw[start:end])
	return s.scratch
}

// punct copies one byte.
func (s *scan) punct(c byte) {
	s.rec.Raw = append(s.rec.Raw, c)
	s.i++
}

// next skips white space and returns the byte there, or 0 at the end.
func (s *scan) next() byte {
	s.i = rawjson.SkipSpace(s.src, s.i)
	if s.i >= len(s.src) {
		return 0
	}
	return s.src[s.i]
}

// members walks the object at the current place; fn handles each value.
func (s *scan) members(fn func(key []byte, start, end int32) (ok bool)) bool {
	if s.depth++; s.depth > MaxDepth {
		return s.reject("", fmt.Sprintf("is nested deeper than %d levels", MaxDepth))
	}
	s.punct('{')
	if s.next() == '}' {
		s.punct('}')
		s.depth--
		return true
	}
	for {
		if s.next() != '"' {
			return s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a key"})
		}
		start, end, escaped, ok := s.str()
		if !ok {
			return false
		}
		key := s.plain(start, end, escaped)
		if s.next() != ':' {
			return s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a colon"})
		}
		s.punct(':')
		s.next()
		if !fn(key, start, end) {
			return false
		}
		switch s.next() {
		case ',':
			s.punct(',')
		case '}':
			s.punct('}')
			s.depth--
			return true
		default:
			return s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a comma or the end of the object"})
		}
	}
}

// elements walks the array at the current place.
func (s *scan) elements(fn func() bool) bool {
	if s.depth++; s.depth > MaxDepth {
		return s.reject("", fmt.Sprintf("is nested deeper than %d levels", MaxDepth))
	}
	s.punct('[')
	if s.next() == ']' {
		s.punct(']')
		s.depth--
		return true
	}
	s.index = append(s.index, 0)
	for {
		s.next()
		if !fn() {
			return false
		}
		switch s.next() {
		case ',':
			s.punct(',')
			s.index[len(s.index)-1]++
		case ']':
			s.punct(']')
			s.index = s.index[:len(s.index)-1]
			s.depth--
			return true
		default:
			return s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a comma or the end of the array"})
		}
	}
}

// free walks a value that is mapped nowhere.
func (s *scan) free() (h sum, ok bool) {
	if s.i >= len(s.src) {
		return h, s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a value"})
	}
	switch c := s.src[s.i]; c {
	case '{':
		ok = s.members(func(key []byte, _, _ int32) bool {
			k := xxh3.Hash(key)
			v, ok := s.free()
			h.member(k, v)
			return ok
		})
	case '[':
		h = leaf('[', nil)
		ok = s.elements(func() bool {
			v, ok := s.free()
			h.element(v)
			return ok
		})
	default:
		_, h, ok = s.scalar()
	}
	return h, ok
}

// scalar walks a string, number, boolean or null.
func (s *scan) scalar() (slot dataset.Slot, h sum, ok bool) {
	if s.i >= len(s.src) {
		return slot, h, s.syntax(&rawjson.SyntaxError{Offset: s.i, Want: "a value"})
	}
	if s.src[s.i] == '"' {
		start, end, escaped, ok := s.str()
		if !ok {
			return slot, h, false
		}
		return dataset.Slot{Kind: dataset.String, Escaped: escaped, Start: start, End: end}, leaf('"', s.plain(start, end, escaped)), true
	}
	kind := dataset.Number
	var stop int
	var err error
	switch s.src[s.i] {
	case 't':
		kind = dataset.True
		stop, err = rawjson.Literal(s.src, s.i)
	case 'f':
		kind = dataset.False
		stop, err = rawjson.Literal(s.src, s.i)
	case 'n':
		kind = dataset.Null
		stop, err = rawjson.Literal(s.src, s.i)
	default:
		stop, _, err = rawjson.Number(s.src, s.i)
	}
	if err != nil {
		return slot, h, s.syntax(err)
	}
	start := int32(len(s.rec.Raw))
	s.rec.Raw = append(s.rec.Raw, s.src[s.i:stop]...)
	s.i = stop
	slot = dataset.Slot{Kind: kind, Start: start, End: int32(len(s.rec.Raw))}
	return slot, leaf('0', s.rec.Raw[start:]), true
}

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
		if err != nil || v < 0 {
			return s.reject(n.path, "is not a time in unix seconds")
		}
		s.rec.Created = v
	case roleNone:
	}
	return true
}

func clip(text []byte) string {
	if len(text) > 40 {
		return string(text[:40]) + "…"
	}
	return string(text)
}

func kindOf(slot dataset.Slot) string {
	switch slot.Kind {
	case dataset.String:
		return "string"
	case dataset.Number:
		return "number"
	case dataset.True, dataset.False:
		return "boolean"
	case dataset.Null:
		return "null"
	default:
		return "value"
	}
}

func kindWord(f *xdm.Field) string {
	switch f.Kind {
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		return "integer"
	case xdm.Double:
		return "number"
	case xdm.Boolean:
		return "boolean"
	case xdm.Object, xdm.Map:
		return "object"
	case xdm.Array:
		return "array"
	case xdm.String, xdm.Date, xdm.DateTime:
	}
	return "string"
}

func article(word string) string {
	switch word[0] {
	case 'n':
		if word == "null" {
			return word
		}
	case 'a', 'e', 'i', 'o', 'u':
		return "an " + word
	}
	return "a " + word
}
