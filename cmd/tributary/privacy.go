package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

type privacyCmd struct {
	Set   privacySetCmd   `cmd:"" help:"Put rules in force, for what is stored already too."`
	Show  privacyShowCmd  `cmd:"" help:"Print the rules in force, as set takes them."`
	Clear privacyClearCmd `cmd:"" help:"Put no rules in force."`

	Delete   privacyDeleteCmd   `cmd:"" help:"Remove all that the copy has of a customer, and keep nothing of it that comes later."`
	Requests privacyRequestsCmd `cmd:"" help:"List the customers that were removed, without naming them."`
}

type privacySetCmd struct {
	dirFlag
	File string `arg:"" name:"file" help:"JSON: {\"rules\": [{\"resource\": \"*\", \"path\": \"**.email\", \"do\": \"hash\"}]}; do is drop, hash or mask. - for standard input."`
}

// Run puts rules in force and says what became of what was stored.
func (c *privacySetCmd) Run(ctx context.Context) error {
	text, err := readRules(c.File)
	if err != nil {
		return err
	}
	return setPrivacy(ctx, c.Dir, text)
}

type privacyShowCmd struct{ dirFlag }

// Run prints the rules.
func (c *privacyShowCmd) Run(ctx context.Context) error {
	text, err := app.PrivacyRules(ctx, c.Dir)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

type privacyClearCmd struct{ dirFlag }

// Run puts no rules in force.
func (c *privacyClearCmd) Run(ctx context.Context) error {
	if _, err := app.PrivacyRules(ctx, c.Dir); err != nil {
		return err // there is no such directory, and none is made for this
	}
	return setPrivacy(ctx, c.Dir, []byte(`{"rules":[]}`))
}

// readRules reads a file of rules, - being standard input.
func readRules(file string) ([]byte, error) {
	const most = 1<<20 + 1 // a byte more than is allowed
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &problem.Error{Kind: problem.Invalid, Detail: "the privacy rules can't be read", Err: err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return nil, fmt.Errorf("the privacy rules: %w", err)
	}
	return text, nil
}

func setPrivacy(ctx context.Context, dir string, text []byte) error {
	change, err := app.SetPrivacy(ctx, dir, text)
	if err != nil {
		return err
	}
	inForce := fmt.Sprintf("%d privacy rules are in force", change.Rules)
	switch change.Rules {
	case 0:
		inForce = "no privacy rules are in force"
	case 1:
		inForce = "1 privacy rule is in force"
	}
	if change.Changed {
		fmt.Printf("%s (version %d)\n", inForce, change.Version)
	} else {
		fmt.Printf("%s, as before\n", inForce)
	}
	for _, t := range change.Tables {
		fmt.Printf("%s: %s versions and %s rows rewritten, files and snapshots of before removed\n", t.Resource, count(t.Versions), count(t.Rows))
	}
	if change.Quarantine > 0 {
		fmt.Printf("quarantine: %s objects rewritten\n", count(change.Quarantine))
	}
	if change.Changed && change.Relaxed {
		fmt.Println(`What the rules before took from stored objects is gone; it comes back as objects change, or with "tributary sync --reconcile".`)
	}
	return nil
}
