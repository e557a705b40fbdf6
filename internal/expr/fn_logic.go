package expr

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

func logicFunctions() []*function {
	yes := param{name: "a", about: "the value if it is true", types: anyType, null: true}
	no := param{name: "b", about: "the value if it is false", types: anyType, null: true}
	extreme := func(name, which string, gives string, sign int) *function {
		return &function{
			name: name, category: catSum, about: "Takes the " + which + " of the arguments, or of one array's elements.",
			returns: "the value; null if one of them is null", result: anyType,
			params: []param{{name: "v", about: "a value; all are of one kind", types: scalarType | arrayType, null: true}}, repeat: 1,
			example: name + `(3, 1, 4)`, gives: gives,
			call: func(a args) (Value, error) {
				items := a.v
				if len(items) == 1 && items[0].kind == Array {
					items = items[0].Items()
				}
				var best Value
				for i, v := range items {
					if v.kind == Null {
						return Value{}, nil
					}
					order, ok := compare(v, best)
					if i == 0 {
						_, ok = compare(v, v)
						order = sign
					}
					if !ok {
						return Value{}, a.fail(-1, "value %d is %s, which has no order with the ones before", i+1, v.kind)
					}
					if order*sign > 0 {
						best = v
					}
				}
				return best, nil
			},
		}
	}
	id := &function{
		name: "uuid", category: catSpecial, about: "Makes a random id.", returns: "a UUID of version 4", result: textType, call: uuid,
	}
	return []*function{
		{
			name: "decode", category: catLogic, about: "Looks a key up among pairs of keys and values.",
			returns: "the value of the equal key, else the default, else null", result: anyType,
			params: []param{
				{name: "key", about: "what to look for", types: anyType},
				{name: "k", about: "a key", types: anyType, null: true},
				{name: "v", about: "its value; a last one without a value is the default", types: anyType, null: true},
			},
			repeat: 2, count: func(n int) string {
				if n >= 3 {
					return ""
				}
				return "at least 3"
			},
			example: `decode("pa", "ca", "California", "pa", "Pennsylvania", "N/A")`, gives: `"Pennsylvania"`,
			call: func(a args) (Value, error) {
				i := 1
				for ; i+1 < len(a.v); i += 2 {
					if loosely(a.v[0], a.v[i]) {
						return a.v[i+1], nil
					}
				}
				if i < len(a.v) {
					return a.v[i], nil
				}
				return Value{}, nil
			},
		},
		{
			name: "iif", category: catLogic, about: "Chooses one of two values by a condition; only that one is computed.",
			returns: "the second argument if the first is true, the third if it is false, null if it is null", result: anyType,
			params:  []param{{name: "cond", about: "the condition", types: boolType}, yes, no},
			example: `iif("s".equalsIgnoreCase("S"), "True", "False")`, gives: `"True"`,
			lazy: func(r *run, c *call, codes []code) (Value, error) {
				v, err := codes[0](r)
				switch {
				case err != nil || v.kind == Null:
					return Value{}, err
				case v.kind != Bool:
					return Value{}, c.fail(0, "wants %s, not %s", boolType, v.kind)
				case v.bool():
					return codes[1](r)
				}
				return codes[2](r)
			},
		},
		extreme("min", "least", "1", -1),
		extreme("max", "greatest", "4", 1),
		id, alias(id, "guid"),
		{
			name: "fpid_to_ecid", category: catSpecial, about: "Converts a first-party id to an Experience Cloud id.",
			returns: "38 digits", result: textType, params: []param{theText},
			absent: "ids of Experience Cloud are made by Adobe's identity service",
		},
	}
}

func uuid(a args) (Value, error) {
	if a.r.env.Random == nil {
		return Value{}, errors.New("the evaluation was given no source of randomness")
	}
	var id [16]byte
	if _, err := io.ReadFull(a.r.env.Random, id[:]); err != nil {
		return Value{}, fmt.Errorf("read random bytes: %w", err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	s := hex.EncodeToString(id[:])
	return TextOf(s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]), nil
}

// analyticsFunctions are for dataflows of the Web SDK and of Analytics, which
// Stripe's are not.
func analyticsFunctions() []*function {
	const absent = "functions of Analytics are for dataflows from the Web SDK and from Analytics"
	events := param{name: "events", about: "the events text", types: textType}
	products := param{name: "products", about: "the products text", types: textType}
	event := param{name: "event", about: "the event", types: textType}
	list := []*function{
		{name: "aa_get_event_id", about: "Reads the id of an event.", params: []param{events, event}, result: textType},
		{name: "aa_get_event_value", about: "Reads the value of an event.", params: []param{events, event}, result: textType},
		{name: "aa_get_product_categories", about: "Lists the categories of products.", params: []param{products}, result: arrayType},
		{name: "aa_get_product_names", about: "Lists the names of products.", params: []param{products}, result: arrayType},
		{name: "aa_get_product_quantities", about: "Lists the quantities of products.", params: []param{products}, result: arrayType},
		{name: "aa_get_product_prices", about: "Lists the prices of products.", params: []param{products}, result: arrayType},
		{
			name: "aa_get_product_event_values", about: "Lists the values of an event of products.",
			params: []param{products, event}, result: arrayType,
		},
		{
			name: "aa_get_product_evars", about: "Lists the values of an eVar of products.",
			params: []param{products, {name: "evar", about: "the eVar", types: textType}}, result: arrayType,
		},
	}
	for _, f := range list {
		f.category, f.absent, f.returns = catAnalytic, absent, "what was read"
	}
	return list
}
