package expr

import (
	"fmt"
	"slices"
	"strings"
)

func (c *compiler) unary(n *unaryNode) (code, Types, error) {
	x, types, err := c.compile(n.x)
	if err != nil {
		return nil, 0, err
	}
	want, result := numberType|textType, numberType
	switch n.op {
	case "!":
		want, result = boolType|nullType, boolType
	case "~":
		want, result = intType, intType
	}
	if types&want == 0 {
		return nil, 0, wantOperand(n.op, want, types, n.Pos)
	}
	return func(r *run) (Value, error) {
		v, err := x(r)
		if err != nil {
			return Value{}, err
		}
		switch n.op {
		case "!":
			ok, err := truth(v, n.op, n.Pos)
			return BoolOf(!ok), err
		case "~":
			if v.kind != Int {
				return Value{}, wantOperand(n.op, want, 1<<v.kind, n.Pos)
			}
			return IntOf(^v.n), nil
		}
		return arithmeticOp(r, "-", IntOf(0), v, n.Pos)
	}, result, nil
}

func wantOperand(op string, want, got Types, at Pos) *Error {
	return &Error{Pos: at, Function: op, Reason: fmt.Sprintf("wants %s, not %s", want, got)}
}

func (c *compiler) binary(n *binaryNode) (code, Types, error) {
	x, xt, err := c.compile(n.x)
	if err != nil {
		return nil, 0, err
	}
	y, yt, err := c.compile(n.y)
	if err != nil {
		return nil, 0, err
	}
	switch n.op.symbol {
	case "?:", "??":
		return c.fallback(n, x, y), xt | yt, nil
	case "&&", "||":
		for _, t := range []Types{xt, yt} {
			if t&(boolType|nullType) == 0 {
				return nil, 0, wantOperand(n.op.symbol, boolType, t, n.Pos)
			}
		}
		return junction(n, x, y), boolType, nil
	}
	operate, want, result := operation(n)
	for _, t := range []Types{xt, yt} {
		if t&want == 0 {
			return nil, 0, wantOperand(n.op.symbol, want, t, n.Pos)
		}
	}
	if n.op.symbol == "+" && (xt == textType || yt == textType) {
		result = textType
	}
	if lit, ok := n.y.(*literal); ok && lit.v.kind == Text && (n.op.symbol == "=~" || n.op.symbol == "!~") {
		re, err := wholeRegex(lit.v.s)
		if err != nil {
			return nil, 0, asError(err, n.Pos, n.op.symbol)
		}
		operate = func(r *run, a, _ Value) (Value, error) {
			return matchOp(r, n, a, lit.v, re)
		}
	}
	return func(r *run) (Value, error) {
		a, err := x(r)
		if err != nil {
			return Value{}, err
		}
		b, err := y(r)
		if err != nil {
			return Value{}, err
		}
		return operate(r, a, b)
	}, result, nil
}

func (c *compiler) fallback(n *binaryNode, x, y code) code {
	elvis := n.op.symbol == "?:"
	return func(r *run) (Value, error) {
		v, err := x(r)
		if err != nil {
			return Value{}, err
		}
		if v.kind == Null || elvis && v.kind == Bool && !v.bool() {
			return y(r)
		}
		return v, nil
	}
}

// junction is && or ||; the second operand is computed when it matters.
func junction(n *binaryNode, x, y code) code {
	decides := n.op.symbol == "||"
	return func(r *run) (Value, error) {
		for _, operand := range []code{x, y} {
			v, err := operand(r)
			if err != nil {
				return Value{}, err
			}
			ok, err := truth(v, n.op.symbol, n.Pos)
			if err != nil {
				return Value{}, err
			}
			if ok == decides {
				return BoolOf(decides), nil
			}
		}
		return BoolOf(!decides), nil
	}
}

// operation returns what n does with two values, what those must be, and what
// comes out.
func operation(n *binaryNode) (operate func(r *run, a, b Value) (Value, error), want, result Types) {
	symbol := n.op.symbol
	switch symbol {
	case "+":
		return func(r *run, a, b Value) (Value, error) { return add(r, a, b, n.Pos) }, scalarType, scalarType
	case "-", "*", "/", "%":
		return func(r *run, a, b Value) (Value, error) {
			return arithmeticOp(r, symbol, a, b, n.Pos)
		}, numberType | textType, numberType
	case "&", "|", "^":
		return func(_ *run, a, b Value) (Value, error) { return bits(symbol, a, b, n.Pos) }, intType, intType
	case "==", "!=":
		return func(r *run, a, b Value) (Value, error) {
			same := loosely(a, b)
			return BoolOf(same == (symbol == "==")), r.spend(n.Pos, min(a.weight(), b.weight()))
		}, maybe, boolType
	case "<", "<=", ">", ">=":
		return func(r *run, a, b Value) (Value, error) {
			if err := r.spend(n.Pos, min(a.weight(), b.weight())); err != nil {
				return Value{}, err
			}
			return orderOp(symbol, a, b, n.Pos)
		}, maybe, boolType
	case "=~", "!~":
		return func(r *run, a, b Value) (Value, error) { return matchOp(r, n, a, b, nil) }, maybe, boolType
	default:
		return func(r *run, a, b Value) (Value, error) {
			if err := r.spend(n.Pos, b.weight()); err != nil {
				return Value{}, err
			}
			return affix(symbol, a, b, n.Pos)
		}, textType | nullType, boolType
	}
}

