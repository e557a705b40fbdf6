package gateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Members are those of a body that is an object. Each replaces what is there.
type Members map[string]json.RawMessage

// Members reads a body that is an object with some of the names and no others;
// problem.Invalid.
func (c *Call) Members(names ...string) (Members, error) {
	text, err := c.Bytes()
	if err != nil {
		return nil, err
	}
	return membersOf(text, names)
}

// AnyMembers is Members of a body that may be empty.
func (c *Call) AnyMembers(names ...string) (Members, error) {
	text, err := c.Bytes()
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return nil, err
	}
	return membersOf(text, names)
}

func membersOf(text []byte, names []string) (Members, error) {
	var all Members
	if err := DecodeJSON(text, &all); err != nil {
		return nil, err
	}
	if all == nil {
		return nil, problem.Errorf(problem.Invalid, "the body is null: an object is expected")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch {
		case len(names) == 0:
			return nil, problem.Errorf(problem.Invalid, "%.100q: this call takes no members", name)
		case !slices.Contains(names, name):
			return nil, problem.Errorf(problem.Invalid, "%.100q can't be set here; only these can: %s", name, strings.Join(names, ", "))
		}
	}
	return all, nil
}

// Fill writes the members into what their names point to; nothing of what was
// there is left. null, members of members that are not known, and what has another
// type are a problem.Invalid.
func (m Members) Fill(into map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if string(m[name]) == "null" {
			return problem.Errorf(problem.Invalid, "%s: it can't be null", name)
		}
		reflect.ValueOf(into[name]).Elem().SetZero()
		if err := Strict(m[name], into[name]); err != nil {
			return problem.Errorf(problem.Invalid, "%s: %s", name, err)
		}
	}
	return nil
}

// Strict decodes JSON that has no members that are not known.
func Strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return problem.Errorf(problem.Invalid, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}
