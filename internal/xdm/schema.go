// Package xdm describes records the way Experience Data Model does: schemas
// composed of field groups whose fields have XDM types. It embeds the field
// groups of the six Stripe resources.
package xdm

import (
	"slices"
	"strings"
)

// Kind is the XDM type of a field (meta:xdmType). Integers are Long: XDM has
// smaller ones, but a Stripe integer is always landed as 64 bits.
type Kind uint8

// The kinds that Stripe's objects need.
const (
	String Kind = iota
	Long        // 64-bit integer: money in minor units, counts, unix seconds
	Double      // exchange rates and percentages; never money
	Boolean
	Object // has Fields
	Array  // has Elem
	Map    // string keys, Elem is the value's field

	// Those that only other schemas have.
	Int      // 32 bits
	Short    // 16 bits
	Byte     // 8 bits
	Date     // a day: 2026-01-31
	DateTime // an instant, to the millisecond: RFC 3339
)

var kindNames = [...]string{
	"string", "long", "double", "boolean", "object", "array", "map", "int", "short", "byte", "date", "date-time",
}

func (k Kind) String() string { return kindNames[k] }

// JSONSchema describes the kind as JSON Schema with the types of XDM: its type,
// format and meta:xdmType. What is in an object, array or map is the caller's
// to add.
func (k Kind) JSONSchema() map[string]any {
	s := map[string]any{"type": "string", "meta:xdmType": k.String()}
	switch k {
	case Long, Int, Short, Byte:
		s["type"] = "integer"
	case Double:
		s["type"], s["meta:xdmType"] = "number", "number"
	case Boolean, Object, Array:
		s["type"] = k.String()
	case Map:
		s["type"] = "object"
	case Date, DateTime:
		s["format"] = k.String()
	case String:
	}
	return s
}

// A Field is one node of a schema.
type Field struct {
	Name        string
	Title       string
	Description string
	Kind        Kind
	Fields      []*Field // of an Object, in the order in which they are stored
	Elem        *Field   // of an Array or a Map; it has no name

	// Required fields are present and not null in every object of Stripe's;
	// a record without one is refused.
	Required bool
	// Money fields are amounts in minor units; a value that is not an int64
	// refuses the record instead of becoming null.
	Money bool
	// Identifier fields hold the id of another object; an object in its
	// place refuses the record.
	Identifier bool
	// Enum has the values that a String is known to take, sorted; nil where no
	// list is known. Others are kept all the same, and reported as drift.
	Enum []string
	// Added fields come from a user's extension: a value that does not fit lands
	// as null and never refuses the record.
	Added bool
	// Limits refuse values; nil where there are none.
	Limits *Limits
	// JSON fields are Strings that hold the compact JSON text of whatever
	// stands at their place, for values too deep or too rare for columns.
	JSON bool
}

// A Schema is the composed description of one resource's records: the fields
// of the Stripe object, stored under _<Tenant>.<Group>.
type Schema struct {
	ID       string // $id, a URI
	Title    string // for example "Stripe Charges"
	Resource string // path segment at Stripe: charges, subscriptions, …
	Tenant   string // tenant namespace without its underscore
	Group    string // object under the tenant namespace, for example charges_data
	Fields   []*Field
}

// elements is the step of a path that leads from an array or map to what it
// holds.
const elements = "[]"

// Walk calls visit for every field, parents first, in stored order. A path
// has the names below the group; the elements of an array and the values of a
// map are visited too, as the step "[]".
func (s *Schema) Walk(visit func(path []string, f *Field)) {
	walk(nil, s.Fields, visit)
}

func walk(parent []string, fields []*Field, visit func(path []string, f *Field)) {
	for _, f := range fields {
		path := append(slices.Clip(parent), f.Name)
		visit(path, f)
		for e := f.Elem; e != nil; e = e.Elem {
			path = append(path, elements)
			visit(path, e)
			f = e
		}
		walk(path, f.Fields, visit)
	}
}

// Lookup finds the field at a dotted path below the group, such as
// "items.data[].price.id". Any subscript ([], [*], [0]) leads to the elements
// of an array; whatever follows a map's name is a key of the map.
func (s *Schema) Lookup(path string) (*Field, bool) {
	fields := s.Fields
	for {
		step, rest, more := strings.Cut(path, ".")
		name, subscript, indexed := strings.Cut(step, "[")
		i := slices.IndexFunc(fields, func(f *Field) bool { return f.Name == name })
		if i < 0 {
			return nil, false
		}
		f := fields[i]
		switch {
		case f.Kind == Map && (more || indexed):
			return f.Elem, true
		case indexed && (f.Kind != Array || !strings.HasSuffix(subscript, "]")):
			return nil, false
		case indexed:
			f = f.Elem
		}
		if !more {
			return f, true
		}
		fields, path = f.Fields, rest
	}
}
