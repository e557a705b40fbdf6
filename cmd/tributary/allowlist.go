package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/guard"
)

type allowListCmd struct {
	Show  allowListShowCmd  `cmd:"" help:"Print the list of addresses that may call."`
	Clear allowListClearCmd `cmd:"" help:"Remove the list, so that everybody may call again. It stands in the audit log; a running serve goes by it within seconds."`
}

// levelFlags say whose list it is.
type levelFlags struct {
	controlFlags
	Organisation bool   `xor:"level" required:"" help:"The list of the organisation."`
	Sandbox      string `xor:"level" required:"" placeholder:"NAME" help:"The list of this sandbox."`
}

// level does something with the list as the one who has the database in their
// hands.
func (f levelFlags) level(ctx context.Context, do func(*control.Control, access.Caller, guard.Level) error) error {
	return f.as(ctx, func(open *control.Control, by access.Caller) error {
		if f.Organisation {
			return do(open, by, guard.Organization)
		}
		var err error
		if by.Sandbox, err = open.Access.Sandbox(ctx, by.Org, f.Sandbox, ""); err != nil {
			return err
		}
		return do(open, by, guard.Sandbox)
	})
}

type allowListShowCmd struct{ levelFlags }

// Run prints the list.
func (c *allowListShowCmd) Run(ctx context.Context) error {
	return c.level(ctx, func(open *control.Control, by access.Caller, level guard.Level) error {
		l, err := open.AllowList(ctx, by, level)
		if err != nil {
			return err
		}
		return printJSON(os.Stdout, l)
	})
}

type allowListClearCmd struct{ levelFlags }

// Run removes the list.
func (c *allowListClearCmd) Run(ctx context.Context) error {
	return c.level(ctx, func(open *control.Control, by access.Caller, level guard.Level) error {
		if err := open.ClearAllowList(ctx, by, level); err != nil {
			return err
		}
		fmt.Printf("The %s has no list of addresses any more: it can be called from everywhere.\n", level)
		return nil
	})
}
