// Package rawjson walks JSON text without building values: it finds where
// things start and end, and leaves their meaning to the caller. It exists
// because a page of objects passes through once, and everything else (maps,
// trees, reflection) costs more than the rest of the way to the disk.
//
// The grammar is RFC 8259. Strings are checked for control characters and
// UTF-8; nesting is unlimited here.
package rawjson

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// A SyntaxError says where the text stops being JSON.
type SyntaxError struct {
	Offset int    // byte offset in the text given
	Want   string // what should stand there
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: want %s", e.Offset, e.Want)
}

// ErrCut is in the chain of the error when the text ends too early.
var ErrCut = errors.New("the JSON text ends too early")

func errAt(i int, want string) error { return &SyntaxError{Offset: i, Want: want} }

func errCut(i int) error { return fmt.Errorf("%w, at byte %d", ErrCut, i) }

// Flags tell what a string holds.
type Flags uint8

// The flags of String.
const (
	Escaped   Flags = 1 << iota // has a backslash: its value needs Unquote
	Surrogate                   // has an escaped surrogate half without its partner
)

// SkipSpace returns the offset of the first byte at or after i that is not
// white space.
func SkipSpace(b []byte, i int) int {
	if i >= len(b) || b[i] > ' ' {
		return i
	}
	return skipSpace(b, i)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\r', '\t':
			i++
		case '\n':
			i++
			// Stripe indents: eight blanks at once.
			for i+8 <= len(b) && binary.LittleEndian.Uint64(b[i:]) == ones*' ' {
				i += 8
			}
		default:
			return i
		}
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// String returns the offset behind the string that starts with the quote at
// b[i].
func String(b []byte, i int) (end int, flags Flags, err error) {
	start := i
	i++
	high := false
	for {
		// Eight bytes at once while none is a quote, a backslash, a control
		// character or outside ASCII.
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q := w ^ (ones * '"')
			s := w ^ (ones * '\\')
			if ((q-ones)&^q|(s-ones)&^s|(w-ones*0x20)&^w|w)&highs != 0 {
				break
			}
			i += 8
		}
		for {
			if i >= len(b) {
				return 0, 0, errCut(i)
			}
			c := b[i]
			if c == '"' {
				if high && !utf8.Valid(b[start:i]) {
					return 0, 0, errAt(start, "valid UTF-8 in the string")
				}
				return i + 1, flags, nil
			}
			if c == '\\' {
				flags |= Escaped
				n, lone, err := escape(b, i)
				if err != nil {
					return 0, 0, err
				}
				if lone {
					flags |= Surrogate
				}
				i += n
				break
			}
			if c < 0x20 {
				return 0, 0, errAt(i, "no control character inside a string")
			}
			high = high || c >= utf8.RuneSelf
			i++
			if c < utf8.RuneSelf && i&7 == 0 {
				break
			}
		}
	}
}

// escape returns the length of the escape sequence at b[i] (a surrogate pair
// counts as one) and whether it is half a pair.
func escape(b []byte, i int) (n int, lone bool, err error) {
	if i+1 >= len(b) {
		return 0, false, errCut(i)
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, false, nil
	case 'u':
	default:
		return 0, false, errAt(i, "a valid escape")
	}
	r, err := hex4(b, i+2)
	if err != nil || !utf16.IsSurrogate(r) {
		return 6, false, err
	}
	if r < 0xdc00 && i+12 <= len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
		if low, err := hex4(b, i+8); err == nil && low >= 0xdc00 && low < 0xe000 {
			return 12, false, nil
		}
	}
	return 6, true, nil
}

func hex4(b []byte, i int) (rune, error) {
	if i+4 > len(b) {
		return 0, errCut(len(b))
	}
	var r rune
	for _, c := range b[i : i+4] {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r |= rune(c|0x20-'a') + 10
		default:
			return 0, errAt(i, "four hexadecimal digits")
		}
	}
	return r, nil
}

