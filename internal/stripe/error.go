package stripe

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// An Error is a request that failed: Stripe's refusal, an answer that is not
// Stripe's, or no answer. No field holds a key.
//
// NotFound means that Stripe says the object is gone, and nothing else: an
// object of the other mode is a Conflict, an unknown address Invalid.
type Error struct {
	Kind       problem.Kind
	Detail     string // what happened: one clause
	Advice     string // what the user can do: one sentence, or ""
	Method     string // "" for GET
	Endpoint   string // "/v1/charges/{id}"
	Status     int    // HTTP status; 0 when there was no answer
	Type       string // Stripe's error type
	Code       string // Stripe's error code, or the error of an OAuth answer
	Param      string // the parameter that Stripe objects to
	Message    string // Stripe's message, redacted
	RequestID  string // req_…; "" when Stripe's API was not reached
	Reason     string // Stripe-Rate-Limited-Reason
	Permission string // what a restricted key lacks: "rak_charge_read"
	Tries      int    // attempts made

	err     error // cause without an answer
	show    bool  // whether Message belongs in the text
	global  bool
	retry   verdict
	wait    time.Duration // Retry-After
	heavy   bool          // a smaller page may help
	tooBig  bool          // only a smaller page can help
	barred  bool          // err is Client.Admit's
	account string        // acct_… that a refusal names
}

// A verdict says whether the same read may be tried again.
type verdict uint8

const (
	never   verdict = iota
	again           // the usual number of tries
	limited         // as long as time allows: Stripe asks for patience
	connect         // a few tries: nobody may be there
)

func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(e.Detail)
	if e.show && e.Message != "" {
		s.WriteString(": " + strings.TrimRight(e.Message, ". "))
	}
	facts := []string{cmp.Or(e.Method, http.MethodGet) + " " + e.Endpoint}
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("HTTP %d", e.Status))
	}
	for _, f := range []string{e.Code, e.Reason, e.RequestID} {
		if f != "" {
			facts = append(facts, f)
		}
	}
	if e.Tries > 1 {
		facts = append(facts, fmt.Sprintf("%d tries", e.Tries))
	}
	s.WriteString(" (" + strings.Join(facts, ", ") + ")")
	if e.Advice != "" {
		s.WriteString(". " + e.Advice)
	}
	return s.String()
}

// Unwrap returns the network's error, or nil.
func (e *Error) Unwrap() error { return e.err }

// ProblemKind tells the rest of the program what to do.
func (e *Error) ProblemKind() problem.Kind { return e.Kind }

// Global reports whether every other read with this key would fail the same
// way: the key, the account or the address is wrong.
func (e *Error) Global() bool { return e.global }

// doubt judges e anew when nothing has come from Stripe yet: what is not its
// answer may be somebody else's, and a host that is silent may be none.
func (e *Error) doubt() {
	if e.retry != again || e.tooBig || e.Status >= http.StatusMultipleChoices {
		return
	}
	e.retry, e.global = connect, true
	e.Advice = "Check the network and the Stripe URL."
	if e.Status == http.StatusOK && errors.Is(e.err, errNotJSON) {
		e.Detail, e.Advice = foreign.detail, foreign.advice
	}
}

// CursorGone reports whether the object named by starting_after or
// ending_before is not there any more.
func (e *Error) CursorGone() bool {
	return e.Kind == problem.NotFound && (e.Param == "starting_after" || e.Param == "ending_before")
}
