package registry

import (
	"context"
	"encoding/json"
	"math"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Sample returns a record that fits a schema: the same one each time. A string
// whose limits no sample was found for is left out.
func (s *Service) Sample(ctx context.Context, c access.Caller, id string) (json.RawMessage, error) {
	comp, err := s.Composition(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return jsondoc.Marshal(sampleObject(comp.Fields))
}

func sampleObject(fields []*xdm.Field) *jsondoc.Object {
	o := &jsondoc.Object{}
	for _, f := range fields {
		if v := sample(f); v != nil {
			o.Set(f.Name, v)
		}
	}
	return o
}

// sample returns a value of a field, nil if none was found.
func sample(f *xdm.Field) any {
	switch f.Kind {
	case xdm.Object:
		return sampleObject(f.Fields)
	case xdm.Array, xdm.Map:
		v := sample(f.Elem)
		switch {
		case f.Kind == xdm.Array && v == nil:
			return []any{}
		case f.Kind == xdm.Array:
			return []any{v}
		case v == nil:
			return &jsondoc.Object{}
		}
		return jsondoc.Of("key", v)
	case xdm.Boolean:
		return true
	case xdm.Date:
		return "2026-01-31"
	case xdm.DateTime:
		return "2026-01-31T12:00:00.000Z"
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte, xdm.Double:
		return sampleNumber(f)
	case xdm.String:
	}
	return sampleText(f)
}

func sampleNumber(f *xdm.Field) any {
	v := 42.0
	if f.Kind == xdm.Double {
		v = 4.2
	}
	if l := f.Limits; l != nil {
		if l.Min != nil {
			v = math.Max(v, *l.Min)
		}
		if l.Max != nil {
			v = math.Min(v, *l.Max)
		}
	}
	if f.Kind == xdm.Double {
		return v
	}
	if l := f.Limits; l != nil && l.Min != nil && v == *l.Min {
		v = math.Ceil(v)
	}
	return json.Number(strconv.FormatInt(int64(v), 10))
}

func sampleText(f *xdm.Field) any {
	text := "sample"
	switch l := f.Limits; {
	case f.JSON:
		return "{}"
	case l == nil && len(f.Enum) > 0:
		return f.Enum[0]
	case l == nil:
		return text
	case l.Values != nil:
		for _, v := range l.Values {
			if fits(v, l) {
				return v
			}
		}
		return nil
	case l.Pattern != "":
		text = matching(l.Pattern)
	}
	l := f.Limits
	if l.MinLength != nil && *l.MinLength <= 1<<16 {
		for utf8.RuneCountInString(text) < *l.MinLength {
			text += "x"
		}
	}
	if l.MaxLength != nil && utf8.RuneCountInString(text) > *l.MaxLength {
		text = string([]rune(text)[:*l.MaxLength])
	}
	if !fits(text, l) {
		return nil
	}
	return text
}

// fits says whether a string is within limits.
func fits(s string, l *xdm.Limits) bool {
	n := utf8.RuneCountInString(s)
	if l.MinLength != nil && n < *l.MinLength || l.MaxLength != nil && n > *l.MaxLength {
		return false
	}
	ok, err := regexp.MatchString(l.Pattern, s)
	return err == nil && ok
}

// matching returns a text that a regular expression matches, as far as it can
// be made without looking around.
func matching(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	write(&b, re.Simplify())
	return b.String()
}

func write(b *strings.Builder, re *syntax.Regexp) {
	const most = 1 << 12 // repetitions of repetitions end here
	if b.Len() > most {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			b.WriteRune(printable(re.Rune))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			write(b, sub)
		}
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		write(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			write(b, re.Sub[0])
		}
	default: // what may be nothing, is nothing
	}
}

// printable returns a character of a class, a letter or digit if it has one.
func printable(ranges []rune) rune {
	for _, want := range "aA0" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= want && want <= ranges[i+1] {
				return want
			}
		}
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] > ' ' {
			return ranges[i]
		}
	}
	return ranges[0]
}
