package stripesim

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A Plan is what shall go wrong, as data, so that a failing run can be
// repeated. Of the rules that match a request, the first with an action acts;
// the steps of all of them are taken.
type Plan struct {
	Seed  uint64 `json:"seed,omitempty"`
	Rules []Rule `json:"rules"`
}

// A Rule says when something happens, and what. All conditions that are set
// must hold. Without Nth, Every and Probability the rule fires each time.
type Rule struct {
	// Endpoint is a method and a path template, "GET /v1/charges/{id}", or a
	// resource's list, "charges". Empty: all.
	Endpoint string `json:"endpoint,omitempty"`
	// From and To bound the number of the request, from 1, inclusive, among all
	// that got past authentication and the limits.
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`
	// Nth and Every count the requests that match the conditions above.
	Nth         int     `json:"nth,omitempty"`
	Every       int     `json:"every,omitempty"`
	Probability float64 `json:"probability,omitempty"` // drawn from Plan.Seed
	Times       int     `json:"times,omitempty"`       // fires at most so often; 0 = no bound

	Action  Action            `json:"action,omitempty"`
	Status  int               `json:"status,omitempty"` // of Respond
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	Delay   Duration          `json:"delay,omitempty"` // of the stalls

	Then []Step `json:"then,omitempty"` // taken after the page is rendered, before it is sent
}

// An Action is how an answer goes wrong.
type Action string

// The actions. The five reasons of a 429 are actions by their own names:
// global-rate, endpoint-rate, global-concurrency, endpoint-concurrency and
// resource-specific.
const (
	Respond        Action = "respond"         // Rule.Status, Headers, Body
	LockTimeout    Action = "lock-timeout"    // 429 without reason and without request id
	InternalError  Action = "500"             // with an HTML body
	BadGateway     Action = "502"             // with an HTML body
	Unavailable    Action = "503-retry"       // Stripe-Should-Retry: true
	UnavailableEnd Action = "503-no-retry"    // Stripe-Should-Retry: false
	Reset          Action = "reset"           // the connection, before any byte of the answer
	Cut            Action = "cut"             // the connection, in the middle of the body
	Truncate       Action = "truncate"        // half of the JSON, with 200 and a matching Content-Length
	Stall          Action = "stall"           // Rule.Delay before the answer
	StallBody      Action = "stall-body"      // Rule.Delay in the middle of the body
	Repeat         Action = "repeat-previous" // the page before, as from a careless proxy
	ShortPage      Action = "short-page"      // half of the objects, has_more true
	EmptyLast      Action = "empty-last"      // has_more true on the last page: an empty one follows
)

var actions = []Action{
	Respond, "global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific",
	LockTimeout, InternalError, BadGateway, Unavailable, UnavailableEnd, Reset, Cut, Truncate, Stall, StallBody,
	Repeat, ShortPage, EmptyLast,
}

// A Step changes the account between two requests.
type Step struct {
	// Do is insert, update, delete; refund, dispute, evidence, close (a dispute),
	// review (opened or closed) of a charge; cancel, item, renew of a
	// subscription; discount (given or taken), tax-id, source of a customer;
	// settle (a refund, or a charge), fail (a refund); payout; event (of Type:
	// about Resource, or of something that nobody knows); advance; wipe.
	Do       string   `json:"do"`
	Resource Resource `json:"resource,omitempty"` // where Do leaves a choice
	// Target is the object to change: an id, "cursor" (the last object of the
	// page just rendered), "newest", "oldest" or "random" (the default).
	Target string   `json:"target,omitempty"`
	Count  int      `json:"count,omitempty"` // default 1
	Age    Duration `json:"age,omitempty"`   // of inserted objects and of events; the time of advance
	// Late is after what time /v1/events shows what the step tells.
	Late   Duration `json:"late,omitempty"`
	Silent bool     `json:"silent,omitempty"` // an update without an event
	Type   string   `json:"type,omitempty"`   // of an event; default: one that nobody knows
	Won    bool     `json:"won,omitempty"`    // how a dispute is closed
}

// A Duration is written in JSON as "1.5s".
type Duration time.Duration

// MarshalJSON writes the duration as time.ParseDuration reads it.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what time.ParseDuration reads.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	v, err := time.ParseDuration(text)
	*d = Duration(v)
	return err
}

func (p *Plan) check() error {
	for i, r := range p.Rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("rule %d: %w", i, err)
		}
	}
	return nil
}

func (r *Rule) check() error {
	switch {
	case r.Action != "" && !slices.Contains(actions, r.Action):
		return fmt.Errorf("unknown action %q", r.Action)
	case r.Action == "" && len(r.Then) == 0:
		return fmt.Errorf("neither an action nor steps")
	case r.Action == Respond && (r.Status < 200 || r.Status > 599):
		return fmt.Errorf("status %d: want 200 to 599", r.Status)
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("probability %v: want 0 to 1", r.Probability)
	case (r.Action == Stall || r.Action == StallBody) && r.Delay <= 0:
		return fmt.Errorf("%s without a delay", r.Action)
	}
	for _, step := range r.Then {
		if err := step.check(); err != nil {
			return err
		}
	}
	return nil
}
