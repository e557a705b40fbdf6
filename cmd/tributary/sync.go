package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// stripeFlags say which account is meant.
type stripeFlags struct {
	urlFlag
	KeyFile string `placeholder:"FILE" help:"File that holds the Stripe key, - for standard input (default: the environment's STRIPE_API_KEY)."`
	Account string `env:"TRIBUTARY_ACCOUNT" placeholder:"acct_…" help:"Connected account to read with a platform's key."`
}

// urlFlag is where Stripe is.
type urlFlag struct {
	StripeURL string `env:"TRIBUTARY_STRIPE_URL" placeholder:"URL" help:"Where Stripe's API is."`
}

// readFlags say how accounts are read, whosever they are.
type readFlags struct {
	RateShare      float64       `default:"0.6" env:"TRIBUTARY_RATE_SHARE" help:"Share of the account's rate limits to use, above 0 and at most 1."`
	RateLimit      string        `env:"TRIBUTARY_RATE_LIMIT" placeholder:"G/E" help:"The account's limits in requests per second, all together / for each endpoint, or none (default: Stripe's own for the key's mode)."`
	ReconcileEvery time.Duration `placeholder:"DURATION" env:"TRIBUTARY_RECONCILE_EVERY" help:"Reconcile by itself when the last time was longer ago than this, for example 168h (default: never)."`
	BudgetWarn     float64       `default:"0.8" env:"TRIBUTARY_BUDGET_WARN" help:"Warn when this share of the reads that Stripe allows in 30 days is used or foreseen; 0 for never."`
	BudgetStop     string        `env:"TRIBUTARY_BUDGET_STOP" placeholder:"N|SHARE" help:"Stop before more reads than this are made in 30 days: a number (9000), or a share of what Stripe allows (0.9)."`
}

// passFlags say what a pass reads, and from where.
type passFlags struct {
	dirFlag
	stripeFlags
	readFlags
	Resources []string `sep:"," placeholder:"A,B" help:"Resources to read (default: all six)."`
	Since     string   `placeholder:"DATE" help:"Leave out what was created before this day (2026-01-31, UTC)."`
	NoHistory bool     `help:"Keep the latest state only: no history, no raw JSON. Decided by the first pass of a directory."`
}

type syncCmd struct {
	passFlags
	Reconcile     bool   `help:"Compare all that is stored with all that Stripe lists, repair the copy and print a proof."`
	AcceptDeletes bool   `help:"With --reconcile: mark everything deleted that is not in Stripe any more, however much it is."`
	Output        string `enum:"text,json" default:"text" help:"What to print: ${enum}."`
	Verbose       bool   `short:"v" help:"Log what happens, to standard error."`
	Profile       string `hidden:"" type:"path" help:"Write a CPU profile to this file."`
}

// Run does one pass and prints what came of it.
func (c *syncCmd) Run(ctx context.Context) error {
	s, err := c.pass()
	if err != nil {
		return err
	}
	s.Reconcile, s.AcceptDeletes = c.Reconcile, c.AcceptDeletes
	if c.AcceptDeletes && !c.Reconcile {
		return &problem.Error{Kind: problem.Invalid, Detail: "--accept-deletes is a part of --reconcile", Advice: "Name both."}
	}
	if c.Verbose {
		s.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	view := newProgressView(os.Stderr, c.Output == "text")
	s.Progress = view.show
	report, err := s.Run(ctx)
	view.close()
	if err != nil && (report == nil || c.Output == "text") {
		return err
	}
	for _, w := range report.Budget.Warnings {
		fmt.Fprintln(os.Stderr, "tributary: warning:", w)
	}
	if err := errors.Join(err, printReport(os.Stdout, report, c.Output)); err != nil {
		return err
	}
	if status := report.ExitStatus(); status != app.ExitComplete {
		return exit(status)
	}
	return nil
}

// pass returns the pass that the flags ask for.
func (c *passFlags) pass() (app.Sync, error) {
	s, err := c.how(c.StripeURL)
	if err != nil {
		return s, err
	}
	s.Dir, s.Account, s.Resources, s.NoHistory = c.Dir, c.Account, c.Resources, c.NoHistory
	if s.Key, err = readKey(c.KeyFile); err != nil {
		return s, err
	}
	if c.Since != "" {
		if s.Since, err = time.Parse(time.DateOnly, c.Since); err != nil {
			return s, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--since %q is not a date", c.Since), Advice: "Write it as 2026-01-31."}
		}
	}
	return s, nil
}

// how says how accounts are read from a Stripe at that URL.
func (c *readFlags) how(url string) (app.Sync, error) {
	s := app.Sync{URL: url, Share: c.RateShare, ReconcileEvery: c.ReconcileEvery, Warn: c.BudgetWarn}
	var err error
	if s.Limits, err = parseLimits(c.RateLimit); err != nil {
		return s, err
	}
	s.Stop, err = parseBound(c.BudgetStop)
	return s, err
}

// readKey takes the key from where secrets belong: never from an argument,
// which every process on the machine can see.
func readKey(file string) (stripe.Key, error) {
	const advice = "Set STRIPE_API_KEY, or name a file with --key-file (- for standard input)."
	var text string
	switch file {
	case "":
		text = os.Getenv("STRIPE_API_KEY")
		if text == "" {
			return stripe.Key{}, &problem.Error{Kind: problem.Invalid, Detail: "no Stripe key was given", Advice: advice}
		}
	case "-":
		raw, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<16))
		if err != nil {
			return stripe.Key{}, fmt.Errorf("the key on standard input: %w", err)
		}
		text = string(raw)
	default:
		raw, err := os.ReadFile(file)
		if err != nil {
			return stripe.Key{}, &problem.Error{Kind: problem.Invalid, Detail: "the key file can't be read", Err: err}
		}
		text = string(raw)
	}
	return stripe.ParseKey(text)
}

func parseLimits(text string) (*stripe.Limits, error) {
	switch text {
	case "":
		return nil, nil
	case "none":
		return &stripe.Limits{}, nil
	}
	global, endpoint, ok := strings.Cut(text, "/")
	g, err1 := strconv.ParseFloat(global, 64)
	e, err2 := strconv.ParseFloat(endpoint, 64)
	if !ok || err1 != nil || err2 != nil || !(g > 0 && e > 0) || math.IsInf(g+e, 0) {
		return nil, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--rate-limit %q is not a pair of limits", text), Advice: "Write 100/25 for 100 requests per second in all and 25 for each endpoint, or none."}
	}
	return &stripe.Limits{Global: g, Endpoint: e}, nil
}

func printReport(w io.Writer, r *app.Report, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	return printText(w, r)
}
