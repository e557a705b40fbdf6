package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

const (
	// maxRegex is how many bytes a regular expression may have.
	maxRegex = 1000
	// maxProgram is how many steps it may have once its repetitions are written
	// out.
	maxProgram = 5000
)

// A regex is a compiled regular expression and how many steps it has.
type regex struct {
	*regexp.Regexp
	steps int
}

// compileRegex reads a regular expression. It is RE2's language: what it takes
// means the same in Java's, but for $, which Java lets match before a line
// break at the end. Java's lookaround, backreferences, atomic groups,
// possessive repetition, character class intersection and \R, \X, \h don't
// exist, so that no text takes more than linear time.
func compileRegex(s string) (*regex, error) { return compileAround("", s, "") }

// wholeRegex matches the whole of a text only.
func wholeRegex(s string) (*regex, error) { return compileAround(`\A(?:`, s, `)\z`) }

func compileAround(before, s, after string) (*regex, error) {
	if len(s) > maxRegex {
		return nil, fmt.Errorf("a regular expression of more than %d bytes", maxRegex)
	}
	tree, err := syntax.Parse(s, syntax.Perl) // by itself: ")(" is not to close our group
	if err != nil {
		return nil, notRegex(s, err)
	}
	steps := programSize(tree)
	if steps > maxProgram {
		return nil, fmt.Errorf("a regular expression that repeats too much")
	}
	re, err := regexp.Compile(before + s + after)
	if err != nil {
		return nil, notRegex(s, err)
	}
	return &regex{re, steps}, nil
}

// programSize is about how many steps a tree has with its repetitions written
// out.
func programSize(re *syntax.Regexp) int {
	size := 1
	if re.Op == syntax.OpLiteral {
		size = len(re.Rune)
	}
	for _, sub := range re.Sub {
		size = min(size+programSize(sub), 2*maxProgram)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(1, re.Min, re.Max)
	}
	return min(size, 2*maxProgram)
}

func notRegex(s string, err error) error {
	reason := err.Error()
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		reason = fmt.Sprintf("%s in %q", e.Code, e.Expr)
	}
	for _, java := range []struct{ mark, name string }{
		{"(?=", "lookahead"},
		{"(?!", "lookahead"},
		{"(?<=", "lookbehind"},
		{"(?<!", "lookbehind"},
		{"(?>", "atomic groups"},
		{"*+", "possessive repetition"},
		{"++", "possessive repetition"},
		{"?+", "possessive repetition"},
		{`\1`, "backreferences"},
		{`\k<`, "backreferences"},
	} {
		if strings.Contains(s, java.mark) {
			reason += "; " + java.name + " of Java's regular expressions can't be used"
			break
		}
	}
	return fmt.Errorf("not a regular expression: %s", reason)
}

func anyRegex(s string) (any, error)   { return compileRegex(s) }
func exactRegex(s string) (any, error) { return wholeRegex(s) }

// work is what it takes to match s.
func (re *regex) work(s string) int { return len(s) * (2 + re.steps) }

// regex returns the regular expression at i, and pays for matching the text
// before it.
func (a args) regex(i int) (*regex, error) {
	made, err := a.made(i)
	if err != nil {
		return nil, err
	}
	re := made.(*regex)
	return re, a.spend(re.work(a.text(0)))
}

func regexFunctions() []*function {
	pattern := param{name: "regex", about: "the regular expression", types: textType, prepare: anyRegex}
	whole := pattern
	whole.prepare = exactRegex
	return []*function{
		{
			name: "extract_regex", category: catRegex, about: "Finds a regular expression in a text.",
			returns: "the match and its groups; nothing if there is none", result: arrayType,
			params:  []param{theText, pattern},
			example: `extract_regex("E259,E259B_009,1_1", "([^,]+),[^,]*,([^,]+)")`, gives: `["E259,E259B_009,1_1","E259","1_1"]`,
			call: func(a args) (Value, error) {
				re, err := a.regex(1)
				if err != nil {
					return Value{}, err
				}
				at := re.FindStringSubmatchIndex(a.text(0))
				out := make([]Value, len(at)/2)
				for i := range out {
					if at[2*i] >= 0 { // a group that took part
						out[i] = TextOf(a.text(0)[at[2*i]:at[2*i+1]])
					}
				}
				return ArrayOf(out), nil
			},
		},
		{
			name: "matches_regex", category: catRegex, about: "Compares a text with a regular expression.",
			returns: "whether the whole text matches", result: boolType, params: []param{theText, whole},
			example: `matches_regex("E259,E259B_009,1_1", "([^,]+),[^,]*,([^,]+)")`, gives: `true`,
			call: func(a args) (Value, error) {
				re, err := a.regex(1)
				if err != nil {
					return Value{}, err
				}
				return BoolOf(re.MatchString(a.text(0))), nil
			},
		},
	}
}

func explode(a args) (Value, error) {
	var parts []string
	if len(a.v) == 1 {
		parts = strings.SplitN(a.text(0), ",", maxItems+1)
	} else {
		re, err := a.regex(1)
		if err != nil {
			return Value{}, err
		}
		parts = re.Split(a.text(0), maxItems+1)
	}
	if err := a.spend(128 * len(parts)); err != nil {
		return Value{}, err
	}
	if err := a.few(len(parts)); err != nil {
		return Value{}, err
	}
	out := make([]Value, len(parts))
	for i, s := range parts {
		out[i] = TextOf(s)
	}
	return ArrayOf(out), nil
}
