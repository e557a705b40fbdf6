// Package app opens a directory and wires what a command needs: a pass over an
// account, a query, maintenance. It has no rules of its own.
package app

import (
	"errors"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Status is how a pass ended, of one resource or as a whole.
type Status string

// The statuses. Complete means that every range closed and every object
// landed; nothing less is called complete.
const (
	Complete Status = "complete"
	Partial  Status = "partial" // what is good has landed
	Failed   Status = "failed"  // nothing could be read
)

// A Report is what one pass did: what `sync --output json` prints.
type Report struct {
	Account   string           `json:"account"` // "" when the key may not see it
	Livemode  bool             `json:"livemode"`
	Status    Status           `json:"status"`
	RunID     string           `json:"run_id"`
	Resources []ResourceReport `json:"resources"`
	Budget    Budget           `json:"read_budget"`
	Duration  int64            `json:"duration_ms"`
	// Floor is the shortest time that the limits allow for the requests made,
	// 0 when there is no limit.
	Floor   int64  `json:"floor_ms"`
	Stopped bool   `json:"stopped"` // by the user; the next pass resumes
	Dir     string `json:"-"`
	// Notes say what the pass did that is not usual.
	Notes []string `json:"notes,omitempty"`
	// Drift counts what Stripe sent that the schemas do not know and that no
	// pass before saw; nil for nothing.
	Drift *DriftNews `json:"drift,omitempty"`
	// Held is the number of objects that stand in quarantine since earlier passes.
	Held int64 `json:"-"`
	// Missing names all permissions that the key lacks; nil for none.
	Missing error `json:"-"`

	unproved error // why the proof of a reconcile that ended is not whole, or not kept
}

// A ResourceReport is the part of one resource.
type ResourceReport struct {
	Resource    string       `json:"resource"`
	Status      Status       `json:"status"`
	Read        int64        `json:"read"`
	Inserted    int64        `json:"inserted"`
	Updated     int64        `json:"updated"`
	Deleted     int64        `json:"deleted"`
	Unchanged   int64        `json:"unchanged"`
	Quarantined int64        `json:"quarantined"`
	Warnings    int64        `json:"warnings"`             // fields nulled because of their type
	Seen        int64        `json:"seen"`                 // rows of the history that only events told of
	Suppressed  int64        `json:"suppressed,omitempty"` // of customers to be forgotten
	Requests    int64        `json:"requests"`
	Refused     int64        `json:"refused"` // answered 429
	Duration    int64        `json:"duration_ms"`
	Error       *ErrorReport `json:"error,omitempty"`
	Proof       *Proof       `json:"reconcile,omitempty"` // of a reconcile that ended in this pass

	err error
}

// Err returns why the resource is not complete, nil where it is.
func (r *ResourceReport) Err() error { return r.err }

// An ErrorReport says why a resource is not complete.
type ErrorReport struct {
	HTTPStatus int    `json:"http_status,omitempty"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message"`
	RequestID  string `json:"request_id,omitempty"`
}

func reportError(err error) *ErrorReport {
	r := &ErrorReport{Message: strings.ReplaceAll(err.Error(), "\n", "; ")} // joined errors have a line each
	if e, ok := errors.AsType[*stripe.Error](err); ok {
		r.HTTPStatus, r.Code, r.RequestID = e.Status, e.Code, e.RequestID
	}
	return r
}

func (r *ResourceReport) count(c ingest.Counts) {
	r.Read, r.Inserted, r.Updated, r.Deleted = c.Read, c.Inserted, c.Updated, c.Deleted
	r.Unchanged, r.Quarantined, r.Warnings, r.Seen = c.Unchanged, c.Quarantined, c.Warnings, c.Seen
	r.Suppressed = c.Suppressed
}

// Troubles says why resources are not complete, a sentence for each reason.
func (r *Report) Troubles() []string {
	var reasons []string
	of := map[string][]string{} // resources, by reason
	for _, s := range r.Resources {
		if s.Error == nil {
			continue
		}
		why := s.Error.Message
		var refused *stripe.Error
		if r.Missing != nil && errors.As(s.err, &refused) && refused.Permission != "" {
			why = r.Missing.Error() // of all that lack permissions
		}
		if of[why] == nil {
			reasons = append(reasons, why)
		}
		of[why] = append(of[why], s.Resource)
	}
	for i, why := range reasons {
		if !strings.HasPrefix(why, of[why][0]) {
			reasons[i] = strings.Join(of[why], ", ") + ": " + why
		}
	}
	return reasons
}

// conclude sets the statuses from what the resources came to.
func (r *Report) conclude() {
	complete, failed := 0, 0
	for i := range r.Resources {
		s := &r.Resources[i]
		switch {
		case errors.Is(s.err, errSpent):
			s.Status = Partial
		case s.err != nil && s.Inserted+s.Updated+s.Unchanged+s.Suppressed == 0 && !r.Stopped:
			s.Status = Failed
			failed++
		case s.err != nil || s.Quarantined > 0:
			s.Status = Partial
		default:
			s.Status = Complete
			complete++
		}
		if s.err != nil && !r.Stopped && !errors.Is(s.err, errSpent) {
			s.Error = reportError(s.err)
		}
	}
	switch {
	case complete == len(r.Resources):
		r.Status = Complete
	case failed == len(r.Resources) && !r.Stopped:
		r.Status = Failed
	default:
		r.Status = Partial
	}
}

// Exit statuses of the command line.
const (
	ExitComplete = 0
	ExitUsage    = 2
	ExitPartial  = 3
	ExitFailed   = 4
)

// ExitStatus returns the exit status for the pass.
func (r *Report) ExitStatus() int {
	switch r.Status {
	case Complete:
		return ExitComplete
	case Partial:
		return ExitPartial
	case Failed:
	}
	return ExitFailed
}

// ExitStatusOf returns the exit status for a command that ended with err.
func ExitStatusOf(err error) int {
	if problem.KindOf(err) == problem.Invalid {
		return ExitUsage
	}
	return ExitFailed
}

// A Progress is the state of a running pass.
type Progress struct {
	Elapsed   time.Duration
	Floor     time.Duration // least time that the limits allow for all of it, estimated; 0 without limits
	Resources []ResourceProgress
}

// A ResourceProgress is the state of one resource in a running pass.
type ResourceProgress struct {
	Resource  string
	Counts    ingest.Counts
	Requests  int64
	Refused   int64
	PagesLeft float64 // estimated
	Rate      float64 // requests per second allowed, 0 for no limit
	Done      bool
	Err       error
	Trouble   *stripe.Error // why a request is tried again; nil since the last one that went well
}

// Left estimates the time until the resource is read, 0 when nothing is known.
func (p ResourceProgress) Left(elapsed time.Duration) time.Duration {
	if p.Done || p.Requests == 0 || p.PagesLeft == 0 {
		return 0
	}
	perPage := elapsed / time.Duration(p.Requests)
	return time.Duration(p.PagesLeft * float64(perPage)).Round(time.Second)
}

// floor returns the least time that the requests take under the limits: the
// larger of all requests over the global limit and each resource's over its
// endpoint's.
func floor(limits stripe.Limits, share float64, resources []ResourceReport) time.Duration {
	var all, most float64
	for _, r := range resources {
		all += float64(r.Requests)
		most = max(most, float64(r.Requests))
	}
	var seconds float64
	if limits.Global > 0 {
		seconds = all / (limits.Global * share)
	}
	if limits.Endpoint > 0 {
		seconds = max(seconds, most/(limits.Endpoint*share))
	}
	return time.Duration(seconds * float64(time.Second))
}
