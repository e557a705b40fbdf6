package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A TableState is a table at one of its commits.
type TableState struct {
	Name     string
	Metadata string // URI of the metadata file
	Location string // URI of the folder
	Format   int    // version of Iceberg's format
	Snapshot int64  // 0 for an empty table
	Rows     int64  // live ones; with delete files an estimate
	Bytes    int64
	Files    int64 // of data
	Deletes  int64 // delete files that readers must apply
	// Table is how it is read; the youngest files come first.
	Table duck.Table
}

// TableStateOf returns the state of a table of a lake; problem.NotFound.
func TableStateOf(ctx context.Context, l *lake.Lake, name string) (TableState, error) {
	t, err := l.Load(ctx, name)
	if err != nil {
		return TableState{}, err
	}
	s := TableState{Name: name}
	if s.Table, err = planned(ctx, t); err != nil {
		return TableState{}, err
	}
	// Behind the plan, which may have had to look again.
	s.Metadata, s.Location, s.Format, s.Snapshot = t.MetadataLocation(), t.Location(), t.FormatVersion(), t.SnapshotID()
	s.Rows, s.Bytes, s.Files, s.Deletes = t.Rows(), t.Bytes(), t.DataFiles(), t.DeleteFiles()
	youngestFirst(&s.Table)
	return s, nil
}

func youngestFirst(t *duck.Table) {
	slices.SortStableFunc(t.Files, func(a, b duck.File) int { return cmp.Compare(b.Seq, a.Seq) })
}

// A CopyState is the copy of an account at one of its commits.
type CopyState struct {
	Resources []duck.Resource
	Tables    map[string]TableState // by name, those that are there
}

// CopyVersion returns a text that is another one with every commit to the copy in
// dir, "" while there is none; problem.NotFound where dir is none of ours.
func CopyVersion(ctx context.Context, dir string) (string, error) {
	l, err := lake.OpenReadOnly(ctx, dir)
	if err != nil {
		return "", err
	}
	defer l.Close()
	all, err := l.Versions(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains(xdm.Resources, strings.TrimSuffix(name, "_history")) {
			fmt.Fprintf(&b, "%s %s\n", name, all[name])
		}
	}
	return b.String(), nil
}

// CopyStateOf returns the state of the copy in dir, beside whoever writes it. Of
// what stands in its lake, it looks at Stripe's resources alone.
func CopyStateOf(ctx context.Context, dir string) (c CopyState, err error) {
	l, store, err := openReadOnly(ctx, dir)
	if err != nil {
		return c, err
	}
	defer l.Close()
	defer store.Close()
	drifts, err := store.Drifts(ctx)
	if err != nil {
		return c, err
	}
	tables, err := l.Tables(ctx)
	if err != nil {
		return c, err
	}
	if c.Resources, err = resourceViews(ctx, l, store, tables, drifts); err != nil {
		return c, err
	}
	c.Tables = map[string]TableState{}
	for i := range c.Resources {
		r := &c.Resources[i]
		for name, into := range map[string]*duck.Table{r.Name: &r.Dataset, r.Name + "_history": r.History} {
			if into == nil || !slices.Contains(tables, name) {
				continue
			}
			s, err := TableStateOf(ctx, l, name)
			if err != nil {
				return c, err
			}
			*into, c.Tables[name] = s.Table, s
		}
	}
	return c, nil
}
