package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

type demoCmd struct {
	Dir    string `default:"./tributary-demo" type:"path" help:"Directory for the demo's copy; an earlier demo's is replaced."`
	Serve  bool   `help:"Go on, and serve the pages and the API over the demo's copy, until Control-C."`
	Listen string `default:"127.0.0.1:8080" help:"With --serve: where; port 0 takes a free one."`
}

// demoMarker is a file in a directory that the demo may remove.
const demoMarker = "made-by-tributary-demo"

// Run shows a backfill, an incremental pass and a first analysis.
func (c *demoCmd) Run(ctx context.Context) error {
	// A build without DuckDB says so now, and not after the copying.
	if db, err := duck.Open(ctx, duck.Catalog{}); err != nil {
		return err
	} else if err := db.Close(); err != nil {
		return err
	}
	if err := c.clear(); err != nil {
		return err
	}
	sim, err := stripesim.New(stripesim.Demo())
	if err != nil {
		return err
	}
	if err := c.experiment(ctx, sim); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Dir, demoMarker), nil, 0o600); err != nil {
		return err
	}
	url, stop, err := serveLocally(sim)
	if err != nil {
		return err
	}
	defer stop()
	key, err := stripe.ParseKey(sim.Key())
	if err != nil {
		return err
	}
	fmt.Printf("A simulated Stripe account answers on %s. Copying it, the way a real one is copied:\n\n", url)
	s := app.Sync{Dir: c.Dir, Key: key, URL: url, Share: 1}
	if err := c.pass(ctx, s); err != nil {
		return err
	}
	const orders = 250
	if err := trade(sim, orders); err != nil {
		return err
	}
	fmt.Printf("\nThe shop sold %d more orders, paid some back, lost some subscribers and forgot some customers. Copying what changed:\n\n", orders)
	if err := c.pass(ctx, s); err != nil {
		return err
	}
	fmt.Println()
	if err := c.compare(ctx); err != nil {
		return err
	}
	if err := c.recommendations(ctx, sim); err != nil {
		return err
	}
	if err := c.result(ctx); err != nil {
		return err
	}
	fmt.Printf(`
It is yours to ask, and any engine that reads Iceberg can read it:

  %[2]s report bnpl --dir %[1]s
  %[2]s report bnpl --dir %[1]s --format html > bnpl.html
  %[2]s experiment results cart-add-on --dir %[1]s
  %[2]s recommend evaluate --key items --dir %[1]s
  %[2]s query --dir %[1]s "select status, count(*) from subscriptions group by 1"
  %[2]s query --dir %[1]s "select * from charges limit 5" --format ndjson
  %[2]s datasets --dir %[1]s

With your own account: STRIPE_API_KEY=rk_live_… %[2]s sync
`, c.shortDir(), program(os.Args[0]))
	if c.Serve {
		return c.serve(ctx, url, sim.Key())
	}
	fmt.Printf("The same on pages: %s demo --serve\n", program(os.Args[0]))
	return nil
}

// program is what to type to run this program again. What `go run` has built is
// gone when it has ended.
func program(name string) string {
	if strings.Contains(name, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/tributary"
	}
	return name
}

// compare prints how the methods of one currency do.
func (c *demoCmd) compare(ctx context.Context) error {
	r, err := app.OpenReader(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	made, err := report.Run(ctx, r, report.Params{Currency: "eur", Section: "methods"})
	if err != nil {
		return err
	}
	return made.Write(os.Stdout, "table")
}

func (c *demoCmd) pass(ctx context.Context, s app.Sync) error {
	view := newProgressView(os.Stderr, true)
	s.Progress = view.show
	report, err := s.Run(ctx)
	view.close()
	if err != nil {
		return err
	}
	if err := printText(os.Stdout, report); err != nil {
		return err
	}
	if status := report.ExitStatus(); status != app.ExitComplete {
		return exit(status)
	}
	return nil
}

// clear removes an earlier demo's directory and nothing else.
func (c *demoCmd) clear() error {
	if _, err := os.Stat(filepath.Join(c.Dir, demoMarker)); err == nil {
		return os.RemoveAll(c.Dir)
	}
	entries, err := os.ReadDir(c.Dir)
	if os.IsNotExist(err) || err == nil && len(entries) == 0 {
		return nil
	}
	return &problem.Error{
		Kind: problem.Invalid, Detail: fmt.Sprintf("%s exists and was not made by the demo", c.Dir), Advice: "Name another directory with --dir",
	}
}

func (c *demoCmd) shortDir() string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, c.Dir); err == nil && len(rel) < len(c.Dir) {
			return rel
		}
	}
	return c.Dir
}

// serveLocally serves a simulated account on a free port of this machine.
func serveLocally(sim *stripesim.Sim) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with ErrServerClosed
	}()
	return "http://" + listener.Addr().String(), func() {
		_ = server.Close() // nothing is in flight any more
		<-done
	}, nil
}

// trade makes the account live on: n orders, and fewer of everything else.
func trade(sim *stripesim.Sim, n int) error {
	steps := []stripesim.Step{
		{Do: "insert", Resource: stripesim.Charges, Count: n},
		{Do: "refund", Resource: stripesim.Refunds, Count: n / 10},
		{Do: "cancel", Resource: stripesim.Subscriptions, Count: n / 25},
		{Do: "delete", Resource: stripesim.Customers, Count: n / 50},
	}
	for _, step := range steps {
		if err := sim.Do(step); err != nil {
			return err
		}
	}
	return nil
}
