package app

import (
	"context"
	"fmt"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripe"
)

// plan decides what each lane reads. A lane whose backfill is complete follows
// the account's events; it lists what was created lately once a day, because
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
		births, err := p.births(ctx, l, ch, variants)
		switch {
		case err != nil:
			return err
		case c.Reconciling != nil:
			if err := p.prepare(l); err != nil {
				return err
			}
		case ch == nil, ch.at == 0, l.resource.NoEvents(), c.Upto == 0, len(c.Open) > 0, since >= 0 && since < c.Since:
			c.Plan(now, since, variants)
		case now-c.Events > extract.Retention:
			if err := p.begin(l, ReconcileGap); err != nil {
				return err
			}
			p.note("%s: the last sync was %d days ago and Stripe keeps events for 30, so everything is compared with the account", l.resource.Name, (now-c.Events)/86400)
		case births > variants:
			c.Plan(now, since, variants) // one page holds a hundred of them
		default:
			c.Follow(now, variants)
		}
		if l.resource.NoEvents() {
			if err := p.settlePending(ctx, l); err != nil {
				return err
			}
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

// settlePending plans to read again the balance transactions that were pending
// and are due: their status changes without an event. They lie close together,
// so ranges of a list cost less than one request for each.
func (p *pass) settlePending(ctx context.Context, l *lane) error {
	due, err := p.home.store.Due(ctx, l.resource.Name, p.client.StripeNow())
	if err != nil {
		return err
	}
	ids := make([]string, len(due))
	for i := range due {
		ids[i] = due[i].ID
	}
	l.lander.Expect(ids)
	const near = 6 * 3600
	c := &l.lander.Checkpoint
	for i := 0; i < len(due); {
		j := i
		for j+1 < len(due) && due[j+1].Created-due[j].Created <= near {
			j++
		}
		c.Reread(due[i].Created, due[j].Created+1)
		i = j + 1
	}
	return nil
}
