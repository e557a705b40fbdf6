package tables

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Violation is one way in which a record does not fit its schema.
type Violation struct {
	Path    string // dotted, from the top: _acme.charges_data.items[0].id; "" for the record itself
	Keyword string // of JSON Schema: type, required, minimum, …; format for what is no date
	Message string
}

// Corrupt is the keyword of a record that is no JSON object at all.
const Corrupt = "corrupt"

// A Checker holds records against a composition. It may be used by several
// goroutines.
type Checker struct{ root *rule }

// NewChecker prepares a composition. A pattern that is no regular expression
// is problem.Invalid.
func NewChecker(c *xdm.Composition) (*Checker, error) {
	root, err := newRule(&xdm.Field{Kind: xdm.Object, Fields: c.Fields})
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", c.ID, err)
	}
	return &Checker{root}, nil
}

// Check is Checker.Record for a single record.
func Check(c *xdm.Composition, record json.RawMessage) (json.RawMessage, []Violation, error) {
	k, err := NewChecker(c)
	if err != nil {
		return nil, nil, err
	}
	out, violations := k.Record(record)
	return out, violations, nil
}

// A rule is a field with what is asked of its values.
type rule struct {
	*xdm.Field
	fields  map[string]*rule
	names   []string // of the required ones
	elem    *rule
	pattern *regexp.Regexp
}

func newRule(f *xdm.Field) (*rule, error) {
	r := &rule{Field: f, fields: make(map[string]*rule, len(f.Fields))}
	for _, kid := range f.Fields {
		k, err := newRule(kid)
		if err != nil {
			return nil, err
		}
		r.fields[kid.Name] = k
		if kid.Required {
			r.names = append(r.names, kid.Name)
		}
	}
	var err error
	if f.Elem != nil {
		if r.elem, err = newRule(f.Elem); err != nil {
			return nil, err
		}
	}
	if f.Limits != nil && f.Limits.Pattern != "" {
		if r.pattern, err = regexp.Compile(f.Limits.Pattern); err != nil {
			return nil, problem.Errorf(problem.Invalid, "field %s: its pattern is no regular expression: %v", f.Name, err)
		}
	}
	return r, nil
}

// maxViolations are told of one record.
const maxViolations = 20

// Record checks a record and returns it the way a table takes it: compact,
// without nulls, with integers as digits and instants in UTC to the
// millisecond. A field that the schema does not have is a violation: nothing
// is lost silently. A record with violations comes back as nil.
func (k *Checker) Record(record []byte) (json.RawMessage, []Violation) {
	w := checking{src: record}
	i := rawjson.SkipSpace(record, 0)
	if i >= len(record) || record[i] != '{' {
		return nil, []Violation{{Keyword: Corrupt, Message: "the record is no JSON object"}}
	}
	end, err := w.object(k.root, i)
	if err == nil && rawjson.SkipSpace(record, end) != len(record) {
		err = fmt.Errorf("something follows the JSON object, at byte %d", end)
	}
	if err != nil {
		return nil, []Violation{{Keyword: Corrupt, Message: err.Error()}}
	}
	if len(w.found) > 0 {
		// What the schema does not have was passed over, not read.
		var whole json.RawMessage
		if err := json.Unmarshal(record, &whole); err != nil {
			return nil, []Violation{{Keyword: Corrupt, Message: err.Error()}}
		}
		return nil, w.found
	}
	return w.out, nil
}

// A checking is one pass over a record.
type checking struct {
	src   []byte
	out   []byte
	path  []string
	found []Violation
	tmp   []byte
}

func (w *checking) wrong(keyword, format string, args ...any) {
	if len(w.found) == maxViolations {
		return
	}
	w.found = append(w.found, Violation{Path: w.where(), Keyword: keyword, Message: fmt.Sprintf(format, args...)})
}

func (w *checking) where() string {
	var b strings.Builder
	for i, step := range w.path {
		if i > 0 && !strings.HasPrefix(step, "[") {
			b.WriteByte('.')
		}
		b.WriteString(step)
	}
	return b.String()
}

