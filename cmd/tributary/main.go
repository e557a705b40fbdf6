// Tributary keeps an exact, queryable copy of a Stripe account in an open
// lake. See the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // zones of reports, where the machine has none

	"github.com/alecthomas/kong"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
)

type cli struct {
	Demo        demoCmd        `cmd:"" help:"Show it all in a minute, against a simulated Stripe account."`
	Sync        syncCmd        `cmd:"" help:"Copy what is missing and what is new from a Stripe account."`
	Serve       serveCmd       `cmd:"" help:"Keep the copy up to date: passes on a schedule, and webhooks."`
	Worker      workerCmd      `cmd:"" help:"Do the runs of dataflows beside serve, on this machine or another one."`
	Webhook     webhookCmd     `cmd:"" help:"Manage the endpoint in Stripe that sends changes to serve."`
	Query       queryCmd       `cmd:"" help:"Run one SQL query over the copy."`
	Audience    audienceCmd    `cmd:"" help:"Audiences: customers of whom something holds."`
	Report      reportCmd      `cmd:"" help:"Reports over the copy: buying now and paying later."`
	Recommend   recommendCmd   `cmd:"" help:"Recommendations of what goes with a cart: how good they are."`
	Experiment  experimentCmd  `cmd:"" help:"What experiments came to, and how large they have to be."`
	Budget      budgetCmd      `cmd:"" help:"Show what of Stripe's read allocation is used, and foresee it for a schedule."`
	Datasets    datasetsCmd    `cmd:"" help:"List the tables of the lake."`
	Maintain    maintainCmd    `cmd:"" help:"Compact tables, apply deletes, expire snapshots, remove leftovers."`
	Replay      replayCmd      `cmd:"" help:"Rebuild datasets from the history under the schema in force, and try the quarantine again; asks nothing of Stripe."`
	Drift       driftCmd       `cmd:"" help:"List what Stripe sent and the schemas do not know."`
	Schema      schemaCmd      `cmd:"" help:"Show and extend the schemas of the datasets."`
	Privacy     privacyCmd     `cmd:"" help:"Drop, hash or mask fields before anything of them is stored."`
	Secret      secretCmd      `cmd:"" help:"Manage the keys that stored credentials are sealed with."`
	Token       tokenCmd       `cmd:"" help:"Print a token for the API, and what a call needs beside it."`
	Integration integrationCmd `cmd:"" help:"Manage the programs that may call the API."`
	AllowList   allowListCmd   `cmd:"" help:"Show and remove lists of addresses that may call the API, for those whom one locked out."`
	Simulate    SimulateCmd    `cmd:"" help:"Serve a simulated Stripe account."`
	SQLWorker   sqlWorkerCmd   `cmd:"" name:"sql-worker" hidden:"" help:"Answer queries for serve, on standard input and output."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// dirFlag is where the copy lives.
type dirFlag struct {
	Dir string `default:"./tributary-data" env:"TRIBUTARY_DIR" type:"path" help:"Directory that holds the copy."`
}

// An exit ends the process with a status, the message being printed already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if bounded() {
		debug.SetMemoryLimit(memoryLimit)
	}
	log.SetOutput(io.Discard) // libraries write there what our errors say better
	var c cli
	parser, err := kong.New(&c,
		kong.Name("tributary"),
		kong.Description("An exact, queryable copy of your Stripe data in an Apache Iceberg lake."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(os.Exit),
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(args[1:], "--help")
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		complain(err)
		fmt.Fprintln(os.Stderr, `Run "tributary --help" for the commands and flags.`)
		return app.ExitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the process at once; nothing is lost by it
	}()
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run()
	var status exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New("stopped")
	}
	complain(err)
	return app.ExitStatusOf(err)
}

// complain prints an error. It may repeat what was typed, which may be a key in
// the wrong place.
func complain(err error) {
	fmt.Fprintln(os.Stderr, "tributary:", stripe.Redact(err.Error()))
}
