package privacy

import (
	"encoding/binary"
	"slices"
)

// A machine follows all paths of a resource's rules at once. Its states are
// sets of positions in the paths, made when they are first met.
type machine struct {
	rules  []compiled
	offset []int32         // of each rule's position 0 in the numbers of all positions
	names  map[string]bool // that the paths name
	states map[string]*state
	start  *state
}

// A state is where the paths stand at one place in a document.
type state struct {
	set   []int32           // positions, sorted
	do    action            // of the rules that end here
	live  bool              // some rule may end below
	named map[string]*state // by name, of those in names
	other *state            // any other name
	elem  *state            // an element of an array
}

// maxStates bounds the memory of a machine; one that has more forgets them.
const maxStates = 4096

func newMachine(rules []compiled) *machine {
	m := &machine{rules: rules, names: map[string]bool{}, states: map[string]*state{}}
	next := int32(0)
	var first []int32
	for _, r := range rules {
		m.offset = append(m.offset, next)
		first = append(first, next)
		next += int32(len(r.steps)) + 1
		for _, s := range r.steps {
			if s.kind == named {
				m.names[s.name] = true
			}
		}
	}
	m.start = m.state(m.closed(first))
	return m
}

// at returns the rule of a position and the step that it waits for; ok is false
// at the end of the path.
func (m *machine) at(pos int32) (rule compiled, s step, ok bool) {
	i, found := slices.BinarySearch(m.offset, pos)
	if !found {
		i--
	}
	rule = m.rules[i]
	if n := int(pos - m.offset[i]); n < len(rule.steps) {
		return rule, rule.steps[n], true
	}
	return rule, s, false
}

// closed adds the positions that are reached without a name: behind each **.
func (m *machine) closed(set []int32) []int32 {
	for i := 0; i < len(set); i++ {
		if _, s, ok := m.at(set[i]); ok && s.kind == deep {
			set = append(set, set[i]+1)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// advance returns the positions behind a name, is telling of the named steps
// whether they match it.
func (m *machine) advance(set []int32, is func(step) bool) []int32 {
	var next []int32
	for _, pos := range set {
		_, s, ok := m.at(pos)
		switch {
		case !ok:
		case s.kind == deep:
			next = append(next, pos)
		case s.kind == single, is(s):
			next = append(next, pos+1)
		}
	}
	return m.closed(next)
}

// element returns the positions at an element of an array: those of the array,
// and those behind a * that stands for the element.
func (m *machine) element(set []int32) []int32 {
	next := slices.Clone(set)
	for _, pos := range set {
		if _, s, ok := m.at(pos); ok && s.kind == single {
			next = append(next, pos+1)
		}
	}
	return m.closed(next)
}

// accepts returns the strictest action of the rules that end in set.
func (m *machine) accepts(set []int32) action {
	do := keep
	for _, pos := range set {
		if rule, _, more := m.at(pos); !more {
			do = max(do, rule.do)
		}
	}
	return do
}

func (m *machine) state(set []int32) *state {
	key := make([]byte, 0, 4*len(set))
	for _, pos := range set {
		key = binary.LittleEndian.AppendUint32(key, uint32(pos))
	}
	if s := m.states[string(key)]; s != nil {
		return s
	}
	if len(m.states) >= maxStates {
		clear(m.states)
		m.start.named, m.start.other, m.start.elem = nil, nil, nil
	}
	s := &state{set: set, do: m.accepts(set)}
	s.live = slices.ContainsFunc(set, func(pos int32) bool {
		_, _, more := m.at(pos)
		return more
	})
	m.states[string(key)] = s
	return s
}

// member returns the state at the member named key of an object in state s.
func (m *machine) member(s *state, key []byte) *state {
	if !m.names[string(key)] {
		if s.other == nil {
			s.other = m.state(m.advance(s.set, func(step) bool { return false }))
		}
		return s.other
	}
	if next := s.named[string(key)]; next != nil {
		return next
	}
	if s.named == nil {
		s.named = map[string]*state{}
	}
	next := m.state(m.advance(s.set, func(st step) bool { return st.name == string(key) }))
	s.named[string(key)] = next
	return next
}

// item returns the state at the elements of an array in state s.
func (m *machine) item(s *state) *state {
	if s.elem == nil {
		s.elem = m.state(m.element(s.set))
	}
	return s.elem
}