func (w *checking) push(step string) { w.path = append(w.path, step) }
func (w *checking) pop()             { w.path = w.path[:len(w.path)-1] }

// value checks the value at src[i] and returns the offset behind it. An error
// says that the text is not JSON.
func (w *checking) value(r *rule, i int) (int, error) {
	if i >= len(w.src) {
		return i, rawjson.ErrCut
	}
	is := kindAt(w.src[i])
	switch {
	case r.Kind == xdm.Object && is == "object":
		return w.object(r, i)
	case r.Kind == xdm.Map && is == "object":
		return w.mapping(r, i)
	case r.Kind == xdm.Array && is == "array":
		return w.array(r, i)
	case is == "object" || is == "array":
		w.wrong("type", "expected %s, found %s", expected[r.Kind], is)
		return rawjson.Skip(w.src, i)
	case is == "string":
		return w.text(r, i)
	case is == "number":
		end, _, err := rawjson.Number(w.src, i)
		if err == nil {
			w.number(r, string(w.src[i:end]))
		}
		return end, err
	}
	end, err := rawjson.Literal(w.src, i)
	switch {
	case err != nil:
	case r.Kind != xdm.Boolean:
		w.wrong("type", "expected %s, found %s", expected[r.Kind], is)
	default:
		w.out = append(w.out, w.src[i:end]...)
	}
	return end, err
}

