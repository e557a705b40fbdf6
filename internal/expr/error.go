package expr

import (
	"fmt"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Pos is a place in an expression's text. Both count from 1; columns count
// characters.
type Pos struct {
	Line, Column int
}

// An Error says why a text is no expression, or why an expression has no value
// for a record. Reason and Advice hold no values of the record, other than
// regular expressions that are wrong.
type Error struct {
	Pos      Pos
	Function string // that failed, or an operator; "" when the text itself is wrong
	Argument int    // from 1; 0 when it is about none in particular
	Reason   string
	Advice   string // may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d, column %d: ", e.Pos.Line, e.Pos.Column)
	if e.Function != "" {
		b.WriteString(e.Function + ": ")
	}
	if e.Argument > 0 {
		fmt.Fprintf(&b, "argument %d: ", e.Argument)
	}
	b.WriteString(e.Reason)
	if e.Advice != "" {
		b.WriteString("; " + e.Advice)
	}
	return b.String()
}

// ProblemKind implements what problem.KindOf looks for.
func (e *Error) ProblemKind() problem.Kind { return problem.Invalid }

func errorAt(p Pos, format string, args ...any) *Error {
	return &Error{Pos: p, Reason: fmt.Sprintf(format, args...)}
}

func (e *Error) advise(format string, args ...any) *Error {
	e.Advice = fmt.Sprintf(format, args...)
	return e
}
