package expr

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokName             // text is the name
	tokQuoted           // ${name} or a name with an escaped dot; text is the name
	tokWord             // a reserved word
	tokNumber           // value is the number
	tokText             // text is the contents
	tokOp               // text is the operator or bracket
)

type token struct {
	kind  tokenKind
	text  string
	value Value
	pos   Pos
}

func (t token) is(op string) bool { return t.kind == tokOp && t.text == op }

// named returns how an error calls t.
func (t token) named() string {
	switch t.kind {
	case tokEnd:
		return "the end of the expression"
	case tokNumber:
		return "the number " + t.value.Text()
	case tokText:
		return "a text"
	case tokQuoted:
		return "${" + t.text + "}"
	default:
		return `"` + t.text + `"`
	}
}

// reserved are the words that are no names (Data Prep, "Fields").
var reserved = map[string]bool{
	"new": true, "mod": true, "or": true, "break": true, "var": true, "lt": true, "for": true, "false": true,
	"while": true, "eq": true, "gt": true, "div": true, "not": true, "null": true, "continue": true, "else": true,
	"and": true, "ne": true, "true": true, "le": true, "if": true, "ge": true, "return": true, "_errors": true,
}

// operators of one to two characters, longest first.
var symbols = []string{
	"&&", "||", "==", "!=", "<=", ">=", "=~", "!~", "=^", "!^", "=$", "!$", "?:", "??", "->",
	"+", "-", "*", "/", "%", "<", ">", "!", "&", "|", "^", "~", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}",
}

type lexer struct {
	text string
	i    int
	pos  Pos
	out  []token
}

// lex cuts text into tokens; the last one is the end.
func lex(text string) ([]token, error) {
	l := &lexer{text: text, pos: Pos{1, 1}}
	for {
		l.blanks()
		t := token{pos: l.pos}
		if l.i == len(l.text) {
			return append(l.out, t), nil
		}
		if err := l.scan(&t); err != nil {
			return nil, err
		}
		l.out = append(l.out, t)
	}
}

// advance moves over the next n bytes.
func (l *lexer) advance(n int) {
	for _, r := range l.text[l.i : l.i+n] {
		l.pos.Column++
		if r == '\n' {
			l.pos = Pos{l.pos.Line + 1, 1}
		}
	}
	l.i += n
}

func (l *lexer) blanks() {
	for l.i < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.i:])
		if !unicode.IsSpace(r) {
			return
		}
		l.advance(n)
	}
}

func (l *lexer) scan(t *token) error {
	rest := l.text[l.i:]
	r, _ := utf8.DecodeRuneInString(rest)
	switch {
	case strings.HasPrefix(rest, "${"):
		return l.quotedName(t)
	case r == '"' || r == '\'':
		return l.quoted(t, byte(r))
	case r >= '0' && r <= '9':
		return l.number(t)
	case isNameStart(r):
		l.name(t)
		return nil
	}
	for _, op := range symbols {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		// "!~", "!^", "!$" compare; in front of an operand they are a "!" and
		// what follows it, as in !${First Name}.
		if len(op) == 2 && op[0] == '!' && op != "!=" && !l.afterOperand() {
			op = "!"
		}
		t.kind, t.text = tokOp, op
		l.advance(len(op))
		return nil
	}
	err := errorAt(t.pos, "%q has no meaning here", r)
	switch r {
	case '=':
		err = err.advise("to compare, write ==; there are no assignments")
	case ';', '#', '@', '`':
		err = err.advise("an expression is a single formula, without statements and comments")
	case '“', '”', '„', '‘', '’':
		err = err.advise(`texts stand between straight quotes, " or '`)
	}
	return err
}

func (l *lexer) afterOperand() bool {
	if len(l.out) == 0 {
		return false
	}
	switch last := l.out[len(l.out)-1]; last.kind {
	case tokWord:
		return last.text == "true" || last.text == "false" || last.text == "null"
	case tokOp:
		return last.text == ")" || last.text == "]" || last.text == "}"
	default:
		return true
	}
}

func isNameStart(r rune) bool { return r == '_' || r == '$' || unicode.IsLetter(r) }

func isNamePart(r rune) bool { return isNameStart(r) || unicode.IsDigit(r) }

// plainName reports whether name needs no ${}.
func plainName(name string) bool {
	for i, r := range name {
		if !isNamePart(r) || i == 0 && !isNameStart(r) {
			return false
		}
	}
	return name != "" && !reserved[name]
}

