package expr

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxRegex is how many bytes a regular expression may have.
const maxRegex = 1000

// compileRegex reads a regular expression. It is RE2's language: what it takes
// means the same in Java's, but for $, which Java lets match before a line
// break at the end. Java's lookaround, backreferences, atomic groups,
// possessive repetition, character class intersection and \R, \X, \h don't
// exist, so that no text takes more than linear time.
func compileRegex(s string) (*regexp.Regexp, error) {
	if len(s) > maxRegex {
		return nil, fmt.Errorf("a regular expression of more than %d bytes", maxRegex)
	}
	re, err := regexp.Compile(s)
	if err == nil {
		return re, nil
	}
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
	return nil, fmt.Errorf("not a regular expression: %s", reason)
}

// wholeRegex matches the whole of a text only.
func wholeRegex(s string) (*regexp.Regexp, error) {
	if _, err := compileRegex(s); err != nil { // ")(" is not to close our group
		return nil, err
	}
	return compileWhole(s)
}

func compileWhole(s string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(`\A(?:` + s + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("not a regular expression: %w", err)
	}
	return re, nil
}

func anyRegex(s string) (any, error)   { return compileRegex(s) }
func exactRegex(s string) (any, error) { return wholeRegex(s) }

// matchWork is what it takes to match s.
func matchWork(s string, re *regexp.Regexp) int { return len(s) * (2 + len(re.String())/8) }

// regex returns the regular expression at i, and pays for matching the text
// before it.
func (a args) regex(i int) (*regexp.Regexp, error) {
	made, err := a.made(i)
	if err != nil {
		return nil, err
	}
	re := made.(*regexp.Regexp)
	return re, a.spend(matchWork(a.text(0), re))
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
	if err := a.few(len(parts)); err != nil {
		return Value{}, err
	}
	out := make([]Value, len(parts))
	for i, s := range parts {
		out[i] = TextOf(s)
	}
	return ArrayOf(out), nil
}
