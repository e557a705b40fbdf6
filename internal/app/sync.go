package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// DefaultTenant is the tenant namespace of the embedded mode.
const DefaultTenant = "tributary"

// DefaultShare is the part of the account's limits that a pass takes, so that
// the shop's own requests never wait.
const DefaultShare = 0.6

// A Sync is one pass over a Stripe account: what is missing is backfilled,
// what is new is read.
type Sync struct {
	Dir       string
	Key       stripe.Key
	Account   string         // connected account to read with a platform's key, or ""
	URL       string         // of Stripe; "" for the real one
	Resources []string       // empty: all six
	Since     time.Time      // zero: everything, or the bound of earlier passes
	Share     float64        // of the limits, 0 to 1
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
		if p.home, err = openHome(ctx, p.Dir); err != nil {
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

// all runs the resources side by side. Prices end last: subscriptions refer to
// some that no list shows.
func (p *pass) all(ctx context.Context) {
	lanes := p.openLanes(ctx)
	ready := slices.DeleteFunc(slices.Clone(lanes), func(l *lane) bool { return l == nil })
	ch, err := p.readChanges(ctx, ready)
	if e := p.found.Refused[stripe.Events]; err == nil && e != nil && e.Kind == problem.Forbidden && !p.troubled() {
		err = e // said by the first pass already, which has no use for events
	}
	switch {
	case problem.KindOf(err) == problem.Forbidden:
		p.note("the key may not read events, so that changes of what was copied are not noticed: %v", err)
	case err != nil:
		// Without the events nothing says what changed: the lists are read, and
		// the cursors stay.
		for i, l := range lanes {
			if l != nil && !l.resource.NoEvents() && l.lander.Checkpoint.Events > 0 {
				p.report.Resources[i].err = err
			}
		}
	}
	if err := p.plan(ctx, ready, ch); err != nil {
		for i := range p.report.Resources {
			p.report.Resources[i].err = errors.Join(p.report.Resources[i].err, err)
		}
		return
	}
	p.sideBySide(lanes, func(l *lane, i int, referred <-chan struct{}) error { return p.one(ctx, l, i, referred, ch) })
	for i, l := range lanes {
		if l == nil {
			continue
		}
		if l.resource.NoEvents() {
			p.report.Resources[i].err = errors.Join(p.report.Resources[i].err, p.link(ctx, lanes))
			p.report.Resources[i].count(l.lander.Counts())
		}
		p.sayUnknown(l)
	}
	if err := p.prove(ctx); err != nil {
		p.note("%v", err)
	}
}

// troubled reports whether a resource has an error.
func (p *pass) troubled() bool {
	return slices.ContainsFunc(p.report.Resources, func(r ResourceReport) bool { return r.err != nil })
}

// sideBySide does the lanes that there are at once; referred is closed when
// subscriptions, which refer to prices, are done.
func (p *pass) sideBySide(lanes []*lane, do func(l *lane, i int, referred <-chan struct{}) error) {
	referred := make(chan struct{})
	if !slices.ContainsFunc(p.resources, func(r stripe.Resource) bool { return r.Name == "subscriptions" }) {
		close(referred)
	}
	var wg sync.WaitGroup
	for i, l := range lanes {
		wg.Go(func() {
			if p.resources[i].Name == "subscriptions" {
				defer close(referred)
			}
			if l == nil {
				return
			}
			began := time.Now()
			err := do(l, i, referred)
			p.report.Resources[i].err = errors.Join(p.report.Resources[i].err, err)
			p.report.Resources[i].Duration = time.Since(began).Milliseconds()
			p.settle(i)
		})
	}
	wg.Wait()
}

// openLanes opens the lanes of all resources that can be read; the others are
// nil and have their error in the report.
func (p *pass) openLanes(ctx context.Context) []*lane {
	lanes := make([]*lane, len(p.resources))
	p.lanes = lanes
	var wg sync.WaitGroup
	for i, r := range p.resources {
		if p.report.Resources[i].err != nil {
			continue
		}
		wg.Go(func() {
			l, err := p.openLane(ctx, r)
			if err != nil {
				p.report.Resources[i].err = err
				p.settle(i)
				return
			}
			lanes[i] = l
		})
	}
	wg.Wait()
	return lanes
}

// one copies one resource: its open ranges, what changed, and what others refer
// to.
func (p *pass) one(ctx context.Context, l *lane, i int, referred <-chan struct{}, ch *changes) error {
	defer func() {
		if l.register != nil {
			_ = l.register.close() // what it needs is synced before each commit
		}
		l.table.Abort()
		p.report.Resources[i].count(l.lander.Counts())
	}()
	if err := p.read(ctx, l, i); err != nil {
		return err
	}
	if err := p.postpone(ctx, l); err != nil {
		return err
	}
	if ch != nil && !l.resource.NoEvents() {
		if err := p.apply(ctx, l, ch); err != nil {
			return err
		}
	}
	if l.resource.Name == "prices" {
		if err := p.followUp(ctx, l, referred); err != nil {
			return err
		}
	}
	if err := p.fetchWanted(ctx, l); err != nil {
		return err
	}
	if err := p.compare(ctx, l, i); err != nil {
		return err
	}
	if p.Hooks.Untidy {
		return nil
	}
	return l.table.Tidy(ctx)
}

// compare ends the reconcile of a lane that is under way, or does one that is
// due.
func (p *pass) compare(ctx context.Context, l *lane, i int) error {
	if l.lander.Checkpoint.Reconciling == nil {
		reason := p.reconcileFor(&l.lander.Checkpoint)
		if reason == "" {
			return nil
		}
		if err := p.begin(l, reason); err != nil {
			return err
		}
		l.lander.Checkpoint.Number()
		if err := p.read(ctx, l, i); err != nil {
			return err
		}
		if err := p.fetchWanted(ctx, l); err != nil {
			return err
		}
	}
	return p.reconcile(ctx, l, i)
}

// followUp fetches what other resources refer to while they are being read.
func (p *pass) followUp(ctx context.Context, l *lane, referred <-chan struct{}) error {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	for {
		select {
		case <-referred:
			return nil // what came last is fetched by the caller
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if err := p.fetchWanted(ctx, l); err != nil {
				return err
			}
		}
	}
}

// followEvery is how often followUp looks; what is new comes with the commits
// of the other resource.
const followEvery = time.Second

// read walks the open ranges of one resource and lands them.
func (p *pass) read(ctx context.Context, l *lane, i int) error {
	l.lander.Progress = func(counts ingest.Counts) {
		p.mu.Lock()
		p.progress[i].Counts = counts
		p.mu.Unlock()
	}
	walk := &extract.Walk{Client: p.client, Resource: l.resource, Rate: p.rate(), Progress: func(left float64) {
		p.mu.Lock()
		p.progress[i].PagesLeft = left
		p.mu.Unlock()
	}}
	open := slices.Clone(l.lander.Checkpoint.Open)
	walking, cancel := context.WithCancel(ctx)
	defer cancel()
	pages := make(chan *extract.Page, pagesAhead)
	walked := make(chan error, 1)
	go func() {
		defer close(pages)
		walked <- walk.Run(walking, open, func(pg *extract.Page) error {
			if p.Hooks.Page != nil {
				p.Hooks.Page(l.resource.Name, pg)
			}
			select {
			case pages <- pg:
				return nil
			case <-walking.Done():
				pg.Release()
				return walking.Err()
			}
		})
	}()
	// What was read lands even when the reading is stopped.
	landed := l.lander.Run(context.WithoutCancel(ctx), pages)
	cancel()
	for pg := range pages {
		pg.Release()
	}
	err := <-walked
	if landed != nil {
		return landed
	}
	return err
}

// pagesAhead is how many pages of a resource may wait for the mapper, 250 KB
// each: reading goes on during a commit.
const pagesAhead = 16

// fetchWanted reads by id what other objects refer to and no list shows.
func (p *pass) fetchWanted(ctx context.Context, l *lane) error {
	ids, err := p.home.store.Wanted(ctx, l.resource.Name)
	if err != nil {
		return err
	}
	contested, err := p.home.store.Contested(ctx, l.resource.Name)
	if err != nil {
		return err
	}
	var missing []string
	var known []string
	for _, id := range ids {
		if _, ok, err := l.index.Get([]byte(id)); err != nil {
			return err
		} else if ok && !slices.Contains(contested, id) {
			known = append(known, id)
		} else {
			missing = append(missing, id)
		}
	}
	if err := p.home.store.Unwant(ctx, l.resource.Name, known); err != nil {
		return err
	}
	return p.fetch(ctx, l, missing, dataset.SourceReference)
}

// fetch reads objects by id and lands them; source says what asked for them.
func (p *pass) fetch(ctx context.Context, l *lane, ids []string, source string) error {
	for batch := range slices.Chunk(ids, wantedAtOnce) {
		if err := p.fetchByID(ctx, l, batch, source); err != nil {
			return err
		}
	}
	return nil
}

// wantedAtOnce objects are fetched before they are committed.
const wantedAtOnce = 1000

func (p *pass) fetchByID(ctx context.Context, l *lane, ids []string, source string) error {
	asked := p.client.StripeNow()
	after := context.WithoutCancel(ctx)
	var done []string
	failed := p.retrieve(ctx, l, ids, func(id string, resp *stripe.Response, err error) error {
		switch {
		case problem.KindOf(err) == problem.NotFound && mayVanish(l.resource):
			err = l.lander.Gone(after, id, ingest.Read{Start: asked, Version: stripe.Version, Source: source, Last: true})
		case problem.KindOf(err) == problem.NotFound:
			l.unknown = append(l.unknown, id)
			err = nil
		case err == nil:
			err = p.land(ctx, l, resp, source)
		}
		if err == nil {
			done = append(done, id)
		}
		return err
	})
	if err := l.lander.Commit(after); err != nil {
		return err
	}
	if err := p.home.store.Unwant(after, l.resource.Name, done); err != nil {
		return err
	}
	return failed
}

func (p *pass) land(ctx context.Context, l *lane, resp *stripe.Response, source string) error {
	raw, err := extract.Complete(ctx, p.client, resp.Body)
	if err != nil {
		return err
	}
	return l.lander.Single(context.WithoutCancel(ctx), raw, ingest.Read{
		Start: resp.Start, Version: resp.Version, Request: resp.RequestID, Source: source, Last: true,
	})
}

func (p *pass) settle(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress[i].Done = true
	p.progress[i].Err = p.report.Resources[i].err
	p.progress[i].PagesLeft = 0
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
