package app

import (
	"context"
	"fmt"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripe"
)

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
		births, err := p.births(ctx, l, ch, variants)
		switch {
		case err != nil:
			return err
		case c.Reconciling != nil:
			if err := p.prepare(l); err != nil {
				return err
			}
		case ch == nil, ch.at == 0, l.resource.NoEvents(), l.backfills:
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

func (p *pass) note(format string, args ...any) {
	p.report.Notes = append(p.report.Notes, fmt.Sprintf(format, args...))
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
