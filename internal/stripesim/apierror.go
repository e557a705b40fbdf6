package stripesim

import (
	"fmt"
	"net/http"
	"strings"
)

// An apiError is a refusal with Stripe's error object as its body.
type apiError struct {
	status  int
	code    string // may be empty
	message string
	param   string // may be empty
	reason  string // Stripe-Rate-Limited-Reason; may be empty
	silent  bool   // without Request-Id
}

func (a *apiError) Error() string { return a.message }

func (a *apiError) body() []byte {
	e := &enc{}
	e.open('{')
	e.obj("error")
	if a.code != "" {
		e.str("code", a.code)
		e.str("doc_url", "https://stripe.com/docs/error-codes/"+strings.ReplaceAll(a.code, "_", "-"))
	}
	e.str("message", a.message)
	if a.param != "" {
		e.str("param", a.param)
	}
	e.str("type", "invalid_request_error")
	e.close('}')
	e.close('}')
	return append(e.b, '\n')
}

func badRequest(code, param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, param: param, message: fmt.Sprintf(format, args...)}
}

func unknownParameter(name string) *apiError {
	return badRequest("parameter_unknown", name, "Received unknown parameter: %s", name)
}

// missing says that no such object exists; where names the parameter that held
// the id.
func missing(status int, noun, id, where string) *apiError {
	return &apiError{status: status, code: "resource_missing", param: where, message: fmt.Sprintf("No such %s: '%s'", noun, id)}
}

func unknownURL(method, path string) *apiError {
	return &apiError{
		status: http.StatusNotFound,
		message: fmt.Sprintf("Unrecognized request URL (%s: %s). If you are trying to list objects, remove the trailing slash. "+
			"If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code.", method, path),
	}
}

// noun is what error messages call an object of the resource.
func (r Resource) noun() string {
	if r == BalanceTransactions {
		return "balance transaction"
	}
	return strings.TrimSuffix(string(r), "s")
}

func rateLimited(reason string) *apiError {
	return &apiError{
		status: http.StatusTooManyRequests, code: "rate_limit", reason: reason,
		message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
	}
}
