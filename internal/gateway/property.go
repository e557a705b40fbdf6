package gateway

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Property is one property=… of a query: what it says of a document.
// Several of them must all hold.
type Property struct {
	Path   []string // names of members; a step that goes through an array ends with []
	Op     string   // ==, !=, <, <=, >, >=, ~, exists or missing
	Values []string // one of them must hold; of != all
	match  *regexp.Regexp
}

// operators, the longer ones first.
var operators = []string{"==", "!=", "<=", ">=", "<", ">", "~", "="}

// ParseProperty reads name==value, name!=value, name<value, name~expression,
// name (it exists) and !name (it is missing). A single = counts as ==, values
// may stand in double quotes, several are separated by commas.
func ParseProperty(text string) (Property, error) {
	at, op := -1, ""
	for _, o := range operators {
		if i := strings.Index(text, o); i >= 0 && (at < 0 || i < at) {
			at, op = i, o
		}
	}
	p := Property{Op: op}
	name := text
	switch {
	case at > 0:
		name = text[:at]
		p.Values = Values(text[at+len(op):])
	case at == 0:
		return Property{}, problem.Errorf(problem.Invalid, "property=%s: a name is missing before %s", text, op)
	case strings.HasPrefix(text, "!"):
		name, p.Op = text[1:], "missing"
	default:
		p.Op = "exists"
	}
	if p.Op == "=" {
		p.Op = "=="
	}
	if p.Op == "~" {
		p.Values = []string{unquote(text[at+1:])}
		var err error
		if p.match, err = regexp.Compile(p.Values[0]); err != nil {
			return Property{}, problem.Errorf(problem.Invalid, "property=%s: the regular expression is not valid: %v", text, err)
		}
	}
	if len(p.Values) > 1 && strings.ContainsAny(p.Op, "<>") {
		return Property{}, problem.Errorf(problem.Invalid, "property=%s: %s takes one value", text, p.Op)
	}
	name = strings.TrimSpace(name)
	if name == "" {
		return Property{}, problem.Errorf(problem.Invalid, "property=%s: a name is missing", text)
	}
	p.Path = strings.Split(name, ".")
	return p, nil
}

// Values returns the values of a list: a, b, "c, with a comma". Blanks around
// them, and their quotes, are left out.
func Values(text string) []string {
	var all []string
	quoted := false
	begin := 0
	for i := range len(text) {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			all = append(all, unquote(text[begin:i]))
			begin = i + 1
		}
	}
	return append(all, unquote(text[begin:]))
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// Match says whether the property holds of a document of decoded JSON: maps,
// slices, strings, numbers and booleans. Numbers and booleans compare by
// value, texts whatever their case.
func (p Property) Match(doc any) bool {
	found := reach(doc, p.Path)
	switch p.Op {
	case "exists":
		return len(found) > 0
	case "missing":
		return len(found) == 0
	case "!=":
		return !slices.ContainsFunc(found, func(v any) bool {
			return slices.ContainsFunc(p.Values, func(w string) bool { return compare(v, w) == 0 })
		})
	case "~":
		return slices.ContainsFunc(found, func(v any) bool {
			s, ok := v.(string)
			return ok && p.match.MatchString(s)
		})
	}
	return slices.ContainsFunc(found, func(v any) bool {
		return slices.ContainsFunc(p.Values, func(w string) bool { return p.holds(v, w) })
	})
}

func (p Property) holds(v any, want string) bool {
	c := compare(v, want)
	if c == incomparable {
		return false
	}
	switch p.Op {
	case "==":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return false
}

const incomparable = 2

// compare returns the order of a value and a text, or incomparable.
func compare(v any, want string) int {
	switch v := v.(type) {
	case string:
		return cmp.Compare(strings.ToLower(v), strings.ToLower(want))
	case bool:
		b, err := strconv.ParseBool(strings.ToLower(want))
		if err != nil || b != v {
			return incomparable
		}
		return 0
	case json.Number:
		return compareNumber(v.String(), want)
	case float64:
		return compareNumber(strconv.FormatFloat(v, 'g', -1, 64), want)
	case int:
		return compareNumber(strconv.Itoa(v), want)
	case int64:
		return compareNumber(strconv.FormatInt(v, 10), want)
	}
	return incomparable
}

func compareNumber(have, want string) int {
	if a, err := strconv.ParseInt(have, 10, 64); err == nil {
		if b, err := strconv.ParseInt(want, 10, 64); err == nil {
			return cmp.Compare(a, b)
		}
	}
	a, err := strconv.ParseFloat(have, 64)
	if err != nil {
		return incomparable
	}
	b, err := strconv.ParseFloat(want, 64)
	if err != nil {
		return incomparable
	}
	return cmp.Compare(a, b)
}

// reach returns what stands at a path, of each element where it goes through
// an array. A null is nothing. A name that has dots of its own is found, too.
func reach(doc any, path []string) []any {
	if list, ok := doc.([]any); ok {
		var all []any
		for _, e := range list {
			all = append(all, reach(e, path)...)
		}
		return all
	}
	if len(path) == 0 {
		if doc == nil {
			return nil
		}
		return []any{doc}
	}
	object, ok := doc.(map[string]any)
	if !ok {
		return nil
	}
	for n := 1; n <= len(path); n++ {
		name := strings.TrimSuffix(strings.Join(path[:n], "."), "[]")
		if v, ok := object[name]; ok {
			return reach(v, path[n:])
		}
	}
	return nil
}
