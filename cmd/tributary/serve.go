package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/server"
)

type serveCmd struct {
	passFlags
	Listen    string        `default:"127.0.0.1:8080" env:"TRIBUTARY_LISTEN" help:"Where webhooks are awaited, at /webhooks/stripe; port 0 takes a free one."`
	Public    bool          `help:"Allow --listen to name an address that others can reach. Without --tls-cert, a proxy that speaks TLS must stand in front."`
	TLSCert   string        `name:"tls-cert" env:"TRIBUTARY_TLS_CERT" placeholder:"FILE" help:"Certificate with its chain, PEM: serve TLS. It is read again when it changes."`
	TLSKey    string        `name:"tls-key" env:"TRIBUTARY_TLS_KEY" placeholder:"FILE" help:"Key of the certificate, PEM."`
	Every     time.Duration `default:"15m" env:"TRIBUTARY_EVERY" help:"How often to ask Stripe what changed, 1m or more."`
	LogFormat string        `enum:"text,json" default:"text" help:"Form of the log on standard error: ${enum}."`
	Verbose   bool          `short:"v" help:"Log every request that is tried again, too."`
}

// Run keeps the copy up to date until ctx is done.
func (c *serveCmd) Run(ctx context.Context) error {
	if c.Every < app.LeastEvery {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--every %s is less than a minute", c.Every), Advice: "Webhooks bring changes within seconds; see `tributary webhook --help`."}
	}
	srv := &server.Server{Address: c.Listen, Public: c.Public, TLS: server.Files{Cert: c.TLSCert, Key: c.TLSKey}, Log: c.log(), Now: time.Now}
	if err := srv.Reachable(); err != nil {
		return err
	}
	s, err := c.pass()
	if err != nil {
		return err
	}
	s.Log = srv.Log
	k, err := s.Keep(ctx)
	if err != nil {
		return err
	}
	srv.Handler = k.Handler()
	err = c.serve(ctx, k, srv)
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

// serve listens and runs the passes. When ctx is done it takes no more
// webhooks, lets the batch in hand be committed, and returns.
func (c *serveCmd) serve(ctx context.Context, k *app.Keeper, srv *server.Server) error {
	if err := srv.Listen(ctx); err != nil {
		return err
	}
	srv.Log.InfoContext(ctx, "listening", "url", srv.URL(), "dir", c.Dir, "every", c.Every.String())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopped := make(chan error, 1)
	go func() {
		defer cancel() // without the server there is no point in going on
		stopped <- srv.Run(ctx)
	}()
	err := k.Run(ctx, c.Every)
	cancel()
	err = errors.Join(err, <-stopped)
	if err == nil {
		srv.Log.InfoContext(context.WithoutCancel(ctx), "stopped")
	}
	return err
}
