package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/app"
)

type privacyDeleteCmd struct {
	sandboxFlags
	Customer string `required:"" placeholder:"cus_…" help:"The customer whose data is to be removed, by its id at Stripe."`
	Books    bool   `help:"Remove the customer's balance transactions, too. Else they stay for the books, without what points to the customer."`
	DryRun   bool   `help:"Say what would be removed, and remove nothing."`
	Output   string `default:"text" enum:"text,json" help:"text or json."`
}

// Run removes what there is of a customer, and says what that was: in an installation of
// `serve` all that a privacy request removes, else what the copy has.
func (c *privacyDeleteCmd) Run(ctx context.Context) error {
	if served, err := c.served(); err != nil || served && !c.DryRun {
		return errors.Join(err, c.everywhere(ctx))
	}
	r := app.ForgetRequest{Customer: c.Customer, Books: c.Books}
	if c.DryRun {
		would, err := app.TryForget(ctx, c.Dir, r)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return printJSON(os.Stdout, would)
		}
		for _, t := range would.Tables {
			fmt.Printf("%s: %s would go%s\n", t.Table, count(t.Rows), blanked(t.Table, would.Blanked))
		}
		fmt.Printf("quarantine: %s, events not taken in yet: %s\nThat is this copy alone. Nothing was removed.\n", count(would.Quarantine), count(would.Events))
		return nil
	}
	done, err := app.ForgetCustomer(ctx, c.Dir, r)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return printJSON(os.Stdout, done)
	}
	fmt.Printf("request %s, done at %s\n", done.ID, done.Done.Format(time.RFC3339))
	for _, t := range done.Result.Tables {
		fmt.Printf("%s: %s rows removed, files and snapshots of before removed%s\n", t.Table, count(t.Rows), blanked(t.Table, done.Result.Blanked))
	}
	fmt.Printf("quarantine: %s removed, events not taken in yet: %s removed\n", count(done.Result.Quarantine), count(done.Result.Events))
	fmt.Printf("%s rows left in a search of all tables after that\n", count(done.Result.Left))
	fmt.Println("Passes keep nothing of this customer from now on. Stripe still has the customer: delete it there, too.")
	return nil
}

// blanked says what becomes of balance transactions.
func blanked(table string, n int64) string {
	if table != "balance_transactions" || n == 0 {
		return ""
	}
	return fmt.Sprintf("; the next sync reads %s again, without what points to the customer", count(n))
}

type privacyRequestsCmd struct {
	dirFlag
	Output string `default:"text" enum:"text,json" help:"text or json."`
}

// Run lists the requests to remove a customer's data.
func (c *privacyRequestsCmd) Run(ctx context.Context) error {
	all, err := app.Forgettings(ctx, c.Dir)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return printJSON(os.Stdout, all)
	}
	for _, f := range all {
		state := "not done yet: it goes on when the directory is opened"
		if !f.Done.IsZero() {
			state = "done at " + f.Done.Format(time.RFC3339)
		}
		fmt.Printf("%s  asked for at %s, customer %s… (a keyed hash), %s\n", f.ID, f.Requested.Format(time.RFC3339), f.Customer, state)
	}
	if len(all) == 0 {
		fmt.Println("Nobody was removed from this copy.")
	}
	return nil
}
