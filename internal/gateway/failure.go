package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// A Failure is a refusal with all that the shapes of the services need.
type Failure struct {
	Status int
	Code   string         // the service's own, such as XDM-1012-404; may be empty
	Title  string         // a few words; may be empty
	Detail string         // what happened, to which object or field, what to do
	Report map[string]any // more members for shapes that have a report; may be nil
	Header http.Header    // may be nil
	Err    error          // cause; logged, never told
	gate   bool           // the door's own refusal, in the door's own shape
}

func (f *Failure) Error() string {
	s := f.Detail
	if f.Code != "" {
		s = f.Code + ": " + s
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Fail returns a failure of a service.
func Fail(status int, code, title, format string, args ...any) *Failure {
	return &Failure{Status: status, Code: code, Title: title, Detail: fmt.Sprintf(format, args...)}
}

func gate(status int, code, message string) *Failure {
	return &Failure{Status: status, Code: code, Detail: message, gate: true}
}

// Observability is the shape of failures that Observability has, and with it the
// services that the original lacks. A failure without a code of its own has the
// service's, followed by the status: ALERT-1000 gives ALERT-1000-404.
func Observability(code string) Shape {
	return func(f *Failure, _ string) any {
		full, title := f.Code, f.Title
		if full == "" {
			full = code + "-" + strconv.Itoa(f.Status)
		}
		if title == "" {
			title = http.StatusText(f.Status)
		}
		return map[string]any{
			"errorCode": full, "httpStatus": strings.ToUpper(strings.ReplaceAll(http.StatusText(f.Status), " ", "_")), "title": title, "details": []string{f.Detail},
		}
	}
}
