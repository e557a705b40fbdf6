// Package privacy removes personal data from Stripe's objects before anything
// of them is kept. Rules name places in the JSON text and what happens to what
// stands there; a Filter applies them in one pass over the text and leaves
// every other byte as it is.
//
// A path is names joined by dots, from the object's own fields on:
// billing_details.email. In the place of a name, * is any one name or array
// element, and ** is any number of names, none included; arrays are passed
// through without being named. A backslash takes the meaning from the character
// behind it: metadata.e\.mail.
//
// What a path leads to is dropped, hashed or masked with all that it holds.
// Where several rules meet, the strictest counts: drop, then mask, then hash.
//
//	drop  the member, or the array's element, is removed
//	mask  text becomes "***"
//	hash  text becomes "hmac-sha256:" and 64 hex digits, which are the same for
//	      the same text under the same key, so that hashed columns still join
//
// Numbers and booleans that are masked or hashed become null: there are too few
// of them for a hash to hide one, and the columns of numbers hold no text.
// Null stays null. Applying rules to what they were applied to changes nothing.
package privacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Rule says what happens to the values at a path.
type Rule struct {
	Resource string `json:"resource"` // that it is for; "*", or nothing, for all
	Path     string `json:"path"`
	Do       string `json:"do"` // drop, hash or mask
}

// An action is what happens to a value; the larger is the stricter.
type action uint8

const (
	keep action = iota
	hash
	mask
	drop
)

var actions = map[string]action{"hash": hash, "mask": mask, "drop": drop}

// Bounds of what a file of rules may hold.
const (
	maxText  = 1 << 20
	maxRules = 500
	maxSteps = 32
)

// Parse reads rules as they are written by hand:
//
//	{"rules": [{"resource": "*", "path": "**.email", "do": "hash"}]}
//
// An error is a problem.Invalid that names the rule by its number, counted from
// one, and its path.
func Parse(text []byte) ([]Rule, error) {
	if len(text) > maxText {
		return nil, problem.Errorf(problem.Invalid, "the privacy rules are longer than %d bytes", maxText)
	}
	var file struct {
		Rules *[]json.RawMessage `json:"rules"`
	}
	if err := strict(text, &file); err != nil {
		return nil, unreadable("the privacy rules", text, err)
	}
	if file.Rules == nil {
		return nil, unreadable("the privacy rules", text, errors.New("there is no member named rules"))
	}
	if len(*file.Rules) > maxRules {
		return nil, problem.Errorf(problem.Invalid, "there are %d privacy rules, and at most %d are allowed", len(*file.Rules), maxRules)
	}
	rules := make([]Rule, len(*file.Rules))
	for i, raw := range *file.Rules {
		r := &rules[i]
		if err := strict(raw, r); err != nil {
			return nil, unreadable(fmt.Sprintf("privacy rule %d", i+1), raw, err)
		}
		if r.Resource == "" {
			r.Resource = "*"
		}
	}
	for i, r := range rules {
		if _, err := r.compile(); err != nil {
			return nil, r.Refuse(i, err.Error())
		}
	}
	return rules, nil
}

// Encode writes rules in the form that Parse reads.
func Encode(rules []Rule) []byte {
	if rules == nil {
		rules = []Rule{}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string][]Rule{"rules": rules}); err != nil {
		panic("privacy: " + err.Error()) // three strings always have a JSON form
	}
	return out.Bytes()
}

// Refuse returns the error for the i-th rule, counted from zero.
func (r Rule) Refuse(i int, what string) error {
	return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("privacy rule %d (path %q): %s", i+1, r.Path, what)}
}

// Keyed says whether the rules need a key.
func Keyed(rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Do == "hash" })
}

// strict reads one JSON document without members that v does not have.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text behind the end")
	}
	return nil
}

func unreadable(what string, text []byte, err error) error {
	detail := what + " can't be read: " + strings.TrimPrefix(err.Error(), "json: ")
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := text[:min(int(s.Offset), len(text))]
		detail = fmt.Sprintf("%s (line %d)", detail, 1+bytes.Count(before, []byte("\n")))
	}
	return &problem.Error{
		Kind: problem.Invalid, Detail: detail,
		Advice: `Write {"rules": [{"resource": "*", "path": "**.email", "do": "hash"}]}; do is drop, hash or mask`,
	}
}

// A step is one part of a path.
type step struct {
	kind stepKind
	name string // of a named one
}

type stepKind uint8

const (
	named  stepKind = iota
	single          // *: any one name or element
	deep            // **: any number of names
)

// A compiled rule is a path with what happens at its end.
type compiled struct {
	steps []step
	do    action
}

// compile checks the rule.
func (r Rule) compile() (compiled, error) {
	c := compiled{do: actions[r.Do]}
	switch {
	case r.Do == "":
		return c, errors.New("it does not say what to do: drop, hash or mask")
	case c.do == keep:
		return c, fmt.Errorf("there is no action %q, only drop, hash and mask", r.Do)
	case r.Path == "":
		return c, errors.New("it has no path")
	}
	text := []rune(r.Path)
	var name strings.Builder
	plain := true // no character was escaped
	end := func() error {
		switch s := name.String(); {
		case s == "":
			return errors.New("a name of the path is empty")
		case plain && s == "*":
			c.steps = append(c.steps, step{kind: single})
		case plain && s == "**":
			if n := len(c.steps); n == 0 || c.steps[n-1].kind != deep { // two of them say what one does
				c.steps = append(c.steps, step{kind: deep})
			}
		case plain && strings.ContainsRune(s, '*'):
			return fmt.Errorf("in %q, * stands for a part of a name, and can only stand for a whole one", s)
		default:
			c.steps = append(c.steps, step{name: s})
		}
		name.Reset()
		plain = true
		return nil
	}
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 == len(text):
			return c, errors.New("the path ends in a backslash")
		case ch == '\\':
			i++
			plain = false
			name.WriteRune(text[i])
		case ch == '.':
			if err := end(); err != nil {
				return c, err
			}
		case ch == '[' || ch == ']' || ch == '$':
			return c, fmt.Errorf("it has a %q: arrays are passed through without being named, and the path begins with the object's own fields", ch)
		default:
			name.WriteRune(ch)
		}
	}
	if err := end(); err != nil {
		return c, err
	}
	if len(c.steps) > maxSteps {
		return c, fmt.Errorf("it has %d names, and at most %d are allowed", len(c.steps), maxSteps)
	}
	if !slices.ContainsFunc(c.steps, func(s step) bool { return s.kind != deep }) {
		return c, errors.New("it leads to every object as a whole")
	}
	return c, nil
}
