package app

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

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
	p.forgetMore(ctx)
	if err = errors.Join(p.prove(ctx), p.keepProofs(context.WithoutCancel(ctx))); err != nil {
		p.report.unproved = err
		p.note("%v", err)
	}
}

// forgetMore removes what landed before it was known whose it is: of a customer
// to be forgotten, as a refund that was read before its charge.
func (p *pass) forgetMore(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	more, err := p.home.forgetMore(ctx)
	for _, l := range p.lanes {
		if l == nil || !more || err != nil {
			continue
		}
		var t *tables // the files and the index are others now
		if t, err = p.home.openTables(ctx, l.resource, !p.NoHistory); err == nil {
			l.table, l.index = t.table, t.index
			err = t.recover(ctx)
		}
	}
	if err != nil {
		for i := range p.report.Resources {
			p.report.Resources[i].err = errors.Join(p.report.Resources[i].err, err)
		}
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

func (p *pass) settle(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress[i].Done = true
	p.progress[i].Err = p.report.Resources[i].err
	p.progress[i].PagesLeft = 0
}

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
