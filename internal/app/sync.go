package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// DefaultTenant is the tenant namespace of the embedded mode.
const DefaultTenant = "tributary"

// A Sync is one pass over a Stripe account: what is missing is backfilled,
// what is new is read.
type Sync struct {
	Dir       string
	Key       stripe.Key
	Account   string         // connected account to read with a platform's key, or ""
	URL       string         // of Stripe; "" for the real one
	Resources []string       // empty: all six
	Since     time.Time      // zero: everything, or the bound of earlier passes
	Share     float64        // of the limits, above 0 to 1: the shop's own requests need the rest
	Limits    *stripe.Limits // nil: those of the key's mode
	// Pacer, if set, is what the account's readers share; it goes by Share and
	// Limits, too.
	Pacer *stripe.Pacer
	// NoHistory keeps the datasets alone. It is decided by a directory's first
	// pass.
	NoHistory bool
	// Reconcile compares all that is stored with all that Stripe lists, and
	// repairs the copy.
	Reconcile bool
	// ReconcileEvery is after how long a pass does that by itself; 0 for never.
	ReconcileEvery time.Duration
	// AcceptDeletes lets a reconcile mark everything deleted that is not in
	// Stripe any more, however much it is.
	AcceptDeletes bool
	// Warn is the share of the account's read allocation at which the report
	// warns, 0 for never; Stop is what no pass exceeds.
	Warn     float64
	Stop     Bound
	Log      *slog.Logger
	Progress func(Progress) // called a few times a second; may be nil

	// Inbox reads what the events in the inbox are about, which webhooks brought,
	// and nothing else: no list, no events; no cursor moves.
	Inbox bool

	// Forgotten, if set, returns of whom this copy and others are to keep nothing.
	Forgotten func(context.Context) (ForgetList, error)

	BatchRows int           // 0: ingest.DefaultBatchRows
	BatchAge  time.Duration // 0: ingest.DefaultBatchAge
	Retry     stripe.Retry
	// Transport carries the requests to Stripe; nil for one that goes wherever
	// URL leads.
	Transport http.RoundTripper
	Hooks     Hooks
}

// Hooks are places where tests step in.
type Hooks struct {
	// Between is called between the commits of a resource's history and dataset.
	Between func(resource string)
	// Page sees each page before it lands and may change it.
	Page func(resource string, p *extract.Page)
	// OnCall is told every request to Stripe.
	OnCall func(stripe.Call)
	// Untidy leaves delete files and small files as they are.
	Untidy bool
}

// probeFor is how long what a key may read is taken for known.
const probeFor = 24 * time.Hour

// A pass is a Sync at work.
type pass struct {
	Sync
	home      *home
	client    *stripe.Client
	limits    stripe.Limits
	found     stripe.Probe // what the key may read; given when an earlier pass found out
	resources []stripe.Resource
	report    *Report
	began     time.Time
	drifted   []Drift // before the pass
	meter     *meter
	lanes     []*lane // nil for a resource that can't be read

	mu       sync.Mutex
	progress []ResourceProgress
	opened   bool // requests are for the resources, and no more to find out what the key may read
}

// Run does the pass. What concerns one resource is in the report. An error
// concerns the pass as a whole: a key that is not accepted, a directory that
// can't be used, a disk that is full; the report, if there is one, then says
// how far the pass came. When ctx ends, the pass commits what it has and
// reports that it was stopped.
func (s Sync) Run(ctx context.Context) (*Report, error) {
	p, err := s.newPass()
	if err != nil {
		return nil, err
	}
	p.connect()
	p.client.OnRetry = p.retried
	defer func() {
		if p.home != nil {
			_ = p.home.Close() // what failed first is the reason
		}
	}()
	return p.run(ctx)
}

// newPass checks what is asked for.
func (s Sync) newPass() (*pass, error) {
	p := &pass{Sync: s, began: time.Now()}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if err := p.choose(); err != nil {
		return nil, err
	}
	p.report = &Report{RunID: newRunID(), Dir: s.Dir, Livemode: s.Key.Mode() == stripe.Live}
	return p, nil
}

// run does the pass with its client, in its home if that is open already; it
// leaves the home open.
func (p *pass) run(ctx context.Context) (*Report, error) {
	for _, r := range p.resources {
		p.report.Resources = append(p.report.Resources, ResourceReport{Resource: r.Name})
		p.progress = append(p.progress, ResourceProgress{Resource: r.Name, Rate: p.rate()})
	}
	stop := p.tick(quietFor)
	found, err := p.open(ctx)
	stop()
	p.found = found
	p.report.Missing = found.Missing()
	p.mu.Lock()
	for i, r := range p.resources {
		rr := &p.report.Resources[i]
		if e := found.Refused[r.Name]; e != nil {
			rr.err = e
		} else if err != nil {
			rr.err = err
		}
		p.progress[i].Err, p.progress[i].Done = rr.err, rr.err != nil
	}
	p.opened = true
	p.mu.Unlock()
	if err != nil {
		p.report.Stopped = ctx.Err() != nil
		p.report.Budget = p.meter.budget()
		if p.report.Stopped || p.report.Budget.Halted {
			err = nil
		}
		p.halt()
		p.conclude()
		return p.report, err
	}
	if p.drifted, err = drifts(context.WithoutCancel(ctx), p.home.store.Store); err != nil {
		p.conclude()
		return p.report, unusable(p.Dir, err)
	}
	stop = p.tick(0)
	if p.Inbox {
		p.allWaiting(ctx)
	} else {
		p.all(ctx)
	}
	stop()
	return p.report, p.finish(ctx)
}