func add(r *run, a, b Value, at Pos) (Value, error) {
	if a.kind == Text && b.kind != Null && scalarType.Has(b.kind) || b.kind == Text && a.kind != Null && scalarType.Has(a.kind) {
		x, y := a.Text(), b.Text()
		if len(x)+len(y) > maxWeight {
			return Value{}, errorAt(at, "a value of more than %d MiB", maxWeight>>20)
		}
		return r.made(at, TextOf(x+y))
	}
	return arithmeticOp(r, "+", a, b, at)
}

// asNumber returns a number, or the one that a text is.
func asNumber(v Value) (Value, bool) {
	if v.kind != Text {
		return v, v.isNumber()
	}
	if len(v.s) > 2*maxDigits { // spares reading a long text to its end
		return Value{}, false
	}
	n, err := parseNumber(strings.TrimSpace(v.s))
	return n, err == nil
}

func arithmeticOp(r *run, op string, a, b Value, at Pos) (Value, error) {
	if a.kind != Int || b.kind != Int {
		if err := r.spend(at, 10*(a.weight()+b.weight())); err != nil {
			return Value{}, err
		}
	}
	x, ok := asNumber(a)
	y, ok2 := asNumber(b)
	if !ok || !ok2 {
		if ok {
			a = b
		}
		reason := "wants numbers, not " + a.kind.String()
		if a.kind == Text {
			reason = "wants numbers, not a text that is none"
		}
		return Value{}, &Error{Pos: at, Function: op, Reason: reason}
	}
	v, err := arithmetic(op, x, y)
	if err != nil {
		return Value{}, asError(err, at, op)
	}
	return v, nil
}

func bits(op string, a, b Value, at Pos) (Value, error) {
	if a.kind != Int || b.kind != Int {
		got := a.kind
		if got == Int {
			got = b.kind
		}
		return Value{}, wantOperand(op, intType, 1<<got, at)
	}
	switch op {
	case "&":
		return IntOf(a.n & b.n), nil
	case "|":
		return IntOf(a.n | b.n), nil
	}
	return IntOf(a.n ^ b.n), nil
}

// alike makes a number of the one that is a text when the other is a number.
func alike(a, b Value) (x, y Value) {
	if a.isNumber() && b.kind == Text {
		if n, ok := asNumber(b); ok {
			return a, n
		}
	}
	if b.isNumber() && a.kind == Text {
		if n, ok := asNumber(a); ok {
			return n, b
		}
	}
	return a, b
}

// loosely is equal, but 1 and "1" are the same.
func loosely(a, b Value) bool { return equal(alike(a, b)) }

func orderOp(op string, a, b Value, at Pos) (Value, error) {
	if a.kind == Null || b.kind == Null {
		return BoolOf(false), nil
	}
	order, ok := compare(alike(a, b))
	if !ok {
		return Value{}, &Error{Pos: at, Function: op, Reason: fmt.Sprintf("%s and %s have no order", a.kind, b.kind)}
	}
	switch op {
	case "<":
		return BoolOf(order < 0), nil
	case "<=":
		return BoolOf(order <= 0), nil
	case ">":
		return BoolOf(order > 0), nil
	}
	return BoolOf(order >= 0), nil
}

func matchOp(r *run, n *binaryNode, a, b Value, re *regex) (Value, error) {
	work := a.weight() + 4*len(b.Items())
	if b.kind == Text && re == nil {
		work += prepareWork(b.s)
	}
	if err := r.spend(n.Pos, work); err != nil {
		return Value{}, err
	}
	found := false
	switch {
	case b.kind == Array:
		found = slices.ContainsFunc(b.Items(), func(item Value) bool { return loosely(a, item) })
	case a.kind == Null || b.kind == Null:
	case b.kind == Map && a.kind == Text:
		_, found = b.Member(a.s)
	case b.kind == Text && a.kind == Text:
		if re == nil {
			var err error
			if re, err = wholeRegex(b.s); err != nil {
				return Value{}, asError(err, n.Pos, n.op.symbol)
			}
		}
		if err := r.spend(n.Pos, re.work(a.s)); err != nil {
			return Value{}, err
		}
		found = re.MatchString(a.s)
	default:
		return Value{}, &Error{
			Pos: n.Pos, Function: n.op.symbol,
			Reason: fmt.Sprintf("%s can't be looked for in %s", a.kind, b.kind),
		}
	}
	return BoolOf(found == (n.op.symbol == "=~")), nil
}

func affix(op string, a, b Value, at Pos) (Value, error) {
	found := false
	if a.kind != Null && b.kind != Null {
		if a.kind != Text || b.kind != Text {
			got := a.kind
			if got == Text {
				got = b.kind
			}
			return Value{}, wantOperand(op, textType, 1<<got, at)
		}
		if op[1] == '^' {
			found = strings.HasPrefix(a.s, b.s)
		} else {
			found = strings.HasSuffix(a.s, b.s)
		}
	}
	return BoolOf(found == (op[0] == '=')), nil
}