func kindAt(c byte) string {
	switch c {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}

var expected = map[xdm.Kind]string{
	xdm.String: "a string", xdm.Long: "an integer of 64 bits", xdm.Int: "an integer of 32 bits", xdm.Short: "an integer of 16 bits",
	xdm.Byte: "an integer of 8 bits", xdm.Double: "a number", xdm.Boolean: "a boolean", xdm.Object: "an object", xdm.Array: "an array",
	xdm.Map: "an object", xdm.Date: "a date like 2026-01-31", xdm.DateTime: "a time like 2026-01-31T10:00:00Z",
}

// object checks the object at src[i].
func (w *checking) object(r *rule, i int) (int, error) {
	seen := make(map[string]bool, len(r.fields))
	w.out = append(w.out, '{')
	first := true
	end, err := w.members(i, func(key string, raw []byte, i int) (int, error) {
		f, ok := r.fields[key]
		w.push(key)
		defer w.pop()
		switch {
		case !ok:
			w.wrong("additionalProperties", "the schema has no such field")
			return rawjson.Skip(w.src, i)
		case w.src[i] == 'n':
			return rawjson.Literal(w.src, i)
		case seen[key]:
			w.wrong("uniqueItems", "the field stands twice")
			return rawjson.Skip(w.src, i)
		}
		seen[key] = true
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.out = append(append(w.out, raw...), ':')
		return w.value(f, i)
	})
	w.out = append(w.out, '}')
	if err != nil {
		return end, err
	}
	for _, name := range r.names {
		if !seen[name] {
			w.push(name)
			w.wrong("required", "the field is required, and missing or null")
			w.pop()
		}
	}
	return end, nil
}

func (w *checking) mapping(r *rule, i int) (int, error) {
	seen := map[string]bool{}
	w.out = append(w.out, '{')
	first := true
	end, err := w.members(i, func(key string, raw []byte, i int) (int, error) {
		w.push(key)
		defer w.pop()
		if seen[key] {
			w.wrong("uniqueItems", "the key stands twice")
			return rawjson.Skip(w.src, i)
		}
		seen[key] = true
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.out = append(append(w.out, raw...), ':')
		return w.orNull(r.elem, i)
	})
	w.out = append(w.out, '}')
	return end, err
}

// orNull checks an element, which may be null.
func (w *checking) orNull(r *rule, i int) (int, error) {
	if i < len(w.src) && w.src[i] == 'n' {
		w.out = append(w.out, "null"...)
		return rawjson.Literal(w.src, i)
	}
	return w.value(r, i)
}

func (w *checking) array(r *rule, i int) (int, error) {
	w.out = append(w.out, '[')
	i = rawjson.SkipSpace(w.src, i+1)
	for n := 0; ; n++ {
		switch {
		case i >= len(w.src):
			return i, rawjson.ErrCut
		case w.src[i] == ']':
			w.out = append(w.out, ']')
			return i + 1, nil
		case n > 0 && w.src[i] != ',':
			return i, &rawjson.SyntaxError{Offset: i, Want: "a comma"}
		case n > 0:
			w.out = append(w.out, ',')
			if i = rawjson.SkipSpace(w.src, i+1); i < len(w.src) && w.src[i] == ']' {
				return i, &rawjson.SyntaxError{Offset: i, Want: "a value"}
			}
		}
		w.push("[" + strconv.Itoa(n) + "]")
		end, err := w.orNull(r.elem, i)
		w.pop()
		if err != nil {
			return end, err
		}
		i = rawjson.SkipSpace(w.src, end)
	}
}

// members calls do with the key, its text in quotes, and the offset of the
// value of each member of the object at src[i].
func (w *checking) members(i int, do func(key string, raw []byte, i int) (int, error)) (int, error) {
	i = rawjson.SkipSpace(w.src, i+1)
	for first := true; ; first = false {
		switch {
		case i >= len(w.src):
			return i, rawjson.ErrCut
		case first && w.src[i] == '}':
			return i + 1, nil
		case !first && w.src[i] == '}':
			return i + 1, nil
		case !first && w.src[i] != ',':
			return i, &rawjson.SyntaxError{Offset: i, Want: "a comma"}
		case !first:
			i = rawjson.SkipSpace(w.src, i+1)
		}
		if i >= len(w.src) || w.src[i] != '"' {
			return i, &rawjson.SyntaxError{Offset: i, Want: "a key in quotes"}
		}
		end, flags, err := rawjson.String(w.src, i)
		if err != nil {
			return i, err
		}
		raw := w.src[i:end]
		key := string(raw[1 : len(raw)-1])
		if flags&rawjson.Escaped != 0 {
			key = string(rawjson.Unquote(nil, raw[1:len(raw)-1]))
		}
		i = rawjson.SkipSpace(w.src, end)
		if i >= len(w.src) || w.src[i] != ':' {
			return i, &rawjson.SyntaxError{Offset: i, Want: "a colon"}
		}
		if i = rawjson.SkipSpace(w.src, i+1); i >= len(w.src) {
			return i, rawjson.ErrCut
		}
		if end, err = do(key, raw, i); err != nil {
			return end, err
		}
		i = rawjson.SkipSpace(w.src, end)
	}
}

// text checks the string at src[i].
func (w *checking) text(r *rule, i int) (int, error) {
	end, flags, err := rawjson.String(w.src, i)
	if err != nil {
		return i, err
	}
	text := w.src[i+1 : end-1]
	if flags&rawjson.Escaped != 0 {
		w.tmp = rawjson.Unquote(w.tmp[:0], text)
		text = w.tmp
	}
	switch r.Kind {
	case xdm.String:
		w.limits(r, string(text))
		w.out = append(w.out, w.src[i:end]...)
	case xdm.Date:
		day, ok := readDate(string(text))
		if !ok {
			w.wrong("format", "expected %s, found %s", expected[r.Kind], short(text))
		}
		w.out = append(append(append(w.out, '"'), day...), '"')
	case xdm.DateTime:
		at, ok := readInstant(string(text))
		if !ok {
			w.wrong("format", "expected %s, found %s", expected[r.Kind], short(text))
		}
		w.out = append(append(append(w.out, '"'), at...), '"')
	default:
		w.wrong("type", "expected %s, found a string", expected[r.Kind])
	}
	return end, nil
}

// short quotes a value as far as a message shows it.
func short(text []byte) string {
	if len(text) > 40 {
		text = append(slices.Clone(text[:40]), "…"...)
	}
	return strconv.Quote(strings.ToValidUTF8(string(text), "…"))
}

func (w *checking) limits(r *rule, text string) {
	l := r.Limits
	if l == nil {
		return
	}
	if l.MinLength != nil || l.MaxLength != nil {
		n := utf8.RuneCountInString(text)
		if l.MinLength != nil && n < *l.MinLength {
			w.wrong("minLength", "has %d characters, and needs %d", n, *l.MinLength)
		}
		if l.MaxLength != nil && n > *l.MaxLength {
			w.wrong("maxLength", "has %d characters, and may have %d", n, *l.MaxLength)
		}
	}
	if r.pattern != nil && !r.pattern.MatchString(text) {
		w.wrong("pattern", "does not match the pattern %s", l.Pattern)
	}
	if l.Values != nil && !slices.Contains(l.Values, text) {
		w.wrong("enum", "%s is none of the values that it may have", short([]byte(text)))
	}
}

// number checks a number by its text; nothing is rounded.
func (w *checking) number(r *rule, text string) {
	switch r.Kind {
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		v, ok := wholeNumber(text)
		if !ok || v < least(r.Kind) || v > most(r.Kind) {
			w.wrong("type", "expected %s, found %s", expected[r.Kind], short([]byte(text)))
			return
		}
		text = strconv.FormatInt(v, 10)
	case xdm.Double:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			w.wrong("type", "expected %s, found one out of its range", expected[r.Kind])
			return
		}
	default:
		w.wrong("type", "expected %s, found a number", expected[r.Kind])
		return
	}
	w.out = append(w.out, text...)
	if l := r.Limits; l != nil && (l.Min != nil || l.Max != nil) {
		w.bounds(l, r.Kind, text)
	}
}

