package app

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripe"
)

// late is how long before the cursor of a copy something may lie that a later
// pass takes in: what Stripe's lists and events show with a delay.
const late = 10 * time.Minute

// FreshUntil returns the time up to which the copy in dir has all of some
// resources: zero where one is not there, or not all of it was read once. Ask
// before the copy is opened: what is committed meanwhile only adds to it.
func FreshUntil(ctx context.Context, dir string, resources ...string) (until time.Time, err error) {
	l, db, err := openReadOnly(ctx, dir)
	if err != nil {
		return time.Time{}, err
	}
	defer l.Close()
	defer db.Close()
	for _, name := range resources {
		text, err := l.Checkpoint(ctx, name)
		if err != nil {
			return time.Time{}, err
		}
		c, err := extract.DecodeCheckpoint(text)
		if err != nil {
			return time.Time{}, err
		}
		cursor := c.Events
		for _, r := range stripe.Resources {
			if r.Name == name && r.NoEvents() {
				cursor = c.Upto
			}
		}
		if c.Reconciling == nil { // which reads again what is there
			for _, open := range c.Open {
				cursor = min(cursor, open.From)
			}
		}
		if cursor <= 0 {
			return time.Time{}, nil
		}
		if at := time.Unix(cursor, 0).UTC().Add(-late); until.IsZero() || at.Before(until) {
			until = at
		}
	}
	return until, nil
}
