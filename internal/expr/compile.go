package expr

import (
	"errors"
	"slices"
)

// A compiler turns nodes into closures, and finds what is wrong whatever the
// record.
type compiler struct {
	functions map[string]*function
	fields    []Path
	seen      map[string]bool
	scope     []string // parameters of the lambdas around
	maxVars   int
}

func constant(v Value) code { return func(*run) (Value, error) { return v, nil } }

// compile returns what computes n, and what kinds that can be.
func (c *compiler) compile(n node) (code, Types, error) {
	switch n := n.(type) {
	case *literal:
		return constant(n.v), 1 << n.v.kind, nil
	case *arrayNode:
		return c.array(n)
	case *mapNode:
		return c.mapping(n)
	case *nameNode, *memberNode, *indexNode, *allNode:
		return c.chain(n)
	case *callNode:
		return c.call(n)
	case *methodNode:
		return c.method(n)
	case *unaryNode:
		return c.unary(n)
	case *binaryNode:
		return c.binary(n)
	case *condNode:
		return c.cond(n)
	default:
		return nil, 0, errorAt(n.at(), "a parameter -> expression has no meaning here").
			advise("only filterArray and transformArray take one")
	}
}

func (c *compiler) all(nodes []node) ([]code, error) {
	codes := make([]code, len(nodes))
	for i, n := range nodes {
		var err error
		if codes[i], _, err = c.compile(n); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

func (c *compiler) array(n *arrayNode) (code, Types, error) {
	items, err := c.all(n.items)
	return func(r *run) (Value, error) {
		out := make([]Value, len(items))
		for i, item := range items {
			var err error
			if out[i], err = item(r); err != nil {
				return Value{}, err
			}
		}
		return r.made(n.Pos, ArrayOf(out))
	}, arrayType, err
}

func (c *compiler) mapping(n *mapNode) (code, Types, error) {
	vals, err := c.all(n.vals)
	return func(r *run) (Value, error) {
		out := make([]Value, len(vals))
		for i, val := range vals {
			var err error
			if out[i], err = val(r); err != nil {
				return Value{}, err
			}
		}
		v, _ := MapOf(n.keys, out) // the parser refuses a key that stands twice
		return r.made(n.Pos, v)
	}, mapType, err
}

// chain compiles a path or steps on a computed value.
func (c *compiler) chain(n node) (code, Types, error) {
	nodes, rootNode := chain(n)
	root, err := c.root(nodes, rootNode)
	if err != nil {
		return nil, 0, err
	}
	steps := make([]step, len(nodes))
	for i, s := range nodes {
		switch s := s.(type) {
		case *memberNode:
			steps[i] = step{at: s.Pos, name: s.name}
		case *allNode:
			steps[i] = step{at: s.Pos, all: true}
		case *indexNode:
			index, types, err := c.compile(s.i)
			if err != nil {
				return nil, 0, err
			}
			if types&(intType|textType|nullType) == 0 {
				return nil, 0, errorAt(s.Pos, "an index is an integer or a key, not %s", types)
			}
			steps[i] = step{at: s.Pos, index: index}
		}
	}
	return func(r *run) (Value, error) {
		v, err := root(r)
		if err != nil {
			return Value{}, err
		}
		return walk(r, v, steps)
	}, maybe, nil
}

// root compiles what a chain of steps leads from, and takes note of the path.
func (c *compiler) root(steps []node, n node) (code, error) {
	name, ok := n.(*nameNode)
	if !ok {
		run, _, err := c.compile(n)
		return run, err
	}
	if i := slices.Index(c.scope, name.name); i >= 0 {
		return func(r *run) (Value, error) { return r.vars[i], nil }, nil
	}
	p := Path{{Name: name.name}}
	for _, s := range steps {
		step, ok := stepOf(s)
		if !ok {
			break
		}
		p = append(p, step)
	}
	c.reads(p)
	return func(r *run) (Value, error) {
		v, _ := r.env.Record.Member(name.name)
		return v, nil
	}, nil
}

func (c *compiler) reads(p Path) {
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	if s := p.String(); !c.seen[s] {
		c.seen[s] = true
		c.fields = append(c.fields, p)
	}
}

type step struct {
	at    Pos
	name  string
	all   bool
	index code // nil unless [index]
}

// walk follows steps from v. What leads nowhere is null.
func walk(r *run, v Value, steps []step) (Value, error) {
	for i := range steps {
		s := &steps[i]
		switch {
		case v.kind == Null:
			return Value{}, nil
		case s.all:
			return walkAll(r, v, s.at, steps[i+1:])
		case s.index == nil:
			v, _ = v.Member(s.name)
		default:
			at, err := s.index(r)
			if err != nil {
				return Value{}, err
			}
			if v, err = element(v, at, s.at); err != nil {
				return Value{}, err
			}
		}
	}
	return v, nil
}

func walkAll(r *run, v Value, at Pos, rest []step) (Value, error) {
	if v.kind != Array {
		return Value{}, nil
	}
	items := v.Items()
	if err := r.spend(at, 16*len(items)); err != nil {
		return Value{}, err
	}
	if len(rest) == 0 {
		return v, nil
	}
	out := make([]Value, len(items))
	for i, item := range items {
		var err error
		if out[i], err = walk(r, item, rest); err != nil {
			return Value{}, err
		}
	}
	return r.made(at, ArrayOf(out))
}

func element(v, index Value, at Pos) (Value, error) {
	switch {
	case index.kind == Null:
		return Value{}, nil
	case index.kind == Int:
		items := v.Items()
		if index.n < 0 || index.n >= int64(len(items)) {
			return Value{}, nil
		}
		return items[index.n], nil
	case index.kind == Text:
		member, _ := v.Member(index.s)
		return member, nil
	}
	return Value{}, errorAt(at, "an index is an integer or a key, not %s", index.kind)
}

// lambda compiles x -> body; the parameter stands in r.vars[slot].
func (c *compiler) lambda(n *lambdaNode) (body code, slot int, types Types, err error) {
	if slices.Contains(c.scope, n.param) {
		return nil, 0, 0, errorAt(n.Pos, "the parameter %s is in use around here", n.param).advise("take another name")
	}
	slot = len(c.scope)
	c.scope = append(c.scope, n.param)
	c.maxVars = max(c.maxVars, len(c.scope))
	defer func() { c.scope = c.scope[:slot] }()
	body, types, err = c.compile(n.body)
	return body, slot, types, err
}

func (c *compiler) cond(n *condNode) (code, Types, error) {
	cond, types, err := c.compile(n.c)
	if err == nil && types&(boolType|nullType) == 0 {
		err = errorAt(n.Pos, "the condition before ? is %s, not a boolean", types)
	}
	yes, yesTypes, err2 := c.compile(n.x)
	no, noTypes, err3 := c.compile(n.y)
	return func(r *run) (Value, error) {
		v, err := cond(r)
		if err != nil {
			return Value{}, err
		}
		ok, err := truth(v, "?", n.Pos)
		if err != nil {
			return Value{}, err
		}
		if ok {
			return yes(r)
		}
		return no(r)
	}, yesTypes | noTypes, first(err, err2, err3)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// truth returns v as the answer to a question; null counts as no.
func truth(v Value, op string, at Pos) (bool, error) {
	switch v.kind {
	case Bool:
		return v.bool(), nil
	case Null:
		return false, nil
	default:
		return false, &Error{Pos: at, Function: op, Reason: "wants a boolean, not " + v.kind.String()}
	}
}

// asError gives a plain error the place and the function it belongs to.
func asError(err error, at Pos, function string) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	return &Error{Pos: at, Function: function, Reason: err.Error()}
}
