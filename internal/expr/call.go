package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A function is one of the language, with its documentation.
type function struct {
	name     string
	category string
	about    string // what it does: one sentence
	returns  string // what it yields, in words
	result   Types
	params   []param
	repeat   int // how many of the last parameters may come again and again
	example  string
	gives    string // what example yields, as the tables of tests write it

	method bool                      // is written x.name(…)
	absent string                    // why it can't be called; "" for all that can
	nulls  bool                      // a null first argument does not make the result null by itself
	count  func(n int) (want string) // says what number of arguments is wanted; "" when n is right
	call   func(a args) (Value, error)
	lazy   func(r *run, c *call, codes []code) (Value, error) // instead of call: computes its own arguments
}

// A param is what a function takes at one place.
type param struct {
	name     string
	about    string
	types    Types
	optional bool
	null     bool // null is an argument like others
	// prepare makes something of a text once, when it stands in the expression:
	// a regular expression, a pattern, a zone. Its error is about the argument.
	prepare func(text string) (any, error)
	// lambda says that x -> expression is wanted.
	lambda bool
	// field says that a bare name is the name of a field, not the field.
	field bool
}

// param returns the parameter for the argument at i.
func (f *function) param(i int) *param {
	if i >= len(f.params) {
		first := len(f.params) - f.repeat
		i = first + (i-first)%f.repeat
	}
	return &f.params[i]
}

