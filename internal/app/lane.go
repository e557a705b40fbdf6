package app

import (
	"context"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/xdm"
)

// volatile names the fields, per resource, that change without the object
// changing: they are kept, but a new value alone makes no new version.
var volatile = map[string][]string{
	"charges": {"receipt_url"}, // signed anew from time to time
}

// A lane is what one pass needs to write one resource.
type lane struct {
	resource stripe.Resource
	schema   *xdm.Schema
	history  bool // one is kept
	table    *lake.Lane
	index    *idindex.Resource
	lander   *ingest.Lander
	before   int64     // highest seq when the pass began
	register *register // of a reconcile under way
	fresh    bool      // the reconcile was begun by this pass

	backfills bool     // lists are read beyond what is new and the daily look-back
	looksBack bool     // the daily look-back is part of the pass
	asked     int64    // what was due up to this time is read again, unix seconds
	unknown   []string // ids that were asked for and that Stripe does not have
	linked    bool     // what the rows of the pass refer to is asked for as they land
}

// openLane opens the tables of a resource, finishes what a crash left undone,
// and brings the index up to date.
func (p *pass) openLane(ctx context.Context, r stripe.Resource) (*lane, error) {
	opened, err := p.home.openTables(ctx, r, !p.NoHistory)
	if err != nil {
		return nil, err
	}
	table, plan, index := opened.table, opened.plan, opened.index
	if p.Hooks.Between != nil {
		table.Between = func() { p.Hooks.Between(r.Name) }
	}
	if err := opened.recover(ctx); err != nil {
		return nil, err
	}
	checkpoint, err := extract.DecodeCheckpoint(table.Checkpoint())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	l := &lane{resource: r, schema: opened.schema, history: opened.history, table: table, index: index, before: table.Seq()}
	l.lander = &ingest.Lander{
		Resource: r.Name, Plan: plan, Table: table, Index: index, Store: p.home.store, Privacy: p.home.rules.For(r.Name),
		Version: dataset.Version{
			Source: dataset.SourceBackfill, RunID: p.report.RunID, Account: p.report.Account, Livemode: p.report.Livemode,
		},
		Checkpoint: checkpoint, Seq: table.Seq(), BatchRows: p.BatchRows, BatchAge: p.BatchAge,
	}
	if l.lander.Forgotten, err = p.home.forgotten.forgetting(); err != nil {
		return nil, err
	}
	opened.follow(r, l.lander, p.client.StripeNow())
	held, err := p.home.store.Held(ctx, r.Name)
	if err != nil {
		return nil, err
	}
	l.lander.Hold(held)
	return l, nil
}

// follow has a lander note what its rows make a pass read: objects that will
// change without an event, and those that no list shows.
func (t *tables) follow(r stripe.Resource, l *ingest.Lander, now time.Time) {
	layout := t.plan.Layout()
	switch {
	case r.NoEvents():
		l.Pending = ingest.PendingBalance(layout)
	case r.Name == "charges":
		l.Pending = ingest.UnsettledCharge(layout, now.Unix()-unsettledFor)
	case r.Name == "subscriptions":
		l.References = ingest.Prices(layout)
	}
}

// tables are those of one resource, open for writing in its present schema.
type tables struct {
	schema  *xdm.Schema
	plan    *mapping.Plan
	table   *lake.Lane
	index   *idindex.Resource
	history bool   // one is kept
	made    string // names the schema
}

// openTables opens the tables of a resource, creating and extending what need
// be. history says whether one is kept, where the tables do not yet say it.
func (h *home) openTables(ctx context.Context, r stripe.Resource, history bool) (*tables, error) {
	schema, err := schemaOf(ctx, h.store.Store, r.Name)
	if err != nil {
		return nil, err
	}
	plan, err := planOf(r, schema)
	if err != nil {
		return nil, err
	}
	if history, err = h.lake.KeepsHistory(ctx, r.Name, history); err != nil {
		return nil, err
	}
	table, err := h.lake.Lane(ctx, schema, plan.Layout(), history)
	if err != nil {
		return nil, err
	}
	table.Rules = h.rules.stamp
	return &tables{schema: schema, plan: plan, table: table, index: h.index.Resource(r.Name), history: history, made: fingerprint(schema)}, nil
}

// recover finishes what a crash left undone, and brings the index up to date.
func (t *tables) recover(ctx context.Context) error {
	err := t.table.Recover(ctx, func(raw []byte, rec *dataset.Record) error {
		if bad := t.plan.Scan(raw, rec); bad != nil {
			return fmt.Errorf("%s %s", bad.Path, bad.Reason)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return catchUp(ctx, t.table, t.index)
}

// catchUp brings the index to the state of the tables. It falls behind when a
// pass is killed, and is ahead when older tables were put back.
func catchUp(ctx context.Context, table *lake.Lane, index *idindex.Resource) error {
	if index.Seq() > table.Seq() {
		if err := index.Reset(); err != nil {
			return err
		}
	}
	if index.Seq() == table.Seq() {
		return nil
	}
	// The seq moves at the end only, so that an index left half way begins
	// again where it was.
	from := index.Seq()
	var puts []idindex.Put
	for k, err := range table.Keys(ctx, from) {
		if err != nil {
			return err
		}
		puts = append(puts, idindex.Put{ID: []byte(k.ID), Entry: idindex.Entry{
			Hash: k.Hash, Created: k.Created, Seq: k.Seq, ReadAt: k.ReadAt.UnixMilli(), Deleted: k.Deleted,
		}})
		if len(puts) == catchUpRows {
			if err := index.Apply(from, puts); err != nil {
				return err
			}
			puts = puts[:0]
		}
	}
	return index.Apply(table.Seq(), puts)
}

const catchUpRows = 10_000
