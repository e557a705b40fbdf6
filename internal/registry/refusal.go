package registry

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// A refusal is a failure that the registry has a number for.
type refusal struct {
	code    code
	problem *problem.Error
}

func (r *refusal) Error() string { return r.problem.Error() }

// Unwrap gives the refusal its kind.
func (r *refusal) Unwrap() error { return r.problem }

// A code is a number of the registry's with its title.
type code struct {
	number, status int
	title          string
}

// The numbers up to 1012, 1855 and 3005 are the original's; the others were
// never published and are ours.
var (
	acceptList             = code{1006, 400, "Accept header invalid"}
	acceptLookup           = code{1007, 400, "Accept header invalid"}
	acceptDescriptorList   = code{1008, 400, "Accept header invalid"}
	acceptDescriptorLookup = code{1009, 400, "Accept header invalid"}
	notAcceptable          = code{1010, 406, "Format not available"}
	notFound               = code{1012, 404, "Resource Not Found"}
	invalidResource        = code{1510, 400, "Resource not valid"}
	noReference            = code{1511, 400, "Reference not found"}
	breakingChange         = code{1512, 400, "Breaking change"}
	inUse                  = code{1513, 400, "Resource in use"}
	readOnly               = code{1514, 400, "Member is read-only"}
	invalidDescriptor      = code{1515, 400, "Descriptor not valid"}
	invalidQuery           = code{1517, 400, "Query not valid"}
	titleTaken             = code{1521, 400, "Title not unique"}
	versionOnKey           = code{1855, 400, "Descriptor not valid"}
	forbidden              = code{1403, 403, "Forbidden"}
	importFailed           = code{3005, 400, "Import Resource Failed"}
)

func (c code) String() string { return fmt.Sprintf("XDM-%d-%d", c.number, c.status) }

// refuse returns a refusal. Its kind follows from the status.
func refuse(c code, format string, args ...any) error {
	kind := problem.Invalid
	switch c.status {
	case 403:
		kind = problem.Forbidden
	case 404:
		kind = problem.NotFound
	}
	return &refusal{c, &problem.Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}}
}

// missing is the refusal of a resource that is not there.
func missing(id string) error {
	return refuse(notFound, "Requested resource %s with version 1 is not found", id)
}

// failure gives a refusal the form in which the gateway tells it.
func failure(err error) error {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return err
	}
	return &gateway.Failure{Status: r.code.status, Code: r.code.String(), Title: r.code.title, Detail: err.Error()}
}

// shape words a failure as the registry does.
func (s *Service) shape(f *gateway.Failure, requestID string) any {
	c := f.Code
	if c == "" {
		number := 1000 + f.Status
		if f.Status == notFound.status {
			number = notFound.number
		}
		c = code{number: number, status: f.Status}.String()
	}
	report := map[string]any{}
	maps.Copy(report, f.Report)
	report["registryRequestId"] = requestID
	report["timestamp"] = stamp(s.Now())
	report["detailed-message"] = f.Detail
	report["sub-errors"] = []any{}
	return map[string]any{"type": "http://ns.adobe.com/aep/errors/" + c, "title": f.Title, "status": f.Status, "report": report, "detail": f.Detail}
}

// stamp writes a time as the registry's reports do: 10-22-2020 06:42:13.
func stamp(t time.Time) string { return t.UTC().Format("01-02-2006 15:04:05") }
