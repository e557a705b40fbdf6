package expr

import (
	"errors"
	"fmt"

	"github.com/tributary-data/tributary/internal/rawjson"
)

// maxDepth is how deep an expression, or JSON text, may be nested.
const maxDepth = 100

// ParseJSON returns the value of a JSON text, with exact numbers. A key that
// stands twice in an object, and more than 100 levels, are errors. The value
// shares no memory with text.
func ParseJSON(text []byte) (Value, error) {
	v, i, err := jsonValue(text, rawjson.SkipSpace(text, 0), 0)
	if err != nil {
		return Value{}, err
	}
	if i = rawjson.SkipSpace(text, i); i != len(text) {
		return Value{}, fmt.Errorf("more text behind the end of the JSON value, at byte %d", i)
	}
	return v, nil
}

func jsonValue(b []byte, i, depth int) (Value, int, error) {
	if depth > maxDepth {
		return Value{}, i, fmt.Errorf("JSON nested deeper than %d levels, at byte %d", maxDepth, i)
	}
	if i >= len(b) {
		return Value{}, i, errors.New("JSON text that ends too early")
	}
	switch c := b[i]; {
	case c == '{':
		return jsonObject(b, i+1, depth)
	case c == '[':
		return jsonArray(b, i+1, depth)
	case c == '"':
		s, end, err := jsonString(b, i)
		return TextOf(s), end, err
	case c == '-', '0' <= c && c <= '9':
		end, _, err := rawjson.Number(b, i)
		if err != nil {
			return Value{}, i, err
		}
		v, err := parseNumber(string(b[i:end]))
		if err != nil {
			return Value{}, i, fmt.Errorf("%w, at byte %d", err, i)
		}
		return v, end, nil
	default:
		end, err := rawjson.Literal(b, i)
		if err != nil {
			return Value{}, i, err
		}
		switch b[i] {
		case 't':
			return BoolOf(true), end, nil
		case 'f':
			return BoolOf(false), end, nil
		}
		return Value{}, end, nil
	}
}

func jsonString(b []byte, i int) (string, int, error) {
	end, flags, err := rawjson.String(b, i)
	if err != nil {
		return "", i, err
	}
	if flags&rawjson.Escaped == 0 {
		return string(b[i+1 : end-1]), end, nil
	}
	return string(rawjson.Unquote(nil, b[i+1:end-1])), end, nil
}

func jsonArray(b []byte, i, depth int) (Value, int, error) {
	items := []Value{}
	for i = rawjson.SkipSpace(b, i); ; {
		if i < len(b) && b[i] == ']' && len(items) == 0 {
			return ArrayOf(items), i + 1, nil
		}
		v, end, err := jsonValue(b, i, depth+1)
		if err != nil {
			return Value{}, i, err
		}
		items = append(items, v)
		more, next, err := jsonNext(b, end, ']')
		if err != nil || !more {
			return ArrayOf(items), next, err
		}
		i = next
	}
}

func jsonObject(b []byte, i, depth int) (Value, int, error) {
	keys, vals := []string{}, []Value{}
	start := i
	for i = rawjson.SkipSpace(b, i); ; {
		if i < len(b) && b[i] == '}' && len(keys) == 0 {
			i++
			break
		}
		if i >= len(b) || b[i] != '"' {
			return Value{}, i, fmt.Errorf("a name between double quotes is missing in JSON text, at byte %d", i)
		}
		k, end, err := jsonString(b, i)
		if err != nil {
			return Value{}, i, err
		}
		if i = rawjson.SkipSpace(b, end); i >= len(b) || b[i] != ':' {
			return Value{}, i, fmt.Errorf("a colon is missing in JSON text, at byte %d", i)
		}
		v, end, err := jsonValue(b, rawjson.SkipSpace(b, i+1), depth+1)
		if err != nil {
			return Value{}, i, err
		}
		keys, vals = append(keys, k), append(vals, v)
		more, next, err := jsonNext(b, end, '}')
		if err != nil {
			return Value{}, i, err
		}
		if i = next; !more {
			break
		}
	}
	v, ok := MapOf(keys, vals)
	if !ok {
		return Value{}, i, fmt.Errorf("a key stands twice in the JSON object at byte %d", start-1)
	}
	return v, i, nil
}

// jsonNext returns the offset behind the comma or the closing bracket at or
// after b[i], and whether it was a comma.
func jsonNext(b []byte, i int, closing byte) (more bool, next int, err error) {
	i = rawjson.SkipSpace(b, i)
	switch {
	case i >= len(b):
		return false, i, errors.New("JSON text that ends too early")
	case b[i] == ',':
		return true, rawjson.SkipSpace(b, i+1), nil
	case b[i] == closing:
		return false, i + 1, nil
	}
	return false, i, fmt.Errorf("a comma or %q is missing in JSON text, at byte %d", closing, i)
}
