// Package problem has the few kinds of failure the product tells apart. The
// kind decides what happens next (retry, exit status, HTTP status); the detail
// and the advice are for the reader.
package problem

import (
	"errors"
	"fmt"
)

// Kind says what the caller should do about an error.
type Kind uint8

// The kinds. Only Unavailable is retried at once; after any other failure the
// next run resumes from the checkpoint.
const (
	Internal        Kind = iota // a defect of ours or of the machine (disk full)
	Invalid                     // the request or the flags are wrong
	NotFound                    // the named object does not exist
	Conflict                    // the state forbids it (directory bound to another account, locked)
	Stale                       // somebody else was faster
	Unauthenticated             // the credential was not accepted
	Forbidden                   // the credential lacks a permission
	Unavailable                 // the other side did not answer properly; trying again may help
)

var names = [...]string{"internal", "invalid", "not found", "conflict", "stale", "unauthenticated", "forbidden", "unavailable"}

func (k Kind) String() string { return names[k] }

// An Error is a failure that a user reads.
type Error struct {
	Kind   Kind
	Detail string // what happened and to which object or field: one sentence, lower case, no secret
	Advice string // what to do, one sentence; may be empty
	Err    error  // cause; may be nil
}

func (e *Error) Error() string {
	s := e.Detail
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Advice != "" {
		s += ". " + e.Advice
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ProblemKind implements the interface that KindOf looks for.
func (e *Error) ProblemKind() Kind { return e.Kind }

// KindOf returns the kind of the first error in err's chain that has one, and
// Internal for any other error.
func KindOf(err error) Kind {
	var k interface{ ProblemKind() Kind }
	if errors.As(err, &k) {
		return k.ProblemKind()
	}
	return Internal
}

// Errorf returns an Error of the given kind without cause or advice.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}
