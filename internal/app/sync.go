package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
	// NoHistory keeps the datasets alone. It is decided by a directory's first
	// pass.
	NoHistory bool
	Log       *slog.Logger
	Progress  func(Progress) // called a few times a second; may be nil

	BatchRows int           // 0: ingest.DefaultBatchRows
	BatchAge  time.Duration // 0: ingest.DefaultBatchAge
	Retry     stripe.Retry
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
}

// probeFor is how long what a key may read is taken for known.
const probeFor = 24 * time.Hour

// A pass is a Sync at work.
type pass struct {
	Sync
	home      *home
	client    *stripe.Client
	limits    stripe.Limits
	resources []stripe.Resource
	report    *Report
	began     time.Time

	mu       sync.Mutex
	progress []ResourceProgress
	calls    map[string]*callCount // by endpoint, since the last flush
}

type callCount struct{ n, refused int64 }

// Run does the pass. The report is nil only together with an error, which then
// concerns the pass as a whole: a key that is not accepted, a directory that
// can't be used. What concerns one resource is in the report. When ctx ends,
// the pass commits what it has and reports that it was stopped.
func (s Sync) Run(ctx context.Context) (*Report, error) {
	p := &pass{Sync: s, began: time.Now(), calls: map[string]*callCount{}}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	p.report = &Report{RunID: newRunID(), Dir: s.Dir}
	if err := p.choose(); err != nil {
		return nil, err
	}
	p.connect()
	found, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer p.home.Close()
	for _, r := range p.resources {
		rr := ResourceReport{Resource: r.Name}
		if e := found.Refused[r.Name]; e != nil {
			rr.err = e
		}
		p.report.Resources = append(p.report.Resources, rr)
		p.progress = append(p.progress, ResourceProgress{Resource: r.Name, Rate: p.rate(), Err: rr.err, Done: rr.err != nil})
	}
	stop := p.tick()
	p.all(ctx)
	stop()
	return p.finish(ctx)
}

func (p *pass) choose() error {
	for _, name := range p.Resources {
		r, ok := stripe.Lookup(name)
		if !ok {
			var names []string
			for _, r := range stripe.Resources {
				names = append(names, r.Name)
			}
			return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("there is no resource %q", name), Advice: "The resources are " + strings.Join(names, ", ") + "."}
		}
		if !slices.ContainsFunc(p.resources, func(o stripe.Resource) bool { return o.Name == r.Name }) {
			p.resources = append(p.resources, r)
		}
	}
	if len(p.resources) == 0 {
		p.resources = stripe.Resources
	}
	if p.Share <= 0 || p.Share > 1 {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("the rate share %g is not above 0 and at most 1", p.Share)}
	}
	return nil
}