func (p *pass) choose() error {
	var err error
	if p.resources, err = chosen(p.Resources); err != nil {
		return err
	}
	if p.Dir == "" {
		return &problem.Error{Kind: problem.Invalid, Detail: "the name of the directory is empty", Advice: "Name one with --dir."}
	}
	if !(p.Share > 0 && p.Share <= 1) { // nor is it, if it is no number
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("the rate share %g is not above 0 and at most 1", p.Share)}
	}
	return nil
}

func (p *pass) connect() {
	p.limits = stripe.DefaultLimits(p.Key.Mode())
	if p.Limits != nil {
		p.limits = *p.Limits
	}
	pacer := p.Pacer
	if pacer == nil {
		pacer = stripe.NewPacer(p.limits, p.Share, time.Now)
	}
	p.client = &stripe.Client{
		BaseURL: p.URL, Key: p.Key, Account: p.Account, Log: p.Log, Now: time.Now, Retry: p.Retry,
		Pacer:  pacer,
		OnCall: p.called, Admit: p.admit,
	}
	if p.Transport != nil {
		p.client.HTTP = &http.Client{Transport: p.Transport}
	}
	p.meter = newMeter(p.client, p.Stop)
}

// rate is what one resource's list may take.
func (p *pass) rate() float64 {
	rate := p.limits.Endpoint * p.Share
	if g := p.limits.Global * p.Share; g > 0 && (rate == 0 || g < rate) {
		rate = g
	}
	return rate
}

// open asks Stripe what the key may read, and opens the directory that belongs
// to the account. A directory that does not exist yet is made only for a key
// that can read something.
func (p *pass) open(ctx context.Context) (stripe.Probe, error) {
	var found stripe.Probe
	fresh := p.home == nil && !exists(p.Dir)
	if fresh {
		var err error
		if found, err = p.probe(ctx); err != nil {
			return found, err
		}
	}
	if err := ctx.Err(); err != nil {
		return found, err
	}
	var err error
	if p.home == nil {
		if p.home, err = openListed(ctx, p.Dir, p.Forgotten); err != nil {
			return found, err
		}
		if p.home.rewrote.any() {
			p.note("what was stored had not gone through the privacy rules of version %d, and has now", p.home.rules.version)
		}
	}
	err = p.meter.attach(ctx, p.home.store)
	asked := true
	if err == nil && !fresh {
		found, asked, err = p.probeOnce(ctx)
	}
	if err == nil {
		err = p.bind(ctx, found, asked)
	}
	return found, unusable(p.Dir, err)
}

func (p *pass) bind(ctx context.Context, found stripe.Probe, asked bool) error {
	p.report.Account, p.report.Livemode = found.Account, found.Mode == stripe.Live
	if err := p.home.store.Bind(ctx, found.Account, p.report.Livemode, p.Key.Fingerprint(p.Account)); err != nil {
		return err
	}
	if !asked {
		return nil
	}
	return p.remember(ctx, found)
}

// finish writes down what the pass came to. Its error is the machine's, which
// may have met a resource before.
func (p *pass) finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		p.report.Stopped = true
		for i := range p.report.Resources {
			if e := p.report.Resources[i].err; errors.Is(e, context.Canceled) || errors.Is(e, context.DeadlineExceeded) {
				p.report.Resources[i].err = errors.New("stopped")
			}
		}
	}
	after := context.WithoutCancel(ctx)
	p.countRequests()
	err := p.spend(after, p.lanes)
	if err == nil {
		var drifted []Drift
		drifted, err = drifts(after, p.home.store.Store)
		p.report.Drift = driftNews(p.drifted, drifted)
	}
	if err == nil {
		err = p.countHeld(after)
	}
	p.halt()
	p.conclude()
	if err == nil && !p.Inbox { // a busy account would fill the table with the others
		err = p.home.recordRun(after, p.report, p.began)
	}
	for _, r := range p.report.Resources {
		if full(r.err) {
			err = r.err
		}
	}
	if err != nil {
		p.report.Status = Failed
	}
	return unusable(p.Dir, err)
}

// countHeld counts what stands in quarantine of the pass's resources beside what
// came there in this pass.
func (p *pass) countHeld(ctx context.Context) error {
	held, err := p.home.store.QuarantineCounts(ctx)
	if err != nil {
		return err
	}
	for _, r := range p.report.Resources {
		p.report.Held += max(held[r.Resource]-r.Quarantined, 0)
	}
	return nil
}

func (p *pass) conclude() {
	p.report.Duration = time.Since(p.began).Milliseconds()
	p.report.Floor = floor(p.limits, p.Share, p.report.Resources).Milliseconds()
	p.report.conclude()
}
