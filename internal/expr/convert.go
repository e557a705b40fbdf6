package expr

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// The errors of conversions (Data Prep, "data handling").
var (
	errFraction = errors.New("a number with a fraction is no integer")
	errRange    = errors.New("a number outside the range of the type")
	errBool     = errors.New("not a word for true or false")
)

func errKind(v Value, want string) error { return errors.New(v.kind.String() + " is no " + want) }

// ToBool converts v: the numbers 1 and 0, and texts like "yes" and "OFF".
func (v Value) ToBool() (bool, error) {
	switch v.kind {
	case Bool:
		return v.bool(), nil
	case Int:
		if v.n == 0 || v.n == 1 {
			return v.n == 1, nil
		}
		return false, errBool
	case Text:
		switch v.s {
		case "y", "yes", "Y", "YES", "on", "ON", "true", "TRUE":
			return true, nil
		case "n", "N", "no", "NO", "off", "OFF", "false", "FALSE":
			return false, nil
		}
		return false, errBool
	default:
		return false, errKind(v, "boolean")
	}
}

// ToNumber converts v, a number or the text of one, to an exact number.
func (v Value) ToNumber() (Value, error) {
	switch v.kind {
	case Int, Decimal:
		return v, nil
	case Text:
		return parseNumber(strings.TrimSpace(v.s))
	default:
		return Value{}, errKind(v, "number")
	}
}

// toWhole converts v to a number without a fraction, of any size.
func (v Value) toWhole() (Value, error) {
	n, err := v.ToNumber()
	if err == nil && n.kind == Decimal && n.number().scale > 0 {
		return Value{}, errFraction
	}
	return n, err
}

// ToInt converts v to an integer of 64 bits; a fraction is an error.
func (v Value) ToInt() (int64, error) {
	n, err := v.toWhole()
	if err != nil {
		return 0, err
	}
	if n.kind != Int {
		return 0, errRange
	}
	return n.n, nil
}

// ToFloat converts v to the nearest float64, for columns that are floats.
func (v Value) ToFloat() (float64, error) {
	n, err := v.ToNumber()
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(n.Text(), 64)
	if err != nil {
		return 0, errRange
	}
	return f, nil
}

// ToTime converts v: a date-time, or a text of one of Data Prep's patterns or
// of ISO 8601. A number is an error: dformat says what its unit is.
func (v Value) ToTime() (time.Time, error) {
	switch v.kind {
	case Time:
		return v.time(), nil
	case Text:
		return parseDate(v.s)
	default:
		return time.Time{}, errKind(v, "date-time")
	}
}

func convertFunctions() []*function {
	one := func(name, about, returns string, result Types, example, gives string, do func(Value) (Value, error)) *function {
		return &function{
			name: name, category: catConvert, about: about, returns: returns, result: result,
			params:  []param{{name: "s", about: "the text of a number, or a number", types: textType | numberType}},
			example: example, gives: gives,
			call: func(a args) (Value, error) {
				v, err := do(a.v[0])
				if err != nil {
					return Value{}, a.fail(0, "%v", err)
				}
				return v, nil
			},
		}
	}
	return []*function{
		one("to_bigint", "Converts a text to an integer of any size.", "the integer", numberType,
			`to_bigint("100000000000000000000")`, `100000000000000000000`, Value.toWhole),
		one("to_decimal", "Converts a text to an exact decimal number.", "the number", numberType,
			`to_decimal("20.5")`, `20.5`, Value.ToNumber),
		one("to_float", "Converts a text to the nearest 32-bit float.", "the float's shortest decimal form", numberType,
			`to_float("12.3456")`, `12.3456`, toFloat32),
		one("to_integer", "Converts a text to an integer of 64 bits.", "the integer", intType,
			`to_integer("12")`, `12`, func(v Value) (Value, error) {
				n, err := v.ToInt()
				return IntOf(n), err
			}),
		{
			name: "json_to_object", category: catJSON, about: "Reads JSON text.", returns: "its value", result: anyType,
			params:  []param{{name: "s", about: "the JSON text", types: textType}},
			example: `json_to_object("{\"info\":{\"firstName\":\"John\",\"lastName\":\"Doe\"}}")`,
			gives:   `{"info":{"firstName":"John","lastName":"Doe"}}`,
			call: func(a args) (Value, error) {
				if err := a.few(strings.Count(a.text(0), ",")); err != nil {
					return Value{}, err
				}
				v, err := ParseJSON([]byte(a.text(0)))
				if err != nil {
					return Value{}, a.fail(0, "%v", err)
				}
				return v, nil
			},
		},
	}
}

// toFloat32 rounds to the nearest float32 and returns the shortest decimal
// number that means it.
func toFloat32(v Value) (Value, error) {
	n, err := v.ToNumber()
	if err != nil {
		return Value{}, err
	}
	f, err := strconv.ParseFloat(n.Text(), 32)
	if err != nil || math.IsInf(f, 0) {
		return Value{}, errRange
	}
	return parseNumber(strconv.FormatFloat(f, 'g', -1, 32))
}
