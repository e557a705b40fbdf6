package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

type workerCmd struct {
	dirFlag
	urlFlag
	readFlags
	sealFlags
	databaseFlag
	privateFlag
	logFlags
	Workers int `default:"16" env:"TRIBUTARY_WORKERS" help:"How many runs to do at once."`
}

// Run does the runs of dataflows until ctx is done. What is in hand then goes
// to other workers.
func (c *workerCmd) Run(ctx context.Context) error {
	if c.Workers < 1 {
		return problem.Errorf(problem.Invalid, "--workers %d is below 1", c.Workers)
	}
	log := c.log()
	out, err := c.to([]string{cmp.Or(c.StripeURL, stripe.DefaultURL)}, []string{"Stripe's API"})
	if err != nil {
		return err
	}
	o := control.Options{Version: version(), Log: log, Workers: c.Workers}
	if o.Stripe, err = c.how(c.StripeURL); err != nil {
		return err
	}
	o.Stripe.Transport = out.Over(stripe.NewTransport())
	open, err := control.Open(ctx, control.Config{Dir: c.Dir, Database: c.Database, Seal: c.place(c.Dir), Now: time.Now, Existing: true})
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	worker, err := open.Worker(ctx, o)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "working", "dir", c.Dir, "workers", c.Workers)
	err = worker.Work(ctx)
	if err == nil {
		log.InfoContext(context.WithoutCancel(ctx), "stopped")
	}
	return errors.Join(err, worker.Close(context.WithoutCancel(ctx)))
}
