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
	passFlags
	Listen    string        `default:"127.0.0.1:8080" env:"TRIBUTARY_LISTEN" help:"Where webhooks are awaited, at /webhooks/stripe; port 0 takes a free one."`
	Public    bool          `help:"Allow --listen to name an address that others can reach. A proxy that speaks TLS must stand in front."`
	Every     time.Duration `default:"15m" env:"TRIBUTARY_EVERY" help:"How often to ask Stripe what changed, 1m or more."`
	LogFormat string        `enum:"text,json" default:"text" help:"Form of the log on standard error: ${enum}."`
	Verbose   bool          `short:"v" help:"Log every request that is tried again, too."`
}

// Run keeps the copy up to date until ctx is done.
func (c *serveCmd) Run(ctx context.Context) error {
	if c.Every < app.LeastEvery {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--every %s is less than a minute", c.Every), Advice: "Webhooks bring changes within seconds; see `tributary webhook --help`."}
	}
	if err := c.reachable(); err != nil {
		return err
	}
	s, err := c.pass()
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
