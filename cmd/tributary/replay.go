package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/tributary-data/tributary/internal/app"
)

type replayCmd struct {
	dirFlag
	Resources  []string `sep:"," placeholder:"A,B" help:"Resources to replay (default: all)."`
	Quarantine bool     `help:"Leave the datasets as they are and try the quarantine alone."`
	Format     string   `enum:"text,json" default:"text" help:"What to print: ${enum}."`
}

// Run replays, and ends with status 3 when objects are held back.
func (c *replayCmd) Run(ctx context.Context) error {
	done, err := app.Replay{Dir: c.Dir, Resources: c.Resources, Quarantine: c.Quarantine}.Run(ctx)
	if len(done) > 0 || err == nil {
		if err := c.print(os.Stdout, done); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if status := app.ReplayStatus(done); status != app.ExitComplete {
		return exit(status)
	}
	return nil
}

func (c *replayCmd) print(w io.Writer, done []app.Replayed) error {
	if c.Format == "json" {
		return printJSON(w, done)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "resource\trows before\trows after\theld back\tfrom quarantine\tsuperseded\tstill there\t")
	var held int64
	for _, r := range done {
		before, after := "-", "-"
		if r.Rebuilt {
			before, after = count(r.RowsBefore), count(r.RowsAfter)
		}
		held += r.Held + r.Refused
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.Resource, before, after, count(r.Held), count(r.Landed), count(r.Superseded), count(r.Refused))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, r := range done {
		if r.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", r.Resource, r.Note)
		}
	}
	if held > 0 {
		fmt.Fprintln(w, `Objects are in quarantine; see tributary query "select resource, id, path, reason from quarantine"`)
	}
	return nil
}

// printJSON prints one document for scripts.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
