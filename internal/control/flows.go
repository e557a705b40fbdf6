package control

import (
	"context"
	"net/http"

	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/queue"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/source"
	"github.com/tributary-data/tributary/internal/tables"
)

// dataflows ties the Flow Service to what does its runs.
func (p *Plane) dataflows(ctx context.Context, rows *tables.Tables) (err error) {
	if p.queue, err = queue.Open(ctx, p.dir, p.database, p.options.Log); err != nil {
		return err
	}
	s := p.options.Stripe
	p.Stripe = &source.Stripe{URL: s.URL, Log: p.options.Log, Now: p.now, Limits: s.Limits, Share: s.Share, Retry: s.Retry}
	if s.Transport != nil {
		p.Stripe.HTTP = &http.Client{Transport: s.Transport}
	}
	p.Flow = &flow.Service{
		DB: p.DB, Keys: p.Keys, Datasets: p.Catalog, Mappings: p.Prep, Stripe: p.Stripe, Operator: p.Access.OperatorIn, VerifyOnCreate: true, Now: p.now,
	}
	p.Runner = &runner.Runner{
		Flows: p.Flow, Queue: p.queue, Catalog: p.Catalog, Rows: rows, Prep: p.Prep, Schemas: p.Registry, Alerts: p.Alert, Stripe: p.Stripe,
		Copy: s, Pacer: p.Stripe.Pacer, Dir: p.dir, Now: p.now, Log: p.options.Log, Workers: p.options.Workers,
	}
	p.Flow.Queued, p.Flow.Dropped = p.Runner.Nudge, p.Runner.Drop
	return nil
}
