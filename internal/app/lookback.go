package app

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/stripe"
)

const (
	daySeconds = 24 * 3600
	// unsettledFor is how long, in seconds, what money still moves for is looked
	// at every day: refunds take up to a week to succeed, and fail up to 30 days
	// later; nothing promises an event for each step.
	unsettledFor = 35 * daySeconds
	// recheck is when a row that was due and did not change is read once more.
	recheck = 6 * 3600
)

// lookBack is how far, in seconds, the daily list of a resource goes back: as
// long as things are known to change without an event.
func lookBack(r stripe.Resource) int64 {
	if r.Name == "refunds" {
		return unsettledFor
	}
	return 2 * daySeconds
}

// settlePending plans to read again what is stored as unfinished and is due:
// balance transactions that should be available by now, and, with the daily
// look-back, charges without one. Ranges of a list cost less than one request
// for each object, as long as little lies between two that are due.
func (p *pass) settlePending(ctx context.Context, l *lane) error {
	charges := l.resource.Name == "charges"
	if !l.resource.NoEvents() && !(charges && l.looksBack) {
		return nil
	}
	now := p.client.StripeNow()
	due, err := p.home.store.Due(ctx, l.resource.Name, now)
	if err != nil {
		return err
	}
	ids := make([]string, len(due))
	for i := range due {
		ids[i] = due[i].ID
	}
	l.lander.Expect(ids)
	var old []ingest.Due
	c, near := &l.lander.Checkpoint, p.near()
	for i := 0; i < len(due); {
		if charges && due[i].Created < now.Unix()-unsettledFor {
			old = append(old, ingest.Due{ID: due[i].ID})
			i++
			continue
		}
		j := i
		for j+1 < len(due) && due[j+1].Created-due[j].Created <= near {
			j++
		}
		c.Reread(due[i].Created, due[j].Created+1)
		i = j + 1
	}
	if !charges && len(due) > 0 {
		l.asked = now.Unix()
	}
	return p.home.store.SetDue(ctx, l.resource.Name, old)
}

// near is the time between two objects, in seconds, in which the account makes
// no more than about a page of others.
func (p *pass) near() int64 {
	return min(max(stripe.PageSize*int64(readWindow/time.Second)/max(p.meter.transactions, 1), 600), unsettledFor)
}

// postpone makes what was due, was read again and is still the same due later.
func (p *pass) postpone(ctx context.Context, l *lane) error {
	if l.asked == 0 {
		return nil
	}
	return p.home.store.Postpone(context.WithoutCancel(ctx), l.resource.Name, l.asked, l.asked+recheck)
}
