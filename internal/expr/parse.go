package expr

import (
	"strconv"
	"unicode/utf8"
)

// maxLength is how many characters an expression may have (Data Prep).
const maxLength = 4096

type parser struct {
	tokens []token
	i      int
	depth  int
}

func parse(text string) (node, error) {
	if !utf8.ValidString(text) {
		return nil, errorAt(Pos{1, 1}, "the text is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > maxLength {
		return nil, errorAt(Pos{1, 1}, "an expression of %d characters; %d are allowed", n, maxLength)
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	if p.peek().kind == tokEnd {
		return nil, errorAt(p.peek().pos, "an empty expression")
	}
	n, err := p.choice()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.unexpected(t, "an operator or the end")
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.i] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != tokEnd {
		p.i++
	}
	return t
}

// take moves over the operator op if it comes next.
func (p *parser) take(op string) bool {
	if p.peek().is(op) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(op, after string) error {
	if p.take(op) {
		return nil
	}
	return p.unexpected(p.peek(), strconv.Quote(op)+" "+after)
}

func (p *parser) unexpected(t token, want string) error {
	err := errorAt(t.pos, "found %s where %s is expected", t.named(), want)
	if t.kind == tokWord {
		switch t.text {
		case "for", "while", "var", "new", "return", "break", "continue", "if", "else":
			return err.advise("%s is reserved and no part of the language; a field of that name is written ${%s}", t.text, t.text)
		}
		return err.advise("a field of that name is written ${%s}", t.text)
	}
	return err
}

func (p *parser) deeper(at Pos) error {
	if p.depth++; p.depth > maxDepth {
		return errorAt(at, "nested deeper than %d levels", maxDepth)
	}
	return nil
}

// choice parses c ? x : y, x ?: y, x ?? y and what binds tighter.
func (p *parser) choice() (node, error) {
	start := p.peek().pos
	if err := p.deeper(start); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.binary(precOr)
	if err != nil {
		return nil, err
	}
	at := p.peek().pos
	for _, symbol := range []string{"?:", "??"} {
		if p.take(symbol) {
			y, err := p.choice()
			if err != nil {
				return nil, err
			}
			return &binaryNode{at, opOf(symbol), x, y}, nil
		}
	}
	if !p.take("?") {
		return x, nil
	}
	yes, err := p.choice()
	if err != nil {
		return nil, err
	}
	if err := p.expect(":", "of the choice that began with ?"); err != nil {
		return nil, err
	}
	no, err := p.choice()
	if err != nil {
		return nil, err
	}
	return &condNode{at, x, yes, no}, nil
}

func opOf(symbol string) *binaryOp {
	for i := range binaryOps {
		if binaryOps[i].symbol == symbol {
			return &binaryOps[i]
		}
	}
	return nil
}

// operator returns the binary operator that t is, or nil.
func operator(t token) *binaryOp {
	if t.kind == tokOp {
		return opOf(t.text)
	}
	for i := range binaryOps {
		if t.kind == tokWord && binaryOps[i].word == t.text {
			return &binaryOps[i]
		}
	}
	return nil
}

// binary parses operators that bind at least as tight as prec, by climbing.
func (p *parser) binary(prec int) (node, error) {
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		op := operator(t)
		if op == nil || op.prec < max(prec, precOr) {
			return x, nil
		}
		p.next()
		y, err := p.binary(op.prec + 1)
		if err != nil {
			return nil, err
		}
		x = &binaryNode{t.pos, op, x, y}
		if again := operator(p.peek()); again != nil && again.prec == op.prec && (op.prec == precEqual || op.prec == precOrder) {
			return nil, errorAt(p.peek().pos, "comparisons can't be chained").advise("join them by && or use parentheses")
		}
	}
}

func (p *parser) unary() (node, error) {
	t := p.peek()
	op := ""
	switch {
	case t.is("-"), t.is("!"), t.is("~"):
		op = t.text
	case t.kind == tokWord && t.text == "not":
		op = "!"
	default:
		return p.postfix()
	}
	p.next()
	if err := p.deeper(t.pos); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.unary()
	if err != nil {
		return nil, err
	}
	return &unaryNode{t.pos, op, x}, nil
}

func (p *parser) postfix() (node, error) {
	x, err := p.primary()
	for err == nil {
		switch t := p.peek(); {
		case t.is("."):
			p.next()
			x, err = p.member(x)
		case t.is("["):
			p.next()
			x, err = p.index(x, t.pos)
		case t.is("("):
			return nil, errorAt(t.pos, "only a function's name can be called")
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) member(x node) (node, error) {
	t := p.next()
	if t.kind != tokName && t.kind != tokQuoted {
		return nil, p.unexpected(t, "the name of a field")
	}
	if t.kind == tokName && p.peek().is("(") {
		args, err := p.args()
		return &methodNode{t.pos, x, t.text, args}, err
	}
	return &memberNode{t.pos, x, t.text}, nil
}

func (p *parser) index(x node, at Pos) (node, error) {
	if p.peek().is("*") {
		p.next()
		return &allNode{at, x}, p.expect("]", "behind [*")
	}
	i, err := p.choice()
	if err != nil {
		return nil, err
	}
	return &indexNode{at, x, i}, p.expect("]", "behind an index")
}

func (p *parser) primary() (node, error) {
	t := p.next()
	switch {
	case t.kind == tokNumber:
		return &literal{t.pos, t.value}, nil
	case t.kind == tokText:
		return &literal{t.pos, TextOf(t.text)}, nil
	case t.kind == tokName && p.peek().is("("):
		args, err := p.args()
		return &callNode{t.pos, t.text, args}, err
	case t.kind == tokName, t.kind == tokQuoted:
		return &nameNode{t.pos, t.text}, nil
	case t.kind == tokWord && (t.text == "true" || t.text == "false"):
		return &literal{t.pos, BoolOf(t.text == "true")}, nil
	case t.kind == tokWord && t.text == "null":
		return &literal{t.pos, Value{}}, nil
	case t.is("("):
		x, err := p.choice()
		if err != nil {
			return nil, err
		}
		return x, p.expect(")", "to close the parenthesis")
	case t.is("["):
		items, err := p.list("]", p.choice)
		return &arrayNode{t.pos, items}, err
	case t.is("{"):
		return p.mapLiteral(t.pos)
	}
	return nil, p.unexpected(t, "a value, a field or a function")
}

// list parses items up to the closing bracket.
func (p *parser) list(closing string, item func() (node, error)) ([]node, error) {
	var items []node
	if p.take(closing) {
		return nil, nil
	}
	for {
		x, err := item()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if p.take(closing) {
			return items, nil
		}
		if err := p.expect(",", "or "+strconv.Quote(closing)); err != nil {
			return nil, err
		}
	}
}

func (p *parser) mapLiteral(at Pos) (node, error) {
	m := &mapNode{Pos: at}
	if p.take(":") { // {:} is how JEXL writes an empty map
		return m, p.expect("}", "behind {:")
	}
	seen := map[string]bool{}
	vals, err := p.list("}", func() (node, error) {
		t := p.next()
		if t.kind != tokText {
			return nil, p.unexpected(t, "a key between quotes")
		}
		if seen[t.text] {
			return nil, errorAt(t.pos, "the key %q stands twice", t.text)
		}
		seen[t.text] = true
		m.keys = append(m.keys, t.text)
		if err := p.expect(":", "behind a key"); err != nil {
			return nil, err
		}
		return p.choice()
	})
	m.vals = vals
	return m, err
}

// args parses what stands between the parentheses of a call.
func (p *parser) args() ([]node, error) {
	p.next()
	return p.list(")", func() (node, error) {
		if t := p.peek(); t.kind == tokName && p.tokens[p.i+1].is("->") {
			p.i += 2
			body, err := p.choice()
			return &lambdaNode{t.pos, t.text, body}, err
		}
		return p.choice()
	})
}