func (p *pass) connect() {
	p.limits = stripe.DefaultLimits(p.Key.Mode())
	if p.Limits != nil {
		p.limits = *p.Limits
	}
	p.client = &stripe.Client{
		BaseURL: p.URL, Key: p.Key, Account: p.Account, Log: p.Log, Now: time.Now, Retry: p.Retry,
		Pacer:  stripe.NewPacer(p.limits, p.Share, time.Now),
		OnCall: p.called,
	}
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
// that works.
func (p *pass) open(ctx context.Context) (stripe.Probe, error) {
	var found stripe.Probe
	fresh := !exists(p.Dir)
	if fresh {
		var err error
		if found, err = p.probe(ctx); err != nil {
			return found, err
		}
	}
	home, err := openHome(ctx, p.Dir)
	if err != nil {
		return found, err
	}
	p.home = home
	asked := true
	if !fresh {
		found, asked, err = p.probeOnce(ctx)
	}
	if err == nil {
		p.report.Account, p.report.Livemode = found.Account, found.Mode == stripe.Live
		err = home.store.Bind(ctx, found.Account, p.report.Livemode, p.Key.Fingerprint(p.Account))
	}
	if err == nil && asked {
		err = p.remember(ctx, found)
	}
	if err != nil {
		home.Close()
	}
	return found, err
}

// all runs the resources side by side. Prices end last: subscriptions refer to
// some that no list shows.
func (p *pass) all(ctx context.Context) {
	referred := make(chan struct{})
	if !slices.ContainsFunc(p.resources, func(r stripe.Resource) bool { return r.Name == "subscriptions" }) {
		close(referred)
	}
	var wg sync.WaitGroup
	for i, r := range p.resources {
		wg.Go(func() {
			if r.Name == "subscriptions" {
				defer close(referred)
			}
			if p.report.Resources[i].err != nil {
				return
			}
			began := time.Now()
			p.report.Resources[i].err = p.one(ctx, r, i, referred)
			p.report.Resources[i].Duration = time.Since(began).Milliseconds()
			p.settle(i)
		})
	}
	wg.Wait()
}

// one copies one resource.
func (p *pass) one(ctx context.Context, r stripe.Resource, i int, referred <-chan struct{}) error {
	l, err := p.openLane(ctx, r)
	if err != nil {
		return err
	}
	defer func() {
		l.table.Abort()
		p.report.Resources[i].count(l.lander.Counts())
	}()
	if err := p.read(ctx, l, i); err != nil {
		return err
	}
	if r.Name == "prices" {
		if err := p.followUp(ctx, l, referred); err != nil {
			return err
		}
	}
	return p.fetchWanted(ctx, l)
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
	since := int64(-1)
	if !p.Since.IsZero() {
		since = p.Since.Unix()
	}
	c := &l.lander.Checkpoint
	c.Plan(p.client.StripeNow().Unix(), since, len(l.resource.Variants))
	c.Number()
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
	open := slices.Clone(c.Open)
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
	var missing []string
	var known []string
	for _, id := range ids {
		if _, ok, err := l.index.Get([]byte(id)); err != nil {
			return err
		} else if ok {
			known = append(known, id)
		} else {
			missing = append(missing, id)
		}
	}
	if err := p.home.store.Unwant(ctx, l.resource.Name, known); err != nil {
		return err
	}
	for batch := range slices.Chunk(missing, wantedAtOnce) {
		if err := p.fetchByID(ctx, l, batch); err != nil {
			return err
		}
	}
	return nil
}

// wantedAtOnce objects are fetched before they are committed.
const wantedAtOnce = 1000

func (p *pass) fetchByID(ctx context.Context, l *lane, ids []string) error {
	type answer struct {
		id   string
		resp *stripe.Response
		err  error
	}
	answers := make(chan answer)
	next := make(chan string)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(next)
		for _, id := range ids {
			select {
			case next <- id:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for id := range next {
				resp, err := p.client.Retrieve(ctx, l.resource, id)
				answers <- answer{id, resp, err}
			}
		})
	}
	go func() { wg.Wait(); close(answers) }()
	var failed error
	var done []string
	for a := range answers {
		if a.err == nil && failed == nil {
			failed = p.land(ctx, l, a.resp)
		}
		if a.resp != nil {
			a.resp.Release()
		}
		switch {
		case problem.KindOf(a.err) == problem.NotFound:
			done = append(done, a.id) // gone meanwhile
		case a.err != nil:
			failed = cmp.Or(failed, a.err)
			cancel()
		case failed == nil:
			done = append(done, a.id)
		}
	}
	if err := l.lander.Commit(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := p.home.store.Unwant(context.WithoutCancel(ctx), l.resource.Name, done); err != nil {
		return err
	}
	return failed
}

func (p *pass) land(ctx context.Context, l *lane, resp *stripe.Response) error {
	raw, err := extract.Complete(ctx, p.client, resp.Body)
	if err != nil {
		return err
	}
	return l.lander.Single(context.WithoutCancel(ctx), raw, ingest.Read{
		Start: resp.Start, Version: resp.Version, Request: resp.RequestID, Source: dataset.SourceReference,
	})
}

func (p *pass) settle(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress[i].Done = true
	p.progress[i].Err = p.report.Resources[i].err
	p.progress[i].PagesLeft = 0
}

func (p *pass) finish(ctx context.Context) (*Report, error) {
	if err := ctx.Err(); err != nil {
		p.report.Stopped = true
		for i := range p.report.Resources {
			if e := p.report.Resources[i].err; errors.Is(e, context.Canceled) || errors.Is(e, context.DeadlineExceeded) {
				p.report.Resources[i].err = errors.New("stopped")
			}
		}
	}
	after := context.WithoutCancel(ctx)
	if err := p.flushCalls(after); err != nil {
		return nil, err
	}
	used, err := p.home.reads(after, p.began)
	if err != nil {
		return nil, err
	}
	p.report.Budget.Used, p.report.Budget.Floor = used, budgetFloor
	p.report.Duration = time.Since(p.began).Milliseconds()
	p.report.Floor = floor(p.limits, p.Share, p.report.Resources).Milliseconds()
	p.report.conclude()
	return p.report, p.home.recordRun(after, p.report, p.began)
}