// Unquote appends the value of the string contents s (without its quotes) to
// dst. Half a surrogate pair becomes U+FFFD, as in encoding/json. s must have
// passed String.
func Unquote(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		switch s[i+1] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			n, lone, _ := escape(s, i)
			r, _ := hex4(s, i+2)
			switch {
			case lone:
				r = utf8.RuneError
			case n == 12:
				low, _ := hex4(s, i+8)
				r = utf16.DecodeRune(r, low)
			}
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		default:
			dst = append(dst, s[i+1])
		}
		i += 2
	}
	return dst
}

// Pair replaces each half of a surrogate pair in the string contents s by the
// escape of U+FFFD, in place: some readers refuse a whole document for one.
func Pair(s []byte) {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		n, lone, _ := escape(s, i)
		if lone {
			copy(s[i+2:], "fffd")
		}
		i += n - 1
	}
}

// Number returns the offset behind the number at b[i], and whether it is
// written as an integer (no fraction, no exponent).
func Number(b []byte, i int) (end int, integer bool, err error) {
	start := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	if i == digits || b[digits] == '0' && i-digits > 1 {
		return 0, false, errAt(start, "a number")
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		integer = false
		i++
		frac := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		if i == frac {
			return 0, false, errAt(i, "a digit")
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		integer = false
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exp := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		if i == exp {
			return 0, false, errAt(i, "a digit")
		}
	}
	return i, integer, nil
}

// ErrRange means that a number does not fit 64 bits.
var ErrRange = errors.New("does not fit a 64-bit integer")

// Int returns the value of a number that Number called an integer.
func Int(s []byte) (int64, error) {
	neg := len(s) > 0 && s[0] == '-'
	d := s
	if neg {
		d = s[1:]
	}
	if len(d) == 0 {
		return 0, errAt(0, "an integer")
	}
	var n uint64
	for _, c := range d {
		if c-'0' > 9 {
			return 0, errAt(0, "an integer")
		}
		if n > (math.MaxUint64-9)/10 {
			return 0, ErrRange
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), nil
	case !neg && n < 1<<63:
		return int64(n), nil
	}
	return 0, ErrRange
}

// literal returns the offset behind the word at b[i], which must be one of
// true, false, null.
func literal(b []byte, i int, word string) (int, error) {
	if len(b)-i < len(word) {
		return 0, errCut(len(b))
	}
	if string(b[i:i+len(word)]) != word {
		return 0, errAt(i, word)
	}
	return i + len(word), nil
}

// Literal returns the offset behind true, false or null at b[i].
func Literal(b []byte, i int) (int, error) {
	switch b[i] {
	case 't':
		return literal(b, i, "true")
	case 'f':
		return literal(b, i, "false")
	case 'n':
		return literal(b, i, "null")
	}
	return 0, errAt(i, "a value")
}

// Skip returns the offset behind the value at b[i]. It checks that brackets
// and strings are closed, not what stands between them or in them.
func Skip(b []byte, i int) (int, error) {
	if i >= len(b) {
		return 0, errCut(i)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	case 't', 'f', 'n':
		return Literal(b, i)
	}
	end, _, err := Number(b, i)
	return end, err
}

// structural marks the bytes that matter when a value is skipped.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

// skipNested skips an object or array without recursion: the text comes from
// outside, and its depth is not ours to trust.
func skipNested(b []byte, i int) (int, error) {
	var deep [64]byte
	open := deep[:0]
	for {
		for i < len(b) && !structural[b[i]] {
			i++
		}
		if i >= len(b) {
			return 0, errCut(i)
		}
		switch c := b[i]; c {
		case '"':
			end, err := skipString(b, i)
			if err != nil {
				return 0, err
			}
			i = end
			continue
		case '{', '[':
			open = append(open, c+2) // the closing bracket stands two behind
		case '}', ']':
			if open[len(open)-1] != c {
				return 0, errAt(i, string(rune(open[len(open)-1])))
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return i + 1, nil
			}
		}
		i++
	}
}

// skipString returns the offset behind the string at b[i], whatever it holds.
func skipString(b []byte, i int) (int, error) {
	for i++; ; i += 2 {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q := w ^ (ones * '"')
			s := w ^ (ones * '\\')
			if ((q-ones)&^q|(s-ones)&^s)&highs != 0 {
				break
			}
			i += 8
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) {
			return 0, errCut(i)
		}
		if b[i] == '"' {
			return i + 1, nil
		}
	}
}
