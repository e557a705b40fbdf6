package expr

import (
	"slices"
	"strconv"
	"strings"
)

// A Step of a path is a field's name, an element's index or all elements.
type Step struct {
	Name  string // "" for an element
	Index int    // from 0; only without a name
	All   bool   // [*]
}

// A Path leads to a value of a record: data.items[*].price.id.
type Path []Step

func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		switch {
		case s.All:
			b.WriteString("[*]")
		case s.Name == "":
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(quoteName(s.Name))
		}
	}
	return b.String()
}

// ParsePath reads a source or destination path, and refuses any other
// expression.
func ParsePath(text string) (Path, error) {
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	p, ok := pathOf(n)
	if !ok {
		return nil, errorAt(n.at(), "not a path of names and indexes").advise("a path looks like data.items[0].id or data.items[*].id")
	}
	return p, nil
}

// pathOf returns the path that n is.
func pathOf(n node) (Path, bool) {
	steps, root := chain(n)
	name, ok := root.(*nameNode)
	if !ok {
		return nil, false
	}
	p := Path{{Name: name.name}}
	for _, s := range steps {
		step, ok := stepOf(s)
		if !ok {
			return nil, false
		}
		p = append(p, step)
	}
	return p, true
}

func stepOf(n node) (Step, bool) {
	switch n := n.(type) {
	case *memberNode:
		return Step{Name: n.name}, true
	case *allNode:
		return Step{All: true}, true
	case *indexNode:
		if lit, ok := n.i.(*literal); ok && lit.v.kind == Int && lit.v.n <= maxIndex {
			return Step{Index: int(lit.v.n)}, true
		}
	}
	return Step{}, false
}

// maxIndex bounds indexes in paths.
const maxIndex = 1 << 30

// chain takes the steps off n, first step first, down to what they lead from.
func chain(n node) (steps []node, root node) {
	for {
		switch x := n.(type) {
		case *memberNode:
			steps, n = append(steps, n), x.x
		case *indexNode:
			steps, n = append(steps, n), x.x
		case *allNode:
			steps, n = append(steps, n), x.x
		default:
			slices.Reverse(steps)
			return steps, n
		}
	}
}

// contains reports whether record has something, be it null, where p leads.
// With [*] one element that has it is enough.
func (p Path) contains(v Value) bool {
	for i, s := range p {
		switch {
		case s.All:
			return slices.ContainsFunc(v.Items(), p[i+1:].contains)
		case s.Name == "":
			items := v.Items()
			if s.Index >= len(items) {
				return false
			}
			v = items[s.Index]
		default:
			member, ok := v.Member(s.Name)
			if !ok {
				return false
			}
			v = member
		}
	}
	return true
}
