package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// InRevision adds the revision of the object that is answered with, as an ETag.
func (a *Answer) InRevision(revision int64) *Answer {
	if a.Header == nil {
		a.Header = http.Header{}
	}
	a.Header.Set("ETag", strconv.Quote(strconv.FormatInt(revision, 10)))
	return a
}

// IfRevision returns what refuses a change of an object, a what, that is in
// another revision than the call's If-Match says; problem.Stale. Without the
// header, and with "*", all are fine.
func (c *Call) IfRevision(what string) func(revision int64) error {
	said := strings.Trim(strings.TrimPrefix(strings.TrimSpace(c.HTTP.Header.Get("If-Match")), "W/"), `"`)
	return func(revision int64) error {
		if now := strconv.FormatInt(revision, 10); said != "" && said != "*" && said != now {
			return problem.Errorf(problem.Stale, "the %s has version %s by now, and If-Match says another", what, now)
		}
		return nil
	}
}
