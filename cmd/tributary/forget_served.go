package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/erasure"
	"github.com/tributary-data/tributary/internal/problem"
)

// served says whether the directory is an installation of `serve`, which has more
// than a copy.
func (c *privacyDeleteCmd) served() (bool, error) {
	if c.Database != "" || c.Sandbox != "" {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(c.Dir, "control.db"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// everywhere puts a privacy request down, and does it, unless the server is there
// that does.
func (c *privacyDeleteCmd) everywhere(ctx context.Context) error {
	ask := erasure.Ask{Customer: c.Customer, Mode: erasure.KeepBooks}
	if c.Books {
		ask.Mode = erasure.Everything
	}
	return c.as(ctx, func(open *control.Control, by access.Caller) (err error) {
		if c.Sandbox != "" {
			if by.Sandbox, err = open.Access.Sandbox(ctx, by.Org, c.Sandbox, ""); err != nil {
				return err
			}
		}
		held, err := app.Hold(ctx, c.Dir)
		if app.Busy(err) {
			r, err := open.AskErasure(ctx, by, ask)
			if err != nil {
				return err
			}
			return c.print(r)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, held.Close()) }()
		log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
		plane, err := open.Serve(ctx, control.Options{Version: version(), Log: log, Copies: held, Workers: -1})
		if err != nil {
			return err
		}
		r, err := plane.Erase(ctx, by, ask, func(waits string) {
			if waits != "" {
				fmt.Fprintln(os.Stderr, "It waits:", waits)
			}
		})
		if err := errors.Join(err, plane.Close(context.WithoutCancel(ctx))); err != nil {
			return err
		}
		return c.print(r)
	})
}

// print prints what came of a request.
func (c *privacyDeleteCmd) print(r erasure.Request) error {
	if c.Output == "json" {
		if err := printJSON(os.Stdout, r); err != nil {
			return err
		}
	}
	switch {
	case r.State == erasure.Failed:
		return &problem.Error{Kind: problem.Conflict, Detail: "the privacy request " + r.ID + " failed: " + r.Error, Advice: "What was removed by then is removed; ask again"}
	case c.Output == "json":
		return nil
	case r.State != erasure.Complete:
		fmt.Printf("request %s is put down; the server that has %s does it.\nHow far it is: Access › Privacy requests, or GET /data/tributary/privacy/requests/%s\n", r.ID, c.Dir, r.ID)
		return nil
	}
	fmt.Printf("request %s, done at %s\n", r.ID, time.UnixMilli(r.EndedAt).UTC().Format(time.RFC3339))
	for _, step := range r.Steps {
		said := false
		for _, m := range step.Removed {
			switch {
			case m.Count == 0:
				continue
			case m.From == "all":
				fmt.Printf("%s: %s\n", step.Store, count(m.Count))
			default:
				fmt.Printf("%s, %s: %s\n", step.Store, m.From, count(m.Count))
			}
			said = true
		}
		if !said {
			fmt.Printf("%s: nothing\n", step.Store)
		}
	}
	if r.Mode == erasure.KeepBooks {
		fmt.Println("The next passes read balance transactions that went again, without what points to the customer.")
	}
	fmt.Println("Nothing of this customer is kept from now on. Stripe still has the customer: delete it there, too.")
	return nil
}
