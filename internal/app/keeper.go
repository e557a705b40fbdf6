package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Keeper keeps one copy up to date for as long as it runs. It holds the
// directory, and one client and pacer, from its first pass to Close.
type Keeper struct {
	// After, if set, is called after each pass.
	After func(context.Context)

	sync   Sync
	client *stripe.Client
	limits stripe.Limits
	log    *slog.Logger
	atWork atomic.Pointer[pass] // counts the requests
	woken  chan struct{}        // holds at most one

	turns sync.Mutex // held by who changes the copy
	mu    sync.Mutex
	home  *home // nil until the directory exists
	found stripe.Probe
	last  *Turn
}

// A Turn is a pass that a Keeper did.
type Turn struct {
	Kind   string    `json:"kind"` // schedule, webhook or reconcile
	Began  time.Time `json:"began_at"`
	Ended  time.Time `json:"ended_at"`
	Status Status    `json:"status"`
}

// Kinds of turns.
const (
	scheduled = "schedule"
	captured  = "webhook"
	asked     = "reconcile"
)

// Keep takes the directory, if it exists, and returns the keeper of its copy;
// a new one is made by the first pass.
func (s Sync) Keep(ctx context.Context) (*Keeper, error) {
	p, err := s.newPass()
	if err != nil {
		return nil, err
	}
	p.connect()
	k := &Keeper{sync: s, client: p.client, limits: p.limits, log: p.Log, woken: make(chan struct{}, 1)}
	k.client.OnCall = func(c stripe.Call) {
		if p := k.atWork.Load(); p != nil {
			p.called(c)
		}
	}
	k.client.Admit = func(endpoint string) error {
		if p := k.atWork.Load(); p != nil {
			return p.admit(endpoint)
		}
		return nil
	}
	if exists(s.Dir) {
		if k.home, err = openListed(ctx, s.Dir, s.Forgotten); err != nil {
			return nil, err
		}
		if k.home.rewrote.any() {
			k.log.InfoContext(ctx, "what was stored went through the privacy rules", "version", k.home.rules.version)
		}
	}
	return k, nil
}

func (r Rewrote) any() bool { return len(r.Tables)+int(r.Quarantine) > 0 }

// Close gives the directory back. No pass may be at work.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.home == nil {
		return nil
	}
	err := k.home.Close()
	k.home = nil
	return err
}

// open returns the home, or an error while there is none.
func (k *Keeper) open() (*home, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.home == nil {
		return nil, &problem.Error{Kind: problem.Unavailable, Detail: "the copy does not exist yet"}
	}
	return k.home, nil
}

// Pass does one pass over the account. Its result is Sync.Run's.
func (k *Keeper) Pass(ctx context.Context) (*Report, error) { return k.turn(ctx, scheduled, k.sync) }

// turn does a pass: over the account, over what waits in the inbox, or one that
// compares.
func (k *Keeper) turn(ctx context.Context, kind string, s Sync) (*Report, error) {
	k.turns.Lock()
	defer k.turns.Unlock()
	p, err := s.newPass()
	if err != nil {
		return nil, err
	}
	p.client, p.limits, p.meter = k.client, k.limits, newMeter(k.client, s.Stop)
	k.mu.Lock()
	p.home, p.found = k.home, k.found
	k.mu.Unlock()
	k.atWork.Store(p)
	report, err := p.run(ctx)
	turn := &Turn{Kind: kind, Began: p.began.UTC(), Ended: time.Now().UTC(), Status: report.Status}
	k.mu.Lock()
	k.home = p.home
	if kind == scheduled {
		k.last = turn
		if err == nil {
			k.found = p.found
		}
	}
	k.mu.Unlock()
	k.say(ctx, turn.Kind, report, err)
	if k.After != nil {
		k.After(ctx)
	}
	return report, err
}

// say logs what a pass came to.
func (k *Keeper) say(ctx context.Context, kind string, r *Report, err error) {
	var read, inserted, updated, deleted, quarantined int64
	for _, s := range r.Resources {
		read, inserted, updated, deleted, quarantined = read+s.Read, inserted+s.Inserted, updated+s.Updated, deleted+s.Deleted, quarantined+s.Quarantined
	}
	attrs := []slog.Attr{
		slog.String("kind", kind), slog.String("status", string(r.Status)), slog.String("run", r.RunID),
		slog.Int64("read", read), slog.Int64("inserted", inserted), slog.Int64("updated", updated), slog.Int64("deleted", deleted),
		slog.Int64("quarantined", quarantined), slog.Int64("requests", r.Budget.Requests), slog.Int64("ms", r.Duration),
	}
	level := slog.LevelInfo
	switch {
	case err != nil:
		level = slog.LevelError
		attrs = append(attrs, slog.String("error", stripe.Redact(err.Error())))
	case r.Stopped:
		attrs = append(attrs, slog.Bool("stopped", true))
	case r.Status != Complete:
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("troubles", r.Troubles()))
	}
	if len(r.Notes) > 0 {
		attrs = append(attrs, slog.Any("notes", r.Notes))
	}
	k.log.LogAttrs(context.WithoutCancel(ctx), level, "pass", attrs...)
}

// Times of a Keeper's loop.
const (
	// LeastEvery is the shortest schedule.
	LeastEvery = time.Minute
	// together is how long a webhook waits for others to come.
	together = 200 * time.Millisecond
	// spaced is the least time between the beginnings of two captures: each
	// makes a snapshot of the tables that it touches.
	spaced = time.Second
	// again is when to try once more what could not be read; each time in vain
	// doubles it. The passes over the account try, too.
	again = 30 * time.Second
)

// Run does a pass at once and then every so often, and captures what webhooks
// name as soon as they come. It returns nil when ctx ends, after the batch in
// hand was committed, and an error if the first pass shows that no other will
// do better: the key, the directory or what was asked for is wrong.
func (k *Keeper) Run(ctx context.Context, every time.Duration) error {
	k.Wake() // for what an earlier process left
	due := time.NewTimer(0)
	defer due.Stop()
	retry := time.NewTimer(again)
	defer retry.Stop()
	var capturedAt time.Time
	retry.Stop()
	first, patience := true, again
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due.C:
			began := time.Now()
			_, err := k.Pass(ctx)
			wait := every - time.Since(began)
			switch {
			case problem.KindOf(err) == problem.Unavailable:
				wait = min(wait, LeastEvery)
			case err != nil && first && ctx.Err() == nil:
				return err
			}
			first = false
			due.Reset(max(wait, 0))
			k.Wake() // for what came meanwhile
		case <-k.woken:
			if !rest(ctx, max(together, spaced-time.Since(capturedAt))) {
				return nil
			}
			capturedAt = time.Now()
			left, err := k.Capture(ctx)
			if err != nil && ctx.Err() == nil {
				k.log.ErrorContext(ctx, "webhooks wait", "error", stripe.Redact(err.Error()))
			}
			if !left {
				patience = again
				continue
			}
			retry.Reset(patience)
			patience = min(2*patience, every)
		case <-retry.C:
			k.Wake()
		}
	}
}

// rest waits, and reports whether ctx is still good.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Wake says that there is something to capture.
func (k *Keeper) Wake() {
	select {
	case k.woken <- struct{}{}:
	default: // it is said already
	}
}
