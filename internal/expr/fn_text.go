package expr

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

var theText = param{name: "s", about: "the text", types: textType}

func textFunctions() []*function {
	text := func(name, about, example, gives string, do func(string) string) *function {
		return &function{
			name: name, category: catText, about: about, returns: "the text", result: textType,
			params: []param{theText}, example: example, gives: gives,
			call: func(a args) (Value, error) { return TextOf(do(a.text(0))), nil },
		}
	}
	lower := text("lower", "Converts a text to lower case.", `lower("HeLLo")`, `"hello"`, strings.ToLower)
	upper := text("upper", "Converts a text to upper case.", `upper("HeLLo")`, `"HELLO"`, strings.ToUpper)
	separator := param{name: "sep", about: "what stands between the parts", types: textType}
	return []*function{
		{
			name: "concat", category: catText, about: "Joins texts; null counts as empty.", returns: "the joined text",
			result: textType, params: []param{{name: "s", about: "a part", types: scalarType, null: true}}, repeat: 1,
			example: `concat("Hi, ", "there", "!")`, gives: `"Hi, there!"`, nulls: true,
			call: func(a args) (Value, error) { return a.join("", a.v) },
		},
		{
			name: "explode", category: catText, about: "Splits a text at a regular expression.", returns: "the parts",
			result: arrayType,
			params: []param{theText, {
				name: "regex", about: "where to split; a comma if absent", types: textType, optional: true, prepare: anyRegex,
			}},
			example: `explode("Hi, there!", " ")`, gives: `["Hi,","there!"]`,
			call: explode,
		},
		{
			name: "instr", category: catText, about: "Finds a text in another.",
			returns: "the index of the match, from 0, and -1 if there is none", result: intType,
			params: []param{
				theText,
				{name: "sub", about: "what to find", types: textType},
				{name: "start", about: "where to begin, from 0", types: intType, optional: true},
				{name: "occurrence", about: "which match, from 1", types: intType, optional: true},
			},
			example: `instr("adobe.com", "com")`, gives: `6`,
			call: instr,
		},
		{
			name: "replacestr", category: catText, about: "Replaces a text in another wherever it stands.",
			returns: "the changed text", result: textType,
			params: []param{
				theText,
				{name: "find", about: "what to replace, as it stands", types: textType},
				{name: "repl", about: "what to put in its place", types: textType},
			},
			example: `replacestr("This is a string re test", "re", "replace")`, gives: `"This is a string replace test"`,
			call: func(a args) (Value, error) {
				s, find, repl := a.text(0), a.text(1), a.text(2)
				if find == "" {
					return a.v[0], nil
				}
				if err := a.fits(len(s) + strings.Count(s, find)*(len(repl)-len(find))); err != nil {
					return Value{}, err
				}
				return TextOf(strings.ReplaceAll(s, find, repl)), nil
			},
		},
		{
			name: "substr", category: catText, about: "Cuts a part out of a text.", returns: "the part", result: textType,
			params: []param{
				theText,
				{name: "start", about: "its first character, from 0", types: intType},
				{name: "length", about: "how many characters", types: intType},
			},
			example: `substr("This is a substring test", 7, 8)`, gives: `" a subst"`,
			call: func(a args) (Value, error) {
				start, err := a.count(1, 0, maxCount)
				if err != nil {
					return Value{}, err
				}
				n, err := a.count(2, 0, maxCount)
				return TextOf(head(tail(a.text(0), start), n)), err
			},
		},
		lower, alias(lower, "lcase"),
		upper, alias(upper, "ucase"),
		{
			name: "split", category: catText, about: "Splits a text at each of the separator's characters.",
			returns: "the parts", result: arrayType,
			params:  []param{theText, {name: "sep", about: "characters to split at", types: textType}},
			example: `split("Hello world", " ")`, gives: `["Hello","world"]`,
			call: split,
		},
		{
			name: "join", category: catText, about: "Joins the elements of an array.", returns: "the joined text",
			result: textType, params: []param{separator, {name: "array", about: "the parts", types: arrayType, null: true}},
			example: `join(" ", to_array(true, "Hello", "world"))`, gives: `"Hello world"`,
			call: func(a args) (Value, error) {
				if !a.has(1) {
					return Value{}, nil
				}
				return a.join(a.text(0), a.v[1].Items())
			},
		},
		pad("lpad", "left", `"yzyzybat"`), pad("rpad", "right", `"batyzyzy"`),
		end("left", "first", `"ab"`, head),
		end("right", "last", `"de"`, func(s string, n int) string { return tail(s, utf8.RuneCountInString(s)-n) }),
		text("ltrim", "Removes blanks on the left.", `ltrim(" hello")`, `"hello"`, func(s string) string {
			return strings.TrimLeftFunc(s, unicode.IsSpace)
		}),
		text("rtrim", "Removes blanks on the right.", `rtrim("hello ")`, `"hello"`, func(s string) string {
			return strings.TrimRightFunc(s, unicode.IsSpace)
		}),
		text("trim", "Removes blanks on both sides.", `trim(" hello ")`, `"hello"`, strings.TrimSpace),
		same("equals", "Compares two texts.", `"string1".equals("STRING1")`, `false`, func(a, b string) bool { return a == b }),
		same("equalsIgnoreCase", "Compares two texts whatever their case.",
			`"string1".equalsIgnoreCase("STRING1")`, `true`, strings.EqualFold),
	}
}

