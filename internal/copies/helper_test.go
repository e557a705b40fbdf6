package copies_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/copies"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

const name = "acct_1-test"

var prod = gatewaytest.Admin("prod")

// plane has one copy, of charges and prices, and says of each reconcile what it
// is told to.
type plane struct {
	copies.Data // what is not asked for here

	mu    sync.Mutex
	asked []copies.Ask
	do    func(ctx context.Context, ask copies.Ask) error
}

func (*plane) Name(a flow.Account) string { return a.ID + "-test" }

func (*plane) Names(_ context.Context, sandbox string) ([]string, error) {
	if sandbox != prod.Sandbox.ID {
		return nil, nil
	}
	return []string{name}, nil
}

func (*plane) Known(copies.Ref) error { return nil }

func (*plane) Copy(_ context.Context, r copies.Ref) (copies.Copy, error) {
	if r != (copies.Ref{Sandbox: prod.Sandbox.ID, Copy: name}) {
		return copies.Copy{}, problem.Errorf(problem.NotFound, "there is no copy %s", r.Copy)
	}
	return copies.Copy{Copy: name, Resources: []copies.Resource{{Resource: "charges"}, {Resource: "prices"}}}, nil
}

func (*plane) Budget(context.Context, copies.Ref) (copies.Budget, error) {
	return copies.Budget{Allowance: 10_000}, nil
}

func (p *plane) Reconcile(ctx context.Context, _ copies.Ref, _ flow.Credentials, ask copies.Ask) error {
	p.mu.Lock()
	p.asked = append(p.asked, ask)
	p.mu.Unlock()
	ask.Tell(copies.Step{Read: 7, Requests: 1})
	return p.do(ctx, ask)
}

func (p *plane) resources() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked {
		all = append(all, a.Resource)
	}
	return all
}

// flows have one base connection, unless it is closed.
type flows struct {
	mu      sync.Mutex
	closed  bool
	inspect func(ctx context.Context) (flow.Inspected, error)
}

func (f *flows) Connection(context.Context, access.Caller, string) (*flow.Connection, error) {
	return &flow.Connection{Item: flow.Item{ID: "c1", Etag: "e1"}}, nil
}

func (f *flows) Credentials(*flow.Connection) (flow.Credentials, error) {
	return flow.Credentials{}, nil
}

func (f *flows) Inspect(ctx context.Context, _ access.Caller, _ string) (flow.Inspected, error) {
	return f.inspect(ctx)
}

func (f *flows) Account(context.Context, access.Caller, string) (flow.Account, error) {
	return flow.Account{ID: "acct_1"}, nil
}

func (f *flows) Opening(_ context.Context, _ access.Caller, of func(flow.Account) bool) ([]*flow.Connection, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !of(flow.Account{ID: "acct_1"}) {
		return nil, nil
	}
	return []*flow.Connection{{Item: flow.Item{ID: "c1", Name: "Bakery"}}}, nil
}

// A world is a service, its clock, and what it talks to.
type world struct {
	db    *docstore.DB
	plane *plane
	flows *flows

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T, do func(ctx context.Context, ask copies.Ask) error) *world {
	t.Helper()
	return &world{db: docstoretest.Open(t, ""), plane: &plane{do: do}, flows: &flows{}, now: time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// service is that of one process.
func (w *world) service() *copies.Service {
	return &copies.Service{
		DB: w.db, Data: w.plane, Flows: w.flows, Now: w.clock, Log: slog.New(slog.DiscardHandler), LeaseFor: 400 * time.Millisecond, Poll: 5 * time.Millisecond,
		Pace: func(flow.Credentials) stripe.Pace { return stripe.Pace{} },
		Operator: func(_ context.Context, org, sandbox string) (access.Caller, error) {
			if org != prod.Org || sandbox != prod.Sandbox.ID {
				return access.Caller{}, problem.Errorf(problem.NotFound, "there is no such sandbox")
			}
			return prod, nil
		},
	}
}

// run works as a process does, until it is stopped.
func run(t *testing.T, s *copies.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// until waits for a state that is as wanted; the clock goes on meanwhile.
func (w *world) until(t *testing.T, s *copies.Service, step time.Duration, states ...string) copies.Reconcile {
	t.Helper()
	var v copies.Reconcile
	for range 3000 {
		var err error
		if v, err = s.State(t.Context(), prod, name); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(states, v.State) {
			return v
		}
		time.Sleep(2 * time.Millisecond)
		w.pass(step)
	}
	t.Fatalf("not %v: %+v", states, v)
	return v
}
