package expr

import "strings"

// Types is a set of kinds.
type Types uint16

// The sets that functions speak of.
const (
	textType   = Types(1 << Text)
	boolType   = Types(1 << Bool)
	intType    = Types(1 << Int)
	numberType = Types(1<<Int | 1<<Decimal)
	timeType   = Types(1 << Time)
	arrayType  = Types(1 << Array)
	mapType    = Types(1 << Map)
	nullType   = Types(1 << Null)
	scalarType = textType | boolType | numberType | timeType
	anyType    = scalarType | arrayType | mapType
	maybe      = anyType | nullType
	dateOrText = timeType | textType
	keyType    = textType | numberType | boolType
)

var kindNames = [...]string{
	Null: "null", Bool: "boolean", Int: "integer", Decimal: "number with a fraction",
	Text: "text", Time: "date-time", Array: "array", Map: "object",
}

func (k Kind) String() string { return kindNames[k] }

// Has reports whether k is in t.
func (t Types) Has(k Kind) bool { return t&(1<<k) != 0 }

// String names the kinds, without null.
func (t Types) String() string {
	t &^= nullType
	var names []string
	if t == anyType {
		return "anything"
	}
	if t&numberType == numberType {
		names = append(names, "number")
		t &^= numberType
	}
	for k, name := range kindNames {
		if t.Has(Kind(k)) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "null"
	}
	return strings.Join(names, " or ")
}
