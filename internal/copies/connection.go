package copies

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/stripe"
)

// An Account is what there is to know about the account of a base connection.
type Account struct {
	ConnectionID string   `json:"connectionId"`
	AccountID    string   `json:"accountId"`             // empty where the key may not see it
	DisplayName  string   `json:"displayName,omitempty"` // as the Dashboard shows it
	Livemode     bool     `json:"livemode"`
	Copy         string   `json:"copy"`      // its copy's name, also before there is one
	CheckedAt    int64    `json:"checkedAt"` // when Stripe was asked, epoch ms
	Resources    []Access `json:"resources"`
	Events       Access   `json:"events"` // without them changes are not noticed
	Rate         Rate     `json:"rate"`
	Budget       Budget   `json:"budget"`
	Key          Key      `json:"key"`
	Egress       []string `json:"egressAddresses"`
}

// An Access says whether the key may read something, and with which right.
type Access struct {
	Resource string  `json:"resource"`
	Readable bool    `json:"readable"`
	Right    Right   `json:"right"`
	Missing  []Right `json:"missing"`          // rights that Stripe named; empty where it may be read, or where the reason is another
	Reason   string  `json:"reason,omitempty"` // what Stripe said
}

// A Right is one of a restricted key's.
type Right struct {
	ID   string `json:"id"`   // rak_charge_read
	Name string `json:"name"` // Charges: Read
}

// A Rate is how fast the account is read. Rates are requests per second, 0 for no
// limit.
type Rate struct {
	Limit    float64 `json:"limit"`
	Endpoint float64 `json:"endpointLimit"`
	Share    float64 `json:"share"`   // of the limits that is used at most
	Allowed  float64 `json:"allowed"` // now: less after Stripe refused requests
	Used     float64 `json:"used"`    // in about the last second, by this process
	InFlight int     `json:"inFlight"`
	Waiting  int     `json:"waiting"`
}

// A Budget is the account's read allocation in a window of whole UTC days.
type Budget struct {
	Days         int   `json:"windowDays"`
	Used         int64 `json:"used"` // by this copy
	Allowance    int64 `json:"allowance"`
	Floor        int64 `json:"floor"`
	Transactions int64 `json:"transactions"` // that the allowance follows from
	Remaining    int64 `json:"remaining"`
	WarnAt       int64 `json:"warnAt,omitzero"` // reads
	StopAt       int64 `json:"stopAt,omitzero"` // reads that no pass exceeds
	// Forecast is what 30 days are expected to take, at the usual time between
	// passes; left out where too little was seen.
	Forecast int64     `json:"forecast,omitzero"`
	Every    int64     `json:"everySeconds,omitzero"`
	Warnings []string  `json:"warnings"`
	ByDay    []DayRead `json:"days"`
}

// A DayRead counts the reads of a UTC day, and says when they leave the window.
type DayRead struct {
	Day    string `json:"day"`
	Reads  int64  `json:"reads"`
	Leaves string `json:"leavesOn"`
}

// A Key says what a restricted key needs, and where to make one.
type Key struct {
	Page string `json:"page"`
	// Create opens the form with the rights filled in. Stripe does not document
	// that: the list is to be shown beside it.
	Create string      `json:"create"`
	Rights []NeedRight `json:"rights"`
}

// A NeedRight is a right and what it is for.
type NeedRight struct {
	Right
	For      string `json:"for"` // a resource, events, account
	Required bool   `json:"required"`
}

const keysPage = "https://dashboard.stripe.com/apikeys"

