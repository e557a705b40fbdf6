package expr

import (
	"strconv"
	"unicode/utf8"
)

// timeText is how a date-time becomes text: whole seconds, as Data Prep prints
// them, but with its true offset. A fraction stays in the value; format shows
// it.
const timeText = "2006-01-02T15:04:05Z07:00"

// Text returns v as a text: numbers in their shortest decimal form, date-times
// like 2019-10-23T11:24:35Z, arrays and objects as JSON, null as "".
func (v Value) Text() string {
	switch v.kind {
	case Null:
		return ""
	case Text:
		return v.s
	case Time:
		return v.time().Format(timeText)
	default:
		return string(v.AppendJSON(nil))
	}
}

// AppendJSON appends v as JSON text: exact numbers, date-times as strings.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.bool())
	case Int:
		return strconv.AppendInt(dst, v.n, 10)
	case Decimal:
		return append(dst, v.number().String()...)
	case Text, Time:
		return appendQuoted(dst, v.Text())
	case Array:
		dst = append(dst, '[')
		for i, item := range v.Items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.AppendJSON(dst)
		}
		return append(dst, ']')
	default:
		dst = append(dst, '{')
		keys, vals := v.Members()
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, k), ':')
			dst = vals[i].AppendJSON(dst)
		}
		return append(dst, '}')
	}
}

// appendQuoted appends s between double quotes, in the form that both JSON and
// expressions read.
func appendQuoted(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
		switch {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < ' ', c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
