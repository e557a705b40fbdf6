package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

type budgetCmd struct {
	dirFlag
	Every  time.Duration `placeholder:"15m" help:"Foresee a sync every so often (default: as often as it was run so far)."`
	Warn   float64       `name:"budget-warn" default:"0.8" env:"TRIBUTARY_BUDGET_WARN" help:"Warn above this share of what Stripe allows; 0 for never."`
	Format string        `enum:"table,json" default:"table" help:"What to print: ${enum}."`
}

// Run prints where the account stands. It asks Stripe nothing.
func (c *budgetCmd) Run(ctx context.Context) error {
	if c.Every < 0 {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--every %s is below 0", c.Every)}
	}
	a, err := app.ReadBudget(ctx, c.Dir, c.Every, c.Warn)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(a)
	}
	return printBudget(os.Stdout, a)
}

func printBudget(w io.Writer, a *app.Account) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "endpoint\treads in 30 days\trefused\t")
	for _, e := range a.Endpoints {
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", e.Endpoint, count(e.Count), count(e.Refused))
	}
	fmt.Fprintf(t, "all\t%s\t\t\n", count(a.Used))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nStripe allows this account %s reads in 30 days (%s for each of %s transactions, %s at least); %s are left.\n",
		count(a.Allowance), "500", count(a.Transactions), count(a.Floor), count(a.Remaining))
	if len(a.Days) > 0 {
		first := a.Days[0]
		fmt.Fprintf(w, "The oldest, %s of %s, leave the window on %s.\n", count(first.Count), first.Day, first.Free)
	}
	if a.Forecast > 0 {
		fmt.Fprintf(w, "A sync every %s takes about %s in 30 days, backfills aside.\n", every(a.Every), count(a.Forecast))
	}
	for _, said := range a.Warnings {
		fmt.Fprintln(w, "Warning: "+said+".")
	}
	return nil
}

// every writes a time between two passes: 15m, 24h.
func every(seconds int64) string {
	s := (time.Duration(seconds) * time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// parseBound reads a number of reads, or a share of the allowance, which has a
// decimal point.
func parseBound(text string) (app.Bound, error) {
	if text == "" {
		return app.Bound{}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		return app.Bound{Reads: n, Set: true}, nil
	}
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.Contains(text, ".") || !(share > 0) || math.IsInf(share, 0) {
		return app.Bound{}, &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("--budget-stop %q is no bound", text),
			Advice: "Write 9000 for a number of reads in 30 days, or 0.9 for a share of what Stripe allows.",
		}
	}
	return app.Bound{Share: share, Set: true}, nil
}
