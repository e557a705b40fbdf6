package privacy_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/privacy"
)

// A member is one of an object, whose order and repetitions count.
type member struct {
	key   string
	value any
}

// decode reads a document into []member, []any, string, json.Number, bool and
// nil.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeValue(d)
	if err == nil && d.More() {
		err = fmt.Errorf("text behind the end")
	}
	return v, err
}

func decodeValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		object := []member{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			object = append(object, member{key.(string), v})
		}
		_, err = d.Token()
		return object, err
	case json.Delim('['):
		array := []any{}
		for d.More() {
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			array = append(array, v)
		}
		_, err = d.Token()
		return array, err
	}
	return t, nil
}

// naive applies rules to a decoded document the plain way: for every value it
// asks every rule whether its path leads there.
type naive struct {
	rules    []privacy.Rule
	resource string
	key      []byte
}

var strictness = map[string]int{"": 0, "hash": 1, "mask": 2, "drop": 3}

// A place is a name, or an element of an array.
type place struct {
	name    string
	element bool
}

func (n naive) at(path []place, inherited string) string {
	do := inherited
	for _, r := range n.rules {
		if (r.Resource == "*" || r.Resource == n.resource) && strictness[r.Do] > strictness[do] && leads(split(r.Path), path) {
			do = r.Do
		}
	}
	return do
}

var hashed = regexp.MustCompile(`^hmac-sha256:[0-9a-f]{64}$`)

func (n naive) apply(v any, path []place, do string) any {
	switch v := v.(type) {
	case []member:
		object := []member{}
		for _, m := range v {
			below := append(slices.Clip(path), place{name: m.key})
			if do := n.at(below, do); do != "drop" {
				object = append(object, member{m.key, n.apply(m.value, below, do)})
			}
		}
		return object
	case []any:
		array := []any{}
		below := append(slices.Clip(path), place{element: true})
		for _, e := range v {
			if do := n.at(below, do); do != "drop" {
				array = append(array, n.apply(e, below, do))
			}
		}
		return array
	case string:
		switch {
		case do == "mask":
			return "***"
		case do == "hash" && !hashed.MatchString(v):
			mac := hmac.New(sha256.New, n.key)
			mac.Write([]byte(v))
			return "hmac-sha256:" + hex.EncodeToString(mac.Sum(nil))
		}
		return v
	}
	if do != "" {
		return nil
	}
	return v
}

// split takes a path apart; an escaped name keeps its backslashes in front, so
// that \* is no *.
func split(path string) []string {
	var steps []string
	var s strings.Builder
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			s.WriteString(path[i : i+2])
			i++
		case '.':
			steps = append(steps, s.String())
			s.Reset()
		default:
			s.WriteByte(path[i])
		}
	}
	return append(steps, s.String())
}

var backslash = regexp.MustCompile(`\\(.)`)

// leads says whether steps match the whole path.
func leads(steps []string, path []place) bool {
	if len(path) > 0 && path[len(path)-1].element && leads(steps, path[:len(path)-1]) {
		return true // an array is passed through, and what holds for it holds for its elements
	}
	return leadsFrom(steps, path)
}

func leadsFrom(steps []string, path []place) bool {
	if len(steps) == 0 {
		for _, p := range path {
			if !p.element {
				return false
			}
		}
		return true
	}
	if steps[0] == "**" {
		for i := 0; i <= len(path); i++ {
			if leadsFrom(steps[1:], path[i:]) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return false
	}
	if path[0].element {
		return steps[0] == "*" && leadsFrom(steps[1:], path[1:]) || leadsFrom(steps, path[1:])
	}
	return (steps[0] == "*" || backslash.ReplaceAllString(steps[0], "$1") == path[0].name) && leadsFrom(steps[1:], path[1:])
}
