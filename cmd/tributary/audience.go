package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/problem"
)

type audienceCmd struct {
	List    audienceListCmd    `cmd:"" help:"Print the audiences of a sandbox."`
	Preview audiencePreviewCmd `cmd:"" help:"Say of how many customers of the directory's own copy a predicate holds, and show some of them."`
	Export  audienceExportCmd  `cmd:"" help:"Print the members of an audience, as they were last worked out."`
}

// sandboxFlags say in which sandbox.
type sandboxFlags struct {
	controlFlags
	Sandbox string `placeholder:"NAME" help:"Sandbox (default: the default one)."`
}

// in does something in the sandbox as the one who has the database in their hands.
func (f sandboxFlags) in(ctx context.Context, do func(*audience.Service, access.Caller) error) error {
	return f.as(ctx, func(open *control.Control, by access.Caller) (err error) {
		if f.Sandbox != "" {
			if by.Sandbox, err = open.Access.Sandbox(ctx, by.Org, f.Sandbox, ""); err != nil {
				return err
			}
		}
		return do(open.Audiences(), by)
	})
}

type audienceListCmd struct{ sandboxFlags }

// Run prints the audiences.
func (c *audienceListCmd) Run(ctx context.Context) error {
	return c.in(ctx, func(s *audience.Service, by access.Caller) error {
		all, err := s.Audiences(ctx, by)
		if err != nil {
			return err
		}
		items := []any{}
		for _, a := range all {
			items = append(items, audience.Show(a))
		}
		return printJSON(os.Stdout, items)
	})
}

type audiencePreviewCmd struct {
	dirFlag
	Predicate string `arg:"" type:"existingfile" help:"File with the predicate, JSON."`
	Sample    int    `default:"10" help:"How many customers to show, at most 100."`
}

// Run prints the preview.
func (c *audiencePreviewCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.Predicate)
	if err != nil {
		return err
	}
	p, err := audience.Parse(text)
	if err != nil {
		return err
	}
	r, err := app.OpenReader(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	seen, err := audience.Try(ctx, r, &p, time.Now(), c.Sample)
	if err != nil {
		return err
	}
	return printJSON(os.Stdout, seen)
}

type audienceExportCmd struct {
	sandboxFlags
	Audience string `arg:"" help:"Name or id."`
	Format   string `enum:"csv,parquet" default:"csv" help:"How to print them: ${enum}."`
}

// Run prints the members.
func (c *audienceExportCmd) Run(ctx context.Context) error {
	return c.in(ctx, func(s *audience.Service, by access.Caller) error {
		a, err := s.Named(ctx, by, c.Audience)
		if err != nil {
			return err
		}
		_, set, err := s.Members(ctx, by, a.ID)
		if err != nil {
			return err
		}
		if set.Generation == "" {
			return &problem.Error{Kind: problem.Conflict, Detail: fmt.Sprintf("the members of the audience %q were not worked out yet", a.Name), Advice: "A running serve does that"}
		}
		if c.Format == "parquet" {
			return set.WriteParquet(os.Stdout)
		}
		return set.WriteCSV(os.Stdout)
	})
}
