package app

import (
	"context"
	"errors"
	"slices"
)

// allWaiting reads the objects that the events in the inbox are about, one
// request for each, and nothing else. The cursors stay as they are, so that the
// next pass over the account sees all that it would have seen.
func (p *pass) allWaiting(ctx context.Context) {
	lanes := p.openLanes(ctx)
	ch, err := p.readChanges(ctx, slices.DeleteFunc(slices.Clone(lanes), func(l *lane) bool { return l == nil }))
	if err != nil {
		for i := range p.report.Resources {
			p.report.Resources[i].err = errors.Join(p.report.Resources[i].err, err)
		}
		return
	}
	p.sideBySide(lanes, func(l *lane, i int, referred <-chan struct{}) error { return p.oneWaiting(ctx, l, i, ch, referred) })
	for _, l := range lanes {
		if l != nil {
			p.sayUnknown(l)
		}
	}
	p.forgetMore(ctx)
}

func (p *pass) oneWaiting(ctx context.Context, l *lane, i int, ch *changes, referred <-chan struct{}) error {
	defer func() {
		l.table.Abort()
		p.report.Resources[i].count(l.lander.Counts())
	}()
	if err := p.apply(ctx, l, ch); err != nil {
		return err
	}
	if l.resource.Name == "prices" {
		select {
		case <-referred:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := p.fetchWanted(ctx, l); err != nil {
		return err
	}
	// Compacting a large table takes longer than a webhook should wait; the
	// passes over the account do it in time, unless there is much to do.
	if l.table.DeleteFiles() < crowded {
		return nil
	}
	return l.table.Tidy(ctx)
}

// crowded is how many delete files a dataset may have before a capture stops
// to compact it.
const crowded = 512
