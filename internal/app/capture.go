package app

import (
	"context"
	"fmt"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripe"
)

// changes are what a pass learned from Stripe's events.
type changes struct {
	at   int64                    // Stripe's time when the reading began: the next cursor
	refs map[string][]extract.Ref // by resource
	seen []extract.Event
}

// plan decides what each lane reads. A lane whose backfill is complete follows
// the account's events; once a day it lists what was created lately, because
// not everything has an event, and everything when its cursor is older than
// Stripe's events.
func (p *pass) plan(ctx context.Context, lanes []*lane, ch *changes) error {
	now := p.client.StripeNow().Unix()
	since := int64(-1)
	if !p.Since.IsZero() {
		since = p.Since.Unix()
	}
	for _, l := range lanes {
		c := &l.lander.Checkpoint
		variants := len(l.resource.Variants)
		l.backfills = c.Upto == 0 || len(c.Open) > 0 || since >= 0 && since < c.Since
		l.looksBack = c.Reconciling == nil && c.LookBack(now, lookBack(l.resource), variants)
		births, err := p.births(l, ch)
		switch {
		case err != nil:
			return err
		case c.Reconciling != nil:
			if err := p.prepare(l); err != nil {
				return err
			}
		case ch == nil, l.resource.NoEvents(), l.backfills:
			c.Plan(now, since, variants)
		case now-c.Events > extract.Retention:
			if err := p.begin(l, ReconcileGap); err != nil {
				return err
			}
			p.note("%s: the last sync was %d days ago and Stripe keeps events for 30, so everything is compared with the account", l.resource.Name, (now-c.Events)/86400)
		case births > variants:
			c.Plan(now, since, variants) // one page holds a hundred of them
		default:
			c.Follow(now)
		}
		if err := p.settlePending(ctx, l); err != nil {
			return err
		}
		if err := p.linkUp(ctx, l); err != nil {
			return err
		}
		c.Number()
	}
	return nil
}

// births is the number of objects of a lane's resource that events are about
// and that are not stored.
func (p *pass) births(l *lane, ch *changes) (n int, err error) {
	if ch == nil {
		return 0, nil
	}
	for _, r := range ch.refs[l.resource.Name] {
		_, known, err := l.index.Get([]byte(r.ID))
		if err != nil {
			return 0, err
		}
		if !known {
			n++
		}
	}
	return n, nil
}

func (p *pass) note(format string, args ...any) {
	p.report.Notes = append(p.report.Notes, fmt.Sprintf(format, args...))
}

// readChanges reads the events since the oldest cursor of the lanes. It returns
// nil when no lane has one, or when the key may not read events.
func (p *pass) readChanges(ctx context.Context, lanes []*lane) (*changes, error) {
	var from int64
	for _, l := range lanes {
		if at := l.lander.Checkpoint.Events; at > 0 && !l.resource.NoEvents() && (from == 0 || at < from) {
			from = at
		}
	}
	if from == 0 {
		return nil, nil
	}
	now := p.client.StripeNow().Unix()
	from = max(from, now-extract.Retention) - extract.EventOverlap
	known, err := p.home.store.EventsSeen(ctx)
	if err != nil {
		return nil, err
	}
	got, err := extract.ReadEvents(ctx, p.client, from, func(id string) bool { return known[id] })
	if err != nil {
		return nil, err
	}
	ch := &changes{at: now, refs: map[string][]extract.Ref{}, seen: got.Events}
	for _, r := range got.Refs {
		ch.refs[r.Resource] = append(ch.refs[r.Resource], r)
	}
	return ch, nil
}

// apply reads anew the objects of a lane's resource that events are about, and
// moves the lane's cursor.
func (p *pass) apply(ctx context.Context, l *lane, ch *changes) error {
	var ids []string
	for _, r := range ch.refs[l.resource.Name] {
		e, known, err := l.index.Get([]byte(r.ID))
		if err != nil {
			return err
		}
		// What was asked for after the event was seen, which is what landed in
		// this pass, or well after it happened, holds what it is about. The times
		// of two passes agree to a second or two.
		if known && (e.Seq > l.before || e.ReadAt >= (r.At+5)*1000) {
			continue
		}
		ids = append(ids, r.ID)
	}
	if err := p.fetch(ctx, l, ids, dataset.SourceEvent); err != nil {
		return err
	}
	l.lander.Checkpoint.Events = max(l.lander.Checkpoint.Events, ch.at)
	return l.lander.Touch(context.WithoutCancel(ctx))
}

// mayVanish says whether an object of the resource that Stripe does not know
// any more was deleted. Charges, refunds and balance transactions are never
// deleted; that one is gone means that test data was wiped, or that the key
// is for something else.
func mayVanish(r stripe.Resource) bool {
	switch r.Name {
	case "customers", "prices", "subscriptions":
		return true
	}
	return false
}
