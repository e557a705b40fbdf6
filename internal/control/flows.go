package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/copies"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
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
		Copy: s, Forgotten: p.forgetList, Pacer: p.Stripe.Pacer, Dir: p.dir, Now: p.now, Log: p.options.Log, Workers: p.options.Workers,
	}
	p.Copies = &copies.Service{
		DB: p.DB, Data: p.Runner.Data(), Flows: p.Flow, Pace: p.Stripe.Pace, Egress: p.options.Egress.Addresses, Operator: p.Access.OperatorIn, Now: p.now, Log: p.options.Log,
	}
	p.Hooks = p.Runner.Hooks()
	p.Flow.Queued, p.Flow.Dropped = p.Runner.Nudge, p.Runner.Drop
	return nil
}

// Webhooks returns what manages the endpoint in Stripe of a connection's account,
// for the copy that there must be of it. Accounts are read as how says.
func (c *Control) Webhooks(ctx context.Context, by access.Caller, connection string, how app.Sync) (app.Webhooks, error) {
	stripe := &source.Stripe{URL: how.URL, Now: c.now, Limits: how.Limits, Share: how.Share, Retry: how.Retry}
	flows := &flow.Service{DB: c.DB, Keys: c.Keys, Stripe: stripe, Now: c.now}
	v, err := flows.Connection(ctx, by, connection)
	if err != nil {
		return app.Webhooks{}, said(err)
	}
	cred, err := flows.Credentials(v)
	if err != nil {
		return app.Webhooks{}, said(err)
	}
	account, err := flows.Account(ctx, by, connection)
	if err != nil {
		return app.Webhooks{}, said(err)
	}
	return app.Webhooks{
		Dir: runner.CopyDir(c.dir, by.Sandbox.ID, account), Path: runner.HookPath(by.Sandbox.ID, account), Key: cred.Key, Account: cred.Account, URL: how.URL, Retry: how.Retry,
	}, nil
}

// said makes a failure of the API one for the command line.
func said(err error) error {
	if f, ok := errors.AsType[*gateway.Failure](err); ok {
		return &problem.Error{Kind: problem.Invalid, Detail: f.Detail}
	}
	return err
}
