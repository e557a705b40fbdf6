package stripe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// refused turns an answer other than 200 into an Error. body may be anything.
func refused(key Key, endpoint string, status int, h http.Header, body []byte, now time.Time) *Error {
	e := &Error{
		Endpoint: endpoint, Status: status,
		RequestID: requestID(key, h), Reason: token(key.Redact(h.Get("Stripe-Rate-Limited-Reason"))),
		wait: retryAfter(h, now),
	}
	judge := byStatus(status)
	switch {
	case e.decode(key, body):
		if r, ok := e.match(); ok {
			judge = r
		}
	case status == http.StatusNotFound:
		judge = foreign // and not a deleted object
	case status < 500 && status != http.StatusTooManyRequests:
		kind := judge.kind
		judge = foreign
		judge.kind, judge.global = kind, true
	}
	e.Kind, e.Detail, e.Advice, e.global, e.show = judge.kind, judge.detail, judge.advice, judge.global, judge.show
	e.explain(judge.cause)
	e.retry = e.verdict(h.Get("Stripe-Should-Retry"))
	e.heavy = status >= 500 || strings.HasSuffix(e.Reason, "-concurrency")
	return e
}

// decode reads Stripe's error object, or OAuth's, and reports whether body was one.
func (e *Error) decode(key Key, body []byte) bool {
	var answer struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Error) == 0 || string(answer.Error) == "null" {
		return false
	}
	var fields struct{ Type, Code, Param, Message string }
	if json.Unmarshal(answer.Error, &fields.Code) == nil { // OAuth's form
		fields.Message = answer.Description
	} else if err := json.Unmarshal(answer.Error, &fields); err != nil && answer.Error[0] != '{' {
		return false
	}
	e.Type, e.Code, e.Param = token(key.Redact(fields.Type)), token(key.Redact(fields.Code)), token(key.Redact(fields.Param))
	e.Message = message(key, fields.Message)
	return true
}

func (e *Error) match() (refusal, bool) {
	low := strings.ToLower(e.Message)
	says := func(r refusal) bool {
		return slices.ContainsFunc(r.phrases, func(p string) bool { return strings.Contains(low, p) })
	}
	if says(wrongMode) {
		return wrongMode, true
	}
	for _, r := range refusals {
		if slices.Contains(r.codes, e.Code) {
			return r, true
		}
	}
	if e.Status < 400 || e.Status > 404 {
		return refusal{}, false
	}
	for _, r := range refusals {
		switch {
		case !says(r):
		case r.cause == unknownVersion && e.Status != http.StatusBadRequest:
		case r.cause == objectGone && e.Status != http.StatusNotFound && e.Param == "":
		default:
			return r, true
		}
	}
	return refusal{}, false
}

var (
	permissionID = regexp.MustCompile(`'(?:rak_)?([a-z_]+_(?:read|write))'`)
	accountID    = regexp.MustCompile(`\bacct_[A-Za-z0-9]+`)
	ipAddress    = regexp.MustCompile(`[\[(]([0-9a-fA-F.:]+)[\])]`)
)

// explain adds what the message names: the permission, the account, the address.
func (e *Error) explain(c cause) {
	e.account = accountID.FindString(e.Message)
	switch {
	case c == missingPermission:
		var ids []string
		for _, m := range permissionID.FindAllStringSubmatch(e.Message, -1) {
			if id := "rak_" + m[1]; !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if id := permissionOf(e.Endpoint); len(ids) == 0 && id != "" {
			ids = []string{id}
		}
		if len(ids) > 0 {
			e.Permission = strings.Join(ids, ", ")
			e.Detail += ": " + permissionText(e.Permission)
		}
	case c == wrongAccount && e.account != "":
		e.Detail = "the Stripe account " + e.account + " does not exist or the key has no access to it"
	case c == addressRefused:
		if m := ipAddress.FindStringSubmatch(e.Message); m != nil {
			if addr, err := netip.ParseAddr(m[1]); err == nil {
				e.Detail += " (" + addr.String() + ")"
			}
		}
	}
}

// permissionText names permissions, comma separated, as the Dashboard does.
func permissionText(ids string) string {
	names := strings.Split(ids, ", ")
	for i, id := range names {
		if row := rowOf(id); row != "" {
			names[i] = fmt.Sprintf("%s (%s)", row, id)
		}
	}
	return strings.Join(names, ", ")
}

// verdict decides by status; Stripe's own word, should, overrules it for
// conflicts, locks and failures. A rate limit asks for a slower pace, not for
// giving up, whatever the header says.
func (e *Error) verdict(should string) verdict {
	switch {
	case e.Status == http.StatusTooManyRequests && e.Reason != "":
		return limited
	case e.Status == http.StatusFailedDependency:
		return again
	case should == "false":
		return never
	case e.Code == "lock_timeout":
		return again
	case e.Status == http.StatusTooManyRequests:
		return limited
	case e.Status == http.StatusConflict, e.Status >= 500:
		return again
	}
	return never
}

const maxRetryAfter = time.Minute

// retryAfter returns the wait that a Retry-After header asks for, at most a
// minute; 0 without one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	d := time.Duration(0)
	if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 {
		d = time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

var (
	providedKey = regexp.MustCompile(`(?i)(api key provided:).*`)
	mailAddress = regexp.MustCompile(`[^\s"'<>(),;:]+@[^\s"'<>(),;:]+\.[\pL\pN]+`)
)

// message makes Stripe's message fit for a log or a terminal: no key, no mail
// address, no control characters, no more than 500 bytes or so. What follows "API Key
// provided" is what was sent as a key, whatever it looks like.
func message(key Key, text string) string {
	if len(text) > 4096 {
		text = text[:4096]
	}
	text = mailAddress.ReplaceAllString(providedKey.ReplaceAllString(printable(text), "$1"), "***")
	text = key.Redact(text)
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "…"
	}
	return text
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, text)
}

// token returns text when it is a plain short word such as a code, else "".
func token(text string) string {
	plain := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.[]{}", r))
	}
	if len(text) > 100 || strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return ""
	}
	return text
}

func requestID(key Key, h http.Header) string { return token(key.Redact(h.Get("Request-Id"))) }
