package control

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/erasure"
)

// AskErasure puts a privacy request down, for whoever serves the installation.
func (c *Control) AskErasure(ctx context.Context, by access.Caller, a erasure.Ask) (erasure.Request, error) {
	s := c.forgetting()
	s.Copies = func(context.Context, access.Caller) ([]string, error) { return c.copyNames(by) }
	return s.Ask(ctx, by, a)
}

// errErased ends the work on privacy requests.
var errErased = errors.New("the privacy request is done")

// Erase puts a privacy request down and does it, in a process that serves nothing else, with those
// that waited before it. told is given what it waits for, when that changes. When ctx ends
// before, whoever serves the installation next goes on with it.
func (p *Plane) Erase(ctx context.Context, by access.Caller, a erasure.Ask, told func(waits string)) (r erasure.Request, err error) {
	if r, err = p.Erasure.Ask(ctx, by, a); err != nil {
		return r, err
	}
	g, work := errgroup.WithContext(ctx)
	// What clients have pushed whole is taken in first.
	for _, part := range []func(context.Context) error{p.Intake.Run, p.Erasure.Run} {
		g.Go(func() error { return part(work) })
	}
	g.Go(func() error {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for before := ""; ; {
			now, err := p.Erasure.Request(work, by, r.ID)
			if err != nil {
				return err
			}
			r = now
			if r.State == erasure.Complete || r.State == erasure.Failed {
				return errErased
			}
			if r.Waits != before {
				before = r.Waits
				told(before)
			}
			select {
			case <-work.Done():
				return context.Cause(work)
			case <-tick.C:
			}
		}
	})
	if err = g.Wait(); errors.Is(err, errErased) {
		err = nil
	}
	return r, err
}
