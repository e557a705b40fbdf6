package app

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/sqlstore"
)

const markTraffic = "traffic" // "<seq> <unix seconds>" of the charges when they were last counted

// countTraffic counts the account's transactions of the last 30 days, by which
// Stripe sets its allowance: the charges that succeeded. It reads a few columns
// of the files that can hold such charges, so it does that only when a tenth
// more was written, or something a day ago.
func (p *pass) countTraffic(ctx context.Context, lanes []*lane) error {
	l := named(lanes, "charges")
	if l == nil || !p.sound("charges") && !p.meter.budget().Halted {
		return nil
	}
	store, now := p.home.store, p.meter.now()
	counted, err := store.marked(ctx, markTraffic, 2)
	if err != nil {
		return err
	}
	moved, since := l.lander.Seq-counted[0], now.Add(-readWindow)
	if moved == 0 || counted[1] > 0 && moved < max(100, p.meter.transactions/10) && now.Unix()-counted[1] < daySeconds {
		return nil
	}
	byDay := map[string]int64{}
	for row, err := range l.table.Fields(ctx, 0, since.Unix(), "status") {
		if err != nil {
			return err
		}
		if row.Fields[0] != "succeeded" {
			continue
		}
		// An older state may still lie beside the one that took its place.
		if e, known, err := l.index.Get([]byte(row.ID)); err != nil {
			return err
		} else if known && e.Seq == row.Seq {
			byDay[sqlstore.Day(time.Unix(row.Created, 0))]++
		}
	}
	if err := store.SetTraffic(ctx, since, byDay); err != nil {
		return err
	}
	return store.mark(ctx, markTraffic, l.lander.Seq, now.Unix())
}