func (w *checking) bounds(l *xdm.Limits, kind xdm.Kind, text string) {
	v := new(big.Rat)
	if kind == xdm.Double {
		f, err := strconv.ParseFloat(text, 64) // what is stored
		if err != nil || v.SetFloat64(f) == nil {
			return
		}
	} else if _, ok := v.SetString(text); !ok {
		return
	}
	if l.Min != nil && v.Cmp(exactly(*l.Min)) < 0 {
		w.wrong("minimum", "%s is below %v", short([]byte(text)), *l.Min)
	}
	if l.Max != nil && v.Cmp(exactly(*l.Max)) > 0 {
		w.wrong("maximum", "%s is above %v", short([]byte(text)), *l.Max)
	}
}

// exactly returns the number that a float is; what is no number bounds nothing
// by being 0, and schemas can't say it.
func exactly(f float64) *big.Rat {
	v := new(big.Rat)
	if v.SetFloat64(f) == nil {
		return new(big.Rat)
	}
	return v
}

func most(k xdm.Kind) int64 {
	switch k {
	case xdm.Int:
		return 1<<31 - 1
	case xdm.Short:
		return 1<<15 - 1
	case xdm.Byte:
		return 1<<7 - 1
	default:
	}
	return 1<<63 - 1
}

func least(k xdm.Kind) int64 { return -most(k) - 1 }

// wholeNumber returns the value of a JSON number that is an integer of 64
// bits, however it is written: 1, 1.0, 1e3.
func wholeNumber(text string) (int64, bool) {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return v, true
	}
	digits, exp, _ := strings.Cut(strings.ToLower(text), "e")
	shift := 0
	if exp != "" {
		v, err := strconv.Atoi(exp)
		if err != nil || v > 400 || v < -400 {
			return 0, strings.Trim(digits, "-0.") == "" // zero, whatever the exponent
		}
		shift = v
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = whole + fraction
	if shift -= len(fraction); shift >= 0 {
		digits += strings.Repeat("0", shift)
	} else {
		cut := max(0, len(digits)+shift)
		if strings.Trim(digits[cut:], "-0") != "" {
			return 0, false
		}
		if digits = digits[:cut]; digits == "" || digits == "-" {
			digits = "0"
		}
	}
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		return 0, true
	}
	v, err := strconv.ParseInt(sign+digits, 10, 64)
	return v, err == nil
}
