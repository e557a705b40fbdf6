package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// SimulateCmd serves a made-up Stripe account on the loopback interface.
type SimulateCmd struct {
	Listen string `default:"127.0.0.1:12121" help:"Loopback address to listen on; port 0 takes a free one." env:"TRIBUTARY_SIMULATE_LISTEN"`
	Seed   uint64 `default:"1" help:"The same seed and dates make the same account."`

	Charges       int `default:"12000" help:"How many charges."`
	Customers     int `default:"3000" help:"How many customers."`
	Subscriptions int `default:"1200" help:"How many subscriptions."`
	Prices        int `default:"60" help:"How many listed prices."`

	Start string `placeholder:"DATE" help:"Time of the oldest objects, 2026-01-31 or RFC 3339. Default: two years before the newest."`
	End   string `placeholder:"DATE" help:"Time of the newest objects, where the account's clock begins. Default: now."`

	Burst    int     `placeholder:"N" help:"So many objects of each resource within one second."`
	HeavyDay float64 `placeholder:"SHARE" help:"Share of the objects that fall on one day, for example 0.3."`
	Silences int     `placeholder:"N" help:"Long stretches without any object, at most 4."`
	Novelty  bool    `help:"Mix in payment methods, fields and values that nobody has heard of."`
	OddIDs   bool    `name:"odd-ids" help:"Give some customers ids that a merchant chose."`

	Complements bool `help:"Let articles be bought together with those that they go with, instead of at random."`

	Account     string        `placeholder:"acct_…" help:"Account id."`
	Mode        string        `default:"test" enum:"test,live" help:"Mode of the account's data: test or live."`
	LiveLimits  bool          `help:"Live mode with Stripe's limits: 100 requests per second, 25 per endpoint." xor:"limits"`
	Limits      string        `placeholder:"GLOBAL/ENDPOINT" help:"Requests per second, for example 25/25." xor:"limits"`
	Latency     time.Duration `help:"Time that an answer takes, for example 150ms."`
	LatencySkew float64       `placeholder:"SIGMA" help:"Make the latency lognormal with this standard deviation of the logarithm."`
	Faults      string        `placeholder:"FILE" type:"existingfile" help:"Fault plan, as JSON."`
	Gzip        bool          `help:"Compress answers for clients that accept it."`
	Webhooks    bool          `help:"Deliver events, as they happen, to the account's webhook endpoints on this machine."`
}

// Run serves until ctx is done.
func (c *SimulateCmd) Run(ctx context.Context) error { return c.serve(ctx, os.Stdout) }

// serve prints how to reach the account to out, and serves it.
func (c *SimulateCmd) serve(ctx context.Context, out io.Writer) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := loopback(c.Listen); err != nil {
		return err
	}
	sim, err := stripesim.New(cfg)
	if err != nil {
		return &problem.Error{Kind: problem.Invalid, Detail: "the simulated account cannot be made", Err: err}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return &problem.Error{
			Kind: problem.Conflict, Detail: "cannot listen on " + c.Listen, Err: err,
			Advice: "Choose another address with --listen; port 0 takes a free one",
		}
	}
	describe(out, sim, l.Addr())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveUntil(ctx, l, sim) })
	if c.Webhooks {
		group.Go(func() error { return sim.KeepDelivering(ctx, stripesim.DeliverOptions{Parallel: 8}) })
	}
	return group.Wait()
}

func (c *SimulateCmd) config() (stripesim.Config, error) {
	cfg := stripesim.Config{
		Seed: c.Seed, AccountID: c.Account, Mode: stripesim.Mode(c.Mode),
		Counts:  stripesim.Counts{Charges: c.Charges, Customers: c.Customers, Subscriptions: c.Subscriptions, Prices: c.Prices},
		Shape:   stripesim.Shape{Burst: c.Burst, HeavyDay: c.HeavyDay, Silences: c.Silences},
		Latency: stripesim.Latency{Median: c.Latency, Sigma: c.LatencySkew},
		Novelty: c.Novelty, OddIDs: c.OddIDs, Complements: c.Complements, Gzip: c.Gzip,
	}
	var errs []error
	var err error
	cfg.Start, err = date("start", c.Start)
	errs = append(errs, err)
	cfg.End, err = date("end", c.End)
	errs = append(errs, err)
	cfg.Limits, err = limits(c.Limits)
	errs = append(errs, err)
	if c.LiveLimits {
		cfg.Mode, cfg.Limits = stripesim.Live, stripesim.Limits{Global: 100, Endpoint: 25}
	}
	cfg.Plan, err = plan(c.Faults)
	errs = append(errs, err)
	return cfg, errors.Join(errs...)
}

func date(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--%s %q is neither a date like 2026-01-31 nor a time as in RFC 3339", flag, s)}
}

func limits(s string) (stripesim.Limits, error) {
	if s == "" {
		return stripesim.Limits{}, nil
	}
	global, endpoint, ok := strings.Cut(s, "/")
	g, err1 := strconv.ParseFloat(global, 64)
	e, err2 := strconv.ParseFloat(endpoint, 64)
	if !ok || err1 != nil || err2 != nil || g < 0 || e < 0 {
		return stripesim.Limits{}, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--limits %q is not GLOBAL/ENDPOINT, for example 100/25", s)}
	}
	return stripesim.Limits{Global: g, Endpoint: e}, nil
}

func plan(file string) (stripesim.Plan, error) {
	var p stripesim.Plan
	if file == "" {
		return p, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return p, &problem.Error{Kind: problem.Invalid, Detail: "the fault plan cannot be read", Err: err}
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, &problem.Error{Kind: problem.Invalid, Detail: "the fault plan " + file + " is not valid", Err: err}
	}
	return p, nil
}

// loopback refuses addresses that others could reach: the account accepts
// made-up keys.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback()) {
		return nil
	}
	return &problem.Error{
		Kind: problem.Invalid, Detail: fmt.Sprintf("--listen %q is not a loopback address", address),
		Advice: "Use 127.0.0.1:PORT",
	}
}

func describe(out io.Writer, sim *stripesim.Sim, at net.Addr) {
	account, mode := sim.Account()
	fmt.Fprintf(out, "simulated Stripe account %s (%s mode)\n", account, mode)
	for _, r := range stripesim.Resources() {
		fmt.Fprintf(out, "  %-21s %d\n", r, sim.Count(r))
	}
	fmt.Fprintf(out, "key %s\n", sim.Key())
	fmt.Fprintf(out, "listening on http://%s\n", at)
}

// serveUntil serves until ctx is done, then lets requests under way finish.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Serve(l) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close() // a stalled answer is cut off
	}
	if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