// name reads a name; a dot that belongs to it is written \. .
func (l *lexer) name(t *token) {
	var b strings.Builder
	t.kind = tokName
	for l.i < len(l.text) {
		if strings.HasPrefix(l.text[l.i:], `\.`) {
			t.kind = tokQuoted
			b.WriteByte('.')
			l.advance(2)
			continue
		}
		r, n := utf8.DecodeRuneInString(l.text[l.i:])
		if !isNamePart(r) {
			break
		}
		b.WriteRune(r)
		l.advance(n)
	}
	t.text = b.String()
	if t.kind == tokName && reserved[t.text] {
		t.kind = tokWord
	}
}

// quotedName reads ${any name}; inside it \. \} and \\ stand for the
// character, and a dot for itself.
func (l *lexer) quotedName(t *token) error {
	var b strings.Builder
	l.advance(2)
	for l.i < len(l.text) {
		c := l.text[l.i]
		switch {
		case c == '}':
			l.advance(1)
			if b.Len() == 0 {
				return errorAt(t.pos, "${} without a name")
			}
			t.kind, t.text = tokQuoted, b.String()
			return nil
		case c == '\\' && l.i+1 < len(l.text) && strings.IndexByte(`.}\`, l.text[l.i+1]) >= 0:
			b.WriteByte(l.text[l.i+1])
			l.advance(2)
		default:
			_, n := utf8.DecodeRuneInString(l.text[l.i:])
			b.WriteString(l.text[l.i : l.i+n])
			l.advance(n)
		}
	}
	return errorAt(t.pos, "${ without its }")
}

func (l *lexer) number(t *token) error {
	rest := l.text[l.i:]
	run := func(i int) int {
		for i < len(rest) && rest[i] >= '0' && rest[i] <= '9' {
			i++
		}
		return i
	}
	n := run(0)
	if n+1 < len(rest) && rest[n] == '.' && run(n+1) > n+1 {
		n = run(n + 1)
	}
	if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		at := n + 1
		if at < len(rest) && (rest[at] == '+' || rest[at] == '-') {
			at++
		}
		if run(at) > at {
			n = run(at)
		}
	}
	v, err := parseNumber(rest[:n])
	if err != nil {
		return errorAt(t.pos, "%v", err)
	}
	if r, _ := utf8.DecodeRuneInString(rest[n:]); isNamePart(r) {
		return errorAt(t.pos, "a number runs into letters").
			advise("a name doesn't begin with a digit; write ${%s} if it is a name", leadingName(rest))
	}
	t.kind, t.value = tokNumber, v
	l.advance(n)
	return nil
}

func leadingName(s string) string {
	for i, r := range s {
		if !isNamePart(r) || i > 30 {
			return s[:i]
		}
	}
	return s
}

// quoted reads a text. Of a backslash and a character that is not to be
// escaped both stay, so that regular expressions can be written as they are
// ("\d+", "\|"), as in JEXL.
func (l *lexer) quoted(t *token, quote byte) error {
	var b strings.Builder
	l.advance(1)
	for l.i < len(l.text) {
		c := l.text[l.i]
		switch {
		case c == quote:
			l.advance(1)
			t.kind, t.text = tokText, b.String()
			return nil
		case c == '\\' && l.i+1 < len(l.text):
			if err := l.escaped(&b); err != nil {
				return err
			}
		default:
			_, n := utf8.DecodeRuneInString(l.text[l.i:])
			b.WriteString(l.text[l.i : l.i+n])
			l.advance(n)
		}
	}
	return errorAt(t.pos, "a text without its closing %c", quote)
}

func (l *lexer) escaped(b *strings.Builder) error {
	c := l.text[l.i+1]
	switch c {
	case '\\', '"', '\'':
		b.WriteByte(c)
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'u':
		return l.unicode(b)
	default:
		b.WriteByte('\\') // the character follows as it is
		l.advance(1)
		return nil
	}
	l.advance(2)
	return nil
}

// unicode reads \uXXXX, or two of them that are one character.
func (l *lexer) unicode(b *strings.Builder) error {
	at := l.pos
	hex := func(i int) (rune, error) {
		if i+6 > len(l.text) || l.text[i:i+2] != `\u` {
			return 0, fmt.Errorf("too short")
		}
		n, err := strconv.ParseUint(l.text[i+2:i+6], 16, 32)
		return rune(n), err
	}
	r, err := hex(l.i)
	if err != nil {
		return errorAt(at, `\u without four hexadecimal digits`)
	}
	n := 6
	if utf16.IsSurrogate(r) {
		low, err := hex(l.i + 6)
		if r = utf16.DecodeRune(r, low); err != nil || r == utf8.RuneError {
			return errorAt(at, `half a surrogate pair`)
		}
		n = 12
	}
	b.WriteRune(r)
	l.advance(n)
	return nil
}
