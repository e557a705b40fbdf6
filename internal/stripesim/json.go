package stripesim

import (
	"strconv"
	"unicode/utf8"
)

// enc appends JSON as Stripe prints it: two spaces per level, every element of
// an array and every field on its own line, {} and [] when empty.
type enc struct {
	b     []byte
	depth int
	first bool // nothing was written at this level yet
}

const margin = "\n                                                                                "

func (e *enc) line() {
	if e.first {
		e.first = false
	} else {
		e.b = append(e.b, ',')
	}
	e.newline()
}

func (e *enc) newline() {
	n := 1 + 2*e.depth
	for n > len(margin) { // deeper than anything Stripe sends
		e.b = append(e.b, margin[:41]...)
		n -= 40
		if n <= len(margin) {
			e.b = append(e.b, margin[1:n]...)
			return
		}
	}
	e.b = append(e.b, margin[:n]...)
}

func (e *enc) open(c byte) {
	e.b = append(e.b, c)
	e.depth++
	e.first = true
}

func (e *enc) close(c byte) {
	e.depth--
	if !e.first {
		e.newline()
	}
	e.b = append(e.b, c)
	e.first = false
}

func (e *enc) key(k string) {
	e.line()
	e.b = append(e.b, '"')
	e.b = append(e.b, k...)
	e.b = append(e.b, '"', ':', ' ')
}

func (e *enc) obj(k string)  { e.key(k); e.open('{') }
func (e *enc) arr(k string)  { e.key(k); e.open('[') }
func (e *enc) null(k string) { e.key(k); e.b = append(e.b, "null"...) }

func (e *enc) nulls(keys ...string) {
	for _, k := range keys {
		e.null(k)
	}
}

// lit writes a value that is JSON already.
func (e *enc) lit(k, v string) { e.key(k); e.b = append(e.b, v...) }

func (e *enc) str(k, v string) { e.key(k); e.b = appendString(e.b, v) }

// strOrNull writes null for the empty string.
func (e *enc) strOrNull(k, v string) {
	if v == "" {
		e.null(k)
		return
	}
	e.str(k, v)
}

func (e *enc) int(k string, v int64) { e.key(k); e.b = strconv.AppendInt(e.b, v, 10) }

// intOrNull writes null for 0: for times and other numbers that are never 0.
func (e *enc) intOrNull(k string, v int64) {
	if v == 0 {
		e.null(k)
		return
	}
	e.int(k, v)
}

func (e *enc) bool(k string, v bool) { e.key(k); e.b = strconv.AppendBool(e.b, v) }

// quote begins and ends a string whose content the caller appends to e.b; it
// must need no escapes.
func (e *enc) quote() { e.b = append(e.b, '"') }

func (e *enc) long(k string, g *ids, kind idKind, prefix string, key uint64) {
	e.key(k)
	e.quote()
	e.b = g.long(e.b, kind, prefix, key)
	e.quote()
}

func (e *enc) short(k string, g *ids, kind idKind, prefix string, key uint64) {
	e.key(k)
	e.quote()
	e.b = g.short(e.b, kind, prefix, key)
	e.quote()
}

func (e *enc) word(k string, r *rng, n int) {
	e.key(k)
	e.quote()
	e.b = r.appendWord(e.b, n)
	e.quote()
}

func (e *enc) digits(k string, r *rng, n int) {
	e.key(k)
	e.quote()
	e.b = r.appendDigits(e.b, n)
	e.quote()
}

const hexDigits = "0123456789abcdef"

// appendString appends s quoted. Like Stripe it escapes what JSON demands and
// nothing else; invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