// wants says what number of arguments f takes if n is wrong.
func (f *function) wants(n int) string {
	if f.count != nil {
		return f.count(n)
	}
	least := 0
	for _, p := range f.params {
		if !p.optional {
			least++
		}
	}
	most := len(f.params)
	switch {
	case n >= least && (n <= most || f.repeat > 0):
		return ""
	case f.repeat > 0:
		return fmt.Sprintf("at least %d", least)
	case least == most:
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// A call is one call in an expression, as compiled.
type call struct {
	f        *function
	at       Pos
	places   []Pos
	prepared []any    // what literals were made into, by argument
	bare     []string // bare names, by argument
	body     code     // of a lambda
	slot     int      // of its parameter
	cost     int      // of evaluating body once
}

func (c *compiler) method(n *methodNode) (code, Types, error) {
	f := c.functions[n.name]
	if f == nil || !f.method {
		err := errorAt(n.Pos, "no method is called %s", n.name)
		if f != nil {
			return nil, 0, err.advise("write %s(…) with the value as an argument", n.name)
		}
		return nil, 0, err.advise("there are equals, equalsIgnoreCase and get")
	}
	return c.invoke(f, n.Pos, append([]node{n.x}, n.args...))
}

func (c *compiler) call(n *callNode) (code, Types, error) {
	f := c.functions[n.name]
	switch {
	case f == nil:
		err := errorAt(n.Pos, "no function is called %s", n.name)
		if near := c.nearest(n.name); near != "" {
			err = err.advise("did you mean %s?", near)
		}
		return nil, 0, err
	case f.method:
		return nil, 0, errorAt(n.Pos, "%s is a method", f.name).advise(`write it behind a value, like %s`, f.example)
	case f.absent != "":
		return nil, 0, &Error{Pos: n.Pos, Function: f.name, Reason: "not available: " + f.absent}
	}
	return c.invoke(f, n.Pos, n.args)
}

func (c *compiler) invoke(f *function, at Pos, nodes []node) (code, Types, error) {
	if want := f.wants(len(nodes)); want != "" {
		got := len(nodes)
		word := "arguments"
		if want == "1" || want == "at least 1" {
			word = "argument"
		}
		err := &Error{Pos: at, Function: f.name, Reason: fmt.Sprintf("wants %s %s, not %d", want, word, got)}
		return nil, 0, err.advise("it is written %s", f.syntax())
	}
	k := &call{
		f: f, at: at, places: make([]Pos, len(nodes)),
		prepared: make([]any, len(nodes)), bare: make([]string, len(nodes)),
	}
	codes := make([]code, len(nodes))
	types := make([]Types, len(nodes))
	for i, n := range nodes {
		var err error
		if codes[i], types[i], err = c.argument(k, i, n, types); err != nil {
			return nil, 0, err
		}
	}
	if f.lazy != nil {
		return func(r *run) (Value, error) { return f.lazy(r, k, codes) }, f.result | nullType, nil
	}
	return func(r *run) (Value, error) { return k.run(r, codes) }, f.result | nullType, nil
}

// argument compiles the argument at i and checks what can be seen of it.
func (c *compiler) argument(k *call, i int, n node, before []Types) (code, Types, error) {
	p := k.f.param(i)
	k.places[i] = start(n)
	if p.lambda {
		fn, ok := n.(*lambdaNode)
		if !ok {
			return nil, 0, k.fail(i, "wants parameter -> expression").advise("like x -> x > 0")
		}
		var err error
		k.body, k.slot, _, err = c.lambda(fn)
		k.cost = 16 + size(fn.body)
		return constant(Value{}), nullType, err
	}
	if name, ok := n.(*nameNode); ok && p.field && !slices.Contains(c.scope, name.name) && (i == 0 || before[0].Has(Array)) {
		// Whether it is the field's name or its value is known once the first
		// argument is: only an array's elements have fields.
		k.bare[i] = name.name
		return func(r *run) (Value, error) {
			v, _ := r.env.Record.Member(name.name)
			return v, nil
		}, maybe, nil
	}
	run, types, err := c.compile(n)
	if err != nil {
		return nil, 0, err
	}
	if types&(p.types|nullType) == 0 {
		return nil, 0, k.fail(i, "wants %s, not %s", p.types, types)
	}
	if lit, ok := n.(*literal); ok && lit.v.kind == Text {
		if p.prepare != nil {
			if k.prepared[i], err = p.prepare(lit.v.s); err != nil {
				return nil, 0, k.fail(i, "%v", err)
			}
		}
		if path, ok := k.prepared[i].(Path); ok {
			c.reads(path)
		}
	}
	return run, types, nil
}

func (k *call) fail(i int, format string, args ...any) *Error {
	e := &Error{Pos: k.at, Function: k.f.name, Reason: fmt.Sprintf(format, args...)}
	if i >= 0 {
		e.Pos, e.Argument = k.places[i], i+1
	}
	return e
}

// run computes the arguments, checks them, and calls the function.
func (k *call) run(r *run, codes []code) (Value, error) {
	base := len(r.stack) // an error ends the evaluation, and with it the stack
	work := 8
	for _, arg := range codes {
		v, err := arg(r)
		if err != nil {
			return Value{}, err
		}
		r.stack = append(r.stack, v)
		work += v.weight()
	}
	if err := r.spend(k.at, work); err != nil {
		return Value{}, err
	}
	vals := r.stack[base:len(r.stack):len(r.stack)]
	if len(vals) > 0 && vals[0].kind == Null && !k.f.nulls {
		r.stack = r.stack[:base]
		return Value{}, nil
	}
	for i, v := range vals {
		p := k.f.param(i)
		switch {
		case p.lambda, p.types.Has(v.kind):
		case v.kind == Null && (p.null || i == 0 && k.f.nulls):
		case v.kind == Null && k.bare[i] != "":
		case v.kind == Null:
			return Value{}, k.fail(i, "is null")
		default:
			return Value{}, k.fail(i, "wants %s, not %s", p.types, v.kind)
		}
	}
	v, err := k.f.call(args{call: k, r: r, v: vals})
	r.stack = r.stack[:base]
	if err != nil {
		return Value{}, asError(err, k.at, k.f.name)
	}
	return r.made(k.at, v)
}

// args are the arguments of one call under way, checked. v must not be kept.
type args struct {
	*call
	r *run
	v []Value
}

func (a args) text(i int) string { return a.v[i].s }

// has reports whether there is an argument at i that is not null.
func (a args) has(i int) bool { return i < len(a.v) && a.v[i].kind != Null }

// made returns what the parameter's prepare makes of the text at i.
func (a args) made(i int) (any, error) {
	if a.prepared[i] != nil {
		return a.prepared[i], nil
	}
	if err := a.spend(prepareWork(a.v[i].s)); err != nil {
		return nil, err
	}
	made, err := a.f.param(i).prepare(a.v[i].s)
	if err != nil {
		return nil, a.fail(i, "%v", err)
	}
	return made, nil
}

// prepareWork is about what it takes to make something of a text that comes
// from the record: a zone is looked up, a regular expression compiled.
func prepareWork(text string) int { return 5000 + 64*len(text) }

// spend takes work beyond the reading of the arguments.
func (a args) spend(work int) error { return a.r.spend(a.at, work) }

// fits refuses a text of n bytes before it is made.
func (a args) fits(n int) error {
	if n > maxWeight {
		return errorAt(a.at, "a value of more than %d MiB", maxWeight>>20)
	}
	return nil
}

// few refuses an array of n elements before it is made.
func (a args) few(n int) error {
	if n > maxItems {
		return errorAt(a.at, "an array of more than %d elements", maxItems)
	}
	return nil
}

// count returns the integer at i, which may be from least to most.
func (a args) count(i int, least, most int64) (int, error) {
	if n := a.v[i].n; n < least || n > most {
		if most == maxCount {
			return 0, a.fail(i, "is less than %d", least)
		}
		return 0, a.fail(i, "is not one of %d to %d", least, most)
	}
	return int(a.v[i].n), nil
}

// maxCount stands for "as many as there are".
const maxCount = 1 << 40

// nearest returns up to three names that look like name.
func (c *compiler) nearest(name string) string {
	type near struct {
		name string
		far  int
	}
	var found []near
	if len(name) > 40 {
		return ""
	}
	for _, f := range c.functions {
		far := distance(strings.ToLower(name), strings.ToLower(f.name))
		if far <= 1+len(name)/4 {
			found = append(found, near{f.name, far})
		}
	}
	slices.SortFunc(found, func(a, b near) int { return cmp.Or(a.far-b.far, strings.Compare(a.name, b.name)) })
	var names []string
	for _, n := range found[:min(3, len(found))] {
		names = append(names, n.name)
	}
	return strings.Join(names, ", ")
}

// distance is how many letters differ (Levenshtein), counted in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
