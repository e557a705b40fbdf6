package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/exposure/shown"
)

type queryCmd struct {
	dirFlag
	Format string `enum:"table,json,ndjson,csv" default:"table" help:"How to print the rows: ${enum}."`
	SQL    string `arg:"" name:"sql" help:"One statement that reads, in DuckDB's SQL. Tables: charges, subscriptions, refunds, balance_transactions, customers, prices; each with _history; xdm.charges and so on as stored; experiments.exposures; quarantine; drift."`
}

// Run prints the rows of one query.
func (c *queryCmd) Run(ctx context.Context) error {
	return query(ctx, c.Dir, c.SQL, c.Format)
}

func query(ctx context.Context, dir, sql, format string) error {
	r, err := app.OpenReader(ctx, dir)
	if err != nil {
		return err
	}
	defer r.Close()
	if shown.Named(sql) {
		if _, err := shown.Load(ctx, r, exposed(ctx, filepath.Join(dir, exposure.Folder))); err != nil {
			return err
		}
	}
	rows, err := r.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	_, err = duck.Write(os.Stdout, rows, format)
	return err
}

// exposed yields the exposures of all sandboxes.
func exposed(ctx context.Context, dir string) iter.Seq2[exposure.Exposure, error] {
	return func(yield func(exposure.Exposure, error) bool) {
		sandboxes, err := exposure.Sandboxes(dir)
		if err != nil {
			yield(exposure.Exposure{}, err)
		}
		for _, s := range sandboxes {
			for e, err := range exposure.All(ctx, dir, s) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

type datasetsCmd struct {
	dirFlag
	Format string `enum:"table,json" default:"table" help:"How to print the list: ${enum}."`
}

// Run lists the tables.
func (c *datasetsCmd) Run(ctx context.Context) error {
	list, err := app.Datasets(ctx, c.Dir)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(list)
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "table\trows\tbytes\tbytes/row\tfiles\tdelete files\tpartition\tlocation")
	for _, d := range list {
		var each int64
		if d.Rows > 0 {
			each = d.Bytes / d.Rows
		}
		partition := d.Partition
		if partition == "none" {
			partition = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", d.Name, count(d.Rows), count(d.Bytes), each, d.DataFiles, d.DeleteFiles, partition, d.Location)
	}
	return t.Flush()
}

type maintainCmd struct {
	dirFlag
	Partition string `enum:"auto,month,none" default:"auto" help:"Rewrite datasets so that rows lie together by the month of their creation, or not: ${enum}. auto is by month above 5 million rows, and never back."`
}

// Run maintains every table and says what was done.
func (c *maintainCmd) Run(ctx context.Context) error {
	return app.Maintain(ctx, c.Dir, c.Partition, func(m app.Maintenance) {
		rewritten := ""
		if m.Partition != "" {
			rewritten = ", partition is now " + string(m.Partition)
		}
		fmt.Printf("%-28s %d → %d files, %d delete files applied, %s rows dropped, %d old snapshots and %d files removed%s\n",
			m.Name, m.FilesBefore, m.FilesAfter, m.DeleteFiles, count(m.RowsRemoved), m.SnapshotsRemoved, m.FilesRemoved, rewritten)
	})
}
