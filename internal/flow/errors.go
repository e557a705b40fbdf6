package flow

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/stripe"
)

// fail returns a failure by its code, FLOW-1439-404 or CONNECTOR-1304-400, whose
// end is the HTTP status.
func fail(code, title, format string, args ...any) *gateway.Failure {
	status := http.StatusInternalServerError
	if i := strings.LastIndexByte(code, '-'); i >= 0 {
		if n, err := strconv.Atoi(code[i+1:]); err == nil {
			status = n
		}
	}
	return gateway.Fail(status, code, title, format, args...)
}

// invalid returns a failure about a field of what the client sent.
func invalid(code, field, format string, args ...any) *gateway.Failure {
	f := fail(code, "Bad request", format, args...)
	if field != "" {
		f.Report = map[string]any{"field": field}
	}
	return f
}

// lacking says that a field is missing.
func lacking(field string) *gateway.Failure {
	return invalid("FLOW-1455-400", field, "Missing field %q", field)
}

// usual are the codes of failures that the gateway words.
var usual = map[int]string{
	http.StatusBadRequest: "FLOW-1455-400", http.StatusUnauthorized: "FLOW-2115-401", http.StatusForbidden: "FLOW-2120-403", http.StatusNotFound: "FLOW-1439-404",
	http.StatusMethodNotAllowed: "FLOW-1402-405", http.StatusConflict: "FLOW-1416-409", http.StatusPreconditionFailed: "FLOW-1404-412",
	http.StatusRequestEntityTooLarge: "FLOW-1405-413", http.StatusUnsupportedMediaType: "FLOW-1405-415", http.StatusTooManyRequests: "FLOW-1105-429",
	http.StatusServiceUnavailable: "FLOW-1103-503", http.StatusGatewayTimeout: "FLOW-1104-504",
}

// shape words a failure as clients of Flow Service know it, in the older form and
// the newer one at once.
func shape(f *gateway.Failure, requestID string) any {
	code := f.Code
	if code == "" {
		code = usual[f.Status]
	}
	if code == "" {
		code = "FLOW-1400-" + strconv.Itoa(f.Status)
	}
	title := f.Title
	if title == "" {
		title = http.StatusText(f.Status)
	}
	report := map[string]any{"detailed-message": f.Detail, "request-id": requestID}
	maps.Copy(report, f.Report)
	return struct {
		Type         string         `json:"type"`
		Title        string         `json:"title"`
		Status       int            `json:"status"`
		Report       map[string]any `json:"report"`
		ErrorMessage string         `json:"errorMessage"`
		ErrorDetails string         `json:"errorDetails"`
	}{"https://ns.adobe.com/aep/errors/" + code, title, f.Status, report, f.Detail, f.Detail}
}

// sayable returns a failure that clients may be told as it is.
func sayable(err error) (*gateway.Failure, bool) { return errors.AsType[*gateway.Failure](err) }

// told is what Stripe said, its own message included.
func told(e *stripe.Error) string {
	text := e.Error()
	if e.Message != "" && !strings.Contains(text, strings.TrimRight(e.Message, ". ")) {
		text = strings.TrimRight(text, ". ") + ". Stripe's message: " + e.Message
	}
	return text
}

// turnedDown says whether Stripe itself refused the credentials: every other
// request with them would be refused as well.
func turnedDown(err error) (*stripe.Error, bool) {
	e, ok := errors.AsType[*stripe.Error](err)
	return e, ok && e.Global() && e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError && (e.Message != "" || e.RequestID != "")
}

// askFailure words a failure to ask the source. A refusal of the source's is
// never a 401 or a 403 of ours: a client would take it for its own token's.
func askFailure(err error) *gateway.Failure {
	if f, ok := sayable(err); ok {
		return f
	}
	e, ok := errors.AsType[*stripe.Error](err)
	var timeout net.Error
	switch {
	case ok && e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError:
		f := fail("CONNECTOR-1308-400", "Bad request", "The source refused the request: %s", told(e))
		f.Report = map[string]any{"sourceStatus": e.Status}
		return f
	case errors.Is(err, context.DeadlineExceeded), (!ok || e.Status == 0) && errors.As(err, &timeout) && timeout.Timeout():
		return fail("FLOW-1104-504", "Gateway timeout", "The source did not answer in time: try again later, or check the network")
	case ok:
		return fail("FLOW-1103-503", "Service unavailable", "The source can't be asked now: %s", told(e))
	}
	f := fail("FLOW-1103-503", "Service unavailable", "The source can't be asked now: %s", stripe.Redact(err.Error()))
	f.Err = err
	return f
}
