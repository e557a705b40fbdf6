package expr

import (
	"fmt"
	"slices"
	"strings"
)

func objectFunctions() []*function {
	key := param{name: "key", about: "a name", types: textType}
	value := param{name: "value", about: "its value", types: anyType, null: true}
	delims := []param{
		{name: "valueDelim", about: "what stands between name and value; a colon if empty or null", types: textType, optional: true, null: true},
		{name: "fieldDelim", about: "what stands between pairs; a comma if empty or null", types: textType, optional: true, null: true},
	}
	object := param{name: "object", about: "the object", types: mapType}
	zip := &function{
		name: "arrays_to_object", category: catObject, about: "Makes objects out of arrays, one for each place.",
		returns: "as many objects as the longest array has elements; a shorter one leaves its member out", result: arrayType,
		params: []param{key, {name: "array", about: "the values of that name", types: arrayType, null: true}}, repeat: 2, count: pairs,
		example: `arrays_to_object('sku', explode("id1|id2", '\\|'), 'price', [22.5, 14.35])`,
		gives:   `[{"sku":"id1","price":22.5},{"sku":"id2","price":14.35}]`,
		call:    zipped,
	}
	return []*function{
		{
			name: "is_empty", category: catObject, about: "Tells whether there is nothing in a value.",
			returns: "true for null, an empty text, array or object, and an array of nulls", result: boolType, nulls: true,
			params:  []param{{name: "x", about: "the value", types: anyType}},
			example: `is_empty([1, null, 2, 3])`, gives: `false`,
			call: func(a args) (Value, error) { return BoolOf(empty(a.v[0])), nil },
		},
		zip, alias(zip, "arrays_to_objects"),
		{
			name: "to_object", category: catObject, about: "Makes an object of names and values.", returns: "the object", result: mapType,
			params: []param{key, value}, repeat: 2, count: pairs,
			example: `to_object("firstName", "John", "lastName", "Doe")`, gives: `{"firstName":"John","lastName":"Doe"}`,
			call: func(a args) (Value, error) { return a.paired() },
		},
		{
			name: "str_to_object", category: catObject, about: "Reads an object out of delimited text; blanks around names and values don't count.",
			returns: "the object, of texts", result: mapType, params: append([]param{theText}, delims...),
			example: `str_to_object("firstName - John ; lastName - Doe", "-", ";")`, gives: `{"firstName":"John","lastName":"Doe"}`,
			call: func(a args) (Value, error) {
				keys, vals, err := a.delimited(1)
				if err != nil {
					return Value{}, err
				}
				return a.object(keys, vals)
			},
		},
		{
			name: "get", category: catObject, about: "Reads a member of an object.", returns: "its value, null if there is none",
			result: anyType, params: []param{object, key}, method: true,
			example: `str_to_object("firstName:John").get("firstName")`, gives: `"John"`,
			call: func(a args) (Value, error) {
				v, _ := a.v[0].Member(a.text(1))
				return v, nil
			},
		},
		{
			name: "contains_key", category: catObject, about: "Tells whether the source record has a path, be it null.",
			returns: "whether it has", result: boolType,
			params: []param{{
				name: "path", about: "the path, as a text", types: textType,
				prepare: func(s string) (any, error) { return ParsePath(s) },
			}},
			call: func(a args) (Value, error) {
				path, err := a.made(0)
				if err != nil {
					return Value{}, err
				}
				return BoolOf(path.(Path).contains(a.r.env.Record)), nil
			},
		},
		{
			name: "nullify", category: catObject, about: "Yields null, so that nothing is written.", returns: "null", result: nullType,
			example: `nullify()`, gives: `null`,
			call: func(args) (Value, error) { return Value{}, nil },
		},
		{
			name: "get_keys", category: catObject, about: "Lists the names of an object's members.", returns: "the names", result: arrayType,
			params:  []param{object},
			example: `get_keys({"book1": "Pride and Prejudice", "book2": "1984"})`, gives: `["book1","book2"]`,
			call: func(a args) (Value, error) {
				keys, _ := a.v[0].Members()
				out := make([]Value, len(keys))
				for i, k := range keys {
					out[i] = TextOf(k)
				}
				return ArrayOf(out), nil
			},
		},
		{
			name: "get_values", category: catObject, about: "Reads one value out of delimited text, or out of an object.",
			returns: "the value, null if there is none", result: anyType,
			params: append([]param{
				{name: "s", about: "the delimited text, or an object", types: textType | mapType},
				{name: "key", about: "the name", types: textType | arrayType},
			}, delims...),
			example: `get_values("firstName - John , lastName - Cena , phone - 555 420 8692", "firstName", "-", ",")`, gives: `"John"`,
			call: getValues,
		},
	}
}

