package expr

import (
	"math/big"
	"slices"
	"strings"
	"time"
)

// Kind says what a Value is.
type Kind uint8

// The kinds. A number is an Int when it is whole and fits 64 bits, however it
// was written ("12", "12.0"), and a Decimal otherwise.
const (
	Null Kind = iota
	Bool
	Int
	Decimal
	Text
	Time
	Array
	Map
)

// A Value is what an expression reads and yields. It never changes once made;
// the zero Value is null. Numbers are exact: no value is ever a float.
type Value struct {
	kind Kind
	n    int64  // of Bool (0, 1) and Int
	s    string // of Text
	ref  any    // *decimal, *time.Time, *list or *object
}

type list struct {
	items  []Value
	weight int
}

// object keeps its members in the order in which they were written.
type object struct {
	keys   []string
	vals   []Value
	index  map[string]int // only when there are many keys
	weight int
}

// valueWeight is what a Value weighs that points to nothing.
const valueWeight = 48

// indexFrom is how many keys an object has before a hash table pays.
const indexFrom = 9

// BoolOf returns a boolean.
func BoolOf(b bool) Value {
	if b {
		return Value{kind: Bool, n: 1}
	}
	return Value{kind: Bool}
}

// IntOf returns an integer.
func IntOf(n int64) Value { return Value{kind: Int, n: n} }

// TextOf returns a text, which should be valid UTF-8.
func TextOf(s string) Value { return Value{kind: Text, s: s} }

// TimeOf returns a date-time, with its zone.
func TimeOf(t time.Time) Value { return Value{kind: Time, ref: &t} }

// ArrayOf returns an array, which owns items from now on.
func ArrayOf(items []Value) Value {
	w := 16
	for i := range items {
		w += items[i].weight()
	}
	return Value{kind: Array, ref: &list{items: items, weight: w}}
}

// MapOf returns an object with the given members, which it owns from now on.
// Each key stands once; ok is false, and the value null, if one stands twice.
func MapOf(keys []string, vals []Value) (v Value, ok bool) {
	o := &object{keys: keys, vals: vals, weight: 16}
	if len(keys) >= indexFrom {
		o.index = make(map[string]int, len(keys))
	}
	for i, k := range keys {
		if o.index == nil {
			if slices.Contains(keys[:i], k) {
				return Value{}, false
			}
		} else {
			if _, twice := o.index[k]; twice {
				return Value{}, false
			}
			o.index[k] = i
		}
		o.weight += len(k) + vals[i].weight()
	}
	return Value{kind: Map, ref: o}, true
}

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == Null }

// Items returns the elements of an array and nil for any other value. They
// are v's own.
func (v Value) Items() []Value {
	if v.kind != Array {
		return nil
	}
	return v.ref.(*list).items
}

// Members returns the names and values of an object, in order, and nothing
// for any other value. They are v's own.
func (v Value) Members() ([]string, []Value) {
	if v.kind != Map {
		return nil, nil
	}
	o := v.ref.(*object)
	return o.keys, o.vals
}

// Member returns the member of an object, and whether v is an object that has
// it.
func (v Value) Member(name string) (Value, bool) {
	if v.kind != Map {
		return Value{}, false
	}
	o := v.ref.(*object)
	if o.index != nil {
		i, ok := o.index[name]
		if !ok {
			return Value{}, false
		}
		return o.vals[i], true
	}
	for i, k := range o.keys {
		if k == name {
			return o.vals[i], true
		}
	}
	return Value{}, false
}

func (v Value) bool() bool      { return v.n != 0 }
func (v Value) time() time.Time { return *v.ref.(*time.Time) }

func (v Value) isNumber() bool { return v.kind == Int || v.kind == Decimal }

// number returns v as a decimal; v is a number.
func (v Value) number() decimal {
	if v.kind == Int {
		return decimal{coef: big.NewInt(v.n)}
	}
	return *v.ref.(*decimal)
}

// weight measures v, about its bytes in memory. What an expression makes is
// bounded by it: an array that holds the same array twice weighs twice as
// much, because whoever reads it meets it twice.
func (v Value) weight() int {
	switch v.kind {
	case Text:
		return valueWeight + len(v.s)
	case Decimal:
		return valueWeight + v.ref.(*decimal).coef.BitLen()/8
	case Array:
		return v.ref.(*list).weight
	case Map:
		return v.ref.(*object).weight
	default:
		return valueWeight
	}
}

// equal reports whether a and b are the same kind of thing and the same: times
// by instant, objects whatever the order of their members.
func equal(a, b Value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case Null:
		return true
	case Bool, Int:
		return a.n == b.n
	case Decimal:
		return a.number().cmp(b.number()) == 0
	case Text:
		return a.s == b.s
	case Time:
		return a.time().Equal(b.time())
	case Array:
		x, y := a.Items(), b.Items()
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equal(x[i], y[i]) {
				return false
			}
		}
		return true
	default:
		keys, vals := a.Members()
		others, _ := b.Members()
		if len(keys) != len(others) {
			return false
		}
		for i, k := range keys {
			v, ok := b.Member(k)
			if !ok || !equal(vals[i], v) {
				return false
			}
		}
		return true
	}
}

// compare orders two values of one kind; ok is false for those that have no
// order.
func compare(a, b Value) (order int, ok bool) {
	switch {
	case a.kind == Int && b.kind == Int, a.kind == Bool && b.kind == Bool:
		switch {
		case a.n < b.n:
			return -1, true
		case a.n > b.n:
			return 1, true
		}
		return 0, true
	case a.isNumber() && b.isNumber():
		return a.number().cmp(b.number()), true
	case a.kind == Text && b.kind == Text:
		return strings.Compare(a.s, b.s), true
	case a.kind == Time && b.kind == Time:
		return a.time().Compare(b.time()), true
	}
	return 0, false
}
