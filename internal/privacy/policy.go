package privacy

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
)

// KeySize is the length of the key of hash rules, in bytes.
const KeySize = 32

// A Policy is a checked list of rules. A nil Policy has none. It may be used by
// many goroutines.
type Policy struct {
	rules    []Rule
	compiled []compiled
	key      []byte
}

// Compile prepares rules. The key is used by hash rules and has KeySize bytes;
// without such a rule it may be nil.
func Compile(rules []Rule, key []byte) (*Policy, error) {
	if Keyed(rules) && len(key) != KeySize {
		return nil, errors.New("the key of the privacy rules has not 32 bytes")
	}
	p := &Policy{rules: slices.Clone(rules), key: slices.Clone(key)}
	for i, r := range rules {
		c, err := r.compile()
		if err != nil {
			return nil, r.Refuse(i, err.Error())
		}
		p.compiled = append(p.compiled, c)
	}
	return p, nil
}

// For returns a filter for objects of a resource, nil when no rule is for it.
// A filter belongs to one goroutine at a time: each user asks for its own.
func (p *Policy) For(resource string) *Filter {
	if p == nil {
		return nil
	}
	var own []compiled
	for i, r := range p.rules {
		if r.Resource == "*" || r.Resource == resource {
			own = append(own, p.compiled[i])
		}
	}
	if len(own) == 0 {
		return nil
	}
	f := &Filter{machine: newMachine(own)}
	if len(p.key) > 0 {
		f.mac = hmac.New(sha256.New, p.key)
	}
	return f
}

// Steps of a path given to Hit that are no names.
const (
	Element = "[]" // any element of an array
	AnyName = "{}" // a name that no rule names
)

// Hit returns the number, counted from zero, of a rule that acts on the value
// at path in objects of a resource, or on something around it; ok is false when
// none does.
func (p *Policy) Hit(resource string, path ...string) (rule int, ok bool) {
	for i, r := range p.rules {
		if r.Resource != "*" && r.Resource != resource {
			continue
		}
		m := newMachine(p.compiled[i : i+1])
		set := m.start.set
		for _, name := range path {
			switch name {
			case Element:
				set = m.element(set)
			case AnyName:
				set = m.advance(set, func(step) bool { return false })
			default:
				set = m.advance(set, func(s step) bool { return s.name == name })
			}
			if m.accepts(set) != keep {
				return i, true
			}
		}
	}
	return 0, false
}
