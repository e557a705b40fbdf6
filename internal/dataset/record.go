package dataset

import "github.com/tributary-data/tributary/internal/rawjson"

// Kind says what a slot holds.
type Kind uint8

// The kinds of a slot. Absent is the zero value: the object lacks the field.
const (
	Absent Kind = iota
	Null
	String  // Text is the contents between the quotes; see Slot.Escaped
	Number  // Text is the number as written
	True    //
	False   //
	Object  // Text is the whole object
	List    // an array or a map: Count frames, the first at First
	JSON    // Text is the value's JSON text, kept as it is
	Invalid // present, but of a wrong type: lands as null, counted as a warning
)

// A Slot is one value of a record: a span of its text.
type Slot struct {
	Kind    Kind
	Escaped bool  // the string has backslash sequences: use rawjson.Unquote
	Start   int32 // List: arena index of the first element's frame
	End     int32 // List: number of elements
}

// A Record is one object taken apart along a layout. Its memory is reused by
// the next object; it refers to no other memory.
type Record struct {
	ID      []byte
	Created int64 // unix seconds
	// Hash covers the object's content, whatever the order of its keys,
	// without the fields that change by themselves.
	Hash [16]byte
	// Warnings is the number of fields that were nulled.
	Warnings int
	// Raw is the object without white space.
	Raw []byte

	Slots []Slot // all frames; the record's own is the first
}

// Text returns the span of a scalar slot.
func (r *Record) Text(s Slot) []byte { return r.Raw[s.Start:s.End] }

// Value appends the string value of a String slot to dst.
func (r *Record) Value(dst []byte, s Slot) []byte {
	if s.Escaped {
		return rawjson.Unquote(dst, r.Text(s))
	}
	return append(dst, r.Text(s)...)
}

// Frame returns the frame of the given size at an arena index.
func (r *Record) Frame(at int32, size int) []Slot { return r.Slots[at : int(at)+size] }

// NextFrame returns the arena index of the frame behind the one given, in the
// same list.
func NextFrame(frame []Slot) int32 { return frame[0].Start }
