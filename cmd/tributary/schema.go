package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

type schemaCmd struct {
	Show   schemaShowCmd   `cmd:"" help:"List the fields of a resource's schema."`
	Extend schemaExtendCmd `cmd:"" help:"Add the fields of an XDM field group to a resource's schema."`
}

type schemaShowCmd struct {
	dirFlag
	Format   string `enum:"table,json" default:"table" help:"How to print the fields: ${enum}."`
	Resource string `arg:"" help:"charges, subscriptions, refunds, balance_transactions, customers or prices."`
}

// Run lists fields.
func (c *schemaShowCmd) Run(ctx context.Context) error {
	fields, err := app.SchemaFields(ctx, c.Dir, c.Resource)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(os.Stdout, fields)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "path\ttype\ttitle\t")
	for _, f := range fields {
		added := ""
		if f.Added {
			added = "added"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Path, f.Type, f.Title, added)
	}
	return t.Flush()
}

type schemaExtendCmd struct {
	dirFlag
	File string `arg:"" help:"File with the field group as JSON, - for standard input; \"tributary drift --suggest RESOURCE\" prints one."`
}

// maxFieldGroup bounds what is read of a field group, in bytes.
const maxFieldGroup = 4 << 20

// Run takes a field group into use.
func (c *schemaExtendCmd) Run(ctx context.Context) error {
	document, err := readAll(c.File)
	if err != nil {
		return err
	}
	done, err := app.ExtendSchema(ctx, c.Dir, document, time.Now())
	if err != nil {
		return err
	}
	if len(done.Added) == 0 {
		fmt.Printf("%s: the schema has all of %q already.\n", done.Resource, done.Title)
		return nil
	}
	fmt.Printf("%s: %q, version %d, adds %s.\n", done.Resource, done.Title, done.Version, strings.Join(done.Added, ", "))
	fmt.Println(`The next sync fills them for what it writes; "tributary replay" does for the rows that are there.`)
	return nil
}

func readAll(file string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &problem.Error{Kind: problem.Invalid, Detail: "the field group can't be read", Err: err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFieldGroup+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the field group: %w", err)
	case len(text) > maxFieldGroup:
		return nil, &problem.Error{Kind: problem.Invalid, Detail: "the field group is larger than 4 MiB"}
	}
	return text, nil
}

type driftCmd struct {
	dirFlag
	Format  string `enum:"table,json" default:"table" help:"How to print the list: ${enum}."`
	Suggest string `placeholder:"RESOURCE" help:"Print a field group with what is new in a resource instead, ready for \"tributary schema extend\"."`
}

// Run lists what drifted.
func (c *driftCmd) Run(ctx context.Context) error {
	if c.Suggest != "" {
		group, err := app.SuggestExtension(ctx, c.Dir, c.Suggest)
		if err == nil && group == nil {
			err = &problem.Error{Kind: problem.NotFound, Detail: "there is nothing new in " + c.Suggest + " that a schema could describe"}
		}
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(group)
		return err
	}
	list, err := app.Drifts(ctx, c.Dir)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(os.Stdout, list)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "resource\twhat\tpath\tseen\tcount\tfirst seen\tlast seen\texample")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Resource, strings.TrimPrefix(d.Kind, "unknown_"), plain(d.Path), plain(d.Seen), count(d.Count),
			d.FirstSeen.Format(time.DateOnly), d.LastSeen.Format(time.DateOnly), plain(d.Example))
	}
	return t.Flush()
}

// plain writes text from outside so that it can't move the cursor: with escapes
// where there is something to escape.
func plain(text string) string {
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}
