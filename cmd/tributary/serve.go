package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

type serveCmd struct {
	dirFlag
	Listen         string        `default:"127.0.0.1:8080" env:"TRIBUTARY_LISTEN" placeholder:"HOST:PORT" help:"Where webhooks are awaited, at /webhooks/stripe; port 0 takes a free one."`
	Public         bool          `help:"Allow --listen to name an address that others can reach. A proxy that speaks TLS must stand in front."`
	Every          time.Duration `default:"15m" env:"TRIBUTARY_EVERY" help:"How often to ask Stripe what changed, 1m or more."`
	Resources      []string      `sep:"," placeholder:"A,B" help:"Resources to read (default: all six)."`
	KeyFile        string        `placeholder:"FILE" help:"File that holds the Stripe key, - for standard input (default: the environment's STRIPE_API_KEY)."`
	StripeURL      string        `env:"TRIBUTARY_STRIPE_URL" placeholder:"URL" help:"Where Stripe's API is."`
	Account        string        `env:"TRIBUTARY_ACCOUNT" placeholder:"acct_…" help:"Connected account to read with a platform's key."`
	Since          string        `placeholder:"DATE" help:"Leave out what was created before this day (2026-01-31, UTC)."`
	RateShare      float64       `default:"0.6" env:"TRIBUTARY_RATE_SHARE" help:"Share of the account's rate limits to use, above 0 and at most 1."`
	RateLimit      string        `env:"TRIBUTARY_RATE_LIMIT" placeholder:"G/E" help:"The account's limits, as for sync."`
	NoHistory      bool          `help:"Keep the latest state only: no history, no raw JSON. Decided by the first pass of a directory."`
	ReconcileEvery time.Duration `placeholder:"168h" env:"TRIBUTARY_RECONCILE_EVERY" help:"Compare everything with Stripe when the last time was longer ago than this."`
	BudgetWarn     float64       `default:"0.8" env:"TRIBUTARY_BUDGET_WARN" help:"Warn when this share of the reads that Stripe allows in 30 days is used or foreseen; 0 for never."`
	BudgetStop     string        `env:"TRIBUTARY_BUDGET_STOP" placeholder:"N|SHARE" help:"Stop before more reads than this are made in 30 days: a number (9000), or a share of what Stripe allows (0.9)."`
	LogFormat      string        `enum:"text,json" default:"text" help:"Form of the log on standard error: ${enum}."`
	Verbose        bool          `short:"v" help:"Log every request that is tried again, too."`
}

// Run keeps the copy up to date until ctx is done.
func (c *serveCmd) Run(ctx context.Context) error {
	if c.Every < app.LeastEvery {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--every %s is less than a minute", c.Every), Advice: "Webhooks bring changes within seconds; see `tributary webhook --help`."}
	}
	if err := c.reachable(); err != nil {
		return err
	}
	s, err := (&syncCmd{
		dirFlag: c.dirFlag, Resources: c.Resources, KeyFile: c.KeyFile, StripeURL: c.StripeURL, Account: c.Account,
		Since: c.Since, RateShare: c.RateShare, RateLimit: c.RateLimit, NoHistory: c.NoHistory,
		ReconcileEvery: c.ReconcileEvery, BudgetWarn: c.BudgetWarn, BudgetStop: c.BudgetStop,
	}).pass()
	if err != nil {
		return err
	}
	s.Log = c.log()
	k, err := s.Keep(ctx)
	if err != nil {
		return err
	}
	err = c.serve(ctx, k, s.Log)
	return errors.Join(err, k.Close())
}

func (c *serveCmd) log() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if c.Verbose {
		options.Level = slog.LevelDebug
	}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// reachable refuses an address that others could reach without TLS, unless the
// user says that it is not so.
func (c *serveCmd) reachable() error {
	if c.Public || loopback(c.Listen) == nil {
		return nil
	}
	return &problem.Error{
		Kind: problem.Invalid, Detail: fmt.Sprintf("--listen %q is not a loopback address, and what is served there is not encrypted", c.Listen),
		Advice: "Listen on 127.0.0.1 behind a proxy that speaks TLS, or say with --public that one stands in front",
	}
}

// serve listens and runs the passes. When ctx is done it takes no more
// webhooks, lets the batch in hand be committed, and returns.
func (c *serveCmd) serve(ctx context.Context, k *app.Keeper, log *slog.Logger) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return &problem.Error{
			Kind: problem.Conflict, Detail: "cannot listen on " + c.Listen, Err: err,
			Advice: "Choose another address with --listen; port 0 takes a free one",
		}
	}
	log.InfoContext(ctx, "listening", "url", "http://"+l.Addr().String(), "dir", c.Dir, "every", c.Every.String())
	srv := &http.Server{
		Handler: k.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan error, 1)
	go func() {
		defer cancel() // without the server there is no point in going on
		stopped <- srv.Serve(l)
	}()
	shut := make(chan struct{})
	go func() {
		defer close(shut)
		<-ctx.Done()
		grace, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // a request that stalls is cut off
		}
	}()
	err = k.Run(ctx, c.Every)
	cancel()
	<-shut
	if e := <-stopped; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve: %w", e))
	}
	if err == nil {
		log.InfoContext(context.WithoutCancel(ctx), "stopped")
	}
	return err
}
