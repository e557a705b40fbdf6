// Package expr is the expression language of Data Prep's calculated fields:
// it parses and checks an expression, prints it, and evaluates it against a
// record. It is pure: no clock, no network, no disk but for the table of time
// zones; what an evaluation may not know by itself stands in its Env. Numbers
// are exact decimals. The work of an evaluation is bounded.
//
// Where the originals are silent: positions and lengths in texts count
// characters (code points); weeks are those of ISO 8601 and Monday is day 1;
// regular expressions are RE2's, without backreferences and lookaround; a text
// that is a decimal number counts as one in arithmetic and in comparisons with
// a number; 7 / 2 is 3.5.
package expr

import (
	"io"
	"slices"
	"time"
)

// An Expr is a compiled expression. It may be used from several goroutines.
type Expr struct {
	root   node
	code   code
	fields []Path
	vars   int // how many parameters of lambdas are in use at once
	result Types
}

// An Env is what one evaluation knows.
type Env struct {
	Record Value     // the source record, an object
	Now    time.Time // what now() and timestamp() tell; they fail without it
	Random io.Reader // 16 bytes for each uuid(), which fails without it
	// Work, if set, is what several evaluations may still do together, in the
	// unit of MaxWork; each takes from it what it did.
	Work *int
}

// Compile parses and checks text. Any error is an *Error with the position.
func Compile(text string) (*Expr, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &compiler{functions: functions()}
	run, types, err := c.compile(root)
	if err != nil {
		return nil, err
	}
	return &Expr{root: root, code: run, fields: c.fields, vars: c.maxVars, result: types}, nil
}

// String returns the canonical text of e, which compiles to the same.
func (e *Expr) String() string { return canonical(e.root) }

// Fields returns the source paths that e reads, each once, in the order in
// which they stand. A path to an element that is computed ends before it.
func (e *Expr) Fields() []Path { return e.fields }

// Path returns the path that e is, if e is nothing else.
func (e *Expr) Path() (Path, bool) { return pathOf(e.root) }

// Calls reports whether e calls the function of that name.
func (e *Expr) Calls(name string) bool { return calls(e.root, name) }

func calls(n node, name string) bool {
	if c, ok := n.(*callNode); ok && c.name == name {
		return true
	}
	return slices.ContainsFunc(children(n), func(x node) bool { return calls(x, name) })
}

// Result returns what e can yield, as far as it can be told without a record.
func (e *Expr) Result() Types { return e.result }

// MaxWork bounds an evaluation: about the bytes that functions may read and
// write in all.
const MaxWork = 1 << 26

const (
	// maxWeight bounds each value that is made, in bytes.
	maxWeight = 1 << 22
	// maxItems is how many elements fit that.
	maxItems = maxWeight / valueWeight
)

// Eval computes e for one record. A path that leads nowhere is null. Any error
// is an *Error; the record is still good, this field has no value.
func (e *Expr) Eval(env *Env) (Value, error) {
	r := &run{env: env, left: MaxWork}
	if env.Work != nil {
		r.left = min(r.left, *env.Work)
		before := r.left
		defer func() { *env.Work -= before - r.left }()
	}
	r.stack = r.room[:0]
	if e.vars > 0 {
		r.vars = make([]Value, e.vars)
	}
	return e.code(r)
}

// A run is one evaluation.
type run struct {
	env   *Env
	left  int     // of MaxWork
	vars  []Value // parameters of lambdas
	stack []Value // arguments of the calls that are under way
	room  [8]Value
}

type code func(r *run) (Value, error)

// spend takes work from what is left.
func (r *run) spend(at Pos, work int) error {
	if r.left -= work; r.left < 0 {
		return errorAt(at, "the expression does more work than is allowed for one record")
	}
	return nil
}

// made checks the size of a value that the expression made.
func (r *run) made(at Pos, v Value) (Value, error) {
	w := v.weight()
	if w > maxWeight {
		return Value{}, errorAt(at, "a value of more than %d MiB", maxWeight>>20)
	}
	return v, r.spend(at, w)
}