// Account asks Stripe what the key of a base connection may read, or says what it
// said a moment ago.
func (s *Service) Account(ctx context.Context, c access.Caller, connection string) (Account, error) {
	v, err := s.Flows.Connection(ctx, c, connection)
	if err != nil {
		return Account{}, err
	}
	found, at, err := s.probes.get(ctx, s.Now, c.Sandbox.ID+"/"+v.ID+"/"+v.Etag, func(ctx context.Context) (flow.Inspected, error) {
		return s.Flows.Inspect(ctx, c, connection)
	})
	if err != nil {
		return Account{}, err
	}
	a := Account{
		ConnectionID: v.ID, AccountID: found.Account.ID, DisplayName: found.Name, Livemode: found.Account.Livemode, Copy: s.Data.Name(found.Account),
		CheckedAt: at.UnixMilli(), Resources: []Access{}, Rate: rate(s.Pace(found.Credentials)), Egress: append([]string{}, s.Egress...),
	}
	a.Key.Page = keysPage
	for _, r := range found.Rights {
		one := Access{Resource: r.For, Readable: r.Refused == "", Right: Right(r.Need), Missing: []Right{}, Reason: r.Refused}
		for _, m := range r.Missing {
			one.Missing = append(one.Missing, Right(m))
		}
		a.Key.Rights = append(a.Key.Rights, NeedRight{Right(r.Need), r.For, true})
		if r.For == stripe.Events {
			a.Events = one
			continue
		}
		a.Resources = append(a.Resources, one)
	}
	a.Key.Rights = append(a.Key.Rights, NeedRight{Right(stripe.PermissionFor(stripe.Account)), stripe.Account, false})
	query := url.Values{"name": {"Tributary"}}
	for _, r := range a.Key.Rights {
		query.Add("permissions[]", r.ID)
	}
	a.Key.Create = keysPage + "/create?" + query.Encode()
	a.Budget, err = s.Data.Budget(ctx, ref(c, a.Copy))
	return a, err
}

// Reads are how fast the account of a copy is read, and at what cost.
type Reads struct {
	Copy   string `json:"copy"`
	Rate   *Rate  `json:"rate,omitempty"` // nil where no base connection opens the account
	Budget Budget `json:"budget"`
}

// Reads says how the account of a copy is read, without asking Stripe;
// problem.NotFound.
func (s *Service) Reads(ctx context.Context, c access.Caller, name string) (Reads, error) {
	if err := s.Data.Known(ref(c, name)); err != nil {
		return Reads{}, err
	}
	v := Reads{Copy: name}
	open, err := s.opening(ctx, c, name)
	if err != nil {
		return v, err
	}
	if len(open) > 0 {
		with, err := s.Flows.Credentials(open[0])
		if err != nil {
			return v, err
		}
		r := rate(s.Pace(with))
		v.Rate = &r
	}
	v.Budget, err = s.Data.Budget(ctx, ref(c, name))
	return v, err
}

func rate(p stripe.Pace) Rate {
	return Rate{Limit: p.Limit, Endpoint: p.Each, Share: p.Share, Allowed: p.Allowed, Used: p.Used, InFlight: p.Busy, Waiting: p.Waiting}
}

// How long an answer of Stripe's is told again, and a refusal of its.
const (
	knownFor   = time.Minute
	refusedFor = 10 * time.Second
	maxProbes  = 1000 // that are remembered
)

// probes remember what Stripe said about connections, for a short time: looking
// at a page must not use up the account's reads. Callers who ask at once for the
// same share one answer.
type probes struct {
	mu sync.Mutex
	by map[string]*probe
}

type probe struct {
	turn  chan struct{} // holds a token while somebody asks
	found flow.Inspected
	err   error
	at    time.Time // zero before the first answer
}

func (p *probe) good(now time.Time) bool {
	age := now.Sub(p.at)
	return !p.at.IsZero() && age >= 0 && (age < refusedFor || p.err == nil && age < knownFor)
}

func (p *probes) entry(name string, now time.Time) *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = map[string]*probe{}
	}
	if e := p.by[name]; e != nil {
		return e
	}
	for old, e := range p.by {
		select {
		case e.turn <- struct{}{}:
			stale := !e.good(now)
			<-e.turn
			if stale || len(p.by) >= maxProbes {
				delete(p.by, old)
			}
		default: // somebody asks
		}
	}
	e := &probe{turn: make(chan struct{}, 1)}
	p.by[name] = e
	return e
}

// get returns what is remembered under a name, or asks. Only what Stripe said is
// remembered, no failure to reach it.
func (p *probes) get(ctx context.Context, clock func() time.Time, name string, ask func(context.Context) (flow.Inspected, error)) (flow.Inspected, time.Time, error) {
	e := p.entry(name, clock())
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return flow.Inspected{}, time.Time{}, ctx.Err()
	}
	if e.good(clock()) {
		return e.found, e.at, e.err
	}
	found, err := ask(ctx)
	if f, ok := errors.AsType[*gateway.Failure](err); err == nil || ok && f.Status < 500 {
		e.found, e.err, e.at = found, err, clock()
	}
	return found, clock(), err
}