func pairs(n int) string {
	if n >= 2 && n%2 == 0 {
		return ""
	}
	return "pairs of"
}

func empty(v Value) bool {
	switch v.kind {
	case Null:
		return true
	case Text:
		return v.s == ""
	case Array:
		return !slices.ContainsFunc(v.Items(), func(item Value) bool { return item.kind != Null })
	case Map:
		keys, _ := v.Members()
		return len(keys) == 0
	default:
		return false
	}
}

// object returns the object of keys and vals, which it keeps.
func (a args) object(keys []string, vals []Value) (Value, error) {
	v, ok := MapOf(keys, vals)
	if !ok {
		return Value{}, a.fail(-1, "a key stands twice")
	}
	return v, nil
}

// paired returns the object of all arguments, by turns keys and values.
func (a args) paired() (Value, error) {
	var keys []string
	var vals []Value
	for i := 0; i < len(a.v); i += 2 {
		keys = append(keys, a.v[i].Text())
		vals = append(vals, a.v[i+1])
	}
	return a.object(keys, vals)
}

func zipped(a args) (Value, error) {
	rows := 0
	for i := 1; i < len(a.v); i += 2 {
		rows = max(rows, len(a.v[i].Items()))
	}
	if err := a.few(rows * len(a.v)); err != nil {
		return Value{}, err
	}
	out := make([]Value, rows)
	for row := range out {
		var keys []string
		var vals []Value
		for i := 0; i < len(a.v); i += 2 {
			if items := a.v[i+1].Items(); row < len(items) {
				keys = append(keys, a.text(i))
				vals = append(vals, items[row])
			}
		}
		var err error
		if out[row], err = a.object(keys, vals); err != nil {
			return Value{}, err
		}
	}
	return ArrayOf(out), nil
}

// delimited cuts the text that is the first argument into names and values;
// the delimiters may stand at i and behind it.
func (a args) delimited(i int) (keys []string, vals []Value, err error) {
	delims := [2]string{":", ","}
	for j := range delims {
		if a.has(i+j) && a.text(i+j) != "" {
			delims[j] = a.text(i + j)
		}
	}
	fields := strings.SplitN(a.text(0), delims[1], maxItems+1)
	if err := a.few(len(fields)); err != nil {
		return nil, nil, err
	}
	for n, field := range fields {
		if strings.TrimSpace(field) == "" {
			continue
		}
		k, v, ok := strings.Cut(field, delims[0])
		if !ok {
			return nil, nil, a.fail(0, "part %d has no %q", n+1, delims[0])
		}
		keys = append(keys, strings.TrimSpace(k))
		vals = append(vals, TextOf(strings.TrimSpace(v)))
	}
	return keys, vals, nil
}

func getValues(a args) (Value, error) {
	if a.v[0].kind == Map {
		return mapGetValues(a)
	}
	if a.v[1].kind != Text {
		return Value{}, a.fail(1, "wants text, not %s", a.v[1].kind)
	}
	keys, vals, err := a.delimited(2)
	if err != nil {
		return Value{}, err
	}
	i := slices.Index(keys, a.text(1))
	if i < 0 {
		return Value{}, nil
	}
	if slices.Contains(keys[i+1:], a.text(1)) {
		return Value{}, a.fail(0, "has the key twice")
	}
	return vals[i], nil
}

