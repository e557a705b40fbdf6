package expr

import "slices"

func arrayFunctions() []*function {
	anything := param{name: "x", about: "a value", types: anyType, null: true}
	value := param{name: "v", about: "a value", types: anyType, null: true, optional: true}
	array := param{name: "array", about: "the array", types: arrayType}
	// pickOne chooses one of several arguments, or of one array's elements.
	pickOne := func(name, about, example, gives string, at func(items []Value) Value) *function {
		return &function{
			name: name, category: catArray, about: about, returns: "the element, null if there is none", result: anyType,
			params: []param{anything}, repeat: 1, nulls: true, example: example, gives: gives,
			call: func(a args) (Value, error) {
				items := a.v
				if len(items) == 1 && items[0].kind == Array {
					items = items[0].Items()
				}
				if len(items) == 0 {
					return Value{}, nil
				}
				return at(items), nil
			},
		}
	}
	upsert := func(name, about string) *function {
		return &function{
			name: name, category: catArray, about: about + " For a source that is pulled, as Stripe's is, this is the array itself.",
			returns: "the array", result: arrayType, params: []param{array}, example: name + `([123, 456])`, gives: `[123,456]`,
			call: func(a args) (Value, error) { return a.v[0], nil },
		}
	}
	replace := upsert("upsert_array_replace", "Replaces the array when a record is updated.")
	replace.params = []param{array, {name: "index", about: "is not looked at", types: intType, optional: true, null: true}}
	return []*function{
		{
			name: "coalesce", category: catArray, about: "Takes the first value that is not null.", returns: "the value, null if all are",
			result: anyType, params: []param{anything}, repeat: 1, nulls: true,
			example: `coalesce(null, null, null, "first", null, "second")`, gives: `"first"`,
			call: func(a args) (Value, error) {
				for _, v := range a.v {
					if v.kind != Null {
						return v, nil
					}
				}
				return Value{}, nil
			},
		},
		pickOne("first", "Takes the first element of an array, or of the arguments.", `first("1", "2", "3")`, `"1"`,
			func(items []Value) Value { return items[0] }),
		pickOne("last", "Takes the last element of an array, or of the arguments.", `last("1", "2", "3")`, `"3"`,
			func(items []Value) Value { return items[len(items)-1] }),
		{
			name: "add_to_array", category: catArray, about: "Adds values at the end of an array.", returns: "the longer array",
			result: arrayType, params: []param{array, value}, repeat: 1,
			example: `add_to_array(['a', 'b'], 'c', 'd')`, gives: `["a","b","c","d"]`,
			call: func(a args) (Value, error) { return ArrayOf(slices.Concat(a.v[0].Items(), a.v[1:])), nil },
		},
		{
			name: "join_arrays", category: catArray, about: "Joins arrays; null adds nothing.", returns: "the joined array", result: arrayType,
			params: []param{array, {name: "more", about: "an array", types: arrayType, null: true, optional: true}}, repeat: 1,
			example: `join_arrays(['a', 'b'], ['c'], ['d', 'e'])`, gives: `["a","b","c","d","e"]`,
			call: func(a args) (Value, error) {
				n := 0
				for _, v := range a.v {
					n += len(v.Items())
				}
				if err := a.few(n); err != nil {
					return Value{}, err
				}
				out := make([]Value, 0, n)
				for _, v := range a.v {
					out = append(out, v.Items()...)
				}
				return ArrayOf(out), nil
			},
		},
		{
			name: "to_array", category: catArray, about: "Makes an array of values.", returns: "the array", result: arrayType,
			params: []param{{name: "includeNulls", about: "whether nulls count", types: boolType}, value}, repeat: 1,
			example: `to_array(false, 1, null, 2, 3)`, gives: `[1,2,3]`,
			call: func(a args) (Value, error) {
				out := []Value{}
				for _, v := range a.v[1:] {
					if v.kind != Null || a.v[0].bool() {
						out = append(out, v)
					}
				}
				return ArrayOf(out), nil
			},
		},
		{
			name: "size_of", category: catArray, about: "Counts what is in a value.",
			returns: "how many elements, members or characters", result: intType,
			params:  []param{{name: "x", about: "the value", types: arrayType | mapType | textType}},
			example: `size_of([1, 2, 3, 4])`, gives: `4`,
			call: func(a args) (Value, error) {
				v := a.v[0]
				if v.kind == Text {
					return IntOf(int64(len([]rune(v.s)))), nil
				}
				keys, _ := v.Members()
				return IntOf(int64(len(v.Items()) + len(keys))), nil
			},
		},
		upsert("upsert_array_append", "Appends to the array when a record is updated."),
		replace,
	}
}

// lambdaFunctions are those that Data Prep has for destinations; here they
// can be used everywhere.
func lambdaFunctions() []*function {
	array := param{name: "array", about: "the array", types: arrayType}
	arrow := func(about string) param { return param{name: "x -> " + about, about: about, lambda: true, null: true} }
	return []*function{
		{
			name: "array_to_string", category: catArray, about: "Flattens an array and joins its elements.", returns: "the joined text",
			result: textType, params: []param{{name: "sep", about: "what stands between the parts", types: textType}, array},
			example: `array_to_string(";", ["Hello", "world"])`, gives: `"Hello;world"`,
			call: func(a args) (Value, error) { return a.join(a.text(0), flatten(nil, a.v[1])) },
		},
		{
			name: "filterArray", category: catArray, about: "Keeps the elements for which a condition is true.", returns: "those elements",
			result: arrayType, params: []param{array, arrow("condition")},
			example: `filterArray([5, -6, 0, 7], x -> x > 0)`, gives: `[5,7]`,
			call: func(a args) (Value, error) {
				out := []Value{}
				err := a.each(func(item, is Value) error {
					yes, err := truth(is, a.f.name, a.places[1])
					if yes {
						out = append(out, item)
					}
					return err
				})
				return ArrayOf(out), err
			},
		},
		{
			name: "transformArray", category: catArray, about: "Computes a new value for each element.", returns: "the new values",
			result: arrayType, params: []param{array, arrow("expression")},
			example: `transformArray([5, 6, 7], x -> x + 1)`, gives: `[6,7,8]`,
			call: func(a args) (Value, error) {
				out := []Value{}
				weight := 0
				err := a.each(func(_, is Value) error {
					out = append(out, is)
					weight += is.weight()
					return a.fits(weight)
				})
				return ArrayOf(out), err
			},
		},
		{
			name: "flattenArray", category: catArray, about: "Takes the arrays inside an array apart, however deep.",
			returns: "their elements in order", result: arrayType, params: []param{array},
			example: `flattenArray([[['a', 'b'], ['c', 'd']], [['e'], ['f']]])`, gives: `["a","b","c","d","e","f"]`,
			call: func(a args) (Value, error) { return ArrayOf(flatten([]Value{}, a.v[0])), nil },
		},
	}
}

// each computes the lambda for each element of the array that is the first
// argument.
func (a args) each(do func(item, is Value) error) error {
	for _, item := range a.v[0].Items() {
		if err := a.spend(8 * a.cost); err != nil {
			return err
		}
		a.r.vars[a.slot] = item
		is, err := a.body(a.r)
		if err != nil {
			return err
		}
		if err := do(item, is); err != nil {
			return err
		}
	}
	return nil
}

func flatten(dst []Value, v Value) []Value {
	for _, item := range v.Items() {
		if item.kind == Array {
			dst = flatten(dst, item)
		} else {
			dst = append(dst, item)
		}
	}
	return dst
}
