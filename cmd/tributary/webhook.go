package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

type webhookCmd struct {
	Create webhookCreateCmd `cmd:"" help:"Make an endpoint in Stripe, and keep its signing secret in the directory."`
	Add    webhookAddCmd    `cmd:"" help:"Keep the signing secret of an endpoint that was made by hand, or was rolled."`
	List   webhookListCmd   `cmd:"" help:"List the account's endpoints and say which are ours."`
	Delete webhookDeleteCmd `cmd:"" help:"Remove an endpoint from Stripe, and forget its secrets."`
}

// webhookFlags are those of the commands that talk to Stripe.
type webhookFlags struct {
	controlFlags
	stripeFlags
	Connection string `placeholder:"ID" help:"Base connection of serve whose account it is about, with its own key. Without it, it is the copy that serve keeps with the key of STRIPE_API_KEY."`
	Sandbox    string `default:"prod" help:"Sandbox of the connection."`
}

func (f webhookFlags) open(ctx context.Context) (w app.Webhooks, err error) {
	if f.Connection == "" {
		key, err := readKey(f.KeyFile)
		return app.Webhooks{Dir: f.Dir, Key: key, Account: f.Account, URL: f.StripeURL}, err
	}
	err = f.as(ctx, func(open *control.Control, by access.Caller) error {
		if by.Sandbox, err = open.Access.Sandbox(ctx, by.Org, f.Sandbox, ""); err != nil {
			return err
		}
		w, err = open.Webhooks(ctx, by, f.Connection, app.Sync{URL: f.StripeURL})
		return err
	})
	return w, err
}

type webhookCreateCmd struct {
	webhookFlags
	URL string `required:"" placeholder:"https://…" help:"Where Stripe shall send events: the public address of serve. Without a path, /webhooks/stripe is added."`
}

// Run makes the endpoint. The secret is not printed.
func (c *webhookCreateCmd) Run(ctx context.Context) error {
	w, err := c.open(ctx)
	if err != nil {
		return err
	}
	made, err := w.Create(ctx, c.URL)
	if err != nil {
		return err
	}
	fmt.Printf("Stripe sends %d types of events to %s (%s, version %s).\nThe signing secret is in %s; a running serve uses it from now on.\n",
		len(made.Events), made.URL, made.ID, made.APIVersion, filepath.Join(w.Dir, "webhooks.json"))
	return nil
}

type webhookAddCmd struct {
	dirFlag
	ID         string `arg:"" optional:"" name:"id" help:"The endpoint, we_…; it tells list and delete which one is meant."`
	SecretFile string `required:"" placeholder:"FILE" help:"File that holds the signing secret (whsec_…), - for standard input."`
	Replace    bool   `help:"Forget the secrets that are known of the endpoint: the old one was leaked or has expired."`
}

// Run keeps the secret.
func (c *webhookAddCmd) Run() error {
	text, err := readSecretFile(c.SecretFile)
	if err != nil {
		return err
	}
	secret, err := stripe.ParseSecret(text)
	if err != nil {
		return err
	}
	if err := (app.Webhooks{Dir: c.Dir}).Add(c.ID, secret, c.Replace); err != nil {
		return err
	}
	fmt.Println("The signing secret is kept; a running serve uses it from now on.")
	return nil
}

func readSecretFile(file string) (string, error) {
	if file == "-" {
		raw, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<16))
		if err != nil {
			return "", fmt.Errorf("the secret on standard input: %w", err)
		}
		return string(raw), nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", &problem.Error{Kind: problem.Invalid, Detail: "the secret's file can't be read", Err: err}
	}
	return string(raw), nil
}

type webhookListCmd struct{ webhookFlags }

// Run lists the endpoints.
func (c *webhookListCmd) Run(ctx context.Context) error {
	w, err := c.open(ctx)
	if err != nil {
		return err
	}
	list, err := w.List(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\tours\tstatus\tversion\tevents\turl")
	for _, e := range list {
		ours, version := "", e.APIVersion
		if e.Ours {
			ours = "yes"
		}
		if version == "" {
			version = "the account's"
		}
		events := fmt.Sprint(len(e.Events))
		if strings.Join(e.Events, "") == "*" {
			events = "all"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, ours, e.Status, version, events, e.URL)
	}
	return t.Flush()
}

type webhookDeleteCmd struct {
	webhookFlags
	ID string `arg:"" name:"id" help:"The endpoint, we_…"`
}

// Run removes the endpoint.
func (c *webhookDeleteCmd) Run(ctx context.Context) error {
	w, err := c.open(ctx)
	if err != nil {
		return err
	}
	if err := w.Delete(ctx, c.ID); err != nil {
		return err
	}
	fmt.Println("Stripe sends nothing to", c.ID, "any more.")
	return nil
}