// join joins the texts of vals, which are no arrays or objects.
func (a args) join(sep string, vals []Value) (Value, error) {
	var b strings.Builder
	for i, v := range vals {
		if v.kind == Array || v.kind == Map {
			return Value{}, a.fail(-1, "element %d is an %s, not a text", i, v.kind)
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(v.Text())
		if err := a.fits(b.Len()); err != nil {
			return Value{}, err
		}
	}
	return TextOf(b.String()), nil
}

// head returns the first n characters of s.
func head(s string, n int) string { return s[:offset(s, n)] }

// tail returns s without its first n characters.
func tail(s string, n int) string { return s[offset(s, n):] }

// offset returns where the character n of s begins, and its end if there are
// fewer.
func offset(s string, n int) int {
	if n >= len(s) {
		return len(s)
	}
	for i := range s {
		if n <= 0 {
			return i
		}
		n--
	}
	return len(s)
}

func instr(a args) (Value, error) {
	s, sub, start, nth := a.text(0), a.text(1), 0, 1
	var err error
	if len(a.v) > 2 {
		if start, err = a.count(2, 0, maxCount); err != nil {
			return Value{}, err
		}
	}
	if len(a.v) > 3 {
		if nth, err = a.count(3, 1, maxCount); err != nil {
			return Value{}, err
		}
	}
	if start > utf8.RuneCountInString(s) {
		return IntOf(-1), nil
	}
	at := offset(s, start)
	for {
		i := strings.Index(s[at:], sub)
		if i < 0 {
			return IntOf(-1), nil
		}
		at += i
		if nth--; nth == 0 {
			return IntOf(int64(utf8.RuneCountInString(s[:at]))), nil
		}
		if at == len(s) {
			return IntOf(-1), nil
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		at += n
	}
}

func split(a args) (Value, error) {
	s, separators := a.text(0), a.text(1)
	if separators == "" {
		return Value{}, a.fail(1, "is empty")
	}
	// As many elements as separators, so that places keep their meaning.
	out := []Value{}
	for {
		i := strings.IndexAny(s, separators)
		if i < 0 {
			return ArrayOf(append(out, TextOf(s))), nil
		}
		out = append(out, TextOf(s[:i]))
		if err := a.few(len(out)); err != nil {
			return Value{}, err
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		s = s[i+n:]
	}
}

func pad(name, side, gives string) *function {
	return &function{
		name: name, category: catText, about: "Pads a text on the " + side + ".", returns: "the text, not shorter than before",
		result: textType,
		params: []param{
			{name: "s", about: "the text; null counts as empty", types: textType},
			{name: "n", about: "how many characters it is to have", types: intType},
			{name: "pad", about: "what to pad with; a blank if empty or null", types: textType, null: true},
		},
		example: name + `("bat", 8, "yz")`, gives: gives, nulls: true,
		call: func(a args) (Value, error) {
			n, err := a.count(1, 0, maxWeight)
			if err != nil {
				return Value{}, err
			}
			with := a.text(2)
			if with == "" {
				with = " "
			}
			n -= utf8.RuneCountInString(a.text(0))
			if n <= 0 {
				return TextOf(a.text(0)), nil
			}
			if err := a.fits(len(a.text(0)) + n*utf8.UTFMax); err != nil {
				return Value{}, err
			}
			fill := head(strings.Repeat(with, n/utf8.RuneCountInString(with)+1), n)
			if name == "lpad" {
				return TextOf(fill + a.text(0)), nil
			}
			return TextOf(a.text(0) + fill), nil
		},
	}
}

func end(name, which, gives string, take func(s string, n int) string) *function {
	return &function{
		name: name, category: catText, about: "Takes the " + which + " characters of a text.", returns: "the part", result: textType,
		params:  []param{theText, {name: "n", about: "how many characters", types: intType}},
		example: name + `("abcde", 2)`, gives: gives,
		call: func(a args) (Value, error) {
			n, err := a.count(1, 0, maxCount)
			if err != nil {
				return Value{}, err
			}
			return TextOf(take(a.text(0), n)), nil
		},
	}
}

func same(name, about, example, gives string, eq func(a, b string) bool) *function {
	return &function{
		name: name, category: catText, about: about, returns: "whether they are equal", result: boolType,
		params: []param{
			{name: "s1", about: "one text", types: textType},
			{name: "s2", about: "the other; null is equal to none", types: textType, null: true},
		},
		example: example, gives: gives, method: true,
		call: func(a args) (Value, error) { return BoolOf(a.has(1) && eq(a.text(0), a.text(1))), nil },
	}
}
