package mapping

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/rawjson"
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
