// Package copies tells of the copies of Stripe accounts that dataflows share:
// what the key of a base connection may read, what reading costs, how complete a
// copy is, what stands in its quarantine, and whether it agrees with the account.
// It has the rules and answers the HTTP calls; package runner has the copies.
package copies

import (
	"context"
	"log/slog"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/lease"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Ref names a copy.
type Ref struct {
	Sandbox string // id
	Copy    string // acct_…-test, acct_…-live; key-… where the key may not see whose account it is
}

// Data is the data plane. Of a copy that there is not, its calls say
// problem.NotFound, unless said otherwise.
type Data interface {
	// Name names the copy of an account.
	Name(a flow.Account) string
	// Names are those of the copies of a sandbox, in order.
	Names(ctx context.Context, sandbox string) ([]string, error)
	// Known is nil for a copy that there is.
	Known(r Ref) error
	Copy(ctx context.Context, r Ref) (Copy, error)
	// Budget is that of an account of which nothing was read where there is no
	// copy.
	Budget(ctx context.Context, r Ref) (Budget, error)
	// Forecast knows nothing that was measured where there is no copy.
	Forecast(ctx context.Context, r Ref, resources []string, every time.Duration) (Forecast, error)
	Quarantine(ctx context.Context, r Ref, q HeldQuery) (held []Held, more bool, err error)
	// Replay tries again what stands in quarantine, and asks nothing of Stripe;
	// problem.Conflict where others are at work on the copy for long.
	Replay(ctx context.Context, r Ref, resources []string) ([]Replayed, error)
	Drift(ctx context.Context, r Ref) ([]Drift, error)
	Proofs(ctx context.Context, r Ref) ([]Proof, error)
	// Reconcile compares one resource of the copy with the account, and repairs
	// it, when its turn has come. Guarded where many objects are gone and their
	// deletion was not accepted; problem.Unavailable for what time heals, ErrBusy
	// for a copy that another process has. Called again, it goes on.
	Reconcile(ctx context.Context, r Ref, with flow.Credentials, ask Ask) error
}

// An Ask is a reconcile of one resource.
type Ask struct {
	Resource      string
	AcceptDeletes bool
	Tell          func(Step) // called a few times a second while it is at work
}

// A Step is how far a reconcile of a resource has come.
type Step struct {
	Read      int64   // objects
	Requests  int64   // to Stripe
	PagesLeft float64 // estimated
}

// Guarded says that objects which are gone from the account were left in the copy,
// because they are many.
type Guarded struct{ Err error }

// Error says what was found.
func (g *Guarded) Error() string { return g.Err.Error() }

// Unwrap returns the cause.
func (g *Guarded) Unwrap() error { return g.Err }

// ErrBusy says that another process is at work on a copy.
var ErrBusy = problem.Errorf(problem.Unavailable, "others are at work on the copy of the account")

// Flows are the base connections.
type Flows interface {
	Connection(ctx context.Context, c access.Caller, id string) (*flow.Connection, error)
	Credentials(v *flow.Connection) (flow.Credentials, error)
	Inspect(ctx context.Context, c access.Caller, id string) (flow.Inspected, error)
	Account(ctx context.Context, c access.Caller, id string) (flow.Account, error)
	Opening(ctx context.Context, c access.Caller, of func(flow.Account) bool) ([]*flow.Connection, error)
}

// A Service tells of the copies of all sandboxes.
type Service struct {
	DB    *docstore.DB
	Data  Data
	Flows Flows
	// Pace says how fast the account of credentials is read.
	Pace func(flow.Credentials) stripe.Pace
	// Egress are the addresses that Stripe sees calls come from.
	Egress []string
	// Operator returns who works in a sandbox in nobody's name; problem.NotFound.
	Operator func(ctx context.Context, org, sandbox string) (access.Caller, error)
	Now      func() time.Time
	Log      *slog.Logger
	// LeaseFor is how long a worker on a reconcile may be silent before it is
	// another's; 0 for a minute.
	LeaseFor time.Duration
	// Poll is how often Run looks for what others put down; 0 for five seconds.
	Poll time.Duration
	// At, if set, is told of each resource whose reconcile has ended, before that is
	// put down: tests stop there.
	At func(r Ref, resource string)

	bell   lease.Bell
	probes probes
}

// A Copy is one, as the API shows it. Times are epoch ms, ages are seconds; both
// are left out where nothing is known.
type Copy struct {
	Copy        string       `json:"copy"`
	AccountID   string       `json:"accountId"` // empty where the key may not see it
	Livemode    bool         `json:"livemode"`
	Resources   []Resource   `json:"resources"`
	Quarantined int64        `json:"quarantined"`
	Drifted     int64        `json:"drifted"`
	Bytes       int64        `json:"bytes"`       // of all files on the disk
	Connections []Connection `json:"connections"` // that open the account, newest first
}

// A Connection is a base connection by name.
type Connection struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// States of a resource of a copy.
const (
	Backfilling = "backfilling"
	Complete    = "complete"
	Reconciling = "reconciling"
)

// A Resource is one of a copy.
type Resource struct {
	Resource string `json:"resource"`
	State    string `json:"state"`
	Objects  int64  `json:"objects"` // live
	Bytes    int64  `json:"bytes"`   // of its tables
	// CursorAt is Stripe's time up to which changes were taken in, CursorAge how
	// long ago that is.
	CursorAt  int64  `json:"cursorAt,omitzero"`
	CursorAge *int64 `json:"cursorAge,omitempty"`
	// LastPassAt is when the last pass began that took in all of it: what happened
	// before is in the copy. Freshness is how long ago that is.
	LastPassAt  int64  `json:"lastPassAt,omitzero"`
	Freshness   *int64 `json:"freshness,omitempty"`
	Quarantined int64  `json:"quarantined"`
	Drifted     int64  `json:"drifted"`
}

// A Held is an object that stands in quarantine.
type Held struct {
	Resource  string  `json:"resource"`
	ID        string  `json:"id"` // empty where it has none that can be read
	Path      string  `json:"path"`
	Reason    string  `json:"reason"`
	SeenAt    int64   `json:"seenAt"`
	RunID     string  `json:"runId"`
	RequestID string  `json:"requestId"`     // Stripe's
	Raw       *string `json:"raw,omitempty"` // as Stripe sent it, after privacy rules; for who may view datasets

	Place HeldPlace `json:"-"`
}

// A HeldPlace is a place in the order in which the quarantine is paged.
type HeldPlace struct{ Resource, ID, Digest string }

// A HeldQuery says what to show of the quarantine.
type HeldQuery struct {
	Resource string // "" for all
	After    HeldPlace
	Limit    int
	Raw      bool
}

// A Replayed is what became of the quarantine of a resource.
type Replayed struct {
	Resource   string `json:"resource"`
	Landed     int64  `json:"landed"`
	Superseded int64  `json:"superseded"` // older than what is stored, and dropped
	Refused    int64  `json:"refused"`    // stay
}

// A Drift is something that Stripe sent and the schema does not know.
type Drift struct {
	Resource  string `json:"resource"`
	Kind      string `json:"kind"` // unknown_field, unknown_type, unknown_value
	Path      string `json:"path"`
	Seen      string `json:"seen"` // JSON type of what stood there; of an unknown value, the value
	Count     int64  `json:"count"`
	FirstSeen int64  `json:"firstSeenAt"`
	LastSeen  int64  `json:"lastSeenAt"`
	Example   string `json:"example,omitempty"` // id of an object that has it
}

// A Proof is what the newest comparison of a resource with the account came to:
// all that Stripe lists and all that a query sees, of what was created before a
// moment.
type Proof struct {
	Resource    string `json:"resource"`
	Equal       bool   `json:"equal"` // the numbers of objects and all sums agree
	At          int64  `json:"at"`
	Before      int64  `json:"createdBefore"`
	Reason      string `json:"reason"` // asked for, due, events were lost
	RunID       string `json:"runId"`
	InStripe    int64  `json:"inStripe"`
	InLake      int64  `json:"inLake"` // after the repair
	Missing     int64  `json:"missing"`
	Stale       int64  `json:"stale"`
	Extra       int64  `json:"extra"`
	Repaired    int64  `json:"repaired"`
	Held        int64  `json:"held"`     // extra ones that stay until their deletion is accepted
	Unlisted    int64  `json:"unlisted"` // in Stripe, found by id alone
	Quarantined int64  `json:"quarantined"`
	Sums        []Sum  `json:"sums"`
}

// A Sum is an amount added up on both sides, in minor units of one currency.
type Sum struct {
	Field    string `json:"field"`
	Currency string `json:"currency"`
	InStripe int64  `json:"inStripe"`
	InLake   int64  `json:"inLake"`
}

func scope(r Ref, org string) docstore.Scope { return docstore.Scope{Org: org, Sandbox: r.Sandbox} }

func ref(c access.Caller, name string) Ref { return Ref{Sandbox: c.Sandbox.ID, Copy: name} }

// Copies returns up to n copies of the caller's sandbox behind a name, and whether
// there are more.
func (s *Service) Copies(ctx context.Context, c access.Caller, after string, n int) (all []Copy, more bool, err error) {
	names, err := s.Data.Names(ctx, c.Sandbox.ID)
	if err != nil {
		return nil, false, err
	}
	all = []Copy{}
	for _, name := range names {
		if name <= after {
			continue
		}
		if len(all) == n {
			return all, true, nil
		}
		v, err := s.Copy(ctx, c, name)
		if problem.KindOf(err) == problem.NotFound {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, false, err
		}
		all = append(all, v)
	}
	return all, false, nil
}

// Copy returns one; problem.NotFound.
func (s *Service) Copy(ctx context.Context, c access.Caller, name string) (Copy, error) {
	v, err := s.Data.Copy(ctx, ref(c, name))
	if err != nil {
		return Copy{}, err
	}
	open, err := s.opening(ctx, c, name)
	if err != nil {
		return Copy{}, err
	}
	v.Connections = []Connection{}
	for _, o := range open {
		v.Connections = append(v.Connections, Connection{o.ID, o.Name})
	}
	return v, nil
}

// opening returns the base connections that open the account of a copy.
func (s *Service) opening(ctx context.Context, c access.Caller, name string) ([]*flow.Connection, error) {
	return s.Flows.Opening(ctx, c, func(a flow.Account) bool { return s.Data.Name(a) == name })
}