func mapFunctions() []*function {
	object := param{name: "map", about: "the object", types: mapType}
	keys := param{name: "keys", about: "a name, or an array of names", types: textType | arrayType}
	field := param{name: "attribute", about: "the field whose value is the key, as a text or as it is", types: keyType, field: true}
	return []*function{
		{
			name: "map_get_values", category: catMap, about: "Reads one or several members of an object.",
			returns: "the value of one key, or the array of the values of several, each once", result: anyType,
			params: []param{object, keys}, example: `map_get_values({"author": "Austen", "title": "Emma"}, "author")`, gives: `"Austen"`,
			call: mapGetValues,
		},
		{
			name: "map_has_keys", category: catMap, about: "Tells whether an object has one of the keys.", returns: "whether it has",
			result: boolType, params: []param{object, keys},
			example: `map_has_keys({"author": "Austen"}, ["isbn", "author"])`, gives: `true`,
			call: func(a args) (Value, error) {
				names, _, err := a.names()
				if err != nil {
					return Value{}, err
				}
				return BoolOf(slices.ContainsFunc(names, func(k string) bool {
					_, ok := a.v[0].Member(k)
					return ok
				})), nil
			},
		},
		{
			name: "add_to_map", category: catMap, about: "Merges objects; the first value of a key stays.", returns: "the merged object",
			result: mapType, params: []param{{name: "map", about: "an object", types: mapType, null: true}}, repeat: 1,
			example: `add_to_map({"a": 1}, {"a": 2, "b": 3})`, gives: `{"a":1,"b":3}`,
			call: func(a args) (Value, error) {
				seen := map[string]bool{}
				var keys []string
				var vals []Value
				for _, m := range a.v {
					names, members := m.Members()
					for i, k := range names {
						if !seen[k] {
							seen[k] = true
							keys, vals = append(keys, k), append(vals, members[i])
						}
					}
				}
				return a.object(keys, vals)
			},
		},
		{
			name: "object_to_map", category: catMap, about: "Makes an object of keys and values, or of an array by a field of its elements.",
			returns: "the object", result: mapType, count: func(n int) string {
				if n == 1 {
					return ""
				}
				return strings.Replace(pairs(n), "pairs", "one or pairs", 1)
			},
			params: []param{
				{name: "object", about: "an object, an array of objects, or the first key", types: mapType | arrayType | keyType},
				{name: "attribute", about: "the field whose value is the key, or the first value", types: anyType, null: true, optional: true, field: true},
				{name: "key", about: "a key", types: keyType, optional: true},
				{name: "value", about: "its value", types: anyType, null: true, optional: true},
			},
			repeat:  2,
			example: `object_to_map("firstName", "John", "lastName", "Doe")`, gives: `{"firstName":"John","lastName":"Doe"}`,
			call: objectToMap,
		},
		{
			name: "array_to_map", category: catMap, about: "Makes an object of an array of objects, by a field of theirs.",
			returns: "the objects by the values of that field", result: mapType,
			params:  []param{{name: "objects", about: "the array", types: arrayType}, field},
			example: `array_to_map([{"id": "a", "n": 1}], "id")`, gives: `{"a":{"id":"a","n":1}}`,
			call: func(a args) (Value, error) { return a.keyed() },
		},
		{
			name: "to_map", category: catMap, about: "Makes an object of keys and values.", returns: "the object", result: mapType,
			params: []param{
				{name: "key", about: "a key", types: keyType},
				{name: "value", about: "its value", types: anyType, null: true},
			},
			repeat: 2, count: pairs, example: `to_map("firstName", "John")`, gives: `{"firstName":"John"}`,
			call: func(a args) (Value, error) { return a.paired() },
		},
	}
}

// names returns the keys that the second argument names, and whether it is an
// array.
func (a args) names() (names []string, several bool, err error) {
	if a.v[1].kind != Array {
		return []string{a.text(1)}, false, nil
	}
	for i, k := range a.v[1].Items() {
		if k.kind != Text {
			return nil, false, a.fail(1, "element %d is %s, not a text", i, k.kind)
		}
		names = append(names, k.s)
	}
	return names, true, nil
}

func mapGetValues(a args) (Value, error) {
	names, several, err := a.names()
	if err != nil {
		return Value{}, err
	}
	if !several {
		v, _ := a.v[0].Member(names[0])
		return v, nil
	}
	out := []Value{}
	for _, k := range names {
		v, ok := a.v[0].Member(k)
		if !ok {
			continue
		}
		if err := a.spend(8 + len(out)*v.weight()/8); err != nil {
			return Value{}, err
		}
		if !slices.ContainsFunc(out, func(o Value) bool { return equal(o, v) }) {
			out = append(out, v)
		}
	}
	return ArrayOf(out), nil
}

func objectToMap(a args) (Value, error) {
	switch a.v[0].kind {
	case Map:
		if len(a.v) == 1 {
			return a.v[0], nil
		}
	case Array:
		if len(a.v) == 2 {
			return a.keyed()
		}
	default:
		if len(a.v) > 1 {
			return a.paired()
		}
	}
	return Value{}, a.fail(0, "%s does not go with %s", a.v[0].kind, plural(len(a.v), "argument"))
}

func plural(n int, word string) string {
	if n == 1 {
		return "one " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// keyed returns the elements of the first argument by the field that the
// second names.
func (a args) keyed() (Value, error) {
	field := a.bare[1]
	if field == "" {
		if a.v[1].kind != Text {
			return Value{}, a.fail(1, "wants the name of a field, not %s", a.v[1].kind)
		}
		field = a.text(1)
	}
	items := a.v[0].Items()
	keys, vals := make([]string, len(items)), make([]Value, len(items))
	for i, item := range items {
		k, ok := item.Member(field)
		if !ok || !keyType.Has(k.kind) {
			return Value{}, a.fail(0, "element %d has no key under %s", i, field)
		}
		keys[i], vals[i] = k.Text(), item
	}
	return a.object(keys, vals)
}
